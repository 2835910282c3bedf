package s3

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var acceptCopyObject = accept[s3.CopyObjectInput]("Key CopySource CopySourceIfMatch CopySourceIfNoneMatch " +
	"CopySourceIfModifiedSince CopySourceIfUnmodifiedSince ExpectedSourceBucketOwner MetadataDirective TaggingDirective " +
	"ContentType CacheControl ContentDisposition ContentEncoding ContentLanguage Expires Metadata ChecksumAlgorithm " +
	"ACL StorageClass IfMatch IfNoneMatch")

// CopyObject copies an object of up to 5 GiB, with its headers and metadata unless MetadataDirective is REPLACE. The
// copy of a multipart object is an object in one piece.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (s *Service) CopyObject(ctx context.Context, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	if err := s.check(acceptCopyObject, in); err != nil {
		return nil, err
	}
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	cond := writeCondition{in.IfMatch, in.IfNoneMatch}
	if err := errors.Join(checkKey(key), cond.valid(), checkClass(in.ACL, in.StorageClass)); err != nil {
		return nil, err
	}
	// There are no tags: both directives come to the same.
	switch in.MetadataDirective {
	case "", types.MetadataDirectiveCopy, types.MetadataDirectiveReplace:
	default:
		return nil, invalidArgument("Unknown metadata directive.", "x-amz-metadata-directive", string(in.MetadataDirective))
	}
	replaced := in.MetadataDirective == types.MetadataDirectiveReplace
	fromBucket, fromKey, err := copySource(aws.ToString(in.CopySource))
	if err != nil {
		return nil, err
	}
	if in.ExpectedSourceBucketOwner != nil && *in.ExpectedSourceBucketOwner != s.cfg.Account {
		return nil, accessDenied()
	}
	if fromBucket == bucket && fromKey == key && !replaced {
		return nil, invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing " +
			"the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if err := s.couldWrite(ctx, bucket, key, cond); err != nil {
		return nil, err
	}
	src, unpin, err := s.pinned(ctx, fromBucket, fromKey)
	if err != nil {
		return nil, err
	}
	body := s.blobs.open(src.Segments, 0, src.Size, unpin)
	defer body.Close()
	if err := (readCondition{
		ifMatch: in.CopySourceIfMatch, ifNoneMatch: in.CopySourceIfNoneMatch,
		ifModifiedSince: in.CopySourceIfModifiedSince, ifUnmodifedSince: in.CopySourceIfUnmodifiedSince, copying: true,
	}).check(src); err != nil {
		return nil, err
	}
	if src.Size > maxPut {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	h := src.headers
	if replaced {
		meta, err := userMetadata(in.Metadata)
		if err != nil {
			return nil, err
		}
		h = headers{
			ContentType: aws.ToString(in.ContentType), CacheControl: aws.ToString(in.CacheControl),
			ContentDisposition: aws.ToString(in.ContentDisposition), ContentEncoding: aws.ToString(in.ContentEncoding),
			ContentLanguage: aws.ToString(in.ContentLanguage), Expires: in.Expires, Metadata: meta,
		}
	}
	alg := string(in.ChecksumAlgorithm)
	if alg == "" {
		alg = src.Checksum.Algorithm
	}
	got, err := s.receive(ctx, arrival{body: body, length: &src.Size, algorithm: alg})
	if err != nil {
		return nil, err
	}
	rec := got.object(h, s.now())
	if err := s.commit(ctx, bucket, key, rec, cond, nil); err != nil {
		return nil, err
	}
	sum := rec.Checksum.members()
	return &s3.CopyObjectOutput{CopyObjectResult: &types.CopyObjectResult{
		ETag: quoted(rec.ETag), LastModified: aws.Time(rec.Modified), ChecksumType: types.ChecksumType(rec.Checksum.Type),
		ChecksumCRC32: sum.CRC32, ChecksumCRC32C: sum.CRC32C, ChecksumCRC64NVME: sum.CRC64NVME, ChecksumSHA1: sum.SHA1,
		ChecksumSHA256: sum.SHA256, ChecksumSHA512: sum.SHA512, ChecksumMD5: sum.MD5,
	}}, nil
}

// copySource reads bucket/key, URL-encoded, with or without a slash before it.
func copySource(given string) (bucket, key string, err error) {
	path, query, _ := strings.Cut(given, "?")
	if strings.HasPrefix(query, "versionId=") && query != "versionId=null" {
		return "", "", notImplemented("versionId of the copy source")
	}
	if strings.HasPrefix(path, "arn:") {
		return "", "", notImplemented("an ARN as the copy source")
	}
	path, err = url.PathUnescape(strings.TrimPrefix(path, "/"))
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || bucket == "" || checkKey(key) != nil {
		return "", "", invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", given)
	}
	return bucket, key, nil
}
