package apigatewayv2

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/fault"
)

func TestStartExecution(t *testing.T) {
	for _, c := range []struct {
		name       string
		parameters map[string]string
		request    func(r *http.Request)
		body       string
		machine    string
		input, id  *string
	}{
		{"body", map[string]string{"StateMachineArn": machineARN, "Input": "$request.body"}, nil, `{"n":1}`, machineARN, aws.String(`{"n":1}`), nil},
		{"no body", map[string]string{"StateMachineArn": machineARN, "Input": "$request.body"}, nil, "", machineARN, nil, nil},
		{
			"part of the body",
			map[string]string{"StateMachineArn": machineARN, "Input": "$request.body.order", "Name": "$request.body.list[1].id"},
			nil,
			`{"order":{"a":[1]},"list":[0,{"id":"seven"}]}`, machineARN, aws.String(`{"a":[1]}`), aws.String("seven"),
		},
		{"no such part", map[string]string{"StateMachineArn": machineARN, "Name": "$request.body.list[9].id"}, nil, `{"list":[]}`, machineARN, nil, nil},
		{"body is no JSON", map[string]string{"StateMachineArn": machineARN, "Name": "$request.body.a"}, nil, `{`, machineARN, nil, nil},
		{"path", map[string]string{"StateMachineArn": machineARN, "Name": "$request.path.id"}, nil, "", machineARN, nil, aws.String("a b")},
		{"whole path", map[string]string{"StateMachineArn": machineARN, "Name": "$request.path"}, nil, "", machineARN, nil, aws.String("/orders/a b")},
		{"query", map[string]string{"StateMachineArn": machineARN, "Name": "$request.querystring.n"}, nil, "", machineARN, nil, aws.String("1,2")},
		{
			"header",
			map[string]string{"StateMachineArn": machineARN, "Name": "$request.header.x-name"},
			func(r *http.Request) { r.Header["X-Name"] = []string{"p", "q"} }, "", machineARN, nil, aws.String("p,q"),
		},
		{"context", map[string]string{"StateMachineArn": machineARN, "Name": "$context.httpMethod"}, nil, "", machineARN, nil, aws.String("POST")},
		{"stage variable", map[string]string{"StateMachineArn": "${stageVariables.machine}"}, nil, "", "none", nil, nil},
		{
			"template",
			map[string]string{"StateMachineArn": machineARN, "Name": "order-${request.path.id}-${request.querystring.none}-${context.routeKey}", "Region": "us-east-1"},
			nil, "",
			machineARN, nil, aws.String("order-a b--POST /orders/{id}"),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got *sfn.StartExecutionInput
			g := newGateway(t, Config{Starter: starterFunc(func(_ context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
				got = in
				return &sfn.StartExecutionOutput{ExecutionArn: aws.String("arn:x"), StartDate: aws.Time(at)}, nil
			})})
			g.stage("s", map[string]string{"machine": "none"})
			g.addRoute("POST /orders/{id}", g.start(c.parameters))
			r := g.byHost("POST", "/s/orders/a%20b?n=1&n=2", c.body)
			if c.request != nil {
				c.request(r)
			}
			w := g.do(r)
			if w.Code != 200 || w.Body.String() != `{"executionArn":"arn:x","startDate":1773342238.390}` || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %s %v", w.Code, w.Body, w.Header())
			}
			if *got.StateMachineArn != c.machine || !same(got.Input, c.input) || !same(got.Name, c.id) {
				t.Errorf("started %q with %q as %q", *got.StateMachineArn, aws.ToString(got.Input), aws.ToString(got.Name))
			}
		})
	}
}

func same(a, b *string) bool {
	return (a == nil) == (b == nil) && aws.ToString(a) == aws.ToString(b)
}

func TestStartExecutionFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"modelled", &sfntypes.StateMachineDoesNotExist{Message: aws.String("State Machine Does Not Exist: 'x'")}, 400, `{"__type":"StateMachineDoesNotExist","message":"State Machine Does Not Exist: 'x'"}`},
		{"other", context.Canceled, 500, internal500},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, Config{Starter: starterFunc(func(context.Context, *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) { return nil, c.err })})
			g.addRoute("$default", g.start(map[string]string{"StateMachineArn": machineARN}))
			if w := g.do(g.byHost("POST", "/", "{}")); w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("fault", func(t *testing.T) {
		g := newGateway(t, Config{Starter: starterFunc(func(context.Context, *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
			return nil, fault.Validation("no")
		})})
		g.addRoute("$default", g.start(map[string]string{"StateMachineArn": machineARN}))
		if w := g.do(g.byHost("POST", "/", "{}")); w.Code != 400 || w.Body.String() != `{"__type":"ValidationException","message":"no"}` {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, Config{Starter: starterFunc(func(ctx context.Context, _ *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})})
			g.addRoute("$default", g.start(map[string]string{"StateMachineArn": machineARN}))
			begin := time.Now()
			if w := g.do(g.byHost("POST", "/", "{}")); w.Code != 503 || time.Since(begin) != 30*time.Second {
				t.Errorf("got %d after %v", w.Code, time.Since(begin))
			}
		})
	})
	t.Run("no machine", func(t *testing.T) {
		g := newGateway(t, Config{Starter: starterFunc(func(context.Context, *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
			t.Error("started")
			return nil, nil
		})})
		g.addRoute("$default", g.start(map[string]string{"StateMachineArn": "$request.querystring.m"}))
		if w := g.do(g.byHost("POST", "/", "")); w.Code != 400 {
			t.Errorf("got %d", w.Code)
		}
	})
}

func TestMappingsRefused(t *testing.T) {
	for _, m := range []string{
		"$", "$request", "$request.", "$request.foo", "$request.header", "$request.header.", "$request.querystring", "$request.body.", "$request.body..a",
		"$request.body.a[", "$request.body.a[x]", "$request.body.a[-1]", "$request.body.a[0]b", "$request.body.a[?(@.b)]", "$context", "$context.",
		"$context.authorizer.", "$stageVariables.", "$stageVariables.a-b", "x-${request.body", "x-${}", "${foo}", "$body",
	} {
		if _, err := parseMapping(m); err == nil {
			t.Errorf("%q was accepted", m)
		}
	}
}
