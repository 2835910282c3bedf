// Package runtimeapi is the server side of the Lambda Runtime API 2018-06-01 for one execution environment, written by
// hand over TCP, and the small programs (bootstraps) that speak to it for Python and Node.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//
// Every environment has a listener of its own, so that its address says which environment speaks: the official clients
// know no more of the API than host and port, and some of them refuse or lose a path in it.
//
// There is no goroutine between the caller of an invocation and the runtime. A connection whose runtime waits for the
// next event is left unread, and the caller itself writes the event to it and reads the answer from it: one wake-up, of
// the caller, by the network poller. Only connections about which nothing is known yet have a goroutine that reads them.
package runtimeapi

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// MaxResponse is the largest response of a function, in bytes: AWS's 6 MB with its allowance for the envelope.
const MaxResponse = 6*1024*1024 + 100

// MaxStream is the largest streamed response, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
const MaxStream = 200 * 1000 * 1000

// maxConns bounds the connections of one environment; further ones are closed as they come.
const maxConns = 16

// Errors of Deliver and Await.
var (
	// ErrClosed: the endpoint was closed, as happens when its process has ended.
	ErrClosed = errors.New("runtimeapi: endpoint closed")
	// ErrNotReady: the runtime did not ask for the next event in time. Nothing was delivered.
	ErrNotReady = errors.New("runtimeapi: the runtime does not wait for an event")
	// ErrDeadline: the runtime did not answer in time.
	ErrDeadline = errors.New("runtimeapi: the runtime did not answer before the deadline")
	// ErrInterrupted: Interrupt was called. The invocation goes on, and Await may be called again.
	ErrInterrupted = errors.New("runtimeapi: interrupted")
)

// Event is what a runtime gets for one invocation.
type Event struct {
	RequestID, InvokedARN, TraceID, ClientContext string
	Timeout                                       time.Duration // the function's time, from the delivery on
	Deadline                                      time.Time     // when that is over: set by Deliver and told to the runtime
	Payload                                       []byte
	// Stream takes the response as the runtime makes it, when it streams; nil collects it. It is called from one
	// goroutine at a time, and not after Await has returned the response.
	Stream Stream
}

// Stream takes a response piece by piece. Start is called once, before the first piece.
type Stream interface {
	Start(contentType string) error
	Write(p []byte) (int, error)
}

// Response is what a runtime answered.
type Response struct {
	Payload     []byte
	Error       bool   // the function failed, and Payload is the error document
	ErrorType   string // as the runtime named it beside the document; often empty
	ContentType string
	Streamed    bool // the response went to the event's Stream; Payload is the error document of one that failed
}

// Endpoint serves the Runtime API to one execution environment. Ready, Interrupt and Close may be called from any
// goroutine; Deliver and Await belong to one invocation at a time.
type Endpoint struct {
	ln     net.Listener
	closed chan struct{}
	ready  chan struct{} // closed at the first request for an event, and when initialisation has failed
	allow  func(net.Conn) bool

	mu       sync.Mutex
	conns    map[*conn]struct{}
	parked   *conn         // the connection on which the runtime waits for an event, or will after its last answer
	arrived  chan struct{} // capacity 1: parked was set
	started  bool          // ready is closed
	initErr  *Response
	turn     uint64 // counts invocations; an Interrupt for an earlier turn has no effect
	stream   Stream // of the invocation under way
	streamed int64  // bytes given to it; -1 before its start
	event    string // RequestID of the invocation under way
	pending  bool   // an event was delivered and is not answered
	answered bool   // answer holds the answer to the invocation under way
	answer   Response
	stop     bool          // Interrupt was called in this turn
	active   *conn         // to which the event was written; the invoker reads it
	reading  *conn         // the connection whose Read the invoker may be blocked in
	poke     chan struct{} // capacity 1: look again, for an invoker that reads no connection
	out      []byte        // the head of the event, reused
}

// Listen opens the endpoint of a new environment on a free port of the loopback address. allow, when not nil, is asked
// for every new connection whether it comes from the environment.
func Listen(allow func(net.Conn) bool) (*Endpoint, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtimeapi: no port for an execution environment: %w", err)
	}
	e := &Endpoint{
		ln: ln, allow: allow,
		closed: make(chan struct{}), ready: make(chan struct{}),
		conns:   make(map[*conn]struct{}),
		arrived: make(chan struct{}, 1), poke: make(chan struct{}, 1),
	}
	go e.accept()
	return e, nil
}

// Addr is the value of AWS_LAMBDA_RUNTIME_API: host and port.
func (e *Endpoint) Addr() string { return e.ln.Addr().String() }

// Ready is closed when the runtime has asked for its first event, or has reported that its initialisation failed.
func (e *Endpoint) Ready() <-chan struct{} { return e.ready }

// InitError returns the error document with which the runtime's initialisation failed, or nil.
func (e *Endpoint) InitError() *Response {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.initErr
}

// Close ends all connections, and an Await under way with ErrClosed. It is idempotent.
func (e *Endpoint) Close() {
	e.mu.Lock()
	select {
	case <-e.closed:
		e.mu.Unlock()
		return
	default:
	}
	close(e.closed)
	conns := e.conns
	e.conns = nil
	e.mu.Unlock()
	e.ln.Close()
	for c := range conns {
		c.nc.Close()
	}
}

func (e *Endpoint) isClosed() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

func (e *Endpoint) accept() {
	for {
		nc, err := e.ln.Accept()
		if err != nil {
			if e.isClosed() || errors.Is(err, net.ErrClosed) {
				return
			}
			select { // out of file descriptors, most likely: let some be freed
			case <-time.After(10 * time.Millisecond):
			case <-e.closed:
				return
			}
			continue
		}
		if e.allow != nil && !e.allow(nc) {
			nc.Close()
			continue
		}
		c := &conn{nc: nc, buf: make([]byte, bufferSize)}
		c.p.limit = MaxResponse
		c.p.begin = e.beginStream
		c.p.reset()
		e.mu.Lock()
		full := e.conns == nil || len(e.conns) >= maxConns
		if !full {
			e.conns[c] = struct{}{}
		}
		e.mu.Unlock()
		if full {
			nc.Close()
			continue
		}
		go e.serve(c)
	}
}

func (e *Endpoint) drop(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	if e.parked == c {
		e.parked = nil
	}
	e.mu.Unlock()
	c.nc.Close()
}

// serve reads a connection until its runtime waits for an event on it; from then on the invoker does.
func (e *Endpoint) serve(c *conn) {
	c.nc.SetReadDeadline(time.Time{})
	for {
		if err := c.readRequest(); err != nil {
			c.refuse(err)
			e.drop(c)
			return
		}
		if e.handle(c) == stepParked {
			return
		}
		if c.dead {
			e.drop(c)
			return
		}
	}
}

// step is what follows a request.
type step uint8

const (
	stepRead     step = iota // go on with the connection's next request
	stepParked               // the runtime waits for an event on the connection
	stepAnswered             // the invocation under way is answered
)

// handle performs the request that c has read and sends the reply to it; a request for an event is parked instead.
func (e *Endpoint) handle(c *conn) step {
	r := &c.p.req
	if r.op == opNext {
		last := r.close
		c.p.reset() // before another goroutine may take c
		if body := e.park(c); body != nil {
			r.close = last
			c.send(body)
			return stepRead
		}
		return stepParked
	}
	var body []byte
	next := stepRead
	switch r.op {
	case opResponse, opError:
		if body = e.accepts(c); body == nil {
			if body = replyAccepted; r.tooLarge {
				body = replyTooLarge
			}
			next = stepAnswered
		}
	case opInitError:
		body = replyAccepted
		if !e.failInit(Response{Payload: r.body, Error: true, ErrorType: r.errorType}) {
			body = reply("403 Forbidden", "InvalidStateTransition", "The runtime has finished its initialisation; report errors of an invocation to /runtime/invocation/{id}/error.")
		}
	case opExtension:
		body = reply("403 Forbidden", "Extension.NotSupported", "Lambda extensions, telemetry and logs subscriptions ("+r.path+") are not supported by this platform.")
	case opRestore:
		body = reply("403 Forbidden", "SnapStart.NotSupported", "SnapStart ("+r.path+") is not supported by this platform.")
	case opWrongMethod:
		body = reply("405 Method Not Allowed", "MethodNotAllowed", r.path+" takes another method.")
	default:
		body = reply("404 Not Found", "ResourceNotFound", r.path+" is no path of the Lambda Runtime API 2018-06-01.")
	}
	c.send(body)
	return next
}

// park leaves c to the invoker, or returns the reply that refuses the request.
func (e *Endpoint) park(c *conn) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending {
		return reply("403 Forbidden", "InvalidStateTransition", "The runtime asked for the next event before it answered invocation "+e.event+".")
	}
	switch old := e.parked; {
	case old == nil || old == c:
	case old.waiting: // the client has given up on its earlier request
		delete(e.conns, old)
		old.nc.Close()
	default:
		go e.serve(old)
	}
	e.parked = c
	c.waiting = true
	if !e.started {
		e.started = true
		close(e.ready)
	}
	select {
	case e.arrived <- struct{}{}:
	default:
	}
	return nil
}

// accepts takes the answer that c has read as the one to the invocation under way, or returns the reply that refuses it.
func (e *Endpoint) accepts(c *conn) []byte {
	r := &c.p.req
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.pending || string(r.id) != e.event {
		return reply("400 Bad Request", "InvalidRequestID", "Invalid request ID")
	}
	e.pending, e.answered = false, true
	e.answer = Response{Payload: r.body, Error: r.op == opError, ErrorType: r.errorType, ContentType: r.contentType}
	if c.p.write != nil {
		e.answer.Payload, e.answer.Streamed = nil, true
		if e.stream = nil; e.streamed > MaxStream {
			r.tooLarge = true
		}
	}
	r.body = nil
	switch {
	case r.tooLarge:
		limit := MaxResponse
		if e.answer.Streamed {
			limit = MaxStream
		}
		e.answer = Response{Streamed: e.answer.Streamed, Payload: tooLargeDocument(limit), Error: true, ErrorType: "Function.ResponseSizeTooLarge", ContentType: "application/json"}
	case r.op == opResponse && len(r.errorBody) > 0: // a streamed response that failed on its way
		e.answer.Payload, e.answer.Error = decodeTrailer(r.errorBody), true
	case r.op == opResponse && r.errorType != "":
		if e.answer.Error = true; e.answer.Streamed {
			e.answer.Payload = document(r.errorType, "")
		}
	}
	if c != e.active {
		e.wake()
	}
	return nil
}

// beginStream finds out where the body of a streamed response goes.
func (e *Endpoint) beginStream(r *request) func([]byte) {
	e.mu.Lock()
	if !e.pending || e.stream == nil || e.streamed >= 0 || string(r.id) != e.event {
		e.mu.Unlock()
		return nil
	}
	e.streamed = 0
	s := e.stream
	e.mu.Unlock()
	gone := s.Start(r.contentType) != nil
	return func(b []byte) { // what nobody takes any more is read all the same: the function goes on
		if e.streamed += int64(len(b)); e.streamed <= MaxStream && !gone {
			_, err := s.Write(b)
			gone = err != nil
		}
	}
}

// failInit records that the initialisation failed; it reports false when it was over.
func (e *Endpoint) failInit(r Response) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return false
	}
	e.started, e.initErr = true, &r
	close(e.ready)
	return true
}

// wake makes the invoker look at the state again. It is called with mu held.
func (e *Endpoint) wake() {
	if e.reading != nil {
		e.reading.nc.SetReadDeadline(past)
	}
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
