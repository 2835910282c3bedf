package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// beginStep makes step n (1-based) the one under way.
func (r *run) beginStep(n int) {
	r.s.Step, r.s.StepSet, r.s.StepSince = n, false, time.Time{}
	r.s.Wait = Wait{}
	for i := range r.s.Aliases {
		r.s.Aliases[i].Tries, r.s.Aliases[i].RetryAt, r.s.Aliases[i].Synthetic = 0, time.Time{}, Counts{}
	}
	r.beginHooks()
	r.drop(func(e Effect) bool { return e.Check != nil })
}

// waves gives the order in which aliases are written: those of one wave in any order, a wave after the one before. Record
// sets give traffic to what has been written before them.
func waves(back bool) []release.Kind {
	if back {
		return []release.Kind{release.KindStateMachine, release.KindFunction, release.KindRecordSets}
	}
	return []release.Kind{release.KindFunction, release.KindStateMachine, release.KindRecordSets}
}

// wavesBack is the order in which what was recorded is restored.
var wavesBack = []release.Kind{release.KindRecordSets, release.KindStateMachine, release.KindFunction}

// shift brings every alias to the weight of the step, waits as the step says, and goes on to the next.
func (r *run) shift() {
	shift, _ := r.s.Shift()
	if !r.s.StepSet {
		if !r.write(shift.Weight) {
			return
		}
		r.s.StepSet, r.s.StepSince = true, r.s.Now
		r.note(Info, "step %d of %d: %d%% to green", r.s.Step, r.s.Steps(), shift.Weight)
		if shift.Weight == 0 {
			r.preview()
		}
		return
	}
	// Hooks of a step run beside its pause and its checks: a load test makes the traffic that the check is waiting for.
	hooked := r.hooks(AtStep, shift.Hooks)
	if r.s.Phase != Shifting {
		return
	}
	// The very first release of everything has no blue to compare with or to go back to, and no traffic to watch.
	if !r.nothingToWatch() && !r.stepIsOver(shift, hooked) || !hooked {
		return
	}
	if r.s.Step < r.s.Steps() {
		r.beginStep(r.s.Step + 1)
		return
	}
	r.take("bake")
	r.beginStep(r.s.Steps() + 1)
	r.s.StepSet, r.s.StepSince = true, r.s.Now
}

// bake watches at 100 %.
func (r *run) bake() {
	shift, _ := r.s.Shift()
	if !r.nothingToWatch() && !r.stepIsOver(shift, true) {
		return
	}
	r.drop(func(e Effect) bool { return e.Check != nil })
	r.take("promote")
	r.beginHooks()
}

// nothingToWatch reports whether every alias that moves is new, and no pause or person holds the step.
func (r *run) nothingToWatch() bool {
	return r.mayMove() && !slices.ContainsFunc(r.s.Aliases, func(a Alias) bool { return a.Blue != "" && !a.Unchanged() && a.Ref.Kind != release.KindRecordSets })
}

// preview says where green can be tried while it has no traffic.
func (r *run) preview() {
	for _, v := range r.s.Release.Functions {
		if v.ARN != "" {
			r.note(Info, "green without traffic: %s", v.ARN)
		}
	}
	for _, v := range r.s.Release.Workflows {
		r.note(Info, "green without traffic: %s", v.ARN)
	}
}

// stepIsOver reports whether the step under way may be left, and asks for what is missing. hooked says that its hooks have
// succeeded: while they run, watching goes on.
func (r *run) stepIsOver(shift Shift, hooked bool) bool {
	w := &r.s.Wait
	skipped := !w.Skipped.IsZero()
	pauseOver := r.s.Full || !r.waits(r.s.PauseEnds())
	judged := !shift.Check || w.Override || r.s.Full || r.healthy(skipped)
	paused := r.s.Paused.Reason != NotPaused
	if shift.Check && !r.s.Full && (!judged || !pauseOver || paused || !hooked) {
		r.check(shift)
		if !judged && pauseOver && !paused && r.tooLong() {
			return false
		}
	}
	switch {
	case !pauseOver || !judged || paused || !hooked:
		return false
	case shift.Hold && !skipped && !r.s.Full:
		r.s.Paused = Pause{Reason: PausedHolding, Since: r.s.Now}
		r.note(Info, "step %d holds at %d%% until it is promoted", r.s.Step, shift.Weight)
		return false
	}
	return true
}

// healthy reports whether the latest verdict lets the step advance: it is Healthy, of this step, and was asked for after
// the pause. When a person ended the pause, any verdict of this step will do.
func (r *run) healthy(skipped bool) bool {
	v, ok := r.s.Verdict()
	return ok && v.Step == r.s.Step && v.Judgement == Healthy && (skipped || !v.Asked.Before(r.s.PauseEnds()))
}

// check asks for the health of green: once every interval, and when the pause ends.
func (r *run) check(shift Shift) {
	if r.pending(func(e Effect) bool { return e.Check != nil }) {
		return
	}
	w := &r.s.Wait
	interval, pauseEnds := r.s.Plan.Settings.Check.Interval, r.s.PauseEnds()
	due := r.s.StepSince.Add(min(interval, shift.Pause))
	if !w.Asked.IsZero() {
		due = w.Asked.Add(interval)
	}
	if w.Asked.Before(pauseEnds) && due.After(pauseEnds) {
		due = pauseEnds
	}
	if r.waits(due) {
		return
	}
	settings := r.s.Plan.Settings.Check
	e := &Check{
		Step: r.s.Step, Weight: shift.Weight, Since: r.s.StepSince, Started: r.s.Started,
		Alarms: r.alarms(), Probes: settings.Probes, Compare: len(settings.Compare) > 0,
	}
	for _, c := range settings.Compare {
		e.Quantile = max(e.Quantile, c.Quantile)
	}
	for _, a := range r.s.Aliases {
		if a.Unchanged() || a.Ref.Kind == release.KindRecordSets {
			continue
		}
		required := a.Blue != "" && !a.Pinned && !r.s.Plan.Settings.tests(a.Key)
		if a.Ref.Kind == release.KindStateMachine {
			required = r.s.Plan.Settings.Check.RequireExecutions
		}
		subject := Subject{Ref: a.Ref, Key: a.Key, Blue: a.Blue, Green: a.Green, Beside: a.Standing.Ref.Alias, Required: required}
		if e.Compare && a.Blue != "" {
			subject.Through, subject.SlowOver = a.Compared.Through, a.Compared.SlowOver
		}
		if a.Ref.Kind == release.KindFunction {
			if subject.Synthetic = settings.synthetic(a.Key); subject.Synthetic != nil {
				subject.GreenARN = r.functionARN(a.Key)
			}
		}
		e.Subjects = append(e.Subjects, subject)
	}
	w.Asked = r.s.Now
	r.emit(Effect{Check: e})
}

func (r *run) functionARN(key string) string {
	for _, v := range r.s.Release.Functions {
		if v.Key == key {
			return v.ARN
		}
	}
	return ""
}

// checked takes the answer of a check.
func (r *run) checked(p Pending, ev Event) {
	if r.s.Phase == Planned {
		r.alarmsSeen(ev)
		return
	}
	if (r.s.Phase != Shifting && r.s.Phase != Baking) || p.Effect.Check.Step != r.s.Step {
		return
	}
	var v Verdict
	if ev.Error != "" || ev.Observation == nil {
		v = errorVerdict(*p.Effect.Check, r.s.Now, orElse(ev.Error, "no answer"))
	} else {
		known, err := r.seen(*p.Effect.Check, *ev.Observation)
		if err != nil {
			v = errorVerdict(*p.Effect.Check, r.s.Now, err.Error())
		} else {
			v = Judge(r.s.Plan.Settings.Check, *p.Effect.Check, *ev.Observation, known)
		}
	}
	v.Asked = p.Since
	if v.At.IsZero() {
		v.At = r.s.Now
	}
	last, had := r.s.Verdict()
	if had && last.Step == v.Step {
		r.s.Verdicts[len(r.s.Verdicts)-1] = v
	} else {
		r.s.Verdicts = append(r.s.Verdicts, v)
	}
	if !had || last.Step != v.Step || last.Judgement != v.Judgement {
		observed := ""
		if v.Observed != nil {
			observed = fmt.Sprintf(" (set %d%%, observed %.1f%%)", v.Weight, *v.Observed)
		}
		r.note(Info, "step %d: %s: %s%s", v.Step, v.Judgement, v.Reason, observed)
	}
	if v.Judgement != Error {
		r.s.Wait.Errors = 0
	}
	switch v.Judgement {
	case Unhealthy:
		r.fail(fmt.Sprintf("green is unhealthy at step %d: %s", v.Step, v.Reason))
	case Error:
		r.s.Wait.Errors++
		if limit := r.s.Plan.Settings.Check.ErrorLimit; r.s.Wait.Errors >= limit {
			r.fail(fmt.Sprintf("health could not be judged %d times in a row at step %d: %s", limit, v.Step, v.Reason))
		}
	}
}

// tooLong ends the waiting for a verdict when its timeout is over, and reports whether it did.
func (r *run) tooLong() bool {
	from := r.s.PauseEnds()
	if r.s.Wait.From.After(from) {
		from = r.s.Wait.From
	}
	if r.waits(from.Add(r.s.Plan.Settings.Check.Timeout)) {
		return false
	}
	v, ok := r.s.Verdict()
	reason := "no verdict"
	if ok && v.Step == r.s.Step {
		reason = v.Reason
	}
	if r.s.Plan.Settings.Check.OnInconclusive == GoBack {
		r.fail(fmt.Sprintf("step %d stayed inconclusive for %s: %s", r.s.Step, r.s.Plan.Settings.Check.Timeout, reason))
		return true
	}
	r.s.Paused = Pause{Reason: PausedByNoVerdict, Since: r.s.Now}
	r.note(Alert, "step %d stayed inconclusive for %s, paused for a person: %s", r.s.Step, r.s.Plan.Settings.Check.Timeout, reason)
	return true
}
