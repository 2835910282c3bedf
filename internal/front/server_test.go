package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server and gives its address. All below /hot is hot.
func serve(t *testing.T, h http.Handler, log ...io.Writer) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Handler: h, Hot: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/hot") }}
	for _, w := range log {
		s.Logger = slog.New(slog.NewTextHandler(w, nil))
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve ended with %v", err)
		}
	})
	return s, l.Addr().String()
}

// echo answers with what it understood, and with readHere when this package read the request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, here := w.(*answer); here {
		w.Header().Set("X-Read-Here", "yes")
	}
	fmt.Fprintf(w, "%s %s %s %q", r.Method, r.URL, r.Host, body)
}

func dialed(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc, bufio.NewReader(nc)
}

// read reads one answer.
func read(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestAnswers(t *testing.T) {
	_, addr := serve(t, http.HandlerFunc(echo))
	large := strings.Repeat("x", maxBody+1)
	for name, c := range map[string]struct {
		request, want string
		here          bool
	}{
		"hot":              {"POST /hot HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", `POST /hot h "ab"`, true},
		"hot, no body":     {"GET /hot?a=b HTTP/1.1\r\nHost: h\r\n\r\n", `GET /hot?a=b h ""`, true},
		"cold":             {"GET /cold HTTP/1.1\r\nHost: h\r\n\r\n", `GET /cold h ""`, false},
		"chunks":           {"POST /hot HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", `POST /hot h "ab"`, false},
		"large":            {fmt.Sprintf("POST /hot HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(large), large), fmt.Sprintf("POST /hot h %q", large), false},
		"large head":       {"GET /hot HTTP/1.1\r\nHost: h\r\nA: " + large[:maxHead] + "\r\n\r\n", `GET /hot h ""`, false},
		"HTTP/1.0":         {"GET /hot HTTP/1.0\r\nHost: h\r\n\r\n", `GET /hot h ""`, false},
		"no host":          {"GET /hot HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header", false},
		"two lengths":      {"GET /hot HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 Bad Request", false},
		"length and chunk": {"POST /hot HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", `POST /hot h ""`, false},
	} {
		for _, speed := range []struct {
			name string
			of   func(io.Reader) io.Reader
		}{{"at once", func(r io.Reader) io.Reader { return r }}, {"byte by byte", iotest.OneByteReader}} {
			if speed.name != "at once" && len(c.request) > maxHead {
				continue
			}
			t.Run(name+", "+speed.name, func(t *testing.T) {
				nc, r := dialed(t, addr)
				if _, err := io.Copy(struct{ io.Writer }{nc}, speed.of(strings.NewReader(c.request))); err != nil {
					t.Fatal(err)
				}
				resp, body := read(t, r, "POST")
				if body != c.want {
					t.Errorf("got %q, want %q", body, c.want)
				}
				if here := resp.Header.Get("X-Read-Here") != ""; here != c.here {
					t.Errorf("read here: %v, want %v", here, c.here)
				}
			})
		}
	}
}

// A connection answers hot requests, then a cold one, then hot ones again, though several come in one packet.
func TestConnectionGoesOn(t *testing.T) {
	_, addr := serve(t, http.HandlerFunc(echo))
	nc, r := dialed(t, addr)
	var all bytes.Buffer
	paths := []string{"/hot/1", "/hot/2", "/cold/3", "/hot/4"}
	for _, p := range paths {
		fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb", p)
	}
	if _, err := nc.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		resp, body := read(t, r, "POST")
		if want := fmt.Sprintf("POST %s h %q", p, "b"); body != want {
			t.Errorf("answer %d is %q, want %q", i, body, want)
		}
		if here := resp.Header.Get("X-Read-Here") != ""; here != (i < 2) {
			t.Errorf("answer %d was read here: %v", i, here)
		}
	}
}

// Whoever answers, a client sees the same.
func TestSameAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"nothing":      func(http.ResponseWriter, *http.Request) {},
		"text":         func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "text") },
		"markup":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><body>") },
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"not modified": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"two statuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) },
		"late header":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("A", "b") },
		"several":      func(w http.ResponseWriter, _ *http.Request) { w.Header()["A"] = []string{"1", "2"} },
		"injection":    func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", "b\r\nSet-Cookie: c") },
		"bad name":     func(w http.ResponseWriter, _ *http.Request) { w.Header()["A b"] = []string{"c"} },
		"close":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
		"typed, length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			w.Header().Set("Content-Length", "1")
			io.WriteString(w, "x")
		},
		"large":   func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("0123456789"), 100_000)) },
		"unknown": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) },
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(name+" "+method, func(t *testing.T) {
				_, addr := serve(t, h)
				ask := func(path string) string {
					nc, r := dialed(t, addr)
					fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", method, path)
					resp, body := read(t, r, method)
					resp.Header.Del("Date")
					if name == "large" { // net/http sends it in chunks
						resp.ContentLength, resp.TransferEncoding = 0, nil
						resp.Header.Del("Content-Length")
					}
					if method == "HEAD" && resp.Header.Get("Content-Length") != "" && resp.ContentLength == 0 {
						t.Errorf("length %v", resp.ContentLength)
					}
					return fmt.Sprint(resp.Status, resp.Header, resp.ContentLength, resp.Close, body)
				}
				hot, cold := ask("/hot"), ask("/cold")
				if hot != cold {
					t.Errorf("here %s\nthere %s", hot, cold)
				}
			})
		}
	}
}

// A handler that panics has given no answer, and its connection is of no more use; the server goes on.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s, addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hot/panic" {
			io.WriteString(w, "half an ")
			panic("broken")
		}
		echo(w, r)
	}), &log)
	nc, r := dialed(t, addr)
	fmt.Fprint(nc, "GET /hot/panic HTTP/1.1\r\nHost: h\r\n\r\n")
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v", rest, err)
	}
	nc, r = dialed(t, addr)
	fmt.Fprint(nc, "GET /hot HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := read(t, r, "GET"); !strings.Contains(body, "/hot") {
		t.Errorf("got %q", body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "broken") {
		t.Errorf("the log says %q", log.String())
	}
}

// Shutdown closes idle connections and lets the answers that are being made go out.
func TestShutdown(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	var answered atomic.Int32
	s, addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hot/slow" {
			close(begun)
			<-release
		}
		answered.Add(1)
		echo(w, r)
	}))
	idle, idleReader := dialed(t, addr)
	fmt.Fprint(idle, "GET /hot HTTP/1.1\r\nHost: h\r\n\r\n")
	read(t, idleReader, "GET")
	slow, slowReader := dialed(t, addr)
	fmt.Fprint(slow, "GET /hot/slow HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown did not wait for the answer: %v", err)
	}
	if rest, err := io.ReadAll(idleReader); err != nil || len(rest) > 0 {
		t.Errorf("the idle connection: %q, %v", rest, err)
	}
	ended := make(chan error)
	go func() { ended <- s.Shutdown(context.Background()) }()
	close(release)
	if resp, body := read(t, slowReader, "GET"); !resp.Close || !strings.Contains(body, "/hot/slow") {
		t.Errorf("the slow one: %q, close %v", body, resp.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := answered.Load(); n != 2 {
		t.Errorf("%d requests were answered", n)
	}
}

// What a handler may keep stays as it was: another goroutine may still send it on.
func TestHandlersMayKeep(t *testing.T) {
	type kept struct {
		list []string
		body []byte
	}
	var all []kept
	_, addr := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		all = append(all, kept{r.Header["A"], r.Body.(interface{ Bytes() []byte }).Bytes()})
	}))
	c, r := dialed(t, addr)
	for i := range 3 {
		fmt.Fprintf(c, "POST /hot HTTP/1.1\r\nHost: x\r\nA: %d\r\nContent-Length: 1\r\n\r\n%d", i, i)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for i, k := range all {
		if want := fmt.Sprint(i); len(all) != 3 || k.list[0] != want || string(k.body) != want {
			t.Errorf("of request %d: %q %q", i, k.list, k.body)
		}
	}
}
