package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// plotWidth is how many looks a plot shows, the latest at its right end.
const plotWidth = 16

// look is what one check saw of an alias since the check before it.
type look struct{ blue, green rollout.Counts }

// trend is what the checks of a rollout saw, one after the other. A check counts from the beginning of its step, so what it
// saw alone is the difference to the one before. The zero value is ready.
type trend struct {
	at    time.Time // of the latest verdict
	step  int
	total map[release.Ref]look // of the latest verdict
	looks map[release.Ref][]look
}

// observe takes the latest verdict of a state, when it is a new one.
func (t *trend) observe(s rollout.State) {
	v, ok := s.Verdict()
	if !ok || v.At.Equal(t.at) && v.Step == t.step {
		return
	}
	same := v.Step == t.step
	t.at, t.step = v.At, v.Step
	if t.looks == nil {
		t.looks, t.total = map[release.Ref][]look{}, map[release.Ref]look{}
	}
	for _, subject := range v.Subjects {
		now := look{subject.Blue, subject.Green}
		alone := now
		if before := t.total[subject.Ref]; same {
			alone = look{since(before.blue, now.blue), since(before.green, now.green)}
		}
		t.total[subject.Ref] = now
		all := append(t.looks[subject.Ref], alone)
		t.looks[subject.Ref] = all[max(0, len(all)-plotWidth):]
	}
}

// since gives what was counted between two looks; a count that fell has begun anew.
func since(before, now rollout.Counts) rollout.Counts {
	if now.Requests < before.Requests || now.Errors < before.Errors {
		return now
	}
	return rollout.Counts{Requests: now.Requests - before.Requests, Errors: now.Errors - before.Errors, Running: now.Running}
}

// plots draws, for every alias with traffic, the requests and the share of errors of blue beside those of green, both to one
// scale.
func (t *trend) plots(s rollout.State, p painter) []string {
	rows := [][]string{{"", "requests a look", "", "errors", ""}}
	for _, a := range s.Aliases {
		looks := t.looks[a.Ref]
		if len(looks) < 2 || !slices.ContainsFunc(looks, func(l look) bool { return l.blue.Requests+l.green.Requests > 0 }) {
			continue
		}
		var blueRequests, greenRequests, blueErrors, greenErrors []float64
		for _, l := range looks {
			blueRequests, greenRequests = append(blueRequests, float64(l.blue.Requests)), append(greenRequests, float64(l.green.Requests))
			blueErrors, greenErrors = append(blueErrors, l.blue.Rate()*100), append(greenErrors, l.green.Rate()*100)
		}
		most := max(slices.Max(blueRequests), slices.Max(greenRequests))
		worst := max(slices.Max(blueErrors), slices.Max(greenErrors))
		last := looks[len(looks)-1]
		rows = append(rows, []string{
			shownAs(a.Ref),
			plot(blue, blueRequests, most, fmt.Sprint(last.blue.Requests), p), plot(green, greenRequests, most, fmt.Sprint(last.green.Requests), p),
			plot(blue, blueErrors, worst, fmt.Sprintf("%.1f %%", last.blue.Rate()*100), p), plot(green, greenErrors, worst, fmt.Sprintf("%.1f %%", last.green.Rate()*100), p),
		})
	}
	if len(rows) == 1 {
		return nil
	}
	return table(rows, p)
}

func plot(style lipgloss.Style, values []float64, most float64, last string, p painter) string {
	return p.paint(style, sparkline(values, most)) + " " + last
}

// sparkline draws values from 0 to most as blocks of eight heights.
func sparkline(values []float64, most float64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	heights := []rune(blocks)
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = min(int(v/most*float64(len(heights))), len(heights)-1)
		}
		b.WriteRune(heights[max(i, 0)])
	}
	return b.String()
}
