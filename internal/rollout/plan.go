package rollout

import (
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// Kind tells bringing in a release from going back to one.
type Kind string

// The kinds of rollouts.
const (
	Deploy Kind = "deploy" // publish, test, shift; goes back when green is worse
	// Return brings back a release that is published already. Aliases move in the order of a rollback, all writes are
	// attempted even when some fail, and what fails is reported instead of undone: undoing would bring back the bad release.
	Return Kind = "rollback"
)

// Plan is what a rollout is to do. It does not change once the rollout has begun. It holds no code and no environment
// variables, so that a ledger with plans in it holds no secrets of the functions.
type Plan struct {
	ID      string `json:"id"` // of the rollout
	App     string `json:"app"`
	Kind    Kind   `json:"kind"`
	By      string `json:"by,omitempty"`
	Release string `json:"release"`        // ID of green
	From    string `json:"from,omitempty"` // ID of the release that serves now, by the ledger
	Commit  string `json:"commit,omitempty"`
	Run     string `json:"run,omitempty"` // URL of the CI run that began it

	Functions []Function `json:"functions"`
	Workflows []Workflow `json:"workflows"`
	Settings  Settings   `json:"settings"`
}

// Function is a function of the release. Version is set when its version is known already and need not be published.
type Function struct {
	Key     string                   `json:"key"`
	Name    string                   `json:"name"`
	Alias   string                   `json:"alias"`
	Digest  string                   `json:"digest,omitempty"` // of the code and configuration to publish
	Version *release.FunctionVersion `json:"version,omitempty"`
	// Expected is the version at which the ledger believes the alias to be; empty when it knows none.
	Expected string `json:"expected,omitempty"`
}

// Workflow is a state machine of the release. Version is set when its version is known already.
type Workflow struct {
	release.Workflow
	Version  *release.StateMachineVersion `json:"version,omitempty"`
	Expected string                       `json:"expected,omitempty"` // as in Function; a version ARN
}

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
	// MinExecutions is how many finished executions of a green workflow it takes to judge it; default 1.
	MinExecutions int64 `json:"minExecutions"`
	// RequireExecutions makes a workflow without enough executions Inconclusive. Without it such a workflow is "not
	// observed", which neither advances nor stops a step.
	RequireExecutions bool `json:"requireExecutions,omitempty"`
}

// OnInconclusive says what happens to a step whose verdict stays Inconclusive.
type OnInconclusive string

// The answers to a verdict that stays Inconclusive.
const (
	PauseForPerson OnInconclusive = "pause"
	GoBack         OnInconclusive = "rollback"
)

// Hook is a test that a function of the release makes: it is called at its exact green version, is told the exact
// versions under test, and its answer is the verdict.
type Hook struct {
	Name     string        `json:"name"`
	Function string        `json:"function"` // key of a function of the release
	Timeout  time.Duration `json:"timeout"`  // default 15 min, the longest that a function can run
}

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
	s.Before = withTimeouts(s.Before)
	s.After = withTimeouts(s.After)
	return s
}

func withTimeouts(hooks []Hook) []Hook {
	filled := make([]Hook, len(hooks))
	for i, h := range hooks {
		fill(&h.Timeout, 15*time.Minute)
		if h.Name == "" {
			h.Name = h.Function
		}
		filled[i] = h
	}
	return filled
}

func fill[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Validate reports what is wrong with the plan. Settings must have their defaults filled in.
func (p Plan) Validate() error {
	if p.ID == "" || p.App == "" || p.Release == "" {
		return errors.New("a plan needs the IDs of its rollout, application and release")
	}
	if p.Kind != Deploy && p.Kind != Return {
		return fmt.Errorf("rollout %s: unknown kind %q", p.ID, p.Kind)
	}
	if len(p.Functions)+len(p.Workflows) == 0 {
		return fmt.Errorf("rollout %s has neither functions nor workflows: nothing to release", p.ID)
	}
	keys := map[string]bool{}
	refs := map[release.Ref]bool{}
	unit := func(key string, ref release.Ref) error {
		switch {
		case key == "" || ref.Name == "" || ref.Alias == "":
			return fmt.Errorf("%s (key %q): key, name and alias are needed", ref, key)
		case keys[string(ref.Kind)+key]:
			return fmt.Errorf("%s: another %s has the key %q", ref, ref.Kind, key)
		case refs[ref]:
			return fmt.Errorf("%s is in the release twice", ref)
		}
		keys[string(ref.Kind)+key], refs[ref] = true, true
		return nil
	}
	for _, f := range p.Functions {
		if err := unit(f.Key, f.ref()); err != nil {
			return err
		}
	}
	for _, w := range p.Workflows {
		if err := unit(w.Key, w.Ref()); err != nil {
			return err
		}
	}
	return p.Settings.validate(keys)
}

func (s Settings) validate(keys map[string]bool) error {
	if err := s.Strategy.Validate(); err != nil {
		return err
	}
	c := s.Check
	switch {
	case s.Bake < 0:
		return fmt.Errorf("a bake of %s is negative", s.Bake)
	case c.Interval <= 0 || c.Timeout <= 0 || c.ErrorLimit < 1 || c.MinRequests < 1 || c.MinExecutions < 1:
		return errors.New("check: interval, timeout, errorLimit, minRequests and minExecutions must be above zero")
	case !(c.MaxErrorRate >= 0 && c.MaxErrorRate <= 1):
		return fmt.Errorf("check: maxErrorRate %v is not between 0 and 1", c.MaxErrorRate)
	case c.OnInconclusive != PauseForPerson && c.OnInconclusive != GoBack:
		return fmt.Errorf("check: onInconclusive is %q; write %q or %q", c.OnInconclusive, PauseForPerson, GoBack)
	case s.Retry.Attempts < 1 || s.Retry.Backoff <= 0:
		return errors.New("retry: attempts and backoff must be above zero")
	}
	for _, hooks := range [][]Hook{s.Before, s.After} {
		for _, h := range hooks {
			if !keys[string(release.KindFunction)+h.Function] {
				return fmt.Errorf("hook %s: no function of the release has the key %q", h.Name, h.Function)
			}
			if h.Timeout <= 0 {
				return fmt.Errorf("hook %s: a timeout of %s is not above zero", h.Name, h.Timeout)
			}
		}
	}
	return nil
}

// tests reports whether the function with a key is a hook: it is called by the rollout, so its alias may see no traffic.
func (s Settings) tests(key string) bool {
	for _, hooks := range [][]Hook{s.Before, s.After} {
		for _, h := range hooks {
			if h.Function == key {
				return true
			}
		}
	}
	return false
}

func (f Function) ref() release.Ref {
	return release.Ref{Kind: release.KindFunction, Name: f.Name, Alias: f.Alias}
}
