package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/platform"
)

// A canary of five minutes, rehearsed in five seconds: four deployments run side by side, each for an alias of its own.
// Traffic moves at the right moments; a failing hook, an alarm that real invocations of green set off, and a stop request
// each bring it back; and one that the platform's death interrupts goes on where it was. It waits more than it works, but
// runs alone: a second that others take from it is a minute.
func TestCanaryAtClockRate60(t *testing.T) {
	p := serve(t, "127.0.0.1:0", filepath.Join(reachableDir(t), "data"), "--clock-rate", "60")
	r := newRehearsal(t, p)

	through := r.deploy("through", "2", "")
	hooked := r.deploy("hooked", "2", `"Hooks":[{"BeforeAllowTraffic":"approves"},{"AfterAllowTraffic":"refuses"}],`)
	alarmed := r.deploy("alarmed", "3", "")
	stopped := r.deploy("stopped", "2", "")
	for _, a := range []string{"through", "hooked", "alarmed", "stopped"} {
		until(t, a+" is at 10 %", func() bool { return r.share(a) == 0.1 })
	}

	_, err := r.codedeploy.StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &stopped, AutoRollbackEnabled: aws.Bool(true)})
	must(t, err)
	r.broughtBack("stopped", stopped, types.DeploymentStatusStopped, types.ErrorCodeManualStop)

	failed := 0
	until(t, "the alarm brings blue back", func() bool {
		if out := r.invoke("alarmed"); out.FunctionError != nil {
			failed++
			if v := aws.ToString(out.ExecutedVersion); v != "3" {
				t.Fatalf("version %s failed", v)
			}
		}
		return r.share("alarmed") == 0
	})
	if failed == 0 {
		t.Error("no invocation failed, and the alarm fired")
	}
	r.broughtBack("alarmed", alarmed, types.DeploymentStatusStopped, types.ErrorCodeAlarmActive)

	until(t, "the canary is over", func() bool { return r.share("through") == 1 })
	r.onSchedule("through", through)
	for range 20 {
		if v := aws.ToString(r.invoke("through").ExecutedVersion); v != "2" {
			t.Fatalf("version %s ran after the canary", v)
		}
	}
	r.broughtBack("hooked", hooked, types.DeploymentStatusFailed, types.ErrorCodeHookExecutionFailure)
	if e := r.target(hooked).LifecycleEvents; e[0].Status != types.LifecycleEventStatusSucceeded || e[2].Status != types.LifecycleEventStatusFailed {
		t.Errorf("the hooked deployment's events are %+v", e)
	}

	killed := r.deploy("killed", "2", "")
	until(t, "killed is at 10 %", func() bool { return r.share("killed") == 0.1 })
	before := r.target(killed)
	p.kill()
	r.use(p.restart())
	if s, now, due := r.share("killed"), r.now(), before.LifecycleEvents[1].StartTime.Add(5*time.Minute); now.Before(due) && s != 0.1 {
		t.Errorf("killed is at %v at %s, and the canary ends at %s", s, now, due)
	}
	until(t, "the interrupted canary is over", func() bool { return r.share("killed") == 1 })
	r.onSchedule("killed", killed)
	if began := r.target(killed).LifecycleEvents[1].StartTime; !began.Equal(*before.LifecycleEvents[1].StartTime) {
		t.Errorf("the canary began at %s, and at %s after a restart", before.LifecycleEvents[1].StartTime, began)
	}

	until(t, "the alarm is OK again", func() bool { return r.alarm() == cwtypes.StateValueOk })
	history, err := r.cloudwatch.DescribeAlarmHistory(t.Context(), &cloudwatch.DescribeAlarmHistoryInput{
		AlarmName: aws.String("green"), HistoryItemType: cwtypes.HistoryItemTypeStateUpdate, ScanBy: cwtypes.ScanByTimestampAscending,
	})
	must(t, err)
	var told []string
	for _, h := range history.AlarmHistoryItems {
		told = append(told, aws.ToString(h.HistorySummary))
	}
	if all := strings.Join(told, "; "); !strings.Contains(all, "from OK to ALARM; Alarm updated from ALARM to OK") {
		t.Errorf("the alarm's history is: %s", all)
	}
}

// rehearsal is a function with three versions, of which the third fails, two hooks and an alarm on the third.
type rehearsal struct {
	t          *testing.T
	url        string
	lambda     *lambda.Client
	codedeploy *codedeploy.Client
	cloudwatch *cloudwatch.Client
}

const rehearsed = "rehearsed"

func newRehearsal(t *testing.T, p *served) *rehearsal {
	t.Helper()
	ctx := t.Context()
	r := &rehearsal{t: t}
	r.use(p)
	code := testFunction(t)
	create := func(name, verdict string) {
		in := &lambda.CreateFunctionInput{
			FunctionName: &name, Publish: true, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
			Role: aws.String("arn:aws:iam::000000000000:role/teal"), Architectures: []lambdatypes.Architecture{architecture()},
			Timeout: aws.Int32(30), Code: &lambdatypes.FunctionCode{ZipFile: code},
		}
		if verdict != "" {
			in.Environment = &lambdatypes.Environment{Variables: map[string]string{"VERDICT": verdict}}
		}
		_, err := r.lambda.CreateFunction(ctx, in)
		must(t, err)
	}
	create(rehearsed, "")
	create("approves", "Succeeded")
	create("refuses", "Failed")
	for _, env := range []map[string]string{{"ANSWER": `"green"`}, {"FAIL": "green is broken"}} {
		_, err := r.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String(rehearsed), Environment: &lambdatypes.Environment{Variables: env},
		})
		must(t, err)
		_, err = r.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String(rehearsed)})
		must(t, err)
	}
	_, err := r.cloudwatch.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("green"), Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Errors"), Statistic: cwtypes.StatisticSum,
		Dimensions: []cwtypes.Dimension{
			{Name: aws.String("FunctionName"), Value: aws.String(rehearsed)},
			{Name: aws.String("Resource"), Value: aws.String(rehearsed + ":alarmed")},
			{Name: aws.String("ExecutedVersion"), Value: aws.String("3")},
		},
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), TreatMissingData: aws.String("notBreaching"),
		ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanOrEqualToThreshold,
	})
	must(t, err)
	until(t, "the alarm is OK", func() bool { return r.alarm() == cwtypes.StateValueOk })
	_, err = r.codedeploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{
		ApplicationName: aws.String(rehearsed), ComputePlatform: types.ComputePlatformLambda,
	})
	must(t, err)
	return r
}

func architecture() lambdatypes.Architecture {
	if runtime.GOARCH == "arm64" {
		return lambdatypes.ArchitectureArm64
	}
	return lambdatypes.ArchitectureX8664
}

func (r *rehearsal) use(p *served) {
	r.url = p.URL
	r.lambda, r.codedeploy, r.cloudwatch = lambda.NewFromConfig(p.aws), codedeploy.NewFromConfig(p.aws), cloudwatch.NewFromConfig(p.aws)
}

// deploy begins a deployment from version 1 to another, for an alias and a group that it makes; only that of the alias
// alarmed looks at the alarm.
func (r *rehearsal) deploy(alias, version, hooks string) (id string) {
	r.t.Helper()
	ctx := r.t.Context()
	_, err := r.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: aws.String(rehearsed), Name: &alias, FunctionVersion: aws.String("1")})
	must(r.t, err)
	group := &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String(rehearsed), DeploymentGroupName: &alias, ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/teal"),
		DeploymentConfigName: aws.String("CodeDeployDefault.LambdaCanary10Percent5Minutes"),
		DeploymentStyle: &types.DeploymentStyle{
			DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl,
		},
		AutoRollbackConfiguration: &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{
			types.AutoRollbackEventDeploymentFailure, types.AutoRollbackEventDeploymentStopOnAlarm,
		}},
	}
	if alias == "alarmed" {
		group.AlarmConfiguration = &types.AlarmConfiguration{Enabled: true, Alarms: []types.Alarm{{Name: aws.String("green")}}}
	}
	_, err = r.codedeploy.CreateDeploymentGroup(ctx, group)
	must(r.t, err)
	content := fmt.Sprintf(`{"version":0.0,%s"Resources":[{"f":{"Type":"AWS::Lambda::Function","Properties":{"Name":%q,"Alias":%q,"CurrentVersion":"1","TargetVersion":%q}}}]}`,
		hooks, rehearsed, alias, version)
	out, err := r.codedeploy.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String(rehearsed), DeploymentGroupName: &alias,
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeAppSpecContent, AppSpecContent: &types.AppSpecContent{Content: &content}},
	})
	must(r.t, err)
	return *out.DeploymentId
}

// share is what versions other than 1 get of an alias's traffic.
func (r *rehearsal) share(alias string) (share float64) {
	r.t.Helper()
	out, err := r.lambda.GetAlias(r.t.Context(), &lambda.GetAliasInput{FunctionName: aws.String(rehearsed), Name: &alias})
	must(r.t, err)
	if *out.FunctionVersion != "1" {
		share = 1
	}
	if out.RoutingConfig != nil {
		for v, w := range out.RoutingConfig.AdditionalVersionWeights {
			if share == 1 || v == "1" {
				r.t.Fatalf("%s is at version %s with %+v", alias, *out.FunctionVersion, out.RoutingConfig)
			}
			share = w
		}
	}
	return share
}

func (r *rehearsal) invoke(alias string) *lambda.InvokeOutput {
	r.t.Helper()
	out, err := r.lambda.Invoke(r.t.Context(), &lambda.InvokeInput{FunctionName: aws.String(rehearsed), Qualifier: &alias, Payload: []byte(`{}`)})
	must(r.t, err)
	return out
}

func (r *rehearsal) alarm() cwtypes.StateValue {
	r.t.Helper()
	out, err := r.cloudwatch.DescribeAlarms(r.t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"green"}})
	must(r.t, err)
	return out.MetricAlarms[0].StateValue
}

func (r *rehearsal) info(id string) *types.DeploymentInfo {
	r.t.Helper()
	out, err := r.codedeploy.GetDeployment(r.t.Context(), &codedeploy.GetDeploymentInput{DeploymentId: &id})
	must(r.t, err)
	return out.DeploymentInfo
}

func (r *rehearsal) target(id string) *types.LambdaTarget {
	r.t.Helper()
	out, err := r.codedeploy.GetDeploymentTarget(r.t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: aws.String(rehearsed)})
	must(r.t, err)
	return out.DeploymentTarget.LambdaTarget
}

// now is the platform's time.
func (r *rehearsal) now() time.Time {
	r.t.Helper()
	resp, err := http.Get(r.url + "/2015-03-31/functions")
	must(r.t, err)
	defer resp.Body.Close()
	now, err := time.Parse(time.RFC3339Nano, resp.Header.Get(platform.ClockHeader))
	must(r.t, err)
	return now
}

// onSchedule checks that all traffic came five platform minutes after the tenth, and not much later: a loaded machine may
// be late by seconds, each of which is a minute.
func (r *rehearsal) onSchedule(alias, id string) {
	r.t.Helper()
	until(r.t, alias+" succeeds", func() bool { return r.info(id).Status == types.DeploymentStatusSucceeded })
	shift := r.target(id).LifecycleEvents[1]
	took := shift.EndTime.Sub(*shift.StartTime)
	r.t.Logf("%s: AllowTraffic took %s of the platform's time", alias, took)
	if took < 5*time.Minute || took > 9*time.Minute {
		raw, _ := json.Marshal(r.target(id))
		r.t.Errorf("%s: AllowTraffic took %s: %s", alias, took, raw)
	}
}

// broughtBack checks that a deployment ended for a reason, and that another one has taken it back.
func (r *rehearsal) broughtBack(alias, id string, status types.DeploymentStatus, code types.ErrorCode) {
	r.t.Helper()
	until(r.t, alias+" ends and is back at version 1", func() bool {
		info := r.info(id)
		return info.CompleteTime != nil && info.RollbackInfo != nil && info.RollbackInfo.RollbackDeploymentId != nil &&
			r.info(*info.RollbackInfo.RollbackDeploymentId).CompleteTime != nil
	})
	info := r.info(id)
	if info.Status != status || info.ErrorInformation.Code != code {
		r.t.Errorf("%s ended %s: %s, %s", alias, info.Status, info.ErrorInformation.Code, aws.ToString(info.ErrorInformation.Message))
	}
	back := r.info(*info.RollbackInfo.RollbackDeploymentId)
	if back.Status != types.DeploymentStatusSucceeded || back.Creator != types.DeploymentCreatorCodeDeployRollback || r.share(alias) != 0 {
		r.t.Errorf("%s: the rollback is %s by %s, and version 1 is without %v of the traffic", alias, back.Status, back.Creator, r.share(alias))
	}
}
