// Package trace records what a request goes through as spans of one trace, and sends them to a collector of OpenTelemetry
// by OTLP over HTTP, in the protocol's JSON.
//
// A trace comes in by W3C's traceparent or AWS's X-Amzn-Trace-Id and goes on by the latter, which is what functions and
// executions are given. Nothing here ever waits for the collector: spans go into a bounded queue, and what finds it full
// is dropped and counted.
//
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
package trace

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// The kinds of spans, as OTLP numbers them.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
)

var kinds = map[string]int{"internal": kindInternal, "server": kindServer, "client": kindClient}

// Tracer makes spans. Its methods may be called from any goroutine, none of them waits.
type Tracer struct {
	cfg   Config
	queue *queue
}

// New starts a tracer, and with it the goroutine that sends. The caller ends it with Close. It fails when cfg has no
// endpoint, or one that is no URL of HTTP.
func New(cfg Config) (*Tracer, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	return &Tracer{cfg: cfg, queue: startQueue(cfg)}, nil
}

// Close sends what is in the queue, for two seconds at most, and ends the goroutine. It is idempotent.
func (t *Tracer) Close() error { return t.queue.close() }

type key struct{}

func of(ctx context.Context) Context {
	c, _ := ctx.Value(key{}).(Context)
	return c
}

// Receive gives r in the trace that its headers name; r itself when they name none.
func (t *Tracer) Receive(r *http.Request) *http.Request {
	var c Context
	var ok bool
	if h := r.Header["Traceparent"]; len(h) == 1 {
		c, ok = FromTraceparent(h[0])
		if state := strings.Join(r.Header["Tracestate"], ","); ok && len(state) <= maxState {
			c.State = state
		}
	}
	if h := r.Header["X-Amzn-Trace-Id"]; !ok && len(h) == 1 {
		c, ok = FromXRay(h[0])
	}
	if !ok {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), key{}, c))
}

// Join gives ctx in the trace that header, AWS's trace header, names. A ctx that is in a trace stays as it is.
func (t *Tracer) Join(ctx context.Context, header string) context.Context {
	if of(ctx).valid() {
		return ctx
	}
	if c, ok := FromXRay(header); ok {
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

// Header is AWS's trace header for what is below the span of ctx. Without one it begins a trace.
func (t *Tracer) Header(ctx context.Context) string { return t.decided(of(ctx)).XRay() }

// Inject puts the span of ctx into the headers of a request, as AWS and as W3C have it, in the place of what is there.
func (t *Tracer) Inject(ctx context.Context, h http.Header) {
	c := t.decided(of(ctx))
	h["X-Amzn-Trace-Id"] = []string{c.XRay()}
	delete(h, "Traceparent")
	delete(h, "Tracestate")
	if c.Span == [8]byte{} { // there is no parent to tell of
		return
	}
	h["Traceparent"] = []string{c.Traceparent()}
	if c.State != "" {
		h["Tracestate"] = []string{c.State}
	}
}

// Start begins a span below that of ctx, or a trace; kind is server, client or internal. The context is that of the span.
// Whoever has it calls the function once, when the span ends: name is what it was, failure the type of the error, "" for none, and
// attributes are names and values in turn, which are strings, ints, int64s or bools.
func (t *Tracer) Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any)) {
	above := t.decided(of(ctx))
	c := above
	binary.BigEndian.PutUint64(c.Span[:], rand.Uint64()|1) // never zero
	ctx = context.WithValue(ctx, key{}, c)
	if !c.Sampled {
		return ctx, func(string, string, ...any) {}
	}
	s := span{at: c, parent: above.Span, kind: kinds[kind], begin: t.cfg.Clock.Now()}
	return ctx, func(name, failure string, attributes ...any) {
		s.name, s.end, s.failure, s.attributes = name, t.cfg.Clock.Now(), failure, attributes
		t.queue.put(s)
	}
}

// Within gives ctx within a span that Record is to tell of: the one below header that id names. So a span can begin in
// one process and end in another.
func (t *Tracer) Within(ctx context.Context, header, id string) context.Context {
	c, ok := FromXRay(header)
	if !ok {
		return ctx
	}
	c.Span = spanOf(id)
	return context.WithValue(ctx, key{}, t.decided(c))
}

// Record tells of a span from its begin to its end. header is AWS's trace header, of what the span is below; without a
// trace in it there is no span. id makes the span's own ID: whoever gives the same says the same span.
func (t *Tracer) Record(header, id, kind, name string, begin, end time.Time, failure string, attributes ...any) {
	c, ok := FromXRay(header)
	if c = t.decided(c); !ok || !c.Sampled {
		return
	}
	s := span{at: c, parent: c.Span, kind: kinds[kind], name: name, begin: begin, end: end, failure: failure, attributes: attributes}
	s.at.Span = spanOf(id)
	t.queue.put(s)
}

func spanOf(id string) (s [8]byte) {
	sum := sha256.Sum256([]byte(id))
	copy(s[:], sum[:])
	s[7] |= 1
	return s
}

// decided makes a trace where there is none, and decides whether it is kept where nobody has. The decision follows from
// the trace's ID, so that it is the same wherever it is made.
func (t *Tracer) decided(c Context) Context {
	if !c.valid() {
		c.Trace = Begin(t.cfg.Clock.Now().Unix()).Trace
	}
	if !c.Decided {
		c.Decided, c.Sampled = true, t.cfg.sampled(binary.BigEndian.Uint64(c.Trace[8:]))
	}
	return c
}

// span is one that has ended, or is going to.
type span struct {
	at         Context
	parent     [8]byte
	kind       int
	name       string
	begin, end time.Time
	failure    string
	attributes []any
}
