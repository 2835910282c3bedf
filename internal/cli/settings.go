package cli

import (
	"time"

	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/rollout"
)

// settings turns the manifest's rollout into the machine's. A pause, a check and a hook belong to the weight before them.
func settings(m *manifest.Manifest) (rollout.Settings, error) {
	r := m.Rollout
	s := rollout.Settings{
		Before: r.Hooks.BeforeAllowTraffic, After: r.Hooks.AfterAllowTraffic, Bake: r.Bake, CheckBake: r.CheckBake,
		RefuseDrift: r.RefuseDrift, IgnoreAlarms: r.IgnoreAlarms, Check: checkSettings(r.Check),
	}
	var err error
	switch {
	case r.Strategy != "":
		if s.Strategy, err = rollout.ParseStrategy(r.Strategy); err != nil {
			return s, m.Fault("rollout.strategy", err.Error(), "")
		}
		return s.WithDefaults(), nil
	case r.Preference != "":
		if s.Strategy, err = rollout.Preference(r.Preference, r.Percentage, r.StepWait); err != nil {
			return s, m.Fault("rollout.type", err.Error(), "")
		}
		return s.WithDefaults(), nil
	}
	s.Strategy = stepsOf(r)
	if err := s.Strategy.Validate(); err != nil && len(s.Strategy.Steps) > 0 {
		return s, m.Fault("rollout.steps", err.Error(), "")
	}
	s = s.WithDefaults()
	// A step is looked at ten times within its shortest wait, at least every half minute and at most every second.
	if shortest := shortestPause(s.Strategy); shortest > 0 && r.Check.Interval == 0 {
		s.Check.Interval = min(max(shortest/10, time.Second), s.Check.Interval)
	}
	return s, nil
}

// checkSettings turns the manifest's check into the machine's. Where errors are compared and no rate is named, there is no
// threshold: what blue has is what green may have.
func checkSettings(c manifest.Check) rollout.CheckSettings {
	s := rollout.CheckSettings{
		MinRequests: int64(c.MinRequests), Timeout: c.Timeout, Interval: c.Interval, OnInconclusive: c.OnInconclusive,
		ErrorLimit: c.ErrorLimit, DryRun: c.DryRun, MinExecutions: int64(c.MinExecutions), RequireExecutions: c.RequireExecutions,
		Compare: c.Compare, Alarms: c.Alarms, Probes: c.Probes, Synthetic: c.Synthetic,
	}
	if c.MaxErrorRate != nil {
		s.MaxErrorRate = *c.MaxErrorRate
		return s
	}
	for _, of := range c.Compare {
		if of.Metric == rollout.MetricErrors && !of.DryRun {
			s.MaxErrorRate = 1
		}
	}
	return s
}

// stepsOf folds setWeight, pause, check and hook into shifts; traffic ends at 100 % whether or not the manifest says so.
func stepsOf(r manifest.Rollout) rollout.Strategy {
	var shifts []rollout.Shift
	for _, step := range r.Steps {
		if step.SetWeight != nil {
			shifts = append(shifts, rollout.Shift{Weight: *step.SetWeight, Pause: r.StepWait})
			continue
		}
		if len(shifts) == 0 {
			shifts = append(shifts, rollout.Shift{}) // a pause or a check before the first weight: green has no traffic yet
		}
		last := &shifts[len(shifts)-1]
		switch {
		case step.Pause != nil && *step.Pause == 0:
			last.Hold = true
		case step.Pause != nil:
			last.Pause = *step.Pause
		case step.Check:
			last.Check = true
		case len(step.Hooks) > 0:
			last.Hooks = append(last.Hooks, step.Hooks...)
		}
	}
	if n := len(shifts); n > 0 && shifts[n-1].Weight != 100 {
		shifts = append(shifts, rollout.Shift{Weight: 100})
	}
	return rollout.Strategy{Name: "steps", Steps: shifts}
}

func shortestPause(s rollout.Strategy) time.Duration {
	var shortest time.Duration
	for _, step := range s.Steps {
		if step.Pause > 0 && (shortest == 0 || step.Pause < shortest) {
			shortest = step.Pause
		}
	}
	return shortest
}
