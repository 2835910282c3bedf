package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// The stages at which hooks run; the first two by CodeDeploy's names.
const (
	BeforeAllowTraffic = "BeforeAllowTraffic"
	AfterAllowTraffic  = "AfterAllowTraffic"
	AtStep             = "AtStep" // once the aliases have the weight of a step
)

// Hook is a test that must succeed. Exactly one of Function, Workflow, HTTP, Command and Approval is set.
type Hook struct {
	Name string `json:"name"`
	// Function is the key of a function of the release. It is called at its exact green version, is told the exact versions
	// under test, and its answer is the verdict.
	Function string `json:"function,omitempty"`
	// CodeDeploy is set for a function that is written for CodeDeploy's hooks: CodeDeploy calls it and is told its verdict.
	CodeDeploy *CodeDeploy `json:"codeDeploy,omitempty"`
	// Workflow is the key of a workflow of the release. Its exact green version is run; it must succeed.
	Workflow string   `json:"workflow,omitempty"`
	Input    string   `json:"input,omitempty"`   // of the workflow, JSON; default what a function is told
	HTTP     *Request `json:"http,omitempty"`    // a request whose answer must be as it says
	Command  string   `json:"command,omitempty"` // for a shell, where the rollout is driven; it must exit with 0
	// Approval waits for a person's EventApprove.
	Approval bool `json:"approval,omitempty"`
	// Timeout is for one run; default 15 min, the longest that a function can run. An approval without one waits for ever.
	Timeout time.Duration `json:"timeout,omitempty"`
	Retries int           `json:"retries,omitempty"` // how often a run that failed is repeated, 0 to 10
}

// CodeDeploy says by which of CodeDeploy's deployments a hook is called.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
type CodeDeploy struct {
	Tests       string `json:"tests"` // key of the function of the release whose versions the deployment names
	Application string `json:"application"`
	Group       string `json:"group"` // deployment group
	// ServiceRole is what the group is made with, and its application, where they do not exist; empty when they must.
	ServiceRole string `json:"serviceRole,omitempty"`
}

// HookAlias is the alias that a deployment for a hook shifts. Nothing else calls a function through it, and it is gone after.
const HookAlias = "teal-hook"

// CodeDeployPatience is how long CodeDeploy waits for a hook to tell its verdict.
const CodeDeployPatience = time.Hour

func (c *CodeDeploy) validate(keys map[string]bool) error {
	switch {
	case !keys[string(release.KindFunction)+c.Tests]:
		return fmt.Errorf("no function of the release has the key %q, which it is to test", c.Tests)
	case c.Application == "" || c.Group == "":
		return errors.New("CodeDeploy needs an application and a deployment group")
	}
	return nil
}

// Request is an HTTP request and the answer that is expected of it.
type Request struct {
	Method  string            `json:"method,omitempty"` // default GET
	URL     string            `json:"url"`              // https, or http on this machine
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	Status  []int             `json:"status,omitempty"`  // any of these; default every one from 200 to 299
	Expect  string            `json:"expect,omitempty"`  // a text that the answer's body must contain
	Timeout time.Duration     `json:"timeout,omitempty"` // default 10 s; of a hook, its own
}

func (r Request) validate() error {
	if !strings.HasPrefix(r.URL, "https://") && !strings.HasPrefix(r.URL, "http://") {
		return fmt.Errorf("%q is no URL that begins with https:// or http://", r.URL)
	}
	for _, status := range r.Status {
		if status < 100 || status > 599 {
			return fmt.Errorf("%d is no HTTP status", status)
		}
	}
	return nil
}

const mostRetries = 10

func withDefaults(hooks []Hook) []Hook {
	if hooks == nil {
		return nil
	}
	filled := make([]Hook, len(hooks))
	for i, h := range hooks {
		if !h.Approval {
			fill(&h.Timeout, 15*time.Minute)
		}
		if h.Name == "" {
			h.Name = h.what()
		}
		filled[i] = h
	}
	return filled
}

// what names a hook that has no name.
func (h Hook) what() string {
	switch {
	case h.Function != "":
		return h.Function
	case h.Workflow != "":
		return h.Workflow
	case h.HTTP != nil:
		return h.HTTP.URL
	case h.Command != "":
		first, _, _ := strings.Cut(strings.TrimSpace(h.Command), "\n")
		return first
	}
	return "approval"
}

func (h Hook) validate(keys map[string]bool) error {
	kinds := 0
	for _, set := range []bool{h.Function != "", h.Workflow != "", h.HTTP != nil, h.Command != "", h.Approval} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("it takes exactly one of a function, a workflow, an HTTP request, a command and an approval")
	case h.Function != "" && !keys[string(release.KindFunction)+h.Function]:
		return fmt.Errorf("no function of the release has the key %q", h.Function)
	case h.Workflow != "" && !keys[string(release.KindStateMachine)+h.Workflow]:
		return fmt.Errorf("no workflow of the release has the key %q", h.Workflow)
	case h.Timeout < 0 || h.Timeout == 0 && !h.Approval:
		return fmt.Errorf("a timeout of %s is not above zero", h.Timeout)
	case h.Retries < 0 || h.Retries > mostRetries:
		return fmt.Errorf("%d retries are not between 0 and %d", h.Retries, mostRetries)
	case h.CodeDeploy != nil && h.Function == "":
		return errors.New("only a function is called by CodeDeploy")
	case h.CodeDeploy != nil && h.Timeout > CodeDeployPatience:
		return fmt.Errorf("a timeout of %s is beyond the %s that CodeDeploy waits", h.Timeout, CodeDeployPatience)
	case h.CodeDeploy != nil:
		return h.CodeDeploy.validate(keys)
	case h.HTTP != nil:
		return h.HTTP.validate()
	}
	return nil
}

// HookRun is how a hook went, for people.
type HookRun struct {
	Name      string    `json:"name"`
	Stage     string    `json:"stage"`
	Step      int       `json:"step,omitempty"` // of AtStep
	At        time.Time `json:"at"`
	Succeeded bool      `json:"succeeded"`
	Reason    string    `json:"reason,omitempty"`
	Output    string    `json:"output,omitempty"` // its first keptOutput bytes
}

// What the state keeps; the journal has the whole of what was captured.
const (
	keptRuns   = 32
	keptOutput = 1024
)

// hooks runs the hooks of a stage one after the other and reports whether all have succeeded.
func (r *run) hooks(stage string, hooks []Hook) bool {
	if r.s.HookNext >= len(hooks) {
		return true
	}
	h := hooks[r.s.HookNext]
	if h.Approval {
		if !r.approved(h) {
			return false
		}
		return r.hooks(stage, hooks)
	}
	if r.pending(func(e Effect) bool { return e.RunHook != nil }) || r.waits(r.s.HookRetryAt) {
		return false
	}
	e := &RunHook{
		Hook: h, Stage: stage, Began: r.s.Now, Rollout: r.s.Plan.ID, Release: r.s.Plan.Release, App: r.s.Plan.App,
		Functions: map[string]TestedUnit{}, Workflows: map[string]TestedUnit{},
	}
	for _, v := range r.s.Release.Functions {
		e.Functions[v.Key] = TestedUnit{ARN: v.ARN, Version: v.Version}
	}
	for _, v := range r.s.Release.Workflows {
		e.Workflows[v.Key] = TestedUnit{ARN: v.ARN}
	}
	e.Run = fmt.Sprintf("%s-%d", r.s.Plan.ID, r.s.LastID+1)
	e.FunctionARN, e.WorkflowARN = e.Functions[h.Function].ARN, e.Workflows[h.Workflow].ARN
	if h.CodeDeploy != nil {
		for _, a := range r.s.Aliases {
			if a.Ref.Kind == release.KindFunction && a.Key == h.CodeDeploy.Tests {
				e.Blue = a.Blue
			}
		}
	}
	r.emit(Effect{RunHook: e})
	return false
}

// approved waits for a person, and reports whether one has agreed.
func (r *run) approved(h Hook) bool {
	s := r.s
	switch {
	case s.Full:
		r.hookPassed()
		return true
	case s.Paused.Reason == NotPaused:
		s.Paused = Pause{Reason: PausedForApproval, Since: s.Now}
		r.note(Info, "%s waits for a person to approve: teal approve, or teal abort", h.Name)
	}
	if s.Paused.Reason == PausedForApproval && h.Timeout > 0 && !r.waits(s.Paused.Since.Add(h.Timeout)) {
		r.fail(fmt.Sprintf("nobody approved %s within %s", h.Name, h.Timeout))
	}
	return false
}

// approve lets the hook that waits for a person succeed.
func (r *run) approve(by string) {
	name := "approval"
	if h, ok := r.s.Hook(); ok {
		name = h.Name
	}
	r.s.Paused = Pause{}
	r.ran(HookRun{Name: name, Stage: r.s.stage(), At: r.s.Now, Succeeded: true, Reason: "approved" + by})
	r.hookPassed()
	r.note(Info, "%s: approved%s", name, by)
}

// Hook is the hook that runs or is the next of its stage; ok is false when none is left.
func (s State) Hook() (h Hook, ok bool) {
	var of []Hook
	switch s.stage() {
	case BeforeAllowTraffic:
		of = s.Plan.Settings.Before
	case AfterAllowTraffic:
		of = s.Plan.Settings.After
	case AtStep:
		shift, _ := s.Shift()
		of = shift.Hooks
	}
	if s.HookNext >= len(of) {
		return Hook{}, false
	}
	return of[s.HookNext], true
}

// stage is the one whose hooks run in this phase; empty when none do.
func (s State) stage() string {
	switch s.Phase {
	case Testing:
		return BeforeAllowTraffic
	case Shifting:
		return AtStep
	case Promoting:
		return AfterAllowTraffic
	}
	return ""
}

// ran keeps how a hook went.
func (r *run) ran(h HookRun) {
	if h.Stage == AtStep {
		h.Step = r.s.Step
	}
	r.s.Ran = append(r.s.Ran, h)
	if extra := len(r.s.Ran) - keptRuns; extra > 0 {
		r.s.Ran = slices.Delete(r.s.Ran, 0, extra)
	}
}

// beginHooks makes the first hook of a stage the next one.
func (r *run) beginHooks() {
	r.s.HookNext, r.s.HookTries, r.s.HookRetryAt = 0, 0, time.Time{}
}

// hookPassed goes on to the next hook of the stage.
func (r *run) hookPassed() {
	r.s.HookNext++
	r.s.HookTries, r.s.HookRetryAt = 0, time.Time{}
}

// hookFinished takes a hook's answer. A call that could not be made is repeated; an answer that is not a success is final
// when its retries are used up.
func (r *run) hookFinished(e *RunHook, ev Event) {
	h := e.Hook
	r.s.HookRetryAt = time.Time{}
	again := func(limit int) bool {
		r.s.HookTries++
		r.s.HookRetryAt = r.s.Now.Add(r.s.Plan.Settings.Retry.after(r.s.HookTries))
		return r.s.HookTries < limit
	}
	if ev.Error != "" || ev.Hook == nil {
		if reason := orElse(ev.Error, "no answer"); ev.Refused || !again(max(r.s.Plan.Settings.Retry.Attempts, h.Retries+1)) {
			r.fail(fmt.Sprintf("hook %s (%s) could not be called: %s", h.Name, e.Stage, reason))
		}
		return
	}
	r.ran(HookRun{
		Name: h.Name, Stage: e.Stage, At: r.s.Now, Succeeded: ev.Hook.Succeeded, Reason: ev.Hook.Reason,
		Output: strings.ToValidUTF8(ev.Hook.Output[:min(len(ev.Hook.Output), keptOutput)], "�"),
	})
	if ev.Hook.Succeeded {
		r.hookPassed()
		r.note(Info, "hook %s (%s) succeeded", h.Name, e.Stage)
		return
	}
	reason := orElse(ev.Hook.Reason, "no reason given")
	if again(h.Retries + 1) {
		r.note(Warning, "hook %s (%s) failed, try %d of %d: %s", h.Name, e.Stage, r.s.HookTries, h.Retries+1, reason)
		return
	}
	r.fail(fmt.Sprintf("hook %s (%s) failed: %s", h.Name, e.Stage, reason))
}
