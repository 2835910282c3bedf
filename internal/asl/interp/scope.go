package interp

import (
	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// env is what the expressions of the frame's state see.
func (x *stepper) env(f *frame) *asl.Env {
	e := &struct {
		asl.Env
		scope
	}{scope: scope{x: x, f: f}}
	e.Input, e.Scope, e.Random, e.Now = f.Input, &e.scope, &x.random, x.now
	if x.test != nil {
		e.Trace = x.test.trace
	}
	return &e.Env
}

// scope is what lies around the state of a frame.
type scope struct {
	x *stepper
	f *frame
	// iteration is the one whose item selector is being evaluated, or nil.
	iteration *frame
}

var _ asl.Scope = (*scope)(nil)

// Variable looks in the frame's scope and then in those around it.
func (s *scope) Variable(name string) (any, bool) {
	for f := s.f; f != nil; f = s.x.s.Frames[f.Parent] {
		if v, ok := f.Variables[name]; ok {
			return v.Value(), true
		}
	}
	return nil, false
}

// timeFormat is how the context object writes times.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Context makes the context object of the frame's state.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
func (s *scope) Context() any {
	x, f, iteration := s.x, s.f, s.iteration
	if x.test != nil && x.test.context != nil {
		return x.test.context
	}
	o := &x.s.Options
	execution := jsonvalue.NewObject(7)
	execution.Set("Id", o.ExecutionARN)
	execution.Set("Input", x.s.Input.Value())
	execution.Set("StartTime", o.StartTime.UTC().Format(timeFormat))
	execution.Set("Name", o.ExecutionName)
	execution.Set("RoleArn", o.RoleARN)
	if x.test == nil {
		execution.Set("RedriveCount", jsonvalue.Int(o.RedriveCount))
	} else if o.RoleARN == "" {
		execution.Set("RoleArn", nil)
	}
	if !o.RedriveTime.IsZero() {
		execution.Set("RedriveTime", o.RedriveTime.UTC().Format(timeFormat))
	}
	machine := jsonvalue.NewObject(2)
	machine.Set("Id", o.StateMachineARN)
	machine.Set("Name", o.StateMachineName)
	state := jsonvalue.NewObject(3)
	state.Set("Name", f.StateName)
	if x.test != nil {
		state.Set("Name", "StateName") // as AWS shows it
	}
	state.Set("EnteredTime", f.Entered.UTC().Format(timeFormat))
	switch f.state.Type {
	case asl.TypeTask, asl.TypeParallel, asl.TypeMap:
		state.Set("RetryCount", jsonvalue.Int(f.Retries))
	}
	c := jsonvalue.NewObject(5)
	c.Set("Execution", execution)
	c.Set("StateMachine", machine)
	c.Set("State", state)
	if f.Task != nil && f.state.Task != nil && f.state.Task.Pattern == asl.PatternToken {
		task := jsonvalue.NewObject(1)
		task.Set("Token", f.Task.Token)
		c.Set("Task", task)
	}
	if iteration == nil {
		iteration = f
	}
	for iteration != nil && iteration.Item == nil {
		iteration = x.s.Frames[iteration.Parent]
	}
	if iteration != nil {
		item := jsonvalue.NewObject(3)
		item.Set("Index", jsonvalue.Int(int64(iteration.Index)))
		if iteration.Item.Key != nil {
			item.Set("Key", *iteration.Item.Key)
		}
		item.Set("Value", iteration.Item.Value.Value())
		m := jsonvalue.NewObject(1)
		m.Set("Item", item)
		c.Set("Map", m)
	}
	return c
}
