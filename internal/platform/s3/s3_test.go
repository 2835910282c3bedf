package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/platform/s3"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// system is the service behind a real HTTP server that checks signatures.
type system struct {
	t      *testing.T
	store  store.Store
	dir    string
	svc    *s3.Service
	server *httptest.Server
}

const secret = "the-secret"

func newSystem(t *testing.T) *system {
	s := &system{t: t, store: memory.New(), dir: t.TempDir()}
	t.Cleanup(func() { _ = s.store.Close() })
	s.start()
	return s
}

func (s *system) start() {
	s.t.Helper()
	var err error
	if s.svc, err = s3.New(s3.Config{Store: s.store, Dir: s.dir}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.svc.Close() })
	mux, err := awsproto.NewMux(awsproto.Config{
		Verify: func(id string) (string, bool) { return secret, id == "AKID" },
	}, s.svc.API())
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = httptest.NewServer(mux)
	s.t.Cleanup(s.server.Close)
}

func (s *system) client(opts ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(s.server.URL), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", secret, ""), RetryMaxAttempts: 1,
	}, opts...)
}

// withBucket makes a system with a bucket named b.
func withBucket(t *testing.T) (*system, *awss3.Client) {
	s := newSystem(t)
	c := s.client()
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("bbb")}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

var bucket = aws.String("bbb")

func put(t *testing.T, c *awss3.Client, key, content string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

func get(t *testing.T, c *awss3.Client, key string) string {
	t.Helper()
	out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return string(b)
}

// code is an error's code, "" for none.
func code(err error) string {
	var api interface{ ErrorCode() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

func status(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

func TestKeysOfEveryKindComeBack(t *testing.T) {
	_, c := withBucket(t)
	keys := []string{
		"a", "a/b", "a//b", "folder/", "/leading", "with space", "plus+plus", "per%cent", "per%2Fcent", "ü/日本", "a&b<c>\"d\"'e",
		"?query=1", "#frag", "dots/../x", ".", "..", "tab\tnew\nline", "uploads", "~tilde:colon;semi=eq,@!$*()", strings.Repeat("k", 1024),
	}
	for _, k := range keys {
		put(t, c, k, "content of "+k)
	}
	for _, k := range keys {
		if got := get(t, c, k); got != "content of "+k {
			t.Errorf("key %q came back with %q", k, got)
		}
	}
	listed := map[string]bool{}
	pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(3), EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Contents {
			listed[unescape(t, *o.Key)] = true
		}
	}
	if len(listed) != len(keys) {
		t.Errorf("listed %d keys of %d", len(listed), len(keys))
	}
	for _, k := range keys {
		if !listed[k] {
			t.Errorf("key %q is not listed", k)
		}
		if _, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: &k}); err != nil {
			t.Errorf("delete %q: %v", k, err)
		}
	}
	if _, err := c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Errorf("the bucket should be empty: %v", err)
	}
}

func TestHeadersAndMetadataComeBack(t *testing.T) {
	_, c := withBucket(t)
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	out, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("hello"), ContentType: aws.String("text/plain"),
		CacheControl: aws.String("no-store"), ContentDisposition: aws.String("attachment"), ContentEncoding: aws.String("gzip"),
		ContentLanguage: aws.String("de"), Expires: &expires, Metadata: map[string]string{"Colour": "blue", "n": "1"},
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != `"5d41402abc4b2a76b9719d911017c592"` || *out.ChecksumSHA256 != "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=" {
		t.Errorf("put answers %v, %v", *out.ETag, *out.ChecksumSHA256)
	}
	h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		*h.ContentType, *h.CacheControl, *h.ContentDisposition, *h.ContentEncoding, *h.ContentLanguage, *h.ExpiresString,
		h.Metadata, *h.ContentLength, *h.ETag, *h.ChecksumSHA256, h.ChecksumType,
	}
	want := []any{
		"text/plain", "no-store", "attachment", "gzip", "de", "Wed, 02 Jan 2030 03:04:05 GMT",
		map[string]string{"colour": "blue", "n": "1"},
		int64(5), *out.ETag, *out.ChecksumSHA256, types.ChecksumTypeFullObject,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("head answers %v\nwant %v", got, want)
	}
	g, err := c.GetObject(t.Context(), &awss3.GetObjectInput{
		Bucket: bucket, Key: aws.String("k"), Range: aws.String("bytes=-3"), ResponseContentType: aws.String("a/b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Body.Close()
	b, _ := io.ReadAll(g.Body)
	if string(b) != "llo" || *g.ContentRange != "bytes 2-4/5" || *g.ContentType != "a/b" || *g.ContentLength != 3 {
		t.Errorf("range: %q %v %v %v", b, *g.ContentRange, *g.ContentType, *g.ContentLength)
	}
}

func TestEveryChecksumIsComputedAndVerified(t *testing.T) {
	_, c := withBucket(t)
	for _, alg := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		// A body that cannot be sought goes with its checksum in a trailer only over TLS; a seekable one is sent ahead.
		in := &awss3.PutObjectInput{Bucket: bucket, Key: aws.String(string(alg)), Body: bytes.NewReader(make([]byte, 300<<10)), ChecksumAlgorithm: alg}
		if _, err := c.PutObject(t.Context(), in); err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		// The client computes the checksum of what it reads and compares.
		out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: in.Key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if n, err := io.Copy(io.Discard, out.Body); err != nil || n != 300<<10 {
			t.Errorf("%s: read %d bytes, %v", alg, n, err)
		}
		if !strings.Contains(fmt.Sprint(out.ResultMetadata), string(alg)) {
			t.Errorf("%s: the client has not validated the content", alg)
		}
		_ = out.Body.Close()
	}
}

func TestErrors(t *testing.T) {
	s, c := withBucket(t)
	put(t, c, "k", "content")
	k := aws.String("k")
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	type row struct {
		name   string
		call   func(ctx context.Context) error
		code   string
		status int
	}
	puts := func(in awss3.PutObjectInput) func(context.Context) error {
		return func(ctx context.Context) error {
			if in.Bucket == nil {
				in.Bucket = bucket
			}
			if in.Key == nil {
				in.Key = k
			}
			if in.Body == nil {
				in.Body = strings.NewReader("x")
			}
			_, err := c.PutObject(ctx, &in)
			return err
		}
	}
	gets := func(in awss3.GetObjectInput) func(context.Context) error {
		return func(ctx context.Context) error {
			if in.Bucket == nil {
				in.Bucket = bucket
			}
			if in.Key == nil {
				in.Key = k
			}
			_, err := c.GetObject(ctx, &in)
			return err
		}
	}
	none := aws.String("none")
	rows := []row{
		{"get: no key", gets(awss3.GetObjectInput{Key: none}), "NoSuchKey", 404},
		{"get: no bucket", gets(awss3.GetObjectInput{Bucket: aws.String("nobody")}), "NoSuchBucket", 404},
		{"get: range", gets(awss3.GetObjectInput{Range: aws.String("bytes=7-")}), "InvalidRange", 416},
		{"get: if-match", gets(awss3.GetObjectInput{IfMatch: none}), "PreconditionFailed", 412},
		{"get: if-none-match", gets(awss3.GetObjectInput{IfNoneMatch: aws.String("*")}), "NotModified", 304},
		{"get: if-modified-since", gets(awss3.GetObjectInput{IfModifiedSince: &future}), "NotModified", 304},
		{"get: if-unmodified-since", gets(awss3.GetObjectInput{IfUnmodifiedSince: &past}), "PreconditionFailed", 412},
		{"get: part", gets(awss3.GetObjectInput{PartNumber: aws.Int32(2)}), "InvalidPartNumber", 416},
		{"get: version", gets(awss3.GetObjectInput{VersionId: none}), "NotImplemented", 501},
		{"get: owner", gets(awss3.GetObjectInput{ExpectedBucketOwner: aws.String("111111111111")}), "AccessDenied", 403},
		{"put: no bucket", puts(awss3.PutObjectInput{Bucket: aws.String("nobody")}), "NoSuchBucket", 404},
		{"put: if-none-match", puts(awss3.PutObjectInput{IfNoneMatch: aws.String("*")}), "PreconditionFailed", 412},
		{"put: if-match of another", puts(awss3.PutObjectInput{IfMatch: none}), "PreconditionFailed", 412},
		{"put: if-match of nothing", puts(awss3.PutObjectInput{Key: none, IfMatch: none}), "NoSuchKey", 404},
		{"put: if-none-match of a value", puts(awss3.PutObjectInput{IfNoneMatch: none}), "NotImplemented", 501},
		{"put: digest", puts(awss3.PutObjectInput{ContentMD5: aws.String("XUFAKrxLKna5cZ2REBfFkg==")}), "BadDigest", 400},
		{"put: malformed digest", puts(awss3.PutObjectInput{ContentMD5: none}), "InvalidDigest", 400},
		{"put: checksum", puts(awss3.PutObjectInput{ChecksumCRC32: aws.String("AAAAAA==")}), "BadDigest", 400},
		{"put: malformed checksum", puts(awss3.PutObjectInput{ChecksumSHA256: aws.String("AAAAAA==")}), "InvalidRequest", 400},
		{"put: tags", puts(awss3.PutObjectInput{Tagging: aws.String("a=b")}), "NotImplemented", 501},
		{"put: public", puts(awss3.PutObjectInput{ACL: types.ObjectCannedACLPublicRead}), "NotImplemented", 501},
		{"put: encryption", puts(awss3.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms}), "NotImplemented", 501},
		{"put: class", puts(awss3.PutObjectInput{StorageClass: types.StorageClassGlacier}), "NotImplemented", 501},
		{"put: long key", puts(awss3.PutObjectInput{Key: aws.String(strings.Repeat("k", 1025))}), "KeyTooLongError", 400},
		{"put: metadata", puts(awss3.PutObjectInput{Metadata: map[string]string{"m": strings.Repeat("v", 2048)}}), "MetadataTooLarge", 400},
		{"head: no key", func(ctx context.Context) error {
			_, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: none})
			return err
		}, "NotFound", 404},
		{"head: no bucket", func(ctx context.Context) error {
			_, err := c.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: none})
			return err
		}, "NotFound", 404},
		{"copy: onto itself", func(ctx context.Context) error {
			_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: bucket, Key: k, CopySource: aws.String("bbb/k")})
			return err
		}, "InvalidRequest", 400},
		{"copy: no source", func(ctx context.Context) error {
			_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: bucket, Key: k, CopySource: aws.String("bbb/none")})
			return err
		}, "NoSuchKey", 404},
		{"copy: condition", func(ctx context.Context) error {
			_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: bucket, Key: none, CopySource: aws.String("bbb/k"), CopySourceIfNoneMatch: aws.String("*")})
			return err
		}, "PreconditionFailed", 412},
		{"delete: condition", func(ctx context.Context) error {
			_, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: k, IfMatch: none})
			return err
		}, "PreconditionFailed", 412},
		{"bucket: not empty", func(ctx context.Context) error {
			_, err := c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: bucket})
			return err
		}, "BucketNotEmpty", 409},
		{"bucket: name", func(ctx context.Context) error {
			_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("Upper_Case")})
			return err
		}, "InvalidBucketName", 400},
		{"bucket: lock", func(ctx context.Context) error {
			_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("ccc"), ObjectLockEnabledForBucket: aws.Bool(true)})
			return err
		}, "NotImplemented", 501},
		{"upload: none", func(ctx context.Context) error {
			_, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: k, UploadId: none, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			return err
		}, "NoSuchUpload", 404},
		{"upload: number", func(ctx context.Context) error {
			_, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: k, UploadId: none, PartNumber: aws.Int32(10001), Body: strings.NewReader("x")})
			return err
		}, "InvalidArgument", 400},
		{"list: token", func(ctx context.Context) error {
			_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: bucket, ContinuationToken: aws.String("!")})
			return err
		}, "InvalidArgument", 400},
		{"acl", func(ctx context.Context) error {
			_, err := c.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: bucket})
			return err
		}, "NotImplemented", 501},
		{"versioning", func(ctx context.Context) error {
			_, err := c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}})
			return err
		}, "NotImplemented", 501},
		{"wrong secret", func(ctx context.Context) error {
			_, err := s.client(func(o *awss3.Options) {
				o.Credentials = credentials.NewStaticCredentialsProvider("AKID", "wrong", "")
			}).ListBuckets(ctx, nil)
			return err
		}, "SignatureDoesNotMatch", 403},
		{"unknown key id", func(ctx context.Context) error {
			_, err := s.client(func(o *awss3.Options) {
				o.Credentials = credentials.NewStaticCredentialsProvider("OTHER", secret, "")
			}).ListBuckets(ctx, nil)
			return err
		}, "InvalidAccessKeyId", 403},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			err := r.call(t.Context())
			// A 304 has no document: the client has only its status.
			if got := code(err); got != r.code && r.status != 304 || status(err) != r.status {
				t.Errorf("got %q (%d), want %q (%d): %v", got, status(err), r.code, r.status, err)
			}
		})
	}
	if got := get(t, c, "k"); got != "content" {
		t.Errorf("refused writes have changed the object to %q", got)
	}
	if n := s.files(); n != 1 {
		t.Errorf("refused writes have left files: %d, want 1", n)
	}
}

// Why: what is not served must be refused by its name, never taken for another operation.
func TestEveryOperationOfS3IsInTheTable(t *testing.T) {
	s := newSystem(t)
	listed := map[string]bool{}
	for _, o := range s.svc.API().Operations {
		listed[o.Name()] = true
	}
	client := reflect.TypeFor[*awss3.Client]()
	n := 0
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() {
			continue
		}
		if n++; !listed[m.Name] {
			t.Errorf("%s is neither served nor refused", m.Name)
		}
	}
	if n < 90 {
		t.Errorf("found only %d operations in the SDK", n)
	}
}

func TestOfConditionalWritersExactlyOneWins(t *testing.T) {
	s, c := withBucket(t)
	const writers = 24
	race := func(in func(i int) *awss3.PutObjectInput) (winner int) {
		t.Helper()
		codes := make([]string, writers)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range writers {
			wg.Go(func() {
				<-start
				_, err := c.PutObject(context.Background(), in(i))
				codes[i] = code(err)
			})
		}
		close(start)
		wg.Wait()
		winner = -1
		for i, got := range codes {
			switch {
			case got == "" && winner >= 0:
				t.Errorf("writers %d and %d have both won", winner, i)
			case got == "":
				winner = i
			case got != "PreconditionFailed":
				t.Errorf("writer %d was told %q", i, got)
			}
		}
		if winner < 0 {
			t.Fatal("nobody has won")
		}
		return winner
	}
	body := func(i int) io.Reader { return strings.NewReader(fmt.Sprint("writer ", i)) }
	for round := range 4 {
		key := aws.String(fmt.Sprint("k", round))
		w := race(func(i int) *awss3.PutObjectInput {
			return &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: body(i), IfNoneMatch: aws.String("*")}
		})
		if got := get(t, c, *key); got != fmt.Sprint("writer ", w) {
			t.Errorf("writer %d won, the object says %q", w, got)
		}
		h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		w = race(func(i int) *awss3.PutObjectInput {
			return &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: body(100 + i), IfMatch: h.ETag}
		})
		if got := get(t, c, *key); got != fmt.Sprint("writer ", 100+w) {
			t.Errorf("writer %d won, the object says %q", 100+w, got)
		}
	}
	if n := s.files(); n != 4 {
		t.Errorf("losers have left files: %d, want 4", n)
	}
}

func TestReadersKeepTheVersionThatTheyBegan(t *testing.T) {
	s, c := withBucket(t)
	old := strings.Repeat("old ", 1<<20)
	put(t, c, "k", old)
	out, err := s.svc.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "k", "new")
	if _, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if n := s.files(); n != 1 {
		t.Errorf("%d files while a reader is at the old one, want 1", n)
	}
	b, err := io.ReadAll(out.Body)
	if err != nil || string(b) != old {
		t.Errorf("the reader got %d bytes, %v", len(b), err)
	}
	_ = out.Body.Close()
	if n := s.files(); n != 0 {
		t.Errorf("%d files after the last reader, want none", n)
	}
}

func TestVirtualHostsNameTheBucket(t *testing.T) {
	s, _ := withBucket(t)
	addr := s.server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	dial := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	for _, host := range []string{"localhost", "s3.localhost", "s3.eu-west-1.localhost", "s3.us-east-1.amazonaws.com"} {
		c := s.client(func(o *awss3.Options) {
			o.UsePathStyle = false
			o.BaseEndpoint = aws.String("http://" + net.JoinHostPort(host, port))
			o.HTTPClient = &http.Client{Transport: dial}
		})
		put(t, c, "some/key to "+host, host)
		if got := get(t, c, "some/key to "+host); got != host {
			t.Errorf("%s: got %q", host, got)
		}
		if _, err := c.ListBuckets(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestPresignedURLs(t *testing.T) {
	s, c := withBucket(t)
	p := awss3.NewPresignClient(c)
	send := func(method, url string, header http.Header, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			r.Header[k] = v
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	w, err := p.PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("a b"), Metadata: map[string]string{"m": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	w.SignedHeader.Del("Host")
	if st, b := send(w.Method, w.URL, w.SignedHeader, "presigned"); st != 200 {
		t.Fatalf("presigned PUT: %d %s", st, b)
	}
	h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: aws.String("a b")})
	if err != nil || h.Metadata["m"] != "v" {
		t.Errorf("metadata of a presigned PUT: %v, %v", h, err)
	}
	r, err := p.PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("a b")})
	if err != nil {
		t.Fatal(err)
	}
	if st, b := send("GET", r.URL, nil, ""); st != 200 || b != "presigned" {
		t.Errorf("presigned GET: %d %s", st, b)
	}
	if st, b := send("GET", strings.Replace(r.URL, "a%20b", "other", 1), nil, ""); st != 403 || !strings.Contains(b, "SignatureDoesNotMatch") {
		t.Errorf("a presigned URL was good for another key: %d %s", st, b)
	}
	if st, b := send("GET", s.server.URL+"/bbb/a%20b", nil, ""); st != 404 || strings.Contains(b, "presigned") {
		t.Errorf("an unsigned request was answered: %d %s", st, b)
	}
}

func TestCopies(t *testing.T) {
	_, c := withBucket(t)
	if _, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: bucket, Key: aws.String("from ü"), Body: strings.NewReader("content"), ContentType: aws.String("a/b"), Metadata: map[string]string{"x": "1"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		to        string
		directive types.MetadataDirective
		kind      string
		meta      map[string]string
	}{
		{"copied", "", "a/b", map[string]string{"x": "1"}},
		{"replaced", types.MetadataDirectiveReplace, "c/d", map[string]string{"y": "2"}},
		{"from ü", types.MetadataDirectiveReplace, "c/d", map[string]string{"y": "2"}},
	} {
		out, err := c.CopyObject(t.Context(), &awss3.CopyObjectInput{
			Bucket: bucket, Key: &r.to, CopySource: aws.String("bbb/from%20%C3%BC"), MetadataDirective: r.directive,
			ContentType: aws.String("c/d"), Metadata: map[string]string{"y": "2"},
		})
		if err != nil {
			t.Fatalf("%s: %v", r.to, err)
		}
		if *out.CopyObjectResult.ETag != `"9a0364b9e99bb480dd25e1f0284c8555"` {
			t.Errorf("%s: ETag %s", r.to, *out.CopyObjectResult.ETag)
		}
		h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: &r.to})
		if err != nil || *h.ContentType != r.kind || !reflect.DeepEqual(h.Metadata, r.meta) || get(t, c, r.to) != "content" {
			t.Errorf("%s: %v %v, %v", r.to, *h.ContentType, h.Metadata, err)
		}
	}
}

func TestDeleteManyTellsEachKey(t *testing.T) {
	_, c := withBucket(t)
	put(t, c, "a", "1")
	put(t, c, "b", "2")
	out, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a")}, {Key: aws.String("never was")}, {Key: aws.String("b"), ETag: aws.String("other")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Key != "b" || *out.Errors[0].Code != "PreconditionFailed" {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	if get(t, c, "b") != "2" {
		t.Error("b was deleted against its condition")
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}
