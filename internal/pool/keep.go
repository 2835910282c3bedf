package pool

import "time"

// provision is one call that waits for provisioned environments; err belongs to the pump, which closes done.
type provision struct {
	done chan struct{}
	err  error
}

// keepWarm wants n environments of x beyond those on demand. They are started as others are, and stay until fewer are
// wanted. x takes the answer: doWarm without env when they are warm, doWarm with the env whose initialisation failed,
// doThrottle when the machine has no place, doFail when they are given up meanwhile. After a failure none is kept.
func (s *sched) keepWarm(fun *Function, n int, x *provision, now time.Time) {
	f := s.functions[fun.ID]
	if f == nil {
		f = &fn{id: fun.ID, x: fun}
		s.functions[f.id] = f
	}
	s.giveUp(f)
	f.retired = false
	f.keep, f.asked = n, x
	s.trim(f)
	s.answerWarm(f)
	s.feedKept(f, now)
	s.settle(f)
}

// trim ends idle environments of f that are more than wanted; busy and starting ones go on as on demand.
func (s *sched) trim(f *fn) {
	for i := 0; i < len(f.idle) && f.kept > f.keep; {
		e := f.idle[i]
		if !e.kept {
			i++
			continue
		}
		f.dropIdle(e)
		s.do(action{verb: doEnd, env: e})
		s.forget(e)
	}
}

// unkeep wants no provisioned environments of f any more; those that exist are on demand from now on.
func (s *sched) unkeep(f *fn) {
	s.giveUp(f)
	f.keep = 0
}

// giveUp answers who waits for f's environments that it waits in vain.
func (s *sched) giveUp(f *fn) {
	if f.asked != nil {
		s.do(action{verb: doFail, provision: f.asked})
		f.asked = nil
	}
}

// feedKept starts what is missing of f's provisioned environments, as far as starts are allowed now.
func (s *sched) feedKept(f *fn, now time.Time) {
	for f.kept < f.keep {
		if at := s.startSlot(now); at.After(now) {
			s.wakeBy(at)
			break
		}
		if s.envs >= s.environments && !s.evict() {
			if f.asked != nil {
				s.do(action{verb: doThrottle, provision: f.asked})
				f.asked, f.keep = nil, 0 // all or none
				s.trim(f)
			}
			f.keep = min(f.keep, f.kept)
			return
		}
		s.start(f, now).kept = true
		f.kept++
	}
	if f.kept < f.keep && !f.hungry {
		f.hungry = true
		s.hungry = append(s.hungry, f)
	}
}

// warmed tells that e is ready for the first time.
func (s *sched) warmed(e *env) {
	if e.kept && !e.warm {
		e.warm = true
		e.fn.warm++
		s.answerWarm(e.fn)
	}
}

func (s *sched) answerWarm(f *fn) {
	if f.asked != nil && f.warm >= f.keep {
		s.do(action{verb: doWarm, provision: f.asked})
		f.asked = nil
	}
}

// cold tells that the initialisation of e failed. It is not tried again: as on AWS, the provisioning has failed.
func (s *sched) cold(e *env) {
	if !e.kept {
		return
	}
	f := e.fn
	if f.asked != nil {
		s.do(action{verb: doWarm, env: e, provision: f.asked})
		f.asked, f.keep = nil, 0 // all or none
		s.trim(f)
	}
	e.kept = false
	f.kept--
	f.keep = min(f.keep, f.kept)
}

// lost tells that e, which has been forgotten, is no longer among the provisioned ones; another takes its place.
func (s *sched) lost(e *env) {
	f := e.fn
	if !e.kept {
		return
	}
	e.kept = false
	f.kept--
	if e.warm {
		e.warm = false
		f.warm--
	}
	if f.kept < f.keep && !f.hungry && !s.closed {
		f.hungry = true
		s.hungry = append(s.hungry, f)
	}
}
