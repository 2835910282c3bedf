package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// newDraft makes an API with a root resource and AWS's two models.
func (s *Service) newDraft(a types.RestApi) *draft {
	d := &draft{api: &api{deployments: make(map[string]*deployment)}}
	d.fill()
	root := d.newID(10)
	a.CreatedDate, a.RootResourceId, a.ApiStatus = s.now(), &root, types.ApiStatusAvailable
	d.API = a
	d.Binary = a.BinaryMediaTypes
	d.Resources[root] = types.Resource{Id: &root, Path: aws.String("/"), ResourceMethods: map[string]types.Method{}}
	for name, schema := range map[string]string{
		"Empty": `{"$schema":"http://json-schema.org/draft-04/schema#","title":"Empty Schema","type":"object"}`,
		"Error": `{"$schema":"http://json-schema.org/draft-04/schema#","title":"Error Schema","type":"object","properties":{"message":{"type":"string"}}}`,
	} {
		d.Models[name] = types.Model{
			Id: aws.String(d.newID(6)), Name: aws.String(name), ContentType: aws.String("application/json"), Schema: aws.String(schema),
			Description: aws.String("This is a default " + strings.ToLower(name) + " schema model"),
		}
	}
	return d
}

// newID draws an ID that nothing of the API has.
func (d *draft) newID(n int) string {
	return executeapi.NewID(n, func(id string) bool {
		_, resource := d.Resources[id]
		_, authorizer := d.Authorizers[id]
		_, validator := d.Validators[id]
		return resource || authorizer || validator || d.deployments[id] != nil
	})
}

// CreateRestApi makes an API with a root resource, or fails with BadRequestException.
func (s *Service) CreateRestApi(ctx context.Context, in *apigateway.CreateRestApiInput) (*apigateway.CreateRestApiOutput, error) {
	a := *as[types.RestApi](in)
	d := s.newDraft(a)
	if in.CloneFrom != nil {
		if err := s.clone(d, in.CloneFrom); err != nil {
			return nil, err
		}
	}
	if err := completeAPI(&d.API); err != nil {
		return nil, err
	}
	if err := s.create(ctx, d); err != nil {
		return nil, err
	}
	return as[apigateway.CreateRestApiOutput](d.API), nil
}

// clone gives a new API the resources, models, validators, authorizers and answers of another; stages and deployments stay there.
func (s *Service) clone(d *draft, from *string) error {
	a, err := s.find(from)
	if err != nil {
		return badRequest("Unable to clone from the REST API %s: there is none", aws.ToString(from))
	}
	c, err := copyOf(a.configuration)
	if err != nil {
		return fmt.Errorf("apigateway: clone REST API %s: %w", *from, err)
	}
	c.fill()
	d.configuration, d.API.RootResourceId = c, a.API.RootResourceId
	if d.API.BinaryMediaTypes == nil {
		d.API.BinaryMediaTypes = a.API.BinaryMediaTypes
	}
	return nil
}

// completeAPI validates an API and fills AWS's defaults.
func completeAPI(a *types.RestApi) error {
	if n := len([]rune(aws.ToString(a.Name))); n < 1 || n > 1024 {
		return badRequest("Invalid REST API name: it must have 1 to 1024 characters")
	}
	if a.ApiKeySource == "" {
		a.ApiKeySource = types.ApiKeySourceTypeHeader
	}
	if a.EndpointConfiguration == nil || len(a.EndpointConfiguration.Types) == 0 {
		a.EndpointConfiguration = &types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointTypeEdge}}
	}
	for _, t := range a.EndpointConfiguration.Types {
		switch t {
		case types.EndpointTypeEdge, types.EndpointTypeRegional:
		case types.EndpointTypePrivate:
			return unsupported("The endpoint type PRIVATE")
		default:
			return badRequest("Invalid endpoint type %s: must be one of [EDGE, REGIONAL, PRIVATE]", t)
		}
	}
	if a.EndpointConfiguration.IpAddressType == "" {
		a.EndpointConfiguration.IpAddressType = types.IpAddressTypeIpv4
	}
	switch {
	case aws.ToString(a.Policy) != "":
		return unsupported("A resource policy of an API (policy)")
	case a.MinimumCompressionSize != nil:
		return unsupported("minimumCompressionSize")
	case a.ApiKeySource != types.ApiKeySourceTypeHeader:
		return unsupported("The API key source " + string(a.ApiKeySource))
	}
	if err := executeapi.CheckTags(a.Tags); err != nil {
		return badRequest("%s", err)
	}
	for _, m := range a.BinaryMediaTypes {
		if !strings.Contains(m, "/") {
			return badRequest("Invalid binary media type %s", m)
		}
	}
	return nil
}

// GetRestApi describes an API, or fails with NotFoundException.
func (s *Service) GetRestApi(_ context.Context, in *apigateway.GetRestApiInput) (*apigateway.GetRestApiOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	return as[apigateway.GetRestApiOutput](a.API), nil
}

// GetRestApis lists the APIs in the order of their IDs.
func (s *Service) GetRestApis(_ context.Context, in *apigateway.GetRestApisInput) (*apigateway.GetRestApisOutput, error) {
	found, next, err := page(*s.state.Load(), in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetRestApisOutput{Items: make([]types.RestApi, len(found)), Position: next}
	for i, a := range found {
		out.Items[i] = a.API
	}
	return out, nil
}

// UpdateRestApi patches name, description, binaryMediaTypes, disableExecuteApiEndpoint and the endpoint's type.
func (s *Service) UpdateRestApi(ctx context.Context, in *apigateway.UpdateRestApiInput) (*apigateway.UpdateRestApiOutput, error) {
	var out *apigateway.UpdateRestApiOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		a := &d.API
		var kind string
		err := patches{
			"name": text(&a.Name), "description": text(&a.Description), "version": text(&a.Version), "policy": text(&a.Policy),
			"apiKeySource":              word(&a.ApiKeySource),
			"binaryMediaTypes":          list(&a.BinaryMediaTypes),
			"disableExecuteApiEndpoint": flag(func(v bool) { a.DisableExecuteApiEndpoint = v }),
			"minimumCompressionSize":    refused("minimumCompressionSize"),
			"endpointConfiguration": func(op types.PatchOperation, rest []string) error {
				if len(rest) != 2 || rest[0] != "types" || op.Op != types.OpReplace {
					return unsupported("The patch path " + aws.ToString(op.Path))
				}
				return word(&kind)(op, nil)
			},
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		if kind != "" {
			a.EndpointConfiguration.Types = []types.EndpointType{types.EndpointType(kind)}
		}
		d.Binary = slices.Clone(a.BinaryMediaTypes)
		out = as[apigateway.UpdateRestApiOutput](*a)
		return completeAPI(a)
	})
	return out, err
}

// DeleteRestApi removes an API with all that belongs to it, or fails with NotFoundException.
func (s *Service) DeleteRestApi(ctx context.Context, in *apigateway.DeleteRestApiInput) (*apigateway.DeleteRestApiOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		d.deleted = true
		return nil
	})
}

// tagged finds what an ARN names: an API (…::/restapis/ID) or a stage (…::/restapis/ID/stages/NAME).
func tagged(resource *string) (id, stage string, err error) {
	_, rest, ok := strings.Cut(aws.ToString(resource), ":/restapis/")
	parts := strings.Split(rest, "/")
	switch {
	case ok && len(parts) == 1:
		return parts[0], "", nil
	case ok && len(parts) == 3 && parts[1] == "stages":
		return parts[0], parts[2], nil
	}
	return "", "", badRequest("Invalid resource ARN %s: tags belong to REST APIs and their stages here", aws.ToString(resource))
}

func (s *Service) retag(ctx context.Context, resource *string, f func(map[string]string)) error {
	id, stage, err := tagged(resource)
	if err != nil {
		return err
	}
	return s.change(ctx, &id, func(d *draft) error {
		tags := &d.API.Tags
		st, ok := d.Stages[stage]
		if stage != "" {
			if !ok {
				return missing("stage")
			}
			tags = &st.Tags
		}
		makeNil(tags)
		f(*tags)
		if err := executeapi.CheckTags(*tags); err != nil {
			return badRequest("%s", err)
		}
		if len(*tags) > 50 {
			return badRequest("A resource can have at most 50 tags")
		}
		if stage != "" {
			d.Stages[stage] = st
		}
		return nil
	})
}

// TagResource adds tags to an API or a stage.
func (s *Service) TagResource(ctx context.Context, in *apigateway.TagResourceInput) (*apigateway.TagResourceOutput, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for k, v := range in.Tags {
			tags[k] = v
		}
	})
}

// UntagResource takes tags off an API or a stage.
func (s *Service) UntagResource(ctx context.Context, in *apigateway.UntagResourceInput) (*apigateway.UntagResourceOutput, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

// GetTags lists the tags of an API or a stage.
func (s *Service) GetTags(_ context.Context, in *apigateway.GetTagsInput) (*apigateway.GetTagsOutput, error) {
	id, stage, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	a, err := s.find(&id)
	if err != nil {
		return nil, err
	}
	if stage == "" {
		return &apigateway.GetTagsOutput{Tags: a.API.Tags}, nil
	}
	st, ok := a.Stages[stage]
	if !ok {
		return nil, missing("stage")
	}
	return &apigateway.GetTagsOutput{Tags: st.Tags}, nil
}

// GetAccount gives the account's settings. Its limits are AWS's defaults, and are not enforced across APIs.
func (s *Service) GetAccount(context.Context, *apigateway.GetAccountInput) (*apigateway.GetAccountOutput, error) {
	return &apigateway.GetAccountOutput{
		ThrottleSettings: &types.ThrottleSettings{BurstLimit: accountBurst, RateLimit: accountRate}, ApiKeyVersion: aws.String("4"),
		Features: []string{"UsagePlans"}, CloudwatchRoleArn: s.account.Load().settings.LogRole,
	}, nil
}

// UpdateAccount patches cloudwatchRoleArn, which is kept and used by nothing: there are no logs of API Gateway here.
func (s *Service) UpdateAccount(ctx context.Context, in *apigateway.UpdateAccountInput) (*apigateway.UpdateAccountOutput, error) {
	err := s.changeAccount(ctx, func(d *accountDraft) error {
		err := patches{
			"cloudwatchRoleArn": text(&d.settings.LogRole), "throttleSettings": refused("A change of the account's throttling"),
			"features": refused("A change of the account's features"),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		if role := aws.ToString(d.settings.LogRole); role != "" {
			if a, err := arn.Parse(role); err != nil || a.Service != "iam" {
				return badRequest("The role ARN does not have required permissions set to API Gateway: %s is no ARN of a role", role)
			}
		}
		return d.put(bucketSettings, settingsKey, d.settings)
	})
	if err != nil {
		return nil, err
	}
	out, err := s.GetAccount(ctx, nil)
	return as[apigateway.UpdateAccountOutput](*out), err
}

// decode reads JSON that a client sent in a member.
func decode(raw string, v any) error { return json.Unmarshal([]byte(raw), v) }
