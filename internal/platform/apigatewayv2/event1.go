package apigatewayv2

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// appendEvent1 writes the event of payload format 1.0: that of REST APIs, with version and the HTTP API's context.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (x *exchange) appendEvent1(b []byte) []byte {
	r := x.R
	_, resource, ok := strings.Cut(x.route.key, " ")
	if !ok {
		resource = x.route.key
	}
	b = append(b, `{"version":"1.0","resource":`...)
	b = jsontext.AppendString(b, resource)
	b = append(b, `,"path":`...)
	b = jsontext.AppendString(b, x.RawPath)
	b = append(b, `,"httpMethod":`...)
	b = jsontext.AppendString(b, r.Method)
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
	b = append(b, `,"requestContext":{"accountId":`...)
	b = jsontext.AppendString(b, x.Account)
	b = x.appendAuthorizer(b, true)
	b = append(b, `,"apiId":`...)
	b = jsontext.AppendString(b, x.APIID)
	b = append(b, `,"domainName":`...)
	b = jsontext.AppendString(b, x.Domain)
	b = append(b, `,"domainPrefix":`...)
	b = jsontext.AppendString(b, executeapi.PrefixOf(x.Domain))
	b = append(b, `,"extendedRequestId":`...)
	b = jsontext.AppendString(b, x.RequestID)
	b = append(b, `,"httpMethod":`...)
	b = jsontext.AppendString(b, r.Method)
	optional := func(name, v string) { // of who signed the request
		b = append(append(append(b, '"'), name...), `":`...)
		if x.caller == "" {
			b = append(b, "null,"...)
			return
		}
		b = append(jsontext.AppendString(b, v), ',')
	}
	b = append(b, `,"identity":{`...)
	optional("accessKey", x.caller)
	optional("accountId", x.Account)
	optional("caller", x.Account)
	b = append(b, `"cognitoAmr":null,"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,"sourceIp":`...)
	b = jsontext.AppendString(b, x.SourceIP())
	b = append(b, ',')
	optional("user", x.Account)
	b = append(b, `"userAgent":`...)
	b = jsontext.AppendString(b, r.UserAgent())
	b = append(b, ',')
	optional("userArn", x.rootARN())
	b[len(b)-1] = '}'
	b = append(b, `,"path":`...)
	b = jsontext.AppendString(b, x.RawPath)
	b = append(b, `,"protocol":`...)
	b = jsontext.AppendString(b, r.Proto)
	b = append(b, `,"requestId":`...)
	b = jsontext.AppendString(b, x.RequestID)
	b = append(b, `,"requestTime":"`...)
	b = x.At.AppendFormat(b, executeapi.CLFTime)
	b = append(b, `","requestTimeEpoch":`...)
	b = strconv.AppendInt(b, x.At.UnixMilli(), 10)
	b = append(b, `,"resourceId":`...)
	b = jsontext.AppendString(b, x.route.id)
	b = append(b, `,"resourcePath":`...)
	b = jsontext.AppendString(b, resource)
	b = append(b, `,"stage":`...)
	b = jsontext.AppendString(b, x.stage.name)
	b = append(b, '}')
	// Format 1.0 has null where 2.0 leaves a member out.
	n := len(b)
	if b = x.AppendPathParameters(b, x.route.variables); len(b) == n {
		b = append(b, `,"pathParameters":null`...)
	}
	n = len(b)
	if b = executeapi.AppendVariables(b, x.stage.variables); len(b) == n {
		b = append(b, `,"stageVariables":null`...)
	}
	if len(x.Body) == 0 {
		b = append(b, `,"body":null`...)
	}
	return append(x.appendBody(b), '}')
}

// respond1 answers with what the function returned in format 1.0: statusCode is required, and headers may have lists.
func (x *exchange) respond1(payload []byte) int {
	var e executeapi.Envelope
	if !e.Read(payload, true) || !e.HasStatus {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	return x.write(&e)
}
