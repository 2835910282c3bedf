package manifest

import (
	"time"

	"github.com/goccy/go-yaml/ast"
)

const stepExample = "- setWeight: 10, - pause: {duration: 30s} or - check: true"

func (a *application) readRollout(f field) {
	o := &a.m.Rollout
	var strategy, steps field
	check := func(f field) { a.readCheck(f) }
	a.object(f, map[string]func(field){
		"strategy": func(f field) {
			strategy = f
			o.Strategy = a.nonEmpty(f, "strategy: Canary10Percent5Minutes")
		},
		"steps": func(f field) {
			steps = f
			before := len(a.faults)
			a.list(f, "a list of steps", stepExample, a.readStep)
			if len(o.Steps) == 0 && len(a.faults) == before {
				a.fault(f.key, "rollout.steps has no step", "write "+stepExample)
			}
		},
		"interval": func(f field) { o.StepWait = a.duration(f, "interval: 30s") },
		"hooks": func(f field) {
			a.object(f, map[string]func(field){
				"beforeAllowTraffic": func(f field) { o.Hooks.BeforeAllowTraffic = a.hookFunctions(f) },
				"afterAllowTraffic":  func(f field) { o.Hooks.AfterAllowTraffic = a.hookFunctions(f) },
			}, map[string]string{
				"preTraffic": "write beforeAllowTraffic:", "postTraffic": "write afterAllowTraffic:",
				"BeforeAllowTraffic": "write beforeAllowTraffic:", "AfterAllowTraffic": "write afterAllowTraffic:",
			})
		},
		"check": check, "analysis": check,
	}, map[string]string{
		"type": "write strategy: with the name of a preset, such as Canary10Percent5Minutes", "alarms": "alarms are not read yet; write check: {maxErrorRate: 1%}",
		"maxErrorRate": "write it under check:", "minRequests": "write it under check:",
	})
	if strategy.node != nil && steps.node != nil {
		a.fault(steps.key, "rollout has a strategy and steps", "keep one of them")
	}
}

func (a *application) hookFunctions(f field) (out []string) {
	a.words(f, "beforeAllowTraffic: <key of a function>", func(f field, s string) {
		a.mustExist(f, "function", s, a.functions)
		out = append(out, s)
	})
	return out
}

func (a *application) readCheck(f field) {
	c := &a.m.Rollout.Check
	if *c != (Check{}) {
		a.fault(f.key, "check and analysis are two names for the same", "keep one of them")
		return
	}
	a.object(f, map[string]func(field){
		"maxErrorRate": func(f field) { c.MaxErrorRate = a.share(f, "maxErrorRate: 1%") },
		"minRequests":  func(f field) { c.MinRequests = a.integer(f, 0, 1_000_000_000, "", "minRequests: 20") },
		"timeout":      func(f field) { c.Timeout = a.duration(f, "timeout: 5m") },
	}, nil)
}

// readStep reads one step: a mapping with exactly one member.
func (a *application) readStep(f field) {
	n := a.plain(f.node)
	if n == nil {
		return
	}
	list, ok := a.entries(n)
	if !ok {
		a.wrong(f, n, "a mapping with one of setWeight, pause and check", stepExample)
		return
	}
	if len(list) != 1 {
		a.fault(n, f.path+" takes exactly one of setWeight, pause and check", "write one step for each")
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
	}, map[string]string{"weight": "write setWeight:", "wait": "write pause: {duration: 30s}", "hook": "hooks stand under rollout.hooks"})
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
