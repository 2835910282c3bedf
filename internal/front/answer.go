package front

import (
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// keepBuffer is how large a buffer may have grown and still be kept for the next answer, in bytes.
const keepBuffer = 64 << 10

// answer is the http.ResponseWriter of a connection. It keeps the whole answer until send.
type answer struct {
	header http.Header
	sent   http.Header // header as it was when the status was written, when it was written to later
	status int
	last   bool   // the connection ends with it
	out    []byte // the head; the whole answer where that is small
	body   []byte
}

func (a *answer) reset() {
	if a.header == nil {
		a.header = make(http.Header, 8)
	}
	clear(a.header)
	a.status, a.last, a.body = 0, false, a.body[:0]
	if cap(a.body) > keepBuffer {
		a.body = nil
	}
}

// abort leaves nothing to send.
func (a *answer) abort() { a.status, a.last = -1, true }

// Header is what will be sent. As with net/http, what is set after WriteHeader has no effect.
func (a *answer) Header() http.Header {
	if a.status == 0 {
		return a.header
	}
	if a.sent == nil {
		a.sent = a.header.Clone()
	}
	return a.sent
}

// WriteHeader sets the status; the first call counts. Interim answers are passed over.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

// Write adds to the body. It never fails: whether the caller gets it is seen later, and is no handler's business.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, p...)
	return len(p), nil
}

// send writes the answer. It may find that the connection is to end with it.
func (a *answer) send(nc net.Conn, req *http.Request) error {
	a.sent = nil
	if a.status < 0 {
		return nil
	}
	a.WriteHeader(http.StatusOK)
	a.head(req.Method)
	if req.Method == http.MethodHead || !bodied(a.status) {
		a.body = a.body[:0]
	}
	if len(a.out)+len(a.body) <= keepBuffer {
		a.out = append(a.out, a.body...)
		_, err := nc.Write(a.out)
		return err
	}
	parts := net.Buffers{a.out, a.body}
	_, err := parts.WriteTo(nc)
	return err
}

// bodied reports whether an answer of this status has a body at all.
// https://www.rfc-editor.org/rfc/rfc9112#section-6.3
func bodied(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// head writes the status line and the headers to a.out.
func (a *answer) head(method string) {
	b := append(a.out[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(b, ' ')
	if text := http.StatusText(a.status); text != "" {
		b = append(b, text...)
	} else {
		b = strconv.AppendInt(append(b, "status code "...), int64(a.status), 10)
	}
	b = append(b, "\r\nDate: "...)
	b = append(b, date()...)
	b = append(b, "\r\n"...)
	typed := false
	for name, values := range a.header {
		switch name {
		case "Connection":
			a.last = a.last || len(values) > 0 && values[0] == "close"
			continue
		case "Content-Length":
			if method != http.MethodHead {
				continue // it is what it is
			}
		case "Date", "Transfer-Encoding", "Trailer":
			continue
		case "Content-Type":
			typed = true
		}
		if !token(name) {
			continue
		}
		for _, v := range values {
			b = append(append(b, name...), ": "...)
			b = append(appendValue(b, v), "\r\n"...)
		}
	}
	if bodied(a.status) {
		if !typed && len(a.body) > 0 {
			b = append(append(append(b, "Content-Type: "...), http.DetectContentType(a.body)...), "\r\n"...)
		}
		if method != http.MethodHead || len(a.body) > 0 && a.header["Content-Length"] == nil {
			b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(a.body)), 10)
			b = append(b, "\r\n"...)
		}
	}
	if a.last {
		b = append(b, "Connection: close\r\n"...)
	}
	a.out = append(b, "\r\n"...)
}

// appendValue writes a header's value. Line ends in it would begin another header, so they become spaces.
func appendValue(b []byte, v string) []byte {
	if visible(v) {
		return append(b, v...)
	}
	for i := range len(v) {
		switch v[i] {
		case '\r', '\n', 0:
			b = append(b, ' ')
		default:
			b = append(b, v[i])
		}
	}
	return b
}

// day is the Date header of one second.
type day struct {
	unix int64
	text string
}

var today atomic.Pointer[day]

// date is the present time as HTTP writes it; it is written once a second.
func date() string {
	now := time.Now()
	d := today.Load()
	if d == nil || d.unix != now.Unix() {
		d = &day{now.Unix(), now.UTC().Format(http.TimeFormat)}
		today.Store(d)
	}
	return d.text
}
