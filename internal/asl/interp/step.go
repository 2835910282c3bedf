package interp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// maxStates bounds how many states one step runs before it asks for a timer that is due at once, so that a loop of Pass
// and Choice states without a history limit cannot hold up the pump.
const maxStates = 20_000

// Step applies one event: it changes s and returns what is to be performed and recorded. The same events over the same
// definition always give the same result.
//
// On an error s is unchanged. ErrStale means that the event answers no open command; any other error that the event or
// the state does not fit the definition, which is a fault of the pump. Whatever goes wrong inside the workflow is no
// error of Step: it ends up in the history.
func Step(m *asl.StateMachine, s *State, ev Event) (Output, error) {
	target, err := check(m, s, ev)
	if err != nil {
		return Output{}, err
	}
	x := &stepper{m: m, s: s, now: ev.At.UTC(), random: *asl.NewRandom(ev.Seed), budget: maxStates, given: s.LastCommand}
	switch ev.Kind {
	case EventStart:
		x.start()
	case EventStop:
		x.end(StatusAborted, "ExecutionAborted", "executionAbortedEventDetails", ev.Error, ev.Cause)
	case EventExpired:
		x.end(StatusTimedOut, "ExecutionTimedOut", "executionTimedOutEventDetails", asl.ErrTimeout, "")
	case EventRedrive:
		x.redrive()
	default:
		x.answer(target, ev)
	}
	x.run()
	return x.out, nil
}

// check finds everything that makes an event impossible, before anything is changed.
func check(m *asl.StateMachine, s *State, ev Event) (open, error) {
	if err := s.bind(m); err != nil {
		return open{}, err
	}
	switch ev.Kind {
	case EventStart:
		if s.Status != "" {
			return open{}, errors.New("interp: the execution was started before")
		}
		if !json.Valid([]byte(s.Input.Text())) {
			return open{}, errors.New("interp: the execution's input is no JSON")
		}
		return open{}, nil
	case EventStop, EventExpired:
		if s.Status != StatusRunning {
			return open{}, ErrStale
		}
		return open{}, nil
	case EventRedrive:
		return open{}, Redrivable(m, s)
	case EventTaskSucceeded, EventTaskFailed, EventTimer, EventTaskSubmitted, EventSubmitFailed, EventActivityStarted,
		EventHeartbeat, EventItemsRead, EventMapRunUpdated:
	default:
		return open{}, fmt.Errorf("interp: unknown event %q", ev.Kind)
	}
	o, ok := s.Open[ev.Command]
	if !ok || s.Status != StatusRunning {
		return open{}, ErrStale
	}
	f := s.Frames[o.Frame]
	if o.Use != useDeadline && (f == nil || !f.takes(o.Use)) {
		return open{}, fmt.Errorf("interp: command %d belongs to no state of the definition that takes its answer", ev.Command)
	}
	if ok, err := o.Use.answeredBy(f, ev.Kind); err != nil || !ok {
		return open{}, cmp.Or(err, fmt.Errorf("interp: event %q does not answer command %d", ev.Kind, ev.Command))
	}
	switch ev.Kind {
	case EventTaskSucceeded, EventTaskSubmitted:
		if len(ev.Output) <= asl.MaxPayload && !json.Valid(ev.Output) {
			return open{}, fmt.Errorf("interp: the answer to command %d is no JSON", ev.Command)
		}
	case EventItemsRead:
		if v, err := jsonvalue.Parse(ev.Output); err != nil {
			return open{}, fmt.Errorf("interp: the items of command %d are no JSON", ev.Command)
		} else if _, ok := v.([]any); !ok {
			return open{}, fmt.Errorf("interp: the items of command %d are no array", ev.Command)
		}
	case EventMapRunUpdated:
		if ev.Limits == nil {
			return open{}, errors.New("interp: an update of a Map run without limits")
		}
	}
	return o, nil
}

// takes reports whether the frame is in a state to which a command of this use can belong.
func (f *frame) takes(u openUse) bool {
	switch u {
	case useTask, useTimeout, useBeat:
		return f.state.Task != nil && f.Task != nil
	case useRun, useRead, useChild, useWrite:
		return f.Fork != nil && f.Fork.Run != nil
	}
	return true
}

// answeredBy reports whether a command of this use takes such an event. The error is ErrStale for what was told before.
func (u openUse) answeredBy(f *frame, k EventKind) (bool, error) {
	switch u {
	case useTask:
		t := f.state.Task
		switch k {
		case EventTaskSucceeded, EventTaskFailed:
			if f.Task.Early != nil {
				return false, ErrStale
			}
			return true, nil
		case EventHeartbeat:
			return t.HasToken(), nil
		case EventActivityStarted:
			if f.Task.Started {
				return false, ErrStale
			}
			return t.Kind == asl.TaskActivity, nil
		case EventTaskSubmitted, EventSubmitFailed:
			if f.Task.Submitted {
				return false, ErrStale
			}
			return t.Pattern != asl.PatternRequest, nil
		}
		return false, nil
	case useRun:
		return k == EventMapRunUpdated, nil
	case useRead:
		return k == EventItemsRead || k == EventTaskFailed, nil
	case useChild, useWrite:
		return k == EventTaskSucceeded || k == EventTaskFailed, nil
	}
	return k == EventTimer, nil
}

// stepper is one step under way.
type stepper struct {
	m        *asl.StateMachine
	s        *State
	now      time.Time
	random   asl.Random
	out      Output
	ready    []*frame // frames that can run, first in first out
	budget   int      // states that this step may still run
	given    int64    // the last command of the steps before
	answered open     // what the event answers
	lost     []*frame // removed by the failure that is on its way up, with what they need for a redrive
	test     *test    // set while TestState tries a state
	full     bool     // the history has reached its limit
	fullAt   int64    // the event after which it did
}

func (x *stepper) start() {
	s := x.s
	s.Status = StatusRunning
	s.Frames = map[int64]*frame{}
	s.Open = map[int64]open{}
	o := &s.Options
	x.record(0, "ExecutionStarted", "executionStartedEventDetails", &ExecutionStartedDetails{
		Input: s.Input.Text(), RoleArn: o.RoleARN, AliasArn: o.AliasARN, VersionArn: o.VersionARN,
	})
	x.deadline()
	root := x.frame(nil, 0, x.m.Workflow, s.Input)
	x.ready = append(x.ready, root)
}

// deadline starts the timer of the machine's TimeoutSeconds.
func (x *stepper) deadline() {
	if x.m.TimeoutSeconds > 0 {
		x.s.Deadline = x.timer(nil, useDeadline, x.now.Add(time.Duration(x.m.TimeoutSeconds)*time.Second))
	}
}

// frame makes a thread that is about to enter the first state of w.
func (x *stepper) frame(parent *frame, i int, w *asl.Workflow, input *asl.Payload) *frame {
	x.s.LastFrame++
	f := &frame{ID: x.s.LastFrame, Index: i, StateName: w.Start.Name, Input: input, state: w.Start}
	if parent != nil {
		f.Parent, f.Previous = parent.ID, parent.Previous
	}
	x.s.Frames[f.ID] = f
	return f
}

// remove takes a frame out of the execution.
func (x *stepper) remove(f *frame) {
	delete(x.s.Frames, f.ID)
	x.s.Stored -= f.Stored
}

func (x *stepper) answer(o open, ev Event) {
	x.answered = o
	f := x.s.Frames[o.Frame]
	switch ev.Kind {
	case EventHeartbeat:
		f.Task.Beat = x.now
		return
	case EventActivityStarted:
		x.activityStarted(f, ev)
		return
	case EventTaskSubmitted:
		x.submitted(f, ev)
		return
	case EventMapRunUpdated:
		x.runUpdated(f, ev.Limits)
		return
	case EventTaskSucceeded, EventTaskFailed:
		if o.Use == useTask && f.state.Task.Pattern != asl.PatternRequest && !f.Task.Submitted {
			f.Task.Early = &ev
			return
		}
	}
	delete(x.s.Open, ev.Command)
	if o.Use == useDeadline {
		x.s.Deadline = 0
		x.end(StatusTimedOut, "ExecutionTimedOut", "executionTimedOutEventDetails", asl.ErrTimeout, "")
		return
	}
	f.forget(ev.Command)
	switch o.Use {
	case useTask:
		x.taskAnswered(f, ev)
	case useTimeout:
		x.taskTimedOut(f, asl.ErrTimeout)
	case useBeat:
		x.beatDue(f)
	case useRead:
		x.itemsRead(f, ev)
	case useChild:
		x.childAnswered(f, ev)
	case useWrite:
		x.resultsWritten(f, ev)
	case useWait:
		x.succeed(f, nil)
	case useRetry:
		x.attempt(f)
	case useContinue:
		if f.Fork != nil && f.Fork.Run != nil {
			f.Fork.Run.Paused = false
			x.startChildren(f)
			return
		}
		x.ready = append(x.ready, f)
	}
}

// run lets frames run until all wait or the execution has ended.
func (x *stepper) run() {
	for len(x.ready) > 0 && x.s.Status == StatusRunning {
		if x.full {
			break
		}
		f := x.ready[0]
		x.ready = x.ready[1:]
		if x.s.Frames[f.ID] != f { // it was aborted
			continue
		}
		if x.budget--; x.budget < 0 {
			x.timer(f, useContinue, x.now)
			continue
		}
		x.enter(f)
	}
	if x.full && x.s.Status == StatusRunning {
		x.overflow()
	}
}

// record appends a history event and returns its ID. Once the limit is in sight nothing is appended any more: the place
// that is left belongs to the event that ends the execution.
func (x *stepper) record(previous int64, typ, name string, details any) int64 {
	if x.full {
		return x.s.LastEvent
	}
	if x.s.LastEvent+1 >= x.s.limit() {
		x.full, x.fullAt = true, previous
		return x.s.LastEvent
	}
	return x.write(previous, typ, name, details)
}

// write appends a history event whatever the limit.
func (x *stepper) write(previous int64, typ, name string, details any) int64 {
	x.s.LastEvent++
	e := HistoryEvent{ID: x.s.LastEvent, PreviousID: previous, Type: typ, At: x.now}
	if details != nil {
		e.DetailsName, e.Details = name, details
	}
	x.out.History = append(x.out.History, e)
	return x.s.LastEvent
}

// follow records an event of a frame's thread.
func (x *stepper) follow(f *frame, typ, name string, details any) int64 {
	f.Previous = x.record(f.Previous, typ, name, details)
	return f.Previous
}

// command gives a command that waits for an answer.
func (x *stepper) command(f *frame, use openUse, c Command) int64 {
	x.s.LastCommand++
	c.ID = x.s.LastCommand
	o := open{Use: use}
	if f != nil {
		o.Frame = f.ID
		f.Commands = append(f.Commands, c.ID)
	}
	x.s.Open[c.ID] = o
	x.out.Commands = append(x.out.Commands, c)
	return c.ID
}

func (x *stepper) timer(f *frame, use openUse, due time.Time) int64 {
	return x.command(f, use, Command{StartTimer: &StartTimer{Due: due}})
}

// cancel withdraws all open commands of a frame.
func (x *stepper) cancel(f *frame) {
	for _, id := range f.Commands {
		x.withdraw(id)
	}
	f.Commands = nil
}

// withdraw takes an open command back. One of this very step was never performed, and is simply not given.
func (x *stepper) withdraw(id int64) {
	delete(x.s.Open, id)
	if id > x.given {
		x.out.Commands = slices.DeleteFunc(x.out.Commands, func(c Command) bool { return c.ID == id })
		return
	}
	x.s.LastCommand++
	x.out.Commands = append(x.out.Commands, Command{ID: x.s.LastCommand, Cancel: &Cancel{Command: id}})
}

// forget drops a command that was answered.
func (f *frame) forget(id int64) {
	for i, c := range f.Commands {
		if c == id {
			f.Commands = append(f.Commands[:i], f.Commands[i+1:]...)
			return
		}
	}
}
