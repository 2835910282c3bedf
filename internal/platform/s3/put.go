package s3

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/store"
)

var acceptPutObject = accept[s3.PutObjectInput]("Key Body ContentLength ContentType CacheControl ContentDisposition " +
	"ContentEncoding ContentLanguage Expires ContentMD5 ChecksumAlgorithm ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME " +
	"ChecksumSHA1 ChecksumSHA256 ChecksumSHA512 ChecksumMD5 IfMatch IfNoneMatch Metadata ACL StorageClass")

// PutObject stores a whole object, durably once it returns. IfNoneMatch "*" and IfMatch compare with what the key has at
// the moment of the write: of any number of writers that expect the same, exactly one wins, the others get
// PreconditionFailed (NoSuchKey for IfMatch when there is no object).
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func (s *Service) PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	if err := s.check(acceptPutObject, in); err != nil {
		return nil, err
	}
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	cond := writeCondition{in.IfMatch, in.IfNoneMatch}
	if err := errors.Join(checkKey(key), cond.valid(), checkClass(in.ACL, in.StorageClass)); err != nil {
		return nil, err
	}
	meta, err := userMetadata(in.Metadata)
	if err != nil {
		return nil, err
	}
	// Refused before the content is sent, when that can be known already.
	if err := s.couldWrite(ctx, bucket, key, cond); err != nil {
		return nil, err
	}
	got, err := s.receive(ctx, arrival{
		body: in.Body, length: in.ContentLength, md5: aws.ToString(in.ContentMD5), algorithm: string(in.ChecksumAlgorithm),
		sums: checksums{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256, in.ChecksumSHA512, in.ChecksumMD5},
	})
	if err != nil {
		return nil, err
	}
	rec := got.object(headers{
		ContentType: aws.ToString(in.ContentType), CacheControl: aws.ToString(in.CacheControl),
		ContentDisposition: aws.ToString(in.ContentDisposition), ContentEncoding: aws.ToString(in.ContentEncoding),
		ContentLanguage: aws.ToString(in.ContentLanguage), Expires: in.Expires, Metadata: meta,
	}, s.now())
	if err := s.commit(ctx, bucket, key, rec, cond, nil); err != nil {
		return nil, err
	}
	sum := rec.Checksum.members()
	return &s3.PutObjectOutput{
		ETag: quoted(rec.ETag), ChecksumType: types.ChecksumType(rec.Checksum.Type),
		ChecksumCRC32: sum.CRC32, ChecksumCRC32C: sum.CRC32C, ChecksumCRC64NVME: sum.CRC64NVME, ChecksumSHA1: sum.SHA1,
		ChecksumSHA256: sum.SHA256, ChecksumSHA512: sum.SHA512, ChecksumMD5: sum.MD5,
	}, nil
}

// object makes the record of a content that came in one go.
func (r received) object(h headers, now time.Time) *objectRecord {
	return &objectRecord{
		Segments: []segment{r.segment}, Size: r.Size, ETag: hexETag(r.md5), Modified: now, Checksum: r.checksum, headers: h,
	}
}

// object gets a key's record; nil when it has none.
func (s *Service) object(ctx context.Context, bucket, key string) (*objectRecord, []byte, error) {
	rec, raw, ok, err := read[objectRecord](ctx, s.cfg.Store, objectsAt, objectKey(bucket, key))
	if err != nil || !ok {
		return nil, nil, err
	}
	return &rec, raw, nil
}

// couldWrite tells whether a write would be refused as things are now.
func (s *Service) couldWrite(ctx context.Context, bucket, key string, cond writeCondition) error {
	if _, _, err := s.bucket(ctx, bucket); err != nil {
		return err
	}
	if cond == (writeCondition{}) {
		return nil
	}
	now, _, err := s.object(ctx, bucket, key)
	if err != nil {
		return err
	}
	return cond.check(now)
}

// commit makes rec the object of a key, with what also adds to the batch, if cond holds at that moment; what the key
// had is removed. When it is not committed, the files of rec are removed, unless also is given: then they are others'.
func (s *Service) commit(ctx context.Context, bucket, key string, rec *objectRecord, cond writeCondition, also func(*store.Batch)) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	err := s.replace(ctx, bucket, key, rec, cond.check, also)
	if err != nil && also == nil && errors.As(err, new(refusedWrite)) {
		s.blobs.remove(files(rec.Segments))
	}
	return errors.Unwrap(err)
}

// refusedWrite is an error after which it is sure that nothing was written; uncertainWrite is any other.
type (
	refusedWrite   struct{ error }
	uncertainWrite struct{ error }
)

func (e refusedWrite) Unwrap() error   { return e.error }
func (e uncertainWrite) Unwrap() error { return e.error }

// replace writes or, with a nil rec, deletes a key's record if check holds of the present one. Its error is one of the
// two above. The gate must be held.
func (s *Service) replace(ctx context.Context, bucket, key string, rec *objectRecord, check func(*objectRecord) error, also func(*store.Batch)) error {
	at := objectKey(bucket, key)
	for {
		_, bucketRaw, err := s.bucket(ctx, bucket)
		if err != nil {
			return refusedWrite{err}
		}
		now, raw, err := s.object(ctx, bucket, key)
		if err != nil {
			return refusedWrite{err}
		}
		if err := check(now); err != nil {
			return refusedWrite{err}
		}
		if rec == nil && now == nil {
			return nil
		}
		b := &store.Batch{}
		b.ExpectValue(bucketsAt, bucket, bucketRaw)
		expect(b, objectsAt, at, raw)
		if rec == nil {
			b.Delete(objectsAt, at)
		} else {
			b.Put(objectsAt, at, encode(rec))
		}
		if also != nil {
			also(b)
		}
		err = s.cfg.Store.Commit(ctx, b)
		switch {
		case err == nil:
			if now != nil {
				s.blobs.remove(files(now.Segments))
			}
			return nil
		case errors.Is(err, store.ErrConflict): // another writer was first: look again
		case notApplied(err):
			return refusedWrite{err}
		default:
			return uncertainWrite{err}
		}
	}
}
