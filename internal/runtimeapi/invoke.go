package runtimeapi

import (
	"errors"
	"net"
	"strconv"
	"time"
)

// smallEvent is the size up to which an event travels in one buffer with its head, in bytes; above it, copying costs
// more than a second entry in the write.
const smallEvent = 16 << 10

// Deliver hands ev to the runtime and sets its Deadline. It waits until patience for the runtime to ask for an event. It
// returns the turn, for Interrupt, or ErrNotReady or ErrClosed, and then the runtime has not got the event.
func (e *Endpoint) Deliver(ev *Event, patience time.Time) (uint64, error) {
	for {
		c, err := e.waiting(patience)
		if err != nil {
			return 0, err
		}
		e.mu.Lock()
		e.turn++
		turn := e.turn
		e.event, e.pending, e.answered, e.stop = ev.RequestID, true, false, false
		e.active, e.stream, e.streamed = c, ev.Stream, -1
		e.mu.Unlock()
		ev.Deadline = time.Now().Add(ev.Timeout)
		if e.write(c, ev) == nil {
			return turn, nil
		}
		e.mu.Lock() // the client had left; the runtime may come back on another connection
		e.pending, e.active = false, nil
		e.mu.Unlock()
		e.drop(c)
		if e.isClosed() {
			return 0, ErrClosed
		}
	}
}

// WaitReady blocks until the runtime asks for an event, and reports false when the endpoint was closed before.
func (e *Endpoint) WaitReady() bool {
	c, err := e.waiting(time.Time{})
	if err != nil {
		return false
	}
	e.mu.Lock()
	free := e.parked == nil
	if free {
		e.parked = c
	}
	e.mu.Unlock()
	if !free {
		e.drop(c)
	}
	return true
}

// waiting takes the connection on which the runtime waits for an event, and waits for it until patience; zero is for ever.
func (e *Endpoint) waiting(patience time.Time) (*conn, error) {
	var timer *time.Timer
	for {
		e.mu.Lock()
		c := e.parked
		e.parked = nil
		if c == nil && timer == nil {
			select { // forget an arrival that is no longer there
			case <-e.arrived:
			default:
			}
		}
		e.mu.Unlock()
		if c != nil && c.waiting {
			return c, nil
		}
		if c != nil { // the runtime has its last answer, and its request for the next event has to be read
			err := e.readNext(c, patience)
			if err == nil {
				return c, nil
			}
			if errors.Is(err, ErrNotReady) {
				go e.serve(c)
				return nil, err
			}
		}
		if timer == nil {
			timer = time.NewTimer(time.Until(patience))
			if patience.IsZero() {
				timer.Reset(1 << 62)
			}
			defer timer.Stop()
		}
		select {
		case <-e.arrived:
		case <-timer.C:
			return nil, ErrNotReady
		case <-e.closed:
			return nil, ErrClosed
		}
	}
}

// readNext reads c until the runtime has asked for an event on it. It returns ErrNotReady when patience is over, and
// another error when c is of no more use.
func (e *Endpoint) readNext(c *conn, patience time.Time) error {
	if c.owed == nil { // else its request is here already
		c.nc.SetReadDeadline(patience)
	}
	for {
		if err := c.readRequest(); err != nil {
			if isTimeout(err) {
				return ErrNotReady
			}
			c.refuse(err)
			e.drop(c)
			return err
		}
		if c.p.req.op == opNext {
			c.p.reset()
			return nil
		}
		if e.handle(c); c.dead {
			e.drop(c)
			return net.ErrClosed
		}
	}
}

// write sends ev as the answer to the runtime's request for an event.
func (e *Endpoint) write(c *conn, ev *Event) error {
	b := append(e.out[:0], c.owed...)
	c.owed = nil
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	b = appendHeaderValue(b, ev.RequestID)
	b = append(b, "\r\nLambda-Runtime-Deadline-Ms: "...)
	b = strconv.AppendInt(b, ev.Deadline.UnixMilli(), 10)
	b = append(b, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	b = appendHeaderValue(b, ev.InvokedARN)
	if ev.TraceID != "" {
		b = append(b, "\r\nLambda-Runtime-Trace-Id: "...)
		b = appendHeaderValue(b, ev.TraceID)
	}
	if ev.ClientContext != "" {
		b = append(b, "\r\nLambda-Runtime-Client-Context: "...)
		b = appendHeaderValue(b, ev.ClientContext)
	}
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(ev.Payload)), 10)
	b = append(b, "\r\n\r\n"...)
	c.waiting = false
	var err error
	if len(ev.Payload) <= smallEvent {
		b = append(b, ev.Payload...)
		e.out = b
		_, err = c.nc.Write(b)
	} else {
		e.out = b
		c.nc.SetWriteDeadline(ev.Deadline) // a small event always fits into the empty buffer of the connection
		_, err = (&net.Buffers{b, ev.Payload}).WriteTo(c.nc)
		c.nc.SetWriteDeadline(time.Time{})
	}
	if isTimeout(err) { // the runtime took a part of the event and no more: Await will tell that its time is over
		return nil
	}
	return err
}

// appendHeaderValue appends s with control characters, which would end the header, as spaces.
func appendHeaderValue(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch < ' ' || ch == 0x7f {
			ch = ' '
		}
		b = append(b, ch)
	}
	return b
}

// Await waits until deadline for the answer to the event that was delivered. It returns ErrDeadline, ErrClosed, or
// ErrInterrupted; after ErrDeadline the environment's state is unknown, and it should be ended.
func (e *Endpoint) Await(deadline time.Time) (Response, error) {
	c := e.active
	if c != nil {
		r, done, err := e.awaitOn(c, deadline)
		if done {
			return r, err
		}
	}
	// The connection is gone, or not the one that brings the answer.
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		e.mu.Lock()
		r, done, err := e.state()
		e.mu.Unlock()
		if done {
			return r, err
		}
		select {
		case <-e.poke:
		case <-e.closed:
			return Response{}, ErrClosed
		case <-timer.C:
			r, _, err := e.late()
			return r, err
		}
	}
}

// state tells what has happened to the invocation under way. It is called with mu held.
func (e *Endpoint) state() (Response, bool, error) {
	switch {
	case e.answered:
		r := e.answer
		e.answer, e.answered, e.active = Response{}, false, nil
		return r, true, nil
	case e.conns == nil:
		return Response{}, true, ErrClosed
	case e.stop:
		e.stop = false
		return Response{}, true, ErrInterrupted
	}
	return Response{}, false, nil
}

// awaitOn reads c, to which the event was written, until the invocation is over (done), or c is of no more use.
func (e *Endpoint) awaitOn(c *conn, deadline time.Time) (r Response, done bool, err error) {
	for {
		e.mu.Lock()
		if r, done, err = e.state(); done {
			e.mu.Unlock()
			if err == nil { // the answer came on another connection, on which the runtime may go on
				go e.serve(c)
			}
			return r, true, err
		}
		c.nc.SetReadDeadline(deadline)
		e.reading = c
		e.mu.Unlock()

		rerr := c.readRequest()

		e.mu.Lock()
		e.reading = nil
		e.mu.Unlock()
		if rerr != nil {
			if !isTimeout(rerr) {
				c.refuse(rerr)
				e.lose(c)
				return Response{}, false, nil
			}
			if !time.Now().Before(deadline) {
				return e.late()
			}
			continue // woken to look at the state
		}
		answered := e.handle(c) == stepAnswered
		if answered {
			e.mu.Lock()
			r, done, err = e.state()
			if e.parked == nil && !c.dead {
				e.parked = c
				e.mu.Unlock()
				return r, done, err
			}
			e.mu.Unlock()
			if !c.dead {
				go e.serve(c)
				return r, done, err
			}
		}
		if c.dead {
			e.lose(c)
			return r, answered, err
		}
	}
}

// late ends a wait whose deadline is over, unless the answer has come in the last moment.
func (e *Endpoint) late() (Response, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r, done, err := e.state(); done {
		return r, true, err
	}
	return Response{}, true, ErrDeadline
}

// lose drops the connection to which the event was written; the answer may come on another one.
func (e *Endpoint) lose(c *conn) {
	e.mu.Lock()
	e.active = nil
	e.mu.Unlock()
	e.drop(c)
}

// Interrupt makes the Await of this turn, now or when it is called, return ErrInterrupted, unless it has the answer.
func (e *Endpoint) Interrupt(turn uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if turn != e.turn || !e.pending {
		return
	}
	e.stop = true
	e.wake()
}
