package apigatewayv2

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/fault"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// executionTarget starts a Step Functions execution for every request: the subtype StepFunctions-StartExecution.
type executionTarget struct {
	starter                   Starter
	sync                      bool // StepFunctions-StartSyncExecution
	stateMachine, input, name mapping
	timeout                   time.Duration
	log                       *slog.Logger
}

// serve answers with what StartExecution answers: {"executionArn":…,"startDate":…}, or its error as
// {"__type":…,"message":…} with the error's status.
func (t *executionTarget) serve(x *exchange) int {
	if t.starter == nil {
		t.log.Error("no Step Functions behind the gateway", "api", x.APIID, "route", x.route.key)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	in := new(sfn.StartExecutionInput)
	for _, p := range []struct {
		m   mapping
		dst **string
	}{{t.stateMachine, &in.StateMachineArn}, {t.input, &in.Input}, {t.name, &in.Name}} {
		if len(p.m) == 0 {
			continue
		}
		if v, ok := p.m.value(x); ok {
			*p.dst = &v
		}
	}
	if aws.ToString(in.StateMachineArn) == "" {
		return x.message(http.StatusBadRequest, messageBadRequest)
	}
	ctx, cancel := x.Deadline(t.timeout)
	defer cancel()
	begin := time.Now()
	if t.sync {
		out, err := t.starter.StartSyncExecution(ctx, &sfn.StartSyncExecutionInput{StateMachineArn: in.StateMachineArn, Input: in.Input, Name: in.Name})
		x.Waited = time.Since(begin)
		if err != nil {
			return t.fail(x, err, executeapi.Expired(ctx, err))
		}
		return x.message(http.StatusOK, syncAnswer(out))
	}
	out, err := t.starter.StartExecution(ctx, in)
	x.Waited = time.Since(begin)
	if err != nil {
		return t.fail(x, err, executeapi.Expired(ctx, err))
	}
	body := append([]byte(nil), `{"executionArn":`...)
	body = jsontext.AppendString(body, aws.ToString(out.ExecutionArn))
	if out.StartDate != nil {
		body = append(body, `,"startDate":`...)
		body = strconv.AppendFloat(body, float64(out.StartDate.UnixMilli())/1000, 'f', 3, 64)
	}
	return x.message(http.StatusOK, append(body, '}'))
}

// syncAnswer writes what StartSyncExecution answers.
func syncAnswer(out *sfn.StartSyncExecutionOutput) []byte {
	b := []byte{'{'}
	n := 0
	text := func(name string, v *string) {
		if v != nil {
			b = jsontext.AppendMember(b, n, name)
			b = jsontext.AppendString(b, *v)
			n++
		}
	}
	date := func(name string, at *time.Time) {
		if at != nil {
			b = jsontext.AppendMember(b, n, name)
			b = strconv.AppendFloat(b, float64(at.UnixMilli())/1000, 'f', 3, 64)
			n++
		}
	}
	status := string(out.Status)
	text("executionArn", out.ExecutionArn)
	text("stateMachineArn", out.StateMachineArn)
	text("name", out.Name)
	text("status", &status)
	text("input", out.Input)
	text("output", out.Output)
	text("error", out.Error)
	text("cause", out.Cause)
	text("traceHeader", out.TraceHeader)
	date("startDate", out.StartDate)
	date("stopDate", out.StopDate)
	if d := out.BillingDetails; d != nil {
		b = jsontext.AppendMember(b, n, "billingDetails")
		b = append(b, `{"billedDurationInMilliseconds":`...)
		b = strconv.AppendInt(b, d.BilledDurationInMilliseconds, 10)
		b = append(b, `,"billedMemoryUsedInMB":`...)
		b = append(strconv.AppendInt(b, d.BilledMemoryUsedInMB, 10), '}')
	}
	return append(b, '}')
}

func (t *executionTarget) fail(x *exchange, err error, late bool) int {
	var coded interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
	switch {
	case late:
		return x.message(http.StatusServiceUnavailable, messageUnavailable)
	case !errors.As(err, &coded):
		t.log.Error("StartExecution failed", "api", x.APIID, "route", x.route.key, "request", x.RequestID, "error", err)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	status := http.StatusBadRequest
	var f *fault.Error
	var modelled smithy.APIError
	switch {
	case errors.As(err, &f):
		status = f.HTTPStatus()
	case errors.As(err, &modelled) && modelled.ErrorFault() == smithy.FaultServer:
		status = http.StatusInternalServerError
	}
	body := append([]byte(nil), `{"__type":`...)
	body = jsontext.AppendString(body, coded.ErrorCode())
	body = append(body, `,"message":`...)
	body = jsontext.AppendString(body, coded.ErrorMessage())
	return x.message(status, append(body, '}'))
}
