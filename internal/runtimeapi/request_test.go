package runtimeapi

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// parse feeds b in pieces and returns the requests that it holds.
func parse(b []byte, cuts []int) (out []request, err error) {
	var p parser
	p.limit = 64
	p.reset()
	for len(b) > 0 {
		n := len(b)
		if len(cuts) > 0 {
			n, cuts = min(n, max(1, cuts[0])), cuts[1:]
		}
		piece := b[:n]
		b = b[n:]
		for len(piece) > 0 {
			k, err := p.feed(piece)
			piece = piece[k:]
			if err != nil {
				return out, err
			}
			p.req.expect = false
			if p.done() {
				r := p.req
				r.id = bytes.Clone(r.id)
				out = append(out, r)
				p.reset()
			}
		}
	}
	return out, nil
}

const (
	sampleNext     = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
	sampleResponse = "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nContent-Length: 4\r\nContent-Type: application/json\r\n\r\nnull"
	sampleChunked  = "POST /2018-06-01/runtime/invocation/id-2/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nLambda-Runtime-Function-Error-Type: T\r\n\r\n"
)

func TestParserPiecesDoNotMatter(t *testing.T) {
	all := []byte(sampleNext + sampleResponse + sampleChunked + sampleNext)
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.IntRange(1, 40), 0, 200).Draw(t, "cuts")
		got, err := parse(all, cuts)
		if err != nil || len(got) != 4 {
			t.Fatalf("%d requests, %v", len(got), err)
		}
		if got[0].op != opNext || got[3].op != opNext ||
			got[1].op != opResponse || string(got[1].id) != "id-1" || string(got[1].body) != "null" || got[1].contentType != "application/json" ||
			got[2].op != opError || string(got[2].id) != "id-2" || string(got[2].body) != "abcde" || got[2].errorType != "T" {
			t.Fatalf("%+v", got)
		}
	})
}

func TestParserRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"no request line":     "hello\r\n\r\n",
		"another protocol":    "GET / SPDY/3\r\n\r\n",
		"long path":           "GET /" + string(bytes.Repeat([]byte("a"), 600)) + " HTTP/1.1\r\n\r\n",
		"long line":           "GET /" + string(bytes.Repeat([]byte("a"), 9000)),
		"header without name": "GET / HTTP/1.1\r\n: x\r\n\r\n",
		"bad length":          "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"two lengths":         "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"length and chunks":   "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"huge length":         "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
		"bad chunk":           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"no end of chunk":     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
		"other encoding":      "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
	} {
		if _, err := parse([]byte(in), nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	many := []byte("GET / HTTP/1.1\r\n")
	for len(many) < maxHeaders+1000 {
		many = append(many, "X-Header: 0123456789\r\n"...)
	}
	if _, err := parse(many, nil); err == nil {
		t.Error("endless headers were accepted")
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte(sampleNext), []byte{3})
	f.Add([]byte(sampleResponse), []byte{1, 2, 3})
	f.Add([]byte(sampleChunked), []byte{9})
	f.Add([]byte("POST / HTTP/1.0\nExpect: 100-continue\nContent-Length: 3\n\nabc"), []byte{})
	f.Fuzz(func(t *testing.T, in, pieces []byte) {
		cuts := make([]int, len(pieces))
		for i, c := range pieces {
			cuts[i] = int(c)
		}
		whole, err1 := parse(in, nil)
		cut, err2 := parse(in, cuts)
		if (err1 == nil) != (err2 == nil) || len(whole) != len(cut) {
			t.Fatalf("whole: %d requests, %v; in pieces: %d, %v", len(whole), err1, len(cut), err2)
		}
		for i := range whole {
			if len(whole[i].body) > 64 || !bytes.Equal(whole[i].body, cut[i].body) || whole[i].op != cut[i].op || !bytes.Equal(whole[i].id, cut[i].id) {
				t.Fatalf("request %d: %+v in pieces %+v", i, whole[i], cut[i])
			}
		}
	})
}
