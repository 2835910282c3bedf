package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// numbered is a release with the number by which a person names it.
type numbered struct {
	Number  int    `json:"number"` // 1 is the oldest
	Digest  string `json:"digest"`
	Current bool   `json:"current,omitempty"`
	ledger.Release
}

// releases lists the releases of an application, oldest first, so that the numbers of the old ones never change.
func releases(ctx context.Context, books ledger.Ledger, app string) ([]numbered, error) {
	all, err := books.Releases(ctx, app)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	out := make([]numbered, len(all))
	for i, r := range all {
		out[i] = numbered{Number: i + 1, Digest: r.Digest(), Release: r}
	}
	return out, nil
}

// releaseNamed finds the release that a person means by an ID, a number or a digest.
func releaseNamed(ctx context.Context, books ledger.Ledger, app, name string) (ledger.Release, error) {
	all, err := releases(ctx, books, app)
	if err != nil {
		return ledger.Release{}, err
	}
	plain := make([]release.Release, len(all))
	for i, r := range all {
		plain[i] = r.Release.Release
	}
	found, err := release.Identify(plain, name)
	if err != nil {
		return ledger.Release{}, err
	}
	return books.Release(ctx, app, found.ID)
}

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history [ROLLOUT]",
		Short: "Tell what was released, by whom and when; or the whole story of one rollout",
		Long: `Tell what was released, by whom, when and from which commit; or, of one rollout, every phase, every routing before and
after, every verdict with its numbers, and every wish of a person.`,
		Example: `  teal history
  teal history ro-20261121-101500-a1b2c3 --output json | jq '.story[] | select(.verdict)'`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.complete(func(ctx context.Context, s *session) []string {
			all, _ := s.ledger.Rollouts(ctx, s.manifest.Spec.App)
			var names []string
			for _, r := range all {
				names = append(names, r.ID+"\t"+r.Kind+" "+r.Phase+" "+r.Started.Local().Format(time.DateTime))
			}
			return names
		}),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.open(c.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.story(c.Context(), s, args[0])
			}
			return a.history(c.Context(), s)
		},
	}
}

func (a *app) history(ctx context.Context, s *session) error {
	app := s.manifest.Spec.App
	all, err := releases(ctx, s.ledger, app)
	if err != nil {
		return err
	}
	rollouts, err := s.ledger.Rollouts(ctx, app)
	if err != nil {
		return err
	}
	current, err := s.ledger.Current(ctx, app)
	if err == nil {
		for i := range all {
			all[i].Current = all[i].ID == current.Release
		}
	}
	if a.json() {
		return a.printJSON(struct {
			App      string           `json:"app"`
			Releases []numbered       `json:"releases"`
			Rollouts []ledger.Rollout `json:"rollouts"`
		}{app, all, rollouts})
	}
	p := painter{colour: terminal(a.Out)}
	if len(rollouts) == 0 {
		fmt.Fprintf(a.Out, "%s  nothing was released yet\n", app)
		return nil
	}
	number := map[string]string{}
	rows := [][]string{{"", "release", "digest", "created", "by", "commit"}}
	for _, r := range slices.Backward(all) {
		number[r.ID] = fmt.Sprint(r.Number)
		mark := fmt.Sprint(r.Number)
		if r.Current {
			mark = p.paint(green, mark+" ●")
		}
		rows = append(rows, []string{mark, r.ID, r.Digest[len("sha256:"):][:12], r.Created.Local().Format(time.DateTime), r.By, r.Commit})
	}
	for _, line := range table(rows, p) {
		fmt.Fprintln(a.Out, line)
	}
	fmt.Fprintln(a.Out)
	rows = [][]string{{"", "rollout", "ended", "began", "by", "why"}}
	for _, r := range rollouts {
		what := r.Kind
		if r.Release != "" {
			what += " " + first(number[r.Release], r.Release)
		}
		why := r.Cause
		if r.Run != "" {
			why += label("  ", r.Run)
		}
		rows = append(rows, []string{what, r.ID, r.Phase, r.Started.Local().Format(time.DateTime), r.By, why})
	}
	for _, line := range table(rows, p) {
		fmt.Fprintln(a.Out, line)
	}
	return nil
}

func (a *app) story(ctx context.Context, s *session, id string) error {
	app := s.manifest.Spec.App
	record, err := s.ledger.Rollout(ctx, app, id)
	if err != nil {
		return hint(fmt.Errorf("rollout %s of %s: %w", id, app, err), "teal history lists them")
	}
	story, err := controller.Story(ctx, s.ledger, app, id)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(struct {
			Rollout ledger.Rollout      `json:"rollout"`
			Story   []controller.Moment `json:"story"`
		}{record, story})
	}
	p := painter{colour: terminal(a.Out)}
	fmt.Fprintf(a.Out, "%s %s of %s by %s%s%s\n", record.Kind, record.ID, app, record.By, label(", commit ", record.Commit), label(", ", record.Run))
	fence := int64(0)
	for _, m := range story {
		if m.Fence != fence && fence != 0 {
			fmt.Fprintf(a.Out, "%s %s\n", m.At.Local().Format(time.DateTime), p.paint(yellow, "taken over by another process"))
		}
		fence = m.Fence
		text := m.Text
		if m.Phase != "" {
			text = p.paint(bold, text)
		}
		by := ""
		if m.By != "" {
			by = m.By + " "
		}
		fmt.Fprintf(a.Out, "%s %s%s\n", m.At.Local().Format(time.DateTime), by, text)
		if m.Verdict == nil {
			continue
		}
		for _, v := range m.Verdict.Subjects {
			fmt.Fprintf(a.Out, "%s  %s %s: blue %s, green %s\n", p.paint(dim, "                   "), shownAs(v.Ref), v.Judgement, countsLabel(v.Blue, p), countsLabel(v.Green, p))
		}
	}
	return nil
}
