package states

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Invoker calls Lambda functions; the platform's Lambda service is the one of the platform. FunctionName may be a name,
// a partial or a full ARN, with or without a qualifier. What the function does wrong is told in the output's
// FunctionError; an error is Lambda's own exception type, or that of ctx. It is called from many goroutines.
type Invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)
}

// Meter records metrics. Series gives a function that records one value now in the series of this namespace, metric and
// dimensions (name, value pairs); both may be called from any goroutine.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}

// SDKCaller calls operations of the platform's other services for AWS SDK integrations. Parameters and answers are JSON
// objects with members in PascalCase. Service is a module of the SDK such as cloudwatchlogs, action one such as getMetricData. The error
// is the service's own, with ErrorCode and ErrorMessage. It is called from many goroutines.
type SDKCaller interface {
	Serves(service, action string) bool
	Call(ctx context.Context, service, action string, input json.RawMessage) (json.RawMessage, error)
}

// ObjectStore is where Map states in distributed mode read their items and write their results; the platform's S3 is the
// one of the platform. Errors are S3's own exceptions. It is called from many goroutines.
type ObjectStore interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error)
	ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error)
}
