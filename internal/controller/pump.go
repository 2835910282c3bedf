package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// renewEvery is well below ledger.SilentHolderIsGone.
const renewEvery = ledger.SilentHolderIsGone / 4

// pump drives one rollout. Its law: the events and the state are in the journal before any effect of theirs is performed,
// and what is outstanding by the state is what is being performed.
type pump struct {
	c    Config
	lock ledger.Lock
	s    rollout.State // only the loop touches it
	plan rollout.Plan  // never changes; for the effects
	seq  int64         // of the last journal entry
	spec *release.Spec

	sinceSnapshot int
	running       map[int64]context.CancelCauseFunc
	results       chan rollout.Event
	stopped       chan struct{}
	wg            sync.WaitGroup
	leftMu        sync.Mutex
	left          []string // what could not be taken back
	slots         chan struct{}
}

// drive feeds events to the machine until the rollout has ended, has paused, or ctx ends.
func (p *pump) drive(ctx context.Context, first []rollout.Event) (Outcome, error) {
	p.running = map[int64]context.CancelCauseFunc{}
	p.results, p.stopped = make(chan rollout.Event), make(chan struct{})
	p.slots = make(chan struct{}, p.c.Parallel)
	err := p.loop(ctx, first)
	close(p.stopped)
	p.withdraw()
	for _, cancel := range p.running {
		cancel(nil)
	}
	p.wg.Wait()
	if p.c.Notes != nil {
		for _, text := range p.left {
			p.c.Notes(rollout.Note{At: p.c.Clock.Now().UTC().Round(0), Level: rollout.Warning, Text: text})
		}
	}

	// What is left to write must be written also when ctx has ended: that is how the next controller finds its way.
	last := context.WithoutCancel(ctx)
	out := Outcome{State: p.s, ExitCode: exitCode(p.s)}
	switch {
	case errors.Is(err, ledger.ErrFenced):
		out.ExitCode = ExitFailed
		return out, fmt.Errorf("rollout %s was taken over by another controller: %w", p.s.Plan.ID, err)
	case err != nil:
		if ctx.Err() == nil {
			out.ExitCode = ExitFailed
		}
		return out, errors.Join(err, p.c.Ledger.Park(last, p.lock))
	case p.s.Phase.Ended():
		return out, finish(last, p.c.Ledger, p.lock, p.s, p.c.Clock.Now())
	}
	return out, p.c.Ledger.Park(last, p.lock)
}

// loop is the only goroutine that touches the state.
func (p *pump) loop(ctx context.Context, first []rollout.Event) error {
	p.observe()
	before := rollout.Outstanding(p.s)
	waiting, err := p.wishes(ctx) // left while nobody drove the rollout
	if err != nil {
		return err
	}
	if err := p.absorb(ctx, waiting, false); err != nil {
		return err
	}
	if err := p.absorb(ctx, first, true); err != nil {
		return err
	}
	p.withdrawLeft(ctx, before)
	renew, stopRenew := p.after(renewEvery)
	poll, stopPoll := p.after(p.c.Poll)
	defer func() { stopRenew(); stopPoll() }()
	for !p.s.Phase.Ended() {
		p.perform(ctx)
		if p.s.Paused.Reason != rollout.NotPaused && !p.c.Attend && p.quiet() {
			return nil
		}
		var events []rollout.Event
		select {
		case <-ctx.Done():
			return fmt.Errorf("rollout %s was left at %s; resume or abort it: %w", p.s.Plan.ID, p.s.Phase, context.Cause(ctx))
		case <-renew:
			if err := p.c.Ledger.Renew(ctx, p.lock); err != nil {
				return err
			}
			renew, stopRenew = p.after(renewEvery)
		case <-poll:
			wishes, err := p.wishes(ctx)
			if err != nil {
				return err
			}
			events = wishes
			poll, stopPoll = p.after(p.c.Poll)
		case ev := <-p.results:
			events = append(events, ev)
			for more := true; more; { // what came meanwhile goes into the same journal entry
				select {
				case ev := <-p.results:
					events = append(events, ev)
				default:
					more = false
				}
			}
		}
		if err := p.absorb(ctx, events, false); err != nil {
			return err
		}
	}
	return nil
}

// quiet reports whether nothing is outstanding but watching and waiting.
func (p *pump) quiet() bool {
	for _, e := range rollout.Outstanding(p.s) {
		if e.Check == nil && e.Wake == nil {
			return false
		}
	}
	return true
}

// absorb gives events to the machine and journals them with what follows. A wish that is refused is an error when strict
// is set, and otherwise told.
func (p *pump) absorb(ctx context.Context, events []rollout.Event, strict bool) error {
	s := p.s
	var accepted []rollout.Event
	var notes []rollout.Note
	var refused error
	for _, ev := range events {
		if p.running[ev.Effect] != nil && (ev.Kind == rollout.EventResult || ev.Kind == rollout.EventWake) {
			p.running[ev.Effect](nil)
			delete(p.running, ev.Effect)
		}
		ev.At = p.c.Clock.Now().UTC().Round(0) // as it is when it comes back from the journal
		next, effects, err := rollout.Step(s, ev)
		forbidden := (*rollout.ForbiddenError)(nil)
		switch {
		case errors.Is(err, rollout.ErrStale):
			continue
		case errors.As(err, &forbidden):
			if strict {
				refused = err
				continue
			}
			notes = append(notes, rollout.Note{At: ev.At, Level: rollout.Warning, Text: err.Error()})
			if ev.Command == 0 {
				continue
			}
		case err != nil:
			return err
		}
		for _, e := range effects {
			if e.Note != nil {
				notes = append(notes, *e.Note)
			}
		}
		s = next
		accepted = append(accepted, ev)
	}
	if len(accepted) > 0 {
		if err := p.journal(ctx, s, accepted); err != nil {
			return err
		}
	}
	if p.c.Notes != nil {
		for _, n := range notes {
			p.c.Notes(n)
		}
	}
	if len(accepted) > 0 {
		p.observe()
	}
	return refused
}

// journal makes the events and the state durable.
func (p *pump) journal(ctx context.Context, s rollout.State, events []rollout.Event) error {
	turned := s.Phase != p.s.Phase || s.Step != p.s.Step || s.Paused.Reason != p.s.Paused.Reason
	p.sinceSnapshot++
	snapshot := &s
	if !turned && p.sinceSnapshot < snapshotEvery {
		snapshot = nil
	} else {
		p.sinceSnapshot = 0
	}
	entry, err := entryOf(p.seq+1, s.Now, events, snapshot)
	if err != nil {
		return err
	}
	if err := p.c.Ledger.Append(ctx, p.lock, entry); err != nil {
		if errors.Is(err, ledger.ErrConflict) {
			return fmt.Errorf("%w: %w", ledger.ErrFenced, err) // someone else writes this journal
		}
		return err
	}
	p.seq++
	p.s = s
	if turned {
		return p.c.Ledger.PutRollout(ctx, p.lock, summary(s, s.Now))
	}
	return nil
}

func (p *pump) observe() {
	if p.c.Observe != nil {
		p.c.Observe(p.s)
	}
}

// wishes fetches what people asked for from other processes.
func (p *pump) wishes(ctx context.Context) ([]rollout.Event, error) {
	commands, err := p.c.Ledger.Commands(ctx, p.s.Plan.App, p.s.Plan.ID, p.s.Command)
	if err != nil {
		return nil, err
	}
	var events []rollout.Event
	for _, c := range commands {
		events = append(events, rollout.Event{Kind: rollout.EventKind(c.Kind), By: c.By, Reason: c.Reason, Command: c.Seq, Full: c.Full, Force: c.Force})
	}
	return events, nil
}

// perform starts what is outstanding and not yet running, and cancels what runs and is no longer outstanding.
func (p *pump) perform(ctx context.Context) {
	for _, e := range rollout.Outstanding(p.s) {
		if p.running[e.ID] != nil {
			continue
		}
		if e.Wake != nil {
			p.running[e.ID] = p.wake(e)
			continue
		}
		p.running[e.ID] = p.begin(ctx, e)
	}
	p.withdraw()
}

// begin performs an effect in a goroutine of its own.
func (p *pump) begin(ctx context.Context, e rollout.Effect) context.CancelCauseFunc {
	ctx, cancel := context.WithCancelCause(ctx)
	limited, end := context.WithTimeout(ctx, timeout(e))
	p.wg.Go(func() {
		defer cancel(nil)
		defer end()
		ev := p.do(limited, e)
		if byCodeDeploy(e) && ev.Error != "" && errors.Is(context.Cause(ctx), errWithdrawn) {
			p.leftMu.Lock()
			p.left = append(p.left, fmt.Sprintf("the deployment of hook %s may still run: %s", e.RunHook.Hook.Name, ev.Error))
			p.leftMu.Unlock()
		}
		p.deliver(ev)
	})
	return cancel
}

// withdraw cancels what runs and is no longer outstanding.
func (p *pump) withdraw() {
	outstanding := map[int64]bool{}
	for _, e := range rollout.Outstanding(p.s) {
		outstanding[e.ID] = true
	}
	for id, cancel := range p.running {
		if !outstanding[id] {
			cancel(errWithdrawn)
			delete(p.running, id)
		}
	}
}

// withdrawLeft takes back hooks that a controller before this one began at CodeDeploy and that nobody wants any more: they
// were outstanding when the rollout was taken up, and a wish has ended that.
func (p *pump) withdrawLeft(ctx context.Context, before []rollout.Effect) {
	wanted := map[int64]bool{}
	for _, e := range rollout.Outstanding(p.s) {
		wanted[e.ID] = true
	}
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errWithdrawn)
	for _, e := range before {
		if byCodeDeploy(e) && !wanted[e.ID] {
			p.begin(ctx, e)
		}
	}
}

func (p *pump) deliver(ev rollout.Event) {
	select {
	case p.results <- ev:
	case <-p.stopped:
	}
}

// wake sets a timer for a Wake effect and returns how to withdraw it.
func (p *pump) wake(e rollout.Effect) (cancel context.CancelCauseFunc) {
	stop := p.c.Clock.AfterFunc(e.Wake.At.Sub(p.c.Clock.Now()), func() {
		p.deliver(rollout.Event{Kind: rollout.EventWake, Effect: e.ID})
	})
	return func(error) { stop() }
}

// after gives a channel that is closed when d has passed.
func (p *pump) after(d time.Duration) (<-chan struct{}, func() bool) {
	done := make(chan struct{})
	return done, p.c.Clock.AfterFunc(d, func() { close(done) })
}
