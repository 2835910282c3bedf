package s3_test

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// files counts the files that contents are kept in.
func (s *system) files() int {
	n := 0
	err := filepath.WalkDir(s.dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	u, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// broken gives some content, then fails, as a connection that is cut.
type broken struct{ left int }

var errCut = errors.New("cut")

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errCut
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// Why: what was acknowledged is there after a crash, and what was not leaves nothing.
func TestARestartKeepsObjectsAndSweepsTheRest(t *testing.T) {
	s, c := withBucket(t)
	put(t, c, "kept", "content")
	up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
		Bucket: bucket, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("of parts"),
	})
	if err != nil {
		t.Fatal(err)
	}
	// A crash between the file and its record: the file is there, whole or in part, and nothing names it.
	var shard string
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries[:1] {
		shard = e.Name()
	}
	for _, name := range []string{"FORMERRUNXXXXXXXXXXXXXXXXXXXXXXXX" + shard, "FORMERRUN" + shard} {
		if err := os.WriteFile(filepath.Join(s.dir, shard, name), []byte("half an obj"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.files(); n != 4 {
		t.Fatalf("%d files before the restart, want 4", n)
	}
	s.server.Close()
	s.start()
	s.svc.AwaitSweep()
	if n := s.files(); n != 2 {
		t.Errorf("%d files after the restart, want 2", n)
	}
	c = s.client()
	if got := get(t, c, "kept"); got != "content" {
		t.Errorf("the object says %q after the restart", got)
	}
	if _, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: aws.String("parts"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
	}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, "parts"); got != "of parts" {
		t.Errorf("the uploaded object says %q after the restart", got)
	}
}

func TestAWriteThatBreaksOffLeavesTheOldObject(t *testing.T) {
	s, c := withBucket(t)
	put(t, c, "k", "old")
	_, err := s.svc.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: &broken{left: 1 << 20}})
	if !errors.Is(err, errCut) {
		t.Errorf("the write answered %v", err)
	}
	_, err = s.svc.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("short"), ContentLength: aws.Int64(6),
	})
	if code(err) != "IncompleteBody" {
		t.Errorf("a short write answered %v", err)
	}
	if got := get(t, c, "k"); got != "old" {
		t.Errorf("the object says %q", got)
	}
	if n := s.files(); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}
