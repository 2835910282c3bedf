package states

import (
	"errors"
	"time"

	"github.com/tealdeploy/teal/internal/store"
)

// An execution that waits, for timers and for answers from outside only, leaves the memory with the commit after which
// it waits. Its openRecord then says until when; beside that the shard keeps one parkedTimer. The first event that comes
// for it, of whatever kind, loads it again.

const (
	// linger is how long an execution may wait in memory: one that goes on soon is not worth the loading.
	linger = 2 * time.Second
	// lingerEach is how much longer it may, for each of its open commands: what has many costs more to load.
	lingerEach = 10 * time.Millisecond
	// maxLingering bounds the executions that a shard holds beside those with tasks under way.
	maxLingering = 1024
)

// stands tells whether an execution may leave the memory, and when it must be back.
func (sh *shard) stands(x *execution, now time.Time) standing {
	if x.pending.busy > 0 {
		return standing{}
	}
	first := time.Time{}
	for _, p := range x.pending.byID {
		if p.StartTimer != nil && (first.IsZero() || p.StartTimer.Due.Before(first)) {
			first = p.StartTimer.Due
		}
	}
	if first.IsZero() {
		return standing{waits: true}
	}
	stay := time.Duration(sh.e.linger.Load()) + time.Duration(len(x.pending.byID)-1)*lingerEach
	if len(sh.open) > maxLingering {
		stay = 0
	}
	if !first.After(now.Add(stay)) {
		return standing{}
	}
	return standing{waits: true, due: first.UnixNano()}
}

// await arms a timer of an execution in memory.
func (sh *shard) await(x *execution, command int64, due time.Time) {
	t := &timer{x: x, command: command, due: due}
	x.timers[command] = t
	sh.timers.add(t)
}

// forget drops an execution from the memory.
func (sh *shard) forget(x *execution) {
	for _, t := range x.timers {
		sh.timers.remove(t)
	}
	clear(x.timers)
	if sh.open[x.id] == x {
		delete(sh.open, x.id)
	}
}

// evict leaves an execution to the store.
func (sh *shard) evict(x *execution) {
	sh.forget(x)
	if x.said.due != 0 {
		sh.parked.add(parkedTimer{due: x.said.due, serial: x.serial})
	}
}

// wake loads executions whose time has come, and reports whether there are more of them than fit a round.
func (sh *shard) wake(now time.Time, touch func(*execution) *change) (more bool) {
	for range roundSize {
		p, ok := sh.parked.due(now)
		if !ok {
			return false
		}
		if err := sh.wakeOne(p.serial, touch); err != nil && !gone(err) {
			if errors.Is(err, store.ErrClosed) || sh.e.work.Err() != nil {
				return false
			}
			sh.e.s.log.Error("an execution waits for the store", "serial", p.serial, "error", err)
			sh.parked.add(parkedTimer{due: now.Add(retryAfter).UnixNano(), serial: p.serial})
		}
	}
	return true
}

func (sh *shard) wakeOne(serial string, touch func(*execution) *change) error {
	open, err := sh.e.s.store.Get(sh.e.work, bucketOpen, serial)
	if err != nil {
		return err
	}
	was, err := decode[openRecord](bucketOpen, serial, open)
	if err != nil {
		return err
	}
	id := execID{was.Machine, was.Name}
	if sh.open[id] != nil {
		return nil
	}
	r, err := sh.e.s.executionRecord(sh.e.work, id)
	if err != nil {
		return err
	}
	_, err = sh.load(r, open, touch)
	return err
}
