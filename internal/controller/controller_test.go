package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

func TestAReleaseGoesOutStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		began := time.Now()
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...), By: "ann", Commit: "abc"})
		if err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		if took := time.Since(began); took < 2*time.Minute || took > 2*time.Minute+10*time.Second {
			t.Errorf("two pauses of a minute took %s", took)
		}
		b.wantAt("2", "2", "2")
		b.wantCurrent("re-4", "re-2")
		want := []rollout.Phase{"planned", "publishing", "testing", "shifting", "baking", "promoting", "promoted"}
		got := b.phases()
		if !slices.Equal(got, want) && !slices.Equal(got, slices.Delete(slices.Clone(want), 4, 6)) { // an empty bake is passed within one event
			t.Errorf("phases %v", got)
		}
		var machine []int
		for i, w := range b.cloud.writes {
			if strings.HasPrefix(w, "shop-w") {
				machine = append(machine, i)
			}
		}
		if !slices.Equal(machine, []int{2, 5, 8}) {
			t.Errorf("functions are to shift before the workflow in each of three steps: %q", b.cloud.writes)
		}
		rec, err := b.ledger.Release(t.Context(), "shop", "re-4")
		if err != nil || rec.Commit != "abc" || len(rec.Functions) != 2 || rec.Workflows[0].Pins[0].Version != "2" || rec.Aliases[2].Ref.Name != "shop-w" {
			t.Errorf("recorded as %+v, %v", rec, err)
		}
		ro, err := b.ledger.Rollout(t.Context(), "shop", "ro-3")
		if err != nil || ro.From != "re-2" || ro.Ended.IsZero() || ro.Before[0].Routing.Primary != "1" || ro.After[0].Routing.Primary != "2" {
			t.Errorf("recorded as %+v, %v", ro, err)
		}
		if _, held, err := b.ledger.Holder(t.Context(), "shop"); held || err != nil {
			t.Errorf("the lock is still held: %v", err)
		}
		s, err := controller.Load(t.Context(), b.ledger, "shop", "ro-3")
		if err != nil || fmt.Sprint(s.Notes) != fmt.Sprint(out.State.Notes) || s.LastID != out.State.LastID || s.Phase != out.State.Phase {
			t.Errorf("the journal gives another state: %v", err)
		}
	})
}

func TestHooksAreToldTheExactVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		if _, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...)}); err != nil {
			t.Fatal(err)
		}
		if len(b.cloud.invoked) != 1 || !strings.HasSuffix(b.cloud.invoked[0], "function:shop-p:2") {
			t.Fatalf("called %q", b.cloud.invoked)
		}
		var got map[string]any
		if err := json.Unmarshal(b.cloud.payloads[0], &got); err != nil {
			t.Fatal(err)
		}
		want := `{"app":"shop","functions":{"a":{"arn":"arn:aws:lambda:us-east-1:000000000000:function:shop-a:2","version":"2"},` +
			`"p":{"arn":"arn:aws:lambda:us-east-1:000000000000:function:shop-p:2","version":"2"}},"releaseId":"re-4","rolloutId":"ro-3",` +
			`"stage":"BeforeAllowTraffic","workflows":{"w":{"arn":"` + machineARN("shop-w", "2") + `"}}}`
		if text, _ := json.Marshal(got); string(text) != want {
			t.Errorf("the hook got\n%s\nwant\n%s", text, want)
		}
	})
}

func TestAHookSucceedsOnlyBySayingSo(t *testing.T) {
	tests := map[string]struct {
		answer, functionError string
		err                   error
		succeeds, called      bool
		reason                string
	}{
		"succeeded":      {answer: `{"status":"Succeeded"}`, succeeds: true, called: true},
		"failed":         {answer: `{"status":"Failed","reason":"total is wrong"}`, called: true, reason: "total is wrong"},
		"failed quietly": {answer: `{"status":"Failed"}`, called: true, reason: "without a reason"},
		"null":           {answer: `null`, called: true, reason: "must answer"},
		"lower case":     {answer: `{"status":"succeeded"}`, called: true, reason: `"succeeded"`},
		"text":           {answer: `"ok"`, called: true, reason: "no JSON object"},
		"nothing":        {answer: ``, called: true, reason: "no JSON object"},
		"function error": {answer: `{"status":"Succeeded"}`, functionError: "Unhandled", called: true, reason: "Unhandled"},
		"timeout":        {err: context.DeadlineExceeded, called: true, reason: "no answer within"},
		"not reached":    {err: errors.New("connection refused")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud()
				c.invoke = func(string) (string, string, error) {
					if errors.Is(test.err, context.DeadlineExceeded) {
						time.Sleep(time.Hour)
					}
					return test.answer, test.functionError, test.err
				}
				r, err := controller.FunctionHooks(c).Run(t.Context(), rollout.RunHook{Hook: rollout.Hook{Function: "f", Timeout: time.Minute}})
				if (err == nil) != test.called || r.Succeeded != test.succeeds || !strings.Contains(r.Reason, test.reason) {
					t.Errorf("got %+v, %v", r, err)
				}
				if test.called && r.Output != test.answer {
					t.Errorf("output %q", r.Output)
				}
			})
		})
	}
}

func TestAFailedTestMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		b.cloud.invoke = func(string) (string, string, error) { return `{"status":"Failed","reason":"no"}`, "", nil }
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...)})
		if err != nil || out.ExitCode != controller.ExitFailed || len(b.cloud.writes) > 0 || !strings.Contains(out.State.Cause, "no") {
			t.Fatalf("exit %d, %v, wrote %q", out.ExitCode, err, b.cloud.writes)
		}
		b.wantCurrent("re-2", "")
	})
}

func TestAnUnhealthyGreenIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		before := b.cloud.at()
		b.health.see = func(rollout.Check) (rollout.Counts, error) { return rollout.Counts{Requests: 40, Errors: 10}, nil }
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("broken"), Settings: settings(gradual...)})
		if err != nil || out.ExitCode != controller.ExitRolledBack || !strings.Contains(out.State.Cause, "10 of 40") {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		if fmt.Sprint(b.cloud.at()) != fmt.Sprint(before) {
			t.Errorf("at %v, was at %v", b.cloud.at(), before)
		}
		b.wantCurrent("re-2", "")
		if back := b.cloud.writes[3:]; len(back) != 3 || !strings.HasPrefix(back[0], "shop-w") {
			t.Errorf("the workflow is to go back before the functions: %q", b.cloud.writes)
		}
	})
}

func TestInconclusiveParksTheRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		b.health.see = func(rollout.Check) (rollout.Counts, error) { return rollout.Counts{Requests: 3}, nil }
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...)})
		if err != nil || out.ExitCode != controller.ExitPaused || out.State.Paused.Reason != rollout.PausedByNoVerdict {
			t.Fatalf("exit %d, %v, paused %q", out.ExitCode, err, out.State.Paused.Reason)
		}
		_, err = b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("other"), Settings: settings(gradual...)})
		var held *ledger.HeldError
		if !errors.As(err, &held) || !held.Gone || held.Lock.Rollout != "ro-3" || held.Lock.Owner.By != "ann" {
			t.Fatalf("a second release while one is paused: %v", err)
		}
		_, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: &rollout.Event{Kind: rollout.EventRetry}})
		if !errors.As(err, new(*rollout.ForbiddenError)) {
			t.Fatalf("retry of a paused rollout: %v", err)
		}
		b.health.see = good
		out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: &rollout.Event{Kind: rollout.EventPromote, By: "bob"}})
		if err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("resumed: exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		b.wantAt("2", "2", "2")
		b.wantCurrent("re-4", "re-2")
	})
}

func TestAnotherProcessAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		before := b.cloud.at()
		b.attend = true
		done := make(chan controller.Outcome)
		go func() {
			out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(rollout.Shift{Weight: 10, Hold: true}, rollout.Shift{Weight: 100})})
			if err != nil {
				t.Error(err)
			}
			done <- out
		}()
		time.Sleep(10 * time.Minute) // virtual: it holds, and the lock is renewed all the while
		held, ok, err := b.ledger.Holder(t.Context(), "shop")
		if err != nil || !ok || b.ledger.Gone(held) || time.Since(held.Renewed) > ledger.SilentHolderIsGone {
			t.Errorf("the holder counts as gone: %+v, %v", held, err)
		}
		for _, kind := range []string{"retry", "abort"} { // the first is refused, and told
			if _, err := b.ledger.Send(t.Context(), "shop", "ro-3", ledger.Command{Kind: kind, By: "bob", Reason: "looks odd"}); err != nil {
				t.Error(err)
			}
		}
		out := <-done
		if out.ExitCode != controller.ExitRolledBack || !strings.Contains(out.State.Cause, "bob: looks odd") {
			t.Errorf("exit %d, %s", out.ExitCode, out.State.Cause)
		}
		if fmt.Sprint(b.cloud.at()) != fmt.Sprint(before) {
			t.Errorf("at %v, was at %v", b.cloud.at(), before)
		}
		if !slices.ContainsFunc(b.notes, func(s string) bool { return strings.Contains(s, "retry is not possible") }) {
			t.Errorf("the refused wish was not told: %q", b.notes)
		}
	})
}

func TestAnInterruptedRolloutCanBeAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Second, cancel)
		out, err := b.controller(nil).Run(ctx, controller.Request{Spec: spec("green"), Settings: settings(gradual...)})
		if !errors.Is(err, context.Canceled) || out.ExitCode != controller.ExitPaused || out.State.Phase != rollout.Shifting {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Phase)
		}
		out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: &rollout.Event{Kind: rollout.EventAbort}})
		if err != nil || out.ExitCode != controller.ExitRolledBack {
			t.Fatalf("exit %d, %v", out.ExitCode, err)
		}
		b.wantAt("1", "1", "1")
	})
}

func TestWhatCannotBePutBackKeepsTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		b.health.see = func(rollout.Check) (rollout.Counts, error) { return rollout.Counts{Requests: 40, Errors: 40}, nil }
		b.cloud.deny = func(want release.AliasRouting) error {
			if want.Ref.Name == "shop-a" && want.Routing == (alias.Routing{Primary: "1"}) {
				return errors.New("internal failure")
			}
			return nil
		}
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("broken"), Settings: settings(gradual...)})
		if err != nil || out.ExitCode != controller.ExitFailed || out.State.Phase != rollout.FailedDirty {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Phase)
		}
		if where := strings.Join(out.State.Where(), "\n"); !strings.Contains(where, "shop-a:live: 1 90% · 2 10%") || !strings.Contains(where, "internal failure") {
			t.Errorf("told: %s", where)
		}
		if at := b.cloud.at(); at["shop-p"] != "1 100%" {
			t.Errorf("the others are to be restored all the same: %v", at)
		}
		if _, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("next"), Settings: settings(gradual...)}); !errors.As(err, new(*ledger.HeldError)) {
			t.Fatalf("the lock was not kept: %v", err)
		}
		b.cloud.deny = nil
		out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: &rollout.Event{Kind: rollout.EventRetry}})
		if err != nil || out.ExitCode != controller.ExitRolledBack {
			t.Fatalf("exit %d, %v", out.ExitCode, err)
		}
		b.wantAt("1", "1", "1")
	})
}

func TestRollbackGoesToWhatServedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if _, err := b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop"}); err == nil {
			t.Fatal("rolled back before the first release")
		}
		b.blue() // ro-2 is the failed attempt above; re-3
		if _, err := b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop"}); err == nil {
			t.Fatal("rolled back from the first release")
		}
		var releases []string
		for _, code := range []string{"two", "three"} {
			out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec(code), Settings: settings(gradual...)})
			if err != nil || out.ExitCode != controller.ExitDone {
				t.Fatalf("exit %d, %v", out.ExitCode, err)
			}
			releases = append(releases, out.State.Plan.Release)
		}
		first := b.releaseOf(t, releases[0])
		b.cloud.writes = nil
		out, err := b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop", By: "bob"})
		if err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		b.wantAt("2", "2", "2")
		b.wantCurrent(releases[0], first)
		if len(b.cloud.writes) != 3 || !strings.HasPrefix(b.cloud.writes[0], "shop-w") {
			t.Errorf("the workflow is to go back first: %q", b.cloud.writes)
		}
		// Once more goes further back, not forward to what was left.
		if out, err = b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop"}); err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("exit %d, %v", out.ExitCode, err)
		}
		b.wantAt("1", "1", "1")
		if out, err = b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop", To: releases[1]}); err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("exit %d, %v", out.ExitCode, err)
		}
		b.wantAt("3", "3", "3")
		if _, err := b.controller(nil).Rollback(t.Context(), controller.RollbackRequest{App: "shop", To: "re-99"}); err == nil {
			t.Error("rolled back to a release that is not there")
		}
	})
}

func (b *bench) releaseOf(t *testing.T, id string) string {
	t.Helper()
	rec, err := b.ledger.Release(t.Context(), "shop", id)
	if err != nil {
		t.Fatal(err)
	}
	ro, err := b.ledger.Rollout(t.Context(), "shop", rec.Rollout)
	if err != nil {
		t.Fatal(err)
	}
	return ro.From
}

func TestNothingNewChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("blue"), Settings: settings(gradual...)})
		if err != nil || out.ExitCode != controller.ExitDone || len(b.cloud.writes) > 0 {
			t.Fatalf("exit %d, %v, wrote %q", out.ExitCode, err, b.cloud.writes)
		}
		b.wantCurrent("re-2", "")
	})
}

// TestDeathAtEveryAct lets the controller die before and after every call that it makes to the ledger and to the target,
// and another one take over. However it dies, the rollout ends as it would have.
func TestDeathAtEveryAct(t *testing.T) {
	for name, see := range map[string]func(rollout.Check) (rollout.Counts, error){
		"promoted": good,
		"rolled back": func(c rollout.Check) (rollout.Counts, error) {
			if c.Step == 2 {
				return rollout.Counts{Requests: 100, Errors: 50}, nil
			}
			return rollout.Counts{Requests: 100}, nil
		},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after=%v", name, after), func(t *testing.T) {
				stride := 1
				if testing.Short() {
					stride = 5
				}
				deaths := 0
				for at := 1; ; at += stride {
					finished := false
					synctest.Test(t, func(t *testing.T) { finished = dieOnce(t, see, at, after) })
					if finished {
						break
					}
					deaths++
				}
				if deaths*stride < 30 {
					t.Errorf("only %d deaths were tried", deaths)
				}
			})
		}
	}
}

// dieOnce lets the controller die at one act and another one take over. It reports whether the first one got through.
func dieOnce(t *testing.T, see func(rollout.Check) (rollout.Counts, error), at int, after bool) (finished bool) {
	b := newBench(t)
	b.blue()
	b.health.see = see
	before := b.cloud.at()
	m := &mortal{dieAt: at, after: after}
	green := spec("green")
	request := controller.Request{Spec: green, Settings: settings(gradual...)}
	out, err := b.controller(m).Run(t.Context(), request)
	if m.dead {
		if err == nil {
			t.Fatalf("act %d: the dead reported success", at)
		}
		b.dead[b.pid] = true
		out, err = b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Spec: &green})
		ended, readErr := b.ledger.Rollout(t.Context(), "shop", "ro-3")
		switch {
		case errors.Is(readErr, ledger.ErrNotFound): // it died before it was recorded: nothing had been done, and nothing is in the way
			if len(b.cloud.writes)+len(b.cloud.invoked) > 0 {
				t.Fatalf("act %d: effects before the record: %q", at, b.cloud.writes)
			}
			out, err = b.controller(nil).Run(t.Context(), request)
		case err != nil && !ended.Ended.IsZero(): // it died after the end was recorded
			err = nil
			out.State, _ = controller.Load(t.Context(), b.ledger, "shop", "ro-3")
		}
	}
	if err != nil {
		t.Fatalf("act %d: %v", at, err)
	}
	if out.State.Phase == rollout.Promoted {
		b.wantAt("2", "2", "2")
	} else if fmt.Sprint(b.cloud.at()) != fmt.Sprint(before) {
		t.Errorf("act %d: %s, at %v, was at %v", at, out.State.Phase, b.cloud.at(), before)
	}
	current, err := b.ledger.Current(t.Context(), "shop")
	healthy, _ := see(rollout.Check{Step: 2})
	if wantGreen := healthy.Errors == 0; err != nil || wantGreen != (out.State.Phase == rollout.Promoted) || wantGreen != (current.Previous == "re-2") {
		t.Errorf("act %d: ended %s with %+v, %v", at, out.State.Phase, current, err)
	}
	for name, versions := range b.cloud.functions {
		if len(versions) != 2 {
			t.Errorf("act %d: %s has %d versions", at, name, len(versions))
		}
	}
	out, err = b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("next"), Settings: settings(rollout.Shift{Weight: 100})})
	if err != nil || out.ExitCode != controller.ExitDone {
		t.Errorf("act %d: the next release: exit %d, %v, %s", at, out.ExitCode, err, out.State.Cause)
	}
	return !m.dead
}

// TestAControllerThatWasTakenForDeadStops: its next write to the journal is refused, and nothing is performed after that.
func TestAControllerThatWasTakenForDeadStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		errs := make(chan error, 1)
		go func() {
			_, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...)})
			errs <- err
		}()
		time.Sleep(20 * time.Second) // within the pause of the first step
		b.dead[b.pid] = true
		out, err := b.controller(nil).Resume(t.Context(), controller.ResumeRequest{App: "shop", Wish: &rollout.Event{Kind: rollout.EventAbort}})
		if err != nil || out.ExitCode != controller.ExitRolledBack {
			t.Errorf("exit %d, %v", out.ExitCode, err)
		}
		if err := <-errs; !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("the first controller ended with %v", err)
		}
		b.wantAt("1", "1", "1")
	})
}
