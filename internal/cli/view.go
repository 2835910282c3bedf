package cli

import (
	"fmt"
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
	if v, ok := s.Verdict(); ok {
		add("")
		add("%s %s  %s", judgementMark(v.Judgement, p), p.paint(bold, string(v.Judgement)), v.Reason)
	}
	if next := waiting(s, now); next != "" {
		add("%s %s", p.paint(yellow, "◷"), next)
	}
	if s.Cause != "" {
		add("%s %s", p.paint(red, "✖"), s.Cause)
	}
	return lines
}

func phaseLabel(s rollout.State, p painter) string {
	style := yellow
	switch s.Phase {
	case rollout.Promoted:
		style = green
	case rollout.RollingBack, rollout.RolledBack, rollout.FailedDirty:
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
	case rollout.RollingBack, rollout.RolledBack, rollout.FailedDirty:
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
	return p.paint(green, strings.Repeat("█", filled)) + p.paint(blue, strings.Repeat("█", width-filled)) +
		fmt.Sprintf("  %d %% green  step %d of %d", shift.Weight, min(s.Step, s.Steps()), s.Steps()), true
}

// aliasTable has a row for every alias: versions, the weight set, the share observed, and both versions' requests and errors.
func aliasTable(s rollout.State, p painter) []string {
	verdicts := map[release.Ref]rollout.SubjectVerdict{}
	if v, ok := s.Verdict(); ok {
		for _, subject := range v.Subjects {
			verdicts[subject.Ref] = subject
		}
	}
	rows := [][]string{{"alias", "blue → green", "set", "observed", "blue", "green"}}
	for _, a := range s.Aliases {
		from, to := shortVersion(a.Blue), shortVersion(a.Green)
		row := []string{a.Ref.Name + ":" + a.Ref.Alias, first(from, "none") + " → " + first(to, "?"), "–", "–", "", ""}
		switch {
		case a.Unchanged():
			row[1], row[2] = first(to, from), "unchanged"
		case a.Actual.Routing.Primary != "":
			row[2] = strconv.FormatFloat(a.Actual.Routing.Share(a.Green)*100, 'f', -1, 64) + " %"
		}
		if v, ok := verdicts[a.Ref]; ok && !a.Unchanged() {
			if all := v.Blue.Requests + v.Green.Requests; all > 0 {
				row[3] = fmt.Sprintf("%.1f %%", float64(v.Green.Requests)/float64(all)*100)
			}
			row[4], row[5] = countsLabel(v.Blue), countsLabel(v.Green)
		}
		if a.Foreign || a.Gone || a.Failed != "" {
			row[5] += "  ⚠ " + first(a.Failed, a.LastFail, "changed by someone else")
		}
		rows = append(rows, row)
	}
	return table(rows, p)
}

func countsLabel(c rollout.Counts) string {
	switch {
	case c.Requests == 0 && c.Running == 0:
		return "no data"
	case c.Running > 0:
		return fmt.Sprintf("%d ended, %d failed, %d running", c.Requests, c.Errors, c.Running)
	}
	return fmt.Sprintf("%d requests, %d failed", c.Requests, c.Errors)
}

// pinLines shows what every workflow of green calls: state → exact function version.
func pinLines(s rollout.State, p painter) []string {
	var lines []string
	for _, w := range s.Release.Workflows {
		line := w.Name + " " + p.paint(green, shortVersion(w.ARN))
		for i, pin := range w.Pins {
			sep := ", "
			if i == 0 {
				sep = p.paint(dim, " ├ ")
			}
			line += sep + pin.State + p.paint(dim, " → ") + pin.Function + ":" + p.paint(green, pin.Version)
		}
		lines = append(lines, line)
	}
	return lines
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
	case rollout.PausedByNoVerdict:
		return "paused: no verdict within the check's timeout; a person decides"
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
