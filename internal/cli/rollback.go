package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

func (a *app) rollbackCommand() *cobra.Command {
	var to string
	var force bool
	c := &cobra.Command{
		Use:   "rollback",
		Short: "Go back to the release before, or to any other, functions and workflows as one",
		Long: `Go back to the release before, or to any other of the ledger, functions and workflows as one; nothing is built or published.

While a rollout is under way or unfinished, everything that it moved is put back exactly as it was recorded. After a
promotion, every alias goes back to the versions of the release that served before, by the ledger, or of the one that --to
names by its number, ID or digest (teal history lists them).

Whether everything can be put back is looked at before anything moves. What cannot, because a version was deleted, is named,
and nothing is moved; --force goes on while a rollout is unfinished, and puts back what can be.`,
		Example: `  teal rollback
  teal rollback --to 7
  teal rollback --to sha256:3f8a1c`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.openReachable(c.Context())
			if err != nil {
				return err
			}
			return a.rollback(c.Context(), s, to, force)
		},
	}
	c.Flags().StringVar(&to, "to", "", "the release to go back to, by number, ID or digest (default: the one that served before)")
	c.Flags().BoolVar(&force, "force", false, "put back what can be, also when a version of an unfinished rollout's past is gone")
	_ = c.RegisterFlagCompletionFunc("to", a.complete(releaseNames)) // fails only for a flag that does not exist
	return c
}

func (a *app) rollback(ctx context.Context, s *session, to string, force bool) error {
	app := s.manifest.Spec.App
	lock, held, err := holder(ctx, s.ledger, app)
	if err != nil {
		return err
	}
	if held {
		if err := s.restorable(ctx, lock); err != nil && !force {
			return err
		}
		abort := rollout.Event{Kind: rollout.EventAbort, By: who(), Reason: "teal rollback"}
		if to == "" {
			return a.wish(ctx, abort)
		}
		if !s.ledger.Gone(lock) {
			return hint(fmt.Errorf("rollout %s of %s is driven by %s", lock.Rollout, app, lock.Owner), "teal abort ends it; then teal rollback --to %s", to)
		}
		if _, err := s.wanted(ctx, to); err != nil { // before anything moves
			return err
		}
		outcome, err := a.resumed(ctx, s, abort)
		if err != nil {
			return err
		}
		if outcome.State.Phase != rollout.RolledBack {
			return a.printOutcome(deployment{Outcome: outcome})
		}
	}
	id := ""
	if to != "" {
		rec, err := s.wanted(ctx, to)
		if err != nil {
			return err
		}
		id = rec.ID
	} else if id, err = s.previous(ctx); err != nil {
		return err
	}
	w := a.watch(s)
	defer w.Close()
	ctl, err := a.controller(s, w)
	if err != nil {
		return err
	}
	outcome, err := ctl.Rollback(w.Context(ctx), controller.RollbackRequest{App: app, To: id, By: who()})
	if err != nil {
		return unfinished(err)
	}
	w.Close()
	if err := a.settleProvisioned(ctx, s, outcome); err != nil {
		return err
	}
	return a.printOutcome(deployment{Outcome: outcome, session: s})
}

// holder gives the rollout that an application is locked for. A lock that other work left when it died is none; other work
// that goes on is an error.
func holder(ctx context.Context, books ledger.Ledger, app string) (lock ledger.Lock, held bool, err error) {
	lock, held, err = books.Holder(ctx, app)
	if err != nil || !held {
		return lock, false, err
	}
	r, err := books.Rollout(ctx, app, lock.Rollout)
	if errors.Is(err, ledger.ErrNotFound) {
		return lock, !books.Gone(lock), nil
	}
	if err != nil {
		return lock, false, err
	}
	if !controller.IsRollout(r) && !books.Gone(lock) {
		return lock, false, hint(fmt.Errorf("%s is at work on %s (%s %s)", lock.Owner, app, r.Kind, r.ID), "wait for its end")
	}
	return lock, r.Ended.IsZero() || !books.Gone(lock), nil
}

// wanted finds the release that a person means, and that all of it can be brought back.
func (s *session) wanted(ctx context.Context, to string) (ledger.Release, error) {
	rec, err := releaseNamed(ctx, s.ledger, s.manifest.Spec.App, to)
	if err != nil {
		return rec, err
	}
	return rec, s.whole(ctx, rec)
}

// previous finds the release that served before, and that all of it can be brought back. It is empty where there is none,
// which the controller explains.
func (s *session) previous(ctx context.Context) (string, error) {
	app := s.manifest.Spec.App
	current, err := s.ledger.Current(ctx, app)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && current.Previous == "" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	rec, err := s.ledger.Release(ctx, app, current.Previous)
	if err != nil {
		return "", err
	}
	return rec.ID, s.whole(ctx, rec)
}

// whole fails when a release cannot be brought back as it was, and names everything that is gone.
func (s *session) whole(ctx context.Context, rec ledger.Release) error {
	differences, err := s.target.Check(ctx, rec.Release)
	if err != nil {
		return err
	}
	if len(differences) == 0 {
		return nil
	}
	lines := make([]string, len(differences))
	for i, d := range differences {
		lines[i] = "  " + d.String()
	}
	return hint(fmt.Errorf("release %s cannot be put back, and nothing was moved:\n%s", rec.ID, strings.Join(lines, "\n")),
		"check out commit %s and run teal deploy, or choose another release: teal history", first(rec.Commit, "of that release"))
}

// restorable fails when a version that an unfinished rollout recorded before it began does not exist any more.
func (s *session) restorable(ctx context.Context, lock ledger.Lock) error {
	r, err := s.ledger.Rollout(ctx, lock.App, lock.Rollout)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var lost []string
	for _, a := range r.Before {
		for _, v := range a.Routing.Versions() {
			gone, err := s.target.Missing(ctx, map[release.Ref]string{a.Ref: v})
			if err != nil {
				return err
			}
			if gone[a.Ref] {
				lost = append(lost, fmt.Sprintf("  %s was at version %s, which was deleted", a.Ref, shortVersion(v)))
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return hint(fmt.Errorf("rollout %s cannot be put back as it was, and nothing was moved:\n%s", lock.Rollout, strings.Join(lost, "\n")),
		"teal rollback --force puts back the rest; teal promote --full goes on")
}

// printRolledBack prints a rollout that was put back because someone asked for it: that is success.
func (a *app) printRolledBack(d deployment) error {
	err := a.printOutcome(d)
	var e *Error
	if errors.As(err, &e) && (e.Code == ExitRolledBack || e.Code == ExitFailed) && (d.State.Phase == rollout.RolledBack || d.State.Phase == rollout.Failed) {
		a.progress("put back")
		return nil
	}
	return err
}
