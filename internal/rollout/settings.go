package rollout

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// Settings say how a rollout behaves. [Settings.WithDefaults] fills what is zero.
type Settings struct {
	Strategy  Strategy      `json:"strategy"`
	Bake      time.Duration `json:"bake,omitempty"`      // how long to watch at 100 % before promotion
	CheckBake bool          `json:"checkBake,omitempty"` // the bake ends only on a Healthy verdict
	Check     CheckSettings `json:"check"`
	Before    []Hook        `json:"before,omitempty"` // run in order, before any traffic
	After     []Hook        `json:"after,omitempty"`  // run in order, at 100 %, before the release counts as promoted
	Retry     Retry         `json:"retry"`
	// RefuseDrift stops the rollout before anything moves when an alias is not where the ledger left it. Otherwise that is
	// told, and what is found counts as blue.
	RefuseDrift bool `json:"refuseDrift,omitempty"`
	// IgnoreAlarms goes on although alarms fire before the start. Those are left out of the checks, by name on record; all
	// others count.
	IgnoreAlarms bool `json:"ignoreAlarms,omitempty"`
	// Unmoved goes through every phase also when no alias is to move. Otherwise such a rollout ends once all is published.
	Unmoved bool `json:"unmoved,omitempty"`
}

// CheckSettings say when and by which thresholds green is judged.
type CheckSettings struct {
	Interval time.Duration `json:"interval"` // between two looks; default 30 s
	// Timeout is how long after the end of a step's pause an Inconclusive verdict may last; default 10 min.
	Timeout time.Duration `json:"timeout"`
	// OnInconclusive says what happens after Timeout; default PauseForPerson.
	OnInconclusive OnInconclusive `json:"onInconclusive"`
	ErrorLimit     int            `json:"errorLimit"`   // this many looks in a row may fail; default 4
	MinRequests    int64          `json:"minRequests"`  // to each green function version; default 1
	MaxErrorRate   float64        `json:"maxErrorRate"` // share of green's requests that may fail, 0 to 1; default 0
	// DryRun keeps MaxErrorRate from deciding: it is judged and told only.
	DryRun bool `json:"dryRun,omitempty"`
	// MinExecutions is how many finished executions of a green workflow it takes to judge it; default 1.
	MinExecutions int64 `json:"minExecutions"`
	// RequireExecutions makes a workflow without enough executions Inconclusive. Without it such a workflow is "not
	// observed", which neither advances nor stops a step.
	RequireExecutions bool        `json:"requireExecutions,omitempty"`
	Compare           []Compare   `json:"compare,omitempty"` // at most one for each metric
	Alarms            []Alarm     `json:"alarms,omitempty"`
	Probes            []Probe     `json:"probes,omitempty"`
	Synthetic         []Synthetic `json:"synthetic,omitempty"` // at most one for each function
}

// Alarm is a CloudWatch alarm, metric or composite, that must not fire. One that does not exist is an Error.
type Alarm struct {
	Name   string `json:"name"`
	DryRun bool   `json:"dryRun,omitempty"` // told, never decides
}

// Probe is an HTTP request that is made at every look.
type Probe struct {
	Name    string  `json:"name"`
	Request Request `json:"request"`
	DryRun  bool    `json:"dryRun,omitempty"`
}

// Synthetic calls the exact green version of a function at every look, where real traffic is too low to judge it. The
// calls count towards the minimum and the error rate, are told apart from real ones, and take no part in comparisons.
type Synthetic struct {
	Function string `json:"function"` // key
	Payload  string `json:"payload"`  // JSON
	Requests int    `json:"requests"` // at every look; default 5
}

// OnInconclusive says what happens to a step whose verdict stays Inconclusive.
type OnInconclusive string

// The answers to a verdict that stays Inconclusive.
const (
	PauseForPerson OnInconclusive = "pause"
	GoBack         OnInconclusive = "rollback"
)

// Retry bounds the repetition of effects that failed for a reason that may pass. Going back is tried twice as often.
type Retry struct {
	Attempts int           `json:"attempts"` // default 5
	Backoff  time.Duration `json:"backoff"`  // before the second attempt, doubled for each further one up to 30 s; default 1 s
}

const longestBackoff = 30 * time.Second

// after gives the pause before the next attempt when tries have failed.
func (r Retry) after(tries int) time.Duration {
	d := r.Backoff
	for i := 1; i < tries && d < longestBackoff; i++ {
		d *= 2
	}
	return min(d, longestBackoff)
}

// WithDefaults returns s with defaults in place of zero values. An empty strategy becomes AllAtOnce.
func (s Settings) WithDefaults() Settings {
	if len(s.Strategy.Steps) == 0 {
		s.Strategy = Strategy{Name: "AllAtOnce", Steps: []Shift{{Weight: 100}}}
	}
	fill(&s.Check.Interval, 30*time.Second)
	fill(&s.Check.Timeout, 10*time.Minute)
	fill(&s.Check.OnInconclusive, PauseForPerson)
	fill(&s.Check.ErrorLimit, 4)
	fill(&s.Check.MinRequests, 1)
	fill(&s.Check.MinExecutions, 1)
	fill(&s.Retry.Attempts, 5)
	fill(&s.Retry.Backoff, time.Second)
	s.Check.Compare = slices.Clone(s.Check.Compare)
	for i := range s.Check.Compare {
		s.Check.Compare[i] = s.Check.Compare[i].withDefaults()
	}
	s.Check.Synthetic = slices.Clone(s.Check.Synthetic)
	for i := range s.Check.Synthetic {
		fill(&s.Check.Synthetic[i].Requests, 5)
		fill(&s.Check.Synthetic[i].Payload, "{}")
	}
	s.Before = withDefaults(s.Before)
	s.After = withDefaults(s.After)
	s.Strategy.Steps = slices.Clone(s.Strategy.Steps)
	for i := range s.Strategy.Steps {
		s.Strategy.Steps[i].Hooks = withDefaults(s.Strategy.Steps[i].Hooks)
	}
	return s
}

func fill[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func (s Settings) validate(keys map[string]bool) error {
	if err := s.Strategy.Validate(); err != nil {
		return err
	}
	switch {
	case s.Bake < 0:
		return fmt.Errorf("a bake of %s is negative", s.Bake)
	case s.Retry.Attempts < 1 || s.Retry.Backoff <= 0:
		return errors.New("retry: attempts and backoff must be above zero")
	}
	if err := s.Check.validate(keys); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	for _, h := range s.Hooks() {
		if err := h.validate(keys); err != nil {
			return fmt.Errorf("hook %s: %w", h.Name, err)
		}
	}
	return nil
}

func (c CheckSettings) validate(keys map[string]bool) error {
	switch {
	case c.Interval <= 0 || c.Timeout <= 0 || c.ErrorLimit < 1 || c.MinRequests < 1 || c.MinExecutions < 1:
		return errors.New("interval, timeout, errorLimit, minRequests and minExecutions must be above zero")
	case !(c.MaxErrorRate >= 0 && c.MaxErrorRate <= 1):
		return fmt.Errorf("maxErrorRate %v is not between 0 and 1", c.MaxErrorRate)
	case c.OnInconclusive != PauseForPerson && c.OnInconclusive != GoBack:
		return fmt.Errorf("onInconclusive is %q; write %q or %q", c.OnInconclusive, PauseForPerson, GoBack)
	}
	seen := map[string]bool{}
	for _, of := range c.Compare {
		if err := of.validate(); err != nil {
			return fmt.Errorf("compare %s: %w", of.Metric, err)
		}
		if seen[string(of.Metric)] {
			return fmt.Errorf("%s is compared twice", of.Metric)
		}
		seen[string(of.Metric)] = true
	}
	for _, a := range c.Alarms {
		if a.Name == "" || seen["alarm "+a.Name] {
			return fmt.Errorf("alarm %q has no name or is there twice", a.Name)
		}
		seen["alarm "+a.Name] = true
	}
	for _, p := range c.Probes {
		if err := p.Request.validate(); err != nil {
			return fmt.Errorf("probe %s: %w", p.Name, err)
		}
	}
	for _, s := range c.Synthetic {
		switch {
		case !keys[string(release.KindFunction)+s.Function]:
			return fmt.Errorf("synthetic requests: no function of the release has the key %q", s.Function)
		case seen["synthetic "+s.Function]:
			return fmt.Errorf("synthetic requests to %s are there twice", s.Function)
		case s.Requests < 1 || s.Requests > mostSynthetic:
			return fmt.Errorf("synthetic requests to %s: %d at a look is not between 1 and %d", s.Function, s.Requests, mostSynthetic)
		}
		seen["synthetic "+s.Function] = true
	}
	return nil
}

// mostSynthetic bounds the synthetic requests of one look, which must end before the next.
const mostSynthetic = 100

// Hooks lists every hook of the rollout.
func (s Settings) Hooks() []Hook {
	all := slices.Concat(s.Before, s.After)
	for _, step := range s.Strategy.Steps {
		all = append(all, step.Hooks...)
	}
	return all
}

// tests reports whether the function with a key is a hook: it is called by the rollout, so its alias may see no traffic.
func (s Settings) tests(key string) bool {
	return slices.ContainsFunc(s.Hooks(), func(h Hook) bool { return h.Function == key })
}

// synthetic finds the synthetic requests to the function with a key; nil when there are none.
func (c CheckSettings) synthetic(key string) *Synthetic {
	for _, s := range c.Synthetic {
		if s.Function == key {
			return &s
		}
	}
	return nil
}
