package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/health"
	"github.com/tealdeploy/teal/internal/rollout"
)

// hookCall is what a hook is told: a function as its event, a workflow as its input, a command on its standard input.
type hookCall struct {
	RolloutID string                        `json:"rolloutId"`
	ReleaseID string                        `json:"releaseId"`
	App       string                        `json:"app"`
	Stage     string                        `json:"stage"`
	Functions map[string]rollout.TestedUnit `json:"functions"`
	Workflows map[string]rollout.TestedUnit `json:"workflows"`
}

// hookAnswer is what a function must answer.
type hookAnswer struct {
	Status string `json:"status"` // Succeeded or Failed
	Reason string `json:"reason"`
}

// keptOutput is how much of a hook's answer is kept, in bytes.
const keptOutput = 4096

// Functions calls exact versions of functions.
type Functions = health.Invoker

// Workflows runs exact versions of state machines.
type Workflows interface {
	// StartExecution starts an execution, or finds the one that has this name.
	StartExecution(ctx context.Context, versionARN, name string, input json.RawMessage) (executionARN string, err error)
	// Execution reads one: its status as Step Functions has it, its output, or its error and cause.
	Execution(ctx context.Context, executionARN string) (status, output, failure string, err error)
}

// Deployments lets CodeDeploy call hooks that are written for it, by a deployment of an alias that nobody else uses.
type Deployments interface {
	// Deploy begins the deployment of a run, or finds the one that a controller began that has died since. Another deployment
	// that keeps the group busy is waited for. After an error no deployment of the run was begun, as far as can be known.
	Deploy(ctx context.Context, run rollout.RunHook) (id string, err error)
	// Deployment reads one: its status as CodeDeploy has it, once it has ended what its lifecycle events say, and why it
	// failed.
	Deployment(ctx context.Context, id string) (status, output, failure string, err error)
	// Withdraw stops the deployment of a run where one is under way, and removes its alias. It may be repeated.
	Withdraw(ctx context.Context, run rollout.RunHook) error
}

// Command runs a command by a shell. document goes to its standard input, variables are added to its environment. output is
// the end of what it wrote; failure says how it failed, and is empty when it exited with 0. err means that it could not be
// started, or that ctx ended.
type Command func(ctx context.Context, command string, variables []string, document []byte) (output, failure string, err error)

// HookConfig says by what hooks are run. A kind of hook whose port is nil is refused by name.
type HookConfig struct {
	Functions Functions
	Workflows Workflows
	// Deployments calls the functions that are written for CodeDeploy.
	Deployments Deployments
	HTTP        *http.Client
	Command     Command
	Clock       clock.Clock // default: clock.System
}

// NewHooks runs hooks: functions and workflows at their exact green versions, HTTP requests, and commands. Approvals are not
// run: the machine waits for them by itself.
func NewHooks(c HookConfig) Hooks {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	return hooks{c}
}

// FunctionHooks runs hooks that are functions of the release, and no others.
func FunctionHooks(f Functions) Hooks { return NewHooks(HookConfig{Functions: f}) }

type hooks struct{ c HookConfig }

// Run implements Hooks. That a hook takes longer than its timeout is a failure of it.
func (h hooks) Run(ctx context.Context, e rollout.RunHook) (rollout.HookResult, error) {
	if e.Hook.CodeDeploy != nil && h.c.Deployments != nil {
		return h.deployment(ctx, e)
	}
	document, err := json.Marshal(hookCall{
		RolloutID: e.Rollout, ReleaseID: e.Release, App: e.App, Stage: e.Stage,
		Functions: e.Functions, Workflows: e.Workflows,
	})
	if err != nil {
		return rollout.HookResult{}, err
	}
	limited, cancel := context.WithTimeout(ctx, e.Hook.Timeout)
	defer cancel()
	var r rollout.HookResult
	switch {
	case e.Hook.Function != "" && e.Hook.CodeDeploy == nil && h.c.Functions != nil:
		r, err = h.function(limited, e, document)
	case e.Hook.Workflow != "" && h.c.Workflows != nil:
		r, err = h.workflow(limited, e, document)
	case e.Hook.HTTP != nil && h.c.HTTP != nil:
		r, err = h.http(limited, e)
	case e.Hook.Command != "" && h.c.Command != nil:
		r, err = h.command(limited, e, document)
	default:
		return r, &cannot{fmt.Sprintf("hook %s is of a kind that cannot be run here", e.Hook.Name)}
	}
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		r.Succeeded, r.Reason, err = false, fmt.Sprintf("no answer within %s", e.Hook.Timeout), nil
	}
	if err != nil {
		return rollout.HookResult{}, err
	}
	r.Output = kept(r.Output)
	return r, nil
}

func kept(output string) string {
	return strings.ToValidUTF8(output[:min(len(output), keptOutput)], "�")
}

// function succeeds only by answering {"status": "Succeeded"}; a function error and any other answer are failures.
func (h hooks) function(ctx context.Context, e rollout.RunHook, document []byte) (rollout.HookResult, error) {
	out, functionError, err := h.c.Functions.InvokeVersion(ctx, e.FunctionARN, document)
	if err != nil {
		return rollout.HookResult{}, err
	}
	r := rollout.HookResult{Output: string(out[:min(len(out), keptOutput)])}
	if functionError != "" {
		r.Reason = fmt.Sprintf("function error %s: %s", functionError, r.Output)
		if forCodeDeploy(r.Output) {
			r.Reason += ": it seems to be written for CodeDeploy: write protocol: CodeDeploy at the hook, or let it answer with a status, see Hooks in docs/manifest.md"
		}
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

// forCodeDeploy reports whether an error is that of a hook that misses what CodeDeploy tells, or calls it back.
func forCodeDeploy(output string) bool {
	for _, word := range []string{"DeploymentId", "deploymentId", "LifecycleEventHookExecution", "DeploymentDoesNotExist"} {
		if strings.Contains(output, word) {
			return true
		}
	}
	return false
}

// pollExecution is how often a hook's execution is looked at.
const pollExecution = 2 * time.Second

// workflow starts an execution of the exact green version and waits for its end. Its name is that of the run, so a
// controller that takes over finds the execution of the one before.
func (h hooks) workflow(ctx context.Context, e rollout.RunHook, document []byte) (rollout.HookResult, error) {
	input := document
	if e.Hook.Input != "" {
		input = []byte(e.Hook.Input)
	}
	arn, err := h.c.Workflows.StartExecution(ctx, e.WorkflowARN, e.Run, input)
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ExecutionAlreadyExists" { // it has ended already
		arn, err = executionARN(e.WorkflowARN, e.Run), nil
	}
	if err != nil {
		return rollout.HookResult{}, err
	}
	for {
		status, output, failure, err := h.c.Workflows.Execution(ctx, arn)
		if err != nil {
			return rollout.HookResult{}, err
		}
		switch status {
		case "RUNNING", "PENDING_REDRIVE":
		case "SUCCEEDED":
			return rollout.HookResult{Succeeded: true, Output: output}, nil
		default:
			return rollout.HookResult{Reason: fmt.Sprintf("execution %s %s: %s", e.Run, status, failure), Output: failure}, nil
		}
		if err := h.pause(ctx, pollExecution); err != nil {
			return rollout.HookResult{}, err
		}
	}
}

func (h hooks) pause(ctx context.Context, d time.Duration) error {
	woken := make(chan struct{})
	stop := h.c.Clock.AfterFunc(d, func() { close(woken) })
	select {
	case <-ctx.Done():
		stop()
		return ctx.Err()
	case <-woken:
		return nil
	}
}

// executionARN is the ARN of an execution by the ARN of a version, …:stateMachine:name:7, and its name.
func executionARN(versionARN, name string) string {
	machine := versionARN[:strings.LastIndexByte(versionARN, ':')]
	return strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
}

func (h hooks) http(ctx context.Context, e rollout.RunHook) (rollout.HookResult, error) {
	request := *e.Hook.HTTP
	if request.Timeout <= 0 {
		request.Timeout = e.Hook.Timeout
	}
	a, err := health.Ask(ctx, h.c.HTTP, request)
	if err != nil {
		if ctx.Err() == nil {
			err = &cannot{err.Error()}
		}
		return rollout.HookResult{}, err
	}
	r := rollout.HookResult{Succeeded: a.OK, Output: a.Reason + "\n" + a.Body}
	if !a.OK {
		r.Reason = a.Reason
	}
	return r, nil
}

func (h hooks) command(ctx context.Context, e rollout.RunHook, document []byte) (rollout.HookResult, error) {
	output, failure, err := h.c.Command(ctx, e.Hook.Command, []string{
		"TEAL_ROLLOUT=" + e.Rollout, "TEAL_RELEASE=" + e.Release, "TEAL_APP=" + e.App, "TEAL_STAGE=" + e.Stage,
	}, document)
	if err != nil {
		return rollout.HookResult{Output: output}, err
	}
	r := rollout.HookResult{Succeeded: failure == "", Output: output}
	if failure != "" {
		r.Reason = failure
		if last := lastLine(output); last != "" {
			r.Reason += ": " + last
		}
	}
	return r, nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
