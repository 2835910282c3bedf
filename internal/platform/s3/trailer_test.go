package s3_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Over TLS the SDK streams bodies that cannot be sought, with their checksum in a trailer.
func TestStreamsWithTrailingChecksums(t *testing.T) {
	s, _ := withBucket(t)
	tls := httptest.NewTLSServer(s.server.Config.Handler)
	defer tls.Close()
	c := s.client(func(o *awss3.Options) {
		o.BaseEndpoint, o.HTTPClient = aws.String(tls.URL), tls.Client()
	})
	content := random(200<<10 + 7)
	for _, alg := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		key := string(alg)
		out, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: bucket, Key: &key, Body: io.MultiReader(bytes.NewReader(content)), ContentLength: aws.Int64(int64(len(content))), ChecksumAlgorithm: alg,
		})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if got := get(t, c, key); got != string(content) {
			t.Errorf("%s: %d bytes came back, not as sent", alg, len(got))
		}
		h, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: &key})
		if err != nil || h.ContentEncoding != nil || *h.ETag != *out.ETag {
			t.Errorf("%s: the transfer's encoding shows: %v, %v", alg, aws.ToString(h.ContentEncoding), err)
		}
	}
}

func TestATrailerThatDoesNotMatchIsRefused(t *testing.T) {
	s, c := withBucket(t)
	for trailer, want := range map[string]string{
		"x-amz-checksum-crc32:NhCmhg==\r\n": "",
		"x-amz-checksum-crc32:NhCmhA==\r\n": "BadDigest",
		"x-amz-checksum-sha1:NhCmhg==\r\n":  "InvalidRequest",
		"":                                  "InvalidRequest",
	} {
		body := "5\r\nhello\r\n0\r\n" + trailer + "\r\n"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.server.URL+"/bbb/k", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		const kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		for k, v := range map[string]string{
			"X-Amz-Content-Sha256": kind, "X-Amz-Decoded-Content-Length": "5", "X-Amz-Trailer": "x-amz-checksum-crc32",
			"Content-Encoding": "aws-chunked", "X-Amz-Sdk-Checksum-Algorithm": "CRC32",
		} {
			r.Header.Set(k, v)
		}
		creds := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, kind, "s3", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if want == "" && res.StatusCode != 200 || want != "" && !strings.Contains(string(b), "<Code>"+want+"</Code>") {
			t.Errorf("trailer %q: %d %s, want %q", trailer, res.StatusCode, b, want)
		}
		if want == "" {
			if got := get(t, c, "k"); got != "hello" {
				t.Errorf("got %q", got)
			}
		}
	}
	if n := s.files(); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}

// boto3 and version 1 of the AWS CLI presign with Signature Version 2 by default.
func TestURLsPresignedWithVersion2(t *testing.T) {
	s, c := withBucket(t)
	put(t, c, "a b", "content")
	get2 := func(expires int64, key, signedWith string) (int, string) {
		t.Helper()
		text := fmt.Sprintf("GET\n\n\n%d\n/bbb/%s?response-content-type=a/b", expires, key)
		mac := hmac.New(sha1.New, []byte(signedWith))
		mac.Write([]byte(text))
		q := url.Values{
			"AWSAccessKeyId": {"AKID"}, "Expires": {fmt.Sprint(expires)}, "response-content-type": {"a/b"},
			"Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
		}
		res, err := http.Get(s.server.URL + "/bbb/a%20b?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	future, past := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	if st, b := get2(future, "a%20b", secret); st != 200 || b != "content" {
		t.Errorf("a good URL: %d %s", st, b)
	}
	if st, b := get2(future, "a%20b", "wrong"); st != 403 || !strings.Contains(b, "SignatureDoesNotMatch") {
		t.Errorf("a wrong secret: %d %s", st, b)
	}
	if st, b := get2(future, "other", secret); st != 403 || !strings.Contains(b, "SignatureDoesNotMatch") {
		t.Errorf("another key's signature: %d %s", st, b)
	}
	if st, b := get2(past, "a%20b", secret); st != 403 || !strings.Contains(b, "expired") {
		t.Errorf("an expired URL: %d %s", st, b)
	}
}
