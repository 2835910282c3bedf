package states

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// A snapshot is the state of an execution after a number of events. It takes the place of these events in the journal, so
// that loading an execution, and ending it, costs no more the longer it has run. docs/decisions/0018 has the policy.

const (
	// snapshotAfter is the least work since the last snapshot for which one is written.
	snapshotAfter = 32 << 10
	// snapshotRatio bounds the cost of writing snapshots: there is this many times their size of work between two.
	snapshotRatio = 2

	// eventWork and historyWork are what replaying an event, and making an event of the history again, count for as work,
	// in bytes: about what each takes in the store.
	eventWork   = 64
	historyWork = 256
)

// snapshotState is what an execution knows of its snapshots.
type snapshotState struct {
	at   int // events that the newest covers: the journal begins with the next; 0 for no snapshot
	size int // bytes of the newest; before it an estimate
	work int // since the newest, in bytes
}

// pays tells whether a snapshot costs less than it saves; least is the least work for which it does.
func (s snapshotState) pays(least int) bool { return s.work >= max(least, snapshotRatio*s.size) }

// snapshot is the row.
type snapshot struct {
	Last    time.Time        `json:"last"`
	State   *interp.State    `json:"state"`
	Pending []pendingCommand `json:"pending,omitempty"`
}

// snapshotMark ends the key of a snapshot, which comes right after that of the last event it covers.
const snapshotMark = "s"

func snapshotKey(serial string, events int) string {
	return numbered(serial, int64(events-1)) + snapshotMark
}

func isSnapshot(key string) bool { return strings.HasSuffix(key, snapshotMark) }

// journal writes the events of a change to the journal, or a snapshot in the place of all events.
func (c *change) journal(snapshotAfter int) {
	x, b := c.x, &c.batch
	stored := x.journalled - len(c.events) // events that are in the store, but for those covered by the snapshot
	succeeded := c.result != nil && string(c.result.Status) == interp.StatusSucceeded
	switch {
	case succeeded: // it is never replayed
		x.cut(b, stored)
	case c.result == nil && len(c.events) > 0 && x.snapshot.pays(snapshotAfter):
		x.cut(b, stored)
		row := encode(snapshot{x.last, x.state, x.pending.inOrder()})
		b.Put(bucketEvents, snapshotKey(x.serial, x.journalled), row)
		x.snapshot = snapshotState{at: x.journalled, size: len(row)}
	default:
		for i, ev := range c.events {
			b.Put(bucketEvents, numbered(x.serial, int64(stored+i)), encodeEvent(ev))
		}
	}
}

// cut removes what there is of the journal.
func (x *execution) cut(b *store.Batch, stored int) {
	if x.snapshot.at > 0 {
		b.Delete(bucketEvents, snapshotKey(x.serial, x.snapshot.at))
	}
	for n := x.snapshot.at; n < stored; n++ {
		b.Delete(bucketEvents, numbered(x.serial, int64(n)))
	}
}

// restore sets the state of x to that of a snapshot.
func (x *execution) restore(key string, value []byte) error {
	var events int
	number := strings.TrimSuffix(key[strings.LastIndexByte(key, '/')+1:], snapshotMark)
	if _, err := fmt.Sscanf(number, "%d", &events); err != nil {
		return fmt.Errorf("states: %s/%s is no key of a snapshot", bucketEvents, key)
	}
	s, err := decode[snapshot](bucketEvents, key, value)
	if err != nil {
		return err
	}
	if s.State == nil {
		return fmt.Errorf("states: %s/%s holds no state", bucketEvents, key)
	}
	x.state, x.last, x.journalled = s.State, s.Last, events+1
	x.snapshot = snapshotState{at: events + 1, size: len(value)}
	x.pending = newPending()
	for i := range s.Pending {
		x.pending.add(&s.Pending[i])
	}
	return nil
}

// pendingCommand is a command without an answer.
type pendingCommand struct {
	interp.Command
	awaiting  bool            // it has been performed; its answer comes from outside
	submitted json.RawMessage // the answer to the request of a .sync task
}

// pendingWire is a pendingCommand in a snapshot. Inputs are kept as texts, byte for byte.
type pendingWire struct {
	ID       int64              `json:"id"`
	Timer    *interp.StartTimer `json:"timer,omitempty"`
	Task     *taskWire          `json:"task,omitempty"`
	Awaiting bool               `json:"awaiting,omitempty"`

	Submitted string               `json:"submitted,omitempty"`
	Activity  *activityWire        `json:"activity,omitempty"`
	Run       *interp.StartMapRun  `json:"run,omitempty"`
	Read      *interp.ReadItems    `json:"read,omitempty"`
	Child     *childWire           `json:"child,omitempty"`
	Write     *interp.WriteResults `json:"write,omitempty"`
}

type activityWire struct {
	interp.ScheduleActivity
	Input string
}

type childWire struct {
	interp.StartChild
	Input *string
}

type taskWire struct {
	interp.InvokeTask
	Input string
}

// MarshalJSON writes a command without an answer.
func (p pendingCommand) MarshalJSON() ([]byte, error) {
	w := pendingWire{
		ID: p.ID, Timer: p.StartTimer, Awaiting: p.awaiting, Submitted: string(p.submitted),
		Run: p.StartMapRun, Read: p.ReadItems, Write: p.WriteResults,
	}
	if p.InvokeTask != nil {
		w.Task = &taskWire{*p.InvokeTask, string(p.InvokeTask.Input)}
		w.Task.InvokeTask.Input = nil
	}
	if a := p.ScheduleActivity; a != nil {
		w.Activity = &activityWire{*a, string(a.Input)}
		w.Activity.ScheduleActivity.Input = nil
	}
	if c := p.StartChild; c != nil {
		w.Child = &childWire{StartChild: *c}
		if c.Input != nil {
			input := string(c.Input)
			w.Child.Input, w.Child.StartChild.Input = &input, nil
		}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *pendingCommand) UnmarshalJSON(data []byte) error {
	var w pendingWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*p = pendingCommand{awaiting: w.Awaiting, Command: interp.Command{
		ID: w.ID, StartTimer: w.Timer, StartMapRun: w.Run, ReadItems: w.Read, WriteResults: w.Write,
	}}
	if w.Submitted != "" {
		p.submitted = json.RawMessage(w.Submitted)
	}
	if w.Activity != nil {
		activity := w.Activity.ScheduleActivity
		activity.Input = json.RawMessage(w.Activity.Input)
		p.ScheduleActivity = &activity
	}
	if w.Child != nil {
		child := w.Child.StartChild
		if w.Child.Input != nil {
			child.Input = json.RawMessage(*w.Child.Input)
		}
		p.StartChild = &child
	}
	if w.Task != nil {
		task := w.Task.InvokeTask
		task.Input = json.RawMessage(w.Task.Input)
		p.InvokeTask = &task
	}
	return nil
}

// pendingCommands are the commands without an answer, by their ID.
type pendingCommands struct {
	byID map[int64]*pendingCommand
	busy int // those among them for which something in memory works

	// What the newest event did to them: answered is the one that it has answered for good, nil for none.
	answered  *pendingCommand
	withdrawn []*pendingCommand
}

func (c *pendingCommand) busy() bool { return c.StartTimer == nil && !c.awaiting }

func newPending() pendingCommands { return pendingCommands{byID: map[int64]*pendingCommand{}} }

func (p *pendingCommands) add(c *pendingCommand) {
	p.byID[c.ID] = c
	if c.busy() {
		p.busy++
	}
}

func (p *pendingCommands) remove(id int64) {
	if c := p.byID[id]; c != nil && c.busy() {
		p.busy--
	}
	delete(p.byID, id)
}

func (p *pendingCommands) awaits(c *pendingCommand) {
	if c != nil && c.busy() {
		c.awaiting = true
		p.busy--
	}
}

// after follows a step: what is open is what the interpreter holds open. An outcome that comes before the request of its
// task has been answered leaves the command open, and the request under way.
func (p *pendingCommands) after(ev interp.Event, commands []interp.Command, s *interp.State) {
	p.answered, p.withdrawn = nil, nil
	if c := p.byID[ev.Command]; c != nil {
		_, open := s.Open[ev.Command]
		switch {
		case !open:
			p.answered = c
			p.remove(ev.Command)
		case ev.Kind == interp.EventActivityStarted:
			p.awaits(c)
		case ev.Kind == interp.EventTaskSubmitted && c.InvokeTask != nil && c.InvokeTask.Pattern == asl.PatternToken:
			p.awaits(c)
		case ev.Kind == interp.EventTaskSubmitted:
			c.submitted = ev.Output
			p.awaits(c)
		}
	}
	for _, c := range commands {
		if c.Cancel != nil {
			if was := p.byID[c.Cancel.Command]; was != nil {
				p.withdrawn = append(p.withdrawn, was)
			}
			p.remove(c.Cancel.Command)
		} else if _, open := s.Open[c.ID]; open {
			p.add(&pendingCommand{Command: c})
		}
	}
	if s.Status != interp.StatusRunning {
		p.byID, p.busy = map[int64]*pendingCommand{}, 0
	} else if len(p.byID) > len(s.Open) { // what ends without an answer, such as a Map run
		for id := range p.byID {
			if _, open := s.Open[id]; !open {
				p.remove(id)
			}
		}
	}
}

func (p *pendingCommands) inOrder() []pendingCommand {
	list := make([]pendingCommand, 0, len(p.byID))
	for _, c := range slices.SortedFunc(maps.Values(p.byID), func(a, b *pendingCommand) int { return cmp.Compare(a.ID, b.ID) }) {
		list = append(list, *c)
	}
	return list
}
