package codedeploy

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateApplication makes an application of the Lambda compute platform, which must be named: AWS's default is Server.
func (s *Service) CreateApplication(ctx context.Context, in *sdk.CreateApplicationInput) (*sdk.CreateApplicationOutput, error) {
	name, err := applicationName(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	switch in.ComputePlatform {
	case types.ComputePlatformLambda:
	case types.ComputePlatformEcs, types.ComputePlatformServer, "":
		return nil, &types.InvalidComputePlatformException{Message: text(
			"The compute platform %s is not served here: give computePlatform Lambda", cmp.Or(string(in.ComputePlatform), "Server (the default)"))}
	default:
		return nil, &types.InvalidComputePlatformException{Message: text("Invalid compute platform: %s", in.ComputePlatform)}
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.applications[name] != nil:
		return nil, &types.ApplicationAlreadyExistsException{Message: text("Application already exists: %s", name)}
	case len(s.applications) >= maxApplications:
		return nil, &types.ApplicationLimitExceededException{Message: text("There are %d applications already", maxApplications)}
	}
	a := &applicationRecord{ID: uuid.NewString(), Name: name, Created: s.clock.Now(), Tags: tags}
	if err := s.save(ctx, bucketApplications, a.ID, a); err != nil {
		return nil, err
	}
	s.applications[name] = a
	return &sdk.CreateApplicationOutput{ApplicationId: &a.ID}, nil
}

// GetApplication tells about an application.
func (s *Service) GetApplication(_ context.Context, in *sdk.GetApplicationInput) (*sdk.GetApplicationOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	info := applicationInfo(a)
	return &sdk.GetApplicationOutput{Application: &info}, nil
}

// BatchGetApplications tells about up to 100 applications; those that do not exist are left out.
func (s *Service) BatchGetApplications(_ context.Context, in *sdk.BatchGetApplicationsInput) (*sdk.BatchGetApplicationsOutput, error) {
	switch n := len(in.ApplicationNames); {
	case n == 0:
		return nil, &types.ApplicationNameRequiredException{Message: text("An application name must be specified")}
	case n > maxBatch:
		return nil, tooMany(maxBatch, "application names")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &sdk.BatchGetApplicationsOutput{ApplicationsInfo: []types.ApplicationInfo{}}
	for _, name := range in.ApplicationNames {
		if _, err := applicationName(&name); err != nil {
			return nil, err
		}
		if a := s.applications[name]; a != nil {
			out.ApplicationsInfo = append(out.ApplicationsInfo, applicationInfo(a))
		}
	}
	return out, nil
}

// ListApplications lists the names of all applications.
func (s *Service) ListApplications(_ context.Context, in *sdk.ListApplicationsInput) (*sdk.ListApplicationsOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names, next, err := page(slices.Sorted(maps.Keys(s.applications)), in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	return &sdk.ListApplicationsOutput{Applications: names, NextToken: next}, nil
}

// UpdateApplication renames an application.
func (s *Service) UpdateApplication(ctx context.Context, in *sdk.UpdateApplicationInput) (*sdk.UpdateApplicationOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	if in.NewApplicationName == nil {
		return &sdk.UpdateApplicationOutput{}, nil
	}
	name, err := applicationName(in.NewApplicationName)
	if err != nil {
		return nil, err
	}
	if s.applications[name] != nil {
		return nil, &types.ApplicationAlreadyExistsException{Message: text("Application already exists: %s", name)}
	}
	renamed := *a
	renamed.Name = name
	if err := s.save(ctx, bucketApplications, a.ID, &renamed); err != nil {
		return nil, err
	}
	delete(s.applications, a.Name)
	s.applications[name] = &renamed
	return &sdk.UpdateApplicationOutput{}, nil
}

// DeleteApplication deletes an application with its groups and revisions. As on AWS, one that does not exist is no error.
// A deployment that is under way goes on: it holds what it needs.
func (s *Service) DeleteApplication(ctx context.Context, in *sdk.DeleteApplicationInput) (*sdk.DeleteApplicationOutput, error) {
	name, err := applicationName(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.applications[name]
	if a == nil {
		return &sdk.DeleteApplicationOutput{}, nil
	}
	b := &store.Batch{}
	b.Delete(bucketApplications, a.ID)
	groups := s.groupsOf(a)
	for _, g := range groups {
		b.Delete(bucketGroups, g.ID)
	}
	revisions := s.revisionsOf(a)
	for _, key := range revisions {
		b.Delete(bucketRevisions, key)
	}
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	delete(s.applications, name)
	for _, g := range groups {
		delete(s.groups, g.ID)
	}
	for _, key := range revisions {
		delete(s.revisions, key)
	}
	return &sdk.DeleteApplicationOutput{}, nil
}

// application finds an application that a request names. The caller holds mu.
func (s *Service) application(name *string) (*applicationRecord, error) {
	n, err := applicationName(name)
	if err != nil {
		return nil, err
	}
	a := s.applications[n]
	if a == nil {
		return nil, &types.ApplicationDoesNotExistException{Message: text("No application found for name: %s", n)}
	}
	return a, nil
}

func applicationName(name *string) (string, error) {
	switch {
	case aws.ToString(name) == "":
		return "", &types.ApplicationNameRequiredException{Message: text("Application name is required")}
	case !validName(*name):
		return "", &types.InvalidApplicationNameException{Message: text("Application name is not valid: %q. It has at most %d letters, digits and . _ + = , @ -", *name, maxName)}
	}
	return *name, nil
}

func applicationInfo(a *applicationRecord) types.ApplicationInfo {
	return types.ApplicationInfo{
		ApplicationId: &a.ID, ApplicationName: &a.Name, ComputePlatform: types.ComputePlatformLambda, CreateTime: &a.Created,
	}
}

func tooMany(most int, what string) error {
	return &types.BatchLimitExceededException{Message: text("At most %d %s may be specified", most, what)}
}

// save commits one record.
func (s *Service) save(ctx context.Context, bucket, key string, v any) error {
	b := &store.Batch{}
	if err := put(b, bucket, key, v); err != nil {
		return err
	}
	return s.store.Commit(ctx, b)
}
