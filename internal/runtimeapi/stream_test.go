package runtimeapi

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// taker takes a streamed response.
type taker struct {
	kind   string
	starts int
	n      int64
	got    strings.Builder
	fails  error
}

func (x *taker) Start(contentType string) error {
	x.starts++
	x.kind = contentType
	return nil
}

func (x *taker) Write(p []byte) (int, error) {
	if x.n += int64(len(p)); x.n < 1<<20 {
		x.got.Write(p)
	}
	return len(p), x.fails
}

// answerRaw is a runtime that takes one event and answers it with these bytes; ID stands for the invocation's.
func answerRaw(t *testing.T, e *Endpoint, pieces ...string) {
	t.Helper()
	nc, err := net.Dial("tcp4", e.Addr())
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { nc.Close() })
	go func() {
		io.WriteString(nc, "GET "+root+"invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return
		}
		io.Copy(io.Discard, resp.Body)
		for _, p := range pieces {
			io.WriteString(nc, strings.ReplaceAll(p, "ID", resp.Header.Get("Lambda-Runtime-Aws-Request-Id")))
		}
	}()
}

func TestStreamedResponse(t *testing.T) {
	const head = "POST " + root + "invocation/ID/response HTTP/1.1\r\nContent-Type: text/x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
	long := strings.Repeat("long ", 20_000)
	for _, tc := range []struct {
		name    string
		pieces  []string
		plain   bool // nobody takes a stream
		fails   error
		got     string
		starts  int
		payload string
		errType string
	}{
		{name: "pieces", pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n3\r\nab", "c\r\n2\r\nde\r\n0\r\n\r\n"}, got: "abcde", starts: 1},
		{name: "nothing", pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, starts: 1},
		{name: "a length", pieces: []string{head, "Content-Length: 5\r\n\r\nab", "cde"}, got: "abcde", starts: 1},
		{name: "an error afterwards", pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nLambda-Runtime-Function-Error-Type: E.T\r\nLambda-Runtime-Function-Error-Body: " +
			base64.StdEncoding.EncodeToString([]byte(long)) + "\r\n\r\n"}, got: "a", starts: 1, payload: long, errType: "E.T"},
		{
			name: "an error without a document", pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nLambda-Runtime-Function-Error-Type: E.T\r\n\r\n"},
			got: "a", starts: 1, payload: `{"errorMessage":"","errorType":"E.T"}`, errType: "E.T",
		},
		{name: "a reader that has had enough", pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"}, fails: errors.New("enough"), got: "a", starts: 1},
		{name: "collected", plain: true, pieces: []string{head, "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"}, payload: "ab"},
		{name: "another invocation's first", pieces: []string{strings.Replace(head, "ID", "other", 1), "Content-Length: 3\r\n\r\nxyz", head, "Content-Length: 1\r\n\r\na"}, got: "a", starts: 1},
		{name: "not streamed", pieces: []string{strings.Replace(head, "streaming", "buffered", 1), "Content-Length: 2\r\n\r\nab"}, payload: "ab"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := listen(t)
			answerRaw(t, e, tc.pieces...)
			x := taker{fails: tc.fails}
			ev := event("0-1-2", "{}")
			if !tc.plain {
				ev.Stream = &x
			}
			if _, err := e.Deliver(ev, soon()); err != nil {
				t.Fatal(err)
			}
			r, err := e.Await(soon())
			if err != nil || x.got.String() != tc.got || x.starts != tc.starts || r.Streamed != (tc.starts > 0) ||
				string(r.Payload) != tc.payload || r.Error != (tc.errType != "") || r.ErrorType != tc.errType {
				t.Errorf("streamed %q in %d starts, then %+v %v", x.got.String(), x.starts, r, err)
			}
			if tc.starts > 0 && x.kind != "text/x" {
				t.Errorf("content type %q", x.kind)
			}
		})
	}
}

func TestStreamLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("200 MB")
	}
	e := listen(t)
	const size = MaxStream + 1
	piece := strings.Repeat("x", 1<<20)
	pieces := []string{"POST " + root + fmt.Sprintf("invocation/ID/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nContent-Length: %d\r\n\r\n", size)}
	for left := size; left > 0; left -= len(piece) {
		pieces = append(pieces, piece[:min(len(piece), left)])
	}
	answerRaw(t, e, pieces...)
	var x taker
	ev := event("0-1-2", "{}")
	ev.Stream = &x
	if _, err := e.Deliver(ev, soon()); err != nil {
		t.Fatal(err)
	}
	r, err := e.Await(soon())
	if err != nil || !r.Streamed || r.ErrorType != "Function.ResponseSizeTooLarge" || x.n > MaxStream {
		t.Errorf("%d bytes, then %+v %v", x.n, r, err)
	}
}
