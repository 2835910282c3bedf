package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/pool"
)

const (
	urlLabel = ".lambda-url." // between a URL's id and the rest of the host name
	urlPath  = "/_aws/lambda-url/"
)

// forbidden is how AWS refuses a caller of a URL.
const forbidden = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"

// MatchURL tells whether r is a call of a function's URL, by its host name or its path.
func (s *Service) MatchURL(r *http.Request) bool {
	_, _, ok := urlOf(r)
	return ok
}

// urlOf takes a URL's id, and the path below the URL, out of a request.
func urlOf(r *http.Request) (id, path string, ok bool) {
	path = r.URL.EscapedPath()
	if i := strings.Index(strings.ToLower(r.Host), urlLabel); i > 0 {
		return strings.ToLower(r.Host[:i]), path, true
	}
	if rest, found := strings.CutPrefix(path, urlPath); found {
		id, path, _ = strings.Cut(rest, "/")
		return strings.ToLower(id), "/" + path, true
	}
	return "", "", false
}

// ServeURL answers a call of a function's URL: it checks who may call, invokes the function with an event of format 2.0,
// and turns what it returns, at once or as a stream, into the answer.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func (s *Service) ServeURL(w http.ResponseWriter, r *http.Request) {
	id, path, _ := urlOf(r)
	requestID := awsproto.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", requestID)
	n, to, u := s.urlNamed(id)
	if u == nil {
		urlMessage(w, http.StatusNotFound, "There is no function URL "+id)
		return
	}
	if u.CORS != nil {
		if applyCORS(u.CORS, w.Header(), r) {
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	body, err := readPayload(r)
	switch {
	case err != nil:
		urlMessage(w, http.StatusRequestEntityTooLarge, "Request Too Large")
		return
	case len(body) > maxRequest:
		urlMessage(w, http.StatusRequestEntityTooLarge, "Request Too Large")
		return
	}
	caller, err := s.mayCall(n, to, u, r, body)
	if err != nil {
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		urlMessage(w, http.StatusForbidden, err.Error())
		return
	}
	payload, err := json.Marshal(s.urlEvent(r, id, path, body, requestID, caller))
	if err != nil {
		urlMessage(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	inv := &invocation{ref: ref{to.function, to.qualifier}, requestID: requestID, traceID: r.Header.Get("X-Amzn-Trace-Id"), payload: payload}
	ctx := context.WithoutCancel(r.Context()) // as on AWS, a function runs to its end though the caller has gone
	if u.Mode == string(types.InvokeModeResponseStream) {
		s.streamURL(ctx, w, inv)
		return
	}
	o, err := s.run(ctx, inv)
	if status := urlFailure(o, err); status != 0 {
		urlMessage(w, status, http.StatusText(status))
		return
	}
	writeProxy(w, u.CORS != nil, o.executed, o.result.Payload)
}

// urlNamed finds a URL and what it leads to.
func (s *Service) urlNamed(id string) (*snapshot, urlTarget, *urlRecord) {
	v, ok := s.urls.Load(id)
	if !ok {
		return nil, urlTarget{}, nil
	}
	to := v.(urlTarget)
	n, err := s.look(to.function)
	if err != nil {
		s.cfg.Logger.Error("lambda: the function of a URL cannot be read", "function", to.function, "error", err)
	}
	if n == nil || n.urls[to.qualifier] == nil || n.urls[to.qualifier].ID != id {
		return nil, to, nil
	}
	return n, to, n.urls[to.qualifier]
}

// urlFailure is the status with which a failed invocation is answered; 0 for a good one.
func urlFailure(o outcome, err error) int {
	var throttled *types.TooManyRequestsException
	switch {
	case errors.As(err, &throttled):
		return http.StatusTooManyRequests
	case err != nil, o.result.FunctionError != "":
		return http.StatusBadGateway
	}
	return 0
}

func urlMessage(w http.ResponseWriter, status int, message string) {
	raw, err := json.Marshal(map[string]string{"Message": message})
	if err != nil {
		raw = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller has gone: nobody to tell
}

// streamURL answers with what a function writes, while it writes it.
func (s *Service) streamURL(ctx context.Context, w http.ResponseWriter, inv *invocation) {
	out := &urlStream{w: w}
	inv.stream = out
	o, err := s.run(ctx, inv)
	if out.started {
		if err != nil || o.result.FunctionError != "" {
			panic(http.ErrAbortHandler) // the answer is cut off, as on AWS: its status has gone already
		}
		out.finish()
		return
	}
	if status := urlFailure(o, err); status != 0 {
		urlMessage(w, status, http.StatusText(status))
		return
	}
	// A function that does not stream: its whole answer is the body.
	if err := out.Start("application/json"); err == nil {
		_, _ = out.Write(o.result.Payload)
	}
	out.finish()
}

// sourceIP is the address of the caller.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

var _ pool.Stream = (*urlStream)(nil)
