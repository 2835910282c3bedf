package pool

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// reader collects a streamed response.
type reader struct {
	mu    sync.Mutex
	kind  string
	start int
	got   bytes.Buffer
	err   error // of Write
}

func (r *reader) Start(contentType string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kind = contentType
	r.start++
	return nil
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.start == 0 {
		return 0, errors.New("no start")
	}
	r.got.Write(p)
	return len(p), r.err
}

func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func TestStream(t *testing.T) {
	p := newPool(t, Config{})
	node := language(t, p, "nodejs20.x", "node")
	prelude := `{"statusCode":201}` + strings.Repeat("\x00", 8)
	for _, tc := range []struct {
		name, kind, begin string
		f                 *Function
		event             func(arg string) string
	}{
		{"go", "application/octet-stream", "first", goFunction("a", nil), func(arg string) string { return do("stream", arg) }},
		{"node", "application/vnd.awslambda.http-integration-response", prelude + "first", node("index.pieces"), func(arg string) string { return do("", arg) }},
	} {
		for _, fails := range []string{"", "torn off"} {
			t.Run(tc.name+" "+fails, func(t *testing.T) {
				g := newGate(t, 2, 0)
				in := call(tc.event(g.addr + "|" + fails))
				var r reader
				in.Stream = &r
				end := make(chan Result)
				go func() {
					res, err := p.Invoke(context.Background(), tc.f, in)
					if err != nil {
						t.Error(err)
					}
					end <- res
				}()
				until(t, func() bool { return r.text() == tc.begin }) // before the function has ended
				until(t, func() bool { return g.waiting() == 1 })
				g.open()
				res := <-end
				switch {
				case r.start != 1 || r.kind != tc.kind:
					t.Errorf("started %d times, content type %q", r.start, r.kind)
				case fails == "" && (r.text() != tc.begin+" second" || res.FunctionError != "" || res.Payload != nil):
					t.Errorf("%q, then %q %s", r.text(), res.FunctionError, res.Payload)
				case fails != "" && (res.FunctionError != "Unhandled" || !strings.Contains(string(res.Payload), `"errorMessage":"torn off"`)):
					t.Errorf("an error after the beginning: %q %s\n%s", res.FunctionError, res.Payload, res.LogTail)
				}
			})
		}
	}
	t.Run("an error before the beginning", func(t *testing.T) {
		in, r := call("{}"), reader{}
		in.Stream = &r
		res, err := p.Invoke(context.Background(), node("index.early"), in)
		if err != nil || r.start != 0 || res.FunctionError != "Unhandled" || !strings.Contains(string(res.Payload), `"errorMessage":"before"`) {
			t.Errorf("%d %s %v", r.start, res.Payload, err)
		}
	})
	t.Run("a function that goes on after its handler, to a reader that gives up", func(t *testing.T) {
		for _, stop := range []error{nil, errors.New("full")} {
			in, r := call("{}"), reader{err: stop}
			in.Stream = &r
			res, err := p.Invoke(context.Background(), node("index.piped"), in)
			if err != nil || res.FunctionError != "" || stop == nil && r.got.Len() != 10_000_000 {
				t.Errorf("%d bytes, %q %v", r.got.Len(), res.FunctionError, err)
			}
		}
	})
	t.Run("a function that does not stream", func(t *testing.T) {
		in, r := call(do("echo", "")), reader{}
		in.Payload, in.Stream = []byte(`{"do":"echo","echo":[1]}`), &r
		res, err := p.Invoke(context.Background(), goFunction("a", nil), in)
		if err != nil || r.text() != "[1]" || r.kind != "application/json" || r.start != 1 || res.Payload != nil {
			t.Errorf("%q %s %v", r.text(), res.Payload, err)
		}
	})
	t.Run("a caller that leaves", func(t *testing.T) {
		g := newGate(t, 2, 0)
		in, r := call(do("stream", g.addr)), reader{}
		in.Stream = &r
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan error)
		go func() {
			_, err := p.Invoke(ctx, goFunction("a", nil), in)
			left <- err
		}()
		until(t, func() bool { return g.waiting() == 1 && r.text() == "first" })
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		g.open()
		until(t, func() bool { return p.inFlight() == 0 })
		if r.text() != "first" {
			t.Errorf("%q was written after its caller had left", r.text())
		}
	})
}
