package states

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

var (
	// errNotOpen: the store has no open execution of that name.
	errNotOpen = errors.New("states: the execution is not open")
	// errExists: there is an open execution of that name.
	errExists = errors.New("states: the execution exists")
)

// owned returns an open execution of the shard. One that is not in memory is replayed from the store and claimed.
func (sh *shard) owned(id execID, touch func(*execution) *change) (*execution, error) {
	if x := sh.open[id]; x != nil {
		return x, nil
	}
	ctx := sh.e.work
	r, err := sh.e.s.executionRecord(ctx, id)
	if err != nil {
		return nil, err
	}
	claim, err := sh.e.s.store.Get(ctx, bucketOpen, r.Serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNotOpen
	}
	if err != nil {
		return nil, err
	}
	x := sh.e.newExecution(r, nil, nil)
	commands, err := sh.e.replay(ctx, x, r)
	if err != nil && (ctx.Err() != nil || errors.Is(err, errStore)) {
		return nil, err
	}
	sh.open[id] = x
	c := touch(x)
	if !bytes.Equal(claim, x.open) {
		c.claim = claim
	}
	c.commands = commands
	if err != nil {
		sh.condemn(c, err, sh.e.s.now())
	}
	return x, nil
}

// errStore marks failures of the store, which pass, in contrast to a journal that cannot be replayed.
var errStore = errors.New("states: the store failed")

// replay rebuilds the state of x from its journal, and returns the commands that are still to be answered.
func (e *engine) replay(ctx context.Context, x *execution, r *executionRecord) ([]interp.Command, error) {
	var err error
	if x.definition, err = e.s.definitions.parsed(ctx, r.Revision.Digest); err != nil {
		return nil, errors.Join(errStore, err)
	}
	x.state = e.s.newState(x.definition, r)
	pending := pendingCommands{}
	for entry, err := range e.s.store.Scan(ctx, bucketEvents, store.Prefix(x.serial+"/")) {
		if err != nil {
			return nil, errors.Join(errStore, err)
		}
		ev, err := decodeEvent(entry.Key, entry.Value)
		if err != nil {
			return nil, err
		}
		out, err := step(x.definition, x.state, ev)
		if err != nil {
			return nil, err
		}
		pending.after(ev, out.Commands)
		x.last = ev.At
		x.journalled++
	}
	return pending.inOrder(), nil
}

// pendingCommands are the tasks and timers without an answer, by their ID.
type pendingCommands map[int64]interp.Command

func (p pendingCommands) after(ev interp.Event, commands []interp.Command) {
	delete(p, ev.Command)
	for _, c := range commands {
		switch {
		case c.Cancel != nil:
			delete(p, c.Cancel.Command)
		case c.InvokeTask != nil, c.StartTimer != nil:
			p[c.ID] = c
		}
	}
}

func (p pendingCommands) inOrder() []interp.Command {
	list := slices.Collect(maps.Values(p))
	slices.SortFunc(list, func(a, b interp.Command) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// newState is an execution before its first event.
func (s *Service) newState(definition *asl.StateMachine, r *executionRecord) *interp.State {
	o := interp.StartOptions{
		Input: []byte(r.Input), ExecutionARN: s.executionArn(r.id()), ExecutionName: r.Name, RoleARN: r.Revision.RoleArn,
		StartTime: r.Started, StateMachineARN: s.machineArn(r.Machine), StateMachineName: r.Machine,
	}
	if r.Version > 0 {
		o.VersionARN = s.versionArn(r.Machine, r.Version)
	}
	if r.Alias != "" {
		o.AliasARN = s.aliasArn(r.Machine, r.Alias)
	}
	return interp.Start(definition, o)
}
