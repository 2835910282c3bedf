package s3

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/store"
)

var acceptListParts = accept[s3.ListPartsInput]("Key UploadId MaxParts PartNumberMarker")

// ListParts lists the parts of an upload that is not completed.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
func (s *Service) ListParts(ctx context.Context, in *s3.ListPartsInput) (*s3.ListPartsOutput, error) {
	if err := s.check(acceptListParts, in); err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxParts, "max-parts")
	if err != nil {
		return nil, err
	}
	after := int64(0)
	if m := aws.ToString(in.PartNumberMarker); m != "" {
		if after, err = strconv.ParseInt(m, 10, 32); err != nil || after < 0 {
			return nil, invalidArgument("Argument part-number-marker must be an integer between 0 and 2147483647", "part-number-marker", m)
		}
	}
	up, _, err := s.upload(ctx, aws.ToString(in.Bucket), aws.ToString(in.Key), aws.ToString(in.UploadId))
	if err != nil {
		return nil, err
	}
	parts, err := s.parts(ctx, aws.ToString(in.UploadId))
	if err != nil {
		return nil, err
	}
	owner := types.Owner{ID: aws.String(s.owner)}
	out := &s3.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, Owner: &owner, Initiator: &types.Initiator{ID: owner.ID},
		StorageClass: types.StorageClassStandard, MaxParts: aws.Int32(int32(limit)), IsTruncated: aws.Bool(false),
		PartNumberMarker: aws.String(fmt.Sprint(after)),
	}
	if up.Asked {
		out.ChecksumAlgorithm, out.ChecksumType = types.ChecksumAlgorithm(up.Algorithm), types.ChecksumType(up.Type)
	}
	for _, p := range parts {
		if int64(p.number) <= after {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = aws.Bool(true)
			break
		}
		part := types.Part{PartNumber: aws.Int32(p.number), ETag: quoted(p.ETag), Size: aws.Int64(p.Size), LastModified: aws.Time(p.Modified)}
		if up.Asked {
			sum := p.Checksum.members()
			part.ChecksumCRC32, part.ChecksumCRC32C, part.ChecksumCRC64NVME = sum.CRC32, sum.CRC32C, sum.CRC64NVME
			part.ChecksumSHA1, part.ChecksumSHA256, part.ChecksumSHA512, part.ChecksumMD5 = sum.SHA1, sum.SHA256, sum.SHA512, sum.MD5
		}
		out.Parts = append(out.Parts, part)
		out.NextPartNumberMarker = aws.String(fmt.Sprint(p.number))
	}
	return out, nil
}

var acceptListMultipartUploads = accept[s3.ListMultipartUploadsInput]("Prefix KeyMarker UploadIdMarker MaxUploads EncodingType")

// ListMultipartUploads lists a bucket's uploads that are neither completed nor aborted, by key. A delimiter is refused.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
func (s *Service) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	if err := s.check(acceptListMultipartUploads, in); err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxUploads, "max-uploads")
	if err != nil {
		return nil, err
	}
	bucket := aws.ToString(in.Bucket)
	if _, _, err := s.bucket(ctx, bucket); err != nil {
		return nil, err
	}
	r := store.Prefix(bucket + "/" + aws.ToString(in.Prefix))
	if m := aws.ToString(in.KeyMarker); m != "" {
		from := bucket + "/" + m + "\x01" // after every upload of the key
		if id := aws.ToString(in.UploadIdMarker); id != "" {
			from = uploadKey(bucket, m, id) + "\x00"
		}
		r.From = max(r.From, from)
	}
	owner := types.Owner{ID: aws.String(s.owner)}
	out := &s3.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: enc(aws.String(aws.ToString(in.Prefix))), EncodingType: in.EncodingType, IsTruncated: aws.Bool(false),
		KeyMarker: enc(aws.String(aws.ToString(in.KeyMarker))), UploadIdMarker: aws.String(aws.ToString(in.UploadIdMarker)),
		MaxUploads: aws.Int32(int32(limit)),
	}
	for e, err := range s.cfg.Store.Scan(ctx, uploadsAt, r) {
		if err != nil {
			return nil, err
		}
		if len(out.Uploads) == limit {
			out.IsTruncated = aws.Bool(true)
			break
		}
		rec, err := decode[uploadRecord](uploadsAt, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		key, id, _ := strings.Cut(e.Key[len(bucket)+1:], "\x00")
		up := types.MultipartUpload{
			Key: enc(aws.String(key)), UploadId: aws.String(id), Initiated: aws.Time(rec.Initiated), Owner: &owner,
			Initiator: &types.Initiator{ID: owner.ID}, StorageClass: types.StorageClassStandard,
		}
		if rec.Asked {
			up.ChecksumAlgorithm, up.ChecksumType = types.ChecksumAlgorithm(rec.Algorithm), types.ChecksumType(rec.Type)
		}
		out.Uploads = append(out.Uploads, up)
		out.NextKeyMarker, out.NextUploadIdMarker = enc(aws.String(key)), aws.String(id)
	}
	if !aws.ToBool(out.IsTruncated) {
		out.NextKeyMarker, out.NextUploadIdMarker = nil, nil
	}
	return out, nil
}
