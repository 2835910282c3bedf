package proc

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner forks from one thread of its own. The kernel's parent-death signal is about the thread that forked, so that
// thread must live as long as the platform; and what the thread gives up (new privileges) its children never get.
type spawner struct {
	jobs chan func()
	end  chan struct{}

	noNewPrivs error
	flags      uintptr // namespaces of every process
	userNS     bool
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), end: make(chan struct{})}
	up := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		s.noNewPrivs = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		close(up)
		for {
			select {
			case job := <-s.jobs:
				job()
			case <-s.end:
				return
			}
		}
	}()
	<-up
	return s
}

func (s *spawner) do(f func() error) error {
	res := make(chan error, 1)
	select {
	case s.jobs <- func() { res <- f() }:
		return <-res
	case <-s.end:
		return ErrClosed
	}
}

func (s *spawner) close() { close(s.end) }

func pipe(fds *[2]int) error { return syscall.Pipe2(fds[:], syscall.O_CLOEXEC) }

// attributes are those of every process of the sandbox.
func (s *Sandbox) attributes(uid int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: s.spawner.flags}
	if uid >= 0 {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	if s.spawner.userNS {
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// probe tries what the machine may refuse, with a process that does nothing.
func (s *Sandbox) probe() {
	p := Property{Name: "no new privileges", Holds: s.spawner.noNewPrivs == nil}
	if !p.Holds {
		p.Why = s.spawner.noNewPrivs.Error()
	}
	s.props = append(s.props, p)

	p = Property{Name: "no process outlives its function"}
	if os.Geteuid() == 0 {
		s.spawner.flags = unix.CLONE_NEWPID
	} else {
		s.spawner.flags, s.spawner.userNS = unix.CLONE_NEWPID|unix.CLONE_NEWUSER, true
	}
	if err := s.try(); err != nil {
		p.Why = "no PID namespace (" + err.Error() + "); a process that leaves its process group can survive"
		s.spawner.flags, s.spawner.userNS = 0, false
	} else {
		p.Holds = true
	}
	s.props = append(s.props, p)

	p = Property{Name: "limits of files and processes", Holds: !s.uids || hasCapability(unix.CAP_SYS_RESOURCE)}
	if !p.Holds {
		p.Why = "the platform runs as root without CAP_SYS_RESOURCE, and cannot limit processes of other users"
	}
	s.props = append(s.props, p)

	p = Property{Name: "the Runtime API knows its caller", Holds: s.uids && diagWorks()}
	switch {
	case !s.uids:
		p.Why = "functions have no users of their own"
	case !p.Holds:
		p.Why = "the kernel does not tell the owners of sockets"
	}
	s.props = append(s.props, p)
}

// try forks once with the attributes of a process. The executable does not exist on purpose where /bin/true is missing:
// then the fork and its namespaces have succeeded all the same.
func (s *Sandbox) try() error {
	return s.spawner.do(func() error {
		uid := -1
		if s.uids {
			uid = s.uidBase
		}
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Dir: "/", Sys: s.attributes(uid)})
		if err == syscall.ENOENT {
			return nil
		}
		if err != nil {
			return err
		}
		var ws syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
				return err
			}
		}
	})
}

// fork runs on the spawner's thread.
func (p *Process) fork(sl *Slot, spec Spec, attr *syscall.ProcAttr) error {
	pidfd := -1
	attr.Sys = sl.s.attributes(sl.UID)
	attr.Sys.PidFD = &pidfd
	pid, err := syscall.ForkExec(spec.Path, append([]string{spec.Path}, spec.Args...), attr)
	if err != nil {
		return &os.PathError{Op: "fork/exec", Path: spec.Path, Err: err}
	}
	p.pid = pid
	limit(pid, unix.RLIMIT_NOFILE, maxFiles)
	limit(pid, unix.RLIMIT_CORE, 0)
	if sl.UID >= 0 { // else the user's other processes would count
		limit(pid, unix.RLIMIT_NPROC, maxProcesses)
	}
	if fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		p.status = fd
	}
	p.pidfd = pidfd
	return nil
}

// hasCapability reports whether this process has a capability in effect.
func hasCapability(n uint) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&hdr, &data[0]) == nil && data[n/32].Effective&(1<<(n%32)) != 0
}

// limit lowers a resource limit; a process that has ended meanwhile, or has a lower limit, is none the worse.
func limit(pid, resource int, n uint64) {
	var old unix.Rlimit
	if unix.Prlimit(pid, resource, nil, &old) == nil && old.Max > n {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}

// wait waits for the end without a thread: a pidfd becomes readable in the network poller.
func (p *Process) wait() {
	defer p.reap()
	if p.pidfd < 0 {
		p.waitBlocking()
		return
	}
	if unix.SetNonblock(p.pidfd, true) != nil {
		unix.Close(p.pidfd)
		p.waitBlocking()
		return
	}
	f := os.NewFile(uintptr(p.pidfd), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool { return ended(unix.P_PIDFD, int(fd), unix.WNOHANG) })
	}
	if err != nil { // no poller for this descriptor
		p.waitBlocking()
	}
}

func (p *Process) waitBlocking() {
	for !ended(unix.P_PID, p.pid, 0) {
	}
}

// ended reports whether the process has ended; it stays there to be collected.
func ended(kind, id, flags int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
		switch err {
		case nil:
			return info.Signo != 0
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			return true
		}
	}
}

func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss << 10 }

func (p *Process) closeStatus() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status >= 0 {
		unix.Close(p.status)
		p.status = -1
	}
}

// readMemory reads the peak of the resident memory from /proc.
func (p *Process) readMemory() int64 {
	var buf [2048]byte
	p.mu.Lock()
	n := 0
	if p.status >= 0 {
		n, _ = unix.Pread(p.status, buf[:], 0)
	}
	p.mu.Unlock()
	if n <= 0 {
		return 0
	}
	_, rest, ok := bytes.Cut(buf[:n], []byte("\nVmHWM:"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
