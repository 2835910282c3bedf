package controller_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

var (
	seeds    = flag.Int("seeds", 300, "how many seeded rollouts TestSimulation plays")
	fromSeed = flag.Uint64("from", 1, "the first seed")
)

// broke are seeds that once found something; they are always played.
var broke = []uint64{80, 900, 6501, 6730, 8641}

// TestSimulation plays seeded rollouts, each with a controller that dies before and after what it does and others that take
// over, against a model of AWS that is slow, throttles, fails, loses answers of what it has done, does it later, and shows
// what was. After each, and at every write, what holds always must hold. A seed fixes everything: every call of the model
// takes a time of its own, so that no two things happen at once.
func TestSimulation(t *testing.T) {
	ends := map[string]int{}
	play := func(seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				ends[w.play()]++
			})
		})
	}
	for _, seed := range broke {
		play(seed)
	}
	for i := range uint64(*seeds) {
		play(*fromSeed + i)
		if t.Failed() {
			break // one is enough to look at
		}
	}
	t.Logf("%v", ends)
	if *seeds >= 300 && !t.Failed() {
		for _, end := range []string{"promoted", "rolled-back", "failed", "failed-dirty then rolled-back"} {
			if ends[end] == 0 {
				t.Errorf("no rollout ended %s: the model has grown tame", end)
			}
		}
	}
}

// start begins a process that may die.
func (w *world) start() *controller.Controller {
	w.sure(func() { w.pid++; w.driver = w.pid })
	m := &mortal{Ledger: w.ledger}
	if w.trouble > 0 && w.deaths < 6 && w.roll(4) > 0 {
		m.dieAt, m.after = 1+w.roll(50), w.roll(2) == 0
	}
	p := &process{w, m}
	c, err := controller.New(controller.Config{
		Target: p, Health: p, Ledger: m, Owner: ledger.Owner{By: "ann", Host: "here", PID: w.driver},
		NewID: func(kind string) string {
			w.ids++
			return fmt.Sprintf("%s-%d", kind, w.ids)
		},
		Notes: func(n rollout.Note) { w.notes = append(w.notes, n.At.Format("15:04:05 ")+n.Text) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// play brings a release in, whatever happens, and gives its end.
func (w *world) play() string {
	if w.zone != nil {
		w.blueInSlot()
	} else if w.roll(4) > 0 {
		w.blue()
		for _, ref := range refs(w.spec) {
			now := w.current(ref).routing
			w.before[ref] = w.put(ref, now.Routing)
		}
	} else {
		w.spec = w.app("blue")
		for _, f := range w.spec.Functions { // so that green is version 2 here too
			_, _ = publish(w.cloud.functions, f.Name, "older")
		}
		for _, of := range w.spec.Workflows {
			_, _ = publish(w.cloud.workflows, of.Name, "{}")
		}
	}
	w.began()
	began := time.Now()
	w.until = began.Add(time.Duration(w.roll(30)) * time.Minute)
	if w.roll(6) == 0 {
		at := time.Duration(w.dice.Int64N(int64(5*time.Minute))) + 7
		time.AfterFunc(at, w.stranger)
	}
	request := controller.Request{Spec: w.spec, Settings: w.settings, By: "ann"}
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Hour) // whatever hangs is seen
	defer cancel()
	out, err := w.start().Run(ctx, request)
	id := fmt.Sprintf("ro-%d", w.ids-1) // Run has drawn one for the rollout, then one for the release
	dirty := ""
	for tries := 0; ; tries++ {
		s, state := w.stands(id)
		if state == "ended" {
			out.State = s
			break
		}
		if tries > 60 || ctx.Err() != nil {
			w.harm("after %d processes it is still %s (%s, paused %q): %v", tries, state, s.Phase, s.Paused.Reason, err)
			return "endless"
		}
		if err != nil && errors.Is(err, errDied) {
			w.deaths++
			w.sure(func() { w.dead[w.driver] = true })
		}
		if state == "unknown" { // it died before it was recorded
			time.Sleep(time.Second)
			if errors.As(err, new(*ledger.HeldError)) {
				time.Sleep(time.Minute) // a pruning is at work
			}
			out, err = w.start().Run(ctx, request)
			id = fmt.Sprintf("ro-%d", w.ids-1)
			continue
		}
		resume := controller.ResumeRequest{App: "shop", Spec: &w.spec, Rollout: id}
		switch {
		case s.Phase == rollout.FailedDirty:
			dirty = "failed-dirty then "
			w.checkDirty(s)
			time.Sleep(max(time.Hour, time.Until(w.until)+time.Hour)) // someone comes when the trouble is over
			w.sure(func() { w.force = true })
			resume.Wish = &rollout.Event{Kind: rollout.EventRetry, By: "ann", Force: true}
		case s.Paused.Reason == rollout.NotPaused:
		case w.roll(6) == 0:
			resume.Wish = &rollout.Event{Kind: rollout.EventAbort, By: "ann"}
		case s.Paused.Reason == rollout.PausedForApproval:
			resume.Wish = &rollout.Event{Kind: rollout.EventApprove, By: "bob"}
		default:
			w.sure(func() { w.overruled = w.overruled || s.Paused.Reason == rollout.PausedByNoVerdict })
			resume.Wish = &rollout.Event{Kind: rollout.EventPromote, By: "ann"}
		}
		out, err = w.start().Resume(ctx, resume)
	}
	w.sure(func() { w.over = true })
	time.Sleep(time.Minute) // the last late write has landed
	w.ended()
	w.checkEnd(out.State)
	if w.t.Failed() {
		return "harm"
	}
	w.checkNext()
	return dirty + string(out.State.Phase)
}

// refs are the aliases of an application.
func refs(s release.Spec) (all []release.Ref) {
	for _, f := range s.Functions {
		all = append(all, f.Ref())
	}
	for _, of := range s.Workflows {
		all = append(all, of.Ref())
	}
	return all
}

// stands tells how the ledger has the rollout: unknown, unfinished or ended.
func (w *world) stands(id string) (rollout.State, string) {
	record, err := w.ledger.Rollout(w.t.Context(), "shop", id)
	if errors.Is(err, ledger.ErrNotFound) {
		return rollout.State{}, "unknown"
	}
	s, loadErr := controller.Load(w.t.Context(), w.ledger, "shop", id)
	if err != nil || loadErr != nil {
		w.t.Fatalf("seed %d: the ledger: %v, %v", w.seed, err, loadErr)
	}
	if !record.Ended.IsZero() { // the lock of an ended rollout is free for the next
		return s, "ended"
	}
	return s, "unfinished"
}
