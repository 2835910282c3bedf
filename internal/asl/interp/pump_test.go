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
	out, err := Step(p.m, p.s, ev)
	if err != nil {
		return err
	}
	p.events = append(p.events, ev)
	p.history = append(p.history, out.History...)
	for i, c := range out.Commands {
		switch {
		case c.InvokeTask != nil:
			a := p.tasks(c.InvokeTask)
			a.event.Command = c.ID
			p.due = append(p.due, scheduled{p.now.Add(a.after), a.event})
		case c.StartTimer != nil:
			p.due = append(p.due, scheduled{c.StartTimer.Due, Event{Kind: EventTimer, Command: c.ID}})
		case c.Cancel != nil:
			n := len(p.due)
			p.due = slices.DeleteFunc(p.due, func(d scheduled) bool { return d.event.Command == c.Cancel.Command })
			if len(p.due) != n-1 {
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
	err := p.step(Event{Kind: EventStart, At: p.now, Seed: p.seed})
	for err == nil && p.complete == nil {
		if len(p.due) == 0 {
			return errors.New("the execution waits for nothing")
		}
		next := slices.MinFunc(p.due, func(a, b scheduled) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.event.Command, b.event.Command))
		})
		p.due = slices.DeleteFunc(p.due, func(d scheduled) bool { return d.event.Command == next.event.Command })
		if next.at.After(p.now) {
			p.now = next.at
		}
		next.event.At = p.now
		next.event.Seed = p.seed + uint64(p.steps)
		err = p.step(next.event)
	}
	if err == nil && len(p.due) > 0 {
		err = fmt.Errorf("%d commands are open after Complete", len(p.due))
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
