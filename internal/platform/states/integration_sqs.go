package states

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// queueArguments are the parameters of arn:aws:states:::sqs:sendMessage, and whether they must be given.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-sqs.html
var queueArguments = map[string]bool{
	"DelaySeconds": false, "MessageAttributes": false, "MessageBody": true, "MessageDeduplicationId": false, "MessageGroupId": false, "QueueUrl": true,
}

// sendMessage puts a message into a queue. A body that is no string is sent as its JSON text.
func sendMessage(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	var a map[string]json.RawMessage
	if err := json.Unmarshal(task.Input, &a); err != nil {
		return nil, badParameters(task, err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(queueArguments)) {
		if queueArguments[name] && (a[name] == nil || string(a[name]) == "null") {
			return nil, badParameters(task, fmt.Sprintf("The field '%s' is required but was missing", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := queueArguments[name]; !ok {
			return nil, badParameters(task, fmt.Sprintf("The field '%s' is not supported by Step Functions", name))
		}
	}
	if body := a["MessageBody"]; body[0] != '"' {
		a["MessageBody"] = encode(string(compact(body)))
	}
	out, err := s.sdk.Call(ctx, "sqs", "sendMessage", encode(a))
	if err != nil {
		return nil, s.queueFailed(ctx, err)
	}
	return s.sendAnswer(out)
}

// sendAnswer shows SendMessage's answer as Step Functions does.
func (s *Service) sendAnswer(sent json.RawMessage) (json.RawMessage, *taskFailure) {
	id, date := uuid.NewString(), httpDate(s.clock.Now())
	type one struct {
		Connection    string `json:"connection"`
		RequestID     string `json:"x-amzn-RequestId"`
		ContentLength string `json:"Content-Length"`
		Date          string
		ContentType   string `json:"Content-Type"`
	}
	headers := one{"keep-alive", id, fmt.Sprint(len(sent)), date, "application/x-amz-json-1.0"}
	type many struct {
		Connection    []string `json:"connection"`
		RequestID     []string `json:"x-amzn-RequestId"`
		ContentLength []string `json:"Content-Length"`
		Date          []string
		ContentType   []string `json:"Content-Type"`
	}
	var out struct {
		MD5OfMessageAttributes       string `json:",omitempty"`
		MD5OfMessageBody             string `json:",omitempty"`
		MD5OfMessageSystemAttributes string `json:",omitempty"`
		MessageId                    string `json:",omitempty"`
		SdkHttpMetadata              struct {
			AllHttpHeaders many
			HttpHeaders    one
			HttpStatusCode int
		}
		SdkResponseMetadata struct{ RequestId string }
		SequenceNumber      string `json:",omitempty"`
	}
	if err := json.Unmarshal(sent, &out); err != nil {
		return nil, &taskFailure{"SQS.SdkClientException", err.Error()}
	}
	h := &out.SdkHttpMetadata
	h.HttpStatusCode, h.HttpHeaders = 200, headers
	h.AllHttpHeaders = many{[]string{headers.Connection}, []string{id}, []string{headers.ContentLength}, []string{date}, []string{headers.ContentType}}
	out.SdkResponseMetadata.RequestId = id
	return encode(out), nil
}

// queueFailed puts an error of SQS into the words of the SDK that Step Functions calls it with: an exception that SQS's
// model has is named after its class, any other is an AmazonSQSException.
func (s *Service) queueFailed(ctx context.Context, err error) *taskFailure {
	code, message, status, ok := apiError(err)
	if !ok {
		if ctx.Err() == nil {
			s.log.Error("a task could not send a message", "error", err)
		}
		return &taskFailure{"SQS.SdkClientException", message}
	}
	name := "AmazonSQSException"
	if modelled(err) {
		name = exceptionName(code)
	}
	if code == "QueueDoesNotExist" {
		code = "AWS.SimpleQueueService.NonExistentQueue" // as the Query protocol calls it
	}
	return &taskFailure{"SQS." + name, fmt.Sprintf("%s (Service: AmazonSQS; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)", message, status, code, uuid.NewString())}
}

// modelled tells an exception of the SDK's types from an error that has but a code.
func modelled(err error) bool { return strings.HasPrefix(fmt.Sprintf("%T", err), "*types.") }
