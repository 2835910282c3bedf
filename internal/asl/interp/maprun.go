package interp

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// run is the Map run of a Map state in distributed mode. The frame's fork holds the items that are not begun (Items), the
// commands of the children that run (Running), and, unless they are written elsewhere, the results.
type run struct {
	ARN     string `json:"arn"`
	Label   string `json:"label"`
	Command int64  `json:"command"` // the StartMapRun; 0 before
	// Width is MaxConcurrency, 0 for none; Count and Percentage are the tolerated failures, nil for none given.
	Width      int64    `json:"width,omitempty"`
	Count      *int64   `json:"count,omitempty"`
	Percentage *float64 `json:"percentage,omitempty"`

	Read   int    `json:"read"`             // items so far
	Taken  int    `json:"taken"`            // items that children have taken: the index of the next one
	Failed int    `json:"failed,omitempty"` // items of children that failed
	Cursor string `json:"cursor,omitempty"` // of the next page
	More   bool   `json:"more,omitempty"`   // there may be items that have not been read
	Asked  bool   `json:"asked,omitempty"`  // a ReadItems is open
	Paused bool   `json:"paused,omitempty"` // a timer is open after which more children are started

	// BatchItems and BatchBytes limit a child's items: 1 and 0 without an ItemBatcher; 0 stands for no limit.
	BatchItems int64        `json:"batchItems"`
	BatchBytes int64        `json:"batchBytes,omitempty"`
	Batch      bool         `json:"batch,omitempty"` // there is an ItemBatcher
	BatchInput *asl.Payload `json:"batchInput,omitempty"`
	Sizes      map[int]int  `json:"sizes,omitempty"` // items of a running or failed child, by its index, where not 1
	Lost       []int        `json:"lost,omitempty"`  // the children that failed
	Redrives   int64        `json:"redrives,omitempty"`
	Again      []int        `json:"again,omitempty"` // the children that have yet to be redriven

	Resource  string       `json:"resource,omitempty"` // of the ItemReader
	Arguments *asl.Payload `json:"arguments,omitempty"`
	Config    *asl.Payload `json:"config,omitempty"`
	Writer    *writer      `json:"writer,omitempty"` // nil when the results are the state's
}

// writer is a ResultWriter with its values.
type writer struct {
	Resource  string       `json:"resource,omitempty"`
	Arguments *asl.Payload `json:"arguments,omitempty"`
	Config    *asl.Payload `json:"config,omitempty"`
}

// maxChildren is how many child executions of a Map run there are at once at most, and startsPerStep how many of them one
// step starts, so that a step stays short.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
const (
	maxChildren   = 10_000
	startsPerStep = 1_000
)

// beginRun begins the Map run of a state whose items are known or have yet to be read.
func (x *stepper) beginRun(f *frame, env *asl.Env, k *fork, r *run) {
	d := f.state.Map.Distributed
	if err := r.prepare(d, env); err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	r.Read = len(k.Items)
	r.Label = d.Label
	if r.Label == "" {
		r.Label = x.random.UUID()
	}
	a, _ := arn.Parse(x.s.Options.StateMachineARN)
	machine, _, _ := strings.Cut(x.s.Options.StateMachineName, "/")
	a.Resource = "mapRun:" + machine + "/" + r.Label + ":" + x.random.UUID()
	r.ARN = a.String()
	k.Run, f.Fork = r, k
	x.follow(f, "MapRunStarted", "mapRunStartedEventDetails", &MapRunStartedDetails{r.ARN})
	x.startRun(f)
	x.startChildren(f)
}

// prepare evaluates the fields of the state in distributed mode.
func (r *run) prepare(d *asl.Distributed, env *asl.Env) (err error) {
	value := func(v asl.Value) *asl.Payload {
		if v == nil || err != nil {
			return nil
		}
		var found any
		if found, err = v.Value(env); err != nil {
			return nil
		}
		return asl.PayloadOf(found)
	}
	number := func(n asl.Integer) (i int64) {
		if n != nil && err == nil {
			i, err = n.Int(env)
		}
		return i
	}
	r.BatchItems = 1
	if d.Reader != nil {
		r.More, r.Resource = true, d.Reader.Resource
		r.Arguments, r.Config = value(d.Reader.Arguments), value(d.Reader.Config)
	}
	if b := d.Batcher; b != nil {
		r.Batch, r.BatchItems, r.BatchBytes = true, number(b.MaxItems), number(b.MaxBytes)
		r.BatchInput = value(b.Input)
	}
	if w := d.Writer; w != nil {
		r.Writer = &writer{w.Resource, value(w.Arguments), value(w.Config)}
		if w.Resource == "" && transformation(r.Writer.Config) != "NONE" {
			r.Writer = nil // the results go through the state's output
		}
	}
	return err
}

func transformation(config *asl.Payload) string {
	if config != nil {
		if o, ok := config.Value().(*jsonvalue.Object); ok {
			v, _ := o.Get("Transformation")
			s, _ := v.(string)
			return s
		}
	}
	return ""
}

// startRun gives StartMapRun.
func (x *stepper) startRun(f *frame) {
	r := f.Fork.Run
	r.Command = x.command(f, useRun, Command{StartMapRun: &StartMapRun{
		ARN: r.ARN, State: f.StateName, Label: r.Label, Express: f.state.Map.Distributed.Express, MaxConcurrency: r.Width,
		ToleratedFailureCount: r.Count, ToleratedFailurePercentage: r.Percentage, RedriveCount: r.Redrives,
	}})
}

// startChildren starts as many children as may run, asks for more items when they run out, and ends the Map run when
// nothing is left.
func (x *stepper) startChildren(f *frame) {
	k := f.Fork
	r := k.Run
	width := maxChildren
	if r.Width > 0 && r.Width < maxChildren {
		width = int(r.Width)
	}
	for n := 0; len(k.Running) < width; n++ {
		if n == startsPerStep {
			if !r.Paused {
				r.Paused = true
				x.timer(f, useContinue, x.now)
			}
			return
		}
		if len(r.Again) > 0 {
			i := r.Again[0]
			r.Again = r.Again[1:]
			x.startChild(f, &StartChild{MapRun: r.ARN, Index: i, Items: r.size(i), Redrive: true})
			continue
		}
		ok, err := x.nextBatch(f)
		if err != nil {
			e := f.runtime(err)
			x.evaluationFailed(f, e)
			e.field = ""
			x.runFailed(f, e)
			return
		}
		if !ok {
			break
		}
	}
	if r.More && !r.Asked && len(k.Running) < width {
		r.Asked = true
		x.command(f, useRead, Command{ReadItems: &ReadItems{
			MapRun: r.ARN, Resource: r.Resource, Arguments: raw(r.Arguments), Config: raw(r.Config), Cursor: r.Cursor,
		}})
	}
	if len(k.Running) > 0 || len(k.Items) > 0 || r.More {
		return
	}
	x.childrenEnded(f)
}

func raw(p *asl.Payload) json.RawMessage {
	if p == nil {
		return nil
	}
	return json.RawMessage(p.Text())
}

// nextBatch starts a child with the next item or items. It is not ok when there are not enough of them yet.
func (x *stepper) nextBatch(f *frame) (ok bool, err error) {
	k := f.Fork
	r := k.Run
	inputs, full, err := r.take(len(k.Items), func(i int) (*asl.Payload, error) {
		it := k.Items[i]
		if it.Input == nil {
			env := x.env(f)
			env.Input = k.Input
			env.Scope = &scope{x, f, &frame{Index: r.Taken + i, Item: it}}
			if it.Input, err = f.state.Map.Items.Input(env, it.given()); err != nil {
				return nil, err
			}
		}
		return it.Input, nil
	})
	if err != nil || len(inputs) == 0 || !full && r.More {
		return false, err
	}
	input := r.given(inputs)
	if len(input.Text()) > asl.MaxPayload {
		return false, &asl.Error{Name: asl.ErrDataLimitExceeded, Cause: tooLarge(f.StateName).cause}
	}
	clear(k.Items[:len(inputs)])
	k.Items = k.Items[len(inputs):]
	r.Taken += len(inputs)
	index := k.Next
	k.Next++
	if r.Writer == nil {
		k.Results = append(k.Results, nil)
	}
	if len(inputs) != 1 {
		if r.Sizes == nil {
			r.Sizes = map[int]int{}
		}
		r.Sizes[index] = len(inputs)
	}
	x.startChild(f, &StartChild{MapRun: r.ARN, Index: index, Items: len(inputs), Input: json.RawMessage(input.Text())})
	return true, nil
}

// take gives the inputs that the next child works on: one, or with an ItemBatcher as many as fit, of the n there are. It
// is not full when more of them would fit.
func (r *run) take(n int, input func(i int) (*asl.Payload, error)) (inputs []*asl.Payload, full bool, err error) {
	bytes := int64(0)
	for i := range n {
		if r.BatchItems > 0 && int64(len(inputs)) >= r.BatchItems {
			break
		}
		in, err := input(i)
		if err != nil {
			return nil, false, err
		}
		bytes += int64(len(in.Text())) + 1
		if r.Batch && r.BatchBytes > 0 && bytes > r.BatchBytes && len(inputs) > 0 {
			return inputs, true, nil
		}
		inputs = append(inputs, in)
	}
	return inputs, !r.Batch || r.BatchItems > 0 && int64(len(inputs)) == r.BatchItems, nil
}

// given makes the input of a child of what it works on.
func (r *run) given(inputs []*asl.Payload) *asl.Payload {
	if !r.Batch {
		return inputs[0]
	}
	o := jsonvalue.NewObject(2)
	if r.BatchInput != nil {
		o.Set("BatchInput", r.BatchInput.Value())
	}
	items := make([]any, len(inputs))
	for i, p := range inputs {
		items[i] = p.Value()
	}
	o.Set("Items", items)
	return asl.PayloadOf(o)
}

// startChild gives StartChild. Its command is kept in the fork, not in the frame, for there may be thousands.
func (x *stepper) startChild(f *frame, c *StartChild) {
	x.s.LastCommand++
	id := x.s.LastCommand
	x.s.Open[id] = open{Frame: f.ID, Use: useChild, Child: c.Index}
	f.Fork.Running[c.Index] = id
	x.out.Commands = append(x.out.Commands, Command{ID: id, StartChild: c})
}

// itemsRead takes a page of items.
func (x *stepper) itemsRead(f *frame, ev Event) {
	k := f.Fork
	r := k.Run
	r.Asked = false
	if ev.Kind == EventTaskFailed {
		x.runFailed(f, failure{name: asl.ErrItemReader, cause: ev.Cause})
		return
	}
	v, _ := jsonvalue.Parse(ev.Output)
	page, _ := v.([]any)
	for _, v := range page {
		k.Items = append(k.Items, &item{Value: asl.PayloadOf(v)})
	}
	r.Read += len(page)
	r.Cursor, r.More = ev.Cursor, ev.Cursor != ""
	if x.overThreshold(f) {
		return
	}
	x.startChildren(f)
}

// childAnswered takes the outcome of a child execution.
func (x *stepper) childAnswered(f *frame, ev Event) {
	k := f.Fork
	r := k.Run
	index := x.answered.Child
	delete(k.Running, index)
	if ev.Kind == EventTaskFailed {
		r.Failed += r.size(index)
		r.Lost = append(r.Lost, index)
		if x.overThreshold(f) {
			return
		}
	} else {
		delete(r.Sizes, index)
		if r.Writer == nil {
			k.Results[index] = asl.NewPayload(strings.ToValidUTF8(string(ev.Output), "\uFFFD"))
		}
	}
	x.startChildren(f)
}

// size is how many items a child works on.
func (r *run) size(index int) int {
	if n, ok := r.Sizes[index]; ok {
		return n
	}
	return 1
}

// overThreshold ends the Map run when more of its items have failed than are tolerated. The percentage counts when all
// items are known.
func (x *stepper) overThreshold(f *frame) bool {
	r := f.Fork.Run
	over := false
	switch {
	case r.Failed == 0:
	case r.Count == nil && r.Percentage == nil:
		over = true
	default:
		over = r.Count != nil && int64(r.Failed) > *r.Count ||
			r.Percentage != nil && !r.More && float64(r.Failed)*100 > *r.Percentage*float64(r.Read)
	}
	if over {
		x.runFailed(f, failure{name: asl.ErrThreshold, cause: "The specified tolerated failure threshold was exceeded"})
	}
	return over
}

// runUpdated takes new limits of a Map run.
func (x *stepper) runUpdated(f *frame, l *MapRunLimits) {
	r := f.Fork.Run
	if l.MaxConcurrency != nil {
		r.Width = *l.MaxConcurrency
	}
	if l.ToleratedFailureCount != nil {
		r.Count = l.ToleratedFailureCount
	}
	if l.ToleratedFailurePercentage != nil {
		r.Percentage = l.ToleratedFailurePercentage
	}
	if !x.overThreshold(f) && len(f.Fork.Running) > 0 { // with none running it waits for items or for the results
		x.startChildren(f)
	}
}

// childrenEnded writes the results, or ends the Map run with them.
func (x *stepper) childrenEnded(f *frame) {
	k := f.Fork
	if w := k.Run.Writer; w != nil {
		x.command(f, useWrite, Command{WriteResults: &WriteResults{
			MapRun: k.Run.ARN, Resource: w.Resource, Arguments: raw(w.Arguments), Config: raw(w.Config),
		}})
		return
	}
	results := k.Results
	if w := f.state.Map.Distributed.Writer; w != nil && w.Config != nil {
		env := x.env(f)
		env.Input = k.Input
		v, err := w.Config.Value(env)
		if err != nil {
			e := f.runtime(err)
			x.evaluationFailed(f, e)
			e.field = ""
			x.runFailed(f, e)
			return
		}
		if transformation(asl.PayloadOf(v)) == "FLATTEN" {
			results = flatten(results)
		}
	}
	x.runSucceeded(f, list(results))
}

// flatten puts the elements of results that are arrays in their places.
func flatten(results []*asl.Payload) []*asl.Payload {
	var flat []*asl.Payload
	for _, r := range results {
		if r == nil {
			continue
		}
		a, ok := r.Value().([]any)
		if !ok {
			flat = append(flat, r)
			continue
		}
		for _, v := range a {
			flat = append(flat, asl.PayloadOf(v))
		}
	}
	return flat
}

// resultsWritten takes the answer of WriteResults.
func (x *stepper) resultsWritten(f *frame, ev Event) {
	if ev.Kind == EventTaskFailed {
		x.runFailed(f, failure{name: asl.ErrResultWriter, cause: ev.Cause})
		return
	}
	x.runSucceeded(f, asl.NewPayload(strings.ToValidUTF8(string(ev.Output), "\uFFFD")))
}

// secondState is the ID of the StateEntered event of an execution's second state, when the first one was left at once.
const secondState = 4

// runSucceeded leaves a Map state whose Map run has succeeded.
func (x *stepper) runSucceeded(f *frame, result *asl.Payload) {
	started := f.Previous
	x.follow(f, "MapRunSucceeded", "", nil)
	x.finishRun(f, &FinishMapRun{Status: StatusSucceeded})
	x.record(f.Previous, "MapStateSucceeded", "", nil)
	if f.EnteredID == secondState { // so AWS links them: the recordings agree on it
		f.Previous = started
	}
	f.Fork = nil
	x.succeed(f, result)
}

// runFailed ends a Map run and its state with an error.
func (x *stepper) runFailed(f *frame, e failure) {
	x.stopChildren(f)
	x.follow(f, "MapRunFailed", "mapRunFailedEventDetails", &FailureDetails{Error: e.name, Cause: e.cause})
	x.finishRun(f, &FinishMapRun{Status: StatusFailed, Error: e.name, Cause: e.cause})
	x.handle(f, e)
}

// finishRun gives FinishMapRun; one that was started in this very step is finished all the same.
func (x *stepper) finishRun(f *frame, c *FinishMapRun) {
	c.Command = f.Fork.Run.Command
	delete(x.s.Open, c.Command)
	f.forget(c.Command)
	x.s.LastCommand++
	x.out.Commands = append(x.out.Commands, Command{ID: x.s.LastCommand, FinishMapRun: c})
}

// stopChildren withdraws the children that run and what else of the Map run waits for an answer, but not the run itself.
func (x *stepper) stopChildren(f *frame) {
	for _, i := range slices.Sorted(maps.Keys(f.Fork.Running)) {
		x.withdraw(f.Fork.Running[i])
	}
	run := f.Fork.Run
	commands := f.Commands
	f.Commands = nil
	for _, id := range commands {
		if id == run.Command {
			f.Commands = append(f.Commands, id)
			continue
		}
		x.withdraw(id)
	}
	run.Asked, run.Paused = false, false
}

// abortRun ends a Map run because its state is aborted.
func (x *stepper) abortRun(f *frame) {
	x.stopChildren(f)
	x.follow(f, "MapRunAborted", "", nil)
	x.cancel(f) // the run
}

// redriveRun goes on with a Map run: what has failed or was stopped is redriven, what was not begun is begun.
func (x *stepper) redriveRun(f *frame) {
	k := f.Fork
	r := k.Run
	r.Redrives++
	x.follow(f, "MapRunRedriven", "mapRunRedrivenEventDetails", &MapRunRedrivenDetails{r.ARN, r.Redrives})
	x.startRun(f)
	r.Again = append(append(slices.Collect(maps.Keys(k.Running)), r.Lost...), r.Again...)
	slices.Sort(r.Again)
	clear(k.Running)
	r.Lost, r.Failed, r.Asked, r.Paused = nil, 0, false, false
	x.startChildren(f)
}
