package apigateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store/memory"
)

const functionURI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:hello:${stageVariables.alias}/invocations"

type invokerFunc func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (f invokerFunc) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return f(in)
}

// answers makes an invoker that always returns payload from version 7.
func answers7(payload string) invokerFunc {
	return func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(payload), ExecutedVersion: aws.String("7")}, nil
	}
}

// handClock is moved by hand.
type handClock struct{ t time.Time }

func (c *handClock) Now() time.Time { return c.t }

func (c *handClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// rig is a service under test with one API, met through the SDK.
type rig struct {
	*Service
	t     *testing.T
	c     *apigateway.Client
	id    string
	root  string
	cfg   Config
	clock *handClock
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, clock: &handClock{time.Date(2026, 3, 12, 19, 3, 58, 0, time.UTC)}}
	cfg.Store, cfg.Clock, cfg.Endpoint, cfg.Logger = memory.New(), r.clock, "127.0.0.1:4566", slog.New(slog.DiscardHandler)
	r.cfg = cfg
	r.open()
	out, err := r.c.CreateRestApi(t.Context(), &apigateway.CreateRestApiInput{Name: aws.String("shop")})
	must(t, err)
	r.id, r.root = *out.Id, *out.RootResourceId
	return r
}

// open makes a service over the rig's store, as after a restart.
func (r *rig) open() {
	s, err := New(r.cfg)
	must(r.t, err)
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	must(r.t, err)
	server := httptest.NewServer(mux)
	r.t.Cleanup(server.Close)
	r.Service = s
	r.c = apigateway.New(apigateway.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// resource makes the resources of a path.
func (r *rig) resource(path string) string {
	r.t.Helper()
	at := r.root
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		out, err := r.c.CreateResource(r.t.Context(), &apigateway.CreateResourceInput{RestApiId: &r.id, ParentId: &at, PathPart: &part})
		must(r.t, err)
		at = *out.Id
	}
	return at
}

// proxy gives a resource a method with a Lambda proxy integration.
func (r *rig) proxy(resource, method, uri string) {
	r.t.Helper()
	r.method(resource, method, &apigateway.PutIntegrationInput{Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: &uri})
}

func (r *rig) method(resource, method string, in *apigateway.PutIntegrationInput) {
	r.t.Helper()
	_, err := r.c.PutMethod(r.t.Context(), &apigateway.PutMethodInput{RestApiId: &r.id, ResourceId: &resource, HttpMethod: &method, AuthorizationType: aws.String("NONE")})
	must(r.t, err)
	in.RestApiId, in.ResourceId, in.HttpMethod = &r.id, &resource, &method
	_, err = r.c.PutIntegration(r.t.Context(), in)
	must(r.t, err)
}

// response gives a method and its integration a response.
func (r *rig) response(resource, method, status string, headers map[string]bool, in *apigateway.PutIntegrationResponseInput) {
	r.t.Helper()
	_, err := r.c.PutMethodResponse(r.t.Context(), &apigateway.PutMethodResponseInput{RestApiId: &r.id, ResourceId: &resource, HttpMethod: &method, StatusCode: &status, ResponseParameters: headers})
	must(r.t, err)
	in.RestApiId, in.ResourceId, in.HttpMethod, in.StatusCode = &r.id, &resource, &method, &status
	_, err = r.c.PutIntegrationResponse(r.t.Context(), in)
	must(r.t, err)
}

func (r *rig) deploy(in *apigateway.CreateDeploymentInput) string {
	r.t.Helper()
	in.RestApiId, in.StageName = &r.id, aws.String("prod")
	out, err := r.c.CreateDeployment(r.t.Context(), in)
	must(r.t, err)
	return *out.Id
}

func (r *rig) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.Host = r.id + ".execute-api.localhost:4566"
	q.RemoteAddr = "192.0.2.1:40000"
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if !r.Match(q) {
		r.t.Fatalf("%s is not taken for a request of the API", path)
	}
	r.ServeHTTP(w, q)
	return w
}

func (r *rig) expect(w *httptest.ResponseRecorder, status int, body string) {
	r.t.Helper()
	if w.Code != status || w.Body.String() != body {
		r.t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, body)
	}
}

var _ http.Handler = (*Service)(nil)
