package controller_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// harm tells what must never be, with how it came about.
func (w *world) harm(format string, args ...any) {
	w.t.Errorf("seed %d: %s\nwrites:\n  %s\nnotes:\n  %s", w.seed, fmt.Sprintf(format, args...), strings.Join(w.log, "\n  "), strings.Join(w.notes, "\n  "))
}

// earned: every step below the weight that is written, if it has a check, was found healthy.
func (w *world) earned(want release.AliasRouting) {
	green := want.Routing.Share(w.greenOf(want.Ref))
	for i, step := range w.settings.Strategy.Steps {
		if step.Check && green > float64(step.Weight)/100+1e-9 && !w.healthy[i+1] {
			w.harm("%s gets %s, but step %d at %d%% was never found healthy", want.Ref, want.Routing, i+1, step.Weight)
		}
	}
}

func (w *world) greenOf(ref release.Ref) string {
	switch ref.Kind {
	case release.KindFunction:
		return w.green
	case release.KindRecordSets:
		return w.zone.idle
	}
	return machineARN(ref.Name, w.green)
}

// checkDirty: what failed-dirty says of an alias that is not in doubt is so.
func (w *world) checkDirty(s rollout.State) {
	loud := false
	for _, a := range s.Aliases {
		loud = loud || a.Foreign || a.Gone || a.Failed != ""
		now := w.current(a.Ref)
		if !a.Doubt && a.Touched && !a.Foreign && !now.absent && !w.foreign[a.Ref] && now.routing.Routing.String() != a.Actual.Routing.String() {
			w.harm("failed-dirty says that %s is at %s, but it is at %s", a.Ref, a.Actual.Routing, now.routing.Routing)
		}
	}
	if !loud {
		w.harm("failed-dirty without saying what is wrong: %q", s.Where())
	}
}

// checkEnd: all aliases are where the end says.
func (w *world) checkEnd(s rollout.State) {
	for _, a := range s.Aliases {
		now := w.current(a.Ref)
		was, existed := w.before[a.Ref]
		switch {
		case w.foreign[a.Ref]: // after our last write: nobody can know
		case w.zone != nil && w.checkRouted(s, a, now, was, existed):
		case s.Phase == rollout.Promoted && now.routing.Routing.String() != (alias.Routing{Primary: w.greenOf(a.Ref)}).String():
			w.harm("promoted, but %s is at %s", a.Ref, now.routing.Routing)
		case s.Phase == rollout.RolledBack && existed && now.routing.Routing.String() != was.Routing.String():
			w.harm("rolled back, but %s is at %s and was at %s", a.Ref, now.routing.Routing, was.Routing)
		case s.Phase == rollout.Failed && slices.ContainsFunc(w.log, func(l string) bool { return !strings.Contains(l, "stranger") }):
			w.harm("failed before any traffic moved, but %s was written", a.Ref)
		}
	}
	for name, versions := range w.cloud.functions {
		if fmt.Sprint(len(versions)) > w.green {
			w.harm("%s has %d versions: a publication was repeated", name, len(versions))
		}
	}
	current, err := w.ledger.Current(w.t.Context(), "shop")
	if (err == nil && current.Release == s.Plan.Release) != (s.Phase == rollout.Promoted) {
		w.harm("it is %s, but the ledger says that %+v serves (%v)", s.Phase, current, err)
	}
}

// checkNext: the application is free, and the next release goes out.
func (w *world) checkNext() {
	w.trouble, w.force, w.overruled = 0, true, true
	for ref := range w.foreign {
		if w.foreign[ref] {
			w.cloud.mu.Lock()
			to := alias.Routing{Primary: "1"}
			switch ref.Kind {
			case release.KindStateMachine:
				to.Primary = machineARN(ref.Name, to.Primary)
			case release.KindRecordSets:
				to = release.Split(w.cloud.aliases[ref].Routing, w.zone.idle, 0)
			}
			w.put(ref, to)
			w.cloud.mu.Unlock()
			w.foreign[ref] = false
		}
	}
	c := w.start()
	next := w.app("next")
	if next.Router = w.spec.Router; next.Router != nil {
		next = next.Through("")
	}
	out, err := c.Run(w.t.Context(), controller.Request{Spec: next})
	if err != nil || out.ExitCode != controller.ExitDone {
		w.harm("the next release: exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
	}
}
