package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

// brokePrune are seeds of TestSimulationOfPruning that once found something; they are always played.
var brokePrune = []uint64{347, 376, 1151, 5806}

// TestSimulationOfPruning plays releases one after another, the first as TestSimulation does, with prunings between and during
// them that die, are throttled, lose answers, delete late and read what was, while executions begin, fail and are
// redriven. At every deletion nothing may need what is deleted, and no execution may ever miss a version that it calls. In the
// end a pruning without trouble leaves exactly what is needed.
func TestSimulationOfPruning(t *testing.T) {
	var sum tally
	play := func(seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playPruning(t, seed, &sum) })
		})
	}
	for _, seed := range brokePrune {
		play(seed)
	}
	for i := range uint64(*seeds / 3) { // each plays several releases
		play(*fromSeed + i)
		if t.Failed() {
			break
		}
	}
	t.Logf("%+v", sum)
	if *seeds >= 300 && !t.Failed() && (sum.Deleted < 500 || sum.Died < 20 || sum.Held < 3 || sum.Needed < 1 || sum.Runs < 5000) {
		t.Errorf("%+v: the model has grown tame", sum)
	}
}

// tally counts what happened over all seeds.
type tally struct{ Prunings, Died, Held, Deleted, Needed, Runs, Redriven int }

func playPruning(t *testing.T, seed uint64, sum *tally) {
	w := newWorld(t, seed)
	w.app = twoWorkflows
	w.spec = w.app("green")
	l := newLife(w)
	j := &janitor{life: l, dice: rand.New(rand.NewPCG(seed, 3)), sum: sum, foreign: map[string]string{}}
	j.trouble = []int{0, 5, 15, 40}[j.dice.IntN(4)]
	if j.dice.IntN(3) == 0 {
		j.foreign["other"] = `{"StartAt":"x","States":{"x":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:shop-p:1","End":true}}}`
	}
	go l.live()
	during := make(chan struct{})
	w.began = func() {
		go func() { // also while the first release goes out
			defer close(during)
			for range j.dice.IntN(3) {
				time.Sleep(time.Duration(j.dice.Int64N(int64(20 * time.Minute))))
				j.prune()
			}
		}()
	}
	w.ended = func() { <-during }
	w.play()
	<-during
	j.calm = true
	for i := range 2 + j.dice.IntN(4) {
		if t.Failed() {
			break
		}
		j.idle()
		for range j.dice.IntN(3) {
			j.prune()
			j.idle()
		}
		w.release(fmt.Sprint("next", i))
	}
	j.last()
	sum.Runs += l.count
	sum.Redriven += l.redriven
	synctest.Wait()
}

// release brings a release in without any trouble.
func (w *world) release(code string) {
	w.trouble, w.force, w.overruled = 0, true, true
	out, err := w.start().Run(w.t.Context(), controller.Request{Spec: w.app(code)})
	if err != nil || out.ExitCode != controller.ExitDone {
		w.harm("release %s: exit %d, %v, %s", code, out.ExitCode, err, out.State.Cause)
	}
}

// janitor prunes.
type janitor struct {
	*life
	dice    *rand.Rand
	trouble int
	sum     *tally
	calm    bool              // no rollout is on
	foreign map[string]string // definitions of state machines of others, by name
}

// idle lets a while pass: mostly minutes, at times weeks.
func (j *janitor) idle() {
	d := time.Duration(j.dice.Int64N(int64([]time.Duration{time.Minute, 10 * time.Minute, 5 * time.Hour, 20 * 24 * time.Hour}[j.dice.IntN(4)])))
	j.sure(func() { j.rest = max(time.Minute, d/20) })
	time.Sleep(d)
	j.sure(func() { j.rest = time.Minute })
}

// prune runs one process that may die.
func (j *janitor) prune() {
	j.sure(func() { j.pid++ })
	m := &mortal{Ledger: j.ledger}
	if j.trouble > 0 && j.dice.IntN(3) > 0 {
		m.dieAt, m.after = 1+j.dice.IntN(40), j.dice.IntN(2) == 0
	}
	p := &pruner{janitor: j, mortal: m, dice: rand.New(rand.NewPCG(j.seed, uint64(j.pid)<<8))}
	p.request = controller.PruneRequest{
		Ledger: m, Versions: p, Spec: j.spec, Owner: ledger.Owner{By: "eve", Host: "here", PID: j.pid},
		Releases: []int{0, 0, 1, 3}[j.dice.IntN(4)], Grace: []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour}[j.dice.IntN(4)], Settle: lag,
	}
	j.sum.Prunings++
	putBack := func() {}
	if j.calm && j.dice.IntN(3) == 0 {
		putBack = j.meddle()
	}
	j.sure(func() { j.rest = 2 * time.Second }) // much happens while it is at work
	_, err := controller.Prune(j.t.Context(), p.request)
	j.sure(func() { j.rest = time.Minute })
	putBack()
	var held *ledger.HeldError
	switch {
	case errors.As(err, &held):
		j.sum.Held++
	case m.dead:
		j.sum.Died++
		j.sure(func() { j.dead[p.request.Owner.PID] = true })
	}
}

// meddle has a stranger move an alias soon to any version that there is, and gives what puts it back.
func (j *janitor) meddle() (putBack func()) {
	all := refs(j.spec)
	ref := all[j.dice.IntN(len(all))]
	oldest, which := j.dice.IntN(2) == 0, j.dice.Float64()
	var was *release.AliasRouting
	timer := time.AfterFunc(time.Duration(j.dice.Int64N(int64(40*time.Second)))+1, func() {
		j.sure(func() {
			n := strconv.Itoa(1 + int(which*float64(len(j.cloud.functions[ref.Name])+len(j.cloud.workflows[ref.Name]))))
			if oldest { // which is what goes first
				n = j.oldest(ref.Name)
			}
			now, ok := j.cloud.aliases[ref]
			if !ok || j.cloud.gone[ref.Name+":"+n] {
				return // AWS would not let them
			}
			was = &now
			if ref.Kind == release.KindStateMachine {
				n = machineARN(ref.Name, n)
			}
			j.move(ref, alias.Routing{Primary: n})
		})
	})
	return func() {
		timer.Stop()
		j.sure(func() {
			if was != nil {
				j.move(ref, was.Routing)
			}
		})
	}
}

func (j *janitor) move(ref release.Ref, to alias.Routing) {
	j.past[ref] = append(j.past[ref], seen{at: time.Now(), routing: j.cloud.aliases[ref]})
	j.put(ref, to)
}

// last prunes without trouble once nothing but the releases needs anything, and checks what is left.
func (j *janitor) last() {
	close(j.done) // nobody starts anything any more
	time.Sleep(release.RedriveWindow + 4*24*time.Hour)
	j.trouble = 0
	j.dice = rand.New(rand.NewPCG(j.seed, 4))
	for range 2 { // the second finds nothing to do
		p := &pruner{janitor: j, mortal: &mortal{Ledger: j.ledger}, dice: j.dice}
		j.pid++
		p.request = controller.PruneRequest{Ledger: p.mortal, Versions: p, Spec: j.spec, Owner: ledger.Owner{By: "eve", Host: "here", PID: j.pid}, Releases: 1}
		out, err := controller.Prune(j.t.Context(), p.request)
		if err != nil || len(out.Spared) > 0 {
			j.harm("the last pruning: %v, spared %v", err, out.Spared)
		}
	}
	want := map[string]bool{}
	for machine, all := range j.cloud.workflows {
		want[machine+":"+strconv.Itoa(len(all))] = true
	}
	for function, all := range j.cloud.functions {
		want[function+":"+strconv.Itoa(len(all))] = true
	}
	for _, a := range j.cloud.aliases {
		for _, v := range a.Routing.Versions() {
			want[a.Ref.Name+":"+v[strings.LastIndexByte(v, ':')+1:]] = true
		}
	}
	for _, r := range j.retained(1) {
		for _, v := range r.Functions {
			want[v.Name+":"+v.Version] = true
		}
		for _, v := range r.Workflows {
			want[v.Name+v.ARN[strings.LastIndexByte(v.ARN, ':'):]] = true
		}
	}
	for machine, all := range j.machines() {
		for i, definition := range all {
			if n := machine + ":" + strconv.Itoa(i+1); want[n] || j.foreign[machine] != "" {
				for _, p := range release.ScanPins(json.RawMessage(definition)) {
					want[p.Function+":"+p.Version] = true
				}
			}
		}
	}
	left := map[string]bool{}
	for _, of := range []map[string][]string{j.cloud.functions, j.cloud.workflows} {
		for name, all := range of {
			for i := range all {
				if v := name + ":" + strconv.Itoa(i+1); !j.cloud.gone[v] {
					left[v] = true
				}
			}
		}
	}
	if !maps.Equal(left, want) {
		j.harm("left are %v, needed are %v", slices.Sorted(maps.Keys(left)), slices.Sorted(maps.Keys(want)))
	}
}

// machines are all definitions by state machine, also of those of others.
func (j *janitor) machines() map[string][]string {
	all := maps.Clone(j.cloud.workflows)
	for name, definition := range j.foreign {
		all[name] = []string{definition}
	}
	return all
}

// retained are the releases that a rollback may go to.
func (j *janitor) retained(newest int) []release.Release {
	current, err := j.ledger.Current(j.t.Context(), "shop")
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		j.harm("the ledger: %v", err)
	}
	all, err := j.ledger.Releases(j.t.Context(), "shop")
	if err != nil {
		j.harm("the ledger: %v", err)
	}
	var out []release.Release
	for i, r := range all {
		if i < newest || r.ID == current.Release || r.ID == current.Previous {
			out = append(out, r.Release)
		}
	}
	return out
}

// pruner is the versions as one process sees them, until it dies.
type pruner struct {
	*janitor
	*mortal
	dice    *rand.Rand
	request controller.PruneRequest
	looked  time.Time // when the executions of what is about to be deleted were listed
}

// read takes its time, and may fail.
func (p *pruner) read(ctx context.Context, what string) error {
	var took time.Duration
	var f fate
	p.sure(func() {
		took = 10*time.Millisecond + time.Duration(p.dice.Int64N(int64(time.Second)))
		if p.dice.IntN(1000) < p.trouble*4 { // of some dozens in a pruning
			f = []fate{refusedBriefly, broken, denied}[p.dice.IntN(3)]
		}
	})
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := failure(f); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// lag is how far behind a list may be.
const lag = 3 * time.Second

// lags reports whether a reading shows what was, of something that changed at a time.
func (p *pruner) lags(changed time.Time) bool {
	return time.Since(changed) < lag && p.dice.IntN(100) < p.trouble
}

func (p *pruner) Inventory(ctx context.Context, s release.Spec, at time.Time) (release.Inventory, error) {
	return act(p.mortal, func() (release.Inventory, error) {
		inv := release.Inventory{At: at}
		var names []string
		if err := p.read(ctx, "the state machines"); err != nil {
			inv.Unread = append(inv.Unread, err.Error())
			for _, of := range s.Workflows {
				names = append(names, of.Name)
			}
		} else {
			p.sure(func() { names = slices.Sorted(maps.Keys(p.machines())) })
		}
		for _, f := range s.Functions {
			inv.Functions = append(inv.Functions, p.function(ctx, f.Name))
		}
		for _, name := range names {
			inv.Machines = append(inv.Machines, p.machine(ctx, name))
		}
		return inv, ctx.Err()
	})
}

func (p *pruner) function(ctx context.Context, name string) release.FunctionInventory {
	f := release.FunctionInventory{Name: name}
	if err := p.read(ctx, "the versions"); err != nil {
		f.Unread = append(f.Unread, err.Error())
	}
	p.sure(func() {
		for i := range p.cloud.functions[name] {
			n := strconv.Itoa(i + 1)
			if !p.cloud.gone[name+":"+n] {
				f.Versions = append(f.Versions, release.SeenVersion{Version: n, ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + name + ":" + n, Created: p.cloud.born[name+":"+n]})
			}
		}
	})
	if a, err := p.alias(ctx, release.Ref{Kind: release.KindFunction, Name: name, Alias: "live"}); err != nil {
		f.Unread = append(f.Unread, err.Error())
	} else {
		f.Aliases = a
	}
	return f
}

func (p *pruner) alias(ctx context.Context, ref release.Ref) (all []release.AliasRouting, err error) {
	if err := p.read(ctx, "the aliases of "+ref.Name); err != nil {
		return nil, err
	}
	p.sure(func() {
		now, ok := p.cloud.aliases[ref]
		if old := p.past[ref]; len(old) > 0 && p.lags(old[len(old)-1].at) {
			now, ok = old[len(old)-1].routing, !old[len(old)-1].absent
		}
		if ok {
			all = append(all, now)
		}
	})
	return all, nil
}

// moved is when an alias was last changed.
func (p *pruner) moved(ref release.Ref) (at time.Time) {
	p.sure(func() {
		if old := p.past[ref]; len(old) > 0 {
			at = old[len(old)-1].at
		}
	})
	return at
}

func (p *pruner) machine(ctx context.Context, name string) release.MachineInventory {
	m := release.MachineInventory{Name: name, ARN: machineARN(name, "")}
	m.Foreign, m.Express = p.foreign[name] != "", name == express
	unread := func(err error) bool {
		if err != nil {
			m.Unread = append(m.Unread, err.Error())
		}
		return err != nil
	}
	if unread(p.read(ctx, "the definition of "+name)) {
		return m
	}
	var all []string
	p.sure(func() {
		all = p.machines()[name]
		if len(all) > 0 {
			m.Latest, m.Updated = release.ScanPins(json.RawMessage(all[len(all)-1])), p.cloud.born[name+":"+strconv.Itoa(len(all))]
		}
	})
	if m.Foreign || unread(p.read(ctx, "the versions of "+name)) {
		return m
	}
	p.sure(func() {
		for i := range p.cloud.workflows[name] {
			n := strconv.Itoa(i + 1)
			if !p.cloud.gone[name+":"+n] {
				m.Versions = append(m.Versions, release.SeenVersion{Version: machineARN(name, n), ARN: machineARN(name, n), Created: p.cloud.born[name+":"+n]})
			}
		}
	})
	for i, v := range m.Versions {
		if !unread(p.read(ctx, "version "+v.ARN)) {
			p.sure(func() { m.Versions[i].Pins = p.pinsOf(name, v.ARN) })
		}
	}
	ref := release.Ref{Kind: release.KindStateMachine, Name: name, Alias: "live"}
	if a, err := p.alias(ctx, ref); !unread(err) {
		m.Aliases, m.Moved = a, p.moved(ref)
	}
	if m.Express {
		return m
	}
	for _, status := range []string{"RUNNING", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING"} {
		if unread(p.read(ctx, "the executions of "+name)) {
			return m
		}
		p.sure(func() { m.Executions = append(m.Executions, p.executions(name, status)...) })
	}
	return m
}

func (p *pruner) pinsOf(machine, version string) []release.Pin {
	n, _ := strconv.Atoi(version[strings.LastIndexByte(version, ':')+1:])
	return release.ScanPins(json.RawMessage(p.cloud.workflows[machine][n-1]))
}

// executions lists those of a status, as they are or were a moment ago.
func (p *pruner) executions(machine, status string) (all []release.SeenExecution) {
	for _, r := range p.runs {
		name := r.name
		if p.lags(r.changed) {
			r = r.before
		}
		if r.machine != machine || r.status != status || !r.mayGoOn() {
			continue
		}
		e := release.SeenExecution{ARN: name, Status: status, Stopped: r.stopped}
		if r.version != "" {
			e.Version = machineARN(machine, r.version)
		}
		if r.version == "" || p.cloud.gone[machine+":"+r.version] {
			e.Pins = r.pins
		}
		all = append(all, e)
	}
	return all
}

var errNeeded = errors.New("it is needed after all")

func (p *pruner) Delete(ctx context.Context, k release.Kept) error {
	return actErr(p.mortal, func() (err error) {
		defer func() {
			if errors.Is(err, errNeeded) {
				p.sure(func() { p.sum.Needed++ })
			}
		}()
		ref := release.Ref{Kind: k.Kind, Name: k.Name, Alias: "live"}
		all, err := p.alias(ctx, ref)
		if err != nil {
			return err
		}
		for _, a := range all {
			if slices.Contains(a.Routing.Versions(), k.Version) {
				return errNeeded
			}
		}
		if k.Name == express && p.moved(ref).After(k.Moved) {
			return errNeeded
		}
		if k.Kind == release.KindStateMachine && k.Name != express {
			if err := p.read(ctx, "the executions of "+k.ARN); err != nil {
				return err
			}
			running := false
			p.sure(func() {
				p.looked = time.Now()
				for _, e := range p.executions(k.Name, "RUNNING") {
					running = running || e.Version == k.ARN
				}
			})
			if running {
				return errNeeded
			}
			p.sure(func() {
				if v := k.ARN[strings.LastIndexByte(k.ARN, ':')+1:]; p.request.Settle > 0 && p.dice.IntN(8) == 0 && !p.cloud.gone[k.Name+":"+v] {
					p.begin(k.Name, v, true) // of all moments, now
				}
			})
		}
		var f fate
		var later time.Duration
		p.sure(func() {
			if p.dice.IntN(100) < p.trouble {
				f = []fate{refusedBriefly, broken, lost, late, denied}[p.dice.IntN(5)]
			}
			later = time.Duration(p.dice.Int64N(int64(20 * time.Second)))
		})
		if err := p.read(ctx, "delete "+k.ARN); err != nil {
			return err
		}
		switch f {
		case fine, lost:
			err = p.remove(k)
		case late:
			time.AfterFunc(later, func() { _ = p.remove(k) })
		}
		return errors.Join(err, failure(f))
	})
}

// remove is the service's own deletion. It also is where harm would show.
func (p *pruner) remove(k release.Kept) (err error) {
	p.sure(func() {
		v := k.Name + k.ARN[strings.LastIndexByte(k.ARN, ':'):]
		if p.cloud.gone[v] {
			return
		}
		if slices.Contains(p.cloud.aliases[release.Ref{Kind: k.Kind, Name: k.Name, Alias: "live"}].Routing.Versions(), k.Version) {
			err = errNeeded
			return
		}
		for _, why := range p.needs(k.Kind, k.Name, v) {
			p.harm("%s was deleted, but %s (grace %s, %d releases stay)", v, why, p.request.Grace, p.request.Releases)
		}
		p.cloud.gone[v] = true
		p.sum.Deleted++
	})
	return err
}

// needs gives all reasons to keep a version, as only a god knows them.
func (p *pruner) needs(kind release.Kind, name, v string) (why []string) {
	n := v[strings.LastIndexByte(v, ':')+1:]
	calls := func(pins []release.Pin) bool {
		return slices.ContainsFunc(pins, func(pin release.Pin) bool { return pin.Function+":"+pin.Version == v })
	}
	if len(p.cloud.functions[name])+len(p.cloud.workflows[name]) == atoi(n) {
		why = append(why, "it is the newest")
	}
	for _, r := range p.runs {
		if !r.mayGoOn() {
			continue
		}
		if kind == release.KindFunction && calls(r.pins) {
			why = append(why, fmt.Sprintf("execution %s (%s, version %q, %s since %s) calls it", r.name, r.machine, r.version, r.status, time.Since(r.changed)))
		}
		// What starts between the look and the deletion nobody can see. It goes on, and what it calls is looked for again.
		if kind == release.KindStateMachine && r.machine == name && r.version == n && (r.express || r.changed.Before(p.looked.Add(-lag))) {
			why = append(why, fmt.Sprintf("execution %s (%s since %s) is on it", r.name, r.status, time.Since(r.changed)))
		}
	}
	for machine, all := range p.machines() {
		for i, definition := range all {
			if m := machine + ":" + strconv.Itoa(i+1); kind == release.KindFunction && !p.cloud.gone[m] && calls(release.ScanPins(json.RawMessage(definition))) {
				why = append(why, m+" calls it")
			}
		}
	}
	for _, r := range p.retained(p.request.Releases) {
		for _, f := range r.Functions {
			if f.Name+":"+f.Version == v {
				why = append(why, "release "+r.ID+" has it")
			}
		}
		for _, w := range r.Workflows {
			if w.Name+w.ARN[strings.LastIndexByte(w.ARN, ':'):] == v || calls(w.Pins) {
				why = append(why, "release "+r.ID+" has it or calls it")
			}
		}
	}
	if g := p.request.Grace; time.Since(p.cloud.born[v]) < g-time.Minute {
		why = append(why, "it was published "+time.Since(p.cloud.born[v]).String()+" ago")
	} else if at, ok := p.served[v]; ok && time.Since(at) < g-time.Minute {
		why = append(why, "it had traffic until "+time.Since(at).String()+" ago")
	}
	return why
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
