package executeapi

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Forwarded is what an HTTP backend answered.
type Forwarded struct {
	Status int
	Header http.Header
	Body   []byte
}

// Forward sends a request of method, to, header and body to a backend, reads its whole answer, and notes how long that took.
// late tells that the time was over. It fails when there is no answer, or one that is larger than MaxPayload.
func (x *Request) Forward(by *Backends, method string, to *url.URL, header http.Header, body []byte, timeout time.Duration) (answer Forwarded, late bool, err error) {
	if err := checkLoopback(to); err != nil {
		return answer, false, err
	}
	begin := time.Now()
	if usual(to, body) {
		answer, err = by.do(begin.Add(timeout), method, to, header, body)
		x.Waited = time.Since(begin)
		return answer, err != nil && x.Waited >= timeout, err
	}
	ctx, cancel := x.Deadline(timeout)
	defer cancel()
	out := (&http.Request{
		Method: method, URL: to, Host: to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, ContentLength: int64(len(body)),
	}).WithContext(ctx)
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	in, err := by.rest.RoundTrip(out)
	if err == nil {
		answer.Status, answer.Header = in.StatusCode, in.Header
		answer.Body, err = readAnswer(in)
		_ = in.Body.Close() // it has been read
	}
	x.Waited = time.Since(begin)
	return answer, err != nil && Expired(ctx, err), err
}

func readAnswer(in *http.Response) ([]byte, error) {
	if in.ContentLength > MaxPayload {
		return nil, errTooLarge
	}
	var b bytes.Buffer
	if in.ContentLength > 0 {
		b.Grow(int(in.ContentLength) + bytes.MinRead) // so that ReadFrom never grows
	}
	n, err := b.ReadFrom(io.LimitReader(in.Body, MaxPayload+1))
	if n > MaxPayload {
		return nil, errTooLarge
	}
	return b.Bytes(), err
}

// ClientHeaders are the client's headers as a backend gets them. The map is the caller's, the lists in it are not.
func (x *Request) ClientHeaders() http.Header {
	h := make(http.Header, len(x.R.Header)+4)
	for name, values := range x.R.Header {
		if !ConnectionHeader(name) && name != "Content-Length" {
			h[name] = values
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = nil // else net/http gives its own
	}
	switch {
	case x.tracer != nil:
		x.tracer.Inject(x.R.Context(), h)
	case h["X-Amzn-Trace-Id"] == nil:
		h["X-Amzn-Trace-Id"] = []string{NewTraceID(x.At)}
	}
	return h
}

// ProxyHeaders are ClientHeaders with the X-Forwarded ones that REST APIs add.
func (x *Request) ProxyHeaders() http.Header {
	h := x.ClientHeaders()
	values := make([]string, 3)
	values[0], values[1], values[2] = x.forwarded()
	h["X-Forwarded-For"], h["X-Forwarded-Port"], h["X-Forwarded-Proto"] = values[:1:1], values[1:2:2], values[2:3:3]
	return h
}
