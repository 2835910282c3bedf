package logs

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// maxTags is the most tags of a group.
const maxTags = 50

func checkTags(have, add map[string]string) error {
	for k, v := range add {
		switch {
		case k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256:
			return invalid("The tag %q is not valid: a key has 1 to 128 characters, a value 256 at most.", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("The tag %q is not valid: keys that begin with aws: are AWS's own.", k)
		}
	}
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, add)
	if len(all) > maxTags {
		return &types.TooManyTagsException{Message: aws.String("A resource can have no more than 50 tags.")}
	}
	return nil
}

// TagResource adds tags to a group.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	return &cloudwatchlogs.TagResourceOutput{}, s.changeGroup(ctx, resource(in.ResourceArn), func(g *groupRecord) error {
		if err := checkTags(g.Tags, in.Tags); err != nil {
			return err
		}
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, in.Tags)
		return nil
	})
}

// UntagResource takes tags off a group.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	return &cloudwatchlogs.UntagResourceOutput{}, s.changeGroup(ctx, resource(in.ResourceArn), func(g *groupRecord) error {
		for _, k := range in.TagKeys {
			delete(g.Tags, k)
		}
		return nil
	})
}

// ListTagsForResource gives the tags of a group.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html
func (s *Service) ListTagsForResource(_ context.Context, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.named(nil, resource(in.ResourceArn))
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.ListTagsForResourceOutput{Tags: map[string]string{}}
	maps.Copy(out.Tags, g.Tags)
	return out, nil
}

// resource takes an ARN with or without the :* at its end.
func resource(arn *string) *string {
	if arn == nil {
		return nil
	}
	return aws.String(strings.TrimSuffix(*arn, ":*"))
}
