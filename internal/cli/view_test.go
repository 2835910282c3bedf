package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/tealdeploy/teal/examples"
	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

var update = flag.Bool("update", false, "write what the view draws into testdata/view and docs/live-view.svg")

// staged is a rollout of the example application that a test brings to the moment that it wants to see: every effect is
// answered as if all went well, but for what the fields say.
type staged struct {
	t    *testing.T
	s    rollout.State
	now  time.Time
	seen func(rollout.Check) rollout.Observation // what a check sees
	hook rollout.HookResult
	each func(rollout.State) // is told every state
}

const (
	functionPrefix = "arn:aws:lambda:us-east-1:000000000000:function:"
	machinePrefix  = "arn:aws:states:us-east-1:000000000000:stateMachine:"
)

func stage(t *testing.T, kind rollout.Kind) *staged {
	t.Helper()
	files, err := examples.Open("orders")
	if err != nil {
		t.Fatal(err)
	}
	definition, err := fs.ReadFile(files, "order.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	check := rollout.CheckSettings{MaxErrorRate: 0.05, MinRequests: 20, Timeout: 10 * time.Minute}
	plan := rollout.Plan{
		ID: "ro-20261121-120432-1f0b7c", App: "orders", Kind: kind, By: "ann", Release: "re-20261121-120432-825343", From: "re-20261121-110129-339246",
		Settings: rollout.Settings{
			Check: check, Before: []rollout.Hook{{Function: "verify"}}, Bake: 5 * time.Minute, CheckBake: true,
			Strategy: rollout.Strategy{Name: "steps", Steps: []rollout.Shift{{Weight: 10, Pause: 5 * time.Minute, Check: true}, {Weight: 50, Pause: 5 * time.Minute, Check: true}, {Weight: 100}}},
		},
	}
	for _, key := range []string{"hello", "inventory", "payment", "verify"} {
		plan.Functions = append(plan.Functions, rollout.Function{Key: key, Name: "orders-" + key, Alias: "live"})
	}
	plan.Workflows = []rollout.Workflow{{Workflow: release.Workflow{Key: "order", Name: "orders-order", Alias: "live", UseExactVersion: true, Definition: definition}}}
	plan.Settings = plan.Settings.WithDefaults()
	g := &staged{t: t, now: time.Date(2026, 11, 21, 12, 4, 32, 0, time.UTC), hook: rollout.HookResult{Succeeded: true}, seen: healthy}
	if g.s, err = rollout.New(plan); err != nil {
		t.Fatal(err)
	}
	return g
}

// healthy is what a check sees when green does well: 240 requests a minute to hello, shared as the step says.
func healthy(c rollout.Check) rollout.Observation { return traffic240(c, 0) }

func traffic240(c rollout.Check, failed int64) rollout.Observation {
	var o rollout.Observation
	for _, s := range c.Subjects {
		switch s.Key {
		case "hello":
			green := int64(8 * c.Weight)
			o.Subjects = append(o.Subjects, rollout.Observed{Ref: s.Ref, Blue: rollout.Counts{Requests: 800 - green, Errors: 1}, Green: rollout.Counts{Requests: green, Errors: failed}})
		case "order":
			o.Subjects = append(o.Subjects, rollout.Observed{Ref: s.Ref, Blue: rollout.Counts{Requests: 12, Running: 9}, Green: rollout.Counts{Requests: 8, Running: 4}})
		}
	}
	return o
}

// step hands the machine one event.
func (g *staged) step(ev rollout.Event) {
	g.t.Helper()
	ev.At = g.now
	next, _, err := rollout.Step(g.s, ev)
	if err != nil {
		g.t.Fatalf("%+v: %v", ev, err)
	}
	g.s = next
	if g.each != nil {
		g.each(next)
	}
}

// until answers effects, and lets time pass when nothing else is left, until done holds.
func (g *staged) until(done func(rollout.State) bool) *staged {
	g.t.Helper()
	if g.s.LastID == 0 {
		g.step(rollout.Event{Kind: rollout.EventStart})
	}
	for range 500 {
		if done(g.s) {
			return g
		}
		effects := rollout.Outstanding(g.s)
		if len(effects) == 0 {
			g.t.Fatalf("nothing is outstanding in phase %s", g.s.Phase)
		}
		next := effects[0]
		for _, e := range effects {
			if next.Wake != nil && (e.Wake == nil || e.Wake.At.Before(next.Wake.At)) {
				next = e
			}
		}
		g.step(g.answer(next))
	}
	g.t.Fatalf("not there after 500 events: %s, step %d", g.s.Phase, g.s.Step)
	return g
}

func (g *staged) answer(e rollout.Effect) rollout.Event {
	ev := rollout.Event{Kind: rollout.EventResult, Effect: e.ID}
	switch {
	case e.Wake != nil:
		ev.Kind = rollout.EventWake
		if e.Wake.At.After(g.now) {
			g.now = e.Wake.At
		}
	case e.ReadRouting != nil && e.ReadRouting.Ref.Kind == release.KindRecordSets:
		ev.Routing = &release.AliasRouting{Ref: e.ReadRouting.Ref, Routing: g.s.Plan.Router.Towards("blue", 100), Revision: "r0", TTL: time.Minute}
	case e.ReadRouting != nil:
		ev.Routing = &release.AliasRouting{Ref: e.ReadRouting.Ref, Routing: alias.Routing{Primary: versionOf(e.ReadRouting.Ref, "41")}, Revision: "r0"}
	case e.PublishFunction != nil:
		name := "orders-" + e.PublishFunction.Key
		ev.Function = &release.FunctionVersion{Key: e.PublishFunction.Key, Name: name, Version: "42", ARN: functionPrefix + name + ":42", New: true, Reason: "code changed"}
		if e.PublishFunction.Key == "verify" {
			ev.Function.Version, ev.Function.ARN, ev.Function.New = "41", functionPrefix+name+":41", false
			ev.Function.Reason = "unchanged since version 41"
		}
	case e.PublishWorkflow != nil:
		ev.Workflow = &release.StateMachineVersion{Key: "order", Name: "orders-order", ARN: machinePrefix + "orders-order:42", Pins: e.PublishWorkflow.Pins, New: true, Reason: "pins changed"}
	case e.SetRouting != nil:
		r := e.SetRouting.Want
		r.Revision = fmt.Sprint("r", e.ID)
		if r.Ref.Kind == release.KindRecordSets {
			r.TTL, r.Change = time.Minute, "C1"
		}
		ev.Routing = &r
	case e.RunHook != nil:
		ev.Hook = &g.hook
	case e.Check != nil:
		o := g.seen(*e.Check)
		o.At = g.now
		ev.Observation = &o
	}
	return ev
}

func versionOf(ref release.Ref, v string) string {
	if ref.Kind == release.KindStateMachine {
		return machinePrefix + ref.Name + ":" + v
	}
	return v
}

// judged reports a step that has a verdict of its own.
func judged(step int) func(rollout.State) bool {
	return func(s rollout.State) bool {
		v, ok := s.Verdict()
		return s.Step == step && s.StepSet && ok && v.Step == step
	}
}

func ended(s rollout.State) bool { return s.Phase.Ended() }

// atTheDNS is the rollout behind a router.
func atTheDNS(t *testing.T) *staged {
	t.Helper()
	g := stage(t, rollout.Deploy)
	plan := g.s.Plan
	plan.Router = &release.Router{HostedZone: "Z0123456789", Name: "api.example.com", Type: "CNAME", Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}}
	for i := range plan.Functions {
		plan.Functions[i].Alias = ""
	}
	plan.Workflows[0].Alias = ""
	var err error
	if g.s, err = rollout.New(plan); err != nil {
		t.Fatal(err)
	}
	return g
}

// moments are the rollouts that the view is drawn at.
func moments(t *testing.T) map[string]*staged {
	at := map[string]*staged{
		"publishing": stage(t, rollout.Deploy).until(func(s rollout.State) bool { return s.Phase == rollout.Publishing && s.Units[1].Done }),
		"half":       stage(t, rollout.Deploy).until(judged(2)),
		"baking":     stage(t, rollout.Deploy).until(func(s rollout.State) bool { return s.Phase == rollout.Baking }),
		"promoted":   stage(t, rollout.Deploy).until(ended),
		"dns":        atTheDNS(t).until(judged(2)),
		"dns-pending": atTheDNS(t).until(func(s rollout.State) bool {
			_, waits := s.Spreads()
			return s.Step == 2 && waits
		}),
		"dns-spreading": atTheDNS(t).until(func(s rollout.State) bool {
			until, waits := s.Spreads()
			return s.Step == 2 && waits && !until.IsZero()
		}),
	}
	few := stage(t, rollout.Deploy)
	few.seen = func(c rollout.Check) rollout.Observation {
		return rollout.Observation{Subjects: []rollout.Observed{{Ref: c.Subjects[0].Ref, Blue: rollout.Counts{Requests: 31}, Green: rollout.Counts{Requests: 4}}}}
	}
	at["waiting"] = few.until(judged(1))
	paused := stage(t, rollout.Deploy)
	paused.seen = few.seen
	at["paused"] = paused.until(func(s rollout.State) bool { return s.Paused.Reason != rollout.NotPaused })
	bad := stage(t, rollout.Deploy)
	bad.seen = func(c rollout.Check) rollout.Observation { return traffic240(c, 19) }
	at["rolled-back"] = bad.until(ended)
	failing := stage(t, rollout.Deploy)
	failing.hook = rollout.HookResult{Reason: "GET /hello answered 500"}
	at["hook-failed"] = failing.until(ended)
	foreign := stage(t, rollout.Deploy).until(judged(1))
	hello := foreign.s.Aliases[0].Ref
	foreign.step(rollout.Event{Kind: rollout.EventAbort, By: "ann"})
	for !foreign.s.Phase.Ended() {
		e := rollout.Outstanding(foreign.s)[0]
		ev := foreign.answer(e)
		switch {
		case e.SetRouting != nil && e.SetRouting.Want.Ref == hello:
			ev.Routing, ev.Conflict = nil, true
		case e.ReadRouting != nil && e.ReadRouting.Ref == hello:
			ev.Routing = &release.AliasRouting{Ref: hello, Routing: alias.Routing{Primary: "7"}, Revision: "x9"}
		}
		foreign.step(ev)
	}
	at["failed-dirty"] = foreign
	return at
}

// TestView draws a rollout at its moments; testdata/view holds what is drawn.
func TestView(t *testing.T) {
	for name, g := range moments(t) {
		t.Run(name, func(t *testing.T) {
			lines := render(g.s, g.now.Add(20*time.Second), painter{})
			golden(t, filepath.Join("testdata", "view", name+".txt"), strings.Join(lines, "\n")+"\n")
			coloured := render(g.s, g.now.Add(20*time.Second), painter{colour: true})
			for i, line := range coloured {
				if lipgloss.Width(line) != lipgloss.Width(lines[i]) {
					t.Errorf("colour changes the width of line %d: %q, %q", i+1, line, lines[i])
				}
			}
			for i, line := range lines {
				if w := lipgloss.Width(line); w > 132 {
					t.Errorf("line %d is %d columns wide: %q", i+1, w, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends in blanks: %q", i+1, line)
				}
			}
		})
	}
}

// A rollout that has just been made can be drawn, before anything is known of it.
func TestViewOfTheBeginning(t *testing.T) {
	g := stage(t, rollout.Deploy)
	if lines := render(g.s, g.now, painter{}); len(lines) == 0 || !strings.Contains(lines[0], "orders") {
		t.Errorf("the beginning is drawn as %q", lines)
	}
}

// golden compares text with a file, or writes the file with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./internal/cli -update writes it", err)
	}
	if text != string(want) {
		t.Errorf("%s differs; go test ./internal/cli -update writes what is drawn now:\n%s", file, text)
	}
}

// Columns of a table begin below each other, whatever the cells hold, and its last column has no blanks after it.
func TestTable(t *testing.T) {
	p := painter{colour: true}
	rows := [][]string{{"a", "bb", "last"}, {"größer", p.paint(green, "x"), ""}, {"", "→ →", "日本"}, {"q", "", "z"}}
	lines := table(rows, painter{})
	if len(lines) != len(rows) {
		t.Fatalf("%d lines of %d rows", len(lines), len(rows))
	}
	for i, line := range lines {
		if strings.HasSuffix(line, " ") {
			t.Errorf("line %d ends in blanks: %q", i, line)
		}
		if last := rows[i][2]; last != "" && (!strings.HasSuffix(line, last) || lipgloss.Width(line) != 13+lipgloss.Width(last)) {
			t.Errorf("the last cell of line %d does not begin at column 13: %q", i, line)
		}
	}
	for i, row := range rows {
		if row[1] == "" {
			continue
		}
		before, _, found := strings.Cut(lines[i], row[1])
		if !found || lipgloss.Width(before) != 8 {
			t.Errorf("the second cell of line %d begins at column %d: %q", i, lipgloss.Width(before), lines[i])
		}
	}
}

// Plain lines tell every note once, and every phase, in order, however often a state is observed and however many notes one
// state brings.
func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	lines := &plainLines{w: &out}
	var notes, phases []string
	g := stage(t, rollout.Deploy)
	told := map[string]bool{}
	g.each = func(s rollout.State) {
		for _, n := range s.Notes {
			if id := n.At.String() + n.Text; !told[id] {
				told[id] = true
				notes = append(notes, n.Text)
			}
		}
		if p := string(s.Phase); len(phases) == 0 || phases[len(phases)-1] != p {
			phases = append(phases, p)
		}
		lines.Observe(s)
		lines.Observe(s)
	}
	g.until(ended)
	if len(notes) < 10 || len(phases) != 6 {
		t.Fatalf("the rollout has only %d notes and %d phases", len(notes), len(phases))
	}
	var gotNotes, gotPhases []string
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		_, text, _ := strings.Cut(line, " ")
		if p, ok := strings.CutPrefix(text, "● orders "); ok {
			gotPhases = append(gotPhases, p)
		} else {
			gotNotes = append(gotNotes, strings.TrimLeft(text, " ⚠"))
		}
	}
	if !slices.Equal(gotNotes, notes) {
		t.Errorf("notes:\n%s\nwant\n%s", strings.Join(gotNotes, "\n"), strings.Join(notes, "\n"))
	}
	if !slices.Equal(gotPhases, phases) {
		t.Errorf("phases %v, want %v", gotPhases, phases)
	}
}

// A watcher that comes late tells each note at its own time.
func TestPlainLinesOfALateWatcher(t *testing.T) {
	g := stage(t, rollout.Deploy).until(judged(2))
	var out bytes.Buffer
	(&plainLines{w: &out}).Observe(g.s)
	first := g.s.Notes[0]
	if want := first.At.Format("15:04:05") + "   " + first.Text + "\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("it begins with\n%swant\n%s", out.String(), want)
	}
}
