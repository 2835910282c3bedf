package states

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// execution is an open execution in the memory of its shard. Its input and its history are in the store only.
type execution struct {
	id      execID
	serial  string
	version int
	alias   string
	started time.Time
	open    []byte // the openRecord with this process as the owner

	definition *asl.StateMachine
	state      *interp.State
	last       time.Time // of the newest event: an execution's time never runs backwards
	journalled int       // events in the journal, or in the change under way
	ended      bool

	tasks  map[int64]context.CancelFunc // invocations under way
	timers map[int64]*timer
}

func (e *engine) newExecution(r *executionRecord, definition *asl.StateMachine, state *interp.State) *execution {
	return &execution{
		id: r.id(), serial: r.Serial, open: encode(openRecord{r.Machine, r.Name, e.lease}), version: r.Version, alias: r.Alias, started: r.Started, last: r.Started, definition: definition, state: state,
		tasks: map[int64]context.CancelFunc{}, timers: map[int64]*timer{},
	}
}

// cancelAll ends the invocations of an execution.
func (x *execution) cancelAll() {
	for _, cancel := range x.tasks {
		cancel()
	}
	clear(x.tasks)
}

// change is all that one round does to one execution.
type change struct {
	x        *execution
	starting *executionRecord // the execution is new
	claim    []byte           // the openRecord of the former owner, when the execution is being taken over
	events   []interp.Event
	history  [][]byte // rows: JSON lists, with the number of the first event of each
	first    []int64
	commands []interp.Command
	result   *executionResult // the execution has ended
	waiting  []message        // replied once the change is durable
	late     []message        // came after what they ask for; told so once the change is durable

	batch store.Batch
}

// executionResult is how an execution ended. It is written once.
type executionResult struct {
	Status  types.ExecutionStatus `json:"status"`
	Stopped time.Time             `json:"stopped"`
	Output  string                `json:"output,omitempty"` // JSON text, kept byte for byte
	Error   string                `json:"error,omitempty"`
	Cause   string                `json:"cause,omitempty"`
}

// begin runs the first step of a new execution.
func (sh *shard) begin(m message, now time.Time, touch func(*execution) *change) {
	if x := sh.open[m.id]; x != nil { // its caller looks at what is there, once that is durable
		c := touch(x)
		c.late = append(c.late, m)
		return
	}
	definition, err := sh.e.s.definitions.parsed(sh.e.work, m.record.Revision.Digest)
	if err != nil {
		m.respond(reply{err: err})
		return
	}
	m.record.Started = now
	x := sh.e.newExecution(m.record, definition, sh.e.s.newState(definition, m.record))
	sh.open[m.id] = x
	c := touch(x)
	c.starting = m.record
	c.waiting = append(c.waiting, m)
	sh.apply(c, interp.Event{Kind: interp.EventStart}, now)
}

// halt stops an execution.
func (sh *shard) halt(m message, now time.Time, touch func(*execution) *change) {
	x, err := sh.owned(m.id, touch)
	if err != nil {
		m.respond(reply{err: err})
		return
	}
	c := touch(x)
	if x.ended { // in this very round: its caller looks at how, once that is durable
		c.late = append(c.late, m)
		return
	}
	c.waiting = append(c.waiting, m)
	sh.apply(c, interp.Event{Kind: interp.EventStop, Error: m.stop.error, Cause: m.stop.cause}, now)
}

// apply lets the interpreter make what it makes of an event. An answer that comes too late has no effect.
func (sh *shard) apply(c *change, ev interp.Event, now time.Time) {
	x := c.x
	if x.ended {
		return
	}
	if ev.At.Before(now) {
		ev.At = now
	}
	if ev.At.Before(x.last) {
		ev.At = x.last
	}
	ev.Seed = rand.Uint64()
	if ev.Kind == interp.EventTaskSucceeded || ev.Kind == interp.EventTaskFailed {
		if x.tasks[ev.Command] == nil {
			return
		}
		delete(x.tasks, ev.Command)
	}
	out, err := step(x.definition, x.state, ev)
	if errors.Is(err, interp.ErrStale) {
		return
	}
	if err != nil {
		sh.condemn(c, err, ev.At)
		return
	}
	x.last = ev.At
	x.journalled++
	c.events = append(c.events, ev)
	c.add(out.History)
	for _, cmd := range out.Commands {
		if done := cmd.Complete; done != nil {
			c.end(executionResult{
				Status: types.ExecutionStatus(done.Status), Stopped: ev.At, Output: string(done.Output), Error: done.Error, Cause: done.Cause,
			})
			continue
		}
		c.commands = append(c.commands, cmd)
	}
}

func (c *change) end(r executionResult) {
	c.x.ended = true
	c.result = &r
}

func (c *change) add(history []interp.HistoryEvent) {
	if len(history) > 0 {
		c.history = append(c.history, encodeHistory(history))
		c.first = append(c.first, history[0].ID)
	}
}

// step calls the interpreter. A panic in it would be a defect; it must end one execution, not all of them.
func step(m *asl.StateMachine, s *interp.State, ev interp.Event) (out interp.Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the interpreter failed: %v\n%s", p, debug.Stack())
		}
	}()
	return interp.Step(m, s, ev)
}

// condemn ends an execution that cannot go on, in a way that its owner sees.
func (sh *shard) condemn(c *change, cause error, at time.Time) {
	x := c.x
	arn := sh.e.s.executionArn(x.id)
	sh.e.s.log.Error("an execution cannot go on", "execution", arn, "error", cause)
	last, err := sh.e.s.lastEvent(sh.e.work, x.serial)
	if err != nil {
		sh.e.s.log.Error("the history of an execution cannot be read", "execution", arn, "error", err)
	}
	for _, row := range c.history {
		if n := lastOf(row); n > last {
			last = n
		}
	}
	result := executionResult{
		Status: types.ExecutionStatusFailed, Stopped: at, Error: "States.Runtime",
		Cause: "The platform could not go on with this execution: " + firstLine(cause.Error()),
	}
	c.add([]interp.HistoryEvent{{
		ID: last + 1, PreviousID: last, Type: string(types.HistoryEventTypeExecutionFailed), At: at,
		DetailsName: "executionFailedEventDetails", Details: interp.FailureDetails{Error: result.Error, Cause: result.Cause},
	}})
	c.end(result)
}

// write collects what the change means for the store.
func (c *change) write() {
	x, b, key := c.x, &c.batch, c.x.serial
	switch {
	case c.starting != nil:
		b.ExpectAbsent(bucketExecutions, x.id.key())
		b.Put(bucketExecutions, x.id.key(), encode(c.starting))
		if c.result == nil {
			b.Put(bucketOpen, key, x.open)
			x.list(b, types.ExecutionStatusRunning, nil)
		}
	case c.claim != nil:
		b.ExpectValue(bucketOpen, key, c.claim)
		if c.result == nil {
			b.Put(bucketOpen, key, x.open)
		}
	default:
		b.ExpectValue(bucketOpen, key, x.open)
	}
	before := x.journalled - len(c.events) // events already in the store
	// A journal serves the replay; what has succeeded is never replayed.
	if succeeded := c.result != nil && c.result.Status == types.ExecutionStatusSucceeded; succeeded {
		for n := range before {
			b.Delete(bucketEvents, numbered(key, int64(n)))
		}
	} else {
		for i, ev := range c.events {
			b.Put(bucketEvents, numbered(key, int64(before+i)), encodeEvent(ev))
		}
	}
	for i, row := range c.history {
		b.Put(bucketHistory, numbered(key, c.first[i]), row)
	}
	if c.result != nil {
		b.Put(bucketResults, key, encode(c.result))
		if c.starting == nil {
			b.Delete(bucketOpen, key)
			x.unlist(b, types.ExecutionStatusRunning)
		}
		x.list(b, c.result.Status, &c.result.Stopped)
	}
}

// perform does what a durable change asks for.
func (sh *shard) perform(c *change) {
	x := c.x
	for _, cmd := range c.commands {
		switch {
		case cmd.InvokeTask != nil:
			if !x.ended {
				sh.invoke(x, cmd.ID, cmd.InvokeTask)
			}
		case cmd.StartTimer != nil:
			if !x.ended {
				t := &timer{x: x, command: cmd.ID, due: cmd.StartTimer.Due}
				x.timers[cmd.ID] = t
				sh.timers.add(t)
			}
		case cmd.Cancel != nil:
			if cancel := x.tasks[cmd.Cancel.Command]; cancel != nil {
				cancel()
				delete(x.tasks, cmd.Cancel.Command)
			}
			if t := x.timers[cmd.Cancel.Command]; t != nil {
				sh.timers.remove(t)
				delete(x.timers, cmd.Cancel.Command)
			}
		}
	}
	if c.starting != nil {
		sh.e.s.metrics.started(x)
	}
	if c.result != nil {
		x.cancelAll()
		for _, t := range x.timers {
			sh.timers.remove(t)
		}
		delete(sh.open, x.id)
		sh.e.s.metrics.ended(x, c.result)
		sh.e.s.executionEnded(x.id.machine)
	}
	for _, m := range c.waiting {
		r := reply{at: x.started}
		if m.kind == stop {
			r.at = x.last
		}
		m.respond(r)
	}
	c.turnAway()
}

// turnAway tells the late that what they ask for has been.
func (c *change) turnAway() {
	for _, m := range c.late {
		if m.kind == start {
			m.respond(reply{err: errExists})
		} else {
			m.respond(reply{err: errNotOpen})
		}
	}
}
