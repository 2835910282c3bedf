// Package pool runs functions: it keeps execution environments, each a process that speaks the Lambda Runtime API, and
// gives invocations to them. What is decided (which environment takes an invocation, when one starts and ends) is in
// sched, which is pure; this package's other files are the pump that acts on it.
//
// There is no goroutine of the pool's on the way of a warm invocation: the caller takes an idle environment under the
// pool's lock, writes the event and reads the answer itself, and puts the environment back.
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
	"github.com/tealdeploy/teal/internal/runtimeapi"
)

// Function is all that an execution environment must know of one function version; it is immutable. ID is unique per
// content: environments are shared only between invocations with the same ID.
type Function struct {
	ID, Name, Version, ARN       string // ARN is qualified with Version
	Runtime, Handler, Role       string
	CodeDir                      string            // the extracted code, which is only read
	OptDir                       string            // the merged layers, which are only read; "" for none
	Environment                  map[string]string // the function's own variables
	Timeout                      time.Duration
	MemoryMB, EphemeralStorageMB int
	Logging                      Logging
	Account, Region              string
}

// Invocation is one call of a function.
type Invocation struct {
	RequestID, InvokedARN, TraceID, ClientContext string
	Payload                                       []byte
	TailLog                                       bool   // the end of the log is wanted in the result
	Stream                                        Stream // takes the response as it is made; nil for a Result with it
}

// Stream takes the response of an invocation, a streaming function's as it is made, others' in one piece. Start is called
// once, before the first piece; the Result has no Payload then, unless the function failed afterwards. An error of either
// ends the calls; the function goes on. After Invoke has returned there are no calls.
type Stream interface {
	Start(contentType string) error
	Write(p []byte) (int, error)
}

// Result is the end of an invocation, successful or not.
type Result struct {
	Payload       []byte
	FunctionError string // "" or "Unhandled"
	LogTail       []byte // the last 4 KiB of the invocation's log at most, raw; nil unless wanted
	// Duration is the time of the invocation, Init that of the environment's initialisation when this invocation was its
	// first, and Billed what AWS would charge for: both, in whole milliseconds.
	Duration, Init, Billed time.Duration
	Cold                   bool // the invocation was the first one of its environment
}

// Config configures a Pool. Zero values stand for the defaults.
type Config struct {
	// Dir holds the bootstraps of the runtimes and the private temporary directories; empty means a new directory under
	// the system's temporary one, removed by Close. As root, every directory on its path must be open to others (o+x).
	Dir string
	// Concurrency is the number of invocations at a time; AWS's account limit of 1000 is the default.
	Concurrency int
	// Environments is the number of execution environments at a time; the default depends on the machine's memory.
	Environments int
	// IdleTimeout is how long an environment is kept without work; 10 minutes by default.
	IdleTimeout time.Duration
	// Logs gets every line of every function's log; nil means that nobody does.
	Logs Logs
	// Ahead is how many interpreters of each runtime that is used stand ready for functions that need a new environment:
	// 2 by default, none when negative. One of Python takes about 12 MB, one of Node 45.
	Ahead int
	// Private are folders that functions must not see, the platform's data.
	Private []string
	// Environment is added to every function's variables, below the function's own.
	Environment map[string]string
	// SameUser runs functions as the platform's own user even as root.
	SameUser bool
	// Log is the platform's own log; nil means slog.Default().
	Log *slog.Logger
}

// Errors of Invoke. A *RuntimeMissingError is another one.
var (
	// ErrThrottled: the concurrency limit is reached, or the machine has no place for a further environment.
	ErrThrottled = errors.New("pool: rate exceeded")
	// ErrClosed: the pool was closed.
	ErrClosed = errors.New("pool: closed")
)

// RuntimeMissingError says that this machine cannot run functions of a runtime, and what to install.
type RuntimeMissingError = proc.RuntimeMissingError

// AWS's limits, and what the scheduler is told beside them.
const (
	defaultConcurrency = 1000
	defaultIdle        = 10 * time.Minute
	defaultTimeout     = 3 * time.Second
	initTimeout        = 10 * time.Second // of an initialisation before the invocation
	youngStart         = 250 * time.Millisecond
	startPatience      = 50 * time.Millisecond
	fullPatience       = 2 * time.Second
	memoryPerEnv       = 64 << 20 // bytes of the machine's memory for each environment
	endTimeout         = 10 * time.Second
	defaultAhead       = 2
)

// Pool runs functions. All methods may be called from any goroutine.
type Pool struct {
	cfg     Config
	log     *slog.Logger
	sandbox *proc.Sandbox
	runtime string // directory of the bootstraps
	ownDir  string // to be removed by Close
	extra   []string
	courier *courier // nil without logs
	stock   *stock
	grace   time.Duration // endGrace, but in tests

	mu      sync.Mutex
	s       *sched
	timer   *time.Timer
	timerAt time.Time
	live    map[*environment]struct{} // with a process, or about to have one
	closed  bool
	closing chan struct{}
	work    sync.WaitGroup // goroutines of the pool
}

// New makes a pool. It fails when its directory cannot be used.
func New(cfg Config) (*Pool, error) {
	p := &Pool{cfg: cfg, log: cfg.Log, live: make(map[*environment]struct{}), closing: make(chan struct{}), grace: endGrace}
	if p.log == nil {
		p.log = slog.Default()
	}
	dir := cfg.Dir
	if dir == "" {
		d, err := os.MkdirTemp("", "teal-run-")
		if err != nil {
			return nil, fmt.Errorf("pool: no directory for execution environments: %w", err)
		}
		dir, p.ownDir = d, d
	}
	sb, err := proc.Open(proc.Config{Dir: dir, Private: cfg.Private, SameUser: cfg.SameUser, Log: p.log})
	if err != nil {
		p.removeDir()
		return nil, err
	}
	p.sandbox = sb
	p.runtime = sb.RuntimeDir()
	if err := runtimeapi.WriteBootstraps(p.runtime); err != nil {
		sb.Close()
		p.removeDir()
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(cfg.Environment)) {
		p.extra = append(p.extra, k+"="+cfg.Environment[k])
	}
	l := limits{
		concurrency: cfg.Concurrency, environments: cfg.Environments, idle: cfg.IdleTimeout,
		starts: max(4, 2*runtime.NumCPU()), young: youngStart, patience: startPatience, full: fullPatience,
	}
	if l.concurrency <= 0 {
		l.concurrency = defaultConcurrency
	}
	if l.environments <= 0 {
		l.environments = int(min(max(proc.MachineMemory()/memoryPerEnv, 16), defaultConcurrency))
	}
	if l.idle <= 0 {
		l.idle = defaultIdle
	}
	p.s = newSched(l)
	if cfg.Logs != nil {
		p.courier = newCourier(cfg.Logs)
	}
	p.stock = newStock(p, cfg.Ahead)
	return p, nil
}

func (p *Pool) removeDir() {
	if p.ownDir != "" {
		if err := os.RemoveAll(p.ownDir); err != nil {
			p.log.Warn("the directory of the execution environments was not removed", "dir", p.ownDir, "error", err)
		}
	}
}

// Check reports whether functions of a runtime can be run here; the error is a *RuntimeMissingError. The first question
// about a runtime may take the time that an interpreter needs to tell its version.
func (p *Pool) Check(runtime string) error {
	r, err := p.sandbox.Find(runtime)
	if err == nil {
		p.stock.want(r)
	}
	return err
}

// Isolation lists which parts of the isolation hold on this machine.
func (p *Pool) Isolation() []proc.Property { return p.sandbox.Properties() }

// Invoke runs one invocation and waits for its end. An error means that the platform could not run it: ErrThrottled,
// ErrClosed, a *RuntimeMissingError, or one about the machine. Failures of the function, its time-out, crash and failed
// initialisation among them, are results. When ctx ends first, Invoke returns its error, and the invocation goes on, as on
// AWS; in.Payload must therefore not be changed afterwards.
func (p *Pool) Invoke(ctx context.Context, f *Function, in Invocation) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if _, err := p.sandbox.Find(f.Runtime); err != nil {
		return Result{}, err
	}
	r := &request{f: f, in: in}
	if in.Stream != nil {
		r.outlet = &outlet{to: in.Stream}
		defer r.outlet.leave()
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return Result{}, ErrClosed
	}
	if !p.s.request(r, time.Now()) {
		p.mu.Unlock()
		return Result{}, ErrThrottled
	}
	p.work.Add(1)
	defer p.work.Done()
	if len(p.s.out) == 1 && p.s.out[0].verb == doRun { // warm: no channel, no further look at the scheduler
		r.grant = p.s.out[0]
		p.s.out = p.s.out[:0]
		p.mu.Unlock()
		return p.run(ctx, r)
	}
	r.granted = make(chan struct{}, 1)
	p.act()
	p.mu.Unlock()
	return p.wait(ctx, r)
}

// wait waits for the scheduler's grant and goes on with it.
func (p *Pool) wait(ctx context.Context, r *request) (Result, error) {
	select {
	case <-r.granted:
		return p.run(ctx, r)
	case <-ctx.Done():
		p.detach(func() {
			<-r.granted
			_, _ = p.run(context.Background(), r) // nobody waits for the answer
		})
		return Result{}, ctx.Err()
	}
}

// detach goes on with an invocation whose caller has left.
func (p *Pool) detach(f func()) {
	p.work.Add(1)
	go func() {
		defer p.work.Done()
		f()
	}()
}

// Retire ends the idle environments of a function now and the others after their invocation. An invocation that comes
// later all the same is served by an environment of its own.
func (p *Pool) Retire(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.retire(id)
	p.act()
}

// act performs what the scheduler has decided. It is called with mu held.
func (p *Pool) act() {
	for i := 0; i < len(p.s.out); i++ {
		a := p.s.out[i]
		switch a.verb {
		case doRun, doInit, doThrottle, doFail:
			if a.provision != nil {
				p.answer(a)
				continue
			}
			r := a.ticket.x
			r.grant = a
			r.granted <- struct{}{}
		case doStart:
			e := p.newEnvironment(a.env)
			p.work.Add(1)
			go e.live()
		case doWarm:
			p.answer(a)
		case doEnd:
			a.env.x.end()
		}
	}
	clear(p.s.out)
	p.s.out = p.s.out[:0]
	if w := p.s.wake; !w.IsZero() && !p.closed && (p.timerAt.IsZero() || w.Before(p.timerAt)) {
		p.timerAt = w
		if p.timer == nil {
			p.timer = time.AfterFunc(time.Until(w), p.tick)
		} else {
			p.timer.Reset(time.Until(w))
		}
	}
}

func (p *Pool) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timerAt = time.Time{}
	if !p.closed {
		p.s.tick(time.Now())
		p.act()
	}
}

// tell gives the scheduler an event and performs what follows.
func (p *Pool) tell(event func(s *sched, now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	event(p.s, time.Now())
	p.act()
}

// Provision wants n environments of f that are kept beside those on demand, whether they are used or not, and returns
// once they are warm. 0 gives them up. An error is an *InitError of the function, ErrThrottled when the machine has no
// place for as many, ErrClosed, or another one about the machine; so is ErrClosed when a later call or Retire has taken
// its place. When ctx ends first, its error is returned, and the environments are still wanted.
func (p *Pool) Provision(ctx context.Context, f *Function, n int) error {
	if _, err := p.sandbox.Find(f.Runtime); err != nil {
		return err
	}
	x := &provision{done: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.s.keepWarm(f, max(n, 0), x, time.Now())
	p.act()
	p.mu.Unlock()
	select {
	case <-x.done:
		return x.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InitError says that an environment could not be initialised, for which its function is to blame.
type InitError struct {
	Function string // ARN
	Type     string // as AWS names it, such as Runtime.ExitError
	Message  string
}

func (e *InitError) Error() string {
	return fmt.Sprintf("the initialisation of %s failed: %s: %s", e.Function, e.Type, e.Message)
}

// answer tells a call of Provision how it ended. It is called with mu held.
func (p *Pool) answer(a action) {
	switch x := a.provision; {
	case a.verb == doThrottle:
		x.err = ErrThrottled
	case a.verb == doFail:
		x.err = ErrClosed
	case a.env != nil:
		x.err = a.env.x.failure.asError(a.env.x.f)
	}
	close(a.provision.done)
}

// Close ends every process and waits for its end, 10 seconds at most. Invocations under way end with ErrClosed. It is
// idempotent.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.closing)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.s.close()
	p.act()
	for e := range p.live {
		if e.env.state != envGone { // the others were told to end
			e.kill()
		}
	}
	p.mu.Unlock()
	p.stock.close()

	ended := make(chan struct{})
	go func() {
		p.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(endTimeout):
		p.mu.Lock()
		n := len(p.live)
		p.mu.Unlock()
		return fmt.Errorf("pool: %d processes have not ended %v after they were killed", n, endTimeout)
	}
	if p.courier != nil {
		p.courier.close()
	}
	err := p.sandbox.Close()
	p.removeDir()
	return err
}
