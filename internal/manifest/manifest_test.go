package manifest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// write puts files into a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func env(pairs ...string) Options {
	return Options{LookupEnv: func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}}
}

const full = `
service: shop
provider:
  region: eu-west-1
  endpoint: ${env:ENDPOINT, http://127.0.0.1:4566}
  role: &role arn:aws:iam::123456789012:role/shop
  runtime: python3.13
  memorySize: 256
  environment: {LOG_LEVEL: info, REGION_ID: 7}
functions:
  work:
    handler: app.work
    code: src
    timeout: ${env:WORK_TIMEOUT, 30}
    environment:
      LOG_LEVEL: debug
      FLAG: true
      PRICE: $${notAVariable}
  check:
    name: shop-verifier
    runtime: provided.al2023
    role: *role
    build: make check
    package: {artifact: check.zip}
    architectures: [arm64]
    alias: blue
    description: looks at green
    layers: ["arn:aws:lambda:eu-west-1:123456789012:layer:tools:3", "arn:aws:lambda:eu-west-1:123456789012:layer:base:12"]
    ephemeralStorage: 1024
    tracing: Active
    deadLetterTarget: arn:aws:sqs:eu-west-1:123456789012:failed
    logging: {format: JSON, applicationLevel: DEBUG, systemLevel: WARN, group: /shop/check}
workflows:
  order:
    type: EXPRESS
    dynamicStates: Any
    definition:
      StartAt: Z
      States:
        Z: {Type: Pass, Result: {n: 1e3, hex: 0x1F, big: 12345678901234567890123, text: "1e3", who: "${env:USER_NAME, no one}", fn: "${work.Arn}"}, Next: Any}
        Any: {Type: Succeed}
  refund: {definition: refund.yaml, useExactVersion: false, name: shop-refunds}
routes:
  - {method: get, path: "/orders/{id}", function: work}
  - POST /orders: {workflow: order}
  - /health: check
rollout:
  steps:
    - setWeight: 10
    - pause: {duration: 30s}
    - analysis: {}
    - pause: {}
    - check: true
  interval: 1m30s
  hooks: {beforeAllowTraffic: check, afterAllowTraffic: [check, work]}
  check: {maxErrorRate: 2.5%, minRequests: 20, timeout: 5m}
`

func TestLoadReadsEveryField(t *testing.T) {
	dir := write(t, map[string]string{"teal.yaml": full, "refund.yaml": "StartAt: B\nStates:\n  B:\n    Type: Pass\n    Comment: |\n      two\n      <lines>\n    Next: A\n  A:\n    Type: Wait\n    Seconds: 1.50\n    Next: ~\n"})
	m, err := Load(filepath.Join(dir, "teal.yaml"), env("WORK_TIMEOUT", "45"))
	if err != nil {
		t.Fatal(err)
	}
	const role = "arn:aws:iam::123456789012:role/shop"
	want := release.Spec{
		App: "shop",
		Functions: []release.Function{
			{
				Key: "check", Name: "shop-verifier", Alias: "blue", Runtime: "provided.al2023", Handler: "bootstrap", Role: role, Description: "looks at green",
				Architectures: []string{"arm64"}, MemorySize: 256, Environment: map[string]string{"LOG_LEVEL": "info", "REGION_ID": "7"},
				Settings: release.Settings{
					Layers:           []string{"arn:aws:lambda:eu-west-1:123456789012:layer:tools:3", "arn:aws:lambda:eu-west-1:123456789012:layer:base:12"},
					EphemeralStorage: 1024, Tracing: "Active", DeadLetterTarget: "arn:aws:sqs:eu-west-1:123456789012:failed",
					Logging: release.Logging{Format: "JSON", ApplicationLevel: "DEBUG", SystemLevel: "WARN", Group: "/shop/check"},
				},
			},
			{
				Key: "work", Name: "shop-work", Alias: "live", Runtime: "python3.13", Handler: "app.work", Role: role, MemorySize: 256, Timeout: 45,
				Environment: map[string]string{"LOG_LEVEL": "debug", "REGION_ID": "7", "FLAG": "true", "PRICE": "${notAVariable}"},
			},
		},
		Workflows: []release.Workflow{
			{
				Key: "order", Name: "shop-order", Alias: "live", Role: role, Type: "EXPRESS", UseExactVersion: true, DynamicStates: []string{"Any"},
				Definition: []byte(`{"StartAt":"Z","States":{"Z":{"Type":"Pass","Result":{"n":1e3,"hex":31,"big":12345678901234567890123,"text":"1e3","who":"no one","fn":"${work.Arn}"},"Next":"Any"},"Any":{"Type":"Succeed"}}}`),
			},
			{
				Key: "refund", Name: "shop-refunds", Alias: "live", Role: role, Type: "STANDARD",
				Definition: []byte(`{"StartAt":"B","States":{"B":{"Type":"Pass","Comment":"two\n<lines>\n","Next":"A"},"A":{"Type":"Wait","Seconds":1.50,"Next":null}}}`),
			},
		},
		Routes: []release.Route{{Method: "GET", Path: "/orders/{id}", Function: "work"}, {Method: "POST", Path: "/orders", Workflow: "order"}, {Method: "ANY", Path: "/health", Function: "check"}},
	}
	if !reflect.DeepEqual(m.Spec, want) {
		t.Errorf("spec\n got %+v\nwant %+v", m.Spec, want)
		for i, w := range m.Spec.Workflows {
			t.Logf("%s\n%s", w.Definition, want.Workflows[i].Definition)
		}
	}
	rate := 0.025
	ten, half, person := 10, 30*time.Second, time.Duration(0)
	wantRollout := Rollout{
		Steps: []Step{{SetWeight: &ten}, {Pause: &half}, {Check: true}, {Pause: &person}, {Check: true}}, StepWait: 90 * time.Second,
		Hooks: Hooks{BeforeAllowTraffic: []rollout.Hook{{Function: "check"}}, AfterAllowTraffic: []rollout.Hook{{Function: "check"}, {Function: "work"}}},
		Check: Check{MaxErrorRate: &rate, MinRequests: 20, Timeout: 5 * time.Minute},
	}
	if !reflect.DeepEqual(m.Rollout, wantRollout) {
		t.Errorf("rollout\n got %+v\nwant %+v", m.Rollout, wantRollout)
	}
	if m.Provider != (Provider{"eu-west-1", "http://127.0.0.1:4566"}) {
		t.Errorf("provider = %+v", m.Provider)
	}
	if b := m.Builds(); len(b) != 1 || b[0] != (Build{"check", "make check", dir}) {
		t.Errorf("builds = %+v", b)
	}
}

// head is a manifest to which a test adds what it is about.
const head = "app: shop\nprovider: {role: 'arn:aws:iam::123456789012:role/r', runtime: python3.13}\n"

func TestFaultsSayWhereAndWhatToWrite(t *testing.T) {
	const fn = "functions:\n  hello: {handler: a.b, code: src}\n"
	for _, c := range []struct{ name, text, want string }{
		{
			"unknown field", "app: shop\nprovider:\n  role: arn:aws:iam::123456789012:role/r\n  runtime: python3.13\nfunctions:\n  hello:\n    handler: a.b\n    code: src\n    memorysize: 256\n",
			"FILE:9:5: unknown field \"memorysize\" in functions.hello\n    9 |     memorysize: 256\n      |     ^\n      → did you mean memorySize?",
		},
		{
			"wrong type", head + "functions:\n  hello: {handler: a.b, code: src, memorySize: lots}\n",
			"FILE:4:48: functions.hello.memorySize takes a whole number of MiB from 128 to 10240, got the text \"lots\"\n    4 |   hello: {handler: a.b, code: src, memorySize: lots}\n      |                                                ^\n      → write memorySize: 256",
		},
		{"out of range", head + "functions:\n  hello: {handler: a.b, code: src, timeout: 901}\n", "FILE:4:45: functions.hello.timeout takes a whole number of seconds from 1 to 900, got 901"},
		{"no unit", head + fn + "rollout: {interval: 30}\n", "FILE:5:21: rollout.interval takes a time span with its unit (s, m or h), got the number 30\n    5 | rollout: {interval: 30}\n      |                     ^\n      → write interval: 30s or interval: 30m"},
		{"unknown function", head + fn + "routes:\n  - {method: GET, path: /, function: helo}\n", "FILE:6:38: the manifest has no function \"helo\"\n    6 |   - {method: GET, path: /, function: helo}\n      |                                      ^\n      → did you mean hello?"},
		{"foreign field", head + fn + "stepFunctions: {}\n", "→ write workflows:"},
		{"missing variable", head + "functions:\n  hello: {handler: a.b, code: '${env:NOWHERE}'}\n", "the environment has no variable NOWHERE"},
		{"other variable", head + "functions:\n  hello: {handler: a.b, code: '${self:custom.x}'}\n", "variable ${self:custom.x} is not known here"},
		{"tag", head + "functions:\n  hello: {handler: a.b, code: !Ref x}\n", "tag !Ref is not read here"},
		{"missing role", "app: shop\nfunctions:\n  hello: {handler: a.b, code: src, runtime: python3.13}\n", "FILE:3:3: function hello has no role"},
		{"missing code", head + "functions:\n  hello: {handler: a.b}\n", "function hello has no code"},
		{"missing handler", head + "functions:\n  hello: {code: a}\n", "function hello has no handler, which runtime python3.13 needs"},
		{"reserved variable", head + "functions:\n  hello: {handler: a.b, code: a, environment: {AWS_REGION: x}}\n", "AWS_REGION is set by Lambda itself"},
		{"numeric alias", head + "functions:\n  hello: {handler: a.b, code: a, alias: '12'}\n", "takes an alias name, which is not only digits"},
		{"same name", head + "functions:\n  a: {handler: a.b, code: a, name: x}\n  b: {handler: a.b, code: a, name: x}\n", "functions a and b have the same name x"},
		{"double key", head + fn + "app: x\n", "already defined"},
		{"no YAML", "app: [1,\nb: 2", "this is no YAML"},
		{"a list", "- a\n", "a manifest is a mapping, got a list"},
		{"empty", "# nothing\n", "FILE: the manifest is empty"},
		{"two documents", head + fn + "---\na: 1\n", "FILE:6:1: a second document begins here"},
		{"no functions", head, "there is nothing to release"},
		{"strategy and steps", head + fn + "rollout: {strategy: AllAtOnce, steps: [{setWeight: 10}]}\n", "rollout has a strategy and steps"},
		{"empty step", head + fn + "rollout: {steps: [{}]}\n", "exactly one of setWeight, pause, check and hook"},
		{"double step", head + fn + "rollout: {steps: [{setWeight: 1, check: true}]}\n", "exactly one of setWeight, pause, check and hook"},
		{"weight", head + fn + "rollout: {steps: [{setWeight: 10.5}]}\n", "takes a whole number of percent from 0 to 100, got the number 10.5"},
		{"share", head + fn + "rollout: {check: {maxErrorRate: 5}}\n", "takes a share from 0 to 1, or from 0% to 100%"},
		{"double route", head + fn + "routes: [{path: /a, function: hello}, {path: /a, function: hello}]\n", "route ANY /a stands twice"},
		{"bad method", head + fn + "routes: [{method: GTE, path: /a, function: hello}]\n", "→ did you mean GET?"},
		{"bad path", head + fn + "routes: [{path: a, function: hello}]\n", "takes a path of a route"},
		{"route nowhere", head + fn + "routes: [{path: /a}]\n", "leads nowhere"},
		{"circle", head + "functions: &f\n  hello: *f\n", "unknown field \"hello\""},
		{"router", head + fn + "rollout: {router: dns}\n", "there is no router \"dns\""},
		{"router without a zone", head + fn + "rollout: {router: {route53: {name: a.example.com, type: CNAME}}}\n", "a router needs a hosted zone, a name, and a type of A, AAAA, CNAME"},
		{"router's zone", head + fn + "rollout: {router: {route53: {hostedZone: example.com, name: a.example.com, type: CNAME}}}\n", "takes the ID of a hosted zone"},
		{"router's type", head + fn + "rollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: TXT}}}\n", "rollout.router.route53.type"},
		{"router's TTL", head + fn + "rollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A, ttl: 60}}}\n", "→ remove it: the TTL of the record sets is what counts"},
		{"one slot", head + fn + "rollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A, slots: {blue: {}}}}}\n", "has 1 slots: there are two"},
		{"one alias for both", head + fn + "rollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A, slots: {blue: {alias: x}, green: {alias: x}}}}}\n", "both slots of a.example.com have the alias x"},
		{"a slot of hooks", head + fn + "rollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A, slots: {blue: {}, green: {alias: " + rollout.HookAlias + "}}}}}\n", "which hooks of CodeDeploy take for themselves"},
		{"router and routes", head + fn + "routes: [{path: /a, function: hello}]\nrollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A}}}\n", "routes make one entrance, and a router needs one for each slot"},
		{"router and alias", head + "functions:\n  hello: {handler: a.b, code: src, alias: prod}\nrollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A}}}\n", "function hello names alias prod, but behind a router the slots name the aliases"},
		{"router and aliases called", head + "workflows:\n  w: {definition: {StartAt: A, States: {A: {Type: Succeed}}}, useExactVersion: false}\nrollout: {router: {route53: {hostedZone: Z1, name: a.example.com, type: A}}}\n", "workflow w calls aliases, and one definition cannot call those of two slots"},
		{"preview in a slot", head + fn + "rollout: {preview: green, router: {route53: {hostedZone: Z1, name: a.example.com, type: A}}}\n", "the preview is green, the alias of a slot"},
		{"missing definition", head + "workflows:\n  w: {definition: w.json}\n", "paths are relative to the manifest's folder"},
		{"JSON", head + "workflows:\n  w: {definition: bad.json}\n", "DIR/bad.json:2:9: this is no JSON: invalid character '}' looking for beginning of value\n    2 |  \"a\": [ }\n      |         ^"},
		{"YAML", head + "workflows:\n  w: {definition: bad.yaml}\n", "DIR/bad.yaml:1:4: tag !Sub is not read here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"teal.yaml": c.text, "bad.json": "{\n \"a\": [ }\n", "bad.yaml": "a: !Sub x\n"})
			path := filepath.Join(dir, "teal.yaml")
			_, err := Load(path, env())
			var d Diagnostics
			if !errors.As(err, &d) {
				t.Fatalf("err = %v", err)
			}
			want := strings.ReplaceAll(strings.ReplaceAll(c.want, "FILE", path), "DIR", dir)
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestSeveralFaultsAreToldAtOnceInOrder(t *testing.T) {
	dir := write(t, map[string]string{"teal.yaml": head + "functions:\n  a: {handler: 1, cod: x}\n  b: {timeout: x, memorySize: 1}\nrollout: {x: 1}\n"})
	_, err := Load(filepath.Join(dir, "teal.yaml"), env())
	var d Diagnostics
	if !errors.As(err, &d) || len(d) != 5 {
		t.Fatalf("err = %v", err)
	}
	for i := 1; i < len(d); i++ {
		if d[i].Line < d[i-1].Line || (d[i].Line == d[i-1].Line && d[i].Column < d[i-1].Column) {
			t.Errorf("not in order:\n%v", err)
		}
	}
}

func TestRouterTakesTheAliasesFromItsSlots(t *testing.T) {
	for text, want := range map[string]release.Router{
		"hostedZone: /hostedzone/Z0123, name: api.example.com., type: CNAME": {
			HostedZone: "Z0123", Name: "api.example.com", Type: "CNAME",
			Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}},
		},
		"hostedZone: Z1, name: api.example.com, type: A, slots: {second: {setIdentifier: api 2}, first: {setIdentifier: api 1, alias: one}}": {
			HostedZone: "Z1", Name: "api.example.com", Type: "A",
			Slots: []release.Slot{{SetIdentifier: "api 1", Alias: "one"}, {SetIdentifier: "api 2", Alias: "second"}},
		},
	} {
		dir := write(t, map[string]string{"teal.yaml": head + "functions:\n  hello: {handler: a.b, code: src}\nworkflows:\n  w: {definition: {StartAt: A, States: {A: {Type: Succeed}}}}\nrollout: {router: {route53: {" + text + "}}}\n"})
		m, err := Load(filepath.Join(dir, "teal.yaml"), env())
		if err != nil {
			t.Fatal(err)
		}
		if !m.Spec.Router.Equal(&want) || m.Spec.Functions[0].Alias != "" || m.Spec.Workflows[0].Alias != "" {
			t.Errorf("%s: %+v, aliases %q and %q", text, m.Spec.Router, m.Spec.Functions[0].Alias, m.Spec.Workflows[0].Alias)
		}
	}
	dir := write(t, map[string]string{"teal.yaml": head + "functions:\n  hello: {handler: a.b, code: src}\nrollout: {router: alias}\n"})
	if m, err := Load(filepath.Join(dir, "teal.yaml"), env()); err != nil || m.Spec.Router != nil || m.Spec.Functions[0].Alias != DefaultAlias {
		t.Errorf("router: alias gives %+v, %v", m, err)
	}
}

func TestMergeKeysAndAnchors(t *testing.T) {
	dir := write(t, map[string]string{"teal.yaml": head + "functions:\n  a: &a {handler: a.b, code: src, timeout: 7}\n  b:\n    <<: *a\n    timeout: 8\n"})
	m, err := Load(filepath.Join(dir, "teal.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	if f := m.Spec.Functions[1]; f.Timeout != 8 || f.Handler != "a.b" || m.Spec.Functions[0].Timeout != 7 {
		t.Errorf("functions = %+v", m.Spec.Functions)
	}
}

func TestFaultOfOthersPointsAtTheField(t *testing.T) {
	dir := write(t, map[string]string{"teal.yaml": head + "functions:\n  a: {handler: a.b, code: src}\nrollout:\n  strategy: Canary11Percent\n"})
	m, err := Load(filepath.Join(dir, "teal.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Fault("rollout.strategy", "no strategy has this name", "write Canary10Percent5Minutes"); !strings.Contains(err.Error(), "teal.yaml:6:13: rollout.strategy: no strategy") {
		t.Error(err)
	}
	if err := m.Fault("rollout.steps[3].setWeight", "x", ""); !strings.Contains(err.Error(), "teal.yaml:6:3: ") {
		t.Error(err)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	bomb := "a0: &a0 {x: y}\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d {l: *a%d, r: *a%d}\n", i, i, i-1, i-1)
	}
	for name, text := range map[string]string{
		"deep flow":   strings.Repeat("[", 100_000),
		"deep dashes": strings.Repeat("- ", 100_000) + "a",
		"alias bomb":  head + "workflows:\n  w:\n    definition: {x: *a29}\n" + bomb,
		"large":       strings.Repeat("# comment\n", 200_000),
		"binary":      "\x00\xff\xfe",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(filepath.Join(write(t, map[string]string{"teal.yaml": text}), "teal.yaml"), env()); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestTemplateIsAManifest(t *testing.T) {
	files, err := Template("my-app")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		all[f.Path] = string(f.Content)
	}
	for _, name := range []string{"teal.yaml", "hello/main.go", "greet.asl.json", "go.mod", "go.sum", ".gitignore"} {
		if all[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	dir := write(t, all)
	m, err := Load(filepath.Join(dir, "teal.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	if m.Spec.App != "my-app" || len(m.Spec.Functions) != 1 || len(m.Spec.Workflows) != 1 || len(m.Spec.Routes) != 2 || len(m.Rollout.Steps) != 6 {
		t.Errorf("manifest = %+v", m)
	}
	r, err := release.NewResolver(release.Identity{}, m.Spec.Functions, []release.FunctionVersion{{Key: "hello", Version: "1", ARN: "arn:aws:lambda:us-east-1:000000000000:function:my-app-hello:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, pins, err := release.PinDefinition(m.Spec.Workflows[0].Definition, r, m.Spec.Workflows[0].PinOptions()); err != nil || len(pins) != 2 {
		t.Errorf("pins = %v, %v", pins, err)
	}
	if _, err := Template("no good"); err == nil {
		t.Error("a name with a space was taken")
	}
}

func TestMissingManifest(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "teal.yaml"), env())
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "teal init") {
		t.Errorf("err = %v", err)
	}
	if _, err := Load(t.TempDir(), env()); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("err = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(head)
	f.Add("a: &a\n  <<: *a\n")
	f.Add("app: &x *x\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse("/nowhere/teal.yaml", []byte(text), env())
		if (m == nil) == (err == nil) {
			t.Errorf("manifest %v, error %v", m, err)
		}
		if err != nil && err.Error() == "" {
			t.Error("a fault without words")
		}
	})
}

func TestRolloutReadsChecksAndHooks(t *testing.T) {
	text := head + `functions:
  a: {handler: a.b, code: src}
workflows:
  w: {definition: {StartAt: x, States: {x: {Type: Succeed}}}}
rollout:
  type: LINEAR
  percentage: 20
  interval: 5m
  bake: 10m
  refuseDrift: true
  alarms: [five, {name: slow, dryRun: true}]
  hooks:
    beforeAllowTraffic:
      - a
      - {workflow: w, input: {n: 1}, timeout: 1m, retries: 2}
      - {name: up, http: {url: "http://localhost:1/x", status: [200, 204], headers: {A: b}, expect: ok}}
      - {command: make smoke}
      - {approval: true, timeout: 24h}
  check:
    onInconclusive: rollback
    compare: {errors: {worseBy: 50%, level: 0.1%, untilShown: true}, latency: {quantile: 99%, dryRun: true}}
    probes: [{url: "https://x.example.com/h"}]
    synthetic: [{function: a, payload: {k: v}, requests: 7}]
`
	m, err := Load(filepath.Join(write(t, map[string]string{"teal.yaml": text}), "teal.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	want := Rollout{
		Preference: "LINEAR", Percentage: 20, StepWait: 5 * time.Minute, Bake: 10 * time.Minute, CheckBake: true, RefuseDrift: true,
		Hooks: Hooks{BeforeAllowTraffic: []rollout.Hook{
			{Function: "a"},
			{Workflow: "w", Input: `{"n":1}`, Timeout: time.Minute, Retries: 2},
			{Name: "up", HTTP: &rollout.Request{URL: "http://localhost:1/x", Status: []int{200, 204}, Headers: map[string]string{"A": "b"}, Expect: "ok"}},
			{Command: "make smoke"},
			{Approval: true, Timeout: 24 * time.Hour},
		}},
		Check: Check{
			OnInconclusive: rollout.GoBack,
			Compare: []rollout.Compare{
				{Metric: rollout.MetricErrors, WorseBy: 0.5, Level: 0.001, UntilShown: true}, {Metric: rollout.MetricLatency, Quantile: 0.99, DryRun: true},
			},
			Alarms:    []rollout.Alarm{{Name: "five"}, {Name: "slow", DryRun: true}},
			Probes:    []rollout.Probe{{Name: "https://x.example.com/h", Request: rollout.Request{URL: "https://x.example.com/h"}}},
			Synthetic: []rollout.Synthetic{{Function: "a", Payload: `{"k":"v"}`, Requests: 7}},
		},
	}
	if !reflect.DeepEqual(m.Rollout, want) {
		t.Errorf("rollout\n got %+v\nwant %+v", m.Rollout, want)
	}
}

func TestHooksThatCodeDeployCalls(t *testing.T) {
	functions := `functions:
  a: {handler: a.b, code: src}
  b: {handler: a.b, code: src}
  c: {handler: a.b, code: src}
`
	for text, want := range map[string]rollout.CodeDeploy{
		// The only function that is no hook is the one that is tested, wherever hooks stand.
		"hooks: {beforeAllowTraffic: {function: a, protocol: CodeDeploy}, codeDeploy: {serviceRole: 'arn:aws:iam::123456789012:role/r'}}\n  steps: [{hook: b}]": {
			Tests: "c", Application: "teal-shop", Group: "hooks", ServiceRole: "arn:aws:iam::123456789012:role/r",
		},
		"hooks: {codeDeploy: {application: x, group: y}, beforeAllowTraffic: {function: a, protocol: CodeDeploy, tests: b}}": {Tests: "b", Application: "x", Group: "y"},
	} {
		m, err := Load(filepath.Join(write(t, map[string]string{"teal.yaml": head + functions + "rollout:\n  " + text + "\n"}), "teal.yaml"), env())
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Rollout.Hooks.BeforeAllowTraffic[0].CodeDeploy; got == nil || *got != want {
			t.Errorf("%s is read as %+v, want %+v", text, got, want)
		}
	}
}

func TestFaultsOfChecksAndHooks(t *testing.T) {
	for text, want := range map[string]string{
		"hooks: {beforeAllowTraffic: {function: hello, command: x}}":                         "exactly one of function, workflow, http, command and approval",
		"hooks: {beforeAllowTraffic: {workflow: nowhere}}":                                   "nowhere",
		"hooks: {beforeAllowTraffic: {http: {url: 'http://example.com/'}}}":                  "plain http to another machine",
		"hooks: {beforeAllowTraffic: {http: {method: GET}}}":                                 "has no url",
		"hooks: {beforeAllowTraffic: {command: x, input: {}}}":                               "which only a workflow takes",
		"hooks: {beforeAllowTraffic: {approval: false}}":                                     "is false",
		"hooks: {beforeAllowTraffic: {function: hello, protocol: CodeDeploy}}":               "which function it tests",
		"hooks: {beforeAllowTraffic: {function: hello, protocol: CodeDeploy, tests: hello}}": "needs a deployment group",
		"hooks: {beforeAllowTraffic: {function: hello, protocol: SNS}}":                      "takes one of CodeDeploy",
		"hooks: {beforeAllowTraffic: {command: x, protocol: CodeDeploy}}":                    "which only a function takes",
		"hooks: {beforeAllowTraffic: {function: hello, tests: hello}}":                       "which only protocol: CodeDeploy takes",
		"hooks: {beforeAllowTraffic: {function: hello, protocol: CodeDeploy, timeout: 61m}}": "CodeDeploy waits for 1h0m0s",
		"hooks: {codeDeploy: {serviceRole: me}}":                                             "the ARN of an IAM role",
		"hooks: {codeDeploy: {group: 'a b'}}":                                                "at most 100 letters",
		"preview: teal-hook\n  hooks: {codeDeploy: {application: a, group: b}, beforeAllowTraffic: {function: hello, protocol: CodeDeploy, tests: hello}}": "needs the alias teal-hook for itself",
		"check: {compare: {errors: {level: 3}}}": "a number from",
		"check: {compare: {throughput: {}}}":     "unknown field",
		"alarms: [a, a]":                         "is there twice",
		"type: CANARY":                           "needs a percentage and an interval",
		"percentage: 10":                         "a percentage needs type",
		"type: LINEAR\n  percentage: 10\n  interval: 5m\n  strategy: AllAtOnce": "a type beside a strategy",
		"check: {probes: [{url: 'https://u:p@example.com/'}]}":                  "has credentials in it",
		"check: {synthetic: [{payload: {}}]}":                                   "has no function",
		"check: {onInconclusive: promote}":                                      "takes one of pause, rollback",
		"bake: 0s":                                                              "has no length",
		"steps: [{hook: {command: x, timeout: 0s}}]":                            "has no length",
	} {
		_, err := Load(filepath.Join(write(t, map[string]string{"teal.yaml": head + "functions:\n  hello: {handler: a.b, code: src}\nrollout:\n  " + text + "\n"}), "teal.yaml"), env())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "teal.yaml:") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
