package awsproto

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/fault"
)

// maxChunkLine bounds a chunk's header and a trailer, in bytes.
const maxChunkLine = 8 << 10

// maxTrailers bounds the number of trailing headers.
const maxTrailers = 16

// chunkedReader takes the aws-chunked encoding off a body: chunks with a hexadecimal size and, when signed, a
// signature each that covers the one before; after an empty chunk come the trailers.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type chunkedReader struct {
	src      *bufio.Reader
	left     int64 // bytes that the decoded body still owes
	chunk    int64 // bytes that the chunk under way still owes; -1 before the first
	trailers bool
	trailer  http.Header
	signed   bool         // chunks must carry signatures
	signer   *chunkSigner // checks them; nil when credentials are not checked
	given    string       // signature of the chunk under way
	err      error        // what every further Read returns
}

func newChunkedReader(src io.Reader, length int64, trailer http.Header) *chunkedReader {
	return &chunkedReader{src: bufio.NewReaderSize(src, maxChunkLine), left: length, chunk: -1, trailer: trailer}
}

var errChunk = fault.New("InvalidRequest", "The body is not well-formed in the aws-chunked encoding that the request announces")

func (c *chunkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for c.chunk <= 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	if int64(len(p)) > c.chunk {
		p = p[:c.chunk]
	}
	n, err := c.src.Read(p)
	c.chunk -= int64(n)
	c.left -= int64(n)
	if c.signer != nil {
		c.signer.content.Write(p[:n])
	}
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.err = err
	}
	return n, err
}

// next ends the chunk under way and opens another; io.EOF after the last one.
func (c *chunkedReader) next() error {
	if c.chunk == 0 {
		if err := c.endChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, ext, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil {
		return errChunk
	}
	if c.signed {
		given, ok := strings.CutPrefix(ext, "chunk-signature=")
		if !ok {
			return errChunk
		}
		c.given = given
	}
	if int64(n) > c.left {
		return fault.New("IncompleteBody", "The request body has more bytes than X-Amz-Decoded-Content-Length announces")
	}
	if n > 0 {
		c.chunk = int64(n)
		return nil
	}
	if c.left > 0 {
		return io.ErrUnexpectedEOF
	}
	if c.signer != nil {
		if err := c.signer.check(c.given); err != nil {
			return err
		}
	}
	return c.end()
}

func (c *chunkedReader) endChunk() error {
	if line, err := c.line(); err != nil || line != "" {
		if err == nil {
			err = errChunk
		}
		return err
	}
	if c.signer != nil {
		return c.signer.check(c.given)
	}
	return nil
}

// end reads the trailers and the empty line after them.
func (c *chunkedReader) end() error {
	var signed strings.Builder
	for n := 0; ; n++ {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !c.trailers || n == maxTrailers {
			return errChunk
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		c.trailer.Set(name, value)
		if name != "x-amz-trailer-signature" {
			signed.WriteString(name + ":" + value + "\n")
		}
	}
	if c.signer != nil && c.trailers {
		if err := c.signer.checkTrailer(c.trailer.Get("x-amz-trailer-signature"), signed.String()); err != nil {
			return err
		}
	}
	return io.EOF
}

// line reads up to CRLF, or LF as some senders end trailers.
func (c *chunkedReader) line() (string, error) {
	b, err := c.src.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull: //nolint:errorlint // as ReadSlice returns it
		return "", errChunk
	case err == io.EOF:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
}

// chunkSigner checks the chain of signatures of a chunked body, which begins with the request's own.
type chunkSigner struct {
	key         []byte
	date, scope string
	previous    string
	content     hash.Hash // of the chunk under way
}

func newChunkSigner(secret string, sc scope, at time.Time) *chunkSigner {
	key := []byte("AWS4" + secret)
	for _, part := range []string{sc.date, sc.region, sc.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return &chunkSigner{
		key: key, date: at.Format("20060102T150405Z"), scope: sc.date + "/" + sc.region + "/" + sc.service + "/aws4_request",
		previous: sc.signature, content: sha256.New(),
	}
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// check compares the signature of the chunk whose content was written, and begins the next.
func (s *chunkSigner) check(given string) error {
	text := strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", s.date, s.scope, s.previous, emptyHash, hex.EncodeToString(s.content.Sum(nil))}, "\n")
	s.content.Reset()
	return s.compare(given, text)
}

func (s *chunkSigner) checkTrailer(given, trailers string) error {
	sum := sha256.Sum256([]byte(trailers))
	return s.compare(given, strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", s.date, s.scope, s.previous, hex.EncodeToString(sum[:])}, "\n"))
}

func (s *chunkSigner) compare(given, text string) error {
	s.previous = hex.EncodeToString(hmacSHA256(s.key, text))
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.previous)) != 1 {
		return signatureMismatch()
	}
	return nil
}

// hashedReader compares a body with the SHA-256 that its request was signed with.
type hashedReader struct {
	src  io.Reader
	sum  hash.Hash
	want string
}

func newHashedReader(src io.Reader, want string) *hashedReader {
	return &hashedReader{src: src, sum: sha256.New(), want: want}
}

func (h *hashedReader) Read(p []byte) (int, error) {
	n, err := h.src.Read(p)
	h.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(h.sum.Sum(nil)) != h.want {
		err = fault.New("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return n, err
}

func isHexHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil && s == strings.ToLower(s)
}
