package trace

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector is a fake of what takes OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []wireSpan
	headers http.Header
	posts   int
	answer  func(post int) int // status; nil for 200
}

func collect(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got request
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.posts++
		c.headers = r.Header
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.URL, body, err)
		}
		if c.answer != nil {
			if status := c.answer(c.posts); status != 200 {
				w.WriteHeader(status)
				return
			}
		}
		c.spans = append(c.spans, got.ResourceSpans[0].ScopeSpans[0].Spans...)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		names = append(names, s.Name)
	}
	return names
}

func (c *collector) tracer(t *testing.T, cfg Config) *Tracer {
	t.Helper()
	cfg.Endpoint = c.URL + "/v1/traces"
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func TestSpansOfOneTrace(t *testing.T) {
	c := collect(t)
	tr := c.tracer(t, Config{Headers: map[string]string{"Api-Key": "secret"}})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793") // of an older caller: W3C's goes first
	outer, endOuter := tr.Start(tr.Receive(r).Context(), "server")
	header := tr.Header(outer)
	begin := time.Unix(1700000000, 5)
	tr.Record(header, "execution", "internal", "flow", begin, begin.Add(time.Second), "", "n", int64(7))
	inner, endInner := tr.Start(tr.Within(context.Background(), header, "execution"), "client")
	endInner("task", "States.Timeout", "name", "Task", "empty", "", "cold", true, "status", 500)
	endOuter("GET /", "")
	if got := tr.Header(tr.Join(inner, "Root=1-5759e988-bd862e3fe1be46a994272793")); !strings.HasPrefix(got, "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=") || !strings.HasSuffix(got, ";Sampled=1") {
		t.Errorf("the header below is %s", got)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	by := map[string]wireSpan{}
	for _, s := range c.spans {
		by[s.Name] = s
		if s.TraceID != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%s is in trace %s", s.Name, s.TraceID)
		}
	}
	get, flow, task := by["GET /"], by["flow"], by["task"]
	if get.ParentID != "b7ad6b7169203331" || flow.ParentID != get.SpanID || task.ParentID != flow.SpanID || len(by) != 3 {
		t.Errorf("GET / %+v\nflow %+v\ntask %+v", get, flow, task)
	}
	if flow.Start != "1700000000000000005" || flow.End != "1700000001000000005" || flow.Kind != 1 || get.Kind != 2 || task.Kind != 3 || task.Status.Code != 2 || get.Status.Code != 0 {
		t.Errorf("GET / %+v\nflow %+v\ntask %+v", get, flow, task)
	}
	attributes, _ := json.Marshal(task.Attributes)
	if want := `[{"key":"name","value":{"stringValue":"Task"}},{"key":"cold","value":{"boolValue":true}},{"key":"status","value":{"intValue":"500"}},{"key":"error.type","value":{"stringValue":"States.Timeout"}}]`; string(attributes) != want {
		t.Errorf("attributes %s", attributes)
	}
	if c.headers.Get("Api-Key") != "secret" {
		t.Errorf("headers %v", c.headers)
	}
}

// What a caller has decided holds; where nobody has, the share does, and the same for all spans of a trace.
func TestSampling(t *testing.T) {
	c := collect(t)
	tr := c.tracer(t, Config{Drop: 0.5})
	kept := 0
	for range 1000 {
		outer, end := tr.Start(context.Background(), "server")
		inner, _ := tr.Start(outer, "server")
		end("root", "")
		a, b := of(outer), of(inner)
		if a.Sampled != b.Sampled || a.Trace != b.Trace || a.Span == b.Span {
			t.Fatalf("%+v above %+v", a, b)
		}
		if a.Sampled {
			kept++
		}
	}
	if kept < 400 || kept > 600 { // beyond it once in 10^9 runs
		t.Errorf("%d of 1000 traces are kept", kept)
	}
	for _, decided := range []string{"0", "1"} {
		ctx, _ := tr.Start(tr.Join(context.Background(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled="+decided), "server")
		if h := tr.Header(ctx); !strings.HasSuffix(h, ";Sampled="+decided) {
			t.Errorf("a decision for %s became %s", decided, h)
		}
	}
	if tr.Close(); len(c.names()) != kept {
		t.Errorf("%d spans came, %d were kept", len(c.names()), kept)
	}
}

// A collector that does not answer costs spans and never a request: what does not fit the queue is dropped and counted.
func TestQueueIsBounded(t *testing.T) {
	var log lines
	hold := make(chan struct{})
	arrived := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then the end of the connection is seen
		arrived <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hold)
	tr, err := New(Config{Endpoint: s.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	one := func() {
		_, end := tr.Start(context.Background(), "server")
		end("one", "")
	}
	for range maxBatch {
		one()
	}
	<-arrived // the first batch is on its way, and stays there
	left, _ := tr.queue.waiting()
	for range maxQueue - left + 10 {
		one()
	}
	tr.queue.mu.Lock()
	n, dropped := len(tr.queue.spans), tr.queue.dropped
	tr.queue.mu.Unlock()
	if n != maxQueue || dropped != 10 {
		t.Errorf("%d spans wait and %d were dropped, want %d and 10", n, dropped, maxQueue)
	}
	tr.queue.stop() // as close does when its patience ends
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, fmt.Sprintf("lost with the platform's end\" count=%d", maxQueue+10)) {
		t.Errorf("the log says %s", got)
	}
}

// What the collector cannot take now is sent again; what it refuses is not.
func TestRetries(t *testing.T) {
	for status, posts := range map[int]int{http.StatusServiceUnavailable: 2, http.StatusBadRequest: 1} {
		c := collect(t)
		c.answer = func(post int) int {
			if post == 1 {
				return status
			}
			return 200
		}
		cfg := Config{Endpoint: c.URL + "/v1/traces"}
		if err := cfg.fill(); err != nil {
			t.Fatal(err)
		}
		q := &queue{cfg: cfg, client: c.Client(), first: time.Millisecond, wake: make(chan struct{}, 1)}
		q.send(t.Context(), []span{{name: "one"}})
		if c.posts != posts || len(c.names()) != posts-1 {
			t.Errorf("after %d: %d posts brought %v", status, c.posts, c.names())
		}
	}
}

type lines struct {
	mu sync.Mutex
	strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.String()
}

func TestFromEnvironment(t *testing.T) {
	read := func(env string) (string, error) {
		m, err := pairs(env)
		if err != nil {
			t.Fatal(err)
		}
		c, err := FromEnvironment(func(name string) string { return m[name] })
		return strings.TrimSpace(fmt.Sprint(c.Endpoint, " ", c.Service, " ", c.Headers["a"], " ", c.Drop, " ", c.Timeout, " ", c.Resource["env"])), err
	}
	const base = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318/"
	for env, want := range map[string]string{
		"":   "  0 0s",
		base: "http://127.0.0.1:4318/v1/traces teal  0 10s",
		base + ",OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://h/x,OTEL_SERVICE_NAME=shop":                            "https://h/x shop  0 10s",
		base + ",OTEL_EXPORTER_OTLP_HEADERS=a=b%2520c,OTEL_TRACES_SAMPLER_ARG=0.25,OTEL_EXPORTER_OTLP_TIMEOUT=500": "http://127.0.0.1:4318/v1/traces teal b c 0.75 500ms",
		base + ",OTEL_RESOURCE_ATTRIBUTES=service.name=mine%2Cenv=test,OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf":  "http://127.0.0.1:4318/v1/traces mine  0 10s test",
		base + ",OTEL_TRACES_SAMPLER=parentbased_always_off":                                                       "http://127.0.0.1:4318/v1/traces teal  1 10s",
		base + ",OTEL_SDK_DISABLED=true":    "  0 0s",
		base + ",OTEL_TRACES_EXPORTER=none": "  0 0s",
	} {
		got, err := read(env)
		if strings.TrimSpace(got) != strings.TrimSpace(want) || err != nil {
			t.Errorf("%s:\n %q, %v\n want %q", env, got, err, want)
		}
	}
	for env, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":                   "localhost:4318",
		base + ",OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                     "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		base + ",OTEL_TRACES_SAMPLER_ARG=2":                            "OTEL_TRACES_SAMPLER_ARG=2",
		base + ",OTEL_TRACES_SAMPLER=jaeger_remote":                    "OTEL_TRACES_SAMPLER=jaeger_remote",
		base + ",OTEL_EXPORTER_OTLP_HEADERS=secret":                    "OTEL_EXPORTER_OTLP_HEADERS: entry 1",
		base + ",OTEL_EXPORTER_OTLP_TIMEOUT=soon":                      "OTEL_EXPORTER_OTLP_TIMEOUT=soon",
		base + ",OTEL_TRACES_EXPORTER=zipkin":                          "OTEL_TRACES_EXPORTER=zipkin",
		base + ",OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://h/v1/traces": "ftp://h",
	} {
		if _, err := read(env); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", env, err, want)
		}
	}
}

// What the client's other tools keep in tracestate goes on with the trace, to what is called and to the collector.
func TestTracestate(t *testing.T) {
	c := collect(t)
	tr := c.tracer(t, Config{})
	receive := func(state ...string) context.Context {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		r.Header["Tracestate"] = state
		return tr.Receive(r).Context()
	}
	ctx, end := tr.Start(receive("rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"), "server")
	h := http.Header{"Traceparent": {"the client's"}, "X-Amzn-Trace-Id": {"the client's"}}
	tr.Inject(ctx, h)
	end("GET /", "")
	if got := h.Get("Tracestate"); got != "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" {
		t.Errorf("the state became %q", got)
	}
	parent, ok := FromTraceparent(h.Get("Traceparent"))
	header, ok2 := FromXRay(h.Get("X-Amzn-Trace-Id"))
	if !ok || !ok2 || parent != header || h.Get("Traceparent")[3:35] != "0af7651916cd43dd8448eb211c80319c" || h.Get("Traceparent")[36:52] == "b7ad6b7169203331" {
		t.Errorf("%v", h)
	}
	h = http.Header{"Tracestate": {"the client's"}}
	tr.Inject(receive(strings.Repeat("s", 513)), h)
	if h["Tracestate"] != nil {
		t.Errorf("a state that is too long became %q", h)
	}
	h = http.Header{}
	tr.Inject(t.Context(), h)
	if _, ok := FromXRay(h.Get("X-Amzn-Trace-Id")); !ok || h["Traceparent"] != nil {
		t.Errorf("outside of a trace %v", h)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 1 || c.spans[0].State != "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" {
		t.Errorf("%+v", c.spans)
	}
}
