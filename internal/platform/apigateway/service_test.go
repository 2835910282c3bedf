package apigateway

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

func TestRefusals(t *testing.T) {
	r := newRig(t, Config{})
	ctx := t.Context()
	none := aws.String("nope")
	pets := r.resource("/pets")
	get := aws.String("GET")
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"no API":        {second(r.c.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: none})), "NotFoundException", "Invalid API identifier specified 000000000000:nope"},
		"no resource":   {second(r.c.GetResource(ctx, &apigateway.GetResourceInput{RestApiId: &r.id, ResourceId: none})), "NotFoundException", "Invalid Resource identifier specified"},
		"no method":     {second(r.c.GetMethod(ctx, &apigateway.GetMethodInput{RestApiId: &r.id, ResourceId: &pets, HttpMethod: get})), "NotFoundException", "Invalid Method identifier specified"},
		"no stage":      {second(r.c.GetStage(ctx, &apigateway.GetStageInput{RestApiId: &r.id, StageName: none})), "NotFoundException", "Invalid stage identifier specified"},
		"same resource": {second(r.c.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &r.id, ParentId: &r.root, PathPart: aws.String("pets")})), "ConflictException", "Another resource with the same parent already has this name: pets"},
		"bad part":      {second(r.c.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &r.id, ParentId: &r.root, PathPart: aws.String("a b")})), "BadRequestException", "path part"},
		"no methods":    {second(r.c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &r.id})), "BadRequestException", "The REST API doesn't contain any methods"},
		"root":          {second(r.c.DeleteResource(ctx, &apigateway.DeleteResourceInput{RestApiId: &r.id, ResourceId: &r.root})), "BadRequestException", "root resource"},
		"cognito":       {second(r.c.CreateAuthorizer(ctx, &apigateway.CreateAuthorizerInput{RestApiId: &r.id, Name: none, Type: types.AuthorizerTypeCognitoUserPools})), "BadRequestException", "COGNITO_USER_POOLS is not supported"},
		"private":       {second(r.c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: none, EndpointConfiguration: &types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointTypePrivate}}})), "BadRequestException", "PRIVATE is not supported"},
		"not served":    {second(r.c.GetDomainNames(ctx, &apigateway.GetDomainNamesInput{})), "UnknownOperationException", "domainnames"},
		"bad patch":     {second(r.c.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: &r.id, PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/nope"), Value: none}}})), "BadRequestException", "Invalid patch path '/nope'"},
	} {
		t.Run(name, func(t *testing.T) { refusedWith(t, c.err, c.code, c.message) })
	}
}

func second[T any](_ T, err error) error { return err }

func TestTagsAndPages(t *testing.T) {
	r := newRig(t, Config{})
	ctx := t.Context()
	arn := aws.String("arn:aws:apigateway:us-east-1::/restapis/" + r.id)
	_, err := r.c.TagResource(ctx, &apigateway.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}})
	must(t, err)
	_, err = r.c.UntagResource(ctx, &apigateway.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	must(t, err)
	tags, err := r.c.GetTags(ctx, &apigateway.GetTagsInput{ResourceArn: arn})
	must(t, err)
	if len(tags.Tags) != 1 || tags.Tags["b"] != "2" {
		t.Error(tags.Tags)
	}
	for _, p := range []string{"a", "b", "c", "d"} {
		r.resource(p)
	}
	seen := 0
	in := &apigateway.GetResourcesInput{RestApiId: &r.id, Limit: aws.Int32(2)}
	for {
		out, err := r.c.GetResources(ctx, in)
		must(t, err)
		seen += len(out.Items)
		if in.Position = out.Position; in.Position == nil {
			break
		}
	}
	if seen != 5 {
		t.Errorf("%d resources over all pages", seen)
	}
}

const sample = `{
 "openapi": "3.0.1", "info": {"title": "imported", "version": "1"},
 "paths": {
  "/pets/{id}": {"get": {
    "parameters": [{"name": "id", "in": "path", "required": true}], "responses": {"200": {"description": "ok", "headers": {"X-A": {}}}},
    "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "uri": "URI", "requestTemplates": {"application/json": "{\"id\": \"$input.params('id')\"}"},
      "responses": {"default": {"statusCode": 200, "responseParameters": {"method.response.header.X-A": "'b'"}}}}}},
  "/{proxy+}": {"x-amazon-apigateway-any-method": {"responses": {}, "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": "URI"}}}
 },
 "components": {"schemas": {"Pet": {"type": "object", "properties": {"other": {"$ref": "#/components/schemas/Pet"}}}}}
}`

func TestImport(t *testing.T) {
	r := newRig(t, Config{Invoker: answers7(`{"body":"ok"}`)})
	ctx := t.Context()
	body := []byte(strings.ReplaceAll(sample, `"URI"`, `"`+functionURI+`"`))
	out, err := r.c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: body, Parameters: map[string]string{"endpointConfigurationTypes": "REGIONAL"}})
	must(t, err)
	if *out.Name != "imported" || out.EndpointConfiguration.Types[0] != types.EndpointTypeRegional {
		t.Errorf("%+v", out)
	}
	r.id, r.root = *out.Id, *out.RootResourceId
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	w := r.do("GET", "/prod/pets/1", "")
	r.expect(w, 200, `{"body":"ok"}`)
	if w.Header().Get("X-A") != "b" {
		t.Error(w.Header())
	}
	r.expect(r.do("POST", "/prod/x/y", ""), 200, "ok")
	if _, err := r.c.GetModel(ctx, &apigateway.GetModelInput{RestApiId: &r.id, ModelName: aws.String("Pet")}); err != nil {
		t.Error(err)
	}
	// Overwriting leaves what is deployed alone until the next deployment.
	small := []byte("swagger: \"2.0\"\ninfo: {title: small}\npaths:\n  /one:\n    get:\n      responses: {}\n      x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: '" + functionURI + "'}\n")
	_, err = r.c.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: &r.id, Body: small, Mode: types.PutModeOverwrite})
	must(t, err)
	r.expect(r.do("POST", "/prod/x/y", ""), 200, "ok")
	r.deploy(&apigateway.CreateDeploymentInput{})
	r.expect(r.do("POST", "/prod/x/y", ""), 403, `{"message":"Missing Authentication Token"}`)
	r.expect(r.do("GET", "/prod/one", ""), 200, "ok")
	_, err = r.c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(`{"openapi":"3.0.0"}`)})
	refusedWith(t, err, "BadRequestException", "info.title is missing")
}
