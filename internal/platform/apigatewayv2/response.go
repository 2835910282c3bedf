package apigatewayv2

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// respond2 answers with what the function returned in format 2.0. Without a statusCode the whole payload is the body of
// a 200 application/json: a JSON string without its quotes, anything else, even what is no JSON, as it is. With a
// statusCode, what cannot be read as a response is answered with 500.
func (x *exchange) respond2(payload []byte) int {
	trimmed := bytes.TrimSpace(payload)
	switch {
	case len(trimmed) == 0:
	case trimmed[0] == '"' && json.Valid(trimmed):
		payload = jsontext.Text(trimmed)
	case trimmed[0] == '{':
		var e executeapi.Envelope
		ok := e.Read(trimmed, false)
		if e.HasStatus && ok {
			return x.write(&e)
		}
		if e.HasStatus {
			return x.message(http.StatusInternalServerError, messageInternal)
		}
	}
	return x.send(&executeapi.Forwarded{Status: http.StatusOK, Header: http.Header{"Content-Type": executeapi.JSONType}, Body: payload})
}

// write sends what a function returned.
func (x *exchange) write(e *executeapi.Envelope) int {
	return x.send(&executeapi.Forwarded{Status: e.Status, Header: e.Header, Body: e.Body})
}

// send sends an integration's answer, as the route's parameters change it.
func (x *exchange) send(a *executeapi.Forwarded) int {
	x.reshape(a)
	h := x.W.Header()
	for name, values := range a.Header {
		if name == "Apigw-Requestid" || name == executedVersionHeader || executeapi.ConnectionHeader(name) || (x.cors && strings.HasPrefix(name, "Access-Control-")) {
			continue // the gateway's own
		}
		h[name] = values
	}
	if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
		delete(h, "Content-Length")
		x.W.WriteHeader(a.Status)
		return a.Status
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = plainType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
	x.W.WriteHeader(a.Status)
	_, _ = x.W.Write(a.Body) // the client has gone: nobody to tell
	return a.Status
}

// plainType is the type of a body for which the function gave none.
var plainType = []string{"text/plain; charset=utf-8"}
