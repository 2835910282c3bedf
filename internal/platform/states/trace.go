package states

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Tracer records what requests go through as spans of traces. The trace headers are AWS's (X-Amzn-Trace-Id); attributes
// are names and values in turn. Its methods may be called from any goroutine, and never wait.
type Tracer interface {
	// Header is the trace header for what is below the span of ctx; outside a trace it begins one.
	Header(ctx context.Context) string
	// Inject puts the span of ctx into the headers of a request.
	Inject(ctx context.Context, h http.Header)
	// Start begins a span of the kind server, client or internal below that of ctx; the function ends it, with its name and
	// the type of what has failed, or "".
	Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any))
	// Within gives ctx within the span that Record is to tell of with the same header and id.
	Within(ctx context.Context, header, id string) context.Context
	// Record tells of a whole span, below the one that header names, that perhaps began in another process.
	Record(header, id, kind, name string, begin, end time.Time, failure string, attributes ...any)
}

// join brings a new execution into its caller's trace, unless it was given another one. Its traceHeader, which is stored
// with it, is all that is kept of the trace: an execution that goes on after a restart is in it as before.
func (s *Service) join(ctx context.Context, r *executionRecord) {
	if s.tracer != nil && r.TraceHeader == "" {
		r.TraceHeader = s.tracer.Header(ctx)
	}
}

// spanID names the span of an execution: a redrive is a further one.
func (x *execution) spanID() string { return x.serial + "/" + strconv.Itoa(x.redrives) }

// within gives ctx within the span of an execution, for its tasks.
func (s *Service) within(ctx context.Context, x *execution) context.Context {
	if s.tracer == nil {
		return ctx
	}
	return s.tracer.Within(ctx, x.trace, x.spanID())
}

// childTrace is the traceHeader of a child of a Map run: it is below its parent's span.
func (s *Service) childTrace(x *execution) string {
	if s.tracer == nil || x.trace == "" {
		return ""
	}
	return s.tracer.Header(s.within(context.Background(), x))
}

// traceExecution tells of an execution that has ended.
func (s *Service) traceExecution(x *execution, r *executionResult, arn string) {
	if s.tracer == nil {
		return
	}
	failure := ""
	if r.Status != types.ExecutionStatusSucceeded {
		failure = cmp.Or(r.Error, string(r.Status))
	}
	version := ""
	if x.version > 0 {
		version = strconv.Itoa(x.version)
	}
	begin := x.started
	if x.redrives > 0 {
		begin = x.redriven
	}
	s.tracer.Record(x.trace, x.spanID(), "internal", x.id.machine, begin, r.Stopped, failure,
		"aws.step_functions.state_machine.arn", s.machineArn(x.id.machine), "aws.step_functions.state_machine.version", version,
		"aws.step_functions.state_machine.alias", x.alias, "aws.step_functions.execution.arn", arn,
		"aws.step_functions.execution.status", string(r.Status), "aws.step_functions.execution.redrives", x.redrives,
		"cloud.region", s.region, "cloud.account.id", s.account,
	)
}

// traceRequest puts the span of ctx into the headers of a task's request, but for those that the state sets itself.
func (s *Service) traceRequest(ctx context.Context, h http.Header) {
	if s.tracer == nil {
		return
	}
	own := http.Header{}
	s.tracer.Inject(ctx, own)
	for name, values := range own {
		if h[name] == nil {
			h[name] = values
		}
	}
}

// traceTask begins the span of one attempt of a Task state. That of a task which waits for a job or a token ends when the
// job has been started.
func (s *Service) traceTask(ctx context.Context, task *taskCall) (context.Context, func(*taskFailure)) {
	if s.tracer == nil {
		return ctx, func(*taskFailure) {}
	}
	ctx, end := s.tracer.Start(ctx, "client")
	return ctx, func(f *taskFailure) {
		failure := ""
		if f != nil {
			failure = f.Error
		}
		end(task.State, failure, "aws.step_functions.execution.arn", task.Execution, "aws.step_functions.state.name", task.State, "aws.step_functions.resource", task.Resource)
	}
}
