package front

import (
	"bufio"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// sameAsNetHTTP checks that a head that is read here means to net/http exactly the same.
func sameAsNetHTTP(t *testing.T, text string) (read bool) {
	t.Helper()
	var h head
	h.header = http.Header{"Left": {"over"}}
	last, ok := h.parse(text)
	if !ok {
		return false
	}
	got := &h.req
	want, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(text), endless{})))
	if err != nil {
		t.Fatalf("%q was read here, but net/http says: %v", text, err)
	}
	switch {
	case got.Method != want.Method, got.Host != want.Host, got.ContentLength != want.ContentLength, got.RequestURI != want.RequestURI,
		got.Proto != want.Proto, !reflect.DeepEqual(got.URL, want.URL), want.TransferEncoding != nil:
		t.Fatalf("%q\ngot  %+v %+v\nwant %+v %+v", text, got, got.URL, want, want.URL)
	case last != want.Close:
		t.Fatalf("%q: close is %v, and by net/http %v", text, last, want.Close)
	}
	// ReadRequest takes Connection out of the header; a server's handler never looks at it.
	got.Header.Del("Connection")
	want.Header.Del("Connection")
	if !reflect.DeepEqual(got.Header, want.Header) {
		t.Fatalf("%q\ngot  %q\nwant %q", text, got.Header, want.Header)
	}
	return true
}

// endless is a body of any length.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

var heads = []struct {
	head string
	here bool
}{
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
	{"POST /2015-03-31/functions/f/invocations?Qualifier=live HTTP/1.1\r\nHost: 127.0.0.1:4566\r\nContent-Length: 12\r\nx-amz-date: 20260101T000000Z\r\n\r\n", true},
	{"GET /a%20b?c=%20 HTTP/1.1\r\nhost: [::1]:80\r\nAccept: a\r\naccept: b\r\nConnection: close\r\n\r\n", true},
	{"GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nCookie:  a=b ; c=d\t\r\n\r\n", true},
	{"HEAD /a? HTTP/1.1\r\nHost: x\r\nEmpty:\r\n\r\n", true},

	{"GET / HTTP/1.0\r\nHost: x\r\n\r\n", false},
	{"GET /\r\nHost: x\r\n\r\n", false},
	{"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET //x HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\n folded: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
}

func TestHead(t *testing.T) {
	for _, c := range heads {
		if here := sameAsNetHTTP(t, c.head); here != c.here {
			t.Errorf("%q is read here: %v, want %v", c.head, here, c.here)
		}
	}
}

// FuzzHead holds head.parse to net/http: it may leave a request to it, but never read another one than it would.
func FuzzHead(f *testing.F) {
	for _, c := range heads {
		f.Add(c.head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		// readHead gives what ends with the first empty line.
		before, _, ok := strings.Cut(head, "\r\n\r\n")
		if !ok {
			return
		}
		sameAsNetHTTP(t, before+"\r\n\r\n")
	})
}
