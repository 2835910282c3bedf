package sqs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// invalidValue is the error for a parameter that SQS refuses; the SDK has no type for it.
func invalidValue(format string, args ...any) error {
	return fault.New("InvalidParameterValue", fmt.Sprintf(format, args...))
}

func invalidParameter(name string, value any, reason string) error {
	return invalidValue("Value %v for parameter %s is invalid. Reason: %s", value, name, reason)
}

func missing(parameter string) error {
	return fault.New("MissingParameter", fmt.Sprintf("The request must contain the parameter %s.", parameter))
}

func invalidAttribute(name string) error {
	return &types.InvalidAttributeValue{Message: aws.String("Invalid value for the parameter " + name + ".")}
}

func noQueue() error {
	return &types.QueueDoesNotExist{Message: aws.String("The specified queue does not exist.")}
}

func unsupported(format string, args ...any) error {
	return &types.UnsupportedOperation{Message: aws.String(fmt.Sprintf(format, args...))}
}

func badReceipt(handle string) error {
	return &types.ReceiptHandleIsInvalid{Message: aws.String(fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle))}
}
