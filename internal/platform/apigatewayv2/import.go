package apigatewayv2

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// maxImport is the largest OpenAPI document, in bytes.
const maxImport = 6 << 20

// extension is x-amazon-apigateway-integration, as ImportApi reads it and ExportApi writes it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
type extension struct {
	Type                 string                       `json:"type"`
	Subtype              *string                      `json:"integrationSubtype,omitempty"`
	Method               *string                      `json:"httpMethod,omitempty"`
	URI                  *string                      `json:"uri,omitempty"`
	PayloadFormatVersion *string                      `json:"payloadFormatVersion,omitempty"`
	Credentials          *string                      `json:"credentials,omitempty"`
	TimeoutInMillis      *int32                       `json:"timeoutInMillis,omitempty"`
	ConnectionType       string                       `json:"connectionType,omitempty"`
	ConnectionID         *string                      `json:"connectionId,omitempty"`
	RequestParameters    map[string]string            `json:"requestParameters,omitempty"`
	ResponseParameters   map[string]map[string]string `json:"responseParameters,omitempty"`
}

// corsExtension is x-amazon-apigateway-cors.
type corsExtension struct {
	AllowOrigins     []string `json:"allowOrigins,omitempty"`
	AllowMethods     []string `json:"allowMethods,omitempty"`
	AllowHeaders     []string `json:"allowHeaders,omitempty"`
	ExposeHeaders    []string `json:"exposeHeaders,omitempty"`
	AllowCredentials *bool    `json:"allowCredentials,omitempty"`
	MaxAge           *int32   `json:"maxAge,omitempty"`
}

// defaultPath is the path of the $default route in a document.
const defaultPath = "/" + defaultStageName

// parseImport reads the document of ImportApi and ReimportApi.
func parseImport(body, basepath *string) (*executeapi.OpenAPI, error) {
	if b := aws.ToString(basepath); b != "" && b != "ignore" {
		return nil, unsupported("The basepath mode " + b)
	}
	doc, err := executeapi.ParseOpenAPI([]byte(aws.ToString(body)))
	if err != nil {
		return nil, badRequest("Unable to parse API definition: %s", err)
	}
	if doc.Swagger {
		return nil, badRequest("Unable to parse API definition: HTTP APIs take OpenAPI 3, not swagger: \"2.0\"")
	}
	return doc, nil
}

// ImportApi makes an HTTP API of an OpenAPI 3 document, in JSON or YAML, with AWS's extensions. It fails with
// BadRequestException.
func (s *Service) ImportApi(ctx context.Context, in *apigatewayv2.ImportApiInput) (*apigatewayv2.ImportApiOutput, error) {
	doc, err := parseImport(in.Body, in.Basepath)
	if err != nil {
		return nil, err
	}
	d := &draft{api: &api{deployments: make(map[string]*deployment)}}
	d.fill()
	d.API = types.Api{
		ProtocolType: types.ProtocolTypeHttp, CreatedDate: s.now(), ApiKeySelectionExpression: aws.String("$request.header.x-api-key"),
		RouteSelectionExpression: aws.String(routeSelection), DisableExecuteApiEndpoint: aws.Bool(false), IpAddressType: types.IpAddressTypeIpv4,
	}
	if err := s.read(d, doc); err != nil {
		return nil, err
	}
	if err := s.create(ctx, d); err != nil {
		return nil, err
	}
	a := s.present(d.API)
	return &apigatewayv2.ImportApiOutput{
		ApiEndpoint: a.ApiEndpoint, ApiId: a.ApiId, ApiKeySelectionExpression: a.ApiKeySelectionExpression, CorsConfiguration: a.CorsConfiguration,
		CreatedDate: a.CreatedDate, Description: a.Description, DisableExecuteApiEndpoint: a.DisableExecuteApiEndpoint, IpAddressType: a.IpAddressType,
		Name: a.Name, ProtocolType: a.ProtocolType, RouteSelectionExpression: a.RouteSelectionExpression, Version: a.Version,
	}, nil
}

// ReimportApi puts an OpenAPI 3 document in the place of an API's routes, integrations and authorizers; stages keep serving what
// was deployed, unless they have autoDeploy. It fails with NotFoundException or BadRequestException.
func (s *Service) ReimportApi(ctx context.Context, in *apigatewayv2.ReimportApiInput) (*apigatewayv2.ReimportApiOutput, error) {
	doc, err := parseImport(in.Body, in.Basepath)
	if err != nil {
		return nil, err
	}
	var a types.Api
	err = s.change(ctx, in.ApiId, func(d *draft) error {
		d.configuration = configuration{}
		d.fill()
		d.API.CorsConfiguration = nil
		d.redeploy = true
		err := s.read(d, doc)
		a = s.present(d.API)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.ReimportApiOutput{
		ApiEndpoint: a.ApiEndpoint, ApiId: a.ApiId, ApiKeySelectionExpression: a.ApiKeySelectionExpression, CorsConfiguration: a.CorsConfiguration,
		CreatedDate: a.CreatedDate, Description: a.Description, DisableExecuteApiEndpoint: a.DisableExecuteApiEndpoint, IpAddressType: a.IpAddressType,
		Name: a.Name, ProtocolType: a.ProtocolType, RouteSelectionExpression: a.RouteSelectionExpression, Tags: a.Tags, Version: a.Version,
	}, nil
}

// read adds what a document describes to the draft.
func (s *Service) read(d *draft, doc *executeapi.OpenAPI) error {
	d.API.Name, d.API.Description, d.API.Version = aws.String(doc.Title), given(doc.Description), given(doc.Version)
	if doc.CORS != nil {
		var c corsExtension
		if err := json.Unmarshal(doc.CORS, &c); err != nil {
			return badRequest("Unable to parse x-amazon-apigateway-cors: %s", err)
		}
		d.API.CorsConfiguration = &types.Cors{
			AllowOrigins: c.AllowOrigins, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders, ExposeHeaders: c.ExposeHeaders,
			AllowCredentials: c.AllowCredentials, MaxAge: c.MaxAge,
		}
	}
	if err := checkAPI(&d.API); err != nil {
		return err
	}
	authorizers := make(map[string]string)
	for _, op := range doc.Operations {
		if err := s.readOperation(d, doc, op, authorizers); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) readOperation(d *draft, doc *executeapi.OpenAPI, op executeapi.OpenAPIOperation, authorizers map[string]string) error {
	key := op.Method + " " + op.Path
	if op.Path == defaultPath {
		key = defaultStageName
	}
	rid := executeapi.NewID(7, func(id string) bool { _, ok := d.Routes[id]; return ok })
	r := types.Route{RouteId: &rid, RouteKey: &key, OperationName: given(op.ID), ApiKeyRequired: aws.Bool(false), AuthorizationType: types.AuthorizationTypeNone}
	if op.Integration != nil {
		i, err := readIntegration(op.Integration, s.cfg.Region)
		if err != nil {
			return err
		}
		id := executeapi.NewID(7, func(id string) bool { _, ok := d.Integrations[id]; return ok })
		i.IntegrationId = &id
		d.Integrations[id] = i
		r.Target = aws.String(targetPrefix + id)
	}
	for _, name := range op.Security {
		if doc.Security[name].AuthType == "awsSigv4" {
			r.AuthorizationType = types.AuthorizationTypeAwsIam
			continue
		}
		id, err := d.readAuthorizer(doc, name, authorizers)
		if err != nil {
			return err
		}
		r.AuthorizationType, r.AuthorizerId = types.AuthorizationTypeCustom, &id
		if d.Authorizers[id].AuthorizerType == types.AuthorizerTypeJwt {
			r.AuthorizationType, r.AuthorizationScopes = types.AuthorizationTypeJwt, op.Scopes
		}
	}
	if err := d.checkRoute(&r); err != nil {
		return err
	}
	d.Routes[rid] = r
	return nil
}

func readIntegration(raw json.RawMessage, region string) (types.Integration, error) {
	var e extension
	if err := json.Unmarshal(raw, &e); err != nil {
		return types.Integration{}, badRequest("Unable to parse x-amazon-apigateway-integration: %s", err)
	}
	i := types.Integration{
		IntegrationType: types.IntegrationType(strings.ToUpper(e.Type)), IntegrationSubtype: e.Subtype, IntegrationMethod: e.Method, IntegrationUri: e.URI,
		PayloadFormatVersion: e.PayloadFormatVersion, CredentialsArn: e.Credentials, TimeoutInMillis: e.TimeoutInMillis,
		ConnectionType: types.ConnectionType(e.ConnectionType), ConnectionId: e.ConnectionID,
		RequestParameters: e.RequestParameters, ResponseParameters: e.ResponseParameters,
	}
	return i, completeIntegration(&i, region)
}

// readAuthorizer makes the authorizer of a security scheme once, and gives its ID.
func (d *draft) readAuthorizer(doc *executeapi.OpenAPI, name string, made map[string]string) (string, error) {
	if id, ok := made[name]; ok {
		return id, nil
	}
	scheme, ok := doc.Security[name]
	switch {
	case !ok:
		return "", badRequest("The security scheme %s is not defined", name)
	case scheme.Authorizer == nil || !strings.EqualFold(scheme.Authorizer.Type, "request") && !strings.EqualFold(scheme.Authorizer.Type, "jwt"):
		return "", unsupported("The security scheme " + name + ", which is neither a Lambda authorizer nor a JWT authorizer (x-amazon-apigateway-authorizer of type request or jwt),")
	}
	e := scheme.Authorizer
	id := executeapi.NewID(6, func(id string) bool { _, ok := d.Authorizers[id]; return ok })
	a := types.Authorizer{
		AuthorizerId: &id, Name: &name, AuthorizerType: types.AuthorizerType(strings.ToUpper(e.Type)), AuthorizerUri: given(e.URI), AuthorizerCredentialsArn: given(e.Credentials),
		AuthorizerPayloadFormatVersion: given(e.PayloadFormat), AuthorizerResultTtlInSeconds: e.TTL,
	}
	if e.JWT != nil {
		a.JwtConfiguration = &types.JWTConfiguration{Issuer: given(e.JWT.Issuer), Audience: e.JWT.Audience}
	}
	if e.SimpleResponses {
		a.EnableSimpleResponses = aws.Bool(true)
	}
	for source := range strings.SplitSeq(e.IdentitySource, ",") {
		if source = strings.TrimSpace(source); source != "" {
			a.IdentitySource = append(a.IdentitySource, source)
		}
	}
	if err := completeAuthorizer(&a); err != nil {
		return "", err
	}
	d.Authorizers[id], made[name] = a, id
	return id, nil
}

// given is nil for "".
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
