package s3

import (
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// Codes and sentences are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.

// statuses are the HTTP statuses of the exceptions that the SDK models.
var statuses = map[string]int{
	"NoSuchBucket":            http.StatusNotFound,
	"NoSuchKey":               http.StatusNotFound,
	"NoSuchUpload":            http.StatusNotFound,
	"NotFound":                http.StatusNotFound,
	"BucketAlreadyOwnedByYou": http.StatusConflict,
}

func noSuchBucket() error {
	return &types.NoSuchBucket{Message: aws.String("The specified bucket does not exist")}
}

func noSuchKey() error {
	return &types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
}

func noSuchUpload() error {
	return &types.NoSuchUpload{Message: aws.String("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")}
}

// notFound is how HEAD requests, whose answers have no body, say that a bucket or key is missing.
func notFound() error { return &types.NotFound{Message: aws.String("Not Found")} }

func invalidArgument(message, name, value string) error {
	return &fault.Error{Code: "InvalidArgument", Message: message, Members: map[string]any{"ArgumentName": name, "ArgumentValue": value}}
}

func accessDenied() error {
	return &fault.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Access Denied"}
}

func invalidRequest(message string) error { return fault.New("InvalidRequest", message) }

// notImplemented refuses by name what a request asks for.
func notImplemented(what string) error {
	return &fault.Error{
		Code: "NotImplemented", Status: http.StatusNotImplemented,
		Message: "A header or parameter that you provided implies functionality that is not implemented by this endpoint: " + what,
	}
}

func preconditionFailed(condition string) error {
	return &fault.Error{
		Code: "PreconditionFailed", Status: http.StatusPreconditionFailed,
		Message: "At least one of the pre-conditions you specified did not hold", Members: map[string]any{"Condition": condition},
	}
}

func notModified() error {
	return &fault.Error{Code: "NotModified", Status: http.StatusNotModified, Message: "Not Modified"}
}

func invalidRange(given string, size int64) error {
	return &fault.Error{
		Code: "InvalidRange", Status: http.StatusRequestedRangeNotSatisfiable,
		Message: "The requested range is not satisfiable", Members: map[string]any{"RangeRequested": given, "ActualObjectSize": size},
	}
}

func entityTooLarge(size int64) error {
	return &fault.Error{
		Code: "EntityTooLarge", Message: "Your proposed upload exceeds the maximum allowed size",
		Members: map[string]any{"ProposedSize": size, "MaxSizeAllowed": int64(maxPut)},
	}
}

func incompleteBody(want, got int64) error {
	return fault.New("IncompleteBody", fmt.Sprintf(
		"You did not provide the number of bytes specified by the Content-Length HTTP header: %d of %d", got, want))
}

func invalidPart(number int32) error {
	return &fault.Error{
		Code: "InvalidPart", Members: map[string]any{"PartNumber": number},
		Message: "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
	}
}
