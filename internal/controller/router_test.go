package controller_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/release"
)

func (c *cloud) AwaitChange(ctx context.Context, _ string) error { return c.wait(ctx) }

func (m *mortal) AwaitChange(ctx context.Context, change string) error {
	return actErr(m, func() error { return m.Target.AwaitChange(ctx, change) })
}

// routed is the application behind a router; nothing is served yet, and the record sets lead to slot blue.
func routed(b *bench, code string) release.Spec {
	s := spec(code)
	s.Router = &release.Router{HostedZone: "Z1", Name: "api.test", Type: "CNAME", Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}}
	if ref := s.Router.Ref(); b.cloud.aliases[ref].Revision == "" {
		b.cloud.put(ref, s.Router.Towards("blue", 100))
	}
	return s
}

// TestTheLedgerKnowsTheSlot: what serves is recorded with its slot; the way back moves the DNS and nothing else, and a release
// from before the router cannot be gone back to.
func TestTheLedgerKnowsTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.blue() // with aliases of its own
		ctx := t.Context()
		release1, err := b.ledger.Current(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		run := func(code, slot string) {
			t.Helper()
			out, err := b.controller(nil).Run(ctx, controller.Request{Spec: routed(b, code), By: "ann"})
			if err != nil || out.ExitCode != controller.ExitDone {
				t.Fatalf("%s: exit %d, %v, %s", code, out.ExitCode, err, out.State.Cause)
			}
			if now, err := b.ledger.Current(ctx, "shop"); err != nil || now.Slot != slot || now.Release != out.State.Plan.Release {
				t.Fatalf("%s serves as %+v, %v; want slot %s", code, now, err, slot)
			}
		}
		run("two", "green")
		run("three", "blue")
		rec, err := b.ledger.Rollout(ctx, "shop", b.states[len(b.states)-1].Plan.ID)
		if err != nil {
			t.Fatal(err)
		}
		var before []string
		for _, a := range rec.Before {
			before = append(before, a.Ref.String()+" "+a.Routing.String())
		}
		if want := "DNS name api.test (CNAME in Z1) blue 0% · green 100%"; !slices.Contains(before, want) || !slices.Contains(before, "function shop-a:green 2 100%") {
			t.Errorf("recorded before it: %q", before)
		}
		b.cloud.writes = nil
		out, err := b.controller(nil).Rollback(ctx, controller.RollbackRequest{App: "shop"})
		if err != nil || out.ExitCode != controller.ExitDone {
			t.Fatalf("rollback: exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
		}
		if want := []string{"api.test blue 0% · green 100%"}; !slices.Equal(b.cloud.writes, want) {
			t.Errorf("going back wrote %q, want %q", b.cloud.writes, want)
		}
		if now, err := b.ledger.Current(ctx, "shop"); err != nil || now.Slot != "green" {
			t.Errorf("after going back %+v, %v", now, err)
		}
		_, err = b.controller(nil).Rollback(ctx, controller.RollbackRequest{App: "shop", To: release1.Release})
		if err == nil || !strings.Contains(err.Error(), "was split by its aliases, that of the current one is by DNS name api.test") {
			t.Errorf("a release from before the router: %v", err)
		}
	})
}
