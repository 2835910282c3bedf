package apigatewayv2

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/alias"
)

// backend answers with what it was asked for.
func backend(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header()["X-Colour"] = []string{"blue", "pale"}
		w.Header().Set("X-Shade", "dark")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"request":%q,"a":%q,"b":%q,"forwarded":%q,"trace":%v,"body":%q,"code":"418"}`, r.Method+" "+r.URL.RequestURI(),
			strings.Join(r.Header["X-A"], "|"), strings.Join(r.Header["X-B"], "|"), r.Header.Get("Forwarded"), r.Header.Get("X-Amzn-Trace-Id") != "", body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (g *gateway) http(uri, method string, request map[string]string, answer map[string]map[string]string) string {
	g.t.Helper()
	out, err := g.CreateIntegration(g.t.Context(), &apigatewayv2.CreateIntegrationInput{
		ApiId: &g.id, IntegrationType: types.IntegrationTypeHttpProxy, IntegrationUri: &uri, IntegrationMethod: &method,
		RequestParameters: request, ResponseParameters: answer,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return *out.IntegrationId
}

func TestHTTPProxy(t *testing.T) {
	at := backend(t)
	g := newGateway(t, Config{})
	g.addRoute("GET /plain", g.http(at+"/there?x=1", "POST", nil, nil))
	g.addRoute("ANY /pets/{id}/{rest+}", g.http(at+"/p/{rest}/of/{id}", "ANY", nil, nil))
	g.addRoute("$default", g.http(at+"/base/", "ANY", nil, nil))
	g.addRoute("GET /changed/{id}", g.http(at+"/x", "GET", map[string]string{
		"append:header.x-a": "more", "overwrite:header.x-b": "${request.path.id}-$context.nothing is text", "remove:header.x-c": "''",
		"overwrite:querystring.q": "$request.querystring.p", "remove:querystring.p": "", "append:querystring.r": "$request.body.deep[0].v",
		"overwrite:path": "/new/${request.path.id}",
	}, map[string]map[string]string{"202": {
		"overwrite:statuscode": "$response.body.code", "append:header.x-shade": "soft", "remove:header.x-colour": "", "overwrite:header.x-seen": "${response.header.x-colour}!",
	}}))
	nobody := httptest.NewServer(nil)
	nobody.Close()
	g.addRoute("GET /gone", g.http(nobody.URL, "GET", nil, nil))

	for _, c := range []struct{ method, target, want string }{
		{"GET", "/plain?y=2", "POST /there?x=1&y=2"},
		{"PUT", "/pets/a%20b/c/d?z=", "PUT /p/c/d/of/a%20b?z="},
		{"DELETE", "/some/thing", "DELETE /base/some/thing"},
	} {
		w := g.do(g.byHost(c.method, c.target, "hello"))
		if w.Code != 202 || !strings.Contains(w.Body.String(), fmt.Sprintf(`{"request":%q,`, c.want)) {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Body)
		}
		if !strings.Contains(w.Body.String(), `"forwarded":"for=192.0.2.1;host=`+g.id+`.execute-api.localhost:4566;proto=http","trace":true,"body":"hello"`) {
			t.Errorf("%s", w.Body)
		}
		if got := w.Header()["X-Colour"]; !slices.Equal(got, []string{"blue", "pale"}) {
			t.Errorf("X-Colour %q", got)
		}
	}

	r := g.byHost("GET", "/changed/7?p=a&p=b&keep=1", `{"deep":[{"v":"inner"}]}`)
	r.Header["X-A"] = []string{"first"}
	w := g.do(r)
	want := `"request":"GET /new/7?keep=1&q=a%2Cb&r=inner","a":"first|more","b":"7-$context.nothing is text"`
	if w.Code != 418 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
	if h := w.Header(); h["X-Colour"] != nil || !slices.Equal(h["X-Shade"], []string{"dark", "soft"}) || h.Get("X-Seen") != "blue,pale!" {
		t.Errorf("headers %v", h)
	}
	if w := g.do(g.byHost("GET", "/gone", "")); w.Code != 503 || w.Body.String() != `{"message":"Service Unavailable"}` {
		t.Errorf("a backend that is gone: %d %s", w.Code, w.Body)
	}
}

// A mapping cannot smuggle a header in, and one of a function changes its event and its answer.
func TestMappingsOfAFunction(t *testing.T) {
	var event string
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		event = string(in.Payload)
		return &lambda.InvokeOutput{Payload: []byte(`{"plain":true}`), ExecutedVersion: aws.String("7")}, nil
	})})
	out, err := g.CreateIntegration(t.Context(), &apigatewayv2.CreateIntegrationInput{
		ApiId: &g.id, IntegrationType: types.IntegrationTypeAwsProxy, IntegrationUri: aws.String(functionHello), PayloadFormatVersion: aws.String("2.0"),
		RequestParameters:  map[string]string{"overwrite:header.x-mapped": "$request.querystring.v", "overwrite:path": "/other"},
		ResponseParameters: map[string]map[string]string{"200": {"overwrite:statuscode": "203", "overwrite:header.x-from": "$stageVariables.none"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.addRoute("GET /", *out.IntegrationId)
	w := g.do(g.byHost("GET", "/?v=1", ""))
	if w.Code != 203 || w.Body.String() != `{"plain":true}` || !strings.Contains(event, `"x-mapped":"1"`) || !strings.Contains(event, `"rawPath":"/other"`) {
		t.Errorf("%d %s from %s", w.Code, w.Body, event)
	}
	if w := g.do(g.byHost("GET", "/?v=a%0d%0ab:c", "")); w.Code != 400 {
		t.Errorf("a header that splits the request: %d %s", w.Code, w.Body)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	g := newGateway(t, Config{Invoker: answers(`"ok"`)})
	g.addRoute("$default", g.lambda(functionHello, "2.0", nil))
	r := g.byHost("GET", "/", "")
	r.Header.Set("X-Long", strings.Repeat("x", 10_100))
	if w := g.do(r); w.Code != 200 {
		t.Errorf("below the limit: %d", w.Code)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 10_240))
	if w := g.do(r); w.Code != 431 || w.Body.String() != `{"message":"Request Header Fields Too Large"}` {
		t.Errorf("above the limit: %d %s", w.Code, w.Body)
	}
}

// Over 10,000 calls of an alias at 90/10 the share is right (chi-square with one degree of freedom below 15.1, which chance passes
// once in ten thousand runs), and every answer tells the version.
func TestWeightedShare(t *testing.T) {
	routing := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	g := newGateway(t, Config{Invoker: invokerFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		v := routing.Pick(rand.Float64())
		return &lambda.InvokeOutput{Payload: []byte(`"` + v + `"`), ExecutedVersion: &v}, nil
	})})
	g.addRoute("GET /", g.lambda(functionHello, "2.0", nil))
	const n, expected = 10_000, 1000.0
	green := 0.0
	for range n {
		w := g.do(g.byHost("GET", "/", ""))
		v := w.Header().Get(executedVersionHeader)
		if w.Code != 200 || v == "" || v != w.Body.String() {
			t.Fatalf("%d %q from version %q", w.Code, w.Body, v)
		}
		if v == "2" {
			green++
		}
	}
	off := green - expected
	if chi := off*off/expected + off*off/(n-expected); chi > 15.1 {
		t.Errorf("%v of %d: chi-square %.1f", green, n, chi)
	}
}

const shopDocument = `{"openapi":"3.0.1","info":{"title":"shop","version":"3"},"paths":{
	"/orders/{id}":{"get":{"operationId":"read","security":[{"guard":[]}],"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST",
		"uri":"` + functionHello + `","payloadFormatVersion":"2.0","responseParameters":{"200":{"overwrite:header.x-a":"b"}}}}},
	"/{proxy+}":{"x-amazon-apigateway-any-method":{"x-amazon-apigateway-integration":{"type":"http_proxy","httpMethod":"ANY","uri":"http://localhost:1/{proxy}","payloadFormatVersion":"1.0"}}},
	"/$default":{"x-amazon-apigateway-any-method":{"isDefaultRoute":true}}},
	"components":{"securitySchemes":{"guard":{"type":"apiKey","name":"Unused","in":"header","x-amazon-apigateway-authorizer":{"type":"request",
		"authorizerUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/` + functionHello + `/invocations","authorizerPayloadFormatVersion":"2.0",
		"identitySource":"$request.header.Authorization","enableSimpleResponses":true,"authorizerResultTtlInSeconds":60}}}},
	"x-amazon-apigateway-cors":{"allowOrigins":["https://shop.test"],"maxAge":5}}`

// What was imported is exported, and what was exported is imported again to the same.
func TestOpenAPI(t *testing.T) {
	ctx := t.Context()
	g := newGateway(t, Config{Invoker: answers(`{"isAuthorized":true}`)})
	c := dial(t, g.Service)
	made, err := c.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: aws.String(shopDocument)})
	if err != nil {
		t.Fatal(err)
	}
	if *made.Name != "shop" || *made.Version != "3" || *made.CorsConfiguration.MaxAge != 5 || !strings.Contains(*made.ApiEndpoint, *made.ApiId) {
		t.Errorf("%+v", made)
	}
	export := func(id *string, as string) string {
		t.Helper()
		out, err := c.ExportApi(ctx, &apigatewayv2.ExportApiInput{ApiId: id, OutputType: &as, Specification: aws.String("OAS30")})
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(out.Body), *id, "ID")
	}
	first := export(made.ApiId, "JSON")
	for _, want := range []string{`"title":"shop"`, `"/orders/{id}"`, `"x-amazon-apigateway-any-method"`, `"isDefaultRoute":true`, `"overwrite:header.x-a":"b"`, `"enableSimpleResponses":true`, `"allowOrigins":["https://shop.test"]`} {
		if !strings.Contains(first, want) {
			t.Errorf("%s is not in %s", want, first)
		}
	}
	again, err := c.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: aws.String(export(made.ApiId, "YAML"))})
	if err != nil {
		t.Fatal(err)
	}
	if second := export(again.ApiId, "JSON"); second != first {
		t.Errorf("imported again it is\n%s\nnot\n%s", second, first)
	}

	// A stage with autoDeploy serves the new document at once; what it served before is gone.
	if _, err := c.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: made.ApiId, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	g.id = *made.ApiId
	r := g.byHost("GET", "/orders/1", "")
	r.Header.Set("Authorization", "x")
	if w := g.do(r); w.Code != 200 || w.Header().Get("X-A") != "b" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if _, err := c.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: made.ApiId, Body: aws.String(
		`{"openapi":"3.0.0","info":{"title":"new","version":"4"},"paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":"` + functionHello + `","payloadFormatVersion":"2.0"}}}}}`)}); err != nil {
		t.Fatal(err)
	}
	if a, b := g.do(r), g.do(g.byHost("GET", "/a", "")); a.Code != 404 || b.Code != 200 {
		t.Errorf("after another document: %d and %d", a.Code, b.Code)
	}
	served, err := c.ExportApi(ctx, &apigatewayv2.ExportApiInput{ApiId: made.ApiId, OutputType: aws.String("JSON"), Specification: aws.String("OAS30"), StageName: aws.String("$default")})
	if err != nil || !strings.Contains(string(served.Body), `"/a"`) || strings.Contains(string(served.Body), "orders") {
		t.Errorf("the stage is exported as %s, %v", served, err)
	}
	for _, bad := range []struct{ body, message string }{
		{`{`, "neither JSON nor YAML"},
		{`{"swagger":"2.0","info":{"title":"t"}}`, "OpenAPI 3"},
		{strings.Replace(shopDocument, `"type":"request"`, `"type":"token"`, 1), "guard"},
		{strings.Replace(shopDocument, `"http_proxy"`, `"mock"`, 1), "MOCK"},
	} {
		before := export(made.ApiId, "JSON")
		_, err := c.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: made.ApiId, Body: &bad.body})
		refused(t, err, "BadRequestException", 400, bad.message)
		if after := export(made.ApiId, "JSON"); after != before {
			t.Errorf("a document that was refused left %s", after)
		}
	}
}

func TestTagsAndSettings(t *testing.T) {
	ctx := t.Context()
	g := newGateway(t, Config{Invoker: answers(`"ok"`)})
	g.addRoute("GET /a", g.lambda(functionHello, "2.0", nil))
	c := dial(t, g.Service)
	for _, resource := range []string{"arn:aws:apigateway:us-east-1::/apis/" + g.id, "arn:aws:apigateway:us-east-1::/apis/" + g.id + "/stages/$default"} {
		if _, err := c.TagResource(ctx, &apigatewayv2.TagResourceInput{ResourceArn: &resource, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UntagResource(ctx, &apigatewayv2.UntagResourceInput{ResourceArn: &resource, TagKeys: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		out, err := c.GetTags(ctx, &apigatewayv2.GetTagsInput{ResourceArn: &resource})
		if err != nil || !maps.Equal(out.Tags, map[string]string{"b": "2"}) {
			t.Errorf("%s: %v %v", resource, out, err)
		}
	}
	_, err := c.GetTags(ctx, &apigatewayv2.GetTagsInput{ResourceArn: aws.String("arn:aws:apigateway:us-east-1::/domainnames/x")})
	refused(t, err, "BadRequestException", 400, "tags belong to")

	if _, err := c.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: aws.String("$default"), RouteSettings: map[string]types.RouteSettings{
		"GET /a": {ThrottlingBurstLimit: aws.Int32(0), ThrottlingRateLimit: aws.Float64(0)},
	}}); err != nil {
		t.Fatal(err)
	}
	if w := g.do(g.byHost("GET", "/a", "")); w.Code != 429 {
		t.Errorf("throttled to nothing: %d", w.Code)
	}
	drop := &apigatewayv2.DeleteRouteSettingsInput{ApiId: &g.id, StageName: aws.String("$default"), RouteKey: aws.String("GET /a")}
	if _, err := c.DeleteRouteSettings(ctx, drop); err != nil {
		t.Fatal(err)
	}
	if w := g.do(g.byHost("GET", "/a", "")); w.Code != 200 {
		t.Errorf("without settings: %d", w.Code)
	}
	_, err = c.DeleteRouteSettings(ctx, drop)
	refused(t, err, "NotFoundException", 404, "GET /a")
	if _, err = c.DeleteAccessLogSettings(ctx, &apigatewayv2.DeleteAccessLogSettingsInput{ApiId: &g.id, StageName: aws.String("$default")}); err != nil {
		t.Error(err)
	}
	made, err := c.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &g.id})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateDeployment(ctx, &apigatewayv2.UpdateDeploymentInput{ApiId: &g.id, DeploymentId: made.DeploymentId, Description: aws.String("kept")}); err != nil {
		t.Fatal(err)
	}
	if got, err := dial(t, g.reopen().Service).GetDeployment(ctx, &apigatewayv2.GetDeploymentInput{ApiId: &g.id, DeploymentId: made.DeploymentId}); err != nil || *got.Description != "kept" {
		t.Errorf("after a restart: %v %v", got, err)
	}
}
