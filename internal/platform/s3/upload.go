package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the protocol's
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/tealdeploy/teal/internal/fault"
)

// maxPut is the largest content that comes in one request, in bytes: 5 GiB.
const maxPut = 5 << 30

// arrival is a content on its way in.
type arrival struct {
	body      io.Reader // nil means empty
	length    *int64    // announced; nil when unknown
	md5       string    // Content-MD5
	algorithm string    // of the checksum asked for; "" for the default
	sums      checksums // given ahead of the content
	also      io.Writer // gets the content too, when set; never fails
}

// trailered is a body with headers after it, as HTTP requests have.
type trailered interface {
	Promised() []string
	Trailer(name string) string
}

// received is a content that is on disk, and checked.
type received struct {
	segment
	md5      []byte
	checksum checksum // FULL_OBJECT
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// receive writes a content to a file of its own, while it computes and checks what the request says of it. After an
// error nothing is left.
func (s *Service) receive(ctx context.Context, in arrival) (out received, err error) {
	name, want, err := in.sums.given()
	if err != nil {
		return out, err
	}
	body := in.body
	if body == nil {
		body = bytes.NewReader(nil)
	}
	trailers, _ := body.(trailered)
	inTrailer := ""
	if trailers != nil {
		inTrailer = trailerAlgorithm(trailers.Promised())
	}
	switch {
	case name != "" && inTrailer != "":
		return out, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	case name == "" && inTrailer != "":
		name = inTrailer
	case name == "" && in.algorithm != "":
		name = in.algorithm
	}
	if in.algorithm != "" && name != in.algorithm {
		return out, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid: the request carries a checksum of another algorithm, " + name)
	}
	if name == "" {
		name = defaultAlgorithm
	}
	alg, err := algorithmOf(name)
	if err != nil {
		return out, err
	}
	if want != "" {
		if err := alg.checkValue(want); err != nil {
			return out, err
		}
	}
	var wantMD5 []byte
	if in.md5 != "" {
		if wantMD5, err = base64.StdEncoding.DecodeString(in.md5); err != nil || len(wantMD5) != md5.Size {
			return out, fault.New("InvalidDigest", "The Content-MD5 you specified is not valid.")
		}
	}
	if in.length != nil && *in.length > maxPut {
		return out, entityTooLarge(*in.length)
	}
	sum, etag := alg.new(), md5.New() //nolint:gosec // the protocol's
	hashes := io.MultiWriter(etag, sum)
	if in.also != nil {
		hashes = io.MultiWriter(etag, sum, in.also)
	}
	if out.segment, err = s.write(ctx, body, in.length, hashes); err != nil {
		return out, err
	}
	out.md5 = etag.Sum(nil)
	out.checksum = checksum{Algorithm: name, Value: encodeSum(sum), Type: "FULL_OBJECT"}
	if inTrailer != "" {
		if want = trailers.Trailer(trailerPrefix + inTrailer); want == "" {
			err = invalidRequest("The trailer that X-Amz-Trailer announces is missing: " + trailerPrefix + inTrailer)
		}
	}
	switch {
	case err != nil:
	case wantMD5 != nil && !bytes.Equal(wantMD5, out.md5):
		err = fault.New("BadDigest", "The Content-MD5 you specified did not match what we received.")
	case want != "" && want != out.checksum.Value:
		err = badDigest(name)
	}
	if err != nil {
		s.blobs.remove(files([]segment{out.segment}))
	}
	return out, err
}

// write copies a body to a file and makes it durable. An empty body has no file.
func (s *Service) write(ctx context.Context, body io.Reader, length *int64, sums io.Writer) (segment, error) {
	var file *blobFile
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	fail := func(err error) (segment, error) {
		if file != nil {
			file.discard()
		}
		return segment{}, err
	}
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		n, err := fill(body, *buf)
		if n > 0 {
			if size += int64(n); size > maxPut {
				return fail(entityTooLarge(size))
			}
			if file == nil {
				var cerr error
				if file, cerr = s.blobs.create(); cerr != nil {
					return fail(cerr)
				}
			}
			if _, werr := file.Write((*buf)[:n]); werr != nil {
				return fail(werr)
			}
			_, _ = sums.Write((*buf)[:n]) // hashes do not fail
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(err)
		}
	}
	if length != nil && *length != size {
		return fail(incompleteBody(*length, size))
	}
	if file == nil {
		return segment{}, nil
	}
	if err := file.seal(); err != nil {
		return segment{}, err
	}
	return segment{File: file.name, Size: size}, nil
}

// fill reads until p is full; io.EOF comes with what was read before it. Unlike io.ReadFull it tells a body's own
// io.ErrUnexpectedEOF from its end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

func encodeSum(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

func hexETag(sum []byte) string { return hex.EncodeToString(sum) }
