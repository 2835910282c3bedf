package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// pruneFlags say what stays beyond what is in use.
type pruneFlags struct {
	releases int
	grace    time.Duration
}

func (f *pruneFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&f.releases, "keep", 5, "how many of the newest releases stay, beside the current one and the one before it")
	c.Flags().DurationVar(&f.grace, "grace", 24*time.Hour, "keep what was published or had traffic within this time")
}

func (f *pruneFlags) request(a *app, s *session) controller.PruneRequest {
	r := controller.PruneRequest{
		Ledger: s.ledger, Versions: s.target, Spec: s.manifest.Spec, Owner: owner(),
		Releases: f.releases, Grace: f.grace, Progress: a.progress, Clock: s.clock,
	}
	if s.cfg.BaseEndpoint == nil { // AWS lists executions by and by, and says not how late
		r.Settle = 10 * time.Second
	}
	return r
}

func (f *pruneFlags) valid() error {
	if f.releases < 0 || f.grace < 0 {
		return usage("--keep and --grace cannot be negative")
	}
	return nil
}

func (a *app) pruneCommand() *cobra.Command {
	var flags pruneFlags
	var dry, yes bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete the versions that nothing needs any more",
		Long: `Delete the function and state machine versions that nothing needs any more.

Kept are both versions of every alias, the newest version, what the releases hold that a rollback may go to, whatever an
event source, a function URL, provisioned concurrency or a permission names, state machine versions with executions that
run or can be redriven (14 days), everything that any state machine of the account pins, and what was published or had
traffic within the grace period. What cannot be read keeps whatever it might have named. Everything is looked at once more
right before it is deleted, and recorded in the ledger.

A state that chooses its function while it runs can be handed a version by its input; nobody can see that in advance. Give
such versions an alias.`,
		Example: `  teal prune --dry-run
  teal prune --keep 10 --grace 168h --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := flags.valid(); err != nil {
				return err
			}
			s, err := a.openReachable(c.Context())
			if err != nil {
				return err
			}
			r := flags.request(a, s)
			r.DryRun = true
			a.progress("reading versions, aliases, executions and what refers to them")
			found, err := controller.Prune(c.Context(), r)
			if err != nil {
				return a.connection(s.cfg, err)
			}
			deletable := slices.ContainsFunc(found.Versions, release.Kept.Deletable)
			if !dry && deletable {
				if !a.json() {
					a.printKept(found.Versions)
				}
				if err := a.confirm(yes, "delete what is marked with -?"); err != nil {
					return err
				}
				r.DryRun = false
				if found, err = controller.Prune(c.Context(), r); err != nil {
					return unfinished(err)
				}
				return a.printPruned(found)
			}
			if a.json() {
				return a.printJSON(found)
			}
			a.printKept(found.Versions)
			if !deletable {
				fmt.Fprintln(a.Out, "nothing to delete")
			}
			return nil
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be deleted and why everything else stays; delete nothing")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) printPruned(p controller.Pruned) error {
	if a.json() {
		if err := a.printJSON(p); err != nil {
			return err
		}
	} else {
		for _, s := range p.Spared {
			fmt.Fprintln(a.Out, "kept after all: "+s)
		}
		fmt.Fprintf(a.Out, "deleted %d versions\n", len(p.Deleted))
	}
	return nil
}

func (a *app) printKept(all []release.Kept) {
	p := painter{colour: terminal(a.Out)}
	rows := [][]string{{"", "version", "published", "why it stays"}}
	var size int64
	for _, k := range all {
		mark, why := "=", strings.Join(k.Reasons, "; ")
		if k.Deletable() {
			mark, why = p.paint(red, "-"), p.paint(dim, "nothing needs it")
			size += k.Size
		} else if len(k.Reasons) > 3 {
			why = strings.Join(k.Reasons[:3], "; ") + fmt.Sprintf("; and %d more reasons", len(k.Reasons)-3)
		}
		rows = append(rows, []string{mark, fmt.Sprintf("%s %s:%s", kindName(k.Kind), k.Name, shortVersion(k.Version)), k.Created.Local().Format(time.DateTime), why})
	}
	for _, line := range table(rows, p)[1:] {
		fmt.Fprintln(a.Out, line)
	}
	if size > 0 {
		fmt.Fprintf(a.Out, "%.1f MB of code would be freed\n", float64(size)/1e6)
	}
}

func kindName(k release.Kind) string {
	if k == release.KindStateMachine {
		return "workflow"
	}
	return "function"
}

// openReachable is open for a verb that needs the endpoint.
func (a *app) openReachable(ctx context.Context) (*session, error) {
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return s, a.reachable(ctx, s.cfg)
}

func (a *app) versionsCommand() *cobra.Command {
	var flags pruneFlags
	c := &cobra.Command{
		Use:   "versions [FUNCTION or WORKFLOW]",
		Short: "List the versions that exist, and what uses each of them",
		Example: `  teal versions
  teal versions shop-hello --output json | jq '.[] | {version, reasons}'`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.complete(func(ctx context.Context, s *session) []string {
			return append(functionNames(ctx, s), workflowNames(ctx, s)...)
		}),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.openReachable(c.Context())
			if err != nil {
				return err
			}
			flags.releases, flags.grace = 1<<30, 0 // every release that has a version is told
			a.progress("reading versions and what refers to them")
			all, err := controller.Survey(c.Context(), flags.request(a, s))
			if err != nil {
				return a.connection(s.cfg, err)
			}
			if len(args) == 1 {
				name, _, _ := strings.Cut(args[0], ":")
				all = slices.DeleteFunc(all, func(k release.Kept) bool { return k.Name != name })
				if len(all) == 0 {
					return hint(fmt.Errorf("%s has no function or workflow %s with a version", s.manifest.Spec.App, name), "teal versions lists all")
				}
			}
			if a.json() {
				return a.printJSON(all)
			}
			p := painter{colour: terminal(a.Out)}
			rows := [][]string{{"version", "published", "used"}}
			for _, k := range all {
				rows = append(rows, []string{fmt.Sprintf("%s %s:%s", kindName(k.Kind), k.Name, shortVersion(k.Version)), k.Created.Local().Format(time.DateTime), first(strings.Join(k.Reasons, "; "), p.paint(dim, "nothing uses it"))})
			}
			for _, line := range table(rows, p) {
				fmt.Fprintln(a.Out, line)
			}
			return nil
		},
	}
	return c
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that what exists is what the ledger says: every alias, version, digest and pin",
		Long: `Check that what exists is what the ledger says of the release that serves: every alias routes to its version alone, and
every version exists with the digest and the pins that were recorded.

Exit status: 0 all is as recorded, 1 there are differences, 4 a rollout is under way.`,
		Example: "  teal verify && echo as recorded",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			s, err := a.openReachable(ctx)
			if err != nil {
				return err
			}
			app := s.manifest.Spec.App
			current, err := s.ledger.Current(ctx, app)
			if errors.Is(err, ledger.ErrNotFound) {
				return fmt.Errorf("nothing of %s was released: there is nothing to verify", app)
			}
			if err != nil {
				return err
			}
			u, err := controller.Unfinished(ctx, s.ledger, app)
			if err != nil {
				return err
			}
			if u != nil {
				return &Error{Code: ExitPaused, Err: fmt.Errorf("rollout %s of %s is %s: its aliases are on their way", u.ID, app, u.Phase), Hint: "teal status tells where they are; teal repair what can be done"}
			}
			rec, err := s.ledger.Release(ctx, app, current.Release)
			if err != nil {
				return err
			}
			differences, err := s.target.CheckRouting(ctx, servedBy(rec, current))
			if err != nil {
				return a.connection(s.cfg, err)
			}
			more, err := s.target.Check(ctx, rec.Release)
			if err != nil {
				return a.connection(s.cfg, err)
			}
			differences = append(differences, more...)
			if a.json() {
				if err := a.printJSON(map[string]any{"app": app, "release": rec.ID, "digest": rec.Digest(), "differences": differences}); err != nil {
					return err
				}
			} else {
				for _, d := range differences {
					fmt.Fprintln(a.Out, "✖ "+d.String())
				}
				if len(differences) == 0 {
					fmt.Fprintf(a.Out, "✔ %s is release %s as recorded: %d aliases, %d versions\n", app, rec.ID, len(rec.Aliases), len(rec.Functions)+len(rec.Workflows))
				}
			}
			if len(differences) > 0 {
				return hint(fmt.Errorf("%d differences from release %s", len(differences), rec.ID), "teal repair says what would mend them")
			}
			return nil
		},
	}
}
