package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
)

// maxResult is AWS's limit for what a task answers, in bytes.
const maxResult = 256 << 10

// taskFailure is how a task failed, as Retry and Catch see it.
type taskFailure struct{ Error, Cause string }

// integration performs a task and gives its output, a JSON text. It ends early when ctx ends; its answer is not wanted
// then. It may run again after a restart: what it calls must bear that, as on AWS.
type integration struct {
	name    string // as messages about the size of its answer call it; "" means by the resource
	perform func(ctx context.Context, s *Service, task *taskCall) (json.RawMessage, *taskFailure)
}

// taskCall is a task with what tells it from all others: performed again, it is the same one.
type taskCall struct {
	*interp.InvokeTask
	Execution string // ARN
	Serial    string // of the execution
	Command   int64
	Exchange  func(*httpExchange) // told what an HTTP task has sent and received; may be nil
}

// builtin finds a service that a Task state can call beside those of the SDK, by what stands after
// "arn:aws:states:::". A plain function ARN is "".
func builtin(name string) (integration, bool) {
	switch name {
	case "":
		return integration{"", invokeFunction}, true
	case "http:invoke":
		return integration{"http", invokeHTTP}, true
	case "lambda:invoke":
		return integration{"lambda", invokeLambda}, true
	case "states:startExecution", "states:startExecution.sync", "states:startExecution.sync:2":
		return integration{"states", startExecution}, true
	}
	return integration{}, false
}

// notATask refuses an integration that only the reader and the writer of a Map state have.
func notATask(_ context.Context, _ *Service, task *taskCall) (json.RawMessage, *taskFailure) {
	return nil, &taskFailure{"States.Runtime", fmt.Sprintf("The resource %s cannot be called by a Task state.", task.Resource)}
}

// served tells the parser which integrations there are.
func (s *Service) served(service, action string) bool {
	_, ok := s.integrationNamed(service + ":" + action)
	return ok
}

func (s *Service) integrationNamed(name string) (integration, bool) {
	if sdk, ok := strings.CutPrefix(name, sdkPrefix); ok {
		return s.sdkIntegration(sdk)
	}
	switch name {
	case "":
		return integration{}, false
	case "s3:getObject", "s3:listObjectsV2", "s3:putObject": // of ItemReader and ResultWriter
		return integration{name: "s3", perform: notATask}, s.objects != nil
	case "sqs:sendMessage":
		return integration{name: "sqs", perform: sendMessage}, s.sdk != nil && s.sdk.Serves("sqs", "sendMessage")
	}
	return builtin(name)
}

func (s *Service) integrationOf(resource string) (integration, bool) {
	p := strings.SplitN(resource, ":", 6)
	if len(p) != 6 {
		return integration{}, false
	}
	if p[2] == "lambda" {
		return builtin("")
	}
	name, _, _ := strings.Cut(p[5], ".")
	return s.integrationNamed(name)
}

// invoke performs a task in a goroutine of its own, which ends with the task's answer, its cancelling, or the engine.
func (sh *shard) invoke(x *execution, command int64, task *interp.InvokeTask) {
	ctx, cancel := context.WithCancelCause(sh.e.s.within(sh.e.work, x))
	x.tasks[command] = cancel
	id, s := x.id, sh.e.s
	call := &taskCall{InvokeTask: task, Execution: s.executionArn(id), Serial: x.serial, Command: command}
	go func() {
		defer cancel(nil)
		output, failed := s.performTask(ctx, call)
		if ctx.Err() != nil { // nobody waits for the answer
			if errors.Is(context.Cause(ctx), errWithdrawn) {
				s.stopJob(numbered(call.Serial, command), output)
			}
			return
		}
		a := answer{of: x, command: command, output: output, failed: failed}
		if task.Pattern != asl.PatternRequest { // the outcome comes from outside
			a.kind = interp.EventTaskSubmitted
			if failed != nil {
				a.kind = interp.EventSubmitFailed
			}
		}
		sh.inbox.put(message{kind: answered, id: id, answer: a})
	}()
}

func (s *Service) performTask(ctx context.Context, task *taskCall) (output json.RawMessage, failed *taskFailure) {
	ctx, end := s.traceTask(ctx, task)
	defer func() { end(failed) }()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("an integration failed", "resource", task.Resource, "error", p, "stack", string(debug.Stack()))
			output, failed = nil, &taskFailure{"States.Runtime", fmt.Sprintf("The integration %s failed inside the platform.", task.Resource)}
		}
	}()
	i, ok := s.integrationOf(task.Resource)
	if !ok { // the parser lets no such definition in
		return nil, &taskFailure{"States.Runtime", fmt.Sprintf("The resource %s is not served by this platform.", task.Resource)}
	}
	output, failed = i.perform(ctx, s, task)
	if failed != nil {
		failed.Cause = strings.ToValidUTF8(failed.Cause, "\uFFFD")
		return nil, failed
	}
	if len(output) > maxResult {
		name := i.name
		if name == "" {
			name = task.Resource
		}
		return nil, &taskFailure{"States.DataLimitExceeded", "The state/task '" + name + "' returned a result with a size exceeding the maximum number of bytes service limit."}
	}
	return output, nil
}

// asJSON gives a payload as a JSON text: itself when it is one, else a JSON string of it.
func asJSON(payload []byte) json.RawMessage {
	if len(payload) == 0 {
		return json.RawMessage("null")
	}
	if utf8.Valid(payload) && json.Valid(payload) {
		return payload
	}
	b, err := json.Marshal(strings.ToValidUTF8(string(payload), "\uFFFD"))
	if err != nil { // a string is always encodable
		panic(err)
	}
	return b
}

// event is the answer as the interpreter takes it.
func (a answer) event() interp.Event {
	if a.failed != nil && a.kind == "" {
		a.kind = interp.EventTaskFailed
	}
	if a.failed != nil {
		return interp.Event{Kind: a.kind, Command: a.command, Error: a.failed.Error, Cause: a.failed.Cause}
	}
	if a.kind == "" {
		a.kind = interp.EventTaskSucceeded
	}
	return interp.Event{Kind: a.kind, Command: a.command, Output: a.output, Cursor: a.cursor}
}
