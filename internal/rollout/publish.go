package rollout

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// record reads the routing of every alias, so that it is known what to go back to before anything is changed.
func (r *run) record() {
	if !r.chosen() {
		return
	}
	all := true
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		for _, of := range []struct {
			ref  release.Ref
			read bool
		}{{a.Ref, a.Read}, {a.Standing.Ref, a.StandingRead || !a.slotted()}} {
			switch {
			case of.read:
				continue
			case a.Failed != "":
				r.fail(fmt.Sprintf("the routing of %s could not be read: %s", of.ref, a.Failed))
				return
			}
			all = false
			if r.busy(of.ref) || r.waits(a.RetryAt) {
				continue
			}
			r.emit(Effect{ReadRouting: &ReadRouting{Ref: of.ref}})
		}
	}
	if !all {
		return
	}
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		serves := a.Recorded // what blue's traffic comes through
		if a.slotted() {
			serves = a.Standing
		}
		if serves.Routing.Primary == "" {
			continue
		}
		blue, ok := settledAt(serves.Routing)
		if !ok && r.s.Plan.Kind == Return {
			blue, ok = serves.Routing.Primary, true // going back is how one gets out of a half shifted state
		}
		if !ok {
			r.fail(fmt.Sprintf("%s is half shifted already (%s): repair it, or finish the rollout that left it so", serves.Ref, serves.Routing))
			return
		}
		if a.Blue == blue {
			continue // told already
		}
		a.Blue = blue
		if want := r.expected(i); want != "" && want != blue {
			what := "version"
			if a.Ref.Kind == release.KindRecordSets {
				what = "slot"
			}
			text := fmt.Sprintf("%s is at %s %s, but the ledger left it at %s: someone else changed it", serves.Ref, what, blue, want)
			if r.s.Plan.Settings.RefuseDrift {
				r.fail(text)
				return
			}
			r.note(Warning, "%s; %s counts as blue", text, blue)
		}
	}
	if r.lookedAtAlarms() {
		r.take("publish")
	}
}

// expected is where the ledger believes the i-th alias to be.
func (r *run) expected(i int) string {
	n := len(r.s.Plan.Functions)
	switch {
	case i < n:
		return r.s.Plan.Functions[i].Expected
	case i < n+len(r.s.Plan.Workflows):
		return r.s.Plan.Workflows[i-n].Expected
	}
	return r.s.Plan.Slot
}

// waits reports whether t is still to come, and then sees to it that the machine is woken.
func (r *run) waits(t time.Time) bool {
	if !t.After(r.s.Now) {
		return false
	}
	r.later(t)
	return true
}

// publish makes the versions: all functions, then all workflows, whose definitions name the functions' versions.
func (r *run) publish() {
	for _, kind := range []release.Kind{release.KindFunction, release.KindStateMachine} {
		done := true
		for i := range r.s.Units {
			u := &r.s.Units[i]
			if u.Kind != kind || u.Done {
				continue
			}
			done = false
			if u.Error != "" {
				r.fail(fmt.Sprintf("%s %s could not be published: %s", u.Kind, u.Key, u.Error))
				return
			}
			if r.publishing(kind, u.Key) || r.waits(u.RetryAt) {
				continue
			}
			if kind == release.KindFunction {
				r.emit(Effect{PublishFunction: &PublishFunction{Key: u.Key}})
				continue
			}
			definition, pins, err := r.pin(u.Key)
			if err != nil {
				r.fail(fmt.Sprintf("the functions of workflow %s could not be pinned: %v", u.Key, err))
				return
			}
			r.emit(Effect{PublishWorkflow: &PublishWorkflow{Key: u.Key, Definition: definition, Pins: pins}})
		}
		if !done {
			return
		}
	}
	r.assignGreen()
	changed := 0
	for _, a := range r.s.Aliases {
		if !a.Unchanged() && a.Ref.Kind != release.KindRecordSets {
			changed++
		}
	}
	switch {
	case changed == 0 && !r.s.Plan.Settings.Unmoved:
		r.take("nothing-new")
		r.note(Info, "nothing new: every alias is at its version already")
	case r.mayMove():
		r.take("test")
		if sets, ok := r.s.RecordSets(); ok && r.first() {
			r.note(Info, "nothing is served yet: slot %s gets all traffic at once", sets.Green)
		}
	}
}

func (r *run) publishing(kind release.Kind, key string) bool {
	return r.pending(func(e Effect) bool {
		if kind == release.KindFunction {
			return e.PublishFunction != nil && e.PublishFunction.Key == key
		}
		return e.PublishWorkflow != nil && e.PublishWorkflow.Key == key
	})
}

// pin gives the definition of a workflow in which every function of the release is named by its exact version.
func (r *run) pin(key string) (json.RawMessage, []release.Pin, error) {
	functions := make([]release.Function, 0, len(r.s.Plan.Functions))
	for _, f := range r.s.Plan.Functions {
		functions = append(functions, release.Function{Key: f.Key, Name: f.Name, Alias: f.Alias})
	}
	resolver, err := release.NewResolver(release.Identity{}, functions, r.s.Release.Functions)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range r.s.Plan.Workflows {
		if w.Key == key {
			return release.PinDefinition(w.Definition, resolver, w.PinOptions())
		}
	}
	return nil, nil, fmt.Errorf("the plan has no workflow %s", key)
}

// published takes the answer of PublishFunction and PublishWorkflow.
func (r *run) published(kind release.Kind, key string, pins []release.Pin, ev Event) {
	if r.s.Phase != Publishing {
		return
	}
	var u *Unit
	for i := range r.s.Units {
		if r.s.Units[i].Kind == kind && r.s.Units[i].Key == key {
			u = &r.s.Units[i]
		}
	}
	switch {
	case u == nil || u.Done:
	case ev.Error == "" && kind == release.KindFunction && ev.Function != nil && ev.Function.Version != "":
		v := *ev.Function
		v.Key = key
		r.s.Release.Functions = append(r.s.Release.Functions, v)
		u.Done = true
		r.note(Info, "function %s is at version %s: %s", key, v.Version, orElse(v.Reason, "published"))
	case ev.Error == "" && kind == release.KindStateMachine && ev.Workflow != nil && ev.Workflow.ARN != "":
		v := *ev.Workflow
		v.Key, v.Pins = key, pins
		r.s.Release.Workflows = append(r.s.Release.Workflows, v)
		u.Done = true
		r.note(Info, "workflow %s is at version %s: %s", key, v.ARN[strings.LastIndexByte(v.ARN, ':')+1:], orElse(v.Reason, "published"))
	default:
		u.Tries++
		reason := orElse(ev.Error, "the answer names no version")
		if ev.Refused || u.Tries >= r.s.Plan.Settings.Retry.Attempts {
			u.Error = reason
			return
		}
		u.RetryAt = r.s.Now.Add(r.s.Plan.Settings.Retry.after(u.Tries))
	}
}

// assignGreen tells every alias the version that it is to serve, and sorts the release as the plan is.
func (r *run) assignGreen() {
	functions := map[string]release.FunctionVersion{}
	for _, v := range r.s.Release.Functions {
		functions[v.Key] = v
	}
	workflows := map[string]release.StateMachineVersion{}
	for _, v := range r.s.Release.Workflows {
		workflows[v.Key] = v
	}
	pinned := map[string]bool{}
	for _, w := range r.s.Release.Workflows {
		for _, pin := range w.Pins {
			pinned[pin.Function] = pinned[pin.Function] || !pin.External
		}
	}
	r.s.Release.Functions, r.s.Release.Workflows = nil, nil
	for i := range r.s.Aliases {
		a := &r.s.Aliases[i]
		switch a.Ref.Kind {
		case release.KindFunction:
			v := functions[a.Key]
			v.Name = a.Ref.Name
			a.Green, a.Pinned = v.Version, pinned[v.Name]
			r.s.Release.Functions = append(r.s.Release.Functions, v)
		case release.KindStateMachine:
			v := workflows[a.Key]
			v.Name = a.Ref.Name
			a.Green = v.ARN
			r.s.Release.Workflows = append(r.s.Release.Workflows, v)
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
