package release

import (
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
)

// Plan is what a deploy of a Spec would do, in the Spec's order. Making it changes nothing.
type Plan struct {
	App       string         `json:"app"`
	Identity  Identity       `json:"identity"`
	Functions []FunctionPlan `json:"functions"`
	Workflows []WorkflowPlan `json:"workflows"`
	Moves     []Move         `json:"moves"` // functions first, then workflows, then record sets
	Routes    []Route        `json:"routes"`
	TTL       time.Duration  `json:"ttl,omitempty"`   // of a router's record sets: how long each change of weights takes to count
	Notes     []string       `json:"notes,omitempty"` // what a person should know before it starts
}

// FunctionPlan is what happens to one function.
type FunctionPlan struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Decision
	Digest string `json:"digest"`
}

// WorkflowPlan is what happens to one workflow, with its pins now and then.
type WorkflowPlan struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Decision
	Pins []PinChange `json:"pins"` // Before is what serves now; After is NewVersion where the function is published anew
}

// Move is how the routing of one alias changes from start to promotion.
type Move struct {
	Ref    Ref           `json:"ref"`
	Before alias.Routing `json:"before"` // zero when the alias does not exist yet
	After  string        `json:"after"`  // version number, or version ARN of a state machine; NewVersion when it is not published yet; a slot
}

// Changes reports whether the alias has to move at all.
func (m Move) Changes() bool { return m.After != m.Before.Primary || m.Before.Additional != "" }

// Empty reports whether there is nothing to do: nothing is published and no alias moves.
func (p Plan) Empty() bool {
	for _, f := range p.Functions {
		if f.Action == Publish {
			return false
		}
	}
	for _, w := range p.Workflows {
		if w.Action == Publish {
			return false
		}
	}
	for _, m := range p.Moves {
		if m.Changes() {
			return false
		}
	}
	return true
}

// MakePlan says what a deploy of s would do, given what exists. It fails as the deploy would: with the PinErrors of every
// workflow, and where a workflow's type would change.
func MakePlan(s Spec, o Observed) (Plan, error) {
	p := Plan{App: s.App, Identity: o.Identity, Routes: s.Routes}
	versions := make([]FunctionVersion, 0, len(s.Functions))
	for _, f := range s.Functions {
		was := o.Functions[f.Name]
		d := DecideFunction(f, was)
		p.Functions = append(p.Functions, FunctionPlan{Key: f.Key, Name: f.Name, Decision: d, Digest: f.Digest()})
		v := FunctionVersion{Key: f.Key, Name: f.Name, Version: d.Version, ARN: d.ARN}
		if d.Action == Publish {
			v.Version = NewVersion
			v.ARN = fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s:%s", o.Identity.Partition, o.Identity.Region, o.Identity.Account, f.Name, NewVersion)
		}
		versions = append(versions, v)
		p.move(f.Ref(), was.Routing.Routing, v.Version)
	}
	r, err := NewResolver(o.Identity, s.Functions, versions)
	if err != nil {
		return Plan{}, err
	}
	var failed WorkflowErrors
	for _, w := range s.Workflows {
		pinned, pins, err := PinDefinition(w.Definition, r, w.PinOptions())
		if err != nil {
			failed = append(failed, &WorkflowError{Workflow: w.Key, Err: err})
			continue
		}
		was := o.Workflows[w.Name]
		d, err := decideWorkflow(w, pinned, pins, was)
		if err != nil {
			failed = append(failed, &WorkflowError{Workflow: w.Key, Err: err})
			continue
		}
		p.Workflows = append(p.Workflows, WorkflowPlan{Key: w.Key, Name: w.Name, Decision: d, Pins: PinChanges(ScanPins(was.Serving), pins)})
		after := d.ARN
		if d.Action == Publish {
			after = NewVersion
		}
		p.move(w.Ref(), was.Routing.Routing, after)
	}
	if len(failed) > 0 {
		return Plan{}, failed
	}
	if o.Router != nil {
		p.intoIdle(*o.Router)
	}
	return p, nil
}

// intoIdle puts in place of the moves of what serves those of a router's idle slot, and of the record sets. Where what serves
// need not move, nothing moves.
func (p *Plan) intoIdle(r ObservedRouter) {
	if p.Empty() {
		return
	}
	to := map[Ref]string{}
	for _, m := range p.Moves {
		m.Ref.Alias = r.Idle.Alias
		to[m.Ref] = m.After
	}
	p.Moves = nil
	for _, a := range r.Aliases {
		p.Moves = append(p.Moves, Move{Ref: a.Ref, Before: a.Routing, After: to[a.Ref]})
	}
	p.Moves = append(p.Moves, Move{Ref: r.Routing.Ref, Before: r.Routing.Routing, After: r.Idle.SetIdentifier})
	p.TTL = r.Routing.TTL
	p.Notes = append(p.Notes, fmt.Sprintf("slot %s serves; the release goes into slot %s, whose entrance calls alias %s", r.Live.SetIdentifier, r.Idle.SetIdentifier, r.Idle.Alias))
	p.Notes = append(p.Notes, r.Notes...)
}

func (p *Plan) move(r Ref, before alias.Routing, after string) {
	p.Moves = append(p.Moves, Move{Ref: r, Before: before, After: after})
	if before.Additional != "" {
		p.Notes = append(p.Notes, fmt.Sprintf("%s is between two versions (%s): another rollout is under way, or was left half done", r, before))
	}
}
