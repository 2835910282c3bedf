package awsproto

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
)

func toyMux(t *testing.T, cfg Config) *Mux {
	return newMux(t, cfg, toyLambda(), toyStates(), toyMetrics(), toySTS())
}

const (
	jsonTarget    = "X-Amz-Target"
	jsonType      = "Content-Type"
	json10        = "application/x-amz-json-1.0"
	form          = "application/x-www-form-urlencoded"
	authorization = "Authorization"
)

// How requests are told apart and what goes over the wire, byte by byte.
func TestWire(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	mux := toyMux(t, Config{Logger: log, Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Amzn-Requestid", "-")
		w.Header().Set("X-Amz-Request-Id", "-")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "fallback "+string(b))
	})})
	describe := "AWSStepFunctions.DescribeStateMachine"
	for _, c := range []struct {
		name           string
		method, target string
		body           string
		headers        []string
		status         int
		want           string // regular expression of the body
		wantHeaders    []string
	}{
		{
			"json", "POST", "/", `{"stateMachineArn":"a\u00e9\ud83d\ude00\n","extra":[{"x":[1,null,"\t"]}]}`,
			[]string{jsonTarget, describe, jsonType, json10},
			200,
			`^\{"name":"aé😀\\n"\}$`,
			[]string{"Content-Type", json10},
		},
		{"json without a body", "POST", "/", "", []string{jsonTarget, describe}, 200, `^\{\}$`, nil},
		{
			"json exception", "POST", "/", `{"stateMachineArn":"no-machine"}`,
			[]string{jsonTarget, describe},
			400,
			`^\{"__type":"StateMachineDoesNotExist","message":"State Machine Does Not Exist: 'x'"\}$`, nil,
		},
		{
			"json fault", "POST", "/", `{"stateMachineArn":"fault"}`,
			[]string{jsonTarget, describe},
			400,
			`^\{"__type":"ValidationException","Type":"User","message":"1 validation error <detected>"\}$`, nil,
		},
		{"json unknown operation", "POST", "/", `{}`, []string{jsonTarget, "AWSStepFunctions.Dance"}, 400, `^\{"__type":"UnknownOperationException","message":"[^"]*states[^"]*Dance`, nil},
		{"json unknown service", "POST", "/", `{}`, []string{jsonTarget, "DynamoDB_20120810.ListTables"}, 400, `UnknownOperationException.*DynamoDB_20120810.*ListTables.*lambda, monitoring, states, sts`, nil},
		{"json, secret error", "POST", "/", `{"stateMachineArn":"secret"}`, []string{jsonTarget, describe}, 500, `^\{"__type":"InternalFailure","message":"The request processing has failed`, nil},
		{"json, panic", "POST", "/", `{"stateMachineArn":"panic"}`, []string{jsonTarget, describe}, 500, `^\{"__type":"InternalFailure"`, nil},
		{"json, numbers", "POST", "/", `{"maxResults":5e0,"executionArn":"x"}`, []string{jsonTarget, "AWSStepFunctions.GetExecutionHistory"}, 200, `^\{"events":\[\{"id":5,"previousEventId":0\}\]\}$`, nil},

		{"malformed", "POST", "/", `{"stateMachineArn":`, []string{jsonTarget, describe}, 400, `"SerializationException","message":"Unexpected end`, nil},
		{"trailing data", "POST", "/", `{} x`, []string{jsonTarget, describe}, 400, `SerializationException.*'x'.*offset 3`, nil},
		{"trailing comma", "POST", "/", `{"a":[1,]}`, []string{jsonTarget, describe}, 400, "SerializationException", nil},
		{"not UTF-8", "POST", "/", "{\"stateMachineArn\":\"\xff\"}", []string{jsonTarget, describe}, 400, "SerializationException.*UTF-8", nil},
		{"no object", "POST", "/", `"text"`, []string{jsonTarget, describe}, 400, "SerializationException", nil},
		{"number for a string", "POST", "/", `{"stateMachineArn":5}`, []string{jsonTarget, describe}, 400, "NUMBER_VALUE can not be converted to a String", nil},
		{"structure for a string", "POST", "/", `{"stateMachineArn":{}}`, []string{jsonTarget, describe}, 400, "Start of structure or map found where not expected", nil},
		{"list for a string", "POST", "/", `{"stateMachineArn":[]}`, []string{jsonTarget, describe}, 400, "Start of list found where not expected", nil},
		{"string for a number", "POST", "/", `{"maxResults":"5"}`, []string{jsonTarget, "AWSStepFunctions.GetExecutionHistory"}, 400, "STRING_VALUE can not be converted to an Integer", nil},
		{"too large a number", "POST", "/", `{"maxResults":2147483648}`, []string{jsonTarget, "AWSStepFunctions.GetExecutionHistory"}, 400, "NUMBER_VALUE can not be converted to an Integer", nil},
		{"fraction for an integer", "POST", "/", `{"maxResults":1.5}`, []string{jsonTarget, "AWSStepFunctions.GetExecutionHistory"}, 400, "NUMBER_VALUE can not be converted to an Integer", nil},
		{"string for a list", "POST", "/", `{"tags":"x"}`, []string{jsonTarget, "AWSStepFunctions.CreateStateMachine"}, 400, "Expected list or null", nil},
		{"number for a structure", "POST", "/", `{"loggingConfiguration":1}`, []string{jsonTarget, "AWSStepFunctions.CreateStateMachine"}, 400, "Expected structure or null", nil},
		{"string for a boolean", "POST", "/", `{"publish":"true"}`, []string{jsonTarget, "AWSStepFunctions.CreateStateMachine"}, 400, "STRING_VALUE can not be converted to a Boolean", nil},
		{"nested too deep", "POST", "/", `{"x":` + strings.Repeat("[", 5000), []string{jsonTarget, describe}, 400, "SerializationException.*deeper than 100", nil},
		{"too many members", "POST", "/", `{"tags":[` + strings.Repeat("{},", 1<<18) + `{}]}`, []string{jsonTarget, "AWSStepFunctions.CreateStateMachine"}, 400, "more than 262144 list members", nil},

		{
			"rest", "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/aliases", `{"Name":"live","FunctionName":"other","RoutingConfig":{"AdditionalVersionWeights":{"2":0.1}}}`,
			[]string{authorization, scoped("lambda")},
			201, `^\{"AliasArn":"arn:aws:lambda:us-east-1:1:function:f","Name":"live","RoutingConfig":\{"AdditionalVersionWeights":\{"2":0.1\}\}\}$`,
			[]string{"Content-Type", "application/json"},
		},
		{"rest, no content", "DELETE", "/2015-03-31/functions/f/aliases/live", "", []string{authorization, scoped("lambda")}, 204, "^$", nil},
		{"rest, query and a slash at the end", "GET", "/2015-03-31/functions/?FunctionVersion=ALL&Marker=a%2Fb+c", "", []string{authorization, scoped("lambda")}, 200, `^\{"NextMarker":"ALL a/b c"\}$`, nil},
		{"rest, unsigned", "GET", "/2015-03-31/functions", "", nil, 200, "NextMarker", nil},
		{"rest, bad number", "GET", "/2015-03-31/functions?MaxItems=many", "", nil, 400, `"STRING_VALUE can not be converted to an Integer"`, []string{"X-Amzn-Errortype", "SerializationException"}},
		{"rest exception", "GET", "/2015-03-31/functions/missing", "", nil, 404, `^\{"Message":"Function not found: missing","Type":"User"\}$`, []string{"X-Amzn-Errortype", "ResourceNotFoundException", "Content-Type", "application/json"}},
		{"rest fault", "GET", "/2015-03-31/functions/fault", "", nil, 400, `^\{"Type":"User","message":"1 validation error <detected>"\}$`, []string{"X-Amzn-Errortype", "ValidationException"}},
		{"rest, secret error", "GET", "/2015-03-31/functions/secret", "", nil, 500, `^\{"message":"The request processing has failed`, []string{"X-Amzn-Errortype", "InternalFailure"}},
		{"rest, unknown", "PUT", "/2015-03-31/functions/f/dance", "", []string{authorization, scoped("lambda")}, 404, "lambda.*PUT /2015-03-31/functions/f/dance", []string{"X-Amzn-Errortype", "UnknownOperationException"}},
		{"rest, empty label", "GET", "/2015-03-31/functions//aliases", "", []string{authorization, scoped("lambda")}, 404, "", []string{"X-Amzn-Errortype", "UnknownOperationException"}},
		{"rest, body too large", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"` + strings.Repeat("x", 5000) + `"}`, nil, 413, "Request must be smaller than 4096 bytes for the CreateAlias operation", []string{"X-Amzn-Errortype", "RequestEntityTooLargeException"}},
		{"raw", "POST", "/2015-03-31/functions/f%2Fg/invocations", "payload", nil, 200, `^f/g payload [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, []string{"X-Amz-Executed-Version", "7"}},
		{
			"raw exception", "POST", "/2015-03-31/functions/throttled/invocations", "", nil, 429, `^\{"Reason":"CallerRateLimitExceeded","message":"Rate Exceeded."\}$|^\{"message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded"\}$`,
			[]string{"X-Amzn-Errortype", "TooManyRequestsException", "Retry-After", "2"},
		},
		{"raw, body too large", "POST", "/2015-03-31/functions/f/invocations", strings.Repeat("x", 5000), nil, 413, "Invoke operation", nil},
		{"raw, panic", "POST", "/2015-03-31/functions/panic/invocations", "", nil, 500, "The request processing has failed", nil},

		{
			"query", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15",
			[]string{jsonType, form, authorization, scoped("sts")},
			200,
			`^<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>[-0-9a-f]{36}</RequestId></ResponseMetadata></GetCallerIdentityResponse>$`,
			[]string{"Content-Type", "text/xml"},
		},
		{"query, unsigned", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", []string{jsonType, form + "; charset=utf-8"}, 200, "123456789012", nil},
		{"query, in the URL", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "", nil, 200, "123456789012", nil},
		{
			"query, lists and times", "POST", "/", "Action=GetMetricStatistics&Version=2010-08-01&MetricName=a%26b&StartTime=2026-11-03T10:00:00.5Z&Dimensions.member.2.Name=x&Dimensions.member.1.Name=y",
			[]string{jsonType, form, authorization, scoped("monitoring")},
			200,
			`<Datapoints><member><ExtendedStatistics><entry><key>p99</key><value>1.5</value></entry></ExtendedStatistics><Sum>2</Sum><Timestamp>2026-11-03T10:00:00.5Z</Timestamp></member></Datapoints><Label>a&amp;b</Label>`, nil,
		},
		{
			"query exception", "POST", "/", "Action=GetDashboard&Version=2010-08-01&DashboardName=bad-parameter",
			[]string{jsonType, form},
			400,
			`^<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>The value x for parameter y is invalid.</Message></Error><RequestId>[-0-9a-f]{36}</RequestId></ErrorResponse>$`, nil,
		},
		{"query exception with members", "POST", "/", "Action=GetDashboard&Version=2010-08-01&DashboardName=no-metric", []string{jsonType, form}, 404, `<ResourceType>Dashboard</ResourceType>`, nil},
		{"query, server fault", "POST", "/", "Action=GetDashboard&Version=2010-08-01&DashboardName=server-fault", []string{jsonType, form}, 500, `<Type>Receiver</Type><Code>ServiceException</Code>`, nil},
		{"query, escaping", "POST", "/", "Action=GetDashboard&Version=2010-08-01&DashboardName=fault", []string{jsonType, form}, 400, `1 validation error &lt;detected&gt;`, nil},
		{"query, unknown action", "POST", "/", "Action=Dance&Version=2011-06-15", []string{jsonType, form, authorization, scoped("sts")}, 400, `<Code>InvalidAction</Code><Message>[^<]*Dance`, nil},
		{"query, unknown service", "POST", "/", "Action=ListRoles&Version=2010-05-08", []string{jsonType, form, authorization, scoped("iam")}, 400, `<Code>InvalidAction</Code><Message>[^<]*iam[^<]*ListRoles`, nil},
		{"query, bad list index", "POST", "/", "Action=GetMetricStatistics&Version=2010-08-01&Dimensions.member.x.Name=y", []string{jsonType, form}, 400, "SerializationException.*list index", nil},
		{"query, bad escape", "POST", "/", "Action=%zz", []string{jsonType, form, authorization, scoped("sts")}, 400, "MalformedQueryString", nil},
		{"query, too large", "POST", "/", "Action=" + strings.Repeat("x", maxForm), []string{jsonType, form, authorization, scoped("sts")}, 413, "RequestEntityTooLargeException", nil},

		{"cbor, unknown operation", "POST", "/service/GraniteServiceVersion20100801/operation/Dance", "", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 404, "UnknownOperationException.*Dance", []string{"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor"}},
		{"cbor, unknown service", "POST", "/service/Nothing/operation/Dance", "", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 404, "UnknownOperationException.*Nothing.*Dance", nil},
		{"cbor, malformed", "POST", "/service/GraniteServiceVersion20100801/operation/GetDashboard", "\xbf\x61", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 400, "SerializationException", nil},
		{"cbor, trailing data", "POST", "/service/GraniteServiceVersion20100801/operation/GetDashboard", "\xa0\xa0", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 400, "followed by other data", nil},
		{"cbor, wrong type", "POST", "/service/GraniteServiceVersion20100801/operation/GetDashboard", "\xa1\x6dDashboardName\x05", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 400, "NUMBER_VALUE can not be converted to a String", nil},
		{
			"cbor, query codes", "POST", "/service/GraniteServiceVersion20100801/operation/GetDashboard", "\xa1\x6dDashboardName\x6dbad-parameter",
			[]string{"Smithy-Protocol", "rpc-v2-cbor", "X-Amzn-Query-Mode", "true"},
			400,
			"com.amazonaws.cloudwatch#InvalidParameterValueException",
			[]string{"X-Amzn-Query-Error", "InvalidParameterValue;Sender"},
		},
		{"cbor of a service that speaks none", "POST", "/service/AWSStepFunctions/operation/DescribeStateMachine", "\xa0", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 404, "UnknownOperationException", nil},
		{"one service by json, too", "POST", "/", `{"DashboardName":"d"}`, []string{jsonTarget, "GraniteServiceVersion20100801.GetDashboard", jsonType, json10}, 200, `^\{"DashboardBody":"d"\}$`, nil},
		{"json of the other version", "POST", "/", `{"DashboardName":"d"}`, []string{jsonTarget, "GraniteServiceVersion20100801.GetDashboard", jsonType, "application/x-amz-json-1.1"}, 200, `DashboardBody`, []string{"Content-Type", json10}},

		{"gzip that is none", "POST", "/", "nonsense", []string{jsonTarget, describe, "Content-Encoding", "gzip"}, 400, "not valid gzip", nil},
		{"unknown encoding", "POST", "/", "{}", []string{jsonTarget, describe, "Content-Encoding", "br"}, 415, `br`, nil},

		{"s3", "GET", "/bucket/key", "", []string{authorization, scoped("s3")}, 501, `^<\?xml.*\n<Error><Code>NotImplemented</Code><Message>Service s3 `, []string{"Content-Type", "application/xml"}},
		{"unserved rest service", "GET", "/2013-04-01/x", "", []string{authorization, scoped("batch")}, 404, `batch`, []string{"X-Amzn-Errortype", "UnknownOperationException"}},
		{"fallback", "GET", "/orders", "", nil, 418, "^fallback $", nil},
		{"fallback, with a form", "POST", "/", "Action=Buy&Version=1", []string{jsonType, form}, 418, "^fallback Action=Buy&Version=1$", nil},
		{"fallback, with a long form", "POST", "/", "a=" + strings.Repeat("b", maxForm+9), []string{jsonType, form}, 418, "^fallback a=b{10}", nil},
		{"fallback, signed for a deployed API", "POST", "/x", "b", []string{authorization, scoped("execute-api")}, 418, "^fallback b$", nil},
		{"fallback by host", "GET", "http://abc.execute-api.us-east-1.localhost/2015-03-31/functions", "", nil, 418, "^fallback", nil},
		{"presigned", "GET", "/2015-03-31/functions?X-Amz-Credential=AKID%2F20261103%2Fus-east-1%2Flambda%2Faws4_request", "", nil, 200, "NextMarker", nil},
	} {
		res, body := send(t, mux, c.method, c.target, c.body, c.headers...)
		if res.StatusCode != c.status || !regexp.MustCompile(c.want).MatchString(body) {
			t.Errorf("%s: status %d, want %d; body\n%.600s\nwant %s", c.name, res.StatusCode, c.status, body, c.want)
		}
		for i := 0; i < len(c.wantHeaders); i += 2 {
			if got := res.Header.Get(c.wantHeaders[i]); got != c.wantHeaders[i+1] {
				t.Errorf("%s: %s is %q, want %q", c.name, c.wantHeaders[i], got, c.wantHeaders[i+1])
			}
		}
		if strings.Contains(body, "swordfish") {
			t.Errorf("%s: the answer leaks: %s", c.name, body)
		}
	}
}

// What callers must not see is in the log, with what is needed to find it.
func TestFailuresAreLogged(t *testing.T) {
	var log bytes.Buffer
	mux := toyMux(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, target := range []string{"/2015-03-31/functions/secret", "/2015-03-31/functions/panic"} {
		log.Reset()
		res, _ := send(t, mux, "GET", target, "")
		for _, want := range []string{"swordfish", "service=lambda", "operation=GetFunction", "requestId=" + res.Header.Get("X-Amzn-Requestid")} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log has no %q: %s", target, want, log.String())
			}
		}
	}
	log.Reset()
	send(t, mux, "POST", "/2015-03-31/functions/secret/invocations", "")
	if !strings.Contains(log.String(), "swordfish") {
		t.Errorf("a raw operation's error is not logged: %s", log.String())
	}
	log.Reset()
	send(t, mux, "GET", "/2015-03-31/functions/missing", "")
	if log.Len() > 0 {
		t.Errorf("an AWS error is logged: %s", log.String())
	}
}

// A raw operation that fails in the middle of its answer does not end it as if it were whole.
func TestRawPanicInTheMiddle(t *testing.T) {
	srv := httptest.NewUnstartedServer(toyMux(t, Config{Logger: slog.New(slog.DiscardHandler)}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	defer srv.Close()
	res, err := http.Post(srv.URL+"/2015-03-31/functions/half/invocations", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil || string(b) != `{"half":` {
		t.Errorf("read %q, error %v; want the half and an error", b, err)
	}
}

// The SDKs see their own exception types, with members, in each protocol.
func TestExceptionsThroughClients(t *testing.T) {
	cfg := loopback(t, toyMux(t, Config{Logger: slog.New(slog.DiscardHandler)}))
	lc, sc, cc := lambda.NewFromConfig(cfg), sfn.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg)
	getFunction := func(name string) error {
		_, err := lc.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &name})
		return err
	}
	getDashboard := func(name string) error {
		_, err := cc.GetDashboard(t.Context(), &cloudwatch.GetDashboardInput{DashboardName: &name})
		return err
	}

	var missing *types.ResourceNotFoundException
	if err := getFunction("missing"); !errors.As(err, &missing) || aws.ToString(missing.Type) != "User" || missing.ErrorMessage() != "Function not found: missing" {
		t.Errorf("lambda: %#v", err)
	}
	var throttled *types.TooManyRequestsException
	if _, err := lc.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("throttled")}); !errors.As(err, &throttled) ||
		throttled.Reason != types.ThrottleReasonCallerRateLimitExceeded {
		t.Errorf("lambda, raw: %#v", err)
	}
	var noMachine *sfntypes.StateMachineDoesNotExist
	if _, err := sc.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: aws.String("no-machine")}); !errors.As(err, &noMachine) ||
		noMachine.ErrorMessage() != "State Machine Does Not Exist: 'x'" {
		t.Errorf("states: %#v", err)
	}
	var noMetric *cwtypes.ResourceNotFoundException
	if err := getDashboard("no-metric"); !errors.As(err, &noMetric) || aws.ToString(noMetric.ResourceType) != "Dashboard" {
		t.Errorf("cloudwatch: %#v", err)
	}
	for name, err := range map[string]error{"lambda": getFunction("secret"), "cloudwatch": getDashboard("panic")} {
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != "InternalFailure" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
