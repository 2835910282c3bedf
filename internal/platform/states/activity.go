package states

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/store"
)

// activityRecord is an activity: a place where workers fetch the tasks of executions.
type activityRecord struct {
	Name       string               `json:"name"`
	Created    time.Time            `json:"created"`
	Tags       map[string]string    `json:"tags,omitempty"`
	Encryption types.EncryptionType `json:"encryption,omitempty"` // set when the caller gave it
}

// activities knows every activity by its name, and the tasks that wait in each for a worker. The tasks are in memory
// only: they are commands of executions, which are performed again after a restart.
type activities struct {
	mu     sync.Mutex
	byName map[string]*activityRecord // immutable once stored here
	queues map[string]*activityQueue  // by name, also of activities that do not exist
}

func (a *activities) load(ctx context.Context, s store.Store) error {
	a.byName, a.queues = map[string]*activityRecord{}, map[string]*activityQueue{}
	return scan(ctx, s, bucketActivities, func(key string, rec *activityRecord) error {
		a.byName[key] = rec
		return nil
	})
}

func (a *activities) find(name string) *activityRecord {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byName[name]
}

// CreateActivity makes an activity. Making one that exists answers with the one that is there.
func (s *Service) CreateActivity(ctx context.Context, in *sfn.CreateActivityInput) (*sfn.CreateActivityOutput, error) {
	var c constraints
	c.required("name", in.Name, 1, maxName)
	checkTags(&c, in.Tags)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !validName(*in.Name) {
		return nil, invalidName(*in.Name)
	}
	encryption, err := encryption(in.EncryptionConfiguration)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	rec := &activityRecord{Name: *in.Name, Created: s.now(), Tags: tags, Encryption: encryption}
	arn := s.activityArn(rec.Name)
	s.activities.mu.Lock()
	defer s.activities.mu.Unlock()
	if was := s.activities.byName[rec.Name]; was != nil {
		if encryption != "" && was.Encryption != "" && was.Encryption != encryption {
			return nil, &types.ActivityAlreadyExists{Message: sentence("Activity Already Exists: '%s'", arn)}
		}
		return &sfn.CreateActivityOutput{ActivityArn: &arn, CreationDate: &was.Created}, nil
	}
	if len(s.activities.byName) >= maxActivities {
		return nil, &types.ActivityLimitExceeded{Message: sentence("The limit of %d activities is reached. Delete activities that no worker polls.", maxActivities)}
	}
	b := &store.Batch{}
	b.ExpectAbsent(bucketActivities, rec.Name)
	b.Put(bucketActivities, rec.Name, encode(rec))
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, failure("creating activity "+rec.Name, err)
	}
	s.activities.byName[rec.Name] = rec
	return &sfn.CreateActivityOutput{ActivityArn: &arn, CreationDate: &rec.Created}, nil
}

// DescribeActivity describes an activity.
func (s *Service) DescribeActivity(_ context.Context, in *sfn.DescribeActivityInput) (*sfn.DescribeActivityOutput, error) {
	rec, err := s.activity(in.ActivityArn)
	if err != nil {
		return nil, err
	}
	return &sfn.DescribeActivityOutput{
		ActivityArn: in.ActivityArn, Name: &rec.Name, CreationDate: &rec.Created,
		EncryptionConfiguration: &types.EncryptionConfiguration{Type: types.EncryptionTypeAwsOwnedKey},
	}, nil
}

// DeleteActivity deletes an activity; its tasks that no worker has fetched wait until they time out. Deleting what is not
// there is no error.
func (s *Service) DeleteActivity(ctx context.Context, in *sfn.DeleteActivityInput) (*sfn.DeleteActivityOutput, error) {
	var c constraints
	c.arn("activityArn", in.ActivityArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	name, err := s.activityName(*in.ActivityArn)
	if err != nil {
		return nil, err
	}
	s.activities.mu.Lock()
	defer s.activities.mu.Unlock()
	if s.activities.byName[name] == nil {
		return &sfn.DeleteActivityOutput{}, nil
	}
	b := &store.Batch{}
	b.Delete(bucketActivities, name)
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, failure("deleting activity "+name, err)
	}
	delete(s.activities.byName, name)
	return &sfn.DeleteActivityOutput{}, nil
}

// ListActivities lists the activities in the order of their creation.
func (s *Service) ListActivities(_ context.Context, in *sfn.ListActivitiesInput) (*sfn.ListActivitiesOutput, error) {
	var c constraints
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	after, err := position("activities", in.NextToken)
	if err != nil {
		return nil, err
	}
	s.activities.mu.Lock()
	all := slices.Collect(maps.Values(s.activities.byName))
	s.activities.mu.Unlock()
	place := func(r *activityRecord) string { return listPosition(r.Created, r.Name) }
	slices.SortFunc(all, func(a, b *activityRecord) int { return strings.Compare(place(a), place(b)) })
	out, limit := &sfn.ListActivitiesOutput{Activities: []types.ActivityListItem{}}, pageSize(in.MaxResults)
	for _, r := range all {
		if place(r) <= after {
			continue
		}
		if len(out.Activities) == limit {
			last := out.Activities[limit-1]
			out.NextToken = pageToken("activities", listPosition(*last.CreationDate, *last.Name))
			break
		}
		arn := s.activityArn(r.Name)
		out.Activities = append(out.Activities, types.ActivityListItem{ActivityArn: &arn, Name: &r.Name, CreationDate: &r.Created})
	}
	return out, nil
}

// activity finds the activity that a request names.
func (s *Service) activity(text *string) (*activityRecord, error) {
	var c constraints
	c.arn("activityArn", text)
	if err := c.Err(); err != nil {
		return nil, err
	}
	name, err := s.activityName(*text)
	if err != nil {
		return nil, err
	}
	if rec := s.activities.find(name); rec != nil {
		return rec, nil
	}
	return nil, activityMissing(*text)
}

// retagActivity changes the tags of an activity; edit may change the map that it gets.
func (s *Service) retagActivity(ctx context.Context, text, name string, edit func(map[string]string) (map[string]string, error)) error {
	s.activities.mu.Lock()
	defer s.activities.mu.Unlock()
	was := s.activities.byName[name]
	if was == nil {
		return resourceMissing(text)
	}
	tags, err := edit(maps.Clone(was.Tags))
	if err != nil || maps.Equal(tags, was.Tags) {
		return err
	}
	next := *was
	next.Tags = tags
	b := &store.Batch{}
	b.ExpectValue(bucketActivities, name, encode(was))
	b.Put(bucketActivities, name, encode(next))
	if err := s.store.Commit(ctx, b); err != nil {
		return failure("tagging activity "+name, err)
	}
	s.activities.byName[name] = &next
	return nil
}

func (s *Service) activityArn(name string) string { return s.arnPrefix + "activity:" + name }

// activityName reads the ARN of an activity. One of another account or region does not exist here.
func (s *Service) activityName(text string) (string, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return "", invalidArn("Invalid ARN prefix: %s", text)
	}
	if a.Service != "states" {
		return "", invalidArn("Service name not valid in this context: %s", a.Service)
	}
	kind, name, _ := strings.Cut(a.Resource, ":")
	if kind != "activity" || name == "" || strings.ContainsAny(name, ":/") {
		return "", invalidArn("Resource type not valid in this context: %s", kind)
	}
	if a.Account != s.account || a.Region != s.region {
		return "", activityMissing(text)
	}
	return name, nil
}

// isActivity tells whether an ARN is that of an activity, by its form alone.
func isActivity(text string) bool {
	p := strings.SplitN(text, ":", 6)
	return len(p) == 6 && p[2] == "states" && strings.HasPrefix(p[5], "activity:")
}

func activityMissing(arn string) error {
	return &types.ActivityDoesNotExist{Message: sentence("Activity Does Not Exist: '%s'", arn)}
}
