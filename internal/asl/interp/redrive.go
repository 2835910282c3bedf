package interp

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tealdeploy/teal/internal/asl"
)

// ErrNotRedrivable is returned for an execution that has not ended, has succeeded, or has filled its history.
var ErrNotRedrivable = errors.New("interp: the execution cannot be redriven")

// Redrivable says why Step would refuse EventRedrive: ErrNotRedrivable, or that the state belongs to another definition.
// It gives nil when an execution has failed, timed out or was stopped, and has room left in its history.
//
// A redrive goes on from the states that did not succeed, with the input that they had: what has succeeded (branches,
// iterations, child executions) is kept. Attempts of retriers are counted anew.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
func Redrivable(m *asl.StateMachine, s *State) error {
	switch s.Status {
	case StatusFailed, StatusTimedOut, StatusAborted:
	default:
		return ErrNotRedrivable
	}
	if len(s.Ended) == 0 || s.LastEvent+2 >= s.limit() {
		return ErrNotRedrivable
	}
	for _, f := range s.Ended {
		state := m.State(f.StateName)
		if state == nil || f.Fork != nil && state.Parallel == nil && state.Map == nil {
			return fmt.Errorf("interp: the execution has ended in state %q, which the definition does not have like that", f.StateName)
		}
	}
	return nil
}

// ended gathers the frames from which a redrive can go on; nil when there is nothing to go on from.
func (x *stepper) ended() map[int64]*frame {
	if x.s.Status == StatusSucceeded || x.full {
		return nil
	}
	frames := maps.Clone(x.s.Frames)
	for _, f := range x.lost {
		frames[f.ID] = f
	}
	for _, f := range frames {
		f.Commands = nil
	}
	return frames
}

// redrive goes on from the frames as they were when the execution ended.
func (x *stepper) redrive() {
	s := x.s
	s.Status = StatusRunning
	s.Frames, s.Ended = s.Ended, nil
	s.Open = map[int64]open{}
	s.Stored = 0
	s.Options.RedriveCount++
	s.Options.RedriveTime = x.now
	at := x.record(0, "ExecutionRedriven", "executionRedrivenEventDetails", &ExecutionRedrivenDetails{RedriveCount: s.Options.RedriveCount})
	x.deadline()
	for _, id := range slices.Sorted(maps.Keys(s.Frames)) {
		f := s.Frames[id]
		f.state = x.m.State(f.StateName)
		f.Attempts, f.Retries, f.Task = nil, 0, nil
		f.Previous = at
		s.Stored += f.Stored
		switch {
		case f.Fork == nil:
			x.ready = append(x.ready, f)
		case f.Fork.Run != nil:
			x.redriveRun(f)
		case f.state.Type == asl.TypeMap:
			x.nextIterations(f)
		}
	}
}
