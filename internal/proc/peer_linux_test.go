package proc

import (
	"net"
	"os"
	"testing"
)

// connection is one to this test from itself, where the machine tells whose it is.
func connection(t *testing.T, s *Sandbox) net.Conn {
	t.Helper()
	if !s.holds(propCaller) {
		t.Skip("this machine does not tell the owners of sockets")
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func TestOwns(t *testing.T) {
	s := newSandbox(t)
	in := connection(t, s)
	if newSlot(t, s).Owns(in) {
		t.Error("the test's own connection passes for one of a function")
	}
	if uid, err := peerUID(in); err != nil || uid != uint32(os.Getuid()) {
		t.Errorf("user %d, %v", uid, err)
	}
}
