package target

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tealdeploy/teal/internal/release"
)

// UnsupportedError says that an endpoint does not have an operation that a release needs.
type UnsupportedError struct {
	Operation string // such as lambda:AddPermission
	Endpoint  string
	Err       error // the endpoint's own answer
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s does not support %s; use an endpoint that does, or leave out what needs it (%s)", e.Endpoint, e.Operation, message(e.Err))
}

// Unwrap gives the endpoint's own answer.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// Is makes it a release.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == release.ErrUnsupported }

// refusal is a release.ErrRefused: what it says is in the way of a release.
type refusal struct{ why string }

func (e *refusal) Error() string { return e.why }

// Is makes it a release.ErrRefused.
func (e *refusal) Is(target error) bool { return target == release.ErrRefused }

// code gives the AWS error code of err, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// message gives AWS's own sentence of err, or all of err.
func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return api.ErrorMessage()
	}
	return err.Error()
}

// is reports whether err has one of the AWS error codes.
func is(err error, codes ...string) bool {
	c := code(err)
	for _, one := range codes {
		if c == one {
			return true
		}
	}
	return false
}

// unsupported reports whether an endpoint answered that it does not know the operation.
func unsupported(err error) bool {
	if is(err, "UnknownOperationException", "UnknownOperation", "NotImplemented", "NotImplementedException", "InvalidAction",
		"UnsupportedOperation", "UnsupportedOperationException", "InternalFailure.NotImplemented") {
		return true
	}
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotImplemented
}

// failed says what did not work, names the operation, and what to do where that is known.
func (t *Target) failed(doing, operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case unsupported(err):
		return &UnsupportedError{Operation: operation, Endpoint: t.endpoint, Err: err}
	case is(err, "AccessDeniedException", "AccessDenied", "UnauthorizedOperation"):
		return fmt.Errorf("%s: access denied; allow %s to the caller: %w", doing, operation, err)
	case is(err, "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException"):
		return fmt.Errorf("%s: the credentials are not accepted; renew them, such as with aws sso login: %w", doing, err)
	case is(err, "CodeStorageExceededException"):
		return fmt.Errorf("%s: the region's code storage is full; delete versions that nothing uses: %w", doing, err)
	case is(err, "TooManyRequestsException", "ThrottlingException", "Throttling"):
		return fmt.Errorf("%s: throttled, also when tried again; repeat later or with less at once: %w", doing, err)
	case is(err, "InvalidParameterValueException") && strings.Contains(err.Error(), "cannot be assumed by Lambda"):
		return fmt.Errorf("%s: the role must trust lambda.amazonaws.com, and a new role needs some seconds: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
