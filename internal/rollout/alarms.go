package rollout

import (
	"slices"
	"strings"
)

// alarms are those that count: all but the ones that fired before the start and were overridden.
func (r *run) alarms() []Alarm {
	var count []Alarm
	for _, a := range r.s.Plan.Settings.Check.Alarms {
		if !slices.Contains(r.s.Ignored, a.Name) {
			count = append(count, a)
		}
	}
	return count
}

// lookedAtAlarms asks for the alarms before anything is changed, and reports whether nothing keeps the rollout from starting.
func (r *run) lookedAtAlarms() bool {
	if len(r.s.Plan.Settings.Check.Alarms) == 0 || r.s.AlarmsSeen {
		return true
	}
	if !r.pending(func(e Effect) bool { return e.Check != nil }) && !r.waits(r.s.HookRetryAt) {
		r.emit(Effect{Check: &Check{Alarms: r.s.Plan.Settings.Check.Alarms}})
	}
	return false
}

// alarmsSeen takes the answer. An alarm that fires already would take any release back, also the one that mends things: so it
// stops the rollout unless the settings override it, by name on record. One that does not exist always stops it.
func (r *run) alarmsSeen(ev Event) {
	if ev.Error != "" || ev.Observation == nil {
		r.s.HookTries++
		if ev.Refused || r.s.HookTries >= r.s.Plan.Settings.Retry.Attempts {
			r.fail("the alarms could not be looked at: " + orElse(ev.Error, "no answer"))
			return
		}
		r.s.HookRetryAt = r.s.Now.Add(r.s.Plan.Settings.Retry.after(r.s.HookTries))
		return
	}
	r.beginHooks()
	r.s.AlarmsSeen = true
	var firing, broken []string
	for _, f := range ev.Observation.Findings {
		name := strings.TrimPrefix(f.Source, "alarm ")
		switch {
		case f.DryRun:
		case f.Judgement == Unhealthy && r.s.Plan.Settings.IgnoreAlarms:
			r.s.Ignored = append(r.s.Ignored, name)
			r.note(Warning, "%s fires already and is ignored in this rollout, as asked for: %s", f.Source, f.Reason)
		case f.Judgement == Unhealthy:
			firing = append(firing, f.Source+": "+f.Reason)
		case f.Judgement == Error:
			broken = append(broken, f.Source+": "+f.Reason)
		}
	}
	switch {
	case len(broken) > 0:
		r.fail(strings.Join(broken, "; "))
	case len(firing) > 0:
		r.fail("alarms fire before the start: " + strings.Join(firing, "; ") + "; mend what they tell of, or go on all the same with ignoreAlarms")
	}
}
