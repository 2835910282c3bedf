package apigatewayv2

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// CreateRoute adds a route. It fails with NotFoundException, BadRequestException, or ConflictException when the API has
// a route with this key or one that differs in the names of path variables only.
func (s *Service) CreateRoute(ctx context.Context, in *apigatewayv2.CreateRouteInput) (*apigatewayv2.CreateRouteOutput, error) {
	r := types.Route{
		RouteKey: in.RouteKey, Target: in.Target, OperationName: in.OperationName,
		ApiKeyRequired: aws.Bool(aws.ToBool(in.ApiKeyRequired)), AuthorizationType: in.AuthorizationType,
		AuthorizerId: in.AuthorizerId, AuthorizationScopes: in.AuthorizationScopes, ModelSelectionExpression: in.ModelSelectionExpression,
		RequestModels: in.RequestModels, RequestParameters: in.RequestParameters, RouteResponseSelectionExpression: in.RouteResponseSelectionExpression,
	}
	if r.AuthorizationType == "" {
		r.AuthorizationType = types.AuthorizationTypeNone
	}
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		id := executeapi.NewID(7, func(id string) bool { _, ok := d.Routes[id]; return ok })
		r.RouteId = &id
		if err := d.checkRoute(&r); err != nil {
			return err
		}
		d.Routes[id] = r
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.CreateRouteOutput{
		ApiKeyRequired: r.ApiKeyRequired, AuthorizationType: r.AuthorizationType, AuthorizerId: r.AuthorizerId, AuthorizationScopes: r.AuthorizationScopes, OperationName: r.OperationName,
		RouteId: r.RouteId, RouteKey: r.RouteKey, Target: r.Target,
	}, nil
}

// GetRoute describes a route, or fails with NotFoundException.
func (s *Service) GetRoute(_ context.Context, in *apigatewayv2.GetRouteInput) (*apigatewayv2.GetRouteOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	r, ok := a.Routes[aws.ToString(in.RouteId)]
	if !ok {
		return nil, noRoute(in.RouteId)
	}
	return &apigatewayv2.GetRouteOutput{
		ApiGatewayManaged: r.ApiGatewayManaged, ApiKeyRequired: r.ApiKeyRequired, AuthorizationType: r.AuthorizationType,
		AuthorizerId: r.AuthorizerId, AuthorizationScopes: r.AuthorizationScopes, OperationName: r.OperationName, RouteId: r.RouteId, RouteKey: r.RouteKey, Target: r.Target,
	}, nil
}

// GetRoutes lists an API's routes, or fails with NotFoundException.
func (s *Service) GetRoutes(_ context.Context, in *apigatewayv2.GetRoutesInput) (*apigatewayv2.GetRoutesOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Routes, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetRoutesOutput{Items: items, NextToken: next}, nil
}

// UpdateRoute changes the members that are set. It fails as CreateRoute does.
func (s *Service) UpdateRoute(ctx context.Context, in *apigatewayv2.UpdateRouteInput) (*apigatewayv2.UpdateRouteOutput, error) {
	var r types.Route
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		var ok bool
		if r, ok = d.Routes[aws.ToString(in.RouteId)]; !ok {
			return noRoute(in.RouteId)
		}
		if *r.RouteKey == defaultStageName && in.RouteKey != nil && *in.RouteKey != *r.RouteKey {
			return badRequest("The $default route key can't be modified")
		}
		set(&r.RouteKey, in.RouteKey)
		set(&r.Target, in.Target)
		set(&r.OperationName, in.OperationName)
		set(&r.ApiKeyRequired, in.ApiKeyRequired)
		set(&r.AuthorizerId, in.AuthorizerId)
		set(&r.ModelSelectionExpression, in.ModelSelectionExpression)
		set(&r.RouteResponseSelectionExpression, in.RouteResponseSelectionExpression)
		if in.AuthorizationType != "" {
			r.AuthorizationType = in.AuthorizationType
			if in.AuthorizationType != types.AuthorizationTypeCustom && in.AuthorizationType != types.AuthorizationTypeJwt && in.AuthorizerId == nil {
				r.AuthorizerId = nil
			}
			if in.AuthorizationType != types.AuthorizationTypeJwt {
				r.AuthorizationScopes = nil
			}
		}
		if in.AuthorizationScopes != nil {
			r.AuthorizationScopes = in.AuthorizationScopes
		}
		r.RequestModels, r.RequestParameters = in.RequestModels, in.RequestParameters
		if err := d.checkRoute(&r); err != nil {
			return err
		}
		d.Routes[*r.RouteId] = r
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.UpdateRouteOutput{
		ApiGatewayManaged: r.ApiGatewayManaged, ApiKeyRequired: r.ApiKeyRequired, AuthorizationType: r.AuthorizationType,
		AuthorizerId: r.AuthorizerId, AuthorizationScopes: r.AuthorizationScopes, OperationName: r.OperationName, RouteId: r.RouteId, RouteKey: r.RouteKey, Target: r.Target,
	}, nil
}

// DeleteRoute removes a route, or fails with NotFoundException.
func (s *Service) DeleteRoute(ctx context.Context, in *apigatewayv2.DeleteRouteInput) (*apigatewayv2.DeleteRouteOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if _, ok := d.Routes[aws.ToString(in.RouteId)]; !ok {
			return noRoute(in.RouteId)
		}
		delete(d.Routes, *in.RouteId)
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteRouteOutput{}, nil
}

// targetPrefix stands before the integration's ID in a route's target.
const targetPrefix = "integrations/"

// checkRoute validates r against the rest of the API.
func (d *draft) checkRoute(r *types.Route) error {
	key, err := parseRouteKey(aws.ToString(r.RouteKey))
	if err != nil {
		return err
	}
	for id, other := range d.Routes {
		if id == *r.RouteId {
			continue
		}
		if *other.RouteKey == *r.RouteKey {
			return conflict("Route with key %s already exists for this API", *r.RouteKey)
		}
		if k, err := parseRouteKey(*other.RouteKey); err == nil && k.shape() == key.shape() {
			return conflict("The provided route key %q has a conflicting variable on the same hierarchical level as %q", *r.RouteKey, *other.RouteKey)
		}
	}
	if r.Target != nil {
		id, ok := strings.CutPrefix(*r.Target, targetPrefix)
		if !ok {
			return badRequest("Invalid target %q: it must be integrations/ followed by the ID of an integration", *r.Target)
		}
		if _, ok := d.Integrations[id]; !ok {
			return noIntegration(&id)
		}
	}
	if err := checkLength("operationName", r.OperationName, 0, 64); err != nil {
		return err
	}
	switch {
	case r.AuthorizationType == types.AuthorizationTypeCustom || r.AuthorizationType == types.AuthorizationTypeJwt:
		a, ok := d.Authorizers[aws.ToString(r.AuthorizerId)]
		if !ok {
			return noAuthorizer(r.AuthorizerId)
		}
		if token := a.AuthorizerType == types.AuthorizerTypeJwt; token != (r.AuthorizationType == types.AuthorizationTypeJwt) {
			return badRequest("Invalid authorizer ID specified. Setting the authorization type to %s requires a valid %[1]s authorizer.", r.AuthorizationType)
		}
	case r.AuthorizationType != types.AuthorizationTypeNone && r.AuthorizationType != types.AuthorizationTypeAwsIam:
		return badRequest("Invalid authorizationType %q: must be one of [NONE, AWS_IAM, CUSTOM, JWT]", r.AuthorizationType)
	case r.AuthorizerId != nil:
		return badRequest("authorizerId needs the authorizationType CUSTOM or JWT")
	}
	switch {
	case len(r.AuthorizationScopes) > 0 && r.AuthorizationType != types.AuthorizationTypeJwt:
		return badRequest("Invalid Route authorization type specified. Authorization Scopes are only valid for COGNITO_USER_POOLS and JWT authorization types")
	case aws.ToBool(r.ApiKeyRequired):
		return badRequest("apiKeyRequired is supported for WebSocket APIs only")
	case r.ModelSelectionExpression != nil || len(r.RequestModels) > 0 || len(r.RequestParameters) > 0 || r.RouteResponseSelectionExpression != nil:
		return badRequest("modelSelectionExpression, requestModels, requestParameters and routeResponseSelectionExpression are supported for WebSocket APIs only")
	}
	return nil
}
