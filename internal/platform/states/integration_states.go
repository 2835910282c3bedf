package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"
)

// startArguments are the parameters of arn:aws:states:::states:startExecution. Input may be any JSON.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
type startArguments struct {
	StateMachineArn *string
	Name            *string
	Input           json.RawMessage
	TraceHeader     *string
}

// childNames is the namespace of the names that executions get which a task starts without a name.
var childNames = uuid.MustParse("5f3ac9a2-4b57-4a7e-9a6e-0b1c1f3f7a55")

// startChild starts the execution that a task asks for. A task that is performed again, after a restart, finds the
// execution that it has started: without a name of its own it is named after the task.
func (s *Service) startChild(ctx context.Context, task *taskCall) (*sfn.StartExecutionOutput, *taskFailure) {
	var a startArguments
	if err := json.Unmarshal(task.Input, &a); err != nil {
		return nil, badParameters(task, err.Error())
	}
	if a.StateMachineArn == nil {
		return nil, badParameters(task, "The field 'StateMachineArn' is required but was missing")
	}
	in := &sfn.StartExecutionInput{StateMachineArn: a.StateMachineArn, Name: a.Name, TraceHeader: a.TraceHeader}
	if a.Input != nil && string(a.Input) != "null" {
		text := string(a.Input)
		var quoted string
		if err := json.Unmarshal(a.Input, &quoted); err == nil {
			text = quoted
		}
		in.Input = &text
	}
	own := in.Name == nil
	if own {
		name := childName(task.Serial, task.Command)
		in.Name = &name
	}
	out, err := s.startFor(ctx, in, numbered(task.Serial, task.Command))
	var exists *types.ExecutionAlreadyExists
	if own && errors.As(err, &exists) { // it has ended since this task started it
		if out, err = s.startedAs(ctx, *in.StateMachineArn, *in.Name); err == nil {
			return out, nil
		}
	}
	if err != nil {
		return nil, s.statesFailed(ctx, err)
	}
	return out, nil
}

// startedAs answers as the start of an execution that exists did.
func (s *Service) startedAs(ctx context.Context, machine, name string) (*sfn.StartExecutionOutput, error) {
	ref, err := s.machineRef(machine)
	if err != nil {
		return nil, err
	}
	r, err := s.executionRecord(ctx, execID{ref.name, name})
	if err != nil {
		return nil, err
	}
	arn := s.executionArn(r.id())
	return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: &r.Started}, nil
}

// statesFailed puts an error of Step Functions' own API into the words that its integration has for it.
func (s *Service) statesFailed(ctx context.Context, err error) *taskFailure {
	code, message, status, ok := apiError(err)
	if !ok {
		if ctx.Err() == nil {
			s.log.Error("an execution could not be started by a task", "error", err)
		}
		return &taskFailure{"StepFunctions.SdkClientException", message}
	}
	return &taskFailure{
		"StepFunctions." + exceptionName(code),
		fmt.Sprintf("%s (Service: AWSStepFunctions; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)", message, status, code, uuid.NewString()),
	}
}

// startExecution is the request-response form: the answer is that of StartExecution.
func startExecution(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	out, failed := s.startChild(ctx, task)
	if failed != nil {
		return nil, failed
	}
	return startAnswer(s.clock.Now(), out), nil
}

// startAnswer writes the answer of StartExecution as tasks and TaskSubmitted events show it.
func startAnswer(now time.Time, out *sfn.StartExecutionOutput) json.RawMessage {
	id := uuid.NewString()
	type header map[string][]string
	return encode(struct {
		ExecutionArn        string
		SdkHttpMetadata     any
		SdkResponseMetadata any
		StartDate           string
	}{
		*out.ExecutionArn,
		struct {
			AllHttpHeaders header
			HttpHeaders    map[string]string
			HttpStatusCode int
		}{
			header{"Content-Type": {"application/x-amz-json-1.0"}, "Date": {httpDate(now)}, "x-amzn-RequestId": {id}},
			map[string]string{"Content-Type": "application/x-amz-json-1.0", "Date": httpDate(now), "x-amzn-RequestId": id},
			200,
		},
		struct{ RequestId string }{id},
		rfc3339(*out.StartDate),
	})
}

func httpDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }

// rfc3339 is a time as the SDK integrations show it.
func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
