package states

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// mapRunRecord is a Map run: the child executions of one Map state in distributed mode.
type mapRunRecord struct {
	ARN       string             `json:"arn"`
	Machine   string             `json:"machine"` // of the execution that the state belongs to
	Execution string             `json:"execution"`
	Serial    string             `json:"serial"`  // of that execution
	Command   int64              `json:"command"` // the StartMapRun that is open
	State     string             `json:"state"`
	Label     string             `json:"label"`
	Express   bool               `json:"express,omitempty"`
	Status    types.MapRunStatus `json:"status"`
	Started   time.Time          `json:"started"`
	Stopped   time.Time          `json:"stopped,omitzero"`
	Redrives  int64              `json:"redrives,omitempty"`
	Redriven  time.Time          `json:"redriven,omitzero"`

	MaxConcurrency      int64    `json:"maxConcurrency,omitempty"`
	ToleratedCount      *int64   `json:"toleratedCount,omitempty"`
	ToleratedPercentage *float64 `json:"toleratedPercentage,omitempty"`
}

// name is the part of the ARN behind its last colon.
func (r *mapRunRecord) name() string { return r.ARN[strings.LastIndexByte(r.ARN, ':')+1:] }

func (r *mapRunRecord) key() string { return r.Serial + "/" + r.name() }

// childMachine is what stands for the state machine in the ARNs of the children.
func (r *mapRunRecord) childMachine() string {
	base, _, _ := strings.Cut(r.Machine, "/")
	return base + "/" + r.Label
}

// childName is the name of a child: a StartChild that is performed again finds what it has started.
func (r *mapRunRecord) childName(index int) string {
	return uuid.NewSHA1(childNames, []byte(r.ARN+"/"+itoa(index))).String()
}

// childOf is what an execution knows of the Map run that it belongs to.
type childOf struct {
	Run   string   `json:"run"` // the Map run's ARN
	Key   string   `json:"key"` // mapRunRecord.key
	Index int      `json:"index"`
	Items int      `json:"items"`
	Path  []string `json:"path"` // the Map states that lead to the definition, the outermost first
}

func (c *childOf) scope() string { return "r/" + c.Key }

// row is the key of the child's childRecord.
func (c *childOf) row() string { return numbered(c.Key, int64(c.Index)) }

// childRecord is a child that has ended. For an Express one it is all there is.
type childRecord struct {
	Status  types.ExecutionStatus `json:"status"`
	Items   int                   `json:"items"`
	Name    string                `json:"name"`
	Input   string                `json:"input,omitempty"` // of an Express one, like what follows
	Output  string                `json:"output,omitempty"`
	Error   string                `json:"error,omitempty"`
	Cause   string                `json:"cause,omitempty"`
	Serial  string                `json:"serial,omitempty"`
	Started time.Time             `json:"started,omitzero"`
	Stopped time.Time             `json:"stopped,omitzero"` // of any
	Final   bool                  `json:"final,omitempty"`  // it cannot be redriven
}

// pendingRedrive tells whether a child that ended so is to be redriven by the Map run and has not been yet.
func (r *mapRunRecord) pendingRedrive(status types.ExecutionStatus, stopped time.Time) bool {
	if r.Status != types.MapRunStatusRunning || !stopped.Before(r.Redriven) {
		return false
	}
	return status == types.ExecutionStatusFailed || status == types.ExecutionStatusTimedOut || status == types.ExecutionStatusAborted
}

// definitionOf returns what an execution runs: its revision, or for a child the part of a Map state.
func (s *Service) definitionOf(ctx context.Context, r *executionRecord) (*asl.StateMachine, error) {
	m, err := s.definitions.parsed(ctx, r.Revision.Digest)
	if err != nil || r.Child == nil {
		return m, err
	}
	for _, state := range r.Child.Path {
		if m = m.Child(state); m == nil {
			return nil, failure("finding the definition of a child execution", errors.New("no Map state "+state))
		}
	}
	return m, nil
}

// mapRuns counts the children that run now, by the ARN of their Map run, and keeps what reads its items.
type mapRuns struct {
	mu   sync.Mutex
	live map[string]*liveRun
}

type liveRun struct {
	children, items int
	again           int // Express children among them that are redriven: their rows are still those of before
	againItems      int
	read            int // items so far
	source          *openSource
}

func (m *mapRuns) with(arn string, f func(*liveRun)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil {
		m.live = map[string]*liveRun{}
	}
	l := m.live[arn]
	if l == nil {
		l = &liveRun{}
		m.live[arn] = l
	}
	f(l)
}

func (m *mapRuns) end(arn string) {
	m.mu.Lock()
	l := m.live[arn]
	delete(m.live, arn)
	m.mu.Unlock()
	if l != nil && l.source != nil {
		l.source.close()
	}
}

// writeRuns adds what the commands and events of a change mean for Map runs.
func (sh *shard) writeRuns(c *change, now time.Time) {
	x := c.x
	for _, ev := range c.events {
		if run := x.runs[ev.Command]; run != nil && ev.Kind == interp.EventMapRunUpdated && ev.Limits != nil {
			if n := ev.Limits.MaxConcurrency; n != nil {
				run.MaxConcurrency = *n
			}
			if n := ev.Limits.ToleratedFailureCount; n != nil {
				run.ToleratedCount = n
			}
			if n := ev.Limits.ToleratedFailurePercentage; n != nil {
				run.ToleratedPercentage = n
			}
			run.put(&c.batch)
		}
	}
	end := func(command int64, status types.MapRunStatus) {
		if run := x.runs[command]; run != nil {
			run.Status, run.Stopped = status, now
			run.put(&c.batch)
		}
	}
	for _, cmd := range c.commands {
		switch {
		case cmd.StartMapRun != nil:
			sh.mapRun(x, cmd.ID, cmd.StartMapRun, now).put(&c.batch)
		case cmd.FinishMapRun != nil:
			end(cmd.FinishMapRun.Command, types.MapRunStatus(cmd.FinishMapRun.Status))
		case cmd.Cancel != nil:
			end(cmd.Cancel.Command, types.MapRunStatusAborted)
		}
	}
}

func (r *mapRunRecord) put(b *store.Batch) {
	b.Put(bucketMapRuns, r.key(), encode(r))
	b.Put(bucketMapRunNames, r.ARN, []byte(r.key()))
}

// mapRun opens the record for a StartMapRun: that of before when the command is performed again or the run is redriven.
func (sh *shard) mapRun(x *execution, command int64, c *interp.StartMapRun, now time.Time) *mapRunRecord {
	run := &mapRunRecord{
		ARN: c.ARN, Machine: x.id.machine, Execution: x.id.name, Serial: x.serial, State: c.State, Label: c.Label, Express: c.Express, Started: now,
		MaxConcurrency: c.MaxConcurrency, ToleratedCount: c.ToleratedFailureCount, ToleratedPercentage: c.ToleratedFailurePercentage,
	}
	if was, err := sh.e.s.store.Get(sh.e.work, bucketMapRuns, run.key()); err == nil {
		if old, err := decode[mapRunRecord](bucketMapRuns, run.key(), was); err == nil {
			run = old
		}
	}
	if run.Redrives < c.RedriveCount {
		run.Redrives, run.Redriven = c.RedriveCount, now
	}
	run.Command, run.Status, run.Stopped = command, types.MapRunStatusRunning, time.Time{}
	if x.runs == nil {
		x.runs = map[int64]*mapRunRecord{}
	}
	x.runs[command] = run
	return run
}

func (x *execution) runOf(arn string) *mapRunRecord {
	for _, run := range x.runs {
		if run.ARN == arn {
			return run
		}
	}
	return nil
}

// performRun performs the commands of Map runs, but for startChild.
func (sh *shard) performRun(x *execution, cmd interp.Command) {
	switch {
	case cmd.ReadItems != nil:
		sh.answerLater(x, cmd.ID, func(ctx context.Context) answer { return sh.e.s.readItems(ctx, cmd.ReadItems) })
	case cmd.WriteResults != nil:
		if run := x.runOf(cmd.WriteResults.MapRun); run != nil {
			sh.answerLater(x, cmd.ID, func(ctx context.Context) answer { return sh.e.s.writeResults(ctx, run.key(), cmd.WriteResults) })
		}
	case cmd.FinishMapRun != nil:
		sh.endRun(x, cmd.FinishMapRun.Command)
	case cmd.Cancel != nil:
		sh.endRun(x, cmd.Cancel.Command)
	}
}

func (sh *shard) endRun(x *execution, command int64) {
	if run := x.runs[command]; run != nil {
		sh.e.s.mapRuns.end(run.ARN)
		delete(x.runs, command)
	}
}

// answerLater works for a command in a goroutine of its own.
func (sh *shard) answerLater(x *execution, command int64, work func(ctx context.Context) answer) {
	ctx, cancel := context.WithCancelCause(sh.e.work)
	x.tasks[command] = cancel
	id := x.id
	go func() {
		defer cancel(nil)
		a := work(ctx)
		if ctx.Err() == nil {
			a.of, a.command = x, command
			sh.inbox.put(message{kind: answered, id: id, answer: a})
		}
	}()
}
