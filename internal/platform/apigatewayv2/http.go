package apigatewayv2

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// httpTarget is HTTP_PROXY with an address of this machine. {variable} in the address stands for the route's path variable; the
// path of a request for $default is added to the address.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
type httpTarget struct {
	by      *executeapi.Backends
	uri     string   // "" when the stage's variables make none that may be called
	parsed  *url.URL // of uri
	method  string   // ANY for the client's
	timeout time.Duration
	log     *slog.Logger
}

func (t *httpTarget) serve(x *exchange) int {
	if t.uri == "" {
		t.log.Error("the integration has no address that may be called", "api", x.APIID, "route", x.route.key, "stage", x.stage.name)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	method := t.method
	if method == "ANY" {
		method = x.R.Method
	}
	to, err := t.address(x)
	if err != nil {
		return x.message(http.StatusBadRequest, messageBadRequest)
	}
	header := x.ClientHeaders()
	proto := "http"
	if x.R.TLS != nil {
		proto = "https"
	}
	header["Forwarded"] = append(slices.Clip(header["Forwarded"]), "for="+x.SourceIP()+";host="+x.R.Host+";proto="+proto)
	header["Via"] = append(slices.Clip(header["Via"]), "HTTP/1.1 AmazonAPIGateway")
	answer, late, err := x.Forward(t.by, method, to, header, x.Body, t.timeout)
	switch {
	case late:
		return x.message(http.StatusServiceUnavailable, messageUnavailable)
	case err != nil:
		t.log.Error("the HTTP integration failed", "api", x.APIID, "route", x.route.key, "request", x.RequestID, "error", err)
		return x.message(http.StatusServiceUnavailable, messageUnavailable)
	}
	return x.send(&answer)
}

// address is where the request goes.
func (t *httpTarget) address(x *exchange) (*url.URL, error) {
	to := *t.parsed
	if strings.Contains(t.uri, "{") {
		uri := t.uri
		for i, name := range x.route.variables {
			v := (&url.URL{Path: x.Values[i]}).EscapedPath()
			uri = strings.NewReplacer("{"+name+"}", v, "{"+name+"+}", v).Replace(uri)
		}
		u, err := url.Parse(uri)
		if err != nil {
			return nil, err
		}
		to = *u
	}
	switch {
	case x.overwritten:
		to.Path, to.RawPath = x.RawPath, ""
	case x.route.key == defaultStageName:
		to.Path, to.RawPath = strings.TrimSuffix(to.Path, "/")+"/"+strings.Join(x.Segments, "/"), ""
	}
	if q := x.R.URL.RawQuery; q != "" {
		if to.RawQuery != "" {
			q = to.RawQuery + "&" + q
		}
		to.RawQuery = q
	}
	return &to, nil
}

// completeHTTP validates an HTTP_PROXY integration.
func completeHTTP(i *types.Integration) error {
	if i.PayloadFormatVersion == nil {
		i.PayloadFormatVersion = aws.String("1.0")
	}
	if *i.PayloadFormatVersion != "1.0" {
		return badRequest("Invalid payloadFormatVersion %q: must be 1.0 for HTTP_PROXY", *i.PayloadFormatVersion)
	}
	if !slices.Contains(routeMethods, aws.ToString(i.IntegrationMethod)) {
		return badRequest("HttpMethod must be specified when the integration type is HTTP_PROXY: integrationMethod must be one of %s", strings.Join(routeMethods, ", "))
	}
	uri := aws.ToString(i.IntegrationUri)
	if strings.HasPrefix(uri, "${stageVariables.") {
		uri = "http://" + uri
	}
	expanded, ok := executeapi.ExpandVariables(uri, func(string) string { return "localhost" })
	if !ok {
		return badRequest("Invalid integrationUri %q: ${…} must be a stage variable", uri)
	}
	if err := executeapi.CheckLoopback(expanded); err != nil {
		return badRequest("Invalid HTTP endpoint specified for URI: %s", err)
	}
	if i.CredentialsArn != nil {
		return badRequest("credentialsArn is not for HTTP_PROXY integrations")
	}
	return nil
}
