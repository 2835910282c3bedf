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

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// maxTimeoutMS is AWS's default limit of an integration, in milliseconds.
const maxTimeoutMS = 29000

// PutIntegration sets a method's integration. It fails with NotFoundException or BadRequestException; integrations that
// this platform does not serve are refused by name.
func (s *Service) PutIntegration(ctx context.Context, in *apigateway.PutIntegrationInput) (*apigateway.PutIntegrationOutput, error) {
	i := *as[types.Integration](in)
	i.HttpMethod, i.TimeoutInMillis = in.IntegrationHttpMethod, aws.ToInt32(in.TimeoutInMillis)
	if i.CacheNamespace == nil {
		i.CacheNamespace = in.ResourceId
	}
	err := s.editMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *draft, m *types.Method) error {
		if m.MethodIntegration != nil {
			i.IntegrationResponses = m.MethodIntegration.IntegrationResponses
		}
		m.MethodIntegration = &i
		return s.completeIntegration(&i)
	})
	return as[apigateway.PutIntegrationOutput](i), err
}

// completeIntegration validates i and fills AWS's defaults.
func (s *Service) completeIntegration(i *types.Integration) error {
	switch {
	case i.ConnectionType == types.ConnectionTypeVpcLink || aws.ToString(i.ConnectionId) != "" || aws.ToString(i.IntegrationTarget) != "":
		return unsupported("A VPC link (connectionType, connectionId, integrationTarget)")
	case i.TlsConfig != nil:
		return unsupported("tlsConfig")
	case i.ResponseTransferMode != "" && i.ResponseTransferMode != types.ResponseTransferModeBuffered:
		return unsupported("The response transfer mode " + string(i.ResponseTransferMode))
	case len(i.CacheKeyParameters) > 0:
		return unsupported("cacheKeyParameters (caching)")
	}
	if i.TimeoutInMillis == 0 {
		i.TimeoutInMillis = maxTimeoutMS
	}
	if i.TimeoutInMillis < 50 || i.TimeoutInMillis > maxTimeoutMS {
		return badRequest("Timeout should be between 50 ms and %d ms", maxTimeoutMS)
	}
	switch strings.ToUpper(aws.ToString(i.PassthroughBehavior)) {
	case "":
		i.PassthroughBehavior = aws.String("WHEN_NO_MATCH")
	case "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER":
		i.PassthroughBehavior = aws.String(strings.ToUpper(*i.PassthroughBehavior))
	default:
		return badRequest("Invalid passthrough behavior specified")
	}
	switch i.ContentHandling {
	case "", types.ContentHandlingStrategyConvertToBinary, types.ContentHandlingStrategyConvertToText:
	default:
		return badRequest("Invalid contentHandling specified")
	}
	if i.Credentials != nil && *i.Credentials != "" {
		if _, err := arn.Parse(*i.Credentials); err != nil {
			return badRequest("Invalid ARN specified in the request: credentials %q", *i.Credentials)
		}
	}
	for _, t := range i.RequestTemplates {
		if _, err := parseTemplate(t); err != nil {
			return badRequest("Invalid mapping template: %s", err)
		}
	}
	for name, from := range i.RequestParameters {
		if err := checkRequestParameter(name, from); err != nil {
			return err
		}
	}
	return s.checkBackend(i)
}

func (s *Service) checkBackend(i *types.Integration) error {
	switch i.Type {
	case types.IntegrationTypeMock:
		return nil
	case types.IntegrationTypeHttp, types.IntegrationTypeHttpProxy:
		if !slices.Contains(httpMethods, aws.ToString(i.HttpMethod)) {
			return badRequest("Enumeration value for HttpMethod must be non-empty")
		}
		if err := executeapi.CheckLoopback(sampleURI(aws.ToString(i.Uri))); err != nil {
			return badRequest("Invalid HTTP endpoint specified for URI: %s", err)
		}
		return nil
	case types.IntegrationTypeAws, types.IntegrationTypeAwsProxy:
	default:
		return badRequest("Enumeration value for Type must be non-empty: one of [HTTP, AWS, MOCK, HTTP_PROXY, AWS_PROXY]")
	}
	if !slices.Contains(httpMethods, aws.ToString(i.HttpMethod)) {
		return badRequest("Enumeration value for HttpMethod must be non-empty")
	}
	uri := sampleURI(aws.ToString(i.Uri))
	if _, err := arn.ParseFunction(executeapi.FunctionARN(uri)); err == nil && strings.Contains(uri, ":lambda:path/") {
		if *i.HttpMethod != "POST" {
			return badRequest("Invalid integration HTTP method %s: Lambda functions are invoked with POST", *i.HttpMethod)
		}
		return nil
	}
	if action, ok := stateAction(uri); ok {
		switch {
		case i.Type == types.IntegrationTypeAwsProxy:
			return badRequest("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
		case aws.ToString(i.Credentials) == "":
			return badRequest("Role ARN must be specified for AWS integrations")
		case s.cfg.States != nil && !slices.ContainsFunc(s.states().Operations, func(o awsproto.Operation) bool { return o.Name() == action }):
			return unsupported("The action " + action + " of Step Functions")
		}
		return nil
	}
	if a, err := arn.Parse(uri); err == nil && a.Service == "apigateway" {
		return unsupported("An AWS integration with " + uri + " (Lambda functions and Step Functions' actions are served)")
	}
	return badRequest("AWS ARN for integration must contain path or action")
}

// sampleURI puts a word for every stage variable and path parameter, so that a URI can be checked before it is used.
func sampleURI(uri string) string {
	u, ok := executeapi.ExpandVariables(uri, func(string) string { return "localhost" })
	if !ok {
		return uri
	}
	return u
}

// stateAction takes the action out of arn:aws:apigateway:region:states:action/StartExecution.
func stateAction(uri string) (string, bool) {
	a, err := arn.Parse(uri)
	if err != nil || a.Service != "apigateway" {
		return "", false
	}
	return strings.CutPrefix(a.Account+":"+a.Resource, "states:action/")
}

// GetIntegration describes a method's integration, or fails with NotFoundException.
func (s *Service) GetIntegration(_ context.Context, in *apigateway.GetIntegrationInput) (*apigateway.GetIntegrationOutput, error) {
	m, err := s.readMethod(in.RestApiId, in.ResourceId, in.HttpMethod)
	if err != nil {
		return nil, err
	}
	if m.MethodIntegration == nil {
		return nil, missing("Integration")
	}
	return as[apigateway.GetIntegrationOutput](*m.MethodIntegration), nil
}

// editIntegration changes a method's integration and checks it.
func (s *Service) editIntegration(ctx context.Context, api, resource, method *string, f func(m *types.Method, i *types.Integration) error) error {
	return s.editMethod(ctx, api, resource, method, func(_ *draft, m *types.Method) error {
		if m.MethodIntegration == nil {
			return missing("Integration")
		}
		if err := f(m, m.MethodIntegration); err != nil || m.MethodIntegration == nil {
			return err
		}
		return s.completeIntegration(m.MethodIntegration)
	})
}

// UpdateIntegration patches a method's integration.
func (s *Service) UpdateIntegration(ctx context.Context, in *apigateway.UpdateIntegrationInput) (*apigateway.UpdateIntegrationOutput, error) {
	var out *apigateway.UpdateIntegrationOutput
	err := s.editIntegration(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *types.Method, i *types.Integration) error {
		err := patches{
			"uri": text(&i.Uri), "httpMethod": text(&i.HttpMethod), "credentials": text(&i.Credentials), "type": word(&i.Type),
			"passthroughBehavior": text(&i.PassthroughBehavior), "contentHandling": word(&i.ContentHandling),
			"requestParameters": texts(&i.RequestParameters), "requestTemplates": texts(&i.RequestTemplates),
			"timeoutInMillis": number(func(v float64) { i.TimeoutInMillis = int32(min(max(v, 1), 1<<30)) }),
			"cacheNamespace":  text(&i.CacheNamespace), "cacheKeyParameters": list(&i.CacheKeyParameters),
			"connectionId": text(&i.ConnectionId), "connectionType": word(&i.ConnectionType),
		}.apply(in.PatchOperations)
		out = as[apigateway.UpdateIntegrationOutput](*i)
		return err
	})
	return out, err
}

// DeleteIntegration removes a method's integration, or fails with NotFoundException.
func (s *Service) DeleteIntegration(ctx context.Context, in *apigateway.DeleteIntegrationInput) (*apigateway.DeleteIntegrationOutput, error) {
	return nil, s.editIntegration(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *types.Method, _ *types.Integration) error {
		m.MethodIntegration = nil
		return nil
	})
}

// PutIntegrationResponse adds or replaces a response of an integration; the method must have a response of the status.
func (s *Service) PutIntegrationResponse(ctx context.Context, in *apigateway.PutIntegrationResponseInput) (*apigateway.PutIntegrationResponseOutput, error) {
	r := *as[types.IntegrationResponse](in)
	err := s.editIntegration(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *types.Method, i *types.Integration) error {
		return putIntegrationResponse(m, i, r)
	})
	return as[apigateway.PutIntegrationResponseOutput](r), err
}

func putIntegrationResponse(m *types.Method, i *types.Integration, r types.IntegrationResponse) error {
	mr, ok := m.MethodResponses[aws.ToString(r.StatusCode)]
	if !ok {
		return missing("Response status code")
	}
	if _, err := selection(r.SelectionPattern); err != nil {
		return badRequest("Invalid selection pattern %q: %v", *r.SelectionPattern, err)
	}
	for _, t := range r.ResponseTemplates {
		if _, err := parseTemplate(t); err != nil {
			return badRequest("Invalid mapping template: %s", err)
		}
	}
	for name, from := range r.ResponseParameters {
		if _, ok := mr.ResponseParameters[name]; !ok {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
		if err := checkResponseParameter(from); err != nil {
			return err
		}
	}
	makeNil(&i.IntegrationResponses)
	i.IntegrationResponses[*r.StatusCode] = r
	return nil
}

// selection compiles a selection pattern, which must match the whole of what it is held against; nil is the default.
func selection(pattern *string) (*regexp.Regexp, error) {
	if aws.ToString(pattern) == "" {
		return nil, nil
	}
	return regexp.Compile("^(?s:" + *pattern + ")$")
}

// GetIntegrationResponse describes a response of an integration, or fails with NotFoundException.
func (s *Service) GetIntegrationResponse(_ context.Context, in *apigateway.GetIntegrationResponseInput) (*apigateway.GetIntegrationResponseOutput, error) {
	m, err := s.readMethod(in.RestApiId, in.ResourceId, in.HttpMethod)
	if err != nil {
		return nil, err
	}
	if m.MethodIntegration == nil {
		return nil, missing("Integration")
	}
	r, ok := m.MethodIntegration.IntegrationResponses[aws.ToString(in.StatusCode)]
	if !ok {
		return nil, missing("Response status code")
	}
	return as[apigateway.GetIntegrationResponseOutput](r), nil
}

// UpdateIntegrationResponse patches a response of an integration.
func (s *Service) UpdateIntegrationResponse(ctx context.Context, in *apigateway.UpdateIntegrationResponseInput) (*apigateway.UpdateIntegrationResponseOutput, error) {
	var out *apigateway.UpdateIntegrationResponseOutput
	err := s.editIntegration(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *types.Method, i *types.Integration) error {
		r, ok := i.IntegrationResponses[aws.ToString(in.StatusCode)]
		if !ok {
			return missing("Response status code")
		}
		err := patches{
			"selectionPattern": text(&r.SelectionPattern), "contentHandling": word(&r.ContentHandling),
			"responseParameters": texts(&r.ResponseParameters), "responseTemplates": texts(&r.ResponseTemplates),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		out = as[apigateway.UpdateIntegrationResponseOutput](r)
		return putIntegrationResponse(m, i, r)
	})
	return out, err
}

// DeleteIntegrationResponse removes a response of an integration, or fails with NotFoundException.
func (s *Service) DeleteIntegrationResponse(ctx context.Context, in *apigateway.DeleteIntegrationResponseInput) (*apigateway.DeleteIntegrationResponseOutput, error) {
	return nil, s.editIntegration(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *types.Method, i *types.Integration) error {
		if _, ok := i.IntegrationResponses[aws.ToString(in.StatusCode)]; !ok {
			return missing("Response status code")
		}
		i.IntegrationResponses = maps.Clone(i.IntegrationResponses)
		delete(i.IntegrationResponses, *in.StatusCode)
		return nil
	})
}
