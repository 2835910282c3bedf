package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tealdeploy/teal/internal/rollout"
)

func press(keys ...string) []tea.KeyPressMsg {
	var out []tea.KeyPressMsg
	for _, k := range keys {
		switch k {
		case "space":
			out = append(out, tea.KeyPressMsg{Code: tea.KeySpace, Text: " "})
		case "ctrl+c":
			out = append(out, tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
		default:
			out = append(out, tea.KeyPressMsg{Code: rune(k[0]), Text: k})
		}
	}
	return out
}

// Keys send the wishes of the verbs, each only after a yes, and nothing once the rollout has ended.
func TestKeysOfTheLiveView(t *testing.T) {
	half := stage(t, rollout.Deploy).until(judged(1)).s
	paused := half
	paused.Paused.Reason = rollout.PausedByUser
	over := stage(t, rollout.Deploy).until(ended).s
	for name, test := range map[string]struct {
		state rollout.State
		keys  []string
		want  string // the wishes that are sent
		shows string
	}{
		"promote":              {half, []string{"p", "y"}, "promote", "asked to promote"},
		"pause":                {half, []string{"space", "y"}, "pause", "asked to pause"},
		"space ends a pause":   {paused, []string{"space", "y"}, "resume", "asked to resume"},
		"abort":                {half, []string{"a", "y"}, "abort", "asked to abort"},
		"asks first":           {half, []string{"a"}, "", "abort ro-20261121-120432-1f0b7c? y, or any other key for no"},
		"no":                   {half, []string{"a", "n"}, "", "not asked to abort"},
		"another key is no":    {half, []string{"a", "p"}, "", "not asked to abort"},
		"y alone does nothing": {half, []string{"y"}, "", "p promote · space pause · a abort · ctrl+c leave"},
		"one after the other":  {half, []string{"space", "y", "a", "y"}, "pause abort", "asked to abort"},
		"after the end":        {over, []string{"a", "y"}, "", "✔"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			var m tea.Model = liveModel{send: func(s rollout.State, kind rollout.EventKind) error {
				sent = append(sent, string(kind))
				return nil
			}}
			m, _ = m.Update(test.state)
			for _, k := range press(test.keys...) {
				var cmd tea.Cmd
				if m, cmd = m.Update(k); cmd != nil {
					m, _ = m.Update(cmd())
				}
			}
			if got := strings.Join(sent, " "); got != test.want {
				t.Errorf("sent %q, want %q", got, test.want)
			}
			if drawn := m.View().Content; !strings.Contains(drawn, test.shows) {
				t.Errorf("%q is not in\n%s", test.shows, drawn)
			}
		})
	}
}

func TestAWishThatIsNotTakenIsTold(t *testing.T) {
	var m tea.Model = liveModel{send: func(rollout.State, rollout.EventKind) error { return errors.New("no access to the bucket") }}
	m, _ = m.Update(stage(t, rollout.Deploy).until(judged(1)).s)
	for _, k := range press("p", "y") {
		var cmd tea.Cmd
		if m, cmd = m.Update(k); cmd != nil {
			m, _ = m.Update(cmd())
		}
	}
	if drawn := m.View().Content; !strings.Contains(drawn, "could not ask to promote: no access to the bucket") {
		t.Errorf("drawn:\n%s", drawn)
	}
}

func TestCtrlCInterrupts(t *testing.T) {
	interrupted := false
	var m tea.Model = liveModel{interrupt: func() { interrupted = true }}
	m, _ = m.Update(press("ctrl+c")[0])
	if !interrupted {
		t.Error("it goes on")
	}
	if m.View().Content != "" {
		t.Error("something is drawn before there is a rollout")
	}
}

// The plots show what each look saw alone, blue and green to one scale.
func TestPlots(t *testing.T) {
	g := stage(t, rollout.Deploy).until(judged(1))
	var tr trend
	s := g.s
	for i, n := range []struct{ blue, blueErrors, green, greenErrors int64 }{{80, 0, 10, 0}, {160, 0, 20, 5}, {160, 0, 30, 5}} {
		v := s.Verdicts[0]
		v.At = g.now.Add(time.Duration(i) * time.Second)
		v.Subjects = append([]rollout.SubjectVerdict(nil), v.Subjects[:1]...)
		v.Subjects[0].Ref = s.Aliases[0].Ref
		v.Subjects[0].Blue = rollout.Counts{Requests: n.blue, Errors: n.blueErrors}
		v.Subjects[0].Green = rollout.Counts{Requests: n.green, Errors: n.greenErrors}
		s.Verdicts = []rollout.Verdict{v}
		tr.observe(s)
		tr.observe(s) // the same verdict again is no look
	}
	lines := tr.plots(s, painter{})
	if len(lines) != 2 {
		t.Fatalf("drawn as %q", lines)
	}
	for _, want := range []string{"██▁ 0", "▂▂▂ 10", "▁▁▁ 0.0 %", "▁█▁ 0.0 %"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("%q is not in %q", want, lines[1])
		}
	}
	for range 3 * plotWidth {
		v := s.Verdicts[0]
		v.At = v.At.Add(time.Second)
		s.Verdicts = []rollout.Verdict{v}
		tr.observe(s)
	}
	if n := len(tr.looks[s.Aliases[0].Ref]); n != plotWidth {
		t.Errorf("%d looks are kept", n)
	}
}

func TestMarkdown(t *testing.T) {
	g := moments(t)["rolled-back"]
	text := markdown(g.s, ExitRolledBack)
	for _, want := range []string{"## ↩️ orders: rolled-back", "| orders-hello:live | 41 100% | 41 100% |", "| 1 | Unhealthy |", "pinned to", "by ann"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	s := g.s
	s.Cause = "a | b\n<script>"
	if got := markdown(s, ExitFailed); !strings.Contains(got, `a \| b &lt;script>`) || !strings.Contains(got, "❌") {
		t.Errorf("text from outside is not kept apart:\n%s", got)
	}
}
