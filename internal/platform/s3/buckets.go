package s3

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
	"github.com/tealdeploy/teal/internal/store"
)

var regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)

// usEast1 is the region that answers without a location constraint.
const usEast1 = "us-east-1"

var acceptCreateBucket = accept[s3.CreateBucketInput]("CreateBucketConfiguration ACL ObjectOwnership")

// CreateBucket makes a bucket. One that exists is BucketAlreadyOwnedByYou, except in us-east-1, where S3 says yes again.
// A bucket may name any region, as one endpoint stands for all.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (s *Service) CreateBucket(ctx context.Context, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	if err := s.check(acceptCreateBucket, in); err != nil {
		return nil, err
	}
	name, region := aws.ToString(in.Bucket), s.cfg.Region
	if err := checkBucketName(name); err != nil {
		return nil, err
	}
	if in.ACL != "" && in.ACL != types.BucketCannedACLPrivate {
		return nil, notImplemented("the access control list " + string(in.ACL))
	}
	if in.ObjectOwnership != "" && in.ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		return nil, notImplemented("the object ownership " + string(in.ObjectOwnership))
	}
	if c := in.CreateBucketConfiguration; c != nil {
		if c.Bucket != nil || c.Location != nil || len(c.Tags) > 0 {
			return nil, notImplemented("Bucket, Location or Tags in CreateBucketConfiguration")
		}
		if c.LocationConstraint != "" {
			region = string(c.LocationConstraint)
		}
	}
	if region == "EU" {
		region = "eu-west-1"
	}
	if !regionName.MatchString(region) {
		return nil, fault.New("InvalidLocationConstraint", "The specified location-constraint is not valid")
	}
	var b store.Batch
	b.ExpectAbsent(bucketsAt, name)
	b.Put(bucketsAt, name, encode(bucketRecord{Created: s.now(), Region: region}))
	err := s.cfg.Store.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) {
		if region != usEast1 {
			return nil, &types.BucketAlreadyOwnedByYou{
				Message: aws.String("Your previous request to create the named bucket succeeded and you already own it."),
			}
		}
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return &s3.CreateBucketOutput{Location: aws.String("/" + name), BucketArn: aws.String("arn:aws:s3:::" + name)}, nil
}

var acceptHeadBucket = accept[s3.HeadBucketInput]("")

// HeadBucket tells whether a bucket exists (NotFound when not) and its region.
func (s *Service) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	if err := s.check(acceptHeadBucket, in); err != nil {
		return nil, err
	}
	name := aws.ToString(in.Bucket)
	rec, _, ok, err := read[bucketRecord](ctx, s.cfg.Store, bucketsAt, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound()
	}
	return &s3.HeadBucketOutput{BucketRegion: aws.String(rec.Region), BucketArn: aws.String("arn:aws:s3:::" + name)}, nil
}

var acceptGetBucketLocation = accept[s3.GetBucketLocationInput]("")

// GetBucketLocation tells a bucket's region; us-east-1 is told as none.
func (s *Service) GetBucketLocation(ctx context.Context, in *s3.GetBucketLocationInput) (*s3.GetBucketLocationOutput, error) {
	if err := s.check(acceptGetBucketLocation, in); err != nil {
		return nil, err
	}
	rec, _, err := s.bucket(ctx, aws.ToString(in.Bucket))
	if err != nil {
		return nil, err
	}
	out := &s3.GetBucketLocationOutput{}
	if rec.Region != usEast1 {
		out.LocationConstraint = types.BucketLocationConstraint(rec.Region)
	}
	return out, nil
}

var acceptDeleteBucket = accept[s3.DeleteBucketInput]("")

// DeleteBucket removes an empty bucket, with the multipart uploads that were never completed; else BucketNotEmpty.
func (s *Service) DeleteBucket(ctx context.Context, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	if err := s.check(acceptDeleteBucket, in); err != nil {
		return nil, err
	}
	name := aws.ToString(in.Bucket)
	s.gate.Lock()
	defer s.gate.Unlock()
	_, raw, err := s.bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	objects := store.Prefix(name + "/")
	objects.Limit = 1
	for _, err := range s.cfg.Store.Scan(ctx, objectsAt, objects) {
		if err != nil {
			return nil, err
		}
		return nil, &fault.Error{
			Code: "BucketNotEmpty", Status: http.StatusConflict, Message: "The bucket you tried to delete is not empty",
			Members: map[string]any{"BucketName": name},
		}
	}
	b := &store.Batch{}
	b.ExpectValue(bucketsAt, name, raw)
	b.Delete(bucketsAt, name)
	var garbage []string
	for e, err := range s.cfg.Store.Scan(ctx, uploadsAt, store.Prefix(name+"/")) {
		if err != nil {
			return nil, err
		}
		b.Delete(uploadsAt, e.Key)
		parts, err := s.parts(ctx, e.Key[strings.LastIndexByte(e.Key, 0)+1:])
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			b.Delete(partsAt, p.key)
			garbage = append(garbage, files([]segment{p.segment})...)
		}
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.blobs.remove(garbage)
	return &s3.DeleteBucketOutput{}, nil
}

var acceptListBuckets = accept[s3.ListBucketsInput]("Prefix MaxBuckets ContinuationToken BucketRegion")

// maxBuckets is the longest page of buckets.
const maxBuckets = 10000

// ListBuckets lists the buckets in the order of their names.
func (s *Service) ListBuckets(ctx context.Context, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	if err := s.check(acceptListBuckets, in); err != nil {
		return nil, err
	}
	limit := int32(maxBuckets)
	if in.MaxBuckets != nil {
		if limit = *in.MaxBuckets; limit < 1 || limit > maxBuckets {
			return nil, invalidArgument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", "")
		}
	}
	r := store.Prefix(aws.ToString(in.Prefix))
	if in.ContinuationToken != nil {
		after, err := readToken(*in.ContinuationToken)
		if err != nil {
			return nil, err
		}
		r.From = max(r.From, after+"\x00")
	}
	out := &s3.ListBucketsOutput{Owner: &types.Owner{ID: aws.String(s.owner)}, Prefix: in.Prefix, Buckets: []types.Bucket{}}
	for e, err := range s.cfg.Store.Scan(ctx, bucketsAt, r) {
		if err != nil {
			return nil, err
		}
		rec, err := decode[bucketRecord](bucketsAt, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		if in.BucketRegion != nil && *in.BucketRegion != rec.Region {
			continue
		}
		if int32(len(out.Buckets)) == limit {
			out.ContinuationToken = aws.String(writeToken(aws.ToString(out.Buckets[limit-1].Name)))
			break
		}
		b := types.Bucket{Name: aws.String(e.Key), CreationDate: aws.Time(rec.Created), BucketRegion: aws.String(rec.Region)}
		b.BucketArn = aws.String("arn:aws:s3:::" + e.Key)
		out.Buckets = append(out.Buckets, b)
	}
	return out, nil
}
