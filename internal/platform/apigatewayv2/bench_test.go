package apigatewayv2

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header { return d.h }

func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

func (d *discard) WriteHeader(int) {}

// BenchmarkServe is the gateway's own share of a request: everything but net/http and the invocation.
func BenchmarkServe(b *testing.B) {
	g := newGateway(b, Config{Invoker: answers(`{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"version\":\"7\",\"release\":\"green\"}"}`), Meter: nopMeter{}})
	i := g.lambda(functionHello, "2.0", nil)
	for _, k := range []string{"GET /hello", "GET /orders/{id}", "POST /orders", "ANY /{proxy+}", "$default"} {
		g.addRoute(k, i)
	}
	for _, c := range []struct{ name, target string }{{"route", "/hello"}, {"variable", "/orders/7?verbose=1"}, {"greedy", "/a/b/c"}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := g.byHost("GET", c.target, "")
				r.Body = http.NoBody
				r.Header = http.Header{"User-Agent": {"curl/8.5.0"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}}
				w := &discard{h: make(http.Header)}
				for pb.Next() {
					clear(w.h)
					g.ServeHTTP(w, r)
				}
			})
		})
	}
}

// BenchmarkMatchRoute is the choice of a route alone.
func BenchmarkMatchRoute(b *testing.B) {
	r := build(b, "GET /hello", "GET /orders/{id}", "POST /orders", "ANY /{proxy+}", "$default")
	var segments, values []string
	b.ReportAllocs()
	for b.Loop() {
		segments, _ = executeapi.SplitPath(segments[:0], "/orders/7", false)
		_, values = r.match("GET", segments, values[:0])
	}
}

type nopMeter struct{}

func (nopMeter) Series(string, string, string, ...string) func(float64) { return func(float64) {} }

// BenchmarkRefuse is a request for which there is no API.
func BenchmarkRefuse(b *testing.B) {
	g := newGateway(b, Config{})
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "zzzzzzzzzz.execute-api.localhost"
	w := &discard{h: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		g.ServeHTTP(w, r)
	}
}
