package lambda

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tealdeploy/teal/internal/pool"
)

// Executor runs invocations in execution environments; *pool.Pool is the one of the platform. Its methods may be called
// from any goroutine.
type Executor interface {
	// Invoke runs f once. What the function does wrong (timeouts, crashes and failed starts included) is told in the
	// Result; an error means that the platform could not run it: pool.ErrThrottled, *pool.RuntimeMissingError, or another
	// failure of the platform itself. ctx never ends: an invocation goes on when its caller has gone.
	Invoke(ctx context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error)
	// Retire gives the environments of the function with this ID no new work: idle ones end now, busy ones when done.
	Retire(id string)
	// Check returns nil when functions of this runtime can run on this machine, and otherwise an error that names what
	// is missing and how to get it. runtime is one of AWS's identifiers, such as python3.12.
	Check(runtime string) error
}

// Provisioner is an Executor that keeps environments ready before requests come. With any other there is no provisioned
// concurrency.
type Provisioner interface {
	// Provision returns once n environments of f are ready beyond those that are started on demand; n = 0 gives them up.
	// They are kept until the next call for f, or Retire. That an environment cannot be initialised is the error.
	Provision(ctx context.Context, f *pool.Function, n int) error
}

// Objects is the object store, for packages in buckets and for results that are to go there; *s3.Service of the platform
// is one. Its errors are smithy.APIError where S3 has refused.
type Objects interface {
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error)
	GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error)
}

// Queues is the queue service, for event source mappings, destinations and dead letters. Its errors are smithy.APIError
// where SQS has refused. ReceiveMessage may wait for as long as WaitTimeSeconds says.
type Queues interface {
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error)
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error)
	SendMessage(ctx context.Context, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error)
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibility(ctx context.Context, in *sqs.ChangeMessageVisibilityInput) (*sqs.ChangeMessageVisibilityOutput, error)
}

// Meter records metrics. Series gives a function that records one value now in the series of this namespace, metric and
// dimensions (name, value pairs); both may be called from any goroutine.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}
