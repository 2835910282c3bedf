package states

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
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
