package interp

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tealdeploy/teal/internal/asl"
)

// complete ends the execution: everything that is open is withdrawn, and Complete is the last command.
func (x *stepper) complete(c Complete) {
	x.settle()
	x.s.Status = c.Status
	x.s.Ended = x.ended()
	x.s.Frames, x.s.Open, x.s.Deadline = nil, nil, 0
	x.ready = nil
	x.s.LastCommand++
	x.out.Commands = append(x.out.Commands, Command{ID: x.s.LastCommand, Complete: &c})
}

// settle withdraws the commands that are open; those of this very step are simply not given.
func (x *stepper) settle() {
	x.out.Commands = slices.DeleteFunc(x.out.Commands, func(c Command) bool {
		_, isOpen := x.s.Open[c.ID]
		return isOpen
	})
	for _, id := range slices.Sorted(maps.Keys(x.s.Open)) {
		if id <= x.given {
			x.withdraw(id)
		}
	}
}

// end ends the execution from outside: a stop or its deadline. Such an event follows no state.
func (x *stepper) end(status, typ, name, errorName, cause string) {
	x.write(0, typ, name, &FailureDetails{Error: errorName, Cause: cause})
	c := Complete{Status: status}
	if status == StatusAborted {
		c.Error, c.Cause = errorName, cause
	}
	x.complete(c)
}

// overflow ends the execution because its history is full.
func (x *stepper) overflow() {
	d := &FailureDetails{
		Error: asl.ErrRuntime,
		Cause: fmt.Sprintf("The execution reached the maximum number of history events (%d).", x.s.limit()),
	}
	x.write(x.fullAt, "ExecutionFailed", "executionFailedEventDetails", d)
	x.complete(Complete{Status: StatusFailed, Error: d.Error, Cause: d.Cause})
}

// threadEnded is called when a thread has run out of states.
func (x *stepper) threadEnded(f *frame, output *asl.Payload) {
	if f.Parent != 0 {
		x.childEnded(f, output)
		return
	}
	if x.full {
		return
	}
	x.write(f.Previous, "ExecutionSucceeded", "executionSucceededEventDetails", &OutputDetails{Output: output.Text()})
	x.complete(Complete{Status: StatusSucceeded, Output: json.RawMessage(output.Text())})
}

// failed is called when a thread ends with an error that nothing in it caught.
func (x *stepper) failed(f *frame, e failure) {
	if x.test != nil {
		x.test.failed(e)
		return
	}
	if f.Parent != 0 {
		x.childFailed(f, e)
		return
	}
	if x.full {
		return
	}
	x.write(f.Previous, "ExecutionFailed", "executionFailedEventDetails", &FailureDetails{Error: e.name, Cause: e.cause})
	x.complete(Complete{Status: StatusFailed, Error: e.name, Cause: e.cause})
}
