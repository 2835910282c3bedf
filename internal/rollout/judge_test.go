package rollout

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/release"
)

var (
	api   = Subject{Ref: release.Ref{Kind: release.KindFunction, Name: "api", Alias: "live"}, Blue: "1", Green: "2", Required: true}
	inner = Subject{Ref: release.Ref{Kind: release.KindFunction, Name: "inner", Alias: "live"}, Blue: "1", Green: "2"}
	flow  = Subject{Ref: release.Ref{Kind: release.KindStateMachine, Name: "flow", Alias: "live"}, Blue: "a:1", Green: "a:2"}
)

func saw(s Subject, requests, errors int64) Observed {
	return Observed{Ref: s.Ref, Green: Counts{Requests: requests, Errors: errors}}
}

func TestJudge(t *testing.T) {
	settings := CheckSettings{MinRequests: 20, MaxErrorRate: 0.1, MinExecutions: 1}
	tests := map[string]struct {
		subjects []Subject
		seen     Observation
		want     Judgement
		needed   int64
		reason   string
	}{
		"enough without errors":               {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 20, 0)}}, Healthy, 0, "0 of 20"},
		"exactly the allowed rate":            {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 20, 2)}}, Healthy, 0, ""},
		"above the allowed rate":              {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 20, 3)}}, Unhealthy, 0, "3 of 20 requests failed (15.00%, allowed 10.00%)"},
		"bad beyond hope before the minimum":  {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 3, 3)}}, Unhealthy, 0, "3 of 3"},
		"could still be good":                 {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 3, 2)}}, Inconclusive, 17, "17 more needed"},
		"no data":                             {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 0, 0)}}, Inconclusive, 20, "20 more needed"},
		"not mentioned":                       {[]Subject{api}, Observation{}, Inconclusive, 20, ""},
		"nothing to look at":                  {nil, Observation{}, Inconclusive, 0, "nothing was observed"},
		"nothing required and nothing seen":   {[]Subject{inner, flow}, Observation{}, Inconclusive, 0, "nothing was observed"},
		"a silent workflow beside a function": {[]Subject{api, flow}, Observation{Subjects: []Observed{saw(api, 50, 0)}}, Healthy, 0, "not observed: 1"},
		"a workflow alone":                    {[]Subject{inner, flow}, Observation{Subjects: []Observed{saw(flow, 1, 0)}}, Healthy, 0, ""},
		"a workflow that fails":               {[]Subject{api, flow}, Observation{Subjects: []Observed{saw(api, 50, 0), saw(flow, 4, 1)}}, Unhealthy, 0, "flow: 1 of 4 finished executions"},
		"one bad function among good":         {[]Subject{api, inner}, Observation{Subjects: []Observed{saw(api, 50, 0), saw(inner, 30, 30)}}, Unhealthy, 0, "inner"},
		"impossible numbers":                  {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 5, 9)}}, Error, 0, "no sense"},
		"an alarm":                            {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 50, 0)}, Findings: []Finding{{Source: "alarm 5xx", Judgement: Unhealthy, Reason: "in ALARM"}}}, Unhealthy, 0, "alarm 5xx: in ALARM"},
		"an alarm that is not there":          {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 50, 0)}, Findings: []Finding{{Source: "alarm 5xx", Judgement: Error, Reason: "does not exist"}}}, Error, 0, ""},
		"a finding of an unknown sort":        {[]Subject{api}, Observation{Subjects: []Observed{saw(api, 50, 0)}, Findings: []Finding{{Source: "probe", Judgement: "fine", Reason: ""}}}, Error, 0, ""},
		"a finding alone":                     {nil, Observation{Findings: []Finding{{Source: "probe", Judgement: Healthy, Reason: "200"}}}, Healthy, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := Judge(settings, Check{Step: 2, Subjects: test.subjects}, test.seen, nil)
			if v.Judgement != test.want || v.Needed != test.needed || !strings.Contains(v.Reason, test.reason) || v.Step != 2 {
				t.Errorf("got %s, needed %d: %s", v.Judgement, v.Needed, v.Reason)
			}
			if len(v.Subjects) != len(test.subjects) {
				t.Errorf("%d of %d aliases have a verdict", len(v.Subjects), len(test.subjects))
			}
		})
	}
	required := flow
	required.Required = true
	if v := Judge(settings, Check{Subjects: []Subject{api, required}}, Observation{Subjects: []Observed{saw(api, 50, 0)}}, nil); v.Judgement != Inconclusive {
		t.Errorf("executions are required and there were none: %s", v.Judgement)
	}
}

// The rate is compared as whole numbers would: no rounding of the threshold turns an allowed rate into a refused one.
func TestJudgeComparesExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.Int64Range(0, 100).Draw(t, "allowed percent")
		requests := rapid.Int64Range(1, 5000).Draw(t, "requests")
		errors := rapid.Int64Range(0, requests).Draw(t, "errors")
		v := Judge(CheckSettings{MinRequests: 1, MaxErrorRate: float64(percent) / 100}, Check{Subjects: []Subject{api}},
			Observation{Subjects: []Observed{saw(api, requests, errors)}}, nil)
		want := Healthy
		if errors*100 > percent*requests {
			want = Unhealthy
		}
		if v.Judgement != want {
			t.Fatalf("%d of %d at %d%%: %s", errors, requests, percent, v.Judgement)
		}
	})
}

func TestParseStrategy(t *testing.T) {
	ten := Shift{Weight: 10, Pause: 5 * time.Minute, Check: true}
	for name, want := range map[string][]Shift{
		"CodeDeployDefault.LambdaCanary10Percent5Minutes": {ten, {Weight: 100}},
		"LambdaCanary10Percent5Minutes":                   {ten, {Weight: 100}},
		"Canary10Percent5Minutes":                         {ten, {Weight: 100}},
		"AllAtOnce":                                       {{Weight: 100}},
		"CodeDeployDefault.LambdaAllAtOnce":               {{Weight: 100}},
		"Linear30PercentEvery1Minute": {
			{Weight: 30, Pause: time.Minute, Check: true},
			{Weight: 60, Pause: time.Minute, Check: true},
			{Weight: 90, Pause: time.Minute, Check: true},
			{Weight: 100},
		},
	} {
		got, err := ParseStrategy(name)
		if err != nil || marshal(got.Steps) != marshal(want) || got.Name != name || got.Validate() != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range Presets() {
		for _, prefix := range []string{"", "CodeDeployDefault."} {
			if s, err := ParseStrategy(prefix + name); err != nil || s.Validate() != nil {
				t.Errorf("%s%s: %v", prefix, name, err)
			}
		}
	}
	linear, err := ParseStrategy("CodeDeployDefault.LambdaLinear10PercentEvery3Minutes")
	if err != nil || len(linear.Steps) != 10 || linear.Length() != 27*time.Minute {
		t.Errorf("linear: %+v, %v", linear, err)
	}
	for _, name := range []string{
		"", "Canary", "Canary0Percent5Minutes", "Canary100Percent5Minutes", "Canary10Percent0Minutes",
		"Canary-1Percent5Minutes", "Canary10Percent5Hours", "Linear10Percent5Minutes", "allatonce", "CodeDeployDefault.ECSAllAtOnce",
		"Canary10Percent99999999999999999999Minutes", "Canary1e1Percent5Minutes",
	} {
		if s, err := ParseStrategy(name); err == nil {
			t.Errorf("%q was read as %+v", name, s)
		} else if !strings.Contains(err.Error(), "LambdaCanary10Percent5Minutes") {
			t.Errorf("%q: the error does not say what is known: %v", name, err)
		}
	}
}

func TestPlansThatMakeNoSenseAreRefused(t *testing.T) {
	good := func() Plan {
		return Plan{ID: "ro", App: "shop", Kind: Deploy, Release: "re", Functions: []Function{{Key: "a", Name: "a", Alias: "live"}}}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Plan){
		"no release":        func(p *Plan) { p.Release = "" },
		"unknown kind":      func(p *Plan) { p.Kind = "x" },
		"nothing":           func(p *Plan) { p.Functions = nil },
		"no alias":          func(p *Plan) { p.Functions[0].Alias = "" },
		"key twice":         func(p *Plan) { p.Functions = append(p.Functions, Function{Key: "a", Name: "b", Alias: "live"}) },
		"name twice":        func(p *Plan) { p.Functions = append(p.Functions, Function{Key: "b", Name: "a", Alias: "live"}) },
		"falling weights":   func(p *Plan) { p.Settings.Strategy.Steps = []Shift{{Weight: 50}, {Weight: 10}, {Weight: 100}} },
		"above 100":         func(p *Plan) { p.Settings.Strategy.Steps = []Shift{{Weight: 101}} },
		"ends below 100":    func(p *Plan) { p.Settings.Strategy.Steps = []Shift{{Weight: 50}} },
		"negative pause":    func(p *Plan) { p.Settings.Strategy.Steps = []Shift{{Weight: 100, Pause: -1}} },
		"check at nothing":  func(p *Plan) { p.Settings.Strategy.Steps = []Shift{{Check: true}, {Weight: 100}} },
		"negative bake":     func(p *Plan) { p.Settings.Bake = -1 },
		"rate above one":    func(p *Plan) { p.Settings.Check.MaxErrorRate = 5 },
		"rate that is none": func(p *Plan) { p.Settings.Check.MaxErrorRate = math.NaN() },
		"unknown answer":    func(p *Plan) { p.Settings.Check.OnInconclusive = "promote" },
		"unknown hook":      func(p *Plan) { p.Settings.Before = []Hook{{Function: "z"}} },
	} {
		p := good()
		spoil(&p)
		if _, err := New(p); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}

// Every transition leaves from a phase that is not an end, but for what a person sets going again.
func TestTransitions(t *testing.T) {
	names := map[string]bool{}
	for _, tr := range Transitions() {
		if names[tr.Name] {
			t.Errorf("%s is listed twice", tr.Name)
		}
		names[tr.Name] = true
		for _, from := range tr.From {
			if from == Promoted || from == RolledBack || from == Failed || from == tr.To {
				t.Errorf("%s leads from %s to %s", tr.Name, from, tr.To)
			}
			if from == FailedDirty && !strings.HasPrefix(tr.Name, "retry-") {
				t.Errorf("%s leaves %s", tr.Name, from)
			}
		}
		r := &run{s: &State{Phase: RolledBack}}
		if r.take(tr.Name); r.err == nil || r.s.Phase != RolledBack {
			t.Errorf("%s was taken from an end", tr.Name)
		}
	}
}
