package apigatewayv2

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// routeSelection is the only route selection expression of HTTP APIs; AWS also takes it with braces.
const routeSelection = "$request.method $request.path"

// CreateApi makes an HTTP API; with Target, also an integration, a route and the $default stage (quick create).
// It fails with BadRequestException.
func (s *Service) CreateApi(ctx context.Context, in *apigatewayv2.CreateApiInput) (*apigatewayv2.CreateApiOutput, error) {
	switch in.ProtocolType {
	case types.ProtocolTypeHttp:
	case types.ProtocolTypeWebsocket:
		return nil, unsupported("The protocol type WEBSOCKET")
	default:
		return nil, badRequest("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
	}
	if in.Target == nil && (in.RouteKey != nil || in.CredentialsArn != nil) {
		return nil, badRequest("routeKey and credentialsArn are part of quick create and need a target")
	}
	d := &draft{api: &api{deployments: make(map[string]*deployment)}}
	d.fill()
	d.API = types.Api{
		Name: in.Name, ProtocolType: in.ProtocolType, CreatedDate: s.now(), Description: in.Description, Version: in.Version,
		ApiKeySelectionExpression: aws.String("$request.header.x-api-key"),
		RouteSelectionExpression:  aws.String(routeSelection),
		DisableExecuteApiEndpoint: aws.Bool(aws.ToBool(in.DisableExecuteApiEndpoint)),
		CorsConfiguration:         in.CorsConfiguration,
		IpAddressType:             in.IpAddressType,
		Tags:                      in.Tags,
	}
	if d.API.IpAddressType == "" {
		d.API.IpAddressType = types.IpAddressTypeIpv4
	}
	if in.ApiKeySelectionExpression != nil {
		d.API.ApiKeySelectionExpression = in.ApiKeySelectionExpression
	}
	if err := checkRouteSelection(in.RouteSelectionExpression); err != nil {
		return nil, err
	}
	if err := checkAPI(&d.API); err != nil {
		return nil, err
	}
	if in.Target != nil {
		if err := quickCreate(d, in, s); err != nil {
			return nil, err
		}
	}
	if err := s.create(ctx, d); err != nil {
		return nil, err
	}
	a := s.present(d.API)
	return &apigatewayv2.CreateApiOutput{
		ApiEndpoint: a.ApiEndpoint, ApiGatewayManaged: a.ApiGatewayManaged, ApiId: a.ApiId, ApiKeySelectionExpression: a.ApiKeySelectionExpression,
		CorsConfiguration: a.CorsConfiguration, CreatedDate: a.CreatedDate, Description: a.Description,
		DisableExecuteApiEndpoint: a.DisableExecuteApiEndpoint, IpAddressType: a.IpAddressType, Name: a.Name, ProtocolType: a.ProtocolType,
		RouteSelectionExpression: a.RouteSelectionExpression, Tags: a.Tags, Version: a.Version,
	}, nil
}

// quickCreate adds the integration, the route and the stage that CreateApi makes of a target.
func quickCreate(d *draft, in *apigatewayv2.CreateApiInput, s *Service) error {
	key := "$default"
	if in.RouteKey != nil {
		key = *in.RouteKey
	}
	if _, err := parseRouteKey(key); err != nil {
		return err
	}
	integration := types.Integration{
		ApiGatewayManaged: aws.Bool(true), IntegrationType: types.IntegrationTypeAwsProxy, IntegrationUri: in.Target,
		PayloadFormatVersion: aws.String("2.0"), CredentialsArn: in.CredentialsArn,
	}
	if strings.HasPrefix(*in.Target, "http") {
		integration.IntegrationType, integration.PayloadFormatVersion = types.IntegrationTypeHttpProxy, aws.String("1.0")
		integration.IntegrationMethod = aws.String("ANY")
	}
	if err := completeIntegration(&integration, s.cfg.Region); err != nil {
		return err
	}
	iid := executeapi.NewID(7, func(string) bool { return false })
	integration.IntegrationId = &iid
	d.Integrations[iid] = integration
	rid := executeapi.NewID(7, func(string) bool { return false })
	d.Routes[rid] = types.Route{
		ApiGatewayManaged: aws.Bool(true), RouteId: &rid, RouteKey: &key, Target: aws.String("integrations/" + iid),
		ApiKeyRequired: aws.Bool(false), AuthorizationType: types.AuthorizationTypeNone,
	}
	d.Stages[defaultStageName] = types.Stage{
		ApiGatewayManaged: aws.Bool(true), StageName: aws.String(defaultStageName), AutoDeploy: aws.Bool(true), CreatedDate: s.now(),
		LastUpdatedDate: s.now(), DefaultRouteSettings: &types.RouteSettings{DetailedMetricsEnabled: aws.Bool(false)},
	}
	d.redeploy = true
	return nil
}

// GetApi describes an API, or fails with NotFoundException.
func (s *Service) GetApi(_ context.Context, in *apigatewayv2.GetApiInput) (*apigatewayv2.GetApiOutput, error) {
	found, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	a := s.present(found.API)
	return &apigatewayv2.GetApiOutput{
		ApiEndpoint: a.ApiEndpoint, ApiGatewayManaged: a.ApiGatewayManaged, ApiId: a.ApiId, ApiKeySelectionExpression: a.ApiKeySelectionExpression,
		CorsConfiguration: a.CorsConfiguration, CreatedDate: a.CreatedDate, Description: a.Description,
		DisableExecuteApiEndpoint: a.DisableExecuteApiEndpoint, IpAddressType: a.IpAddressType, Name: a.Name, ProtocolType: a.ProtocolType,
		RouteSelectionExpression: a.RouteSelectionExpression, Tags: a.Tags, Version: a.Version,
	}, nil
}

// GetApis lists the APIs in the order of their IDs.
func (s *Service) GetApis(_ context.Context, in *apigatewayv2.GetApisInput) (*apigatewayv2.GetApisOutput, error) {
	found, next, err := page(*s.state.Load(), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetApisOutput{Items: make([]types.Api, len(found)), NextToken: next}
	for i, a := range found {
		out.Items[i] = s.present(a.API)
	}
	return out, nil
}

// UpdateApi changes the members that are set. It fails with NotFoundException or BadRequestException.
func (s *Service) UpdateApi(ctx context.Context, in *apigatewayv2.UpdateApiInput) (*apigatewayv2.UpdateApiOutput, error) {
	if in.Target != nil || in.RouteKey != nil || in.CredentialsArn != nil {
		return nil, unsupported("Changing the target, routeKey or credentialsArn of a quick create through UpdateApi")
	}
	if err := checkRouteSelection(in.RouteSelectionExpression); err != nil {
		return nil, err
	}
	var a types.Api
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		set(&d.API.Name, in.Name)
		set(&d.API.Description, in.Description)
		set(&d.API.Version, in.Version)
		set(&d.API.ApiKeySelectionExpression, in.ApiKeySelectionExpression)
		set(&d.API.DisableExecuteApiEndpoint, in.DisableExecuteApiEndpoint)
		set(&d.API.CorsConfiguration, in.CorsConfiguration)
		if in.IpAddressType != "" {
			d.API.IpAddressType = in.IpAddressType
		}
		a = s.present(d.API)
		return checkAPI(&d.API)
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.UpdateApiOutput{
		ApiEndpoint: a.ApiEndpoint, ApiGatewayManaged: a.ApiGatewayManaged, ApiId: a.ApiId, ApiKeySelectionExpression: a.ApiKeySelectionExpression,
		CorsConfiguration: a.CorsConfiguration, CreatedDate: a.CreatedDate, Description: a.Description,
		DisableExecuteApiEndpoint: a.DisableExecuteApiEndpoint, IpAddressType: a.IpAddressType, Name: a.Name, ProtocolType: a.ProtocolType,
		RouteSelectionExpression: a.RouteSelectionExpression, Tags: a.Tags, Version: a.Version,
	}, nil
}

// DeleteApi removes an API with all that belongs to it, or fails with NotFoundException.
func (s *Service) DeleteApi(ctx context.Context, in *apigatewayv2.DeleteApiInput) (*apigatewayv2.DeleteApiOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		d.deleted = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteApiOutput{}, nil
}

// DeleteCorsConfiguration takes the CORS configuration off an API, or fails with NotFoundException.
func (s *Service) DeleteCorsConfiguration(ctx context.Context, in *apigatewayv2.DeleteCorsConfigurationInput) (*apigatewayv2.DeleteCorsConfigurationOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		d.API.CorsConfiguration = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteCorsConfigurationOutput{}, nil
}

// present adds what depends on where the service runs.
func (s *Service) present(a types.Api) types.Api {
	a.ApiEndpoint = aws.String("http://" + *a.ApiId + executeapi.Infix + s.endpoint)
	return a
}

func checkRouteSelection(e *string) error {
	if e != nil && *e != routeSelection && *e != "${request.method} ${request.path}" {
		return badRequest("Invalid routeSelectionExpression %q: for HTTP APIs it must be %q", *e, routeSelection)
	}
	return nil
}

func checkAPI(a *types.Api) error {
	if err := checkLength("name", a.Name, 1, 128); err != nil {
		return err
	}
	if err := checkLength("description", a.Description, 0, 1024); err != nil {
		return err
	}
	if err := checkLength("version", a.Version, 0, 64); err != nil {
		return err
	}
	if a.IpAddressType != types.IpAddressTypeIpv4 && a.IpAddressType != types.IpAddressTypeDualstack {
		return badRequest("Invalid ipAddressType %q: must be one of [ipv4, dualstack]", a.IpAddressType)
	}
	if err := checkTags(a.Tags); err != nil {
		return err
	}
	return checkCORS(a.CorsConfiguration)
}

// checkLength bounds a string's length in characters; a nil string counts as missing when lo is not 0.
func checkLength(what string, v *string, lo, hi int) error {
	n := len([]rune(aws.ToString(v)))
	switch {
	case n < lo && v == nil:
		return badRequest("%s is required", what)
	case n < lo || n > hi:
		return badRequest("%s must have %d to %d characters; it has %d", what, lo, hi, n)
	}
	return nil
}

// set replaces *field when the request has a value for it.
func set[T any](field **T, v *T) {
	if v != nil {
		*field = v
	}
}
