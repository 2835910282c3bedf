package target

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// Invocation is the answer of a function.
type Invocation struct {
	Payload         json.RawMessage
	FunctionError   string // "" when the function succeeded; else Handled or Unhandled, and Payload says what happened
	ExecutedVersion string
	Log             string // the last 4 KiB
}

// invokeAttempts bounds the attempts at one invocation, below those at requests that may be repeated without harm.
const invokeAttempts = 3

// InvokeVersion invokes a function by the ARN of a version or alias and waits for its answer. The error is only about the
// invocation; a function that fails has a FunctionError. The SDK repeats the request up to twice after a failure of the
// transport or of the service, so the function may run more than once for one call, as with any Lambda event.
func (t *Target) InvokeVersion(ctx context.Context, functionARN string, payload []byte) (Invocation, error) {
	out, err := t.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &functionARN, Payload: payload, LogType: types.LogTypeTail},
		func(o *lambda.Options) { o.RetryMaxAttempts = min(o.RetryMaxAttempts, invokeAttempts) })
	if err != nil {
		return Invocation{}, t.failed("invoke "+functionARN, "lambda:InvokeFunction", err)
	}
	i := Invocation{Payload: out.Payload, FunctionError: aws.ToString(out.FunctionError), ExecutedVersion: aws.ToString(out.ExecutedVersion)}
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err == nil {
		i.Log = string(log)
	}
	return i, nil
}

// Execution is one execution of a workflow.
type Execution struct {
	ARN        string
	Status     string // RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING_REDRIVE
	Machine    string // ARN, unqualified
	VersionARN string // "" when it was started without a version or alias
	AliasARN   string // "" when it was not started through an alias
	Started    time.Time
	Stopped    time.Time // zero while it runs
	Input      json.RawMessage
	Output     json.RawMessage // nil until it has succeeded
	Error      string
	Cause      string
}

// StartExecution starts an execution by the ARN of a state machine, version or alias. With a name, and the same input, it
// may be repeated: Step Functions then gives the execution that runs already. An empty name lets AWS choose one.
func (t *Target) StartExecution(ctx context.Context, machineARN, name string, input json.RawMessage) (executionARN string, err error) {
	in := &sfn.StartExecutionInput{StateMachineArn: &machineARN}
	if name != "" {
		in.Name = &name
	}
	if len(input) > 0 {
		in.Input = aws.String(string(input))
	}
	out, err := t.states.StartExecution(ctx, in)
	if err != nil {
		return "", t.failed("start an execution of "+machineARN, "states:StartExecution", err)
	}
	return aws.ToString(out.ExecutionArn), nil
}

// DescribeExecution reads an execution.
func (t *Target) DescribeExecution(ctx context.Context, executionARN string) (Execution, error) {
	out, err := t.states.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &executionARN})
	if err != nil {
		return Execution{}, t.failed("read execution "+executionARN, "states:DescribeExecution", err)
	}
	e := Execution{
		ARN: aws.ToString(out.ExecutionArn), Status: string(out.Status), Machine: aws.ToString(out.StateMachineArn),
		VersionARN: aws.ToString(out.StateMachineVersionArn), AliasARN: aws.ToString(out.StateMachineAliasArn),
		Started: aws.ToTime(out.StartDate), Stopped: aws.ToTime(out.StopDate), Error: aws.ToString(out.Error), Cause: aws.ToString(out.Cause),
	}
	if out.Input != nil {
		e.Input = json.RawMessage(*out.Input)
	}
	if out.Output != nil {
		e.Output = json.RawMessage(*out.Output)
	}
	return e, nil
}
