package codedeploy

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/rollout"
)

// dial gives AWS's own client of a service behind the wire protocol.
func dial(t *testing.T, w *world) *sdk.Client {
	t.Helper()
	mux, err := awsproto.NewMux(awsproto.Config{}, w.svc.API())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return sdk.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Why: what a client makes it must find again, also after a restart, as it made it.
func TestControlPlaneOnTheWire(t *testing.T) {
	w := newWorld(t)
	c, ctx := dial(t, w), t.Context()
	app := must[*sdk.CreateApplicationOutput](t)(c.CreateApplication(ctx, &sdk.CreateApplicationInput{
		ApplicationName: aws.String("first"), ComputePlatform: types.ComputePlatformLambda, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}))
	must[*sdk.UpdateApplicationOutput](t)(c.UpdateApplication(ctx, &sdk.UpdateApplicationInput{ApplicationName: aws.String("first"), NewApplicationName: aws.String("shop")}))
	config := must[*sdk.CreateDeploymentConfigOutput](t)(c.CreateDeploymentConfig(ctx, &sdk.CreateDeploymentConfigInput{
		DeploymentConfigName: aws.String("slow"), ComputePlatform: types.ComputePlatformLambda,
		TrafficRoutingConfig: &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedLinear, TimeBasedLinear: &types.TimeBasedLinear{LinearPercentage: 20, LinearInterval: 60}},
	}))
	group := must[*sdk.CreateDeploymentGroupOutput](t)(c.CreateDeploymentGroup(ctx, &sdk.CreateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("g"), ServiceRoleArn: aws.String(role), DeploymentStyle: style,
		AlarmConfiguration:        &types.AlarmConfiguration{Enabled: true, IgnorePollAlarmFailure: true, Alarms: []types.Alarm{{Name: aws.String("errors")}}},
		AutoRollbackConfiguration: everyEvent,
		TriggerConfigurations:     []types.TriggerConfig{{TriggerName: aws.String("t"), TriggerTargetArn: aws.String("arn:aws:sns:us-east-1:000000000000:t"), TriggerEvents: []types.TriggerEventType{types.TriggerEventTypeDeploymentFailure}}},
	}))
	must[*sdk.UpdateDeploymentGroupOutput](t)(c.UpdateDeploymentGroup(ctx, &sdk.UpdateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), CurrentDeploymentGroupName: aws.String("g"), NewDeploymentGroupName: aws.String("live"), DeploymentConfigName: aws.String("slow"),
	}))
	for _, arn := range []string{"application:shop", "deploymentgroup:shop/live", "deploymentconfig:slow"} {
		must[*sdk.TagResourceOutput](t)(c.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: aws.String(w.svc.arnPrefix + arn), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))
	}
	must[*sdk.RegisterApplicationRevisionOutput](t)(c.RegisterApplicationRevision(ctx, &sdk.RegisterApplicationRevisionInput{
		ApplicationName: aws.String("shop"), Revision: revision(spec("1", "2")), Description: aws.String("two"),
	}))

	w.reopen()
	c = dial(t, w)
	a := must[*sdk.GetApplicationOutput](t)(c.GetApplication(ctx, &sdk.GetApplicationInput{ApplicationName: aws.String("shop")})).Application
	check(t, "application's ID", *a.ApplicationId, *app.ApplicationId)
	check(t, "platform", a.ComputePlatform, types.ComputePlatformLambda)
	g := must[*sdk.GetDeploymentGroupOutput](t)(c.GetDeploymentGroup(ctx, &sdk.GetDeploymentGroupInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("live")})).DeploymentGroupInfo
	check(t, "group's ID", *g.DeploymentGroupId, *group.DeploymentGroupId)
	check(t, "group's configuration", *g.DeploymentConfigName, "slow")
	check(t, "alarm", *g.AlarmConfiguration.Alarms[0].Name, "errors")
	check(t, "ignorePollAlarmFailure", g.AlarmConfiguration.IgnorePollAlarmFailure, true)
	check(t, "rollback events", len(g.AutoRollbackConfiguration.Events), 3)
	check(t, "trigger", *g.TriggerConfigurations[0].TriggerName, "t")
	check(t, "option", g.DeploymentStyle.DeploymentOption, types.DeploymentOptionWithTrafficControl)
	d := must[*sdk.GetDeploymentConfigOutput](t)(c.GetDeploymentConfig(ctx, &sdk.GetDeploymentConfigInput{DeploymentConfigName: aws.String("slow")})).DeploymentConfigInfo
	check(t, "configuration's ID", *d.DeploymentConfigId, *config.DeploymentConfigId)
	check(t, "interval", d.TrafficRoutingConfig.TimeBasedLinear.LinearInterval, 60)
	preset := must[*sdk.GetDeploymentConfigOutput](t)(c.GetDeploymentConfig(ctx, &sdk.GetDeploymentConfigInput{DeploymentConfigName: aws.String("CodeDeployDefault.LambdaCanary10Percent15Minutes")})).DeploymentConfigInfo
	check(t, "preset", *preset.TrafficRoutingConfig.TimeBasedCanary, types.TimeBasedCanary{CanaryPercentage: 10, CanaryInterval: 15})
	configs := must[*sdk.ListDeploymentConfigsOutput](t)(c.ListDeploymentConfigs(ctx, &sdk.ListDeploymentConfigsInput{})).DeploymentConfigsList
	check(t, "configurations", len(configs), len(rollout.Presets())+1)
	tags := must[*sdk.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: aws.String(w.svc.applicationARN("shop"))})).Tags
	check(t, "tags", len(tags), 2)
	must[*sdk.UntagResourceOutput](t)(c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: aws.String(w.svc.groupARN("shop", "live")), TagKeys: []string{"k"}}))
	tags = must[*sdk.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: aws.String(w.svc.groupARN("shop", "live"))})).Tags
	check(t, "tags left", len(tags), 0)
	v := must[*sdk.GetApplicationRevisionOutput](t)(c.GetApplicationRevision(ctx, &sdk.GetApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: revision(spec("1", "2"))}))
	check(t, "revision", *v.RevisionInfo.Description, "two")
	list := must[*sdk.ListApplicationRevisionsOutput](t)(c.ListApplicationRevisions(ctx, &sdk.ListApplicationRevisionsInput{ApplicationName: aws.String("shop")}))
	check(t, "revisions", *list.Revisions[0].AppSpecContent.Content, spec("1", "2"))
	names := must[*sdk.BatchGetDeploymentGroupsOutput](t)(c.BatchGetDeploymentGroups(ctx, &sdk.BatchGetDeploymentGroupsInput{ApplicationName: aws.String("shop"), DeploymentGroupNames: []string{"live", "none"}}))
	if len(names.DeploymentGroupsInfo) != 1 || !strings.Contains(aws.ToString(names.ErrorMessage), "none") {
		t.Errorf("groups: %+v", names)
	}

	_, err := c.DeleteDeploymentConfig(ctx, &sdk.DeleteDeploymentConfigInput{DeploymentConfigName: aws.String("slow")})
	fails[*types.DeploymentConfigInUseException](t, err)
	must[*sdk.DeleteApplicationOutput](t)(c.DeleteApplication(ctx, &sdk.DeleteApplicationInput{ApplicationName: aws.String("shop")}))
	must[*sdk.DeleteDeploymentConfigOutput](t)(c.DeleteDeploymentConfig(ctx, &sdk.DeleteDeploymentConfigInput{DeploymentConfigName: aws.String("slow")}))
	w.reopen()
	if n := len(w.svc.applications) + len(w.svc.groups) + len(w.svc.configs) + len(w.svc.revisions); n != 0 {
		t.Errorf("%d records are left after everything was deleted", n)
	}
}

// Why: a client tells errors apart by their names.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.group(defaultConfig, nil)
	c, ctx := dial(t, w), t.Context()
	shop, live, lambda := aws.String("shop"), aws.String("live"), types.ComputePlatformLambda
	deployment := func(edit func(*sdk.CreateDeploymentInput)) error {
		in := creation(spec("1", "2"))
		edit(in)
		_, err := c.CreateDeployment(ctx, in)
		return err
	}
	group := func(edit func(*sdk.CreateDeploymentGroupInput)) error {
		in := &sdk.CreateDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: aws.String("other"), ServiceRoleArn: aws.String(role), DeploymentStyle: style}
		edit(in)
		_, err := c.CreateDeploymentGroup(ctx, in)
		return err
	}
	config := func(name string, platform types.ComputePlatform, traffic *types.TrafficRoutingConfig) error {
		_, err := c.CreateDeploymentConfig(ctx, &sdk.CreateDeploymentConfigInput{DeploymentConfigName: &name, ComputePlatform: platform, TrafficRoutingConfig: traffic})
		return err
	}
	application := func(name string, platform types.ComputePlatform) error {
		_, err := c.CreateApplication(ctx, &sdk.CreateApplicationInput{ApplicationName: &name, ComputePlatform: platform})
		return err
	}
	get := func(id string) error {
		_, err := c.GetDeployment(ctx, &sdk.GetDeploymentInput{DeploymentId: &id})
		return err
	}
	alarms := func(names ...string) *types.AlarmConfiguration {
		a := &types.AlarmConfiguration{Enabled: true}
		for _, n := range names {
			a.Alarms = append(a.Alarms, types.Alarm{Name: &n})
		}
		return a
	}
	canary := func(percent, minutes int32) *types.TrafficRoutingConfig {
		return &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedCanary, TimeBasedCanary: &types.TimeBasedCanary{CanaryPercentage: percent, CanaryInterval: minutes}}
	}
	linear := func(percent, minutes int32) *types.TrafficRoutingConfig {
		return &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedLinear, TimeBasedLinear: &types.TimeBasedLinear{LinearPercentage: percent, LinearInterval: minutes}}
	}
	for _, r := range []struct {
		want string
		err  error
	}{
		{"ApplicationAlreadyExistsException", application("shop", lambda)},
		{"InvalidApplicationNameException", application("a/b", lambda)},
		{"InvalidComputePlatformException", application("x", types.ComputePlatformServer)},
		{"InvalidComputePlatformException", application("x", types.ComputePlatformEcs)},
		{"InvalidComputePlatformException", application("x", "")},
		{"InvalidDeploymentConfigNameException", config("CodeDeployDefault.Mine", lambda, canary(10, 5))},
		{"InvalidComputePlatformException", config("c", types.ComputePlatformEcs, canary(10, 5))},
		{"InvalidTrafficRoutingConfigurationException", config("c", lambda, nil)},
		{"InvalidTrafficRoutingConfigurationException", config("c", lambda, canary(100, 5))},
		{"InvalidTrafficRoutingConfigurationException", config("c", lambda, canary(10, 0))},
		{"InvalidTrafficRoutingConfigurationException", config("c", lambda, linear(1, 30))}, // 99 pauses of 30 minutes
		{"InvalidTrafficRoutingConfigurationException", config("c", lambda, &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedLinear})},
		{"DeploymentGroupAlreadyExistsException", group(func(in *sdk.CreateDeploymentGroupInput) { in.DeploymentGroupName = live })},
		{"ApplicationDoesNotExistException", group(func(in *sdk.CreateDeploymentGroupInput) { in.ApplicationName = aws.String("none") })},
		{"InvalidRoleException", group(func(in *sdk.CreateDeploymentGroupInput) { in.ServiceRoleArn = aws.String("me") })},
		{"InvalidDeploymentStyleException", group(func(in *sdk.CreateDeploymentGroupInput) { in.DeploymentStyle = nil })},
		{"InvalidDeploymentStyleException", group(func(in *sdk.CreateDeploymentGroupInput) {
			in.DeploymentStyle = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeInPlace}
		})},
		{"DeploymentConfigDoesNotExistException", group(func(in *sdk.CreateDeploymentGroupInput) { in.DeploymentConfigName = aws.String("none") })},
		{"InvalidDeploymentConfigNameException", group(func(in *sdk.CreateDeploymentGroupInput) {
			in.DeploymentConfigName = aws.String("CodeDeployDefault.OneAtATime")
		})},
		{"InvalidAlarmConfigException", group(func(in *sdk.CreateDeploymentGroupInput) { in.AlarmConfiguration = alarms() })},
		{"InvalidAlarmConfigException", group(func(in *sdk.CreateDeploymentGroupInput) { in.AlarmConfiguration = alarms("a", "a") })},
		{"AlarmsLimitExceededException", group(func(in *sdk.CreateDeploymentGroupInput) {
			in.AlarmConfiguration = alarms("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
		})},
		{"InvalidAutoRollbackConfigException", group(func(in *sdk.CreateDeploymentGroupInput) {
			in.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true}
		})},
		{"InvalidTriggerConfigException", group(func(in *sdk.CreateDeploymentGroupInput) { in.TriggerConfigurations = []types.TriggerConfig{{}} })},
		{"InvalidAutoScalingGroupException", group(func(in *sdk.CreateDeploymentGroupInput) { in.AutoScalingGroups = []string{"a"} })},
		{"InvalidECSServiceException", group(func(in *sdk.CreateDeploymentGroupInput) { in.EcsServices = []types.ECSService{{}} })},
		{"InvalidEC2TagException", group(func(in *sdk.CreateDeploymentGroupInput) {
			in.Ec2TagFilters = []types.EC2TagFilter{{Key: aws.String("k")}}
		})},
		{"RevisionRequiredException", deployment(func(in *sdk.CreateDeploymentInput) { in.Revision = nil })},
		{"InvalidRevisionException", deployment(func(in *sdk.CreateDeploymentInput) { in.Revision.AppSpecContent.Sha256 = aws.String("00") })},
		{"InvalidRevisionException", deployment(func(in *sdk.CreateDeploymentInput) { in.Revision = revision("{") })},
		{"InvalidRevisionException", deployment(func(in *sdk.CreateDeploymentInput) { in.Revision = revision("a: &x 1\nb: *x\n") })},
		{"InvalidRevisionException", deployment(func(in *sdk.CreateDeploymentInput) {
			in.Revision.RevisionType = types.RevisionLocationTypeGitHub
		})},
		{"DeploymentGroupDoesNotExistException", deployment(func(in *sdk.CreateDeploymentInput) { in.DeploymentGroupName = aws.String("none") })},
		{"DeploymentConfigDoesNotExistException", deployment(func(in *sdk.CreateDeploymentInput) { in.DeploymentConfigName = aws.String("none") })},
		{"InvalidFileExistsBehaviorException", deployment(func(in *sdk.CreateDeploymentInput) {
			in.FileExistsBehavior = types.FileExistsBehaviorOverwrite
		})},
		{"InvalidUpdateOutdatedInstancesOnlyValueException", deployment(func(in *sdk.CreateDeploymentInput) { in.UpdateOutdatedInstancesOnly = true })},
		{"InvalidIgnoreApplicationStopFailuresValueException", deployment(func(in *sdk.CreateDeploymentInput) { in.IgnoreApplicationStopFailures = true })},
		{"InvalidDeploymentIdException", get("d-1")},
		{"DeploymentDoesNotExistException", get("d-AAAAAAAAA")},
	} {
		var api smithy.APIError
		if !errors.As(r.err, &api) || api.ErrorCode() != r.want || api.ErrorMessage() == "" {
			t.Errorf("have %v, want %s", r.err, r.want)
		}
	}
	if len(w.svc.deployments)+len(w.svc.configs) != 0 || len(w.svc.groups) != 1 || len(w.svc.applications) != 1 {
		t.Error("something that was refused is there")
	}
	_, err := c.ListOnPremisesInstances(ctx, &sdk.ListOnPremisesInstancesInput{})
	var api smithy.APIError
	if !errors.As(err, &api) || !strings.Contains(api.ErrorCode(), "UnknownOperation") {
		t.Errorf("an operation that is not served: %v", err)
	}
}

// Why: AWS's own paginators must end and miss nothing.
func TestListsAreWhole(t *testing.T) {
	w := newWorld(t)
	c := dial(t, w)
	var want []string
	for i := range 230 {
		name := "app" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		want = append(want, name)
		must[*sdk.CreateApplicationOutput](t)(w.svc.CreateApplication(context.Background(), &sdk.CreateApplicationInput{ApplicationName: &name, ComputePlatform: types.ComputePlatformLambda}))
	}
	var have []string
	for p := sdk.NewListApplicationsPaginator(c, &sdk.ListApplicationsInput{}); p.HasMorePages(); {
		have = append(have, must[*sdk.ListApplicationsOutput](t)(p.NextPage(t.Context())).Applications...)
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %d names, want %d", len(have), len(want))
	}
	_, err := c.ListApplications(t.Context(), &sdk.ListApplicationsInput{NextToken: aws.String("-1")})
	fails[*types.InvalidNextTokenException](t, err)
}

// Why: AppSpec files come from outside; none may bring the platform down, and the two spellings of AWS's own examples count.
func FuzzAppSpec(f *testing.F) {
	f.Add(spec("1", "2", "BeforeAllowTraffic: hook"))
	f.Add(`{"version":0.0,"Resources":[{"x":{"Type":"AWS::Lambda::Function","Properties":{"Name":"x","Alias":"a","CurrentVersion":1,"TargetVersion":"2"}}}]}`)
	f.Add("version: 0.0\nresources:\n  - x:\n      type: AWS::Lambda::Function\n      properties:\n        name: x\n        alias: a\n        currentversion: 1\n        targetversion: 2\n")
	f.Add("a: &a [*a, *a]")
	f.Fuzz(func(t *testing.T, content string) {
		s, err := parseAppSpec(content)
		if err == nil && (s.Function == "" || s.Alias == "" || s.Current == "" || s.Target == "") {
			t.Errorf("%q is read as %+v", content, s)
		}
	})
}

// Why: the seeds of the fuzzer say only that nothing breaks, not what is read.
func TestAppSpecSpellings(t *testing.T) {
	for _, content := range []string{
		`{"version":0.0,"Resources":[{"x":{"Type":"AWS::Lambda::Function","Properties":{"Name":"x","Alias":"a","CurrentVersion":1,"TargetVersion":"2"}}}],"Hooks":[{"BeforeAllowTraffic":"h"}]}`,
		"version: 0.0\nresources:\n  - x:\n      type: AWS::Lambda::Function\n      properties:\n        name: x\n        alias: a\n        currentversion: 1\n        targetversion: '2'\nhooks:\n  - BeforeAllowTraffic: h\n",
	} {
		s, err := parseAppSpec(content)
		if err != nil {
			t.Errorf("%s: %v", content, err)
			continue
		}
		check(t, content, s.Function == "x" && s.Alias == "a" && s.Current == "1" && s.Target == "2" && s.Hooks["BeforeAllowTraffic"] == "h", true)
	}
}
