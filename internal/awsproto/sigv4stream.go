package awsproto

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/fault"
)

// contentHash is what the request says of its payload: a SHA-256 in hexadecimal, UNSIGNED-PAYLOAD, or how its chunks
// are signed. Presigned URLs may carry it in the query, and mean UNSIGNED-PAYLOAD when they do not.
func (q *request) contentHash() string {
	given := q.r.Header.Get("X-Amz-Content-Sha256")
	if given == "" && q.scope.presigned {
		if given = q.r.URL.Query().Get("X-Amz-Content-Sha256"); given == "" {
			given = "UNSIGNED-PAYLOAD"
		}
	}
	return given
}

// verifyStream checks the signature of a request whose body is read later: the signature covers the hash that the
// request declares, and the body is held to that hash as it is read.
func (q *request) verifyStream(secret string, at time.Time) error {
	declared := q.contentHash()
	switch {
	case declared == "":
		return fault.New("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	case declared == "UNSIGNED-PAYLOAD", strings.HasPrefix(declared, "STREAMING-"), isHexHash(declared):
	default:
		return fault.New("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "+
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
	}
	want, err := q.resign(secret, declared, at)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(q.scope.signature)) != 1 {
		return notMatching()
	}
	if strings.HasPrefix(declared, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
		q.chunks = newChunkSigner(secret, q.scope, at)
	}
	return nil
}

func signatureMismatch() error {
	return &fault.Error{
		Code: "SignatureDoesNotMatch", Status: http.StatusForbidden,
		Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	}
}

// signatureError gives a refused signature the codes of REST-XML services; other protocols' are what they are.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (q *request) signatureError(err error) error {
	var f *fault.Error
	if q.proto != RESTXML || !errors.As(err, &f) {
		return err
	}
	forbidden := func(code, message string) error {
		return &fault.Error{Code: code, Message: message, Status: http.StatusForbidden}
	}
	switch f.Code {
	case "InvalidSignatureException":
		switch {
		case strings.HasPrefix(f.Message, "Signature expired") && q.scope.presigned:
			return forbidden("AccessDenied", "Request has expired")
		case strings.HasPrefix(f.Message, "Signature expired"), strings.HasPrefix(f.Message, "Signature not yet"):
			return forbidden("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
		}
		return signatureMismatch()
	case "UnrecognizedClientException":
		return forbidden("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case "MissingAuthenticationTokenException":
		return forbidden("AccessDenied", "Access Denied")
	case "IncompleteSignatureException":
		return fault.New("AuthorizationHeaderMalformed", f.Message)
	}
	return err
}
