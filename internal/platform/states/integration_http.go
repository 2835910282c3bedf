package states

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// httpArguments are the parameters of arn:aws:states:::http:invoke. Authentication is that of an EventBridge connection
// on AWS; here only endpoints of this machine are called, and they need none.
// https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
type httpArguments struct {
	ApiEndpoint     *string
	Method          *string
	Headers         map[string]any
	QueryParameters map[string]any
	RequestBody     json.RawMessage
	Transform       struct {
		RequestBodyEncoding    string // NONE or URL_ENCODED
		RequestEncodingOptions struct{ ArrayFormat string }
	}
}

// httpTimeout is AWS's limit for the answer of an HTTP task.
const httpTimeout = 60 * time.Second

// errForeign refuses endpoints of other machines.
var errForeign = errors.New("http:invoke calls endpoints on loopback addresses only on this platform")

// invokeHTTP calls an HTTP endpoint of this machine.
func invokeHTTP(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	var a httpArguments
	if err := json.Unmarshal(task.Input, &a); err != nil {
		return nil, badParameters(task, err.Error())
	}
	if a.ApiEndpoint == nil {
		return nil, badParameters(task, "The field 'ApiEndpoint' is required but was missing")
	}
	if a.Method == nil {
		return nil, badParameters(task, "The field 'Method' is required but was missing")
	}
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	req, err := httpRequest(ctx, &a, s.region)
	if err != nil {
		return nil, &taskFailure{"States.Runtime", err.Error()}
	}
	s.traceRequest(ctx, req.Header)
	exchange := &httpExchange{request: req}
	if task.Exchange != nil {
		defer func() { task.Exchange(exchange) }()
	}
	answer, err := s.http.Do(req)
	switch {
	case errors.Is(err, errForeign):
		return nil, &taskFailure{"States.Runtime", fmt.Sprintf("%s is not called: %s", *a.ApiEndpoint, errForeign)}
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &taskFailure{"States.Http.Socket", "The HTTP endpoint did not answer in time: " + *a.ApiEndpoint}
	case err != nil:
		return nil, &taskFailure{"States.Http.Socket", err.Error()}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxResult+1))
	if err != nil {
		return nil, &taskFailure{"States.Http.Socket", err.Error()}
	}
	exchange.response, exchange.body = answer, body
	out := encode(struct {
		Headers      http.Header
		ResponseBody json.RawMessage
		StatusCode   int
		StatusText   string
	}{answer.Header, responseBody(answer.Header, body), answer.StatusCode, http.StatusText(answer.StatusCode)})
	if answer.StatusCode >= 300 {
		return nil, &taskFailure{fmt.Sprintf("States.Http.StatusCode.%d", answer.StatusCode), string(body)}
	}
	return out, nil
}

// httpExchange is a request, and its answer where one has come.
type httpExchange struct {
	request  *http.Request
	response *http.Response
	body     []byte
}

// shown is the exchange as TestState shows it.
func (e *httpExchange) shown() (*types.InspectionDataRequest, *types.InspectionDataResponse) {
	r := e.request
	request := &types.InspectionDataRequest{
		Protocol: &r.URL.Scheme, Method: &r.Method, Url: given(r.URL.String()), Headers: given(headersText(r.Header)),
	}
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(body) // it is in memory
			request.Body = given(string(text))
		}
	}
	if e.response == nil {
		return request, nil
	}
	return request, &types.InspectionDataResponse{
		Protocol: &r.URL.Scheme, StatusCode: given(strconv.Itoa(e.response.StatusCode)), StatusMessage: given(http.StatusText(e.response.StatusCode)),
		Headers: given(headersText(e.response.Header)), Body: given(strings.ToValidUTF8(string(e.body), "\uFFFD")),
	}
}

// headersText writes headers as AWS shows them: [name: value, name: value].
func headersText(h http.Header) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			all = append(all, strings.ToLower(name)+": "+value)
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func httpRequest(ctx context.Context, a *httpArguments, region string) (*http.Request, error) {
	u, err := url.Parse(*a.ApiEndpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the ApiEndpoint %q is no HTTP URL", *a.ApiEndpoint)
	}
	q := u.Query()
	for k, v := range a.QueryParameters {
		for _, one := range listOf(v) {
			q.Add(k, one)
		}
	}
	u.RawQuery = q.Encode()
	var body io.Reader
	kind := "application/json"
	if len(a.RequestBody) > 0 && string(a.RequestBody) != "null" {
		text := []byte(a.RequestBody)
		var plain string
		if json.Unmarshal(a.RequestBody, &plain) == nil {
			text = []byte(plain)
		}
		if a.Transform.RequestBodyEncoding == "URL_ENCODED" {
			if text, err = formOf(a.RequestBody); err != nil {
				return nil, err
			}
			kind = "application/x-www-form-urlencoded"
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, *a.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Amazon|StepFunctions|HttpInvoke|"+region)
	req.Header.Set("Range", fmt.Sprintf("bytes=0-%d", maxResult))
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	for k, v := range a.Headers {
		req.Header.Del(k)
		for _, one := range listOf(v) {
			req.Header.Add(k, one)
		}
	}
	return req, nil
}

// listOf gives one text for a scalar, and one for each item of a list.
func listOf(v any) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, listOf(one)...)
		}
		return all
	case string:
		return []string{v}
	case nil:
		return []string{""}
	}
	return []string{string(encode(v))}
}

// formOf writes an object's members as a form; nested members are named with brackets.
func formOf(body json.RawMessage) ([]byte, error) {
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, errors.New("a URL_ENCODED RequestBody must be a JSON object")
	}
	form := url.Values{}
	var add func(name string, v any)
	add = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				add(name+"["+k+"]", inner)
			}
		case []any:
			for _, one := range v {
				add(name, one)
			}
		default:
			for _, one := range listOf(v) {
				form.Add(name, one)
			}
		}
	}
	for k, v := range members {
		add(k, v)
	}
	return []byte(form.Encode()), nil
}

// responseBody gives JSON as it is, text as a string, and the rest in base64.
func responseBody(h http.Header, body []byte) json.RawMessage {
	if strings.Contains(h.Get("Content-Type"), "json") && json.Valid(body) {
		return body
	}
	if utf8.Valid(body) {
		return encode(string(body))
	}
	return encode(base64.StdEncoding.EncodeToString(body))
}

// loopbackClient calls this machine only: every address is checked after its name was resolved, so neither a name nor a
// redirect leads elsewhere.
func loopbackClient() *http.Client {
	dialer := &net.Dialer{Timeout: httpTimeout}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 16, IdleConnTimeout: httpTimeout,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				addresses, err := net.DefaultResolver.LookupIPAddr(ctx, host)
				if err != nil {
					return nil, err
				}
				for _, a := range addresses {
					if a.IP.IsLoopback() {
						return dialer.DialContext(ctx, network, net.JoinHostPort(a.IP.String(), port))
					}
				}
				return nil, errForeign
			},
		},
	}
}
