package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/rollout"
)

func (a *app) rollbackCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "rollback",
		Short: "Go back to the release before, functions and workflows as one",
		Long: `Go back to the release before, functions and workflows as one; nothing is built or published.

While a rollout is under way or unfinished, everything that it moved is put back exactly as it was recorded. After a
promotion, every alias goes back to the versions of the release that served before, by the ledger.`,
		Example: `  teal rollback
  teal rollback --to re-20261121-101500-a1b2c3`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			s, err := a.open(ctx)
			if err != nil {
				return err
			}
			lock, held, err := s.ledger.Holder(ctx, s.manifest.Spec.App)
			if err != nil {
				return err
			}
			if held {
				if to != "" {
					return hint(fmt.Errorf("rollout %s of %s is unfinished", lock.Rollout, s.manifest.Spec.App), "put it back first: teal rollback without --to")
				}
				return a.wish(ctx, rollout.Event{Kind: rollout.EventAbort, By: who(), Reason: "teal rollback"})
			}
			if err := a.reachable(ctx, s.cfg); err != nil {
				return err
			}
			w := a.watch()
			defer w.Close()
			ctl, err := a.controller(s, w)
			if err != nil {
				return err
			}
			outcome, err := ctl.Rollback(ctx, controller.RollbackRequest{App: s.manifest.Spec.App, To: to, By: who()})
			if err != nil {
				return unfinished(err)
			}
			return a.printOutcome(deployment{Outcome: outcome})
		},
	}
	c.Flags().StringVar(&to, "to", "", "the release to go back to, by its ID (default: the one that served before)")
	return c
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
