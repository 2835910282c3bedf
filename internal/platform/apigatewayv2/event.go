package apigatewayv2

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// appendEvent2 writes the event of payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (x *exchange) appendEvent2(b []byte) []byte {
	r := x.R
	b = append(b, `{"version":"2.0","routeKey":`...)
	b = jsontext.AppendString(b, x.route.key)
	b = append(b, `,"rawPath":`...)
	b = jsontext.AppendString(b, x.RawPath)
	b = append(b, `,"rawQueryString":`...)
	b = jsontext.AppendString(b, r.URL.RawQuery)
	b = x.AppendCookies(b)
	b = append(b, `,"headers":{`...)
	for i, h := range x.EventHeaders(false) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = executeapi.AppendLower(b, h.Name)
		b = append(b, `":`...)
		b = executeapi.AppendJoined(b, h)
	}
	b = append(b, '}')
	b = x.AppendQuery(b)
	b = append(b, `,"requestContext":{"accountId":`...)
	b = jsontext.AppendString(b, x.Account)
	b = x.appendAuthorizer(b, false)
	b = append(b, `,"apiId":`...)
	b = jsontext.AppendString(b, x.APIID)
	b = append(b, `,"domainName":`...)
	b = jsontext.AppendString(b, x.Domain)
	b = append(b, `,"domainPrefix":`...)
	b = jsontext.AppendString(b, executeapi.PrefixOf(x.Domain))
	b = append(b, `,"http":{"method":`...)
	b = jsontext.AppendString(b, r.Method)
	b = append(b, `,"path":`...)
	b = jsontext.AppendString(b, x.RawPath)
	b = append(b, `,"protocol":`...)
	b = jsontext.AppendString(b, r.Proto)
	b = append(b, `,"sourceIp":`...)
	b = jsontext.AppendString(b, x.SourceIP())
	b = append(b, `,"userAgent":`...)
	b = jsontext.AppendString(b, r.UserAgent())
	b = append(b, `},"requestId":`...)
	b = jsontext.AppendString(b, x.RequestID)
	b = append(b, `,"routeKey":`...)
	b = jsontext.AppendString(b, x.route.key)
	b = append(b, `,"stage":`...)
	b = jsontext.AppendString(b, x.stage.name)
	b = append(b, `,"time":"`...)
	b = x.At.AppendFormat(b, executeapi.CLFTime)
	b = append(b, `","timeEpoch":`...)
	b = strconv.AppendInt(b, x.At.UnixMilli(), 10)
	b = append(b, '}')
	b = x.AppendPathParameters(b, x.route.variables)
	b = executeapi.AppendVariables(b, x.stage.variables)
	return append(x.appendBody(b), '}')
}

// appendBody writes body and isBase64Encoded. AWS gives a body as text only for the media types of textual.
func (x *exchange) appendBody(b []byte) []byte {
	if len(x.Body) == 0 {
		return append(b, `,"isBase64Encoded":false`...)
	}
	b = append(b, `,"body":`...)
	if textual(x.R.Header.Get("Content-Type")) {
		b = jsontext.AppendString(b, x.Body)
		return append(b, `,"isBase64Encoded":false`...)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, x.Body)
	return append(b, `","isBase64Encoded":true`...)
}

// textual tells whether HTTP APIs hand a body of this media type over as text. Forms, other types with +json, and
// bodies without a type arrive in base64.
func textual(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	if len(media) >= 5 && strings.EqualFold(media[:5], "text/") {
		return true
	}
	return strings.EqualFold(media, "application/json") || strings.EqualFold(media, "application/xml") || strings.EqualFold(media, "application/javascript")
}

var _ http.Handler = (*Service)(nil)
