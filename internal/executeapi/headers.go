package executeapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/jsontext"
	"github.com/tealdeploy/teal/internal/trace"
)

// HeaderField is one header of the event. name is as net/http has it; it is written in lower case by format 2.0.
type HeaderField struct {
	Name   string
	Values []string // the client's; nil for what the gateway adds
	Value  string   // the gateway's
}

// Last is the value that counts where only one is wanted.
func (h HeaderField) Last() string {
	if len(h.Values) > 0 {
		return h.Values[len(h.Values)-1]
	}
	return h.Value
}

// connectionHeaders belong to the connection, not to the request; Cookie has a place of its own in format 2.0.
func ConnectionHeader(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// eventHeaders lists the headers that the function sees, sorted: the client's, and those that the gateway adds.
func (x *Request) EventHeaders(withCookie bool) []HeaderField {
	r := x.R
	h := x.headers[:0]
	for name, values := range r.Header {
		switch {
		case ConnectionHeader(name), name == "Cookie" && !withCookie,
			name == "X-Forwarded-For", name == "X-Forwarded-Port", name == "X-Forwarded-Proto":
			continue
		case name == "X-Amzn-Trace-Id" && x.trace != "":
			continue
		}
		h = append(h, HeaderField{Name: name, Values: values})
	}
	one := func(name, value string) { h = append(h, HeaderField{Name: name, Value: value}) }
	one("Host", r.Host)
	one("Content-Length", strconv.Itoa(len(x.Body)))
	from, port, proto := x.forwarded()
	one("X-Forwarded-For", from)
	one("X-Forwarded-Port", port)
	one("X-Forwarded-Proto", proto)
	if x.trace != "" {
		one("X-Amzn-Trace-Id", x.trace)
	} else if r.Header["X-Amzn-Trace-Id"] == nil {
		one("X-Amzn-Trace-Id", NewTraceID(x.At))
	}
	slices.SortFunc(h, func(a, b HeaderField) int { return cmp.Compare(a.Name, b.Name) })
	x.headers = h
	return h
}

// forwarded gives the values of X-Forwarded-For, X-Forwarded-Port and X-Forwarded-Proto.
func (x *Request) forwarded() (from, port, proto string) {
	from = x.SourceIP()
	if prior := x.R.Header["X-Forwarded-For"]; len(prior) > 0 {
		from = strings.Join(prior, ", ") + ", " + from
	}
	if x.R.TLS != nil {
		return from, cmp.Or(x.Port, "443"), "https"
	}
	return from, cmp.Or(x.Port, "80"), "http"
}

// NewTraceID draws an X-Ray trace header.
func NewTraceID(at time.Time) string { return trace.Begin(at.Unix()).XRay() }

// AppendLower writes a header's name as format 2.0 has it.
func AppendLower(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// AppendJoined writes a header's values as one string, joined by commas.
func AppendJoined(b []byte, h HeaderField) []byte {
	b = append(b, '"')
	b = jsontext.AppendEscaped(b, h.Value)
	for i, v := range h.Values {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendEscaped(b, v)
	}
	return append(b, '"')
}

func AppendList(b []byte, h HeaderField) []byte {
	b = append(b, '[')
	if h.Values == nil {
		b = jsontext.AppendString(b, h.Value)
	}
	for i, v := range h.Values {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, v)
	}
	return append(b, ']')
}

func (x *Request) AppendCookies(b []byte) []byte {
	cookies := x.R.Header["Cookie"]
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
			b = jsontext.AppendString(b, c)
			n++
		}
	}
	if n > 0 {
		b = append(b, ']')
	}
	return b
}
