package controller_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// brokeAtTheDNS are seeds that broke something once.
var brokeAtTheDNS = []uint64{4642}

// TestSimulationAtTheDNS is TestSimulation where the traffic is split by record sets: Route 53 throttles, loses answers, makes
// changes late, and stays PENDING for longer than anybody waits.
func TestSimulationAtTheDNS(t *testing.T) {
	ends := map[string]int{}
	play := append([]uint64(nil), brokeAtTheDNS...)
	for i := range uint64(*seeds) / 2 {
		play = append(play, *fromSeed+i)
	}
	for _, seed := range play {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				w.route()
				ends[w.play()]++
			})
		})
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

// zone is the model of Route 53.
type zone struct {
	ref     release.Ref
	idle    string // the slot of the release
	changes []time.Time
	latest  time.Time // when all servers have the latest weights
	moved   bool      // weights were written by the rollout
	foreign bool      // or by someone else
}

const zoneTTL = time.Minute

// has reports whether the weights are as wanted already: they are written again all the same.
func (z *zone) has(now seen, want release.AliasRouting) bool {
	return z != nil && want.Ref == z.ref && now.routing.Routing == want.Routing
}

// change notes a write of weights, and when all of Route 53 has it. The same once more changes nothing for anybody.
func (z *zone) change(was, is alias.Routing, at time.Time) string {
	if was != is {
		z.latest = later(at, z.latest)
	}
	z.changes = append(z.changes, later(at, z.latest))
	return fmt.Sprint(len(z.changes))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// route puts the application behind a router.
func (w *world) route() {
	r := &release.Router{HostedZone: "Z1", Name: "api.test", Type: "CNAME", Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}}
	w.zone = &zone{ref: r.Ref(), idle: "green"}
	w.spec = w.spec.Through("")
	w.spec.Router = r
}

// blueInSlot lets version 2 serve in slot blue; slot green has version 1, or nothing yet.
func (w *world) blueInSlot() {
	w.green = "3"
	put := func(ref release.Ref, r alias.Routing) { w.before[ref] = w.put(ref, r) }
	put(w.zone.ref, w.spec.Router.Towards("blue", 100))
	stands := w.roll(4) > 0
	for _, ref := range w.spec.Refs() {
		versions := w.cloud.functions
		version := func(n string) string { return n }
		switch ref.Kind {
		case release.KindRecordSets:
			continue
		case release.KindStateMachine:
			versions = w.cloud.workflows
			version = func(n string) string { return machineARN(ref.Name, n) }
		}
		if ref.Alias == "blue" {
			_, _ = publish(versions, ref.Name, "older")
			_, _ = publish(versions, ref.Name, "blue")
			put(ref, alias.Routing{Primary: version("2")})
		} else if stands {
			put(ref, alias.Routing{Primary: version("1")})
		}
	}
	w.zone.changes, w.zone.latest = nil, time.Time{}
	w.log = nil
}

// led is where harm would show to those who ask the DNS.
func (w *world) led(old seen, want release.AliasRouting) {
	z := w.zone
	switch {
	case want.Ref == z.ref:
		z.moved = true
		if want.Routing.Share(z.idle) <= old.routing.Routing.Share(z.idle) {
			return
		}
		for ref, at := range w.cloud.aliases {
			if blue := w.before[release.Ref{Kind: ref.Kind, Name: ref.Name, Alias: "blue"}]; ref.Alias == z.idle && !w.foreign[ref] &&
				at.Routing.Primary != w.greenOf(ref) && at.Routing != blue.Routing {
				w.harm("%s leads clients to %s, which is at %s", want.Routing, ref, at.Routing)
			}
		}
	case want.Ref.Alias != z.idle:
		w.harm("%s was written, and serves", want.Ref)
	case strings.HasSuffix(want.Routing.Primary, "1") && z.moved && !z.foreign && !w.unsure():
		if share := w.cloud.aliases[z.ref].Routing.Share(z.idle); share > 0 || time.Now().Before(z.latest.Add(zoneTTL)) {
			w.harm("%s goes to %s, which is older than what serves, while clients are led there: %s, everywhere at %s", want.Ref, want.Routing, w.cloud.aliases[z.ref].Routing, z.latest.Format("15:04:05"))
		}
	}
}

// unsure reports whether the rollout has said that it could not find out what Route 53 has.
func (w *world) unsure() bool {
	return slices.ContainsFunc(w.notes, func(n string) bool { return strings.Contains(n, "whether all of Route 53 has it is not known") })
}

// seenByAll: what is observed begins when every client has the weights.
func (w *world) seenByAll(check rollout.Check) {
	w.sure(func() {
		if z := w.zone; check.Step > 0 && z.moved && !z.foreign && check.Since.Before(z.latest.Add(zoneTTL)) {
			w.harm("step %d is observed since %s, but clients had older weights until %s", check.Step, check.Since, z.latest.Add(zoneTTL))
		}
	})
}

// AwaitChange implements controller.Target.
func (p *process) AwaitChange(ctx context.Context, change string) error {
	f, _, err := p.call(ctx, "await", change, refusedBriefly, broken, hanging)
	var at time.Time
	p.sure(func() {
		var n int
		if _, e := fmt.Sscan(change, &n); e != nil || n > len(p.zone.changes) {
			p.harm("there is no change %q", change)
			return
		}
		at = p.zone.changes[n-1]
	})
	if err == nil && f == fine {
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return actErr(p.mortal, func() error {
		if err != nil {
			return err
		}
		return failure(f)
	})
}

// strangerAtTheDNS moves the weights by hand, or an alias of the release's slot.
func (w *world) strangerAtTheDNS() {
	ref, to := w.zone.ref, release.Split(w.spec.Router.Towards("blue", 100), w.zone.idle, 60)
	if w.roll(3) == 0 {
		ref = release.Ref{Kind: release.KindFunction, Name: "shop-a", Alias: w.zone.idle}
		to = alias.Routing{Primary: "1", Additional: "2", Weight: 0.775}
	} else {
		to.Weight = 0.625
	}
	old := w.current(ref)
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	if old.absent || w.over {
		return
	}
	if len(w.log) == 0 { // what the rollout finds when it begins is what it restores
		time.AfterFunc(20*time.Second+7, w.strangerAtTheDNS)
		return
	}
	w.past[ref] = append(w.past[ref], old)
	w.put(ref, to)
	w.foreign[ref] = true
	w.zone.foreign = w.zone.foreign || ref == w.zone.ref
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+"a stranger writes "+to.String())
}

// checkRouted is checkEnd for what a router has otherwise, and reports whether that is all.
func (w *world) checkRouted(s rollout.State, a rollout.Alias, now seen, was release.AliasRouting, existed bool) bool {
	switch {
	case a.Ref.Alias == "": // ended before it was known which slot is idle
		return true
	case s.Phase == rollout.Failed && existed && now.routing.Routing.String() != was.Routing.String():
		w.harm("failed before any traffic moved, but %s is at %s and was at %s", a.Ref, now.routing.Routing, was.Routing)
	case s.Phase == rollout.Promoted && a.Ref == w.zone.ref && now.routing.Routing.Share(w.zone.idle) != 1:
		w.harm("promoted, but %s is at %s", a.Ref, now.routing.Routing)
	default:
		return a.Ref == w.zone.ref && s.Phase == rollout.Promoted || s.Phase == rollout.Failed
	}
	return true
}

// versionsOf gives the versions that a routing names; slots are none.
func (w *world) versionsOf(r release.AliasRouting) []string {
	if r.Ref.Kind == release.KindRecordSets {
		return nil
	}
	return r.Routing.Versions()
}

// arrival draws when all of Route 53 has a change that is made now: within a minute as a rule. The caller holds the cloud.
func (w *world) arrival() time.Time {
	dice := rand.New(rand.NewPCG(w.seed, uint64(len(w.zone.changes))))
	takes := time.Minute
	if dice.IntN(100) < w.trouble/3 {
		takes = 12 * time.Minute
	}
	return time.Now().Add(time.Duration(dice.Int64N(int64(takes))))
}

var _ controller.Target = (*process)(nil)
