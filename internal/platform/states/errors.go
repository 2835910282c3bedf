package states

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// The errors of Step Functions, in AWS's words as its answers show them.

func sentence(format string, args ...any) *string {
	s := fmt.Sprintf(format, args...)
	return &s
}

func invalidArn(format string, args ...any) error {
	return &types.InvalidArn{Message: sentence("Invalid Arn: '"+format+"'", args...)}
}

func invalidName(name string) error {
	return &types.InvalidName{Message: sentence("Invalid Name: '%s'", name)}
}

func machineMissing(arn string) error {
	return &types.StateMachineDoesNotExist{Message: sentence("State Machine Does Not Exist: '%s'", arn)}
}

func machineDeleting(arn string) error {
	return &types.StateMachineDeleting{Message: sentence("State Machine is deleting: '%s'", arn)}
}

func executionMissing(arn string) error {
	return &types.ExecutionDoesNotExist{Message: sentence("Execution Does Not Exist: '%s'", arn)}
}

func executionExists(arn string) error {
	return &types.ExecutionAlreadyExists{Message: sentence("Execution Already Exists: '%s'", arn)}
}

func resourceMissing(arn string) error {
	return &types.ResourceNotFound{Message: sentence("Resource not found: '%s'", arn), ResourceName: &arn}
}

func typeNotSupported() error {
	return &types.StateMachineTypeNotSupported{Message: sentence("This operation is not supported by this type of state machine")}
}

func invalid(format string, args ...any) error {
	return &types.ValidationException{Message: sentence(format, args...)}
}

func conflict(format string, args ...any) error {
	return &types.ConflictException{Message: sentence(format, args...)}
}

func invalidToken() error {
	return &types.InvalidToken{Message: sentence("Invalid Token: 'Invalid token'")}
}

// failure is what a caller learns when the store fails; the cause goes to the log of the endpoint.
func failure(doing string, err error) error {
	return fmt.Errorf("states: %s: %w", doing, err)
}

// unavailable refuses a request because the service is closing.
func unavailable() error {
	return &fault.Error{Code: "ServiceUnavailable", Message: "The platform is stopping. Try again when it has started.", Status: 503, Server: true}
}
