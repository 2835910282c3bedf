package apigatewayv2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// echo answers with the route key, the raw path and the stage of the event.
var echo = invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	var route, path, stage string
	jsontext.Members(in.Payload, func(name, v []byte) {
		switch string(name) {
		case "routeKey":
			route = string(jsontext.Text(v))
		case "rawPath":
			path = string(jsontext.Text(v))
		case "requestContext":
			jsontext.Members(v, func(name, v []byte) {
				if string(name) == "stage" {
					stage = string(jsontext.Text(v))
				}
			})
		}
	})
	body := jsontext.AppendString(nil, route+" | "+path+" | "+stage)
	return &lambda.InvokeOutput{Payload: body, ExecutedVersion: aws.String("1")}, nil
})

func TestAddresses(t *testing.T) {
	g := newGateway(t, Config{Invoker: echo})
	g.stage("dev", nil)
	i := g.lambda(functionHello, "2.0", nil)
	for _, k := range []string{"GET /", "GET /hello", "GET /dev/{x}", "GET /files/{p+}"} {
		g.addRoute(k, i)
	}
	host := g.id + ".execute-api.localhost:4566"
	for _, c := range []struct{ host, target, want string }{
		{host, "/", "GET / | / | $default"},
		{host, "/hello", "GET /hello | /hello | $default"},
		{host, "/hello/", "404"},
		{host, "//hello", "404"},
		{host, "/files//a//", "GET /files/{p+} | /files//a// | $default"},
		{host, "/files/..//../x", "GET /files/{p+} | /files/..//../x | $default"},
		{host, "/files/%2e%2E/%25", "GET /files/{p+} | /files/../% | $default"},
		{host, "/dev", "GET / | /dev | dev"},
		{host, "/dev/", "GET / | /dev/ | dev"},
		{host, "/dev/hello", "GET /hello | /dev/hello | dev"},
		{host, "/dev/dev/1", "GET /dev/{x} | /dev/dev/1 | dev"},
		{host, "/%64ev/hello", "GET /hello | /dev/hello | dev"},
		{host, "/$default/hello", "404"},
		{strings.ToUpper(g.id) + ".Execute-API.us-east-1.amazonaws.com", "/hello", "GET /hello | /hello | $default"},
		{g.id + ".execute-api.localhost", "/hello", "GET /hello | /hello | $default"},
		{"zzzzzzzzzz.execute-api.localhost:4566", "/hello", "404"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/$default/hello", "GET /hello | /hello | $default"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/%24default/hello", "GET /hello | /hello | $default"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/$default", "GET / | / | $default"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/dev/hello", "GET /hello | /dev/hello | dev"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/dev/files/a%2Fb", "GET /files/{p+} | /dev/files/a/b | dev"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/hello", "GET /hello | /hello | $default"},
		{"localhost:4566", "/_aws/execute-api/" + g.id + "/", "GET / | / | $default"},
		{"localhost:4566", "/_aws/execute-api/" + g.id, "GET / | / | $default"},
		{"localhost:4566", "/_aws/execute-api/", "404"},
		{"localhost:4566", "/_aws/execute-api/zzzzzzzzzz/hello", "404"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.Host = c.host
		w := g.do(r)
		got := w.Body.String()
		if w.Code == 404 {
			if got != `{"message":"Not Found"}` || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s%s: 404 with %q", c.host, c.target, got)
			}
			got = "404"
		}
		if got != c.want || w.Header().Get("Location") != "" {
			t.Errorf("%s%s: got %d %q, want %q", c.host, c.target, w.Code, got, c.want)
		}
	}
}

func TestMatchLeavesOthersAlone(t *testing.T) {
	g := newGateway(t, Config{})
	for _, c := range []struct{ host, path string }{
		{"localhost:4566", "/"},
		{"127.0.0.1:4566", "/v2/apis"},
		{"lambda.us-east-1.amazonaws.com", "/"},
		{"", "/"},
		{"execute-api.localhost", "/"},
		{".execute-api.localhost", "/"},
		{"a.execute-apis.localhost", "/"},
		{"localhost", "/_aws/execute-ap"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.URL.Path = c.host, c.path
		if g.Match(r) {
			t.Errorf("%s%s is taken for a data-plane request", c.host, c.path)
		}
	}
}

func TestFailuresOfTheBackend(t *testing.T) {
	for _, c := range []struct {
		name    string
		out     *lambda.InvokeOutput
		err     error
		status  int
		message string
		version string
	}{
		{"function error", &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"secret"}`), ExecutedVersion: aws.String("3")}, nil, 500, "Internal Server Error", "3"},
		{"throttled", nil, &types.TooManyRequestsException{}, 503, "Service Unavailable", ""},
		{"no such function", nil, &types.ResourceNotFoundException{}, 500, "Internal Server Error", ""},
		{"too large for Lambda", nil, &types.RequestTooLargeException{}, 413, "Request Entity Too Large", ""},
		{"anything else", nil, errors.New("secret"), 500, "Internal Server Error", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, Config{Invoker: invokerFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) { return c.out, c.err })})
			g.addRoute("$default", g.lambda(functionHello, "2.0", nil))
			w := g.do(g.byHost("GET", "/", ""))
			if w.Code != c.status || w.Body.String() != `{"message":"`+c.message+`"}` || w.Header().Get(executedVersionHeader) != c.version {
				t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

func TestRouteWithoutTargetAndWithoutBackend(t *testing.T) {
	g := newGateway(t, Config{})
	g.addRoute("GET /bare", "")
	g.addRoute("GET /lambda", g.lambda(functionHello, "2.0", nil))
	g.addRoute("GET /start", g.start(map[string]string{"StateMachineArn": machineARN}))
	for _, p := range []string{"/bare", "/lambda", "/start"} {
		if w := g.do(g.byHost("GET", p, "")); w.Code != 500 {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		timeout *int32
		want    time.Duration
	}{{nil, 30 * time.Second}, {aws.Int32(250), 250 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, Config{Invoker: invokerFunc(func(ctx context.Context, _ *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})})
			g.addRoute("$default", g.lambda(functionHello, "2.0", c.timeout))
			begin := time.Now()
			w := g.do(g.byHost("GET", "/", ""))
			if w.Code != 503 || w.Body.String() != `{"message":"Service Unavailable"}` {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if d := time.Since(begin); d != c.want {
				t.Errorf("gave up after %v, want %v", d, c.want)
			}
		})
	}
}

// TestClientGoesAway: the invocation is neither cancelled nor does another request notice.
func TestClientGoesAway(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cancelled := make(chan bool, 1)
	g := newGateway(t, Config{Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if strings.Contains(string(in.Payload), `"rawPath":"/slow"`) {
			once.Do(func() { close(started) })
			<-finish
			cancelled <- ctx.Err() != nil
		}
		return &lambda.InvokeOutput{Payload: []byte(`"ok"`)}, nil
	})})
	g.addRoute("$default", g.lambda(functionHello, "2.0", nil))
	srv := httptest.NewServer(g)
	defer srv.Close()
	url := srv.URL + "/_aws/execute-api/" + g.id
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, "GET", url+"/slow", nil)
		if err == nil {
			_, err = http.DefaultClient.Do(r)
		}
		gone <- err
	}()
	<-started
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("the client was answered")
	}
	for range 20 {
		resp, err := http.Get(url + "/fast")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "ok" {
			t.Fatalf("got %d %s", resp.StatusCode, body)
		}
	}
	close(finish)
	if <-cancelled {
		t.Error("the invocation was cancelled with its client")
	}
}

func TestPayloadLimit(t *testing.T) {
	var size int
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		jsontext.Members(in.Payload, func(name, v []byte) {
			if string(name) == "body" {
				size = len(jsontext.Text(v))
			}
		})
		return &lambda.InvokeOutput{Payload: []byte(`"ok"`)}, nil
	})})
	g.addRoute("POST /", g.lambda(functionHello, "2.0", nil))
	for _, c := range []struct {
		n       int
		chunked bool
		status  int
	}{{executeapi.MaxPayload, false, 200}, {executeapi.MaxPayload, true, 200}, {executeapi.MaxPayload + 1, false, 413}, {executeapi.MaxPayload + 1, true, 413}} {
		r := g.byHost("POST", "/", strings.Repeat("x", c.n))
		r.Header.Set("Content-Type", "text/plain")
		if c.chunked {
			r.ContentLength = -1
		}
		size = 0
		w := g.do(r)
		if w.Code != c.status || (c.status == 200 && size != c.n) {
			t.Errorf("%d bytes, chunked %v: %d, the function got %d", c.n, c.chunked, w.Code, size)
		}
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyThatDoesNotArrive(t *testing.T) {
	g := newGateway(t, Config{Invoker: answers(`"ok"`)})
	g.addRoute("POST /", g.lambda(functionHello, "2.0", nil))
	r := g.byHost("POST", "/", "")
	r.Body, r.ContentLength = io.NopCloser(brokenBody{}), 10
	if w := g.do(r); w.Code != 400 {
		t.Errorf("got %d", w.Code)
	}
}

// TestMalformedRequests sends what no HTTP library would, through net/http's server.
func TestMalformedRequests(t *testing.T) {
	g := newGateway(t, Config{Invoker: echo})
	g.addRoute("ANY /{p+}", g.lambda(functionHello, "2.0", nil))
	srv := httptest.NewServer(g)
	defer srv.Close()
	for _, c := range []struct{ request, status string }{
		{"GET /%zz HTTP/1.1\r\nHost: HOST\r\n\r\n", "400"},
		{"GET /a%00b HTTP/1.1\r\nHost: HOST\r\n\r\n", "200"},
		{"GET /a?%zz=%&=&&;= HTTP/1.1\r\nHost: HOST\r\nCookie: ;;=\r\n\r\n", "200"},
		{"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", ""},
		{"GET http://HOST/a HTTP/1.1\r\nHost: other\r\n\r\n", "200"},
		{"GET http://HOST HTTP/1.1\r\nHost: other\r\n\r\n", "404"},
		{"B@D /a HTTP/1.1\r\nHost: HOST\r\n\r\n", "400"},
		{"FOO /a HTTP/1.1\r\nHost: HOST\r\n\r\n", "200"},
		{"GET /a HTTP/1.1\r\nHost: HOST\r\nX-Bin: \xff\xfe\"\\\r\n\r\n", "200"},
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, strings.ReplaceAll(c.request, "HOST", g.id+".execute-api.localhost"))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 12)
		if _, err := io.ReadFull(conn, buf); err != nil {
			t.Errorf("%q: no answer: %v", c.request, err)
		} else if got := string(buf[9:]); c.status != "" && got != c.status {
			t.Errorf("%q: got %s", c.request, got)
		}
		conn.Close()
	}
}

func TestStageVariablesChooseTheFunction(t *testing.T) {
	var invoked string
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		invoked = *in.FunctionName
		return &lambda.InvokeOutput{Payload: []byte(`"ok"`)}, nil
	})})
	g.stage("blue", map[string]string{"alias": "live"})
	g.stage("green", map[string]string{"alias": "next"})
	g.addRoute("$default", g.lambda("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:hello:${stageVariables.alias}/invocations", "2.0", nil))
	for _, alias := range []struct{ path, want string }{{"/blue/", "live"}, {"/green/", "next"}} {
		if w := g.do(g.byHost("GET", alias.path, "")); w.Code != 200 || invoked != "arn:aws:lambda:us-east-1:000000000000:function:hello:"+alias.want {
			t.Errorf("%s: %d, invoked %s", alias.path, w.Code, invoked)
		}
	}
	invoked = ""
	if w := g.do(g.byHost("GET", "/", "")); w.Code != 500 || invoked != "" {
		t.Errorf("without the variable: %d, invoked %q", w.Code, invoked)
	}
}

func TestMetrics(t *testing.T) {
	m := new(recorder)
	status := "200"
	g := newGateway(t, Config{Meter: m, Invoker: invokerFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":` + status + `}`)}, nil
	})})
	g.addRoute("GET /", g.lambda(functionHello, "2.0", nil))
	for _, status = range []string{"200", "404", "502"} {
		g.do(g.byHost("GET", "/", ""))
	}
	g.do(g.byHost("GET", "/nowhere", ""))
	for _, dims := range []string{"ApiId " + g.id, "ApiId " + g.id + " Stage $default"} {
		for metric, want := range map[string][]float64{"Count Count": {1, 1, 1, 1}, "4xx Count": {0, 1, 0, 1}, "5xx Count": {0, 0, 1, 0}} {
			got := m.values["AWS/ApiGateway "+metric+" "+dims]
			if len(got) != len(want) {
				t.Fatalf("%s %s: %v", metric, dims, got)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%s %s: %v, want %v", metric, dims, got, want)
				}
			}
		}
		if got := m.values["AWS/ApiGateway Latency Milliseconds "+dims]; len(got) != 4 {
			t.Errorf("Latency: %v", got)
		}
		if got := m.values["AWS/ApiGateway IntegrationLatency Milliseconds "+dims]; len(got) != 3 {
			t.Errorf("IntegrationLatency: %v", got)
		}
	}
}

func TestCORS(t *testing.T) {
	g := newGateway(t, Config{Invoker: answers(`{"statusCode":200,"headers":{"access-control-allow-origin":"https://evil"}}`)})
	g.addRoute("GET /", g.lambda(functionHello, "2.0", nil))
	_, err := g.UpdateApi(t.Context(), &apigatewayv2.UpdateApiInput{ApiId: &g.id, CorsConfiguration: &gwtypes.Cors{
		AllowOrigins: []string{"https://app.example", "http://*"}, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"x-a"},
		ExposeHeaders: []string{"x-b"}, MaxAge: aws.Int32(60), AllowCredentials: aws.Bool(true),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, origin, want string) *httptest.ResponseRecorder {
		r := g.byHost(method, "/", "")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if want != "" {
			r.Header.Set("Access-Control-Request-Method", want)
		}
		return g.do(r)
	}
	w := ask("OPTIONS", "https://app.example", "POST")
	h := w.Header()
	if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Methods") != "GET,POST" ||
		h.Get("Access-Control-Allow-Headers") != "x-a" || h.Get("Access-Control-Max-Age") != "60" || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight: %d %v", w.Code, h)
	}
	if w := ask("OPTIONS", "https://evil", "POST"); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another origin: %d %v", w.Code, w.Header())
	}
	if w := ask("OPTIONS", "", ""); w.Code != 404 {
		t.Errorf("plain OPTIONS: %d", w.Code)
	}
	if w := ask("GET", "http://anything.example", ""); w.Header().Get("Access-Control-Allow-Origin") != "http://anything.example" || w.Header().Get("Access-Control-Expose-Headers") != "x-b" {
		t.Errorf("GET: %v", w.Header())
	}
	if w := ask("GET", "https://evil", ""); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("GET of another origin: %v", w.Header())
	}
	if _, err := g.DeleteCorsConfiguration(t.Context(), &apigatewayv2.DeleteCorsConfigurationInput{ApiId: &g.id}); err != nil {
		t.Fatal(err)
	}
	if w := ask("GET", "https://x", ""); w.Header().Get("Access-Control-Allow-Origin") != "https://evil" {
		t.Errorf("without CORS the function's own headers hold: %v", w.Header())
	}
}

// TestChangesUnderTraffic: a request is served by the old routes or by the new ones, and none fails.
func TestChangesUnderTraffic(t *testing.T) {
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":200,"body":"` + *in.FunctionName + `"}`)}, nil
	})})
	blue, green := functionHello, strings.Replace(functionHello, "live", "next", 1)
	i := g.lambda(blue, "2.0", nil)
	g.addRoute("$default", i)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if w := g.do(g.byHost("GET", "/x", "")); w.Code != 200 || (w.Body.String() != blue && w.Body.String() != green) {
					t.Errorf("got %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	for n := range 100 {
		uri := []string{blue, green}[n%2]
		if _, err := g.UpdateIntegration(t.Context(), &apigatewayv2.UpdateIntegrationInput{ApiId: &g.id, IntegrationId: &i, IntegrationUri: &uri}); err != nil {
			t.Fatal(err)
		}
		if w := g.do(g.byHost("GET", "/x", "")); w.Body.String() != uri {
			t.Fatalf("after the change to %s: %s", uri, w.Body)
		}
	}
	close(stop)
	wg.Wait()
}
