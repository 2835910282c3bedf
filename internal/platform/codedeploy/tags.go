package codedeploy

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TagResource sets tags of an application, a deployment group or a deployment configuration.
func (s *Service) TagResource(ctx context.Context, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	if len(in.Tags) == 0 {
		return nil, &types.TagRequiredException{Message: text("A tag is required")}
	}
	add, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, s.changeTags(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, add) })
}

// UntagResource takes tags away; those that are not there are no error.
func (s *Service) UntagResource(ctx context.Context, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	if len(in.TagKeys) == 0 {
		return nil, &types.TagRequiredException{Message: text("A tag key is required")}
	}
	return &sdk.UntagResourceOutput{}, s.changeTags(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

// ListTagsForResource lists the tags of a resource.
func (s *Service) ListTagsForResource(_ context.Context, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &sdk.ListTagsForResourceOutput{Tags: tagList(t.tags)}, nil
}

// tagged is a resource with tags, and how it is replaced by one with others.
type tagged struct {
	tags        map[string]string
	bucket, key string
	with        func(tags map[string]string) (record any, put func())
}

func (s *Service) changeTags(ctx context.Context, arn *string, edit func(map[string]string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.tagged(arn)
	if err != nil {
		return err
	}
	tags := maps.Clone(t.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	edit(tags)
	if len(tags) > maxTags {
		return &types.InvalidTagsToAddException{Message: text("A resource has at most %d tags", maxTags)}
	}
	record, put := t.with(tags)
	if err := s.save(ctx, t.bucket, t.key, record); err != nil {
		return err
	}
	put()
	return nil
}

// tagged finds what an ARN names. The caller holds mu.
func (s *Service) tagged(arn *string) (tagged, error) {
	if aws.ToString(arn) == "" {
		return tagged{}, &types.ResourceArnRequiredException{Message: text("The ARN of a resource is required")}
	}
	rest, ok := strings.CutPrefix(*arn, s.arnPrefix)
	if !ok {
		return tagged{}, &types.InvalidArnException{Message: text("The ARN is not one of this account and region: %s", *arn)}
	}
	kind, name, _ := strings.Cut(rest, ":")
	switch kind {
	case "application":
		a, err := s.application(&name)
		if err != nil {
			return tagged{}, err
		}
		return tagged{a.Tags, bucketApplications, a.ID, func(tags map[string]string) (any, func()) {
			c := *a
			c.Tags = tags
			return &c, func() { s.applications[a.Name] = &c }
		}}, nil
	case "deploymentgroup":
		application, group, _ := strings.Cut(name, "/")
		_, g, err := s.groupNamed(&application, &group)
		if err != nil {
			return tagged{}, err
		}
		return tagged{g.Tags, bucketGroups, g.ID, func(tags map[string]string) (any, func()) {
			c := *g
			c.Tags = tags
			return &c, func() { s.groups[g.ID] = &c }
		}}, nil
	case "deploymentconfig":
		config := s.configs[name]
		if config == nil {
			return tagged{}, &types.DeploymentConfigDoesNotExistException{Message: text("No deployment configuration found for name: %s", name)}
		}
		return tagged{config.Tags, bucketConfigs, name, func(tags map[string]string) (any, func()) {
			c := *config
			c.Tags = tags
			return &c, func() { s.configs[name] = &c }
		}}, nil
	}
	return tagged{}, &types.ArnNotSupportedException{Message: text("Only applications, deployment groups and deployment configurations have tags: %s", *arn)}
}
