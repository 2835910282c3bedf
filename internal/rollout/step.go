package rollout

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// run is one call of Step.
type run struct {
	s       *State
	effects []Effect
	wakes   []time.Time // when something could go on, as found by this call
	err     error
}

// Step takes one event and returns the next state with the effects to perform. s is not changed.
//
// It returns [ErrStale] for an answer to an effect that is not outstanding and a [*ForbiddenError] for a wish that the
// phase does not allow. The state is then returned as it was, but for the number of a wish that came through a queue: such
// an event is journaled all the same, so that the wish is not taken up later, when nobody means it any more.
func Step(s State, ev Event) (State, []Effect, error) {
	next := s.clone()
	r := &run{s: &next}
	if ev.At.After(next.Now) {
		next.Now = ev.At
	}
	if err := r.absorb(ev); err != nil {
		if forbidden := (*ForbiddenError)(nil); errors.As(err, &forbidden) && ev.Command != 0 {
			s.Command = ev.Command
		}
		return s, nil, err
	}
	r.advance()
	r.setTimer()
	if r.err != nil {
		return s, nil, r.err
	}
	return next, r.effects, nil
}

// absorb puts what the event says into the state.
func (r *run) absorb(ev Event) error {
	switch ev.Kind {
	case EventStart:
		if r.s.Phase != Planned || r.s.LastID != 0 {
			return &ForbiddenError{Event: ev.Kind, Phase: r.s.Phase, Hint: "it has begun already"}
		}
		r.s.Since = r.s.Now
		r.s.Release.Created = r.s.Now
		return nil
	case EventResult, EventWake:
		i := slices.IndexFunc(r.s.Pending, func(p Pending) bool { return p.Effect.ID == ev.Effect })
		if i < 0 || (ev.Kind == EventWake) != (r.s.Pending[i].Effect.Wake != nil) {
			return ErrStale
		}
		p := r.s.Pending[i]
		r.s.Pending = slices.Delete(r.s.Pending, i, i+1)
		r.answer(p, ev)
		return nil
	}
	return r.wish(ev)
}

// answer hands a result to what asked for it.
func (r *run) answer(p Pending, ev Event) {
	switch e := p.Effect; {
	case e.ReadRouting != nil:
		r.routingRead(e.ReadRouting.Ref, ev)
	case e.PublishFunction != nil:
		r.published(release.KindFunction, e.PublishFunction.Key, nil, ev)
	case e.PublishWorkflow != nil:
		r.published(release.KindStateMachine, e.PublishWorkflow.Key, e.PublishWorkflow.Pins, ev)
	case e.RunHook != nil:
		r.hookFinished(e.RunHook, ev)
	case e.SetRouting != nil:
		r.routingSet(e.SetRouting, ev)
	case e.AwaitChange != nil:
		r.changeAwaited(e.AwaitChange, ev)
	case e.Check != nil:
		r.checked(p, ev)
	}
}

// advance goes on as far as what is known permits, and asks for what is missing.
func (r *run) advance() {
	for r.err == nil {
		before, step, set := r.s.Phase, r.s.Step, r.s.StepSet
		switch r.s.Phase {
		case Planned:
			r.record()
		case Publishing:
			r.publish()
		case Testing:
			if r.staged() && r.hooks(BeforeAllowTraffic, r.s.Plan.Settings.Before) && r.mayMove() {
				r.take("shift")
				r.beginStep(1)
			}
		case Shifting:
			r.shift()
		case Baking:
			r.bake()
		case Promoting:
			if r.hooks(AfterAllowTraffic, r.s.Plan.Settings.After) {
				r.take("finish")
				r.note(Info, "release %s is promoted", r.s.Plan.Release)
			}
		case RollingBack:
			r.goBack()
		}
		if r.s.Phase == before && r.s.Step == step && r.s.StepSet == set {
			break
		}
		r.wakes = r.wakes[:0] // they belonged to the step that is over
	}
	if r.s.Phase.Ended() {
		r.s.Pending = nil
		r.wakes = nil
	}
}

// mayMove reports whether no pause forbids to begin the next step.
func (r *run) mayMove() bool { return r.s.Paused.Reason == NotPaused }

// emit asks for an effect.
func (r *run) emit(e Effect) {
	r.s.LastID++
	e.ID = r.s.LastID
	r.s.Pending = append(r.s.Pending, Pending{Effect: e, Since: r.s.Now})
	r.effects = append(r.effects, e)
}

// note tells the person who watches.
func (r *run) note(level Level, format string, args ...any) {
	n := Note{At: r.s.Now, Level: level, Text: fmt.Sprintf(format, args...)}
	r.s.Notes = append(r.s.Notes, n)
	if extra := len(r.s.Notes) - keptNotes; extra > 0 {
		r.s.Notes = slices.Delete(r.s.Notes, 0, extra)
	}
	r.effects = append(r.effects, Effect{Note: &n})
}

// later remembers that something can go on at t.
func (r *run) later(t time.Time) { r.wakes = append(r.wakes, t) }

// setTimer keeps one Wake outstanding, at the earliest moment at which something can go on.
func (r *run) setTimer() {
	var due time.Time
	for _, t := range r.wakes {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	i := slices.IndexFunc(r.s.Pending, func(p Pending) bool { return p.Effect.Wake != nil })
	if i >= 0 {
		if !due.IsZero() && r.s.Pending[i].Effect.Wake.At.Equal(due) {
			return
		}
		r.s.Pending = slices.Delete(r.s.Pending, i, i+1)
	}
	if !due.IsZero() {
		r.emit(Effect{Wake: &Wake{At: due}})
	}
}

// drop withdraws pending effects.
func (r *run) drop(which func(Effect) bool) {
	r.s.Pending = slices.DeleteFunc(r.s.Pending, func(p Pending) bool { return which(p.Effect) })
}

// pending reports whether an effect is outstanding.
func (r *run) pending(which func(Effect) bool) bool {
	return slices.ContainsFunc(r.s.Pending, func(p Pending) bool { return which(p.Effect) })
}

// busy reports whether the routing of an alias is being read or written.
func (r *run) busy(ref release.Ref) bool {
	return r.pending(func(e Effect) bool {
		return e.ReadRouting != nil && e.ReadRouting.Ref == ref || e.SetRouting != nil && e.SetRouting.Want.Ref == ref ||
			e.AwaitChange != nil && e.AwaitChange.Ref == ref
	})
}

func (r *run) alias(ref release.Ref) *Alias {
	for i := range r.s.Aliases {
		if r.s.Aliases[i].Ref == ref {
			return &r.s.Aliases[i]
		}
	}
	return nil
}

// wish takes what a person asks for.
func (r *run) wish(ev Event) error {
	if ev.Command != 0 && ev.Command <= r.s.Command {
		return ErrStale
	}
	s := r.s
	forbidden := func(hint string) error { return &ForbiddenError{Event: ev.Kind, Phase: s.Phase, Hint: hint} }
	goingForward := slices.Contains(forward, s.Phase)
	by := ""
	if ev.By != "" {
		by = " by " + ev.By
	}
	if ev.Reason != "" {
		by += ": " + ev.Reason
	}
	switch ev.Kind {
	case EventAbort:
		if s.Phase == FailedDirty {
			if s.LostFrom != Shifting {
				return forbidden("use retry")
			}
			s.Cause = "aborted" + by
			r.retry(false, "retry-back")
			break
		}
		if !goingForward {
			hint := ""
			if s.Phase == Promoted {
				hint = "roll back to an earlier release instead"
			}
			return forbidden(hint)
		}
		r.fail("aborted" + by)
	case EventPromote:
		approving := s.Paused.Reason == PausedForApproval
		if s.Phase != Shifting && s.Phase != Baking && !(ev.Full && goingForward) && !approving {
			return forbidden("there is no step to end")
		}
		if approving {
			r.approve(by)
			if !ev.Full {
				break
			}
		}
		if s.Paused.Reason == PausedByNoVerdict {
			s.Wait.Override = true
			r.note(Warning, "step %d goes on without a Healthy verdict, promoted%s", s.Step, by)
		} else {
			r.note(Info, "promoted%s", by)
		}
		if ev.Full {
			s.Full = true
			r.note(Warning, "every wait and check that is left is skipped, promoted in full%s", by)
		}
		s.Wait.Skipped, s.Wait.From = s.Now, s.Now
		s.Paused = Pause{}
	case EventApprove:
		if s.Paused.Reason != PausedForApproval {
			return forbidden("nothing waits for an approval")
		}
		r.approve(by)
	case EventPause:
		if !goingForward || s.Phase == Promoting {
			return forbidden("")
		}
		if s.Paused.Reason == NotPaused {
			s.Paused = Pause{Reason: PausedByUser, By: ev.By, Since: s.Now}
			r.note(Info, "paused%s", by)
		}
	case EventResume:
		switch s.Paused.Reason {
		case NotPaused:
			return forbidden("it is not paused")
		case PausedHolding:
			return forbidden("the step waits until it is promoted: use promote")
		case PausedForApproval:
			return forbidden("a hook waits for a person: use approve")
		}
		s.Wait.From = s.Now
		s.Paused = Pause{}
		r.note(Info, "resumed%s", by)
	case EventRetry:
		if s.Phase != FailedDirty {
			return forbidden("nothing is left to put right")
		}
		t := "retry-back"
		if s.LostFrom == Shifting {
			t = "retry-return"
		}
		r.retry(ev.Force, t)
		r.note(Warning, "tried again%s", by)
	default:
		return forbidden("unknown event")
	}
	if ev.Command != 0 {
		s.Command = ev.Command
	}
	return nil
}
