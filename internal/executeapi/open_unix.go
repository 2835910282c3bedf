//go:build unix

package executeapi

import (
	"net"
	"syscall"
	"time"
)

// open tells whether an idle connection's other end has neither closed it nor said anything.
func open(c net.Conn, _ time.Time) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN //nolint:errorlint // a bare number
	})
	return err == nil && silent
}
