package executeapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// send sends a request by b as Forward does.
func send(b *Backends, method, to string, header http.Header, body string, timeout time.Duration) (Forwarded, bool, error) {
	u, err := url.Parse(to)
	if err != nil {
		return Forwarded{}, false, err
	}
	x := &Request{R: httptest.NewRequest("GET", "/", nil)}
	return x.Forward(b, method, u, header, []byte(body), timeout)
}

// Every kind of answer arrives as net/http's own client gets it, and requests as net/http's server reads them.
func TestBackendsSpeakHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %q %d", r.Method, r.RequestURI, r.Host, r.Header["X-Many"], r.ContentLength))
		switch r.URL.Path {
		case "/chunked":
			w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			w.Write(body[len(body)/2:])
		case "/interim":
			w.WriteHeader(http.StatusEarlyHints)
			w.Write(body)
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
		case "/close":
			w.Header().Set("Connection", "close")
			w.Write(body)
		case "/brief": // answers before it has read
			w.WriteHeader(http.StatusTeapot)
		default:
			w.Write(body)
		}
	}))
	defer server.Close()
	b := NewBackends()
	for _, path := range []string{"/plain?a=%20b", "/chunked", "/interim", "/nothing", "/close", "/brief"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
			for _, size := range []int{0, 10, 200_000} {
				body := strings.Repeat("b", size)
				header := http.Header{"X-Many": {"one", "two"}, "Host": {"elsewhere"}, "Content-Length": {"7"}}
				got, _, err := send(b, method, server.URL+path, header, body, 10*time.Second)
				if err != nil {
					t.Fatalf("%s %s %d: %v", method, path, size, err)
				}
				r, _ := http.NewRequest(method, server.URL+path, strings.NewReader(body))
				r.Header["X-Many"] = header["X-Many"]
				want, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				whole, _ := io.ReadAll(want.Body)
				want.Body.Close()
				if got.Status != want.StatusCode || string(got.Body) != string(whole) || got.Header.Get("X-Seen") != want.Header.Get("X-Seen") {
					t.Errorf("%s %s %d: %d %d bytes %q, not %d %d bytes %q", method, path, size, got.Status, len(got.Body), got.Header.Get("X-Seen"),
						want.StatusCode, len(whole), want.Header.Get("X-Seen"))
				}
			}
		}
	}
}

// listen serves each connection with what serve does to it and the number of connections before it.
func listen(t *testing.T, serve func(c net.Conn, r *bufio.Reader, n int32)) (address string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	connections = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := connections.Add(1) - 1
			go func() {
				defer c.Close()
				serve(c, bufio.NewReader(c), n)
			}()
		}
	}()
	return "http://" + l.Addr().String(), connections
}

// answer reads a request and writes an answer; it reports false when the other side has gone.
func answer(c net.Conn, r *bufio.Reader, text string) bool {
	in, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, in.Body)
	_, err = io.WriteString(c, text)
	return err == nil
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestBackendsKeepConnections(t *testing.T) {
	address, connections := listen(t, func(c net.Conn, r *bufio.Reader, _ int32) {
		for answer(c, r, okAnswer) {
		}
	})
	b := NewBackends()
	for range 5 {
		if got, _, err := send(b, "POST", address, nil, "x", 10*time.Second); err != nil || string(got.Body) != "ok" {
			t.Fatal(got, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("five requests took %d connections", n)
	}
	b.mu.Lock()
	for _, idle := range b.idle {
		idle[0].since = time.Now().Add(-2 * idleTime)
	}
	b.mu.Unlock()
	b.clean()
	if len(b.idle) != 0 {
		t.Error("a connection that was idle for long is kept")
	}
}

// A backend that ends its idle connections, as it may at any time, costs no request: also none that must not be sent twice.
func TestBackendsMeetClosedConnections(t *testing.T) {
	ended := make(chan struct{}, 1)
	address, connections := listen(t, func(c net.Conn, r *bufio.Reader, _ int32) {
		answer(c, r, okAnswer)
		c.Close()
		ended <- struct{}{}
	})
	b := NewBackends()
	for range 20 {
		if got, _, err := send(b, "POST", address, nil, "x", 10*time.Second); err != nil || string(got.Body) != "ok" {
			t.Fatal(got, err)
		}
		<-ended
	}
	if n := connections.Load(); n != 20 {
		t.Errorf("twenty requests took %d connections", n)
	}
}

// What comes after an answer belongs to no request.
func TestBackendsDropConnectionsWithMore(t *testing.T) {
	address, connections := listen(t, func(c net.Conn, r *bufio.Reader, _ int32) {
		for answer(c, r, okAnswer+"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n") {
		}
	})
	b := NewBackends()
	for range 3 {
		if got, _, err := send(b, "GET", address, nil, "", 10*time.Second); err != nil || got.Status != 200 {
			t.Fatal(got, err)
		}
	}
	if n := connections.Load(); n != 3 {
		t.Errorf("a connection with an answer too many was used again: %d connections", n)
	}
}

// A connection that dies under a request is tried again only where that harms nobody.
func TestBackendsRepeat(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "PUT": true, "POST": false} {
		died := make(chan struct{})
		address, _ := listen(t, func(c net.Conn, r *bufio.Reader, n int32) {
			if !answer(c, r, okAnswer) || n > 0 {
				return
			}
			_, _ = http.ReadRequest(r) // and it dies before its answer
			close(died)
		})
		b := NewBackends()
		if _, _, err := send(b, method, address, nil, "", 10*time.Second); err != nil {
			t.Fatal(err)
		}
		_, _, err := send(b, method, address, nil, "", 10*time.Second)
		<-died
		if (err == nil) != want {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestBackendsRefuse(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	silent, _ := listen(t, func(net.Conn, *bufio.Reader, int32) { <-hold })
	if _, late, err := send(NewBackends(), "GET", silent, nil, "", 50*time.Millisecond); err == nil || !late {
		t.Errorf("a backend that is silent: late %v, %v", late, err)
	}
	endless, _ := listen(t, func(c net.Conn, r *bufio.Reader, _ int32) {
		answer(c, r, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	})
	if _, _, err := send(NewBackends(), "GET", endless, nil, "", 10*time.Second); err == nil {
		t.Error("an endless head was read")
	}
	upgrading, _ := listen(t, func(c net.Conn, r *bufio.Reader, _ int32) {
		answer(c, r, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
	})
	if _, _, err := send(NewBackends(), "GET", upgrading, nil, "", 10*time.Second); err == nil {
		t.Error("a switch of protocols was taken for an answer")
	}
	for _, header := range []http.Header{{"X": {"a\r\nSet-Cookie: b"}}, {"X\r\nY": {"a"}}, {"": {"a"}}} {
		if _, _, err := send(NewBackends(), "GET", silent, header, "", time.Second); err == nil || !strings.Contains(err.Error(), "header") {
			t.Errorf("%q was sent: %v", header, err)
		}
	}
}
