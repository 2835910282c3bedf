package apigateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/awsproto"
)

func TestProxyEventAndAnswer(t *testing.T) {
	var event map[string]any
	var function string
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		event, function = nil, *in.FunctionName
		if err := json.Unmarshal(in.Payload, &event); err != nil {
			t.Error(err)
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":201,"headers":{"X-A":"b"},"body":"made"}`), ExecutedVersion: aws.String("7")}, nil
	})})
	r.proxy(r.resource("/pets/{id}"), "POST", functionURI)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	w := r.do("POST", "/prod/pets/4%2F2?a=1&a=2", `{"x":1}`, "Content-Type", "application/json")
	r.expect(w, 201, "made")
	if function != "arn:aws:lambda:us-east-1:000000000000:function:hello:live" {
		t.Error(function)
	}
	if h := w.Header(); h.Get("X-Teal-Executed-Version") != "7" || h.Get("X-A") != "b" || h.Get("X-Amzn-Requestid") == "" || h.Get("X-Amz-Apigw-Id") == "" {
		t.Error(h)
	}
	about := event["requestContext"].(map[string]any)
	for what, got := range map[string][2]any{
		"resource": {event["resource"], "/pets/{id}"}, "path": {event["path"], "/pets/4/2"}, "body": {event["body"], `{"x":1}`},
		"stage": {about["stage"], "prod"}, "context path": {about["path"], "/prod/pets/4/2"}, "method": {event["httpMethod"], "POST"},
		"id": {event["pathParameters"].(map[string]any)["id"], "4/2"}, "query": {event["queryStringParameters"].(map[string]any)["a"], "2"},
		"variable": {event["stageVariables"].(map[string]any)["alias"], "live"}, "source": {about["identity"].(map[string]any)["sourceIp"], "192.0.2.1"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", what, got[0], got[1])
		}
	}
	// What is not there is AWS's 403, and what a stage serves survives a restart.
	for _, path := range []string{"/prod/nope", "/prod", "/prod/pets"} {
		r.expect(r.do("POST", path, ""), 403, `{"message":"Missing Authentication Token"}`)
	}
	r.expect(r.do("POST", "/dev/pets/1", ""), 403, `{"message":"Forbidden"}`)
	r.open()
	r.expect(r.do("POST", "/prod/pets/1", ""), 201, "made")
}

func TestResourceSelection(t *testing.T) {
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		var e struct {
			Resource, HTTPMethod string
			PathParameters       map[string]string
		}
		err := json.Unmarshal(in.Payload, &e)
		body, _ := json.Marshal(e.Resource + " " + e.PathParameters["proxy"])
		return &lambda.InvokeOutput{Payload: []byte(`{"body":` + string(body) + `}`)}, err
	})})
	r.proxy(r.root, "GET", functionURI)
	pets := r.resource("/pets")
	r.proxy(pets, "GET", functionURI)
	id, err := r.c.CreateResource(t.Context(), &apigateway.CreateResourceInput{RestApiId: &r.id, ParentId: &pets, PathPart: aws.String("{id}")})
	must(t, err)
	r.proxy(*id.Id, "GET", functionURI)
	r.proxy(r.resource("/{proxy+}"), "ANY", functionURI)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/prod", "/ "}, {"GET", "/prod/", "/ "}, {"GET", "/prod/pets", "/pets "}, {"GET", "/prod/pets/", "/pets "}, {"GET", "/prod/pets/1", "/pets/{id} "},
		{"GET", "/prod/pets/1/x", "/{proxy+} pets/1/x"}, {"POST", "/prod/pets/1", "/{proxy+} pets/1"}, {"DELETE", "/prod/a/b", "/{proxy+} a/b"},
	} {
		r.expect(r.do(c.method, c.path, ""), 200, c.want)
	}
	// By path, both ways.
	for _, path := range []string{"/_aws/execute-api/" + r.id + "/prod/pets", "/restapis/" + r.id + "/prod/_user_request_/pets"} {
		q := httptest.NewRequest("GET", path, nil)
		q.Host = "localhost:4566"
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		r.expect(w, 200, "/pets ")
	}
	q := httptest.NewRequest("GET", "/restapis/"+r.id+"/stages", nil)
	q.Host = "localhost:4566"
	if r.Match(q) {
		t.Error("an operation is taken for a request of the API")
	}
}

// permissions lets through the sources that it lists.
type permissions []string

func (p permissions) MayInvoke(principal, source, function string) bool {
	return principal == "apigateway.amazonaws.com" && slices.Contains(p, source+" "+function)
}

func TestPermission(t *testing.T) {
	var allowed permissions
	r := newRig(t, Config{Invoker: answers7(`{"body":"ok"}`), Permissions: &allowed})
	r.proxy(r.resource("/pets/{id}"), "ANY", functionURI)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	r.expect(r.do("GET", "/prod/pets/1", ""), 500, `{"message":"Internal server error"}`)
	allowed = permissions{"arn:aws:execute-api:us-east-1:000000000000:" + r.id + "/prod/GET/pets/{id} arn:aws:lambda:us-east-1:000000000000:function:hello:live"}
	r.expect(r.do("GET", "/prod/pets/1", ""), 200, "ok")
	r.expect(r.do("POST", "/prod/pets/1", ""), 500, `{"message":"Internal server error"}`)
}

// TestWeightedShare: over 10,000 calls of an alias at 90/10, and of a canary at 20 %, the shares are right (chi-square with
// one degree of freedom below 15.1, which chance passes once in ten thousand runs), and every answer tells the version.
func TestWeightedShare(t *testing.T) {
	routing := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		v := routing.Pick(rand.Float64())
		if strings.HasSuffix(*in.FunctionName, ":green") {
			v = "3"
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"body":"` + v + `"}`), ExecutedVersion: &v}, nil
	})})
	r.proxy(r.root, "GET", functionURI)
	blue := r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	const n = 10_000
	count := func() map[string]int {
		seen := map[string]int{}
		for range n {
			w := r.do("GET", "/prod", "")
			v := w.Header().Get("X-Teal-Executed-Version")
			if w.Code != 200 || v == "" || v != w.Body.String() {
				t.Fatalf("%d %q from version %q", w.Code, w.Body, v)
			}
			seen[v]++
		}
		return seen
	}
	fits := func(what string, got int, share float64) {
		t.Helper()
		expected := n * share
		chi := math.Pow(float64(got)-expected, 2)/expected + math.Pow(float64(got)-expected, 2)/(n-expected)
		if chi > 15.1 {
			t.Errorf("%s: %d of %d, share %v: chi-square %.1f", what, got, n, share, chi)
		}
	}
	fits("version 2", count()["2"], 0.1)

	green := r.deploy(&apigateway.CreateDeploymentInput{CanarySettings: &types.DeploymentCanarySettings{
		PercentTraffic: 20, StageVariableOverrides: map[string]string{"alias": "green"}, UseStageCache: false,
	}})
	st, err := r.c.GetStage(t.Context(), &apigateway.GetStageInput{RestApiId: &r.id, StageName: aws.String("prod")})
	must(t, err)
	if *st.DeploymentId != blue || *st.CanarySettings.DeploymentId != green {
		t.Errorf("the stage serves %s, its canary %s; want %s and %s", *st.DeploymentId, *st.CanarySettings.DeploymentId, blue, green)
	}
	fits("the canary", count()["3"], 0.2)

	op := func(o types.Op, path, from string) types.PatchOperation {
		p := types.PatchOperation{Op: o, Path: &path}
		if from != "" {
			p.From = &from
		}
		return p
	}
	out, err := r.c.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: &r.id, StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{
		op(types.OpCopy, "/deploymentId", "/canarySettings/deploymentId"), op(types.OpCopy, "/variables", "/canarySettings/stageVariableOverrides"), op(types.OpRemove, "/canarySettings", ""),
	}})
	must(t, err)
	if *out.DeploymentId != green || out.CanarySettings != nil || out.Variables["alias"] != "green" {
		t.Errorf("promoted to %+v", out)
	}
	if seen := count(); seen["3"] != n {
		t.Errorf("after the promotion: %v", seen)
	}
}

func TestCustomLambda(t *testing.T) {
	var got string
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		got = string(in.Payload)
		if strings.Contains(got, "boom") {
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"[NotFound] no boom"}`), ExecutedVersion: aws.String("7")}, nil
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"total":3,"items":["a","b"]}`), ExecutedVersion: aws.String("7")}, nil
	})})
	id := r.resource("/orders/{id}")
	r.method(id, "POST", &apigateway.PutIntegrationInput{
		Type: types.IntegrationTypeAws, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(functionURI), PassthroughBehavior: aws.String("NEVER"),
		RequestTemplates: map[string]string{"application/json": `#set($in = $input.path('$'))
{"id": "$input.params('id')", "name": "$util.escapeJavaScript($in.name)", "all": $input.json('$'), "stage": "$context.stage", "v": "$stageVariables.alias", "none": "$context.nothing"}`},
	})
	r.response(id, "POST", "200", map[string]bool{"method.response.header.X-Total": true, "method.response.header.X-Const": true}, &apigateway.PutIntegrationResponseInput{
		ResponseParameters: map[string]string{"method.response.header.X-Total": "integration.response.body.total", "method.response.header.X-Const": "'fixed'"},
		ResponseTemplates:  map[string]string{"application/json": `[#foreach($i in $input.path('$.items'))"$i"#if($foreach.hasNext),#end#end]`},
	})
	r.response(id, "POST", "404", nil, &apigateway.PutIntegrationResponseInput{
		SelectionPattern:  aws.String(`\[NotFound\].*`),
		ResponseTemplates: map[string]string{"application/json": `#set($context.responseOverride.header.X-Over = "yes"){"error": $input.json('$.errorMessage')}`},
	})
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	w := r.do("POST", "/prod/orders/5", `{"name":"O'Hara"}`)
	r.expect(w, 200, `["a","b"]`)
	if w.Header().Get("X-Total") != "3" || w.Header().Get("X-Const") != "fixed" || w.Header().Get("X-Teal-Executed-Version") != "7" {
		t.Error(w.Header())
	}
	if want := `{"id": "5", "name": "O\'Hara", "all": {"name":"O'Hara"}, "stage": "prod", "v": "live", "none": ""}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	w = r.do("POST", "/prod/orders/5", `{"name":"boom"}`)
	r.expect(w, 404, `{"error": "[NotFound] no boom"}`)
	if w.Header().Get("X-Over") != "yes" {
		t.Error(w.Header())
	}
	r.expect(r.do("POST", "/prod/orders/5", "x", "Content-Type", "text/plain"), 415, `{"message":"Unsupported Media Type"}`)
	_, err := r.c.UpdateIntegration(t.Context(), &apigateway.UpdateIntegrationInput{RestApiId: &r.id, ResourceId: &id, HttpMethod: aws.String("POST"), PatchOperations: []types.PatchOperation{
		{Op: types.OpReplace, Path: aws.String("/requestTemplates/application~1json"), Value: aws.String("$util.frobnicate('x')")},
	}})
	refusedWith(t, err, "BadRequestException", "$util.frobnicate is not supported")
}

func refusedWith(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("%v, want %s with %q", err, code, message)
	}
}

func TestMockAndGatewayResponses(t *testing.T) {
	r := newRig(t, Config{})
	r.method(r.root, "OPTIONS", &apigateway.PutIntegrationInput{Type: types.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 204}`}})
	r.response(r.root, "OPTIONS", "204", map[string]bool{"method.response.header.Access-Control-Allow-Origin": true}, &apigateway.PutIntegrationResponseInput{
		ResponseParameters: map[string]string{"method.response.header.Access-Control-Allow-Origin": "'*'"},
	})
	_, err := r.c.PutGatewayResponse(t.Context(), &apigateway.PutGatewayResponseInput{
		RestApiId: &r.id, ResponseType: types.GatewayResponseTypeMissingAuthenticationToken, StatusCode: aws.String("404"),
		ResponseParameters: map[string]string{"gatewayresponse.header.X-Why": "'none'"},
		ResponseTemplates:  map[string]string{"application/json": `{"e": $context.error.messageString, "p": "$context.path"}`},
	})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{})
	w := r.do("OPTIONS", "/prod", "")
	r.expect(w, 204, "")
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error(w.Header())
	}
	w = r.do("GET", "/prod/x", "")
	r.expect(w, 404, `{"e": "Missing Authentication Token", "p": "/prod/x"}`)
	if w.Header().Get("X-Why") != "none" || w.Header().Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Error(w.Header())
	}
}

func TestAuthorizers(t *testing.T) {
	asked := 0
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if !strings.Contains(*in.FunctionName, ":gate") {
			return &lambda.InvokeOutput{Payload: []byte(`{"body":"in"}`), ExecutedVersion: aws.String("7")}, nil
		}
		asked++
		var e struct{ AuthorizationToken, MethodArn string }
		if err := json.Unmarshal(in.Payload, &e); err != nil {
			return nil, err
		}
		switch e.AuthorizationToken {
		case "broken":
			return &lambda.InvokeOutput{Payload: []byte(`{}`)}, nil
		case "nobody":
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"Unauthorized"}`)}, nil
		}
		effect := map[bool]string{true: "Allow", false: "Deny"}[e.AuthorizationToken == "good"]
		return &lambda.InvokeOutput{Payload: []byte(`{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"` + e.MethodArn + `"}]},"context":{"n":1}}`), ExecutedVersion: aws.String("1")}, nil
	})})
	au, err := r.c.CreateAuthorizer(t.Context(), &apigateway.CreateAuthorizerInput{
		RestApiId: &r.id, Name: aws.String("gate"), Type: types.AuthorizerTypeToken, IdentitySource: aws.String("method.request.header.Authorization"),
		AuthorizerUri: aws.String(strings.Replace(functionURI, "hello:${stageVariables.alias}", "gate", 1)), AuthorizerResultTtlInSeconds: aws.Int32(60),
	})
	must(t, err)
	get := "GET"
	_, err = r.c.PutMethod(t.Context(), &apigateway.PutMethodInput{RestApiId: &r.id, ResourceId: &r.root, HttpMethod: &get, AuthorizationType: aws.String("CUSTOM"), AuthorizerId: au.Id})
	must(t, err)
	_, err = r.c.PutIntegration(t.Context(), &apigateway.PutIntegrationInput{RestApiId: &r.id, ResourceId: &r.root, HttpMethod: &get, Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(functionURI)})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	r.expect(r.do("GET", "/prod", ""), 401, `{"message":"Unauthorized"}`)
	for range 3 {
		w := r.do("GET", "/prod", "", "Authorization", "good")
		r.expect(w, 200, "in")
		if v := w.Header().Get("X-Teal-Executed-Version"); v != "7" {
			t.Errorf("version %s", v)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within the time to live", asked)
	}
	r.clock.t = r.clock.t.Add(61 * time.Second)
	r.expect(r.do("GET", "/prod", "", "Authorization", "good"), 200, "in")
	if asked != 2 {
		t.Errorf("asked %d times after the time to live", asked)
	}
	r.expect(r.do("GET", "/prod", "", "Authorization", "bad"), 403, `{"Message":"User is not authorized to access this resource"}`)
	r.expect(r.do("GET", "/prod", "", "Authorization", "nobody"), 401, `{"message":"Unauthorized"}`)
	r.expect(r.do("GET", "/prod", "", "Authorization", "broken"), 500, `{"message":null}`)
}

func TestThrottlingAndValidation(t *testing.T) {
	r := newRig(t, Config{Invoker: answers7(`{"body":"ok"}`)})
	ctx := t.Context()
	_, err := r.c.CreateModel(ctx, &apigateway.CreateModelInput{RestApiId: &r.id, Name: aws.String("Pet"), ContentType: aws.String("application/json"), Schema: aws.String(`{"type":"object","required":["name"]}`)})
	must(t, err)
	v, err := r.c.CreateRequestValidator(ctx, &apigateway.CreateRequestValidatorInput{RestApiId: &r.id, Name: aws.String("all"), ValidateRequestBody: true, ValidateRequestParameters: true})
	must(t, err)
	id := r.resource("/pets")
	post := "POST"
	_, err = r.c.PutMethod(ctx, &apigateway.PutMethodInput{
		RestApiId: &r.id, ResourceId: &id, HttpMethod: &post, AuthorizationType: aws.String("NONE"), RequestValidatorId: v.Id,
		RequestModels: map[string]string{"application/json": "Pet"}, RequestParameters: map[string]bool{"method.request.querystring.q": true},
	})
	must(t, err)
	_, err = r.c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &r.id, ResourceId: &id, HttpMethod: &post, Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: &post, Uri: aws.String(functionURI)})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	r.expect(r.do("POST", "/prod/pets", `{"name":"a"}`), 400, `{"message":"Missing required request parameters: [q]"}`)
	r.expect(r.do("POST", "/prod/pets?q=1", `{"nom":"a"}`), 400, `{"message":"Invalid request body"}`)
	r.expect(r.do("POST", "/prod/pets?q=1", `{"name":"a"}`), 200, "ok")
	set := func(path, value string) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: &path, Value: &value}
	}
	_, err = r.c.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &r.id, StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{
		set("/~1pets/POST/throttling/rateLimit", "1"), set("/~1pets/POST/throttling/burstLimit", "2"),
	}})
	must(t, err)
	for range 2 {
		r.expect(r.do("POST", "/prod/pets?q=1", `{"name":"a"}`), 200, "ok")
	}
	r.expect(r.do("POST", "/prod/pets?q=1", `{"name":"a"}`), 429, `{"message":"Too Many Requests"}`)
	r.clock.t = r.clock.t.Add(time.Second)
	r.expect(r.do("POST", "/prod/pets?q=1", `{"name":"a"}`), 200, "ok")
	r.expect(r.do("POST", "/prod/pets?q=1", `{"name":"a"}`), 429, `{"message":"Too Many Requests"}`)
}

func TestHTTPOnThisMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Path", q.URL.RequestURI())
		w.WriteHeader(202)
		_, _ = w.Write([]byte("from there"))
	}))
	defer server.Close()
	r := newRig(t, Config{})
	id := r.resource("/{proxy+}")
	r.method(id, "ANY", &apigateway.PutIntegrationInput{
		Type: types.IntegrationTypeHttpProxy, IntegrationHttpMethod: aws.String("ANY"), Uri: aws.String(server.URL + "/base/{proxy}"),
		RequestParameters: map[string]string{"integration.request.path.proxy": "method.request.path.proxy"},
	})
	r.deploy(&apigateway.CreateDeploymentInput{})
	w := r.do("PUT", "/prod/a/b?x=1", "body")
	r.expect(w, 202, "from there")
	if p := w.Header().Get("X-Path"); p != "/base/a/b?x=1" {
		t.Error(p)
	}
	_, err := r.c.PutIntegration(t.Context(), &apigateway.PutIntegrationInput{RestApiId: &r.id, ResourceId: &id, HttpMethod: aws.String("ANY"), Type: types.IntegrationTypeHttp, IntegrationHttpMethod: aws.String("GET"), Uri: aws.String("http://example.com/")})
	refusedWith(t, err, "BadRequestException", "not on this machine")
}

// steps is a Step Functions of one action.
type steps struct{}

func (steps) StartExecution(_ context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(*in.StateMachineArn + "/" + *in.Input), StartDate: aws.Time(time.Unix(1, 0))}, nil
}

func TestStepFunctions(t *testing.T) {
	states := &awsproto.Service{
		Name: "states", Target: "AWSStepFunctions", Protocols: []awsproto.Protocol{awsproto.AWSJSON10}, Naming: awsproto.LowerCamel,
		Operations: []awsproto.Operation{awsproto.Op(steps{}.StartExecution)},
	}
	r := newRig(t, Config{States: func() *awsproto.Service { return states }})
	in := func(action string) *apigateway.PutIntegrationInput {
		return &apigateway.PutIntegrationInput{
			Type: types.IntegrationTypeAws, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String("arn:aws:apigateway:us-east-1:states:action/" + action),
			Credentials:      aws.String("arn:aws:iam::000000000000:role/r"),
			RequestTemplates: map[string]string{"application/json": `{"stateMachineArn": "machine", "input": "$util.escapeJavaScript($input.json('$'))"}`},
		}
	}
	r.method(r.root, "POST", in("StartExecution"))
	r.response(r.root, "POST", "200", nil, &apigateway.PutIntegrationResponseInput{})
	r.deploy(&apigateway.CreateDeploymentInput{})
	r.expect(r.do("POST", "/prod", `{"a":"b"}`), 200, `{"executionArn":"machine/{\"a\":\"b\"}","startDate":1}`)
	other := in("CreateActivity")
	other.RestApiId, other.ResourceId, other.HttpMethod = &r.id, &r.root, aws.String("POST")
	_, err := r.c.PutIntegration(t.Context(), other)
	refusedWith(t, err, "BadRequestException", "CreateActivity of Step Functions is not supported")
}

func TestBinary(t *testing.T) {
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		var e struct {
			Body            string
			IsBase64Encoded bool
		}
		err := json.Unmarshal(in.Payload, &e)
		if !e.IsBase64Encoded {
			e.Body = base64.StdEncoding.EncodeToString([]byte(e.Body))
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"isBase64Encoded":true,"headers":{"Content-Type":"image/png"},"body":"` + e.Body + `"}`)}, err
	})})
	_, err := r.c.UpdateRestApi(t.Context(), &apigateway.UpdateRestApiInput{RestApiId: &r.id, PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/binaryMediaTypes/image~1*")}}})
	must(t, err)
	r.proxy(r.root, "POST", functionURI)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	r.expect(r.do("POST", "/prod", "\x89PNG\xff", "Content-Type", "image/png"), 200, "\x89PNG\xff")
}
