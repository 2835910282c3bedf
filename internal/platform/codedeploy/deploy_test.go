package codedeploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/alias"
)

func half(weight float64) alias.Routing {
	return alias.Routing{Primary: "1", Additional: "2", Weight: weight}
}

var blue, green = alias.Routing{Primary: "1"}, alias.Routing{Primary: "2"}

// Why: the schedule is the promise. Each shift is at its minute, not before and not after.
func TestTrafficMovesOnSchedule(t *testing.T) {
	linear := []move{}
	for i := range 9 {
		linear = append(linear, move{time.Duration(i) * time.Minute, half(float64(i+1) * 10 / 100)})
	}
	linear = append(linear, move{9 * time.Minute, green})
	for _, c := range []struct {
		config string
		own    *types.TrafficRoutingConfig
		want   []move
	}{
		{config: "CodeDeployDefault.LambdaAllAtOnce", want: []move{{0, green}}},
		{config: "CodeDeployDefault.LambdaCanary10Percent5Minutes", want: []move{{0, half(0.1)}, {5 * time.Minute, green}}},
		{config: "CodeDeployDefault.LambdaCanary10Percent30Minutes", want: []move{{0, half(0.1)}, {30 * time.Minute, green}}},
		{config: "CodeDeployDefault.LambdaLinear10PercentEvery1Minute", want: linear},
		{
			config: "own-canary", want: []move{{0, half(0.25)}, {time.Minute, green}},
			own: &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedCanary, TimeBasedCanary: &types.TimeBasedCanary{CanaryPercentage: 25, CanaryInterval: 1}},
		},
		{
			config: "own-linear", want: []move{{0, half(0.4)}, {7 * time.Minute, half(0.8)}, {14 * time.Minute, green}},
			own: &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedLinear, TimeBasedLinear: &types.TimeBasedLinear{LinearPercentage: 40, LinearInterval: 7}},
		},
	} {
		t.Run(c.config, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.own != nil {
					if _, err := w.svc.CreateDeploymentConfig(context.Background(), &sdk.CreateDeploymentConfigInput{
						DeploymentConfigName: &c.config, ComputePlatform: types.ComputePlatformLambda, TrafficRoutingConfig: c.own,
					}); err != nil {
						t.Fatal(err)
					}
				}
				w.group(c.config, nil)
				id := w.deploy(spec("1", "2"))
				last := c.want[len(c.want)-1].at
				if last > 0 {
					check(t, "status", w.info(id).Status, types.DeploymentStatusInProgress)
					check(t, "weight", w.target(id).LambdaFunctionInfo.TargetVersionWeight, c.want[0].routing.Weight*100)
					check(t, "events", w.events(id), "BeforeAllowTraffic Succeeded, AllowTraffic InProgress, AfterAllowTraffic Pending")
				}
				wait(last)
				check(t, "status", w.info(id).Status, types.DeploymentStatusSucceeded)
				check(t, "events", w.events(id), "BeforeAllowTraffic Succeeded, AllowTraffic Succeeded, AfterAllowTraffic Succeeded")
				check(t, "weight", w.target(id).LambdaFunctionInfo.TargetVersionWeight, 100)
				check(t, "moves", fmt.Sprint(w.moves), fmt.Sprint(c.want))
				check(t, "length", w.info(id).CompleteTime.Sub(*w.info(id).CreateTime), last)
			})
		})
	}
}

// Why: hooks run around the shift, in this order, and nothing moves before the first has said so.
func TestHooksRunAroundTheShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group(defaultConfig, nil)
		id := w.deploy(spec("1", "2", "BeforeAllowTraffic: hook-before", "AfterAllowTraffic: hook-after"))
		wait(59 * time.Minute)
		check(t, "routing", w.at(), blue)
		check(t, "events", w.events(id), "BeforeAllowTraffic InProgress, AllowTraffic Pending, AfterAllowTraffic Pending")
		w.answer(types.LifecycleEventStatusSucceeded)("", w.calls[0])
		synctest.Wait()
		check(t, "routing", w.at(), green)
		check(t, "events", w.events(id), "BeforeAllowTraffic Succeeded, AllowTraffic Succeeded, AfterAllowTraffic InProgress")
		put := func(execution, status string) error {
			_, err := w.svc.PutLifecycleEventHookExecutionStatus(context.Background(), &sdk.PutLifecycleEventHookExecutionStatusInput{
				DeploymentId: &id, LifecycleEventHookExecutionId: &execution, Status: types.LifecycleEventStatus(status),
			})
			return err
		}
		fails[*types.LifecycleEventAlreadyCompletedException](t, put(w.calls[0].LifecycleEventHookExecutionId, "Failed"))
		fails[*types.InvalidLifecycleEventHookExecutionIdException](t, put("nonsense", "Succeeded"))
		fails[*types.InvalidLifecycleEventHookExecutionStatusException](t, put(w.calls[1].LifecycleEventHookExecutionId, "Skipped"))
		if err := put(w.calls[1].LifecycleEventHookExecutionId, "Succeeded"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, "status", w.info(id).Status, types.DeploymentStatusSucceeded)
		check(t, "calls", len(w.calls), 2)
		fails[*types.LifecycleEventAlreadyCompletedException](t, put(w.calls[1].LifecycleEventHookExecutionId, "Succeeded"))
	})
}

func fails[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("have error %v (%T), want %T", err, err, e)
	}
	return e
}

// Why: what goes wrong must bring the alias back, by another deployment that says whose it is, as on AWS.
func TestWhatGoesWrongIsTakenBack(t *testing.T) {
	const canary = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
	alarmed := &types.AlarmConfiguration{Enabled: true, Alarms: []types.Alarm{{Name: aws.String("errors")}}}
	for _, c := range []struct {
		name   string
		config string
		hooks  []string
		alarms *types.AlarmConfiguration
		do     func(w *world, id string)
		status types.DeploymentStatus
		code   types.ErrorCode
		events string
		moves  []move // the way back included
	}{
		{
			name: "hook before fails", config: canary, hooks: []string{"BeforeAllowTraffic: hook"},
			do:     func(w *world, _ string) { w.answer(types.LifecycleEventStatusFailed)("", w.calls[0]) },
			status: types.DeploymentStatusFailed, code: types.ErrorCodeHookExecutionFailure,
			events: "BeforeAllowTraffic Failed, AllowTraffic Skipped, AfterAllowTraffic Skipped",
		},
		{
			name: "hook after fails", config: canary, hooks: []string{"AfterAllowTraffic: hook"},
			do: func(w *world, _ string) {
				wait(5 * time.Minute)
				w.answer(types.LifecycleEventStatusFailed)("", w.calls[0])
			},
			status: types.DeploymentStatusFailed, code: types.ErrorCodeHookExecutionFailure,
			events: "BeforeAllowTraffic Succeeded, AllowTraffic Succeeded, AfterAllowTraffic Failed",
			moves:  []move{{0, half(0.1)}, {5 * time.Minute, green}, {5 * time.Minute, blue}},
		},
		{
			name: "hook says nothing", config: canary, hooks: []string{"BeforeAllowTraffic: hook"},
			do:     func(*world, string) { wait(time.Hour) },
			status: types.DeploymentStatusFailed, code: types.ErrorCodeHookExecutionFailure,
			events: "BeforeAllowTraffic Failed, AllowTraffic Skipped, AfterAllowTraffic Skipped",
		},
		{
			name: "hook does not exist", config: canary, hooks: []string{"BeforeAllowTraffic: missing"},
			do:     func(*world, string) {},
			status: types.DeploymentStatusFailed, code: types.ErrorCodeHookExecutionFailure,
			events: "BeforeAllowTraffic Failed, AllowTraffic Skipped, AfterAllowTraffic Skipped",
		},
		{
			name: "alarm in the middle", config: canary, alarms: alarmed,
			do: func(w *world, _ string) {
				wait(2 * time.Minute)
				w.alarm("errors", cwtypes.StateValueAlarm)
				wait(alarmInterval)
			},
			status: types.DeploymentStatusStopped, code: types.ErrorCodeAlarmActive,
			events: "BeforeAllowTraffic Succeeded, AllowTraffic Failed, AfterAllowTraffic Skipped",
			moves:  []move{{0, half(0.1)}, {2*time.Minute + alarmInterval, blue}},
		},
		{
			name: "alarm just before the shift", config: canary, alarms: alarmed,
			do: func(w *world, _ string) {
				time.Sleep(5*time.Minute - time.Second)
				w.alarm("errors", cwtypes.StateValueAlarm)
				wait(time.Second)
			},
			status: types.DeploymentStatusStopped, code: types.ErrorCodeAlarmActive,
			events: "BeforeAllowTraffic Succeeded, AllowTraffic Failed, AfterAllowTraffic Skipped",
			moves:  []move{{0, half(0.1)}, {5 * time.Minute, blue}},
		},
		{
			name: "CloudWatch falls silent", config: canary, alarms: alarmed,
			do: func(w *world, _ string) {
				w.mu.Lock()
				w.deaf = true
				w.mu.Unlock()
				wait(alarmInterval)
			},
			status: types.DeploymentStatusStopped, code: types.ErrorCodeCodedeployResourceCannotBeFound,
			events: "BeforeAllowTraffic Succeeded, AllowTraffic Failed, AfterAllowTraffic Skipped",
			moves:  []move{{0, half(0.1)}, {alarmInterval, blue}},
		},
		{
			name: "stop request", config: canary,
			do: func(w *world, id string) {
				wait(time.Minute)
				if _, err := w.svc.StopDeployment(context.Background(), &sdk.StopDeploymentInput{DeploymentId: &id}); err != nil {
					w.t.Error(err)
				}
			},
			status: types.DeploymentStatusStopped, code: types.ErrorCodeManualStop,
			events: "BeforeAllowTraffic Succeeded, AllowTraffic Failed, AfterAllowTraffic Skipped",
			moves:  []move{{0, half(0.1)}, {time.Minute, blue}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.alarm("errors", cwtypes.StateValueOk)
				w.group(c.config, func(in *sdk.CreateDeploymentGroupInput) {
					in.AutoRollbackConfiguration, in.AlarmConfiguration = everyEvent, c.alarms
				})
				id := w.deploy(spec("1", "2", c.hooks...))
				c.do(w, id)
				synctest.Wait()
				info := w.info(id)
				check(t, "status", info.Status, c.status)
				if info.ErrorInformation == nil || info.RollbackInfo == nil || info.RollbackInfo.RollbackDeploymentId == nil {
					t.Fatalf("the deployment tells no error or no rollback: %+v", info)
				}
				check(t, "code", info.ErrorInformation.Code, c.code)
				check(t, "events", w.events(id), c.events)
				check(t, "moves", fmt.Sprint(w.moves), fmt.Sprint(c.moves))
				check(t, "routing", w.at(), blue)
				back := w.info(*info.RollbackInfo.RollbackDeploymentId)
				check(t, "rollback", back.Status, types.DeploymentStatusSucceeded)
				check(t, "creator", back.Creator, types.DeploymentCreatorCodeDeployRollback)
				check(t, "triggered by", aws.ToString(back.RollbackInfo.RollbackTriggeringDeploymentId), id)
			})
		})
	}
}

// Why: without automatic rollback AWS leaves the alias where it stands, and that is a trap which a rehearsal must show.
func TestWithoutRollbackTheAliasStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group("CodeDeployDefault.LambdaCanary10Percent5Minutes", nil)
		id := w.deploy(spec("1", "2"))
		ctx := context.Background()
		if _, err := w.svc.StopDeployment(ctx, &sdk.StopDeploymentInput{DeploymentId: &id}); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		check(t, "routing", w.at(), half(0.1))
		if w.info(id).RollbackInfo != nil {
			t.Errorf("a rollback that nobody asked for: %+v", w.info(id).RollbackInfo)
		}
		_, err := w.svc.StopDeployment(ctx, &sdk.StopDeploymentInput{DeploymentId: &id})
		fails[*types.DeploymentAlreadyCompletedException](t, err)

		next := w.info(w.deploy(spec("1", "3")))
		check(t, "the next deployment", next.Status, types.DeploymentStatusFailed)
		check(t, "its code", next.ErrorInformation.Code, types.ErrorCodeInvalidLambdaConfiguration)
		check(t, "routing", w.at(), half(0.1))

		w.mu.Lock()
		w.set(blue)
		w.mu.Unlock()
		id = w.deploy(spec("1", "2"))
		if _, err := w.svc.StopDeployment(ctx, &sdk.StopDeploymentInput{DeploymentId: &id, AutoRollbackEnabled: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, "routing after a stop that asks for it", w.at(), blue)
	})
}

// Why: these are the ways in which a deployment cannot work, each with AWS's error and nothing moved.
func TestTraps(t *testing.T) {
	for _, c := range []struct {
		name, content string
		code          types.ErrorCode
		says          string
	}{
		{"alias is elsewhere", spec("2", "3"), types.ErrorCodeInvalidLambdaConfiguration, "does not match the current version"},
		{"no such target", spec("1", "9"), types.ErrorCodeInvalidLambdaFunction, "Function not found"},
		{"no such alias", strings.Replace(spec("1", "2"), "live", "dead", 1), types.ErrorCodeInvalidLambdaConfiguration, "Cannot find alias"},
		{"no alias", strings.Replace(spec("1", "2"), "Alias: live", "Other: x", 1), types.ErrorCodeInvalidLambdaConfiguration, "are needed"},
		{"wrong type", strings.Replace(spec("1", "2"), "AWS::Lambda::Function", "AWS::ECS::Service", 1), types.ErrorCodeInvalidLambdaConfiguration, "AWS::ECS::Service"},
		{"unknown hook", spec("1", "2", "AfterInstall: hook"), types.ErrorCodeInvalidLambdaConfiguration, "AfterInstall"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.group(defaultConfig, func(in *sdk.CreateDeploymentGroupInput) { in.AutoRollbackConfiguration = everyEvent })
				info := w.info(w.deploy(c.content))
				wait(time.Minute)
				check(t, "status", info.Status, types.DeploymentStatusFailed)
				check(t, "code", info.ErrorInformation.Code, c.code)
				if !strings.Contains(*info.ErrorInformation.Message, c.says) {
					t.Errorf("message %q does not say %q", *info.ErrorInformation.Message, c.says)
				}
				check(t, "moves", len(w.moves), 0)
			})
		})
	}
}

// Why: with the target as the current version there is nothing to shift; all at once that is taken, and its hooks are called.
func TestTargetIsCurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group("CodeDeployDefault.LambdaCanary10Percent5Minutes", func(in *sdk.CreateDeploymentGroupInput) { in.AutoRollbackConfiguration = everyEvent })
		gradual := w.info(w.deploy(spec("1", "1", "BeforeAllowTraffic: hook")))
		check(t, "a canary", gradual.Status, types.DeploymentStatusFailed)
		check(t, "its code", gradual.ErrorInformation.Code, types.ErrorCodeInvalidLambdaConfiguration)
		check(t, "calls", len(w.calls), 0)

		for verdict, want := range map[types.LifecycleEventStatus]types.DeploymentStatus{
			types.LifecycleEventStatusSucceeded: types.DeploymentStatusSucceeded, types.LifecycleEventStatusFailed: types.DeploymentStatusFailed,
		} {
			w.hook = w.answer(verdict)
			in := creation(spec("1", "1", "BeforeAllowTraffic: hook", "AfterAllowTraffic: hook"))
			in.DeploymentConfigName = aws.String(defaultConfig)
			out, err := w.svc.CreateDeployment(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			info := w.info(*out.DeploymentId)
			check(t, string(verdict), info.Status, want)
			if r := info.RollbackInfo; r != nil && r.RollbackDeploymentId != nil {
				t.Errorf("%s is rolled back: %+v", verdict, r)
			}
		}
		check(t, "calls", len(w.calls), 3)
		check(t, "moves", len(w.moves), 0)
	})
}

// Why: an alarm that fires already keeps everything out, the fix too; an override lets the fix in.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group(defaultConfig, func(in *sdk.CreateDeploymentGroupInput) {
			in.AlarmConfiguration = &types.AlarmConfiguration{Enabled: true, Alarms: []types.Alarm{{Name: aws.String("errors")}}}
		})
		missing := w.info(w.deploy(spec("1", "2")))
		check(t, "an alarm that does not exist", missing.ErrorInformation.Code, types.ErrorCodeCodedeployResourceCannotBeFound)
		w.alarm("errors", cwtypes.StateValueAlarm)
		firing := w.info(w.deploy(spec("1", "2")))
		check(t, "an alarm that fires", firing.ErrorInformation.Code, types.ErrorCodeAlarmActive)
		check(t, "moves", len(w.moves), 0)

		in := creation(spec("1", "2"))
		in.OverrideAlarmConfiguration = &types.AlarmConfiguration{Enabled: false}
		out, err := w.svc.CreateDeployment(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, "with the alarms overridden", w.info(*out.DeploymentId).Status, types.DeploymentStatusSucceeded)

		in = creation(spec("2", "3"))
		in.OverrideAlarmConfiguration = &types.AlarmConfiguration{Enabled: true, IgnorePollAlarmFailure: true, Alarms: []types.Alarm{{Name: aws.String("nowhere")}}}
		if out, err = w.svc.CreateDeployment(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, "with failures ignored", w.info(*out.DeploymentId).Status, types.DeploymentStatusSucceeded)
	})
}

// Why: what someone else did to the alias is his; a rollback must not undo it.
func TestForeignChangeIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group("CodeDeployDefault.LambdaCanary10Percent5Minutes", func(in *sdk.CreateDeploymentGroupInput) { in.AutoRollbackConfiguration = everyEvent })
		id := w.deploy(spec("1", "2"))
		w.mu.Lock()
		w.set(alias.Routing{Primary: "3"})
		w.mu.Unlock()
		wait(time.Hour)
		info := w.info(id)
		check(t, "status", info.Status, types.DeploymentStatusFailed)
		check(t, "code", info.ErrorInformation.Code, types.ErrorCodeInvalidLambdaConfiguration)
		check(t, "routing", w.at(), alias.Routing{Primary: "3"})
		if info.RollbackInfo == nil || info.RollbackInfo.RollbackDeploymentId != nil || info.RollbackInfo.RollbackMessage == nil {
			t.Errorf("want a message that there is no rollback, have %+v", info.RollbackInfo)
		}
	})
}

// Why: two deployments of one group would tear at one alias.
func TestOneDeploymentOfAGroupAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group("CodeDeployDefault.LambdaCanary10Percent5Minutes", nil)
		id := w.deploy(spec("1", "2"))
		_, err := w.svc.CreateDeployment(context.Background(), creation(spec("1", "3")))
		if e := fails[*types.DeploymentLimitExceededException](t, err); e != nil && !strings.Contains(*e.Message, id) {
			t.Errorf("%q does not name %s", *e.Message, id)
		}
		wait(5 * time.Minute)
		w.deploy(spec("2", "3"))
		list, err := w.svc.ListDeployments(context.Background(), &sdk.ListDeploymentsInput{IncludeOnlyStatuses: []types.DeploymentStatus{types.DeploymentStatusSucceeded}})
		if err != nil || !slices.Equal(list.Deployments, []string{id}) {
			t.Errorf("succeeded: %v, %v; want %s", list, err, id)
		}
		wait(5 * time.Minute)
	})
}

// Why: an AppSpec file in S3 counts as one in the request, and one that is not there fails the deployment, not the request.
func TestRevisionInS3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.group(defaultConfig, nil)
		w.objects["b/app.json"] = `{"version": 0.0, "Resources": [{"shop": {"Type": "AWS::Lambda::Function", "Properties": {"Name": "shop", "Alias": "live", "CurrentVersion": "1", "TargetVersion": "2"}}}]}`
		for key, want := range map[string]types.DeploymentStatus{"app.json": types.DeploymentStatusSucceeded, "none.json": types.DeploymentStatusFailed} {
			in := creation("")
			in.Revision = &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
				Bucket: aws.String("b"), Key: &key, BundleType: types.BundleTypeJson,
			}}
			out, err := w.svc.CreateDeployment(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			check(t, key, w.info(*out.DeploymentId).Status, want)
		}
		check(t, "routing", w.at(), green)
	})
}
