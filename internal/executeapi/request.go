// Package executeapi is what REST APIs and HTTP APIs share on the way of a request (AWS signs such requests for the service
// execute-api): where an API answers, the request with its parts made ready, events of the Lambda proxy and the answers to
// them, JSON by hand, throttling, Lambda authorizers, and invocation with the permission that it needs. The two services
// keep what is theirs: the configuration, the choice of a route, and the integrations.
package executeapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tealdeploy/teal/internal/jsontext"
)

const (
	// MaxPayload is the largest body of a request, in bytes, of both kinds of API.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	MaxPayload = 10 << 20
	// CLFTime is the form of requestContext.time and $context.requestTime.
	CLFTime = "02/Jan/2006:15:04:05 -0700"
	// VersionHeader tells the client which version of a function served it. AWS has no such header; with it a client can
	// count requests per version during a rollout.
	VersionHeader = "X-Teal-Executed-Version"
)

// Request is one request on its way through the data plane. It belongs to one goroutine.
type Request struct {
	W         http.ResponseWriter
	R         *http.Request
	APIID     string
	Account   string
	Domain    string // host name without port
	Port      string
	RequestID string
	RawPath   string   // decoded, as the event has it
	Segments  []string // of the path below the stage
	Values    []string // of the route's variables
	Body      []byte
	At        time.Time // on the configured clock, UTC
	Waited    time.Duration

	headers []HeaderField // scratch of the event
	params  []Param
	parsed  bool   // params holds the query string
	tracer  Tracer // nil without traces
	trace   string // X-Amzn-Trace-Id of what is below the request's span; "" without one
}

// Reset clears x, so that nothing of a request outlives it, and keeps its scratch space.
func (x *Request) Reset() {
	clear(x.Segments)
	clear(x.Values)
	clear(x.headers)
	clear(x.params)
	*x = Request{Segments: x.Segments[:0], Values: x.Values[:0], headers: x.headers[:0], params: x.params[:0]}
}

// Change puts another request in the client's place, for what is made of it from now on; path is decoded.
func (x *Request) Change(r *http.Request, path string) {
	x.R, x.RawPath = r, path
	clear(x.params)
	x.params, x.parsed = x.params[:0], false
}

// ReadBody reads the whole body. It returns 0, or the status of the answer when the body is too large (413) or does not
// arrive (400).
func (x *Request) ReadBody() int {
	r := x.R
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return 0
	}
	if r.ContentLength > MaxPayload {
		return http.StatusRequestEntityTooLarge
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead) // so that ReadFrom never grows
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, MaxPayload+1))
	switch {
	case err != nil:
		return http.StatusBadRequest
	case n > MaxPayload:
		return http.StatusRequestEntityTooLarge
	}
	x.Body = buf.Bytes()
	return 0
}

// maxHeaders is what the names and values of a request's headers may have together, in bytes.
const maxHeaders = 10240

// HeadersTooLarge tells whether the request's line and headers exceed AWS's 10,240 bytes.
func (x *Request) HeadersTooLarge() bool {
	n := len(x.R.Method) + len(x.R.RequestURI)
	for name, values := range x.R.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n > maxHeaders
}

// JSONType is the Content-Type of the gateways' own answers.
var JSONType = []string{"application/json"}

// Message writes one of the gateway's own answers, which are JSON, and returns its status.
func (x *Request) Message(status int, body []byte) int {
	x.W.Header()["Content-Type"] = JSONType
	x.W.WriteHeader(status)
	_, _ = x.W.Write(body) // the client has gone: nobody to tell
	return status
}

// Expired tells whether a backend call failed because its time was over.
func Expired(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil
}

// SourceIP is the client's address without port.
func (x *Request) SourceIP() string {
	host, _, err := net.SplitHostPort(x.R.RemoteAddr)
	if err != nil {
		return x.R.RemoteAddr
	}
	return host
}

// EventSize estimates the event's size, so that it is written without growing.
func (x *Request) EventSize() int {
	n := 1024 + len(x.R.URL.RawQuery)*2 + len(x.Body)*4/3
	for k, vs := range x.R.Header {
		n += len(k)
		for _, v := range vs {
			n += len(v) + 8
		}
	}
	return n
}

// AppendVariables writes the member stageVariables of an event, or nothing when there are none.
func AppendVariables(b []byte, variables map[string]string) []byte {
	if len(variables) == 0 {
		return b
	}
	b = append(b, `,"stageVariables":{`...)
	first := true
	for k, v := range variables {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = jsontext.AppendString(b, k)
		b = append(b, ':')
		b = jsontext.AppendString(b, v)
	}
	return append(b, '}')
}

// AppendPathParameters writes the member pathParameters of an event out of the names of the route's variables and
// x.Values, or nothing when there are none.
func (x *Request) AppendPathParameters(b []byte, names []string) []byte {
	for i, name := range names {
		if i == 0 {
			b = append(b, `,"pathParameters":{`...)
		} else {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, name)
		b = append(b, ':')
		b = jsontext.AppendString(b, x.Values[i])
	}
	if len(names) > 0 {
		b = append(b, '}')
	}
	return b
}
