package controller_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// life is what users do while their application is released and pruned: they start executions through aliases, on exact
// versions and on neither, which take their time, fail, and are redriven.
type life struct {
	*world
	dice            *rand.Rand // drawn from under the cloud's lock
	runs            []*run
	count, redriven int
	rest            time.Duration // the longest pause between two deeds
	done            chan struct{}
}

// run is an execution, with the definition that it keeps to its end.
type run struct {
	name, machine, version string // version is empty for one that was started without
	pins                   []release.Pin
	express                bool
	status                 string
	changed, stopped       time.Time
	before                 *run // as it was before it changed
}

const express = "shop-e"

// twoWorkflows is the application with an Express workflow too.
func twoWorkflows(code string) release.Spec {
	s := spec(code)
	e := s.Workflows[0]
	e.Key, e.Name, e.Type = "e", express, release.TypeExpress
	s.Workflows = append(s.Workflows, e)
	return s
}

func newLife(w *world) *life {
	return &life{world: w, dice: rand.New(rand.NewPCG(w.seed, 2)), rest: time.Minute, done: make(chan struct{})}
}

// live goes on until done is closed.
func (l *life) live() {
	for {
		var pause time.Duration
		l.sure(func() { pause = time.Duration(l.dice.Int64N(int64(l.rest))) + 1 })
		select {
		case <-time.After(pause):
			l.sure(l.happen)
		case <-l.done:
			return
		}
	}
}

func (l *life) happen() {
	machine := "shop-w"
	if l.dice.IntN(3) == 0 {
		machine = express
	}
	all := len(l.cloud.workflows[machine])
	switch l.dice.IntN(8) {
	case 0, 1, 2, 3:
		now, ok := l.cloud.aliases[release.Ref{Kind: release.KindStateMachine, Name: machine, Alias: "live"}]
		if !ok {
			return
		}
		v := now.Routing.Primary
		if l.dice.Float64() < now.Routing.Weight {
			v = now.Routing.Additional
		}
		l.begin(machine, v[strings.LastIndexByte(v, ':')+1:], true)
	case 4:
		if all > 0 {
			l.begin(machine, strconv.Itoa(all), false)
		}
	case 5: // by its number. Who does that with an Express workflow is out of sight for all but themselves
		v := strconv.Itoa(1 + l.dice.IntN(max(1, all)))
		if l.dice.IntN(2) == 0 {
			v = l.oldest(machine)
		}
		if machine != express && all > 0 && !l.cloud.gone[machine+":"+v] {
			l.begin(machine, v, true)
		}
	default:
		l.redrive()
	}
}

// oldest is the oldest version of a function or a state machine that there is.
func (l *life) oldest(name string) string {
	for n := 1; ; n++ {
		if v := strconv.Itoa(n); !l.cloud.gone[name+":"+v] {
			return v
		}
	}
}

// begin starts an execution with the definition of a version, which it belongs to when it is started on it.
func (l *life) begin(machine, version string, on bool) {
	if l.cloud.gone[machine+":"+version] {
		l.harm("an execution was to start on version %s of %s, which was deleted", version, machine)
		return
	}
	n := atoi(version)
	if n > len(l.cloud.workflows[machine]) {
		return // a stranger has put the alias where AWS would not have let them
	}
	l.count++
	r := &run{name: fmt.Sprint("run-", l.count), machine: machine, express: machine == express, pins: release.ScanPins(json.RawMessage(l.cloud.workflows[machine][n-1]))}
	if on {
		r.version = version
	}
	l.runs = append(l.runs, r)
	l.goOn(r)
}

// goOn lets a run run.
func (l *life) goOn(r *run) {
	l.change(r, "RUNNING")
	l.miss(r)
	longest := []time.Duration{time.Minute, time.Hour, 3 * 24 * time.Hour}[l.dice.IntN(3)]
	if r.express {
		longest = release.ExpressWindow
	}
	fails := !r.express && l.dice.IntN(5) < 2
	time.AfterFunc(time.Duration(l.dice.Int64N(int64(longest)))+1, func() {
		l.sure(func() {
			l.miss(r)
			if fails {
				l.change(r, []string{"FAILED", "TIMED_OUT", "ABORTED"}[l.dice.IntN(3)])
			} else {
				l.change(r, "SUCCEEDED")
			}
		})
	})
}

func (l *life) change(r *run, status string) {
	old := *r
	old.before = nil
	r.before, r.status, r.changed, r.stopped = &old, status, time.Now(), time.Time{}
	if status != "RUNNING" {
		r.stopped = r.changed
	}
}

// miss: what a run calls is there, whatever was released or deleted since it started.
func (l *life) miss(r *run) {
	for _, p := range r.pins {
		if l.cloud.gone[p.Function+":"+p.Version] {
			l.harm("execution %s of %s, version %q, calls version %s of %s, which was deleted", r.name, r.machine, r.version, p.Version, p.Function)
		}
	}
}

// redrive continues a run that has failed, and forgets those that are over for good.
func (l *life) redrive() {
	l.runs = slices.DeleteFunc(l.runs, func(r *run) bool { return r.status != "RUNNING" && !r.mayGoOn() && time.Since(r.changed) > time.Minute })
	var failed []*run
	for _, r := range l.runs {
		if r.status != "RUNNING" && r.mayGoOn() {
			failed = append(failed, r)
		}
	}
	if len(failed) > 0 {
		l.redriven++
		l.goOn(failed[l.dice.IntN(len(failed))])
	}
}

// mayGoOn reports whether a run runs or can be redriven.
func (r *run) mayGoOn() bool {
	return r.status == "RUNNING" || !r.express && r.status != "SUCCEEDED" && time.Since(r.stopped) <= release.RedriveWindow
}
