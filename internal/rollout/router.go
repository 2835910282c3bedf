package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// This is what a rollout does otherwise where traffic is split by the record sets of a router. The record sets are one more
// alias of the state, whose versions are the two slots. The aliases of the idle slot are brought to green before its tests,
// as no traffic reaches them; then the weights move. A write of weights is not done when Route 53 has taken it, but when
// every server of it answers by it and what resolvers had before is too old to be used.

// propagation is how long Route 53 takes, as a rule, until all of its servers know of a change. It is waited where there is
// no change to ask for.
//
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-editing.html
const propagation = time.Minute

// slotted reports whether this is an alias of one of a router's slots.
func (a Alias) slotted() bool { return a.Standing.Ref.Name != "" }

// RecordSets gives the record sets of the rollout's router; ok is false when it has none.
func (s State) RecordSets() (a Alias, ok bool) {
	if n := len(s.Aliases); s.Plan.Router != nil && n > 0 {
		return s.Aliases[n-1], true
	}
	return Alias{}, false
}

// Slot is the set identifier of the slot that has all traffic, as last known; empty when none has, or there is no router.
func (s State) Slot() string {
	if a, ok := s.RecordSets(); ok && a.Actual.Routing.Primary != "" {
		if at, settled := settledAt(a.Actual.Routing); settled {
			return at
		}
	}
	return ""
}

// Serving is the routing through which the traffic of an alias's function or workflow goes, as last known: behind a router
// the one of the slot that has the traffic, and while both have some that of green.
func (s State) Serving(a Alias) release.AliasRouting {
	if sets, ok := s.RecordSets(); ok && a.slotted() && sets.Actual.Routing.Share(sets.Green) == 0 {
		return a.Standing
	}
	return a.Actual
}

// Share is the part of the traffic, 0 to 1, that the weights give to green, as last known.
func (s State) Share(a Alias) float64 {
	share := a.Actual.Routing.Share(a.Green)
	if sets, ok := s.RecordSets(); ok && a.slotted() {
		share *= sets.Actual.Routing.Share(sets.Green)
	}
	return share
}

// Spreads is when the weights that were written will have reached every client; ok is false when nothing is waited for, and
// until is zero while Route 53 has not said that the change is INSYNC.
func (s State) Spreads() (until time.Time, ok bool) {
	a, router := s.RecordSets()
	if !router || !a.Touched || a.Doubt || s.Phase.Ended() || s.StepSet && s.Phase != RollingBack {
		return time.Time{}, false
	}
	if a.InSync.IsZero() {
		return time.Time{}, a.Actual.Change != ""
	}
	until = a.InSync.Add(a.Actual.TTL)
	return until, until.After(s.Now)
}

// stretched is a step as a router's rollout takes it: while both slots have traffic, no shorter than one TTL. Each resolver
// asks once in that time; a shorter step would end before all of them have drawn by its weights.
func (s State) stretched(shift Shift) Shift {
	if a, ok := s.RecordSets(); ok {
		return shift.Stretched(a.Recorded.TTL)
	}
	return shift
}

// Stretched is the step at record sets whose answers are kept for a TTL.
func (shift Shift) Stretched(ttl time.Duration) Shift {
	if shift.Weight > 0 && shift.Weight < 100 {
		shift.Pause = max(shift.Pause, ttl)
	}
	return shift
}

// chosen reports whether it is known into which slot the release goes, and finds it out. It is so without a router.
func (r *run) chosen() bool {
	if r.s.Plan.Router == nil || r.s.Aliases[0].slotted() {
		return true
	}
	sets := &r.s.Aliases[len(r.s.Aliases)-1]
	switch {
	case sets.Failed != "":
		r.fail(fmt.Sprintf("%s could not be read: %s", sets.Ref, sets.Failed))
		return false
	case !sets.Read:
		if !r.busy(sets.Ref) && !r.waits(sets.RetryAt) {
			r.emit(Effect{ReadRouting: &ReadRouting{Ref: sets.Ref}})
		}
		return false
	case sets.Fresh:
		r.fail(fmt.Sprintf("%s has no record sets: make a weighted one for each slot, which leads to its entrance", sets.Ref))
		return false
	}
	live, idle, err := r.s.Plan.Router.Choose(sets.Recorded.Routing)
	if err != nil {
		r.fail(err.Error())
		return false
	}
	sets.Green = idle.SetIdentifier
	for i := range r.s.Aliases {
		if a := &r.s.Aliases[i]; a.Ref.Kind != release.KindRecordSets {
			a.Standing.Ref = release.Ref{Kind: a.Ref.Kind, Name: a.Ref.Name, Alias: live.Alias}
			a.Ref.Alias = idle.Alias
		}
	}
	r.note(Info, "slot %s serves %s; the release goes into slot %s", live.SetIdentifier, sets.Ref.Name, idle.SetIdentifier)
	return true
}

// beside finds the alias whose counterpart in the slot that serves has a name.
func (r *run) beside(ref release.Ref) *Alias {
	for i := range r.s.Aliases {
		if a := &r.s.Aliases[i]; a.slotted() && a.Standing.Ref == ref {
			return a
		}
	}
	return nil
}

// staged brings the aliases of the idle slot to green, and reports whether they are there: its entrance can then be tested
// as clients will use it.
func (r *run) staged() bool {
	if r.s.Plan.Router == nil {
		return true
	}
	return r.bring(0, []release.Kind{release.KindFunction, release.KindStateMachine}, false)
}

// goal is the routing of an alias when green gets weight percent. Where nothing serves yet there is nothing to share the
// traffic with: the very first release gets all of it.
func (r *run) goal(a *Alias, weight int) alias.Routing {
	if a.Ref.Kind == release.KindRecordSets && weight > 0 && r.first() {
		weight = 100
	}
	return a.goalAt(weight)
}

// first reports whether no function or workflow of the release is served yet.
func (r *run) first() bool {
	for _, a := range r.s.Aliases {
		if a.Ref.Kind != release.KindRecordSets && a.Blue != "" {
			return false
		}
	}
	return true
}

// spread reports whether every client has what was written to the record sets, and asks for what is missing. It always is so
// for what this rollout has not written, and for aliases.
func (r *run) spread(a *Alias) bool {
	switch {
	case a.Ref.Kind != release.KindRecordSets || !a.Touched:
		return true
	case !a.InSync.IsZero():
		return !r.waits(a.InSync.Add(a.Actual.TTL))
	case r.busy(a.Ref) || r.waits(a.RetryAt):
	case a.Actual.Change == "":
		// The answer that would have named the change was lost. The same is written again: that is a change to ask for.
		r.aim(a, release.AliasRouting{Ref: a.Ref, Routing: a.Actual.Routing, Revision: a.Actual.Revision})
	default:
		r.emit(Effect{AwaitChange: &AwaitChange{Ref: a.Ref, Change: a.Actual.Change}})
	}
	return false
}

// spreadBack is spread on the way back: the weights are where they were, and what is left is to wait until clients are too.
// Nothing that goes wrong with the waiting undoes that.
func (r *run) spreadBack(a *Alias) bool {
	if a.InSync.IsZero() && a.Actual.Change == "" {
		a.InSync = r.s.Now.Add(propagation)
		r.note(Warning, "%s is written as it was, but whether all of Route 53 has it is not known: no answer has named the change", a.Ref)
	}
	return r.spread(a)
}

// changeAwaited takes the answer of AwaitChange.
func (r *run) changeAwaited(e *AwaitChange, ev Event) {
	a := r.alias(e.Ref)
	if a == nil || a.Actual.Change != e.Change {
		return
	}
	if ev.Error == "" {
		a.InSync, a.Tries = r.s.Now, 0
		r.note(Info, "Route 53 answers by %s everywhere; in %s nobody has older answers", a.Actual.Routing, a.Actual.TTL)
		return
	}
	again := r.missed(a, ev.Error)
	switch {
	case r.s.Phase == RollingBack && (ev.Refused || !again):
		a.InSync = r.s.Now.Add(propagation)
		r.note(Warning, "%s is written as it was, but whether all of Route 53 has it is not known: %s", a.Ref, a.LastFail)
	case !again:
		a.Failed = "it was written, but whether all of Route 53 has it is not known: " + a.LastFail
	case ev.Refused:
		a.Actual.Change = "" // it may not be known any more: the same is written again, for a change to ask for
	}
}

// shield lets the slot that green was in serve blue while traffic is taken from it. Resolvers lead clients there until their
// answers are too old; what they find is what serves. It is tried once for each alias: what matters is the way back.
func (r *run) shield() {
	sets, ok := r.s.RecordSets()
	if !ok || !sets.Touched || sets.Settled {
		return
	}
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		if !a.slotted() || !a.Touched || a.Settled || a.Shielded || a.Blue == "" || a.Foreign || a.Gone || a.Failed != "" || r.busy(a.Ref) {
			continue
		}
		want := release.AliasRouting{Ref: a.Ref, Revision: a.Actual.Revision}
		if want.Routing = want.Only(a.Blue); a.Doubt || !sameRouting(a.Actual.Routing, want.Routing) {
			a.Shielded = !a.Doubt && !r.waits(a.RetryAt)
			r.aim(a, want)
		}
	}
}

// stranded reports whether the weights cannot be put back, so that the slot may keep traffic. It then goes on to serve blue:
// what was recorded of it is older than that.
func (r *run) stranded() bool {
	sets, ok := r.s.RecordSets()
	return ok && !sets.Settled && (sets.Failed != "" || sets.Foreign || sets.Gone)
}

// shielding reports whether a slot's alias is being written.
func (r *run) shielding() bool {
	return slices.ContainsFunc(r.s.Aliases, func(a Alias) bool { return a.slotted() && r.busy(a.Ref) })
}
