package s3

import (
	"strings"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// ofBuckets and ofObjects are S3's operations that are not served: method, query parameters, name. They stand here so that
// a request for one is refused by its name and never taken for another operation.
var ofBuckets = []string{
	"GET abac GetBucketAbac",
	"PUT abac PutBucketAbac",
	"GET accelerate GetBucketAccelerateConfiguration",
	"PUT accelerate PutBucketAccelerateConfiguration",
	"GET acl GetBucketAcl",
	"PUT acl PutBucketAcl",
	"DELETE analytics DeleteBucketAnalyticsConfiguration",
	"GET analytics ListBucketAnalyticsConfigurations",
	"PUT analytics PutBucketAnalyticsConfiguration",
	"GET analytics&id GetBucketAnalyticsConfiguration",
	"DELETE cors DeleteBucketCors",
	"GET cors GetBucketCors",
	"PUT cors PutBucketCors",
	"DELETE encryption DeleteBucketEncryption",
	"GET encryption GetBucketEncryption",
	"PUT encryption PutBucketEncryption",
	"DELETE intelligent-tiering DeleteBucketIntelligentTieringConfiguration",
	"GET intelligent-tiering ListBucketIntelligentTieringConfigurations",
	"PUT intelligent-tiering PutBucketIntelligentTieringConfiguration",
	"GET intelligent-tiering&id GetBucketIntelligentTieringConfiguration",
	"DELETE inventory DeleteBucketInventoryConfiguration",
	"GET inventory ListBucketInventoryConfigurations",
	"PUT inventory PutBucketInventoryConfiguration",
	"GET inventory&id GetBucketInventoryConfiguration",
	"DELETE lifecycle DeleteBucketLifecycle",
	"GET lifecycle GetBucketLifecycleConfiguration",
	"PUT lifecycle PutBucketLifecycleConfiguration",
	"GET logging GetBucketLogging",
	"PUT logging PutBucketLogging",
	"PUT metadataAnnotationTable UpdateBucketMetadataAnnotationTableConfiguration",
	"DELETE metadataConfiguration DeleteBucketMetadataConfiguration",
	"GET metadataConfiguration GetBucketMetadataConfiguration",
	"POST metadataConfiguration CreateBucketMetadataConfiguration",
	"PUT metadataInventoryTable UpdateBucketMetadataInventoryTableConfiguration",
	"PUT metadataJournalTable UpdateBucketMetadataJournalTableConfiguration",
	"DELETE metadataTable DeleteBucketMetadataTableConfiguration",
	"GET metadataTable GetBucketMetadataTableConfiguration",
	"POST metadataTable CreateBucketMetadataTableConfiguration",
	"DELETE metrics DeleteBucketMetricsConfiguration",
	"GET metrics ListBucketMetricsConfigurations",
	"PUT metrics PutBucketMetricsConfiguration",
	"GET metrics&id GetBucketMetricsConfiguration",
	"GET notification GetBucketNotificationConfiguration",
	"PUT notification PutBucketNotificationConfiguration",
	"GET object-lock GetObjectLockConfiguration",
	"PUT object-lock PutObjectLockConfiguration",
	"DELETE ownershipControls DeleteBucketOwnershipControls",
	"GET ownershipControls GetBucketOwnershipControls",
	"PUT ownershipControls PutBucketOwnershipControls",
	"DELETE policy DeleteBucketPolicy",
	"GET policy GetBucketPolicy",
	"PUT policy PutBucketPolicy",
	"GET policyStatus GetBucketPolicyStatus",
	"DELETE publicAccessBlock DeletePublicAccessBlock",
	"GET publicAccessBlock GetPublicAccessBlock",
	"PUT publicAccessBlock PutPublicAccessBlock",
	"DELETE replication DeleteBucketReplication",
	"GET replication GetBucketReplication",
	"PUT replication PutBucketReplication",
	"GET requestPayment GetBucketRequestPayment",
	"PUT requestPayment PutBucketRequestPayment",
	"GET session CreateSession",
	"DELETE tagging DeleteBucketTagging",
	"GET tagging GetBucketTagging",
	"PUT tagging PutBucketTagging",
	"GET versioning GetBucketVersioning",
	"PUT versioning PutBucketVersioning",
	"GET versions ListObjectVersions",
	"DELETE website DeleteBucketWebsite",
	"GET website GetBucketWebsite",
	"PUT website PutBucketWebsite",
}

var ofObjects = []string{
	"GET acl GetObjectAcl",
	"PUT acl PutObjectAcl",
	"DELETE annotation DeleteObjectAnnotation",
	"GET annotation ListObjectAnnotations",
	"PUT annotation PutObjectAnnotation",
	"GET annotation&annotationName GetObjectAnnotation",
	"GET attributes GetObjectAttributes",
	"PUT encryption UpdateObjectEncryption",
	"GET legal-hold GetObjectLegalHold",
	"PUT legal-hold PutObjectLegalHold",
	"PUT renameObject RenameObject",
	"POST restore RestoreObject",
	"GET retention GetObjectRetention",
	"PUT retention PutObjectRetention",
	"POST select&select-type=2 SelectObjectContent",
	"DELETE tagging DeleteObjectTagging",
	"GET tagging GetObjectTagging",
	"PUT tagging PutObjectTagging",
	"GET torrent GetObjectTorrent",
}

// refused makes their lines of the table.
func refused() []awsproto.Operation {
	ops := []awsproto.Operation{
		awsproto.Refused("ListDirectoryBuckets", "GET", "/?x-id=ListDirectoryBuckets"),
		awsproto.Refused("WriteGetObjectResponse", "POST", "/WriteGetObjectResponse"),
		awsproto.Refused("PostObject", "POST", inBucket),
		awsproto.Refused("UploadPartCopy", "PUT", inKey+"?partNumber&uploadId", awsproto.WithHeader("X-Amz-Copy-Source")),
	}
	add := func(path string, list []string) {
		for _, entry := range list {
			f := strings.Fields(entry)
			ops = append(ops, awsproto.Refused(f[2], f[0], path+"?"+f[1]))
		}
	}
	add(inBucket, ofBuckets)
	add(inKey, ofObjects)
	return ops
}
