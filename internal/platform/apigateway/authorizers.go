package apigateway

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// completeAuthorizer validates an authorizer and fills AWS's defaults.
func completeAuthorizer(a *types.Authorizer) error {
	if aws.ToString(a.Name) == "" {
		return badRequest("The authorizer needs a name")
	}
	switch a.Type {
	case types.AuthorizerTypeToken, types.AuthorizerTypeRequest:
	case types.AuthorizerTypeCognitoUserPools:
		return unsupported("The authorizer type COGNITO_USER_POOLS")
	default:
		return badRequest("Invalid authorizer type specified: must be one of [TOKEN, REQUEST, COGNITO_USER_POOLS]")
	}
	uri := sampleURI(aws.ToString(a.AuthorizerUri))
	if _, err := arn.ParseFunction(executeapi.FunctionARN(uri)); err != nil || !strings.Contains(uri, ":lambda:path/") {
		return badRequest("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", aws.ToString(a.AuthorizerUri))
	}
	if a.AuthType == nil {
		a.AuthType = aws.String("custom")
	}
	if a.AuthorizerResultTtlInSeconds == nil {
		a.AuthorizerResultTtlInSeconds = aws.Int32(300)
	}
	if ttl := *a.AuthorizerResultTtlInSeconds; ttl < 0 || ttl > 3600 {
		return badRequest("Authorizer result TTL must be between 0 and 3600 seconds")
	}
	sources := splitSources(aws.ToString(a.IdentitySource))
	switch a.Type {
	case types.AuthorizerTypeToken:
		if len(sources) != 1 || !strings.HasPrefix(sources[0], "method.request.header.") {
			return badRequest("Identity source of a TOKEN authorizer must be one header: method.request.header.Name")
		}
		if _, err := regexp.Compile(aws.ToString(a.IdentityValidationExpression)); err != nil {
			return badRequest("Invalid identity validation expression: %v", err)
		}
	default:
		if len(sources) == 0 && *a.AuthorizerResultTtlInSeconds > 0 {
			return badRequest("Identity source must be specified when authorizer result caching is enabled")
		}
		for _, source := range sources {
			if err := checkIdentitySource(source); err != nil {
				return err
			}
		}
	}
	return nil
}

func splitSources(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func checkIdentitySource(source string) error {
	for _, prefix := range []string{"method.request.header.", "method.request.querystring.", "stageVariables.", "context."} {
		if name, ok := strings.CutPrefix(source, prefix); ok && name != "" {
			return nil
		}
	}
	return badRequest("Invalid identity source %s: it must be method.request.header.Name, method.request.querystring.name, stageVariables.name or context.name", source)
}

// CreateAuthorizer adds an authorizer. It fails with NotFoundException or BadRequestException.
func (s *Service) CreateAuthorizer(ctx context.Context, in *apigateway.CreateAuthorizerInput) (*apigateway.CreateAuthorizerOutput, error) {
	a := *as[types.Authorizer](in)
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		for _, other := range d.Authorizers {
			if *other.Name == aws.ToString(a.Name) {
				return conflict("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", *a.Name)
			}
		}
		if err := completeAuthorizer(&a); err != nil {
			return err
		}
		a.Id = aws.String(d.newID(6))
		d.Authorizers[*a.Id] = a
		return nil
	})
	return as[apigateway.CreateAuthorizerOutput](a), err
}

// GetAuthorizer describes an authorizer, or fails with NotFoundException.
func (s *Service) GetAuthorizer(_ context.Context, in *apigateway.GetAuthorizerInput) (*apigateway.GetAuthorizerOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	au, ok := a.Authorizers[aws.ToString(in.AuthorizerId)]
	if !ok {
		return nil, missing("authorizer")
	}
	return as[apigateway.GetAuthorizerOutput](au), nil
}

// GetAuthorizers lists an API's authorizers.
func (s *Service) GetAuthorizers(_ context.Context, in *apigateway.GetAuthorizersInput) (*apigateway.GetAuthorizersOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Authorizers, in.Limit, in.Position)
	return &apigateway.GetAuthorizersOutput{Items: items, Position: next}, err
}

// UpdateAuthorizer patches an authorizer.
func (s *Service) UpdateAuthorizer(ctx context.Context, in *apigateway.UpdateAuthorizerInput) (*apigateway.UpdateAuthorizerOutput, error) {
	var out *apigateway.UpdateAuthorizerOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		a, ok := d.Authorizers[aws.ToString(in.AuthorizerId)]
		if !ok {
			return missing("authorizer")
		}
		err := patches{
			"name": text(&a.Name), "authorizerUri": text(&a.AuthorizerUri), "authorizerCredentials": text(&a.AuthorizerCredentials),
			"identitySource": text(&a.IdentitySource), "identityValidationExpression": text(&a.IdentityValidationExpression),
			"type": word(&a.Type), "authType": text(&a.AuthType),
			"authorizerResultTtlInSeconds": number(func(v float64) { a.AuthorizerResultTtlInSeconds = aws.Int32(int32(min(max(v, -1), 1<<30))) }),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		if err := completeAuthorizer(&a); err != nil {
			return err
		}
		d.Authorizers[*a.Id] = a
		out = as[apigateway.UpdateAuthorizerOutput](a)
		return nil
	})
	return out, err
}

// DeleteAuthorizer removes an authorizer that no method uses.
func (s *Service) DeleteAuthorizer(ctx context.Context, in *apigateway.DeleteAuthorizerInput) (*apigateway.DeleteAuthorizerOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		id := aws.ToString(in.AuthorizerId)
		if _, ok := d.Authorizers[id]; !ok {
			return missing("authorizer")
		}
		if d.uses(func(m types.Method) bool { return aws.ToString(m.AuthorizerId) == id }) {
			return conflict("Cannot delete authorizer '%s', is referenced in a method", id)
		}
		delete(d.Authorizers, id)
		return nil
	})
}
