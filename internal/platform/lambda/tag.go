package lambda

import (
	"context"
	"maps"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/store"
)

// maxTags is how many tags a resource can have.
const maxTags = 50

func tooManyTags() error { return invalid("Number of tags exceeds resource tag limit.") }

// TagResource adds tags to a function, an event source mapping or a code signing configuration, or changes their values.
func (s *Service) TagResource(ctx context.Context, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	c := &constraints{}
	if in.Tags == nil {
		c.Null("tags")
	}
	r, err := s.tagged(in.Resource, c)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, invalid("An error occurred and the request cannot be processed.")
	}
	if r.kind == functionKind {
		if err := checkRoutingTags(in.Tags); err != nil {
			return nil, err
		}
	}
	err = s.retag(ctx, r, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	return &sdk.TagResourceOutput{}, err
}

// UntagResource takes tags away; those that are not there are no error.
func (s *Service) UntagResource(ctx context.Context, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	c := &constraints{}
	if len(in.TagKeys) == 0 {
		c.Null("tagKeys")
	}
	r, err := s.tagged(in.Resource, c)
	if err != nil {
		return nil, err
	}
	err = s.retag(ctx, r, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
	return &sdk.UntagResourceOutput{}, err
}

// ListTags answers with a resource's tags.
func (s *Service) ListTags(_ context.Context, in *sdk.ListTagsInput) (*sdk.ListTagsOutput, error) {
	r, err := s.tagged(in.Resource, &constraints{})
	if err != nil {
		return nil, err
	}
	var tags map[string]string
	switch r.kind {
	case mappingKind:
		s.mappings.mu.Lock()
		defer s.mappings.mu.Unlock()
		m := s.mappings.all[r.id]
		if m == nil {
			return nil, r.missing()
		}
		tags = m.Tags
	case signingKind:
		s.signing.mu.Lock()
		defer s.signing.mu.Unlock()
		c, ok := s.signing.all[r.id]
		if !ok {
			return nil, r.missing()
		}
		tags = c.Tags
	default:
		n, err := s.functionNamed(r.id)
		if err != nil {
			return nil, err
		}
		tags = n.record.Tags
	}
	if tags = maps.Clone(tags); tags == nil {
		tags = map[string]string{}
	}
	return &sdk.ListTagsOutput{Tags: tags}, nil
}

// retag edits the tags of a resource; that gives a function's $LATEST a new revision.
func (s *Service) retag(ctx context.Context, r taggable, edit func(map[string]string)) error {
	edited := func(tags map[string]string) (map[string]string, error) {
		if tags = maps.Clone(tags); tags == nil {
			tags = map[string]string{}
		}
		if edit(tags); len(tags) > maxTags {
			return nil, tooManyTags()
		}
		return tags, nil
	}
	switch r.kind {
	case mappingKind:
		s.mappings.mu.Lock()
		defer s.mappings.mu.Unlock()
		old := s.mappings.all[r.id]
		if old == nil {
			return r.missing()
		}
		m := *old
		var err error
		if m.Tags, err = edited(m.Tags); err != nil {
			return err
		}
		return s.storeMapping(ctx, &m) // what polls for it needs no tags
	case signingKind:
		s.signing.mu.Lock()
		defer s.signing.mu.Unlock()
		c, ok := s.signing.all[r.id]
		if !ok {
			return r.missing()
		}
		var err error
		if c.Tags, err = edited(c.Tags); err != nil {
			return err
		}
		return s.putSigning(ctx, c)
	}
	return s.change(ctx, r.id, notFound("Function not found: %s", s.arn(r.id, "")), func(f *function, n *snapshot, b *store.Batch) (err error) {
		if n.record.Tags, err = edited(n.record.Tags); err != nil {
			return err
		}
		if err := n.touch(b, ""); err != nil {
			return err
		}
		return put(b, functionBucket, r.id, n.record)
	})
}

// taggable is what tags can be on.
type taggable struct {
	kind, id string // id is a function's name
	arn      string
}

// The kinds of resources, as their ARNs name them.
const (
	functionKind = "function"
	mappingKind  = "event-source-mapping"
	signingKind  = "code-signing-config"
)

func (r taggable) missing() error {
	if r.kind == mappingKind {
		return notFound("Event source mapping not found: %s", r.arn)
	}
	return notFound("Code signing config not found: %s", r.arn)
}

// tagged reads the ARN of what is to be tagged. c holds other violations of the request.
func (s *Service) tagged(resource *string, c *constraints) (taggable, error) {
	if resource == nil {
		c.Null("resource")
		return taggable{}, c.Err()
	}
	c.Length("resource", *resource, 1, 256)
	c.pattern("resource", *resource, resourcePattern)
	if err := c.Err(); err != nil {
		return taggable{}, err
	}
	a, err := arn.Parse(*resource)
	if err != nil {
		return taggable{}, err
	}
	if a.Region != s.cfg.Region || a.Account != s.cfg.Account {
		return taggable{}, notFound("The resource %s is not in this region and account (%s, %s).", *resource, s.cfg.Region, s.cfg.Account)
	}
	kind, id, _ := strings.Cut(a.Resource, ":")
	switch kind {
	case functionKind:
		if strings.Contains(id, ":") {
			return taggable{}, invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
	case mappingKind, signingKind:
	case "capacity-provider":
		return taggable{}, notFound("Capacity provider not found: %s", *resource)
	default:
		return taggable{}, notFound("Layer not found: %s", *resource)
	}
	return taggable{kind, id, *resource}, nil
}
