// Package ledgertest holds the suite that every ledger passes.
package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// World is a fresh ledger with what a test must be able to do to the world around it.
type World struct {
	Ledger ledger.Ledger
	// Reopen gives the same records as another process sees them.
	Reopen func() ledger.Ledger
	// Silence lets so much time pass without a sign of life that every holder counts as gone.
	Silence func()
}

var begun = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Exercise runs the suite. open makes a fresh World for each test.
func Exercise(t *testing.T, open func(t *testing.T) World) {
	tests := map[string]func(*testing.T, World){
		"the lock has one holder":                    testOneHolder,
		"a silent holder can be replaced and fenced": testFence,
		"a parked rollout keeps the lock":            testParked,
		"a rollout that ended frees the lock":        testEndedFrees,
		"many take the lock at once":                 testRace,
		"the journal has no gaps and one writer":     testJournal,
		"releases do not change":                     testReleases,
		"rollouts are replaced and listed":           testRollouts,
		"current":                                    testCurrent,
		"commands are numbered":                      testCommands,
		"applications are apart":                     testApart,
		"names that are no names":                    testNames,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func owner(name string) ledger.Owner { return ledger.Owner{By: name, Host: "elsewhere", PID: 1} }

func lock(t *testing.T, l ledger.Ledger, rollout string) ledger.Lock {
	t.Helper()
	held, err := l.Lock(t.Context(), "shop", rollout, owner("ann"))
	must(t, err)
	return held
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func testOneHolder(t *testing.T, w World) {
	ctx := t.Context()
	if _, held, err := w.Ledger.Holder(ctx, "shop"); held || err != nil {
		t.Fatalf("held before anyone took it: %v", err)
	}
	first := lock(t, w.Ledger, "ro-1")
	for _, rollout := range []string{"ro-1", "ro-2"} {
		_, err := w.Reopen().Lock(ctx, "shop", rollout, owner("bob"))
		var e *ledger.HeldError
		if !errors.As(err, &e) || e.Gone || e.Lock.Rollout != "ro-1" || e.Lock.Owner.By != "ann" || e.Lock.Since.IsZero() {
			t.Fatalf("a second holder for %s: %v", rollout, err)
		}
	}
	if l, held, err := w.Reopen().Holder(ctx, "shop"); !held || err != nil || l.Fence != first.Fence || l.Owner != first.Owner {
		t.Fatalf("holder is %+v, %v, %v", l, held, err)
	}
	must(t, w.Ledger.Unlock(ctx, first))
	must(t, w.Ledger.Unlock(ctx, first))
	second := lock(t, w.Reopen(), "ro-2")
	if second.Fence <= first.Fence {
		t.Fatalf("the fence went from %d to %d", first.Fence, second.Fence)
	}
	wantErr(t, w.Ledger.Unlock(ctx, first), ledger.ErrFenced)
}

func testFence(t *testing.T, w World) {
	ctx := t.Context()
	old := lock(t, w.Ledger, "ro-1")
	must(t, w.Ledger.PutRollout(ctx, old, ledger.Rollout{ID: "ro-1", App: "shop", Started: begun}))
	must(t, w.Ledger.Append(ctx, old, ledger.Entry{Seq: 1, At: begun}))
	must(t, w.Ledger.Renew(ctx, old))
	w.Silence()
	if l, _, err := w.Ledger.Holder(ctx, "shop"); err != nil || !w.Ledger.Gone(l) {
		t.Fatalf("a silent holder does not count as gone: %v", err)
	}
	_, err := w.Reopen().Lock(ctx, "shop", "ro-2", owner("bob"))
	var e *ledger.HeldError
	if !errors.As(err, &e) || !e.Gone {
		t.Fatalf("another rollout took the lock of an unfinished one: %v", err)
	}
	heir := lock(t, w.Reopen(), "ro-1")
	if heir.Fence <= old.Fence {
		t.Fatalf("the fence went from %d to %d", old.Fence, heir.Fence)
	}
	for name, write := range map[string]func() error{
		"Renew":  func() error { return w.Ledger.Renew(ctx, old) },
		"Park":   func() error { return w.Ledger.Park(ctx, old) },
		"Unlock": func() error { return w.Ledger.Unlock(ctx, old) },
		"Append": func() error { return w.Ledger.Append(ctx, old, ledger.Entry{Seq: 2, At: begun}) },
		"PutRollout": func() error {
			return w.Ledger.PutRollout(ctx, old, ledger.Rollout{ID: "ro-1", App: "shop", Phase: "x"})
		},
		"PutRelease": func() error {
			return w.Ledger.PutRelease(ctx, old, ledger.Release{Release: release.Release{ID: "re-9", App: "shop"}})
		},
		"SetCurrent": func() error { return w.Ledger.SetCurrent(ctx, old, ledger.Current{Release: "re-9"}) },
	} {
		if err := write(); !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("%s by the old holder: %v", name, err)
		}
	}
	if entries, err := w.Reopen().Journal(ctx, "shop", "ro-1", 0); err != nil || len(entries) != 1 {
		t.Errorf("the old holder changed the journal: %+v, %v", entries, err)
	}
	if _, err := w.Reopen().Current(ctx, "shop"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the old holder set what is current: %v", err)
	}
	must(t, w.Ledger.Append(ctx, heir, ledger.Entry{Seq: 2, At: begun}))
}

func testParked(t *testing.T, w World) {
	ctx := t.Context()
	l := lock(t, w.Ledger, "ro-1")
	must(t, w.Ledger.PutRollout(ctx, l, ledger.Rollout{ID: "ro-1", App: "shop", Started: begun}))
	must(t, w.Ledger.Park(ctx, l))
	_, err := w.Reopen().Lock(ctx, "shop", "ro-2", owner("bob"))
	var e *ledger.HeldError
	if !errors.As(err, &e) || !e.Gone || e.Lock.Rollout != "ro-1" {
		t.Fatalf("another rollout took a parked lock: %v", err)
	}
	next := lock(t, w.Reopen(), "ro-1")
	if next.Fence <= l.Fence || next.Parked {
		t.Fatalf("taken up again as %+v", next)
	}
}

func testEndedFrees(t *testing.T, w World) {
	ctx := t.Context()
	// Its holder died after it had recorded the end, and before it gave the lock up.
	l := lock(t, w.Ledger, "ro-1")
	must(t, w.Ledger.PutRollout(ctx, l, ledger.Rollout{ID: "ro-1", App: "shop", Started: begun, Ended: begun}))
	w.Silence()
	l = lock(t, w.Reopen(), "ro-2")
	// Its holder died before it recorded anything.
	w.Silence()
	if next := lock(t, w.Reopen(), "ro-3"); next.Fence <= l.Fence {
		t.Fatalf("the fence went from %d to %d", l.Fence, next.Fence)
	}
}

func testRace(t *testing.T, w World) {
	var mu sync.Mutex
	var got []ledger.Lock
	var wg sync.WaitGroup
	for i := range 8 {
		l := w.Reopen()
		wg.Go(func() {
			held, err := l.Lock(context.WithoutCancel(t.Context()), "shop", fmt.Sprintf("ro-%d", i), owner("ann"))
			var e *ledger.HeldError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				got = append(got, held)
			case !errors.As(err, &e):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d holders at once: %+v", len(got), got)
	}
}

func testJournal(t *testing.T, w World) {
	ctx := t.Context()
	l := lock(t, w.Ledger, "ro-1")
	if entries, err := w.Ledger.Journal(ctx, "shop", "ro-1", 0); err != nil || len(entries) != 0 {
		t.Fatalf("a journal before its first entry: %+v, %v", entries, err)
	}
	wantErr(t, w.Ledger.Append(ctx, l, ledger.Entry{Seq: 2}), ledger.ErrConflict)
	for i := range 5 {
		e := ledger.Entry{Seq: int64(i + 1), At: begun.Add(time.Duration(i) * time.Second), Events: json.RawMessage(fmt.Sprintf(`[{"n":%d}]`, i))}
		if i%2 == 0 {
			e.State = json.RawMessage(`{"s":"a\nb"}`)
		}
		must(t, w.Ledger.Append(ctx, l, e))
		wantErr(t, w.Reopen().Append(ctx, l, e), ledger.ErrConflict)
	}
	entries, err := w.Reopen().Journal(ctx, "shop", "ro-1", 0)
	must(t, err)
	if len(entries) != 5 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		if e.Seq != int64(i+1) || e.Fence != l.Fence || !e.At.Equal(begun.Add(time.Duration(i)*time.Second)) || string(e.Events) != fmt.Sprintf(`[{"n":%d}]`, i) || (len(e.State) > 0) != (i%2 == 0) {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	if rest, err := w.Ledger.Journal(ctx, "shop", "ro-1", 3); err != nil || len(rest) != 2 || rest[0].Seq != 4 {
		t.Errorf("after 3: %+v, %v", rest, err)
	}
}

func testReleases(t *testing.T, w World) {
	ctx := t.Context()
	l := lock(t, w.Ledger, "ro-1")
	ref := release.Ref{Kind: release.KindFunction, Name: "shop-a", Alias: "live"}
	r := ledger.Release{
		Release: release.Release{ID: "re-1", App: "shop", Created: begun, Functions: []release.FunctionVersion{{Key: "a", Version: "7"}}},
		Aliases: []ledger.AliasOf{{Key: "a", Ref: ref}}, Rollout: "ro-1",
	}
	must(t, w.Ledger.PutRelease(ctx, l, r))
	must(t, w.Ledger.PutRelease(ctx, l, r))
	other := r
	other.By = "bob"
	wantErr(t, w.Ledger.PutRelease(ctx, l, other), ledger.ErrConflict)
	second := ledger.Release{Release: release.Release{ID: "re-0", App: "shop", Created: begun.Add(time.Hour)}}
	must(t, w.Ledger.PutRelease(ctx, l, second))
	got, err := w.Reopen().Release(ctx, "shop", "re-1")
	must(t, err)
	if got.By != "" || len(got.Functions) != 1 || got.Functions[0].Version != "7" || got.Aliases[0].Ref != ref || !got.Created.Equal(begun) {
		t.Errorf("read back as %+v", got)
	}
	all, err := w.Reopen().Releases(ctx, "shop")
	must(t, err)
	if len(all) != 2 || all[0].ID != "re-0" || all[1].ID != "re-1" {
		t.Errorf("listed as %+v", all)
	}
	_, err = w.Ledger.Release(ctx, "shop", "re-9")
	wantErr(t, err, ledger.ErrNotFound)
}

func testRollouts(t *testing.T, w World) {
	ctx := t.Context()
	l := lock(t, w.Ledger, "ro-1")
	r := ledger.Rollout{
		ID: "ro-1", App: "shop", Phase: "planned", Started: begun,
		Before: []release.AliasRouting{{Routing: alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}, Revision: "x"}},
	}
	must(t, w.Ledger.PutRollout(ctx, l, r))
	r.Phase, r.Ended = "promoted", begun.Add(time.Minute)
	must(t, w.Ledger.PutRollout(ctx, l, r))
	if err := w.Ledger.PutRollout(ctx, l, ledger.Rollout{ID: "ro-7", App: "shop"}); err == nil {
		t.Error("a rollout was recorded under the lock of another")
	}
	must(t, w.Ledger.Unlock(ctx, l))
	l = lock(t, w.Ledger, "ro-2")
	must(t, w.Ledger.PutRollout(ctx, l, ledger.Rollout{ID: "ro-2", App: "shop", Started: begun.Add(time.Hour)}))
	all, err := w.Reopen().Rollouts(ctx, "shop")
	must(t, err)
	if len(all) != 2 || all[0].ID != "ro-2" || all[1].Phase != "promoted" || len(all[1].Before) != 1 || all[1].Before[0] != r.Before[0] {
		t.Errorf("listed as %+v", all)
	}
	_, err = w.Ledger.Rollout(ctx, "shop", "ro-9")
	wantErr(t, err, ledger.ErrNotFound)
}

func testCurrent(t *testing.T, w World) {
	ctx := t.Context()
	_, err := w.Ledger.Current(ctx, "shop")
	wantErr(t, err, ledger.ErrNotFound)
	l := lock(t, w.Ledger, "ro-1")
	must(t, w.Ledger.SetCurrent(ctx, l, ledger.Current{Release: "re-1", Rollout: "ro-1", Since: begun}))
	want := ledger.Current{Release: "re-2", Previous: "re-1", Rollout: "ro-1", Since: begun}
	must(t, w.Ledger.SetCurrent(ctx, l, want))
	got, err := w.Reopen().Current(ctx, "shop")
	must(t, err)
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func testCommands(t *testing.T, w World) {
	ctx := t.Context()
	_, err := w.Ledger.Send(ctx, "shop", "ro-1", ledger.Command{Kind: "pause"})
	wantErr(t, err, ledger.ErrNotFound)
	l := lock(t, w.Ledger, "ro-1")
	must(t, w.Ledger.PutRollout(ctx, l, ledger.Rollout{ID: "ro-1", App: "shop", Started: begun}))
	for i, kind := range []string{"pause", "promote", "abort"} {
		c, err := w.Reopen().Send(ctx, "shop", "ro-1", ledger.Command{Kind: kind, By: "bob", Full: i == 1, At: begun})
		must(t, err)
		if c.Seq != int64(i+1) {
			t.Fatalf("%s has the number %d", kind, c.Seq)
		}
	}
	got, err := w.Ledger.Commands(ctx, "shop", "ro-1", 1)
	must(t, err)
	if len(got) != 2 || got[0].Kind != "promote" || !got[0].Full || got[1].Seq != 3 || got[1].By != "bob" {
		t.Errorf("after 1: %+v", got)
	}
}

func testApart(t *testing.T, w World) {
	ctx := t.Context()
	lock(t, w.Ledger, "ro-1")
	other, err := w.Ledger.Lock(ctx, "blog", "ro-1", owner("bob"))
	must(t, err)
	must(t, w.Ledger.SetCurrent(ctx, other, ledger.Current{Release: "re-1"}))
	_, err = w.Ledger.Current(ctx, "shop")
	wantErr(t, err, ledger.ErrNotFound)
}

func testNames(t *testing.T, w World) {
	for _, name := range []string{"", "..", "../shop", "a/b", ".hidden", "a\x00b"} {
		if _, err := w.Ledger.Lock(t.Context(), name, "ro-1", owner("ann")); err == nil {
			t.Errorf("application %q was taken", name)
		}
		if _, err := w.Ledger.Lock(t.Context(), "shop", name, owner("ann")); err == nil {
			t.Errorf("rollout %q was taken", name)
		}
		if _, err := w.Ledger.Release(t.Context(), "shop", name+"x/../y"); err == nil {
			t.Errorf("release %q was read", name)
		}
	}
}
