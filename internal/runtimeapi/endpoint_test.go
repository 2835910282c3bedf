package runtimeapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "/2018-06-01/runtime/"

// runtimeClient is a runtime on net/http, as aws-lambda-go is one.
type runtimeClient struct {
	t    *testing.T
	base string
	hc   *http.Client
}

func newRuntime(t *testing.T, e *Endpoint, keepAlive bool) *runtimeClient {
	tr := &http.Transport{DisableKeepAlives: !keepAlive}
	t.Cleanup(tr.CloseIdleConnections)
	return &runtimeClient{t, "http://" + e.Addr() + root, &http.Client{Transport: tr}}
}

func (c *runtimeClient) do(method, path string, body io.Reader, header ...string) (int, http.Header, string) {
	req, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.t.Error(err)
		return 0, nil, ""
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.hc.Do(req)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b)
}

func listen(t *testing.T) *Endpoint {
	t.Helper()
	e, err := Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

func event(id, payload string) *Event {
	return &Event{RequestID: id, InvokedARN: "arn:aws:lambda:us-east-1:000000000000:function:f", TraceID: "Root=1", ClientContext: "{\n\"a\":1}", Timeout: 10 * time.Second, Payload: []byte(payload)}
}

// streamed hides the length of a reader, so that net/http sends it in chunks.
type streamed struct{ io.Reader }

func TestInvoke(t *testing.T) {
	for name, keepAlive := range map[string]bool{"one connection": true, "a connection per request": false} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			c := newRuntime(t, e, keepAlive)
			served := make(chan struct{})
			go func() {
				defer close(served)
				for {
					code, h, body := c.do("GET", "invocation/next", nil)
					if code != 200 {
						return
					}
					id := h.Get("Lambda-Runtime-Aws-Request-Id")
					switch body {
					case "fail":
						c.do("POST", "invocation/"+id+"/error", strings.NewReader(`{"errorType":"E"}`), "Lambda-Runtime-Function-Error-Type", "E")
					case "headers":
						c.do("POST", "invocation/"+id+"/response", strings.NewReader(h.Get("Lambda-Runtime-Client-Context")+h.Get("Lambda-Runtime-Trace-Id")))
					default:
						c.do("POST", "invocation/"+id+"/response", streamed{strings.NewReader(body)}, "X-Long", strings.Repeat("x", 100_000))
					}
				}
			}()
			<-e.Ready()
			big := strings.Repeat("0123456789abcdef", 6<<16)
			for i, tc := range []struct{ in, out, errType string }{
				{"1", "1", ""}, {"fail", `{"errorType":"E"}`, "E"}, {"headers", `{ "a":1}Root=1`, ""}, {"", "", ""}, {big, big, ""}, {"2", "2", ""},
			} {
				if _, err := e.Deliver(event(string(rune('a'+i)), tc.in), soon()); err != nil {
					t.Fatal(err)
				}
				r, err := e.Await(soon())
				if err != nil || string(r.Payload) != tc.out || r.Error != (tc.errType != "") || r.ErrorType != tc.errType {
					t.Fatalf("case %d: got %d bytes, error %v %q, %v", i, len(r.Payload), r.Error, r.ErrorType, err)
				}
			}
			e.Close()
			<-served
		})
	}
}

func TestTooLargeResponse(t *testing.T) {
	e := listen(t)
	c := newRuntime(t, e, true)
	code := make(chan int)
	go func() {
		c.do("GET", "invocation/next", nil)
		s, _, _ := c.do("POST", "invocation/a/response", bytes.NewReader(make([]byte, MaxResponse+1)))
		code <- s
	}()
	if _, err := e.Deliver(event("a", "{}"), soon()); err != nil {
		t.Fatal(err)
	}
	r, err := e.Await(soon())
	if err != nil || !r.Error || !strings.Contains(string(r.Payload), "Function.ResponseSizeTooLarge") {
		t.Fatalf("%s %v", r.Payload, err)
	}
	if s := <-code; s != 413 {
		t.Fatalf("the runtime got status %d", s)
	}
}

func TestStreamedResponseFailsOnItsWay(t *testing.T) {
	e := listen(t)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := newRuntime(t, e, true)
		c.do("GET", "invocation/next", nil)
		req, _ := http.NewRequest("POST", c.base+"invocation/a/response", streamed{strings.NewReader("half")})
		req.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
		req.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"Oops"}, "Lambda-Runtime-Function-Error-Body": {"eyJlcnJvclR5cGUiOiJPb3BzIn0="}}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}()
	if _, err := e.Deliver(event("a", "{}"), soon()); err != nil {
		t.Fatal(err)
	}
	r, err := e.Await(soon())
	if err != nil || !r.Error || r.ErrorType != "Oops" || string(r.Payload) != `{"errorType":"Oops"}` {
		t.Fatalf("%+v %s %v", r, r.Payload, err)
	}
	<-done
}

func TestRefusals(t *testing.T) {
	e := listen(t)
	c := newRuntime(t, e, true)
	for _, tc := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"POST", "invocation/none/response", 400, "InvalidRequestID"},
		{"POST", "invocation/next", 405, "MethodNotAllowed"},
		{"GET", "init/error", 405, "MethodNotAllowed"},
		{"GET", "nothing", 404, "ResourceNotFound"},
		{"POST", "restore/error", 403, "SnapStart.NotSupported"},
	} {
		if code, _, body := c.do(tc.method, tc.path, nil); code != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, code, body)
		}
	}
	c.base = "http://" + e.Addr()
	if code, _, body := c.do("POST", "/2020-01-01/extension/register", nil); code != 403 || !strings.Contains(body, "Extension.NotSupported") {
		t.Errorf("extension: %d %s", code, body)
	}
	c.base += root
	if code, _, _ := c.do("POST", "init/error", strings.NewReader(`{"errorType":"I"}`)); code != 202 {
		t.Errorf("init/error: %d", code)
	}
	<-e.Ready()
	if r := e.InitError(); r == nil || string(r.Payload) != `{"errorType":"I"}` {
		t.Errorf("init error %+v", r)
	}
	if code, _, body := c.do("POST", "init/error", strings.NewReader(`{}`)); code != 403 {
		t.Errorf("second init/error: %d %s", code, body)
	}
}

func TestDeadlineInterruptClose(t *testing.T) {
	for name, keepAlive := range map[string]bool{"reading": true, "connection gone": false} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			c := newRuntime(t, e, keepAlive)
			c.do("GET", "nothing", nil)
			got, release, sent := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(sent)
				c.do("GET", "invocation/next", nil)
				close(got)
				<-release
				c.do("POST", "invocation/a/response", strings.NewReader("late"))
			}()
			turn, err := e.Deliver(event("a", "{}"), soon())
			if err != nil {
				t.Fatal(err)
			}
			<-got
			if _, err := e.Await(time.Now().Add(time.Millisecond)); !errors.Is(err, ErrDeadline) {
				t.Fatal(err)
			}
			e.Interrupt(turn + 1) // of no effect
			e.Interrupt(turn)
			if _, err := e.Await(soon()); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			waited := make(chan error)
			go func() {
				_, err := e.Await(soon())
				waited <- err
			}()
			e.Interrupt(turn)
			if err := <-waited; !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			close(release)
			if r, err := e.Await(soon()); err != nil || string(r.Payload) != "late" {
				t.Fatalf("%s %v", r.Payload, err)
			}
			<-sent
			if _, err := e.Deliver(event("b", "{}"), time.Now().Add(time.Millisecond)); !errors.Is(err, ErrNotReady) {
				t.Fatal(err)
			}
			ready := make(chan bool)
			go func() { ready <- e.WaitReady() }()
			next := make(chan struct{})
			go func() { c.do("GET", "invocation/next", nil); close(next) }()
			if !<-ready {
				t.Fatal("not ready")
			}
			if _, err := e.Deliver(event("b", "{}"), soon()); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := e.Await(soon())
				waited <- err
			}()
			<-next
			e.Close()
			if err := <-waited; !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
			if e.WaitReady() {
				t.Fatal("ready after Close")
			}
		})
	}
}
