package rollout

import (
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// Event is something that happened outside the machine. All time comes in here.
type Event struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// Effect is the ID of the effect that this answers (EventResult, EventWake).
	Effect int64 `json:"effect,omitempty"`

	// The answer of an effect. Error is why it failed. Refused says that it certainly was not applied and that repeating
	// it is useless; Conflict that an alias was not as expected, so that it certainly was not applied.
	Error       string                       `json:"error,omitempty"`
	Refused     bool                         `json:"refused,omitempty"`
	Conflict    bool                         `json:"conflict,omitempty"`
	Absent      bool                         `json:"absent,omitempty"` // the alias does not exist
	Routing     *release.AliasRouting        `json:"routing,omitempty"`
	Function    *release.FunctionVersion     `json:"function,omitempty"`
	Workflow    *release.StateMachineVersion `json:"workflow,omitempty"`
	Hook        *HookResult                  `json:"hook,omitempty"`
	Observation *Observation                 `json:"observation,omitempty"`

	// A person's wish: who, why, and its number in the queue of wishes (0 when it did not come through a queue). A number
	// that is not above every one before is stale.
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Command int64  `json:"command,omitempty"`
	Full    bool   `json:"full,omitempty"`  // EventPromote: skip every wait and check that is left
	Force   bool   `json:"force,omitempty"` // EventRetry: overwrite what others have changed
}

// EventKind tells the events apart.
type EventKind string

// The kinds of events.
const (
	EventStart  EventKind = "start"
	EventResult EventKind = "result"
	EventWake   EventKind = "wake"

	// EventPromote ends the present waiting. It overrides Inconclusive only where the rollout has paused because of it,
	// unless Full is set. It never overrides Unhealthy.
	EventPromote EventKind = "promote"
	EventPause   EventKind = "pause"   // no step advances until EventResume or EventPromote; watching goes on
	EventResume  EventKind = "resume"  // ends a pause; a verdict that stayed Inconclusive gets its timeout anew
	EventAbort   EventKind = "abort"   // go back to the routing recorded before the rollout
	EventApprove EventKind = "approve" // the hook that waits for a person succeeds
	EventRetry   EventKind = "retry"   // failed-dirty: try again what could not be put right
)

// HookResult is a hook's answer.
type HookResult struct {
	Succeeded bool   `json:"succeeded"`
	Reason    string `json:"reason,omitempty"`
	Output    string `json:"output,omitempty"` // as captured
}

// ErrStale says that an event answers an effect that is not outstanding (a duplicate, or an answer that comes too late)
// or repeats a command. The state is unchanged; the event need not be journaled.
var ErrStale = errors.New("the event answers nothing that is outstanding")

// ForbiddenError says that an event is not allowed in the phase that the rollout is in. The state is unchanged.
type ForbiddenError struct {
	Event EventKind
	Phase Phase
	Hint  string // what to do instead; may be empty
}

func (e *ForbiddenError) Error() string {
	s := fmt.Sprintf("%s is not possible while the rollout is %s", e.Event, e.Phase)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}
