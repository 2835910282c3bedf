package asl

import "iter"

// StateMachine is a checked definition. It is immutable and may be used by any number of executions at once.
type StateMachine struct {
	Comment        string
	Version        string
	QueryLanguage  string // JSONPath or JSONata: of the states that do not say
	TimeoutSeconds int64  // 0 for none
	*Workflow

	byName map[string]*State
}

// State finds a state anywhere in the machine: names are unique throughout. It returns nil when there is none.
func (m *StateMachine) State(name string) *State { return m.byName[name] }

// All yields every state with those inside Map and Parallel states, each parent before its children.
func (m *StateMachine) All() iter.Seq[*State] {
	return func(yield func(*State) bool) { m.Workflow.walk(yield) }
}

// Workflow is a set of states with a start: the machine itself, a branch of a Parallel state or the processor of a Map.
type Workflow struct {
	StartAt string
	Start   *State
	States  []*State // in the order of the definition
}

func (w *Workflow) walk(yield func(*State) bool) bool {
	for _, s := range w.States {
		if !yield(s) {
			return false
		}
		switch {
		case s.Parallel != nil:
			for _, b := range s.Parallel.Branches {
				if !b.walk(yield) {
					return false
				}
			}
		case s.Map != nil:
			if !s.Map.Processor.walk(yield) {
				return false
			}
		}
	}
	return true
}

// Type is a state's type.
type Type string

// The types of states.
const (
	TypePass     Type = "Pass"
	TypeTask     Type = "Task"
	TypeChoice   Type = "Choice"
	TypeWait     Type = "Wait"
	TypeSucceed  Type = "Succeed"
	TypeFail     Type = "Fail"
	TypeParallel Type = "Parallel"
	TypeMap      Type = "Map"
)

// State is one state. Exactly the pointer that belongs to its type is set; Succeed has none.
type State struct {
	Name          string
	Type          Type
	Comment       string
	QueryLanguage string // JSONPath or JSONata
	Location      string // such as /States/A/Branches[0]/States/B
	Next          *State // nil at the end and for Choice, Succeed and Fail

	// Data moves the state's data: from its input to what it works on, and from its result to its output.
	Data Language

	Retry []Retrier
	Catch []Catcher

	Pass     *Pass
	Task     *Task
	Choice   *Choice
	Wait     *Wait
	Fail     *Fail
	Parallel *Parallel
	Map      *Map

	ends bool // End is true
}

// Language moves data through a state in the way of the state's query language. In every call env.Input is the state's
// input as it came. Errors are of type *Error.
type Language interface {
	// Arguments gives what the state works on: InputPath and Parameters in JSONPath, Arguments in JSONata.
	Arguments(env *Env) (*Payload, error)
	// Output makes the state's output of its result, and the variables that it assigns: ResultSelector, Assign, ResultPath
	// and OutputPath in JSONPath, Assign and Output in JSONata.
	Output(env *Env, result *Payload) (*Payload, []Variable, error)
}

// Variable is a workflow variable with its new value.
type Variable struct {
	Name  string
	Value any
}

// Condition decides about a rule of a Choice state. env.Input is the effective input.
type Condition interface {
	Holds(env *Env) (bool, error)
}

// Integer is a whole number that stands in the definition or is found out while the state runs.
type Integer interface {
	Int(env *Env) (int64, error)
}

// Text is a text that stands in the definition or is found out while the state runs.
type Text interface {
	Text(env *Env) (string, error)
}

// Number is a number that stands in the definition or is found out while the state runs.
type Number interface {
	Number(env *Env) (float64, error)
}

// Value is a JSON value that stands in the definition or is found out while the state runs.
type Value interface {
	Value(env *Env) (any, error)
}

// Item is one item of a Map state.
type Item struct {
	Value any
	Key   string // the member's name, when the items are the members of an object
	Keyed bool
}

// Items selects the items of a Map state and makes the input of one iteration. env.Input is the effective input.
type Items interface {
	List(env *Env) ([]Item, error)
	// Input makes the input of an iteration, whose item the context object already shows.
	Input(env *Env, item Item) (*Payload, error)
}

// Pass is what only a Pass state has.
type Pass struct {
	Result *Payload // nil for none: the effective input is the result
}

// Wait is what only a Wait state has; exactly one is set.
type Wait struct {
	Seconds   Integer
	Timestamp Text // an RFC 3339 time
}

// Fail is what only a Fail state has; nil means that the field is absent.
type Fail struct {
	Error, Cause Text
}

// Choice is what only a Choice state has.
type Choice struct {
	Rules   []Rule
	Default *State // nil for none
}

// Rule is one rule of a Choice state.
type Rule struct {
	Condition Condition
	Next      *State
	Data      Language // the state's, with the rule's own Assign
}

// Parallel is what only a Parallel state has.
type Parallel struct {
	Branches []*Workflow
}

// Map is what only a Map state has.
type Map struct {
	Processor      *Workflow
	Items          Items
	Selects        bool    // there is an ItemSelector, or the older Parameters
	MaxConcurrency Integer // nil for none
	// ToleratedCount and ToleratedPercentage are nil for none. An inline Map evaluates them and tolerates nothing.
	ToleratedCount      Integer
	ToleratedPercentage Number
	Distributed         *Distributed // nil for an inline Map
}

// Distributed is what only a Map state in distributed mode has. Its items are worked on by child executions.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
type Distributed struct {
	Express bool         // the type of the child executions
	Label   string       // as in the definition; empty for none
	Reader  *Integration // ItemReader; nil for none
	Writer  *Integration // ResultWriter; nil for none
	Batcher *Batcher     // nil for none
	machine *StateMachine
}

// Integration is a call of a service that a Map state makes to read its items or write its results.
type Integration struct {
	Resource  string // such as arn:aws:states:::s3:getObject; empty when nothing is to be called
	Arguments Value  // Parameters in JSONPath; nil for none
	Config    Value  // ReaderConfig or WriterConfig, with what its paths give; nil for none
}

// Batcher puts several items into the input of one child execution. At least one limit is set.
type Batcher struct {
	MaxItems Integer // nil for none
	MaxBytes Integer // nil for none
	Input    Value   // BatchInput; nil for none
}

// Child is the machine that the child executions of a Map state in distributed mode run; nil for every other state.
func (m *StateMachine) Child(mapState string) *StateMachine {
	s := m.byName[mapState]
	if s == nil || s.Map == nil || s.Map.Distributed == nil {
		return nil
	}
	return s.Map.Distributed.machine
}

// Retrier is an entry of Retry.
type Retrier struct {
	ErrorEquals     []string
	IntervalSeconds int64   // at least 1
	MaxAttempts     int64   // 0 never retries
	BackoffRate     float64 // at least 1
	MaxDelaySeconds int64   // 0 for no limit
	FullJitter      bool
}

// Catcher is an entry of Catch. Data.Output makes the output of the error output.
type Catcher struct {
	ErrorEquals []string
	Next        *State
	Data        Language
}

// Matches reports whether one of the names of ErrorEquals stands for an error.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
func Matches(errorEquals []string, name string) bool {
	for _, e := range errorEquals {
		switch e {
		case name, ErrAll:
			return true
		case ErrTaskFailed:
			if name != ErrTimeout && name != ErrHeartbeatTimeout {
				return true
			}
		case ErrTimeout:
			if name == ErrHeartbeatTimeout {
				return true
			}
		}
	}
	return false
}

// The reserved error names.
const (
	ErrAll               = "States.ALL"
	ErrTaskFailed        = "States.TaskFailed"
	ErrTimeout           = "States.Timeout"
	ErrHeartbeatTimeout  = "States.HeartbeatTimeout"
	ErrRuntime           = "States.Runtime"
	ErrDataLimitExceeded = "States.DataLimitExceeded"
	ErrResultPath        = "States.ResultPathMatchFailure"
	ErrIntrinsic         = "States.IntrinsicFailure"
	ErrQuery             = "States.QueryEvaluationError"
	ErrItemReader        = "States.ItemReaderFailed"
	ErrResultWriter      = "States.ResultWriterFailed"
	ErrThreshold         = "States.ExceedToleratedFailureThreshold"
)

// Error is an error of a state while it runs.
type Error struct {
	Name  string // such as States.Runtime
	Cause string
	// Field is where the JSONata expression stands that could not be evaluated, such as Output/name; empty for other errors.
	Field string
	// Follows says that the EvaluationFailed event follows the StateEntered event, not the one before it.
	Follows bool
}

func (e *Error) Error() string { return e.Name + ": " + e.Cause }

// TaskReference is a Lambda function that a Task state calls.
type TaskReference struct {
	State    string // the state's name
	Location string // of the value in the definition, such as /States/A/Resource
	Function string // name or ARN, as written; empty when it is found out only while the state runs
}

// TaskReferences lists the Lambda functions that the machine's Task states call, in the order of the definition.
func (m *StateMachine) TaskReferences() []TaskReference {
	var refs []TaskReference
	for s := range m.All() {
		if s.Task != nil && (s.Task.Kind == TaskFunction || s.Task.Service == "lambda") {
			refs = append(refs, TaskReference{State: s.Name, Location: s.Location + s.Task.functionField, Function: s.Task.Function})
		}
	}
	return refs
}
