package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

var (
	seeds    = flag.Int("seeds", 300, "how many seeded rollouts TestSimulation plays")
	fromSeed = flag.Uint64("from", 1, "the first seed")
)

// broke are seeds that once found something; they are always played.
var broke = []uint64{80, 900, 6501, 6730, 8641}

// TestSimulation plays seeded rollouts, each with a controller that dies before and after what it does and others that take
// over, against a model of AWS that is slow, throttles, fails, loses answers of what it has done, does it later, and shows
// what was. After each, and at every write, what holds always must hold. A seed fixes everything: every call of the model
// takes a time of its own, so that no two things happen at once.
func TestSimulation(t *testing.T) {
	ends := map[string]int{}
	play := func(seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				ends[w.play()]++
			})
		})
	}
	for _, seed := range broke {
		play(seed)
	}
	for i := range uint64(*seeds) {
		play(*fromSeed + i)
		if t.Failed() {
			break // one is enough to look at
		}
	}
	t.Logf("%v", ends)
	if *seeds >= 300 && !t.Failed() {
		for _, end := range []string{"promoted", "rolled-back", "failed", "failed-dirty then rolled-back"} {
			if ends[end] == 0 {
				t.Errorf("no rollout ended %s: the model has grown tame", end)
			}
		}
	}
}

// world is the model of AWS, of the people around it, and of the processes that drive the rollout.
type world struct {
	*bench
	seed  uint64
	dice  *rand.Rand        // of the play itself, which is one goroutine
	calls map[string]uint64 // by operation and subject: the next draw of each does not depend on the others

	trouble  int       // percent of calls that go wrong
	until    time.Time // when all trouble is over
	spec     release.Spec
	settings rollout.Settings

	past      map[release.Ref][]seen   // what a reading may still show
	foreign   map[release.Ref]bool     // written by someone else since
	unheard   map[release.Ref][]string // routings asked for since a success was last answered: nobody could tell whose they are
	heard     map[release.Ref]string   // the routing that was last seen, or set with an answer
	force     bool                     // a person has said that it may be overwritten
	overruled bool                     // a person took a verdict upon themselves
	healthy   map[int]bool             // steps for which a good observation was handed over
	before    map[release.Ref]release.AliasRouting
	deaths    int
	over      bool // the rollout has ended: strangers keep away
	log       []string
	green     string // the version that the release is to have
	zone      *zone  // where traffic is split at the DNS; nil where it is not
}

type seen struct {
	at      time.Time
	routing release.AliasRouting
	absent  bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		bench: newBench(t), seed: seed, dice: rand.New(rand.NewPCG(seed, 1)), calls: map[string]uint64{}, past: map[release.Ref][]seen{},
		foreign: map[release.Ref]bool{}, unheard: map[release.Ref][]string{}, heard: map[release.Ref]string{}, healthy: map[int]bool{}, before: map[release.Ref]release.AliasRouting{}, spec: spec("green"), green: "2",
	}
	w.trouble = []int{0, 3, 10, 25, 45}[w.dice.IntN(5)]
	weight := 0
	for range w.dice.IntN(4) {
		weight += 1 + w.dice.IntN(30)
		s := rollout.Shift{Weight: weight, Pause: time.Duration(w.dice.IntN(4)) * 20 * time.Second, Check: w.dice.IntN(4) > 0, Hold: w.dice.IntN(8) == 0}
		switch w.dice.IntN(6) {
		case 0:
			s.Hooks = []rollout.Hook{{Name: "load", Function: "p", Retries: w.dice.IntN(3)}}
		case 1:
			s.Hooks = []rollout.Hook{{Name: "agree", Approval: true}}
		}
		w.settings.Strategy.Steps = append(w.settings.Strategy.Steps, s)
	}
	w.settings.Strategy.Steps = append(w.settings.Strategy.Steps, rollout.Shift{Weight: 100})
	w.settings.Bake, w.settings.CheckBake = time.Duration(w.dice.IntN(3))*time.Minute, w.dice.IntN(2) == 0
	w.settings.Check = rollout.CheckSettings{
		Interval: 10 * time.Second, Timeout: time.Minute, MinRequests: 20, MaxErrorRate: 0.05,
		Compare: []rollout.Compare{{Metric: rollout.MetricErrors}}, OnInconclusive: []rollout.OnInconclusive{rollout.PauseForPerson, rollout.GoBack}[w.dice.IntN(2)],
	}
	if w.dice.IntN(3) == 0 {
		w.settings.Check.Alarms = []rollout.Alarm{{Name: "5xx"}}
		w.settings.IgnoreAlarms = w.dice.IntN(2) == 0
	}
	if w.dice.IntN(2) == 0 {
		w.settings.Before = []rollout.Hook{{Name: "smoke", Function: "p"}, {Name: "sure", Approval: true, Timeout: time.Hour}}
	}
	if w.dice.IntN(3) == 0 {
		w.settings.After = []rollout.Hook{{Name: "after", Function: "p"}}
	}
	return w
}

// roll draws below n. The stranger draws too, from another goroutine.
func (w *world) roll(n int) int {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	return w.dice.IntN(n)
}

// sure does what others see from then on.
func (w *world) sure(do func()) {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	do()
}

// draw gives the dice of one call.
func (w *world) draw(op, subject string) *rand.Rand {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	key := op + " " + subject
	w.calls[key]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", w.seed, key, w.calls[key])
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// fate is what becomes of a call.
type fate int

const (
	fine fate = iota
	refusedBriefly
	broken  // not done
	lost    // done, and the answer is lost
	late    // not done yet, but later, when the caller has given up
	hanging // not done, and no answer
	denied  // not done, for good
)

// call takes its time and draws what becomes of it.
func (w *world) call(ctx context.Context, op, subject string, can ...fate) (fate, *rand.Rand, error) {
	dice := w.draw(op, subject)
	took := 20*time.Millisecond + time.Duration(dice.Int64N(int64(3*time.Second)))
	f := fine
	if dice.IntN(100) < w.trouble && time.Now().Before(w.until) {
		f = can[dice.IntN(len(can))]
		if f == denied && dice.IntN(3) > 0 {
			f = broken
		}
	}
	if f == hanging {
		took = time.Hour
	}
	select {
	case <-time.After(took):
		return f, dice, nil
	case <-ctx.Done():
		return f, dice, ctx.Err()
	}
}

func failure(f fate) error {
	switch f {
	case refusedBriefly:
		return &apiError{"TooManyRequestsException"}
	case denied:
		return &apiError{"AccessDeniedException"}
	case fine:
		return nil
	}
	return errors.New("connection reset by peer")
}

// apiError is an error that AWS blames the caller for.
type apiError struct{ code string }

func (e *apiError) Error() string                 { return e.code }
func (e *apiError) ErrorCode() string             { return e.code }
func (e *apiError) ErrorMessage() string          { return "drawn" }
func (e *apiError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// process is the world as one process sees it, until it dies.
type process struct {
	*world
	*mortal
}

func (p *process) GetRouting(ctx context.Context, ref release.Ref) (release.AliasRouting, error) {
	f, dice, err := p.call(ctx, "get", ref.String(), refusedBriefly, broken, hanging)
	if err == nil {
		err = failure(f)
	}
	return act(p.mortal, func() (release.AliasRouting, error) {
		if err != nil {
			return release.AliasRouting{}, err
		}
		now := p.current(ref)
		var old []seen
		p.sure(func() { old = p.past[ref] })
		if len(old) > 0 && time.Since(old[len(old)-1].at) < 2*time.Second && dice.IntN(100) < p.trouble {
			now = old[len(old)-1] // eventually consistent
		}
		if now.absent {
			return release.AliasRouting{}, release.ErrNoAlias
		}
		p.sure(func() {
			if !p.foreign[ref] {
				p.heard[ref] = now.routing.Routing.String()
			}
		})
		now.routing.Change = "" // only the answer of a write names one
		return now.routing, nil
	})
}

func (w *world) current(ref release.Ref) seen {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	r, ok := w.cloud.aliases[ref]
	return seen{at: time.Now(), routing: r, absent: !ok}
}

func (p *process) SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	f, dice, err := p.call(ctx, "set", want.Ref.String(), refusedBriefly, broken, lost, late, hanging, denied)
	p.mortal.mu.Lock()
	dead := p.mortal.dead
	p.mortal.mu.Unlock()
	if !dead {
		p.sure(func() { p.unheard[want.Ref] = append(p.unheard[want.Ref], want.Routing.String()) })
	}
	return act(p.mortal, func() (release.AliasRouting, error) {
		switch {
		case err != nil:
			return release.AliasRouting{}, err
		case f == lost:
			_, _ = p.write(want)
		case f == late:
			time.AfterFunc(time.Duration(dice.Int64N(int64(20*time.Second))), func() { _, _ = p.write(want) })
		}
		if f != fine {
			return release.AliasRouting{}, failure(f)
		}
		now, err := p.write(want)
		p.mortal.mu.Lock()
		defer p.mortal.mu.Unlock()
		if err == nil && (p.mortal.acts != p.mortal.dieAt || !p.mortal.after) {
			p.sure(func() { p.unheard[want.Ref], p.heard[want.Ref] = nil, want.Routing.String() })
		}
		return now, err
	})
}

// write is the compare-and-swap of the service. It also is where harm would show.
func (w *world) write(want release.AliasRouting) (release.AliasRouting, error) {
	old := w.current(want.Ref)
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	if w.cloud.aliases[want.Ref].Revision != want.Revision && !w.zone.has(old, want) {
		return release.AliasRouting{}, release.ErrConflict
	}
	if err := want.Routing.Validate(); err != nil {
		w.harm("%s: %v", want.Ref, err)
	}
	for _, v := range w.versionsOf(want) {
		all := len(w.cloud.functions[want.Ref.Name]) + len(w.cloud.workflows[want.Ref.Name])
		if n := v[strings.LastIndexByte(v, ':')+1:]; n < "1" || n > fmt.Sprint(all) {
			w.harm("%s: version %s was never published", want.Ref, v)
		}
	}
	// An alias of a state machine has no revision: put back to where it was last known to be, it looks as if nothing had happened.
	same := !want.Ref.Kind.HasRevision() && w.heard[want.Ref] == old.routing.Routing.String()
	if w.foreign[want.Ref] && !w.force && !same && !slices.Contains(w.unheard[want.Ref][:max(0, len(w.unheard[want.Ref])-1)], old.routing.Routing.String()) {
		w.harm("%s: %s of someone else was overwritten with %s", want.Ref, old.routing.Routing, want.Routing)
	}
	if w.zone != nil && !w.over {
		w.led(old, want)
	}
	if !w.overruled && w.before[want.Ref].Routing.Primary != "" && (w.zone == nil || want.Ref == w.zone.ref) {
		w.earned(want)
	}
	w.past[want.Ref] = append(w.past[want.Ref], old)
	w.foreign[want.Ref] = false
	w.log = append(w.log, fmt.Sprintf("%s %s %s", time.Now().Format("15:04:05.000"), want.Ref.Name, want.Routing))
	return w.put(want.Ref, want.Routing), nil
}

// put writes a routing. What has no revision has its routing for one, as in package target.
func (w *world) put(ref release.Ref, r alias.Routing) release.AliasRouting {
	was := w.cloud.aliases[ref].Routing
	now := w.cloud.put(ref, r)
	if !ref.Kind.HasRevision() {
		now.Revision = r.String()
		if ref.Kind == release.KindRecordSets {
			now.TTL, now.Change = zoneTTL, w.zone.change(was, r, w.arrival())
		}
		w.cloud.aliases[ref] = now
	}
	return now
}

// earned: every step below the weight that is written, if it has a check, was found healthy.
func (w *world) earned(want release.AliasRouting) {
	green := want.Routing.Share(w.greenOf(want.Ref))
	for i, step := range w.settings.Strategy.Steps {
		if step.Check && green > float64(step.Weight)/100+1e-9 && !w.healthy[i+1] {
			w.harm("%s gets %s, but step %d at %d%% was never found healthy", want.Ref, want.Routing, i+1, step.Weight)
		}
	}
}

func (w *world) greenOf(ref release.Ref) string {
	switch ref.Kind {
	case release.KindFunction:
		return w.green
	case release.KindRecordSets:
		return w.zone.idle
	}
	return machineARN(ref.Name, w.green)
}

func (p *process) PublishFunction(ctx context.Context, f release.Function) (release.FunctionVersion, error) {
	how, _, err := p.call(ctx, "publish", f.Name, refusedBriefly, broken, lost, denied)
	return act(p.mortal, func() (release.FunctionVersion, error) {
		if err != nil || how != fine && how != lost {
			return release.FunctionVersion{}, errors.Join(err, failure(how))
		}
		v, err := p.cloud.PublishFunction(context.WithoutCancel(ctx), f)
		return v, errors.Join(err, failure(how))
	})
}

func (p *process) PublishWorkflow(ctx context.Context, of release.Workflow, pinned json.RawMessage) (release.StateMachineVersion, error) {
	how, _, err := p.call(ctx, "publish", of.Name, refusedBriefly, broken, lost, denied)
	return act(p.mortal, func() (release.StateMachineVersion, error) {
		if err != nil || how != fine && how != lost {
			return release.StateMachineVersion{}, errors.Join(err, failure(how))
		}
		v, err := p.cloud.PublishWorkflow(context.WithoutCancel(ctx), of, pinned)
		return v, errors.Join(err, failure(how))
	})
}

func (p *process) InvokeVersion(ctx context.Context, arn string, _ []byte) ([]byte, string, error) {
	f, dice, err := p.call(ctx, "invoke", arn, refusedBriefly, broken)
	type answer struct {
		out  string
		fail string
	}
	a, err := act(p.mortal, func() (answer, error) {
		if !strings.HasSuffix(arn, ":"+p.green) {
			p.harm("hook at %s, which is not green", arn)
		}
		if dice.IntN(100) < p.trouble/5 {
			return answer{`{"status":"Failed","reason":"drawn"}`, ""}, nil
		}
		return answer{`{"status":"Succeeded"}`, ""}, errors.Join(err, failure(f))
	})
	return []byte(a.out), a.fail, err
}

// Observe implements controller.Health: good, few, bad or no figures.
func (p *process) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	f, dice, err := p.call(ctx, "observe", fmt.Sprint(check.Step), refusedBriefly, broken, hanging)
	return act(p.mortal, func() (rollout.Observation, error) {
		if err = errors.Join(err, failure(f)); err != nil {
			return rollout.Observation{}, err
		}
		if p.zone != nil {
			p.seenByAll(check)
		}
		o := rollout.Observation{At: time.Now()}
		for _, a := range check.Alarms {
			finding := rollout.Finding{Source: "alarm " + a.Name, Judgement: rollout.Healthy}
			if check.Step == 0 && dice.IntN(2) == 0 {
				finding.Judgement = rollout.Unhealthy
			}
			o.Findings = append(o.Findings, finding)
		}
		counts, good := rollout.Counts{Requests: 50, Errors: 1}, true
		switch mood := dice.IntN(100); {
		case mood < p.trouble/4:
			counts, good = rollout.Counts{Requests: 50, Errors: 25}, false
		case mood < p.trouble:
			counts, good = rollout.Counts{Requests: int64(dice.IntN(10))}, false
		}
		for _, s := range check.Subjects {
			if s.Ref.Kind == release.KindFunction {
				through := time.Now().Truncate(10 * time.Second)
				o.Subjects = append(o.Subjects, rollout.Observed{
					Ref: s.Ref, Green: counts, Blue: rollout.Counts{Requests: 200, Errors: 4}, Through: through,
					Stretches: []rollout.Stretch{{From: through.Add(-10 * time.Second), Green: counts, Blue: rollout.Counts{Requests: 200, Errors: 4}}},
				})
			}
		}
		p.sure(func() { p.healthy[check.Step] = p.healthy[check.Step] || good })
		return o, nil
	})
}

// harm tells what must never be, with how it came about.
func (w *world) harm(format string, args ...any) {
	w.t.Errorf("seed %d: %s\nwrites:\n  %s\nnotes:\n  %s", w.seed, fmt.Sprintf(format, args...), strings.Join(w.log, "\n  "), strings.Join(w.notes, "\n  "))
}

// start begins a process that may die.
func (w *world) start() *controller.Controller {
	w.pid++
	m := &mortal{Ledger: w.ledger}
	if w.trouble > 0 && w.deaths < 6 && w.roll(4) > 0 {
		m.dieAt, m.after = 1+w.roll(50), w.roll(2) == 0
	}
	p := &process{w, m}
	c, err := controller.New(controller.Config{
		Target: p, Health: p, Ledger: m, Owner: ledger.Owner{By: "ann", Host: "here", PID: w.pid},
		NewID: func(kind string) string {
			w.ids++
			return fmt.Sprintf("%s-%d", kind, w.ids)
		},
		Notes: func(n rollout.Note) { w.notes = append(w.notes, n.At.Format("15:04:05 ")+n.Text) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// play brings a release in, whatever happens, and gives its end.
func (w *world) play() string {
	if w.zone != nil {
		w.blueInSlot()
	} else if w.roll(4) > 0 {
		w.blue()
		for _, ref := range []release.Ref{w.spec.Functions[0].Ref(), w.spec.Functions[1].Ref(), w.spec.Workflows[0].Ref()} {
			now := w.current(ref).routing
			w.before[ref] = w.put(ref, now.Routing)
		}
	} else {
		w.spec = spec("blue")
		_, _ = publish(w.cloud.functions, "shop-p", "older") // so that green is version 2 here too
		_, _ = publish(w.cloud.functions, "shop-a", "older")
		_, _ = publish(w.cloud.workflows, "shop-w", "older")
	}
	began := time.Now()
	w.until = began.Add(time.Duration(w.roll(30)) * time.Minute)
	if w.roll(6) == 0 {
		at := time.Duration(w.dice.Int64N(int64(5*time.Minute))) + 7
		time.AfterFunc(at, w.stranger)
	}
	request := controller.Request{Spec: w.spec, Settings: w.settings, By: "ann"}
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Hour) // whatever hangs is seen
	defer cancel()
	out, err := w.start().Run(ctx, request)
	id := fmt.Sprintf("ro-%d", w.ids-1) // Run has drawn one for the rollout, then one for the release
	dirty := ""
	for tries := 0; ; tries++ {
		s, state := w.stands(id)
		if state == "ended" {
			out.State = s
			break
		}
		if tries > 60 || ctx.Err() != nil {
			w.harm("after %d processes it is still %s (%s, paused %q): %v", tries, state, s.Phase, s.Paused.Reason, err)
			return "endless"
		}
		if err != nil && errors.Is(err, errDied) {
			w.deaths++
			w.dead[w.pid] = true
		}
		if state == "unknown" { // it died before it was recorded
			time.Sleep(time.Second)
			out, err = w.start().Run(ctx, request)
			id = fmt.Sprintf("ro-%d", w.ids-1)
			continue
		}
		resume := controller.ResumeRequest{App: "shop", Spec: &w.spec, Rollout: id}
		switch {
		case s.Phase == rollout.FailedDirty:
			dirty = "failed-dirty then "
			w.checkDirty(s)
			time.Sleep(max(time.Hour, time.Until(w.until)+time.Hour)) // someone comes when the trouble is over
			w.sure(func() { w.force = true })
			resume.Wish = &rollout.Event{Kind: rollout.EventRetry, By: "ann", Force: true}
		case s.Paused.Reason == rollout.NotPaused:
		case w.roll(6) == 0:
			resume.Wish = &rollout.Event{Kind: rollout.EventAbort, By: "ann"}
		case s.Paused.Reason == rollout.PausedForApproval:
			resume.Wish = &rollout.Event{Kind: rollout.EventApprove, By: "bob"}
		default:
			w.sure(func() { w.overruled = w.overruled || s.Paused.Reason == rollout.PausedByNoVerdict })
			resume.Wish = &rollout.Event{Kind: rollout.EventPromote, By: "ann"}
		}
		out, err = w.start().Resume(ctx, resume)
	}
	w.sure(func() { w.over = true })
	time.Sleep(time.Minute) // the last late write has landed
	w.checkEnd(out.State)
	if w.t.Failed() {
		return "harm"
	}
	w.checkNext()
	return dirty + string(out.State.Phase)
}

// stands tells how the ledger has the rollout: unknown, unfinished or ended.
func (w *world) stands(id string) (rollout.State, string) {
	record, err := w.ledger.Rollout(w.t.Context(), "shop", id)
	if errors.Is(err, ledger.ErrNotFound) {
		return rollout.State{}, "unknown"
	}
	s, loadErr := controller.Load(w.t.Context(), w.ledger, "shop", id)
	if err != nil || loadErr != nil {
		w.t.Fatalf("seed %d: the ledger: %v, %v", w.seed, err, loadErr)
	}
	if !record.Ended.IsZero() { // the lock of an ended rollout is free for the next
		return s, "ended"
	}
	return s, "unfinished"
}

// stranger moves an alias by hand.
func (w *world) stranger() {
	if w.zone != nil {
		w.strangerAtTheDNS()
		return
	}
	ref, blue, green := w.spec.Functions[0].Ref(), "1", "2"
	if w.roll(2) == 0 {
		ref = w.spec.Workflows[0].Ref()
		blue, green = machineARN(ref.Name, blue), machineARN(ref.Name, green)
	}
	old := w.current(ref)
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	if old.absent || w.over {
		return
	}
	w.past[ref] = append(w.past[ref], old)
	to := alias.Routing{Primary: blue, Additional: green, Weight: 0.775}
	switch w.dice.IntN(3) {
	case 0:
		to = alias.Routing{Primary: green} // as the last step of the rollout would
	case 1:
		to.Weight = float64(w.settings.Strategy.Steps[0].Weight) / 100 // as the first has
		if to.Weight == 1 {
			to = alias.Routing{Primary: green}
		}
	}
	if to.String() == old.routing.Routing.String() {
		return
	}
	w.put(ref, to)
	w.foreign[ref] = true
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+"a stranger writes "+to.String())
}

// checkDirty: what failed-dirty says of an alias that is not in doubt is so.
func (w *world) checkDirty(s rollout.State) {
	loud := false
	for _, a := range s.Aliases {
		loud = loud || a.Foreign || a.Gone || a.Failed != ""
		now := w.current(a.Ref)
		if !a.Doubt && a.Touched && !a.Foreign && !now.absent && !w.foreign[a.Ref] && now.routing.Routing.String() != a.Actual.Routing.String() {
			w.harm("failed-dirty says that %s is at %s, but it is at %s", a.Ref, a.Actual.Routing, now.routing.Routing)
		}
	}
	if !loud {
		w.harm("failed-dirty without saying what is wrong: %q", s.Where())
	}
}

// checkEnd: all aliases are where the end says.
func (w *world) checkEnd(s rollout.State) {
	for _, a := range s.Aliases {
		now := w.current(a.Ref)
		was, existed := w.before[a.Ref]
		switch {
		case w.foreign[a.Ref]: // after our last write: nobody can know
		case w.zone != nil && w.checkRouted(s, a, now, was, existed):
		case s.Phase == rollout.Promoted && now.routing.Routing.String() != (alias.Routing{Primary: w.greenOf(a.Ref)}).String():
			w.harm("promoted, but %s is at %s", a.Ref, now.routing.Routing)
		case s.Phase == rollout.RolledBack && existed && now.routing.Routing.String() != was.Routing.String():
			w.harm("rolled back, but %s is at %s and was at %s", a.Ref, now.routing.Routing, was.Routing)
		case s.Phase == rollout.Failed && slices.ContainsFunc(w.log, func(l string) bool { return !strings.Contains(l, "stranger") }):
			w.harm("failed before any traffic moved, but %s was written", a.Ref)
		}
	}
	for name, versions := range w.cloud.functions {
		if fmt.Sprint(len(versions)) > w.green {
			w.harm("%s has %d versions: a publication was repeated", name, len(versions))
		}
	}
	current, err := w.ledger.Current(w.t.Context(), "shop")
	if (err == nil && current.Release == s.Plan.Release) != (s.Phase == rollout.Promoted) {
		w.harm("it is %s, but the ledger says that %+v serves (%v)", s.Phase, current, err)
	}
}

// checkNext: the application is free, and the next release goes out.
func (w *world) checkNext() {
	w.trouble, w.force, w.overruled = 0, true, true
	for ref := range w.foreign {
		if w.foreign[ref] {
			w.cloud.mu.Lock()
			to := alias.Routing{Primary: "1"}
			switch ref.Kind {
			case release.KindStateMachine:
				to.Primary = machineARN(ref.Name, to.Primary)
			case release.KindRecordSets:
				to = release.Split(w.cloud.aliases[ref].Routing, w.zone.idle, 0)
			}
			w.put(ref, to)
			w.cloud.mu.Unlock()
			w.foreign[ref] = false
		}
	}
	c := w.start()
	next := spec("next")
	if next.Router = w.spec.Router; next.Router != nil {
		next = next.Through("")
	}
	out, err := c.Run(w.t.Context(), controller.Request{Spec: next})
	if err != nil || out.ExitCode != controller.ExitDone {
		w.harm("the next release: exit %d, %v, %s", out.ExitCode, err, out.State.Cause)
	}
}
