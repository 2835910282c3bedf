package states

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

// invokeFunction calls the function whose ARN is the resource: its answer is the task's.
func invokeFunction(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	out, err := s.invoker.Invoke(ctx, &lambda.InvokeInput{FunctionName: &task.Resource, Payload: task.Input})
	if err != nil {
		return nil, s.lambdaRefused(ctx, err)
	}
	if out.FunctionError != nil {
		return nil, functionFailed(out.Payload, string(out.Payload))
	}
	return asJSON(out.Payload), nil
}

// lambdaArguments are the parameters of arn:aws:states:::lambda:invoke.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
type lambdaArguments struct {
	FunctionName   *string
	Payload        json.RawMessage
	Qualifier      *string
	InvocationType *string
	ClientContext  *string
	LogType        *string
}

// invokeLambda calls Lambda's Invoke: the task's answer is the whole answer of the call, as AWS's SDK shows it.
func invokeLambda(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	var a lambdaArguments
	if err := json.Unmarshal(task.Input, &a); err != nil {
		return nil, &taskFailure{"States.Runtime", fmt.Sprintf("The Parameters '%s' could not be used to start the Task: %s", task.Input, err)}
	}
	if a.FunctionName == nil {
		return nil, &taskFailure{"States.Runtime", fmt.Sprintf("The Parameters '%s' could not be used to start the Task: [The field 'FunctionName' is required but was missing]", task.Input)}
	}
	in := &lambda.InvokeInput{FunctionName: a.FunctionName, Qualifier: a.Qualifier, ClientContext: a.ClientContext, Payload: requestBody(a.Payload)}
	if a.InvocationType != nil {
		in.InvocationType = types.InvocationType(*a.InvocationType)
	}
	if a.LogType != nil {
		in.LogType = types.LogType(*a.LogType)
	}
	out, err := s.invoker.Invoke(ctx, in)
	if err != nil {
		return nil, s.lambdaRefused(ctx, err)
	}
	if out.FunctionError != nil {
		return nil, functionFailed(out.Payload, string(compact(out.Payload)))
	}
	return s.invokeAnswer(out), nil
}

// requestBody is what AWS's SDK sends for a Payload: a string as it is, anything else as its JSON text. Without a payload
// the call has no body, and Lambda takes that for an empty object.
func requestBody(payload json.RawMessage) []byte {
	var text *string
	switch err := json.Unmarshal(payload, &text); {
	case err != nil && len(payload) > 0: // no string
		return payload
	case text == nil || *text == "":
		return []byte("{}")
	}
	return []byte(*text)
}

// functionFailed names a function's error after the type in its payload.
func functionFailed(payload []byte, shown string) *taskFailure {
	var e struct {
		ErrorType string `json:"errorType"`
	}
	if err := json.Unmarshal(payload, &e); err != nil || e.ErrorType == "" {
		return &taskFailure{"Lambda.Unknown", "The cause could not be determined because Lambda did not return an error type. Returned payload: " + shown}
	}
	return &taskFailure{e.ErrorType, shown}
}

// lambdaStatuses are the HTTP statuses of Lambda's exceptions that are not 400.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
var lambdaStatuses = map[string]int{
	"ResourceNotFoundException": 404, "ResourceConflictException": 409, "RequestTooLargeException": 413,
	"UnsupportedMediaTypeException": 415, "TooManyRequestsException": 429,
	"EC2AccessDeniedException": 502, "EC2UnexpectedException": 502, "EC2ThrottledException": 502, "SubnetIPAddressLimitReachedException": 502,
	"ENILimitReachedException": 502, "InvalidZipFileException": 502, "InvalidRuntimeException": 502, "InvalidSecurityGroupIDException": 502,
	"InvalidSubnetIDException": 502, "KMSInvalidStateException": 502, "KMSNotFoundException": 502, "KMSAccessDeniedException": 502, "KMSDisabledException": 502,
}

// lambdaRefused puts an error of Lambda's API into the words of the SDK that Step Functions calls it with.
func (s *Service) lambdaRefused(ctx context.Context, err error) *taskFailure {
	var code, msg string
	var status int
	var api smithy.APIError
	var plain interface {
		ErrorCode() string
		ErrorMessage() string
	}
	switch {
	case errors.As(err, &api):
		code, msg, status = api.ErrorCode(), api.ErrorMessage(), 400
		if api.ErrorFault() == smithy.FaultServer {
			status = 500
		}
	case errors.As(err, &plain):
		code, msg, status = plain.ErrorCode(), plain.ErrorMessage(), 400
	default:
		if ctx.Err() == nil {
			s.log.Error("a function could not be invoked", "error", err)
		}
		return &taskFailure{"Lambda.SdkClientException", err.Error()}
	}
	if n, ok := lambdaStatuses[code]; ok {
		status = n
	}
	return &taskFailure{"Lambda." + code, fmt.Sprintf("%s (Service: AWSLambda; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)", msg, status, code, uuid.NewString())}
}

// invokeAnswer writes the answer of Invoke in the form, and the order, in which Step Functions shows it.
func (s *Service) invokeAnswer(out *lambda.InvokeOutput) json.RawMessage {
	requestID, ok := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok {
		requestID = uuid.NewString()
	}
	status := 200
	if out.StatusCode != 0 {
		status = int(out.StatusCode)
	}
	trace := uuid.New()
	type header struct{ name, value string }
	var headers []header
	if out.ExecutedVersion != nil {
		headers = append(headers, header{"X-Amz-Executed-Version", *out.ExecutedVersion})
	}
	if out.LogResult != nil {
		headers = append(headers, header{"X-Amz-Log-Result", *out.LogResult})
	}
	headers = append(headers,
		header{"x-amzn-Remapped-Content-Length", "0"},
		header{"Connection", "keep-alive"},
		header{"x-amzn-RequestId", requestID},
		header{"Content-Length", strconv.Itoa(len(out.Payload))},
		header{"Date", s.clock.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")},
		header{"X-Amzn-Trace-Id", fmt.Sprintf("Root=1-%08x-%x;Sampled=0", s.clock.Now().Unix(), trace[:12])},
		header{"Content-Type", "application/json"},
	)

	var b bytes.Buffer
	b.WriteByte('{')
	if out.ExecutedVersion != nil {
		fmt.Fprintf(&b, `"ExecutedVersion":%s,`, quoted(*out.ExecutedVersion))
	}
	if out.LogResult != nil {
		fmt.Fprintf(&b, `"LogResult":%s,`, quoted(*out.LogResult))
	}
	b.WriteString(`"Payload":`)
	if len(out.Payload) == 0 {
		b.WriteString(`""`) // of an asynchronous invocation
	} else {
		b.Write(compact(asJSON(out.Payload)))
	}
	b.WriteString(`,"SdkHttpMetadata":{"AllHttpHeaders":{`)
	for i, h := range headers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s:[%s]`, quoted(h.name), quoted(h.value))
	}
	b.WriteString(`},"HttpHeaders":{`)
	for i, h := range headers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s:%s`, quoted(h.name), quoted(h.value))
	}
	fmt.Fprintf(&b, `},"HttpStatusCode":%d},"SdkResponseMetadata":{"RequestId":%s},"StatusCode":%d}`, status, quoted(requestID), status)
	return b.Bytes()
}

// quoted writes a JSON string.
func quoted(s string) string {
	b, err := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil { // a string is always encodable
		panic(err)
	}
	return string(b)
}

// compact removes the white space between the tokens of a JSON text; what is no JSON stays as it is.
func compact(text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return text
	}
	return b.Bytes()
}
