package interp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
)

// begin is when the tests' executions start.
var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func options(input string) StartOptions {
	return StartOptions{
		ExecutionARN:     "arn:aws:states:us-east-1:111111111111:execution:machine:run",
		ExecutionName:    "run",
		StateMachineARN:  "arn:aws:states:us-east-1:111111111111:stateMachine:machine",
		StateMachineName: "machine",
		RoleARN:          "arn:aws:iam::111111111111:role/role",
		Input:            json.RawMessage(input),
		StartTime:        begin,
	}
}

func machine(t testing.TB, definition string) *asl.StateMachine {
	t.Helper()
	m, ds := asl.Parse([]byte(definition), asl.Options{})
	if m == nil {
		t.Fatalf("%s", asl.Summary(ds))
	}
	return m
}

// answer is what a fake task gives: an event without its ID and time, after some time.
type answer struct {
	event Event
	after time.Duration
}

// pump runs an execution to its end in virtual time.
type pump struct {
	m     *asl.StateMachine
	s     *State
	tasks func(*InvokeTask) answer
	// reload marshals the state and reads it back before every step.
	reload bool
	seed   uint64

	now      time.Time
	due      []scheduled
	events   []Event
	history  []HistoryEvent
	complete *Complete
	steps    int

	runs map[string]*mapRun
	// told are the commands that are told several things, some of them perhaps when they are over.
	told     map[int64]bool
	redrives int                    // how often a failed execution is redriven
	standing []int64                // open StartMapRun commands
	read     func(*ReadItems) Event // answers ReadItems
}

// stored reports a wrong account of the variables' size.
func stored(s *State) error {
	if s.Frames == nil {
		return nil
	}
	n := 0
	for _, f := range s.Frames {
		for _, v := range f.Variables {
			n += len(v.Text())
		}
	}
	if n != s.Stored {
		return fmt.Errorf("the variables have %d bytes, the state says %d", n, s.Stored)
	}
	return nil
}

func (p *pump) tell(command int64) {
	if p.told == nil {
		p.told = map[int64]bool{}
	}
	p.told[command] = true
}

// mapRun is a Map run with its children.
type mapRun struct {
	start    *StartMapRun
	command  int64
	children map[int]*pump
}

// child runs a child execution to its end, and answers when it would have ended.
func (p *pump) child(command int64, c *StartChild) error {
	r := p.runs[c.MapRun]
	child := &pump{m: p.m.Child(r.start.State), tasks: p.tasks, seed: p.seed + uint64(command), reload: p.reload, read: p.read}
	input := string(c.Input)
	if c.Redrive {
		input = `{"items":[]}`
		if before := r.children[c.Index]; before != nil {
			input = before.s.Input.Text()
		}
	}
	o := options(input)
	o.ExecutionName = fmt.Sprintf("run-%d", command)
	o.StateMachineName += "/" + r.start.Label
	o.StateMachineARN += "/" + r.start.Label
	child.s = Start(child.m, o)
	r.children[c.Index] = child
	if err := child.run(); err != nil {
		return err
	}
	ev := Event{Kind: EventTaskSucceeded, Command: command, Output: child.complete.Output}
	if child.complete.Status != StatusSucceeded {
		ev = Event{Kind: EventTaskFailed, Command: command, Error: child.complete.Error, Cause: child.complete.Cause}
	}
	p.due = append(p.due, scheduled{p.now.Add(child.now.Sub(begin)), ev})
	return nil
}

type scheduled struct {
	at    time.Time
	event Event
}

func (p *pump) step(ev Event) error {
	if p.reload {
		data, err := json.Marshal(p.s)
		if err != nil {
			return err
		}
		p.s = &State{}
		if err := json.Unmarshal(data, p.s); err != nil {
			return err
		}
	}
	p.steps++
	if ev.Kind == EventRedrive {
		p.complete = nil
	}
	out, err := Step(p.m, p.s, ev)
	if err != nil {
		return err
	}
	if err := stored(p.s); err != nil {
		return err
	}
	p.events = append(p.events, ev)
	p.history = append(p.history, out.History...)
	for i, c := range out.Commands {
		switch {
		case c.InvokeTask != nil:
			a := p.tasks(c.InvokeTask)
			a.event.Command = c.ID
			if c.InvokeTask.Pattern != asl.PatternRequest {
				p.tell(c.ID)
				p.due = append(p.due, scheduled{p.now.Add(time.Second), Event{Kind: EventTaskSubmitted, Command: c.ID, Output: json.RawMessage(`{"sent": true}`)}})
			}
			p.due = append(p.due, scheduled{p.now.Add(a.after), a.event})
		case c.ScheduleActivity != nil:
			p.tell(c.ID)
			a := p.tasks(&InvokeTask{Resource: c.ScheduleActivity.Activity, Input: c.ScheduleActivity.Input, State: c.ScheduleActivity.State})
			a.event.Command = c.ID
			p.due = append(p.due, scheduled{p.now, Event{Kind: EventActivityStarted, Command: c.ID, Worker: "w"}})
			p.due = append(p.due, scheduled{p.now.Add(a.after), a.event})
		case c.StartMapRun != nil:
			if p.runs == nil {
				p.runs = map[string]*mapRun{}
			}
			p.runs[c.StartMapRun.ARN] = &mapRun{start: c.StartMapRun, command: c.ID, children: map[int]*pump{}}
			p.standing = append(p.standing, c.ID)
		case c.FinishMapRun != nil:
			n := len(p.standing)
			p.standing = slices.DeleteFunc(p.standing, func(id int64) bool { return id == c.FinishMapRun.Command })
			if len(p.standing) != n-1 {
				return fmt.Errorf("command %d finishes %d, which is not open", c.ID, c.FinishMapRun.Command)
			}
		case c.ReadItems != nil:
			a := p.read(c.ReadItems)
			a.Command = c.ID
			p.due = append(p.due, scheduled{p.now, a})
		case c.WriteResults != nil:
			p.due = append(p.due, scheduled{p.now, Event{Kind: EventTaskSucceeded, Command: c.ID, Output: json.RawMessage(`{"written":true}`)}})
		case c.StartChild != nil:
			if err := p.child(c.ID, c.StartChild); err != nil {
				return err
			}
		case c.StartTimer != nil:
			p.due = append(p.due, scheduled{c.StartTimer.Due, Event{Kind: EventTimer, Command: c.ID}})
		case c.Cancel != nil:
			n := len(p.due) + len(p.standing)
			p.due = slices.DeleteFunc(p.due, func(d scheduled) bool { return d.event.Command == c.Cancel.Command })
			p.standing = slices.DeleteFunc(p.standing, func(id int64) bool { return id == c.Cancel.Command })
			if len(p.due)+len(p.standing) == n && !p.told[c.Cancel.Command] {
				return fmt.Errorf("command %d cancels %d, which is not open", c.ID, c.Cancel.Command)
			}
		case c.Complete != nil:
			if p.complete != nil {
				return errors.New("a second Complete")
			}
			if i != len(out.Commands)-1 {
				return errors.New("Complete is not the last command")
			}
			p.complete = c.Complete
		}
	}
	return nil
}

// run starts the execution and goes on until it has ended.
func (p *pump) run() error {
	p.now = begin
	return p.goOn(Event{Kind: EventStart, At: p.now, Seed: p.seed})
}

// goOn takes an event and then all that follows.
func (p *pump) goOn(ev Event) error {
	err := p.step(ev)
	for err == nil && p.complete == nil {
		if len(p.due) == 0 {
			return errors.New("the execution waits for nothing")
		}
		next := slices.MinFunc(p.due, func(a, b scheduled) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.event.Command, b.event.Command))
		})
		at := slices.IndexFunc(p.due, func(d scheduled) bool {
			return d.event.Command == next.event.Command && d.event.Kind == next.event.Kind
		})
		p.due = slices.Delete(p.due, at, at+1)
		if next.at.After(p.now) {
			p.now = next.at
		}
		next.event.At = p.now
		next.event.Seed = p.seed + uint64(p.steps)
		if err = p.step(next.event); errors.Is(err, ErrStale) && p.told[next.event.Command] {
			err = nil // the task was over before
		}
	}
	p.due = slices.DeleteFunc(p.due, func(d scheduled) bool { return p.told[d.event.Command] })
	if err == nil && len(p.due)+len(p.standing) > 0 {
		err = fmt.Errorf("%d commands are open after Complete", len(p.due)+len(p.standing))
	}
	if err == nil && p.redrives > 0 && p.complete.Status != StatusSucceeded && Redrivable(p.m, p.s) == nil {
		p.redrives--
		return p.goOn(Event{Kind: EventRedrive, At: p.now, Seed: p.seed + uint64(p.steps)})
	}
	return err
}

// gapFree reports a history whose IDs are not 1, 2, 3 … or whose events follow later ones.
func gapFree(history []HistoryEvent) error {
	for i, e := range history {
		if e.ID != int64(i+1) {
			return fmt.Errorf("event %d has ID %d", i+1, e.ID)
		}
		if e.PreviousID >= e.ID || e.PreviousID < 0 {
			return fmt.Errorf("event %d follows %d", e.ID, e.PreviousID)
		}
	}
	return nil
}
