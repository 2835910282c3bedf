package targettest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
)

// ExerciseUpkeep checks what comes after releases: what is found to be needed, and that nothing else is deleted.
func ExerciseUpkeep(t *testing.T, open func(t *testing.T) *target.Target) {
	Suite{Open: open, Name: unique}.Upkeep(t)
}

// Upkeep runs what ExerciseUpkeep does.
func (s Suite) Upkeep(t *testing.T) {
	s.run(t, []part{
		{"observe many", observeMany},
		{"prune functions", pruneFunctions},
		{"prune workflows", pruneWorkflows},
		{"prune an Express workflow", pruneExpress},
	})
}

// survey gives what Keep says of every version, by its ARN after the last name: shop-work:1.
func survey(t *testing.T, g on, s release.Spec) map[string]release.Kept {
	t.Helper()
	inv, err := g.Inventory(t.Context(), s, g.now())
	must(t, err)
	if len(inv.Unread) > 0 {
		t.Fatalf("unread: %v", inv.Unread)
	}
	all := map[string]release.Kept{}
	for _, k := range release.Keep(inv, release.KeepPolicy{}) {
		all[string(k.Kind)+" "+k.ARN[strings.LastIndexByte(k.ARN, ':')+1:]] = k
	}
	return all
}

// kept fails unless version is kept for a reason that begins with why, or, with an empty one, may be deleted.
func kept(t *testing.T, all map[string]release.Kept, version, why string) release.Kept {
	t.Helper()
	k, ok := all[version]
	switch {
	case !ok:
		t.Fatalf("%s is not in the survey %v", version, all)
	case why == "" && !k.Deletable():
		t.Errorf("%s is kept because %v; nothing needs it", version, k.Reasons)
	case why != "" && !strings.Contains(strings.Join(k.Reasons, "\n"), why):
		t.Errorf("%s is kept because %v, and not because %s", version, k.Reasons, why)
	}
	return k
}

// needed fails unless deleting k, of which a survey once found that nothing needs it, is refused because of why.
func needed(t *testing.T, g on, k release.Kept, why string) {
	t.Helper()
	k.Reasons = nil
	var still *target.ErrNeeded
	if err := g.Delete(t.Context(), k); !errors.As(err, &still) || !strings.Contains(err.Error(), why) {
		t.Errorf("deleting %s, which something has begun to use: %v, want: %s", k.ARN, err, why)
	}
}

// observeMany looks at so many functions that they are listed together, all but one that does not exist.
func observeMany(t *testing.T, g on) {
	var spec release.Spec
	for i := range 8 {
		f := Function(g.name(fmt.Sprint("one-of-many", i)), "x")
		f.Key = fmt.Sprint("fn", i)
		for range i % 3 {
			f.Timeout++
			_, err := g.PublishFunction(t.Context(), f)
			must(t, err)
		}
		spec.Functions = append(spec.Functions, f)
	}
	o, err := g.Observe(t.Context(), spec)
	must(t, err)
	for i, f := range spec.Functions {
		at, there := o.Functions[f.Name]
		if want := i % 3; there != (want > 0) || there && (at.Version != fmt.Sprint(want) || at.VersionARN != at.ARN+":"+at.Version || f.Differences(at.Config) != nil || at.Routing.Routing != (alias.Routing{})) {
			t.Errorf("%s is %+v, want version %d", f.Name, at, want)
		}
	}
}

func pruneFunctions(t *testing.T, g on) {
	ctx := t.Context()
	f := Function(g.name("pruned"), "one")
	spec := release.Spec{App: g.name("upkeep"), Functions: []release.Function{f}}
	var versions []string
	for i := range 3 {
		f.MemorySize = int32(128 + i)
		v, err := g.PublishFunction(ctx, f)
		must(t, err)
		versions = append(versions, v.Version)
	}
	_, err := g.SetRouting(ctx, release.AliasRouting{Ref: f.Ref(), Routing: alias.Routing{Primary: versions[1], Additional: versions[2], Weight: 0.25}})
	must(t, err)

	all := survey(t, g, spec)
	one := kept(t, all, "function "+versions[0], "")
	two := kept(t, all, "function "+versions[1], "alias live routes to it (75 %)")
	kept(t, all, "function "+versions[2], "alias live routes to it (25 %)")
	kept(t, all, "function "+versions[2], "the newest version")
	if one.Created.IsZero() || one.Size != f.CodeSize {
		t.Errorf("version 1 is %+v, want its time and its size of %d bytes", one, f.CodeSize)
	}
	needed(t, g, two, "alias live routes to it")
	for range 2 { // the second time it is gone already
		if err := g.Delete(ctx, one); err != nil {
			t.Errorf("delete %s: %v", one.ARN, err)
		}
	}
	if _, there := survey(t, g, spec)["function "+versions[0]]; there {
		t.Error("the deleted version is still listed")
	}
	gone, err := g.Missing(ctx, map[release.Ref]string{f.Ref(): versions[0]})
	must(t, err)
	still, err := g.Missing(ctx, map[release.Ref]string{f.Ref(): versions[1]})
	must(t, err)
	if !gone[f.Ref()] || still[f.Ref()] {
		t.Errorf("missing: version 1 %v, version 2 %v", gone, still)
	}
}

// breaking is a definition that calls a function, or fails when its input says so.
func breaking(function string) json.RawMessage {
	return json.RawMessage(`{"StartAt":"Which","States":{` +
		`"Which":{"Type":"Choice","Choices":[{"Variable":"$.break","IsPresent":true,"Next":"Break"}],"Default":"Work"},` +
		`"Break":{"Type":"Fail","Error":"Broken"},"Work":{"Type":"Task","Resource":"` + function + `","End":true}}}`)
}

// pruneWorkflows makes four versions of a workflow, each with its version of a function. Of the first an execution can be
// redriven, nothing needs the second, the alias is at the third, and the fourth is the newest.
func pruneWorkflows(t *testing.T, g on) {
	ctx := t.Context()
	f, w := Function(g.name("called"), "one"), workflow(g.name("prunedflow"))
	spec := release.Spec{App: g.name("upkeep"), Functions: []release.Function{f}, Workflows: []release.Workflow{w}}
	var functions []release.FunctionVersion
	var machines []release.StateMachineVersion
	for i := range 4 {
		f.MemorySize = int32(128 + i)
		v, err := g.PublishFunction(ctx, f)
		must(t, err)
		m, err := g.PublishWorkflow(ctx, w, breaking(v.ARN))
		must(t, err)
		functions, machines = append(functions, v), append(machines, m)
	}
	_, err := g.SetRouting(ctx, release.AliasRouting{Ref: w.Ref(), Routing: alias.Routing{Primary: machines[2].ARN}})
	must(t, err)
	run, err := g.StartExecution(ctx, machines[0].ARN, g.name("broken"), json.RawMessage(`{"break":true}`))
	must(t, err)
	if e := finished(t, g, ctx, run); e.Status != "FAILED" || e.Error != "Broken" {
		t.Fatalf("execution = %+v", e)
	}
	second := release.Release{ID: "second", Functions: functions[1:2], Workflows: machines[1:2]}
	if d, err := g.Check(ctx, second); err != nil || len(d) > 0 {
		t.Errorf("the second release differs: %v, %v", d, err)
	}

	all := survey(t, g, spec)
	kept(t, all, "stateMachine 1", "can be redriven until ")
	two := kept(t, all, "stateMachine 2", "")
	three := kept(t, all, "stateMachine 3", "alias live routes to it (100 %)")
	kept(t, all, "stateMachine 4", "the newest version")
	kept(t, all, "function "+functions[0].Version, "version 1 of state machine "+w.Name+" calls it in Work")
	called := kept(t, all, "function "+functions[1].Version, "")
	kept(t, all, "function "+functions[2].Version, "version 3 of state machine "+w.Name+" calls it in Work")
	kept(t, all, "function "+functions[3].Version, "as it is started without a version")
	needed(t, g, three, "alias live routes to it")
	for _, k := range []release.Kept{two, two, called} { // the second time it is gone already
		if err := g.Delete(ctx, k); err != nil {
			t.Errorf("delete %s: %v", k.ARN, err)
		}
	}
	left := survey(t, g, spec)
	if len(left) != len(all)-2 {
		t.Errorf("left are %v", left)
	}
	gone, err := g.Check(ctx, second)
	if err != nil || len(gone) != 2 || !gone[0].Gone || !gone[1].Gone {
		t.Errorf("the second release, whose versions are deleted, differs in %v, %v", gone, err)
	}
}

// pruneExpress: executions of an Express workflow cannot be listed, so a version stays as long as one may run on it after the
// alias was last changed, by whomever.
func pruneExpress(t *testing.T, g on) {
	ctx := t.Context()
	w := workflow(g.name("quickflow"))
	w.Type = release.TypeExpress
	spec := release.Spec{App: g.name("upkeep"), Workflows: []release.Workflow{w}}
	var machines []release.StateMachineVersion
	set := router(t, g, w.Ref())
	revision := ""
	for _, says := range []string{"one", "two", "three"} {
		m, err := g.PublishWorkflow(ctx, w, pass(says))
		must(t, err)
		machines = append(machines, m)
		revision = set(revision, alias.Routing{Primary: m.ARN}).Revision
	}
	set(revision, alias.Routing{Primary: machines[1].ARN})

	one := kept(t, survey(t, g, spec), "stateMachine 1", "Express executions that cannot be listed may still run on it")
	needed(t, g, release.Kept{Kind: one.Kind, Name: one.Name, Version: one.Version, ARN: one.ARN}, "an alias was changed meanwhile")
	g.later = 2 * release.ExpressWindow
	all := survey(t, g, spec)
	one = kept(t, all, "stateMachine 1", "")
	kept(t, all, "stateMachine 2", "alias live routes to it")
	if err := g.Delete(ctx, one); err != nil {
		t.Errorf("delete %s: %v", one.ARN, err)
	}
	if left := survey(t, g, spec); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}

// now is the time by which recordings can be replayed.
func (g on) now() time.Time {
	if g.clock == nil {
		return time.Now().Add(g.later)
	}
	return g.clock().Add(g.later)
}
