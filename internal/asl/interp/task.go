package interp

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
)

// invoke runs one attempt of a Task state.
func (x *stepper) invoke(f *frame, env *asl.Env, in *asl.Payload) {
	t := f.state.Task
	at := *env
	at.Input = in
	var err error
	var beat, shownTimeout int64
	f.Timeout = 0
	if t.Timeout != nil {
		if f.Timeout, err = t.Timeout.Int(&at); err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		shownTimeout, _ = asl.Literal(t.Timeout) // AWS shows only what stands in the definition
	}
	if t.Heartbeat != nil {
		if _, err = t.Heartbeat.Int(&at); err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		beat, _ = asl.Literal(t.Heartbeat)
	}
	if t.Kind == asl.TaskFunction {
		x.follow(f, "LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails", &LambdaFunctionScheduledDetails{
			Resource: t.Resource, Input: in.Text(), TimeoutInSeconds: shownTimeout,
		})
		x.follow(f, "LambdaFunctionStarted", "", nil)
	} else {
		x.follow(f, "TaskScheduled", "taskScheduledEventDetails", &TaskScheduledDetails{
			ResourceType: t.Service, Resource: t.Action, Region: x.s.region(), Parameters: in.Text(),
			TimeoutInSeconds: shownTimeout, HeartbeatInSeconds: beat,
		})
		x.follow(f, "TaskStarted", "taskStartedEventDetails", &TaskStartedDetails{ResourceType: t.Service, Resource: t.Action})
	}
	x.command(f, useTask, Command{InvokeTask: &InvokeTask{Resource: t.Resource, Input: json.RawMessage(in.Text()), State: f.StateName}})
	if f.Timeout > 0 {
		x.timer(f, useTimeout, x.now.Add(time.Duration(min(f.Timeout, maxPause))*time.Second))
	}
}

// taskAnswered takes the answer of a task.
func (x *stepper) taskAnswered(f *frame, ev Event) {
	x.cancel(f) // the timer beside it
	t := f.state.Task
	if ev.Kind == EventTaskSucceeded && len(ev.Output) > asl.MaxPayload {
		who := t.Service
		if t.Kind == asl.TaskFunction {
			who = t.Resource
		}
		x.taskFailed(f, tooLarge(who))
		return
	}
	if ev.Kind == EventTaskFailed {
		x.taskFailed(f, failure{name: ev.Error, cause: ev.Cause})
		return
	}
	output := strings.ToValidUTF8(string(ev.Output), "\uFFFD")
	if t.Kind == asl.TaskFunction {
		x.follow(f, "LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails", &OutputDetails{Output: output})
	} else {
		x.follow(f, "TaskSucceeded", "taskSucceededEventDetails", &TaskSucceededDetails{
			ResourceType: t.Service, Resource: t.Action, Output: output,
		})
	}
	x.succeed(f, asl.NewPayload(output))
}

func (x *stepper) taskFailed(f *frame, e failure) {
	x.taskEvent(f, "Failed", e)
	e.task = true
	x.handle(f, e)
}

// taskTimedOut ends a task whose TimeoutSeconds have passed.
func (x *stepper) taskTimedOut(f *frame) {
	x.cancel(f)
	e := failure{name: asl.ErrTimeout, task: true}
	x.taskEvent(f, "TimedOut", e)
	x.handle(f, e)
}

// taskEvent records how a task ended; how is Failed or TimedOut.
func (x *stepper) taskEvent(f *frame, how string, e failure) {
	t := f.state.Task
	if t.Kind == asl.TaskFunction {
		x.follow(f, "LambdaFunction"+how, "lambdaFunction"+how+"EventDetails", &FailureDetails{Error: e.name, Cause: e.cause})
		return
	}
	x.follow(f, "Task"+how, "task"+how+"EventDetails", &TaskFailedDetails{
		ResourceType: t.Service, Resource: t.Action, Error: e.name, Cause: e.cause,
	})
}
