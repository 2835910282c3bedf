package interp

import (
	"maps"
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
	m := f.state.Map
	env := x.env(f)
	env.Input = in
	refuse := func(err error) {
		e := f.runtime(err)
		e.began = e.field != ""
		x.handle(f, e)
	}
	var items []asl.Item
	var err error
	if m.Distributed == nil || m.Distributed.Reader == nil {
		if items, err = m.Items.List(env); err != nil {
			refuse(err)
			return
		}
	}
	width := int64(0)
	if m.MaxConcurrency != nil {
		if width, err = m.MaxConcurrency.Int(env); err != nil {
			refuse(err)
			return
		}
	}
	x.follow(f, "MapStateStarted", "mapStateStartedEventDetails", &MapStateStartedDetails{Length: len(items)})
	count, percentage, err := tolerated(m, env)
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	k := &fork{Input: in, Running: map[int]int64{}, Items: make([]*item, len(items))}
	for i := range items {
		k.Items[i] = newItem(&items[i])
	}
	if m.Distributed != nil {
		x.beginRun(f, env, k, &run{Width: width, Count: count, Percentage: percentage})
		return
	}
	f.Fork = k
	k.Results = make([]*asl.Payload, len(items))
	if len(items) == 0 {
		x.joined(f)
		return
	}
	if width == 0 || width > maxIterations {
		width = maxIterations
	}
	k.Width = int(width)
	x.nextIterations(f)
}

// nextIterations starts iterations of an inline Map until as many run as may.
func (x *stepper) nextIterations(f *frame) {
	for k := f.Fork; x.within(f, k) && len(k.Running) < k.Width && k.Next < len(k.Results); {
		x.nextChild(f, f.Previous)
	}
}

// within reports whether the frame is still about this fork.
func (x *stepper) within(f *frame, k *fork) bool { return x.s.Frames[f.ID] == f && f.Fork == k }

func newItem(i *asl.Item) *item {
	it := &item{Value: asl.PayloadOf(i.Value)}
	if i.Keyed {
		it.Key = &i.Key
	}
	return it
}

// given is the item as the state's item selector takes it.
func (i *item) given() asl.Item {
	it := asl.Item{Value: i.Value.Value()}
	if i.Key != nil {
		it.Key, it.Keyed = *i.Key, true
	}
	return it
}

// tolerated finds the tolerated failures of a Map state; nil stands for none given.
func tolerated(m *asl.Map, env *asl.Env) (count *int64, percentage *float64, err error) {
	if m.ToleratedCount != nil {
		n, err := m.ToleratedCount.Int(env)
		if err != nil {
			return nil, nil, err
		}
		if n < 0 {
			return nil, nil, &asl.Error{Name: asl.ErrRuntime, Cause: "ToleratedFailureCount cannot be negative."}
		}
		count = &n
	}
	if m.ToleratedPercentage != nil {
		p, err := m.ToleratedPercentage.Number(env)
		if err != nil {
			return nil, nil, err
		}
		if p < 0 || p > 100 {
			return nil, nil, &asl.Error{Name: asl.ErrRuntime, Cause: "ToleratedFailurePercentage must be between 0 and 100."}
		}
		percentage = &p
	}
	return count, percentage, nil
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
	input, err := f.state.Map.Items.Input(env, c.Item.given())
	if err != nil {
		x.remove(c) // it was never begun
		delete(k.Running, i)
		k.Items[i] = c.Item
		k.Next--
		x.abortChildren(f, &frame{Index: -1})
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
	x.remove(c)
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

// joined leaves a Parallel or inline Map state whose children have all succeeded.
func (x *stepper) joined(f *frame) {
	x.record(f.Previous, string(f.state.Type)+"StateSucceeded", "", nil)
	result := list(f.Fork.Results)
	f.Fork = nil
	x.succeed(f, result)
}

// list makes an array of results: their texts, one after the other. It leaves out what is nil.
func list(results []*asl.Payload) *asl.Payload {
	n := 2
	for _, r := range results {
		if r != nil {
			n += len(r.Text()) + 1
		}
	}
	var text strings.Builder
	text.Grow(n)
	text.WriteByte('[')
	for _, r := range results {
		if r == nil {
			continue
		}
		if text.Len() > 1 {
			text.WriteByte(',')
		}
		text.WriteString(r.Text())
	}
	text.WriteByte(']')
	return asl.NewPayload(text.String())
}

// childFailed ends a Parallel or Map state because one of its children has failed.
func (x *stepper) childFailed(c *frame, e failure) {
	f := x.s.Frames[c.Parent]
	if f.state.Type == asl.TypeMap {
		x.record(c.Previous, "MapIterationFailed", "mapIterationFailedEventDetails", &MapIterationDetails{Name: f.StateName, Index: c.Index})
	}
	f.Previous = c.Previous
	x.abortChildren(f, c)
	e.task, e.field, e.began = false, "", false
	x.handle(f, e)
}

// abortable lists the types of states whose abortion AWS records.
var abortable = []asl.Type{asl.TypeTask, asl.TypeWait, asl.TypeParallel, asl.TypeMap}

// abortChildren ends all children of f but the one that has failed, which is only removed. Events of the aborted ones
// follow their own threads. The fork stays as it was, for a redrive.
func (x *stepper) abortChildren(f, failed *frame) {
	if f.Fork.Run != nil {
		x.abortRun(f)
		return
	}
	if failed.ID != 0 {
		x.remove(failed)
		x.lost = append(x.lost, failed)
	}
	for _, i := range slices.Sorted(maps.Keys(f.Fork.Running)) {
		if i == failed.Index && failed.ID != 0 {
			continue
		}
		c := x.s.Frames[f.Fork.Running[i]]
		if c.Fork != nil {
			x.abortChildren(c, &frame{Index: -1})
		}
		x.cancel(c)
		x.lost = append(x.lost, c)
		if c.EnteredID != 0 && slices.Contains(abortable, c.state.Type) {
			x.follow(c, string(c.state.Type)+"StateAborted", "", nil)
		}
		if f.state.Type == asl.TypeMap {
			x.follow(c, "MapIterationAborted", "mapIterationAbortedEventDetails", &MapIterationDetails{Name: f.StateName, Index: i})
		}
		x.remove(c)
	}
}
