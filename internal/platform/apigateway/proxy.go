package apigateway

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// proxyBackend is AWS_PROXY with a Lambda function.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type proxyBackend struct {
	s        *Service
	function executeapi.Function
}

func (b *proxyBackend) serve(x *exchange) int {
	out, status := x.invoke(&b.function, x.appendEvent(make([]byte, 0, x.EventSize()+2048)))
	if status != 0 {
		return status
	}
	if out.FunctionError != nil {
		return x.malformed()
	}
	// No member is required, and no other is allowed.
	var e executeapi.Envelope
	if !e.Read(out.Payload, true) || e.Foreign || e.HasStatus && e.Status == 0 {
		return x.malformed()
	}
	if !e.HasStatus {
		e.Status = http.StatusOK
	}
	h := x.W.Header()
	for name, values := range e.Header {
		if name == executeapi.VersionHeader || name == "X-Amzn-Requestid" || name == "X-Amz-Apigw-Id" {
			continue // the gateway's own
		}
		h[name] = values
	}
	if e.Base64 && !x.side.isBinary(mediaType(x.R.Header.Get("Accept"))) && !x.side.isBinary(mediaType(e.Header.Get("Content-Type"))) {
		e.Body = base64.StdEncoding.AppendEncode(nil, e.Body)
	}
	return x.send(e.Status, e.Body)
}

// invoke runs a function for the request; status is that of the answer when there is nothing to go on with.
func (x *exchange) invoke(f *executeapi.Function, payload []byte) (out *lambda.InvokeOutput, status int) {
	if f.Invoker == nil || f.ARN == "" {
		x.s.cfg.Logger.Error("the integration has no function to invoke", "api", x.APIID, "stage", x.stage.name, "resource", x.method.path)
		return nil, x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	out, late, err := f.Invoke(&x.Request, x.sourceARN(), payload)
	var throttled *lambdatypes.TooManyRequestsException
	var large *lambdatypes.RequestTooLargeException
	switch {
	case err == nil:
		return out, 0
	case late:
		return nil, x.fail(types.GatewayResponseTypeIntegrationTimeout, "")
	case errors.As(err, &throttled): // AWS gives 500 for a throttled function of a proxy integration
		return nil, x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	case errors.As(err, &large):
		return nil, x.fail(types.GatewayResponseTypeRequestTooLarge, "")
	}
	x.s.cfg.Logger.Error("invocation failed", "api", x.APIID, "stage", x.stage.name, "resource", x.method.path, "function", f.ARN, "request", x.RequestID, "error", err)
	return nil, x.fail(types.GatewayResponseTypeApiConfigurationError, "")
}

// appendEvent writes the event of the Lambda proxy integration.
func (x *exchange) appendEvent(b []byte) []byte {
	b = append(b, `{"resource":`...)
	b = jsontext.AppendString(b, x.method.path)
	b = append(b, `,"path":`...)
	b = jsontext.AppendString(b, x.path)
	b = append(b, `,"httpMethod":`...)
	b = jsontext.AppendString(b, x.R.Method)
	b = x.appendRequest(b)
	b = append(b, `,"requestContext":`...)
	b = x.appendContext(b)
	if len(x.Body) == 0 {
		return append(b, `,"body":null,"isBase64Encoded":false}`...)
	}
	b = append(b, `,"body":`...)
	if x.side.isBinary(x.contentType()) {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, x.Body)
		return append(b, `","isBase64Encoded":true}`...)
	}
	b = jsontext.AppendString(b, x.Body)
	return append(b, `,"isBase64Encoded":false}`...)
}

// appendRequest writes the members that the events of the proxy and of a REQUEST authorizer share.
func (x *exchange) appendRequest(b []byte) []byte {
	headers := x.EventHeaders(true)
	b = append(b, `,"headers":{`...)
	for i, h := range headers {
		b = jsontext.AppendMember(b, i, h.Name)
		b = jsontext.AppendString(b, h.Last())
	}
	b = append(b, `},"multiValueHeaders":{`...)
	for i, h := range headers {
		b = jsontext.AppendMember(b, i, h.Name)
		b = executeapi.AppendList(b, h)
	}
	b = append(b, '}')
	b = x.AppendQuery1(b)
	n := len(b)
	if b = x.AppendPathParameters(b, x.method.variables); len(b) == n {
		b = append(b, `,"pathParameters":null`...)
	}
	n = len(b)
	if b = executeapi.AppendVariables(b, x.side.variables); len(b) == n {
		b = append(b, `,"stageVariables":null`...)
	}
	return b
}

// appendContext writes requestContext.
func (x *exchange) appendContext(b []byte) []byte {
	member := func(name, value string) {
		b = append(b, ',')
		b = jsontext.AppendMember(b, 0, name)
		b = jsontext.AppendString(b, value)
	}
	b = append(b, `{"resourceId":`...)
	b = jsontext.AppendString(b, x.method.resource)
	if x.decision != nil {
		b = append(b, `,"authorizer":{"principalId":`...)
		b = jsontext.AppendString(b, x.decision.Principal)
		for _, c := range x.decision.Context {
			b = append(b, ',')
			b = jsontext.AppendMember(b, 0, c.Name)
			b = jsontext.AppendString(b, c.Value)
		}
		b = append(b, '}')
	}
	member("resourcePath", x.method.path)
	if x.method.operation != "" {
		member("operationName", x.method.operation)
	}
	member("httpMethod", x.R.Method)
	member("extendedRequestId", x.extended)
	member("requestTime", x.At.Format(executeapi.CLFTime))
	member("path", x.RawPath)
	member("accountId", x.Account)
	member("protocol", x.R.Proto)
	member("stage", x.stage.name)
	member("domainPrefix", executeapi.PrefixOf(x.Domain))
	b = append(b, `,"requestTimeEpoch":`...)
	b = strconv.AppendInt(b, x.At.UnixMilli(), 10)
	member("requestId", x.RequestID)
	var account, user, root, key *string // of who signed the request; the platform has no users but the account's root
	if x.caller != "" {
		account, user, root, key = &x.Account, &x.Account, aws.String("arn:aws:iam::"+x.Account+":root"), &x.caller
	}
	optional := func(name string, v *string) {
		if v == nil {
			b = append(append(append(b, `,"`...), name...), `":null`...)
			return
		}
		member(name, *v)
	}
	b = append(b, `,"identity":{"cognitoIdentityPoolId":null`...)
	optional("accountId", account)
	b = append(b, `,"cognitoIdentityId":null`...)
	optional("caller", user)
	b = append(b, `,"sourceIp":`...)
	b = jsontext.AppendString(b, x.SourceIP())
	b = append(b, `,"principalOrgId":null`...)
	optional("accessKey", key)
	if id := x.apiKey.Id; id != nil {
		member("apiKey", *x.apiKey.Value)
		member("apiKeyId", *id)
	}
	b = append(b, `,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null`...)
	optional("userArn", root)
	member("userAgent", x.R.UserAgent())
	optional("user", user)
	b = append(b, '}')
	member("domainName", x.Domain)
	member("deploymentId", x.side.deployment)
	member("apiId", x.APIID)
	if x.stage.canary != nil {
		b = append(b, `,"isCanaryRequest":`...)
		b = strconv.AppendBool(b, x.side.canary)
	}
	return append(b, '}')
}
