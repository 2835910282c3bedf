package apigateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// testStage is the stage that a function and its policy see when a method is tested, as on AWS.
const testStage = "test-invoke-stage"

// TestInvokeMethod calls a method as the API has it now, deployed or not, past authorizers, signatures, keys and throttling. It fails with
// NotFoundException or BadRequestException; a backend that fails is an answer.
func (s *Service) TestInvokeMethod(ctx context.Context, in *apigateway.TestInvokeMethodInput) (*apigateway.TestInvokeMethodOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.HttpMethod)
	if _, err := a.method(in.ResourceId, in.HttpMethod); err != nil {
		return nil, err
	}
	switch {
	case in.ClientCertificateId != nil:
		return nil, unsupported("clientCertificateId")
	case checkVariables(in.StageVariables) != nil:
		return nil, checkVariables(in.StageVariables)
	}
	target := aws.ToString(in.PathWithQueryString)
	if target == "" {
		target = *a.Resources[*in.ResourceId].Path
	}
	to, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(target, "/") {
		return nil, badRequest("Invalid pathWithQueryString %q", target)
	}
	x := &exchange{Request: executeapi.Request{Account: s.cfg.Account, At: s.cfg.Clock.Now().UTC(), RequestID: awsproto.NewRequestID(), APIID: *in.RestApiId}, s: s}
	x.extended = executeapi.NewRequestID()
	if err := x.prepareTest(a, in, to); err != nil {
		return nil, err
	}
	if name == "ANY" {
		name = http.MethodGet
	}
	x.R = (&http.Request{
		Method: name, URL: to, Host: x.Domain, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header), RemoteAddr: "127.0.0.1:0", Body: http.NoBody,
	}).WithContext(ctx)
	for k, v := range in.Headers {
		x.R.Header.Set(k, v)
	}
	for k, list := range in.MultiValueHeaders {
		x.R.Header.Del(k)
		for _, v := range list {
			x.R.Header.Add(k, v)
		}
	}
	x.Body = []byte(aws.ToString(in.Body))
	if len(x.Body) > executeapi.MaxPayload {
		return nil, badRequest("The body is larger than %d bytes", executeapi.MaxPayload)
	}
	begin, w := time.Now(), httptest.NewRecorder()
	x.W = w
	status := x.perform()
	out := &apigateway.TestInvokeMethodOutput{
		Status: int32(status), Body: aws.String(w.Body.String()), Latency: time.Since(begin).Milliseconds(),
		Headers: make(map[string]string), MultiValueHeaders: make(map[string][]string), Log: aws.String(x.testLog(status, time.Since(begin))),
	}
	for k, v := range w.Header() {
		out.Headers[k], out.MultiValueHeaders[k] = v[len(v)-1], v
	}
	return out, nil
}

// prepareTest compiles the method as it is now, without what a test goes past, and finds it by its path.
func (x *exchange) prepareTest(a *api, in *apigateway.TestInvokeMethodInput, to *url.URL) error {
	now := &api{document: a.document, deployments: map[string]*deployment{"": {
		API: x.APIID, Deployment: types.Deployment{Id: aws.String("")}, Configuration: a.configuration,
	}}}
	x.stage = &stage{name: testStage, buckets: make(executeapi.Buckets), decisions: make(map[string]*keptDecisions)}
	var err error
	x.side, err = x.s.compileSide(now, types.Stage{StageName: aws.String(testStage)}, x.stage, &stage{}, aws.String(""), maps.Clone(in.StageVariables))
	if err != nil {
		return fmt.Errorf("apigateway: REST API %s: %w", x.APIID, err)
	}
	x.stage.base = x.side
	var ok bool
	if x.Segments, ok = executeapi.SplitPath(nil, to.EscapedPath(), to.RawPath != ""); !ok {
		return badRequest("Invalid pathWithQueryString %q", to)
	}
	if n := len(x.Segments); n > 0 && x.Segments[n-1] == "" {
		x.Segments = x.Segments[:n-1]
	}
	if x.method, x.Values = x.side.root.match(*in.HttpMethod, x.Segments, nil); x.method == nil || x.method.resource != *in.ResourceId {
		return badRequest("The path %s is not one of the resource %s", to.Path, *a.Resources[*in.ResourceId].Path)
	}
	x.path, x.RawPath = to.Path, "/"+testStage+to.Path
	host, port := executeapi.SplitHost(x.s.endpoint)
	x.Domain, x.Port = x.APIID+executeapi.Infix+host, port
	return nil
}

// testLog is what AWS's log of a test says, as far as it is known here.
func (x *exchange) testLog(status int, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Execution log for request %s\n", x.RequestID)
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, "%s : %s\n", x.At.Format("Mon Jan 02 15:04:05 UTC 2006"), fmt.Sprintf(format, args...))
	}
	line("Starting execution for request: %s", x.RequestID)
	line("HTTP Method: %s, Resource Path: %s", x.R.Method, x.method.path)
	line("Method request query string: %s", x.R.URL.RawQuery)
	line("Method request body before transformations: %s", x.Body)
	if x.Waited > 0 {
		line("Integration latency: %d ms", x.Waited.Milliseconds())
	}
	line("Method completed with status: %d", status)
	line("Latency: %d ms", took.Milliseconds())
	return b.String()
}
