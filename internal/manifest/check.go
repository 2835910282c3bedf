package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tealdeploy/teal/internal/rollout"
)

// Check is what makes a step healthy. Zero values mean that the manifest says nothing.
type Check struct {
	MaxErrorRate *float64 // share of the invocations, 0 to 1
	MinRequests  int      // fewer than these give no verdict
	// Timeout is how long to wait for a verdict after a step's pause, Interval how long between two looks.
	Timeout, Interval time.Duration
	OnInconclusive    rollout.OnInconclusive
	ErrorLimit        int  // looks in a row that may fail
	DryRun            bool // MaxErrorRate is told, and decides nothing
	MinExecutions     int
	RequireExecutions bool
	Compare           []rollout.Compare
	Alarms            []rollout.Alarm
	Probes            []rollout.Probe
	Synthetic         []rollout.Synthetic
}

func (a *application) readCheck(f field) {
	c := &a.m.Rollout.Check
	if a.checked {
		a.fault(f.key, "check and analysis are two names for the same", "keep one of them")
		return
	}
	a.checked = true
	if a.isNull(f) {
		return
	}
	a.object(f, map[string]func(field){
		"maxErrorRate": func(f field) { v := a.share(f, "maxErrorRate: 1%"); c.MaxErrorRate = &v },
		"minRequests":  func(f field) { c.MinRequests = a.integer(f, 0, 1_000_000_000, "", "minRequests: 20") },
		"timeout":      func(f field) { c.Timeout = a.duration(f, "timeout: 5m") },
		"interval":     func(f field) { c.Interval = a.positive(f, "interval: 30s") },
		"onInconclusive": func(f field) {
			c.OnInconclusive = rollout.OnInconclusive(a.oneOf(f, string(rollout.PauseForPerson), string(rollout.GoBack)))
		},
		"errorLimit":        func(f field) { c.ErrorLimit = a.integer(f, 1, 1000, "", "errorLimit: 4") },
		"dryRun":            func(f field) { c.DryRun = a.boolean(f, "dryRun: true") },
		"minExecutions":     func(f field) { c.MinExecutions = a.integer(f, 1, 1_000_000_000, "", "minExecutions: 5") },
		"requireExecutions": func(f field) { c.RequireExecutions = a.boolean(f, "requireExecutions: true") },
		"compare":           a.readCompare,
		"alarms":            a.readAlarms,
		"probes": func(f field) {
			a.list(f, "a list of HTTP requests", "- url: https://shop.example.com/health", a.readProbe)
		},
		"synthetic": func(f field) {
			a.list(f, "a list of functions", "- {function: hello, payload: {}, requests: 5}", a.readSynthetic)
		},
	}, map[string]string{"failureLimit": "write maxErrorRate:", "consecutiveErrorLimit": "write errorLimit:", "count": "write minRequests:"})
}

// readCompare reads `compare: true`, or what is compared and how.
func (a *application) readCompare(f field) {
	c := &a.m.Rollout.Check
	n := a.plain(f.node)
	if b, ok := n.(*ast.BoolNode); ok {
		if !b.Value {
			a.fault(n, f.path+" is false", "remove it")
			return
		}
		c.Compare = append(c.Compare, rollout.Compare{Metric: rollout.MetricErrors})
		return
	}
	metric := func(m rollout.Metric) func(field) {
		return func(f field) {
			of := rollout.Compare{Metric: m}
			if b, ok := a.plain(f.node).(*ast.BoolNode); ok && b.Value || a.isNull(f) {
				c.Compare = append(c.Compare, of)
				return
			}
			known := map[string]func(field){
				"worseBy":    func(f field) { of.WorseBy = a.part(f, 0.0001, 100, "worseBy: 25%") },
				"level":      func(f field) { of.Level = a.part(f, 1e-9, 0.5, "level: 1%") },
				"untilShown": func(f field) { of.UntilShown = a.boolean(f, "untilShown: true") },
				"dryRun":     func(f field) { of.DryRun = a.boolean(f, "dryRun: true") },
			}
			if m == rollout.MetricLatency {
				known["quantile"] = func(f field) { of.Quantile = a.part(f, 0.5, 0.999, "quantile: 95%") }
			}
			if a.object(f, known, map[string]string{"confidence": "write level: with the chance of a false alarm, such as 1%", "alpha": "write level:", "percentile": "write quantile:"}) {
				c.Compare = append(c.Compare, of)
			}
		}
	}
	a.object(f, map[string]func(field){string(rollout.MetricErrors): metric(rollout.MetricErrors), string(rollout.MetricLatency): metric(rollout.MetricLatency)},
		map[string]string{"duration": "write latency:", "errorRate": "write errors:"})
}

func (a *application) readAlarms(f field) {
	c := &a.m.Rollout.Check
	add := func(f field, alarm rollout.Alarm) {
		for _, other := range c.Alarms {
			if other.Name == alarm.Name {
				a.fault(f.node, fmt.Sprintf("alarm %s is there twice", alarm.Name), "keep one of them")
				return
			}
		}
		c.Alarms = append(c.Alarms, alarm)
	}
	one := func(f field) {
		if n := a.plain(f.node); n != nil {
			if _, ok := rawText(n); ok {
				if name := a.nonEmpty(f, "alarms: [shop-5xx]"); name != "" {
					add(f, rollout.Alarm{Name: name})
				}
				return
			}
		}
		var alarm rollout.Alarm
		before := len(a.faults)
		if a.object(f, map[string]func(field){
			"name":   func(f field) { alarm.Name = a.nonEmpty(f, "name: shop-5xx") },
			"dryRun": func(f field) { alarm.DryRun = a.boolean(f, "dryRun: true") },
		}, nil) && len(a.faults) == before {
			if alarm.Name == "" {
				a.fault(f.node, f.path+" has no name", "write name: with the name of a CloudWatch alarm")
				return
			}
			add(f, alarm)
		}
	}
	if _, list := a.plain(f.node).(*ast.SequenceNode); list {
		a.list(f, "a list of alarms", "alarms: [shop-5xx]", one)
		return
	}
	one(f)
}

func (a *application) readProbe(f field) {
	p := rollout.Probe{}
	before := len(a.faults)
	p.Request = a.request(f, map[string]func(field){
		"name":   func(f field) { p.Name = a.nonEmpty(f, "name: health") },
		"dryRun": func(f field) { p.DryRun = a.boolean(f, "dryRun: true") },
	})
	if p.Name == "" {
		p.Name = p.Request.URL
	}
	if len(a.faults) == before {
		a.m.Rollout.Check.Probes = append(a.m.Rollout.Check.Probes, p)
	}
}

func (a *application) readSynthetic(f field) {
	var s rollout.Synthetic
	before := len(a.faults)
	if !a.object(f, map[string]func(field){
		"function": func(f field) { s.Function = a.functionKey(f) },
		"payload":  func(f field) { s.Payload = a.jsonText(f) },
		"requests": func(f field) { s.Requests = a.integer(f, 1, 100, "", "requests: 5") },
	}, map[string]string{"input": "write payload:", "event": "write payload:"}) || len(a.faults) > before {
		return
	}
	if s.Function == "" {
		a.fault(f.node, f.path+" has no function", "write function: with a key of functions")
		return
	}
	a.m.Rollout.Check.Synthetic = append(a.m.Rollout.Check.Synthetic, s)
}

// part reads a number such as 0.25 or 25%, between two bounds.
func (a *application) part(f field, least, most float64, example string) float64 {
	n := a.plain(f.node)
	if n == nil {
		return 0
	}
	before := len(a.faults)
	s, _ := a.scalar(f)
	if len(a.faults) > before {
		return 0
	}
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < least || v > most {
		a.wrong(f, n, fmt.Sprintf("a number from %g to %g, or so many percent", least, most), example)
		return 0
	}
	return v
}
