package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/target"
)

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Say what a deploy would publish, pin and shift, and why; change nothing",
		Example: `  teal plan
  teal plan --output json | jq '.functions[] | select(.action == "publish")'`,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := a.loadManifest()
			if err != nil {
				return err
			}
			s, err := settings(m)
			if err != nil {
				return err
			}
			cfg, err := a.awsConfig(c.Context(), m.Provider.Endpoint, m.Provider.Region)
			if err != nil {
				return err
			}
			if err := a.reachable(c.Context(), cfg); err != nil {
				return err
			}
			spec, err := a.packaged(c.Context(), m)
			if err != nil {
				return err
			}
			observed, err := target.New(cfg, target.Options{}).Observe(c.Context(), spec)
			if err != nil {
				return a.connection(cfg, err)
			}
			plan, err := release.MakePlan(spec, observed)
			if err != nil {
				return err
			}
			if err := checkDefinitions(c.Context(), cfg, plan.Identity, spec); err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(struct {
					release.Plan
					Rollout rollout.Settings `json:"rollout"`
				}{plan, s})
			}
			a.printPlan(plan, s)
			return nil
		},
	}
}

func (a *app) printPlan(plan release.Plan, s rollout.Settings) {
	p := painter{colour: terminal(a.Out)}
	say := func(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }
	mark := func(d release.Decision) string {
		if d.Action == release.Publish {
			return p.paint(green, "+ publish")
		}
		return p.paint(dim, "= keep "+first(shortVersion(d.Version), shortVersion(d.ARN)))
	}
	say("%s in account %s, region %s", p.paint(bold, plan.App), plan.Identity.Account, plan.Identity.Region)
	rows := [][]string{{"", "what", "why"}}
	for _, f := range plan.Functions {
		rows = append(rows, []string{mark(f.Decision), "function " + f.Name, f.Reason})
	}
	for _, w := range plan.Workflows {
		rows = append(rows, []string{mark(w.Decision), "workflow " + w.Name, w.Reason})
	}
	for _, line := range table(rows, p)[1:] {
		say("%s", line)
	}
	for _, w := range plan.Workflows {
		for _, pin := range w.Pins {
			say("    %s: %s", w.Name, pin)
		}
	}
	if plan.Empty() {
		say("nothing to do")
	} else {
		for _, m := range plan.Moves {
			if m.Changes() {
				say("~ %s: %s → %s", m.Ref, m.Before, shortVersion(m.After))
			}
		}
		line := "shift:"
		for _, step := range s.Strategy.Steps {
			line += fmt.Sprintf(" %d %%", step.Weight)
			if step.Pause > 0 {
				line += fmt.Sprintf(" for %s", step.Pause)
			}
			if step.Hold {
				line += " until promoted"
			}
			if step.Check {
				line += " ✓"
			}
			line += " →"
		}
		say("%s promoted (at least %s)", line, s.Strategy.Length()+s.Bake)
	}
	for _, n := range plan.Notes {
		say("⚠ %s", n)
	}
}
