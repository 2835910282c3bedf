package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/tealdeploy/teal/internal/rollout"
)

// summarize writes a Markdown summary of a rollout's end to --summary, or where GitHub's step summaries go when a step of a
// workflow runs. What cannot be written is told and fails nothing: the rollout's outcome stands.
func (a *app) summarize(d deployment) {
	file := a.summary
	if file == "" {
		file = os.Getenv("GITHUB_STEP_SUMMARY")
	}
	if file == "" || d.State.Plan.ID == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(markdown(d.State, d.ExitCode))
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		a.progress("the summary could not be written: %v", err)
	}
}

// markdown tells how a rollout stands: what moved where, what is pinned, and every verdict with its numbers.
func markdown(s rollout.State, exit int) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	mark := map[int]string{ExitDone: "✅", ExitRolledBack: "↩️", ExitPaused: "⏸️"}[exit]
	if mark == "" {
		mark = "❌"
	}
	say("## %s %s: %s", mark, cell(s.Plan.App), s.Phase)
	say("")
	if s.Cause != "" {
		say("**%s**", cell(s.Cause))
		say("")
	}
	say("Release `%s`%s, rollout `%s`%s%s", s.Plan.Release, back(" after `", s.Plan.From, "`"), s.Plan.ID, back(" by ", cell(s.Plan.By), ""), back(", commit `", s.Plan.Commit, "`"))
	say("")
	say("| alias | before | now | |")
	say("|---|---|---|---|")
	for _, a := range s.Aliases {
		before, now := a.Recorded.Routing, a.Actual.Routing
		before.Primary, before.Additional = shortVersion(before.Primary), shortVersion(before.Additional)
		now.Primary, now.Additional = shortVersion(now.Primary), shortVersion(now.Additional)
		from, to, why := "–", "–", ""
		if before.Primary != "" {
			from = before.String()
		}
		if now.Primary != "" {
			to = now.String()
		}
		if a.Unchanged() {
			why = "unchanged"
		}
		say("| %s | %s | %s | %s |", shownAs(a.Ref), from, to, first(cell(a.Failed), why))
	}
	for _, w := range s.Release.Workflows {
		if len(w.Pins) == 0 {
			continue
		}
		say("")
		say("%s:%s is pinned to", w.Name, shortVersion(w.ARN))
		say("")
		for _, p := range w.Pins {
			say("- %s → %s:%s", cell(p.State), p.Function, p.Version)
		}
	}
	if len(s.Verdicts) > 0 {
		say("")
		say("| step | verdict | why |")
		say("|---|---|---|")
		for _, v := range s.Verdicts {
			say("| %d | %s | %s |", v.Step, v.Judgement, cell(v.Reason))
		}
	}
	say("")
	return b.String()
}

// cell keeps a text from ending the cell of a table or being taken for HTML.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}

// back puts words around a text that is there.
func back(before, text, after string) string {
	if text == "" {
		return ""
	}
	return before + text + after
}
