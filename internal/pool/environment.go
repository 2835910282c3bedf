package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
	"github.com/tealdeploy/teal/internal/runtimeapi"
)

// environment is one execution environment: a process with its endpoint of the Runtime API and its log.
type environment struct {
	p   *Pool
	env *env
	f   *Function
	log *journal

	provisioned bool

	used    bool          // an invocation has begun; belongs to the invocation under way
	init    time.Duration // of an initialisation before the first invocation
	failure *failure      // why the initialisation failed

	slot     *proc.Slot
	endpoint *runtimeapi.Endpoint

	mu      sync.Mutex
	killed  bool
	ending  chan struct{} // closed by kill
	process *proc.Process // once launched
}

// failure tells why an environment could not be initialised.
type failure struct {
	err       error  // of the platform; the function is not to blame
	document  []byte // the error document that the function's runtime gave, nil when there is none
	errorType string
	message   string // AWS's sentence, without the request id in front
	retry     bool   // worth another try
	timeout   bool
}

// newEnvironment makes the pump's side of an environment. It is called with mu held.
func (p *Pool) newEnvironment(v *env) *environment {
	e := &environment{p: p, env: v, f: v.fn.x, ending: make(chan struct{})}
	e.log = newJournal(e.f, p.courier)
	e.provisioned = v.kept
	v.x = e
	p.live[e] = struct{}{}
	return e
}

// live initialises the environment and stays with it until its process has ended.
func (e *environment) live() {
	defer e.p.work.Done()
	begin := time.Now()
	if e.launch(initTimeout) {
		e.init = time.Since(begin)
		e.p.tell(func(s *sched, now time.Time) { s.started(e.env, e.init, now) })
		e.watch()
		return
	}
	e.log.initReport(time.Since(begin), "init", e.failure)
	e.gone()
	e.p.tell(func(s *sched, now time.Time) { s.failed(e.env, now) })
}

// gone takes the environment off the pool's list.
func (e *environment) gone() {
	e.p.mu.Lock()
	delete(e.p.live, e)
	e.p.mu.Unlock()
}

// watch stays with a launched environment until its process has ended, and tells the scheduler.
func (e *environment) watch() {
	<-e.process.Done()
	e.release()
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	delete(e.p.live, e)
	if e.env.x == e && !e.p.closed {
		e.p.s.died(e.env, time.Now())
		e.p.act()
	}
}

func (e *environment) release() {
	if e.endpoint != nil {
		e.endpoint.Close()
	}
	if e.slot != nil {
		e.slot.Release()
	}
}

// kill ends the environment at once; a launch under way fails.
func (e *environment) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.killed {
		e.killed = true
		close(e.ending)
	}
	if e.process != nil {
		e.process.Kill()
	}
}

// endGrace is how long a process that handles SIGTERM has for its end, as on AWS one with an internal extension.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const endGrace = 500 * time.Millisecond

// end ends the environment while it has nothing to do: one that handles SIGTERM can put its things in order.
func (e *environment) end() {
	e.mu.Lock()
	process := e.process
	e.mu.Unlock()
	if process == nil || !process.HandlesTerm() {
		e.kill()
		return
	}
	process.Terminate()
	e.p.detach(func() {
		select {
		case <-process.Done():
		case <-time.After(e.p.grace):
		}
		e.kill()
	})
}

// launch starts the process and waits until its runtime asks for an event. Else it sets failure, nothing is left of the
// process, and the result is false.
func (e *environment) launch(limit time.Duration) bool {
	e.failure = e.try(limit)
	if e.failure == nil {
		return true
	}
	if e.process != nil {
		e.process.Kill()
		<-e.process.Done()
	}
	e.release()
	return false
}

func (e *environment) try(limit time.Duration) *failure {
	p := e.p
	r, err := p.sandbox.Find(e.f.Runtime)
	if err != nil {
		return &failure{err: err}
	}
	if err := p.sandbox.Reaches(e.f.CodeDir); err != nil {
		return &failure{err: fmt.Errorf("pool: code of %s: %w", e.f.ARN, err)}
	}
	e.log.initStart(r, e.provisioned)
	if fail := e.start(r); fail != nil {
		return fail
	}
	process := e.process

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.endpoint.Ready():
		if r := e.endpoint.InitError(); r != nil {
			return e.initError(r, timer)
		}
		return nil
	case <-process.Done():
		if r := e.endpoint.InitError(); r != nil {
			return e.initError(r, timer)
		}
		return &failure{errorType: "Runtime.ExitError", message: exitMessage(process.Exit()), retry: true}
	case <-timer.C:
		return &failure{errorType: "Sandbox.Timedout", message: timeoutMessage(limit), retry: true, timeout: true}
	case <-e.ending:
		return &failure{err: ErrClosed}
	}
}

// start starts the process, or takes one that was started ahead.
func (e *environment) start(r proc.Runtime) *failure {
	p := e.p
	ready := p.stock.take(r, e.f)
	var err error
	if ready != nil {
		e.slot = ready.slot
	} else if e.slot, err = p.sandbox.Slot(); err != nil {
		return &failure{err: err}
	}
	if e.endpoint, err = runtimeapi.Listen(e.slot.Owns); err != nil {
		if ready != nil {
			ready.process.Kill()
		}
		return &failure{err: err}
	}
	at := e.slot.Paths(e.f.room())
	variables := p.variables(e.f, r, at, e.endpoint.Addr(), e.log.stream, e.provisioned)
	if ready != nil {
		e.launched(ready.process)
		if err := ready.tell(e.f, variables, e.log.line); err != nil {
			return &failure{err: err}
		}
		return nil
	}
	spec, fail := p.spec(e.f, r, at)
	if fail != nil {
		return fail
	}
	spec.Env, spec.Line = variables, e.log.line
	process, err := e.slot.Start(spec)
	if err != nil {
		var pe *os.PathError
		if (r.Kind == proc.KindProvided || spec.Path != r.Path) && errors.As(err, &pe) && pe.Path == spec.Path { // as AWS tells it, from inside the environment
			return &failure{errorType: "Runtime.InvalidEntrypoint", message: "fork/exec " + inTask(spec.Path, at) + ": " + pe.Err.Error()}
		}
		return &failure{err: fmt.Errorf("pool: start of %s: %w", e.f.ARN, err)}
	}
	e.launched(process)
	return nil
}

// inTask names a path as it is on AWS.
func inTask(path string, at proc.Paths) string {
	if rel, err := filepath.Rel(at.Task, path); err == nil && filepath.IsLocal(rel) {
		return "/var/task/" + filepath.ToSlash(rel)
	}
	return path
}

func (e *environment) launched(process *proc.Process) {
	e.mu.Lock()
	e.process = process
	e.mu.Unlock()
}

// asError tells the failure to those who asked for the environment.
func (f *failure) asError(fun *Function) error {
	if f.err != nil {
		return f.err
	}
	x := &InitError{Function: fun.ARN, Type: f.errorType, Message: f.message}
	if f.document != nil {
		var d struct {
			Type    string `json:"errorType"`
			Message string `json:"errorMessage"`
		}
		if json.Unmarshal(f.document, &d) == nil {
			x.Type, x.Message = d.Type, d.Message
		}
	}
	return x
}

// initError is the failure that the runtime has reported. The process gets the time to end by itself, so that what it
// still says is in the log.
func (e *environment) initError(r *runtimeapi.Response, limit *time.Timer) *failure {
	grace := time.NewTimer(500 * time.Millisecond)
	defer grace.Stop()
	select {
	case <-e.process.Done():
	case <-grace.C:
	case <-limit.C:
	case <-e.ending:
	}
	return &failure{document: r.Payload, errorType: r.ErrorType, retry: true}
}

// exitMessage words the end of a runtime as AWS does.
func exitMessage(x proc.Exit) string {
	if x.Signal == 0 && x.Code == 0 {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + x.String()
}

// timeoutMessage words the end of a function's time as AWS does.
func timeoutMessage(d time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", d.Seconds())
}
