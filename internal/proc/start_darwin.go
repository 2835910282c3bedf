package proc

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

// spawner forks on the caller's thread: macOS has no parent-death signal.
type spawner struct{}

func newSpawner() *spawner { return &spawner{} }

func (*spawner) do(f func() error) error { return f() }

func (*spawner) close() {}

func pipe(fds *[2]int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(fds[:]); err != nil {
		return err
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return nil
}

func (s *Sandbox) probe() {
	s.spawner = newSpawner()
	for _, name := range []string{propTree, propPrivs, propLandlock, propData, propOrphans, propLimits, propCaller, propMemory, propProcesses} {
		s.props = append(s.props, Property{Name: name, Why: "only on Linux"})
	}
}

func (p *Process) fork(sl *Slot, spec Spec, attr *syscall.ProcAttr) error {
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	if sl.UID >= 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(sl.UID), Gid: uint32(sl.UID)}
	}
	pid, err := syscall.ForkExec(spec.Path, append([]string{spec.Path}, spec.Args...), attr)
	if err != nil {
		return &os.PathError{Op: "fork/exec", Path: spec.Path, Err: err}
	}
	p.pid = pid
	return nil
}

// wait blocks a thread until the process has ended; it stays there to be collected.
func (p *Process) wait() {
	const (
		pPID    = 1
		wExited = 0x4
		wNoWait = 0x20
	)
	var info [128]byte // siginfo_t
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(p.pid), uintptr(unsafe.Pointer(&info[0])), wExited|wNoWait, 0, 0)
		if err != syscall.EINTR {
			break
		}
	}
	p.reap()
}

func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss }

func (p *Process) cleanUp() {}

// machine is what the machine keeps of a process.
type machine struct{}

// furnish has nothing to give: a process sees its folders where they are.
func (p *Process) furnish(Room) error { return nil }

// OwnTree reports whether every process sees a tree of files of its own.
func (s *Sandbox) OwnTree() bool { return false }

func (s *Sandbox) closeSpawner() { s.spawner.close() }

func (p *Process) readMemory() int64 { return 0 }

// Owns cannot tell here, and answers true.
func (sl *Slot) Owns(net.Conn) bool { return true }

// HandlesTerm cannot tell here, and answers true.
func (p *Process) HandlesTerm() bool { return true }
