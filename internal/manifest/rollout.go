package manifest

import (
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tealdeploy/teal/internal/rollout"
)

// Rollout is how the aliases move from blue to green. At most one of Strategy, Preference and Steps is set.
type Rollout struct {
	Strategy   string        // such as Canary10Percent5Minutes, as written; not checked here
	Preference string        // LINEAR, CANARY or ALL_AT_ONCE, with Percentage and StepWait
	Percentage int           // of the traffic, 1 to 99; 0 when not set
	Steps      []Step        // in order
	StepWait   time.Duration // interval: what a step waits when it says nothing itself; 0 when not set
	Hooks      Hooks
	Check      Check

	Bake         time.Duration // how long to watch at 100 %
	CheckBake    bool          // and only a Healthy verdict ends it
	Preview      string        // alias that shows green before it gets traffic; "" for none
	RefuseDrift  bool
	IgnoreAlarms bool
}

// Step is one step of a rollout. Exactly one of its fields is set.
type Step struct {
	SetWeight *int           // percent of the traffic for green, 0 to 100
	Pause     *time.Duration // wait so long; 0 means until a person promotes
	Check     bool           // ask for a verdict
	Hooks     []rollout.Hook // of one step, all of which must succeed
}

// Hooks test green before it gets traffic, and when it has all of it.
type Hooks struct {
	BeforeAllowTraffic []rollout.Hook
	AfterAllowTraffic  []rollout.Hook
	CodeDeploy         CodeDeploy
}

// CodeDeploy is the deployment group by which CodeDeploy calls the hooks that are written for it. Hooks have it filled in.
type CodeDeploy struct {
	Application, Group string // as written; empty when not
	ServiceRole        string // ARN, with which both are made where they do not exist
}

const stepExample = "- setWeight: 10, - pause: {duration: 30s}, - check: true or - hook: {function: verify}"

func (a *application) readRollout(f field) {
	o := &a.m.Rollout
	var strategy, kind, percentage, interval, steps, router field
	a.object(f, map[string]func(field){
		"strategy": func(f field) {
			strategy = f
			o.Strategy = a.nonEmpty(f, "strategy: Canary10Percent5Minutes")
		},
		"type": func(f field) {
			kind = f
			switch s := a.nonEmpty(f, "type: CANARY"); s {
			case "CANARY", "LINEAR", "ALL_AT_ONCE": // CloudFormation's
				o.Preference = s
			default: // SAM's: a preset
				o.Strategy = s
			}
		},
		"percentage": func(f field) {
			percentage = f
			o.Percentage = a.integer(f, 1, 99, " of percent", "percentage: 10")
		},
		"steps": func(f field) {
			steps = f
			before := len(a.faults)
			a.list(f, "a list of steps", stepExample, a.readStep)
			if len(o.Steps) == 0 && len(a.faults) == before {
				a.fault(f.key, "rollout.steps has no step", "write "+stepExample)
			}
		},
		"interval": func(f field) { interval = f; o.StepWait = a.duration(f, "interval: 30s") },
		"bake":     a.readBake,
		"hooks": func(f field) {
			a.object(f, map[string]func(field){
				"codeDeploy":         a.readCodeDeploy,
				"beforeAllowTraffic": func(f field) { o.Hooks.BeforeAllowTraffic = a.hooks(f) },
				"afterAllowTraffic":  func(f field) { o.Hooks.AfterAllowTraffic = a.hooks(f) },
			}, map[string]string{
				"preTraffic": "write beforeAllowTraffic:", "postTraffic": "write afterAllowTraffic:",
				"BeforeAllowTraffic": "write beforeAllowTraffic:", "AfterAllowTraffic": "write afterAllowTraffic:",
			})
		},
		"check": a.readCheck, "analysis": a.readCheck,
		"alarms":       a.readAlarms,
		"preview":      a.preview,
		"router":       func(f field) { router = f },
		"refuseDrift":  func(f field) { o.RefuseDrift = a.boolean(f, "refuseDrift: true") },
		"ignoreAlarms": func(f field) { o.IgnoreAlarms = a.boolean(f, "ignoreAlarms: true") },
	}, map[string]string{
		"maxErrorRate": "write it under check:", "minRequests": "write it under check:",
		"Type": "write type:", "Alarms": "write alarms:", "Percentage": "write percentage:", "Interval": "write interval:",
	})
	a.settleCalled()
	if router.node != nil {
		a.readRouter(router) // after the preview, which must not be in a slot
	}
	switch {
	case strategy.node != nil && steps.node != nil:
		a.fault(steps.key, "rollout has a strategy and steps", "keep one of them")
	case kind.node != nil && (strategy.node != nil || steps.node != nil):
		a.fault(kind.key, "rollout has a type beside a strategy or steps", "keep one of them")
	case percentage.node != nil && o.Preference == "":
		a.fault(percentage.key, "a percentage needs type: CANARY or type: LINEAR", "write the type, or steps:")
	case (o.Preference == "CANARY" || o.Preference == "LINEAR") && (percentage.node == nil || interval.node == nil):
		a.fault(kind.key, "type "+o.Preference+" needs a percentage and an interval", "write percentage: 10 and interval: 5m")
	}
}

// preview reads the alias that shows green, on every function and workflow. It cannot be one that releases move.
func (a *application) preview(f field) {
	name := a.alias(f)
	s := &a.m.Spec
	for i := range s.Functions {
		if s.Functions[i].Preview = name; name != "" && s.Functions[i].Alias == name {
			a.fault(f.node, f.path+" is "+name+", the alias that releases of "+s.Functions[i].Key+" move", "write another, such as preview: preview")
		}
	}
	for i := range s.Workflows {
		if s.Workflows[i].Preview = name; name != "" && s.Workflows[i].Alias == name {
			a.fault(f.node, f.path+" is "+name+", the alias that releases of "+s.Workflows[i].Key+" move", "write another, such as preview: preview")
		}
	}
	a.m.Rollout.Preview = name
}

// readBake reads `bake: 10m` or `bake: {duration: 10m, check: true}`.
func (a *application) readBake(f field) {
	o := &a.m.Rollout
	switch a.plain(f.node).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		a.object(f, map[string]func(field){
			"duration": func(f field) { o.Bake = a.positive(f, "duration: 10m") },
			"check":    func(f field) { o.CheckBake = a.boolean(f, "check: true") },
		}, nil)
	default:
		o.Bake, o.CheckBake = a.positive(f, "bake: 10m"), true
	}
}

// readStep reads one step: a mapping with exactly one member.
func (a *application) readStep(f field) {
	n := a.plain(f.node)
	if n == nil {
		return
	}
	list, ok := a.entries(n)
	if !ok {
		a.wrong(f, n, "a mapping with one of setWeight, pause, check and hook", stepExample)
		return
	}
	if len(list) != 1 {
		a.fault(n, f.path+" takes exactly one of setWeight, pause, check and hook", "write one step for each")
		return
	}
	var s Step
	before := len(a.faults)
	verdict := func(f field) {
		s.Check = true
		switch v := a.plain(f.node).(type) {
		case *ast.NullNode:
		case *ast.BoolNode:
			if !v.Value {
				a.fault(v, f.path+" is false", "remove the step")
			}
		default:
			a.object(f, map[string]func(field){}, map[string]string{
				"maxErrorRate": "write it under rollout.check", "minRequests": "write it under rollout.check", "timeout": "write it under rollout.check",
			})
		}
	}
	a.object(f, map[string]func(field){
		"setWeight": func(f field) {
			w := a.integer(f, 0, 100, " of percent", "setWeight: 10")
			s.SetWeight = &w
		},
		"pause": func(f field) { d := a.pause(f); s.Pause = &d },
		"check": verdict, "analysis": verdict,
		"hook": func(f field) { s.Hooks = a.hooks(f) },
	}, map[string]string{"weight": "write setWeight:", "wait": "write pause: {duration: 30s}", "hooks": "write hook:", "approval": "write hook: {approval: true}"})
	if len(a.faults) == before {
		a.m.Rollout.Steps = append(a.m.Rollout.Steps, s)
	}
}

// pause reads `pause: 30s`, `pause: {duration: 30s}`, or `pause: {}` for one that a person ends.
func (a *application) pause(f field) time.Duration {
	n := a.plain(f.node)
	switch n.(type) {
	case nil, *ast.NullNode:
		return 0
	case *ast.MappingNode, *ast.MappingValueNode:
		var d time.Duration
		a.object(f, map[string]func(field){"duration": func(f field) {
			before := len(a.faults)
			if d = a.duration(f, "duration: 30s"); d == 0 && len(a.faults) == before {
				a.fault(f.node, f.path+" has no length", "write duration: 30s, or pause: {} to wait for a person")
			}
		}}, nil)
		return d
	}
	before := len(a.faults)
	d := a.duration(f, "pause: {duration: 30s}")
	if d == 0 && len(a.faults) == before {
		a.fault(n, f.path+" has no length", "write pause: {duration: 30s}, or pause: {} to wait for a person")
	}
	return d
}
