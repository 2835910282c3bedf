package states

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
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
	trace   string // header of the trace that it belongs to

	revision revision
	open     []byte // its openRecord in the store, and what that says
	said     standing

	definition *asl.StateMachine
	state      *interp.State
	last       time.Time // of the newest event: an execution's time never runs backwards
	journalled int       // events in the journal, or in the change under way
	ended      bool
	child      *childOf                // nil unless it belongs to a Map run
	runs       map[int64]*mapRunRecord // its Map runs that are open, by the StartMapRun
	redrives   int
	redriven   time.Time // when it last was

	snapshot snapshotState
	pending  pendingCommands                   // as of the newest event
	tasks    map[int64]context.CancelCauseFunc // what is under way for commands
	timers   map[int64]*timer
}

// Why something that is under way for a command is cancelled.
var (
	errWithdrawn = errors.New("states: the command was withdrawn") // by the execution: nobody needs it any more
	errAbandoned = errors.New("states: the command was abandoned") // by this process only
)

// drop ends what is under way for a command.
func (x *execution) drop(command int64, why error) {
	if cancel := x.tasks[command]; cancel != nil {
		cancel(why)
		delete(x.tasks, command)
	}
}

// standing is what an openRecord says about how its execution stands.
type standing struct {
	waits bool
	due   int64
}

func (e *engine) newExecution(r *executionRecord, definition *asl.StateMachine, state *interp.State) *execution {
	return &execution{
		id: r.id(), serial: r.Serial, version: r.Version, alias: r.Alias, started: r.Started, trace: r.TraceHeader, revision: r.Revision, last: r.Started,
		child: r.Child, redrives: r.Redrives, redriven: r.Redriven,
		definition: definition, state: state, snapshot: snapshotState{size: 2 * len(r.Input)},
		pending: newPending(), tasks: map[int64]context.CancelCauseFunc{}, timers: map[int64]*timer{},
	}
}

// cancelAll ends the invocations of an execution.
func (x *execution) cancelAll() {
	for _, cancel := range x.tasks {
		cancel(errAbandoned)
	}
	clear(x.tasks)
}

// change is all that one round does to one execution.
type change struct {
	x         *execution
	starting  *executionRecord // the execution is new
	redriving *redriving       // it had ended
	claim     []byte           // the openRecord of the former owner, when the execution is being taken over
	events    []interp.Event
	history   [][]byte // rows: JSON lists, with the number of the first event of each
	first     []int64
	commands  []interp.Command
	jobs      []jobChange
	result    *executionResult // the execution has ended
	waiting   []message        // replied once the change is durable
	late      []message        // came after what they ask for; told so once the change is durable

	batch store.Batch
	next  []byte // the openRecord once the batch is written; nil when that of before stands
	stand standing
}

// executionResult is how an execution ended. It is written once.
type executionResult struct {
	Status  types.ExecutionStatus `json:"status"`
	Stopped time.Time             `json:"stopped"`
	Output  string                `json:"output,omitempty"` // JSON text, kept byte for byte
	Error   string                `json:"error,omitempty"`
	Cause   string                `json:"cause,omitempty"`
	// Final says that the execution failed, but cannot be redriven: its history is full, or its journal not to be read.
	Final bool `json:"final,omitempty"`
	// Machine and Name find the execution whose result this is, when it is old enough to be pruned.
	Machine string `json:"machine,omitempty"`
	Name    string `json:"name,omitempty"`
}

// begin runs the first step of a new execution.
func (sh *shard) begin(m message, now time.Time, touch func(*execution) *change) {
	if x := sh.open[m.id]; x != nil { // its caller looks at what is there, once that is durable
		c := touch(x)
		c.late = append(c.late, m)
		return
	}
	definition, err := sh.e.s.definitionOf(sh.e.work, m.record)
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

// tell brings an event from outside to an execution.
func (sh *shard) tell(m message, now time.Time, touch func(*execution) *change) {
	x, err := sh.owned(m.id, touch)
	if err != nil {
		m.respond(reply{err: err})
		return
	}
	c := touch(x)
	if x.ended {
		c.late = append(c.late, m)
		return
	}
	if !sh.apply(c, m.event, now) {
		m.respond(reply{err: errStaleAnswer})
		return
	}
	c.waiting = append(c.waiting, m)
}

// apply lets the interpreter make what it makes of an event, and tells whether it has made anything of it: an answer that
// comes too late has no effect.
func (sh *shard) apply(c *change, ev interp.Event, now time.Time) bool {
	x := c.x
	if x.ended {
		return false
	}
	if ev.At.Before(now) {
		ev.At = now
	}
	if ev.At.Before(x.last) {
		ev.At = x.last
	}
	ev.Seed = rand.Uint64()
	out, err := x.step(ev)
	if errors.Is(err, interp.ErrStale) {
		return false
	}
	if err != nil {
		sh.condemn(c, err, ev.At)
		return true
	}
	if p := x.pending.byID[ev.Command]; p == nil || p.awaiting { // nothing in memory works on it any more
		x.drop(ev.Command, errAbandoned)
	}
	c.events = append(c.events, ev)
	sh.e.s.writeJobs(c, ev)
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
	return true
}

// step takes an event into the state, on its first way and on every replay. On an error nothing is changed.
func (x *execution) step(ev interp.Event) (interp.Output, error) {
	out, err := step(x.definition, x.state, ev)
	if err != nil {
		return out, err
	}
	x.pending.after(ev, out.Commands, x.state)
	x.last = ev.At
	x.journalled++
	x.snapshot.work += eventWork + len(ev.Output) + len(ev.Cause) + historyWork*len(out.History)
	return out, nil
}

func (c *change) end(r executionResult) {
	c.x.ended = true
	r.Final = r.Status != types.ExecutionStatusSucceeded && interp.Redrivable(c.x.definition, c.x.state) != nil
	r.Machine, r.Name = c.x.id.machine, c.x.id.name
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
	x.pending.answered, x.pending.withdrawn = nil, slices.Collect(maps.Values(x.pending.byID))
	sh.e.s.writeJobs(c, interp.Event{})
	c.end(result)
}

// write collects what the change means for the store. It reports false when that is nothing.
func (sh *shard) write(c *change, now time.Time) bool {
	x, b, key := c.x, &c.batch, c.x.serial
	if c.result == nil {
		c.stand = sh.stands(x, now)
	}
	sh.writeRuns(c, now)
	changed := len(b.Ops) > 0 || c.starting != nil || c.claim != nil || c.result != nil || len(c.events) > 0 || c.stand != x.said
	if !changed {
		return false
	}
	if c.result == nil && (c.stand != x.said || x.open == nil) {
		c.next = encode(openRecord{Machine: x.id.machine, Name: x.id.name, Lease: sh.e.lease, Waits: c.stand.waits, Due: c.stand.due})
	}
	switch {
	case c.starting != nil:
		if x.id.name != x.serial { // a name that the caller chose
			b.ExpectAbsent(bucketExecutions, x.id.key())
		}
		b.Put(bucketExecutions, x.id.key(), encode(c.starting))
		if c.result == nil {
			x.list(b, types.ExecutionStatusRunning, nil)
		}
	case c.redriving != nil:
		c.redriving.write(x, b)
	case c.claim != nil:
		b.ExpectValue(bucketOpen, key, c.claim)
	}
	if c.next != nil {
		b.Put(bucketOpen, key, c.next)
	}
	c.journal(int(sh.e.snapshotAfter.Load()))
	for i, row := range c.history {
		b.Put(bucketHistory, numbered(key, c.first[i]), row)
	}
	if c.result != nil {
		b.Put(bucketResults, key, encode(c.result))
		if x.child != nil {
			b.Put(bucketMapChildren, x.child.row(), encode(childRecord{
				Status: c.result.Status, Items: x.child.Items, Name: x.id.name, Stopped: c.result.Stopped, Final: c.result.Final,
			}))
		}
		if c.starting == nil {
			b.Delete(bucketOpen, key)
			x.unlist(b, types.ExecutionStatusRunning)
		}
		x.list(b, c.result.Status, &c.result.Stopped)
	}
	return true
}

// perform does what a durable change asks for.
func (sh *shard) perform(c *change) {
	x := c.x
	if c.next != nil {
		x.open, x.said = c.next, c.stand
	}
	sh.e.s.performJobs(c)
	for _, cmd := range c.commands {
		switch {
		case cmd.InvokeTask != nil:
			if x.pending.byID[cmd.ID] != nil && !x.ended {
				sh.invoke(x, cmd.ID, cmd.InvokeTask)
			}
		case cmd.ScheduleActivity != nil:
			if x.pending.byID[cmd.ID] != nil && !x.ended {
				sh.schedule(x, cmd.ID, cmd.ScheduleActivity)
			}
		case cmd.FinishMapRun != nil:
			sh.performRun(x, cmd)
		case cmd.StartChild != nil, cmd.ReadItems != nil, cmd.WriteResults != nil:
			if x.pending.byID[cmd.ID] != nil && !x.ended {
				sh.performRun(x, cmd)
			}
		case cmd.StartTimer != nil:
			if x.pending.byID[cmd.ID] != nil && !x.ended && !x.said.waits {
				sh.await(x, cmd.ID, cmd.StartTimer.Due)
			}
		case cmd.Cancel != nil:
			x.drop(cmd.Cancel.Command, errWithdrawn)
			sh.performRun(x, cmd)
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
		sh.forget(x)
		sh.e.s.metrics.ended(x, c.result)
		sh.e.s.traceExecution(x, c.result, sh.e.s.executionArn(x.id))
		sh.e.s.ends.tell(x.id, c.result)
		sh.e.s.executionEnded(x.id.machine)
	} else if x.said.waits {
		sh.evict(x)
	}
	for _, m := range c.waiting {
		r := reply{at: x.started}
		switch m.kind {
		case stop:
			r.at = x.last
		case redrive:
			r.at = x.redriven
		}
		m.respond(r)
	}
	c.turnAway()
}

// turnAway tells the late that what they ask for has been.
func (c *change) turnAway() {
	for _, m := range c.late {
		if m.kind == start || m.kind == redrive {
			m.respond(reply{err: errExists})
		} else {
			m.respond(reply{err: errNotOpen})
		}
	}
}
