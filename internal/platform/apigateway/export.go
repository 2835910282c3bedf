package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/goccy/go-yaml"
)

// object is a JSON object being written.
type object = map[string]any

// exporter writes what a stage serves as a document.
type exporter struct {
	configuration
	api                       types.RestApi
	stage, host               string
	swagger                   bool // Swagger 2, else OpenAPI 3
	integrations, authorizers bool // whether these extensions are wanted
}

// GetExport writes what a stage serves as an OpenAPI 3 or Swagger 2 document. With extensions=apigateway ImportRestApi can make the same API
// of it. It fails with NotFoundException or BadRequestException.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
func (s *Service) GetExport(_ context.Context, in *apigateway.GetExportInput) (*apigateway.GetExportOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	st, ok := a.Stages[aws.ToString(in.StageName)]
	if !ok {
		return nil, missing("stage")
	}
	e := exporter{configuration: a.deployments[*st.DeploymentId].Configuration, api: a.API, stage: *in.StageName, host: *a.API.Id + ".execute-api." + s.endpoint}
	switch kind := aws.ToString(in.ExportType); kind {
	case "oas30":
	case "swagger":
		e.swagger = true
	default:
		return nil, badRequest("Unsupported export type: %s; it must be oas30 or swagger", kind)
	}
	for extension := range strings.SplitSeq(in.Parameters["extensions"], ",") {
		switch strings.TrimSpace(extension) {
		case "":
		case "apigateway":
			e.integrations, e.authorizers = true, true
		case "integrations":
			e.integrations = true
		case "authorizers":
			e.authorizers = true
		default:
			return nil, unsupported("The extensions " + extension)
		}
	}
	text, err := json.MarshalIndent(e.document(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("apigateway: export REST API %s: %w", *in.RestApiId, err)
	}
	media, ending := "application/json", "json"
	switch accepts := aws.ToString(in.Accepts); accepts {
	case "", "*/*", "application/json":
	case "application/yaml":
		media, ending = accepts, "yaml"
		if text, err = yaml.JSONToYAML(text); err != nil {
			return nil, fmt.Errorf("apigateway: export REST API %s: %w", *in.RestApiId, err)
		}
	default:
		return nil, badRequest("Unsupported Accept header %s; it must be application/json or application/yaml", accepts)
	}
	name := fmt.Sprintf("%s_%s.%s", aws.ToString(in.ExportType), a.API.CreatedDate.Format("2006-01-02T15:04:05Z"), ending)
	return &apigateway.GetExportOutput{Body: text, ContentType: &media, ContentDisposition: aws.String(`attachment; filename="` + name + `"`)}, nil
}

func (e *exporter) document() object {
	version := aws.ToString(e.api.Version)
	if version == "" {
		version = e.api.CreatedDate.Format("2006-01-02T15:04:05Z") // as AWS writes it
	}
	info := object{"title": *e.api.Name, "version": version}
	if e.api.Description != nil {
		info["description"] = *e.api.Description
	}
	out, paths, schemes := object{"info": info}, object{}, object{}
	for _, r := range e.Resources {
		methods := object{}
		for name, m := range r.ResourceMethods {
			key := strings.ToLower(name)
			if name == "ANY" {
				key = "x-amazon-apigateway-any-method"
			}
			methods[key] = e.method(r, m, schemes)
		}
		if len(methods) > 0 {
			paths[*r.Path] = methods
		}
	}
	out["paths"] = paths
	schemas := object{}
	for name, m := range e.Models {
		var schema any
		if json.Unmarshal([]byte(aws.ToString(m.Schema)), &schema) == nil {
			schemas[name] = e.referring(schema)
		}
	}
	if e.swagger {
		out["swagger"], out["host"], out["basePath"], out["schemes"] = "2.0", e.host, "/"+e.stage, []string{"http"}
		out["definitions"], out["securityDefinitions"] = schemas, schemes
	} else {
		out["openapi"] = "3.0.1"
		out["servers"] = []object{{"url": "http://" + e.host + "/{basePath}", "variables": object{"basePath": object{"default": "/" + e.stage}}}}
		out["components"] = object{"schemas": schemas, "securitySchemes": schemes}
	}
	if e.integrations {
		e.extend(out)
	}
	return out
}

// extend adds the extensions of a whole document.
func (e *exporter) extend(out object) {
	if len(e.Validators) > 0 {
		all := object{}
		for _, v := range e.Validators {
			all[*v.Name] = object{"validateRequestBody": v.ValidateRequestBody, "validateRequestParameters": v.ValidateRequestParameters}
		}
		out["x-amazon-apigateway-request-validators"] = all
	}
	if len(e.configuration.Responses) > 0 {
		all := object{}
		for name, r := range e.configuration.Responses {
			one := object{"responseParameters": r.ResponseParameters, "responseTemplates": r.ResponseTemplates}
			if r.StatusCode != nil {
				one["statusCode"] = json.Number(*r.StatusCode)
			}
			all[name] = one
		}
		out["x-amazon-apigateway-gateway-responses"] = all
	}
	if len(e.Binary) > 0 {
		out["x-amazon-apigateway-binary-media-types"] = e.Binary
	}
}

// ref refers to a model of the document.
func (e *exporter) ref(model string) object {
	if e.swagger {
		return object{"$ref": "#/definitions/" + model}
	}
	return object{"$ref": "#/components/schemas/" + model}
}

// referring is a schema whose references are those of the document.
func (e *exporter) referring(v any) any {
	switch v := v.(type) {
	case object:
		for k, inner := range v {
			if s, ok := inner.(string); ok && k == "$ref" && strings.Contains(s, "/models/") {
				v[k] = e.ref(s[strings.LastIndexByte(s, '/')+1:])["$ref"]
				continue
			}
			v[k] = e.referring(inner)
		}
	case []any:
		for i := range v {
			v[i] = e.referring(v[i])
		}
	}
	return v
}

func (e *exporter) method(r types.Resource, m types.Method, schemes object) object {
	out, parameters, responses := object{}, []object{}, object{}
	if m.OperationName != nil {
		out["operationId"] = *m.OperationName
	}
	for _, name := range sortedKeys(m.RequestParameters) {
		where, short, _ := strings.Cut(strings.TrimPrefix(name, "method.request."), ".")
		in := map[string]string{"path": "path", "querystring": "query", "header": "header"}[where]
		if in == "" {
			continue // OpenAPI has none of several values by another name
		}
		p := object{"name": short, "in": in, "required": in == "path" || m.RequestParameters[name]}
		if e.swagger {
			p["type"] = "string"
		} else {
			p["schema"] = object{"type": "string"}
		}
		parameters = append(parameters, p)
	}
	media := sortedKeys(m.RequestModels)
	switch {
	case len(media) == 0:
	case e.swagger:
		out["consumes"] = media
		parameters = append(parameters, object{"in": "body", "name": m.RequestModels[media[0]], "required": true, "schema": e.ref(m.RequestModels[media[0]])})
	default:
		content := object{}
		for _, t := range media {
			content[t] = object{"schema": e.ref(m.RequestModels[t])}
		}
		out["requestBody"] = object{"content": content, "required": true}
	}
	for status, mr := range m.MethodResponses {
		responses[status] = e.response(mr)
	}
	if out["responses"] = responses; len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if security := e.security(m, schemes); len(security) > 0 {
		out["security"] = security
	}
	if !e.integrations {
		return out
	}
	if v, ok := e.Validators[aws.ToString(m.RequestValidatorId)]; ok {
		out["x-amazon-apigateway-request-validator"] = *v.Name
	}
	if m.MethodIntegration != nil {
		out["x-amazon-apigateway-integration"] = exportIntegration(*m.MethodIntegration)
	}
	return out
}

func (e *exporter) response(mr types.MethodResponse) object {
	out, headers := object{"description": *mr.StatusCode + " response"}, object{}
	for name := range mr.ResponseParameters {
		h := object{"type": "string"}
		if !e.swagger {
			h = object{"schema": h}
		}
		headers[strings.TrimPrefix(name, "method.response.header.")] = h
	}
	if len(headers) > 0 {
		out["headers"] = headers
	}
	media := sortedKeys(mr.ResponseModels)
	switch {
	case len(media) == 0:
	case e.swagger:
		out["schema"] = e.ref(mr.ResponseModels[media[0]])
	default:
		content := object{}
		for _, t := range media {
			content[t] = object{"schema": e.ref(mr.ResponseModels[t])}
		}
		out["content"] = content
	}
	return out
}

// security names the schemes that a method wants, and adds them to those of the document.
func (e *exporter) security(m types.Method, schemes object) (wanted []map[string][]string) {
	want := func(name string, scheme object) {
		schemes[name], wanted = scheme, append(wanted, map[string][]string{name: {}})
	}
	switch aws.ToString(m.AuthorizationType) {
	case "AWS_IAM":
		want("sigv4", object{"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"})
	case "CUSTOM":
		a := e.Authorizers[*m.AuthorizerId]
		header := "Unused"
		if a.Type == types.AuthorizerTypeToken {
			header = strings.TrimPrefix(aws.ToString(a.IdentitySource), "method.request.header.")
		}
		scheme := object{"type": "apiKey", "name": header, "in": "header", "x-amazon-apigateway-authtype": "custom"}
		if e.authorizers {
			scheme["x-amazon-apigateway-authorizer"] = withoutEmpty(object{
				"type": strings.ToLower(string(a.Type)), "authorizerUri": a.AuthorizerUri, "authorizerCredentials": a.AuthorizerCredentials,
				"identitySource": a.IdentitySource, "identityValidationExpression": a.IdentityValidationExpression,
				"authorizerResultTtlInSeconds": a.AuthorizerResultTtlInSeconds,
			})
		}
		want(*a.Name, scheme)
	}
	if aws.ToBool(m.ApiKeyRequired) {
		want("api_key", object{"type": "apiKey", "name": "x-api-key", "in": "header"})
	}
	slices.SortFunc(wanted, func(a, b map[string][]string) int { return strings.Compare(sortedKeys(a)[0], sortedKeys(b)[0]) })
	return wanted
}

// withoutEmpty leaves out what is not set.
func withoutEmpty(o object) object {
	for k, v := range o {
		switch v := v.(type) {
		case *string:
			if aws.ToString(v) == "" {
				delete(o, k)
			}
		case *int32:
			if v == nil {
				delete(o, k)
			}
		case string:
			if v == "" {
				delete(o, k)
			}
		case map[string]string:
			if len(v) == 0 {
				delete(o, k)
			}
		}
	}
	return o
}

func exportIntegration(i types.Integration) object {
	responses := object{}
	for status, r := range i.IntegrationResponses {
		pattern := aws.ToString(r.SelectionPattern)
		if pattern == "" {
			pattern = "default"
		}
		responses[pattern] = withoutEmpty(object{
			"statusCode": status, "contentHandling": string(r.ContentHandling), "responseParameters": r.ResponseParameters, "responseTemplates": r.ResponseTemplates,
		})
	}
	out := withoutEmpty(object{
		"type": strings.ToLower(string(i.Type)), "uri": i.Uri, "credentials": i.Credentials, "httpMethod": i.HttpMethod, "passthroughBehavior": i.PassthroughBehavior,
		"contentHandling": string(i.ContentHandling), "requestParameters": i.RequestParameters, "requestTemplates": i.RequestTemplates,
		"timeoutInMillis": i.TimeoutInMillis,
	})
	if b := aws.ToString(i.PassthroughBehavior); b != "" {
		out["passthroughBehavior"] = strings.ToLower(b)
	}
	if len(responses) > 0 {
		out["responses"] = responses
	}
	return out
}
