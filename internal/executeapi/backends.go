package executeapi

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Backends sends requests to HTTP backends of this machine, over connections that it keeps, each by the goroutine that calls: the two
// goroutines that net/http's transport has for every connection take longer than all else that a request goes through here. What is not
// usual, https and large bodies, is net/http's. Its methods may be called from any goroutine.
type Backends struct {
	rest http.RoundTripper

	mu    sync.Mutex
	idle  map[string][]*backend // by address, the one used last at the end
	sweep *time.Timer           // runs while something is idle
}

const (
	maxIdle      = 64          // connections to an address that are kept while nobody uses them
	idleTime     = time.Minute // for which they are kept
	maxInOneGo   = 64 << 10    // bytes of a body that is written before the answer is looked at
	maxAnswerTop = 1 << 20     // bytes of an answer's head
)

// NewBackends makes Backends without connections.
func NewBackends() *Backends { return &Backends{rest: loopback(), idle: make(map[string][]*backend)} }

// backend is one connection, used by one goroutine at a time.
type backend struct {
	net.Conn
	r     *bufio.Reader
	out   []byte
	left  int64 // bytes that may be read before the answer is too large
	since time.Time
}

var errTopTooLarge = fmt.Errorf("the headers of the backend's answer are larger than %d bytes", maxAnswerTop)

// Read reads no more than is allowed.
func (c *backend) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTopTooLarge
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// usual tells whether do takes a request.
func usual(to *url.URL, body []byte) bool { return to.Scheme == "http" && len(body) <= maxInOneGo }

// do sends a request and reads its whole answer until a time. A request that went over a connection which the backend was about
// to close is sent again when it may be.
func (b *Backends) do(until time.Time, method string, to *url.URL, header http.Header, body []byte) (Forwarded, error) {
	address := to.Host
	if to.Port() == "" {
		address = net.JoinHostPort(to.Hostname(), "80")
	}
	for {
		c, kept := b.take(address), true
		if c == nil {
			conn, err := dialLoopback(address, until)
			if err != nil {
				return Forwarded{}, err
			}
			c, kept = &backend{Conn: conn}, false
			c.r = bufio.NewReader(c)
		}
		answer, again, err := c.exchange(until, method, to, header, body)
		switch {
		case err == nil && again:
			b.give(address, c)
			return answer, nil
		case err == nil:
			_ = c.Close() // all of it has been read
			return answer, nil
		}
		_ = c.Close() // it failed
		if !kept || !again || !repeatable(method) {
			return Forwarded{}, err
		}
	}
}

// repeatable tells whether a request may be sent twice (RFC 9110, 9.2.2).
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// exchange sends a request and reads its answer. With an error, again tells that nothing of an answer came; without, that the connection
// can be used again.
func (c *backend) exchange(until time.Time, method string, to *url.URL, header http.Header, body []byte) (answer Forwarded, again bool, err error) {
	if c.out, err = appendRequest(c.out[:0], method, to, header, body); err != nil {
		return answer, false, err
	}
	if err := c.SetDeadline(until); err != nil {
		return answer, true, err
	}
	if _, err := c.Write(c.out); err != nil {
		return answer, time.Now().Before(until), err
	}
	if cap(c.out) > maxInOneGo {
		c.out = nil
	}
	c.left = maxAnswerTop
	if _, err := c.r.Peek(1); err != nil {
		return answer, time.Now().Before(until), err
	}
	asked := &http.Request{Method: method}
	in, err := http.ReadResponse(c.r, asked) //nolint:bodyclose // it holds nothing but c
	for err == nil && in.StatusCode < 200 {
		if in.StatusCode == http.StatusSwitchingProtocols {
			return answer, false, errors.New("the backend switched protocols without being asked")
		}
		in, err = http.ReadResponse(c.r, asked) //nolint:bodyclose // an interim answer has none
	}
	if err != nil {
		return answer, false, err
	}
	c.left = math.MaxInt64 // readAnswer has a limit of its own
	answer.Status, answer.Header = in.StatusCode, in.Header
	answer.Body, err = readAnswer(in)
	return answer, err == nil && !in.Close && c.r.Buffered() == 0, err
}

// appendRequest writes a request. Its error names a header that HTTP does not allow.
func appendRequest(b []byte, method string, to *url.URL, header http.Header, body []byte) ([]byte, error) {
	if !Token(method) || strings.ContainsAny(to.Host, "\r\n \x00") {
		return b, fmt.Errorf("a request %q to %q cannot be written", method, to.Host)
	}
	b = append(append(append(b, method...), ' '), to.RequestURI()...)
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), to.Host...), "\r\n"...)
	for name, values := range header {
		switch name {
		case "Host", "Content-Length":
			continue
		}
		for _, v := range values {
			if !Token(name) || strings.ContainsAny(v, "\r\n\x00") {
				return b, fmt.Errorf("the header %q cannot have the value %q", name, v)
			}
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	if len(body) > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10), "\r\n"...)
	}
	return append(append(b, "\r\n"...), body...), nil
}

// take gives a connection to an address that nobody uses and that is still open, or nil.
func (b *Backends) take(address string) *backend {
	for {
		b.mu.Lock()
		idle := b.idle[address]
		if len(idle) == 0 {
			b.mu.Unlock()
			return nil
		}
		c := idle[len(idle)-1]
		idle[len(idle)-1] = nil
		b.idle[address] = idle[:len(idle)-1]
		b.mu.Unlock()
		if open(c.Conn, c.since) {
			return c
		}
		_ = c.Close() // the backend has ended it
	}
}

// give keeps a connection for the next request.
func (b *Backends) give(address string, c *backend) {
	c.since = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.idle[address]) >= maxIdle {
		_ = c.Close() // it is idle
		return
	}
	b.idle[address] = append(b.idle[address], c)
	if b.sweep == nil {
		b.sweep = time.AfterFunc(idleTime, b.clean)
	}
}

// clean ends the connections that were idle for long.
func (b *Backends) clean() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for address, idle := range b.idle {
		idle = slices.DeleteFunc(idle, func(c *backend) bool {
			old := time.Since(c.since) >= idleTime
			if old {
				_ = c.Close() // it is idle
			}
			return old
		})
		if b.idle[address] = idle; len(idle) == 0 {
			delete(b.idle, address)
		}
	}
	if b.sweep = nil; len(b.idle) > 0 {
		b.sweep = time.AfterFunc(idleTime, b.clean)
	}
}
