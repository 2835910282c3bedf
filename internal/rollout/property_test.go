package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// cell is one alias in the model of AWS.
type cell struct {
	routing  alias.Routing
	revision int
	foreign  bool // written by someone else than the rollout
	exists   bool
	past     []reading // what a reading may still show
}

type reading struct {
	at      time.Time
	routing release.AliasRouting
	absent  bool
}

// flight is a write that the caller has given up on and that may be applied yet.
type flight struct {
	at time.Time
	w  *SetRouting
}

// aws is a model of what a rollout acts on: slow, failing, losing answers, applying late, and outdated in its readings.
type aws struct {
	t         *rapid.T
	s         State
	now       time.Time
	cells     map[release.Ref]*cell
	versions  map[string]string // key to green version, once published
	flights   []flight
	faults    int  // how many more things may go wrong
	strangers bool // someone else changes aliases
	wishes    bool
	healthyAt map[int]bool // steps for which an observation above every threshold was delivered
	good      bool         // the latest observation is above every threshold
	overruled bool         // a person took a decision upon themselves
	recorded  map[release.Ref]alias.Routing
	existed   map[release.Ref]bool
	zone      *zone // of the router; nil without one
	late      bool  // a write lands that was given up
}

const staleFor = 2 * time.Second

func (w *aws) current(ref release.Ref) reading {
	c := w.cells[ref]
	if ref.Kind == release.KindRecordSets {
		return w.zone.current(w.now, ref, c)
	}
	return reading{at: w.now, absent: !c.exists, routing: release.AliasRouting{Ref: ref, Routing: c.routing, Revision: "v" + strconv.Itoa(c.revision)}}
}

// apply is the compare-and-swap of the service. It also is where harm would show.
func (w *aws) apply(e *SetRouting) (release.AliasRouting, error) {
	ref := e.Want.Ref
	c := w.cells[ref]
	if w.zone != nil {
		return w.applyRouted(e)
	}
	if e.Create != !c.exists || (c.exists && e.Want.Revision != "v"+strconv.Itoa(c.revision)) {
		return release.AliasRouting{}, release.ErrConflict
	}
	if err := e.Want.Routing.Validate(); err != nil {
		w.t.Fatalf("%s: %v", ref, err)
	}
	for _, v := range e.Want.Routing.Versions() {
		if v != w.versions[ref.Name] && !slices.Contains(w.recorded[ref].Versions(), v) {
			w.t.Fatalf("%s: version %q was never published", ref, v)
		}
	}
	if c.foreign && !w.s.Force && !sameRouting(c.routing, e.Want.Routing) {
		w.t.Fatalf("%s: %s, written by someone else, was overwritten with %s", ref, c.routing, e.Want.Routing)
	}
	w.write(ref, e.Want.Routing, false)
	return w.current(ref).routing, nil
}

func (w *aws) write(ref release.Ref, r alias.Routing, foreign bool) {
	c := w.cells[ref]
	c.past = append(c.past, w.current(ref))
	c.routing, c.exists, c.foreign = r, true, foreign
	c.revision++
}

// fault draws whether something goes wrong now.
func (w *aws) fault(label string) bool {
	if w.faults == 0 || rapid.IntRange(0, 3).Draw(w.t, label) != 0 {
		return false
	}
	w.faults--
	return true
}

// step gives an event to the machine and checks what must hold after every one.
func (w *aws) step(ev Event) {
	ev.At = w.now
	raw, err := json.Marshal(w.s)
	if err != nil {
		w.t.Fatal(err)
	}
	var s State // every state goes through JSON: the controller may die at any time
	if err := json.Unmarshal(raw, &s); err != nil {
		w.t.Fatal(err)
	}
	next, effects, err := Step(s, ev)
	if forbidden := (*ForbiddenError)(nil); err != nil && !errors.Is(err, ErrStale) && !errors.As(err, &forbidden) {
		w.t.Fatalf("%+v: %v", ev, err)
	}
	for _, e := range effects {
		if e.SetRouting != nil {
			w.checkWrite(s, next, e.SetRouting)
		}
	}
	w.checkSpread(s, next)
	if next.Step > s.Step && s.Step > 0 {
		w.checkAdvance(s)
	}
	if next.Phase.Ended() && len(next.Pending) > 0 {
		w.t.Fatalf("%s with outstanding effects: %+v", next.Phase, next.Pending)
	}
	if !next.Phase.Ended() && len(next.Pending) == 0 && next.Paused.Reason == NotPaused {
		w.t.Fatalf("%s, not paused, and nothing is outstanding: it would hang", next.Phase)
	}
	w.s = next
}

// checkWrite: within a step functions are written before workflows; on the way back workflows before functions.
func (w *aws) checkWrite(before, next State, e *SetRouting) {
	shift, shifting := next.Shift()
	first := release.KindFunction
	if next.Plan.Kind == Return {
		first = release.KindStateMachine
	}
	if before.Phase == RollingBack || !shifting || e.Want.Ref.Kind == first {
		return
	}
	for _, a := range next.Aliases {
		c := w.cells[a.Ref]
		lost := next.Plan.Kind == Return && (a.Failed != "" || a.Foreign)
		if a.Ref.Kind == first && !c.foreign && !lost && shift.Weight > 0 && !sameRouting(c.routing, a.goalAt(shift.Weight)) {
			w.t.Fatalf("%s is shifted to %d%% while %s is at %s", e.Want.Ref, shift.Weight, a.Ref, c.routing)
		}
	}
}

// checkAdvance: no step that has a check is left without a Healthy verdict or a person's decision.
func (w *aws) checkAdvance(s State) {
	shift, ok := s.Shift()
	if ok && shift.Check && !w.healthyAt[s.Step] && !w.overruled && slices.ContainsFunc(s.Aliases, func(a Alias) bool { return a.Blue != "" && !a.Unchanged() && a.Key != "" }) {
		w.t.Fatalf("step %d was left without a Healthy verdict", s.Step)
	}
}

// perform does one outstanding effect, somehow.
func (w *aws) perform(e Effect) {
	ev := Event{Kind: EventResult, Effect: e.ID}
	died := w.fault("dies before the effect")
	if died {
		return // the effect stays outstanding and is performed again
	}
	answered := true
	switch {
	case e.Wake != nil:
		if e.Wake.At.After(w.now) {
			w.now = e.Wake.At
		}
		ev.Kind = EventWake
	case e.ReadRouting != nil:
		w.read(e.ReadRouting.Ref, &ev)
	case e.PublishFunction != nil:
		if w.fault("publish fails") {
			ev.Error = "throttled"
			break
		}
		key := e.PublishFunction.Key
		ev.Function = &release.FunctionVersion{Version: w.versions[key], ARN: functionARN(key, w.versions[key])}
	case e.PublishWorkflow != nil:
		ev.Workflow = &release.StateMachineVersion{ARN: w.versions[e.PublishWorkflow.Key]}
	case e.RunHook != nil:
		ev.Hook = &HookResult{Succeeded: !w.fault("hook fails")}
	case e.SetRouting != nil:
		answered = w.set(e.SetRouting, &ev)
	case e.AwaitChange != nil:
		w.await(e.AwaitChange, &ev)
	case e.Check != nil:
		w.observe(e.Check, &ev)
	}
	if !answered || w.fault("dies after the effect") {
		return
	}
	if e.Check != nil && ev.Error == "" && w.good {
		w.healthyAt[e.Check.Step] = true
	}
	w.step(ev)
	if w.fault("the answer comes twice") {
		w.step(ev)
	}
}

func (w *aws) read(ref release.Ref, ev *Event) {
	if w.fault("read fails") {
		ev.Error = "timeout"
		return
	}
	r := w.current(ref)
	var outdated []reading
	for _, p := range w.cells[ref].past {
		if w.now.Sub(p.at) <= staleFor {
			outdated = append(outdated, p)
		}
	}
	if len(outdated) > 0 && w.fault("outdated reading") {
		r = rapid.SampledFrom(outdated).Draw(w.t, "which")
	}
	ev.Absent = r.absent
	if !r.absent {
		ev.Routing = &r.routing
	}
}

// set performs a write and reports whether its answer comes.
func (w *aws) set(e *SetRouting, ev *Event) bool {
	if w.fault("write goes wrong") {
		switch rapid.SampledFrom([]string{"lost before", "lost after", "late", "refused"}).Draw(w.t, "how") {
		case "lost before":
			ev.Error = "connection reset"
		case "lost after":
			_, _ = w.apply(e)
			ev.Error = "connection reset"
		case "late":
			w.flights = append(w.flights, flight{at: w.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(w.t, "seconds late")) * time.Second), w: e})
			ev.Error = "timeout"
		case "refused":
			ev.Error, ev.Refused = "AccessDenied", true
		}
		return true
	}
	got, err := w.apply(e)
	if err != nil {
		ev.Conflict = true
		return true
	}
	ev.Routing = &got
	return true
}

func (w *aws) observe(c *Check, ev *Event) {
	if w.fault("check fails") {
		ev.Error = "no answer"
		return
	}
	kind := "good"
	if w.faults > 0 {
		kind = rapid.SampledFrom([]string{"good", "good", "good", "few", "none", "bad"}).Draw(w.t, "health")
	}
	o := Observation{At: w.now}
	for _, subject := range c.Subjects {
		counts := map[string]Counts{"good": {Requests: 50, Errors: 1}, "few": {Requests: 3}, "none": {}, "bad": {Requests: 50, Errors: 20}}[kind]
		if kind == "few" && subject.Ref.Kind == release.KindStateMachine {
			counts = Counts{Running: 3} // one finished execution would be enough
		}
		o.Subjects = append(o.Subjects, Observed{Ref: subject.Ref, Green: counts})
	}
	w.good = kind == "good"
	ev.Observation = &o
}

// land applies the writes that come late.
func (w *aws) land(all bool) {
	var left []flight
	for _, f := range w.flights {
		if all || !f.at.After(w.now) {
			w.late = true
			_, _ = w.apply(f.w) // a conflict is what protects against it
			w.late = false
		} else {
			left = append(left, f)
		}
	}
	w.flights = left
}

func newAWS(t *rapid.T) *aws {
	w := &aws{
		t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), cells: map[release.Ref]*cell{}, versions: map[string]string{},
		healthyAt: map[int]bool{}, recorded: map[release.Ref]alias.Routing{}, existed: map[release.Ref]bool{},
	}
	w.faults = rapid.IntRange(0, 25).Draw(t, "faults")
	w.strangers = rapid.IntRange(0, 3).Draw(t, "strangers") == 0
	w.wishes = rapid.Bool().Draw(t, "wishes")

	p := Plan{ID: "ro-1", App: "shop", Kind: Deploy, Release: "re-2"}
	weight := 0
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		weight = rapid.IntRange(weight, 99).Draw(t, "weight")
		p.Settings.Strategy.Steps = append(p.Settings.Strategy.Steps, Shift{
			Weight: weight,
			Pause:  time.Duration(rapid.IntRange(0, 3).Draw(t, "minutes")) * time.Minute,
			Hold:   rapid.IntRange(0, 5).Draw(t, "hold") == 0, Check: weight > 0 && rapid.IntRange(0, 3).Draw(t, "check") != 0,
		})
	}
	p.Settings.Strategy.Steps = append(p.Settings.Strategy.Steps, Shift{Weight: 100})
	p.Settings.Bake = time.Duration(rapid.IntRange(0, 2).Draw(t, "bake")) * time.Minute
	p.Settings.CheckBake = rapid.Bool().Draw(t, "check bake")
	p.Settings.Check = CheckSettings{MinRequests: 10, MaxErrorRate: 0.1}
	if rapid.Bool().Draw(t, "inconclusive goes back") {
		p.Settings.Check.OnInconclusive = GoBack
	}
	add := func(kind release.Kind, key, old, green string) {
		ref := release.Ref{Kind: kind, Name: key, Alias: "live"}
		c := &cell{revision: 1, exists: rapid.IntRange(0, 4).Draw(t, "exists") != 0}
		if c.exists {
			c.routing = alias.Routing{Primary: old}
			if rapid.IntRange(0, 9).Draw(t, "unchanged") == 0 {
				green = old
			}
		}
		w.cells[ref], w.versions[key], w.recorded[ref], w.existed[ref] = c, green, c.routing, c.exists
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "functions") {
		key := fmt.Sprintf("f%d", i)
		p.Functions = append(p.Functions, Function{Key: key, Name: key, Alias: "live"})
		add(release.KindFunction, key, "1", "2")
	}
	if len(p.Functions) > 0 && rapid.Bool().Draw(t, "hooks") {
		p.Settings.Before = []Hook{{Name: "before", Function: "f0"}}
		p.Settings.After = []Hook{{Name: "after", Function: "f0"}}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "workflows") {
		key := fmt.Sprintf("w%d", i)
		p.Workflows = append(p.Workflows, Workflow{Workflow: release.Workflow{
			Key: key, Name: key, Alias: "live", UseExactVersion: true,
			Definition: json.RawMessage(`{"StartAt":"x","States":{"x":{"Type":"Succeed"}}}`),
		}})
		add(release.KindStateMachine, key, workflowARN(key, "1"), workflowARN(key, "2"))
	}
	if len(p.Functions)+len(p.Workflows) == 0 {
		t.Skip("nothing to release")
	}
	if rapid.IntRange(0, 4).Draw(t, "return") == 0 {
		p.Kind = Return
		for i, f := range p.Functions {
			p.Functions[i].Version = &release.FunctionVersion{Key: f.Key, Version: w.versions[f.Key], ARN: functionARN(f.Key, w.versions[f.Key])}
		}
		for i, f := range p.Workflows {
			p.Workflows[i].Version = &release.StateMachineVersion{Key: f.Key, ARN: w.versions[f.Key]}
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "router") == 0 {
		w.route(&p)
	}
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	return w
}

// TestWhatHoldsAlways plays random rollouts against a model of AWS in which everything goes wrong that can, for a while.
func TestWhatHoldsAlways(t *testing.T) {
	ends := map[Phase]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newAWS(t)
		w.step(Event{Kind: EventStart})
		for range 600 {
			w.land(false)
			if w.s.Phase.Ended() {
				break
			}
			if w.wishes && rapid.IntRange(0, 15).Draw(t, "wish?") == 0 {
				w.wish()
				continue
			}
			if w.strangers && w.faults > 0 && w.s.Moved() && rapid.IntRange(0, 20).Draw(t, "stranger?") == 0 {
				a := rapid.SampledFrom(w.s.Aliases).Draw(t, "alias")
				if w.cells[a.Ref].exists {
					w.faults--
					w.stranger(a.Ref)
				}
			}
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "ms")) * time.Millisecond)
			pending := Outstanding(w.s)
			if i := slices.IndexFunc(pending, func(e Effect) bool { return e.Wake == nil }); i < 0 && w.s.Paused.Reason != NotPaused {
				w.overrule(EventPromote) // a person comes
				continue
			}
			if len(pending) > 0 {
				i := rapid.IntRange(0, len(pending)-1).Draw(t, "effect")
				// Time passes in small steps mostly: a timer goes off when there is nothing else, or when it is due.
				if e := pending[i]; e.Wake != nil && e.Wake.At.After(w.now) && len(pending) > 1 {
					continue
				}
				w.perform(pending[i])
			}
		}
		w.check()
		if w.s.Phase == FailedDirty { // once the trouble is over, a person can put it right
			w.faults, w.strangers, w.wishes = 0, false, false
			w.land(true)
			w.step(Event{Kind: EventRetry, Force: true})
			for range 300 {
				pending := Outstanding(w.s)
				if w.s.Paused.Reason != NotPaused {
					w.overrule(EventPromote)
					continue
				}
				if len(pending) == 0 {
					break
				}
				w.perform(pending[0])
			}
			if w.s.Phase != RolledBack && w.s.Phase != Promoted && w.s.Phase != Failed {
				t.Fatalf("a forced retry without trouble ended in %s: %q", w.s.Phase, w.s.Where())
			}
			w.check()
		}
		ends[w.s.Phase]++
	})
	t.Logf("ends: %v", ends)
}

func (w *aws) wish() {
	kind := rapid.SampledFrom([]EventKind{EventPause, EventResume, EventPromote, EventAbort}).Draw(w.t, "wish")
	if kind == EventPromote {
		w.overrule(kind)
		return
	}
	w.step(Event{Kind: kind, By: "ann"})
}

func (w *aws) overrule(kind EventKind) {
	full := rapid.IntRange(0, 4).Draw(w.t, "full") == 0
	if full || w.s.Paused.Reason == PausedByNoVerdict {
		w.overruled = true
	}
	w.step(Event{Kind: kind, Full: full, By: "ann"})
}

// check is what must hold at the end, also after the last late write has landed.
func (w *aws) check() {
	if !w.s.Phase.Ended() {
		w.t.Fatalf("not ended: %s step %d, paused %q, outstanding %+v", w.s.Phase, w.s.Step, w.s.Paused.Reason, w.s.Pending)
	}
	w.land(true)
	for _, a := range w.s.Aliases {
		c := w.cells[a.Ref]
		switch {
		case c == nil: // ended before it was known which slot is idle
		case c.foreign:
			// Written by someone else after our last write of it: nobody can know. Before it: see apply.
		case w.zone != nil && w.checkRouted(a):
		case w.s.Phase == Failed && c.revision > 1:
			w.t.Fatalf("failed before any traffic moved, but %s was written", a.Ref)
		case w.s.Phase == RolledBack && w.existed[a.Ref] && !sameRouting(c.routing, w.recorded[a.Ref]):
			w.t.Fatalf("rolled back, but %s is at %s and was at %s", a.Ref, c.routing, w.recorded[a.Ref])
		case w.s.Phase == Promoted && !sameRouting(c.routing, alias.Routing{Primary: w.versions[a.Key]}):
			w.t.Fatalf("promoted, but %s is at %s", a.Ref, c.routing)
		case w.s.Phase == FailedDirty && !a.Doubt && a.Read && c.exists && a.Touched && !sameRouting(c.routing, a.Actual.Routing):
			w.t.Fatalf("failed-dirty says that %s is at %s, but it is at %s", a.Ref, a.Actual.Routing, c.routing)
		}
	}
	if w.s.Phase == FailedDirty && !slices.ContainsFunc(w.s.Aliases, func(a Alias) bool { return a.Foreign || a.Gone || a.Failed != "" }) {
		w.t.Fatal("failed-dirty without saying what is wrong")
	}
}
