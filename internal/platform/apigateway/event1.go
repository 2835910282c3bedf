package apigateway

import (
	"net/http"
	"strconv"
	"strings"
)

// appendEvent1 writes the event of payload format 1.0: that of REST APIs, with version and the HTTP API's context.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (x *exchange) appendEvent1(b []byte) []byte {
	r := x.r
	_, resource, ok := strings.Cut(x.route.key, " ")
	if !ok {
		resource = x.route.key
	}
	b = append(b, `{"version":"1.0","resource":`...)
	b = appendString(b, resource)
	b = append(b, `,"path":`...)
	b = appendString(b, x.rawPath)
	b = append(b, `,"httpMethod":`...)
	b = appendString(b, r.Method)
	headers := x.eventHeaders(true)
	b = append(b, `,"headers":{`...)
	for i, h := range headers {
		b = appendMember(b, i, h.name)
		b = appendString(b, h.last())
	}
	b = append(b, `},"multiValueHeaders":{`...)
	for i, h := range headers {
		b = appendMember(b, i, h.name)
		b = appendList(b, h)
	}
	b = append(b, '}')
	b = x.appendQuery1(b)
	b = append(b, `,"requestContext":{"accountId":`...)
	b = appendString(b, x.s.cfg.Account)
	b = append(b, `,"apiId":`...)
	b = appendString(b, x.apiID)
	b = append(b, `,"domainName":`...)
	b = appendString(b, x.domain)
	b = append(b, `,"domainPrefix":`...)
	b = appendString(b, prefixOf(x.domain))
	b = append(b, `,"extendedRequestId":`...)
	b = appendString(b, x.requestID)
	b = append(b, `,"httpMethod":`...)
	b = appendString(b, r.Method)
	b = append(b, `,"identity":{"accessKey":null,"accountId":null,"caller":null,"cognitoAmr":null,"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,"sourceIp":`...)
	b = appendString(b, x.sourceIP())
	b = append(b, `,"user":null,"userAgent":`...)
	b = appendString(b, r.UserAgent())
	b = append(b, `,"userArn":null},"path":`...)
	b = appendString(b, x.rawPath)
	b = append(b, `,"protocol":`...)
	b = appendString(b, r.Proto)
	b = append(b, `,"requestId":`...)
	b = appendString(b, x.requestID)
	b = append(b, `,"requestTime":"`...)
	b = x.at.AppendFormat(b, clfTime)
	b = append(b, `","requestTimeEpoch":`...)
	b = strconv.AppendInt(b, x.at.UnixMilli(), 10)
	b = append(b, `,"resourceId":`...)
	b = appendString(b, x.route.id)
	b = append(b, `,"resourcePath":`...)
	b = appendString(b, resource)
	b = append(b, `,"stage":`...)
	b = appendString(b, x.stage.name)
	b = append(b, '}')
	// Format 1.0 has null where 2.0 leaves a member out.
	n := len(b)
	if b = x.appendPathParameters(b); len(b) == n {
		b = append(b, `,"pathParameters":null`...)
	}
	n = len(b)
	if b = appendVariables(b, x.stage.variables); len(b) == n {
		b = append(b, `,"stageVariables":null`...)
	}
	if len(x.body) == 0 {
		b = append(b, `,"body":null`...)
	}
	return append(x.appendBody(b), '}')
}

// appendQuery1 writes the last value of each parameter, and all of them.
func (x *exchange) appendQuery1(b []byte) []byte {
	params := x.queryParams()
	if len(params) == 0 {
		return append(b, `,"queryStringParameters":null,"multiValueQueryStringParameters":null`...)
	}
	b = append(b, `,"queryStringParameters":{`...)
	n := 0
	for i, p := range params {
		if i+1 < len(params) && params[i+1].name == p.name {
			continue
		}
		b = appendMember(b, n, p.name)
		b = appendString(b, p.value)
		n++
	}
	b = append(b, `},"multiValueQueryStringParameters":{`...)
	for i, p := range params {
		if i > 0 && params[i-1].name == p.name {
			b = append(b[:len(b)-1], ',') // goes on with the list
		} else {
			b = appendMember(b, i, p.name)
			b = append(b, '[')
		}
		b = appendString(b, p.value)
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendMember writes the name of an object's i-th member.
func appendMember(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = appendString(b, name)
	return append(b, ':')
}

func appendList(b []byte, h headerField) []byte {
	b = append(b, '[')
	if h.values == nil {
		b = appendString(b, h.value)
	}
	for i, v := range h.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, v)
	}
	return append(b, ']')
}

// respond1 answers with what the function returned in format 1.0: statusCode is required, and headers may have lists.
func (x *exchange) respond1(payload []byte) int {
	var e envelope
	if !e.read(payload, true) || !e.hasStatus {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	return x.write(&e)
}
