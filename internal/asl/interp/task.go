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
	var timeout, beat int64
	var role string
	var err error
	if t.Timeout != nil {
		timeout, err = t.Timeout.Int(dynamic(f, env, &at))
	}
	if t.Heartbeat != nil && err == nil {
		beat, err = t.Heartbeat.Int(dynamic(f, env, &at))
	}
	if t.Role != nil && err == nil {
		role, err = t.Role.Text(env)
	}
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	var credentials *TaskCredentials
	if role != "" {
		credentials = &TaskCredentials{role}
	}
	var c Command
	switch input := json.RawMessage(in.Text()); t.Kind {
	case asl.TaskFunction:
		x.follow(f, "LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails", &LambdaFunctionScheduledDetails{
			Resource: t.Resource, Input: in.Text(), TimeoutInSeconds: asl.Shown(t.Timeout, timeout), TaskCredentials: credentials,
		})
		x.follow(f, "LambdaFunctionStarted", "", nil)
		c.InvokeTask = &InvokeTask{Resource: t.Resource, Input: input, State: f.StateName, Role: role}
	case asl.TaskActivity:
		x.follow(f, "ActivityScheduled", "activityScheduledEventDetails", &ActivityScheduledDetails{
			Resource: t.Resource, Input: in.Text(), TimeoutInSeconds: asl.Shown(t.Timeout, timeout), HeartbeatInSeconds: asl.Shown(t.Heartbeat, beat),
		})
		c.ScheduleActivity = &ScheduleActivity{Activity: t.Resource, Input: input, State: f.StateName, Token: f.Task.Token}
	case asl.TaskService:
		x.follow(f, "TaskScheduled", "taskScheduledEventDetails", &TaskScheduledDetails{
			ResourceType: t.Service, Resource: t.Action, Region: x.s.region(), Parameters: in.Text(),
			TimeoutInSeconds: asl.Shown(t.Timeout, timeout), HeartbeatInSeconds: asl.Shown(t.Heartbeat, beat), TaskCredentials: credentials,
		})
		x.follow(f, "TaskStarted", "taskStartedEventDetails", &TaskStartedDetails{ResourceType: t.Service, Resource: t.Action})
		c.InvokeTask = &InvokeTask{
			Resource: t.Resource, Input: input, State: f.StateName, Pattern: t.Pattern, Token: f.Task.Token, Role: role,
		}
	}
	x.command(f, useTask, c)
	if timeout > 0 {
		x.timer(f, useTimeout, x.now.Add(time.Duration(min(timeout, maxPause))*time.Second))
	}
	if t.HasToken() && beat > 0 { // nobody can send a heartbeat for another task
		f.Task.Heartbeat = min(beat, maxPause)
		if t.Kind != asl.TaskActivity { // an activity's begin when a worker has fetched it
			x.beat(f)
		}
	}
}

// dynamic is the environment of TimeoutSeconds and HeartbeatSeconds: the effective input in JSONPath, the input in JSONata.
func dynamic(f *frame, input, effective *asl.Env) *asl.Env {
	if f.state.QueryLanguage == "JSONata" {
		return input
	}
	return effective
}

// beat begins HeartbeatSeconds.
func (x *stepper) beat(f *frame) {
	f.Task.Beat = x.now
	x.timer(f, useBeat, x.now.Add(time.Duration(f.Task.Heartbeat)*time.Second))
}

// beatDue looks whether a heartbeat has come since the timer was set: then it waits for the next one. So a heartbeat costs
// no timer.
func (x *stepper) beatDue(f *frame) {
	due := f.Task.Beat.Add(time.Duration(f.Task.Heartbeat) * time.Second)
	if due.After(x.now) {
		x.timer(f, useBeat, due)
		return
	}
	x.taskTimedOut(f, asl.ErrHeartbeatTimeout)
}

// activityStarted notes that a worker has fetched the task.
func (x *stepper) activityStarted(f *frame, ev Event) {
	f.Task.Started = true
	x.follow(f, "ActivityStarted", "activityStartedEventDetails", &ActivityStartedDetails{WorkerName: ev.Worker})
	if f.Task.Heartbeat > 0 {
		x.beat(f)
	}
}

// submitted notes that the request of a task was accepted, and takes the outcome if that came first.
func (x *stepper) submitted(f *frame, ev Event) {
	t := f.state.Task
	f.Task.Submitted = true
	output := strings.ToValidUTF8(string(ev.Output), "\uFFFD")
	x.follow(f, "TaskSubmitted", "taskSubmittedEventDetails", &TaskSucceededDetails{ResourceType: t.Service, Resource: t.Action, Output: output})
	if early := f.Task.Early; early != nil {
		delete(x.s.Open, early.Command)
		f.forget(early.Command)
		x.taskAnswered(f, *early)
	}
}

// taskAnswered takes the answer of a task.
func (x *stepper) taskAnswered(f *frame, ev Event) {
	x.cancel(f) // the timers beside it
	t := f.state.Task
	switch {
	case ev.Kind == EventSubmitFailed:
		e := failure{name: ev.Error, cause: ev.Cause, task: true}
		x.taskEvent(f, "SubmitFailed", e)
		x.handle(f, e)
		return
	case ev.Kind == EventTaskFailed:
		x.taskFailed(f, failure{name: ev.Error, cause: ev.Cause})
		return
	case len(ev.Output) > asl.MaxPayload:
		who := t.Service
		if t.Kind != asl.TaskService {
			who = t.Resource
		}
		x.taskFailed(f, tooLarge(who))
		return
	}
	output := strings.ToValidUTF8(string(ev.Output), "\uFFFD")
	switch t.Kind {
	case asl.TaskFunction:
		x.follow(f, "LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails", &OutputDetails{Output: output})
	case asl.TaskActivity:
		x.follow(f, "ActivitySucceeded", "activitySucceededEventDetails", &OutputDetails{Output: output})
	case asl.TaskService:
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

// taskTimedOut ends a task whose TimeoutSeconds or HeartbeatSeconds have passed.
func (x *stepper) taskTimedOut(f *frame, name string) {
	x.cancel(f)
	e := failure{name: name, task: true}
	x.taskEvent(f, "TimedOut", e)
	x.handle(f, e)
}

// taskEvent records how a task ended; how is Failed, TimedOut or SubmitFailed.
func (x *stepper) taskEvent(f *frame, how string, e failure) {
	t := f.state.Task
	switch d := (&FailureDetails{Error: e.name, Cause: e.cause}); t.Kind {
	case asl.TaskFunction:
		x.follow(f, "LambdaFunction"+how, "lambdaFunction"+how+"EventDetails", d)
	case asl.TaskActivity:
		x.follow(f, "Activity"+how, "activity"+how+"EventDetails", d)
	case asl.TaskService:
		x.follow(f, "Task"+how, "task"+how+"EventDetails", &TaskFailedDetails{
			ResourceType: t.Service, Resource: t.Action, Error: e.name, Cause: e.cause,
		})
	}
}
