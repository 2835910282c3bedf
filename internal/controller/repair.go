package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Mender is what a repair works with.
type Mender interface {
	SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error)
	// Unprovision takes the provisioned concurrency from every version of a function but those to keep.
	Unprovision(ctx context.Context, function string, keep func(version string) bool) (freed []string, err error)
}

// Unfinished tells of the rollout that an application is locked for; nil when there is none, or when what holds the lock
// leaves nothing to finish.
func Unfinished(ctx context.Context, l Ledger, app string) (*release.RolloutFacts, error) {
	lock, held, err := l.Holder(ctx, app)
	if err != nil || !held {
		return nil, err
	}
	r, err := l.Rollout(ctx, app, lock.Rollout)
	gone := l.Gone(lock)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && !r.Ended.IsZero() {
		if gone {
			return nil, nil
		}
		return &release.RolloutFacts{ID: lock.Rollout, Phase: "at work", Driver: lock.Owner.String()}, nil
	}
	if err != nil {
		return nil, err
	}
	f := &release.RolloutFacts{ID: r.ID, Phase: r.Phase, Parked: lock.Parked, Dirty: r.Phase == string(rollout.FailedDirty)}
	if !gone {
		f.Driver = lock.Owner.String()
	}
	switch rollout.Phase(r.Phase) {
	case rollout.Shifting, rollout.Baking, rollout.Promoting:
		f.Moves = true
	}
	return f, nil
}

// Mend does what a repair says, but for its wish, which is the rollout's own to fulfil. Every alias is written only if it
// still is as it was read. It goes on after a failure, and tells all of them. What is recorded goes by the given clock, the
// endpoint's; nil is this machine's.
func Mend(ctx context.Context, l Ledger, m Mender, owner ledger.Owner, app string, r release.Repair, before []release.AliasRouting, at clock.Clock) error {
	work, c, err := beginChore(ctx, l, owner, app, KindRepair, at)
	if err != nil {
		return err
	}
	var failed []error
	var after []release.AliasRouting
	for _, w := range r.Writes {
		err := c.do(work, fmt.Sprintf("route %s to %s", w.Ref, w.Routing), func(ctx context.Context) error {
			got, err := m.SetRouting(ctx, w)
			if err == nil {
				after = append(after, got)
			}
			return err
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	for _, p := range r.Free {
		err := c.do(work, fmt.Sprintf("remove the provisioned concurrency of function %s, version %s", p.Function, p.Version), func(ctx context.Context) error {
			_, err := m.Unprovision(ctx, p.Function, func(version string) bool { return version != p.Version })
			return err
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	err = errors.Join(failed...)
	phase, cause := "repaired", ""
	if err != nil {
		phase, cause = "failed", err.Error()
	}
	return errors.Join(err, c.end(ctx, phase, cause, before, after))
}
