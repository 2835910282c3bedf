package apigatewayv2

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

func TestAuthorizerAndThrottling(t *testing.T) {
	asked := 0
	var authorizer struct {
		Type, RouteArn string
		IdentitySource []string
	}
	var about struct {
		RequestContext struct {
			Authorizer struct{ Lambda map[string]any }
		}
	}
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if strings.HasSuffix(*in.FunctionName, ":gate") {
			asked++
			if err := json.Unmarshal(in.Payload, &authorizer); err != nil {
				return nil, err
			}
			answer := `{"isAuthorized":` + map[bool]string{true: "true", false: "false"}[authorizer.IdentitySource[0] == "good"] + `,"context":{"who":"ada"}}`
			return &lambda.InvokeOutput{Payload: []byte(answer)}, nil
		}
		err := json.Unmarshal(in.Payload, &about)
		return &lambda.InvokeOutput{Payload: []byte(`"in"`)}, err
	})})
	ctx := t.Context()
	au, err := g.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{
		ApiId: &g.id, Name: aws.String("gate"), AuthorizerType: gwtypes.AuthorizerTypeRequest, AuthorizerPayloadFormatVersion: aws.String("2.0"),
		AuthorizerUri:         aws.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:gate/invocations"),
		EnableSimpleResponses: aws.Bool(true), IdentitySource: []string{"$request.header.Authorization"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &g.id, RouteKey: aws.String("GET /pets/{id}"), Target: aws.String("integrations/" + g.lambda(functionHello, "2.0", nil)),
		AuthorizationType: gwtypes.AuthorizationTypeCustom, AuthorizerId: au.AuthorizerId,
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(token string) (int, string) {
		q := g.byHost("GET", "/pets/1", "")
		if token != "" {
			q.Header.Set("Authorization", token)
		}
		w := g.do(q)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		token  string
		status int
		body   string
	}{{"", 401, `{"message":"Unauthorized"}`}, {"good", 200, "in"}, {"good", 200, "in"}, {"bad", 403, `{"message":"Forbidden"}`}} {
		if status, body := ask(c.token); status != c.status || body != c.body {
			t.Errorf("%q: %d %s, want %d %s", c.token, status, body, c.status, c.body)
		}
	}
	if asked != 2 {
		t.Errorf("the authorizer was asked %d times", asked)
	}
	if want := "arn:aws:execute-api:us-east-1:000000000000:" + g.id + "/$default/GET/pets/{id}"; authorizer.RouteArn != want || authorizer.Type != "REQUEST" {
		t.Errorf("asked about %+v", authorizer)
	}
	if about.RequestContext.Authorizer.Lambda["who"] != "ada" {
		t.Errorf("the function saw %+v", about)
	}
	_, err = g.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: aws.String("$default"), RouteSettings: map[string]gwtypes.RouteSettings{
		"GET /pets/{id}": {ThrottlingBurstLimit: aws.Int32(1), ThrottlingRateLimit: aws.Float64(1)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := ask("good"); status != 200 {
		t.Error(status)
	}
	if status, body := ask("good"); status != 429 || body != `{"message":"Too Many Requests"}` {
		t.Error(status, body)
	}
}

// syncStarter runs executions at once.
type syncStarter struct{ starterFunc }

func (syncStarter) StartSyncExecution(_ context.Context, in *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error) {
	return &sfn.StartSyncExecutionOutput{
		ExecutionArn: in.StateMachineArn, Status: sfntypes.SyncExecutionStatusSucceeded, Output: in.Input, StartDate: aws.Time(time.Unix(1, 5e8)),
		BillingDetails: &sfntypes.BillingDetails{BilledDurationInMilliseconds: 100, BilledMemoryUsedInMB: 64},
	}, nil
}

func TestSyncExecution(t *testing.T) {
	g := newGateway(t, Config{Starter: syncStarter{}})
	out, err := g.CreateIntegration(t.Context(), &apigatewayv2.CreateIntegrationInput{
		ApiId: &g.id, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationSubtype: aws.String(startSyncExecution), PayloadFormatVersion: aws.String("1.0"),
		CredentialsArn: aws.String(roleARN), RequestParameters: map[string]string{"StateMachineArn": machineARN, "Input": "$request.body"},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.addRoute("POST /run", *out.IntegrationId)
	w := g.do(g.byHost("POST", "/run", `{"a":1}`))
	want := `{"executionArn":"` + machineARN + `","status":"SUCCEEDED","output":"{\"a\":1}","startDate":1.500,"billingDetails":{"billedDurationInMilliseconds":100,"billedMemoryUsedInMB":64}}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
}

// permitted lets everything through or nothing.
type permitted bool

func (p *permitted) MayInvoke(string, string, string) bool { return bool(*p) }

func TestPermission(t *testing.T) {
	p := new(permitted)
	g := newGateway(t, Config{Invoker: echo, Permissions: p})
	g.addRoute("GET /x", g.lambda(functionHello, "2.0", nil))
	if w := g.do(g.byHost("GET", "/x", "")); w.Code != 500 || w.Body.String() != `{"message":"Internal Server Error"}` {
		t.Error(w.Code, w.Body)
	}
	*p = true
	if w := g.do(g.byHost("GET", "/x", "")); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
}
