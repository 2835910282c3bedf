package executeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// OpenAPI is what of an OpenAPI 3 or Swagger 2 document makes an API.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
type OpenAPI struct {
	Title, Description, Version string
	Swagger                     bool               // it is a Swagger 2 document
	Operations                  []OpenAPIOperation // by path and method
	Schemas                     map[string]string  // JSON, with references pointing at models
	Security                    map[string]SecurityScheme
	Validators                  map[string]struct{ Body, Parameters bool }
	GatewayResponses            map[string]GatewayResponse
	Binary                      []string
	CORS                        json.RawMessage // x-amazon-apigateway-cors
	raw                         rawOpenAPI
}

// OpenAPIOperation is one method of one path.
type OpenAPIOperation struct {
	Method, Path, ID string // Method is ANY for x-amazon-apigateway-any-method
	Parameters       []OpenAPIParameter
	BodyModels       map[string]string // schema by content type
	Responses        map[string]struct{ Headers []string }
	Integration      json.RawMessage // nil when it has none
	Security         []string
	Scopes           []string // that the schemes want
	Validator        string
}

// OpenAPIParameter is one parameter of an operation.
type OpenAPIParameter struct {
	Name, In string
	Required bool
}

// SecurityScheme is a security scheme; Authorizer is nil when it is no authorizer of the gateway.
type SecurityScheme struct {
	Type, Name, In string
	AuthType       string             `json:"x-amazon-apigateway-authtype"`
	Authorizer     *OpenAPIAuthorizer `json:"x-amazon-apigateway-authorizer"`
}

// OpenAPIAuthorizer is x-amazon-apigateway-authorizer.
type OpenAPIAuthorizer struct {
	Type                 string `json:"type"`
	URI                  string `json:"authorizerUri"`
	Credentials          string `json:"authorizerCredentials"`
	IdentitySource       string `json:"identitySource"`
	ValidationExpression string `json:"identityValidationExpression"`
	TTL                  *int32 `json:"authorizerResultTtlInSeconds"`
	PayloadFormat        string `json:"authorizerPayloadFormatVersion"`
	SimpleResponses      bool   `json:"enableSimpleResponses"`
	JWT                  *struct {
		Issuer   string   `json:"issuer"`
		Audience []string `json:"audience"`
	} `json:"jwtConfiguration"`
}

// GatewayResponse is one entry of x-amazon-apigateway-gateway-responses.
type GatewayResponse struct {
	StatusCode                            json.Number
	ResponseParameters, ResponseTemplates map[string]string
}

type rawOpenAPI struct {
	OpenAPI, Swagger string
	Info             struct{ Title, Description, Version string }
	Paths            map[string]map[string]json.RawMessage
	Security         []map[string]json.RawMessage
	Definitions      map[string]json.RawMessage
	Components       struct {
		Schemas         map[string]json.RawMessage
		SecuritySchemes map[string]SecurityScheme
		Integrations    map[string]json.RawMessage `json:"x-amazon-apigateway-integrations"`
	}
	SecurityDefinitions map[string]SecurityScheme
	Validators          map[string]struct {
		Body       bool `json:"validateRequestBody"`
		Parameters bool `json:"validateRequestParameters"`
	} `json:"x-amazon-apigateway-request-validators"`
	Validator        string                     `json:"x-amazon-apigateway-request-validator"`
	GatewayResponses map[string]GatewayResponse `json:"x-amazon-apigateway-gateway-responses"`
	Binary           []string                   `json:"x-amazon-apigateway-binary-media-types"`
	CORS             json.RawMessage            `json:"x-amazon-apigateway-cors"`
}

// ParseOpenAPI reads a document in JSON or YAML. Its errors say what AWS would not take.
func ParseOpenAPI(body []byte) (*OpenAPI, error) {
	if !json.Valid(body) {
		converted, err := yaml.YAMLToJSON(body)
		if err != nil {
			return nil, errors.New("it is neither JSON nor YAML")
		}
		body = converted
	}
	doc := &OpenAPI{Schemas: map[string]string{}, Validators: map[string]struct{ Body, Parameters bool }{}}
	if err := json.Unmarshal(body, &doc.raw); err != nil {
		return nil, err
	}
	r := &doc.raw
	if !strings.HasPrefix(r.OpenAPI, "3.") && r.Swagger != "2.0" {
		return nil, errors.New("it has neither openapi: 3.x nor swagger: \"2.0\"")
	}
	if r.Info.Title == "" {
		return nil, errors.New("info.title is missing")
	}
	doc.Swagger = r.Swagger != ""
	doc.Title, doc.Description, doc.Version = r.Info.Title, r.Info.Description, r.Info.Version
	doc.GatewayResponses, doc.Binary, doc.CORS = r.GatewayResponses, r.Binary, r.CORS
	doc.Security = r.Components.SecuritySchemes
	if doc.Security == nil {
		doc.Security = r.SecurityDefinitions
	}
	for name, v := range r.Validators {
		doc.Validators[name] = struct{ Body, Parameters bool }{v.Body, v.Parameters}
	}
	schemas := r.Components.Schemas
	if schemas == nil {
		schemas = r.Definitions
	}
	for name, s := range schemas {
		text := strings.ReplaceAll(string(s), `"#/components/schemas/`, `"https://apigateway.amazonaws.com/restapis/api/models/`)
		doc.Schemas[name] = strings.ReplaceAll(text, `"#/definitions/`, `"https://apigateway.amazonaws.com/restapis/api/models/`)
	}
	for path, methods := range r.Paths {
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("path %q does not begin with a slash", path)
		}
		for method, raw := range methods {
			name := strings.ToUpper(method)
			switch method {
			case "x-amazon-apigateway-any-method":
				name = "ANY"
			case "get", "put", "post", "delete", "options", "head", "patch":
			default:
				continue
			}
			op, err := r.operation(name, path, raw, methods["parameters"])
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, path, err)
			}
			doc.Operations = append(doc.Operations, op)
		}
	}
	slices.SortFunc(doc.Operations, func(a, b OpenAPIOperation) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return doc, nil
}

func (r *rawOpenAPI) operation(method, path string, raw, shared json.RawMessage) (OpenAPIOperation, error) {
	type schemaRef struct {
		Ref string `json:"$ref"`
	}
	type parameter struct {
		OpenAPIParameter
		Schema schemaRef
	}
	var in struct {
		OperationID string
		Parameters  []parameter
		RequestBody struct {
			Content map[string]struct{ Schema schemaRef }
		}
		Responses   map[string]struct{ Headers map[string]json.RawMessage }
		Security    *[]map[string]json.RawMessage
		Consumes    []string
		Integration json.RawMessage `json:"x-amazon-apigateway-integration"`
		Validator   string          `json:"x-amazon-apigateway-request-validator"`
	}
	op := OpenAPIOperation{Method: method, Path: path, BodyModels: map[string]string{}, Responses: map[string]struct{ Headers []string }{}}
	if err := json.Unmarshal(raw, &in); err != nil {
		return op, err
	}
	if shared != nil {
		var more []parameter
		if err := json.Unmarshal(shared, &more); err != nil {
			return op, err
		}
		in.Parameters = append(more, in.Parameters...)
	}
	op.ID, op.Integration, op.Validator = in.OperationID, in.Integration, in.Validator
	if op.Validator == "" {
		op.Validator = r.Validator
	}
	var ref schemaRef
	if json.Unmarshal(op.Integration, &ref) == nil && ref.Ref != "" {
		op.Integration = r.Components.Integrations[ref.Ref[strings.LastIndexByte(ref.Ref, '/')+1:]]
		if op.Integration == nil {
			return op, fmt.Errorf("the integration %s is not defined", ref.Ref)
		}
	}
	model := func(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
	for _, p := range in.Parameters {
		if p.In == "body" {
			if p.Schema.Ref != "" {
				op.BodyModels["application/json"] = model(p.Schema.Ref)
			}
			continue
		}
		op.Parameters = append(op.Parameters, p.OpenAPIParameter)
	}
	for media, c := range in.RequestBody.Content {
		if c.Schema.Ref != "" {
			op.BodyModels[media] = model(c.Schema.Ref)
		}
	}
	for status, resp := range in.Responses {
		var headers []string
		for h := range resp.Headers {
			headers = append(headers, h)
		}
		slices.Sort(headers)
		op.Responses[status] = struct{ Headers []string }{headers}
	}
	security := r.Security
	if in.Security != nil {
		security = *in.Security
	}
	for _, s := range security {
		for name, wanted := range s {
			var scopes []string
			if json.Unmarshal(wanted, &scopes) != nil {
				return op, fmt.Errorf("the scopes of the security scheme %s are no list of strings", name)
			}
			op.Security, op.Scopes = append(op.Security, name), append(op.Scopes, scopes...)
		}
	}
	slices.Sort(op.Security)
	return op, nil
}
