package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/target"
)

func (a *app) planCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Say what a deploy would publish, pin and shift, and why; change nothing",
		Long: `Say what a deploy would publish and why, the pins before and after, the schedule of the shift with its length, what comes in
past the aliases and would not be shifted, roles that executions in flight need, and what the caller must be allowed.`,
		Example: `  teal plan
  teal plan --permissions
  teal plan --output json | jq '.functions[] | select(.action == "publish")'`,
		RunE: func(c *cobra.Command, _ []string) error {
			doc, err := a.plan(c.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(doc)
			}
			a.printPlan(doc, all)
			return nil
		},
	}
	c.Flags().BoolVar(&all, "permissions", false, "list what the caller must be allowed, by action and resource")
	return c
}

// planned is all that a plan tells.
type planned struct {
	release.Plan
	Rollout     rollout.Settings   `json:"rollout"`
	Length      time.Duration      `json:"length"` // of the shift and the bake, in nanoseconds, without waiting for verdicts
	Findings    []target.Finding   `json:"findings,omitempty"`
	Permissions []target.Statement `json:"permissions"`
}

func (a *app) plan(ctx context.Context) (planned, error) {
	var doc planned
	s, err := a.open(ctx)
	if err != nil {
		return doc, err
	}
	if doc.Rollout, err = settings(s.manifest); err != nil {
		return doc, err
	}
	if err := a.reachable(ctx, s.cfg); err != nil {
		return doc, err
	}
	spec, err := a.packaged(ctx, s.manifest)
	if err != nil {
		return doc, err
	}
	observed, err := s.target.Observe(ctx, spec)
	if err != nil {
		return doc, a.connection(s.cfg, err)
	}
	if doc.Plan, err = release.MakePlan(spec, observed); err != nil {
		return doc, err
	}
	doc.Length = length(doc.Rollout, doc.TTL)
	if err := checkDefinitions(ctx, s.cfg, doc.Identity, spec); err != nil {
		return doc, err
	}
	if doc.Findings, err = s.target.Entrances(ctx, spec); err != nil {
		return doc, err
	}
	access, err := s.target.Access(ctx, spec)
	if err != nil {
		return doc, err
	}
	callers, err := s.target.Callers(ctx, spec, doc.Rollout.Hooks())
	if err != nil {
		return doc, err
	}
	doc.Findings = slices.Concat(doc.Findings, access, callers)
	doc.Permissions = target.Permissions(doc.Identity, spec, uses(doc.Rollout, s.ledger))
	return doc, nil
}

// length is the shortest time that a rollout takes. At record sets each change of weights counts once Route 53 has it and one
// TTL has passed, and only then the step begins; how long Route 53 takes is not known, some 60 s as a rule.
func length(r rollout.Settings, ttl time.Duration) time.Duration {
	d := r.Bake
	for _, step := range r.Strategy.Steps {
		d += step.Stretched(ttl).Pause
		if step.Weight > 0 {
			d += ttl
		}
	}
	return d
}

// placed is a ledger that says where in S3 it is.
type placed interface{ Place() string }

// uses says which of AWS's services a rollout with these settings asks, apart from those that it releases to.
func uses(r rollout.Settings, books ledger.Ledger) target.Uses {
	u := target.Uses{Alarms: len(r.Check.Alarms) > 0, Metrics: r.Bake > 0 && r.CheckBake}
	for _, step := range r.Strategy.Steps {
		u.Metrics = u.Metrics || step.Check
	}
	for _, h := range r.Hooks() {
		if h.CodeDeploy != nil {
			u.Deployments = append(u.Deployments, *h.CodeDeploy)
		}
	}
	if in, ok := books.(placed); ok && ledger.IsS3(in.Place()) {
		u.Ledger = in.Place()
	}
	return u
}

func (a *app) printPlan(doc planned, permissions bool) {
	plan, s := doc.Plan, doc.Rollout
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
			step = step.Stretched(plan.TTL)
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
		say("%s promoted (at least %s)", line, doc.Length)
		if plan.TTL > 0 {
			say("each change of weights first takes until Route 53 has it everywhere, and %s (its TTL) until resolvers ask again", plan.TTL)
		}
	}
	for _, n := range plan.Notes {
		say("⚠ %s", n)
	}
	for _, f := range doc.Findings {
		mark := p.paint(yellow, "⚠")
		if f.Unread {
			mark = p.paint(dim, "?")
		}
		say("%s %s", mark, f)
	}
	if !permissions {
		return
	}
	say("the caller must be allowed:")
	for _, st := range doc.Permissions {
		say("  for %s%s", st.For, map[bool]string{true: " (without it, that is told, and the rest goes on)"}[st.Optional])
		for _, action := range st.Actions {
			say("    %s", action)
		}
		for _, r := range st.Resources {
			say("      on %s", r)
		}
	}
}
