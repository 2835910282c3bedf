package interp

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/asl"
)

// StartOptions is what an execution knows about itself; it shows in the context object and in the history.
type StartOptions struct {
	ExecutionARN  string `json:"executionArn"`
	ExecutionName string `json:"executionName"`
	// StateMachineARN is the unqualified ARN, StateMachineName its last part.
	StateMachineARN  string `json:"stateMachineArn"`
	StateMachineName string `json:"stateMachineName"`
	// AliasARN and VersionARN are set when the execution was started through an alias or a version.
	AliasARN   string `json:"aliasArn,omitempty"`
	VersionARN string `json:"versionArn,omitempty"`
	RoleARN    string `json:"roleArn"`
	// Input is a JSON text; empty means {}. Start takes it over into State.Input.
	Input        json.RawMessage `json:"-"`
	StartTime    time.Time       `json:"startTime"`
	RedriveCount int64           `json:"redriveCount,omitempty"`
	RedriveTime  time.Time       `json:"redriveTime,omitzero"`
	// HistoryLimit is the number of history events at which the execution fails: 0 means AWS's 25,000, below 0 none, as for
	// Express workflows.
	HistoryLimit int64 `json:"historyLimit,omitempty"`
	// TokenKey is the secret that task tokens are made with. It must be the same for ParseToken.
	TokenKey string `json:"tokenKey,omitempty"`
}

// historyLimit is the most events that a Standard execution's history has.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const historyLimit = 25_000

// State is an execution between two steps. It is a plain value: marshalled to JSON and back at any point it goes on in the
// same way. It must not be used by two goroutines at once, and only Step changes it.
type State struct {
	Options StartOptions `json:"options"`
	// Input is the execution's input.
	Input *asl.Payload `json:"input"`
	// Status is empty until EventStart, then RUNNING, and in the end one of the statuses of Complete.
	Status string `json:"status,omitempty"`
	// LastEvent is the ID of the last history event.
	LastEvent   int64 `json:"lastEvent"`
	LastCommand int64 `json:"lastCommand"`
	LastFrame   int64 `json:"lastFrame"`
	// Stored is the size of all variables of the frames, in bytes.
	Stored int `json:"stored,omitempty"`
	// Deadline is the timer of the machine's TimeoutSeconds; 0 for none.
	Deadline int64            `json:"deadline,omitempty"`
	Open     map[int64]open   `json:"open,omitempty"`   // commands that wait for an answer
	Frames   map[int64]*frame `json:"frames,omitempty"` // by ID; 1 is the root
	// Ended are the frames as they were when the execution failed, timed out or was stopped: a redrive goes on from them.
	Ended map[int64]*frame `json:"ended,omitempty"`

	machine *asl.StateMachine // that the frames' states were looked up in
}

// open is a command without an answer.
type open struct {
	Frame int64   `json:"f"` // 0 for the deadline
	Use   openUse `json:"u"`
	Child int     `json:"i,omitempty"` // the index of a child of a Map run
}

type openUse string

const (
	useTask     openUse = "task"
	useTimeout  openUse = "timeout"  // of a task
	useBeat     openUse = "beat"     // of a task: its heartbeat
	useRun      openUse = "run"      // a Map run
	useRead     openUse = "read"     // the items of a Map run
	useChild    openUse = "child"    // a child execution of a Map run
	useWrite    openUse = "write"    // the results of a Map run
	useWait     openUse = "wait"     // of a Wait state
	useRetry    openUse = "retry"    // before the next attempt
	useContinue openUse = "continue" // a step that grew too long goes on
	useDeadline openUse = "deadline"
)

// frame is one thread of states: the execution itself, a branch of a Parallel state, or an iteration of a Map state.
type frame struct {
	ID     int64 `json:"id"`
	Parent int64 `json:"parent,omitempty"` // 0 for the root
	Index  int   `json:"index,omitempty"`  // of the branch or the item

	StateName string       `json:"state"`
	Input     *asl.Payload `json:"input"` // of the state
	Entered   time.Time    `json:"entered,omitzero"`
	EnteredID int64        `json:"enteredId,omitempty"` // of the StateEntered event; 0 before
	Before    int64        `json:"before,omitempty"`    // the event that the StateEntered event follows
	Previous  int64        `json:"previous"`            // the last event of this thread
	Attempts  []int64      `json:"attempts,omitempty"`  // per retrier
	Retries   int64        `json:"retries,omitempty"`
	// Variables are those assigned in this thread, by name.
	Variables map[string]*asl.Payload `json:"variables,omitempty"`
	Stored    int                     `json:"stored,omitempty"` // their size in bytes
	// Commands are the frame's open commands, in the order in which they were given.
	Commands []int64 `json:"commands,omitempty"`
	// Task is what is known of the task under way.
	Task *attempt `json:"task,omitempty"`
	// Item is what an iteration works on, for the context object.
	Item *item `json:"item,omitempty"`
	// Fork is set while the state is a Parallel or a Map whose children run.
	Fork *fork `json:"fork,omitempty"`

	state *asl.State
}

// attempt is one attempt of a task under way.
type attempt struct {
	Token     string    `json:"token,omitempty"`
	Started   bool      `json:"started,omitempty"`   // a worker has fetched it
	Submitted bool      `json:"submitted,omitempty"` // the request was accepted
	Heartbeat int64     `json:"heartbeat,omitempty"` // seconds; 0 for none
	Beat      time.Time `json:"beat,omitzero"`       // when the heartbeat last began
	Early     *Event    `json:"early,omitempty"`     // an outcome that came before the request was accepted
}

// item is an item of a Map state.
type item struct {
	Value *asl.Payload `json:"v"`
	Key   *string      `json:"k,omitempty"` // the member's name, when the items are the members of an object
	Input *asl.Payload `json:"i,omitempty"` // the child's input, made while a batch was filled
}

// fork is a Parallel or Map state under way.
type fork struct {
	Items   []*item        `json:"items,omitempty"`   // Map: those not begun; distributed: only those not begun, in order
	Input   *asl.Payload   `json:"input"`             // the effective input
	Results []*asl.Payload `json:"results,omitempty"` // nil until a child has ended
	Next    int            `json:"next"`              // the first child that has not been started
	Width   int            `json:"width,omitempty"`   // inline Map: how many iterations may run at once
	Running map[int]int64  `json:"running"`           // frame by index; distributed: the StartChild command
	Run     *run           `json:"run,omitempty"`     // distributed
}

// Start makes the state of an execution that has not begun: Step with EventStart runs it. It does not check o.Input; use
// Step, which refuses what is no JSON.
func Start(m *asl.StateMachine, o StartOptions) *State {
	text := "{}"
	if len(o.Input) > 0 {
		text = strings.ToValidUTF8(string(o.Input), "\uFFFD")
	}
	o.Input = nil
	return &State{Options: o, Input: asl.NewPayload(text), machine: m}
}

// bind looks the frames' states up in m. It fails when the state belongs to another definition.
func (s *State) bind(m *asl.StateMachine) error {
	if s.machine == m {
		return nil
	}
	for _, f := range s.Frames {
		state := m.State(f.StateName)
		if state == nil || f.Fork != nil && state.Parallel == nil && state.Map == nil {
			return fmt.Errorf("interp: the execution is in state %q, which the definition does not have like that", f.StateName)
		}
	}
	for _, f := range s.Frames {
		f.state = m.State(f.StateName)
	}
	s.machine = m
	return nil
}

func (s *State) limit() int64 {
	switch {
	case s.Options.HistoryLimit > 0:
		return s.Options.HistoryLimit
	case s.Options.HistoryLimit < 0:
		return 1<<63 - 1
	}
	return historyLimit
}

// region is the one of the state machine, for the history.
func (s *State) region() string {
	a, err := arn.Parse(s.Options.StateMachineARN)
	if err != nil {
		return ""
	}
	return a.Region
}
