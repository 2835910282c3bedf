package s3

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
)

var acceptDeleteObject = accept[s3.DeleteObjectInput]("Key IfMatch")

// DeleteObject removes an object; removing what is not there is no error, unless IfMatch asks for it.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (s *Service) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	if err := s.check(acceptDeleteObject, in); err != nil {
		return nil, err
	}
	key := aws.ToString(in.Key)
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return &s3.DeleteObjectOutput{}, s.delete(ctx, aws.ToString(in.Bucket), key, writeCondition{ifMatch: in.IfMatch})
}

func (s *Service) delete(ctx context.Context, bucket, key string, cond writeCondition) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if err := s.replace(ctx, bucket, key, nil, cond.deletable, nil); err != nil {
		return errors.Unwrap(err)
	}
	return nil
}

var acceptDeleteObjects = accept[s3.DeleteObjectsInput]("Delete ChecksumAlgorithm")

// maxDelete is the most keys that one DeleteObjects may name.
const maxDelete = 1000

// DeleteObjects removes up to 1,000 objects; what failed is told key by key.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (s *Service) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	if err := s.check(acceptDeleteObjects, in); err != nil {
		return nil, err
	}
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxDelete {
		return nil, fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	bucket := aws.ToString(in.Bucket)
	if _, _, err := s.bucket(ctx, bucket); err != nil {
		return nil, err
	}
	out := &s3.DeleteObjectsOutput{}
	for _, o := range in.Delete.Objects {
		key := aws.ToString(o.Key)
		err := checkKey(key)
		switch {
		case err != nil:
		case o.VersionId != nil && *o.VersionId != "" && *o.VersionId != "null":
			err = notImplemented("VersionId")
		case o.LastModifiedTime != nil || o.Size != nil:
			err = notImplemented("LastModifiedTime or Size as a condition of a delete")
		default:
			err = s.delete(ctx, bucket, key, writeCondition{ifMatch: o.ETag})
		}
		if err != nil {
			out.Errors = append(out.Errors, s.deleteError(ctx, key, err))
		} else if !aws.ToBool(in.Delete.Quiet) {
			out.Deleted = append(out.Deleted, types.DeletedObject{Key: aws.String(key)})
		}
	}
	return out, nil
}

// deleteError tells of one key among many; what is no AWS error is logged, not told.
func (s *Service) deleteError(ctx context.Context, key string, err error) types.Error {
	code, message := "InternalError", "We encountered an internal error. Please try again."
	var known interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if errors.As(err, &known) {
		code, message = known.ErrorCode(), known.ErrorMessage()
	} else {
		s.log.ErrorContext(ctx, "S3: an object was not deleted", "key", key, "error", err)
	}
	return types.Error{Key: aws.String(key), Code: aws.String(code), Message: aws.String(message)}
}
