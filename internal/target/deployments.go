package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// A hook that is written for CodeDeploy can tell its verdict to a deployment of CodeDeploy's only. So it gets one, of an
// alias that carries no traffic: what CodeDeploy shifts there is of no consequence, and what the hook tells it counts.

// allAtOnce shifts in one step; CodeDeploy then also takes a function that has one version only.
const allAtOnce = "CodeDeployDefault.LambdaAllAtOnce"

// startedWithin is how far CodeDeploy's clock may be behind the one that says when a run began.
const startedWithin = 15 * time.Minute

// Deploy begins the deployment that calls a hook, or finds the one of the same run. While the group is busy with another
// deployment it waits, until ctx ends; one of an earlier run of the same rollout is stopped. After an error there is no
// deployment of the run, as far as CodeDeploy tells.
func (t *Target) Deploy(ctx context.Context, run rollout.RunHook) (id string, err error) {
	c := run.Hook.CodeDeploy
	if id, err := t.deploymentOf(ctx, run); id != "" || err != nil {
		return id, err
	}
	if err := t.ensureGroup(ctx, *c); err != nil {
		return "", err
	}
	hook, err := t.callable(ctx, run.FunctionARN)
	if err != nil {
		return "", err
	}
	green, err := arn.ParseFunction(run.Functions[c.Tests].ARN)
	if err != nil {
		return "", err
	}
	from, err := t.shiftFrom(ctx, green, run.Blue)
	if err != nil {
		return "", err
	}
	if err := t.preview(ctx, hookRef(green.Name), from); err != nil {
		return "", err
	}
	content, err := hookSpec(green.Name, from, green.Qualifier, eventOf(run.Stage), hook)
	if err != nil {
		return "", err
	}
	return t.createDeployment(ctx, run, content)
}

func hookRef(function string) release.Ref {
	return release.Ref{Kind: release.KindFunction, Name: function, Alias: rollout.HookAlias}
}

// eventOf is the lifecycle event at which a hook of a stage is called. The alias that CodeDeploy shifts has no traffic; what
// the hook may rely on is what the stage says of the aliases that have.
func eventOf(stage string) string {
	if stage == rollout.BeforeAllowTraffic {
		return rollout.BeforeAllowTraffic
	}
	return rollout.AfterAllowTraffic
}

// hookSpec writes an AppSpec file.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
func hookSpec(function, from, to, event, hook string) (string, error) {
	raw, err := json.Marshal(map[string]any{
		"version": "0.0",
		"Resources": []any{map[string]any{function: map[string]any{"Type": "AWS::Lambda::Function", "Properties": map[string]string{
			"Name": function, "Alias": rollout.HookAlias, "CurrentVersion": from, "TargetVersion": to,
		}}}},
		"Hooks": []any{map[string]string{event: hook}},
	})
	return string(raw), err
}

// shiftFrom is the version that the alias is shifted from: blue, or else the newest other one. A function that has none is
// "shifted" from its only version.
func (t *Target) shiftFrom(ctx context.Context, green arn.Function, blue string) (string, error) {
	if blue != "" && blue != green.Qualifier {
		return blue, nil
	}
	newest := 0
	pages := lambda.NewListVersionsByFunctionPaginator(t.lambda, &lambda.ListVersionsByFunctionInput{FunctionName: &green.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", t.failed("list the versions of function "+green.Name, "lambda:ListVersionsByFunction", err)
		}
		for _, v := range page.Versions {
			if n, err := strconv.Atoi(aws.ToString(v.Version)); err == nil && aws.ToString(v.Version) != green.Qualifier {
				newest = max(newest, n)
			}
		}
	}
	if newest == 0 {
		return green.Qualifier, nil
	}
	return strconv.Itoa(newest), nil
}

// callable gives the name by which CodeDeploy calls a hook. CodeDeploy documents names and no versions, and so calls
// $LATEST: that must be what the green version is.
func (t *Target) callable(ctx context.Context, versionARN string) (name string, err error) {
	f, err := arn.ParseFunction(versionARN)
	if err != nil {
		return "", err
	}
	var digests []string
	for _, version := range []string{"$LATEST", f.Qualifier} {
		out, err := t.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &f.Name, Qualifier: &version})
		if err != nil {
			return "", t.failed("look at function "+f.Name+", version "+version, "lambda:GetFunctionConfiguration", err)
		}
		digests = append(digests, configurationOf(out).Digest())
	}
	if digests[0] != digests[1] {
		return "", &refusal{fmt.Sprintf("CodeDeploy calls $LATEST of hook %s, and that is not version %s any more: someone else has changed it; deploy again", f.Name, f.Qualifier)}
	}
	return f.Name, nil
}

// ensureGroup makes the application and the deployment group where they do not exist and a role for them is known. What
// exists is left as it is.
func (t *Target) ensureGroup(ctx context.Context, c rollout.CodeDeploy) error {
	_, err := t.deploy.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &c.Application, DeploymentGroupName: &c.Group})
	if err == nil {
		return nil
	}
	if !noGroup(err) {
		return t.failed("look at deployment group "+c.Group+" of CodeDeploy application "+c.Application, "codedeploy:GetDeploymentGroup", err)
	}
	if c.ServiceRole == "" {
		return &refusal{fmt.Sprintf("CodeDeploy has no deployment group %s of application %s; make it, or write rollout.hooks.codeDeploy.serviceRole so that it is made", c.Group, c.Application)}
	}
	if _, err := t.deploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: &c.Application, ComputePlatform: types.ComputePlatformLambda}); err != nil && !is(err, "ApplicationAlreadyExistsException") {
		return t.failed("make CodeDeploy application "+c.Application, "codedeploy:CreateApplication", err)
	}
	_, err = t.deploy.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: &c.Application, DeploymentGroupName: &c.Group, ServiceRoleArn: &c.ServiceRole, DeploymentConfigName: aws.String(allAtOnce),
		DeploymentStyle: &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
	})
	if err != nil && !is(err, "DeploymentGroupAlreadyExistsException") {
		return t.failed("make deployment group "+c.Group+" of CodeDeploy application "+c.Application, "codedeploy:CreateDeploymentGroup", err)
	}
	return nil
}

func noGroup(err error) bool {
	return is(err, "ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException")
}

// describeRun is the description of a run's deployment, by which it is found again.
func describeRun(run rollout.RunHook) string { return "teal " + run.Run }

// ofRollout reports whether a description is that of any run of the rollout.
func ofRollout(description string, run rollout.RunHook) bool {
	return strings.HasPrefix(description, "teal "+run.Rollout+"-")
}

// createDeployment asks for the deployment. CodeDeploy has no token by which it would know a request that is repeated, so
// the SDK does not repeat it: where the answer is lost, the deployment is looked for instead.
func (t *Target) createDeployment(ctx context.Context, run rollout.RunHook, content string) (id string, err error) {
	c := run.Hook.CodeDeploy
	sum := sha256.Sum256([]byte(content))
	in := &codedeploy.CreateDeploymentInput{
		ApplicationName: &c.Application, DeploymentGroupName: &c.Group, DeploymentConfigName: aws.String(allAtOnce), Description: aws.String(describeRun(run)),
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeAppSpecContent, AppSpecContent: &types.AppSpecContent{
			Content: &content, Sha256: aws.String(hex.EncodeToString(sum[:])),
		}},
		// Whether to go back is decided by the rollout, and by its own alarms.
		AutoRollbackConfiguration:  &types.AutoRollbackConfiguration{Enabled: false},
		OverrideAlarmConfiguration: &types.AlarmConfiguration{Enabled: false},
	}
	for delay := 10 * firstDelay; ; delay = min(2*delay, maxDelay) {
		out, err := t.deploy.CreateDeployment(ctx, in, func(o *codedeploy.Options) { o.RetryMaxAttempts = 1 })
		var api smithy.APIError
		switch {
		case err == nil:
			return aws.ToString(out.DeploymentId), nil
		case is(err, "DeploymentLimitExceededException"): // the group is busy
			if id, err := t.makeRoom(ctx, run); id != "" || err != nil {
				return id, err
			}
		case is(err, "ThrottlingException", "Throttling", "TooManyRequestsException"):
		case errors.As(err, &api) && api.ErrorFault() == smithy.FaultClient:
			return "", t.failed("begin a deployment for hook "+run.Hook.Name, "codedeploy:CreateDeployment", err)
		default: // it may have been begun
			if id, _ := t.deploymentOf(ctx, run); id != "" {
				return id, nil
			}
			return "", t.failed("begin a deployment for hook "+run.Hook.Name, "codedeploy:CreateDeployment", err)
		}
		if err := pause(ctx, delay); err != nil {
			return "", err
		}
	}
}

// makeRoom looks at what keeps a group busy: it is this run's own deployment, whose answer was lost; or one of an earlier
// run of this rollout, which was given up and is stopped; or someone else's.
func (t *Target) makeRoom(ctx context.Context, run rollout.RunHook) (id string, err error) {
	all, err := t.deploymentsSince(ctx, run)
	if err != nil {
		return "", err
	}
	for _, d := range all {
		switch {
		case aws.ToString(d.Description) == describeRun(run):
			return aws.ToString(d.DeploymentId), nil
		case ofRollout(aws.ToString(d.Description), run) && !over(d.Status):
			if err := t.stop(ctx, aws.ToString(d.DeploymentId)); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

// deploymentOf finds the deployment of a run; "" when there is none.
func (t *Target) deploymentOf(ctx context.Context, run rollout.RunHook) (id string, err error) {
	all, err := t.deploymentsSince(ctx, run)
	if err != nil {
		return "", err
	}
	for _, d := range all {
		if aws.ToString(d.Description) == describeRun(run) {
			return aws.ToString(d.DeploymentId), nil
		}
	}
	return "", nil
}

// mostDeployments is how many BatchGetDeployments takes.
const mostDeployments = 25

// deploymentsSince lists the deployments of a run's group since the run began, the oldest first.
func (t *Target) deploymentsSince(ctx context.Context, run rollout.RunHook) ([]types.DeploymentInfo, error) {
	c := run.Hook.CodeDeploy
	in := &codedeploy.ListDeploymentsInput{ApplicationName: &c.Application, DeploymentGroupName: &c.Group}
	if !run.Began.IsZero() {
		in.CreateTimeRange = &types.TimeRange{Start: aws.Time(run.Began.Add(-startedWithin))}
	}
	var ids []string
	for pages := codedeploy.NewListDeploymentsPaginator(t.deploy, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if noGroup(err) {
			return nil, nil
		}
		if err != nil {
			return nil, t.failed("list the deployments of CodeDeploy application "+c.Application, "codedeploy:ListDeployments", err)
		}
		ids = append(ids, page.Deployments...)
	}
	var all []types.DeploymentInfo
	for batch := range slices.Chunk(ids, mostDeployments) {
		out, err := t.deploy.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: batch})
		if err != nil {
			return nil, t.failed("read the deployments of CodeDeploy application "+c.Application, "codedeploy:BatchGetDeployments", err)
		}
		all = append(all, out.DeploymentsInfo...)
	}
	slices.SortStableFunc(all, func(a, b types.DeploymentInfo) int { return aws.ToTime(a.CreateTime).Compare(aws.ToTime(b.CreateTime)) })
	return all, nil
}

func over(status types.DeploymentStatus) bool {
	return status == types.DeploymentStatusSucceeded || status == types.DeploymentStatusFailed || status == types.DeploymentStatusStopped
}

// Deployment reads a deployment: its status as CodeDeploy has it; once it is over what its lifecycle events say, and why it
// failed.
func (t *Target) Deployment(ctx context.Context, id string) (status, output, failure string, err error) {
	out, err := t.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return "", "", "", t.failed("read deployment "+id, "codedeploy:GetDeployment", err)
	}
	d := out.DeploymentInfo
	if !over(d.Status) {
		return string(d.Status), "", "", nil
	}
	lines := []string{fmt.Sprintf("deployment %s: %s", id, d.Status)}
	events, err := t.lifecycle(ctx, id)
	if err != nil {
		events = []string{"its lifecycle events could not be read: " + err.Error()}
	}
	failure = fmt.Sprintf("deployment %s %s", id, d.Status)
	if e := d.ErrorInformation; e != nil {
		failure += fmt.Sprintf(" (%s): %s", e.Code, aws.ToString(e.Message))
	}
	return string(d.Status), strings.Join(append(lines, events...), "\n"), failure, nil
}

// lifecycle tells of every lifecycle event of a deployment, one a line, with what the hook left in its log.
func (t *Target) lifecycle(ctx context.Context, id string) ([]string, error) {
	ids, err := t.deploy.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		return nil, t.failed("list the targets of deployment "+id, "codedeploy:ListDeploymentTargets", err)
	}
	if len(ids.TargetIds) == 0 {
		return nil, nil
	}
	out, err := t.deploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: ids.TargetIds})
	if err != nil {
		return nil, t.failed("read the targets of deployment "+id, "codedeploy:BatchGetDeploymentTargets", err)
	}
	var lines []string
	for _, target := range out.DeploymentTargets {
		if target.LambdaTarget == nil {
			continue
		}
		for _, e := range target.LambdaTarget.LifecycleEvents {
			line := fmt.Sprintf("%s %s", aws.ToString(e.LifecycleEventName), e.Status)
			if d := e.Diagnostics; d != nil {
				for _, more := range []string{aws.ToString(d.ScriptName), aws.ToString(d.Message), aws.ToString(d.LogTail)} {
					if more != "" {
						line += ": " + more
					}
				}
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// Withdraw stops the deployment of a run where it is under way, and removes the alias that it shifted. Repeated, it does
// nothing more.
func (t *Target) Withdraw(ctx context.Context, run rollout.RunHook) error {
	all, err := t.deploymentsSince(ctx, run)
	if err != nil {
		return err
	}
	for _, d := range all {
		if aws.ToString(d.Description) == describeRun(run) && !over(d.Status) {
			if err := t.stop(ctx, aws.ToString(d.DeploymentId)); err != nil {
				return err
			}
		}
	}
	green, err := arn.ParseFunction(run.Functions[run.Hook.CodeDeploy.Tests].ARN)
	if err != nil {
		return err
	}
	_, err = t.lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: &green.Name, Name: aws.String(rollout.HookAlias)})
	if err != nil && !is(err, "ResourceNotFoundException") {
		return t.failed("remove "+hookRef(green.Name).String(), "lambda:DeleteAlias", err)
	}
	return nil
}

func (t *Target) stop(ctx context.Context, id string) error {
	_, err := t.deploy.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: &id, AutoRollbackEnabled: aws.Bool(false)})
	if err != nil && !is(err, "DeploymentAlreadyCompletedException") {
		return t.failed("stop deployment "+id, "codedeploy:StopDeployment", err)
	}
	return nil
}
