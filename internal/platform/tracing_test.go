package platform

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	resttypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/trace"
)

// span is one as a collector gets it.
type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Attributes                          []struct {
		Key   string
		Value map[string]any
	}
}

func (s span) String() string {
	return fmt.Sprintf("%s %s, %s below %q, %v", s.TraceID, s.Name, s.SpanID, s.ParentSpanID, s.Attributes)
}

func (s span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			for _, v := range a.Value {
				return fmt.Sprint(v)
			}
		}
	}
	return ""
}

// collector is a fake of what takes traces by OTLP.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []span
}

func collect(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spans = append(c.spans, body.ResourceSpans[0].ScopeSpans[0].Spans...)
	}))
	t.Cleanup(c.Close)
	return c
}

// trace gives the spans of the trace that has one of this name with this attribute, by their names.
func (c *collector) trace(t *testing.T, name, key, value string) map[string]span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	by := map[string]span{}
	for _, first := range c.spans {
		if first.Name != name || first.attribute(key) != value {
			continue
		}
		for _, s := range c.spans {
			if s.TraceID != first.TraceID {
				continue
			}
			if was, twice := by[s.Name]; twice {
				t.Errorf("two spans %s:\n%v\n%v", s.Name, was, s)
			}
			by[s.Name] = s
		}
		return by
	}
	t.Fatalf("no span %s with %s = %s in %v", name, key, value, c.spans)
	return nil
}

// One trace leads through a gateway to the function, and through an execution and its task to the function, though the
// platform ends in the middle of it.
func TestTraces(t *testing.T) {
	c := collect(t)
	r := start(t, Config{Traces: trace.Config{Endpoint: c.URL + "/v1/traces"}})
	ctx := t.Context()
	r.create("shop", nil)
	one := r.publish("shop", map[string]string{"RELEASE": "1"})
	live, err := r.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: aws.String("shop"), Name: aws.String("live"), FunctionVersion: &one})
	must(t, err)
	two := strings.TrimSuffix(*live.AliasArn, "live") + r.publish("shop", map[string]string{"ANSWER": `{"statusCode":200}`}) // a REST API takes no other answer
	for _, called := range []string{*live.AliasArn, two} {
		_, err = r.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
			FunctionName: &called, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		})
		must(t, err)
	}
	flow, err := r.states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String("flow"), RoleArn: aws.String(role), Publish: true,
		Definition: aws.String(`{"StartAt":"Pause","States":{"Pause":{"Type":"Wait","Seconds":1,"Next":"Buy"},"Buy":{"Type":"Task","Resource":"` + *live.AliasArn + `","End":true}}}`),
	})
	must(t, err)
	api, err := r.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("front"), ProtocolType: gatewaytypes.ProtocolTypeHttp})
	must(t, err)
	for route, in := range map[string]*apigatewayv2.CreateIntegrationInput{
		"ANY /shop/{id}": {IntegrationUri: live.AliasArn, PayloadFormatVersion: aws.String("2.0")},
		"POST /flow": {
			IntegrationSubtype: aws.String("StepFunctions-StartExecution"), PayloadFormatVersion: aws.String("1.0"), CredentialsArn: aws.String(role),
			RequestParameters: map[string]string{"StateMachineArn": *flow.StateMachineVersionArn, "Input": "{}"},
		},
	} {
		in.ApiId, in.IntegrationType = api.ApiId, gatewaytypes.IntegrationTypeAwsProxy
		integration, err := r.gateway.CreateIntegration(ctx, in)
		must(t, err)
		_, err = r.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: &route, Target: aws.String("integrations/" + *integration.IntegrationId)})
		must(t, err)
	}
	_, err = r.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)})
	must(t, err)
	url := r.url + "/_aws/execute-api/" + *api.ApiId
	restURL := r.rest(two)

	call := func(method, url string, header ...string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, url, nil)
		must(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, body, err)
		}
		return string(body)
	}
	saw := call("GET", url+"/shop/7", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	call("GET", restURL, "X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	call("GET", url+"/shop/8", "X-Amzn-Trace-Id", "Root=1-5759e988-000000000000000000000001;Parent=53995c3f42cd8ad8;Sampled=0")
	var started struct{ ExecutionArn string }
	must(t, json.Unmarshal([]byte(call("POST", url+"/flow")), &started))
	r = r.restart()
	if d := r.ended(ctx, started.ExecutionArn); d.Status != "SUCCEEDED" || !strings.HasPrefix(aws.ToString(d.TraceHeader), "Root=1-") {
		t.Errorf("the execution: %s, trace %q", d.Status, aws.ToString(d.TraceHeader))
	}
	r.stop()

	// What the client began goes on to the function, which is told so.
	by := c.trace(t, "GET /shop/{id}", "aws.apigateway.api.id", *api.ApiId)
	gate, fn := by["GET /shop/{id}"], by["shop"]
	if gate.TraceID != "0af7651916cd43dd8448eb211c80319c" || gate.ParentSpanID != "b7ad6b7169203331" || fn.ParentSpanID != gate.SpanID {
		t.Errorf("gateway %v\nfunction %v", gate, fn)
	}
	if gate.attribute("http.response.status_code") != "200" || fn.attribute("faas.version") != one || fn.attribute("aws.lambda.alias") != "live" || fn.attribute("faas.coldstart") != "true" {
		t.Errorf("gateway %v\nfunction %v", gate, fn)
	}
	if want := "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + gate.SpanID + ";Sampled=1"; !strings.Contains(saw, want) {
		t.Errorf("the function was told %s, not of %s", saw, want)
	}
	// A REST API likewise, by AWS's header.
	by = c.trace(t, "GET /", "aws.apigateway.stage", "prod")
	if gate, fn = by["GET /"], by["shop"]; gate.TraceID != "5759e988bd862e3fe1be46a994272793" || gate.ParentSpanID != "53995c3f42cd8ad8" || fn.ParentSpanID != gate.SpanID {
		t.Errorf("gateway %v\nfunction %v", gate, fn)
	}
	// The execution went on in another process, in the trace that the gateway had begun.
	by = c.trace(t, "flow", "aws.step_functions.execution.arn", started.ExecutionArn)
	gate, fn = by["POST /flow"], by["shop"]
	execution, task := by["flow"], by["Buy"]
	if len(by) != 4 || gate.ParentSpanID != "" || execution.ParentSpanID != gate.SpanID || task.ParentSpanID != execution.SpanID || fn.ParentSpanID != task.SpanID {
		t.Errorf("gateway %v\nexecution %v\ntask %v\nfunction %v", gate, execution, task, fn)
	}
	if execution.attribute("aws.step_functions.state_machine.version") != "1" || execution.attribute("aws.step_functions.execution.status") != "SUCCEEDED" {
		t.Errorf("execution %v", execution)
	}
	for _, s := range c.spans {
		if s.TraceID == "5759e988000000000000000000000001" {
			t.Errorf("a trace that its caller does not keep was kept: %v", s)
		}
	}
}

// rest makes a REST API whose root calls a function, and gives its URL.
func (r *rig) rest(function string) string {
	t, ctx, client := r.t, r.t.Context(), apigateway.NewFromConfig(r.aws)
	api, err := client.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("rest")})
	must(t, err)
	_, err = client.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")})
	must(t, err)
	_, err = client.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), Type: resttypes.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"),
		Uri: aws.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + function + "/invocations"),
	})
	must(t, err)
	_, err = client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")})
	must(t, err)
	return r.url + "/_aws/execute-api/" + *api.Id + "/prod"
}

// Log events have the platform's time, so that they stand beside the execution that they belong to.
func TestLogsHaveThePlatformsTime(t *testing.T) {
	r := start(t, Config{ClockRate: 3000})
	ctx := t.Context()
	r.create("talk", nil)
	_, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("talk")}) // the environment is up from here on
	must(t, err)
	_, begin := r.header()
	_, err = r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("talk")})
	must(t, err)
	_, end := r.header()
	out, err := cloudwatchlogs.NewFromConfig(r.aws).FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/talk"), FilterPattern: aws.String("REPORT")})
	must(t, err)
	if len(out.Events) != 2 {
		t.Fatalf("%d reports, want 2", len(out.Events))
	}
	at := time.UnixMilli(*out.Events[1].Timestamp)
	if slack := 3 * time.Second; at.Before(begin.Add(-slack)) || at.After(end.Add(slack)) { // a millisecond of the machine's is so long
		t.Errorf("the report of an invocation between %v and %v is of %v", begin, end, at)
	}
}
