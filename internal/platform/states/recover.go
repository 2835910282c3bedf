package states

import (
	"context"
	"errors"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

var (
	// errNotOpen: the store has no open execution of that name.
	errNotOpen = errors.New("states: the execution is not open")
	// errStaleAnswer: the execution does not wait for the answer.
	errStaleAnswer = errors.New("states: the execution does not wait for this answer")
	// errExists: there is an open execution of that name.
	errExists = errors.New("states: the execution exists")
)

// gone tells that an execution is not to be run here: it has ended, or belongs to a later owner.
func gone(err error) bool { return errors.Is(err, errNotOpen) || errors.Is(err, store.ErrNotFound) }

// recoverOpen finds every open execution by its openRecord. One that has something under way is loaded now; one that
// waits is a timer until its first event. What fails to be read is told, and tried again at the next start.
func (e *engine) recoverOpen() {
	defer close(e.posted)
	const chunk = 1024 // timers in one message
	var waiting [shardCount][]parkedTimer
	hand := func(i int) {
		e.shards[i].inbox.put(message{kind: restore, parked: waiting[i]})
		waiting[i] = nil
	}
	n := 0
	for entry, err := range e.s.store.Scan(e.work, bucketOpen, store.Range{}) {
		if err != nil {
			if e.work.Err() == nil {
				e.s.log.Error("open executions cannot be read; those not yet recovered wait for the next start", "error", err)
			}
			return
		}
		r, err := decode[openRecord](bucketOpen, entry.Key, entry.Value)
		if err != nil {
			e.s.log.Error("an open execution cannot be recovered", "error", err)
			continue
		}
		n++
		id := execID{r.Machine, r.Name}
		switch {
		case !r.Waits:
			e.post(message{kind: load, id: id})
		case r.Due != 0:
			i := shardOf(id)
			if waiting[i] = append(waiting[i], parkedTimer{due: r.Due, serial: entry.Key}); len(waiting[i]) == chunk {
				hand(i)
			}
		}
	}
	for i := range waiting {
		if len(waiting[i]) > 0 {
			hand(i)
		}
	}
	if n > 0 {
		e.s.log.Info("open executions go on", "count", n)
	}
}

// owned returns an open execution of the shard. One that is not in memory is loaded.
func (sh *shard) owned(id execID, touch func(*execution) *change) (*execution, error) {
	if x := sh.open[id]; x != nil {
		return x, nil
	}
	r, err := sh.e.s.executionRecord(sh.e.work, id)
	if err != nil {
		return nil, err
	}
	open, err := sh.e.s.store.Get(sh.e.work, bucketOpen, r.Serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNotOpen
	}
	if err != nil {
		return nil, err
	}
	return sh.load(r, open, touch)
}

// load brings an execution into memory from its record, its openRecord and its journal. Its timers are armed at once; its
// tasks are performed again with the change, which claims the execution when the store says another owner.
func (sh *shard) load(r *executionRecord, open []byte, touch func(*execution) *change) (*execution, error) {
	ctx := sh.e.work
	was, err := decode[openRecord](bucketOpen, r.Serial, open)
	if err != nil {
		return nil, err
	}
	if was.Lease.Epoch > sh.e.lease.Epoch || sh.e.fenced.Load() {
		return nil, errNotOpen
	}
	x := sh.e.newExecution(r, nil, nil)
	err = sh.e.replay(ctx, x, r)
	if err != nil && (ctx.Err() != nil || errors.Is(err, errStore)) {
		return nil, err
	}
	sh.open[x.id] = x
	sh.parked.remove(x.serial)
	c := touch(x)
	if was.Lease == sh.e.lease {
		x.open, x.said = open, standing{was.Waits, was.Due}
	} else {
		c.claim = open
	}
	if err != nil {
		sh.condemn(c, err, sh.e.s.now())
		return x, nil
	}
	for _, p := range x.pending.inOrder() {
		if p.StartMapRun != nil {
			sh.mapRun(x, p.ID, p.StartMapRun, sh.e.s.now())
		}
		switch {
		case p.StartTimer != nil:
			sh.await(x, p.ID, p.StartTimer.Due)
		case p.busy():
			c.commands = append(c.commands, p.Command)
		}
	}
	c.again = len(c.commands)
	return x, nil
}

// errStore marks failures of the store, which pass, in contrast to a journal that cannot be replayed.
var errStore = errors.New("states: the store failed")

// replay rebuilds the state of x from its newest snapshot, when it has one, and the journal since.
func (e *engine) replay(ctx context.Context, x *execution, r *executionRecord) error {
	var err error
	if x.definition, err = e.s.definitionOf(ctx, r); err != nil {
		return errors.Join(errStore, err)
	}
	x.state = e.s.newState(x.definition, r)
	for entry, err := range e.s.store.Scan(ctx, bucketEvents, store.Prefix(x.serial+"/")) {
		if err != nil {
			return errors.Join(errStore, err)
		}
		if isSnapshot(entry.Key) {
			if err := x.restore(entry.Key, entry.Value); err != nil {
				return err
			}
			continue
		}
		ev, err := decodeEvent(entry.Key, entry.Value)
		if err != nil {
			return err
		}
		if _, err := x.step(ev); err != nil {
			return err
		}
	}
	return nil
}

// newState is an execution before its first event.
func (s *Service) newState(definition *asl.StateMachine, r *executionRecord) *interp.State {
	return interp.Start(definition, s.startOptions(r))
}

// startOptions is what an execution knows about itself.
func (s *Service) startOptions(r *executionRecord) interp.StartOptions {
	o := interp.StartOptions{
		Input: []byte(r.Input), ExecutionARN: s.executionArn(r.id()), ExecutionName: r.Name, RoleARN: r.Revision.RoleArn,
		StartTime: r.Started, StateMachineARN: s.machineArn(r.Machine), StateMachineName: r.Machine,
		TokenKey: s.tokenKey,
	}
	if r.Version > 0 {
		o.VersionARN = s.versionArn(r.Machine, r.Version)
	}
	if r.Alias != "" {
		o.AliasARN = s.aliasArn(r.Machine, r.Alias)
	}
	return o
}
