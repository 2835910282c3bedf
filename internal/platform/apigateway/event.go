package apigateway

import (
	"cmp"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// clfTime is the form of requestContext.time.
const clfTime = "02/Jan/2006:15:04:05 -0700"

// headerField is one header of the event. name is as net/http has it; it is written in lower case by format 2.0.
type headerField struct {
	name   string
	values []string // the client's; nil for what the gateway adds
	value  string   // the gateway's
}

// last is the value that counts where only one is wanted.
func (h headerField) last() string {
	if len(h.values) > 0 {
		return h.values[len(h.values)-1]
	}
	return h.value
}

// param is one query parameter, decoded.
type param struct{ name, value string }

// eventSize estimates the event's size, so that it is written without growing.
func (x *exchange) eventSize() int {
	n := 1024 + len(x.r.URL.RawQuery)*2 + len(x.body)*4/3
	for k, vs := range x.r.Header {
		n += len(k)
		for _, v := range vs {
			n += len(v) + 8
		}
	}
	return n
}

// appendEvent2 writes the event of payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (x *exchange) appendEvent2(b []byte) []byte {
	r := x.r
	b = append(b, `{"version":"2.0","routeKey":`...)
	b = appendString(b, x.route.key)
	b = append(b, `,"rawPath":`...)
	b = appendString(b, x.rawPath)
	b = append(b, `,"rawQueryString":`...)
	b = appendString(b, r.URL.RawQuery)
	b = x.appendCookies(b)
	b = append(b, `,"headers":{`...)
	for i, h := range x.eventHeaders(false) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = appendLower(b, h.name)
		b = append(b, `":`...)
		b = appendJoined(b, h)
	}
	b = append(b, '}')
	b = x.appendQuery(b)
	b = append(b, `,"requestContext":{"accountId":`...)
	b = appendString(b, x.s.cfg.Account)
	b = append(b, `,"apiId":`...)
	b = appendString(b, x.apiID)
	b = append(b, `,"domainName":`...)
	b = appendString(b, x.domain)
	b = append(b, `,"domainPrefix":`...)
	b = appendString(b, prefixOf(x.domain))
	b = append(b, `,"http":{"method":`...)
	b = appendString(b, r.Method)
	b = append(b, `,"path":`...)
	b = appendString(b, x.rawPath)
	b = append(b, `,"protocol":`...)
	b = appendString(b, r.Proto)
	b = append(b, `,"sourceIp":`...)
	b = appendString(b, x.sourceIP())
	b = append(b, `,"userAgent":`...)
	b = appendString(b, r.UserAgent())
	b = append(b, `},"requestId":`...)
	b = appendString(b, x.requestID)
	b = append(b, `,"routeKey":`...)
	b = appendString(b, x.route.key)
	b = append(b, `,"stage":`...)
	b = appendString(b, x.stage.name)
	b = append(b, `,"time":"`...)
	b = x.at.AppendFormat(b, clfTime)
	b = append(b, `","timeEpoch":`...)
	b = strconv.AppendInt(b, x.at.UnixMilli(), 10)
	b = append(b, '}')
	b = x.appendPathParameters(b)
	b = appendVariables(b, x.stage.variables)
	return append(x.appendBody(b), '}')
}

func (x *exchange) appendCookies(b []byte) []byte {
	cookies := x.r.Header["Cookie"]
	n := 0
	for _, line := range cookies {
		for c := range strings.SplitSeq(line, ";") {
			if c = strings.TrimSpace(c); c == "" {
				continue
			}
			if n == 0 {
				b = append(b, `,"cookies":[`...)
			} else {
				b = append(b, ',')
			}
			b = appendString(b, c)
			n++
		}
	}
	if n > 0 {
		b = append(b, ']')
	}
	return b
}

// connectionHeaders belong to the connection, not to the request; Cookie has a place of its own in format 2.0.
func connectionHeader(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// eventHeaders lists the headers that the function sees, sorted: the client's, and those that the gateway adds.
func (x *exchange) eventHeaders(withCookie bool) []headerField {
	r := x.r
	h := x.headers[:0]
	for name, values := range r.Header {
		switch {
		case connectionHeader(name), name == "Cookie" && !withCookie,
			name == "X-Forwarded-For", name == "X-Forwarded-Port", name == "X-Forwarded-Proto":
			continue
		}
		h = append(h, headerField{name: name, values: values})
	}
	one := func(name, value string) { h = append(h, headerField{name: name, value: value}) }
	one("Host", r.Host)
	one("Content-Length", strconv.Itoa(len(x.body)))
	forwarded := x.sourceIP()
	if prior := r.Header["X-Forwarded-For"]; len(prior) > 0 {
		forwarded = strings.Join(prior, ", ") + ", " + forwarded
	}
	one("X-Forwarded-For", forwarded)
	proto, port := "http", x.port
	if r.TLS != nil {
		proto = "https"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proto]
	}
	one("X-Forwarded-Port", port)
	one("X-Forwarded-Proto", proto)
	if r.Header["X-Amzn-Trace-Id"] == nil {
		one("X-Amzn-Trace-Id", newTraceID(x.at))
	}
	slices.SortFunc(h, func(a, b headerField) int { return cmp.Compare(a.name, b.name) })
	x.headers = h
	return h
}

// newTraceID draws an X-Ray trace header.
func newTraceID(at time.Time) string {
	b := append(make([]byte, 0, 40), "Root=1-"...)
	b = appendHex(b, uint64(at.Unix()), 8)
	b = append(b, '-')
	b = appendHex(b, rand.Uint64(), 16)
	return string(appendHex(b, rand.Uint64(), 8))
}

// appendHex writes the lowest digits of v.
func appendHex(b []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789abcdef"[v>>(4*i)&15])
	}
	return b
}

// queryParams decodes the query string once, in its order. A bad escape stays as it is.
func (x *exchange) queryParams() []param {
	if x.parsed {
		return x.params
	}
	x.parsed = true
	for q := x.r.URL.RawQuery; q != ""; {
		var pair string
		pair, q, _ = strings.Cut(q, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		x.params = append(x.params, param{unescapeQuery(name), unescapeQuery(value)})
	}
	// Equal names stand together, in the order in which they came, so that joining them is one pass.
	slices.SortStableFunc(x.params, func(a, b param) int { return cmp.Compare(a.name, b.name) })
	return x.params
}

func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// query returns a parameter's values joined by commas.
func (x *exchange) query(name string) (string, bool) {
	var values []string
	for _, p := range x.queryParams() {
		if p.name == name {
			values = append(values, p.value)
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

func (x *exchange) appendQuery(b []byte) []byte {
	params := x.queryParams()
	if len(params) == 0 {
		return b
	}
	b = append(b, `,"queryStringParameters":{`...)
	for i, p := range params {
		if i > 0 && params[i-1].name == p.name {
			b = append(b[:len(b)-1], ',') // takes the closing quote off and goes on with the value
		} else {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, p.name)
			b = append(b, ':', '"')
		}
		b = appendEscaped(b, p.value)
		b = append(b, '"')
	}
	return append(b, '}')
}

func (x *exchange) appendPathParameters(b []byte) []byte {
	for i, name := range x.route.variables {
		if i == 0 {
			b = append(b, `,"pathParameters":{`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, x.values[i])
	}
	if len(x.route.variables) > 0 {
		b = append(b, '}')
	}
	return b
}

func appendVariables(b []byte, variables map[string]string) []byte {
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
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, v)
	}
	return append(b, '}')
}

// appendBody writes body and isBase64Encoded. AWS gives a body as text only for the media types of textual.
func (x *exchange) appendBody(b []byte) []byte {
	if len(x.body) == 0 {
		return append(b, `,"isBase64Encoded":false`...)
	}
	b = append(b, `,"body":`...)
	if textual(x.r.Header.Get("Content-Type")) {
		b = appendString(b, x.body)
		return append(b, `,"isBase64Encoded":false`...)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, x.body)
	return append(b, `","isBase64Encoded":true`...)
}

// textual tells whether HTTP APIs hand a body of this media type over as text. Forms, other types with +json, and
// bodies without a type arrive in base64.
func textual(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	if len(media) >= 5 && strings.EqualFold(media[:5], "text/") {
		return true
	}
	return strings.EqualFold(media, "application/json") || strings.EqualFold(media, "application/xml") || strings.EqualFold(media, "application/javascript")
}

func appendLower(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// appendJoined writes a header's values as one string, joined by commas.
func appendJoined(b []byte, h headerField) []byte {
	b = append(b, '"')
	b = appendEscaped(b, h.value)
	for i, v := range h.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEscaped(b, v)
	}
	return append(b, '"')
}

// appendString writes s as a JSON string; what is no UTF-8 becomes U+FFFD.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped writes s as the inside of a JSON string.
func appendEscaped[T string | []byte](b []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			end := min(i+utf8.UTFMax, len(s))
			if r, n := utf8.DecodeRuneInString(string(s[i:end])); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			i++
			from = i
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0')
			b = appendHex(b, uint64(c), 2)
		}
		i++
		from = i
	}
	return append(b, s[from:]...)
}

var _ http.Handler = (*Service)(nil)
