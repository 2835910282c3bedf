package interp

import (
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/asl"
)

// maxIterations is how many iterations of an inline Map run at once at most.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
const maxIterations = 40

// branch starts all branches of a Parallel state.
func (x *stepper) branch(f *frame, in *asl.Payload) {
	branches := f.state.Parallel.Branches
	x.follow(f, "ParallelStateStarted", "", nil)
	f.Fork = &fork{Input: in, Results: make([]*asl.Payload, len(branches)), Running: make(map[int]int64, len(branches))}
	for range branches {
		x.nextChild(f, f.Previous)
	}
}

// mapItems starts the first iterations of a Map state.
func (x *stepper) mapItems(f *frame, in *asl.Payload) {
	env := x.env(f)
	env.Input = in
	items, err := f.state.Map.Items.List(env)
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	width := int64(0)
	if f.state.Map.MaxConcurrency != nil {
		if width, err = f.state.Map.MaxConcurrency.Int(env); err != nil {
			x.handle(f, f.runtime(err))
			return
		}
	}
	if width == 0 || width > maxIterations {
		width = maxIterations
	}
	x.follow(f, "MapStateStarted", "mapStateStartedEventDetails", &MapStateStartedDetails{Length: len(items)})
	f.Fork = &fork{Input: in, Items: make([]*asl.Payload, len(items)), Results: make([]*asl.Payload, len(items)), Running: map[int]int64{}}
	for i, v := range items {
		f.Fork.Items[i] = asl.PayloadOf(v)
	}
	if len(items) == 0 {
		x.joined(f)
		return
	}
	for range min(int(width), len(items)) {
		x.nextChild(f, f.Previous)
		if f.Fork == nil { // the first item could not be made: the state has failed
			return
		}
	}
}

// nextChild starts the next branch or iteration of f; previous is the event that it follows.
func (x *stepper) nextChild(f *frame, previous int64) {
	k := f.Fork
	i := k.Next
	k.Next++
	if f.state.Type == asl.TypeParallel {
		c := x.frame(f, i, f.state.Parallel.Branches[i], k.Input)
		c.Previous = previous
		k.Running[i] = c.ID
		x.ready = append(x.ready, c)
		return
	}
	c := x.frame(f, i, f.state.Map.Processor, nil)
	c.Item = k.Items[i]
	k.Items[i] = nil
	k.Running[i] = c.ID
	c.Previous = previous
	env := x.env(f)
	env.Input = k.Input
	env.Scope = &scope{x, f, c}
	input, err := f.state.Map.Items.Item(env, c.Item.Value())
	if err != nil {
		x.abortChildren(f, c)
		f.Previous = previous
		x.handle(f, f.runtime(err))
		return
	}
	c.Input = input
	x.follow(c, "MapIterationStarted", "mapIterationStartedEventDetails", &MapIterationDetails{Name: f.StateName, Index: i})
	x.ready = append(x.ready, c)
}

// childEnded takes the output of a branch or iteration.
func (x *stepper) childEnded(c *frame, output *asl.Payload) {
	f := x.s.Frames[c.Parent]
	k := f.Fork
	delete(x.s.Frames, c.ID)
	delete(k.Running, c.Index)
	k.Results[c.Index] = output
	last := c.Previous
	if f.state.Type == asl.TypeMap {
		last = x.record(c.Previous, "MapIterationSucceeded", "mapIterationSucceededEventDetails", &MapIterationDetails{Name: f.StateName, Index: c.Index})
	}
	switch {
	case k.Next < len(k.Results):
		f.Previous = c.Previous
		x.nextChild(f, c.Previous)
	case len(k.Running) == 0:
		f.Previous = last
		x.joined(f)
	}
}

// joined leaves a Parallel or Map state whose children have all succeeded. The output is their outputs' texts, one after
// the other.
func (x *stepper) joined(f *frame) {
	x.record(f.Previous, string(f.state.Type)+"StateSucceeded", "", nil)
	n := 2
	for _, r := range f.Fork.Results {
		n += len(r.Text()) + 1
	}
	var text strings.Builder
	text.Grow(n)
	text.WriteByte('[')
	for i, r := range f.Fork.Results {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(r.Text())
	}
	text.WriteByte(']')
	f.Fork = nil
	x.succeed(f, asl.NewPayload(text.String()))
}

// childFailed ends a Parallel or Map state because one of its children has failed.
func (x *stepper) childFailed(c *frame, e failure) {
	f := x.s.Frames[c.Parent]
	if f.state.Type == asl.TypeMap {
		x.record(c.Previous, "MapIterationFailed", "mapIterationFailedEventDetails", &MapIterationDetails{Name: f.StateName, Index: c.Index})
	}
	f.Previous = c.Previous
	x.abortChildren(f, c)
	e.task = false
	x.handle(f, e)
}

// abortable lists the types of states whose abortion AWS records.
var abortable = []asl.Type{asl.TypeTask, asl.TypeWait, asl.TypeParallel, asl.TypeMap}

// abortChildren ends all children of f but the one that has failed, which is only removed. Events of the aborted ones
// follow their own threads.
func (x *stepper) abortChildren(f, failed *frame) {
	delete(x.s.Frames, failed.ID)
	delete(f.Fork.Running, failed.Index)
	indexes := make([]int, 0, len(f.Fork.Running))
	for i := range f.Fork.Running {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		c := x.s.Frames[f.Fork.Running[i]]
		if c.Fork != nil {
			x.abortChildren(c, &frame{Index: -1})
		}
		x.cancel(c)
		if c.EnteredID != 0 && slices.Contains(abortable, c.state.Type) {
			x.follow(c, string(c.state.Type)+"StateAborted", "", nil)
		}
		if f.state.Type == asl.TypeMap {
			x.follow(c, "MapIterationAborted", "mapIterationAbortedEventDetails", &MapIterationDetails{Name: f.StateName, Index: i})
		}
		delete(x.s.Frames, c.ID)
	}
}
