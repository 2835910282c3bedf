package rollout

import (
	"errors"
	"fmt"

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
	// Router splits the traffic in place of the aliases. The functions and workflows then name none: the release goes through
	// the aliases of the slot that is found idle.
	Router *release.Router `json:"router,omitempty"`
	// Slot is the set identifier of the slot that serves by the ledger; empty when it knows none.
	Slot string `json:"slot,omitempty"`
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
	if p.Router != nil {
		if err := p.Router.Validate(); err != nil {
			return err
		}
	}
	unit := func(key string, ref release.Ref) error {
		switch {
		case p.Router != nil && ref.Alias != "":
			return fmt.Errorf("%s: behind a router the slots name the aliases", ref)
		case key == "" || ref.Name == "" || ref.Alias == "" && p.Router == nil:
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
	if err := p.Settings.validate(keys); err != nil {
		return err
	}
	for _, h := range p.Settings.Hooks() {
		for _, w := range p.Workflows {
			if w.Key == h.Workflow && w.Type == release.TypeExpress {
				return fmt.Errorf("hook %s: executions of Express workflow %s cannot be looked at: use a function that starts it", h.Name, w.Key)
			}
		}
	}
	return nil
}

func (f Function) ref() release.Ref {
	return release.Ref{Kind: release.KindFunction, Name: f.Name, Alias: f.Alias}
}
