package apigateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// mockBackend is MOCK: the request template gives {"statusCode": 200}, by which the response is chosen.
type mockBackend struct{ transform *transform }

func (b *mockBackend) serve(x *exchange) int {
	body, status := b.transform.request(x)
	if status != 0 {
		return status
	}
	var said struct{ StatusCode json.Number }
	if json.Unmarshal(body, &said) != nil || said.StatusCode == "" {
		if len(b.transform.templates) > 0 {
			return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
		}
		said.StatusCode = "200"
	}
	return b.transform.respond(x, received{selector: said.StatusCode.String(), header: http.Header{}})
}

// lambdaBackend is AWS with a Lambda function: the event is what the request template makes.
type lambdaBackend struct {
	s         *Service
	function  executeapi.Function
	transform *transform
}

func (b *lambdaBackend) serve(x *exchange) int {
	payload, status := b.transform.request(x)
	if status != 0 {
		return status
	}
	out, status := x.invoke(&b.function, payload)
	if status != 0 {
		return status
	}
	r := received{header: http.Header{"Content-Type": executeapi.JSONType}, body: out.Payload}
	if out.FunctionError != nil {
		var failure struct{ ErrorMessage string }
		_ = json.Unmarshal(out.Payload, &failure) // what is no document of an error has no message
		r.selector = failure.ErrorMessage
	}
	return b.transform.respond(x, r)
}

// statesBackend is AWS with an action of Step Functions: the body that the request template makes is the action's input.
type statesBackend struct {
	s         *Service
	action    string
	timeout   time.Duration
	transform *transform
}

func (b *statesBackend) serve(x *exchange) int {
	body, status := b.transform.request(x)
	if status != 0 {
		return status
	}
	states := b.s.states()
	if states.Handler == nil {
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	ctx, cancel := x.Deadline(b.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://states.invalid/", bytes.NewReader(body))
	if err != nil {
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", states.Target+"."+b.action)
	begin := time.Now()
	w := httptest.NewRecorder()
	states.ServeHTTP(w, r)
	x.Waited = time.Since(begin)
	if ctx.Err() != nil {
		return x.fail(types.GatewayResponseTypeIntegrationTimeout, "")
	}
	return b.transform.respond(x, received{selector: strconv.Itoa(w.Code), header: w.Header(), body: w.Body.Bytes()})
}

// httpBackend is HTTP and HTTP_PROXY with an address of this machine.
type httpBackend struct {
	s         *Service
	uri       string // "" when the stage's variables make none that may be called
	parsed    *url.URL
	method    string
	timeout   time.Duration
	transform *transform
	proxy     bool
}

func (b *httpBackend) serve(x *exchange) int {
	if b.uri == "" {
		b.s.cfg.Logger.Error("the integration has no address that may be called", "api", x.APIID, "stage", x.stage.name, "resource", x.method.path)
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	body := x.Body
	if !b.proxy {
		var status int
		if body, status = b.transform.request(x); status != 0 {
			return status
		}
	}
	method, to, header, err := b.request(x)
	if err != nil {
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	answer, late, err := x.Forward(b.s.outside, method, to, header, body, b.timeout)
	switch {
	case late:
		return x.fail(types.GatewayResponseTypeIntegrationTimeout, "")
	case err != nil:
		b.s.cfg.Logger.Error("the HTTP integration failed", "api", x.APIID, "resource", x.method.path, "request", x.RequestID, "error", err)
		return x.fail(types.GatewayResponseTypeIntegrationFailure, "")
	}
	if !b.proxy {
		return b.transform.respond(x, received{selector: strconv.Itoa(answer.Status), header: answer.Header, body: answer.Body})
	}
	h := x.W.Header()
	for name, values := range answer.Header {
		if !executeapi.ConnectionHeader(name) && name != "Content-Length" && !strings.HasPrefix(name, "X-Amz") {
			h[name] = values
		}
	}
	return x.send(answer.Status, answer.Body)
}

// request makes the request to the backend. {name} in the address is filled by integration.request.path.name.
func (b *httpBackend) request(x *exchange) (method string, to *url.URL, header http.Header, err error) {
	if method = b.method; method == "ANY" {
		method = x.R.Method
	}
	target, query := b.uri, ""
	if b.proxy {
		header, query = x.ProxyHeaders(), x.R.URL.RawQuery
	} else {
		header = http.Header{"Content-Type": {x.contentType()}}
	}
	for _, p := range b.transform.parameters {
		v, ok := x.requestValue(p.from)
		if !ok {
			continue
		}
		where, name, _ := strings.Cut(strings.TrimPrefix(p.to, "integration.request."), ".")
		switch where {
		case "header":
			setHeader(header, name, v)
		case "querystring":
			values, _ := url.ParseQuery(query) // what cannot be read is left out
			values.Set(name, v)
			query = values.Encode()
		case "path":
			target = strings.ReplaceAll(target, "{"+name+"}", (&url.URL{Path: v}).EscapedPath())
		}
	}
	if to = b.parsed; to == nil || target != b.uri {
		if to, err = url.Parse(target); err != nil {
			return "", nil, nil, err
		}
	}
	if query != "" {
		with := *to
		if with.RawQuery != "" {
			query = with.RawQuery + "&" + query
		}
		with.RawQuery = query
		to = &with
	}
	return method, to, header, nil
}
