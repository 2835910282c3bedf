package s3

import (
	"context"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
)

const readMembers = "Key IfMatch IfNoneMatch IfModifiedSince IfUnmodifiedSince Range PartNumber ChecksumMode " +
	"ResponseCacheControl ResponseContentDisposition ResponseContentEncoding ResponseContentLanguage ResponseContentType ResponseExpires"

var (
	acceptGetObject  = accept[s3.GetObjectInput](readMembers)
	acceptHeadObject = accept[s3.HeadObjectInput](readMembers)
)

// GetObject returns an object or a range of it. The caller must close Body; what it reads is one version of the object,
// whatever is written meanwhile. Errors: NoSuchBucket, NoSuchKey, InvalidRange, and PreconditionFailed or NotModified
// (a *fault.Error with status 304) for conditions.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (s *Service) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	if err := s.check(acceptGetObject, in); err != nil {
		return nil, err
	}
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	if err := checkKey(key); err != nil {
		return nil, err
	}
	rec, unpin, err := s.pinned(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	out, part, err := view(rec, in)
	if err != nil {
		unpin()
		return nil, err
	}
	out.Body = s.blobs.open(rec.Segments, part.offset, part.length, unpin)
	return out, nil
}

// pinned gets an object's record and keeps its files until unpin is called.
func (s *Service) pinned(ctx context.Context, bucket, key string) (rec *objectRecord, unpin func(), err error) {
	rec, err = s.existing(ctx, bucket, key)
	for err == nil {
		names := files(rec.Segments)
		unpin = s.blobs.pin(names)
		// The files are certain to be there only if the record still names them now that they are pinned.
		var again *objectRecord
		if again, err = s.existing(ctx, bucket, key); err == nil && slices.Equal(files(again.Segments), names) {
			return again, unpin, nil
		}
		unpin()
		rec = again
	}
	return nil, nil, err
}

// existing gets an object's record, or NoSuchBucket or NoSuchKey.
func (s *Service) existing(ctx context.Context, bucket, key string) (*objectRecord, error) {
	rec, _, err := s.object(ctx, bucket, key)
	if err != nil || rec != nil {
		return rec, err
	}
	if _, _, err := s.bucket(ctx, bucket); err != nil {
		return nil, err
	}
	return nil, noSuchKey()
}

// view is the answer of GetObject without its body, and which bytes that has.
func view(rec *objectRecord, in *s3.GetObjectInput) (*s3.GetObjectOutput, span, error) {
	all := span{0, rec.Size}
	cond := readCondition{ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch, ifModifiedSince: in.IfModifiedSince, ifUnmodifedSince: in.IfUnmodifiedSince}
	if err := cond.check(rec); err != nil {
		return nil, all, err
	}
	out := &s3.GetObjectOutput{
		AcceptRanges: aws.String("bytes"), ETag: quoted(rec.ETag), LastModified: aws.Time(rec.Modified),
		ContentType: aws.String("binary/octet-stream"), CacheControl: optional(rec.CacheControl),
		ContentDisposition: optional(rec.ContentDisposition), ContentEncoding: optional(rec.ContentEncoding),
		ContentLanguage: optional(rec.ContentLanguage), Metadata: rec.Metadata,
	}
	if rec.ContentType != "" {
		out.ContentType = aws.String(rec.ContentType)
	}
	if rec.Expires != nil {
		out.ExpiresString = aws.String(rec.Expires.UTC().Format(http.TimeFormat))
	}
	override(&out.CacheControl, in.ResponseCacheControl)
	override(&out.ContentDisposition, in.ResponseContentDisposition)
	override(&out.ContentEncoding, in.ResponseContentEncoding)
	override(&out.ContentLanguage, in.ResponseContentLanguage)
	override(&out.ContentType, in.ResponseContentType)
	if in.ResponseExpires != nil {
		out.ExpiresString = aws.String(in.ResponseExpires.UTC().Format(http.TimeFormat))
	}
	part, ranged, err := all, false, error(nil)
	switch {
	case in.Range != nil && in.PartNumber != nil:
		return nil, all, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case in.Range != nil:
		if part, ranged, err = parseRange(*in.Range, rec.Size); err != nil {
			return nil, all, err
		}
		if !ranged {
			part = all
		}
	case in.PartNumber != nil:
		if part, err = rec.part(*in.PartNumber); err != nil {
			return nil, all, err
		}
		if ranged = part.length > 0; rec.Parts > 0 {
			out.PartsCount = aws.Int32(rec.Parts)
		}
	}
	out.ContentLength = aws.Int64(part.length)
	if ranged {
		out.ContentRange = aws.String(part.contentRange(rec.Size))
	}
	if in.ChecksumMode == types.ChecksumModeEnabled && part == all {
		sum := rec.Checksum.members()
		out.ChecksumType = types.ChecksumType(rec.Checksum.Type)
		out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME = sum.CRC32, sum.CRC32C, sum.CRC64NVME
		out.ChecksumSHA1, out.ChecksumSHA256, out.ChecksumSHA512, out.ChecksumMD5 = sum.SHA1, sum.SHA256, sum.SHA512, sum.MD5
	}
	return out, part, nil
}

func override(member **string, by *string) {
	if by != nil {
		*member = by
	}
}

// part finds the bytes of a part of a multipart object; another object is its own first part.
func (rec *objectRecord) part(number int32) (span, error) {
	if number < 1 || int(number) > len(rec.Segments) {
		return span{}, &fault.Error{
			Code: "InvalidPartNumber", Status: http.StatusRequestedRangeNotSatisfiable,
			Message: "The requested partnumber is not satisfiable", Members: map[string]any{"PartNumberRequested": number, "ActualPartCount": len(rec.Segments)},
		}
	}
	var p span
	for _, seg := range rec.Segments[:number-1] {
		p.offset += seg.Size
	}
	p.length = rec.Segments[number-1].Size
	return p, nil
}

// HeadObject is GetObject without the content. A missing bucket or key is NotFound.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func (s *Service) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	if err := s.check(acceptHeadObject, in); err != nil {
		return nil, err
	}
	key := aws.ToString(in.Key)
	if err := checkKey(key); err != nil {
		return nil, err
	}
	rec, _, err := s.object(ctx, aws.ToString(in.Bucket), key)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, notFound()
	}
	out, _, err := view(rec, &s3.GetObjectInput{
		IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch, IfModifiedSince: in.IfModifiedSince, IfUnmodifiedSince: in.IfUnmodifiedSince,
		Range: in.Range, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode, ResponseCacheControl: in.ResponseCacheControl,
		ResponseContentDisposition: in.ResponseContentDisposition, ResponseContentEncoding: in.ResponseContentEncoding,
		ResponseContentLanguage: in.ResponseContentLanguage, ResponseContentType: in.ResponseContentType, ResponseExpires: in.ResponseExpires,
	})
	if err != nil {
		return nil, err
	}
	return &s3.HeadObjectOutput{
		AcceptRanges: out.AcceptRanges, ETag: out.ETag, LastModified: out.LastModified, ContentType: out.ContentType,
		CacheControl: out.CacheControl, ContentDisposition: out.ContentDisposition, ContentEncoding: out.ContentEncoding,
		ContentLanguage: out.ContentLanguage, Metadata: out.Metadata, ExpiresString: out.ExpiresString, PartsCount: out.PartsCount,
		ContentLength: out.ContentLength, ContentRange: out.ContentRange, ChecksumType: out.ChecksumType,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
		ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256, ChecksumSHA512: out.ChecksumSHA512, ChecksumMD5: out.ChecksumMD5,
	}, nil
}
