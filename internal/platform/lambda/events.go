package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/store"
)

// How AWS retries an asynchronous invocation: a function that fails is tried again after one and after two more minutes;
// when there is no room for it, or the service fails, again and again with growing pauses, until it is too old.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const (
	defaultRetries = 2
	defaultMaxAge  = 6 * time.Hour
	firstPause     = time.Second
	longestPause   = 5 * time.Minute
	eventWorkers   = 64 // invocations of the queue that run at one time
)

// retryPause is the pause after the function's nth failure.
func retryPause(n int) time.Duration { return time.Duration(n) * time.Minute }

// eventRecord is an asynchronous invocation that was acknowledged and is not done.
type eventRecord struct {
	ID            string    `json:"id"` // the request id that the caller was told
	Function      string    `json:"function"`
	Qualifier     string    `json:"qualifier,omitempty"`
	Payload       []byte    `json:"payload"`
	ClientContext string    `json:"clientContext,omitempty"`
	Trace         string    `json:"trace,omitempty"` // header of the trace that it belongs to
	Accepted      time.Time `json:"accepted"`
	Due           time.Time `json:"due"`
	Failures      int       `json:"failures,omitempty"` // of the function
	Refusals      int       `json:"refusals,omitempty"` // in a row: throttles and failures of the platform

	// Deliveries are what is left to do of an event whose invocation is over.
	Deliveries []delivery `json:"deliveries,omitempty"`
}

// eventQueue runs the acknowledged events, each until it is done, given up, or too old. An event is in the store from its
// acknowledgement on; in memory there are only keys. After a crash an event that was running runs again.
type eventQueue struct {
	service *Service
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	ready   []string               // keys that are due
	timers  map[string]func() bool // keys that are not due yet
	running int
	closed  bool
	workers sync.WaitGroup
}

func newEventQueue(s *Service) *eventQueue {
	q := &eventQueue{service: s, timers: map[string]func() bool{}}
	q.ctx, q.cancel = context.WithCancel(s.lifetime)
	return q
}

// add stores an event; when it returns nil the event survives a crash and will be run.
func (q *eventQueue) add(ctx context.Context, inv *invocation) error {
	key, err := uuid.NewV7() // keys ascend with time, so that a restart runs the oldest first
	if err != nil {
		return err
	}
	now := q.service.cfg.Clock.Now()
	e := eventRecord{
		ID: inv.requestID, Function: inv.name, Qualifier: inv.qualifier, Payload: inv.payload, ClientContext: inv.clientContext,
		Trace: q.service.traceHeader(ctx, inv), Accepted: now, Due: now,
	}
	b := &store.Batch{}
	if err := put(b, eventBucket, key.String(), e); err != nil {
		return err
	}
	if err := q.service.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	q.service.async(e, "AsyncEventsReceived", "Count", 1)
	q.schedule(key.String(), 0)
	return nil
}

// recover schedules what the store has.
func (q *eventQueue) recover(ctx context.Context) error {
	now := q.service.cfg.Clock.Now()
	return scan(ctx, q.service.cfg.Store, eventBucket, func(key string, e eventRecord) error {
		q.schedule(key, e.Due.Sub(now))
		return nil
	})
}

func (q *eventQueue) schedule(key string, in time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if in > 0 {
		q.timers[key] = q.service.cfg.Clock.AfterFunc(in, func() { q.schedule(key, 0) })
		return
	}
	delete(q.timers, key)
	q.ready = append(q.ready, key)
	if q.running < eventWorkers {
		q.running++
		q.workers.Go(q.work)
	}
}

// work runs events until none is due.
func (q *eventQueue) work() {
	for {
		q.mu.Lock()
		if q.closed || len(q.ready) == 0 {
			q.running--
			q.mu.Unlock()
			return
		}
		key := q.ready[0]
		q.ready = q.ready[1:]
		q.mu.Unlock()
		if err := q.run(key); err != nil && q.ctx.Err() == nil {
			q.service.cfg.Logger.Error("lambda: the queue of asynchronous invocations cannot be written; trying again", "event", key, "error", err)
			q.schedule(key, longestPause)
		}
	}
}

// run takes one event a step further. An error means that the store failed or that the queue
// closes; the event is as it was.
func (q *eventQueue) run(key string) error {
	raw, err := q.service.cfg.Store.Get(q.ctx, eventBucket, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var e eventRecord
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("event %s cannot be read: %w", key, err)
	}
	if len(e.Deliveries) > 0 {
		return q.deliver(key, e)
	}
	r := ref{e.Function, e.Qualifier}
	retries, maxAge, err := q.service.asyncLimits(r)
	if err != nil {
		return err
	}
	log := q.service.cfg.Logger.With("function", q.service.arn(e.Function, e.Qualifier), "requestId", e.ID)
	now := q.service.cfg.Clock.Now()
	if now.Sub(e.Accepted) > maxAge {
		log.Warn("lambda: an asynchronous invocation is too old and is given up", "age", now.Sub(e.Accepted))
		return q.end(key, e, tooOld, nil)
	}
	q.service.async(e, "AsyncEventAge", "Milliseconds", float64(now.Sub(e.Accepted))/float64(time.Millisecond))
	inv := &invocation{ref: r, requestID: e.ID, traceID: e.Trace, clientContext: e.ClientContext, payload: e.Payload}
	o, err := q.service.run(q.ctx, inv)
	if err != nil && q.ctx.Err() != nil {
		return err // closing; the event stays for the next start
	}
	next := e // what follows from the event is of its trace
	next.Trace = inv.traceID + inv.lineage
	var unknown *types.ResourceNotFoundException
	switch {
	case errors.As(err, &unknown):
		log.Warn("lambda: the function of an asynchronous invocation is gone; the invocation is dropped")
		q.service.async(e, "AsyncEventsDropped", "Count", 1)
		return q.forget(key)
	case q.service.stopped(r, err):
		log.Warn("lambda: the function of an asynchronous invocation has no concurrency; the invocation is given up")
		return q.end(key, e, noConcurrency, nil)
	case isLoop(err):
		return q.end(key, e, retriesExhausted, nil)
	case err != nil:
		e.Refusals++
		return q.later(key, e, min(longestPause, firstPause<<min(e.Refusals-1, 20)))
	case o.result.FunctionError == "":
		return q.end(key, next, succeeded, &o)
	}
	e.Failures, e.Refusals = e.Failures+1, 0
	if e.Failures > retries {
		log.Warn("lambda: an asynchronous invocation has failed for good", "attempts", e.Failures)
		next.Failures = e.Failures
		return q.end(key, next, retriesExhausted, &o)
	}
	return q.later(key, e, retryPause(e.Failures))
}

// later keeps the event with what has happened to it, for another try.
func (q *eventQueue) later(key string, e eventRecord, pause time.Duration) error {
	e.Due = q.service.cfg.Clock.Now().Add(pause)
	b := &store.Batch{}
	if err := put(b, eventBucket, key, e); err != nil {
		return err
	}
	if err := q.service.cfg.Store.Commit(context.WithoutCancel(q.ctx), b); err != nil {
		return err
	}
	q.schedule(key, pause)
	return nil
}

func (q *eventQueue) forget(key string) error {
	b := &store.Batch{}
	b.Delete(eventBucket, key)
	return q.service.cfg.Store.Commit(context.WithoutCancel(q.ctx), b)
}

// close stops the timers, interrupts what is running, and waits for it. Events that are not done stay in the store.
func (q *eventQueue) close() {
	q.mu.Lock()
	q.closed = true
	for _, stop := range q.timers {
		stop()
	}
	q.timers, q.ready = nil, nil
	q.mu.Unlock()
	q.cancel()
	q.workers.Wait()
}

// asyncLimits gives how often a failing event of this function is tried again, and how old it may get.
func (s *Service) asyncLimits(r ref) (retries int, maxAge time.Duration, err error) {
	retries, maxAge = defaultRetries, defaultMaxAge
	if r.qualifier == "" {
		r.qualifier = latest
	}
	n, err := s.look(r.name)
	if n == nil || n.async[r.qualifier] == nil {
		return
	}
	a := n.async[r.qualifier]
	if a.Retries != nil {
		retries = int(*a.Retries)
	}
	if a.MaxAge != nil {
		maxAge = time.Duration(*a.MaxAge) * time.Second
	}
	return
}
