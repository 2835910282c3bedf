package interp

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Test is what TestState tries.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html
type Test struct {
	State string // the name of the state in the machine
	Input json.RawMessage
	// Options name the execution for the context object; Input is not used.
	Options StartOptions
	At      time.Time
	Seed    uint64
	// Variables is a JSON object; empty for none. Context is the context object to show; empty for one made of Options.
	Variables, Context json.RawMessage
	// Mock is the outcome of a Task, Map or Parallel state; nil for none.
	Mock *Mock
	// Retries is how often each retrier has tried before.
	Retries int64
	// MapFailures is how many iterations of a Map have failed; CausedBy the state within a Map or Parallel state that the
	// mocked error comes from.
	MapFailures int64
	CausedBy    string
	// Items gives what the ItemReader reads, a JSON array, from its resource and its ReaderConfig (nil for none); nil for no
	// items. An error is one of the ItemReader.
	Items func(resource string, config json.RawMessage) (json.RawMessage, error)
}

// Mock is a mocked outcome: a result, or an error.
type Mock struct {
	Result       json.RawMessage // empty for an error
	Error, Cause string
}

// The statuses of a tested state.
const (
	TestSucceeded = "SUCCEEDED"
	TestFailed    = "FAILED"
	TestRetriable = "RETRIABLE"
	TestCaught    = "CAUGHT_ERROR"
)

// TestResult is what became of a tested state.
type TestResult struct {
	Status       string
	Output       json.RawMessage // nil for none
	Error, Cause string
	NextState    string
	Inspection   Inspection
}

// Inspection is what TestState tells at the levels DEBUG and TRACE: JSON texts, empty where there is none.
type Inspection struct {
	Input     string
	Stages    map[asl.Stage]string
	Result    string
	Variables string

	MaxConcurrency             *int64
	ToleratedFailureCount      *int64
	ToleratedFailurePercentage *float64

	// CatchIndex and RetryIndex tell which catcher or retrier stood for the error, and Backoff the seconds until the next
	// attempt; nil where none did.
	CatchIndex, RetryIndex, Backoff *int64
}

// TestError says why a test cannot be made: AWS's ValidationException.
type TestError struct{ Message string }

func (e *TestError) Error() string { return e.Message }

func refuseTest(format string, args ...any) error {
	return &TestError{fmt.Sprintf(format, args...)}
}

// test watches the state that is tried.
type test struct {
	TestResult
	state   *asl.State
	context any
}

// TestState tries one state by itself. call performs its task and gives the outcome, EventTaskSucceeded or
// EventTaskFailed; it is not called for a mocked one and may be nil otherwise only for states of other types. A Wait state
// does not wait. Map and Parallel states, and tasks whose outcome comes from outside (activities, .sync and
// .waitForTaskToken), must be mocked. The error, if any, is a *TestError.
func TestState(m *asl.StateMachine, t Test, call func(*InvokeTask) Event) (TestResult, error) {
	state := m.State(t.State)
	if state == nil {
		return TestResult{}, refuseTest("State not found in definition")
	}
	w := &test{state: state}
	w.Inspection.Stages = map[asl.Stage]string{}
	if err := w.check(state, &t); err != nil {
		return TestResult{}, err
	}
	t.Options.Input = t.Input
	s := Start(m, t.Options)
	s.Status = StatusRunning
	s.Open = map[int64]open{}
	x := &stepper{m: m, s: s, now: t.At.UTC(), random: *asl.NewRandom(t.Seed), budget: maxStates, test: w}
	f := &frame{
		ID: 1, StateName: state.Name, state: state, Input: s.Input, Entered: x.now, EnteredID: 2, Previous: 2,
		Attempts: slices.Repeat([]int64{t.Retries}, len(state.Retry)),
	}
	s.Frames = map[int64]*frame{1: f}
	if err := w.variables(f, t.Variables); err != nil {
		return TestResult{}, err
	}
	w.Inspection.Input = s.Input.Text()
	if state.Type == asl.TypeFail && state.QueryLanguage == "JSONPath" { // it has no InputPath, and yet AWS shows one
		w.Inspection.Stages[asl.AfterInputPath] = w.Inspection.Input
	}
	switch state.Type {
	case asl.TypeParallel, asl.TypeMap:
		if err := x.tryFork(f, &t); err != nil {
			return TestResult{}, err
		}
	default:
		x.attempt(f)
		x.tryTask(f, &t, call)
	}
	if f.Variables != nil {
		w.Inspection.Variables = variablesText(f)
	}
	return w.TestResult, nil
}

// check refuses a test that AWS refuses.
func (w *test) check(state *asl.State, t *Test) error {
	if t.Mock != nil {
		switch state.Type {
		case asl.TypeTask, asl.TypeMap, asl.TypeParallel:
		default:
			return refuseTest("State type '%s' is not supported when a mock is specified", state.Type)
		}
	}
	if t.Mock == nil && state.Task != nil && (state.Task.Kind == asl.TaskActivity || state.Task.Pattern != asl.PatternRequest) {
		return refuseTest("TestState API does not support activities, .sync and .waitForTaskToken without a mock")
	}
	if t.CausedBy != "" && !holds(state, t.CausedBy) {
		return refuseTest("State '%s', given as the cause of the error, is not within the tested state", t.CausedBy)
	}
	if len(t.Context) > 0 {
		v, err := jsonvalue.Parse(t.Context)
		o, ok := v.(*jsonvalue.Object)
		if err != nil || !ok {
			return refuseTest("Invalid Context object provided: it must be a JSON object")
		}
		if err := checkContext(o, state); err != nil {
			return err
		}
		w.context = o
	}
	if t.Mock == nil || len(t.Mock.Result) == 0 {
		return nil
	}
	v, err := jsonvalue.Parse(t.Mock.Result)
	if err != nil {
		return refuseTest("Mocked result must be valid JSON.")
	}
	if state.Type == asl.TypeMap || state.Type == asl.TypeParallel {
		results, ok := v.([]any)
		if !ok {
			return refuseTest("Mocked result must be an array.")
		}
		if state.Parallel != nil && len(results) != len(state.Parallel.Branches) {
			return refuseTest("Mocked result must contain the same number of items as number of Parallel branches.")
		}
	}
	return nil
}

// holds reports whether a Map or Parallel state has a state of this name within.
func holds(state *asl.State, name string) bool {
	var inner []*asl.Workflow
	switch {
	case state.Map != nil:
		inner = []*asl.Workflow{state.Map.Processor}
	case state.Parallel != nil:
		inner = state.Parallel.Branches
	}
	for _, w := range inner {
		for _, s := range w.States {
			if s.Name == name || holds(s, name) {
				return true
			}
		}
	}
	return false
}

// contextFields are what a mocked context object may hold; all of it is text but Execution.Input and State.RetryCount.
var contextFields = map[string][]string{
	"Execution":    {"Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"},
	"State":        {"EnteredTime", "Name", "RetryCount"},
	"StateMachine": {"Id", "Name"},
	"Task":         {"Token"},
}

func checkContext(o *jsonvalue.Object, state *asl.State) error {
	const invalid = "Invalid Context object provided: "
	for i := range o.Len() {
		name, v := o.At(i)
		fields, ok := contextFields[name]
		switch {
		case name == "Map":
			return refuseTest(invalid + "'Map' field is not supported when mocking a Context object")
		case !ok:
			return refuseTest(invalid+"Field '%s' is not allowed", name)
		case name == "Task" && (state.Task == nil || state.Task.Pattern == asl.PatternRequest):
			return refuseTest(invalid + "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern")
		}
		inner, ok := v.(*jsonvalue.Object)
		if !ok {
			return refuseTest(invalid+"%s must be an object", name)
		}
		for j := range inner.Len() {
			field, v := inner.At(j)
			if !slices.Contains(fields, field) {
				return refuseTest(invalid+"Field '%s' is not allowed", field)
			}
			switch field {
			case "Input":
			case "RetryCount", "RedriveCount":
				if _, ok := v.(jsonvalue.Number); !ok {
					return refuseTest(invalid+"%s.%s must be a number", name, field)
				}
			default:
				if _, ok := v.(string); !ok {
					return refuseTest(invalid+"%s.%s must be a string", name, field)
				}
			}
		}
	}
	return nil
}

// variables gives the frame its variables.
func (w *test) variables(f *frame, text json.RawMessage) error {
	if len(text) == 0 {
		return nil
	}
	v, err := jsonvalue.Parse(text)
	o, ok := v.(*jsonvalue.Object)
	if err != nil || !ok {
		return refuseTest("Variables must be a JSON object")
	}
	for i := range o.Len() {
		name, v := o.At(i)
		if f.Variables == nil {
			f.Variables = map[string]*asl.Payload{}
		}
		f.Variables[name] = asl.PayloadOf(v)
	}
	return nil
}

func variablesText(f *frame) string {
	var names []string
	for name := range f.Variables {
		names = append(names, name)
	}
	slices.Sort(names)
	o := jsonvalue.NewObject(len(names))
	for _, name := range names {
		o.Set(name, f.Variables[name].Value())
	}
	return string(jsonvalue.Marshal(o))
}

// tryTask answers what the state has asked for.
func (x *stepper) tryTask(f *frame, t *Test, call func(*InvokeTask) Event) {
	for _, c := range x.out.Commands {
		switch {
		case c.StartTimer != nil && x.s.Open[c.ID].Use == useWait:
			x.succeed(f, nil)
			return
		case c.InvokeTask != nil, c.ScheduleActivity != nil:
			var ev Event
			if t.Mock != nil {
				ev = t.Mock.event()
			} else {
				ev = call(c.InvokeTask)
			}
			if ev.Kind == EventTaskSucceeded {
				x.test.Inspection.Result = strings.ToValidUTF8(string(ev.Output), "\uFFFD")
			}
			x.taskAnswered(f, ev)
			return
		}
	}
}

func (m *Mock) event() Event {
	if len(m.Result) == 0 {
		return Event{Kind: EventTaskFailed, Error: m.Error, Cause: m.Cause}
	}
	return Event{Kind: EventTaskSucceeded, Output: m.Result}
}

// tryFork tries a Map or Parallel state, whose children are mocked.
func (x *stepper) tryFork(f *frame, t *Test) error {
	if t.Mock == nil {
		return refuseTest("TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]")
	}
	over := false
	if m := f.state.Map; m != nil {
		ok, err := x.tryItems(f, t, &over)
		if !ok || err != nil {
			return err
		}
	}
	switch {
	case len(t.Mock.Result) == 0:
		x.handle(f, failure{name: t.Mock.Error, cause: t.Mock.Cause})
	case over:
		x.handle(f, failure{name: asl.ErrThreshold, cause: "The specified tolerated failure threshold was exceeded"})
	default:
		x.succeed(f, asl.NewPayload(string(t.Mock.Result)))
	}
	return nil
}

// tryItems evaluates what a Map state does before its first iteration. It is not ok when the state has failed. over tells
// whether more iterations have failed than are tolerated.
func (x *stepper) tryItems(f *frame, t *Test, over *bool) (ok bool, refused error) {
	m := f.state.Map
	i := &x.test.Inspection
	env := x.env(f)
	in, err := f.state.Data.Arguments(env)
	items := 0
	if err == nil {
		env.Input = in
		var r run
		if m.Distributed != nil {
			err = r.prepare(m.Distributed, env)
		}
		var found []asl.Item
		switch {
		case err != nil:
		case m.Distributed == nil || m.Distributed.Reader == nil:
			found, err = m.Items.List(env)
		case t.Items != nil:
			found, err = x.tryReader(&r, t)
		}
		items = len(found)
		if err == nil && (m.Selects || r.Batch) {
			err = x.tryInputs(f, env, &r, found)
		}
	}
	width := int64(0)
	if err == nil && m.MaxConcurrency != nil {
		width, err = m.MaxConcurrency.Int(env)
	}
	if err == nil {
		i.MaxConcurrency = &width
		i.ToleratedFailureCount, i.ToleratedFailurePercentage, err = tolerated(m, env)
	}
	if err != nil {
		x.handle(f, f.runtime(err))
		return false, nil
	}
	if t.MapFailures > int64(items) {
		return false, refuseTest("Map iteration failure count must be less than or equal to the number of Map iterations")
	}
	count, percentage := i.ToleratedFailureCount, i.ToleratedFailurePercentage
	*over = t.MapFailures > 0 && (count == nil && percentage == nil || count != nil && t.MapFailures > *count ||
		percentage != nil && float64(t.MapFailures)*100 > *percentage*float64(items))
	return true, nil
}

// tryReader takes the items that the ItemReader is said to read.
func (x *stepper) tryReader(r *run, t *Test) ([]asl.Item, error) {
	text, err := t.Items(r.Resource, raw(r.Config))
	if err != nil {
		return nil, &asl.Error{Name: asl.ErrItemReader, Cause: err.Error()}
	}
	v, _ := jsonvalue.Parse(text)
	values, _ := v.([]any)
	found := make([]asl.Item, len(values))
	for i, v := range values {
		found[i].Value = v
	}
	if r.Config != nil {
		if c, ok := r.Config.Value().(*jsonvalue.Object); ok {
			if _, points := c.Get("ItemsPointer"); points {
				x.test.trace(asl.AfterItemsPointer, asl.NewPayload(string(text)))
			}
		}
	}
	return found, nil
}

// tryInputs makes the inputs of all iterations of a Map state, and of its batches where it has an ItemBatcher.
func (x *stepper) tryInputs(f *frame, env *asl.Env, r *run, items []asl.Item) error {
	m := f.state.Map
	inputs := make([]*asl.Payload, len(items))
	for i := range items {
		it := newItem(&items[i])
		at := *env
		at.Scope = &scope{x, f, &frame{Index: i, Item: it}}
		var err error
		if inputs[i], err = m.Items.Input(&at, it.given()); err != nil {
			return err
		}
	}
	if m.Selects {
		x.test.trace(asl.AfterItemSelector, list(inputs))
	}
	if !r.Batch {
		return nil
	}
	var batches []*asl.Payload
	for len(inputs) > 0 {
		some, _, err := r.take(len(inputs), func(i int) (*asl.Payload, error) { return inputs[i], nil })
		if err != nil {
			return err
		}
		batches = append(batches, r.given(some))
		inputs = inputs[len(some):]
	}
	x.test.trace(asl.AfterItemBatcher, list(batches))
	return nil
}

// trace notes a stage of the data flow, where AWS shows it.
func (w *test) trace(stage asl.Stage, p *asl.Payload) {
	s := w.state
	shown := true
	switch stage {
	case asl.AfterInputPath:
		shown = s.Pass == nil || s.Pass.Result == nil
	case asl.AfterParameters:
		shown = s.Type == asl.TypeTask || s.Pass != nil && s.Pass.Result == nil
	case asl.AfterResultSelector, asl.AfterResultPath:
		shown = s.Type == asl.TypePass || s.Type == asl.TypeTask || s.Type == asl.TypeParallel || s.Type == asl.TypeMap
		if s.Pass != nil && s.Pass.Result != nil {
			w.Inspection.Result = s.Pass.Result.Text()
		}
	}
	if shown {
		w.Inspection.Stages[stage] = p.Text()
	}
}

// left takes the state's output.
func (w *test) left(next *asl.State, out *asl.Payload) {
	if w.Status != TestCaught {
		w.Status = TestSucceeded
	}
	w.Output = json.RawMessage(out.Text())
	if next != nil {
		w.NextState = next.Name
	}
}

// retried notes that a retrier stands for the error, and whether it has attempts left.
func (w *test) retried(f *frame, i int, e failure, random *asl.Random) bool {
	index := int64(i)
	w.Inspection.RetryIndex = &index
	r := &f.state.Retry[i]
	done := f.Attempts[i]
	if done >= r.MaxAttempts {
		return false
	}
	w.Error, w.Cause = e.name, e.cause
	seconds := int64(math.Round(delay(r, done, random).Seconds()))
	w.Inspection.Backoff = &seconds
	w.Status = TestRetriable
	return true
}

// caught notes that a catcher stands for the error.
func (w *test) caught(i int, e failure) {
	index := int64(i)
	w.Inspection.CatchIndex = &index
	w.Status, w.Error, w.Cause = TestCaught, e.name, e.cause
}

// failed notes that the state has failed.
func (w *test) failed(e failure) {
	w.Status, w.Error, w.Cause, w.Output, w.NextState = TestFailed, e.name, e.cause, nil, ""
}
