package controller_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

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
	served    map[string]time.Time // until when a rollout had a version in an alias, by name and number
	began     func()               // called when there is a blue, and green may come
	ended     func()               // called when the rollout has ended
	driver    int                  // the process that drives the rollout, or did last
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
		foreign: map[release.Ref]bool{}, unheard: map[release.Ref][]string{}, heard: map[release.Ref]string{}, healthy: map[int]bool{}, before: map[release.Ref]release.AliasRouting{}, served: map[string]time.Time{}, spec: spec("green"), green: "2",
		began: func() {}, ended: func() {},
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
