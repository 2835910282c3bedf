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
	"path/filepath"
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
	LogGroup, LogStreamPrefix    string
	Logging                      Logging
	Account, Region              string
}

// Logging is how a function's log is written. Levels are AWS's names; both are empty with the format Text.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
type Logging struct {
	Format           string // "Text" or "JSON"
	ApplicationLevel string // of the function's own lines
	SystemLevel      string // of the platform's lines
}

// Stream takes the answer of a function while it is being written. Start is called once, before the first byte, with the
// media type that the function has chosen. An error of either ends the stream; the function runs on.
type Stream interface {
	Start(contentType string) error
	Write(p []byte) (int, error)
}

// Invocation is one call of a function.
type Invocation struct {
	RequestID, InvokedARN, TraceID, ClientContext string
	Payload                                       []byte
	TailLog                                       bool // the end of the log is wanted in the result
	// Stream, when set, gets the answer of a function that streams; the Result then has no Payload unless it failed.
	Stream Stream
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
	// Logs gets every line of every function's log, in the order of its environment and without its line end. It may be
	// called from many goroutines, on the path of an invocation; line is only valid during the call. nil means no logs.
	Logs func(f *Function, stream string, at time.Time, line []byte)
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
)

// Pool runs functions. All methods may be called from any goroutine.
type Pool struct {
	cfg     Config
	log     *slog.Logger
	sandbox *proc.Sandbox
	runtime string // directory of the bootstraps
	ownDir  string // to be removed by Close
	extra   []string

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
	p := &Pool{cfg: cfg, log: cfg.Log, live: make(map[*environment]struct{}), closing: make(chan struct{})}
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
	sb, err := proc.Open(proc.Config{Dir: dir, SameUser: cfg.SameUser, Log: p.log})
	if err != nil {
		p.removeDir()
		return nil, err
	}
	p.sandbox = sb
	p.runtime = filepath.Join(sb.Dir(), "runtime")
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
	_, err := p.sandbox.Find(runtime)
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
			r := a.ticket.x
			r.grant = a
			r.granted <- struct{}{}
		case doStart:
			e := p.newEnvironment(a.env)
			p.work.Add(1)
			go e.live()
		case doEnd:
			a.env.x.kill()
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
		e.kill()
	}
	p.mu.Unlock()

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
	err := p.sandbox.Close()
	p.removeDir()
	return err
}
