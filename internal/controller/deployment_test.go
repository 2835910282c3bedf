package controller_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// deployer is CodeDeploy in memory: a run's deployment ends after a while, and is found again by the run.
type deployer struct {
	mu       sync.Mutex
	status   string        // in which deployments end
	takes    time.Duration // until then
	begun    map[string]time.Time
	asked    []string // the runs for which Deploy was called
	stopped  []string
	deaf     time.Duration // from the beginning, in which nothing can be read
	refuse   error         // of Deploy
	stubborn error         // of Withdraw
	busy     bool          // the group, for ever
	late     time.Duration // how long it is busy
}

func (d *deployer) Deploy(ctx context.Context, run rollout.RunHook) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	time.Sleep(d.late)
	if d.busy {
		<-ctx.Done()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, run.Run)
	if d.busy {
		return "", errors.New("the group is busy")
	}
	if d.refuse != nil {
		return "", d.refuse
	}
	if d.begun == nil {
		d.begun = map[string]time.Time{}
	}
	if _, ok := d.begun[run.Run]; !ok {
		d.begun[run.Run] = time.Now()
	}
	return run.Run, nil
}

func (d *deployer) Deployment(_ context.Context, id string) (status, output, failure string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch since := time.Since(d.begun[id]); {
	case since < d.deaf:
		return "", "", "", errors.New("connection reset")
	case since < d.takes:
		return "InProgress", "", "", nil
	}
	return d.status, "the events of " + id, "CodeDeploy says " + d.status, nil
}

func (d *deployer) Withdraw(_ context.Context, run rollout.RunHook) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = append(d.stopped, run.Run)
	return d.stubborn
}

var byCodeDeploy = rollout.Hook{Name: "smoke", Function: "p", Timeout: time.Minute, CodeDeploy: &rollout.CodeDeploy{Tests: "a", Application: "shop", Group: "hooks"}}

// Why: only Succeeded is a success, and whatever the end, nothing is left at CodeDeploy.
func TestAHookOfCodeDeployEndsWithItsDeployment(t *testing.T) {
	for name, test := range map[string]struct {
		d              *deployer
		succeeds       bool
		reason, output string
		err            string
	}{
		"succeeded": {d: &deployer{status: "Succeeded", takes: 30 * time.Second}, succeeds: true, output: "the events of ro-1"},
		"failed":    {d: &deployer{status: "Failed", takes: time.Second}, reason: "CodeDeploy says Failed", output: "the events of ro-1"},
		"stopped":   {d: &deployer{status: "Stopped"}, reason: "CodeDeploy says Stopped"},
		"never":     {d: &deployer{takes: time.Hour}, reason: "nothing was told to CodeDeploy within 1m0s", output: "deployment ro-1"},
		"unread":    {d: &deployer{status: "Succeeded", deaf: 20 * time.Second}, succeeds: true},
		"left":      {d: &deployer{status: "Succeeded", stubborn: errors.New("access denied")}, succeeds: true, output: "left behind: access denied"},
		"busy":      {d: &deployer{busy: true}, reason: "CodeDeploy began no deployment within 1m0s: the group is busy"},
		"barely":    {d: &deployer{takes: 59900 * time.Millisecond, status: "Succeeded"}, succeeds: true},
		"late":      {d: &deployer{late: 50 * time.Second, takes: 50 * time.Second, status: "Succeeded"}, succeeds: true},
		"refused":   {d: &deployer{refuse: release.ErrRefused}, err: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := test.d
				hooks := controller.NewHooks(controller.HookConfig{Deployments: d})
				r, err := hooks.Run(t.Context(), rollout.RunHook{Hook: byCodeDeploy, Run: "ro-1"})
				if (err != nil) != (test.err != "") || r.Succeeded != test.succeeds || !strings.Contains(r.Reason, test.reason) || !strings.Contains(r.Output, test.output) {
					t.Errorf("got %+v, %v", r, err)
				}
				if !slices.Equal(d.asked, []string{"ro-1"}) || !slices.Equal(d.stopped, []string{"ro-1"}) {
					t.Errorf("deployed %q, withdrew %q", d.asked, d.stopped)
				}
			})
		})
	}
}

// Why: a hook for CodeDeploy that were called as others are would never be told what it must answer to.
func TestAHookOfCodeDeployIsCalledByNobodyElse(t *testing.T) {
	c := newCloud()
	_, err := controller.FunctionHooks(c).Run(t.Context(), rollout.RunHook{Hook: byCodeDeploy, FunctionARN: "f"})
	if err == nil || !strings.Contains(err.Error(), "cannot be run here") || len(c.invoked) > 0 {
		t.Errorf("%v, called %q", err, c.invoked)
	}
}

func deployedBy(b *bench, d *deployer) controller.Request {
	b.hooks = controller.NewHooks(controller.HookConfig{Functions: b.cloud, Deployments: d})
	s := settings(gradual...)
	s.Before = []rollout.Hook{byCodeDeploy}
	s.Before[0].Timeout = 30 * time.Minute
	return controller.Request{Spec: spec("green"), Settings: s, By: "ann"}
}

// Why: a hook that is called again by whoever takes the rollout up would be charged, mailed or ordered twice.
func TestAHookOfCodeDeployOutlivesItsController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		d := &deployer{status: "Succeeded", takes: 10 * time.Minute}
		request := deployedBy(b, d)
		ctx, leave := context.WithTimeout(t.Context(), time.Minute)
		defer leave()
		out, err := b.controller(nil).Run(ctx, request)
		if err == nil || out.State.Phase != rollout.Testing || len(d.stopped) > 0 {
			t.Fatalf("left at %s, %v; withdrew %q", out.State.Phase, err, d.stopped)
		}
		out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Spec: &request.Spec})
		if err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		if len(d.begun) != 1 || len(d.asked) != 2 || d.asked[0] != d.asked[1] || !slices.Equal(d.stopped, d.asked[:1]) {
			t.Errorf("deployed %q, withdrew %q", d.asked, d.stopped)
		}
		b.wantAt("2", "2", "2")
	})
}

// Why: what nobody waits for any more must not go on, whoever aborts: the controller itself, or one that takes over.
func TestAnAbortedHookOfCodeDeployIsWithdrawn(t *testing.T) {
	abort := &rollout.Event{Kind: rollout.EventAbort, By: "ann"}
	for name, taken := range map[string]bool{"by its controller": false, "by another": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.blue()
				d := &deployer{takes: time.Hour, stubborn: errors.New("access denied")}
				request := deployedBy(b, d)
				ctx, leave := context.WithTimeout(t.Context(), time.Minute)
				defer leave()
				if !taken {
					ctx = t.Context()
					go func() {
						time.Sleep(time.Minute)
						if _, err := b.ledger.Send(t.Context(), "shop", "ro-3", ledger.Command{Kind: "abort", By: "ann"}); err != nil {
							t.Error(err)
						}
					}()
				}
				out, err := b.controller(nil).Run(ctx, request)
				if taken {
					if len(d.stopped) > 0 {
						t.Errorf("withdrew %q before anyone asked for it", d.stopped)
					}
					out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: abort})
				}
				if err != nil || out.ExitCode != controller.ExitFailed || !strings.Contains(out.State.Cause, "aborted") {
					t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
				}
				if len(d.asked) != 1 || !slices.Equal(d.stopped, d.asked) {
					t.Errorf("deployed %q, withdrew %q", d.asked, d.stopped)
				}
				if !slices.Contains(b.notes, "the deployment of hook smoke may still run: access denied") {
					t.Errorf("told %q", b.notes)
				}
				b.wantAt("1", "1", "1")
			})
		})
	}
}
