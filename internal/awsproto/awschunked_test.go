package awsproto

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/fault"
)

// chunked encodes content in chunks of the given size, with trailers.
func chunked(content []byte, size int, trailers ...string) []byte {
	var b bytes.Buffer
	for len(content) > 0 {
		n := min(size, len(content))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, content[:n])
		content = content[n:]
	}
	b.WriteString("0\r\n")
	for _, t := range trailers {
		b.WriteString(t + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func TestChunkedBodiesComeOutAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 40000).Draw(t, "content")
		body := chunked(content, rapid.IntRange(1, 20000).Draw(t, "size"), "x-amz-checksum-crc32:AAAAAA==")
		var src io.Reader = bytes.NewReader(body)
		if rapid.Bool().Draw(t, "slow") {
			src = iotest.HalfReader(src)
		}
		trailer := http.Header{}
		c := newChunkedReader(src, int64(len(content)), trailer)
		c.trailers = true
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, content) || trailer.Get("x-amz-checksum-crc32") != "AAAAAA==" {
			t.Fatalf("%d bytes of %d, %v, trailer %v", len(got), len(content), err, trailer)
		}
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		c = newChunkedReader(bytes.NewReader(body[:cut]), int64(len(content)), http.Header{})
		c.trailers = true
		if got, err := io.ReadAll(c); err == nil {
			t.Fatalf("a body that was cut at %d of %d gave %d bytes and no error", cut, len(body), len(got))
		}
	})
}

func TestMalformedChunksAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"no size":       "\r\nhello\r\n0\r\n\r\n",
		"a bad size":    "5x\r\nhello\r\n0\r\n\r\n",
		"negative":      "-5\r\nhello\r\n0\r\n\r\n",
		"huge":          "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
		"too much":      "6\r\nhello!\r\n0\r\n\r\n",
		"too little":    "4\r\nhell\r\n0\r\n\r\n",
		"no line end":   "5\r\nhelloXX0\r\n\r\n",
		"a long header": strings.Repeat("0", 9000) + "5\r\nhello\r\n0\r\n\r\n",
		"a bad trailer": "5\r\nhello\r\n0\r\nnothing\r\n\r\n",
		"many trailers": "5\r\nhello\r\n0\r\n" + strings.Repeat("a:b\r\n", 20) + "\r\n",
	} {
		c := newChunkedReader(strings.NewReader(body), 5, http.Header{})
		c.trailers = true
		if got, err := io.ReadAll(c); err == nil {
			t.Errorf("%s: gave %q and no error", name, got)
		}
	}
}

type streamInput struct {
	Key  *string
	Body io.Reader
}

type streamOutput struct{ Got *string }

// signedUpload makes a request whose chunks are signed one after the other.
func signedUpload(t *testing.T, url string, chunks []string, trailer string, spoil func([]byte) []byte) *http.Request {
	t.Helper()
	length := 0
	for _, c := range chunks {
		length += len(c)
	}
	kind := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	if trailer != "" {
		kind += "-TRAILER"
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", kind)
	r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(length))
	at := time.Now().UTC()
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, r, kind, "streams", "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	sc := scopeOf(r)
	key := []byte("AWS4secret")
	for _, p := range []string{at.Format("20060102"), "us-east-1", "streams", "aws4_request"} {
		key = hmacSHA256(key, p)
	}
	head := at.Format("20060102T150405Z") + "\n" + at.Format("20060102") + "/us-east-1/streams/aws4_request\n"
	previous := sc.signature
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	var b bytes.Buffer
	for _, c := range append(chunks, "") {
		previous = hex.EncodeToString(hmacSHA256(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+head+previous+"\n"+hash("")+"\n"+hash(c)))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s", len(c), previous, c)
		if c != "" {
			b.WriteString("\r\n")
		}
	}
	if trailer != "" {
		previous = hex.EncodeToString(hmacSHA256(key, "AWS4-HMAC-SHA256-TRAILER\n"+head+previous+"\n"+hash(trailer+"\n")))
		b.WriteString(trailer + "\r\nx-amz-trailer-signature:" + previous + "\r\n")
	}
	b.WriteString("\r\n")
	body := b.Bytes()
	if spoil != nil {
		body = spoil(body)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r
}

func TestSignedChunksAreVerified(t *testing.T) {
	var trailer string
	svc := &Service{
		Name: "streams", Protocols: []Protocol{RESTXML},
		Operations: []Operation{Op(func(_ context.Context, in *streamInput) (*streamOutput, error) {
			b, err := io.ReadAll(in.Body)
			if err != nil {
				return nil, err
			}
			trailer = in.Body.(*Body).Trailer("x-amz-checksum-crc32")
			return &streamOutput{aws.String(string(b))}, nil
		}, Named("Put"), HTTP("PUT", "/{Key+}", 200, InPayload("Body")), Root("Result"))},
	}
	mux, err := NewMux(Config{Verify: func(string) (string, bool) { return "secret", true }}, svc)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	replace := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	for _, r := range []struct {
		name, trailer string
		spoil         func([]byte) []byte
		want          string
	}{
		{"good", "", nil, "<Got>one, two</Got>"},
		{"good with a trailer", "x-amz-checksum-crc32:AAAA", nil, "<Got>one, two</Got>"},
		{"first chunk changed", "", replace("one", "oNe"), "SignatureDoesNotMatch"},
		{"last chunk changed", "", replace("two", "tWo"), "SignatureDoesNotMatch"},
		{"trailer changed", "x-amz-checksum-crc32:AAAA", replace(":AAAA", ":AAAB"), "SignatureDoesNotMatch"},
		{"signature left out", "", replace(";chunk-signature=", ";other="), "InvalidRequest"},
		{"cut", "", func(b []byte) []byte { return b[:len(b)-120] }, "IncompleteBody"},
	} {
		res, err := http.DefaultClient.Do(signedUpload(t, server.URL, []string{"one, ", "two"}, r.trailer, r.spoil))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if !strings.Contains(string(b), r.want) {
			t.Errorf("%s: %d %s, want %s", r.name, res.StatusCode, b, r.want)
		}
		if r.spoil == nil && r.trailer != "" && trailer != "AAAA" {
			t.Errorf("%s: the handler saw the trailer %q", r.name, trailer)
		}
	}
}

func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), int64(5))
	f.Add([]byte("5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\na:b\r\n\r\n"), int64(5))
	f.Fuzz(func(t *testing.T, body []byte, length int64) {
		c := newChunkedReader(bytes.NewReader(body), length, http.Header{})
		c.trailers = true
		got, err := io.ReadAll(c)
		if err == nil && int64(len(got)) != length {
			t.Fatalf("%d bytes where %d were announced, and no error", len(got), length)
		}
	})
}

func FuzzXMLDocument(f *testing.F) {
	type inner struct {
		Name  *string
		When  *time.Time
		Count *int32
	}
	type document struct {
		Items []inner
		Names []string
		On    bool
		Deep  *inner
	}
	svc := &Service{Name: "x", Protocols: []Protocol{RESTXML}, Lists: map[string]string{"document.Items": "", "document.Names": "Name"}}
	c, err := svc.newCodec()
	if err != nil {
		f.Fatal(err)
	}
	p, err := c.plan(reflect.TypeFor[document]())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`<document><Items><Name>a</Name><Count>1</Count></Items><Items><When>2023-11-14T22:13:20Z</When></Items><Names><Name>x &amp; y</Name></Names><On>true</On></document>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var d, again document
		err := decodeXMLDocument(p, doc, reflect.ValueOf(&d).Elem(), nil)
		if err != nil {
			var flt *fault.Error
			if !errors.As(err, &flt) || flt.Code != "MalformedXML" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		b, err := appendXML(nil, "document", p, reflect.ValueOf(&d).Elem(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeXMLDocument(p, b, reflect.ValueOf(&again).Elem(), nil); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, b)
		}
		if len(again.Items) != len(d.Items) || len(again.Names) != len(d.Names) || again.On != d.On {
			t.Fatalf("read %+v, then %+v", d, again)
		}
	})
}
