package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tealdeploy/teal/internal/rollout"
)

// hookCall is what a hook function gets.
type hookCall struct {
	RolloutID string                        `json:"rolloutId"`
	ReleaseID string                        `json:"releaseId"`
	App       string                        `json:"app"`
	Stage     string                        `json:"stage"`
	Functions map[string]rollout.TestedUnit `json:"functions"`
	Workflows map[string]rollout.TestedUnit `json:"workflows"`
}

// hookAnswer is what it must answer.
type hookAnswer struct {
	Status string `json:"status"` // Succeeded or Failed
	Reason string `json:"reason"`
}

// keptOutput is how much of a hook's answer is kept, in bytes.
const keptOutput = 4096

// FunctionHooks calls hooks that are functions of the release, each at its exact green version. A hook succeeds only by
// answering {"status": "Succeeded"}; a function error, a timeout and any other answer are failures with the output captured.
func FunctionHooks(t Target) Hooks { return functionHooks{t} }

type functionHooks struct{ target Target }

func (h functionHooks) Run(ctx context.Context, e rollout.RunHook) (rollout.HookResult, error) {
	payload, err := json.Marshal(hookCall{
		RolloutID: e.Rollout, ReleaseID: e.Release, App: e.App, Stage: e.Stage,
		Functions: e.Functions, Workflows: e.Workflows,
	})
	if err != nil {
		return rollout.HookResult{}, err
	}
	limited, cancel := context.WithTimeout(ctx, e.Hook.Timeout)
	defer cancel()
	out, functionError, err := h.target.InvokeVersion(limited, e.FunctionARN, payload)
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		return rollout.HookResult{Reason: fmt.Sprintf("no answer within %s", e.Hook.Timeout)}, nil
	case err != nil:
		return rollout.HookResult{}, err
	}
	r := rollout.HookResult{Output: string(out[:min(len(out), keptOutput)])}
	if functionError != "" {
		r.Reason = fmt.Sprintf("function error %s: %s", functionError, r.Output)
		return r, nil
	}
	var answer hookAnswer
	switch err := json.Unmarshal(out, &answer); {
	case err != nil:
		r.Reason = fmt.Sprintf("its answer is no JSON object with a status: %s", r.Output)
	case answer.Status == "Succeeded":
		r.Succeeded = true
	case answer.Status == "Failed":
		r.Reason = answer.Reason
		if r.Reason == "" {
			r.Reason = "it answered Failed without a reason"
		}
	default:
		r.Reason = fmt.Sprintf("its status is %q; it must answer Succeeded or Failed", answer.Status)
	}
	return r, nil
}
