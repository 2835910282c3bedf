package states

import (
	"context"
	"errors"
	"time"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

const (
	// roundSize bounds the messages of one commit, and with it the time that the first of them waits for the last.
	roundSize = 512
	// lookAgain bounds the time between two looks at the clock while timers wait: the machine may sleep meanwhile, or its
	// time be set, and a callback after a duration knows nothing of that.
	lookAgain = time.Minute
	// retryAfter is the pause before a shard reads again what it could not write.
	retryAfter = time.Second
)

// shard owns a part of the open executions. Only its goroutine touches its fields, but for the inbox.
type shard struct {
	e      *engine
	inbox  inbox
	open   map[execID]*execution
	timers timers    // of the executions in memory
	parked parked    // of those that wait in the store only
	armed  time.Time // when the clock will call back; zero when it will not
	disarm func() bool
}

func newShard(e *engine) *shard {
	return &shard{e: e, inbox: inbox{wake: make(chan struct{}, 1)}, open: map[execID]*execution{}}
}

// run works in rounds: take what has come, step each execution concerned, commit all of it at once, then perform.
func (sh *shard) run() {
	var spare []message
	for {
		all, open := sh.inbox.take(spare)
		rest := all
		for len(rest) > 0 && open {
			n := min(len(rest), roundSize)
			sh.round(rest[:n])
			rest = rest[n:]
			open = sh.e.work.Err() == nil
		}
		if !open {
			sh.refuse(rest)
			sh.refuse(sh.inbox.rest()) // came between the last look and this one
			sh.abandon()
			return
		}
		clear(all)
		if spare = all; cap(spare) > 8*roundSize { // after a burst
			spare = nil
		}
	}
}

// refuse answers those who wait for a shard that is closing.
func (sh *shard) refuse(messages []message) {
	for _, m := range messages {
		m.respond(reply{err: unavailable()})
	}
}

func (m message) respond(r reply) {
	if m.reply != nil {
		m.reply <- r
	}
}

func (sh *shard) abandon() {
	if sh.disarm != nil {
		sh.disarm()
	}
	for _, x := range sh.open {
		x.cancelAll()
	}
}

// round is one turn of the shard.
func (sh *shard) round(messages []message) {
	now := sh.e.s.now()
	changes := make([]*change, 0, len(messages))
	of := make(map[execID]*change, len(messages))
	var unheard []answer
	touch := func(x *execution) *change {
		c := of[x.id]
		if c == nil {
			c = &change{x: x}
			of[x.id] = c
			changes = append(changes, c)
		}
		return c
	}
	for _, m := range messages {
		switch m.kind {
		case start:
			sh.begin(m, now, touch)
		case answered:
			if x := sh.open[m.id]; x != nil && x == m.answer.of && sh.apply(touch(x), m.answer.event(), now) {
				continue
			}
			if a := m.answer; a.kind == interp.EventTaskSubmitted || a.kind == interp.EventSubmitFailed { // it was withdrawn while the answer was on its way
				unheard = append(unheard, a)
			}
		case stop:
			sh.halt(m, now, touch)
		case redrive:
			sh.redrive(m, now, touch)
		case load:
			if _, err := sh.owned(m.id, touch); err != nil && !gone(err) {
				sh.retryLoad(m.id, err)
			}
		case told:
			sh.tell(m, now, touch)
		case restore:
			for _, p := range m.parked {
				sh.parked.add(p)
			}
		case tick:
			sh.armed = time.Time{}
		}
	}
	more := sh.wake(now, touch)
	for {
		t := sh.timers.due(now)
		if t == nil {
			break
		}
		delete(t.x.timers, t.command)
		sh.apply(touch(t.x), t.event(), now)
	}
	sh.commit(changes, now)
	for _, a := range unheard { // what withdrew them may have been in this very round
		go sh.e.s.stopJob(numbered(a.of.serial, a.command), a.output)
	}
	if more {
		sh.inbox.put(message{kind: tick})
	}
	sh.arm(now)
}

// commit makes the changes durable, all at once, and then performs what they ask for. When an expectation of one fails
// the others must not suffer: then each is committed by itself.
func (sh *shard) commit(changes []*change, now time.Time) {
	merged, written := &store.Batch{}, 0
	sh.e.fence(merged)
	for _, c := range changes {
		if sh.write(c, now) {
			written++
		}
		merged.Ops = append(merged.Ops, c.batch.Ops...)
		merged.Expects = append(merged.Expects, c.batch.Expects...)
	}
	var err error
	if written > 0 { // the write itself is not cancelled by closing: what is in the queue of the store is written
		err = sh.e.s.store.Commit(context.WithoutCancel(sh.e.work), merged)
	}
	for _, c := range changes {
		own := err
		if written > 1 && errors.Is(err, store.ErrConflict) {
			sh.e.fence(&c.batch)
			own = sh.e.s.store.Commit(context.WithoutCancel(sh.e.work), &c.batch)
		}
		if own == nil {
			sh.perform(c)
		} else {
			sh.undo(c, own)
		}
	}
}

// undo forgets an execution whose change was not written: its state in memory is ahead of the store.
func (sh *shard) undo(c *change, err error) {
	x := c.x
	x.cancelAll()
	sh.forget(x)
	fenced := errors.Is(err, store.ErrConflict) && sh.e.lost()
	if fenced {
		err = unavailable()
	}
	for _, m := range c.waiting {
		m.respond(reply{err: err})
	}
	c.turnAway()
	if c.starting == nil && !fenced { // else it does not exist, and its caller knows
		sh.retryLoad(x.id, err)
	}
}

// retryLoad reads an execution again from the store after a pause.
func (sh *shard) retryLoad(id execID, err error) {
	if errors.Is(err, store.ErrClosed) || sh.e.work.Err() != nil {
		return
	}
	sh.e.s.log.Error("an execution waits for the store", "execution", sh.e.s.executionArn(id), "error", err)
	sh.e.s.clock.AfterFunc(retryAfter, func() { sh.inbox.put(message{kind: load, id: id}) })
}

// arm makes the clock call back at the earliest timer.
func (sh *shard) arm(now time.Time) {
	next, ok := sh.timers.next()
	if p, waits := sh.parked.next(); waits && (!ok || p.Before(next)) {
		next, ok = p, true
	}
	if !ok || !sh.armed.IsZero() && !next.Before(sh.armed) {
		return
	}
	if sh.disarm != nil {
		sh.disarm()
	}
	sh.armed = next
	sh.disarm = sh.e.s.clock.AfterFunc(min(next.Sub(now), lookAgain), func() { sh.inbox.put(message{kind: tick}) })
}
