package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// open gives a function a URL that everyone may call, and a function that calls it.
func (x *fixture) url(in *sdk.CreateFunctionUrlConfigInput) (id string, call func(method, path string, body string, header ...string) (*http.Response, string)) {
	x.t.Helper()
	out, err := x.CreateFunctionUrlConfig(x.t.Context(), in)
	if err != nil {
		x.t.Fatal(err)
	}
	id, _, _ = strings.Cut(strings.TrimPrefix(*out.FunctionUrl, "http://"), ".")
	srv := httptest.NewServer(http.HandlerFunc(x.ServeURL))
	x.t.Cleanup(srv.Close)
	return id, func(method, path string, body string, header ...string) (*http.Response, string) {
		x.t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			x.t.Fatal(err)
		}
		r.Host = id + ".lambda-url.us-east-1.localhost:4566"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			x.t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			x.t.Fatal(err)
		}
		return resp, string(raw)
	}
}

func (x *fixture) publicly(name string, qualifier *string) {
	x.t.Helper()
	_, err := x.AddPermission(x.t.Context(), &sdk.AddPermissionInput{
		FunctionName: &name, Qualifier: qualifier, StatementId: aws.String("url"), Action: aws.String("lambda:InvokeFunctionUrl"), Principal: aws.String("*"), FunctionUrlAuthType: "NONE",
	})
	if err != nil {
		x.t.Fatal(err)
	}
}

func TestURLAnswersWithWhatTheFunctionReturns(t *testing.T) {
	x := start(t)
	x.create("fn")
	_, call := x.url(&sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("fn"), AuthType: "NONE", Cors: &types.Cors{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"GET"}}})
	if resp, body := call("GET", "/", ""); resp.StatusCode != 403 || !strings.Contains(body, "Forbidden") || x.exec.count() != 0 {
		t.Fatalf("without a policy: %d %s", resp.StatusCode, body)
	}
	x.publicly("fn", nil)
	for name, c := range map[string]struct {
		result      pool.Result
		status      int
		body, media string
	}{
		"json":       {pool.Result{Payload: []byte(`{"a":1}`)}, 200, `{"a":1}`, "application/json"},
		"text":       {pool.Result{Payload: []byte(`"hello"`)}, 200, `hello`, "application/json"},
		"proxy":      {pool.Result{Payload: []byte(`{"statusCode":418,"headers":{"Content-Type":"text/plain","X-A":1},"cookies":["c=1"],"body":"tea"}`)}, 418, "tea", "text/plain"},
		"base64":     {pool.Result{Payload: []byte(`{"statusCode":"200","body":"AAE=","isBase64Encoded":true}`)}, 200, "\x00\x01", "application/json"},
		"bad header": {pool.Result{Payload: []byte(`{"statusCode":200,"headers":{"a b":"c"}}`)}, 502, `{"Message":"Internal Server Error"}`, "application/json"},
		"bad status": {pool.Result{Payload: []byte(`{"statusCode":9000}`)}, 502, `{"Message":"Internal Server Error"}`, "application/json"},
		"failure":    {pool.Result{Payload: []byte(`{}`), FunctionError: "Unhandled"}, 502, `{"Message":"Bad Gateway"}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) { return c.result, nil }
			resp, body := call("GET", "/", "")
			if resp.StatusCode != c.status || body != c.body || resp.Header.Get("Content-Type") != c.media {
				t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
			}
			if name == "proxy" && (resp.Header.Get("X-A") != "1" || resp.Header.Get("Set-Cookie") != "c=1") {
				t.Errorf("%v", resp.Header)
			}
		})
	}
	x.exec.do = nil
	resp, body := call("POST", "/a%20b/c?x=1&x=2&y=z", "héllo", "Cookie", "a=1; b=2", "Content-Type", "text/plain", "X-Up", "Up", "Origin", "https://a.example")
	var e urlEvent
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	if e.Version != "2.0" || e.RawPath != "/a b/c" || e.RawQueryString != "x=1&x=2&y=z" || e.Query["x"] != "1,2" || len(e.Cookies) != 2 ||
		e.Headers["x-up"] != "Up" || *e.Body != "héllo" || e.IsBase64Encoded || e.RequestContext.HTTP.Method != "POST" || e.RequestContext.AccountID != "anonymous" {
		t.Errorf("%+v", e)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("CORS: %v", resp.Header)
	}
	before := x.exec.count()
	resp, _ = call("OPTIONS", "/", "", "Origin", "https://a.example", "Access-Control-Request-Method", "GET")
	if resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Methods") != "GET" || x.exec.count() != before {
		t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
	}
	if _, body := call("POST", "/", "\x00\xff"); !strings.Contains(body, `"isBase64Encoded":true`) {
		t.Errorf("binary body: %s", body)
	}
}

func TestURLStreams(t *testing.T) {
	x := start(t)
	x.create("fn")
	_, call := x.url(&sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("fn"), AuthType: "NONE", InvokeMode: types.InvokeModeResponseStream})
	x.publicly("fn", nil)
	x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
		if err := in.Stream.Start(httpIntegration); err != nil {
			return pool.Result{}, err
		}
		for _, piece := range []string{`{"statusCode":207,"headers":{"Content-Type":"text/x"},`, `"cookies":["a=b"]}` + "\x00\x00\x00", "\x00\x00\x00\x00\x00one ", "two"} {
			if _, err := in.Stream.Write([]byte(piece)); err != nil {
				return pool.Result{}, err
			}
		}
		return pool.Result{}, nil
	}
	resp, body := call("GET", "/", "")
	if resp.StatusCode != 207 || body != "one two" || resp.Header.Get("Content-Type") != "text/x" || resp.Header.Get("Set-Cookie") != "a=b" {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	x.exec.do = nil // a function that does not stream
	if resp, body := call("GET", "/", ""); resp.StatusCode != 200 || !strings.Contains(body, `"version":"2.0"`) {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestURLTakesSignedCallers(t *testing.T) {
	x := start(t, func(c *Config) {
		c.Verify = func(key string) (string, bool) { return "secret", key == "AKID" }
	})
	x.create("fn")
	id, call := x.url(&sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("fn"), AuthType: "AWS_IAM"})
	if resp, body := call("GET", "/", ""); resp.StatusCode != 403 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	signed := func(secret string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://"+id+".lambda-url.us-east-1.localhost/p?q=1", http.NoBody)
		err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}, r,
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "lambda", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		x.ServeURL(w, r)
		return w.Code, w.Body.String()
	}
	if code, body := signed("secret"); code != 200 || !strings.Contains(body, `"accessKey":"AKID"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := signed("other"); code != 403 {
		t.Errorf("a wrong secret: %d %s", code, body)
	}
}

func TestInvokeWithResponseStreamThroughTheSDK(t *testing.T) {
	x := start(t)
	client := x.serve()
	x.create("fn")
	read := func() (payload string, end types.InvokeWithResponseStreamCompleteEvent) {
		t.Helper()
		out, err := client.InvokeWithResponseStream(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("fn"), LogType: types.LogTypeTail})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		whole := false
		for e := range out.GetStream().Events() {
			switch e := e.(type) {
			case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
				b.Write(e.Value.Payload)
			case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
				end, whole = e.Value, true
			}
		}
		if err := out.GetStream().Err(); err != nil || !whole || aws.ToString(out.ExecutedVersion) != latest {
			t.Fatalf("%v, whole %v, version %v", err, whole, aws.ToString(out.ExecutedVersion))
		}
		return b.String(), end
	}
	if payload, end := read(); payload != "{}" || end.LogResult == nil || end.ErrorCode != nil {
		t.Errorf("buffered: %q, %+v", payload, end)
	}
	x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
		if err := in.Stream.Start("text/plain"); err != nil {
			return pool.Result{}, err
		}
		_, err := in.Stream.Write([]byte("one "))
		if err == nil {
			_, err = in.Stream.Write([]byte("two"))
		}
		return pool.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"E"}`)}, err
	}
	if payload, end := read(); payload != "one two" || aws.ToString(end.ErrorCode) != "E" {
		t.Errorf("streamed: %q, %+v", payload, end)
	}
}

func TestURLsFollowTheirAlias(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", nil)
	live := aws.String("live")
	id, call := x.url(&sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("fn"), Qualifier: live, AuthType: "NONE"})
	x.publicly("fn", live)
	if resp, _ := call("GET", "/", ""); resp.Header.Get("X-Teal-Executed-Version") != "1" {
		t.Errorf("%v", resp.Header)
	}
	if _, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: aws.String("fn"), Name: live, FunctionVersion: aws.String("2")}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open()
	w := httptest.NewRecorder()
	x.ServeURL(w, httptest.NewRequest("GET", "http://127.0.0.1/_aws/lambda-url/"+id+"/p", http.NoBody))
	if w.Code != 200 || w.Header().Get("X-Teal-Executed-Version") != "2" {
		t.Errorf("after a restart: %d %v", w.Code, w.Header())
	}
	if _, err := x.DeleteAlias(t.Context(), &sdk.DeleteAliasInput{FunctionName: aws.String("fn"), Name: live}); err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	if x.ServeURL(w, httptest.NewRequest("GET", "http://127.0.0.1/_aws/lambda-url/"+id+"/p", http.NoBody)); w.Code != 404 {
		t.Errorf("the URL of a deleted alias: %d", w.Code)
	}
}
