package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/store"
)

// Buckets of the store.
const (
	bucketsAt = "s3.buckets" // name → bucketRecord
	objectsAt = "s3.objects" // bucket/key → objectRecord; a bucket's name has no slash
	uploadsAt = "s3.uploads" // bucket/key NUL id → uploadRecord; a key has no NUL
	partsAt   = "s3.parts"   // id/number in five digits → partRecord
)

type bucketRecord struct {
	Created time.Time `json:"created"`
	Region  string    `json:"region"`
}

// segment is a file with a part of an object's content, all of it for an object that was put in one go.
type segment struct {
	File string `json:"f,omitempty"` // "" when the segment is empty
	Size int64  `json:"n"`
}

// headers are what a PUT says and a GET repeats.
type headers struct {
	ContentType        string            `json:"contentType,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	ContentDisposition string            `json:"disposition,omitempty"`
	ContentEncoding    string            `json:"encoding,omitempty"`
	ContentLanguage    string            `json:"language,omitempty"`
	Expires            *time.Time        `json:"expires,omitempty"`
	Metadata           map[string]string `json:"meta,omitempty"`
}

type objectRecord struct {
	Segments []segment `json:"segments"`
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"` // without quotes
	Modified time.Time `json:"modified"`
	Checksum checksum  `json:"checksum"`
	Parts    int32     `json:"parts,omitempty"` // 0 when put in one go
	headers
}

type uploadRecord struct {
	Initiated time.Time `json:"initiated"`
	Algorithm string    `json:"algorithm"` // of checksums
	Type      string    `json:"type"`      // COMPOSITE or FULL_OBJECT
	Asked     bool      `json:"asked"`     // the algorithm is the client's choice
	headers
}

type partRecord struct {
	segment
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified"`
	Checksum checksum  `json:"checksum"`
}

func files(segments []segment) []string {
	var names []string
	for _, s := range segments {
		if s.File != "" {
			names = append(names, s.File)
		}
	}
	return names
}

func objectKey(bucket, key string) string     { return bucket + "/" + key }
func uploadKey(bucket, key, id string) string { return bucket + "/" + key + "\x00" + id }
func partKey(id string, number int32) string  { return fmt.Sprintf("%s/%05d", id, number) }

// read gets a record and its bytes; ok is false when there is none.
func read[R any](ctx context.Context, st store.Store, bucket, key string) (rec R, raw []byte, ok bool, err error) {
	raw, err = st.Get(ctx, bucket, key)
	if errors.Is(err, store.ErrNotFound) {
		return rec, nil, false, nil
	}
	if err != nil {
		return rec, nil, false, err
	}
	rec, err = decode[R](bucket, key, raw)
	return rec, raw, err == nil, err
}

func decode[R any](bucket, key string, raw []byte) (rec R, err error) {
	if err = json.Unmarshal(raw, &rec); err != nil {
		err = fmt.Errorf("s3: the record %q in %s is damaged: %w", key, bucket, err)
	}
	return rec, err
}

func encode(rec any) []byte {
	b, err := json.Marshal(rec)
	if err != nil { // records hold nothing that JSON has not
		panic(err)
	}
	return b
}

// expect makes a batch hold only while a record has the bytes that were read, nil for none.
func expect(b *store.Batch, bucket, key string, raw []byte) {
	if raw == nil {
		b.ExpectAbsent(bucket, key)
	} else {
		b.ExpectValue(bucket, key, raw)
	}
}

// bucket gets a bucket's record, or NoSuchBucket.
func (s *Service) bucket(ctx context.Context, name string) (bucketRecord, []byte, error) {
	rec, raw, ok, err := read[bucketRecord](ctx, s.cfg.Store, bucketsAt, name)
	if err == nil && !ok {
		err = noSuchBucket()
	}
	return rec, raw, err
}

// now is the present as objects carry it: S3's times have seconds.
func (s *Service) now() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Second) }

// notApplied tells of a commit's error whether it is sure that nothing was written.
func notApplied(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
