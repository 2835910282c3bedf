package lambda

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/trace"
)

// AWS's limits of payloads, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxRequest  = 6291456 // RequestResponse
	maxEvent    = 1048576 // Event
	maxResponse = 6291556
)

// invocation is one call of Invoke, from whatever side it comes.
type invocation struct {
	ref
	kind          types.InvocationType
	requestID     string
	traceID       string // "" makes a new trace
	lineage       string // to be added to the trace (Service.follow)
	clientContext string // base64
	payload       []byte
	tail          bool
	stream        pool.Stream          // takes the answer while it is written; nil waits for the whole
	chosen        func(version string) // told the version before it runs; may be nil
	executed      [1]string            // the header that tells it
}

// outcome is what Invoke answers.
type outcome struct {
	status   int
	executed string // version; "" for Event
	result   pool.Result
}

// Invoke runs a function and waits for it (RequestResponse), queues the invocation durably (Event), or only checks it
// (DryRun). A function that fails is no error: FunctionError tells.
func (s *Service) Invoke(ctx context.Context, in *sdk.InvokeInput) (*sdk.InvokeOutput, error) {
	inv := invocation{
		kind: in.InvocationType, requestID: awsproto.NewRequestID(), clientContext: value(in.ClientContext), payload: in.Payload,
		tail: in.LogType == types.LogTypeTail,
	}
	var err error
	if inv.ref, err = s.parse(longName, in.FunctionName, in.Qualifier, constrainInvoke(string(in.InvocationType), string(in.LogType))); err != nil {
		return nil, err
	}
	switch {
	case in.DurableExecutionName != nil:
		return nil, unsupported("DurableExecutionName", "there are no durable functions")
	case in.TenantId != nil:
		return nil, unsupported("TenantId", "environments are not isolated by tenant")
	}
	o, err := s.invoke(ctx, &inv)
	if err != nil {
		return nil, err
	}
	out := &sdk.InvokeOutput{StatusCode: int32(o.status), Payload: o.result.Payload, FunctionError: text(o.result.FunctionError), ExecutedVersion: text(o.executed)}
	if inv.tail && len(o.result.LogTail) > 0 {
		out.LogResult = aws.String(base64.StdEncoding.EncodeToString(o.result.LogTail))
	}
	return out, nil
}

// constrainInvoke gives nil when there is nothing to say, so that parse can take its short way.
func constrainInvoke(kind, logs string) *constraints {
	switch kind {
	case "", "Event", "RequestResponse", "DryRun":
		if logs == "" || logs == "None" || logs == "Tail" {
			return nil
		}
	}
	c := &constraints{}
	c.Enum("invocationType", kind, "Event", "RequestResponse", "DryRun")
	c.Enum("logType", logs, "None", "Tail")
	return c
}

// invoke is the core that every way of invoking shares.
func (s *Service) invoke(ctx context.Context, inv *invocation) (outcome, error) {
	if err := inv.check(); err != nil {
		return outcome{}, err
	}
	switch inv.kind {
	case types.InvocationTypeDryRun:
		return outcome{status: http.StatusNoContent}, s.invocable(ctx, inv.ref)
	case types.InvocationTypeEvent:
		if err := s.invocable(ctx, inv.ref); err != nil {
			return outcome{}, err
		}
		return outcome{status: http.StatusAccepted}, s.queue.add(ctx, inv)
	}
	return s.run(ctx, inv)
}

// check refuses what is too large or no JSON. An absent payload is an empty object.
func (inv *invocation) check() error {
	limit := maxRequest
	if inv.kind == types.InvocationTypeEvent {
		limit = maxEvent
	}
	switch {
	case len(inv.payload) <= limit:
	case inv.kind == types.InvocationTypeEvent:
		return tooLarge("%d byte payload is too large for the Event invocation type (limit %d bytes)", len(inv.payload), limit)
	default:
		return tooLarge("Request must be smaller than %d bytes for the InvokeFunction operation", limit)
	}
	if len(inv.payload) == 0 {
		inv.payload = []byte("{}")
	} else if !json.Valid(inv.payload) {
		return &types.InvalidRequestContentException{
			Message: aws.String("Could not parse request body into json: Could not parse payload into json: " + jsonError(inv.payload)), Type: aws.String(userFault),
		}
	}
	if inv.clientContext != "" {
		raw, err := base64.StdEncoding.DecodeString(inv.clientContext)
		if err != nil || !json.Valid(raw) {
			return &types.InvalidRequestContentException{Message: aws.String("Client context must be a valid Base64-encoded JSON object."), Type: aws.String(userFault)}
		}
	}
	return nil
}

func jsonError(payload []byte) string {
	var v any
	if err := json.Unmarshal(payload, &v); err != nil {
		return err.Error()
	}
	return "not a JSON value"
}

// maxBefore is more than what an invocation waits for a place on the machine and for an environment's initialisation.
const maxBefore = 14 * time.Second

// run resolves and runs an invocation. As on AWS, an invocation that has begun goes on when its caller gives up: run
// returns the error of ctx then, and what the invocation holds is freed when it ends.
func (s *Service) run(ctx context.Context, inv *invocation) (outcome, error) {
	t, err := s.settledTarget(ctx, inv.ref, inv.payload)
	if err != nil {
		return outcome{}, err
	}
	// What was replaced between the look at the snapshot and the lease is gone for good; the next look sees its successor.
	for !t.to.version.run.acquire() {
		if t, err = s.settledTarget(ctx, inv.ref, inv.payload); err != nil {
			return outcome{}, err
		}
	}
	if d, ok := ctx.(*executeapi.Deadline); ok && d.Left() > maxBefore+time.Duration(t.to.version.Config.Timeout)*time.Second {
		return s.traced(context.WithoutCancel(ctx), t, inv) // it is over before the caller could give up
	}
	if ctx.Done() == nil {
		return s.traced(ctx, t, inv)
	}
	type answer struct {
		outcome
		error
	}
	done := make(chan answer, 1)
	go func() {
		o, err := s.traced(context.WithoutCancel(ctx), t, inv)
		done <- answer{o, err}
	}()
	select {
	case a := <-done:
		return a.outcome, a.error
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
}

// execute runs an invocation on a target whose lease is held, and gives the lease back.
func (s *Service) execute(ctx context.Context, t target, inv *invocation) (outcome, error) {
	run := t.to.version.run
	defer run.release()
	series := t.to.series()

	reserved, reason := s.admit(t.function, t.snapshot)
	if reason != "" {
		record(series.throttles, 1)
		return outcome{}, throttled(reason)
	}
	defer s.leave(t.function, reserved)
	s.count(t, series)
	defer s.uncount(t)

	trace := inv.traceID + inv.lineage
	if inv.traceID == "" {
		trace = newTraceID(t.to.version.Config.Tracing == "Active", s.cfg.Clock.Now().Unix(), inv.lineage)
	}
	if inv.chosen != nil {
		inv.chosen(t.to.version.Version)
	}
	custom, _ := base64.StdEncoding.DecodeString(inv.clientContext) // checked on arrival
	result, err := s.cfg.Executor.Invoke(ctx, &run.fn, pool.Invocation{
		RequestID: inv.requestID, InvokedARN: t.route.invoked, TraceID: trace, ClientContext: string(custom), Payload: inv.payload, TailLog: inv.tail, Stream: inv.stream,
	})
	if err != nil {
		return outcome{}, s.executorError(err, series, run.fn.ARN)
	}
	if n := len(result.Payload); n > maxResponse {
		result.FunctionError = "Unhandled"
		result.Payload = fmt.Appendf(nil, `{"errorMessage":"Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).","errorType":"Function.ResponseSizeTooLarge"}`, n, maxResponse)
	}
	series.ran(result)
	return outcome{http.StatusOK, t.to.version.Version, result}, nil
}

// executorError turns the platform's failure to run a function into AWS's answer.
func (s *Service) executorError(err error, m *series, arn string) error {
	var missing *pool.RuntimeMissingError
	switch {
	case errors.Is(err, pool.ErrThrottled):
		record(m.throttles, 1)
		return throttled(types.ThrottleReasonConcurrentInvocationLimitExceeded)
	case errors.As(err, &missing):
		return &types.InvalidRuntimeException{Message: aws.String(err.Error())}
	}
	s.cfg.Logger.Error("lambda: a function could not be run", "function", arn, "error", err)
	return serviceError("%s could not be run: %v", arn, err)
}

// newTraceID makes an X-Ray trace header. Sampled tells whether the function has active tracing.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func newTraceID(sampled bool, unix int64, lineage string) string {
	c := trace.Begin(unix)
	binary.BigEndian.PutUint64(c.Span[:], rand.Uint64()|1)
	c.Sampled, c.Decided = sampled, true
	return string(append(c.AppendXRay(make([]byte, 0, 128)), lineage...))
}
