package codedeploy

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Functions is Lambda, as far as a deployment needs it. Errors are Lambda's own exceptions. It is called from many
// goroutines.
type Functions interface {
	GetAlias(ctx context.Context, in *lambda.GetAliasInput) (*lambda.GetAliasOutput, error)
	// UpdateAlias fails with PreconditionFailedException when the alias no longer has the RevisionId.
	UpdateAlias(ctx context.Context, in *lambda.UpdateAliasInput) (*lambda.UpdateAliasOutput, error)
	GetFunctionConfiguration(ctx context.Context, in *lambda.GetFunctionConfigurationInput) (*lambda.GetFunctionConfigurationOutput, error)
	// Invoke is called with the invocation type Event only: it returns once the invocation is durable.
	Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)
}

// Objects is where AppSpec files in S3 are read from. Errors are S3's own. It is called from many goroutines.
type Objects interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error)
}

// Alarms tells the states of CloudWatch's alarms. It is called from many goroutines.
type Alarms interface {
	DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error)
}
