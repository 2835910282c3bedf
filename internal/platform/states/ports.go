package states

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
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
