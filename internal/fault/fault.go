// Package fault holds errors in AWS's shape, for what AWS answers without a modelled exception type (validation of the
// front end, throttling by the front end, unknown operations). Where aws-sdk-go-v2 models the exception, its own type is used.
package fault

// Error is an error as AWS puts it on the wire. It implements smithy.APIError's code and message part.
type Error struct {
	Code    string         // the exception's name, such as ValidationException
	Message string         // AWS's sentence
	Status  int            // HTTP status; 0 means 400, or 500 when Server is set
	Server  bool           // the service is at fault, not the caller
	Members map[string]any // further members of the error document, such as "Type": "User"; nil for none
}

// New makes a client error with status 400.
func New(code, message string) *Error { return &Error{Code: code, Message: message} }

// Validation makes the ValidationException with which AWS's front ends refuse a malformed request.
func Validation(message string) *Error { return New("ValidationException", message) }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrorCode returns the exception's name.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage returns AWS's sentence.
func (e *Error) ErrorMessage() string { return e.Message }

// HTTPStatus returns the status that the error travels with.
func (e *Error) HTTPStatus() int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.Server:
		return 500
	}
	return 400
}
