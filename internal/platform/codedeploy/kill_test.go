package codedeploy

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/alias"
)

// Why: a platform that is killed at any instant must bring every deployment to the end that it would have had. Each run
// dies at another write, before it is applied or after, and is started again on what is in the store.
func TestKilledAtEveryWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		hook   types.LifecycleEventStatus
		alarm  bool
		status types.DeploymentStatus
		want   alias.Routing
		back   bool
	}{
		{"goes through", types.LifecycleEventStatusSucceeded, false, types.DeploymentStatusSucceeded, green, false},
		{"hook fails", types.LifecycleEventStatusFailed, false, types.DeploymentStatusFailed, blue, true},
		{"alarm", types.LifecycleEventStatusSucceeded, true, types.DeploymentStatusStopped, blue, true},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %v", c.name, after), func(t *testing.T) {
				deaths := 0
				for at := 0; ; at++ {
					died := false
					synctest.Test(t, func(t *testing.T) { died = dieAt(t, at, after, c.hook, c.alarm, c.status, c.want, c.back) })
					if !died {
						break
					}
					deaths++
				}
				if deaths < 8 {
					t.Errorf("died only %d times: the writes are counted in the wrong way", deaths)
				}
			})
		}
	}
}

func dieAt(t *testing.T, at int, after bool, answer types.LifecycleEventStatus, alarm bool, status types.DeploymentStatus, want alias.Routing, back bool) (died bool) {
	w := newWorld(t)
	w.alarm("errors", cwtypes.StateValueOk)
	w.group("CodeDeployDefault.LambdaLinear10PercentEvery3Minutes", func(in *sdk.CreateDeploymentGroupInput) {
		in.AutoRollbackConfiguration = everyEvent
		in.AlarmConfiguration = &types.AlarmConfiguration{Enabled: true, Alarms: []types.Alarm{{Name: aws.String("errors")}}}
	})
	w.hook = func(_ string, e hookEvent) { // tries again, as a client does
		for range 5 {
			time.Sleep(time.Minute)
			w.mu.Lock()
			svc := w.svc
			w.mu.Unlock()
			_, err := svc.PutLifecycleEventHookExecutionStatus(context.Background(), &sdk.PutLifecycleEventHookExecutionStatusInput{
				DeploymentId: &e.DeploymentId, LifecycleEventHookExecutionId: &e.LifecycleEventHookExecutionId, Status: answer,
			})
			if err == nil {
				return
			}
		}
	}
	w.kill.mu.Lock()
	w.kill.left, w.kill.after = at, after
	w.kill.mu.Unlock()
	restart := func() {
		if !w.kill.isDead() {
			return
		}
		died = true
		w.svc.Close()
		w.mu.Lock()
		w.kill = &killer{left: -1}
		w.open()
		w.mu.Unlock()
		synctest.Wait()
	}
	first, err := w.svc.CreateDeployment(context.Background(), creation(spec("1", "2", "BeforeAllowTraffic: hook")))
	synctest.Wait()
	restart()
	if err != nil {
		// Not acknowledged: it may be there or not, and if not the caller asks again.
		list, listErr := w.svc.ListDeployments(context.Background(), &sdk.ListDeploymentsInput{})
		if listErr != nil {
			t.Fatal(listErr)
		}
		if len(list.Deployments) == 0 {
			if first, err = w.svc.CreateDeployment(context.Background(), creation(spec("1", "2", "BeforeAllowTraffic: hook"))); err != nil {
				t.Fatal(err)
			}
		} else {
			first = &sdk.CreateDeploymentOutput{DeploymentId: &list.Deployments[len(list.Deployments)-1]}
		}
	}
	for minute := range 120 {
		if alarm && minute == 10 {
			w.alarm("errors", cwtypes.StateValueAlarm)
		}
		wait(30 * time.Second)
		restart()
	}
	info := w.info(*first.DeploymentId)
	if info.Status != status || w.at() != want {
		t.Errorf("killed at write %d: the deployment is %s at %s, want %s at %s; %+v", at, info.Status, w.at(), status, want, info.ErrorInformation)
	}
	if back {
		switch {
		case info.RollbackInfo == nil || info.RollbackInfo.RollbackDeploymentId == nil:
			t.Errorf("killed at write %d: no rollback: %+v", at, info.RollbackInfo)
		default:
			check(t, fmt.Sprintf("killed at write %d: rollback", at), w.info(*info.RollbackInfo.RollbackDeploymentId).Status, types.DeploymentStatusSucceeded)
		}
	}
	list, err := w.svc.ListDeployments(context.Background(), &sdk.ListDeploymentsInput{})
	if err != nil || len(list.Deployments) != map[bool]int{false: 1, true: 2}[back] {
		t.Errorf("killed at write %d: deployments %v, %v", at, list, err)
	}
	// No effect was applied twice: the share of green only rises, until it falls to nothing once.
	share, fallen := 0.0, false
	for _, m := range w.moves {
		s := m.routing.Share("2")
		switch {
		case s == 0 && share > 0 && !fallen && back:
			fallen = true
		case s <= share || fallen:
			t.Errorf("killed at write %d: moved to %s after %v%%: %v", at, m.routing, share*100, w.moves)
		}
		share = s
	}
	return died
}
