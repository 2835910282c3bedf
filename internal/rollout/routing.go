package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// write brings every alias to the given weight, wave by wave, and reports whether all are there. On the first failure a
// deployment goes back; a return goes on with the other aliases and then reports what it could not do.
func (r *run) write(weight int) bool {
	returning := r.s.Plan.Kind == Return
	return r.bring(weight, waves(returning), returning)
}

// bring is write for the given waves; persevering, it does not go back on a failure.
func (r *run) bring(weight int, kinds []release.Kind, persevering bool) bool {
	lost := false
	for _, kind := range kinds {
		done := true
		for i := range r.s.Aliases {
			a := &r.s.Aliases[i]
			goal := r.goal(a, weight)
			if a.Ref.Kind != kind || a.Unchanged() && !a.slotted() || goal.Primary == "" {
				continue
			}
			switch {
			case a.Foreign || a.Gone || a.Failed != "":
				if !persevering {
					r.fail(r.misfortune(a))
					return false
				}
				lost = true
				continue
			case !a.Doubt && a.Actual.Routing.Primary != "" && sameRouting(a.Actual.Routing, goal):
				done = r.spread(a) && done
				continue
			}
			done = false
			r.aim(a, release.AliasRouting{Ref: a.Ref, Routing: goal, Revision: a.Actual.Revision})
		}
		if !done {
			return false
		}
	}
	if lost {
		r.lose()
		return false
	}
	return true
}

// misfortune says in words why an alias stopped the rollout.
func (r *run) misfortune(a *Alias) string {
	switch {
	case a.Gone:
		return fmt.Sprintf("%s was deleted by someone else during the rollout", a.Ref)
	case a.Foreign:
		return fmt.Sprintf("%s was changed by someone else during the rollout: it is at %s", a.Ref, a.Actual.Routing)
	}
	return fmt.Sprintf("the routing of %s could not be changed: %s", a.Ref, a.Failed)
}

// aim takes the next action that brings an alias to want: a reading when it is in doubt where the alias is, else a write.
func (r *run) aim(a *Alias, want release.AliasRouting) {
	switch {
	case r.busy(a.Ref) || r.waits(a.RetryAt):
	case a.Doubt:
		r.emit(Effect{ReadRouting: &ReadRouting{Ref: a.Ref}})
	default:
		a.Touched, a.Confirm = true, time.Time{}
		a.Sent = append(a.Sent, want.Routing)
		if want.Revision != "" && !sameRouting(want.Routing, a.Actual.Routing) {
			a.Spent = append(a.Spent, want.Revision)
		}
		if r.s.Started.IsZero() && !a.slotted() {
			r.s.Started = r.s.Now
		}
		a.InSync = time.Time{}
		create := a.Actual.Routing.Primary == ""
		r.emit(Effect{SetRouting: &SetRouting{Want: want, Before: a.Actual.Routing, Create: create}})
	}
}

// limit is how many attempts an aim gets.
func (r *run) limit() int {
	n := r.s.Plan.Settings.Retry.Attempts
	if r.s.Phase == RollingBack || r.s.Plan.Kind == Return {
		n *= 2
	}
	return n
}

// missed counts a failed attempt and reports whether there is another.
func (r *run) missed(a *Alias, reason string) bool {
	a.Tries++
	a.LastFail = reason
	a.RetryAt = r.s.Now.Add(r.s.Plan.Settings.Retry.after(a.Tries))
	return a.Tries < r.limit()
}

// routingSet takes the answer of a write.
func (r *run) routingSet(e *SetRouting, ev Event) {
	a := r.alias(e.Want.Ref)
	if a == nil {
		return
	}
	switch {
	case ev.Routing != nil && ev.Error == "" && !ev.Conflict && a.Ref.Kind == release.KindRecordSets && ev.Routing.Change == "":
		a.Doubt = true
		r.missed(a, "the answer names no change whose arrival could be asked for")
	case ev.Error == "" && !ev.Conflict && ev.Routing != nil && sameRouting(ev.Routing.Routing, e.Want.Routing):
		if a.Actual, a.Doubt = *ev.Routing, false; !sameRouting(e.Before, e.Want.Routing) {
			a.Tries = 0
		}
		a.Actual.Ref = a.Ref
		restored := r.s.Phase == RollingBack && sameRouting(a.Actual.Routing, a.Recorded.Routing) && !a.Fresh && a.Ref.Kind != release.KindRecordSets
		if restored && r.mayComeLate(a) {
			a.Doubt, a.Confirm = true, r.s.Now.Add(latestWrite)
			a.RetryAt = a.Confirm
			return
		}
		a.Settled = restored
		a.heard()
	case ev.Conflict:
		// Someone else was there first, or this very write was applied when its answer was lost: look.
		a.Doubt = true
		r.missed(a, orElse(ev.Error, release.ErrConflict.Error()))
		if a.Tries == 1 {
			a.RetryAt = r.s.Now
		}
	case ev.Refused:
		// Not applied now, but perhaps by a driver that died before it could say so: look. There is no other attempt forward.
		a.Doubt = true
		r.missed(a, ev.Error)
		if r.s.Phase != RollingBack {
			a.Tries, a.RetryAt = r.limit(), r.s.Now
		}
	default:
		a.Doubt = true
		r.missed(a, orElse(ev.Error, "the answer shows another routing than the one asked for"))
	}
}

// heard forgets the last write, as it is known to be applied. Where revisions do not refuse older ones that were never heard
// of, these are kept: they may still come once the alias is back where it was when they were sent.
func (a *Alias) heard() {
	if a.Ref.Kind == release.KindRecordSets {
		return // a driver that died may have left one under way at any time
	}
	if !a.Ref.Kind.HasRevision() && len(a.Sent) > 1 {
		a.Sent = a.Sent[:len(a.Sent)-1]
		return
	}
	a.Sent = nil
}

// latestWrite is how long after it was given up a write may still be applied.
const latestWrite = 30 * time.Second

// mayComeLate reports whether a write of which nothing was heard could still undo the restoration. Lambda refuses it, as the
// revision has moved on; a state machine's alias and record sets have none, and look as they did when that write was sent.
func (r *run) mayComeLate(a *Alias) bool {
	return !a.Ref.Kind.HasRevision() && slices.ContainsFunc(a.Sent, func(sent alias.Routing) bool {
		return !sameRouting(sent, a.Recorded.Routing)
	})
}

// routingRead takes the answer of a reading.
func (r *run) routingRead(ref release.Ref, ev Event) {
	a := r.alias(ref)
	standing := a == nil
	if standing {
		if a = r.beside(ref); a == nil {
			return
		}
	}
	if ev.Error != "" || (ev.Routing == nil && !ev.Absent) {
		if !r.missed(a, orElse(ev.Error, "no answer")) || (ev.Refused && r.s.Phase != RollingBack) {
			a.Failed = "where it is could not be read: " + a.LastFail
		}
		return
	}
	seen := release.AliasRouting{Ref: ref}
	if !ev.Absent {
		seen = *ev.Routing
		seen.Ref = ref
	}
	a.InSync = time.Time{}
	switch {
	case standing:
		a.Standing, a.StandingRead, a.Tries = seen, true, 0
	case !a.Read:
		a.Recorded, a.Actual, a.Read, a.Fresh, a.Tries = seen, seen, true, ev.Absent, 0
	case r.s.Phase == RollingBack:
		r.readGoingBack(a, seen)
	default:
		r.readGoingForward(a, seen)
	}
}

// readGoingForward decides what a reading means after a write whose outcome is in doubt.
func (r *run) readGoingForward(a *Alias, seen release.AliasRouting) {
	shift, _ := r.s.Shift()
	absent := seen.Routing.Primary == ""
	switch {
	case !absent && sameRouting(seen.Routing, r.goal(a, shift.Weight)):
		a.Actual, a.Doubt = seen, false // the write was applied, its answer was lost
		if a.heard(); a.Ref.Kind == release.KindRecordSets {
			r.exhausted(a) // it is written again, as often as there are attempts
			return
		}
		a.Tries = 0
	case absent && a.Actual.Routing.Primary == "", seen.Revision == a.Actual.Revision && sameRouting(seen.Routing, a.Actual.Routing):
		a.Doubt = false // nothing happened: write again
		r.exhausted(a)
	case seen.Revision != "" && slices.Contains(a.Spent, seen.Revision):
		// An outdated reading: this revision was replaced by a write of ours. Look again.
		if !r.missed(a, "only outdated readings") {
			r.exhausted(a)
		}
	case !absent && a.Actual.Routing.Primary != "" && sameRouting(seen.Routing, a.Actual.Routing) && a.Ref.Kind != release.KindRecordSets:
		a.Actual, a.Doubt = seen, false // only its revision moved on: write again from there
		r.exhausted(a)
	case a.Ref.Kind == release.KindRecordSets && !absent && sameRouting(seen.Routing, a.Actual.Routing):
		a.Actual, a.Doubt = seen, false
		a.Failed = "someone else has changed what its record sets lead to, or their TTL, though not their weights"
	default:
		a.Actual, a.Doubt = seen, false
		a.Foreign, a.Gone = !absent && !r.s.Force, absent
	}
}

// newAliasReadings is how often an alias that may have been created is looked for before it counts as not created.
const newAliasReadings = 3

// readGoingBack decides what a reading means while the recorded routing is being restored.
func (r *run) readGoingBack(a *Alias, seen release.AliasRouting) {
	outdated := seen.Revision != "" && slices.Contains(a.Spent, seen.Revision)
	last := a.Tries >= r.limit()
	switch {
	case a.Fresh && seen.Routing.Primary == "":
		// It was to be created and is not there, or not seen yet. There is nothing to go back to, only something to tell.
		r.missed(a, "not there")
		a.Settled = a.Tries >= newAliasReadings
	case a.Fresh:
		a.Actual, a.Doubt = seen, false
	case seen.Routing.Primary == "":
		a.Actual, a.Doubt, a.Gone = seen, false, true
	case a.Ref.Kind == release.KindRecordSets && sameRouting(seen.Routing, a.Recorded.Routing) && a.Confirm.IsZero():
		a.Actual, a.Doubt = seen, false // settled once every client has it, and it still is so
	case sameRouting(seen.Routing, a.Recorded.Routing) && !a.Confirm.IsZero() && !r.s.Now.Before(a.Confirm):
		a.Actual, a.Doubt, a.Settled, a.Sent = seen, false, true, nil
	case sameRouting(seen.Routing, a.Recorded.Routing) && outdated && !last && !a.Ref.Kind.HasRevision():
		// An alias without revisions looks now as it did before: what stays so for as long as a write may be late is no outdated reading.
		if a.Confirm.IsZero() {
			a.Confirm = r.s.Now.Add(latestWrite)
		}
		a.RetryAt = a.Confirm
	case sameRouting(seen.Routing, a.Recorded.Routing) && (!outdated || last):
		a.Actual, a.Doubt, a.Settled = seen, false, true
		if outdated {
			r.note(Warning, "%s is as before the rollout, by repeated reading; no write of it was acknowledged: %s", a.Ref, a.LastFail)
		}
	case last && r.ours(a, seen):
		a.Actual, a.Doubt = seen, outdated
		a.Failed = a.LastFail
	case outdated && !last && seen.Revision != a.Actual.Revision:
		r.missed(a, "only outdated readings")
	case r.ours(a, seen):
		a.Actual, a.Doubt = seen, false // write back from there
	default:
		a.Actual, a.Doubt, a.Foreign = seen, false, !r.s.Force
	}
}

// ours reports whether a routing is where this rollout knows the alias to be, or one that it has sent without hearing of it.
func (r *run) ours(a *Alias, seen release.AliasRouting) bool {
	return seen.Revision == a.Actual.Revision && sameRouting(seen.Routing, a.Actual.Routing) ||
		slices.ContainsFunc(a.Sent, func(sent alias.Routing) bool { return sameRouting(seen.Routing, sent) })
}

// exhausted gives an alias up on the way forward when its attempts are used up. It stays in doubt: a write of it was not
// acknowledged, and one reading may be outdated.
func (r *run) exhausted(a *Alias) {
	if a.Tries >= r.limit() {
		a.Failed, a.Doubt = a.LastFail, true
	}
}

// fail turns the rollout round. What is under way is withdrawn, but for reads and writes of routings: their answers are
// waited for, so that nothing is written while an older write of ours is still on its way.
func (r *run) fail(cause string) {
	r.s.Cause = cause
	if r.s.Moved() {
		r.note(Alert, "going back: %s", cause)
	} else {
		r.note(Alert, "stopped before any traffic moved: %s", cause)
	}
	r.take("go-back")
	r.s.Paused = Pause{}
	r.turn()
}

// turn prepares every alias for going back.
func (r *run) turn() {
	r.drop(func(e Effect) bool { return e.ReadRouting == nil && e.SetRouting == nil })
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		a.Tries, a.RetryAt, a.Failed, a.Settled, a.Confirm, a.Shielded = 0, r.s.Now, "", false, time.Time{}, false
	}
}

// goBack restores the recorded routing of every alias that was written: record sets first, then workflows, then functions. A
// failure of one does not keep the others from being restored.
func (r *run) goBack() {
	r.shield()
	for _, kind := range wavesBack {
		done := true
		for i := range r.s.Aliases {
			a := &r.s.Aliases[i]
			if a.Ref.Kind != kind || a.Settled {
				continue
			}
			switch {
			case r.busy(a.Ref):
				if !a.Touched { // still being read for the first time: nothing to restore
					r.drop(func(e Effect) bool { return e.ReadRouting != nil && e.ReadRouting.Ref == a.Ref })
					a.Settled = true
					continue
				}
			case !a.Touched:
				a.Settled = true
				continue
			case kind == release.KindRecordSets && !a.Doubt && a.Failed == "" && sameRouting(a.Actual.Routing, a.Recorded.Routing):
				done, a.Foreign = false, false
				if !r.spreadBack(a) {
					continue
				}
				a.Doubt, a.Confirm = true, r.s.Now // looked at once more: a write that was given up may have come meanwhile
			case a.Foreign && sameRouting(a.Actual.Routing, a.Recorded.Routing):
				a.Foreign, a.Settled = false, true // someone else put it back
				continue
			case a.Failed != "" || a.Foreign || a.Gone:
				continue
			case a.Fresh && !a.Doubt:
				a.Settled = true // there is no routing to go back to
				if a.Actual.Routing.Primary != "" {
					r.note(Warning, "%s was created by this rollout and stays at %s: there is nothing before it to go back to", a.Ref, a.Actual.Routing)
				}
				continue
			case !a.Doubt && a.Tries >= r.limit():
				a.Doubt = true // one last look decides
			}
			done = false
			r.aim(a, release.AliasRouting{Ref: a.Ref, Routing: a.Recorded.Routing, Revision: a.Actual.Revision})
		}
		if !done {
			return
		}
		if kind == release.KindRecordSets && r.stranded() {
			if r.shielding() {
				return
			}
			break
		}
	}
	for i := range r.s.Aliases {
		if !r.s.Aliases[i].Settled {
			r.lose()
			return
		}
	}
	if !r.s.Moved() {
		r.take("stopped")
		return
	}
	r.take("restored")
	r.note(Info, "every alias is as it was before the rollout")
}

// lose ends in failed-dirty and says where everything is.
func (r *run) lose() {
	r.s.LostFrom = r.s.Phase
	r.take("lose")
	if r.s.Cause == "" {
		r.s.Cause = "not every alias could be brought back"
	}
	for _, line := range r.s.Where() {
		r.note(Alert, "%s", line)
	}
	r.s.Pending = nil
}

// retry sets a failed-dirty rollout going again. With force what others changed is overwritten.
func (r *run) retry(force bool, transition string) {
	r.s.Force = force
	r.take(transition)
	r.turn()
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		if a.Touched {
			a.Doubt = true // it may have changed since: look first
		}
		a.Foreign, a.Gone = false, false
	}
}
