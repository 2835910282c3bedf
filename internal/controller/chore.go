package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// The kinds of work, beside rollouts, that the ledger records under a lock of their own.
const (
	KindPrune  = "prune"
	KindRepair = "repair"
)

// IsRollout tells a record of a rollout from one of other work.
func IsRollout(r ledger.Rollout) bool { return r.Kind != KindPrune && r.Kind != KindRepair }

// chore is work on an application that no rollout does. It holds the application's lock, so no rollout begins meanwhile, and
// journals what it is about to do before it does it. One that dies leaves a lock that the next rollout may take: its record
// says from the start that nothing is left to resume.
type chore struct {
	l       Ledger
	clock   clock.Clock // the endpoint's: of what is recorded, not of the lock
	lock    ledger.Lock
	record  ledger.Rollout
	seq     int64
	cancel  context.CancelCauseFunc
	renewed chan struct{} // closed when renewing has stopped
}

// beginChore takes the lock. The context that it gives ends when the lock is lost.
func beginChore(ctx context.Context, l Ledger, owner ledger.Owner, app, kind string, at clock.Clock) (context.Context, *chore, error) {
	if at == nil {
		at = clock.System
	}
	now := at.Now().UTC().Round(0)
	id := newID(kind, now)
	lock, err := l.Lock(ctx, app, id, owner)
	if err != nil {
		return ctx, nil, err
	}
	c := &chore{l: l, clock: at, lock: lock, renewed: make(chan struct{}), record: ledger.Rollout{
		ID: id, App: app, Kind: kind, By: owner.By, Run: owner.Run, Phase: "begun", Started: now, Updated: now, Ended: now,
	}}
	if err := l.PutRollout(ctx, lock, c.record); err != nil {
		return ctx, nil, errors.Join(err, l.Unlock(context.WithoutCancel(ctx), lock))
	}
	work, cancel := context.WithCancelCause(ctx)
	c.cancel = cancel
	go func() {
		defer close(c.renewed)
		every := time.NewTicker(renewEvery)
		defer every.Stop()
		for {
			select {
			case <-work.Done():
				return
			case <-every.C:
				if err := l.Renew(work, lock); err != nil {
					cancel(fmt.Errorf("the lock of %s: %w", app, err))
					return
				}
			}
		}
	}()
	return work, c, nil
}

// step is one entry of a chore's journal.
type step struct {
	Doing string `json:"doing,omitempty"` // about to be done
	Done  string `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

func (c *chore) note(ctx context.Context, s step) error {
	raw, err := json.Marshal([]step{s})
	if err != nil {
		return err
	}
	c.seq++
	return c.l.Append(ctx, c.lock, ledger.Entry{Seq: c.seq, At: c.clock.Now().UTC().Round(0), Events: raw})
}

// do journals what is about to be done, does it, and journals how it went.
func (c *chore) do(ctx context.Context, doing string, act func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := c.note(ctx, step{Doing: doing}); err != nil {
		return err
	}
	s := step{Done: doing}
	err := act(ctx)
	if err != nil {
		s = step{Error: doing + ": " + err.Error()}
	}
	return errors.Join(err, c.note(context.WithoutCancel(ctx), s))
}

// end records how the chore ended and gives the lock up.
func (c *chore) end(ctx context.Context, phase, cause string, before, after []release.AliasRouting) error {
	c.cancel(nil)
	<-c.renewed
	ctx = context.WithoutCancel(ctx)
	c.record.Phase, c.record.Cause, c.record.Before, c.record.After = phase, cause, before, after
	c.record.Updated = c.clock.Now().UTC().Round(0)
	c.record.Ended = c.record.Updated
	return errors.Join(c.l.PutRollout(ctx, c.lock, c.record), c.l.Unlock(ctx, c.lock))
}
