package controller_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// shelf is versions in memory.
type shelf struct {
	inv     release.Inventory
	deleted []string
	refuse  map[string]error
	each    func(arn string)
}

func (s *shelf) Inventory(_ context.Context, _ release.Spec, at time.Time) (release.Inventory, error) {
	inv := s.inv
	inv.At = at
	return inv, nil
}

func (s *shelf) Delete(_ context.Context, k release.Kept) error {
	if s.each != nil {
		s.each(k.ARN)
	}
	if err := s.refuse[k.ARN]; err != nil {
		return err
	}
	s.deleted = append(s.deleted, k.ARN)
	return nil
}

// old is an inventory of a function and a workflow with three versions each; version n of the workflow pins version n.
func oldShelf() *shelf {
	long := time.Now().AddDate(-1, 0, 0)
	f := release.FunctionInventory{Name: "f", Aliases: []release.AliasRouting{{Routing: alias.Routing{Primary: "3"}}}}
	m := release.MachineInventory{Name: "m", Aliases: []release.AliasRouting{{Routing: alias.Routing{Primary: "m:3"}}}}
	for _, n := range []string{"1", "2", "3"} {
		f.Versions = append(f.Versions, release.SeenVersion{Version: n, ARN: "f:" + n, Created: long})
		m.Versions = append(m.Versions, release.SeenVersion{Version: "m:" + n, ARN: "m:" + n, Created: long, Pins: []release.Pin{{State: "A", Function: "f", Version: n}}})
	}
	return &shelf{inv: release.Inventory{Functions: []release.FunctionInventory{f}, Machines: []release.MachineInventory{m}}}
}

func books(t *testing.T) ledger.Ledger {
	t.Helper()
	l, err := ledger.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func pruning(l ledger.Ledger, s *shelf) controller.PruneRequest {
	return controller.PruneRequest{Ledger: l, Versions: s, Spec: release.Spec{App: "shop"}, Owner: ledger.Owner{By: "ann", Host: "elsewhere", PID: 1}}
}

func TestPruneDeletesWorkflowsBeforeTheFunctionsThatTheyPin(t *testing.T) {
	l, s := books(t), oldShelf()
	p, err := controller.Prune(t.Context(), pruning(l, s))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"m:1", "m:2", "f:1", "f:2"}; !slices.Equal(s.deleted, want) || !slices.Equal(p.Deleted, want) {
		t.Errorf("deleted %v, told %v, want %v", s.deleted, p.Deleted, want)
	}
	all, err := l.Rollouts(t.Context(), "shop")
	if err != nil || len(all) != 1 || all[0].Kind != controller.KindPrune || all[0].Phase != "pruned" || controller.IsRollout(all[0]) {
		t.Fatalf("recorded as %+v, %v", all, err)
	}
	story, err := controller.Story(t.Context(), l, "shop", all[0].ID)
	if err != nil || len(story) != 4 || !strings.Contains(story[0].Text, "done: delete stateMachine m, version 1") {
		t.Errorf("the story is %+v, %v", story, err)
	}
	if _, held, err := l.Holder(t.Context(), "shop"); held || err != nil {
		t.Errorf("the lock is still held: %v", err)
	}
}

func TestPruneSparesWhatASparedWorkflowMayCall(t *testing.T) {
	l, s := books(t), oldShelf()
	s.refuse = map[string]error{"m:1": errors.New("an execution has begun on it")}
	p, err := controller.Prune(t.Context(), pruning(l, s))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"m:2"}; !slices.Equal(s.deleted, want) || len(p.Spared) != 3 {
		t.Errorf("deleted %v, spared %v", s.deleted, p.Spared)
	}
}

// An execution that starts on a state machine version in the moment before it is deleted goes on, and what it calls stays.
func TestPruneLooksAgainBeforeFunctionsGo(t *testing.T) {
	l, s := books(t), oldShelf()
	s.each = func(arn string) {
		m := &s.inv.Machines[0]
		if arn == "m:2" {
			m.Executions = []release.SeenExecution{{ARN: "x:late", Version: "m:2", Status: "RUNNING", Pins: m.Versions[1].Pins}}
			m.Versions = m.Versions[2:]
		}
	}
	p, err := controller.Prune(t.Context(), pruning(l, s))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"m:1", "m:2", "f:1"}; !slices.Equal(s.deleted, want) || len(p.Spared) != 1 || !strings.Contains(p.Spared[0], "function f, version 2: execution late of state machine m calls it") {
		t.Errorf("deleted %v, spared %v", s.deleted, p.Spared)
	}
}

// Green that went back had traffic too.
func TestPruneCountsGreenThatWentBackAsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue()
		b.health.see = func(rollout.Check) (rollout.Counts, error) { return rollout.Counts{Requests: 100, Errors: 50}, nil }
		out, err := b.controller(nil).Run(t.Context(), controller.Request{Spec: spec("green"), Settings: settings(gradual...), By: "ann"})
		if err != nil || out.State.Phase != rollout.RolledBack {
			t.Fatalf("%v, %s", err, out.State.Phase)
		}
		all, err := b.ledger.Rollouts(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		s := oldShelf()
		s.inv.Functions[0].Name = "shop-a"
		r := pruning(b.ledger, s)
		r.DryRun, r.Grace = true, time.Hour
		p, err := controller.Prune(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Versions, func(k release.Kept) bool { return k.ARN == "f:2" })
		if !strings.Contains(strings.Join(p.Versions[i].Reasons, ", "), "had traffic within the grace period") {
			t.Errorf("version 2, which went back, is kept because %v; the ledger says %+v", p.Versions[i].Reasons, all)
		}
	})
}

func TestPruneKeepsWhatTheLedgerKnows(t *testing.T) {
	l, s := books(t), oldShelf()
	lock, err := l.Lock(t.Context(), "shop", "ro-1", ledger.Owner{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, err := range []error{
		l.PutRelease(t.Context(), lock, ledger.Release{Release: release.Release{ID: "re-1", App: "shop", Created: now.AddDate(0, -1, 0), Functions: []release.FunctionVersion{{Name: "f", Version: "1"}}}}),
		l.PutRelease(t.Context(), lock, ledger.Release{Release: release.Release{ID: "re-2", App: "shop", Created: now.AddDate(0, 0, -1)}}),
		l.SetCurrent(t.Context(), lock, ledger.Current{Release: "re-2", Previous: "re-1", Rollout: "ro-1"}),
		l.PutRollout(t.Context(), lock, ledger.Rollout{ID: "ro-1", App: "shop", Kind: "deploy", Started: now, Ended: now.Add(-time.Minute), Before: []release.AliasRouting{
			{Ref: release.Ref{Kind: release.KindStateMachine, Name: "m"}, Routing: alias.Routing{Primary: "m:2"}},
		}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := pruning(l, s)
	r.Grace = time.Hour
	// While the rollout's lock is held nothing is deleted.
	if _, err := controller.Prune(t.Context(), r); !errors.As(err, new(*ledger.HeldError)) || len(s.deleted) > 0 {
		t.Fatalf("pruned during a rollout: %v", err)
	}
	if err := l.Unlock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if _, err := controller.Prune(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	// Version 1 of f is the previous release's; version 2 of m had traffic a minute ago, and pins version 2 of f.
	if want := []string{"m:1"}; !slices.Equal(s.deleted, want) {
		t.Errorf("deleted %v, want %v", s.deleted, want)
	}
}

// A pruning whose lock passes to someone else stops before the next deletion, and one that dies locks nobody out.
func TestAPruningThatLosesItsLockStops(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	open := func() ledger.Ledger {
		l, err := ledger.Folder(dir, ledger.WithClock(func() time.Time { return now }), ledger.WithProcesses("other", func(int) bool { return true }))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	s := oldShelf()
	s.each = func(string) {
		now = now.Add(time.Hour) // it hangs here, and counts as gone
		if _, err := open().Lock(context.Background(), "shop", "ro-9", ledger.Owner{By: "bob"}); err != nil {
			t.Errorf("the next rollout is locked out: %v", err)
		}
		s.each = nil
	}
	_, err := controller.Prune(t.Context(), pruning(open(), s))
	if !errors.Is(err, ledger.ErrFenced) || !slices.Equal(s.deleted, []string{"m:1"}) {
		t.Errorf("deleted %v, %v", s.deleted, err)
	}
}

func TestMendWritesOnlyWhatIsAsItWasRead(t *testing.T) {
	l, c := books(t), newCloud()
	ref := release.Ref{Kind: release.KindFunction, Name: "f", Alias: "live"}
	other := release.Ref{Kind: release.KindFunction, Name: "g", Alias: "live"}
	c.latency = 0
	was := c.put(ref, alias.Routing{Primary: "1", Additional: "2", Weight: 0.1})
	stale := c.put(other, alias.Routing{Primary: "1", Additional: "2", Weight: 0.1})
	c.put(other, alias.Routing{Primary: "7"}) // by someone else, after it was read
	r := release.Repair{Writes: []release.AliasRouting{
		{Ref: other, Routing: alias.Routing{Primary: "1"}, Revision: stale.Revision},
		{Ref: ref, Routing: alias.Routing{Primary: "1"}, Revision: was.Revision},
	}}
	err := controller.Mend(t.Context(), l, mender{c}, ledger.Owner{By: "ann"}, "shop", r, []release.AliasRouting{was}, nil)
	if !errors.Is(err, release.ErrConflict) {
		t.Errorf("a change by someone else was overwritten or hidden: %v", err)
	}
	if got := c.aliases[ref].Routing; got != (alias.Routing{Primary: "1"}) {
		t.Errorf("%s routes to %s", ref, got)
	}
	if got := c.aliases[other].Routing; got != (alias.Routing{Primary: "7"}) {
		t.Errorf("%s routes to %s", other, got)
	}
	all, err := l.Rollouts(t.Context(), "shop")
	if err != nil || len(all) != 1 || all[0].Kind != controller.KindRepair || all[0].Phase != "failed" || len(all[0].Before) != 1 || len(all[0].After) != 1 {
		t.Errorf("recorded as %+v, %v", all, err)
	}
}

type mender struct{ *cloud }

func (mender) Unprovision(context.Context, string, func(string) bool) ([]string, error) {
	return nil, nil
}

// ahead is a clock that is years ahead of this machine's, as a platform's that ran faster.
type ahead struct{ clock.Clock }

func (a ahead) Now() time.Time { return a.Clock.Now().AddDate(3, 0, 0) }

func TestPruneGoesByTheEndpointsClock(t *testing.T) {
	l, s := books(t), oldShelf()
	r := pruning(l, s)
	r.Clock, r.DryRun = ahead{clock.System}, true
	r.Grace = 2 * 365 * 24 * time.Hour // by this machine's clock, all were published within it
	p, err := controller.Prune(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	deletable := slices.ContainsFunc(p.Versions, release.Kept.Deletable)
	r.Clock = nil
	if p, err = controller.Prune(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !deletable || slices.ContainsFunc(p.Versions, release.Kept.Deletable) {
		t.Errorf("by the endpoint's clock something may go: %v; by this machine's: %+v", deletable, p.Versions)
	}
	r.Clock, r.DryRun = ahead{clock.System}, false
	if _, err := controller.Prune(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	records, err := l.Rollouts(t.Context(), "shop")
	if err != nil || len(records) != 1 || time.Until(records[0].Started) < 2*365*24*time.Hour || records[0].Ended.Before(records[0].Started) {
		t.Errorf("recorded as %+v, %v", records, err)
	}
}
