package apigateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// executeAPI stands between an API's ID and the rest of the host name.
	executeAPI = ".execute-api."
	// pathPrefix is where APIs answer by path.
	pathPrefix = "/_aws/execute-api/"
)

// exchange is one request on its way through the data plane. Exchanges are reused.
type exchange struct {
	s         *Service
	w         http.ResponseWriter
	r         *http.Request
	apiID     string
	domain    string // host name without port
	port      string
	cors      bool // the API answers CORS itself
	requestID string
	stage     *stage
	route     *route
	rawPath   string // decoded, with the name of a named stage
	segments  []string
	values    []string // of the route's variables
	body      []byte
	at        time.Time // on the configured clock, UTC
	waited    time.Duration

	headers []headerField // scratch of the event
	params  []param
	parsed  bool // params holds the query string
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// release clears x, so that nothing of a request outlives it, and gives it back.
func (x *exchange) release() {
	clear(x.segments)
	clear(x.values)
	clear(x.headers)
	clear(x.params)
	*x = exchange{segments: x.segments[:0], values: x.values[:0], headers: x.headers[:0], params: x.params[:0]}
	exchanges.Put(x)
}

// Match tells whether r is a request of the data plane, by its host name or its path.
func (s *Service) Match(r *http.Request) bool {
	_, byHost := hostAPI(r.Host)
	return byHost || strings.HasPrefix(requestPath(r), pathPrefix)
}

// hostAPI takes the API's ID out of a host name.
func hostAPI(host string) (string, bool) {
	id, rest, ok := strings.Cut(host, ".")
	if !ok || id == "" || len(rest) < len(executeAPI)-1 || !strings.EqualFold(rest[:len(executeAPI)-1], executeAPI[1:]) {
		return "", false
	}
	return strings.ToLower(id), true
}

// requestPath is the path as the client wrote it, or its decoded form where both mean the same.
func requestPath(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// ServeHTTP answers a request for which Match is true; any other gets 404.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := exchanges.Get().(*exchange)
	defer x.release()
	x.s, x.w, x.r = s, w, r
	x.at = s.cfg.Clock.Now().UTC()
	x.requestID = newRequestID()
	w.Header()["Apigw-Requestid"] = []string{x.requestID}

	a := x.address()
	if a == nil || x.stage == nil {
		x.message(http.StatusNotFound, messageNotFound)
		return
	}
	status := x.serve(a)
	x.stage.metrics.record(status, time.Since(begin), x.waited)
}

// serve answers a request whose stage is known.
func (x *exchange) serve(a *api) int {
	if a.cors != nil {
		x.cors = true
		if a.cors.preflight(x.w.Header(), x.r) {
			x.w.WriteHeader(http.StatusNoContent)
			return http.StatusNoContent
		}
		a.cors.apply(x.w.Header(), x.r)
	}
	x.route, x.values = x.stage.router.match(x.r.Method, x.segments, x.values)
	if x.route == nil {
		return x.message(http.StatusNotFound, messageNotFound)
	}
	if x.route.target == nil {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	if status := x.readBody(); status != 0 {
		return status
	}
	return x.route.target.serve(x)
}

// address finds the API and the stage that x is for, and splits the path. It returns nil when there is no such API.
func (x *exchange) address() *api {
	path := requestPath(x.r)
	encoded := x.r.URL.RawPath != ""
	id, byHost := hostAPI(x.r.Host)
	if !byHost {
		rest, ok := strings.CutPrefix(path, pathPrefix)
		if !ok {
			return nil
		}
		id, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if path == "" {
		path = "/"
	}
	a := x.s.lookup(id)
	if a == nil || a.closed || path[0] != '/' {
		return nil
	}
	x.apiID = id
	x.domain, x.port = splitHost(x.r.Host)
	if !byHost {
		x.domain, _ = splitHost(x.s.endpoint)
		x.domain = id + executeAPI + x.domain
	}
	var ok bool
	if x.segments, ok = splitPath(x.segments, path, encoded); !ok {
		return nil
	}
	x.rawPath = path
	if encoded {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return nil
		}
		x.rawPath = decoded
	}
	x.stage = a.defaultStage
	if len(x.segments) == 0 {
		return a
	}
	first := x.segments[0]
	if named := a.named[first]; named != nil {
		x.stage = named
		x.dropSegment()
	} else if !byHost && first == defaultStageName {
		x.rawPath = strings.TrimPrefix(x.rawPath, "/"+defaultStageName)
		if x.rawPath == "" {
			x.rawPath = "/"
		}
		x.dropSegment()
	}
	return a
}

// dropSegment takes the stage off the path. "/dev" and "/dev/" are both the root of stage dev.
func (x *exchange) dropSegment() {
	copy(x.segments, x.segments[1:])
	x.segments = x.segments[:len(x.segments)-1]
	if len(x.segments) == 1 && x.segments[0] == "" {
		x.segments = x.segments[:0]
	}
}

// readBody reads the whole body. It answers the request itself and returns the status when the body is too large or
// does not arrive.
func (x *exchange) readBody() int {
	r := x.r
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return 0
	}
	if r.ContentLength > maxPayload {
		return x.message(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead) // so that ReadFrom never grows
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, maxPayload+1))
	switch {
	case err != nil:
		return x.message(http.StatusBadRequest, messageBadRequest)
	case n > maxPayload:
		return x.message(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	x.body = buf.Bytes()
	return 0
}

// AWS's answers where no backend gives one.
var (
	messageNotFound    = []byte(`{"message":"Not Found"}`)
	messageBadRequest  = []byte(`{"message":"Bad Request"}`)
	messageTooLarge    = []byte(`{"message":"Request Entity Too Large"}`)
	messageInternal    = []byte(`{"message":"Internal Server Error"}`)
	messageUnavailable = []byte(`{"message":"Service Unavailable"}`)

	jsonType = []string{"application/json"}
)

// message writes one of AWS's own answers.
func (x *exchange) message(status int, body []byte) int {
	x.w.Header()["Content-Type"] = jsonType
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // the client has gone: nobody to tell
	return status
}

// deadline gives the context of a backend call: bounded by the integration's timeout, and not by the client's patience.
func (x *exchange) deadline(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(x.r.Context()), timeout)
}

// expired tells whether a backend call failed because its time was over.
func expired(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil
}

func (x *exchange) sourceIP() string {
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		return x.r.RemoteAddr
	}
	return host
}

// splitHost takes host:port apart; the port may be missing.
func splitHost(hostport string) (host, port string) {
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && strings.IndexByte(hostport[i:], ']') < 0 {
		return hostport[:i], hostport[i+1:]
	}
	return hostport, ""
}

// prefixOf is the first label of a host name.
func prefixOf(domain string) string {
	prefix, _, _ := strings.Cut(domain, ".")
	return prefix
}

// newRequestID draws an ID as AWS's are: 11 bytes in base64, such as JKJaXmPLvHcESHA=.
func newRequestID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	return base64.URLEncoding.EncodeToString(b[:11])
}
