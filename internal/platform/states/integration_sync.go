package states

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
)

// watchers tells those who wait for executions that they have ended.
type watchers struct {
	mu      sync.Mutex
	waiting map[execID][]*func(*executionResult)
}

// watch calls told, from the goroutine of a shard, with how the execution has ended, once; leave forgets it.
func (e *watchers) watch(id execID, told func(*executionResult)) (leave func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil {
		e.waiting = map[execID][]*func(*executionResult){}
	}
	e.waiting[id] = append(e.waiting[id], &told)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.waiting[id] = slices.DeleteFunc(e.waiting[id], func(other *func(*executionResult)) bool { return other == &told })
		if len(e.waiting[id]) == 0 {
			delete(e.waiting, id)
		}
	}
}

func (e *watchers) tell(id execID, result *executionResult) {
	e.mu.Lock()
	told := e.waiting[id]
	delete(e.waiting, id)
	e.mu.Unlock()
	for _, f := range told {
		(*f)(result)
	}
}

// awaitEnd returns how an execution has ended, once it has.
func (s *Service) awaitEnd(ctx context.Context, id execID) (*executionRecord, *executionResult, error) {
	ended := make(chan *executionResult, 1)
	defer s.ends.watch(id, func(r *executionResult) { ended <- r })()
	r, err := s.executionRecord(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if result, err := s.executionResult(ctx, r.Serial); err != nil || result != nil {
		return r, result, err
	}
	select {
	case result := <-ended:
		return r, result, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// awaitJob waits for the execution that a .sync task has started. When the task is withdrawn, the execution is stopped.
func (s *Service) awaitJob(ctx context.Context, task *taskCall, submitted json.RawMessage) (json.RawMessage, *taskFailure) {
	var started struct{ ExecutionArn string }
	if err := json.Unmarshal(submitted, &started); err != nil {
		return nil, &taskFailure{"States.Runtime", "The started execution is not known: " + err.Error()}
	}
	id, err := s.executionID(started.ExecutionArn)
	if err != nil {
		return nil, s.statesFailed(ctx, err)
	}
	r, result, err := s.awaitEnd(ctx, id)
	if err != nil {
		if errors.Is(context.Cause(ctx), errWithdrawn) {
			s.stopJob(started.ExecutionArn)
		}
		return nil, s.statesFailed(ctx, err)
	}
	out := s.jobOutcome(r, result, task.Pattern == asl.PatternSync2)
	if result.Status != types.ExecutionStatusSucceeded {
		return nil, &taskFailure{"States.TaskFailed", string(out)}
	}
	return out, nil
}

func (s *Service) stopJob(arn string) {
	cause := "The execution that waited for it was stopped or went on."
	if _, err := s.StopExecution(s.engine.work, &sfn.StopExecutionInput{ExecutionArn: &arn, Cause: &cause}); err != nil && s.engine.work.Err() == nil {
		s.log.Error("an execution whose starter has ended could not be stopped", "execution", arn, "error", err)
	}
}

// jobOutcome is what DescribeExecution says of an ended execution, as a .sync task shows it; parsed gives input and
// output as JSON instead of strings.
func (s *Service) jobOutcome(r *executionRecord, result *executionResult, parsed bool) json.RawMessage {
	type included struct{ Included bool }
	payload := func(text string) json.RawMessage {
		switch {
		case text == "":
			return nil
		case parsed:
			return json.RawMessage(text)
		}
		return encode(text)
	}
	out := struct {
		Cause           string `json:",omitempty"`
		Error           string `json:",omitempty"`
		ExecutionArn    string
		Input           json.RawMessage `json:",omitempty"`
		InputDetails    included
		Name            string
		Output          json.RawMessage `json:",omitempty"`
		OutputDetails   *included       `json:",omitempty"`
		StartDate       int64
		StateMachineArn string
		Status          types.ExecutionStatus
		StopDate        int64
	}{
		result.Cause, result.Error, s.executionArn(r.id()), payload(r.Input),
		included{true},
		r.Name, payload(result.Output), nil,
		r.Started.UnixMilli(), s.machineArn(r.Machine), result.Status, result.Stopped.UnixMilli(),
	}
	if out.Output != nil {
		out.OutputDetails = &included{true}
	}
	return encode(out)
}
