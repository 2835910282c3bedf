package awsproto

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

func ignore[I, O any](context.Context, *I) (*O, error) { return nil, nil }

// A table that cannot be served whole is refused at the start, by name.
func TestTablesThatAreRefused(t *testing.T) {
	rest := []Protocol{RESTJSON}
	alias := func(opts ...Option) Operation {
		return Op(ignore[lambda.GetAliasInput, lambda.GetAliasOutput], opts...)
	}
	type odd struct{ Channel chan int }
	for _, c := range []struct {
		name  string
		svc   *Service
		wants []string
	}{
		{"no name", &Service{}, []string{"name"}},
		{"no protocol", &Service{Name: "lambda"}, []string{"lambda", "protocol"}},
		{"twice", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias(Schema(lambdaSchema("GetAlias"))), alias(Schema(lambdaSchema("GetAlias")))}}, []string{"GetAlias", "twice"}},
		{"no binding", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias()}}, []string{"GetAlias", "HTTP binding"}},
		{"nil schema", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias(Schema(nil))}}, []string{"GetAlias", "no HTTP binding"}},
		{"same route", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{
			alias(Schema(lambdaSchema("GetAlias"))),
			alias(Schema(lambdaSchema("GetAlias")), Named("Other")),
		}}, []string{"Other", "GetAlias", "/2015-03-31/functions/{FunctionName}/aliases/{Name}"}},
		{"label that is no member", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias(HTTP("GET", "/{Nothing}/{FunctionName}/{Name}", 200))}}, []string{"GetAlias", "Nothing"}},
		{"member without its label", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias(HTTP("GET", "/{Name}", 200))}}, []string{"GetAlias", "FunctionName"}},
		{"bound member that is none", &Service{Name: "apigateway", Protocols: rest, Naming: LowerCamel, Operations: []Operation{
			Op(ignore[apigatewayv2.GetApisInput, apigatewayv2.GetApisOutput], HTTP("GET", "/v2/apis", 200, InQuery("Page", "page"))),
		}}, []string{"GetApis", "Page"}},
		{"bad path", &Service{Name: "lambda", Protocols: rest, Operations: []Operation{alias(HTTP("GET", "/{FunctionName+}/{Name}", 200))}}, []string{"greedy"}},
		{"payload beside a body", &Service{Name: "apigateway", Protocols: rest, Naming: LowerCamel, Operations: []Operation{
			Op(ignore[apigatewayv2.CreateApiInput, apigatewayv2.CreateApiOutput], HTTP("POST", "/v2/apis", 201, InPayload("Tags"))),
		}}, []string{"CreateApi", "Tags"}},
		{"event stream", &Service{Name: "lambda", Protocols: []Protocol{AWSJSON11}, Operations: []Operation{
			Op(ignore[lambda.InvokeWithResponseStreamInput, lambda.InvokeWithResponseStreamOutput]),
		}}, []string{"InvokeWithResponseStream", "event stream"}},
		{"union without variants", &Service{Name: "monitoring", Protocols: []Protocol{RPCV2CBOR}, Operations: []Operation{
			Op(ignore[cloudwatch.PutMetricAlarmInput, cloudwatch.PutMetricAlarmOutput]),
		}}, []string{"PutMetricAlarm", "EvaluationCriteria", "variants"}},
		{"type of no protocol", &Service{Name: "x", Protocols: []Protocol{AWSJSON10}, Operations: []Operation{Op(ignore[odd, odd])}}, []string{"odd", "Channel", "chan int"}},
		{"raw without REST", &Service{Name: "x", Protocols: []Protocol{AWSJSON10}, Operations: []Operation{
			Raw("Get", HTTP("GET", "/", 200), func(http.ResponseWriter, *http.Request) {}),
		}}, []string{"Get", "restJson1"}},
	} {
		_, err := NewMux(Config{}, c.svc)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, want := range c.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error has no %q: %v", c.name, want, err)
			}
		}
	}
	var unsupported *UnsupportedTypeError
	if _, err := NewMux(Config{}, &Service{Name: "x", Protocols: []Protocol{AWSJSON10}, Operations: []Operation{Op(ignore[odd, odd])}}); !errors.As(err, &unsupported) {
		t.Errorf("an unsupported type gives a %T", err)
	}
	if _, err := NewMux(Config{}, &Service{Name: "a", Target: "T", Protocols: []Protocol{AWSJSON10}}, &Service{Name: "b", Target: "T", Protocols: []Protocol{AWSJSON10}}); err == nil {
		t.Error("two services with one target are accepted")
	}
}

func TestRoutes(t *testing.T) {
	r := newRouter()
	for name, route := range map[string]string{
		"list": "GET /v/things", "find": "GET /v/things?find=one", "get": "GET /v/things/{Id}", "latest": "GET /v/things/latest",
		"part": "GET /v/things/{Id}/parts/{Part}", "fixed": "GET /v/things/latest/state", "tree": "GET /v/files/{Path+}", "put": "PUT /v/things/{Id}", "root": "POST /",
	} {
		method, path, _ := strings.Cut(route, " ")
		segs, query, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.add(&operation{name: name, http: &httpBinding{method: method, path: path}, rest: &restPlan{segments: segs, query: query}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/v/things", "list"},
		{"GET", "/v/things/", "list"},
		{"GET", "/v/things?find=one&x=2", "find"},
		{"GET", "/v/things?find=other", "list"},
		{"GET", "/v/things/latest", "latest"},
		{"GET", "/v/things/newest", "get newest"},
		{"GET", "/v/things/a%2Fb%3Ac", "get a/b:c"},
		{"GET", "/v/things/a:b", "get a:b"},
		{"GET", "/v/things/latest/parts/7", "part latest 7"}, // goes back to the label
		{"GET", "/v/things/latest/state", "fixed"},
		{"GET", "/v/things/x/state", ""},
		{"GET", "/v/things//parts/7", ""},
		{"GET", "/v/files/a/b%20c/d", "tree a/b c/d"},
		{"GET", "/v/files", ""},
		{"PUT", "/v/things/1", "put 1"},
		{"PUT", "/v/things", ""},
		{"DELETE", "/v/things/1", ""},
		{"POST", "/", "root"},
		{"GET", "/", ""},
	} {
		u, err := url.Parse("http://h" + c.target)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if op, labels := r.match(c.method, u); op != nil {
			got = strings.Join(append([]string{op.name}, labels...), " ")
		}
		if got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.target, got, c.want)
		}
	}
}

// A document as it was answered once can be read back into the SDK's type.
func TestDecodeAndEncodeJSON(t *testing.T) {
	const doc = `{"id":3,"previousEventId":2,"timestamp":1700000000.123,"type":"TaskStateEntered",` +
		`"stateEnteredEventDetails":{"name":"Pay","input":"{\"a\":\"<é>\"}","inputDetails":{"truncated":false}},"unknown":[{}]}`
	var e sfntypes.HistoryEvent
	if err := DecodeJSON(LowerCamel, []byte(doc), &e); err != nil {
		t.Fatal(err)
	}
	want := sfntypes.HistoryEvent{
		Id: 3, PreviousEventId: 2, Timestamp: aws.Time(time.UnixMilli(1_700_000_000_123).UTC()), Type: sfntypes.HistoryEventTypeTaskStateEntered,
		StateEnteredEventDetails: &sfntypes.StateEnteredEventDetails{
			Name: aws.String("Pay"), Input: aws.String(`{"a":"<é>"}`),
			InputDetails: &sfntypes.HistoryEventExecutionDataDetails{},
		},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("read %+v", e)
	}
	for _, v := range []any{e, &e} {
		b, err := EncodeJSON(LowerCamel, v)
		if err != nil {
			t.Fatal(err)
		}
		const wrote = `{"id":3,"timestamp":1700000000.123,"type":"TaskStateEntered","previousEventId":2,` +
			`"stateEnteredEventDetails":{"name":"Pay","input":"{\"a\":\"<é>\"}","inputDetails":{"truncated":false}}}`
		if string(b) != wrote {
			t.Errorf("wrote %s", b)
		}
	}
	for _, err := range []error{
		DecodeJSON(LowerCamel, []byte(`{"id":"3"}`), &e),
		DecodeJSON(LowerCamel, []byte(`{}`), e),
		DecodeJSON(LowerCamel, []byte(`{}`), nil),
		DecodeJSON(LowerCamel, []byte(`{}`), new(chan int)),
		DecodeJSON(Naming(9), []byte(`{}`), &e),
	} {
		if err == nil {
			t.Error("a bad document or target was accepted")
		}
	}
	if _, err := EncodeJSON(LowerCamel, nil); err == nil {
		t.Error("nil was encoded")
	}
}

// The times that go out come back, to the millisecond, in each format that has it.
func TestTimestamps(t *testing.T) {
	for _, ms := range []int64{0, 1, 999, 1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_010, 1_795_260_720_999, -1, -1500} {
		at := time.UnixMilli(ms).UTC()
		for _, format := range []TimeFormat{EpochSeconds, DateTime, HTTPDate} {
			text := string(appendTime(nil, at, format))
			got, ok := parseTime(text, format)
			want := at
			if format == HTTPDate {
				want = at.Truncate(time.Second)
				if ms < 0 {
					continue // HTTP dates of before 1970 have a second only, rounded down
				}
			}
			if !ok || !got.Equal(want) {
				t.Errorf("%d ms as %q came back as %v (%v)", ms, text, got, ok)
			}
		}
	}
	for _, bad := range []string{"", "yesterday", "1e300", "NaN", "-99999999999999", "2026-13-01T00:00:00Z", "12:00"} {
		if got, ok := parseTime(bad, DateTime); ok {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestCallOf(t *testing.T) {
	var got Call
	svc := &Service{Name: "states", Target: "AWSStepFunctions", Protocols: []Protocol{AWSJSON10}, Naming: LowerCamel, Operations: []Operation{
		Op(func(ctx context.Context, _ *sfn.ListStateMachinesInput) (*sfn.ListStateMachinesOutput, error) {
			got = CallOf(ctx)
			return nil, nil
		}),
	}}
	res, _ := send(t, newMux(t, Config{}, svc), "POST", "http://teal.test/", "{}", jsonTarget, "AWSStepFunctions.ListStateMachines", authorization, scoped("states"))
	if got.RequestID != res.Header.Get("X-Amzn-Requestid") || got.AccessKeyID != "AKID" || got.Region != "us-east-1" || got.Host != "teal.test" {
		t.Errorf("got %+v", got)
	}
	if outside := CallOf(t.Context()); !reflect.DeepEqual(outside, Call{}) {
		t.Errorf("outside of a request: %+v", outside)
	}
}

type discardWriter struct{ h http.Header }

func (w discardWriter) Header() http.Header         { return w.h }
func (w discardWriter) WriteHeader(int)             {}
func (w discardWriter) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkStartExecution(b *testing.B) {
	svc := &Service{Name: "states", Target: "AWSStepFunctions", Protocols: []Protocol{AWSJSON10}, Naming: LowerCamel, Operations: []Operation{
		Op(func(_ context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
			return &sfn.StartExecutionOutput{ExecutionArn: in.StateMachineArn, StartDate: aws.Time(time.UnixMilli(1_700_000_000_123))}, nil
		}),
	}}
	mux, err := NewMux(Config{}, svc)
	if err != nil {
		b.Fatal(err)
	}
	body := fmt.Appendf(nil, `{"stateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:orders","input":%q,"name":"x"}`, `{"order":{"id":1,"items":["a","b"]}}`)
	u := &url.URL{Path: "/"}
	h := http.Header{"X-Amz-Target": {"AWSStepFunctions.StartExecution"}, "Content-Type": {json10}, "Authorization": {scoped("states")}}
	b.ReportAllocs()
	for b.Loop() {
		mux.ServeHTTP(discardWriter{http.Header{}}, &http.Request{Method: "POST", URL: u, Header: h, Body: restored(body), ContentLength: int64(len(body))})
	}
}
