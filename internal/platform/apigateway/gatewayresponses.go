package apigateway

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// answer is one of the gateway's own answers, as it is when nothing was put in its place.
type answer struct {
	status    int
	errorType string // x-amzn-ErrorType
	message   string
}

// answers are the gateway responses that this data plane gives.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var answers = map[types.GatewayResponseType]answer{
	types.GatewayResponseTypeMissingAuthenticationToken:   {403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
	types.GatewayResponseTypeUnauthorized:                 {401, "UnauthorizedException", "Unauthorized"},
	types.GatewayResponseTypeAccessDenied:                 {403, "AccessDeniedException", "User is not authorized to access this resource"},
	types.GatewayResponseTypeInvalidSignature:             {403, "InvalidSignatureException", ""},
	types.GatewayResponseTypeExpiredToken:                 {403, "ExpiredTokenException", ""},
	types.GatewayResponseTypeAuthorizerFailure:            {500, "AuthorizerConfigurationException", ""},
	types.GatewayResponseTypeAuthorizerConfigurationError: {500, "AuthorizerConfigurationException", ""},
	types.GatewayResponseTypeBadRequestBody:               {400, "BadRequestException", "Invalid request body"},
	types.GatewayResponseTypeBadRequestParameters:         {400, "BadRequestException", ""},
	types.GatewayResponseTypeApiConfigurationError:        {500, "InternalServerErrorException", "Internal server error"},
	types.GatewayResponseTypeIntegrationFailure:           {504, "InternalServerErrorException", "Internal server error"},
	types.GatewayResponseTypeIntegrationTimeout:           {504, "InternalServerErrorException", "Endpoint request timed out"},
	types.GatewayResponseTypeRequestTooLarge:              {413, "RequestTooLargeException", "Request Too Long"},
	types.GatewayResponseTypeThrottled:                    {429, "TooManyRequestsException", "Too Many Requests"},
	types.GatewayResponseTypeQuotaExceeded:                {429, "LimitExceededException", "Limit Exceeded"},
	types.GatewayResponseTypeInvalidApiKey:                {403, "ForbiddenException", "Forbidden"},
	types.GatewayResponseTypeUnsupportedMediaType:         {415, "UnsupportedMediaTypeException", "Unsupported Media Type"},
	types.GatewayResponseTypeDefault4xx:                   {400, "BadRequestException", "Bad Request"},
	types.GatewayResponseTypeDefault5xx:                   {500, "InternalServerErrorException", "Internal server error"},
}

// ownResponse is the response of a type as the API has it.
func (c *configuration) ownResponse(t types.GatewayResponseType) types.GatewayResponse {
	if r, ok := c.Responses[string(t)]; ok {
		return r
	}
	r := types.GatewayResponse{
		ResponseType: t, DefaultResponse: true, ResponseParameters: map[string]string{},
		ResponseTemplates: map[string]string{"application/json": `{"message":$context.error.messageString}`},
	}
	if a := answers[t]; t != types.GatewayResponseTypeDefault4xx && t != types.GatewayResponseTypeDefault5xx {
		r.StatusCode = aws.String(itoa(a.status))
	}
	return r
}

func (d *draft) putGatewayResponse(r types.GatewayResponse) error {
	if _, ok := answers[r.ResponseType]; !ok {
		return unsupported("The gateway response type " + string(r.ResponseType))
	}
	if r.StatusCode != nil && !statusCode.MatchString(*r.StatusCode) {
		return badRequest("Invalid status code specified: %s", *r.StatusCode)
	}
	for name, from := range r.ResponseParameters {
		if !strings.HasPrefix(name, "gatewayresponse.header.") {
			return badRequest("Invalid response parameter specified: %s", name)
		}
		if _, ok := static(from); !ok && !strings.HasPrefix(from, "context.") && !strings.HasPrefix(from, "method.request.") && !strings.HasPrefix(from, "stageVariables.") {
			return badRequest("Invalid mapping expression specified: %s", from)
		}
	}
	for _, t := range r.ResponseTemplates {
		if _, err := parseTemplate(t); err != nil {
			return badRequest("Invalid mapping template: %s", err)
		}
	}
	r.DefaultResponse = false
	d.Responses[string(r.ResponseType)] = r
	return nil
}

// PutGatewayResponse replaces one of the gateway's own answers.
func (s *Service) PutGatewayResponse(ctx context.Context, in *apigateway.PutGatewayResponseInput) (*apigateway.PutGatewayResponseOutput, error) {
	r := *as[types.GatewayResponse](in)
	if r.ResponseTemplates == nil {
		r.ResponseTemplates = map[string]string{"application/json": `{"message":$context.error.messageString}`}
	}
	err := s.change(ctx, in.RestApiId, func(d *draft) error { return d.putGatewayResponse(r) })
	return as[apigateway.PutGatewayResponseOutput](r), err
}

// GetGatewayResponse describes an answer, or fails with NotFoundException.
func (s *Service) GetGatewayResponse(_ context.Context, in *apigateway.GetGatewayResponseInput) (*apigateway.GetGatewayResponseOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	if _, ok := answers[in.ResponseType]; !ok {
		return nil, &types.NotFoundException{Message: aws.String("Invalid gateway response type specified")}
	}
	return as[apigateway.GetGatewayResponseOutput](a.ownResponse(in.ResponseType)), nil
}

// GetGatewayResponses lists the answers, changed or not.
func (s *Service) GetGatewayResponses(_ context.Context, in *apigateway.GetGatewayResponsesInput) (*apigateway.GetGatewayResponsesOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	all := make(map[string]types.GatewayResponse, len(answers))
	for t := range answers {
		all[string(t)] = a.ownResponse(t)
	}
	items, next, err := page(all, in.Limit, in.Position)
	return &apigateway.GetGatewayResponsesOutput{Items: items, Position: next}, err
}

// UpdateGatewayResponse patches one of the gateway's own answers.
func (s *Service) UpdateGatewayResponse(ctx context.Context, in *apigateway.UpdateGatewayResponseInput) (*apigateway.UpdateGatewayResponseOutput, error) {
	var out *apigateway.UpdateGatewayResponseOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		r := d.ownResponse(in.ResponseType)
		err := patches{
			"statusCode": text(&r.StatusCode), "responseParameters": texts(&r.ResponseParameters), "responseTemplates": texts(&r.ResponseTemplates),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		out = as[apigateway.UpdateGatewayResponseOutput](r)
		return d.putGatewayResponse(r)
	})
	return out, err
}

// DeleteGatewayResponse puts AWS's own answer back.
func (s *Service) DeleteGatewayResponse(ctx context.Context, in *apigateway.DeleteGatewayResponseInput) (*apigateway.DeleteGatewayResponseOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		if _, ok := d.Responses[string(in.ResponseType)]; !ok {
			return &types.NotFoundException{Message: aws.String("Gateway response type not defined on api")}
		}
		delete(d.Responses, string(in.ResponseType))
		return nil
	})
}
