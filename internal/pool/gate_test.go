package pool

import (
	"net"
	"sync"
	"testing"
)

// gate is a place outside of all functions where they wait until as many as wanted have come, or it is opened. The first
// ones can be refused.
type gate struct {
	addr  string
	mu    sync.Mutex
	conns []net.Conn
}

func newGate(t *testing.T, want, refused int) *gate {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: ln.Addr().String()}
	t.Cleanup(func() { ln.Close(); g.open() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if refused > 0 {
				refused--
				c.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, c)
			n := len(g.conns)
			g.mu.Unlock()
			if n >= want {
				g.open()
			}
		}
	}()
	return g
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.Write([]byte("go"))
		c.Close()
	}
}

// sink keeps what a pool logs.
type sink struct {
	mu     sync.Mutex
	lines  []string
	groups map[string]bool
	stream map[string][]string
}

func (s *sink) Put(group, stream string, events []LogEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups, s.stream = map[string]bool{}, map[string][]string{}
	}
	s.groups[group] = true
	for _, e := range events {
		s.lines = append(s.lines, e.Message)
		s.stream[stream] = append(s.stream[stream], e.Message)
	}
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}
