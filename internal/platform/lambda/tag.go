package lambda

import (
	"context"
	"maps"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/store"
)

// maxTags is how many tags a function can have.
const maxTags = 50

// TagResource adds tags to a function, or changes their values.
func (s *Service) TagResource(ctx context.Context, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	c := &constraints{}
	if in.Tags == nil {
		c.null("tags")
	}
	name, err := s.tagged(in.Resource, c)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, invalid("An error occurred and the request cannot be processed.")
	}
	if err := checkRoutingTags(in.Tags); err != nil {
		return nil, err
	}
	err = s.retag(ctx, name, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	return &sdk.TagResourceOutput{}, err
}

// UntagResource takes tags away; those that are not there are no error.
func (s *Service) UntagResource(ctx context.Context, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	c := &constraints{}
	if len(in.TagKeys) == 0 {
		c.null("tagKeys")
	}
	name, err := s.tagged(in.Resource, c)
	if err != nil {
		return nil, err
	}
	err = s.retag(ctx, name, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
	return &sdk.UntagResourceOutput{}, err
}

// ListTags answers with a function's tags.
func (s *Service) ListTags(_ context.Context, in *sdk.ListTagsInput) (*sdk.ListTagsOutput, error) {
	name, err := s.tagged(in.Resource, &constraints{})
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(name)
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(n.record.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return &sdk.ListTagsOutput{Tags: tags}, nil
}

// retag edits the tags of a function, which gives $LATEST a new revision.
func (s *Service) retag(ctx context.Context, name string, edit func(map[string]string)) error {
	return s.change(ctx, name, notFound("Function not found: %s", s.arn(name, "")), func(f *function, n *snapshot, b *store.Batch) error {
		if n.record.Tags == nil {
			n.record.Tags = map[string]string{}
		}
		edit(n.record.Tags)
		if len(n.record.Tags) > maxTags {
			return invalid("Number of tags exceeds resource tag limit.")
		}
		if err := n.touch(b, ""); err != nil {
			return err
		}
		return put(b, functionBucket, name, n.record)
	})
}

// tagged reads the ARN of what is to be tagged: functions alone can be here. c holds other violations of the request.
func (s *Service) tagged(resource *string, c *constraints) (string, error) {
	if resource == nil {
		c.null("resource")
		return "", c.err()
	}
	c.length("resource", *resource, 1, 256)
	c.pattern("resource", *resource, resourcePattern)
	if err := c.err(); err != nil {
		return "", err
	}
	a, err := arn.Parse(*resource)
	if err != nil {
		return "", err
	}
	if a.Region != s.cfg.Region || a.Account != s.cfg.Account {
		return "", notFound("The resource %s is not in this region and account (%s, %s).", *resource, s.cfg.Region, s.cfg.Account)
	}
	kind, rest, _ := strings.Cut(a.Resource, ":")
	switch kind {
	case "function":
		if strings.Contains(rest, ":") {
			return "", invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
		return rest, nil
	case "capacity-provider":
		return "", notFound("Capacity provider not found: %s", *resource)
	case "event-source-mapping":
		return "", notFound("Event source mapping not found: %s", *resource)
	case "code-signing-config":
		return "", notFound("Code signing config not found: %s", *resource)
	}
	return "", notFound("Layer not found: %s", *resource)
}
