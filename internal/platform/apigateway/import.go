package apigateway

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// maxImport is the largest OpenAPI document, in bytes.
const maxImport = 6 << 20

// ImportRestApi makes an API of an OpenAPI 3 or Swagger 2 document, in JSON or YAML, with AWS's extensions.
func (s *Service) ImportRestApi(ctx context.Context, in *apigateway.ImportRestApiInput) (*apigateway.ImportRestApiOutput, error) {
	doc, err := executeapi.ParseOpenAPI(in.Body)
	if err != nil {
		return nil, badRequest("Unable to parse API definition: %s", err)
	}
	d := s.newDraft(types.RestApi{Name: aws.String(doc.Title), Description: given(doc.Description), Version: given(doc.Version)})
	if kind := in.Parameters["endpointConfigurationTypes"]; kind != "" {
		d.API.EndpointConfiguration = &types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointType(kind)}}
	}
	if err := s.read(d, doc); err != nil {
		return nil, err
	}
	if err := completeAPI(&d.API); err != nil {
		return nil, err
	}
	if err := s.create(ctx, d); err != nil {
		return nil, err
	}
	return as[apigateway.ImportRestApiOutput](d.API), nil
}

// PutRestApi reads a document into an API: overwrite replaces its resources, models, validators and authorizers; merge,
// the default, adds to them and replaces the methods that both have. Stages serve what was deployed before.
func (s *Service) PutRestApi(ctx context.Context, in *apigateway.PutRestApiInput) (*apigateway.PutRestApiOutput, error) {
	doc, err := executeapi.ParseOpenAPI(in.Body)
	if err != nil {
		return nil, badRequest("Unable to parse API definition: %s", err)
	}
	switch in.Mode {
	case "", types.PutModeMerge, types.PutModeOverwrite:
	default:
		return nil, badRequest("Invalid mode %s: must be one of [merge, overwrite]", in.Mode)
	}
	var out *apigateway.PutRestApiOutput
	err = s.change(ctx, in.RestApiId, func(d *draft) error {
		if in.Mode == types.PutModeOverwrite {
			fresh := s.newDraft(d.API)
			root := d.Resources[*d.API.RootResourceId]
			root.ResourceMethods = map[string]types.Method{}
			d.configuration = fresh.configuration
			d.Resources = map[string]types.Resource{*root.Id: root}
			d.Binary = nil
			d.API.Name, d.API.Description = aws.String(doc.Title), given(doc.Description)
		}
		if err := s.read(d, doc); err != nil {
			return err
		}
		out = as[apigateway.PutRestApiOutput](d.API)
		return completeAPI(&d.API)
	})
	return out, err
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// read adds what a document describes to the draft.
func (s *Service) read(d *draft, doc *executeapi.OpenAPI) error {
	for _, m := range doc.Binary {
		if !slices.Contains(d.Binary, m) {
			d.Binary = append(d.Binary, m)
		}
	}
	d.API.BinaryMediaTypes = d.Binary
	for _, name := range sortedKeys(doc.Schemas) {
		m := types.Model{Id: aws.String(d.newID(6)), Name: aws.String(name), ContentType: aws.String("application/json"), Schema: aws.String(doc.Schemas[name])}
		d.Models[name] = m
	}
	for _, name := range sortedKeys(doc.Schemas) {
		if _, err := compileSchema(d.Models[name], d.Models); err != nil {
			return err
		}
	}
	validators := make(map[string]string)
	for _, name := range sortedKeys(doc.Validators) {
		v := doc.Validators[name]
		id := d.newID(6)
		d.Validators[id] = types.RequestValidator{Id: &id, Name: aws.String(name), ValidateRequestBody: v.Body, ValidateRequestParameters: v.Parameters}
		validators[name] = id
	}
	authorizers, err := d.readAuthorizers(doc)
	if err != nil {
		return err
	}
	for _, t := range sortedKeys(doc.GatewayResponses) {
		r := doc.GatewayResponses[t]
		if err := d.putGatewayResponse(types.GatewayResponse{
			ResponseType: types.GatewayResponseType(t), StatusCode: given(r.StatusCode.String()), ResponseParameters: r.ResponseParameters, ResponseTemplates: r.ResponseTemplates,
		}); err != nil {
			return err
		}
	}
	for _, op := range doc.Operations {
		if err := s.readOperation(d, doc, op, validators, authorizers); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) readAuthorizers(doc *executeapi.OpenAPI) (map[string]string, error) {
	ids := make(map[string]string)
	for _, name := range sortedKeys(doc.Security) {
		sc := doc.Security[name]
		if sc.Authorizer == nil {
			continue
		}
		a := types.Authorizer{
			Name: aws.String(name), Type: types.AuthorizerType(strings.ToUpper(sc.Authorizer.Type)), AuthorizerUri: given(sc.Authorizer.URI), AuthType: given(sc.AuthType),
			AuthorizerCredentials: given(sc.Authorizer.Credentials), IdentitySource: given(sc.Authorizer.IdentitySource),
			IdentityValidationExpression: given(sc.Authorizer.ValidationExpression), AuthorizerResultTtlInSeconds: sc.Authorizer.TTL,
		}
		if a.Type == types.AuthorizerTypeToken && a.IdentitySource == nil {
			a.IdentitySource = aws.String("method.request.header." + sc.Name)
		}
		if err := completeAuthorizer(&a); err != nil {
			return nil, err
		}
		a.Id = aws.String(d.newID(6))
		for id, other := range d.Authorizers {
			if *other.Name == name {
				a.Id = aws.String(id)
			}
		}
		d.Authorizers[*a.Id] = a
		ids[name] = *a.Id
	}
	return ids, nil
}

// resourceAt finds or makes the resource of a path.
func (d *draft) resourceAt(path string) (string, error) {
	at := *d.API.RootResourceId
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		next := ""
		for id, r := range d.Resources {
			if aws.ToString(r.ParentId) == at && *r.PathPart == part {
				next = id
			}
		}
		if next == "" {
			r, err := d.addResource(at, part)
			if err != nil {
				return "", err
			}
			next = *r.Id
		}
		at = next
	}
	return at, nil
}

func (s *Service) readOperation(d *draft, doc *executeapi.OpenAPI, op executeapi.OpenAPIOperation, validators, authorizers map[string]string) error {
	resource, err := d.resourceAt(op.Path)
	if err != nil {
		return err
	}
	m := types.Method{
		HttpMethod: aws.String(op.Method), AuthorizationType: aws.String("NONE"), ApiKeyRequired: aws.Bool(false), OperationName: given(op.ID),
		RequestParameters: map[string]bool{}, RequestModels: map[string]string{},
	}
	if name := op.Validator; name != "" {
		id, ok := validators[name]
		if !ok {
			return badRequest("Unable to find request validator %s of %s %s", name, op.Method, op.Path)
		}
		m.RequestValidatorId = &id
	}
	for _, name := range op.Security {
		switch sc, ok := doc.Security[name]; {
		case !ok:
			return badRequest("Security scheme %s of %s %s is not defined", name, op.Method, op.Path)
		case strings.EqualFold(sc.AuthType, "awsSigv4"):
			m.AuthorizationType = aws.String("AWS_IAM")
			continue
		case sc.Authorizer == nil && strings.EqualFold(sc.Type, "apiKey") && strings.EqualFold(sc.Name, "x-api-key"):
			m.ApiKeyRequired = aws.Bool(true)
			continue
		case sc.Authorizer == nil:
			return unsupported("The security scheme " + name + ", which is neither an API key (x-api-key), nor awsSigv4, nor a Lambda authorizer,")
		}
		m.AuthorizationType, m.AuthorizerId = aws.String("CUSTOM"), aws.String(authorizers[name])
	}
	for _, p := range op.Parameters {
		where := map[string]string{"path": "path", "query": "querystring", "header": "header"}[p.In]
		if where != "" {
			m.RequestParameters["method.request."+where+"."+p.Name] = p.Required
		}
	}
	for media, model := range op.BodyModels {
		m.RequestModels[media] = model
	}
	for _, status := range sortedKeys(op.Responses) {
		r := op.Responses[status]
		if status == "default" {
			continue
		}
		mr := types.MethodResponse{StatusCode: aws.String(status), ResponseParameters: map[string]bool{}, ResponseModels: map[string]string{}}
		for _, h := range r.Headers {
			mr.ResponseParameters["method.response.header."+h] = false
		}
		if err := d.putMethodResponse(&m, mr); err != nil {
			return err
		}
	}
	delete(d.Resources[resource].ResourceMethods, op.Method)
	if err := d.addMethod(resource, &m); err != nil {
		return err
	}
	if len(op.Integration) == 0 {
		return nil
	}
	if err := s.readIntegration(&m, op); err != nil {
		return err
	}
	d.Resources[resource].ResourceMethods[op.Method] = m
	return nil
}

// extension is x-amazon-apigateway-integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
type extension struct {
	Type, URI, Credentials, HTTPMethod, PassthroughBehavior, ContentHandling string
	ConnectionType, ConnectionID                                             string
	TimeoutInMillis                                                          int32
	RequestParameters, RequestTemplates                                      map[string]string
	Responses                                                                map[string]struct {
		StatusCode                            json.Number
		ContentHandling                       string
		ResponseParameters, ResponseTemplates map[string]string
	}
}

func (s *Service) readIntegration(m *types.Method, op executeapi.OpenAPIOperation) error {
	var e extension
	if err := decode(string(op.Integration), &e); err != nil {
		return badRequest("Unable to parse the integration of %s %s: %v", op.Method, op.Path, err)
	}
	i := &types.Integration{
		Type: types.IntegrationType(strings.ToUpper(e.Type)), Uri: given(e.URI), Credentials: given(e.Credentials), HttpMethod: given(strings.ToUpper(e.HTTPMethod)),
		PassthroughBehavior: given(e.PassthroughBehavior), ContentHandling: types.ContentHandlingStrategy(e.ContentHandling),
		ConnectionType: types.ConnectionType(e.ConnectionType), ConnectionId: given(e.ConnectionID), TimeoutInMillis: e.TimeoutInMillis,
		RequestParameters: e.RequestParameters, RequestTemplates: e.RequestTemplates,
	}
	m.MethodIntegration = i
	if err := s.completeIntegration(i); err != nil {
		return err
	}
	for _, pattern := range sortedKeys(e.Responses) {
		r := e.Responses[pattern]
		selected := given(pattern)
		if pattern == "default" {
			selected = nil
		}
		if err := putIntegrationResponse(m, i, types.IntegrationResponse{
			StatusCode: given(r.StatusCode.String()), SelectionPattern: selected, ContentHandling: types.ContentHandlingStrategy(r.ContentHandling),
			ResponseParameters: r.ResponseParameters, ResponseTemplates: r.ResponseTemplates,
		}); err != nil {
			return err
		}
	}
	return nil
}
