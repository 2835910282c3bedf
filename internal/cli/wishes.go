package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/rollout"
)

// wishCommands are the verbs by which a person steers a rollout that is under way, here or on another machine with the
// same ledger.
func (a *app) wishCommands() []*cobra.Command {
	wish := func(kind rollout.EventKind, short string) *cobra.Command {
		var reason string
		var full, force bool
		c := &cobra.Command{
			Use:     string(kind),
			Short:   short,
			Example: "  teal " + string(kind),
			RunE: func(c *cobra.Command, _ []string) error {
				return a.wish(c.Context(), rollout.Event{Kind: kind, By: who(), Reason: reason, Full: full, Force: force})
			},
		}
		c.Flags().StringVar(&reason, "reason", "", "why, for the record")
		switch kind {
		case rollout.EventPromote:
			c.Flags().BoolVar(&full, "full", false, "skip every wait and check that is left")
		case rollout.EventRetry:
			c.Flags().BoolVar(&force, "force", false, "overwrite what others have changed")
		}
		return c
	}
	return []*cobra.Command{
		wish(rollout.EventPromote, "End the present waiting of a rollout and go on"),
		wish(rollout.EventApprove, "Approve the hook that waits for a person"),
		wish(rollout.EventPause, "Hold a rollout at its present step"),
		wish(rollout.EventResume, "Go on with a rollout that is paused or whose process ended"),
		wish(rollout.EventAbort, "Put back everything that the rollout under way has moved"),
		wish(rollout.EventRetry, "Try again to put right what a failed rollout left"),
	}
}

// wish hands a person's wish to the process that drives the rollout, or drives it from here when none does.
func (a *app) wish(ctx context.Context, ev rollout.Event) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	app := s.manifest.Spec.App
	lock, held, err := holder(ctx, s.ledger, app)
	if err != nil {
		return err
	}
	if !held {
		return hint(fmt.Errorf("no rollout of %s is under way", app), "teal status tells what serves")
	}
	if !s.ledger.Gone(lock) {
		if ev.Kind == rollout.EventResume {
			// A live driver needs no resumption; the wish ends a pause.
			a.progress("rollout %s is driven by %s", lock.Rollout, lock.Owner)
		}
		if _, err := s.ledger.Send(ctx, app, lock.Rollout, ledger.Command{Kind: string(ev.Kind), By: ev.By, Reason: ev.Reason, Full: ev.Full, Force: ev.Force, At: time.Now()}); err != nil {
			return err
		}
		a.progress("%s asked %s to %s rollout %s", ev.By, lock.Owner, ev.Kind, lock.Rollout)
		return nil
	}
	return a.resume(ctx, s, ev)
}

// resume drives the rollout that the application is locked for, and prints how it ended.
func (a *app) resume(ctx context.Context, s *session, ev rollout.Event) error {
	outcome, err := a.resumed(ctx, s, ev)
	d := deployment{Outcome: outcome, session: s}
	a.summarize(d)
	if err != nil {
		return err
	}
	if ev.Kind == rollout.EventAbort && (outcome.State.Phase == rollout.RolledBack || outcome.State.Phase == rollout.Failed) {
		return a.printRolledBack(d)
	}
	return a.printOutcome(d)
}

// resumed drives the rollout that the application is locked for.
func (a *app) resumed(ctx context.Context, s *session, ev rollout.Event) (controller.Outcome, error) {
	var none controller.Outcome
	if err := a.reachable(ctx, s.cfg); err != nil {
		return none, err
	}
	w := a.watch(s)
	defer w.Close()
	c, err := a.controller(s, w)
	if err != nil {
		return none, err
	}
	lock, _, err := s.ledger.Holder(ctx, s.manifest.Spec.App)
	if err != nil {
		return none, err
	}
	req := controller.ResumeRequest{App: s.manifest.Spec.App, Rollout: lock.Rollout}
	at, err := controller.Load(ctx, s.ledger, req.App, req.Rollout)
	if err != nil {
		return none, err
	}
	if lines, ok := w.(*plainLines); ok {
		lines.told(at)
	}
	if at.Phase == rollout.Planned || at.Phase == rollout.Publishing {
		spec, err := a.packaged(ctx, s.manifest)
		if err != nil {
			return none, err
		}
		req.Spec = &spec
	}
	if ev.Kind != rollout.EventResume || at.Paused.Reason != rollout.NotPaused {
		req.Wish = &ev
	}
	outcome, err := c.Resume(w.Context(ctx), req)
	if err != nil {
		var forbidden *rollout.ForbiddenError
		if errors.As(err, &forbidden) {
			return outcome, hint(err, "%s", first(forbidden.Hint, "teal status tells where the rollout stands"))
		}
		return outcome, unfinished(err)
	}
	w.Close()
	return outcome, a.settleProvisioned(ctx, s, outcome)
}
