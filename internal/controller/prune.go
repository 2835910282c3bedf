package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// Versions is where versions are listed and deleted.
type Versions interface {
	// Inventory reads what decides which versions of s are needed. What it could not read is in the inventory.
	Inventory(ctx context.Context, s release.Spec, at time.Time) (release.Inventory, error)
	// Delete deletes a version that nothing needs, after looking once more. An error leaves open whether it is deleted.
	Delete(ctx context.Context, k release.Kept) error
}

// PruneRequest asks for the versions that nothing needs to be deleted.
type PruneRequest struct {
	Ledger   Ledger
	Versions Versions
	Spec     release.Spec
	Owner    ledger.Owner
	Releases int           // how many of the newest releases stay, beside the current and the previous one
	Grace    time.Duration // since a version was published or had traffic
	DryRun   bool
	Settle   time.Duration // how far behind the endpoint's lists may be
	Clock    clock.Clock   // the endpoint's, as grace and the windows of executions are; default clock.System
	Progress func(format string, args ...any)
}

// Pruned is what a pruning found and did.
type Pruned struct {
	Versions []release.Kept `json:"versions"`          // all, with the reasons to keep each
	Deleted  []string       `json:"deleted,omitempty"` // ARNs
	Spared   []string       `json:"spared,omitempty"`  // that turned out to be needed, or could not be deleted, and why
}

// Survey decides for every version of an application whether it is needed, without changing anything.
func Survey(ctx context.Context, r PruneRequest) ([]release.Kept, error) {
	if r.Clock == nil {
		r.Clock = clock.System
	}
	inv, err := r.Versions.Inventory(ctx, r.Spec, r.Clock.Now())
	if err != nil {
		return nil, err
	}
	if err := remember(ctx, r, &inv); err != nil {
		return nil, err
	}
	return release.Keep(inv, release.KeepPolicy{Grace: r.Grace}), nil
}

// remember adds what the ledger knows: where a rollback may go, and what had traffic until when.
func remember(ctx context.Context, r PruneRequest, inv *release.Inventory) error {
	app := r.Spec.App
	current, err := r.Ledger.Current(ctx, app)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	all, err := r.Ledger.Releases(ctx, app) // newest first
	if err != nil {
		return err
	}
	for i, rel := range all {
		if i < r.Releases || rel.ID == current.Release || rel.ID == current.Previous {
			inv.Releases = append(inv.Releases, rel.Release)
		}
	}
	rollouts, err := r.Ledger.Rollouts(ctx, app)
	if err != nil {
		return err
	}
	inv.Served = map[string]time.Time{}
	for _, ro := range rollouts {
		until := ro.Ended
		if until.IsZero() {
			until = inv.At
		}
		for _, routings := range [][]release.AliasRouting{ro.Before, ro.Between, ro.After} {
			for _, a := range routings {
				if a.Ref.Kind == release.KindRecordSets {
					continue
				}
				for _, v := range a.Routing.Versions() {
					if a.Ref.Kind == release.KindFunction {
						v = a.Ref.Name + ":" + v
					}
					if until.After(inv.Served[v]) {
						inv.Served[v] = until
					}
				}
			}
		}
	}
	return nil
}

// Prune deletes the versions that nothing needs, state machines' before the functions' that they pin. It holds the
// application's lock meanwhile, and fails with a *ledger.HeldError while a rollout is unfinished. Each deletion is journaled in
// the ledger before it is made. What cannot be deleted is spared and told, and with it whatever it pins.
func Prune(ctx context.Context, r PruneRequest) (Pruned, error) {
	if r.DryRun {
		all, err := Survey(ctx, r)
		return Pruned{Versions: all}, err
	}
	work, c, err := beginChore(ctx, r.Ledger, r.Owner, r.Spec.App, KindPrune, r.Clock)
	if err != nil {
		return Pruned{}, err
	}
	p, err := prune(work, c, r)
	phase, cause := "pruned", fmt.Sprintf("%d versions deleted, %d spared", len(p.Deleted), len(p.Spared))
	if err != nil {
		phase, cause = "failed", err.Error()
	}
	return p, errors.Join(err, c.end(ctx, phase, cause, nil, nil))
}

func prune(ctx context.Context, c *chore, r PruneRequest) (p Pruned, err error) {
	if p.Versions, err = Survey(ctx, r); err != nil {
		return p, err
	}
	var workflows, functions []release.Kept
	for _, k := range p.Versions {
		switch {
		case !k.Deletable():
		case k.Kind == release.KindStateMachine:
			workflows = append(workflows, k)
		default:
			functions = append(functions, k)
		}
	}
	if err := p.remove(ctx, c, r, workflows); err != nil {
		return p, err
	}
	if len(functions) > 0 && len(p.Spared) > 0 {
		// A state machine version that stays after all pins function versions that were not kept for its sake.
		for _, k := range functions {
			p.Spared = append(p.Spared, named(k)+": a state machine version that may call it was not deleted")
		}
		return p, nil
	}
	if len(functions) > 0 {
		if functions, err = p.stillUnused(ctx, r, functions); err != nil {
			return p, err
		}
	}
	return p, p.remove(ctx, c, r, functions)
}

func named(k release.Kept) string {
	return fmt.Sprintf("%s %s, version %s", k.Kind, k.Name, k.ARN[strings.LastIndexByte(k.ARN, ':')+1:])
}

// stillUnused looks again before functions go. An execution may have started on a state machine version in the moment before that
// was deleted, which goes on and needs what it calls; and one that was redriven while executions were listed by their
// status may have been in no list.
func (p *Pruned) stillUnused(ctx context.Context, r PruneRequest, functions []release.Kept) (still []release.Kept, err error) {
	if r.Progress != nil && r.Settle > 0 {
		r.Progress("looking again in %s, before functions go", r.Settle)
	}
	settled := time.NewTimer(r.Settle)
	defer settled.Stop()
	select {
	case <-settled.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	now, err := Survey(ctx, r)
	if err != nil {
		return nil, err
	}
	reasons := map[string][]string{}
	for _, k := range now {
		reasons[k.ARN] = k.Reasons
	}
	for _, k := range functions {
		if why := reasons[k.ARN]; len(why) > 0 {
			p.Spared = append(p.Spared, named(k)+": "+strings.Join(why, "; "))
			continue
		}
		still = append(still, k)
	}
	return still, nil
}

// remove deletes versions, and goes on with the next when one cannot be deleted.
func (p *Pruned) remove(ctx context.Context, c *chore, r PruneRequest, versions []release.Kept) error {
	for _, k := range versions {
		what := named(k)
		if r.Progress != nil {
			r.Progress("deleting %s", what)
		}
		if err := c.do(ctx, "delete "+what, func(ctx context.Context) error { return r.Versions.Delete(ctx, k) }); err != nil {
			if ctx.Err() != nil || errors.Is(err, ledger.ErrFenced) {
				return err
			}
			p.Spared = append(p.Spared, what+": "+err.Error())
			continue
		}
		p.Deleted = append(p.Deleted, k.ARN)
	}
	return nil
}
