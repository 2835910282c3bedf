// Package controller drives rollouts. It decides nothing: rollout.Step does. The controller is the pump around it: it
// journals the events and the state that follows in the ledger, then performs the effects, in parallel, and feeds their
// results back. A rollout whose controller died is taken up by Resume, from any machine that has the ledger.
package controller

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Config says what a Controller works with. Target, Health and Ledger are needed.
type Config struct {
	Target Target
	Health Health
	Ledger Ledger
	Hooks  Hooks       // default: FunctionHooks(Target)
	Clock  clock.Clock // default: clock.System
	Owner  ledger.Owner

	// Observe is called with every state, in order, from one goroutine; it must not block for long.
	Observe func(rollout.State)
	// Notes is called with every note, in order, from the same goroutine.
	Notes func(rollout.Note)

	// Attend keeps driving a rollout that has paused for a person, instead of leaving it parked.
	Attend bool
	// Parallel is how many effects run at once; default 8. AWS's control planes throttle at some 15 requests per second.
	Parallel int
	// Poll is how often wishes of other processes are looked for; default 1 s.
	Poll time.Duration
	// NewID makes the ID of a rollout ("ro") or release ("re"); the default has the time in it and a random end.
	NewID func(kind string) string
}

// Controller drives rollouts. It keeps nothing between calls; its methods may be called from several goroutines for
// different applications.
type Controller struct{ c Config }

// New makes a Controller. It fails when a port is missing.
func New(c Config) (*Controller, error) {
	if c.Target == nil || c.Health == nil || c.Ledger == nil {
		return nil, errors.New("a controller needs a target, a health source and a ledger")
	}
	if c.Hooks == nil {
		c.Hooks = FunctionHooks(c.Target)
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Parallel <= 0 {
		c.Parallel = 8
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.Owner.PID == 0 {
		c.Owner.PID = os.Getpid()
	}
	if c.Owner.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("the name of this machine: %w", err)
		}
		c.Owner.Host = host
	}
	if c.NewID == nil {
		c.NewID = func(kind string) string { return newID(kind, c.Clock.Now()) }
	}
	return &Controller{c: c}, nil
}

func newID(kind string, now time.Time) string {
	var end [3]byte
	_, _ = rand.Read(end[:]) // never fails
	return kind + "-" + now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(end[:])
}

// Exit codes of a rollout, as the command line gives them.
const (
	ExitDone       = 0 // promoted
	ExitFailed     = 1 // stopped before any traffic moved, or left failed-dirty
	ExitRolledBack = 3 // traffic had moved and is back
	ExitPaused     = 4 // unfinished: it waits for a person
)

// Outcome is how a call left a rollout.
type Outcome struct {
	State    rollout.State `json:"state"`
	ExitCode int           `json:"exitCode"`
}

// exitCode maps a state to the exit code.
func exitCode(s rollout.State) int {
	switch {
	case s.Phase == rollout.Promoted:
		return ExitDone
	case s.Phase == rollout.RolledBack:
		return ExitRolledBack
	case s.Phase.Ended():
		return ExitFailed
	}
	return ExitPaused
}

// Request asks for a release.
type Request struct {
	Spec     release.Spec
	Settings rollout.Settings
	By       string
	Commit   string
}

// Run brings a release in. It returns when the rollout has ended, when it has paused for a person (unless Attend is set),
// or when ctx ends; in the last two cases the application stays locked for the rollout, and Resume goes on with it. It fails
// with a *ledger.HeldError when another rollout of the application is under way or unfinished, and with ledger.ErrFenced when
// another controller has taken this rollout over.
func (c *Controller) Run(ctx context.Context, r Request) (Outcome, error) {
	plan := rollout.Plan{
		ID: c.c.NewID("ro"), App: r.Spec.App, Kind: rollout.Deploy, By: r.By, Release: c.c.NewID("re"),
		Commit: r.Commit, Run: c.c.Owner.Run, Settings: r.Settings, Router: r.Spec.Router,
	}
	if plan.Router != nil {
		r.Spec = r.Spec.Through("") // the slots name the aliases
	}
	for _, f := range r.Spec.Functions {
		plan.Functions = append(plan.Functions, rollout.Function{Key: f.Key, Name: f.Name, Alias: f.Alias, Digest: f.Digest()})
	}
	for _, w := range r.Spec.Workflows {
		plan.Workflows = append(plan.Workflows, rollout.Workflow{Workflow: w})
	}
	return c.begin(ctx, plan, &r.Spec)
}

// RollbackRequest asks to go back to a release that was promoted before.
type RollbackRequest struct {
	App string
	To  string // ID of a release in the ledger; empty for the one that served before the current one
	By  string
}

// Rollback brings back a release of the ledger, functions and workflows as one, without publishing anything. It returns as
// Run does; a rollback that is done has exit code 0. For a rollout that is unfinished use Resume with an EventAbort.
func (c *Controller) Rollback(ctx context.Context, r RollbackRequest) (Outcome, error) {
	current, err := c.c.Ledger.Current(ctx, r.App)
	if errors.Is(err, ledger.ErrNotFound) {
		return Outcome{ExitCode: ExitFailed}, fmt.Errorf("nothing of %s was released: there is nothing to roll back", r.App)
	}
	if err != nil {
		return Outcome{ExitCode: ExitFailed}, err
	}
	to := r.To
	if to == "" {
		if to = current.Previous; to == "" {
			return Outcome{ExitCode: ExitFailed}, fmt.Errorf("release %s is the first of %s: there is none before it to roll back to", current.Release, r.App)
		}
	}
	rec, err := c.c.Ledger.Release(ctx, r.App, to)
	if errors.Is(err, ledger.ErrNotFound) {
		return Outcome{ExitCode: ExitFailed}, fmt.Errorf("the ledger has no release %s of %s", to, r.App)
	}
	if err != nil {
		return Outcome{ExitCode: ExitFailed}, err
	}
	if err := c.sameRouter(ctx, rec, current.Release); err != nil {
		return Outcome{ExitCode: ExitFailed}, err
	}
	plan := rollout.Plan{ID: c.c.NewID("ro"), App: r.App, Kind: rollout.Return, By: r.By, Release: to, Commit: rec.Commit, Run: c.c.Owner.Run, Router: rec.Router}
	aliases := aliasesByKey(rec)
	if rec.Router != nil {
		aliases = nil // the slots name them
	}
	for _, v := range rec.Functions {
		plan.Functions = append(plan.Functions, rollout.Function{Key: v.Key, Name: v.Name, Alias: aliases[unit{release.KindFunction, v.Key}], Version: &v})
	}
	for _, v := range rec.Workflows {
		plan.Workflows = append(plan.Workflows, rollout.Workflow{
			Version:  &v,
			Workflow: release.Workflow{Key: v.Key, Name: v.Name, Alias: aliases[unit{release.KindStateMachine, v.Key}]},
		})
	}
	return c.begin(ctx, plan, nil)
}

// sameRouter fails when the traffic of a release and of the current one is not split in the same place: the way back would
// move what no traffic goes through.
func (c *Controller) sameRouter(ctx context.Context, to ledger.Release, current string) error {
	now, err := c.c.Ledger.Release(ctx, to.App, current)
	switch {
	case err != nil:
		return err
	case to.Router.Equal(now.Router):
		return nil
	case to.Router == nil:
		return fmt.Errorf("the traffic of release %s was split by its aliases, that of the current one is by %s: deploy it anew", to.ID, now.Router.Ref())
	}
	return fmt.Errorf("the traffic of release %s was split by %s, which is not so for the current one: deploy it anew", to.ID, to.Router.Ref())
}

// unit names a function or workflow by its key.
type unit struct {
	kind release.Kind
	key  string
}

func aliasesByKey(r ledger.Release) map[unit]string {
	m := map[unit]string{}
	for _, a := range r.Aliases {
		m[unit{a.Ref.Kind, a.Key}] = a.Ref.Alias
	}
	return m
}

// ResumeRequest asks to go on with a rollout.
type ResumeRequest struct {
	App     string
	Rollout string // empty for the one that the application is locked for
	// Spec has the code, which the ledger does not keep. It is needed only where a function is still to be published.
	Spec *release.Spec
	// Wish is what a person asks for on this occasion: promote, resume, abort, retry. nil for none. It is refused with a
	// *rollout.ForbiddenError when the rollout is not in a phase for it.
	Wish *rollout.Event
}

// Resume goes on with a rollout that is paused, was left failed-dirty, or whose controller has died, and returns as Run
// does. It fails with a *ledger.HeldError while another controller drives the rollout.
func (c *Controller) Resume(ctx context.Context, r ResumeRequest) (Outcome, error) {
	id := r.Rollout
	if id == "" {
		held, ok, err := c.c.Ledger.Holder(ctx, r.App)
		if err != nil {
			return Outcome{ExitCode: ExitFailed}, err
		}
		if !ok {
			return Outcome{ExitCode: ExitFailed}, fmt.Errorf("no rollout of %s is unfinished: there is nothing to go on with", r.App)
		}
		id = held.Rollout
	}
	record, err := c.c.Ledger.Rollout(ctx, r.App, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return Outcome{ExitCode: ExitFailed}, fmt.Errorf("the ledger has no rollout %s of %s: it never began", id, r.App)
	}
	if err != nil {
		return Outcome{ExitCode: ExitFailed}, err
	}
	if !record.Ended.IsZero() {
		return Outcome{ExitCode: ExitFailed}, fmt.Errorf("rollout %s of %s has ended (%s): there is nothing to go on with", id, r.App, record.Phase)
	}
	lock, err := c.c.Ledger.Lock(ctx, r.App, id, c.owner(""))
	if err != nil {
		return Outcome{ExitCode: ExitFailed}, err
	}
	s, seq, err := load(ctx, c.c.Ledger, r.App, id)
	if err != nil {
		return Outcome{ExitCode: ExitFailed}, errors.Join(err, c.c.Ledger.Park(context.WithoutCancel(ctx), lock))
	}
	if s.Phase.Ended() && s.Phase != rollout.FailedDirty { // its controller died before it could write that down
		out := Outcome{State: s, ExitCode: exitCode(s)}
		return out, finish(ctx, c.c.Ledger, lock, s, c.c.Clock.Now())
	}
	p := c.pump(lock, s, seq, r.Spec)
	var first []rollout.Event
	if s.Phase == rollout.Planned && s.LastID == 0 {
		first = append(first, rollout.Event{Kind: rollout.EventStart})
	}
	if r.Wish != nil {
		first = append(first, *r.Wish)
	}
	return p.drive(ctx, first)
}

// begin records a new rollout and drives it.
func (c *Controller) begin(ctx context.Context, plan rollout.Plan, spec *release.Spec) (Outcome, error) {
	failed := Outcome{ExitCode: ExitFailed}
	lock, err := c.c.Ledger.Lock(ctx, plan.App, plan.ID, c.owner(plan.By))
	if err != nil {
		return failed, err
	}
	s, err := c.record(ctx, lock, &plan)
	if err != nil {
		return failed, errors.Join(err, c.c.Ledger.Unlock(context.WithoutCancel(ctx), lock))
	}
	return c.pump(lock, s, 1, spec).drive(ctx, []rollout.Event{{Kind: rollout.EventStart}})
}

// record writes the first entry of the journal, and then the rollout's record: a rollout that has a record can be resumed.
func (c *Controller) record(ctx context.Context, lock ledger.Lock, plan *rollout.Plan) (rollout.State, error) {
	if err := c.expect(ctx, plan); err != nil {
		return rollout.State{}, err
	}
	s, err := rollout.New(*plan)
	if err != nil {
		return s, err
	}
	s.Now = c.c.Clock.Now().UTC().Round(0)
	entry, err := entryOf(1, s.Now, nil, &s)
	if err != nil {
		return s, err
	}
	if err := c.c.Ledger.Append(ctx, lock, entry); err != nil {
		return s, err
	}
	return s, c.c.Ledger.PutRollout(ctx, lock, summary(s, s.Now))
}

// expect puts into the plan where the ledger believes every alias to be.
func (c *Controller) expect(ctx context.Context, plan *rollout.Plan) error {
	current, err := c.c.Ledger.Current(ctx, plan.App)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	plan.From = current.Release
	rec, err := c.c.Ledger.Release(ctx, plan.App, current.Release)
	if err != nil {
		return fmt.Errorf("the release that serves %s now: %w", plan.App, err)
	}
	if !plan.Router.Equal(rec.Router) {
		return nil // it says nothing of what traffic goes through from now on
	}
	at := map[release.Ref]string{}
	aliases := aliasesByKey(rec)
	if plan.Slot = current.Slot; plan.Router != nil {
		aliases = nil
	}
	for _, v := range rec.Functions {
		at[release.Ref{Kind: release.KindFunction, Name: v.Name, Alias: aliases[unit{release.KindFunction, v.Key}]}] = v.Version
	}
	for _, v := range rec.Workflows {
		at[release.Ref{Kind: release.KindStateMachine, Name: v.Name, Alias: aliases[unit{release.KindStateMachine, v.Key}]}] = v.ARN
	}
	for i, f := range plan.Functions {
		plan.Functions[i].Expected = at[release.Ref{Kind: release.KindFunction, Name: f.Name, Alias: f.Alias}]
	}
	for i, w := range plan.Workflows {
		plan.Workflows[i].Expected = at[w.Ref()]
	}
	return nil
}

func (c *Controller) owner(by string) ledger.Owner {
	o := c.c.Owner
	if by != "" {
		o.By = by
	}
	return o
}

func (c *Controller) pump(lock ledger.Lock, s rollout.State, seq int64, spec *release.Spec) *pump {
	return &pump{c: c.c, lock: lock, s: s, plan: s.Plan, seq: seq, spec: spec}
}
