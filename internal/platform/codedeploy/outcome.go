package codedeploy

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/rollout"
)

const (
	allowTraffic = "AllowTraffic"
	hookTimeout  = time.Hour // https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
	functionKey  = "function"
)

// invalidConfiguration is AWS's sentence for INVALID_LAMBDA_CONFIGURATION; what exactly is wrong follows it.
const invalidConfiguration = "The deployment failed because the AppSpec file that specifies the AWS Lambda deployment configuration is missing or has an invalid configuration."

// cause says why a deployment ends without success.
type cause struct {
	status   types.DeploymentStatus
	code     types.ErrorCode
	message  string
	event    types.AutoRollbackEvent // the one that lets a group go back
	rollback *bool                   // overrides what the group says
}

// plan is the rollout of a deployment. Its one alias must be at the version expected; empty allows any.
func plan(r *deploymentRecord, kind rollout.Kind, strategy rollout.Strategy, expected string) rollout.Plan {
	settings := rollout.Settings{Strategy: strategy, RefuseDrift: true, Unmoved: true} // hooks are called in any case
	for event, hooks := range map[string]*[]rollout.Hook{rollout.BeforeAllowTraffic: &settings.Before, rollout.AfterAllowTraffic: &settings.After} {
		if h, ok := r.Hooks[event]; ok {
			// The function that is called is none of the release: the hook's name says which one it is.
			*hooks = []rollout.Hook{{Name: h.Function, Function: functionKey, Timeout: hookTimeout}}
		}
	}
	return rollout.Plan{
		ID: r.ID, App: r.ApplicationID, Kind: kind, By: string(r.Creator), Release: r.ID, Settings: settings,
		Functions: []rollout.Function{{Key: functionKey, Name: r.Spec.Function, Alias: r.Spec.Alias, Expected: expected}},
	}
}

// turned reports whether a rollout has turned round or failed. What it would do next is another deployment's task, if the
// group has automatic rollback, and nobody's otherwise.
func turned(s rollout.State) bool {
	return s.Phase == rollout.RollingBack || s.Phase == rollout.RolledBack || s.Phase == rollout.Failed || s.Phase == rollout.FailedDirty
}

// failure says why the rollout turned round by itself in the step from before to after.
func failure(before, after rollout.State) cause {
	c := cause{status: types.DeploymentStatusFailed, event: types.AutoRollbackEventDeploymentFailure, message: after.Cause}
	switch before.Phase {
	case rollout.Publishing:
		c.code = types.ErrorCodeInvalidLambdaFunction
		c.message = "The deployment failed because a version that the AppSpec file names cannot be deployed: " + after.Cause
	case rollout.Testing, rollout.Promoting:
		c.code = types.ErrorCodeHookExecutionFailure
		c.message = "The deployment failed because the validation of a lifecycle event failed: " + after.Cause
	default:
		c.code = types.ErrorCodeInvalidLambdaConfiguration
		a := after.Aliases[0]
		if expected := after.Plan.Functions[0].Expected; before.Phase == rollout.Planned && a.Blue != "" && a.Blue != expected {
			c.message = "The Lambda function alias version does not match the current version in AppSpec file. (The alias is at version " + a.Blue + ", the file says " + expected + ".)"
		}
		c.message = invalidConfiguration + " " + c.message
	}
	return c
}

// end makes the deployment one that has ended by a cause.
func (r *deploymentRecord) end(c cause, now time.Time) {
	r.Status, r.Ended = c.status, now
	r.Error = &types.ErrorInformation{Code: c.code, Message: &c.message}
	for i := range r.Events {
		e := &r.Events[i]
		switch e.Status {
		case types.LifecycleEventStatusInProgress:
			e.Status, e.Ended, e.Message = types.LifecycleEventStatusFailed, now, c.message
		case types.LifecycleEventStatusPending:
			e.Status = types.LifecycleEventStatusSkipped
		}
	}
}

// goesBack reports whether the deployment is to be taken back by another one.
func (r *deploymentRecord) goesBack(c cause) bool {
	switch {
	case r.RollbackOf != "":
		return false
	case c.rollback != nil:
		return *c.rollback
	}
	return r.AutoRollback != nil && r.AutoRollback.Enabled && slices.Contains(r.AutoRollback.Events, c.event)
}

// takeBack makes the deployment that takes another one back: all traffic at once to the version before it, without hooks
// and without alarms, which would keep a bad version in place. Where there is nothing to take back, it says why.
func takeBack(r *deploymentRecord, number int64, now time.Time) (back *deploymentRecord, why string, err error) {
	a := r.State.Aliases[0]
	switch {
	case a.Blue != r.Spec.Current, r.Spec.Current == r.Spec.Target:
		return nil, "There is nothing to roll back: the deployment changed nothing", nil
	case a.Foreign || a.Gone:
		return nil, "The deployment cannot be rolled back: the alias was changed by someone else", nil
	}
	expected := a.Actual.Routing.Primary
	if a.Doubt {
		expected = "" // a write of ours may have been applied or not
	}
	spec := &appSpec{Function: r.Spec.Function, Alias: r.Spec.Alias, Current: r.Spec.Target, Target: r.Spec.Current}
	content, err := spec.content()
	if err != nil {
		return nil, "", err
	}
	back = &deploymentRecord{
		ID: newDeploymentID(), Number: number, Application: r.Application, ApplicationID: r.ApplicationID, Group: r.Group, GroupID: r.GroupID,
		Config: defaultConfig, Description: "Rollback of " + r.ID, Creator: types.DeploymentCreatorCodeDeployRollback, Style: r.Style,
		Revision: types.RevisionLocation{
			RevisionType:   types.RevisionLocationTypeAppSpecContent,
			AppSpecContent: &types.AppSpecContent{Content: &content, Sha256: aws.String(digest(content))},
		},
		Previous: r.Previous, AutoRollback: r.AutoRollback,
		Status: types.DeploymentStatusCreated, Created: now, RollbackOf: r.ID, Spec: spec, Events: newEvents(), Hooks: map[string]hook{},
	}
	back.State, err = rollout.New(plan(back, rollout.Return, strategyOf(defaultConfig, types.TrafficRoutingConfig{}), expected))
	return back, "", err
}

// content writes the AppSpec file.
func (spec *appSpec) content() (string, error) {
	raw, err := json.Marshal(map[string]any{
		"version": "0.0",
		"Resources": []any{map[string]any{spec.Function: map[string]any{"Type": "AWS::Lambda::Function", "Properties": map[string]string{
			"Name": spec.Function, "Alias": spec.Alias, "CurrentVersion": spec.Current, "TargetVersion": spec.Target,
		}}}},
	})
	return string(raw), err
}

func newEvents() []eventRecord {
	pending := types.LifecycleEventStatusPending
	return []eventRecord{{Name: rollout.BeforeAllowTraffic, Status: pending}, {Name: allowTraffic, Status: pending}, {Name: rollout.AfterAllowTraffic, Status: pending}}
}

// stages gives how many lifecycle events are over in a phase.
var stages = map[rollout.Phase]int{rollout.Testing: 0, rollout.Shifting: 1, rollout.Baking: 1, rollout.Promoting: 2, rollout.Promoted: 3}

// follow brings the lifecycle events to where the rollout is. One without a hook does nothing, as
// AWS documents, and succeeds at once.
func (r *deploymentRecord) follow(now time.Time) {
	stage, ok := stages[r.State.Phase]
	for i := range r.Events {
		e := &r.Events[i]
		if !ok || i > stage {
			return
		}
		if e.Status == types.LifecycleEventStatusPending {
			e.Status, e.Began = types.LifecycleEventStatusInProgress, now
		}
		if i < stage && e.Status == types.LifecycleEventStatusInProgress {
			e.Status, e.Ended = types.LifecycleEventStatusSucceeded, now
		}
	}
}

// newExecutionID gives a LifecycleEventHookExecutionId, which whoever tells a verdict must know.
func newExecutionID() string { return base64.StdEncoding.EncodeToString([]byte(rand.Text())) }
