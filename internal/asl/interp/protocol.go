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
	// Command is the ID of the command that this event answers; 0 for EventStart and EventStop.
	Command int64 `json:"c,omitempty"`

	// Output is the answer of a task (EventTaskSucceeded): a JSON text.
	Output json.RawMessage `json:"o,omitempty"`
	// Error and Cause belong to EventTaskFailed and EventStop.
	Error string `json:"e,omitempty"`
	Cause string `json:"m,omitempty"`
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
	EventTaskSucceeded EventKind = "task-succeeded" // answers InvokeTask
	EventTaskFailed    EventKind = "task-failed"    // answers InvokeTask
	EventTimer         EventKind = "timer"          // answers StartTimer; At is not before the timer's Due
	EventStop          EventKind = "stop"           // StopExecution
)

// Output is what one step asks for and records. Its order is the order of the journal: first the event and the history
// are made durable, then the commands are performed.
type Output struct {
	Commands []Command
	History  []HistoryEvent
}

// Command asks the pump to do something. Exactly one of the pointers is set. Commands of one step are performed in order,
// after the event and the history of the step are durable. After a restart the pump performs again every InvokeTask and
// StartTimer that was neither answered nor cancelled.
type Command struct {
	ID         int64 // unique within the execution, rising
	InvokeTask *InvokeTask
	StartTimer *StartTimer
	Cancel     *Cancel
	Complete   *Complete
}

// InvokeTask calls an integration. The pump answers with EventTaskSucceeded or EventTaskFailed.
type InvokeTask struct {
	Resource string          // as in the definition, such as arn:aws:states:::lambda:invoke or a function's ARN
	Input    json.RawMessage // the effective input: after Parameters or Arguments
	State    string          // the state's name, for messages
}

// StartTimer asks for an EventTimer at or after Due.
type StartTimer struct{ Due time.Time }

// Cancel withdraws an unanswered InvokeTask or StartTimer; an answer that comes all the same is refused by Step with
// ErrStale and has no effect.
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
