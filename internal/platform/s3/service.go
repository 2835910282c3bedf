package s3

import (
	"github.com/tealdeploy/teal/internal/awsproto"
)

const (
	inBucket = "/{Bucket}"
	inKey    = "/{Bucket}/{Key+}"
)

// maxDocument bounds the XML of a request, in bytes: 10,000 parts with their checksums, or 1,000 keys.
const maxDocument = 8 << 20

// API returns the operation table. S3's requests are known by the scope of their credential or by their host.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name: "s3", Namespace: "http://s3.amazonaws.com/doc/2006-03-01/", APIVersion: "2006-03-01",
		Protocols:   []awsproto.Protocol{awsproto.RESTXML},
		BodyTime:    awsproto.DateTime,
		VirtualHost: virtualHost,
		Statuses:    statuses,
		MaxBody:     maxDocument,
		Names: map[string]string{
			"CompletedMultipartUpload.Parts": "Part", "Delete.Objects": "Object", "DeleteObjectsOutput.Errors": "Error",
			"ListPartsOutput.Parts": "Part", "ListMultipartUploadsOutput.Uploads": "Upload",
		},
		Lists: map[string]string{
			"CompletedMultipartUpload.Parts": "", "Delete.Objects": "", "DeleteObjectsOutput.Deleted": "",
			"DeleteObjectsOutput.Errors": "", "ListBucketsOutput.Buckets": "Bucket", "ListMultipartUploadsOutput.CommonPrefixes": "",
			"ListMultipartUploadsOutput.Uploads": "", "ListObjectsOutput.CommonPrefixes": "", "ListObjectsOutput.Contents": "",
			"ListObjectsV2Output.CommonPrefixes": "", "ListObjectsV2Output.Contents": "", "ListPartsOutput.Parts": "",
			"Object.ChecksumAlgorithm": "", "CreateBucketConfiguration.Tags": "Tag",
		},
		Operations: append(s.operations(), refused()...),
	}
}

func (s *Service) operations() []awsproto.Operation {
	return []awsproto.Operation{
		line(s.ListBuckets, "GET", "/", 200, "ListAllMyBucketsResult"),
		line(s.CreateBucket, "PUT", inBucket, 200, "", payload("CreateBucketConfiguration")),
		line(s.HeadBucket, "HEAD", inBucket, 200, ""),
		line(s.DeleteBucket, "DELETE", inBucket, 204, ""),
		line(s.GetBucketLocation, "GET", inBucket+"?location", 200, "LocationConstraint", payload("LocationConstraint")),
		line(s.ListObjects, "GET", inBucket, 200, "ListBucketResult"),
		line(s.ListObjectsV2, "GET", inBucket+"?list-type=2", 200, "ListBucketResult"),
		line(s.DeleteObjects, "POST", inBucket+"?delete", 200, "DeleteResult", payload("Delete")),

		line(s.PutObject, "PUT", inKey, 200, "", payload("Body")),
		line(s.GetObject, "GET", inKey, 200, "", payload("Body")),
		line(s.HeadObject, "HEAD", inKey, 200, ""),
		line(s.DeleteObject, "DELETE", inKey, 204, ""),
		line(s.CopyObject, "PUT", inKey, 200, "", payload("CopyObjectResult"), awsproto.WithHeader("X-Amz-Copy-Source"),
			header{"ChecksumAlgorithm", "x-amz-checksum-algorithm"}),

		line(s.ListMultipartUploads, "GET", inBucket+"?uploads", 200, "ListMultipartUploadsResult"),
		line(s.CreateMultipartUpload, "POST", inKey+"?uploads", 200, "InitiateMultipartUploadResult",
			header{"ChecksumAlgorithm", "x-amz-checksum-algorithm"}, header{"ChecksumType", "x-amz-checksum-type"}),
		line(s.UploadPart, "PUT", inKey+"?partNumber&uploadId", 200, "", payload("Body")),
		line(s.CompleteMultipartUpload, "POST", inKey+"?uploadId", 200, "CompleteMultipartUploadResult", payload("MultipartUpload")),
		line(s.AbortMultipartUpload, "DELETE", inKey+"?uploadId", 204, ""),
		line(s.ListParts, "GET", inKey+"?uploadId", 200, "ListPartsResult"),
	}
}
