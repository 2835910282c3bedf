package proc

import (
	"encoding/binary"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// Owns reports whether the other end of a TCP connection on this machine belongs to the slot's user. Where functions
// have no users of their own it cannot tell, and answers true.
func (sl *Slot) Owns(nc net.Conn) bool {
	if sl.UID < 0 || !sl.s.holds(propCaller) {
		return true
	}
	uid, err := peerUID(nc)
	return err == nil && uid == uint32(sl.UID)
}

// diagWorks asks for the owner of a connection of our own.
func diagWorks() bool {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return false
	}
	defer ln.Close()
	out, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		return false
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		return false
	}
	defer in.Close()
	uid, err := peerUID(in)
	return err == nil && uid == uint32(unix.Geteuid())
}

var errNoAnswer = errors.New("proc: the kernel does not know the connection's owner")

// peerUID asks the kernel for the owner of the socket at the other end (sock_diag(7)).
func peerUID(nc net.Conn) (uint32, error) {
	local, ok1 := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 || local.IP.To4() == nil || remote.IP.To4() == nil {
		return 0, errNoAnswer
	}
	const (
		headerSize  = 16
		requestSize = 56
		uidOffset   = 4 + 48 + 12 // in struct inet_diag_msg, after the states, the socket's id and three counters
	)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, err
	}

	var b [headerSize + requestSize]byte
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], uint32(len(b)))
	ne.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST)
	q := b[headerSize:]
	q[0], q[1] = unix.AF_INET, unix.IPPROTO_TCP
	ne.PutUint32(q[4:], ^uint32(0)) // any state
	binary.BigEndian.PutUint16(q[8:], uint16(remote.Port))
	binary.BigEndian.PutUint16(q[10:], uint16(local.Port))
	copy(q[12:], remote.IP.To4())
	copy(q[28:], local.IP.To4())
	ne.PutUint32(q[48:], ^uint32(0)) // no cookie
	ne.PutUint32(q[52:], ^uint32(0))
	err = uninterrupted(func() error { return unix.Sendto(fd, b[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) })
	if err != nil {
		return 0, err
	}
	var in [1024]byte
	var n int
	err = uninterrupted(func() (err error) { n, _, err = unix.Recvfrom(fd, in[:], 0); return err })
	if err != nil {
		return 0, err
	}
	if n < headerSize+uidOffset+4 || ne.Uint16(in[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return 0, errNoAnswer
	}
	return ne.Uint32(in[headerSize+uidOffset:]), nil
}
