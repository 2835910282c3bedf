package pool

import "time"

// limits bound what the scheduler starts.
type limits struct {
	concurrency  int           // requests accepted at a time, waiting ones included: AWS's account limit
	environments int           // environments at a time, whatever they do: what the machine's memory bears
	starts       int           // young starts at a time: initialisation is CPU-bound, more would only delay each other
	young        time.Duration // a start older than this no longer counts as young: it waits for something else
	patience     time.Duration // the longest that a request waits for a busy environment before another is started
	idle         time.Duration // an environment unused for this long is ended
	full         time.Duration // how long a request waits for a place when the machine has none left
}

// sched decides which environment takes a request, when one is started and when one ends. It has no goroutine, no clock
// and does no I/O: every method is told the time and appends what is to be done to out, in order. It is not safe for
// concurrent use.
//
// Concurrency counts as on AWS: a request holds one unit from its acceptance to its end. An environment runs one request
// at a time. Idle environments are taken last in, first out, so that those not needed grow old and end.
type sched struct {
	limits
	functions map[string]*fn
	inFlight  int
	envs      int // existing or being started
	starting  int // environments being started
	idle      envList
	young     []start   // starts in their order, finished ones included until they are old
	hungry    []*fn     // functions with waiting requests, the one that was looked at first in front
	spare     []*fn     // memory for hungry
	wake      time.Time // tick is wanted at this time; zero for never
	closed    bool
	out       []action
}

// start is one environment being started.
type start struct {
	e  *env
	at time.Time
}

// fn is what the scheduler knows of one Function.ID; x belongs to the pump.
type fn struct {
	id       string
	x        *Function
	idle     []*env    // the last one was used last
	waiting  []*ticket // first come, first served
	envs     int
	starting int
	busy     int
	retired  bool
	kept     int           // environments beyond those on demand, starting ones included
	warm     int           // of them, those that are ready or were
	keep     int           // how many are wanted
	asked    *provision    // who waits for them
	hungry   bool          // listed in sched.hungry
	duration time.Duration // moving average of invocations; 0 until there was one
	init     time.Duration // of the last start; 0 until there was one
}

// envState is what an environment does.
type envState uint8

const (
	envStarting envState = iota
	envBusy
	envIdle
	envUnready // answered its last request, but does not ask for the next one yet
	envGone
)

// env is an environment as the scheduler sees it; x belongs to the pump.
type env struct {
	fn         *fn
	state      envState
	kept       bool // provisioned: it stays, whether it is used or not
	warm       bool // counted in fn.warm
	since      time.Time
	prev, next *env // in sched.idle
	x          *environment
}

// ticket is an accepted request.
type ticket struct {
	since time.Time
	x     *request
}

// verb is what the pump has to do.
type verb uint8

const (
	doRun      verb = iota // env takes ticket
	doInit                 // ticket initialises env anew within its own time, then env takes it
	doStart                // start env
	doEnd                  // end env; the scheduler has forgotten it
	doThrottle             // refuse ticket; the scheduler has forgotten it
	doWarm                 // tell provision that its environments are ready, or by env that this one failed
	doFail                 // refuse ticket, because the pool is closed; the scheduler has forgotten it
)

type action struct {
	verb      verb
	env       *env
	ticket    *ticket
	provision *provision
}

func newSched(l limits) *sched {
	return &sched{limits: l, functions: make(map[string]*fn)}
}

// request accepts a request, or reports false when the concurrency limit is reached.
func (s *sched) request(x *request, now time.Time) bool {
	if s.inFlight >= s.concurrency {
		return false
	}
	s.inFlight++
	f := s.functions[x.f.ID]
	if f == nil {
		f = &fn{id: x.f.ID, x: x.f}
		s.functions[f.id] = f
	}
	t := &x.ticket
	*t = ticket{since: now, x: x}
	if !s.runIdle(f, t) {
		f.waiting = append(f.waiting, t)
		s.feed(f, now)
	}
	return true
}

// runIdle gives t to the environment that was used last, if one is idle.
func (s *sched) runIdle(f *fn, t *ticket) bool {
	n := len(f.idle)
	if n == 0 {
		return false
	}
	i := n - 1
	if f.kept > 0 { // the provisioned ones first, so that the others grow old
		for k := i; k >= 0; k-- {
			if f.idle[k].kept {
				i = k
				break
			}
		}
	}
	e := f.idle[i]
	f.idle = append(f.idle[:i], f.idle[i+1:]...)
	s.idle.remove(e)
	s.run(e, t, doRun)
	return true
}

// run gives t to e.
func (s *sched) run(e *env, t *ticket, v verb) {
	e.state = envBusy
	e.fn.busy++
	s.do(action{verb: v, env: e, ticket: t})
}

func (s *sched) do(a action) { s.out = append(s.out, a) }

// started tells that e is ready after init.
func (s *sched) started(e *env, init time.Duration, now time.Time) {
	if e.state != envStarting {
		return
	}
	s.leaveStart(e)
	e.fn.init = init
	s.warmed(e)
	s.free(e, now)
	s.feedAll(now)
}

// failed tells that the initialisation of e failed. The first waiting request repeats it within its own time, as on AWS.
func (s *sched) failed(e *env, now time.Time) {
	if e.state != envStarting {
		return
	}
	s.leaveStart(e)
	s.cold(e)
	if f := e.fn; len(f.waiting) > 0 {
		s.run(e, s.shift(f), doInit)
	} else {
		s.forget(e)
	}
	s.feedAll(now)
}

func (s *sched) leaveStart(e *env) {
	s.starting--
	e.fn.starting--
	for i := range s.young {
		if s.young[i].e == e {
			s.young = append(s.young[:i], s.young[i+1:]...)
			break
		}
	}
}

// done tells that the invocation on e has ended after d and that e can take another one.
func (s *sched) done(e *env, d time.Duration, now time.Time) {
	s.inFlight--
	s.learn(e.fn, d)
	if e.state != envBusy { // the environment has ended in the same moment
		s.settle(e.fn)
		return
	}
	e.fn.busy--
	s.free(e, now)
	if len(s.hungry) > 0 {
		s.feedAll(now)
	}
}

// broken tells that the invocation on e has ended after d, and e with it.
func (s *sched) broken(e *env, d time.Duration, now time.Time) {
	s.inFlight--
	s.learn(e.fn, d)
	s.died(e, now)
}

// returned tells that e did not take its request t, which waits again, as the first one. An e that lives reports by ready
// when it can take a request, or by died.
func (s *sched) returned(e *env, t *ticket, now time.Time) {
	f := e.fn
	if e.state == envBusy {
		f.busy--
		e.state, e.since = envUnready, now
	}
	if s.closed {
		s.inFlight--
		s.do(action{verb: doFail, ticket: t})
		return
	}
	if g := s.functions[f.id]; g != nil {
		f = g // the same, or its successor when e was the last environment and has ended
	} else {
		s.functions[f.id] = f
	}
	if !s.runIdle(f, t) {
		f.waiting = append([]*ticket{t}, f.waiting...)
		s.feed(f, now)
	}
}

// ready tells that an environment whose request was returned can take one.
func (s *sched) ready(e *env, now time.Time) {
	if e.state == envUnready {
		s.free(e, now)
	}
}

// died tells that e has ended by itself.
func (s *sched) died(e *env, now time.Time) {
	switch e.state {
	case envGone:
		s.settle(e.fn)
		return
	case envStarting:
		s.leaveStart(e)
	case envBusy:
		e.fn.busy--
	case envIdle:
		s.idle.remove(e)
		e.fn.dropIdle(e)
	}
	s.forget(e)
	s.feedAll(now)
}

// retire ends the function's idle environments now and the others after their work.
func (s *sched) retire(id string) {
	f := s.functions[id]
	if f == nil {
		return
	}
	f.retired = true
	s.unkeep(f)
	for _, e := range f.idle {
		s.idle.remove(e)
		s.do(action{verb: doEnd, env: e})
		s.forget(e)
	}
	f.idle = nil
	s.settle(f)
}

// close refuses what waits and ends what is idle or starting; busy environments are the pump's.
func (s *sched) close() {
	s.closed = true
	s.concurrency = 0
	for _, f := range s.functions {
		for _, t := range f.waiting {
			s.inFlight--
			s.do(action{verb: doFail, ticket: t})
		}
		f.waiting = nil
		s.retire(f.id)
	}
	s.hungry = nil
}

// tick does what is due: old idle environments end, and waiting requests are looked at again.
func (s *sched) tick(now time.Time) {
	s.wake = time.Time{}
	for e := s.idle.first; e != nil; e = s.idle.first {
		if end := e.since.Add(s.limits.idle); end.After(now) {
			s.wakeBy(end)
			break
		}
		s.idle.remove(e)
		e.fn.dropIdle(e)
		s.do(action{verb: doEnd, env: e})
		s.forget(e)
	}
	s.feedAll(now)
}

// free gives e, which has nothing to do, its next request, or makes it idle, or ends it.
func (s *sched) free(e *env, now time.Time) {
	f := e.fn
	switch {
	case len(f.waiting) > 0:
		s.run(e, s.shift(f), doRun)
	case f.retired || s.closed:
		s.do(action{verb: doEnd, env: e})
		s.forget(e)
	default:
		e.state, e.since = envIdle, now
		f.idle = append(f.idle, e)
		if e.kept && f.kept > f.keep { // fewer are wanted by now: it goes on as one on demand
			s.lost(e)
		}
		if e.kept {
			return
		}
		s.idle.push(e)
		s.wakeBy(now.Add(s.limits.idle))
	}
}

// forget removes e from all counts.
func (s *sched) forget(e *env) {
	if e.state == envGone {
		return
	}
	e.state = envGone
	s.envs--
	e.fn.envs--
	s.lost(e)
	s.settle(e.fn)
}

// settle drops what is known of a function that has no environment and no request.
func (s *sched) settle(f *fn) {
	if f.envs == 0 && len(f.waiting) == 0 && f.keep == 0 && s.functions[f.id] == f {
		delete(s.functions, f.id)
	}
}

// shift takes the first waiting request.
func (s *sched) shift(f *fn) *ticket {
	t := f.waiting[0]
	f.waiting[0] = nil
	f.waiting = f.waiting[1:]
	return t
}

// feedAll feeds every function that has waiting requests.
func (s *sched) feedAll(now time.Time) {
	if len(s.hungry) == 0 {
		return
	}
	list := s.hungry
	s.hungry, s.spare = s.spare[:0], nil
	for _, f := range list {
		f.hungry = false
		if len(f.waiting) > 0 {
			s.feed(f, now)
		}
		if f.kept < f.keep {
			s.feedKept(f, now)
		}
	}
	clear(list)
	s.spare = list
}

// feed starts environments for the function's waiting requests, as many as are due and allowed.
func (s *sched) feed(f *fn, now time.Time) {
	for len(f.waiting) > f.starting {
		if at := s.holdUntil(f, now); at.After(now) {
			s.wakeBy(at)
			break
		}
		if at := s.startSlot(now); at.After(now) {
			s.wakeBy(at)
			break
		}
		if s.envs >= s.environments && !s.evict() {
			t := f.waiting[0]
			if at := t.since.Add(s.full); at.After(now) {
				s.wakeBy(at)
				break
			}
			s.inFlight--
			s.do(action{verb: doThrottle, ticket: s.shift(f)})
			s.settle(f)
			continue
		}
		s.start(f, now)
	}
	if len(f.waiting) > 0 && !f.hungry {
		f.hungry = true
		s.hungry = append(s.hungry, f)
	}
}

// start begins an environment of f.
func (s *sched) start(f *fn, now time.Time) *env {
	e := &env{fn: f, state: envStarting, since: now}
	f.envs++
	f.starting++
	s.envs++
	s.starting++
	s.young = append(s.young, start{e, now})
	s.do(action{verb: doStart, env: e})
	return e
}

// holdUntil tells until when f's first uncovered request should wait for one of f's busy environments: as long as those
// will, by what is known, be free before a new one would be ready.
func (s *sched) holdUntil(f *fn, now time.Time) time.Time {
	if f.busy == 0 || f.duration == 0 || f.init == 0 {
		return now
	}
	if wait := f.duration * time.Duration(len(f.waiting)) / time.Duration(f.busy); wait >= f.init {
		return now
	}
	return f.waiting[f.starting].since.Add(min(max(f.init, time.Millisecond), s.patience))
}

// startSlot tells when the next start is allowed.
func (s *sched) startSlot(now time.Time) time.Time {
	for len(s.young) > 0 && !s.young[0].at.Add(s.limits.young).After(now) {
		s.young = s.young[1:]
	}
	if len(s.young) < s.starts {
		return now
	}
	return s.young[len(s.young)-s.starts].at.Add(s.limits.young)
}

// evict ends the environment that has been idle longest, of whatever function, to make room.
func (s *sched) evict() bool {
	e := s.idle.first
	if e == nil {
		return false
	}
	s.idle.remove(e)
	e.fn.dropIdle(e)
	s.do(action{verb: doEnd, env: e})
	s.forget(e)
	return true
}

func (s *sched) wakeBy(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

// learn takes the duration of an invocation into the average.
func (s *sched) learn(f *fn, d time.Duration) {
	if f.duration == 0 {
		f.duration = max(d, 1)
		return
	}
	f.duration = max(f.duration+(d-f.duration)/8, 1)
}

func (f *fn) dropIdle(e *env) {
	for i, x := range f.idle { // the oldest are in front, and those are what is dropped
		if x == e {
			f.idle = append(f.idle[:i], f.idle[i+1:]...)
			return
		}
	}
}
