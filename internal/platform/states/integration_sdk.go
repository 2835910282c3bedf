package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// The AWS SDK integrations, arn:aws:states:::aws-sdk:service:action: any operation that the platform serves, with its
// parameters and its answer in PascalCase.
// https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html

// sdkPrefix stands before the service in a resource.
const sdkPrefix = "aws-sdk:"

// sdkNames are the services' names in errors, those of the SDK's clients, where they are not the name in the resource with
// a capital first letter.
var sdkNames = map[string]string{
	"apigateway": "ApiGateway", "apigatewayv2": "ApiGatewayV2", "cloudformation": "CloudFormation", "cloudwatch": "CloudWatch",
	"cloudwatchlogs": "CloudWatchLogs", "codedeploy": "CodeDeploy", "dynamodb": "DynamoDb", "eventbridge": "EventBridge",
}

func sdkName(service string) string {
	if n, ok := sdkNames[service]; ok {
		return n
	}
	return strings.ToUpper(service[:1]) + service[1:]
}

// sdkIntegration finds the integration of "service:action"; ok is false when the platform does not serve it.
func (s *Service) sdkIntegration(name string) (i integration, ok bool) {
	service, action, found := strings.Cut(name, ":")
	if !found {
		return integration{}, false
	}
	call := s.sdk
	switch {
	case service == "lambda" && action == "invoke":
		return integration{name: "lambda", perform: invokeLambdaSDK}, true
	case service == "sfn":
		call = s.self
	}
	if call == nil || !call.Serves(service, action) {
		return integration{}, false
	}
	return integration{name: service, perform: func(ctx context.Context, _ *Service, task *taskCall) (json.RawMessage, *taskFailure) {
		out, err := call.Call(ctx, service, action, task.Input)
		if err != nil {
			return nil, s.sdkFailed(ctx, sdkName(service), err)
		}
		return out, nil
	}}, true
}

// ownCaller calls the service's own operations.
func (s *Service) ownCaller() SDKCaller {
	return awsproto.NewDirect(map[string]*awsproto.Service{"sfn": s.API()})
}

// apiError takes an error apart; ok is false when it is none of a service's.
func apiError(err error) (code, message string, status int, ok bool) {
	var api smithy.APIError
	var plain interface {
		ErrorCode() string
		ErrorMessage() string
	}
	status = 400
	switch {
	case errors.As(err, &api):
		code, message = api.ErrorCode(), api.ErrorMessage()
		if api.ErrorFault() == smithy.FaultServer {
			status = 500
		}
	case errors.As(err, &plain):
		code, message = plain.ErrorCode(), plain.ErrorMessage()
	default:
		return "", err.Error(), 0, false
	}
	if n, known := lambdaStatuses[code]; known {
		status = n
	}
	return code, message, status, true
}

// exceptionName is the name of the SDK's class for an error code.
func exceptionName(code string) string {
	if strings.HasSuffix(code, "Exception") {
		return code
	}
	return code + "Exception"
}

// sdkFailed puts a service's error into the words of the SDK that Step Functions calls it with.
func (s *Service) sdkFailed(ctx context.Context, service string, err error) *taskFailure {
	code, message, status, ok := apiError(err)
	if !ok {
		if ctx.Err() == nil {
			s.log.Error("an SDK integration failed", "service", service, "error", err)
		}
		return &taskFailure{service + ".SdkClientException", message}
	}
	return &taskFailure{
		service + "." + exceptionName(code),
		fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s)", message, service, status, uuid.NewString()),
	}
}

// invokeLambdaSDK calls Lambda's Invoke as the SDK does: what a function raises is an answer, not a failure.
func invokeLambdaSDK(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	var a lambdaArguments
	if err := json.Unmarshal(task.Input, &a); err != nil || a.FunctionName == nil {
		return nil, badParameters(task, "The field 'FunctionName' is required but was missing")
	}
	in := &lambda.InvokeInput{FunctionName: a.FunctionName, Qualifier: a.Qualifier, ClientContext: a.ClientContext, Payload: requestBody(a.Payload)}
	in.InvocationType, in.LogType = types.InvocationType(text(a.InvocationType)), types.LogType(text(a.LogType))
	out, err := s.invoker.Invoke(ctx, in)
	if err != nil {
		return nil, s.sdkFailed(ctx, "Lambda", err)
	}
	return encode(struct {
		ExecutedVersion *string `json:",omitempty"`
		FunctionError   *string `json:",omitempty"`
		LogResult       *string `json:",omitempty"`
		Payload         string
		StatusCode      int32
	}{out.ExecutedVersion, out.FunctionError, out.LogResult, strings.ToValidUTF8(string(out.Payload), "\uFFFD"), out.StatusCode}), nil
}

// badParameters is AWS's error for parameters with which a task cannot start.
func badParameters(task *taskCall, why string) *taskFailure {
	return &taskFailure{"States.Runtime", fmt.Sprintf("The Parameters '%s' could not be used to start the Task: [%s]", task.Input, why)}
}
