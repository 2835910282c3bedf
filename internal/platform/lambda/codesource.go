package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// codeSource is where a request says that a package is: in the request, or in a bucket.
type codeSource struct {
	zip                  []byte
	bucket, key, version *string
}

// stageCode fetches and stages a package; the caller goes on as after stage. missing is AWS's sentence for no source.
func (s *Service) stageCode(ctx context.Context, from codeSource, missing string) (*staged, error) {
	inline, object := from.zip != nil, value(from.bucket) != "" || value(from.key) != ""
	switch {
	case inline && object:
		return nil, invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case inline:
		return s.codes.stage(from.zip, maxZip)
	case !object:
		return nil, invalid("%s", missing)
	case value(from.bucket) == "":
		return nil, invalid("S3Bucket is required when S3Key is provided.")
	case value(from.key) == "":
		return nil, invalid("S3Key is required when S3Bucket is provided.")
	case s.cfg.Objects == nil:
		return nil, unsupported("S3Bucket", "there is no S3; give the package as ZipFile")
	}
	out, err := s.cfg.Objects.GetObject(ctx, &s3.GetObjectInput{Bucket: from.bucket, Key: from.key, VersionId: from.version})
	if err != nil {
		return nil, objectError("GetObject", err)
	}
	defer out.Body.Close()
	zip, err := io.ReadAll(io.LimitReader(out.Body, maxUnzipped+1)) // a package in a bucket may be as large as its files
	if err != nil {
		return nil, fmt.Errorf("the package s3://%s/%s: %w", *from.bucket, *from.key, err)
	}
	return s.codes.stage(zip, maxUnzipped)
}

// objectError is how Lambda passes on what S3 has answered.
func objectError(operation string, err error) error {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return err
	}
	return invalid("Error occurred while %s. S3 Error Code: %s. S3 Error Message: %s", operation, e.ErrorCode(), e.ErrorMessage())
}
