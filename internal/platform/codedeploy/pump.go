package codedeploy

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/store"
)

// The pump drives deployments. Its law: an event and the state that follows are in the store before anything is done
// about them, and what the state lists as outstanding is done again after a restart. A deployment is taken further by one
// goroutine at a time (deployment.mu), which leaves a timer behind and ends: a deployment that waits is a row and a timer.

// storeRetry is the pause after the store has failed.
const storeRetry = time.Second

// drive takes a deployment as far as it goes now, in a goroutine of its own. After Close it does nothing.
func (s *Service) drive(d *deployment) {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return
	}
	s.pumps.Go(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		s.step(d)
	})
}

// step takes a deployment as far as it goes now and sets its timer. The caller holds d.mu.
func (s *Service) step(d *deployment) {
	d.disarm()
	err := s.advance(d)
	switch {
	case s.ctx.Err() != nil:
		return
	case err != nil:
		s.log.Error("codedeploy: a deployment cannot go on; trying again", "deployment", d.record().ID, "error", err)
		d.stop = s.clock.AfterFunc(storeRetry, func() { s.drive(d) })
	default:
		if due, ok := s.due(d); ok {
			d.stop = s.clock.AfterFunc(due.Sub(s.clock.Now()), func() { s.drive(d) })
		}
	}
}

func (d *deployment) disarm() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}

// due is when the deployment must be looked after again: its next shift or attempt, the end of a hook's time, the next
// look at its alarms.
func (s *Service) due(d *deployment) (at time.Time, ok bool) {
	r := d.record()
	if ended(r.Status) {
		return at, false
	}
	consider := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for _, p := range r.State.Pending {
		switch {
		case p.Effect.Wake != nil:
			consider(p.Effect.Wake.At)
		case p.Effect.RunHook != nil:
			consider(p.Since.Add(hookTimeout))
		}
	}
	if r.watches() {
		consider(d.lookAt)
	}
	return at, !at.IsZero()
}

// advance does what is outstanding, looks at the alarms, and tells the machine what is due. An error is one of the store.
func (s *Service) advance(d *deployment) error {
	if err := s.perform(d); err != nil || ended(d.record().Status) {
		return err
	}
	r, now := d.record(), s.clock.Now()
	var events []rollout.Event
	if r.State.LastID == 0 {
		events = append(events, rollout.Event{Kind: rollout.EventStart})
	}
	for _, p := range r.State.Pending {
		switch e := p.Effect; {
		case e.Wake != nil && !now.Before(e.Wake.At):
			events = append(events, rollout.Event{Kind: rollout.EventWake, Effect: e.ID})
		case e.RunHook != nil && !now.Before(p.Since.Add(hookTimeout)):
			late := &rollout.HookResult{Reason: "it told no result within one hour"}
			events = append(events, rollout.Event{Kind: rollout.EventResult, Effect: e.ID, Hook: late})
		}
	}
	if r.watches() && (len(events) > 0 || !now.Before(d.lookAt)) {
		d.lookAt = now.Add(alarmInterval)
		if stop := s.look(r); stop != nil {
			return s.feed(d, rollout.Event{Kind: rollout.EventAbort, Reason: stop.message}, stop)
		}
	}
	for _, ev := range events {
		if err := s.feed(d, ev, nil); err != nil {
			return err
		}
	}
	return s.perform(d)
}

// perform does what is outstanding and not only waited for, until nothing is.
func (s *Service) perform(d *deployment) error {
	for !ended(d.record().Status) {
		r := d.record()
		e, ok := toDo(r)
		if !ok {
			return nil
		}
		ev := s.do(r, e)
		if s.ctx.Err() != nil {
			return s.ctx.Err() // it is done again at the next start
		}
		var err error
		if e.RunHook != nil && ev.Error == "" {
			err = s.called(d, *e.RunHook, e.ID)
		} else {
			err = s.feed(d, ev, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toDo is the first effect that is to be performed; a hook that was called is only waited for.
func toDo(r *deploymentRecord) (rollout.Effect, bool) {
	for _, e := range rollout.Outstanding(r.State) {
		if e.Wake == nil && (e.RunHook == nil || r.Hooks[e.RunHook.Stage].Invoked != e.ID) {
			return e, true
		}
	}
	return rollout.Effect{}, false
}

// feed gives an event to the machine and makes what follows durable. When the rollout has turned round the deployment has
// ended, by c or by what the machine says; the deployment that takes it back begins in the same commit. An event that is
// too late is none. The caller holds d.mu.
func (s *Service) feed(d *deployment, ev rollout.Event, c *cause) error {
	r := d.record()
	now := s.clock.Now().UTC().Round(0)
	ev.At = now
	state, _, err := rollout.Step(r.State, ev)
	switch {
	case errors.Is(err, rollout.ErrStale):
		return nil
	case err != nil:
		return err
	}
	n := r.clone()
	n.State, n.Moved = state, now
	if n.Started.IsZero() {
		n.Started = now
	}
	n.Status = types.DeploymentStatusInProgress
	n.follow(now)
	switch {
	case turned(state):
		if c == nil {
			why := failure(r.State, state)
			c = &why
		}
		n.end(*c, now)
		if n.goesBack(*c) {
			return s.turnBack(d, n)
		}
	case state.Phase == rollout.Promoted:
		n.Status, n.Ended = types.DeploymentStatusSucceeded, now
	}
	return s.commit(d, n)
}

// turnBack ends a deployment and begins the one that takes it back, in one commit, so that its group never looks idle
// between the two.
func (s *Service) turnBack(d *deployment, n *deploymentRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	back, why, err := takeBack(n, s.number(), n.Ended)
	if err != nil {
		return err
	}
	if back == nil {
		n.NoRollback = why
		return s.commit(d, n)
	}
	n.RolledBackBy = back.ID
	b := &store.Batch{}
	forget := s.displace(b, n.GroupID)
	for _, r := range []*deploymentRecord{back, n} {
		if err := put(b, bucketDeployments, r.ID, r); err != nil {
			return err
		}
	}
	if err := s.store.Commit(s.ctx, b); err != nil {
		return err
	}
	d.now.Store(n)
	forget()
	next := newDeployment(back)
	s.add(next)
	s.drive(next)
	return nil
}

// commit makes a deployment's new record durable, and then visible.
func (s *Service) commit(d *deployment, n *deploymentRecord) error {
	b := &store.Batch{}
	if err := put(b, bucketDeployments, n.ID, n); err != nil {
		return err
	}
	if err := s.store.Commit(s.ctx, b); err != nil {
		return err
	}
	d.now.Store(n)
	return nil
}
