package front

import (
	"net"
	"sync"
)

// handover is the listener of net/http's server: it accepts connections whose first bytes were read already.
type handover struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// give passes nc on, or closes it when the server has ended.
func (h *handover) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		nc.Close()
	}
}

// Accept waits for the next connection; after Close its error is net.ErrClosed.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It may be called twice.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is the address of the listener that took the connections.
func (h *handover) Addr() net.Addr { return h.addr }

// resumed is a connection of which the beginning was read.
type resumed struct {
	net.Conn
	read []byte
}

// Read gives what was read, then the rest.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.read) > 0 {
		n := copy(p, r.read)
		if r.read = r.read[n:]; len(r.read) == 0 {
			r.read = nil
		}
		return n, nil
	}
	return r.Conn.Read(p)
}
