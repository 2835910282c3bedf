package rollout

import (
	"fmt"
	"slices"
)

// Phase is where a rollout stands.
type Phase string

// The phases. The last four are ends; failed-dirty is one from which a person can go on.
const (
	Planned     Phase = "planned"    // reading and recording the routing of every alias
	Publishing  Phase = "publishing" // versions are made: functions, then the workflows that are pinned to them
	Testing     Phase = "testing"    // hooks before traffic
	Shifting    Phase = "shifting"
	Baking      Phase = "baking"    // watching at 100 %
	Promoting   Phase = "promoting" // hooks after traffic
	Promoted    Phase = "promoted"
	RollingBack Phase = "rolling-back"
	RolledBack  Phase = "rolled-back"
	Failed      Phase = "failed"       // stopped before any traffic moved: there was nothing to put back
	FailedDirty Phase = "failed-dirty" // some alias is not where it should be, or unknown; the lock is kept
)

// Transition is a permitted change of phase.
type Transition struct {
	Name string
	From []Phase
	To   Phase
}

var forward = []Phase{Planned, Publishing, Testing, Shifting, Baking, Promoting}

// transitions is the whole list: what is not here is forbidden.
var transitions = []Transition{
	{"publish", []Phase{Planned}, Publishing},             // every routing is recorded
	{"nothing-new", []Phase{Publishing}, Promoted},        // every alias is at its version already
	{"test", []Phase{Publishing}, Testing},                // every version is published
	{"shift", []Phase{Testing}, Shifting},                 // every hook before traffic succeeded
	{"bake", []Phase{Shifting}, Baking},                   // the last step is over
	{"promote", []Phase{Baking}, Promoting},               // the bake is over
	{"finish", []Phase{Promoting}, Promoted},              // every hook after traffic succeeded
	{"go-back", forward, RollingBack},                     // a failure, an Unhealthy verdict or a person's wish
	{"restored", []Phase{RollingBack}, RolledBack},        // every alias is as recorded
	{"stopped", []Phase{RollingBack}, Failed},             // no alias was ever written
	{"lose", []Phase{RollingBack, Shifting}, FailedDirty}, // some alias could not be put right
	{"retry-back", []Phase{FailedDirty}, RollingBack},
	{"retry-return", []Phase{FailedDirty}, Shifting}, // for Kind Return
}

// Transitions lists every permitted change of phase.
func Transitions() []Transition { return slices.Clone(transitions) }

// Ended reports whether nothing more happens by itself.
func (p Phase) Ended() bool {
	return p == Promoted || p == RolledBack || p == Failed || p == FailedDirty
}

// take changes the phase by the named transition. A transition that is not listed is a fault of the machine itself; Step
// then refuses the event and leaves the state as it was.
func (r *run) take(name string) {
	for _, t := range transitions {
		if t.Name == name && slices.Contains(t.From, r.s.Phase) {
			r.s.Phase = t.To
			r.s.Since = r.s.Now
			return
		}
	}
	if r.err == nil {
		r.err = fmt.Errorf("rollout %s: transition %s is forbidden from %s", r.s.Plan.ID, name, r.s.Phase)
	}
}
