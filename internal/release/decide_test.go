package release

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/alias"
)

func TestDecideFunctionSaysWhy(t *testing.T) {
	base := Function{
		Key: "w", Name: "w", Runtime: "python3.13", Handler: "app.handler", Role: "r", CodeSHA256: "c",
		Environment: map[string]string{"LOG_LEVEL": "info", "KEY": "hunter2"},
	}
	seen := ObservedFunction{ARN: arnBase + "w", Version: "7", VersionARN: arnBase + "w:7", Config: base.WithDefaults()}
	for _, c := range []struct {
		name   string
		change func(*Function, *ObservedFunction)
		want   Decision
	}{
		{"same", func(*Function, *ObservedFunction) {}, Decision{Action: TakeOver, Reason: "unchanged since version 7", Version: "7", ARN: arnBase + "w:7"}},
		{"new", func(_ *Function, o *ObservedFunction) { *o = ObservedFunction{} }, Decision{Action: Publish, Reason: "new function"}},
		{"never published", func(_ *Function, o *ObservedFunction) { o.Version = "" }, Decision{Action: Publish, Reason: "no version has been published yet"}},
		{"code", func(f *Function, _ *ObservedFunction) { f.CodeSHA256 = "d" }, Decision{Action: Publish, Reason: "code changed"}},
		{"several", func(f *Function, _ *ObservedFunction) {
			f.MemorySize, f.Timeout, f.Description = 256, 30, "x"
			f.Environment = map[string]string{"LOG_LEVEL": "debug", "NEW": "hunter3"}
		}, Decision{Action: Publish, Reason: "memorySize 128 → 256, timeout 3 → 30, description changed, environment KEY removed, environment LOG_LEVEL changed, environment NEW added"}},
		{"layers", func(f *Function, o *ObservedFunction) {
			const layer = "arn:aws:lambda:eu-west-1:123456789012:layer:"
			o.Config.Layers, f.Layers = []string{layer + "tools:3", layer + "base:1"}, []string{layer + "base:1", layer + "tools:3"}
		}, Decision{Action: Publish, Reason: "layers tools:3 + base:1 → base:1 + tools:3"}},
		{"layer of another account", func(f *Function, o *ObservedFunction) {
			const a, b = "arn:aws:lambda:eu-west-1:123456789012:layer:tools:3", "arn:aws:lambda:eu-west-1:210987654321:layer:tools:3"
			o.Config.Layers, f.Layers = []string{a}, []string{b}
		}, Decision{Action: Publish, Reason: "layers arn:aws:lambda:eu-west-1:123456789012:layer:tools:3 → arn:aws:lambda:eu-west-1:210987654321:layer:tools:3"}},
		{"settings", func(f *Function, o *ObservedFunction) {
			o.Config.EphemeralStorage, f.Tracing, f.DeadLetterTarget, f.Logging = 1024, "Active", "arn:aws:sqs:eu-west-1:123456789012:q", Logging{Format: LogJSON}
		}, Decision{Action: Publish, Reason: "ephemeralStorage 1024 → 512, tracing PassThrough → Active, deadLetterTarget none → arn:aws:sqs:eu-west-1:123456789012:q, logging.format Text → JSON, logging.applicationLevel none → INFO, logging.systemLevel none → INFO"}},
		{"defaults that are said", func(f *Function, _ *ObservedFunction) {
			f.Settings = Settings{Layers: []string{}, EphemeralStorage: 512, Tracing: DefaultTracing, Logging: Logging{Format: LogText}}
		}, Decision{Action: TakeOver, Reason: "unchanged since version 7", Version: "7", ARN: arnBase + "w:7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, o := base, seen
			c.change(&f, &o)
			if got := DecideFunction(f, o); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDecideWorkflowSaysWhy(t *testing.T) {
	def := func(version, comment string) json.RawMessage {
		return json.RawMessage(`{"Comment":"` + comment + `","StartAt":"Work","States":{"Work":{"Type":"Task","Resource":"` + arnBase + `w:` + version + `","End":true}}}`)
	}
	machine := "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
	seen := ObservedWorkflow{ARN: machine, VersionARN: machine + ":4", Config: Workflow{Type: TypeStandard, Role: "r", Definition: def("7", "")}}
	w := Workflow{Key: "m", Name: "m", Role: "r"}
	for _, c := range []struct {
		name   string
		w      Workflow
		pinned json.RawMessage
		o      ObservedWorkflow
		want   string
	}{
		{"same, other order", w, json.RawMessage(`{"States":{"Work":{"End":true,"Type":"Task","Resource":"` + arnBase + `w:7"}}, "StartAt":"Work","Comment":""}`), seen, "unchanged since version 4"},
		{"pin moved", w, def("8", ""), seen, "pin Work: w 7 → 8"},
		{"definition", w, def("7", "x"), seen, "definition changed"},
		{"both", w, def("8", "x"), seen, "definition changed, pin Work: w 7 → 8"},
		{"role", Workflow{Key: "m", Name: "m", Role: "q"}, def("7", ""), seen, "role r → q"},
		{"new", w, def("7", ""), ObservedWorkflow{}, "new workflow"},
		{"never published", w, def("7", ""), ObservedWorkflow{ARN: machine, Config: seen.Config}, "no version has been published yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := DecideWorkflow(c.w, c.pinned, c.o)
			if err != nil || d.Reason != c.want {
				t.Errorf("got %+v, %v; want %q", d, err, c.want)
			}
			if (d.Action == TakeOver) != strings.HasPrefix(c.want, "unchanged") {
				t.Errorf("action %s for %q", d.Action, c.want)
			}
		})
	}
	if _, err := DecideWorkflow(Workflow{Key: "m", Name: "m", Type: TypeExpress}, def("7", ""), seen); err == nil || !strings.Contains(err.Error(), "cannot become EXPRESS") {
		t.Errorf("err = %v", err)
	}
}

func TestMakePlan(t *testing.T) {
	fn := Function{Key: "Worker", Name: "shop-worker", Alias: "live", Runtime: "python3.13", Handler: "a.b", Role: "r", CodeSHA256: "new"}
	old := fn
	old.CodeSHA256 = "old"
	machine := "arn:aws:states:eu-west-1:123456789012:stateMachine:order"
	serving := json.RawMessage(task(`"Resource":"` + arnBase + `shop-worker:7"`))
	spec := Spec{App: "shop", Functions: []Function{fn}, Workflows: []Workflow{{
		Key: "order", Name: "order", Alias: "live", Role: "r",
		UseExactVersion: true, Definition: json.RawMessage(task(`"Resource":"${Worker.Arn}"`)),
	}}}
	seen := Observed{
		Identity: Identity{Partition: "aws", Region: "eu-west-1", Account: "123456789012"},
		Functions: map[string]ObservedFunction{"shop-worker": {
			ARN: arnBase + "shop-worker", Version: "8", VersionARN: arnBase + "shop-worker:8", Config: old,
			Routing: AliasRouting{Routing: alias.Routing{Primary: "7", Additional: "8", Weight: 0.1}},
		}},
		Workflows: map[string]ObservedWorkflow{"order": {
			ARN: machine, VersionARN: machine + ":3", Serving: serving,
			Config: Workflow{Role: "r", Definition: serving}, Routing: AliasRouting{Routing: alias.Routing{Primary: machine + ":3"}},
		}},
	}
	p, err := MakePlan(spec, seen)
	if err != nil {
		t.Fatal(err)
	}
	if p.Empty() || p.Functions[0].Reason != "code changed" || p.Workflows[0].Reason != "pin Work: shop-worker 7 → new" {
		t.Errorf("plan = %+v", p)
	}
	if got := p.Workflows[0].Pins; len(got) != 1 || got[0] != (PinChange{State: "Work", Function: "shop-worker", Before: "7", After: "new"}) {
		t.Errorf("pins = %+v", got)
	}
	if len(p.Moves) != 2 || p.Moves[0].After != "new" || p.Moves[1].Before.Primary != machine+":3" || len(p.Notes) != 1 {
		t.Errorf("moves = %+v, notes = %q", p.Moves, p.Notes)
	}

	// Once all of it is there and served, nothing is left to do.
	after := json.RawMessage(task(`"Resource":"` + arnBase + `shop-worker:8"`))
	seen.Functions["shop-worker"] = ObservedFunction{ARN: arnBase + "shop-worker", Version: "8", VersionARN: arnBase + "shop-worker:8", Config: fn, Routing: AliasRouting{Routing: alias.Routing{Primary: "8"}}}
	seen.Workflows["order"] = ObservedWorkflow{ARN: machine, VersionARN: machine + ":4", Serving: after, Config: Workflow{Role: "r", Definition: after}, Routing: AliasRouting{Routing: alias.Routing{Primary: machine + ":4"}}}
	if p, err = MakePlan(spec, seen); err != nil || !p.Empty() {
		t.Errorf("plan = %+v, %v; want nothing to do", p, err)
	}

	spec.Workflows[0].Definition = json.RawMessage(task(`"Resource":"${Nobody}"`))
	if _, err = MakePlan(spec, seen); err == nil || !strings.Contains(err.Error(), "workflow order:\n  state \"Work\"") {
		t.Errorf("err = %v", err)
	}
}
