package apigatewayv2

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// exchange is one request on its way through the data plane. Exchanges are reused.
type exchange struct {
	executeapi.Request
	s     *Service
	cors  bool // the API answers CORS itself
	stage *stage
	route *route
	// decision is what the route's authorizer said; nil without one.
	decision *executeapi.Decision
	claims   *claims               // of the token that a JWT authorizer has found good
	caller   string                // access key of who signed the request; "" where nobody had to
	answer   *executeapi.Forwarded // of the backend, while it is mapped
	// overwritten tells that the route's parameters gave RawPath.
	overwritten bool
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// release clears x, so that nothing of a request outlives it, and gives it back.
func (x *exchange) release() {
	x.Reset()
	x.s, x.cors, x.stage, x.route, x.decision, x.claims, x.caller, x.answer, x.overwritten = nil, false, nil, nil, nil, nil, "", nil, false
	exchanges.Put(x)
}

// Match tells whether r is a request of the data plane for one of the service's APIs. Requests of the data plane for which
// there is no API match too, so that one of the platform's gateways answers them.
func (s *Service) Match(r *http.Request) bool {
	_, _, _, ok := executeapi.Address(r)
	return ok
}

// ServeHTTP answers a request for which Match is true; any other gets 404.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := exchanges.Get().(*exchange)
	defer x.release()
	x.s, x.W, x.R, x.Account = s, w, r, s.cfg.Account
	x.At = s.cfg.Clock.Now().UTC()
	x.RequestID = executeapi.NewRequestID()
	w.Header()["Apigw-Requestid"] = []string{x.RequestID}

	a := x.address()
	if a == nil || x.stage == nil {
		x.message(http.StatusNotFound, messageNotFound)
		return
	}
	end, route := x.Traced(s.cfg.Tracer), ""
	status := x.serve(a)
	if x.route != nil {
		_, path, _ := strings.Cut(x.route.key, " ")
		route = cmp.Or(path, x.route.key)
	}
	end(x.stage.name, route, status)
	x.stage.metrics.record(status, time.Since(begin), x.Waited)
}

// serve answers a request whose stage is known.
func (x *exchange) serve(a *api) int {
	if a.cors != nil {
		x.cors = true
		if a.cors.preflight(x.W.Header(), x.R) {
			x.W.WriteHeader(http.StatusNoContent)
			return http.StatusNoContent
		}
		a.cors.apply(x.W.Header(), x.R)
	}
	x.route, x.Values = x.stage.router.match(x.R.Method, x.Segments, x.Values)
	if x.route == nil {
		return x.message(http.StatusNotFound, messageNotFound)
	}
	if x.HeadersTooLarge() {
		return x.message(http.StatusRequestHeaderFieldsTooLarge, messageHeadersTooLarge)
	}
	if !x.route.throttle.Take(x.At) {
		return x.message(http.StatusTooManyRequests, messageThrottled)
	}
	if x.route.authorizer != nil {
		if status := x.authorize(x.route.authorizer); status != 0 {
			return status
		}
	}
	if x.route.target == nil {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	switch x.ReadBody() {
	case http.StatusRequestEntityTooLarge:
		return x.message(http.StatusRequestEntityTooLarge, messageTooLarge)
	case http.StatusBadRequest:
		return x.message(http.StatusBadRequest, messageBadRequest)
	}
	if x.route.signed {
		if status := x.checkSignature(); status != 0 {
			return status
		}
	}
	if p := x.route.parameters; p != nil {
		if !p.apply(x) {
			return x.message(http.StatusBadRequest, messageBadRequest)
		}
	}
	return x.route.target.serve(x)
}

// address finds the API and the stage that x is for, and splits the path. It returns nil when there is no such API.
func (x *exchange) address() *api {
	encoded := x.R.URL.RawPath != ""
	id, path, byHost, ok := executeapi.Address(x.R)
	if !ok {
		return nil
	}
	a := x.s.lookup(id)
	if a == nil || a.closed {
		return nil
	}
	x.APIID = id
	x.Domain, x.Port = executeapi.SplitHost(x.R.Host)
	if !byHost {
		x.Domain, _ = executeapi.SplitHost(x.s.endpoint)
		x.Domain = id + executeapi.Infix + x.Domain
	}
	if x.Segments, ok = executeapi.SplitPath(x.Segments, path, encoded); !ok {
		return nil
	}
	x.RawPath = path
	if encoded {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return nil
		}
		x.RawPath = decoded
	}
	x.stage = a.defaultStage
	if len(x.Segments) == 0 {
		return a
	}
	first := x.Segments[0]
	if named := a.named[first]; named != nil {
		x.stage = named
		x.dropSegment()
	} else if !byHost && first == defaultStageName {
		x.RawPath = strings.TrimPrefix(x.RawPath, "/"+defaultStageName)
		if x.RawPath == "" {
			x.RawPath = "/"
		}
		x.dropSegment()
	}
	return a
}

// dropSegment takes the stage off the path. "/dev" and "/dev/" are both the root of stage dev.
func (x *exchange) dropSegment() {
	copy(x.Segments, x.Segments[1:])
	x.Segments = x.Segments[:len(x.Segments)-1]
	if len(x.Segments) == 1 && x.Segments[0] == "" {
		x.Segments = x.Segments[:0]
	}
}

// AWS's answers where no backend gives one.
var (
	messageNotFound        = []byte(`{"message":"Not Found"}`)
	messageBadRequest      = []byte(`{"message":"Bad Request"}`)
	messageTooLarge        = []byte(`{"message":"Request Entity Too Large"}`)
	messageHeadersTooLarge = []byte(`{"message":"Request Header Fields Too Large"}`)
	messageInternal        = []byte(`{"message":"Internal Server Error"}`)
	messageUnavailable     = []byte(`{"message":"Service Unavailable"}`)
)

// message writes one of AWS's own answers.
func (x *exchange) message(status int, body []byte) int { return x.Message(status, body) }
