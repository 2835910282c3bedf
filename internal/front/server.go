// Package front is the HTTP/1.1 server before the platform's hot path: invocations and calls of APIs, which are small, many,
// and answered at once. It reads a request into memory, calls the handler, and writes the answer with one system call, with
// no goroutine but the connection's own. What it does not take (large or chunked bodies, upgrades, anything unusual in the
// head, and every request that is not hot) goes to net/http together with its connection, which stays there; so whatever a
// client sends is answered, and net/http remains the one judge of what is malformed.
//
// A handler called from here meets an ordinary *http.Request and http.ResponseWriter, but for four things: its answer goes
// out when it returns and not before, the request's context is not cancelled when the caller goes away, there is nothing to
// hijack, and the request and its map of headers are the next request's once it has returned. So streams and long polls must not be
// hot. What it may keep is every string of the request, the lists of header values, and the bytes of the body, which the body gives
// whole by Bytes.
package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxHead   = 16 << 10 // bytes of a head that is read here
	maxBody   = 64 << 10 // bytes of a body that is read here
	bufferLen = 4 << 10  // bytes with which a connection begins

	headTimeout = 10 * time.Second // from a head's first byte to its last
	bodyTimeout = 30 * time.Second // from the head's end to the body's
)

// Server serves one handler. Set its fields before Serve; its methods may be called at once.
type Server struct {
	// Handler answers every request, whoever read it.
	Handler http.Handler
	// Hot picks the requests that are answered here. It sees the head only.
	Hot func(*http.Request) bool
	// Logger hears of panics and of what net/http has to say; none when nil.
	Logger *slog.Logger

	init    sync.Once
	rest    *http.Server // for all that is not hot
	handed  *handover    // its listener
	mu      sync.Mutex
	conns   map[*conn]struct{}
	ended   bool
	serving sync.WaitGroup // connections read here
}

func (s *Server) setup() {
	s.init.Do(func() {
		if s.Logger == nil {
			s.Logger = slog.New(slog.DiscardHandler)
		}
		s.conns = map[*conn]struct{}{}
		s.handed = &handover{conns: make(chan net.Conn), done: make(chan struct{})}
		s.rest = &http.Server{
			Handler: s.Handler, ReadHeaderTimeout: headTimeout, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
		}
	})
}

// Serve takes connections from l until Shutdown or Close, and then returns http.ErrServerClosed; any other error is the
// listener's.
func (s *Server) Serve(l net.Listener) error {
	s.setup()
	s.handed.addr = l.Addr()
	go func() {
		<-s.handed.done
		l.Close()
	}()
	go s.rest.Serve(s.handed) //nolint:errcheck // it ends when handed does, with http.ErrServerClosed
	for wait := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			if c := s.track(nc); c != nil {
				go c.serve()
			}
			continue
		case s.closing():
			return http.ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return err
		}
		// Out of file descriptors, mostly: the connection waits in the kernel until some are free.
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		s.Logger.Error("front: no connection could be taken", "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-s.handed.done:
			return http.ErrServerClosed
		}
	}
}

// Shutdown takes no more connections, closes those that are idle, and waits for the answers that are being made, as long as
// ctx allows.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end(func(c *conn) bool { return c.idle.Load() })
	done := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(done)
	}()
	err := s.rest.Shutdown(ctx)
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close ends every connection at once.
func (s *Server) Close() error {
	s.end(func(*conn) bool { return true })
	return s.rest.Close()
}

// end stops the listener and closes the connections that which picks.
func (s *Server) end(which func(*conn) bool) {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true // before the listener ends, so that Serve knows why
	s.handed.Close()
	for c := range s.conns {
		if which(c) {
			c.nc.Close()
		}
	}
}

func (s *Server) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// track begins a connection; nil when the server has ended.
func (s *Server) track(nc net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		nc.Close()
		return nil
	}
	c := &conn{server: s, nc: nc, remote: nc.RemoteAddr().String(), buf: make([]byte, bufferLen)}
	c.idle.Store(true)
	s.conns[c] = struct{}{}
	s.serving.Add(1)
	return c
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.serving.Done()
}

// conn is one client's connection while it is read here, by one goroutine.
type conn struct {
	server *Server
	nc     net.Conn
	remote string
	idle   atomic.Bool // between requests
	buf    []byte
	r, w   int // buf[r:w] has been read from the network and not yet used
	head   head
	answer answer
}

// serve answers the connection's requests until it ends, or hands it over.
func (c *conn) serve() {
	defer c.server.forget(c)
	for {
		req, last, err := c.next()
		if err != nil {
			if errors.Is(err, errNotHere) {
				c.server.handed.give(&resumed{Conn: c.nc, read: c.buf[c.r:c.w]})
			} else {
				c.nc.Close()
			}
			return
		}
		c.handle(req)
		c.answer.last = c.answer.last || last || c.server.closing()
		if err := c.answer.send(c.nc, req); err != nil || c.answer.last {
			c.nc.Close()
			return
		}
		c.idle.Store(true)
		if c.server.closing() { // it may not have seen that this connection was busy
			c.nc.Close()
			return
		}
	}
}

// handle calls the handler. What one that panics has written must not look like an answer.
func (c *conn) handle(req *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		c.answer.abort()
		if p != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
			c.server.Logger.Error("front: a handler panicked", "path", req.URL.Path, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	c.answer.reset()
	c.server.Handler.ServeHTTP(&c.answer, req)
}
