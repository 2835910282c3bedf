package interp

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrStale is returned by Step for an answer to a command that is unknown, answered or cancelled. The state is unchanged
// and the answer can be dropped.
var ErrStale = errors.New("interp: the event answers no open command")

// Event is something that happened outside the machine and that Step must know: the start, an answer, a timer, a stop
// request. All time and all randomness come in here. Events are journaled before their commands are performed, and
// replaying the same events over the same definition gives the same state, commands and history.
type Event struct {
	Kind EventKind `json:"k"`
	At   time.Time `json:"t"`
	// Seed is drawn anew for every event; jitter, States.UUID and States.MathRandom without a seed derive from it.
	Seed uint64 `json:"s,omitempty"`
	// Command is the ID of the command that this event is about; 0 for EventStart, EventStop, EventExpired and EventRedrive.
	Command int64 `json:"c,omitempty"`

	// Output is a JSON text: the answer of EventTaskSucceeded and EventTaskSubmitted, an array of items of EventItemsRead.
	Output json.RawMessage `json:"o,omitempty"`
	// Error and Cause belong to EventTaskFailed, EventSubmitFailed and EventStop.
	Error string `json:"e,omitempty"`
	Cause string `json:"m,omitempty"`
	// Worker is the name that GetActivityTask gave; EventActivityStarted only. It may be empty.
	Worker string `json:"w,omitempty"`
	// Cursor is where the next page of items begins, empty after the last page; EventItemsRead only.
	Cursor string `json:"p,omitempty"`
	// Limits are the new limits of a Map run; EventMapRunUpdated only.
	Limits *MapRunLimits `json:"l,omitempty"`
}

// MapRunLimits are the settings of a Map run that UpdateMapRun changes; nil leaves one as it is.
type MapRunLimits struct {
	MaxConcurrency             *int64   `json:"maxConcurrency,omitempty"` // 0 for none
	ToleratedFailureCount      *int64   `json:"toleratedFailureCount,omitempty"`
	ToleratedFailurePercentage *float64 `json:"toleratedFailurePercentage,omitempty"`
}

// eventWire is an Event in the journal: the output is a JSON string, for only so does its white space survive.
type eventWire struct {
	event
	Output *string `json:"o,omitempty"`
}

type event Event

// MarshalJSON gives a form that keeps the output's text to the byte.
func (e Event) MarshalJSON() ([]byte, error) {
	w := eventWire{event: event(e)}
	w.event.Output = nil
	if e.Output != nil {
		text := string(e.Output)
		w.Output = &text
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON gave.
func (e *Event) UnmarshalJSON(data []byte) error {
	var w eventWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*e = Event(w.event)
	if w.Output != nil {
		e.Output = json.RawMessage(*w.Output)
	}
	return nil
}

// EventKind tells the events apart.
type EventKind string

// The kinds of events. A timed-out task needs no event of its own: Step sets a timer beside the task.
const (
	EventStart         EventKind = "start"          // runs the first state
	EventTaskSucceeded EventKind = "task-succeeded" // answers InvokeTask, ScheduleActivity, StartChild and WriteResults
	EventTaskFailed    EventKind = "task-failed"    // answers these, and ReadItems
	EventTimer         EventKind = "timer"          // answers StartTimer; At is not before the timer's Due
	EventStop          EventKind = "stop"           // StopExecution
	EventExpired       EventKind = "expired"        // it has run for as long as any execution may
	// EventRedrive runs an execution on that has failed, timed out or was stopped: RedriveExecution.
	EventRedrive EventKind = "redrive"

	// EventTaskSubmitted tells that the request of a task with a Pattern was accepted, with its answer. The command stays
	// open for the outcome. An outcome that comes first waits for it.
	EventTaskSubmitted EventKind = "task-submitted"
	// EventSubmitFailed tells that the request of a task with a Pattern was not accepted; it answers InvokeTask.
	EventSubmitFailed EventKind = "submit-failed"
	// EventActivityStarted tells that a worker has fetched the task. ScheduleActivity stays open.
	EventActivityStarted EventKind = "activity-started"
	// EventHeartbeat is SendTaskHeartbeat: HeartbeatSeconds begin anew. The command stays open.
	EventHeartbeat EventKind = "heartbeat"

	// EventItemsRead answers ReadItems with a page of items. When Cursor is not empty the next page is asked for by another
	// ReadItems, once it is wanted.
	EventItemsRead EventKind = "items-read"
	// EventMapRunUpdated is UpdateMapRun; its command is the StartMapRun, which stays open.
	EventMapRunUpdated EventKind = "map-run-updated"
)

// Output is what one step asks for and records. Its order is the order of the journal: first the event and the history
// are made durable, then the commands are performed.
type Output struct {
	Commands []Command
	History  []HistoryEvent
}

// Command asks the pump to do something. Exactly one of the pointers is set. Commands of one step are performed in order,
// after the event and the history of the step are durable. After a restart the pump performs again every command but
// Cancel, FinishMapRun and Complete that was neither answered nor cancelled nor finished.
type Command struct {
	ID               int64 // unique within the execution, rising
	InvokeTask       *InvokeTask
	ScheduleActivity *ScheduleActivity
	StartTimer       *StartTimer
	StartMapRun      *StartMapRun
	ReadItems        *ReadItems
	StartChild       *StartChild
	WriteResults     *WriteResults
	FinishMapRun     *FinishMapRun
	Cancel           *Cancel
	Complete         *Complete
}

// InvokeTask calls an integration. Without a Pattern the pump answers with EventTaskSucceeded or EventTaskFailed. With one
// it answers the request with EventTaskSubmitted or EventSubmitFailed, and the outcome (the job's with .sync, the one sent
// with the token with .waitForTaskToken) with EventTaskSucceeded or EventTaskFailed. A cancelled .sync stops its job.
type InvokeTask struct {
	Resource string          // as in the definition, such as arn:aws:states:::lambda:invoke or a function's ARN
	Input    json.RawMessage // the effective input: after Parameters or Arguments
	State    string          // the state's name, for messages
	Pattern  string          // asl.PatternRequest, PatternSync, PatternSync2 or PatternToken
	Token    string          // with PatternToken: what ParseToken reads
	Role     string          // RoleArn of Credentials; empty for none
}

// ScheduleActivity queues a task for an activity's workers. The pump tells that one has fetched it (EventActivityStarted),
// its heartbeats, and its outcome: EventTaskSucceeded or EventTaskFailed. A cancelled task is given to nobody any more.
type ScheduleActivity struct {
	Activity string // ARN
	Input    json.RawMessage
	State    string
	Token    string // what ParseToken reads
}

// StartMapRun begins the Map run of a Map state in distributed mode. It stays open until FinishMapRun, or until Cancel,
// which aborts the Map run; the answers of its children go to their own commands.
type StartMapRun struct {
	ARN     string
	State   string // the Map state's: the children run asl.StateMachine.Child(State)
	Label   string // the part of the children's state machine ARN behind the slash
	Express bool   // the type of the children
	// MaxConcurrency is 0 for none; the tolerated failures are nil where the definition has none.
	MaxConcurrency             int64
	ToleratedFailureCount      *int64
	ToleratedFailurePercentage *float64
	// RedriveCount is above 0 when the Map run goes on after a redrive; ARN is that of the first time then.
	RedriveCount int64
}

// ReadItems reads a page of the items of a Map run. The pump answers with EventItemsRead or EventTaskFailed. How large a
// page is, is the pump's choice; MaxItems of Config is its to heed.
type ReadItems struct {
	MapRun    string          // ARN
	Resource  string          // such as arn:aws:states:::s3:getObject
	Arguments json.RawMessage // Parameters or Arguments; nil for none
	Config    json.RawMessage // ReaderConfig; nil for none
	Cursor    string          // where the page begins; empty for the first
}

// StartChild starts a child execution of a Map run, and answers with its outcome: EventTaskSucceeded, or EventTaskFailed
// with its error also when it timed out or was stopped. Cancel stops it.
type StartChild struct {
	MapRun string          // ARN
	Index  int             // of the child within the Map run, from 0
	Items  int             // how many items it works on: more than 1 only with an ItemBatcher
	Input  json.RawMessage // nil with Redrive
	// Redrive asks to redrive the child with this index, or to run it anew with its own input when it is an Express one.
	Redrive bool
}

// WriteResults writes the results of a Map run's children, which the pump knows. It answers with EventTaskSucceeded, whose
// output is the state's result, or EventTaskFailed.
type WriteResults struct {
	MapRun    string
	Resource  string          // such as arn:aws:states:::s3:putObject; empty when the results are only to be transformed
	Arguments json.RawMessage // nil for none
	Config    json.RawMessage // WriterConfig; nil for none
}

// FinishMapRun ends a Map run whose children have all ended or were cancelled.
type FinishMapRun struct {
	Command      int64  // the StartMapRun
	Status       string // SUCCEEDED or FAILED
	Error, Cause string
}

// StartTimer asks for an EventTimer at or after Due.
type StartTimer struct{ Due time.Time }

// Cancel withdraws a command that is open; an answer that comes all the same is refused by Step with ErrStale and has no
// effect.
type Cancel struct{ Command int64 }

// Complete ends the execution; it is always the last command.
type Complete struct {
	Status string // SUCCEEDED, FAILED, TIMED_OUT or ABORTED
	Output json.RawMessage
	Error  string // empty when the execution ended without an error name, as a Fail state without Error does
	Cause  string
}

// The statuses of an execution, as DescribeExecution names them.
const (
	StatusRunning   = "RUNNING"
	StatusSucceeded = "SUCCEEDED"
	StatusFailed    = "FAILED"
	StatusTimedOut  = "TIMED_OUT"
	StatusAborted   = "ABORTED"
)
