package cli

import (
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// lacking turns the page that an emulator's web framework answers with when it has no code for an operation, or no route to
// it (moto's server does, with 500 and 404), into what it means, so that the SDK does not try again and Teal can name what is
// not there. No protocol of AWS's answers with a page. It stands before endpoints of one's own only.
type lacking struct{ next aws.HTTPClient }

const lackingAnswer = `{"__type":"NotImplementedException","message":"the endpoint has no code for this operation: it answered with a page of HTML"}`

// Do sends a request.
func (l lacking) Do(r *http.Request) (*http.Response, error) {
	resp, err := l.next.Do(r)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return resp, err
	}
	switch resp.StatusCode {
	case http.StatusInternalServerError, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return resp, nil
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	resp.StatusCode, resp.Status = http.StatusNotImplemented, "501 Not Implemented"
	resp.Header.Set("Content-Type", "application/json")
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(lackingAnswer)), int64(len(lackingAnswer))
	return resp, nil
}
