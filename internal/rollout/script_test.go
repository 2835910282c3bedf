package rollout

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

var rewrite = flag.Bool("rewrite", false, "write what the machine answers into the scripts in testdata")

// TestScripts plays testdata/*.txt: a command, then "----" and what the machine answers. Commands:
//
//	plan [kind=rollback] functions=a,b workflows=w strategy=... steps=10/1m/check,50//hold,100 min=20 rate=0.1 ...
//	start
//	read ALIAS VERSION [additional=V weight=0.1] [rev=r] [ttl=60s] | read ALIAS absent | read ALIAS error TEXT
//	publish KEY VERSION | publish KEY error TEXT | publish KEY refused TEXT
//	set ALIAS ok | set ALIAS conflict | set ALIAS lost | set ALIAS refused
//	insync | insync error TEXT | insync refused TEXT
//	hook ok | hook fail REASON | hook error TEXT
//	check ALIAS=requests/errors ... | check error TEXT
//	tick DURATION     time passes; the timer goes off when it is due
//	promote|pause|resume|abort|retry [full] [force]
//	again             the event before comes once more
//	where             where every alias is
//
// With router=Z/NAME/TYPE in the plan the slots are b and g; ALIAS is then NAME:SLOT, or the router's NAME.
//
// Every state goes through JSON on the way to the next event.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script := &script{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), revisions: map[release.Ref]int{}}
			var out strings.Builder
			for _, block := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n\n") {
				lines := strings.Split(block, "\n")
				var want []string
				for i, line := range lines {
					if line == "----" {
						lines, want = lines[:i], lines[i+1:]
						break
					}
				}
				var got []string
				for _, line := range lines {
					fmt.Fprintln(&out, line)
					if line != "" && !strings.HasPrefix(line, "#") {
						got = append(got, script.play(line)...)
					}
				}
				if len(got) > 0 {
					fmt.Fprintf(&out, "----\n%s\n", strings.Join(got, "\n"))
				}
				out.WriteString("\n")
				if !*rewrite && strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%s:\n%s\ngot:\n%s\nwant:\n%s", file, strings.Join(lines, "\n"), strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type script struct {
	t         *testing.T
	s         State
	now       time.Time
	last      Event
	revisions map[release.Ref]int
}

func (sc *script) play(line string) []string {
	sc.t.Helper()
	words := strings.Fields(line)
	rest := func(n int) string { return strings.Join(words[min(n, len(words)):], " ") }
	options := map[string]string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			options[k] = v
		}
	}
	switch words[0] {
	case "plan":
		s, err := New(scriptPlan(sc.t, options))
		if err != nil {
			return []string{"error: " + err.Error()}
		}
		sc.s = s
		return nil
	case "start":
		return sc.step(Event{Kind: EventStart})
	case "read":
		ev := Event{Kind: EventResult, Effect: sc.find(words[1], "read")}
		switch words[2] {
		case "absent":
			ev.Absent = true
		case "error":
			ev.Error = rest(3)
		default:
			r := sc.routing(words[1], words[2], options["additional"], options["weight"])
			if rev, ok := options["rev"]; ok {
				r.Revision = rev
			}
			if ttl, ok := options["ttl"]; ok {
				var err error
				if r.TTL, err = time.ParseDuration(ttl); err != nil {
					sc.t.Fatal(err)
				}
			}
			ev.Routing = &r
		}
		return sc.step(ev)
	case "publish":
		ev := Event{Kind: EventResult, Effect: sc.find(words[1], "publish")}
		switch {
		case words[2] == "error":
			ev.Error = rest(3)
		case words[2] == "refused":
			ev.Error, ev.Refused = rest(3), true
		case strings.HasPrefix(words[1], "w"):
			ev.Workflow = &release.StateMachineVersion{ARN: workflowARN(words[1], words[2]), New: true}
		default:
			ev.Function = &release.FunctionVersion{Version: words[2], ARN: functionARN(words[1], words[2]), New: true}
		}
		return sc.step(ev)
	case "set":
		ev := Event{Kind: EventResult, Effect: sc.find(words[1], "set")}
		switch words[2] {
		case "ok":
			for _, p := range sc.s.Pending {
				if p.Effect.ID == ev.Effect {
					r := p.Effect.SetRouting.Want
					sc.revisions[r.Ref]++
					r.Revision = "r" + strconv.Itoa(sc.revisions[r.Ref])
					if a, ok := sc.s.RecordSets(); ok && a.Ref == r.Ref {
						r.TTL, r.Change = a.Actual.TTL, "C"+strconv.Itoa(sc.revisions[r.Ref])
					}
					ev.Routing = &r
				}
			}
		case "conflict":
			ev.Conflict = true
		case "lost":
			ev.Error = "connection reset"
		case "refused":
			ev.Error, ev.Refused = "AccessDenied", true
		}
		return sc.step(ev)
	case "insync":
		ev := Event{Kind: EventResult, Effect: sc.find("", "insync")}
		if len(words) > 1 {
			ev.Error, ev.Refused = rest(2), words[1] == "refused"
		}
		return sc.step(ev)
	case "hook":
		ev := Event{Kind: EventResult, Effect: sc.find("", "hook")}
		switch words[1] {
		case "ok":
			ev.Hook = &HookResult{Succeeded: true}
		case "fail":
			ev.Hook = &HookResult{Reason: rest(2)}
		default:
			ev.Error = rest(2)
		}
		return sc.step(ev)
	case "check":
		ev := Event{Kind: EventResult, Effect: sc.find("", "check")}
		if len(words) > 1 && words[1] == "error" {
			ev.Error = rest(2)
		} else {
			ev.Observation = &Observation{At: sc.now}
			for _, a := range sc.s.Aliases {
				if v, ok := options[a.Key]; ok {
					requests, errors, _ := strings.Cut(v, "/")
					ev.Observation.Subjects = append(ev.Observation.Subjects, Observed{Ref: a.Ref, Green: Counts{Requests: number(sc.t, requests), Errors: number(sc.t, errors)}})
				}
			}
		}
		return sc.step(ev)
	case "tick":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			sc.t.Fatal(err)
		}
		sc.now = sc.now.Add(d)
		for _, p := range sc.s.Pending {
			if p.Effect.Wake != nil && !p.Effect.Wake.At.After(sc.now) {
				return sc.step(Event{Kind: EventWake, Effect: p.Effect.ID})
			}
		}
		return []string{"(nothing is due)"}
	case "promote", "approve", "pause", "resume", "abort", "retry":
		return sc.step(Event{Kind: EventKind(words[0]), By: "ann", Full: strings.Contains(line, "full"), Force: strings.Contains(line, "force")})
	case "again":
		return sc.step(sc.last)
	case "where":
		return sc.s.Where()
	}
	sc.t.Fatalf("unknown command %q", line)
	return nil
}

func (sc *script) step(ev Event) []string {
	sc.t.Helper()
	ev.At = sc.now
	sc.last = ev
	before, err := json.Marshal(sc.s)
	if err != nil {
		sc.t.Fatal(err)
	}
	var restored State
	if err := json.Unmarshal(before, &restored); err != nil {
		sc.t.Fatal(err)
	}
	next, effects, stepErr := Step(restored, ev)
	if untouched, _ := json.Marshal(restored); string(untouched) != string(before) {
		sc.t.Fatalf("Step changed the state that it was given:\n%s\n%s", before, untouched)
	}
	direct, same, _ := Step(sc.s, ev)
	if a, b := marshal(direct), marshal(next); a != b || !reflect.DeepEqual(marshal(effects), marshal(same)) {
		sc.t.Fatalf("a state that went through JSON behaves otherwise:\n%s\n%s", a, b)
	}
	if stepErr != nil {
		return []string{"refused: " + stepErr.Error()}
	}
	var out []string
	for _, e := range effects {
		out = append(out, sc.describe(e))
	}
	if next.Phase != sc.s.Phase {
		out = append(out, fmt.Sprintf("%s -> %s", sc.s.Phase, next.Phase))
	}
	if next.Paused.Reason != sc.s.Paused.Reason {
		out = append(out, fmt.Sprintf("paused: %s", orElse(string(next.Paused.Reason), "no")))
	}
	sc.s = next
	if len(out) == 0 {
		out = []string{"ok"}
	}
	return out
}

func marshal(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func (sc *script) describe(e Effect) string {
	switch {
	case e.ReadRouting != nil:
		return "read " + named(e.ReadRouting.Ref)
	case e.AwaitChange != nil:
		return "await " + e.AwaitChange.Change + " of " + named(e.AwaitChange.Ref)
	case e.PublishFunction != nil:
		return "publish function " + e.PublishFunction.Key
	case e.PublishWorkflow != nil:
		return fmt.Sprintf("publish workflow %s with %d pins", e.PublishWorkflow.Key, len(e.PublishWorkflow.Pins))
	case e.RunHook != nil:
		return fmt.Sprintf("hook %s %s at %s", e.RunHook.Stage, e.RunHook.Hook.Name, e.RunHook.FunctionARN[strings.LastIndexByte(e.RunHook.FunctionARN, ':')+1:])
	case e.SetRouting != nil:
		return fmt.Sprintf("set %s to %s if %s", named(e.SetRouting.Want.Ref), short(e.SetRouting.Want.Routing), orElse(e.SetRouting.Want.Revision, "absent"))
	case e.Check != nil:
		return fmt.Sprintf("check step %d at %d%% since %s", e.Check.Step, e.Check.Weight, e.Check.Since.Format("15:04:05"))
	case e.Wake != nil:
		return "wake at " + e.Wake.At.Format("15:04:05")
	case e.Note != nil:
		return string(e.Note.Level) + ": " + strings.ReplaceAll(e.Note.Text, arnPrefix, "…")
	}
	sc.t.Fatalf("an effect without content: %+v", e)
	return ""
}

// named is how the scripts name an alias: those of no slot by their key alone.
func named(ref release.Ref) string {
	if ref.Alias == "live" || ref.Kind == release.KindRecordSets {
		return ref.Name
	}
	return ref.Name + ":" + ref.Alias
}

func short(r alias.Routing) string { return strings.ReplaceAll(r.String(), arnPrefix, "…") }

// find gives the ID of the outstanding effect of a kind for an alias or key; 0 when there is none.
func (sc *script) find(key, kind string) int64 {
	for _, p := range sc.s.Pending {
		e := p.Effect
		switch {
		case kind == "read" && e.ReadRouting != nil && named(e.ReadRouting.Ref) == key,
			kind == "publish" && e.PublishFunction != nil && e.PublishFunction.Key == key,
			kind == "publish" && e.PublishWorkflow != nil && e.PublishWorkflow.Key == key,
			kind == "set" && e.SetRouting != nil && named(e.SetRouting.Want.Ref) == key,
			kind == "insync" && e.AwaitChange != nil,
			kind == "hook" && e.RunHook != nil,
			kind == "check" && e.Check != nil:
			return e.ID
		}
	}
	return 0
}

func (sc *script) routing(key, version, additional, weight string) release.AliasRouting {
	name := func(v string) string {
		if v != "" && strings.HasPrefix(key, "w") {
			of, _, _ := strings.Cut(key, ":")
			return workflowARN(of, v)
		}
		return v
	}
	r := release.AliasRouting{Routing: alias.Routing{Primary: name(version), Additional: name(additional)}}
	for _, a := range sc.s.Aliases {
		if a.Key == key || named(a.Ref) == key {
			r.Ref = a.Ref
		}
	}
	if weight != "" {
		w, err := strconv.ParseFloat(weight, 64)
		if err != nil {
			sc.t.Fatal(err)
		}
		r.Routing.Weight = w
	}
	r.Revision = "r" + strconv.Itoa(sc.revisions[r.Ref])
	return r
}

const arnPrefix = "arn:aws:states:us-east-1:000000000000:stateMachine:"

func functionARN(name, version string) string {
	return "arn:aws:lambda:us-east-1:000000000000:function:" + name + ":" + version
}

func workflowARN(name, version string) string { return arnPrefix + name + ":" + version }

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(orElse(s, "0"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// scriptPlan reads the options of the plan command. Workflow w calls every function of the plan whose key begins with p.
func scriptPlan(t *testing.T, o map[string]string) Plan {
	t.Helper()
	duration := func(s string) time.Duration {
		if s == "" {
			return 0
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	p := Plan{ID: "ro-1", App: "shop", Kind: Deploy, Release: "re-2"}
	if o["kind"] != "" {
		p.Kind = Kind(o["kind"])
	}
	live := "live"
	if router := strings.Split(o["router"], "/"); len(router) == 3 {
		live = ""
		p.Router = &release.Router{HostedZone: router[0], Name: router[1], Type: router[2], Slots: []release.Slot{{SetIdentifier: "b", Alias: "b"}, {SetIdentifier: "g", Alias: "g"}}}
		p.Slot = o["slot"]
	}
	var pinned []string
	for _, key := range strings.FieldsFunc(o["functions"], comma) {
		f := Function{Key: key, Name: key, Alias: live, Expected: o["expected"]}
		if v := o["versions"]; v != "" {
			f.Version = &release.FunctionVersion{Key: key, Name: key, Version: v, ARN: functionARN(key, v)}
		}
		p.Functions = append(p.Functions, f)
		if strings.HasPrefix(key, "p") {
			pinned = append(pinned, key)
		}
	}
	for _, key := range strings.FieldsFunc(o["workflows"], comma) {
		states := []string{}
		for _, f := range pinned {
			states = append(states, fmt.Sprintf(`%q: {"Type": "Task", "Resource": "${%s.Arn}", "End": true}`, f, f))
		}
		w := Workflow{Workflow: release.Workflow{
			Key: key, Name: key, Alias: live, UseExactVersion: true,
			Definition: json.RawMessage(`{"StartAt": "x", "States": {` + strings.Join(states, ",") + `}}`),
		}}
		if v := o["versions"]; v != "" {
			w.Version = &release.StateMachineVersion{Key: key, Name: key, ARN: workflowARN(key, v)}
		}
		p.Workflows = append(p.Workflows, w)
	}
	if limit, ok := o["approval"]; ok {
		p.Settings.Before = []Hook{{Approval: true, Timeout: duration(limit)}}
	}
	if name := o["strategy"]; name != "" {
		s, err := ParseStrategy(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Settings.Strategy = s
	}
	for _, step := range strings.FieldsFunc(o["steps"], comma) {
		parts := strings.Split(step, "/")
		shift := Shift{Weight: int(number(t, parts[0]))}
		for _, part := range parts[1:] {
			switch part {
			case "check":
				shift.Check = true
			case "hold":
				shift.Hold = true
			default:
				shift.Pause = duration(part)
			}
		}
		p.Settings.Strategy.Steps = append(p.Settings.Strategy.Steps, shift)
	}
	p.Settings.Bake, p.Settings.CheckBake = duration(o["bake"]), o["bake"] != ""
	p.Settings.Check = CheckSettings{
		Interval: duration(o["interval"]), Timeout: duration(o["timeout"]), MinRequests: number(t, o["min"]),
		OnInconclusive: OnInconclusive(o["inconclusive"]), RequireExecutions: o["executions"] == "required",
	}
	if o["rate"] != "" {
		p.Settings.Check.MaxErrorRate, _ = strconv.ParseFloat(o["rate"], 64)
	}
	p.Settings.Retry.Attempts = int(number(t, o["attempts"]))
	p.Settings.RefuseDrift = o["drift"] == "refuse"
	for _, key := range strings.FieldsFunc(o["before"], comma) {
		p.Settings.Before = append(p.Settings.Before, Hook{Name: "smoke", Function: key})
	}
	for _, key := range strings.FieldsFunc(o["after"], comma) {
		p.Settings.After = append(p.Settings.After, Hook{Name: "verify", Function: key})
	}
	return p
}

func comma(r rune) bool { return r == ',' }
