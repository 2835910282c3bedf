package apigateway

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
	"github.com/tealdeploy/teal/internal/vtl"
)

// exchange is one request on its way through the data plane. Exchanges are reused.
type exchange struct {
	executeapi.Request
	s        *Service
	stage    *stage
	side     *side
	method   *method
	extended string // x-amz-apigw-id
	path     string // decoded, below the stage
	decision *executeapi.Decision
	caller   string       // access key of who signed the request; "" where nobody had to
	apiKey   types.ApiKey // that the request has; the zero value where none was wanted
	context  *vtl.Map     // $context, made on its first use
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func (x *exchange) release() {
	x.Reset()
	*x = exchange{Request: x.Request}
	exchanges.Put(x)
}

// Match tells whether r is a request for one of the service's APIs.
func (s *Service) Match(r *http.Request) bool {
	id, _, _, ok := executeapi.Address(r)
	return ok && s.lookup(id) != nil
}

// ServeHTTP answers a request for which Match is true; any other gets 403, as on AWS.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := exchanges.Get().(*exchange)
	defer x.release()
	x.s, x.W, x.R, x.Account = s, w, r, s.cfg.Account
	x.At = s.cfg.Clock.Now().UTC()
	x.RequestID, x.extended = awsproto.NewRequestID(), executeapi.NewRequestID()
	h := w.Header()
	h["X-Amzn-Requestid"], h["X-Amz-Apigw-Id"] = []string{x.RequestID}, []string{x.extended}

	if !x.address() {
		x.W.Header()["X-Amzn-Errortype"] = []string{"ForbiddenException"}
		x.Message(http.StatusForbidden, []byte(`{"message":"Forbidden"}`))
		return
	}
	end, route := x.Traced(s.cfg.Tracer), ""
	status := x.serve()
	if x.method != nil {
		route = x.method.path
	}
	end(x.stage.name, route, status)
	latency := time.Since(begin)
	x.stage.metrics.record(status, latency, x.Waited)
	if x.method != nil && x.method.detailed != nil {
		x.method.detailed.record(status, latency, x.Waited)
	}
}

// address finds the API, the stage and its side, and splits the path; it reports false when there is none.
func (x *exchange) address() bool {
	encoded := x.R.URL.RawPath != ""
	id, path, byHost, ok := executeapi.Address(x.R)
	if !ok {
		return false
	}
	a := x.s.lookup(id)
	if a == nil || a.closed {
		return false
	}
	x.APIID = id
	x.Domain, x.Port = executeapi.SplitHost(x.R.Host)
	if !byHost {
		host, _ := executeapi.SplitHost(x.s.endpoint)
		x.Domain = id + executeapi.Infix + host
	}
	if x.Segments, ok = executeapi.SplitPath(x.Segments, path, encoded); !ok || len(x.Segments) == 0 {
		return false
	}
	if x.stage = a.stages[x.Segments[0]]; x.stage == nil {
		return false
	}
	copy(x.Segments, x.Segments[1:])
	x.Segments = x.Segments[:len(x.Segments)-1]
	if n := len(x.Segments); n > 0 && x.Segments[n-1] == "" { // a slash at the end means nothing
		x.Segments = x.Segments[:n-1]
	}
	x.RawPath = path
	if encoded {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return false
		}
		x.RawPath = decoded
	}
	if x.path = strings.TrimPrefix(x.RawPath, "/"+x.stage.name); x.path == "" {
		x.path = "/"
	}
	x.side = x.stage.base
	if x.stage.canary != nil && x.stage.routing.Pick(rand.Float64()) == canarySide {
		x.side = x.stage.canary
	}
	return true
}

// serve answers a request whose stage is known.
func (x *exchange) serve() int {
	x.method, x.Values = x.side.root.match(x.R.Method, x.Segments, x.Values)
	if x.method == nil {
		return x.fail(types.GatewayResponseTypeMissingAuthenticationToken, "")
	}
	if x.HeadersTooLarge() {
		return x.Message(http.StatusRequestHeaderFieldsTooLarge, []byte(`{"message":"Request Header Fields Too Large"}`))
	}
	if !x.method.throttle.Take(x.At) {
		return x.fail(types.GatewayResponseTypeThrottled, "")
	}
	switch x.ReadBody() {
	case http.StatusRequestEntityTooLarge:
		return x.fail(types.GatewayResponseTypeRequestTooLarge, "")
	case http.StatusBadRequest:
		return x.fail(types.GatewayResponseTypeBadRequestBody, "")
	}
	if x.method.signed {
		if status := x.checkSignature(); status != 0 {
			return status
		}
	}
	if x.method.authorizer != nil {
		if status := x.authorize(x.method.authorizer); status != 0 {
			return status
		}
	}
	if x.method.keyed {
		if status := x.admit(); status != 0 {
			return status
		}
	}
	return x.perform()
}

// perform answers a request that may be made.
func (x *exchange) perform() int {
	if v := x.method.validator; v != nil {
		if status := x.validate(v); status != 0 {
			return status
		}
	}
	if x.method.backend == nil {
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	return x.method.backend.serve(x)
}

// validate holds the request against the method's parameters and models; it returns 0 or the status of its answer.
func (x *exchange) validate(v *validator) int {
	var absent []string
	for _, p := range v.parameters {
		if _, ok := x.parameter(p); !ok {
			_, name, _ := strings.Cut(p, ".")
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return x.fail(types.GatewayResponseTypeBadRequestParameters, "Missing required request parameters: ["+strings.Join(absent, ", ")+"]")
	}
	if v.models == nil {
		return 0
	}
	schema := v.models[x.contentType()]
	if schema == nil {
		schema = v.models["$default"]
	}
	if schema != nil && !valid(schema, x.Body) {
		return x.fail(types.GatewayResponseTypeBadRequestBody, "")
	}
	return 0
}

// contentType is the request's media type in lower case; application/json when the client gave none.
func (x *exchange) contentType() string { return mediaType(x.R.Header.Get("Content-Type")) }

func mediaType(header string) string {
	media, _, _ := strings.Cut(header, ";")
	if media = strings.ToLower(strings.TrimSpace(media)); media == "" {
		return "application/json"
	}
	return media
}

// parameter reads path.name, querystring.name or header.name of the request.
func (x *exchange) parameter(p string) (string, bool) {
	where, name, _ := strings.Cut(p, ".")
	switch where {
	case "path":
		for i, n := range x.method.variables {
			if n == name {
				return x.Values[i], true
			}
		}
	case "querystring", "multivaluequerystring":
		last, found := "", false
		for _, q := range x.QueryParams() {
			if q.Name == name {
				last, found = q.Value, true
			}
		}
		return last, found
	case "header", "multivalueheader":
		if strings.EqualFold(name, "Host") {
			return x.R.Host, true
		}
		if v := x.R.Header.Values(name); len(v) > 0 {
			return v[len(v)-1], true
		}
	}
	return "", false
}

// sourceARN names the method as a function's policy does.
func (x *exchange) sourceARN() string {
	return executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, x.stage.name+"/"+x.R.Method+x.method.path)
}

// isBinary tells whether a media type is one of the API's binary ones.
func (sd *side) isBinary(media string) bool {
	for _, b := range sd.binary {
		if b == "*/*" || b == media {
			return true
		}
		if kind, ok := strings.CutSuffix(b, "/*"); ok && strings.HasPrefix(media, kind+"/") {
			return true
		}
	}
	return false
}

// fail answers with one of the gateway's own responses. message replaces the default one.
func (x *exchange) fail(t types.GatewayResponseType, message string) int {
	return x.failWith(t, answers[t], message)
}

// malformed answers for a function that failed, or that returned what is no answer of the Lambda proxy. No type of gateway
// response is AWS's own for that, so DEFAULT_5XX changes it.
func (x *exchange) malformed() int {
	a := answers[types.GatewayResponseTypeDefault5xx]
	a.status = http.StatusBadGateway
	return x.failWith(types.GatewayResponseTypeDefault5xx, a, "")
}

func (x *exchange) failWith(t types.GatewayResponseType, a answer, message string) int {
	if message == "" {
		message = a.message
	}
	x.W.Header()["X-Amzn-Errortype"] = []string{a.errorType}
	r := x.side.responses[t]
	if r == nil {
		if a.status >= 500 {
			r = x.side.responses[types.GatewayResponseTypeDefault5xx]
		} else {
			r = x.side.responses[types.GatewayResponseTypeDefault4xx]
		}
	}
	if r != nil {
		return r.write(x, t, a.status, message)
	}
	name := "message"
	if t == types.GatewayResponseTypeAccessDenied {
		name = "Message" // as AWS writes it
	}
	if message == "" {
		return x.Message(a.status, []byte(`{"`+name+`":null}`))
	}
	return x.Message(a.status, append(jsontext.AppendString([]byte(`{"`+name+`":`), message), '}'))
}

// send writes a whole response.
func (x *exchange) send(status int, body []byte) int {
	h := x.W.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified || status < 200 {
		h.Del("Content-Type")
		x.W.WriteHeader(max(status, 200))
		return status
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = executeapi.JSONType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.W.WriteHeader(status)
	_, _ = x.W.Write(body) // the client has gone: nobody to tell
	return status
}

func itoa(n int) string { return strconv.Itoa(n) }
