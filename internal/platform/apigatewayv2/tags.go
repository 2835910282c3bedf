package apigatewayv2

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

// maxTags is what one resource can have.
const maxTags = 50

// tagged finds what an ARN names: an API (…::/apis/ID) or a stage (…::/apis/ID/stages/NAME).
func tagged(resource *string) (id, stage string, err error) {
	_, rest, ok := strings.Cut(aws.ToString(resource), ":/apis/")
	parts := strings.Split(rest, "/")
	switch {
	case ok && len(parts) == 1:
		return parts[0], "", nil
	case ok && len(parts) == 3 && parts[1] == "stages":
		return parts[0], parts[2], nil
	}
	return "", "", badRequest("Invalid resource ARN %s: tags belong to HTTP APIs and their stages here", aws.ToString(resource))
}

// retag changes a copy of the tags of an API or a stage.
func (s *Service) retag(ctx context.Context, resource *string, f func(tags map[string]string)) error {
	id, stage, err := tagged(resource)
	if err != nil {
		return err
	}
	return s.change(ctx, &id, func(d *draft) error {
		st, ok := d.Stages[stage]
		tags := d.API.Tags
		if stage != "" {
			if !ok {
				return noStage(&stage)
			}
			tags = st.Tags
		}
		tags = maps.Clone(tags)
		if tags == nil {
			tags = make(map[string]string)
		}
		f(tags)
		if err := checkTags(tags); err != nil {
			return err
		}
		if len(tags) > maxTags {
			return badRequest("A resource can have at most %d tags", maxTags)
		}
		if stage == "" {
			d.API.Tags = tags
			return nil
		}
		st.Tags = tags
		d.Stages[stage] = st
		return nil
	})
}

// TagResource adds tags to an API or a stage. It fails with NotFoundException or BadRequestException.
func (s *Service) TagResource(ctx context.Context, in *apigatewayv2.TagResourceInput) (*apigatewayv2.TagResourceOutput, error) {
	return &apigatewayv2.TagResourceOutput{}, s.retag(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

// UntagResource takes tags off an API or a stage. It fails with NotFoundException or BadRequestException.
func (s *Service) UntagResource(ctx context.Context, in *apigatewayv2.UntagResourceInput) (*apigatewayv2.UntagResourceOutput, error) {
	return &apigatewayv2.UntagResourceOutput{}, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

// GetTags lists the tags of an API or a stage, or fails with NotFoundException.
func (s *Service) GetTags(_ context.Context, in *apigatewayv2.GetTagsInput) (*apigatewayv2.GetTagsOutput, error) {
	id, stage, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	a, err := s.find(&id)
	if err != nil {
		return nil, err
	}
	if stage == "" {
		return &apigatewayv2.GetTagsOutput{Tags: a.API.Tags}, nil
	}
	st, ok := a.Stages[stage]
	if !ok {
		return nil, noStage(&stage)
	}
	return &apigatewayv2.GetTagsOutput{Tags: st.Tags}, nil
}
