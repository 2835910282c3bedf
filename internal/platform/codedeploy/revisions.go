package codedeploy

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/store"
)

// checkRevision refuses what is not a revision of a Lambda deployment.
func checkRevision(r *types.RevisionLocation) error {
	if r == nil {
		return &types.RevisionRequiredException{Message: text("A revision is required")}
	}
	wrong := func(format string, args ...any) error {
		return &types.InvalidRevisionException{Message: text(format, args...)}
	}
	kinds := 0
	for _, given := range []bool{r.AppSpecContent != nil, rawString(r) != nil, r.S3Location != nil, r.GitHubLocation != nil} {
		if given {
			kinds++
		}
	}
	var content, sum *string
	switch {
	case kinds != 1:
		return wrong("A revision has exactly one location, that of its revisionType")
	case r.RevisionType == types.RevisionLocationTypeAppSpecContent && r.AppSpecContent != nil:
		content, sum = r.AppSpecContent.Content, r.AppSpecContent.Sha256
	case r.RevisionType == types.RevisionLocationTypeString && rawString(r) != nil:
		content, sum = rawString(r).Content, rawString(r).Sha256
	case r.RevisionType == types.RevisionLocationTypeS3 && r.S3Location != nil:
		at := r.S3Location
		switch {
		case aws.ToString(at.Bucket) == "" || aws.ToString(at.Key) == "":
			return wrong("A revision in S3 has a bucket and a key")
		case at.BundleType != types.BundleTypeYaml && at.BundleType != types.BundleTypeJson:
			return wrong("The bundleType of a Lambda deployment is YAML or JSON, not %q", at.BundleType)
		case at.Version != nil:
			return wrong("Versions of objects are not kept here: name the object by bucket, key and eTag")
		}
		return nil
	default:
		return wrong("The revisionType of a Lambda deployment is AppSpecContent, String or S3, with the location of that type; not %q", r.RevisionType)
	}
	switch {
	case aws.ToString(content) == "":
		return wrong("The revision has no content")
	case sum != nil && !strings.EqualFold(*sum, digest(*content)):
		return wrong("The sha256 of the revision is %s, not %s", digest(*content), *sum)
	}
	return nil
}

// rawString is the content of a revision of type String. It is deprecated, and clients still send it.
func rawString(r *types.RevisionLocation) *types.RawString {
	return r.String_ //nolint:staticcheck // AWS takes it
}

// revisionKey is the key of a revision in the store: the same for the same location.
func revisionKey(applicationID string, r *types.RevisionLocation) (string, error) {
	content := ""
	switch {
	case r.AppSpecContent != nil:
		content = aws.ToString(r.AppSpecContent.Content)
	case rawString(r) != nil:
		content = aws.ToString(rawString(r).Content)
	}
	raw, err := json.Marshal([]any{r.RevisionType, content, r.S3Location})
	return applicationID + "/" + digest(string(raw)), err
}

// use puts the use of a revision by a deployment into a batch and returns how to make it visible. The caller holds mu.
func (s *Service) use(b *store.Batch, a *applicationRecord, r *types.RevisionLocation, now time.Time) (visible func(), err error) {
	key, err := revisionKey(a.ID, r)
	if err != nil {
		return nil, err
	}
	rec := revisionRecord{Application: a.ID, Location: *r, Registered: now, FirstUsed: now}
	if old := s.revisions[key]; old != nil {
		rec = *old
		if rec.FirstUsed.IsZero() {
			rec.FirstUsed = now
		}
	}
	rec.LastUsed = now
	forget := s.displaceRevisions(b, key, &rec)
	return func() {
		forget()
		s.revisions[key] = &rec
	}, put(b, bucketRevisions, key, rec)
}

// RegisterApplicationRevision makes a revision known. What an AppSpec file says is looked at when it is deployed.
func (s *Service) RegisterApplicationRevision(ctx context.Context, in *sdk.RegisterApplicationRevisionInput) (*sdk.RegisterApplicationRevisionOutput, error) {
	if err := checkRevision(in.Revision); err != nil {
		return nil, err
	}
	if len(aws.ToString(in.Description)) > maxDescription {
		return nil, &types.DescriptionTooLongException{Message: text("A description has at most %d characters", maxDescription)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	key, err := revisionKey(a.ID, in.Revision)
	if err != nil {
		return nil, err
	}
	rec := revisionRecord{Application: a.ID, Location: *in.Revision, Registered: s.clock.Now()}
	if old := s.revisions[key]; old != nil {
		rec = *old
	}
	rec.Description = aws.ToString(in.Description)
	b := &store.Batch{}
	forget := s.displaceRevisions(b, key, &rec)
	if err := put(b, bucketRevisions, key, rec); err != nil {
		return nil, err
	}
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	forget()
	s.revisions[key] = &rec
	return &sdk.RegisterApplicationRevisionOutput{}, nil
}

// GetApplicationRevision tells about a revision.
func (s *Service) GetApplicationRevision(_ context.Context, in *sdk.GetApplicationRevisionInput) (*sdk.GetApplicationRevisionOutput, error) {
	if err := checkRevision(in.Revision); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	rec, err := s.revision(a, in.Revision)
	if err != nil {
		return nil, err
	}
	return &sdk.GetApplicationRevisionOutput{ApplicationName: &a.Name, Revision: &rec.Location, RevisionInfo: s.revisionInfo(rec)}, nil
}

// BatchGetApplicationRevisions tells about up to 25 revisions; the first that is not known is named in the error message.
func (s *Service) BatchGetApplicationRevisions(_ context.Context, in *sdk.BatchGetApplicationRevisionsInput) (*sdk.BatchGetApplicationRevisionsOutput, error) {
	switch n := len(in.Revisions); {
	case n == 0:
		return nil, &types.RevisionRequiredException{Message: text("A revision is required")}
	case n > maxDetailBatch:
		return nil, tooMany(maxDetailBatch, "revisions")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	out := &sdk.BatchGetApplicationRevisionsOutput{ApplicationName: &a.Name, Revisions: []types.RevisionInfo{}}
	for i := range in.Revisions {
		if err := checkRevision(&in.Revisions[i]); err != nil {
			return nil, err
		}
		rec, err := s.revision(a, &in.Revisions[i])
		if err != nil {
			if out.ErrorMessage == nil {
				out.ErrorMessage = aws.String(err.Error())
			}
			continue
		}
		out.Revisions = append(out.Revisions, types.RevisionInfo{RevisionLocation: &rec.Location, GenericRevisionInfo: s.revisionInfo(rec)})
	}
	return out, nil
}

// ListApplicationRevisions lists the revisions of an application.
func (s *Service) ListApplicationRevisions(_ context.Context, in *sdk.ListApplicationRevisionsInput) (*sdk.ListApplicationRevisionsOutput, error) {
	by, ok := revisionTimes[in.SortBy]
	switch {
	case !ok:
		return nil, &types.InvalidSortByException{Message: text("There is no order by %q", in.SortBy)}
	case in.SortOrder != "" && !slices.Contains(in.SortOrder.Values(), in.SortOrder):
		return nil, &types.InvalidSortOrderException{Message: text("There is no sort order %q", in.SortOrder)}
	case in.Deployed != "" && !slices.Contains(in.Deployed.Values(), in.Deployed):
		return nil, &types.InvalidDeployedStateFilterException{Message: text("There is no filter %q", in.Deployed)}
	case in.S3KeyPrefix != nil && in.S3Bucket == nil:
		return nil, &types.BucketNameFilterRequiredException{Message: text("s3KeyPrefix needs s3Bucket")}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	var found []*revisionRecord
	for _, key := range s.revisionsOf(a) {
		rec := s.revisions[key]
		if at := rec.Location.S3Location; in.S3Bucket != nil && (at == nil || *at.Bucket != *in.S3Bucket || !strings.HasPrefix(*at.Key, aws.ToString(in.S3KeyPrefix))) {
			continue
		}
		target := len(s.revisionInfo(rec).DeploymentGroups) > 0
		if in.Deployed == types.ListStateFilterActionInclude && !target || in.Deployed == types.ListStateFilterActionExclude && target {
			continue
		}
		found = append(found, rec)
	}
	slices.SortStableFunc(found, func(a, b *revisionRecord) int {
		c := by(a).Compare(by(b))
		if in.SortOrder == types.SortOrderDescending {
			c = -c
		}
		return c
	})
	part, next, err := page(found, in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListApplicationRevisionsOutput{Revisions: []types.RevisionLocation{}, NextToken: next}
	for _, rec := range part {
		out.Revisions = append(out.Revisions, rec.Location)
	}
	return out, nil
}

var revisionTimes = map[types.ApplicationRevisionSortBy]func(*revisionRecord) time.Time{
	"": func(r *revisionRecord) time.Time { return r.Registered },
	types.ApplicationRevisionSortByRegisterTime:  func(r *revisionRecord) time.Time { return r.Registered },
	types.ApplicationRevisionSortByFirstUsedTime: func(r *revisionRecord) time.Time { return r.FirstUsed },
	types.ApplicationRevisionSortByLastUsedTime:  func(r *revisionRecord) time.Time { return r.LastUsed },
}

// revisionsOf lists the keys of an application's revisions, oldest first.
func (r *registry) revisionsOf(a *applicationRecord) (keys []string) {
	for key, rec := range r.revisions {
		if rec.Application == a.ID {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(r.revisions[a].Registered.Compare(r.revisions[b].Registered), compare(a, b))
	})
	return keys
}

func (s *Service) revision(a *applicationRecord, r *types.RevisionLocation) (*revisionRecord, error) {
	key, err := revisionKey(a.ID, r)
	if err != nil {
		return nil, err
	}
	if rec := s.revisions[key]; rec != nil {
		return rec, nil
	}
	return nil, &types.RevisionDoesNotExistException{Message: text("The application %s has no such revision", a.Name)}
}

func (s *Service) revisionInfo(rec *revisionRecord) *types.GenericRevisionInfo {
	info := &types.GenericRevisionInfo{
		Description: given(rec.Description), RegisterTime: &rec.Registered, FirstUsedTime: moment(rec.FirstUsed), LastUsedTime: moment(rec.LastUsed),
		DeploymentGroups: []string{},
	}
	key, err := revisionKey(rec.Application, &rec.Location)
	for _, g := range s.groups {
		good := s.latest(g.ID, succeeded)
		if g.Application != rec.Application || good == nil || err != nil {
			continue
		}
		if target, err := revisionKey(g.Application, &good.Revision); err == nil && target == key {
			info.DeploymentGroups = append(info.DeploymentGroups, g.Name)
		}
	}
	slices.Sort(info.DeploymentGroups)
	return info
}
