package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// proxyAnswer is what a function returns to choose status, headers and body, and the prelude of a stream.
type proxyAnswer struct {
	StatusCode      *json.Number           `json:"statusCode"`
	Headers         map[string]scalarValue `json:"headers"`
	Cookies         []string               `json:"cookies"`
	Body            *scalarValue           `json:"body"`
	IsBase64Encoded bool                   `json:"isBase64Encoded"`
}

// scalarValue is a string, or a number or boolean as it is written.
type scalarValue string

func (v *scalarValue) UnmarshalJSON(raw []byte) error {
	switch {
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(v))
	case raw[0] == '{', raw[0] == '[':
		return errors.New("neither text, number nor boolean")
	case string(raw) != "null":
		*v = scalarValue(raw)
	}
	return nil
}

// writeProxy answers with what a function has returned. Without a statusCode the whole payload is the body of a 200; what
// has one and cannot be read as a response is answered with 502.
func writeProxy(w http.ResponseWriter, cors bool, executed string, payload []byte) {
	w.Header().Set("X-Teal-Executed-Version", executed)
	var has struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	trimmed := bytes.TrimSpace(payload)
	if len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(trimmed, &has) != nil || has.StatusCode == nil {
		if len(trimmed) > 0 && trimmed[0] == '"' {
			var text string
			if json.Unmarshal(trimmed, &text) == nil {
				payload = []byte(text)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		writeBody(w, http.StatusOK, payload)
		return
	}
	var a proxyAnswer
	var body []byte
	err := json.Unmarshal(trimmed, &a)
	if err == nil && a.Body != nil {
		if body = []byte(*a.Body); a.IsBase64Encoded {
			body, err = base64.StdEncoding.DecodeString(string(*a.Body))
		}
	}
	status := 0
	if err == nil {
		status, err = a.apply(w.Header(), cors)
	}
	if err != nil {
		urlMessage(w, http.StatusBadGateway, "Internal Server Error")
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	writeBody(w, status, body)
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone: nobody to tell
}

// apply sets headers and cookies and returns the status; nothing is set when there is an error. With cors the URL's own
// rules hold, and not the function's headers.
func (a *proxyAnswer) apply(h http.Header, cors bool) (int, error) {
	status := http.StatusOK
	if a.StatusCode != nil {
		n, err := strconv.Atoi(a.StatusCode.String())
		if err != nil || n < 200 || n > 599 {
			return 0, errors.New("no status of an answer")
		}
		status = n
	}
	for name, v := range a.Headers {
		if !isHeaderName(name) || strings.ContainsAny(string(v), "\r\n\x00") {
			return 0, errors.New("no header")
		}
	}
	if slices.ContainsFunc(a.Cookies, func(c string) bool { return strings.ContainsAny(c, "\r\n\x00") }) {
		return 0, errors.New("no cookie")
	}
	for name, v := range a.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "Connection", name == "Transfer-Encoding", name == "Content-Length", name == "Keep-Alive", name == "Upgrade", name == "Trailer",
			name == "X-Amzn-Requestid", name == "X-Teal-Executed-Version", cors && strings.HasPrefix(name, "Access-Control-"):
		default:
			h.Set(name, string(v))
		}
	}
	for _, c := range a.Cookies {
		h.Add("Set-Cookie", c)
	}
	return status, nil
}

// isHeaderName tells whether s can be the name of a header (RFC 9110, 5.6.2).
func isHeaderName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// httpIntegration is the media type of a stream that begins with a prelude: a proxyAnswer without a body, and eight zero
// bytes.
//
// https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html
const httpIntegration = "application/vnd.awslambda.http-integration-response"

// maxPrelude bounds the prelude of a stream, in bytes.
const maxPrelude = 256 << 10

var preludeEnd = make([]byte, 8)

// urlStream writes a function's stream as the answer of its URL, every piece at once.
type urlStream struct {
	w       http.ResponseWriter
	started bool
	prelude []byte // what has come of it; nil when it is over or there is none
}

// Start notes the media type; the answer begins with the first bytes of the body.
func (s *urlStream) Start(contentType string) error {
	s.started = true
	if media, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(media) == httpIntegration {
		s.prelude = []byte{}
		return nil
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	s.w.Header().Set("Content-Type", contentType)
	s.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *urlStream) Write(p []byte) (int, error) {
	n := len(p)
	if s.prelude != nil {
		s.prelude = append(s.prelude, p...)
		head, rest, whole := bytes.Cut(s.prelude, preludeEnd)
		if !whole {
			if len(s.prelude) > maxPrelude {
				return 0, errors.New("the prelude of the stream does not end")
			}
			return n, nil
		}
		if err := s.begin(head); err != nil {
			return 0, err
		}
		p = rest
	}
	if _, err := s.w.Write(p); err != nil {
		return 0, err
	}
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
	return n, nil
}

// begin sends status and headers as the prelude says.
func (s *urlStream) begin(prelude []byte) error {
	s.prelude = nil
	var a proxyAnswer
	if err := json.Unmarshal(prelude, &a); err != nil {
		return err
	}
	status, err := a.apply(s.w.Header(), false)
	if err != nil {
		return err
	}
	if s.w.Header().Get("Content-Type") == "" {
		s.w.Header().Set("Content-Type", "application/octet-stream")
	}
	s.w.WriteHeader(status)
	return nil
}

// finish ends a stream that ended well. One that ended within its prelude is no answer.
func (s *urlStream) finish() {
	if s.prelude != nil {
		urlMessage(s.w, http.StatusBadGateway, "Internal Server Error")
	}
}

// applyCORS sets what the URL's rules allow the calling page; it reports whether the request was a preflight, which is
// answered with that alone.
func applyCORS(c *types.Cors, h http.Header, r *http.Request) (preflight bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	preflight = r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	allowed := slices.ContainsFunc(c.AllowOrigins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) || matchOrigin(o, origin) })
	if !allowed {
		return preflight
	}
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	if slices.Contains(c.AllowOrigins, "*") && (c.AllowCredentials == nil || !*c.AllowCredentials) {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if c.AllowCredentials != nil && *c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	join := func(name string, values []string) {
		if len(values) > 0 {
			h.Set(name, strings.Join(values, ","))
		}
	}
	if !preflight {
		join("Access-Control-Expose-Headers", c.ExposeHeaders)
		return false
	}
	join("Access-Control-Allow-Methods", c.AllowMethods)
	join("Access-Control-Allow-Headers", c.AllowHeaders)
	if c.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
	}
	return true
}

// matchOrigin takes a rule with one asterisk, such as https://*.example.com.
func matchOrigin(rule, origin string) bool {
	before, after, ok := strings.Cut(rule, "*")
	return ok && len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}
