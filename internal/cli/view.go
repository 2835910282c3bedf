package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// The view of a rollout is a function of its state and the time, so that a terminal, a picture and a test show the same.
//
// It reads from the whole to the part: phase and weight, then the way of the rollout, then every alias with the weight that
// is set beside the share that was observed, then the pins, then why it waits.

// painter colours text; the zero value leaves it plain.
type painter struct{ colour bool }

func (p painter) paint(s lipgloss.Style, text string) string {
	if !p.colour {
		return text
	}
	return s.Render(text)
}

var (
	bold   = lipgloss.NewStyle().Bold(true)
	dim    = lipgloss.NewStyle().Faint(true)
	blue   = lipgloss.NewStyle().Foreground(lipgloss.Color("39"))
	green  = lipgloss.NewStyle().Foreground(lipgloss.Color("42"))
	red    = lipgloss.NewStyle().Foreground(lipgloss.Color("203")).Bold(true)
	yellow = lipgloss.NewStyle().Foreground(lipgloss.Color("221"))
)

// way is what a person follows: the phases that lead to promotion, with the mark of each.
var way = []struct {
	phase rollout.Phase
	name  string
}{
	{rollout.Planned, "read"},
	{rollout.Publishing, "publish"},
	{rollout.Testing, "test"},
	{rollout.Shifting, "shift"},
	{rollout.Baking, "bake"},
	{rollout.Promoting, "promote"},
}

// render draws the rollout as lines no wider than width columns need be; now moves the times that count.
func render(s rollout.State, now time.Time, p painter) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }

	head := p.paint(bold, s.Plan.App) + "  " + p.paint(green, "green "+s.Plan.Release)
	if s.Plan.From != "" {
		head += p.paint(dim, "  ←  ") + p.paint(blue, "blue "+s.Plan.From)
	}
	add("%s   %s", head, phaseLabel(s, p))
	add("%s", progressLine(s, p))
	if bar, ok := weightBar(s, p); ok {
		add("%s", bar)
	}
	add("")
	lines = append(lines, aliasTable(s, p)...)
	if pins := pinLines(s, p); len(pins) > 0 {
		add("")
		lines = append(lines, pins...)
	}
	add("")
	if v, ok := s.Verdict(); ok && current(s, v) && !strings.Contains(s.Cause, v.Reason) {
		add("%s %s  %s", judgementMark(v.Judgement, p), p.paint(bold, string(v.Judgement)), v.Reason)
	}
	if next := waiting(s, now); next != "" {
		add("%s %s", p.paint(yellow, "◷"), next)
	}
	if s.Cause != "" {
		add("%s %s", p.paint(red, "✖"), s.Cause)
	}
	for lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// current reports whether a verdict tells of the step that is drawn; at its end a rollout is drawn with its latest.
func current(s rollout.State, v rollout.Verdict) bool {
	return v.Step == s.Step || s.Phase.Ended() || s.Phase == rollout.RollingBack
}

func phaseLabel(s rollout.State, p painter) string {
	style := yellow
	switch s.Phase {
	case rollout.Promoted:
		style = green
	case rollout.RollingBack, rollout.RolledBack, rollout.Failed, rollout.FailedDirty:
		style = red
	}
	return p.paint(style, string(s.Phase))
}

// progressLine marks every phase: ✔ done, ◌ under way, ✖ where it turned back, · still to come.
func progressLine(s rollout.State, p painter) string {
	at, back := -1, false
	for i, w := range way {
		if w.phase == s.Phase {
			at = i
		}
	}
	switch s.Phase {
	case rollout.Promoted:
		at = len(way)
	case rollout.RollingBack, rollout.RolledBack, rollout.Failed, rollout.FailedDirty:
		back = true
		at = 3 // shift
		if s.Step == 0 {
			at = 2
		}
	}
	parts := make([]string, 0, len(way))
	for i, w := range way {
		switch {
		case i < at:
			parts = append(parts, p.paint(green, "✔")+" "+w.name)
		case i == at && back:
			parts = append(parts, p.paint(red, "✖")+" "+w.name)
		case i == at:
			parts = append(parts, p.paint(yellow, "◌")+" "+p.paint(bold, w.name))
		default:
			parts = append(parts, p.paint(dim, "· "+w.name))
		}
	}
	return strings.Join(parts, "   ")
}

// weightBar shows the share of green that is set, out of 40 columns.
func weightBar(s rollout.State, p painter) (string, bool) {
	shift, ok := s.Shift()
	if !ok || s.Phase == rollout.RollingBack {
		return "", false
	}
	const width = 40
	filled := shift.Weight * width / 100
	return p.paint(green, strings.Repeat("█", filled)) + p.paint(blue, strings.Repeat("░", width-filled)) +
		fmt.Sprintf("  %d %% green  step %d of %d", shift.Weight, min(s.Step, s.Steps()), s.Steps()), true
}

// aliasTable has a row for every alias: versions, the weight set, and, where something was observed, the share of green
// and both versions' requests and errors.
func aliasTable(s rollout.State, p painter) []string {
	verdicts := map[release.Ref]rollout.SubjectVerdict{}
	if v, ok := s.Verdict(); ok && current(s, v) {
		for _, subject := range v.Subjects {
			verdicts[subject.Ref] = subject
		}
	}
	rows := [][]string{{"alias", "blue → green", "set", "", "", ""}}
	if len(verdicts) > 0 {
		copy(rows[0][3:], []string{"observed", "blue", "green"})
	}
	for _, a := range s.Aliases {
		name, from, to := shownAs(a.Ref), shortVersion(a.Blue), shortVersion(a.Green)
		if a.Unchanged() {
			rows = append(rows, []string{p.paint(dim, name), p.paint(dim, first(to, from)), p.paint(dim, "unchanged"), "", "", ""})
			continue
		}
		row := []string{name, p.paint(blue, first(from, "none")) + " → " + p.paint(green, first(to, "?")), "", "", "", ""}
		routing := a.Actual.Routing
		switch {
		case a.Gone:
			row[2] = p.paint(red, "⚠ deleted by someone else")
		case a.Foreign:
			routing.Primary, routing.Additional = shortVersion(routing.Primary), shortVersion(routing.Additional)
			row[2] = p.paint(red, "⚠ "+routing.String()+", by someone else")
		case routing.Primary != "":
			row[2] = strconv.FormatFloat(math.Round(s.Share(a)*1e4)/1e2, 'f', -1, 64) + " %"
			if a.Failed != "" {
				row[2] += p.paint(red, " ⚠ not written")
			}
		}
		if v, ok := verdicts[a.Ref]; ok {
			copy(row[3:], observed(a, v, p))
		}
		rows = append(rows, row)
	}
	return table(rows, p)
}

// observed tells the share of green, and what was seen of blue and green. A function that only workflows call is reached
// by its version and not by its alias: that nothing is seen there is no lack.
func observed(a rollout.Alias, v rollout.SubjectVerdict, p painter) []string {
	all := v.Blue.Requests + v.Green.Requests
	switch {
	case all == 0 && v.Blue.Running+v.Green.Running > 0:
		return []string{"", countsLabel(v.Blue, p), countsLabel(v.Green, p)}
	case all == 0 && a.Pinned:
		return []string{p.paint(dim, "pinned"), "", ""}
	case all == 0:
		return []string{p.paint(dim, "no data"), "", ""}
	}
	return []string{fmt.Sprintf("%.1f %%", float64(v.Green.Requests)/float64(all)*100), countsLabel(v.Blue, p), countsLabel(v.Green, p)}
}

// countsLabel tells requests, or executions, of which failures and what still runs are named where there are any.
func countsLabel(c rollout.Counts, p painter) string {
	what := "requests"
	if c.Running > 0 {
		what = "ended"
	}
	label := fmt.Sprintf("%d %s", c.Requests, what)
	if c.Errors > 0 {
		label += ", " + p.paint(red, fmt.Sprintf("%d failed", c.Errors))
	}
	if c.Running > 0 {
		label += fmt.Sprintf(", %d running", c.Running)
	}
	return label
}

// pinLines shows what every workflow of green calls: below its version each function version, with the states that call it.
func pinLines(s rollout.State, p painter) []string {
	var lines []string
	for _, w := range s.Release.Workflows {
		lines = append(lines, w.Name+":"+p.paint(green, shortVersion(w.ARN))+p.paint(dim, label(" ", pinned(w))))
		states := map[string][]string{}
		var functions []string
		for _, pin := range w.Pins {
			f := pin.Function + ":" + p.paint(green, pin.Version)
			if states[f] == nil {
				functions = append(functions, f)
			}
			states[f] = append(states[f], pin.State)
		}
		width := 0
		for _, f := range functions {
			width = max(width, lipgloss.Width(f))
		}
		for i, f := range functions {
			branch := "├ "
			if i == len(functions)-1 {
				branch = "└ "
			}
			lines = append(lines, p.paint(dim, branch)+f+strings.Repeat(" ", width-lipgloss.Width(f)+2)+strings.Join(states[f], ", "))
		}
	}
	return lines
}

// pinned says that a workflow calls exact versions, when it does.
func pinned(w release.StateMachineVersion) string {
	if len(w.Pins) == 0 {
		return ""
	}
	return "is pinned to"
}

// waiting says what the rollout waits for, and how long.
func waiting(s rollout.State, now time.Time) string {
	if s.Phase.Ended() {
		return ""
	}
	switch s.Paused.Reason {
	case rollout.PausedByUser:
		return "paused by " + first(s.Paused.By, "a person")
	case rollout.PausedHolding:
		return "holds until it is promoted"
	case rollout.PausedForApproval:
		if h, ok := s.Hook(); ok && h.Name != "approval" {
			return "waits for a person to approve " + h.Name
		}
		return "waits for a person to approve"
	case rollout.PausedByNoVerdict:
		return "paused: no verdict within the check's timeout; a person decides"
	}
	if h, ok := s.Hook(); ok && (s.Phase != rollout.Shifting || s.StepSet) {
		return "waits for hook " + h.Name
	}
	if until, ok := s.Spreads(); ok {
		if until.IsZero() {
			return "waits until Route 53 answers by the new weights everywhere"
		}
		return "waits until resolvers ask again, in " + max(0, until.Sub(now)).Round(time.Second).String()
	}
	shift, ok := s.Shift()
	if !ok || !s.StepSet {
		return ""
	}
	if end := s.PauseEnds(); end.After(now) {
		return "next step in " + end.Sub(now).Round(time.Second).String()
	}
	if v, ok := s.Verdict(); shift.Check && ok && v.Needed > 0 {
		return fmt.Sprintf("waits for a verdict: %d more requests to green are needed", v.Needed)
	} else if shift.Check {
		return "waits for a verdict"
	}
	return ""
}

func judgementMark(j rollout.Judgement, p painter) string {
	switch j {
	case rollout.Healthy:
		return p.paint(green, "✔")
	case rollout.Unhealthy:
		return p.paint(red, "✖")
	}
	return p.paint(yellow, "◌")
}

// shortVersion is the number at the end of a version or of its ARN.
func shortVersion(v string) string { return v[strings.LastIndex(v, ":")+1:] }

// table aligns rows in columns; the first row is the heading.
func table(rows [][]string, p painter) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	lines := make([]string, 0, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = p.paint(dim, line)
		}
		lines = append(lines, line)
	}
	return lines
}
