package states

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// TagResource sets tags of a state machine or an activity. Versions and aliases have none.
func (s *Service) TagResource(ctx context.Context, in *sfn.TagResourceInput) (*sfn.TagResourceOutput, error) {
	var c constraints
	c.arn("resourceArn", in.ResourceArn)
	if in.Tags == nil {
		c.Null("tags")
	}
	checkTags(&c, in.Tags)
	if err := c.Err(); err != nil {
		return nil, err
	}
	err := s.retag(ctx, *in.ResourceArn, func(tags map[string]string) (map[string]string, error) { return mergeTags(tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return &sfn.TagResourceOutput{}, nil
}

// UntagResource removes tags of a state machine or an activity. Removing what is not there is no error.
func (s *Service) UntagResource(ctx context.Context, in *sfn.UntagResourceInput) (*sfn.UntagResourceOutput, error) {
	var c constraints
	c.arn("resourceArn", in.ResourceArn)
	if in.TagKeys == nil {
		c.Null("tagKeys")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	err := s.retag(ctx, *in.ResourceArn, func(tags map[string]string) (map[string]string, error) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return tags, nil
	})
	if err != nil {
		return nil, err
	}
	return &sfn.UntagResourceOutput{}, nil
}

// ListTagsForResource lists the tags of a state machine or an activity in the order of their keys.
func (s *Service) ListTagsForResource(_ context.Context, in *sfn.ListTagsForResourceInput) (*sfn.ListTagsForResourceOutput, error) {
	var c constraints
	c.arn("resourceArn", in.ResourceArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListTagsForResourceOutput{Tags: []types.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		out.Tags = append(out.Tags, types.Tag{Key: &k, Value: &v})
	}
	return out, nil
}

func (s *Service) tagsOf(arn string) (map[string]string, error) {
	if isActivity(arn) {
		name, err := s.activityName(arn)
		if err != nil {
			return nil, err
		}
		a := s.activities.find(name)
		if a == nil {
			return nil, resourceMissing(arn)
		}
		return a.Tags, nil
	}
	ref, err := s.machineRef(arn)
	if err != nil {
		return nil, err
	}
	m := s.machines.find(ref.name)
	if ref.qualified() || m == nil {
		return nil, resourceMissing(arn)
	}
	return m.record.Tags, nil
}

// retag changes the tags of what arn names; edit may change the map that it gets.
func (s *Service) retag(ctx context.Context, arn string, edit func(map[string]string) (map[string]string, error)) error {
	if isActivity(arn) {
		name, err := s.activityName(arn)
		if err != nil {
			return err
		}
		return s.retagActivity(ctx, arn, name, edit)
	}
	ref, err := s.machineRef(arn)
	if err != nil {
		return err
	}
	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.now.Load()
	if ref.qualified() || was == nil {
		return resourceMissing(arn)
	}
	next := was.clone()
	if next.record.Tags, err = edit(maps.Clone(was.record.Tags)); err != nil {
		return err
	}
	if maps.Equal(next.record.Tags, was.record.Tags) {
		return nil
	}
	return s.change(ctx, e, &store.Batch{}, was, next)
}

func checkTags(c *constraints, tags []types.Tag) {
	for i, t := range tags {
		at := "tags." + strconv.Itoa(i+1) + ".member."
		c.required(at+"key", t.Key, 1, 128)
		c.required(at+"value", t.Value, 0, 256)
	}
}

// checkTagKeys refuses the keys that are AWS's own.
// https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
func checkTagKeys(tags []types.Tag) error {
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return invalid("Tag keys that start with aws: are reserved; the key %s is one of them", *t.Key)
		}
	}
	return nil
}

func mergeTags(have map[string]string, tags []types.Tag) (map[string]string, error) {
	if have == nil && len(tags) > 0 {
		have = map[string]string{}
	}
	if err := checkTagKeys(tags); err != nil {
		return nil, err
	}
	for _, t := range tags {
		have[*t.Key] = *t.Value
	}
	if len(have) > maxTags {
		return nil, &types.TooManyTags{Message: sentence("Too many tags: a resource can have %d", maxTags)}
	}
	return have, nil
}
