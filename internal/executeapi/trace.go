package executeapi

import (
	"context"
	"net/http"
	"strconv"
)

// Tracer records what requests go through as spans of traces. The trace headers are AWS's (X-Amzn-Trace-Id); attributes
// are names and values in turn. Its methods may be called from any goroutine, and never wait.
type Tracer interface {
	// Header is the trace header for what is below the span of ctx.
	Header(ctx context.Context) string
	// Inject puts the span of ctx into the headers of a request.
	Inject(ctx context.Context, h http.Header)
	// Start begins a span of the kind server, client or internal below that of ctx; the function ends it, with its name and
	// the type of what has failed, or "".
	Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any))
}

// Traced begins the span of a request; t may be nil. What is invoked for the request is below it, and is told so in
// X-Amzn-Trace-Id. The function ends it with what has become of the request: its stage, its route as the API names it, such
// as /pets/{id} and "" for none, and the status. The attributes are OpenTelemetry's for servers of HTTP.
//
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
func (x *Request) Traced(t Tracer) func(stage, route string, status int) {
	if t == nil {
		return func(string, string, int) {}
	}
	ctx, end := t.Start(x.R.Context(), "server")
	x.R, x.trace, x.tracer = x.R.WithContext(ctx), t.Header(ctx), t
	return func(stage, route string, status int) {
		name, failure := x.R.Method, ""
		if route != "" {
			name += " " + route
		}
		if status >= 500 {
			failure = strconv.Itoa(status)
		}
		end(name, failure,
			"http.request.method", x.R.Method, "http.route", route, "http.response.status_code", status, "url.path", x.R.URL.Path,
			"server.address", x.Domain, "aws.request_id", x.RequestID, "aws.apigateway.api.id", x.APIID,
			"aws.apigateway.stage", stage, "cloud.account.id", x.Account,
		)
	}
}
