package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/pool"
)

// serve puts the service behind HTTP and gives an SDK client for it.
func (x *fixture) serve() *sdk.Client {
	x.t.Helper()
	mux, err := awsproto.NewMux(awsproto.Config{}, x.API())
	if err != nil {
		x.t.Fatal(err)
	}
	srv := httptest.NewServer(mux)
	x.t.Cleanup(srv.Close)
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(srv.URL), Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

func TestThroughTheSDK(t *testing.T) {
	x := start(t)
	client := x.serve()
	ctx := t.Context()
	fn := aws.String("fn")
	in := createInput("fn")
	in.Publish = true
	if _, err := client.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipOf("two"), Publish: true}); err != nil {
		t.Fatal(err)
	}
	a, err := client.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: fn, Name: aws.String("live"), FunctionVersion: aws.String("1"), RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 1}}})
	if err != nil || *a.AliasArn != x.arn("fn", "live") || a.RoutingConfig.AdditionalVersionWeights["2"] != 1 {
		t.Fatalf("%+v, %v", a, err)
	}

	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: a.AliasArn, Payload: []byte(`{"a": 1}`), LogType: types.LogTypeTail, ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"c":1}`)))})
	if err != nil {
		t.Fatal(err)
	}
	call := x.exec.call(0)
	logs, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if out.StatusCode != 200 || string(out.Payload) != `{"a": 1}` || *out.ExecutedVersion != "2" || out.FunctionError != nil || string(logs) != "log of "+call.RequestID {
		t.Errorf("invoked: %+v, log %q", out, logs)
	}
	if call.InvokedARN != *a.AliasArn || call.ClientContext != `{"c":1}` || !call.TailLog || !strings.HasPrefix(call.TraceID, "Root=1-") {
		t.Errorf("the function saw %+v", call)
	}

	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		return pool.Result{Payload: []byte(`{"errorMessage":"no"}`), FunctionError: "Unhandled"}, nil
	}
	out, err = client.Invoke(ctx, &sdk.InvokeInput{FunctionName: fn, Qualifier: aws.String("1")})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || *out.ExecutedVersion != "1" {
		t.Errorf("a failing function: %+v, %v", out, err)
	}
	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		return pool.Result{Payload: make([]byte, maxResponse+1)}, nil
	}
	out, err = client.Invoke(ctx, &sdk.InvokeInput{FunctionName: fn})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || !bytes.Contains(out.Payload, []byte(`"errorType":"Function.ResponseSizeTooLarge"`)) {
		t.Errorf("too large an answer: %.200s, %v", out.Payload, err)
	}
	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		return pool.Result{}, pool.ErrThrottled
	}
	var busy *types.TooManyRequestsException
	if _, err = client.Invoke(ctx, &sdk.InvokeInput{FunctionName: fn}); !errors.As(err, &busy) || busy.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("throttled: %v", err)
	}
	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		return pool.Result{}, errors.New("the disk is full")
	}
	var service *types.ServiceException
	if _, err = client.Invoke(ctx, &sdk.InvokeInput{FunctionName: fn}); !errors.As(err, &service) {
		t.Errorf("the platform's failure: %v", err)
	}
	x.exec.do = nil

	for kind, status := range map[types.InvocationType]int32{"DryRun": 204, "Event": 202} {
		if out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: fn, InvocationType: kind}); err != nil || out.StatusCode != status {
			t.Errorf("%s: %+v, %v", kind, out, err)
		}
	}
	for name, in := range map[string]*sdk.InvokeInput{
		"large":     {FunctionName: fn, Payload: bytes.Repeat([]byte(" "), maxRequest+1)},
		"unknown":   {FunctionName: aws.String("nope")},
		"qualifier": {FunctionName: a.AliasArn, Qualifier: aws.String("1")},
		"type":      {FunctionName: fn, InvocationType: "Sometimes"},
	} {
		_, err := client.Invoke(ctx, in)
		code, _ := codeAndMessage(err)
		if want := map[string]string{
			"large": "RequestEntityTooLargeException", "unknown": "ResourceNotFoundException",
			"qualifier": "InvalidParameterValueException", "type": "ValidationException",
		}[name]; code != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}

	for version, want := range map[string]int{"": 1, "1": 1, "2": 1, "3": 0} {
		in := &sdk.ListAliasesInput{FunctionName: fn}
		if version != "" {
			in.FunctionVersion = &version
		}
		if l, err := client.ListAliases(ctx, in); err != nil || len(l.Aliases) != want {
			t.Errorf("aliases of version %q: %+v, %v", version, l, err)
		}
	}
	got, err := client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: fn, Qualifier: aws.String("live")})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(*got.Code.Location)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !bytes.Equal(body, in.Code.ZipFile) {
		t.Errorf("the code's location gives %d with %d bytes, %v", resp.StatusCode, len(body), err)
	}

	waiter := sdk.NewFunctionUpdatedV2Waiter(client)
	if err := waiter.Wait(ctx, &sdk.GetFunctionInput{FunctionName: fn}, settleWait); err != nil {
		t.Errorf("the SDK's waiter: %v", err)
	}
	if _, err := client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: fn}); err != nil {
		t.Error(err)
	}
	_, err = client.ListAliases(ctx, &sdk.ListAliasesInput{FunctionName: fn})
	if code, _ := codeAndMessage(err); code != "ResourceNotFoundException" {
		t.Errorf("aliases of a deleted function: %v", err)
	}
	list, err := client.ListFunctions(ctx, &sdk.ListFunctionsInput{})
	if err != nil || len(list.Functions) != 0 {
		t.Errorf("after the deletion: %+v, %v", list, err)
	}
}

func TestListsComeInPages(t *testing.T) {
	x := start(t)
	x.create("a")
	x.create("b")
	for i := range 12 {
		x.release("a", strings.Repeat("x", i+1))
	}
	client := x.serve()
	var names []string
	pages := sdk.NewListFunctionsPaginator(client, &sdk.ListFunctionsInput{FunctionVersion: "ALL", MaxItems: aws.Int32(5)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil || len(p.Functions) > 5 {
			t.Fatalf("%d, %v", len(p.Functions), err)
		}
		for _, f := range p.Functions {
			names = append(names, *f.FunctionName+":"+*f.Version)
			if f.State != "" || f.RuntimeVersionConfig != nil || !strings.HasSuffix(*f.FunctionArn, ":"+*f.Version) {
				t.Errorf("%+v", f)
			}
		}
	}
	if got, want := strings.Join(names, " "), "a:$LATEST a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9 a:10 a:11 a:12 b:$LATEST"; got != want {
		t.Errorf("got %s", got)
	}
	var versions []string
	more := sdk.NewListVersionsByFunctionPaginator(client, &sdk.ListVersionsByFunctionInput{FunctionName: aws.String("a"), MaxItems: aws.Int32(4)})
	for more.HasMorePages() {
		p, err := more.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Versions {
			versions = append(versions, *v.Version)
		}
	}
	if got := strings.Join(versions, " "); got != "$LATEST 1 2 3 4 5 6 7 8 9 10 11 12" {
		t.Errorf("got %s", got)
	}
}
