package apigatewayv2

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

func noAuthorizer(id *string) error {
	return notFound("Invalid Authorizer identifier specified %s", aws.ToString(id))
}

// completeAuthorizer validates an authorizer and fills AWS's defaults.
func completeAuthorizer(a *types.Authorizer) error {
	switch a.AuthorizerType {
	case types.AuthorizerTypeRequest:
	case types.AuthorizerTypeJwt:
		return completeJWT(a)
	default:
		return badRequest("Invalid authorizerType %q: must be one of [REQUEST, JWT]", a.AuthorizerType)
	}
	if a.JwtConfiguration != nil {
		return badRequest("jwtConfiguration is for JWT authorizers only")
	}
	if err := checkLength("name", a.Name, 1, 128); err != nil {
		return err
	}
	uri, ok := executeapi.ExpandVariables(aws.ToString(a.AuthorizerUri), func(string) string { return "x" })
	if _, err := arn.ParseFunction(executeapi.FunctionARN(uri)); err != nil || !ok {
		return badRequest("Invalid authorizerUri %q: it must be arn:aws:apigateway:region:lambda:path/2015-03-31/functions/ARN/invocations", aws.ToString(a.AuthorizerUri))
	}
	switch aws.ToString(a.AuthorizerPayloadFormatVersion) {
	case "2.0":
	case "1.0":
		if aws.ToBool(a.EnableSimpleResponses) {
			return badRequest("enableSimpleResponses needs the authorizerPayloadFormatVersion 2.0")
		}
	default:
		return badRequest("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer: 1.0 or 2.0")
	}
	if a.AuthorizerResultTtlInSeconds == nil {
		a.AuthorizerResultTtlInSeconds = aws.Int32(0)
		if len(a.IdentitySource) > 0 {
			a.AuthorizerResultTtlInSeconds = aws.Int32(300)
		}
	}
	switch ttl := *a.AuthorizerResultTtlInSeconds; {
	case ttl < 0 || ttl > 3600:
		return badRequest("authorizerResultTtlInSeconds must be between 0 and 3600")
	case ttl > 0 && len(a.IdentitySource) == 0:
		return badRequest("identitySource is required when authorizerResultTtlInSeconds is greater than 0")
	case a.IdentityValidationExpression != nil:
		return badRequest("identityValidationExpression is not supported for HTTP APIs")
	}
	for _, source := range a.IdentitySource {
		if m, err := parseMapping(source); err != nil || len(m) != 1 || m[0].source == fromLiteral || m[0].source == fromBody || m[0].source == fromBodyPath {
			return badRequest("Invalid identity source %q: it must be $request.header.name, $request.querystring.name, $context.name or $stageVariables.name", source)
		}
	}
	return nil
}

// CreateAuthorizer adds an authorizer. It fails with NotFoundException or BadRequestException.
func (s *Service) CreateAuthorizer(ctx context.Context, in *apigatewayv2.CreateAuthorizerInput) (*apigatewayv2.CreateAuthorizerOutput, error) {
	a := types.Authorizer{
		AuthorizerCredentialsArn: in.AuthorizerCredentialsArn, AuthorizerPayloadFormatVersion: in.AuthorizerPayloadFormatVersion,
		AuthorizerResultTtlInSeconds: in.AuthorizerResultTtlInSeconds, AuthorizerType: in.AuthorizerType, AuthorizerUri: in.AuthorizerUri,
		EnableSimpleResponses: in.EnableSimpleResponses, IdentitySource: in.IdentitySource, IdentityValidationExpression: in.IdentityValidationExpression,
		JwtConfiguration: in.JwtConfiguration, Name: in.Name,
	}
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if err := completeAuthorizer(&a); err != nil {
			return err
		}
		id := executeapi.NewID(6, func(id string) bool { _, ok := d.Authorizers[id]; return ok })
		a.AuthorizerId = &id
		d.Authorizers[id] = a
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := apigatewayv2.CreateAuthorizerOutput(*authorizerOutput(a))
	return &out, nil
}

func authorizerOutput(a types.Authorizer) *apigatewayv2.GetAuthorizerOutput {
	return &apigatewayv2.GetAuthorizerOutput{
		AuthorizerCredentialsArn: a.AuthorizerCredentialsArn, AuthorizerId: a.AuthorizerId, AuthorizerPayloadFormatVersion: a.AuthorizerPayloadFormatVersion,
		AuthorizerResultTtlInSeconds: a.AuthorizerResultTtlInSeconds, AuthorizerType: a.AuthorizerType, AuthorizerUri: a.AuthorizerUri,
		EnableSimpleResponses: a.EnableSimpleResponses, IdentitySource: a.IdentitySource, JwtConfiguration: a.JwtConfiguration, Name: a.Name,
	}
}

// GetAuthorizer describes an authorizer, or fails with NotFoundException.
func (s *Service) GetAuthorizer(_ context.Context, in *apigatewayv2.GetAuthorizerInput) (*apigatewayv2.GetAuthorizerOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	au, ok := a.Authorizers[aws.ToString(in.AuthorizerId)]
	if !ok {
		return nil, noAuthorizer(in.AuthorizerId)
	}
	return authorizerOutput(au), nil
}

// GetAuthorizers lists an API's authorizers, or fails with NotFoundException.
func (s *Service) GetAuthorizers(_ context.Context, in *apigatewayv2.GetAuthorizersInput) (*apigatewayv2.GetAuthorizersOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Authorizers, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetAuthorizersOutput{Items: items, NextToken: next}, nil
}

// UpdateAuthorizer changes the members that are set. It fails with NotFoundException or BadRequestException.
func (s *Service) UpdateAuthorizer(ctx context.Context, in *apigatewayv2.UpdateAuthorizerInput) (*apigatewayv2.UpdateAuthorizerOutput, error) {
	var a types.Authorizer
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		var ok bool
		if a, ok = d.Authorizers[aws.ToString(in.AuthorizerId)]; !ok {
			return noAuthorizer(in.AuthorizerId)
		}
		set(&a.Name, in.Name)
		set(&a.AuthorizerUri, in.AuthorizerUri)
		set(&a.AuthorizerCredentialsArn, in.AuthorizerCredentialsArn)
		set(&a.AuthorizerPayloadFormatVersion, in.AuthorizerPayloadFormatVersion)
		set(&a.AuthorizerResultTtlInSeconds, in.AuthorizerResultTtlInSeconds)
		set(&a.EnableSimpleResponses, in.EnableSimpleResponses)
		set(&a.IdentityValidationExpression, in.IdentityValidationExpression)
		set(&a.JwtConfiguration, in.JwtConfiguration)
		if in.IdentitySource != nil {
			a.IdentitySource = in.IdentitySource
		}
		if in.AuthorizerType != "" {
			a.AuthorizerType = in.AuthorizerType
		}
		if err := completeAuthorizer(&a); err != nil {
			return err
		}
		d.Authorizers[*a.AuthorizerId] = a
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := apigatewayv2.UpdateAuthorizerOutput(*authorizerOutput(a))
	return &out, nil
}

// DeleteAuthorizer removes an authorizer. It fails with NotFoundException, or ConflictException when routes refer to it.
func (s *Service) DeleteAuthorizer(ctx context.Context, in *apigatewayv2.DeleteAuthorizerInput) (*apigatewayv2.DeleteAuthorizerOutput, error) {
	return nil, s.change(ctx, in.ApiId, func(d *draft) error {
		id := aws.ToString(in.AuthorizerId)
		if _, ok := d.Authorizers[id]; !ok {
			return noAuthorizer(in.AuthorizerId)
		}
		var used []string
		for rid, r := range d.Routes {
			if aws.ToString(r.AuthorizerId) == id {
				used = append(used, rid)
			}
		}
		if len(used) > 0 {
			slices.Sort(used)
			return conflict("Cannot delete Authorizer because it is referenced by the following Routes with Ids: [%s]", strings.Join(used, ", "))
		}
		delete(d.Authorizers, id)
		return nil
	})
}

// ResetAuthorizersCache forgets what the authorizers of a stage decided.
func (s *Service) ResetAuthorizersCache(_ context.Context, in *apigatewayv2.ResetAuthorizersCacheInput) (*apigatewayv2.ResetAuthorizersCacheOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	st := a.named[aws.ToString(in.StageName)]
	if aws.ToString(in.StageName) == defaultStageName {
		st = a.defaultStage
	}
	if st == nil {
		return nil, noStage(in.StageName)
	}
	for _, au := range st.authorizers {
		au.decisions.Clear() // a JWT authorizer has none
	}
	return nil, nil
}
