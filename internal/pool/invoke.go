package pool

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tealdeploy/teal/internal/runtimeapi"
)

// request is an invocation on its way through the pool. It belongs to the goroutine that runs it.
type request struct {
	f       *Function
	in      Invocation
	ticket  ticket        // with which the scheduler knows it
	grant   action        // the scheduler's last word
	granted chan struct{} // capacity 1: grant is set; nil while nobody waits
	tries   int           // environments that ended before they took the event
	begin   time.Time     // when its event was delivered, or its initialisation began
	event   runtimeapi.Event
	outlet  *outlet // nil when the response is collected
}

// How long a runtime may take between its answer and its request for the next event before the invocation is given to
// another environment, and how often an invocation is given to environments that end before they take it.
const (
	nextPatience = 50 * time.Millisecond
	maxTries     = 3
)

// run does what the scheduler has granted.
func (p *Pool) run(ctx context.Context, r *request) (Result, error) {
	switch r.grant.verb {
	case doThrottle:
		return Result{}, ErrThrottled
	case doFail:
		return Result{}, ErrClosed
	case doInit:
		return p.away(ctx, func() (Result, error) { return p.initAndInvoke(r) })
	}
	return p.invoke(ctx, r, r.f.timeout())
}

// away runs f on a goroutine of its own, which goes on when ctx ends.
func (p *Pool) away(ctx context.Context, f func() (Result, error)) (Result, error) {
	var res Result
	var err error
	done := make(chan struct{})
	p.detach(func() {
		defer close(done)
		res, err = f()
	})
	select {
	case <-done:
		return res, err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// invoke gives the request to the granted environment and waits for the answer.
func (p *Pool) invoke(ctx context.Context, r *request, timeout time.Duration) (Result, error) {
	e := r.grant.env.x
	e.log.begin(r.in.RequestID, r.in.TailLog)
	r.event = runtimeapi.Event{
		RequestID: r.in.RequestID, InvokedARN: r.in.InvokedARN, TraceID: r.in.TraceID, ClientContext: r.in.ClientContext,
		Timeout: timeout, Payload: r.in.Payload,
	}
	if r.outlet != nil {
		r.event.Stream = r.outlet
	}
	turn, err := e.endpoint.Deliver(&r.event, time.Now().Add(nextPatience))
	if err != nil {
		return p.elsewhere(ctx, r, err)
	}
	if r.begin.IsZero() {
		r.begin = r.event.Deadline.Add(-timeout)
	}
	e.log.start(r.event.Deadline.Add(-timeout))
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { e.endpoint.Interrupt(turn) })
	}
	resp, err := e.endpoint.Await(r.event.Deadline)
	stop()
	for errors.Is(err, runtimeapi.ErrInterrupted) {
		if ctx.Err() != nil {
			p.detach(func() {
				resp, err := e.endpoint.Await(r.event.Deadline)
				_, _ = p.conclude(r, resp, err) // nobody waits for the answer
			})
			return Result{}, ctx.Err()
		}
		resp, err = e.endpoint.Await(r.event.Deadline)
	}
	return p.conclude(r, resp, err)
}

// elsewhere goes on with a request whose environment did not take it, for the reason why.
func (p *Pool) elsewhere(ctx context.Context, r *request, why error) (Result, error) {
	e := r.grant.env.x
	if errors.Is(why, runtimeapi.ErrClosed) {
		if r.tries++; r.tries >= maxTries {
			r.begin = time.Now()
			return p.conclude(r, runtimeapi.Response{}, runtimeapi.ErrClosed)
		}
	}
	e.log.cancel()
	r.granted = make(chan struct{}, 1)
	p.tell(func(s *sched, now time.Time) { s.returned(r.grant.env, r.grant.ticket, now) })
	if errors.Is(why, runtimeapi.ErrNotReady) {
		p.detach(func() {
			if e.endpoint.WaitReady() { // else the environment has ended, and its watch tells so
				p.tell(func(s *sched, now time.Time) { s.ready(e.env, now) })
			}
		})
	}
	return p.wait(ctx, r)
}

// initAndInvoke repeats a failed initialisation within the time of the invocation, as AWS does, and goes on with it.
func (p *Pool) initAndInvoke(r *request) (Result, error) {
	v := r.grant.env
	failed := v.x.failure
	p.mu.Lock()
	e := p.newEnvironment(v)
	closed := p.closed
	p.mu.Unlock()
	r.begin = time.Now()
	e.log.begin(r.in.RequestID, r.in.TailLog)
	if closed {
		e.failure = &failure{err: ErrClosed}
	} else if !failed.retry {
		e.failure = failed
	} else if e.launch(r.f.timeout()) {
		p.detach(e.watch)
		e.used = true
		return p.invoke(context.Background(), r, r.f.timeout()-time.Since(r.begin))
	}
	e.gone()
	if f := e.failure; f.err == nil {
		if failed.retry {
			e.log.initReport(time.Since(r.begin), "invoke", f)
		}
		return p.finish(r, outcome{
			document: f.document, errorType: f.errorType, message: f.message, timeout: f.timeout, dead: true,
		}), nil
	}
	p.tell(func(s *sched, now time.Time) { s.broken(v, time.Since(r.begin), now) })
	if p.isClosed() {
		return Result{}, ErrClosed
	}
	return Result{}, e.failure.err
}

func (p *Pool) isClosed() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}

// conclude turns the end of an invocation into its result.
func (p *Pool) conclude(r *request, resp runtimeapi.Response, err error) (Result, error) {
	e := r.grant.env.x
	switch {
	case err == nil:
		e.process.Flush()
		return p.finish(r, outcome{payload: resp.Payload, failed: resp.Error, errorType: resp.ErrorType, contentType: resp.ContentType, streamed: resp.Streamed}), nil
	case errors.Is(err, runtimeapi.ErrDeadline):
		e.kill()
		<-e.process.Done()
		return p.finish(r, outcome{errorType: "Sandbox.Timedout", message: timeoutMessage(r.f.timeout()), timeout: true, dead: true}), nil
	case p.isClosed():
		e.kill()
		<-e.process.Done()
		p.tell(func(s *sched, now time.Time) { s.broken(e.env, now.Sub(r.begin), now) })
		return Result{}, ErrClosed
	default:
		<-e.process.Done()
		return p.finish(r, outcome{errorType: "Runtime.ExitError", message: exitMessage(e.process.Exit()), dead: true}), nil
	}
}

// outcome is how an invocation went.
type outcome struct {
	payload   []byte // the runtime's answer
	failed    bool   // payload is an error document
	document  []byte // of a failed initialisation
	errorType string
	message   string // AWS's sentence where the runtime gave no document
	timeout   bool
	dead      bool // the environment has ended

	contentType string
	streamed    bool // the caller has the response
}

// finish writes the end of the log, frees the environment and makes the result.
func (p *Pool) finish(r *request, o outcome) Result {
	e := r.grant.env.x
	now := time.Now()
	res := Result{Payload: o.payload, Duration: now.Sub(r.begin)}
	rep := report{id: r.in.RequestID, duration: res.Duration, errorType: o.errorType}
	switch {
	case r.grant.verb == doInit: // its initialisation is part of the duration
		res.Cold = true
	case !e.used:
		e.used = true
		res.Cold, rep.cold = true, true
		res.Init, rep.init = e.init, e.init
	}
	res.Billed = billed(res.Duration + res.Init)
	rep.billed = res.Billed
	switch {
	case o.message != "":
		res.FunctionError = unhandled
		res.Payload = errorDocument(r.in.RequestID, o.errorType, o.message)
		if rep.status = "error"; o.timeout {
			rep.status, rep.errorType = "timeout", ""
			rep.notes = []string{now.UTC().Format("2006-01-02T15:04:05.000Z") + " " + r.in.RequestID + " " + o.message, ""}
		} else {
			rep.notes = []string{"RequestId: " + r.in.RequestID + " Error: " + o.message, o.errorType}
		}
	case o.document != nil:
		res.FunctionError, res.Payload = unhandled, o.document
		rep.status = "error"
	case o.failed:
		res.FunctionError = unhandled
		rep.status = "error"
	default:
		if rep.errorType = ""; r.outlet != nil {
			if !o.streamed {
				r.outlet.whole(o.contentType, o.payload)
			}
			res.Payload = nil
		}
	}
	if e.process != nil && (p.courier != nil || r.in.TailLog) {
		if o.dead {
			x := e.process.Exit()
			if rep.memory = x.MaxMemory; x.OutOfMemory { // all that it was given
				rep.memory = int64(r.f.memory()) << 20
				rep.errorType = "Runtime.OutOfMemory"
			}
		}
		rep.memory = max(rep.memory, e.process.MaxMemory())
	}
	res.LogTail = e.log.end(now, rep)
	p.mu.Lock()
	if o.dead {
		p.s.broken(e.env, res.Duration, now)
	} else {
		p.s.done(e.env, res.Duration, now)
	}
	p.act()
	p.mu.Unlock()
	return res
}

// unhandled is what AWS reports as FunctionError, whether the function caught its error or not.
const unhandled = "Unhandled"

// billed rounds up to the millisecond. Since August 2025 AWS charges for the initialisation, too.
func billed(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// errorDocument is the payload of an invocation that the platform ended.
func errorDocument(id, errorType, message string) []byte {
	b, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errorType, "RequestId: " + id + " Error: " + message})
	if err != nil { // two strings can always be marshalled
		return []byte("{}")
	}
	return b
}
