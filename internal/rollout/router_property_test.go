package rollout

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// zone is a model of Route 53 beside the model of AWS: record sets without revisions, and changes that take their time.
type zone struct {
	ref     release.Ref
	rest    int // what the record sets lead to
	changes []time.Time
	latest  time.Time // when every server has the latest weights that were written
	touched bool      // weights were written since the beginning
	foreign bool      // also by someone else: nothing is known of who is led where
	late    int       // writes that were given up and moved the weights after all: one undone by another leaves no trace
}

const (
	zoneTTL     = time.Minute
	slowestSync = propagation
)

func (z *zone) current(now time.Time, ref release.Ref, c *cell) reading {
	return reading{at: now, routing: release.AliasRouting{Ref: ref, Routing: c.routing, TTL: zoneTTL, Revision: fmt.Sprintf("%s@%d", c.routing, z.rest)}}
}

// route puts the plan behind a router: what has been at the aliases so far is at those of slot b, and slot g has what was
// there before, or nothing.
func (w *aws) route(p *Plan) {
	p.Router = &release.Router{HostedZone: "Z1", Name: "api.test", Type: "CNAME", Slots: []release.Slot{{SetIdentifier: "b", Alias: "b"}, {SetIdentifier: "g", Alias: "g"}}}
	w.zone = &zone{ref: p.Router.Ref()}
	slot := func(kind release.Kind, name, older string) {
		was := release.Ref{Kind: kind, Name: name, Alias: "live"}
		live, idle := was, was
		live.Alias, idle.Alias = "b", "g"
		w.cells[live], w.recorded[live], w.existed[live] = w.cells[was], w.recorded[was], w.existed[was]
		c := &cell{revision: 1, exists: rapid.IntRange(0, 2).Draw(w.t, "exists in the idle slot") != 0}
		if c.exists {
			c.routing = alias.Routing{Primary: older}
		}
		w.cells[idle], w.recorded[idle], w.existed[idle] = c, c.routing, c.exists
	}
	for i := range p.Functions {
		p.Functions[i].Alias = ""
		slot(release.KindFunction, p.Functions[i].Name, "0")
	}
	for i := range p.Workflows {
		p.Workflows[i].Alias = ""
		slot(release.KindStateMachine, p.Workflows[i].Name, workflowARN(p.Workflows[i].Name, "0"))
	}
	split := p.Router.Towards("b", 100)
	w.cells[w.zone.ref], w.recorded[w.zone.ref], w.existed[w.zone.ref] = &cell{revision: 1, exists: true, routing: split}, split, true
}

// applyRouted is apply behind a router: no write may change what clients see of a release that is not the one they are led to.
func (w *aws) applyRouted(e *SetRouting) (release.AliasRouting, error) {
	ref, z := e.Want.Ref, w.zone
	c, now := w.cells[ref], w.current(ref).routing
	sets := w.cells[z.ref]
	switch {
	case ref == z.ref && now.Revision != e.Want.Revision && !sameRouting(now.Routing, e.Want.Routing),
		ref != z.ref && (e.Create == c.exists || c.exists && e.Want.Revision != now.Revision):
		return release.AliasRouting{}, release.ErrConflict
	case ref != z.ref && ref.Alias != "g":
		w.t.Fatalf("%s was written, and serves", ref)
	case c.foreign && !w.s.Force && !sameRouting(c.routing, e.Want.Routing):
		w.t.Fatalf("%s: %s, written by someone else, was overwritten with %s", ref, c.routing, e.Want.Routing)
	}
	if ref == z.ref {
		if e.Want.Routing.Share("g") > c.routing.Share("g") {
			for _, a := range w.s.Aliases {
				at, blue := w.cells[a.Ref], w.recorded[a.Standing.Ref] // going back the slot serves blue, while an older write of weights lands
				if a.slotted() && !at.foreign && !sameRouting(at.routing, alias.Routing{Primary: w.versions[a.Key]}) && !sameRouting(at.routing, blue) {
					w.t.Fatalf("%s are led to %s, which is at %s", e.Want.Routing, a.Ref, at.routing)
				}
			}
		}
		z.touched = true
		at := w.now.Add(time.Duration(rapid.IntRange(0, int(slowestSync/time.Second)).Draw(w.t, "seconds until INSYNC")) * time.Second)
		if !sameRouting(c.routing, e.Want.Routing) { // the same once more changes nothing for anybody
			z.latest = later(at, z.latest)
			if w.late {
				z.late++
			}
		}
		z.changes = append(z.changes, later(at, z.latest))
		w.write(ref, e.Want.Routing, false)
		got := w.current(ref).routing
		got.Change = fmt.Sprint(len(z.changes))
		return got, nil
	}
	live := ref
	live.Alias = "b"
	led := z.touched && (sets.routing.Share("g") > 0 || w.now.Before(z.latest.Add(zoneTTL)))
	for _, v := range e.Want.Routing.Versions() {
		switch {
		case v == w.versions[ref.Name], slices.Contains(w.recorded[live].Versions(), v):
		case !slices.Contains(w.recorded[ref].Versions(), v):
			w.t.Fatalf("%s: version %q was never published", ref, v)
		case led && !z.foreign && !sets.foreign && !w.late && z.late < 2:
			w.t.Fatalf("%s goes to %s, which is older than blue, while clients are led there (%s)", ref, e.Want.Routing, sets.routing)
		}
	}
	w.write(ref, e.Want.Routing, false)
	return w.current(ref).routing, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *aws) await(e *AwaitChange, ev *Event) {
	var n int
	if _, err := fmt.Sscan(e.Change, &n); err != nil {
		w.t.Fatal(err)
	}
	at := w.zone.changes[n-1]
	switch {
	case w.fault("GetChange is denied"):
		ev.Error, ev.Refused = "AccessDenied", true
	case w.fault("GetChange fails"):
		ev.Error = "connection reset"
	case w.now.Before(at) && w.fault("it stays PENDING for longer than the driver waits"):
		ev.Error = "PENDING"
	case w.now.Before(at):
		w.now = at
	}
}

// checkSpread: a step with weights of its own begins when every client has them.
func (w *aws) checkSpread(before, next State) {
	if w.zone == nil || before.StepSet || !next.StepSet || !w.zone.touched || w.zone.foreign || next.Phase == Baking {
		return
	}
	if all := w.zone.latest.Add(zoneTTL); w.now.Before(all) {
		w.t.Fatalf("step %d begins at %s, but clients have older weights until %s", next.Step, w.now, all)
	}
}

// stranger writes an alias, or the weights, or what they lead to.
func (w *aws) stranger(ref release.Ref) {
	if ref.Kind != release.KindRecordSets {
		w.write(ref, alias.Routing{Primary: "77"}, true)
		return
	}
	w.zone.foreign = true
	if rapid.Bool().Draw(w.t, "elsewhere") {
		w.zone.rest++
		return
	}
	w.write(ref, alias.Routing{Primary: "b", Additional: "g", Weight: 0.125}, true)
}

// checkRouted is check for what a router has otherwise, and reports whether that is all.
func (w *aws) checkRouted(a Alias) bool {
	c := w.cells[a.Ref]
	switch w.s.Phase {
	case Failed:
		if w.existed[a.Ref] && !sameRouting(c.routing, w.recorded[a.Ref]) {
			w.t.Fatalf("failed before any traffic moved, but %s is at %s and was at %s", a.Ref, c.routing, w.recorded[a.Ref])
		}
		return true
	case Promoted:
		want := alias.Routing{Primary: w.versions[a.Key]}
		if a.Ref == w.zone.ref {
			want = alias.Routing{Primary: "b", Additional: "g", Weight: 1}
		}
		if w.s.Moved() && !sameRouting(c.routing, want) {
			w.t.Fatalf("promoted, but %s is at %s", a.Ref, c.routing)
		}
		return true
	}
	return false
}
