package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// codePath is where deployment packages are served, by the SHA-256 of their zip. Knowing it is the permission, as with
// the presigned links that AWS gives.
const codePath = "/_teal/lambda/code/"

// ownLength is the size up to which both HTTP servers find out an answer's length by themselves, in bytes.
const ownLength = 2 << 10

// jsonType is shared by all answers, and never changed.
var jsonType = []string{"application/json"}

// serveInvoke is Invoke over HTTP, by hand: the payload is neither decoded nor copied.
func (s *Service) serveInvoke(api *awsproto.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		inv, o, err := s.invokeHTTP(w, r)
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		h := w.Header()
		if o.executed != "" {
			inv.executed[0] = o.executed
			h["X-Amz-Executed-Version"] = inv.executed[:]
		}
		if o.result.FunctionError != "" {
			h["X-Amz-Function-Error"] = []string{o.result.FunctionError}
		}
		if inv.tail && len(o.result.LogTail) > 0 {
			h["X-Amz-Log-Result"] = []string{base64.StdEncoding.EncodeToString(o.result.LogTail)}
		}
		h["Content-Type"] = jsonType
		if n := len(o.result.Payload); n > ownLength && o.status != http.StatusNoContent {
			h["Content-Length"] = []string{strconv.Itoa(n)}
		}
		w.WriteHeader(o.status)
		if len(o.result.Payload) > 0 {
			_, _ = w.Write(o.result.Payload) // a caller that has gone is no error of ours
		}
	}
}

func (s *Service) invokeHTTP(w http.ResponseWriter, r *http.Request) (inv *invocation, o outcome, err error) {
	if inv, err = s.readInvocation(w, r); err != nil {
		return nil, o, err
	}
	// As on AWS, a function runs to its end though the caller has gone.
	ctx := r.Context()
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	o, err = s.invoke(ctx, inv)
	return inv, o, err
}

// readInvocation reads the request of Invoke or InvokeWithResponseStream.
func (s *Service) readInvocation(w http.ResponseWriter, r *http.Request) (inv *invocation, err error) {
	h := r.Header
	logs := awsproto.Header(h, "X-Amz-Log-Type")
	inv = &invocation{
		kind: sdktypes.InvocationType(awsproto.Header(h, "X-Amz-Invocation-Type")), requestID: awsproto.Header(w.Header(), "X-Amzn-Requestid"),
		traceID: awsproto.Header(h, "X-Amzn-Trace-Id"), clientContext: awsproto.Header(h, "X-Amz-Client-Context"), tail: logs == "Tail",
	}
	if inv.requestID == "" {
		inv.requestID = awsproto.NewRequestID()
	}
	function := awsproto.CallOf(r.Context()).Label("FunctionName")
	var qualifier *string
	if v, ok := queryValue(r.URL.RawQuery, "Qualifier"); ok {
		qualifier = &v
	}
	if inv.ref, err = s.parse(longName, &function, qualifier, constrainInvoke(string(inv.kind), logs)); err != nil {
		return nil, err
	}
	switch {
	case awsproto.Header(h, "X-Amz-Durable-Execution-Name") != "":
		return nil, unsupported("DurableExecutionName", "there are no durable functions")
	case awsproto.Header(h, "X-Amz-Tenant-Id") != "":
		return nil, unsupported("TenantId", "environments are not isolated by tenant")
	}
	inv.payload, err = readPayload(r)
	return inv, err
}

// queryValue is the first value of a parameter. The usual query, that parameter alone with nothing encoded, is not parsed.
func queryValue(query, name string) (string, bool) {
	if query == "" {
		return "", false
	}
	if v, ok := strings.CutPrefix(query, name); ok && strings.HasPrefix(v, "=") && !strings.ContainsAny(v, "&%+;") {
		return v[1:], true
	}
	q, _ := url.ParseQuery(query) // what could be read of it counts, as with URL.Query
	return q.Get(name), q.Has(name)
}

// readPayload reads no more of the body than tells that it is too large.
func readPayload(r *http.Request) ([]byte, error) {
	if whole, ok := r.Body.(interface{ Bytes() []byte }); ok && r.ContentLength <= maxRequest { // it is here already
		return whole.Bytes(), nil
	}
	if n := r.ContentLength; n >= 0 && n <= maxRequest {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, badBody(err)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	return body, badBody(err)
}

func badBody(err error) error {
	if err == nil {
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge("Request must be smaller than %d bytes for the InvokeFunction operation", maxRequest)
	}
	return &sdktypes.InvalidRequestContentException{Message: aws.String("The request body could not be read: " + err.Error()), Type: aws.String(userFault)}
}

// codeLocation is where GetFunction says that the package is: at the address under which the caller has reached the
// platform, or, for a caller in this process, in the file system.
func (s *Service) codeLocation(ctx context.Context, sha string) string {
	if host := awsproto.CallOf(ctx).Host; host != "" {
		return "http://" + host + codePath + sha
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(s.codes.zip(sha))}).String()
}

// serveCode answers with a deployment package as it was uploaded.
func (s *Service) serveCode(api *awsproto.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sha := awsproto.CallOf(r.Context()).Label("CodeSha256")
		if !isSHA256(sha) {
			api.WriteError(w, r, notFound("There is no deployment package %q.", sha))
			return
		}
		f, err := os.Open(s.codes.zip(sha))
		if err != nil {
			api.WriteError(w, r, notFound("There is no deployment package %q.", sha))
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/zip")
		http.ServeContent(w, r, sha+".zip", info.ModTime(), f)
	}
}
