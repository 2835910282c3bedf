package apigatewayv2

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// lambdaTarget invokes a function, a version or an alias for every request.
type lambdaTarget struct {
	function executeapi.Function // its ARN is "" when the stage's variables name none
	version1 bool                // payload format 1.0, not 2.0
	log      *slog.Logger
}

func (t *lambdaTarget) serve(x *exchange) int {
	if t.function.Invoker == nil || t.function.ARN == "" {
		t.log.Error("the integration has no function to invoke", "api", x.APIID, "route", x.route.key, "stage", x.stage.name)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	var payload []byte
	if t.version1 {
		payload = x.appendEvent1(make([]byte, 0, x.EventSize()+1024))
	} else {
		payload = x.appendEvent2(make([]byte, 0, x.EventSize()))
	}
	out, late, err := t.function.Invoke(&x.Request, x.sourceARN(), payload)
	if err != nil {
		return t.fail(x, err, late)
	}
	if out.FunctionError != nil {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	if t.version1 {
		return x.respond1(out.Payload)
	}
	return x.respond2(out.Payload)
}

// sourceARN names the route as a function's policy does: api/stage/METHOD/path, or api/stage/$default.
func (x *exchange) sourceARN() string {
	_, path, ok := strings.Cut(x.route.key, " ")
	if !ok {
		return executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, x.stage.name+"/"+x.route.key)
	}
	return executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, x.stage.name+"/"+x.R.Method+path)
}

// executedVersionHeader tells the client which version served it; see the package comment.
const executedVersionHeader = executeapi.VersionHeader

// fail answers for an invocation that did not take place or did not end in time. AWS tells clients nothing more.
func (t *lambdaTarget) fail(x *exchange, err error, late bool) int {
	var throttled *types.TooManyRequestsException
	var large *types.RequestTooLargeException
	switch {
	case late, errors.As(err, &throttled):
		return x.message(http.StatusServiceUnavailable, messageUnavailable)
	case errors.As(err, &large):
		return x.message(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	t.log.Error("invocation failed", "api", x.APIID, "route", x.route.key, "function", t.function.ARN, "request", x.RequestID, "error", err)
	return x.message(http.StatusInternalServerError, messageInternal)
}
