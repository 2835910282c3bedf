package awsproto

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/fault"
)

// ServeHTTP finds the service, the protocol and the operation of a request and answers it.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if viaGateway(r.Host) {
		m.fallback(w, r)
		return
	}
	q := &request{mux: m, w: w, r: r, scope: scopeOf(r)}
	if !m.find(q) {
		m.fallbackAfter(q)
		return
	}
	q.stamp()
	if q.svc != nil {
		if err := q.svc.ready(); err != nil {
			m.log.Error("awsproto: a service cannot be served", "error", err)
			q.svc = nil
		}
	}
	if q.svc == nil {
		q.fail(q.unserved())
		return
	}
	q.serve()
}

// stamp gives the answer its request id.
func (q *request) stamp() {
	q.id = NewRequestID()
	q.ids[0] = q.id
	h := q.w.Header()
	h["X-Amzn-Requestid"], h["X-Amz-Request-Id"] = q.ids[:], q.ids[:]
	q.queryMode = strings.EqualFold(Header(q.r.Header, "X-Amzn-Query-Mode"), "true")
}

// Header is a header by its canonical name, which [http.Header.Get] would check anew in every request; "" when there is none.
func Header(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// viaGateway tells hosts of deployed APIs and function URLs (abc.execute-api.us-east-1.localhost) from AWS's own.
func viaGateway(host string) bool {
	return strings.Contains(host, ".execute-api.") || strings.Contains(host, ".lambda-url.")
}

func (m *Mux) fallback(w http.ResponseWriter, r *http.Request) {
	if m.cfg.Fallback != nil {
		m.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	q := &request{mux: m, w: w, r: r, proto: RESTJSON}
	q.stamp()
	q.fail(unknownOperation(http.StatusNotFound, fmt.Sprintf(
		"%s %s is no AWS API call that can be told apart; this endpoint serves %s: call it with an AWS client", r.Method, r.URL.EscapedPath(), m.serves)))
}

func (m *Mux) fallbackAfter(q *request) {
	if q.read { // a form was looked at: give it back
		q.r.Body = restored(q.body)
	}
	m.fallback(q.w, q.r)
}

// find fills in protocol, service and operation. It returns false when the request is no AWS API call; a nil service
// with true means that the service is not served.
func (m *Mux) find(q *request) bool {
	if service, op, ok := rpcPath(q.r); ok {
		q.proto, q.name, q.svc = RPCV2CBOR, op, m.byTarget[service]
		q.scope.orTarget(service)
		return q.checkSpoken()
	}
	if target := Header(q.r.Header, "X-Amz-Target"); target != "" {
		prefix, op, _ := cutLast(target, '.')
		q.proto, q.name, q.svc = jsonProtocol(q.r), op, m.byTarget[prefix]
		q.scope.orTarget(prefix)
		if q.svc != nil && !q.svc.speaks(q.proto) {
			// Clients of an older or newer model may write the other minor version.
			if i := slices.IndexFunc(q.svc.Protocols, func(p Protocol) bool { return p == AWSJSON10 || p == AWSJSON11 }); i >= 0 {
				q.proto = q.svc.Protocols[i]
			}
		}
		return q.checkSpoken()
	}
	switch q.scope.service {
	case "execute-api": // a signed call of a deployed API
		return false
	case "":
		return m.findUnsigned(q)
	}
	return m.findScoped(q)
}

// checkSpoken drops a service that does not speak the protocol of the request, so that it is refused.
func (q *request) checkSpoken() bool {
	if q.svc != nil && !q.svc.speaks(q.proto) {
		q.scope.orTarget(q.svc.Name)
		q.svc = nil
	}
	return true
}

// xmlScopes are the services whose clients expect errors in REST-XML.
var xmlScopes = []string{"s3", "s3-outposts", "s3express", "route53", "cloudfront"}

func (m *Mux) findScoped(q *request) bool {
	services := m.byScope[q.scope.service]
	if len(services) == 0 {
		q.proto = RESTJSON
		switch {
		case slices.Contains(xmlScopes, q.scope.service):
			q.proto = RESTXML
		case looksLikeForm(q.r):
			q.proto = AWSQuery
			if form, err := q.readForm(); err == nil {
				q.form, q.name = form, form.Get("Action")
			}
		}
		return true
	}
	for _, s := range services {
		rest, ok := s.rest()
		if !ok {
			continue
		}
		if op, labels := s.match(q.r, true); op != nil {
			q.proto, q.svc, q.op, q.labels, q.name = rest, s, op, labels, op.name
			return true
		}
	}
	q.svc = services[0]
	if i := slices.IndexFunc(services, func(s *Service) bool { return s.speaks(AWSQuery) }); i >= 0 && looksLikeForm(q.r) {
		q.svc, q.proto = services[i], AWSQuery
		form, err := q.readForm()
		if err != nil {
			q.formErr = err
			return true
		}
		q.form, q.name = form, form.Get("Action")
		return true
	}
	q.proto = q.svc.Protocols[0]
	if i := slices.IndexFunc(services, func(s *Service) bool { return s.speaks(RESTJSON) }); i >= 0 {
		q.svc, q.proto = services[i], RESTJSON
	}
	return true
}

// findUnsigned takes a request without credentials for an AWS call only when an operation of a table matches.
func (m *Mux) findUnsigned(q *request) bool {
	for _, s := range m.services {
		rest, ok := s.rest()
		if !ok {
			continue
		}
		if s.VirtualHost != nil {
			if _, mine := s.VirtualHost(q.r.Host, false); !mine {
				continue
			}
			q.proto, q.svc = rest, s
		}
		if op, labels := s.match(q.r, false); op != nil {
			q.proto, q.svc, q.op, q.labels, q.name = rest, s, op, labels, op.name
			return true
		}
		if q.svc != nil {
			return true
		}
	}
	if q.r.URL.Path != "/" || !looksLikeForm(q.r) || !q.peek() {
		return false
	}
	form, err := q.readForm()
	if err != nil {
		return false
	}
	for _, s := range m.services {
		if s.speaks(AWSQuery) && form.Get("Action") != "" && form.Get("Version") == s.APIVersion {
			q.proto, q.svc, q.form, q.name = AWSQuery, s, form, form.Get("Action")
			return true
		}
	}
	return false
}

// maxForm bounds a Query protocol's request, in bytes.
const maxForm = 4 << 20

// peek reads the body of what may be a form. A body that is longer than a form may be is put together again.
func (q *request) peek() bool {
	if q.r.Body == nil || q.r.Body == http.NoBody {
		return true
	}
	head, err := io.ReadAll(io.LimitReader(q.r.Body, maxForm+1))
	if err != nil || len(head) > maxForm {
		rest := q.r.Body
		q.r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), rest), rest}
		return false
	}
	q.body, q.read = head, true
	return true
}

func looksLikeForm(r *http.Request) bool {
	if r.Method == http.MethodGet {
		return strings.Contains(r.URL.RawQuery, "Action=")
	}
	return r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// readForm reads the Query protocol's parameters from the URL and the body.
func (q *request) readForm() (url.Values, error) {
	q.limit = maxForm
	body, err := q.document()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.New("MalformedQueryString", "The query string contains a syntax error")
	}
	params, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return nil, fault.New("MalformedQueryString", "The query string contains a syntax error")
	}
	for k, v := range params {
		if _, ok := form[k]; !ok {
			form[k] = v
		}
	}
	return form, nil
}

// rpcPath reads /service/{service}/operation/{operation}, with any prefix, of requests that say rpc-v2-cbor.
func rpcPath(r *http.Request) (service, op string, ok bool) {
	if Header(r.Header, "Smithy-Protocol") != "rpc-v2-cbor" {
		return "", "", false
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	n := len(parts)
	if n < 4 || parts[n-4] != "service" || parts[n-2] != "operation" {
		return "", "", true
	}
	// The service may be written with its namespace: com.amazonaws.cloudwatch.GraniteServiceVersion20100801.
	service = parts[n-3]
	if _, last, found := cutLast(service, '.'); found {
		service = last
	}
	return service, parts[n-1], true
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

func jsonProtocol(r *http.Request) Protocol {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.1") {
		return AWSJSON11
	}
	return AWSJSON10
}

// unserved refuses a call of a service that is not in the mux, by name.
func (q *request) unserved() error {
	service, name := q.scope.service, q.name
	if service == "" {
		service = "that was asked for"
	}
	if name == "" {
		name = q.r.Method + " " + q.r.URL.EscapedPath()
	}
	msg := fmt.Sprintf("Service %s (operation %s) is not served by this endpoint, which serves %s", service, name, q.mux.serves)
	switch q.proto {
	case AWSQuery:
		return fault.New("InvalidAction", msg)
	case RESTXML:
		return &fault.Error{Code: "NotImplemented", Message: msg, Status: http.StatusNotImplemented}
	case RESTJSON, RPCV2CBOR:
		return unknownOperation(http.StatusNotFound, msg)
	}
	return unknownOperation(http.StatusBadRequest, msg)
}
