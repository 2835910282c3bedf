package apigateway

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

var httpMethods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// method finds a method of the API, or AWS's error.
func (a *api) method(resource, method *string) (types.Method, error) {
	r, ok := a.Resources[aws.ToString(resource)]
	if !ok {
		return types.Method{}, missing("Resource")
	}
	m, ok := r.ResourceMethods[aws.ToString(method)]
	if !ok {
		return types.Method{}, missing("Method")
	}
	return m, nil
}

// readMethod is method of the API that serves.
func (s *Service) readMethod(api, resource, method *string) (types.Method, error) {
	a, err := s.find(api)
	if err != nil {
		return types.Method{}, err
	}
	return a.method(resource, method)
}

// editMethod changes a method and checks it.
func (s *Service) editMethod(ctx context.Context, api, resource, method *string, f func(d *draft, m *types.Method) error) error {
	return s.change(ctx, api, func(d *draft) error {
		m, err := d.method(resource, method)
		if err != nil {
			return err
		}
		if err := f(d, &m); err != nil {
			return err
		}
		d.Resources[*resource].ResourceMethods[*method] = m
		return nil
	})
}

// PutMethod adds a method. It fails with NotFoundException, BadRequestException, or ConflictException when it is there.
func (s *Service) PutMethod(ctx context.Context, in *apigateway.PutMethodInput) (*apigateway.PutMethodOutput, error) {
	m := *as[types.Method](in)
	m.ApiKeyRequired = &in.ApiKeyRequired
	err := s.change(ctx, in.RestApiId, func(d *draft) error { return d.addMethod(aws.ToString(in.ResourceId), &m) })
	return as[apigateway.PutMethodOutput](m), err
}

func (d *draft) addMethod(resource string, m *types.Method) error {
	r, ok := d.Resources[resource]
	if !ok {
		return missing("Resource")
	}
	name := aws.ToString(m.HttpMethod)
	if !slices.Contains(httpMethods, name) {
		return badRequest("Invalid HttpMethod specified. Valid options are %s", strings.Join(httpMethods, ","))
	}
	if _, ok := r.ResourceMethods[name]; ok {
		return conflict("Method already exists for this resource")
	}
	if err := d.checkMethod(m); err != nil {
		return err
	}
	r.ResourceMethods[name] = *m
	return nil
}

// requestParameter is the name of a parameter of a method's request.
var requestParameter = regexp.MustCompile(`^method\.request\.(path|querystring|header|multivaluequerystring|multivalueheader)\.[^\s]+$`)

func (d *draft) checkMethod(m *types.Method) error {
	switch aws.ToString(m.AuthorizationType) {
	case "", "NONE":
		m.AuthorizationType, m.AuthorizerId = aws.String("NONE"), nil
	case "CUSTOM":
		if _, ok := d.Authorizers[aws.ToString(m.AuthorizerId)]; !ok {
			return badRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
		}
	case "AWS_IAM":
		m.AuthorizerId = nil
	case "COGNITO_USER_POOLS":
		return unsupported("The authorization type " + *m.AuthorizationType)
	default:
		return badRequest("Invalid authorization type specified. Valid options are [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]")
	}
	if len(m.AuthorizationScopes) > 0 {
		return unsupported("authorizationScopes")
	}
	for name := range m.RequestParameters {
		if !requestParameter.MatchString(name) {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
	}
	for _, model := range m.RequestModels {
		if _, ok := d.Models[model]; !ok {
			return badRequest("Invalid model identifier specified: %s", model)
		}
	}
	if m.RequestValidatorId != nil {
		v, ok := d.Validators[*m.RequestValidatorId]
		if !ok {
			return badRequest("Invalid Request Validator identifier specified")
		}
		if v.ValidateRequestBody {
			for _, name := range m.RequestModels {
				if _, err := compileSchema(d.Models[name], d.Models); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// GetMethod describes a method, or fails with NotFoundException.
func (s *Service) GetMethod(_ context.Context, in *apigateway.GetMethodInput) (*apigateway.GetMethodOutput, error) {
	m, err := s.readMethod(in.RestApiId, in.ResourceId, in.HttpMethod)
	return as[apigateway.GetMethodOutput](m), err
}

// UpdateMethod patches a method.
func (s *Service) UpdateMethod(ctx context.Context, in *apigateway.UpdateMethodInput) (*apigateway.UpdateMethodOutput, error) {
	var out *apigateway.UpdateMethodOutput
	err := s.editMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(d *draft, m *types.Method) error {
		err := patches{
			"authorizationType": text(&m.AuthorizationType), "authorizerId": text(&m.AuthorizerId), "operationName": text(&m.OperationName),
			"requestValidatorId": text(&m.RequestValidatorId), "requestModels": texts(&m.RequestModels),
			"requestParameters": flags(&m.RequestParameters), "authorizationScopes": list(&m.AuthorizationScopes),
			"apiKeyRequired": flag(func(v bool) { m.ApiKeyRequired = &v }),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		if aws.ToString(m.RequestValidatorId) == "" {
			m.RequestValidatorId = nil
		}
		out = as[apigateway.UpdateMethodOutput](*m)
		return d.checkMethod(m)
	})
	return out, err
}

// DeleteMethod removes a method, or fails with NotFoundException.
func (s *Service) DeleteMethod(ctx context.Context, in *apigateway.DeleteMethodInput) (*apigateway.DeleteMethodOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		if _, err := d.method(in.ResourceId, in.HttpMethod); err != nil {
			return err
		}
		delete(d.Resources[*in.ResourceId].ResourceMethods, *in.HttpMethod)
		return nil
	})
}

var statusCode = regexp.MustCompile(`^[1-5]\d\d$`)

// PutMethodResponse adds or replaces a response of a method.
func (s *Service) PutMethodResponse(ctx context.Context, in *apigateway.PutMethodResponseInput) (*apigateway.PutMethodResponseOutput, error) {
	r := *as[types.MethodResponse](in)
	err := s.editMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(d *draft, m *types.Method) error {
		if _, ok := m.MethodResponses[aws.ToString(in.StatusCode)]; ok {
			return conflict("Response already exists for this resource")
		}
		return d.putMethodResponse(m, r)
	})
	return as[apigateway.PutMethodResponseOutput](r), err
}

func (d *draft) putMethodResponse(m *types.Method, r types.MethodResponse) error {
	if !statusCode.MatchString(aws.ToString(r.StatusCode)) {
		return badRequest("Invalid status code specified: %s", aws.ToString(r.StatusCode))
	}
	for name := range r.ResponseParameters {
		if !strings.HasPrefix(name, "method.response.header.") {
			return badRequest("Invalid mapping expression parameter specified: %s", name)
		}
	}
	for _, model := range r.ResponseModels {
		if _, ok := d.Models[model]; !ok {
			return badRequest("Invalid model identifier specified: %s", model)
		}
	}
	makeNil(&m.MethodResponses)
	m.MethodResponses[*r.StatusCode] = r
	return nil
}

// GetMethodResponse describes a response of a method, or fails with NotFoundException.
func (s *Service) GetMethodResponse(_ context.Context, in *apigateway.GetMethodResponseInput) (*apigateway.GetMethodResponseOutput, error) {
	m, err := s.readMethod(in.RestApiId, in.ResourceId, in.HttpMethod)
	if err != nil {
		return nil, err
	}
	r, ok := m.MethodResponses[aws.ToString(in.StatusCode)]
	if !ok {
		return nil, missing("Response status code")
	}
	return as[apigateway.GetMethodResponseOutput](r), nil
}

// UpdateMethodResponse patches a response of a method.
func (s *Service) UpdateMethodResponse(ctx context.Context, in *apigateway.UpdateMethodResponseInput) (*apigateway.UpdateMethodResponseOutput, error) {
	var out *apigateway.UpdateMethodResponseOutput
	err := s.editMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(d *draft, m *types.Method) error {
		r, ok := m.MethodResponses[aws.ToString(in.StatusCode)]
		if !ok {
			return missing("Response status code")
		}
		if err := (patches{"responseModels": texts(&r.ResponseModels), "responseParameters": flags(&r.ResponseParameters)}).apply(in.PatchOperations); err != nil {
			return err
		}
		out = as[apigateway.UpdateMethodResponseOutput](r)
		return d.putMethodResponse(m, r)
	})
	return out, err
}

// DeleteMethodResponse removes a response of a method, or fails with NotFoundException.
func (s *Service) DeleteMethodResponse(ctx context.Context, in *apigateway.DeleteMethodResponseInput) (*apigateway.DeleteMethodResponseOutput, error) {
	return nil, s.editMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *draft, m *types.Method) error {
		if _, ok := m.MethodResponses[aws.ToString(in.StatusCode)]; !ok {
			return missing("Response status code")
		}
		m.MethodResponses = maps.Clone(m.MethodResponses)
		delete(m.MethodResponses, *in.StatusCode)
		return nil
	})
}
