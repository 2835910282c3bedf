package interp

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// failure is an error of a state on its way up.
type failure struct {
	name, cause string
	final       bool // no retrier and no catcher gets to see it
	task        bool // a task's own error: its event is in the history
	// field is where the JSONata expression stands that could not be evaluated; empty for other errors.
	field   string
	follows bool // EvaluationFailed follows the StateEntered event
	began   bool // a Map state's error that comes before its MapStateStarted, and yet makes it fail visibly
}

// runtime makes a failure of an error that the evaluation of a state gave; AWS puts the state's name before its cause.
func (f *frame) runtime(err error) failure {
	var e *asl.Error
	if !errors.As(err, &e) {
		e = &asl.Error{Name: asl.ErrRuntime, Cause: err.Error()}
	}
	return failure{
		name:  e.Name,
		cause: fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). %s", f.StateName, f.EnteredID, e.Cause),
		final: e.Name == asl.ErrRuntime,
		field: e.Field, follows: e.Follows,
	}
}

// tooLarge is the failure of a result beyond the limit; who is the state, or the task's resource.
func tooLarge(who string) failure {
	return failure{
		name:  asl.ErrDataLimitExceeded,
		cause: "The state/task '" + who + "' returned a result with a size exceeding the maximum number of bytes service limit.",
	}
}

// entered and exited name the events around a state.
var entered, exited = map[asl.Type]string{}, map[asl.Type]string{}

func init() {
	for _, t := range []asl.Type{
		asl.TypePass, asl.TypeTask, asl.TypeChoice, asl.TypeWait, asl.TypeSucceed, asl.TypeFail, asl.TypeParallel, asl.TypeMap,
	} {
		entered[t], exited[t] = string(t)+"StateEntered", string(t)+"StateExited"
	}
}

// enter begins the state that the frame is in and runs it as far as it goes.
func (x *stepper) enter(f *frame) {
	s := f.state
	if f.EnteredID == 0 {
		f.Entered, f.Attempts, f.Retries, f.Before = x.now, nil, 0, f.Previous
		f.EnteredID = x.follow(f, entered[s.Type], "stateEnteredEventDetails", &StateEnteredDetails{
			Name: s.Name, Input: f.Input.Text(),
		})
	}
	x.attempt(f)
}

// attempt runs the state, for the first time or after a retry's pause.
func (x *stepper) attempt(f *frame) {
	s := f.state
	env := x.env(f)
	switch s.Type {
	case asl.TypeFail:
		x.fail(f, env)
		return
	case asl.TypeTask:
		f.Task = &attempt{}
		if s.Task.HasToken() {
			f.Task.Token = x.token()
		}
	}
	in, err := s.Data.Arguments(env)
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	switch s.Type {
	case asl.TypePass:
		if s.Pass.Result != nil {
			in = s.Pass.Result
		}
		x.succeedIn(f, env, in)
	case asl.TypeSucceed:
		x.succeedIn(f, env, in)
	case asl.TypeChoice:
		x.choose(f, env, in)
	case asl.TypeWait:
		x.wait(f, env, in)
	case asl.TypeTask:
		x.invoke(f, env, in)
	case asl.TypeParallel:
		x.branch(f, in)
	case asl.TypeMap:
		x.mapItems(f, in)
	}
}

// succeed leaves the state with its result. For a Wait whose time has come the result is not kept while it waits: nil
// stands for the effective input.
func (x *stepper) succeed(f *frame, result *asl.Payload) {
	env := x.env(f)
	if result == nil {
		in, err := f.state.Data.Arguments(env)
		if err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		result = in
	}
	x.succeedIn(f, env, result)
}

// succeedIn leaves the state with its result, in an environment that shows the state's input.
func (x *stepper) succeedIn(f *frame, env *asl.Env, result *asl.Payload) {
	out, assigned, err := f.state.Data.Output(env, result)
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	x.leave(f, f.state.Next, out, assigned)
}

// leave records the state's end and goes on to the next state, or ends the thread when next is nil.
func (x *stepper) leave(f *frame, next *asl.State, out *asl.Payload, assigned []asl.Variable) {
	if len(out.Text()) > asl.MaxPayload {
		e := tooLarge(f.StateName)
		e.final = true
		x.handle(f, e)
		return
	}
	d := &StateExitedDetails{Name: f.StateName, Output: out.Text()}
	if len(assigned) > 0 {
		if e, ok := x.assign(f, assigned, d); !ok {
			x.handle(f, e)
			return
		}
	}
	if x.test != nil {
		x.test.left(next, out)
		return
	}
	x.follow(f, exited[f.state.Type], "stateExitedEventDetails", d)
	f.Fork, f.Task, x.lost = nil, nil, nil
	if next == nil {
		x.threadEnded(f, out)
		return
	}
	f.state, f.StateName, f.Input, f.EnteredID = next, next.Name, out, 0
	x.ready = append(x.ready, f)
}

// The limits of workflow variables, in bytes: of what one Assign sets, and of all that an execution holds.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
const (
	maxAssigned = 256 * 1024
	maxStored   = 10 * 1024 * 1024
)

// assign sets variables of the frame's scope; all take effect together.
func (x *stepper) assign(f *frame, assigned []asl.Variable, d *StateExitedDetails) (failure, bool) {
	total, grown := 0, 0
	d.AssignedVariables = make(map[string]string, len(assigned))
	for _, v := range assigned {
		text := jsonvalue.Marshal(v.Value)
		total += len(text)
		grown += len(text)
		if old := f.Variables[v.Name]; old != nil {
			grown -= len(old.Text())
		}
		if total > maxAssigned || x.s.Stored+grown > maxStored {
			return f.runtime(&asl.Error{Name: asl.ErrRuntime, Cause: "The variable '" + v.Name + "' exceeds the maximum size of variables."}), false
		}
		d.AssignedVariables[v.Name] = string(text)
	}
	d.AssignedVariablesDetails = &DataDetails{}
	if f.Variables == nil {
		f.Variables = make(map[string]*asl.Payload, len(assigned))
	}
	for _, v := range assigned {
		f.Variables[v.Name] = asl.PayloadOf(v.Value)
	}
	f.Stored += grown
	x.s.Stored += grown
	return failure{}, true
}

// handle deals with an error of the state: it is retried, caught, or ends the thread.
func (x *stepper) handle(f *frame, e failure) {
	x.evaluationFailed(f, e)
	if !e.final && x.retry(f, e) {
		x.lost = nil
		return
	}
	switch f.state.Type {
	case asl.TypeParallel:
		if f.Fork != nil {
			x.follow(f, "ParallelStateFailed", "", nil)
		}
	case asl.TypeMap:
		if f.Fork != nil || e.began {
			x.follow(f, "MapStateFailed", "", nil)
		}
	}
	if !e.final && x.catch(f, e) {
		return
	}
	if e.task && f.Parent != 0 && x.s.Frames[f.Parent].state.Type == asl.TypeParallel {
		x.record(f.Previous, "TaskStateAborted", "", nil)
	}
	x.failed(f, e)
}

// evaluationFailed records that an expression of the state could not be evaluated. AWS links it to the event before
// StateEntered as long as nothing else has happened in the state.
func (x *stepper) evaluationFailed(f *frame, e failure) {
	if e.field == "" {
		return
	}
	if f.Previous == f.EnteredID && !e.follows {
		f.Previous = f.Before
	}
	x.follow(f, "EvaluationFailed", "evaluationFailedEventDetails", &EvaluationFailedDetails{
		Error: e.name, Cause: e.cause, Location: e.field, State: f.StateName,
	})
}

// retry starts the pause before another attempt, when a retrier stands for the error and has attempts left.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
func (x *stepper) retry(f *frame, e failure) bool {
	for i := range f.state.Retry {
		r := &f.state.Retry[i]
		if !asl.Matches(r.ErrorEquals, e.name) {
			continue
		}
		if f.Attempts == nil {
			f.Attempts = make([]int64, len(f.state.Retry))
		}
		if x.test != nil {
			return x.test.retried(f, i, e, &x.random)
		}
		done := f.Attempts[i]
		if done >= r.MaxAttempts {
			return false
		}
		f.Attempts[i]++
		f.Retries++
		f.Fork = nil
		x.timer(f, useRetry, x.now.Add(delay(r, done, &x.random)))
		return true
	}
	return false
}

// maxPause keeps an endless backoff within what a timer can hold: 366 days.
const maxPause = 366 * 24 * 3600

// delay is the pause before attempt n+1 of a retrier, n counted from 0.
func delay(r *asl.Retrier, n int64, random *asl.Random) time.Duration {
	seconds := float64(r.IntervalSeconds) * math.Pow(r.BackoffRate, float64(n))
	if r.MaxDelaySeconds > 0 {
		seconds = min(seconds, float64(r.MaxDelaySeconds))
	}
	seconds = min(seconds, maxPause)
	if r.FullJitter {
		seconds *= random.Float64()
	}
	return time.Duration(seconds * float64(time.Second))
}

// catch leaves the state through the first catcher that stands for the error.
func (x *stepper) catch(f *frame, e failure) bool {
	for i := range f.state.Catch {
		c := &f.state.Catch[i]
		if !asl.Matches(c.ErrorEquals, e.name) {
			continue
		}
		if x.test != nil {
			x.test.caught(i, e)
		}
		o := jsonvalue.NewObject(2)
		o.Set("Error", e.name)
		o.Set("Cause", e.cause)
		out, assigned, err := c.Data.Output(x.env(f), asl.PayloadOf(o))
		if err != nil {
			e := f.runtime(err)
			x.evaluationFailed(f, e)
			x.failed(f, e)
			return true
		}
		if len(out.Text()) > asl.MaxPayload {
			x.failed(f, tooLarge(f.StateName))
			return true
		}
		x.leave(f, c.Next, out, assigned)
		return true
	}
	return false
}
