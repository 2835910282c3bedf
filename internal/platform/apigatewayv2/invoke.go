package apigatewayv2

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// lambdaTarget invokes a function, a version or an alias for every request.
type lambdaTarget struct {
	invoker  Invoker
	function string // ARN, qualified or not; "" when the stage's variables name none
	timeout  time.Duration
	version1 bool // payload format 1.0, not 2.0
	log      *slog.Logger
}

func (t *lambdaTarget) serve(x *exchange) int {
	if t.invoker == nil || t.function == "" {
		t.log.Error("the integration has no function to invoke", "api", x.APIID, "route", x.route.key, "stage", x.stage.name)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	in := &lambda.InvokeInput{FunctionName: &t.function, InvocationType: types.InvocationTypeRequestResponse}
	if t.version1 {
		in.Payload = x.appendEvent1(make([]byte, 0, x.EventSize()+1024))
	} else {
		in.Payload = x.appendEvent2(make([]byte, 0, x.EventSize()))
	}
	ctx, cancel := x.Deadline(t.timeout)
	defer cancel()
	begin := time.Now()
	out, err := t.invoker.Invoke(ctx, in)
	x.Waited = time.Since(begin)
	if err != nil {
		return t.fail(x, err, executeapi.Expired(ctx, err))
	}
	if v := aws.ToString(out.ExecutedVersion); v != "" {
		x.W.Header()[executedVersionHeader] = []string{v}
	}
	if out.FunctionError != nil {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	if t.version1 {
		return x.respond1(out.Payload)
	}
	return x.respond2(out.Payload)
}

// executedVersionHeader tells the client which version served it; see the package comment.
const executedVersionHeader = "X-Teal-Executed-Version"

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
	t.log.Error("invocation failed", "api", x.APIID, "route", x.route.key, "function", t.function, "request", x.RequestID, "error", err)
	return x.message(http.StatusInternalServerError, messageInternal)
}
