package states

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// startChild starts a child execution of a Map run, and sees to it that its end is told. There may be one already when
// the command is performed again, or redrives it.
func (sh *shard) startChild(x *execution, command int64, c *interp.StartChild, again bool) {
	run, s := x.runOf(c.MapRun), sh.e.s
	if run == nil {
		return
	}
	child := &childOf{Run: run.ARN, Key: run.key(), Index: c.Index, Items: c.Items, Path: append(x.path(), run.State)}
	count := func(sign int) {
		s.mapRuns.with(run.ARN, func(l *liveRun) {
			l.children, l.items = l.children+sign, l.items+sign*c.Items
			if c.Redrive && run.Express {
				l.again, l.againItems = l.again+sign, l.againItems+sign*c.Items
			}
		})
	}
	again = again || c.Redrive
	count(1)
	ended := sync.OnceFunc(func() { count(-1) })
	from, id, parent, of := x, execID{run.childMachine(), run.childName(c.Index)}, x.id, parentOf{x.version, x.alias, x.revision, s.childTrace(x)}
	tell := func(r *executionResult) {
		ended()
		sh.inbox.put(message{kind: answered, id: parent, answer: childAnswer(from, command, r)})
	}
	if run.Express {
		ctx, cancel := context.WithCancelCause(sh.e.work)
		x.tasks[command] = func(why error) { ended(); cancel(why) }
		go func() {
			defer cancel(nil)
			if r := s.expressChild(ctx, of, id, child, c, again); ctx.Err() == nil {
				tell(r)
			}
		}()
		return
	}
	var begun, withdrawn atomic.Bool
	var leave atomic.Pointer[func()]
	forget := func() {
		if l := leave.Load(); l != nil {
			(*l)()
		}
		ended()
	}
	x.tasks[command] = func(why error) {
		forget()
		if errors.Is(why, errWithdrawn) {
			if withdrawn.Store(true); begun.Load() {
				go s.stopJob(child.row(), nil)
			}
		}
	}
	go func() {
		if c.Redrive { // it may have yet to be stopped, and that end is not the one that is waited for
			s.stopJob(child.row(), nil)
		}
		l := s.ends.watch(id, tell)
		leave.Store(&l)
		r, err := s.beginChild(sh.e.work, of, id, child, c, again)
		if begun.Store(true); withdrawn.Load() {
			forget()
			s.stopJob(child.row(), nil)
			return
		}
		switch {
		case sh.e.work.Err() != nil || r == nil && err == nil: // it runs
		case err != nil:
			l()
			tell(&executionResult{Status: types.ExecutionStatusFailed, Error: asl.ErrRuntime, Cause: "The child execution could not be started: " + err.Error()})
		default:
			l()
			tell(r)
		}
	}()
}

// path leads from the machine's definition to what x runs.
func (x *execution) path() []string {
	if x.child == nil {
		return nil
	}
	return append([]string(nil), x.child.Path...)
}

func childAnswer(of *execution, command int64, r *executionResult) answer {
	a := answer{of: of, command: command, output: json.RawMessage(r.Output)}
	switch r.Status {
	case types.ExecutionStatusSucceeded:
		return a
	case types.ExecutionStatusTimedOut:
		a.failed = &taskFailure{asl.ErrTimeout, r.Cause}
	default:
		a.failed = &taskFailure{r.Error, r.Cause}
	}
	a.output = nil
	return a
}

// newChild is the record of a child, on the revision of its parent.
func newChild(of parentOf, id execID, child *childOf, input string) (*executionRecord, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &executionRecord{
		Machine: id.machine, Name: id.name, Serial: serial, Version: of.version, Alias: of.alias, Revision: of.revision,
		Input: input, TraceHeader: of.trace, Child: child,
	}, nil
}

// parentOf is what a child has of its parent. The parent's record is not read for it: that holds the parent's input, which
// may hold the items of all children.
type parentOf struct {
	version  int
	alias    string
	revision revision
	trace    string // header of the trace that the child belongs to
}

// beginChild starts a child, or redrives it; result is not nil when it has ended before.
func (s *Service) beginChild(ctx context.Context, of parentOf, id execID, child *childOf, c *interp.StartChild, again bool) (result *executionResult, err error) {
	err = store.ErrNotFound
	var was *executionRecord
	if again {
		was, err = s.executionRecord(ctx, id)
	}
	switch {
	case err == nil:
		if result, err = s.executionResult(ctx, was.Serial); err != nil || result == nil || !c.Redrive {
			return result, err
		}
		if result.Status == types.ExecutionStatusSucceeded {
			return result, nil
		}
		m := message{kind: redrive, id: id, reply: make(chan reply, 1)}
		if !s.engine.post(m) {
			return nil, unavailable()
		}
		if err := (<-m.reply).err; err != nil && !errors.Is(err, errExists) {
			return nil, err
		}
		return nil, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	r, err := newChild(of, id, child, string(c.Input))
	if err != nil {
		return nil, err
	}
	m := message{kind: start, id: id, record: r, reply: make(chan reply, 1)}
	if !s.engine.post(m) {
		return nil, unavailable()
	}
	if err := (<-m.reply).err; err != nil && !errors.Is(err, errExists) && !errors.Is(err, store.ErrConflict) {
		return nil, err
	}
	return nil, nil
}

// expressChild runs an Express child, and keeps how it has ended.
func (s *Service) expressChild(ctx context.Context, of parentOf, id execID, child *childOf, c *interp.StartChild, again bool) *executionResult {
	failed := func(err error) *executionResult {
		return &executionResult{Status: types.ExecutionStatusFailed, Error: asl.ErrRuntime, Cause: err.Error()}
	}
	input := string(c.Input)
	if was, err := s.childRow(ctx, child, again); err != nil {
		return failed(err)
	} else if was != nil {
		old, err := decode[childRecord](bucketMapChildren, child.row(), was)
		if err != nil {
			return failed(err)
		}
		if !c.Redrive || old.Status == types.ExecutionStatusSucceeded {
			return &executionResult{Status: old.Status, Stopped: old.Stopped, Output: old.Output, Error: old.Error, Cause: old.Cause}
		}
		input = old.Input
	}
	r, err := newChild(of, id, child, input)
	if err != nil {
		return failed(err)
	}
	definition, err := s.definitionOf(ctx, r)
	if err != nil {
		return failed(err)
	}
	r.Started = s.now()
	result, err := s.express(ctx, definition, r)
	if err != nil {
		return failed(err)
	}
	b := &store.Batch{}
	s.engine.fence(b)
	b.Put(bucketMapChildren, child.row(), encode(childRecord{
		Status: result.Status, Items: child.Items, Name: id.name, Input: r.Input, Output: result.Output, Error: result.Error, Cause: result.Cause,
		Serial: r.Serial, Started: r.Started, Stopped: result.Stopped,
	}))
	if err := s.store.Commit(context.WithoutCancel(ctx), b); err != nil {
		return failed(err)
	}
	return result
}

// childRow reads the childRecord of a child that may have ended; nil when there is none.
func (s *Service) childRow(ctx context.Context, child *childOf, again bool) ([]byte, error) {
	if !again {
		return nil, nil
	}
	row, err := s.store.Get(ctx, bucketMapChildren, child.row())
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}
