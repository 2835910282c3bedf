package apigatewayv2

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

const (
	functionHello = "arn:aws:lambda:us-east-1:000000000000:function:hello:live"
	roleARN       = "arn:aws:iam::000000000000:role/gateway"
	machineARN    = "arn:aws:states:us-east-1:000000000000:stateMachine:orders:live"
)

type invokerFunc func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (f invokerFunc) Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return f(ctx, in)
}

type starterFunc func(ctx context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error)

func (f starterFunc) StartExecution(ctx context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	return f(ctx, in)
}

func (f starterFunc) StartSyncExecution(context.Context, *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error) {
	return nil, errors.New("not asked for")
}

// answers makes an invoker that always returns payload from version 7.
func answers(payload string) invokerFunc {
	return func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(payload), ExecutedVersion: aws.String("7"), StatusCode: 200}, nil
	}
}

// fixedClock stands still.
type fixedClock struct{ t time.Time }

func (c fixedClock) Now() time.Time { return c.t }

func (c fixedClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

var at = time.Date(2026, 3, 12, 19, 3, 58, 390e6, time.UTC)

// recorder is a Meter that keeps every value.
type recorder struct {
	mu     sync.Mutex
	values map[string][]float64
}

func (m *recorder) Series(namespace, metric, unit string, dims ...string) func(float64) {
	key := namespace + " " + metric + " " + unit + " " + strings.Join(dims, " ")
	return func(v float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.values == nil {
			m.values = make(map[string][]float64)
		}
		m.values[key] = append(m.values[key], v)
	}
}

// gateway is a service under test with one API.
type gateway struct {
	*Service
	t   testing.TB
	id  string
	cfg Config
}

// newGateway makes an API with a $default stage and, when invoker is set, the integration hello.
func newGateway(t testing.TB, cfg Config) *gateway {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = memory.New()
	}
	if cfg.Clock == nil {
		cfg.Clock = fixedClock{at}
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = "127.0.0.1:4566"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Service: s, t: t, cfg: cfg}
	out, err := s.CreateApi(t.Context(), &apigatewayv2.CreateApiInput{Name: aws.String("test"), ProtocolType: gwtypes.ProtocolTypeHttp})
	if err != nil {
		t.Fatal(err)
	}
	g.id = *out.ApiId
	g.stage(defaultStageName, nil)
	return g
}

func (g *gateway) stage(name string, variables map[string]string) {
	g.t.Helper()
	_, err := g.CreateStage(g.t.Context(), &apigatewayv2.CreateStageInput{
		ApiId: &g.id, StageName: &name, AutoDeploy: aws.Bool(true), StageVariables: variables,
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// lambda adds an integration with a function and returns its ID.
func (g *gateway) lambda(uri, version string, timeout *int32) string {
	g.t.Helper()
	out, err := g.CreateIntegration(g.t.Context(), &apigatewayv2.CreateIntegrationInput{
		ApiId: &g.id, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationUri: &uri,
		PayloadFormatVersion: &version, TimeoutInMillis: timeout,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return *out.IntegrationId
}

// start adds a StepFunctions-StartExecution integration.
func (g *gateway) start(parameters map[string]string) string {
	g.t.Helper()
	out, err := g.CreateIntegration(g.t.Context(), &apigatewayv2.CreateIntegrationInput{
		ApiId: &g.id, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationSubtype: aws.String(startExecution),
		CredentialsArn: aws.String(roleARN), RequestParameters: parameters,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return *out.IntegrationId
}

func (g *gateway) addRoute(key, integration string) string {
	g.t.Helper()
	in := &apigatewayv2.CreateRouteInput{ApiId: &g.id, RouteKey: &key}
	if integration != "" {
		in.Target = aws.String("integrations/" + integration)
	}
	out, err := g.CreateRoute(g.t.Context(), in)
	if err != nil {
		g.t.Fatal(err)
	}
	return *out.RouteId
}

// byHost makes a request to the API's host name.
func (g *gateway) byHost(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = g.id + ".execute-api.localhost:4566"
	r.RemoteAddr = "192.0.2.1:40000"
	return r
}

func (g *gateway) do(r *http.Request) *httptest.ResponseRecorder {
	g.t.Helper()
	if !g.Match(r) {
		g.t.Fatalf("%s %s%s is not taken for a data-plane request", r.Method, r.Host, r.URL)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// reopen makes a new service over the same store.
func (g *gateway) reopen() *gateway {
	g.t.Helper()
	s, err := New(g.cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	return &gateway{Service: s, t: g.t, id: g.id, cfg: g.cfg}
}

var _ store.Store = (*brokenStore)(nil)

// brokenStore refuses every commit.
type brokenStore struct {
	store.Store
	err error
}

func (b *brokenStore) Commit(ctx context.Context, batch *store.Batch) error {
	if b.err != nil {
		return b.err
	}
	return b.Store.Commit(ctx, batch)
}
