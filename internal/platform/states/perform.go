package states

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

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
	perform func(ctx context.Context, s *Service, task *interp.InvokeTask) (json.RawMessage, *taskFailure)
}

// integrations are the services that a Task state can call, by what stands after "arn:aws:states:::". A plain function
// ARN is the entry "".
var integrations = map[string]integration{
	"":              {"", invokeFunction},
	"lambda:invoke": {"lambda", invokeLambda},
}

// served tells the parser which integrations there are.
func served(service, action string) bool {
	_, ok := integrations[service+":"+action]
	return ok
}

func integrationOf(resource string) (integration, bool) {
	p := strings.SplitN(resource, ":", 6)
	if len(p) != 6 {
		return integration{}, false
	}
	if p[2] == "lambda" {
		return integrations[""], true
	}
	i, ok := integrations[p[5]]
	return i, ok && p[5] != ""
}

// invoke performs a task in a goroutine of its own, which ends with the task's answer, its cancelling, or the engine.
func (sh *shard) invoke(x *execution, command int64, task *interp.InvokeTask) {
	ctx, cancel := context.WithCancel(sh.e.work)
	x.tasks[command] = cancel
	id := x.id
	go func() {
		defer cancel()
		output, failed := sh.e.s.performTask(ctx, task)
		if ctx.Err() != nil { // nobody waits for the answer
			return
		}
		sh.inbox.put(message{kind: answered, id: id, answer: answer{of: x, command: command, output: output, failed: failed}})
	}()
}

func (s *Service) performTask(ctx context.Context, task *interp.InvokeTask) (output json.RawMessage, failed *taskFailure) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("an integration failed", "resource", task.Resource, "error", p, "stack", string(debug.Stack()))
			output, failed = nil, &taskFailure{"States.Runtime", fmt.Sprintf("The integration %s failed inside the platform.", task.Resource)}
		}
	}()
	i, ok := integrationOf(task.Resource)
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
	if a.failed != nil {
		return interp.Event{Kind: interp.EventTaskFailed, Command: a.command, Error: a.failed.Error, Cause: a.failed.Cause}
	}
	return interp.Event{Kind: interp.EventTaskSucceeded, Command: a.command, Output: a.output}
}
