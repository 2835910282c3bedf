package apigatewayv2

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/goccy/go-yaml"
)

// The document that ExportApi writes.
type (
	exported struct {
		OpenAPI    string                              `json:"openapi"`
		Info       exportedInfo                        `json:"info"`
		Servers    []exportedServer                    `json:"servers"`
		Paths      map[string]map[string]exportedRoute `json:"paths"`
		Components *exportedComponents                 `json:"components,omitempty"`
		CORS       *corsExtension                      `json:"x-amazon-apigateway-cors,omitempty"`
		Version    string                              `json:"x-amazon-apigateway-importexport-version,omitempty"`
	}
	exportedInfo struct {
		Title       string  `json:"title"`
		Description *string `json:"description,omitempty"`
		Version     string  `json:"version"`
	}
	exportedServer struct {
		URL       string                       `json:"url"`
		Variables map[string]map[string]string `json:"variables,omitempty"`
	}
	exportedRoute struct {
		OperationID *string                   `json:"operationId,omitempty"`
		Parameters  []exportedParameter       `json:"parameters,omitempty"`
		Responses   map[string]map[string]any `json:"responses"`
		Security    []map[string][]string     `json:"security,omitempty"`
		Default     bool                      `json:"isDefaultRoute,omitempty"`
		Integration *extension                `json:"x-amazon-apigateway-integration,omitempty"`
	}
	exportedParameter struct {
		Name        string            `json:"name"`
		In          string            `json:"in"`
		Description string            `json:"description,omitempty"`
		Required    bool              `json:"required"`
		Schema      map[string]string `json:"schema"`
	}
	exportedComponents struct {
		Schemes map[string]exportedScheme `json:"securitySchemes"`
	}
	exportedScheme struct {
		Type       string         `json:"type"`
		Name       string         `json:"name,omitempty"`
		In         string         `json:"in,omitempty"`
		AuthType   string         `json:"x-amazon-apigateway-authtype,omitempty"`
		Authorizer map[string]any `json:"x-amazon-apigateway-authorizer,omitempty"`
	}
)

// ExportApi writes an API, or what a stage of it serves, as an OpenAPI 3 document that ImportApi takes. It fails with
// NotFoundException or BadRequestException.
func (s *Service) ExportApi(_ context.Context, in *apigatewayv2.ExportApiInput) (*apigatewayv2.ExportApiOutput, error) {
	a, err := s.find(in.ApiId)
	switch {
	case err != nil:
		return nil, err
	case aws.ToString(in.Specification) != "OAS30":
		return nil, badRequest("Invalid specification %q: must be OAS30", aws.ToString(in.Specification))
	case in.ExportVersion != nil && *in.ExportVersion != "1.0":
		return nil, badRequest("Invalid exportVersion %q: must be 1.0", *in.ExportVersion)
	}
	c, stage := a.configuration, ""
	if in.StageName != nil {
		st, ok := a.Stages[*in.StageName]
		if !ok {
			return nil, noStage(in.StageName)
		}
		if c, stage = (configuration{}), *in.StageName; a.deployments[aws.ToString(st.DeploymentId)] != nil {
			c = a.deployments[*st.DeploymentId].Configuration
		}
	}
	doc, err := json.Marshal(s.export(a, c, stage, in.IncludeExtensions == nil || *in.IncludeExtensions))
	if err != nil {
		return nil, fmt.Errorf("apigatewayv2: export API %s: %w", *in.ApiId, err)
	}
	switch aws.ToString(in.OutputType) {
	case "JSON":
	case "YAML":
		if doc, err = yaml.JSONToYAML(doc); err != nil {
			return nil, fmt.Errorf("apigatewayv2: export API %s: %w", *in.ApiId, err)
		}
	default:
		return nil, badRequest("Invalid outputType %q: must be one of [JSON, YAML]", aws.ToString(in.OutputType))
	}
	return &apigatewayv2.ExportApiOutput{Body: doc}, nil
}

func (s *Service) export(a *api, c configuration, stage string, extensions bool) exported {
	described := s.present(a.API)
	out := exported{
		OpenAPI: "3.0.1", Paths: make(map[string]map[string]exportedRoute),
		Info:    exportedInfo{Title: aws.ToString(described.Name), Description: described.Description, Version: aws.ToString(described.Version)},
		Servers: []exportedServer{{URL: *described.ApiEndpoint}},
	}
	if out.Info.Version == "" {
		out.Info.Version = described.CreatedDate.Format("2006-01-02 15:04:05MST") // as AWS writes it
	}
	if stage != "" && stage != defaultStageName {
		out.Servers[0].URL += "/{basePath}"
		out.Servers[0].Variables = map[string]map[string]string{"basePath": {"default": stage}}
	}
	if extensions {
		out.Version = "1.0"
		if k := described.CorsConfiguration; k != nil {
			out.CORS = &corsExtension{k.AllowOrigins, k.AllowMethods, k.AllowHeaders, k.ExposeHeaders, k.AllowCredentials, k.MaxAge}
		}
	}
	for _, r := range c.Routes {
		method, path, ok := strings.Cut(*r.RouteKey, " ")
		if !ok {
			method, path = "ANY", defaultPath
		}
		name := strings.ToLower(method)
		if method == "ANY" {
			if name = "x-amazon-apigateway-any-method"; !extensions {
				continue // OpenAPI has no such method
			}
		}
		if out.Paths[path] == nil {
			out.Paths[path] = make(map[string]exportedRoute)
		}
		out.Paths[path][name] = exportRoute(c, r, path, extensions, &out)
	}
	return out
}

func exportRoute(c configuration, r types.Route, path string, extensions bool, doc *exported) exportedRoute {
	out := exportedRoute{
		OperationID: r.OperationName, Default: extensions && path == defaultPath,
		Responses: map[string]map[string]any{"default": {"description": "Default response for " + *r.RouteKey}},
	}
	if key, err := parseRouteKey(*r.RouteKey); err == nil {
		for _, part := range key.segments {
			if part.variable != "" {
				p := exportedParameter{Name: part.variable, In: "path", Required: true, Schema: map[string]string{"type": "string"}}
				if part.greedy {
					p.Name += "+"
				}
				out.Parameters = append(out.Parameters, p)
			}
		}
	}
	if !extensions {
		return out
	}
	if i, ok := c.Integrations[strings.TrimPrefix(aws.ToString(r.Target), targetPrefix)]; ok {
		out.Integration = &extension{
			Type: strings.ToLower(string(i.IntegrationType)), Subtype: i.IntegrationSubtype, Method: i.IntegrationMethod, URI: i.IntegrationUri,
			PayloadFormatVersion: i.PayloadFormatVersion, Credentials: i.CredentialsArn, TimeoutInMillis: i.TimeoutInMillis,
			ConnectionType: string(i.ConnectionType), RequestParameters: i.RequestParameters, ResponseParameters: i.ResponseParameters,
		}
	}
	if a, ok := c.Authorizers[aws.ToString(r.AuthorizerId)]; ok {
		if doc.Components == nil {
			doc.Components = &exportedComponents{Schemes: make(map[string]exportedScheme)}
		}
		doc.Components.Schemes[*a.Name] = exportAuthorizer(a)
		out.Security = []map[string][]string{{*a.Name: append([]string{}, r.AuthorizationScopes...)}}
	}
	if r.AuthorizationType == types.AuthorizationTypeAwsIam {
		if doc.Components == nil {
			doc.Components = &exportedComponents{Schemes: make(map[string]exportedScheme)}
		}
		doc.Components.Schemes["sigv4"] = exportedScheme{Type: "apiKey", Name: "Authorization", In: "header", AuthType: "awsSigv4"}
		out.Security = []map[string][]string{{"sigv4": {}}}
	}
	return out
}

func exportAuthorizer(a types.Authorizer) exportedScheme {
	if a.AuthorizerType == types.AuthorizerTypeJwt {
		return exportedScheme{Type: "oauth2", Authorizer: map[string]any{
			"type": "jwt", "identitySource": a.IdentitySource[0],
			"jwtConfiguration": map[string]any{"issuer": *a.JwtConfiguration.Issuer, "audience": a.JwtConfiguration.Audience},
		}}
	}
	e := map[string]any{
		"type": "request", "authorizerUri": *a.AuthorizerUri, "authorizerPayloadFormatVersion": *a.AuthorizerPayloadFormatVersion,
		"authorizerResultTtlInSeconds": *a.AuthorizerResultTtlInSeconds,
	}
	if a.AuthorizerCredentialsArn != nil {
		e["authorizerCredentials"] = *a.AuthorizerCredentialsArn
	}
	if len(a.IdentitySource) > 0 {
		e["identitySource"] = strings.Join(a.IdentitySource, ",")
	}
	if aws.ToBool(a.EnableSimpleResponses) {
		e["enableSimpleResponses"] = true
	}
	s := exportedScheme{Type: "apiKey", Name: "Unused", In: "header", Authorizer: e}
	for _, source := range a.IdentitySource {
		if name, ok := strings.CutPrefix(source, "$request.header."); ok {
			s.Name = name
			break
		}
	}
	return s
}
