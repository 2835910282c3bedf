package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/platform/s3"
)

const mib = 1 << 20

func TestMultipartObjects(t *testing.T) {
	s, c := withBucket(t)
	whole := random(11*mib + 17)
	pieces := [][]byte{whole[:5*mib], whole[5*mib : 11*mib], whole[11*mib:]}
	var crc64b [8]byte
	binary.BigEndian.PutUint64(crc64b[:], crc64.Checksum(whole, crc64.MakeTable(0x9a6c9329ac4bc9b5)))
	var parts32 []byte
	var parts5 []byte
	for _, p := range pieces {
		parts32 = binary.BigEndian.AppendUint32(parts32, crc32.ChecksumIEEE(p))
		sum := md5.Sum(p)
		parts5 = append(parts5, sum[:]...)
	}
	composite := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(parts32))) + "-3"
	full32 := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(whole)))
	etag := fmt.Sprintf(`"%x-3"`, md5.Sum(parts5))

	for _, r := range []struct {
		key   string
		alg   types.ChecksumAlgorithm
		kind  types.ChecksumType
		check func(h *awss3.HeadObjectOutput) (got *string, want string)
	}{
		{"default", "", "", func(h *awss3.HeadObjectOutput) (*string, string) {
			return h.ChecksumCRC64NVME, base64.StdEncoding.EncodeToString(crc64b[:])
		}},
		{"crc32", "CRC32", "", func(h *awss3.HeadObjectOutput) (*string, string) { return h.ChecksumCRC32, composite }},
		{"crc32 full", "CRC32", "FULL_OBJECT", func(h *awss3.HeadObjectOutput) (*string, string) { return h.ChecksumCRC32, full32 }},
	} {
		t.Run(r.key, func(t *testing.T) {
			up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
				Bucket: bucket, Key: &r.key, ChecksumAlgorithm: r.alg, ChecksumType: r.kind, ContentType: aws.String("a/b"),
			})
			if err != nil {
				t.Fatal(err)
			}
			var done []types.CompletedPart
			for i, p := range pieces {
				n := aws.Int32(int32(i + 1))
				if i == 1 { // a part may be sent again: the last one counts
					if _, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
						Bucket: bucket, Key: &r.key, UploadId: up.UploadId, PartNumber: n, Body: strings.NewReader("wrong"), ChecksumAlgorithm: r.alg,
					}); err != nil {
						t.Fatal(err)
					}
				}
				out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
					Bucket: bucket, Key: &r.key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(p), ChecksumAlgorithm: r.alg,
				})
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumCRC32: nil})
			}
			l, err := c.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: bucket, Key: &r.key, UploadId: up.UploadId})
			if err != nil || len(l.Parts) != 3 || *l.Parts[1].Size != 6*mib {
				t.Errorf("parts %v, %v", l, err)
			}
			complete := func(parts []types.CompletedPart, cond ...string) error {
				in := &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: &r.key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
				if len(cond) > 0 {
					in.IfNoneMatch = aws.String("*")
				}
				out, err := c.CompleteMultipartUpload(t.Context(), in)
				if err == nil && *out.ETag != etag {
					t.Errorf("ETag %s, want %s", *out.ETag, etag)
				}
				return err
			}
			if got := code(complete([]types.CompletedPart{done[1], done[0]})); got != "InvalidPartOrder" {
				t.Errorf("parts out of order: %s", got)
			}
			if got := code(complete([]types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String("other")}})); got != "InvalidPart" {
				t.Errorf("a wrong ETag: %s", got)
			}
			if got := code(complete([]types.CompletedPart{})); got != "MalformedXML" && got != "InvalidRequest" {
				t.Errorf("no parts: %s", got)
			}
			put(t, c, r.key, "was here first")
			if got := code(complete(done, "*")); got != "PreconditionFailed" {
				t.Errorf("completed over an object: %s", got)
			}
			if err := complete(done); err != nil {
				t.Fatal(err)
			}
			if got := code(complete(done)); got != "NoSuchUpload" {
				t.Errorf("completed twice: %s", got)
			}
			if got := get(t, c, r.key); got != string(whole) {
				t.Errorf("%d bytes came back, not as sent", len(got))
			}
			out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: &r.key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", 5*mib-3, 11*mib+2))})
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(out.Body)
			_ = out.Body.Close()
			if err != nil || !bytes.Equal(b, whole[5*mib-3:11*mib+3]) {
				t.Errorf("a range over three parts: %d bytes, %v", len(b), err)
			}
			h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: &r.key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.check(h); got == nil || *got != want || *h.ContentType != "a/b" {
				t.Errorf("checksum %v, want %v", aws.ToString(got), want)
			}
			one, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: &r.key, PartNumber: aws.Int32(2)})
			if err != nil || *one.PartsCount != 3 || *one.ContentLength != 6*mib {
				t.Errorf("part 2: %v, %v", one, err)
			}
		})
	}
	if n := s.files(); n != 9 {
		t.Errorf("%d files for three objects of three parts", n)
	}
}

func TestSmallPartsAndAborts(t *testing.T) {
	s, c := withBucket(t)
	key := aws.String("k")
	up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for i := range 2 {
		out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: strings.NewReader("small"),
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag})
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if code(err) != "EntityTooSmall" {
		t.Errorf("small parts: %v", err)
	}
	l, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: bucket})
	if err != nil || len(l.Uploads) != 1 || *l.Uploads[0].UploadId != *up.UploadId || *l.Uploads[0].Key != "k" {
		t.Errorf("uploads %v, %v", l, err)
	}
	if _, err := c.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId}); err != nil {
		t.Fatal(err)
	}
	if n := s.files(); n != 0 {
		t.Errorf("an aborted upload has left %d files", n)
	}
}

func TestChecksumsCombine(t *testing.T) {
	nvme := crc64.MakeTable(0x9a6c9329ac4bc9b5)
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sums := map[string]func([]byte) uint64{
		"CRC64NVME": func(b []byte) uint64 { return crc64.Checksum(b, nvme) },
		"CRC32":     func(b []byte) uint64 { return uint64(crc32.ChecksumIEEE(b)) },
		"CRC32C":    func(b []byte) uint64 { return uint64(crc32.Checksum(b, castagnoli)) },
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		for name, sum := range sums {
			if got, want := s3.CombineCRC(name, sum(a), sum(b), int64(len(b))), sum(slices.Concat(a, b)); got != want {
				t.Fatalf("%s: %x, want %x", name, got, want)
			}
		}
	})
}

// Why: pages must neither lose nor repeat a key, whatever the prefix, delimiter and page size.
func TestListingsAgreeWithADumbReference(t *testing.T) {
	s, c := withBucket(t)
	var keys []string
	for _, a := range []string{"", "a", "a/", "a/b/", "a-", "b//", "zz"} {
		for _, b := range []string{"x", "y/1", "y/2", "\u00fc", "y0"} {
			keys = append(keys, a+b)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, k := range keys {
		put(t, c, k, "")
	}
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "a", "a/", "a/b", "y", "b", "none", "\u00fc"}).Draw(t, "prefix")
		delimiter := rapid.SampledFrom([]string{"", "/", "b", "//", "y/"}).Draw(t, "delimiter")
		after := rapid.SampledFrom(append([]string{"", "a/", "b", "~"}, keys...)).Draw(t, "after")
		page := rapid.IntRange(1, 9).Draw(t, "page")
		var want []string
		for _, k := range keys {
			rest, ok := strings.CutPrefix(k, prefix)
			if !ok || k <= after {
				continue
			}
			if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
				k = k[:len(prefix)+i+len(delimiter)]
				if k == after { // told by the page that ended there
					continue
				}
			}
			if !slices.Contains(want, k) {
				want = append(want, k)
			}
		}
		var got []string
		in := &awss3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: aws.Int32(int32(page))}
		for {
			out, err := s.svc.ListObjectsV2(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range out.Contents {
				names = append(names, *o.Key)
			}
			for _, p := range out.CommonPrefixes {
				names = append(names, *p.Prefix)
			}
			sort.Strings(names)
			if len(names) > page || *out.KeyCount != int32(len(names)) {
				t.Fatalf("a page of %d has %d keys and counts %d", page, len(names), *out.KeyCount)
			}
			got = append(got, names...)
			if !*out.IsTruncated {
				break
			}
			in.ContinuationToken = out.NextContinuationToken
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}
