package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// cloud is a Target in memory. Every call takes a while of virtual time.
type cloud struct {
	mu        sync.Mutex
	aliases   map[release.Ref]release.AliasRouting
	revision  int
	functions map[string][]string // digests by name; the version is the place, from 1
	workflows map[string][]string
	writes    []string             // every routing written, in order
	born      map[string]time.Time // when a version was published, by name and number
	gone      map[string]bool      // versions that were deleted
	invoked   []string
	payloads  [][]byte
	latency   time.Duration

	invoke func(arn string) (string, string, error)
	deny   func(want release.AliasRouting) error // SetRouting fails with this
}

func newCloud() *cloud {
	return &cloud{
		aliases: map[release.Ref]release.AliasRouting{}, functions: map[string][]string{}, workflows: map[string][]string{},
		born: map[string]time.Time{}, gone: map[string]bool{},
		latency: 100 * time.Millisecond,
	}
}

func (c *cloud) wait(ctx context.Context) error {
	select {
	case <-time.After(c.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cloud) PublishFunction(ctx context.Context, f release.Function) (release.FunctionVersion, error) {
	if err := c.wait(ctx); err != nil {
		return release.FunctionVersion{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, isNew := publish(c.functions, f.Name, f.Digest())
	c.bear(f.Name, n, isNew)
	return release.FunctionVersion{
		Key: f.Key, Name: f.Name, Version: n, Digest: f.Digest(), New: isNew,
		ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + f.Name + ":" + n,
	}, nil
}

func (c *cloud) PublishWorkflow(ctx context.Context, w release.Workflow, pinned json.RawMessage) (release.StateMachineVersion, error) {
	if err := c.wait(ctx); err != nil {
		return release.StateMachineVersion{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, isNew := publish(c.workflows, w.Name, string(pinned))
	c.bear(w.Name, n, isNew)
	return release.StateMachineVersion{Key: w.Key, Name: w.Name, New: isNew, ARN: machineARN(w.Name, n)}, nil
}

func (c *cloud) bear(name, version string, isNew bool) {
	if isNew {
		c.born[name+":"+version] = time.Now()
	}
}

func machineARN(name, version string) string {
	return "arn:aws:states:us-east-1:000000000000:stateMachine:" + name + ":" + version
}

// publish gives the version of a content: the last one when it has it.
func publish(of map[string][]string, name, content string) (version string, isNew bool) {
	all := of[name]
	if len(all) == 0 || all[len(all)-1] != content {
		all, isNew = append(all, content), true
		of[name] = all
	}
	return strconv.Itoa(len(all)), isNew
}

func (c *cloud) GetRouting(ctx context.Context, ref release.Ref) (release.AliasRouting, error) {
	if err := c.wait(ctx); err != nil {
		return release.AliasRouting{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.aliases[ref]; ok {
		return r, nil
	}
	return release.AliasRouting{}, fmt.Errorf("%s: %w", ref, release.ErrNoAlias)
}

func (c *cloud) SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	if err := c.wait(ctx); err != nil {
		return release.AliasRouting{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deny != nil {
		if err := c.deny(want); err != nil {
			return release.AliasRouting{}, err
		}
	}
	if c.aliases[want.Ref].Revision != want.Revision {
		return release.AliasRouting{}, fmt.Errorf("%s: %w", want.Ref, release.ErrConflict)
	}
	return c.put(want.Ref, want.Routing), nil
}

func (c *cloud) put(ref release.Ref, r alias.Routing) release.AliasRouting {
	c.revision++
	now := release.AliasRouting{Ref: ref, Routing: r, Revision: strconv.Itoa(c.revision)}
	if ref.Kind == release.KindRecordSets {
		now.TTL, now.Change = time.Minute, "C"+now.Revision
	}
	c.aliases[ref] = now
	c.writes = append(c.writes, ref.Name+" "+r.String())
	return now
}

func (c *cloud) InvokeVersion(ctx context.Context, arn string, payload []byte) ([]byte, string, error) {
	if err := c.wait(ctx); err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	c.invoked = append(c.invoked, arn)
	c.payloads = append(c.payloads, payload)
	invoke := c.invoke
	c.mu.Unlock()
	if invoke == nil {
		return []byte(`{"status":"Succeeded"}`), "", nil
	}
	out, functionError, err := invoke(arn)
	return []byte(out), functionError, err
}

// at gives where every alias is, as text.
func (c *cloud) at() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[string]string{}
	for ref, r := range c.aliases {
		m[ref.Name] = r.Routing.String()
	}
	return m
}

// health answers checks by what the test says of a step.
type health struct {
	mu     sync.Mutex
	checks []rollout.Check
	see    func(c rollout.Check) (rollout.Counts, error)
}

func (h *health) Observe(_ context.Context, check rollout.Check) (rollout.Observation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check)
	counts, err := h.see(check)
	o := rollout.Observation{At: time.Now()}
	for _, s := range check.Subjects {
		if s.Ref.Kind == release.KindFunction {
			o.Subjects = append(o.Subjects, rollout.Observed{Ref: s.Ref, Green: counts})
		}
	}
	return o, err
}

func good(rollout.Check) (rollout.Counts, error) { return rollout.Counts{Requests: 100}, nil }

var errDied = errors.New("the process is dead")

// mortal counts what a controller does to the world, and dies before or after one of those acts: from then on nothing of it
// has any effect.
type mortal struct {
	controller.Target
	ledger.Ledger
	mu    sync.Mutex
	acts  int
	dieAt int // 0: never
	after bool
	dead  bool
}

func act[T any](m *mortal, f func() (T, error)) (T, error) {
	var zero T
	m.mu.Lock()
	m.acts++
	due := m.acts == m.dieAt
	if m.dead || due && !m.after {
		m.dead = true
		m.mu.Unlock()
		return zero, errDied
	}
	m.mu.Unlock()
	v, err := f()
	m.mu.Lock()
	defer m.mu.Unlock()
	if due {
		m.dead = true
	}
	if m.dead {
		return zero, errDied
	}
	return v, err
}

func actErr(m *mortal, f func() error) error {
	_, err := act(m, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (m *mortal) PublishFunction(ctx context.Context, f release.Function) (release.FunctionVersion, error) {
	return act(m, func() (release.FunctionVersion, error) { return m.Target.PublishFunction(ctx, f) })
}

func (m *mortal) PublishWorkflow(ctx context.Context, w release.Workflow, d json.RawMessage) (release.StateMachineVersion, error) {
	return act(m, func() (release.StateMachineVersion, error) { return m.Target.PublishWorkflow(ctx, w, d) })
}

func (m *mortal) GetRouting(ctx context.Context, ref release.Ref) (release.AliasRouting, error) {
	return act(m, func() (release.AliasRouting, error) { return m.Target.GetRouting(ctx, ref) })
}

func (m *mortal) SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	return act(m, func() (release.AliasRouting, error) { return m.Target.SetRouting(ctx, want) })
}

func (m *mortal) InvokeVersion(ctx context.Context, arn string, payload []byte) ([]byte, string, error) {
	type answer struct {
		out           []byte
		functionError string
	}
	a, err := act(m, func() (answer, error) {
		out, functionError, err := m.Target.InvokeVersion(ctx, arn, payload)
		return answer{out, functionError}, err
	})
	return a.out, a.functionError, err
}

func (m *mortal) Lock(ctx context.Context, app, rollout string, o ledger.Owner) (ledger.Lock, error) {
	return act(m, func() (ledger.Lock, error) { return m.Ledger.Lock(ctx, app, rollout, o) })
}

func (m *mortal) Renew(ctx context.Context, l ledger.Lock) error {
	return actErr(m, func() error { return m.Ledger.Renew(ctx, l) })
}

func (m *mortal) Park(ctx context.Context, l ledger.Lock) error {
	return actErr(m, func() error { return m.Ledger.Park(ctx, l) })
}

func (m *mortal) Unlock(ctx context.Context, l ledger.Lock) error {
	return actErr(m, func() error { return m.Ledger.Unlock(ctx, l) })
}

func (m *mortal) Append(ctx context.Context, l ledger.Lock, e ledger.Entry) error {
	return actErr(m, func() error { return m.Ledger.Append(ctx, l, e) })
}

func (m *mortal) PutRollout(ctx context.Context, l ledger.Lock, r ledger.Rollout) error {
	return actErr(m, func() error { return m.Ledger.PutRollout(ctx, l, r) })
}

func (m *mortal) PutRelease(ctx context.Context, l ledger.Lock, r ledger.Release) error {
	return actErr(m, func() error { return m.Ledger.PutRelease(ctx, l, r) })
}

func (m *mortal) SetCurrent(ctx context.Context, l ledger.Lock, c ledger.Current) error {
	return actErr(m, func() error { return m.Ledger.SetCurrent(ctx, l, c) })
}

// bench is everything that a test of the controller needs. Processes are numbered; those in dead are gone.
type bench struct {
	t      *testing.T
	app    func(code string) release.Spec
	cloud  *cloud
	health *health
	ledger ledger.Ledger
	dead   map[int]bool
	pid    int
	ids    int
	attend bool
	hooks  controller.Hooks // nil for the default
	states []rollout.State
	notes  []string
}

// quickDir is a folder in memory where there is one: these tests make some ten thousand synced writes.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ledger")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, app: spec, cloud: newCloud(), health: &health{see: good}, dead: map[int]bool{}}
	var mu sync.Mutex
	l, err := ledger.Folder(quickDir(t), ledger.WithProcesses("here", func(pid int) bool {
		mu.Lock()
		defer mu.Unlock()
		return !b.dead[pid]
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.ledger = l
	return b
}

// controller starts a new process. m is nil for one that does not die.
func (b *bench) controller(m *mortal) *controller.Controller {
	b.t.Helper()
	b.pid++
	if m == nil {
		m = &mortal{}
	}
	m.Target, m.Ledger = b.cloud, b.ledger
	c, err := controller.New(controller.Config{
		Target: m, Health: b.health, Ledger: m, Attend: b.attend, Hooks: b.hooks,
		Owner: ledger.Owner{By: "ann", Host: "here", PID: b.pid},
		NewID: func(kind string) string {
			b.ids++
			return fmt.Sprintf("%s-%d", kind, b.ids)
		},
		Observe: func(s rollout.State) { b.states = append(b.states, s) },
		Notes:   func(n rollout.Note) { b.notes = append(b.notes, n.Text) },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// spec is the application: function a behind an alias, function p called by workflow w at its exact version.
func spec(code string) release.Spec {
	return release.Spec{
		App: "shop",
		Functions: []release.Function{
			{Key: "a", Name: "shop-a", Alias: "live", CodeSHA256: code + "a"},
			{Key: "p", Name: "shop-p", Alias: "live", CodeSHA256: code + "p"},
		},
		Workflows: []release.Workflow{{
			Key: "w", Name: "shop-w", Alias: "live", UseExactVersion: true,
			Definition: json.RawMessage(`{"StartAt":"x","States":{"x":{"Type":"Task","Resource":"${p.Arn}","End":true}}}`),
		}},
	}
}

func settings(steps ...rollout.Shift) rollout.Settings {
	return rollout.Settings{
		Strategy: rollout.Strategy{Name: "test", Steps: steps},
		Before:   []rollout.Hook{{Name: "smoke", Function: "p"}},
		Check:    rollout.CheckSettings{Interval: 30 * time.Second, Timeout: 2 * time.Minute, MinRequests: 20, MaxErrorRate: 0.05},
	}
}

var gradual = []rollout.Shift{{Weight: 10, Pause: time.Minute, Check: true}, {Weight: 50, Pause: time.Minute, Check: true}, {Weight: 100}}

// blue brings the first release in.
func (b *bench) blue() {
	b.t.Helper()
	out, err := b.controller(nil).Run(b.t.Context(), controller.Request{Spec: b.app("blue"), Settings: settings(gradual...), By: "ann"})
	if err != nil || out.ExitCode != controller.ExitDone {
		b.t.Fatalf("the first release: exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
	}
	b.cloud.writes, b.cloud.invoked, b.cloud.payloads, b.states, b.notes = nil, nil, nil, nil, nil
}

func (b *bench) wantAt(a, p, w string) {
	b.t.Helper()
	got := b.cloud.at()
	want := map[string]string{"shop-a": a, "shop-p": p, "shop-w": machineARN("shop-w", w)}
	for name, version := range want {
		if got[name] != version+" 100%" {
			b.t.Errorf("%s is at %s, want %s", name, got[name], version)
		}
	}
}

func (b *bench) wantCurrent(release, previous string) {
	b.t.Helper()
	c, err := b.ledger.Current(b.t.Context(), "shop")
	if err != nil || c.Release != release || c.Previous != previous {
		b.t.Errorf("current is %+v (%v), want %s after %s", c, err, release, previous)
	}
}

func (b *bench) phases() []rollout.Phase {
	var all []rollout.Phase
	for _, s := range b.states {
		all = append(all, s.Phase)
	}
	return slices.Compact(all)
}
