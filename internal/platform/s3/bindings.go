package s3

import (
	"context"
	"reflect"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// S3's model names where each member travels; the SDK module carries no schemas, so the names stand here. A member that
// travels outside of the body has the same place in every operation, with the exceptions that the table gives.

// queries are the parameters of inputs.
var queries = map[string]string{
	"BucketRegion": "bucket-region", "ContinuationToken": "continuation-token", "Delimiter": "delimiter",
	"EncodingType": "encoding-type", "FetchOwner": "fetch-owner", "KeyMarker": "key-marker", "Marker": "marker",
	"MaxBuckets": "max-buckets", "MaxKeys": "max-keys", "MaxParts": "max-parts", "MaxUploads": "max-uploads",
	"PartNumber": "partNumber", "PartNumberMarker": "part-number-marker", "Prefix": "prefix",
	"ResponseCacheControl": "response-cache-control", "ResponseContentDisposition": "response-content-disposition",
	"ResponseContentEncoding": "response-content-encoding", "ResponseContentLanguage": "response-content-language",
	"ResponseContentType": "response-content-type", "ResponseExpires": "response-expires", "StartAfter": "start-after",
	"UploadId": "uploadId", "UploadIdMarker": "upload-id-marker", "VersionId": "versionId",
}

// both are headers of inputs and of outputs that describe an object.
var both = map[string]string{
	"BucketKeyEnabled": "x-amz-server-side-encryption-bucket-key-enabled", "CacheControl": "Cache-Control",
	"ChecksumCRC32": "x-amz-checksum-crc32", "ChecksumCRC32C": "x-amz-checksum-crc32c",
	"ChecksumCRC64NVME": "x-amz-checksum-crc64nvme", "ChecksumMD5": "x-amz-checksum-md5", "ChecksumSHA1": "x-amz-checksum-sha1",
	"ChecksumSHA256": "x-amz-checksum-sha256", "ChecksumSHA512": "x-amz-checksum-sha512", "ChecksumType": "x-amz-checksum-type",
	"ChecksumXXHASH128": "x-amz-checksum-xxhash128", "ChecksumXXHASH3": "x-amz-checksum-xxhash3",
	"ChecksumXXHASH64": "x-amz-checksum-xxhash64", "ContentDisposition": "Content-Disposition",
	"ContentEncoding": "Content-Encoding", "ContentLanguage": "Content-Language", "ContentLength": "Content-Length",
	"ContentType": "Content-Type", "Expires": "Expires", "Metadata": "x-amz-meta-",
	"ObjectLockEventHold":             "x-amz-object-lock-event-hold",
	"ObjectLockEventHoldDurationDays": "x-amz-object-lock-event-hold-duration-days", "ObjectLockEventHoldDurationYears": "x-amz-object-lock-event-hold-duration-years",
	"ObjectLockLegalHoldStatus": "x-amz-object-lock-legal-hold", "ObjectLockMode": "x-amz-object-lock-mode",
	"ObjectLockRetainUntilDate": "x-amz-object-lock-retain-until-date",
	"SSECustomerAlgorithm":      "x-amz-server-side-encryption-customer-algorithm",
	"SSECustomerKeyMD5":         "x-amz-server-side-encryption-customer-key-MD5", "SSEKMSEncryptionContext": "x-amz-server-side-encryption-context",
	"SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id", "ServerSideEncryption": "x-amz-server-side-encryption",
	"StorageClass": "x-amz-storage-class", "WebsiteRedirectLocation": "x-amz-website-redirect-location",
}

// asked are headers of inputs.
var asked = map[string]string{
	"ACL": "x-amz-acl", "AnnotationDirective": "x-amz-object-annotation-directive", "BucketNamespace": "x-amz-bucket-namespace",
	"BypassGovernanceRetention": "x-amz-bypass-governance-retention", "ChecksumAlgorithm": "x-amz-sdk-checksum-algorithm",
	"ChecksumMode": "x-amz-checksum-mode", "ContentMD5": "Content-MD5", "CopySource": "x-amz-copy-source",
	"CopySourceIfMatch": "x-amz-copy-source-if-match", "CopySourceIfModifiedSince": "x-amz-copy-source-if-modified-since",
	"CopySourceIfNoneMatch": "x-amz-copy-source-if-none-match", "CopySourceIfUnmodifiedSince": "x-amz-copy-source-if-unmodified-since",
	"CopySourceSSECustomerAlgorithm": "x-amz-copy-source-server-side-encryption-customer-algorithm",
	"CopySourceSSECustomerKey":       "x-amz-copy-source-server-side-encryption-customer-key",
	"CopySourceSSECustomerKeyMD5":    "x-amz-copy-source-server-side-encryption-customer-key-MD5",
	"ExpectedBucketOwner":            "x-amz-expected-bucket-owner", "ExpectedSourceBucketOwner": "x-amz-source-expected-bucket-owner",
	"GrantFullControl": "x-amz-grant-full-control", "GrantRead": "x-amz-grant-read", "GrantReadACP": "x-amz-grant-read-acp",
	"GrantWrite": "x-amz-grant-write", "GrantWriteACP": "x-amz-grant-write-acp", "IfMatch": "If-Match",
	"IfMatchInitiatedTime": "x-amz-if-match-initiated-time", "IfMatchLastModifiedTime": "x-amz-if-match-last-modified-time",
	"IfMatchSize": "x-amz-if-match-size", "IfModifiedSince": "If-Modified-Since", "IfNoneMatch": "If-None-Match",
	"IfUnmodifiedSince": "If-Unmodified-Since", "MFA": "x-amz-mfa", "MetadataDirective": "x-amz-metadata-directive",
	"MpuObjectSize": "x-amz-mp-object-size", "ObjectLockEnabledForBucket": "x-amz-bucket-object-lock-enabled",
	"ObjectOwnership": "x-amz-object-ownership", "OptionalObjectAttributes": "x-amz-optional-object-attributes",
	"Range": "Range", "RequestPayer": "x-amz-request-payer", "SSECustomerKey": "x-amz-server-side-encryption-customer-key",
	"Tagging": "x-amz-tagging", "TaggingDirective": "x-amz-tagging-directive", "WriteOffsetBytes": "x-amz-write-offset-bytes",
}

// told are headers of outputs, beside any document.
var told = map[string]string{
	"AbortDate": "x-amz-abort-date", "AbortRuleId": "x-amz-abort-rule-id", "AcceptRanges": "accept-ranges",
	"AccessPointAlias": "x-amz-access-point-alias", "ArchiveStatus": "x-amz-archive-status", "BucketArn": "x-amz-bucket-arn",
	"BucketKeyEnabled":   "x-amz-server-side-encryption-bucket-key-enabled",
	"BucketLocationName": "x-amz-bucket-location-name", "BucketLocationType": "x-amz-bucket-location-type",
	"BucketRegion": "x-amz-bucket-region", "ContentRange": "Content-Range", "CopySourceVersionId": "x-amz-copy-source-version-id",
	"DeleteMarker": "x-amz-delete-marker", "Expiration": "x-amz-expiration", "ExpiresString": "Expires",
	"LastModified": "Last-Modified", "MissingMeta": "x-amz-missing-meta", "PartsCount": "x-amz-mp-parts-count",
	"ReplicationStatus": "x-amz-replication-status", "RequestCharged": "x-amz-request-charged", "Restore": "x-amz-restore",
	"SSECustomerAlgorithm": "x-amz-server-side-encryption-customer-algorithm",
	"SSECustomerKeyMD5":    "x-amz-server-side-encryption-customer-key-MD5", "SSEKMSEncryptionContext": "x-amz-server-side-encryption-context",
	"SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id", "ServerSideEncryption": "x-amz-server-side-encryption",
	"Size": "x-amz-object-size", "TagCount": "x-amz-tagging-count", "VersionId": "x-amz-version-id",
}

// line is one operation of the table. An output without a document (root "") describes an object in its headers.
func line[I, O any](handler func(context.Context, *I) (*O, error), method, path string, status int, root string, more ...any) awsproto.Operation {
	var (
		members []awsproto.Member
		opts    []awsproto.Option
	)
	given := map[string]bool{}
	for _, m := range more {
		switch m := m.(type) {
		case payload:
			members = append(members, awsproto.InPayload(string(m)))
			given[string(m)] = true
		case awsproto.Option:
			opts = append(opts, m)
		case header:
			members = append(members, awsproto.InHeader(m.member, m.name))
			given[m.member] = true
		}
	}
	for f := range fields[I]() {
		if given[f] {
			continue
		}
		if h, ok := first(f, both, asked); ok {
			members = append(members, awsproto.InHeader(f, h).ForInput())
		} else if q, ok := queries[f]; ok {
			members = append(members, awsproto.InQuery(f, q))
		}
	}
	places := []map[string]string{told}
	if root == "" {
		places = append(places, both, map[string]string{"ETag": "ETag", "Location": "Location"})
	} else {
		opts = append(opts, awsproto.Root(root))
	}
	for f := range fields[O]() {
		if h, ok := first(f, places...); ok && !given[f] {
			members = append(members, awsproto.InHeader(f, h).ForOutput())
		}
	}
	return awsproto.Op(handler, append(opts, awsproto.HTTP(method, path, status, members...))...)
}

type (
	payload string                        // the member that is the body
	header  struct{ member, name string } // a member's place in this operation
)

func first(name string, places ...map[string]string) (string, bool) {
	for _, m := range places {
		if h, ok := m[name]; ok {
			return h, true
		}
	}
	return "", false
}

func fields[T any]() map[string]bool {
	names, t := map[string]bool{}, reflect.TypeFor[T]()
	for i := range t.NumField() {
		names[t.Field(i).Name] = true
	}
	return names
}
