// Package targettest holds what every endpoint that Teal releases to has to do. The suite runs against any target.Target:
// the embedded platform, a model of AWS, or AWS itself.
package targettest

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
)

// Role is the role of everything that the suite makes.
const Role = "arn:aws:iam::000000000000:role/teal"

// Exercise checks the control plane: publishing, routing, observing, routes of the HTTP API, and executions of workflows
// that call nothing. Each part gets a target of its own from open, and uses names that are not in use.
func Exercise(t *testing.T, open func(t *testing.T) *target.Target) {
	Suite{Open: open, Name: unique}.Exercise(t)
}

// Suite is Exercise, ExerciseInvocations and ExerciseUpkeep for those who choose the names and the parts.
type Suite struct {
	Open func(t *testing.T) *target.Target // t has the name of the part
	Name func(what string) string          // gives another name at every call; may be called from several goroutines
	Skip func(part string) (why string)    // nil for none
	Now  func() time.Time                  // nil for time.Now
}

// on is the target that a part is run on.
type on struct {
	*target.Target
	name  func(what string) string
	clock func() time.Time
	later time.Duration // by which the part pretends that time has passed
}

type part struct {
	name string
	run  func(*testing.T, on)
}

func (s Suite) run(t *testing.T, parts []part) {
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			if s.Skip != nil {
				if why := s.Skip(p.name); why != "" {
					t.Skip(why)
				}
			}
			p.run(t, on{Target: s.Open(t), name: s.Name, clock: s.Now})
		})
	}
}

// Exercise runs what the function of this name does.
func (s Suite) Exercise(t *testing.T) {
	s.run(t, []part{
		{"identity", identity},
		{"publish a function", publishFunction},
		{"publish settings", publishSettings},
		{"publish many functions at once", publishMany},
		{"shift a function", shiftFunction},
		{"route a function", routeFunction},
		{"publish a workflow", publishWorkflow},
		{"route a workflow", routeWorkflow},
		{"observe and plan", observeAndPlan},
		{"routes to functions", functionRoutes},
		{"routes", routes},
		{"executions", executions},
	})
}

// ExerciseInvocations checks that versions really run: function gives a function that can, and that answers with the JSON
// string it is given.
func ExerciseInvocations(t *testing.T, open func(t *testing.T) *target.Target, function func(t *testing.T, answer string) release.Function) {
	Suite{Open: open, Name: unique}.Invocations(t, function)
}

// Invocations runs what ExerciseInvocations does.
func (s Suite) Invocations(t *testing.T, function func(t *testing.T, answer string) release.Function) {
	s.run(t, []part{
		{"invoke versions", func(t *testing.T, g on) { invokeVersions(t, g, function) }},
		{"provision versions", func(t *testing.T, g on) { provisionVersions(t, g, function) }},
	})
}

func invokeVersions(t *testing.T, g on, function func(t *testing.T, answer string) release.Function) {
	ctx := t.Context()
	f := function(t, "one")
	f.Name, f.Alias = g.name("invoked"), "live"
	one, err := g.PublishFunction(ctx, f)
	must(t, err)
	next := function(t, "two")
	next.Name, next.Alias = f.Name, f.Alias
	two, err := g.PublishFunction(ctx, next)
	must(t, err)
	_, err = g.SetRouting(ctx, release.AliasRouting{Ref: f.Ref(), Routing: alias.Routing{Primary: one.Version}})
	must(t, err)
	live, err := g.AliasARN(ctx, f.Ref())
	must(t, err)
	for _, c := range []struct{ arn, version, answer string }{{one.ARN, one.Version, `"one"`}, {two.ARN, two.Version, `"two"`}, {live, one.Version, `"one"`}} {
		got, err := g.InvokeVersion(ctx, c.arn, []byte(`{}`))
		must(t, err)
		if string(got.Payload) != c.answer || got.ExecutedVersion != c.version || got.FunctionError != "" {
			t.Errorf("invoke %s = %s by version %s, error %q\n%s; want %s by version %s", c.arn, got.Payload, got.ExecutedVersion, got.FunctionError, got.Log, c.answer, c.version)
		}
	}
	if _, err := g.InvokeVersion(ctx, one.ARN[:strings.LastIndexByte(one.ARN, ':')]+":99", nil); err == nil {
		t.Error("a version that does not exist was invoked")
	}
}

// provisionVersions warms a version, moves on to the next, and gives back what the first has.
func provisionVersions(t *testing.T, g on, function func(t *testing.T, answer string) release.Function) {
	ctx := t.Context()
	f := function(t, "one")
	f.Name, f.Alias, f.ProvisionedConcurrency = g.name("warm"), "live", 1
	one, err := g.PublishFunction(ctx, f)
	must(t, err)
	next := function(t, "two")
	next.Name, next.Alias, next.ProvisionedConcurrency = f.Name, f.Alias, 2
	two, err := g.PublishFunction(ctx, next)
	must(t, err)
	must(t, g.Provision(ctx, f.Name, two.Version, 2)) // changes nothing
	warm, err := g.Provisioned(ctx, f.Name)
	must(t, err)
	count := map[string]int32{}
	for _, p := range warm {
		count[p.Version] = p.Count
	}
	if len(count) != 2 || count[one.Version] != 1 || count[two.Version] != 2 {
		t.Errorf("provisioned are %v, want one of version %s and two of version %s", warm, one.Version, two.Version)
	}
	freed, err := g.Unprovision(ctx, f.Name, func(v string) bool { return v == two.Version })
	if err != nil || len(freed) != 1 || freed[0] != one.Version {
		t.Errorf("freed %v, %v; want version %s", freed, err, one.Version)
	}
	busy, err := g.Provisioning(ctx, f.Ref())
	if err != nil || busy {
		t.Errorf("AWS moves the alias, which does not exist, by itself: %v, %v", busy, err)
	}
}

func identity(t *testing.T, g on) {
	id, err := g.Identity(t.Context())
	must(t, err)
	if len(id.Account) != 12 || id.Region == "" || id.Partition == "" {
		t.Errorf("identity = %+v", id)
	}
}

// publisher publishes f as it is changed, each time as a new version for the reason that is expected, and then once more.
func publisher(t *testing.T, g on, f *release.Function) (publish func(reason string, change func(*release.Function))) {
	seen := map[string]bool{}
	return func(reason string, change func(*release.Function)) {
		t.Helper()
		change(f)
		v, err := g.PublishFunction(t.Context(), *f)
		must(t, err)
		if !v.New || v.Reason != reason || seen[v.Version] || v.Key != f.Key || v.Digest != f.Digest() || !strings.HasSuffix(v.ARN, ":"+f.Name+":"+v.Version) {
			t.Errorf("version = %+v, want a new one because %s", v, reason)
		}
		seen[v.Version] = true
		again, err := g.PublishFunction(t.Context(), *f)
		must(t, err)
		if again.New || again.Version != v.Version || again.ARN != v.ARN || again.Digest != v.Digest || again.Reason != "unchanged since version "+v.Version {
			t.Errorf("published again = %+v, want %s", again, v.Version)
		}
	}
}

func publishFunction(t *testing.T, g on) {
	f := Function(g.name("fn"), "one")
	f.Environment = map[string]string{"LOG_LEVEL": "info", "GONE": "x"}
	publish := publisher(t, g, &f)
	publish("new function", func(*release.Function) {})
	publish("memorySize 128 → 256, timeout 3 → 30", func(f *release.Function) { f.MemorySize, f.Timeout = 256, 30 })
	publish("code changed", func(f *release.Function) { setCode(f, "two") })
	publish("description changed, environment GONE removed, environment LOG_LEVEL changed, environment NEW added", func(f *release.Function) {
		f.Description, f.Environment = "greets", map[string]string{"LOG_LEVEL": "debug", "NEW": "y"}
	})
	publish("code changed, handler app.handler → app.other, environment LOG_LEVEL removed, environment NEW removed", func(f *release.Function) {
		setCode(f, "three")
		f.Handler, f.Environment = "app.other", nil
	})
	publish("description changed", func(f *release.Function) { f.Description = "" })
	publish("code changed", func(f *release.Function) { setCode(f, "two") }) // as before, and a version of its own all the same

	f.Code = nil // a release that is published already needs no code at hand
	_, err := g.PublishFunction(t.Context(), f)
	must(t, err)
	f.CodeSHA256 = "other"
	if _, err := g.PublishFunction(t.Context(), f); err == nil || !strings.Contains(err.Error(), "not at hand") {
		t.Errorf("published without code: %v", err)
	}
}

func publishSettings(t *testing.T, g on) {
	f := Function(g.name("settings"), "one")
	publish := publisher(t, g, &f)
	publish("new function", func(*release.Function) {})
	publish("ephemeralStorage 512 → 1024, tracing PassThrough → Active, logging.format Text → JSON, logging.applicationLevel none → DEBUG, logging.systemLevel none → INFO, logging.group none → /shop/work", func(f *release.Function) {
		f.EphemeralStorage, f.Tracing = 1024, "Active"
		f.Logging = release.Logging{Format: release.LogJSON, ApplicationLevel: "DEBUG", Group: "/shop/work"}
	})
	publish("ephemeralStorage 1024 → 512, tracing Active → PassThrough, logging.format JSON → Text, logging.applicationLevel DEBUG → none, logging.systemLevel INFO → none, logging.group /shop/work → none", func(f *release.Function) {
		f.Settings = release.Settings{}
	})
}

func publishMany(t *testing.T, g on) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			v, err := g.PublishFunction(t.Context(), Function(g.name(fmt.Sprint("many", i)), "x"))
			if err != nil || v.Version != "1" {
				t.Errorf("version %+v, %v", v, err)
			}
		})
	}
	wg.Wait()
}

func routeFunction(t *testing.T, g on) {
	f := Function(g.name("routed"), "one")
	var versions [3]string
	for i := range versions {
		f.MemorySize = int32(128 + i)
		v, err := g.PublishFunction(t.Context(), f)
		must(t, err)
		versions[i] = v.Version
	}
	route(t, g, f.Ref(), versions, "999")
	_, err := g.GetRouting(t.Context(), release.Ref{Kind: release.KindFunction, Name: g.name("nobody"), Alias: "live"})
	if !errors.Is(err, release.ErrNoAlias) {
		t.Errorf("routing of a function that does not exist: %v", err)
	}
}

// router writes routings of an alias, each over the revision that it is told, and reads them again.
func router(t *testing.T, g on, ref release.Ref) (set func(revision string, r alias.Routing) release.AliasRouting) {
	return func(revision string, r alias.Routing) release.AliasRouting {
		t.Helper()
		got, err := g.SetRouting(t.Context(), release.AliasRouting{Ref: ref, Routing: r, Revision: revision})
		must(t, err)
		read, err := g.GetRouting(t.Context(), ref)
		must(t, err)
		if got.Ref != ref || got.Routing != r || got.Revision == "" || read != got {
			t.Fatalf("set %v gave %+v, read %+v", r, got, read)
		}
		return got
	}
}

// shiftFunction goes the way of a rollout that is promoted, and of the rollback after it.
func shiftFunction(t *testing.T, g on) {
	f := Function(g.name("shifted"), "one")
	blue, err := g.PublishFunction(t.Context(), f)
	must(t, err)
	setCode(&f, "two")
	green, err := g.PublishFunction(t.Context(), f)
	must(t, err)
	set := router(t, g, f.Ref())
	at := set("", alias.Routing{Primary: blue.Version})
	for _, weight := range []float64{0.1, 0.5, 0.99} {
		at = set(at.Revision, alias.Routing{Primary: blue.Version, Additional: green.Version, Weight: weight})
	}
	at = set(at.Revision, alias.Routing{Primary: green.Version})
	set(at.Revision, alias.Routing{Primary: blue.Version})
}

// route checks everything about one alias, given three versions and one that does not exist.
func route(t *testing.T, g on, ref release.Ref, v [3]string, missing string) {
	t.Helper()
	ctx := t.Context()
	want := func(revision string, r alias.Routing) release.AliasRouting {
		return release.AliasRouting{Ref: ref, Routing: r, Revision: revision}
	}
	set := router(t, g, ref)
	if _, err := g.GetRouting(ctx, ref); !errors.Is(err, release.ErrNoAlias) {
		t.Errorf("routing of an alias that does not exist: %v", err)
	}
	if _, err := g.SetRouting(ctx, want("some-revision", alias.Routing{Primary: v[0]})); !errors.Is(err, release.ErrConflict) {
		t.Errorf("an alias that is gone was updated: %v", err)
	}
	blue, green := alias.Routing{Primary: v[0]}, alias.Routing{Primary: v[1]}
	first := set("", blue)
	if again := set("", blue); again.Revision != first.Revision {
		t.Errorf("creating it again changed it: %+v, %+v", first, again)
	}
	conflict := func(revision string, r alias.Routing, found release.AliasRouting) {
		t.Helper()
		_, err := g.SetRouting(ctx, want(revision, r))
		var c *release.ConflictError
		if !errors.As(err, &c) || !errors.Is(err, release.ErrConflict) || c.Found != found {
			t.Errorf("set %v at %q: %v, want a conflict with %+v", r, revision, err, found)
		}
		if read, err := g.GetRouting(ctx, ref); err != nil || read != found {
			t.Errorf("the conflict changed the alias to %+v, %v", read, err)
		}
	}
	conflict("", green, first)
	canary := set(first.Revision, alias.Routing{Primary: v[0], Additional: v[1], Weight: 0.1})
	conflict(first.Revision, green, canary)
	half := set(canary.Revision, alias.Routing{Primary: v[0], Additional: v[1], Weight: 0.5})
	if late, err := g.SetRouting(ctx, want(canary.Revision, half.Routing)); err != nil || late != half {
		t.Errorf("an answer that was lost: %+v, %v; want %+v", late, err, half)
	}
	done := set(half.Revision, green)
	set(done.Revision, alias.Routing{Primary: v[1], Additional: v[2], Weight: 0.01})
	back, err := g.GetRouting(ctx, ref)
	must(t, err)
	last := set(back.Revision, blue)
	if _, err := g.SetRouting(ctx, want(last.Revision, alias.Routing{Primary: missing})); err == nil || errors.Is(err, release.ErrConflict) || errors.Is(err, release.ErrNoAlias) {
		t.Errorf("routed to a version that does not exist: %v", err)
	}
	if _, err := g.SetRouting(ctx, want(last.Revision, alias.Routing{Primary: v[0], Additional: v[0], Weight: 0.5})); err == nil {
		t.Error("routed to one version twice")
	}
}

// pass is a definition that calls nothing.
func pass(comment string) json.RawMessage {
	return json.RawMessage(`{"Comment":"` + comment + `","StartAt":"Say","States":{"Say":{"Type":"Pass","Result":"` + comment + `","End":true}}}`)
}

func workflow(name string) release.Workflow {
	return release.Workflow{Key: "flow", Name: name, Alias: "live", Role: Role, Type: release.TypeStandard, UseExactVersion: true}
}

func publishWorkflow(t *testing.T, g on) {
	ctx := t.Context()
	w := workflow(g.name("flow"))
	one, err := g.PublishWorkflow(ctx, w, pass("one"))
	must(t, err)
	again, err := g.PublishWorkflow(ctx, w, json.RawMessage(strings.Replace(string(pass("one")), `:`, `: `, 3)))
	must(t, err)
	if !one.New || one.Reason != "new workflow" || again.New || again.ARN != one.ARN || again.Digest != one.Digest || again.Reason != "unchanged since version 1" {
		t.Errorf("first %+v, again %+v", one, again)
	}
	two, err := g.PublishWorkflow(ctx, w, pass("two"))
	must(t, err)
	if !two.New || two.ARN == one.ARN || two.Reason != "definition changed" || !strings.HasPrefix(two.ARN, one.ARN[:strings.LastIndexByte(one.ARN, ':')]) {
		t.Errorf("second %+v", two)
	}
	w.Role += "2"
	three, err := g.PublishWorkflow(ctx, w, pass("two"))
	must(t, err)
	if !three.New || !strings.HasPrefix(three.Reason, "role ") {
		t.Errorf("third %+v", three)
	}
	w.Type = release.TypeExpress
	if _, err := g.PublishWorkflow(ctx, w, pass("two")); err == nil || !strings.Contains(err.Error(), "cannot become EXPRESS") {
		t.Errorf("the type changed: %v", err)
	}
	if _, err := g.PublishWorkflow(ctx, workflow(g.name("bad")), json.RawMessage(`{"StartAt":"A","States":{}}`)); err == nil {
		t.Error("a definition without its first state was taken")
	}
}

func routeWorkflow(t *testing.T, g on) {
	w := workflow(g.name("routedflow"))
	var versions [3]string
	for i := range versions {
		v, err := g.PublishWorkflow(t.Context(), w, pass(fmt.Sprint(i)))
		must(t, err)
		versions[i] = v.ARN
	}
	route(t, g, w.Ref(), versions, versions[0][:strings.LastIndexByte(versions[0], ':')]+":999")
	read, err := g.GetRouting(t.Context(), w.Ref())
	must(t, err)
	if _, err := g.SetRouting(t.Context(), release.AliasRouting{Ref: w.Ref(), Revision: read.Revision, Routing: alias.Routing{Primary: versions[0], Additional: versions[1], Weight: 0.105}}); err == nil || !strings.Contains(err.Error(), "whole percents") {
		t.Errorf("half a percent was taken: %v", err)
	}
}

func observeAndPlan(t *testing.T, g on) {
	ctx := t.Context()
	f := Function(g.name("planned"), "one")
	w := workflow(g.name("plannedflow"))
	w.Definition = json.RawMessage(`{"StartAt":"Work","States":{"Work":{"Type":"Task","Resource":"${fn.Arn}","End":true}}}`)
	spec := release.Spec{App: "planned", Functions: []release.Function{f}, Workflows: []release.Workflow{w}}

	plan := func() release.Plan {
		t.Helper()
		o, err := g.Observe(ctx, spec)
		must(t, err)
		p, err := release.MakePlan(spec, o)
		must(t, err)
		return p
	}
	p := plan()
	if p.Functions[0].Reason != "new function" || p.Workflows[0].Reason != "new workflow" || p.Moves[0].Before.Primary != "" || p.Moves[1].Before.Primary != "" {
		t.Errorf("the plan for nothing there = %+v", p)
	}
	deploy := func() {
		t.Helper()
		v, err := g.PublishFunction(ctx, spec.Functions[0])
		must(t, err)
		id, err := g.Identity(ctx)
		must(t, err)
		r, err := release.NewResolver(id, spec.Functions, []release.FunctionVersion{v})
		must(t, err)
		pinned, _, err := release.PinDefinition(w.Definition, r, w.PinOptions())
		must(t, err)
		m, err := g.PublishWorkflow(ctx, w, pinned)
		must(t, err)
		if len(m.Pins) != 1 || m.Pins[0].ARN != v.ARN {
			t.Errorf("pins = %+v, want %s", m.Pins, v.ARN)
		}
		for ref, to := range map[release.Ref]string{f.Ref(): v.Version, w.Ref(): m.ARN} {
			was, err := g.GetRouting(ctx, ref)
			if err != nil && !errors.Is(err, release.ErrNoAlias) {
				t.Fatal(err)
			}
			_, err = g.SetRouting(ctx, release.AliasRouting{Ref: ref, Routing: alias.Routing{Primary: to}, Revision: was.Revision})
			must(t, err)
		}
	}
	deploy()
	if p := plan(); !p.Empty() {
		t.Errorf("the plan after the deploy = %+v, want nothing to do", p)
	}
	setCode(&spec.Functions[0], "two")
	p = plan()
	if p.Functions[0].Reason != "code changed" || p.Workflows[0].Reason != "pin Work: "+f.Name+" 1 → new" || !p.Moves[0].Changes() || !p.Moves[1].Changes() {
		t.Errorf("the plan for new code = %+v", p)
	}
	deploy()
	if p := plan(); !p.Empty() {
		t.Errorf("the plan after the second deploy = %+v, want nothing to do", p)
	}
}

// functionRoutes is the part of routes that needs no versions of state machines.
func functionRoutes(t *testing.T, g on) {
	ctx := t.Context()
	f := Function(g.name("served"), "one")
	spec := release.Spec{
		App: g.name("shop"), Functions: []release.Function{f},
		Routes: []release.Route{{Method: "GET", Path: "/hello", Function: "fn"}, {Method: "ANY", Path: "/orders/{id}", Function: "fn"}},
	}
	v, err := g.PublishFunction(ctx, f)
	must(t, err)
	_, err = g.SetRouting(ctx, release.AliasRouting{Ref: f.Ref(), Routing: alias.Routing{Primary: v.Version}})
	must(t, err)
	api, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	again, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	if api.ID == "" || len(api.Stale) != 0 || again.ID != api.ID || again.Endpoint != api.Endpoint || len(again.Stale) != 0 {
		t.Errorf("API = %+v, again %+v", api, again)
	}
	spec.Routes = spec.Routes[:1]
	less, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	if less.ID != api.ID || strings.Join(less.Stale, ", ") != "ANY /orders/{id}" {
		t.Errorf("with one route less = %+v", less)
	}
}

func routes(t *testing.T, g on) {
	ctx := t.Context()
	f, w := Function(g.name("api"), "one"), workflow(g.name("apiflow"))
	spec := release.Spec{
		App: g.name("app"), Functions: []release.Function{f}, Workflows: []release.Workflow{w},
		Routes: []release.Route{{Method: "GET", Path: "/hello", Function: "fn"}, {Method: "ANY", Path: "/orders/{id}", Function: "fn"}, {Method: "POST", Path: "/start", Workflow: "flow"}},
	}
	v, err := g.PublishFunction(ctx, f)
	must(t, err)
	m, err := g.PublishWorkflow(ctx, w, pass("one"))
	must(t, err)
	for ref, to := range map[release.Ref]string{f.Ref(): v.Version, w.Ref(): m.ARN} {
		_, err := g.SetRouting(ctx, release.AliasRouting{Ref: ref, Routing: alias.Routing{Primary: to}})
		must(t, err)
	}
	api, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	if api.ID == "" || !strings.HasPrefix(api.Endpoint, "http") || len(api.Stale) != 0 {
		t.Errorf("API = %+v", api)
	}
	again, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	if again.ID != api.ID || again.Endpoint != api.Endpoint || len(again.Stale) != 0 {
		t.Errorf("again = %+v, want %+v", again, api)
	}
	spec.Routes = []release.Route{{Method: "GET", Path: "/hello", Workflow: "flow"}}
	moved, err := g.EnsureRoutes(ctx, spec)
	must(t, err)
	if moved.ID != api.ID || strings.Join(moved.Stale, ", ") != "ANY /orders/{id}, POST /start" {
		t.Errorf("with two routes less = %+v", moved)
	}
	if none, err := g.EnsureRoutes(ctx, release.Spec{App: spec.App}); err != nil || none.ID != "" {
		t.Errorf("without routes = %+v, %v", none, err)
	}
}

func executions(t *testing.T, g on) {
	ctx := t.Context()
	w := workflow(g.name("executed"))
	one, err := g.PublishWorkflow(ctx, w, pass("one"))
	must(t, err)
	_, err = g.SetRouting(ctx, release.AliasRouting{Ref: w.Ref(), Routing: alias.Routing{Primary: one.ARN}})
	must(t, err)
	live, err := g.AliasARN(ctx, w.Ref())
	must(t, err)
	for _, c := range []struct{ start, alias string }{{live, live}, {one.ARN, ""}} {
		arn, err := g.StartExecution(ctx, c.start, g.name("run"), json.RawMessage(`{"n":1}`))
		must(t, err)
		e := finished(t, g, ctx, arn)
		if e.Status != "SUCCEEDED" || string(e.Output) != `"one"` || string(e.Input) != `{"n":1}` || e.VersionARN != one.ARN || e.AliasARN != c.alias || e.Started.IsZero() || e.Stopped.IsZero() {
			t.Errorf("execution = %+v", e)
		}
	}
	if _, err := g.DescribeExecution(ctx, strings.Replace(one.ARN, ":stateMachine:", ":execution:", 1)); err == nil {
		t.Error("an execution that does not exist was read")
	}
}

// finished reads an execution until it has ended.
func finished(t *testing.T, g on, ctx context.Context, arn string) target.Execution {
	t.Helper()
	for range 600 {
		e, err := g.DescribeExecution(ctx, arn)
		must(t, err)
		if e.Status != "RUNNING" {
			return e
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	t.Fatalf("execution %s does not end", arn)
	return target.Execution{}
}

// Function is a function in Python that the suite publishes, and does not run.
func Function(name, says string) release.Function {
	f := release.Function{Key: "fn", Name: name, Alias: "live", Runtime: "python3.13", Handler: "app.handler", Role: Role}
	setCode(&f, says)
	return f
}

func setCode(f *release.Function, says string) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.CreateHeader(&zip.FileHeader{Name: "app.py", Method: zip.Store}) // the same bytes from every version of Go
	if err == nil {
		_, err = fmt.Fprintf(e, "def handler(event, context):\n    return %q\n", says)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	sum := sha256.Sum256(b.Bytes())
	f.Code, f.CodeSize, f.CodeSHA256 = b.Bytes(), int64(b.Len()), base64.StdEncoding.EncodeToString(sum[:])
}

// unique gives a name that no earlier run has used.
func unique(what string) string { return "teal-" + what + "-" + strings.ToLower(rand.Text()[:8]) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
