package apigateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// exportedAPI has of everything that an export tells.
const exportedAPI = `{"openapi": "3.0.1", "info": {"title": "shop", "description": "tea", "version": "7"},
  "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": true, "validateRequestParameters": false}},
  "x-amazon-apigateway-gateway-responses": {"THROTTLED": {"statusCode": 420, "responseTemplates": {"application/json": "{}"}}},
  "x-amazon-apigateway-binary-media-types": ["image/png"],
  "paths": {"/orders/{id}": {
    "get": {"operationId": "getOrder", "parameters": [{"name": "id", "in": "path", "required": true}, {"name": "verbose", "in": "query", "required": false}],
      "security": [{"api_key": []}, {"guard": []}], "responses": {"200": {"description": "ok", "headers": {"X-Side": {"schema": {"type": "string"}}}}},
      "x-amazon-apigateway-integration": {"type": "mock", "passthroughBehavior": "never", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
        "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.X-Side": "'blue'"}, "responseTemplates": {"application/json": "$stageVariables.n"}}}}},
    "x-amazon-apigateway-any-method": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}, "responses": {},
      "security": [{"sigv4": []}], "x-amazon-apigateway-request-validator": "body",
      "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "timeoutInMillis": 5000,
        "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:hello:live/invocations"}}}},
  "components": {"schemas": {"Order": {"type": "object", "properties": {"line": {"$ref": "#/components/schemas/Line"}}}, "Line": {"type": "object"}},
    "securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
      "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
      "guard": {"type": "apiKey", "name": "X-Token", "in": "header", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": {"type": "token",
        "authorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:gate/invocations", "authorizerResultTtlInSeconds": 60}}}}}`

// known is a configuration without what is drawn at random, to be compared.
func known(t *testing.T, c configuration) any {
	t.Helper()
	names := make([]string, 0, 64) // IDs and their names, in turn
	for id, r := range c.Resources {
		names = append(names, id, *r.Path)
	}
	for id, v := range c.Validators {
		names = append(names, id, *v.Name)
	}
	for id, a := range c.Authorizers {
		names = append(names, id, *a.Name)
	}
	c, err := copyOf(c)
	must(t, err)
	for name, m := range c.Models {
		var schema any
		must(t, json.Unmarshal([]byte(*m.Schema), &schema))
		plain, err := json.Marshal(schema)
		must(t, err)
		m.Schema = aws.String(string(plain))
		m.Id, m.Description = nil, nil
		c.Models[name] = m
	}
	text, err := json.Marshal(c)
	must(t, err)
	var out any
	must(t, json.Unmarshal([]byte(strings.NewReplacer(names...).Replace(string(text))), &out))
	return out
}

// What is exported with all extensions makes the same API when it is imported.
func TestExport(t *testing.T) {
	r := newRig(t, Config{})
	ctx := t.Context()
	made, err := r.c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(exportedAPI)})
	must(t, err)
	_, err = r.c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: made.Id, StageName: aws.String("prod")})
	must(t, err)
	want := known(t, r.lookup(*made.Id).configuration)
	export := func(kind, accepts, extensions string) string {
		t.Helper()
		out, err := r.GetExport(ctx, &apigateway.GetExportInput{
			RestApiId: made.Id, StageName: aws.String("prod"), ExportType: &kind, Accepts: &accepts, Parameters: map[string]string{"extensions": extensions},
		})
		must(t, err)
		if *out.ContentType != accepts || !strings.HasPrefix(*out.ContentDisposition, "attachment; filename=") {
			t.Errorf("%s: %s, %s", accepts, *out.ContentType, *out.ContentDisposition)
		}
		return string(out.Body)
	}
	for _, kind := range []string{"oas30", "swagger"} {
		for _, accepts := range []string{"application/json", "application/yaml"} {
			text := export(kind, accepts, "apigateway")
			twin, err := r.c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(text)})
			must(t, err)
			if got := known(t, r.lookup(*twin.Id).configuration); !reflect.DeepEqual(got, want) {
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(want)
				t.Errorf("%s in %s makes\n%s\nnot\n%s", kind, accepts, a, b)
			}
			if *twin.Name != "shop" || *twin.Description != "tea" || *twin.Version != "7" {
				t.Errorf("%+v", twin)
			}
		}
	}
	if out, err := r.c.GetExport(ctx, &apigateway.GetExportInput{RestApiId: made.Id, StageName: aws.String("prod"), ExportType: aws.String("oas30")}); err != nil || *out.ContentType != "application/json" {
		t.Errorf("%+v %v", out, err) // the SDK always asks for JSON
	}
	if text := export("oas30", "application/json", ""); strings.Contains(text, "x-amazon-apigateway-integration") || strings.Contains(text, "authorizerUri") {
		t.Errorf("extensions that were not asked for: %s", text)
	}
	for name, in := range map[string]*apigateway.GetExportInput{
		"export type": {ExportType: aws.String("raml")}, "Accept": {Accepts: aws.String("text/html")}, "not supported": {Parameters: map[string]string{"extensions": "postman"}},
		"stage": {StageName: aws.String("nope")},
	} {
		in.RestApiId = made.Id
		if in.StageName == nil {
			in.StageName = aws.String("prod")
		}
		if in.ExportType == nil {
			in.ExportType = aws.String("oas30")
		}
		if _, err := r.GetExport(ctx, in); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A test calls the method as it is now, not as it is deployed, and goes past authorizers and keys.
func TestTestInvokeMethod(t *testing.T) {
	r := newRig(t, Config{})
	ctx := t.Context()
	made, err := r.c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(exportedAPI)})
	must(t, err)
	resources, err := r.c.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: made.Id})
	must(t, err)
	var id *string
	for _, res := range resources.Items {
		if *res.Path == "/orders/{id}" {
			id = res.Id
		}
	}
	in := &apigateway.TestInvokeMethodInput{
		RestApiId: made.Id, ResourceId: id, HttpMethod: aws.String("GET"), PathWithQueryString: aws.String("/orders/7?verbose=1"), StageVariables: map[string]string{"n": "42"},
	}
	out, err := r.c.TestInvokeMethod(ctx, in)
	must(t, err)
	if out.Status != 200 || *out.Body != "42" || out.Headers["X-Side"] != "blue" || !strings.Contains(*out.Log, "Method completed with status: 200") {
		t.Errorf("%+v %s %s", out, *out.Body, *out.Log)
	}
	in.HttpMethod, in.Body = aws.String("ANY"), aws.String("{}") // whose function is not there
	if out, err := r.c.TestInvokeMethod(ctx, in); err != nil || out.Status != 500 {
		t.Errorf("%+v %v", out, err)
	}
	in.HttpMethod = aws.String("PUT")
	refusedWith(t, second(r.c.TestInvokeMethod(ctx, in)), "NotFoundException", "Invalid Method identifier specified")
	in.HttpMethod, in.PathWithQueryString = aws.String("GET"), aws.String("/elsewhere")
	refusedWith(t, second(r.c.TestInvokeMethod(ctx, in)), "BadRequestException", "is not one of the resource")
	in.PathWithQueryString, in.StageVariables = nil, map[string]string{"a b": "c"}
	refusedWith(t, second(r.c.TestInvokeMethod(ctx, in)), "BadRequestException", "Stage variable names")
}
