package rollout

import (
	"encoding/json"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// Effect asks the driver to do something. Exactly one of the pointers is set. The driver performs an effect after the
// event that caused it and the new state are durable, in any order and in parallel, and answers with an event that carries
// the effect's ID, always: an effect that hangs is answered with an error. Notes are told, not answered. An effect that is
// no longer listed by [Outstanding] should be cancelled; its answer has no effect.
type Effect struct {
	ID              int64            `json:"id,omitempty"` // rising within a rollout; 0 for notes
	ReadRouting     *ReadRouting     `json:"readRouting,omitempty"`
	PublishFunction *PublishFunction `json:"publishFunction,omitempty"`
	PublishWorkflow *PublishWorkflow `json:"publishWorkflow,omitempty"`
	RunHook         *RunHook         `json:"runHook,omitempty"`
	SetRouting      *SetRouting      `json:"setRouting,omitempty"`
	AwaitChange     *AwaitChange     `json:"awaitChange,omitempty"`
	Check           *Check           `json:"check,omitempty"`
	Wake            *Wake            `json:"wake,omitempty"`
	Note            *Note            `json:"note,omitempty"`
}

// ReadRouting reads the routing of an alias, or of a router's record sets. Answer: EventResult with Routing, or with Absent.
type ReadRouting struct {
	Ref release.Ref `json:"ref"`
}

// PublishFunction makes the version of a function that this release needs, or finds that it exists. Performed twice it
// makes one version. Answer: EventResult with Function.
type PublishFunction struct {
	Key string `json:"key"`
}

// PublishWorkflow makes the version of a state machine with Definition, in which every function is pinned. Performed
// twice it makes one version. Answer: EventResult with Workflow.
type PublishWorkflow struct {
	Key        string          `json:"key"`
	Definition json.RawMessage `json:"definition"`
	Pins       []release.Pin   `json:"pins,omitempty"` // what Definition calls
}

// RunHook calls a hook. A hook may be called twice when the driver dies; it sees the same rollout ID. Answer: EventResult
// with Hook.
type RunHook struct {
	Hook        Hook                  `json:"hook"`
	Stage       string                `json:"stage"`
	FunctionARN string                `json:"functionArn,omitempty"` // of the hook function's exact green version
	WorkflowARN string                `json:"workflowArn,omitempty"` // of the hook workflow's exact green version
	Blue        string                `json:"blue,omitempty"`        // version that the function of Hook.CodeDeploy had; empty when it is new
	Run         string                `json:"run"`                   // unique to this run; the same when it is performed again
	Began       time.Time             `json:"began,omitzero"`        // when the run was asked for
	Rollout     string                `json:"rollout"`
	Release     string                `json:"release"`
	App         string                `json:"app"`
	Functions   map[string]TestedUnit `json:"functions"` // by key: the exact versions under test
	Workflows   map[string]TestedUnit `json:"workflows"`
}

// TestedUnit is one version under test.
type TestedUnit struct {
	ARN     string `json:"arn"` // of the version
	Version string `json:"version,omitempty"`
}

// SetRouting writes the routing of an alias, if the alias still is as Expect says (compare-and-swap). Expect.Revision is
// empty when the alias must not exist yet and is to be created. Answer: EventResult with Routing, with Conflict when the
// alias was not as expected, or with Error; an error leaves open whether the write was applied, unless Refused is set.
type SetRouting struct {
	Want   release.AliasRouting `json:"want"` // its Revision is the one expected
	Before alias.Routing        `json:"before"`
	Create bool                 `json:"create,omitempty"`
}

// AwaitChange waits until every server of Route 53 answers by a change. Answer: EventResult, with Error when it was not INSYNC
// within the driver's patience, and with Refused when Route 53 does not know the change any more.
type AwaitChange struct {
	Ref    release.Ref `json:"ref"`
	Change string      `json:"change"`
}

// Check asks how green does. Answer: EventResult with Observation.
type Check struct {
	Step     int       `json:"step"`    // 0 before the start: only alarms are asked for
	Weight   int       `json:"weight"`  // percent that green has
	Since    time.Time `json:"since"`   // begin of the window: the last write of the step
	Started  time.Time `json:"started"` // the first write of the rollout; green had no traffic before
	Subjects []Subject `json:"subjects"`
	Alarms   []Alarm   `json:"alarms,omitempty"`
	Probes   []Probe   `json:"probes,omitempty"`
	// Compare asks for the stretches of every subject; Quantile, where it is above 0, for that of blue's durations.
	Compare  bool    `json:"compare,omitempty"`
	Quantile float64 `json:"quantile,omitempty"`
}

// Subject is one alias to look at.
type Subject struct {
	Ref   release.Ref `json:"ref"`
	Key   string      `json:"key"`
	Blue  string      `json:"blue,omitempty"` // version, as in alias.Routing; empty when the alias is new
	Green string      `json:"green"`
	// Beside is the alias through which blue's traffic comes, where that is not Ref's: the other slot of a router.
	Beside   string `json:"beside,omitempty"`
	Required bool   `json:"required,omitempty"` // too little data makes the verdict Inconclusive
	// Synthetic asks for so many calls of GreenARN. Calls of the exact version are then no traffic.
	Synthetic *Synthetic `json:"synthetic,omitempty"`
	GreenARN  string     `json:"greenArn,omitempty"` // the function's green version
	// Through and SlowOver say from when on stretches are asked for, and what counts as slow in them; 0 when not known yet.
	Through  time.Time     `json:"through,omitzero"`
	SlowOver time.Duration `json:"slowOver,omitempty"`
}

// BlueAlias is the alias through which blue's traffic comes.
func (s Subject) BlueAlias() string {
	if s.Beside != "" {
		return s.Beside
	}
	return s.Ref.Alias
}

// Wake asks for an EventWake at or after At.
type Wake struct {
	At time.Time `json:"at"`
}

// Level says how urgent a note is.
type Level string

// The levels of notes.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alert   Level = "alert" // a person must look
)

// Note is a sentence for the person who watches and for the record.
type Note struct {
	At    time.Time `json:"at"`
	Level Level     `json:"level"`
	Text  string    `json:"text"`
}
