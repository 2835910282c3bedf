package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

func (a *app) repairCommand() *cobra.Command {
	var to string
	var apply bool
	c := &cobra.Command{
		Use:   "repair",
		Short: "Say what is out of order, and mend it on request",
		Long: `Read what really is and say in plain words what is out of order: aliases that are half shifted or were changed by others,
a rollout whose process died or that failed and keeps the lock, weights that AWS itself put on an alias while provisioned
concurrency becomes ready, provisioned concurrency that serves nobody.

Nothing is changed without --apply, or a yes on a terminal. An alias is written only if it still is as it was read.
--to blue (the default) puts back what the ledger recorded; --to green promotes an unfinished rollout.

Exit status: 0 in order or mended, 1 something is left.`,
		Example: `  teal repair
  teal repair --apply
  teal repair --apply --to green`,
		RunE: func(c *cobra.Command, _ []string) error {
			side := release.Side(to)
			if side != release.ToBlue && side != release.ToGreen {
				return usage("--to is %q; it takes blue or green", to)
			}
			s, err := a.openReachable(c.Context())
			if err != nil {
				return err
			}
			return a.repair(c.Context(), s, side, apply)
		},
	}
	c.Flags().StringVar(&to, "to", string(release.ToBlue), "blue: back to what the ledger recorded; green: on with an unfinished rollout")
	c.Flags().BoolVar(&apply, "apply", false, "mend it without asking")
	return c
}

// facts reads what a repair decides by.
func (a *app) facts(ctx context.Context, s *session) (release.Facts, error) {
	var f release.Facts
	var err error
	app := s.manifest.Spec.App
	if f.Rollout, err = controller.Unfinished(ctx, s.ledger, app); err != nil {
		return f, err
	}
	want := map[release.Ref]string{}
	gone := map[release.Ref]bool{}
	current, err := s.ledger.Current(ctx, app)
	switch {
	case err == nil:
		rec, err := s.ledger.Release(ctx, app, current.Release)
		if err != nil {
			return f, err
		}
		want = servedBy(rec, current)
		if gone, err = s.target.Missing(ctx, want); err != nil {
			return f, a.connection(s.cfg, err)
		}
	case !errors.Is(err, ledger.ErrNotFound):
		return f, err
	}
	for _, ref := range s.manifest.Spec.Refs() {
		if _, known := want[ref]; !known {
			want[ref] = ""
		}
	}
	for ref, version := range want {
		at := release.AliasFacts{Ref: ref, Serving: version, Gone: gone[ref], Actual: release.AliasRouting{Ref: ref}}
		switch r, err := s.target.GetRouting(ctx, ref); {
		case err == nil:
			at.Actual = r
		case refused(err):
			return f, a.connection(s.cfg, err)
		case !errors.Is(err, release.ErrNoAlias):
			at.Error = err.Error()
		}
		if at.Actual.Routing.Additional != "" && ref.Kind == release.KindFunction {
			if at.Provisioning, err = s.target.Provisioning(ctx, ref); err != nil {
				return f, err
			}
		}
		f.Aliases = append(f.Aliases, at)
	}
	for _, fn := range s.manifest.Spec.Functions {
		found, err := s.target.Provisioned(ctx, fn.Name)
		if err != nil {
			return f, err
		}
		f.Provisioned = append(f.Provisioned, found...)
	}
	return f, nil
}

func (a *app) repair(ctx context.Context, s *session, side release.Side, apply bool) error {
	facts, err := a.facts(ctx, s)
	if err != nil {
		return err
	}
	r := release.MakeRepair(facts, side)
	app := s.manifest.Spec.App
	if a.json() && !(apply && r.Mends()) {
		if err := a.printJSON(r); err != nil {
			return err
		}
	}
	if !a.json() {
		a.printRepair(app, r)
	}
	switch {
	case len(r.Found) == 0:
		return nil
	case !r.Mends():
		return &Error{Code: ExitFailed, Err: errors.New("nothing can be mended from here")}
	}
	if err := a.confirm(apply, "mend it?"); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Code == ExitUsage {
			return hint(errors.New("something is out of order"), "teal repair --apply mends it")
		}
		return err
	}
	switch r.Wish {
	case release.WishAbort:
		return a.wish(ctx, rollout.Event{Kind: rollout.EventAbort, By: who(), Reason: "teal repair"})
	case release.WishPromote:
		return a.wish(ctx, rollout.Event{Kind: rollout.EventPromote, By: who(), Reason: "teal repair", Full: true})
	case release.WishRetry:
		err := a.wish(ctx, rollout.Event{Kind: rollout.EventRetry, By: who(), Reason: "teal repair", Force: true})
		var e *Error
		if errors.As(err, &e) && e.Code == ExitRolledBack {
			return nil // that is what was asked for
		}
		return err
	}
	var before []release.AliasRouting
	for _, at := range facts.Aliases {
		if at.Error == "" && at.Actual.Routing.Primary != "" {
			before = append(before, at.Actual)
		}
	}
	if err := controller.Mend(ctx, s.ledger, s.target, owner(), app, r, before, s.clock); err != nil {
		return unfinished(err)
	}
	if a.json() {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.Out, "✔ mended")
	}
	if len(r.Refused) > 0 {
		return &Error{Code: ExitFailed, Err: fmt.Errorf("%d things could not be mended", len(r.Refused))}
	}
	return nil
}

func (a *app) printRepair(app string, r release.Repair) {
	p := painter{colour: terminal(a.Out)}
	if len(r.Found) == 0 {
		fmt.Fprintf(a.Out, "%s %s is in order\n", p.paint(green, "✔"), app)
		return
	}
	for _, f := range r.Found {
		fmt.Fprintf(a.Out, "%s %s\n", p.paint(yellow, "⚠"), f)
	}
	for _, f := range r.Refused {
		fmt.Fprintf(a.Out, "%s %s\n", p.paint(red, "✖"), f)
	}
	for _, f := range r.Actions {
		fmt.Fprintf(a.Out, "→ %s\n", f)
	}
}
