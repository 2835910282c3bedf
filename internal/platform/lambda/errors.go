package lambda

import (
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// AWS marks the errors that the caller is to blame for, and that the service itself (not its front end) found.
const userFault = "User"

func notFound(format string, args ...any) error {
	return &types.ResourceNotFoundException{Message: aws.String(fmt.Sprintf(format, args...)), Type: aws.String(userFault)}
}

func invalid(format string, args ...any) error {
	return &types.InvalidParameterValueException{Message: aws.String(fmt.Sprintf(format, args...)), Type: aws.String(userFault)}
}

func conflict(format string, args ...any) error {
	return &types.ResourceConflictException{Message: aws.String(fmt.Sprintf(format, args...)), Type: aws.String(userFault)}
}

// revisionMismatch tells the caller by which operation the current revision is found.
func revisionMismatch(operation string) error {
	return &types.PreconditionFailedException{
		Message: aws.String("The Revision Id provided does not match the latest Revision Id. Call the " + operation + " API to retrieve the latest Revision Id"),
		Type:    aws.String(userFault),
	}
}

// tooLarge is what AWS answers under a code that its model does not have.
func tooLarge(format string, args ...any) error {
	return &types.RequestTooLargeException{
		Message:           aws.String(fmt.Sprintf(format, args...)),
		ErrorCodeOverride: aws.String("RequestEntityTooLargeException"),
		Type:              aws.String(userFault),
	}
}

func throttled(reason types.ThrottleReason) error {
	return &types.TooManyRequestsException{Message: aws.String("Rate Exceeded."), Reason: reason, Type: aws.String(userFault)}
}

func serviceError(format string, args ...any) error {
	return &types.ServiceException{Message: aws.String(fmt.Sprintf(format, args...)), Type: aws.String("Service")}
}

// unsupported refuses a member by name, for what this platform does not have.
func unsupported(member, why string) error {
	return invalid("%s is not supported by this platform: %s", member, why)
}

func accessDenied(message string) error {
	return &fault.Error{Code: "AccessDeniedException", Message: message, Status: http.StatusForbidden}
}
