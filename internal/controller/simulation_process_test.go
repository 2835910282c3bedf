package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

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
		} else if w.cloud.gone[want.Ref.Name+":"+n] {
			w.harm("%s: version %s was deleted", want.Ref, v)
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
	for _, v := range old.routing.Routing.Versions() {
		w.served[want.Ref.Name+":"+v[strings.LastIndexByte(v, ':')+1:]] = time.Now()
	}
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
