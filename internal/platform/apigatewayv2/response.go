package apigatewayv2

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// respond2 answers with what the function returned in format 2.0. Without a statusCode the whole payload is the body of
// a 200 application/json: a JSON string without its quotes, anything else, even what is no JSON, as it is. With a
// statusCode, what cannot be read as a response is answered with 500.
func (x *exchange) respond2(payload []byte) int {
	trimmed := bytes.TrimSpace(payload)
	if len(trimmed) > 0 && json.Valid(trimmed) {
		switch trimmed[0] {
		case '"':
			payload = executeapi.Text(trimmed)
		case '{':
			var e executeapi.Envelope
			ok := e.Read(trimmed, false)
			if e.HasStatus && ok {
				return x.write(&e)
			}
			if e.HasStatus {
				return x.message(http.StatusInternalServerError, messageInternal)
			}
		}
	}
	return x.message(http.StatusOK, payload)
}

// write sends e.
func (x *exchange) write(e *executeapi.Envelope) int {
	h := x.W.Header()
	for name, values := range e.Header {
		if name == "Apigw-Requestid" || name == executedVersionHeader || (x.cors && strings.HasPrefix(name, "Access-Control-")) {
			continue // the gateway's own
		}
		h[name] = values
	}
	if e.Status == http.StatusNoContent || e.Status == http.StatusNotModified {
		x.W.WriteHeader(e.Status)
		return e.Status
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = plainType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(e.Body))}
	x.W.WriteHeader(e.Status)
	_, _ = x.W.Write(e.Body) // the client has gone: nobody to tell
	return e.Status
}

// plainType is the type of a body for which the function gave none.
var plainType = []string{"text/plain; charset=utf-8"}
