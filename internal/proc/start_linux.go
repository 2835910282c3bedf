package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// machine is what the machine keeps of a process.
type machine struct {
	group  *group
	thread *spawner // of its own
	idle   bool
}

// fork starts the process. What it may see and take is set up before: the spawner's thread goes where the process is to
// be, and the process is born there.
func (p *Process) fork(sl *Slot, spec Spec, attr *syscall.ProcAttr) error {
	s := sl.s
	pidfd := -1
	attr.Sys = s.attributes(sl.UID)
	attr.Sys.PidFD = &pidfd
	start := func() error {
		pid, err := syscall.ForkExec(spec.Path, append([]string{spec.Path}, spec.Args...), attr)
		if err != nil {
			return &os.PathError{Op: "fork/exec", Path: spec.Path, Err: err}
		}
		p.pid = pid
		return nil
	}
	var err error
	switch sp := s.spawner; {
	case sp.tree != nil:
		err = p.startInTree(sl, spec, start, attr.Sys)
	case sp.landlock > 0:
		err = p.startConfined(sl, spec, start, attr.Sys)
	default:
		err = p.startInGroup(spec, sp, start, attr.Sys)
	}
	if err != nil {
		return err
	}
	p.pidfd = pidfd
	if spec.Idle && hasCapability(unix.CAP_SYS_NICE) { // else it could not be taken back
		p.idle = unix.Setpriority(unix.PRIO_PROCESS, p.pid, 19) == nil
	}
	limit(p.pid, unix.RLIMIT_NOFILE, maxFiles)
	limit(p.pid, unix.RLIMIT_CORE, 0)
	if sl.UID >= 0 || s.spawner.userNS && countsByNamespace() { // else the user's other processes would count
		limit(p.pid, unix.RLIMIT_NPROC, maxProcesses)
	}
	if p.group == nil || p.group.memory == "" {
		p.limitData(spec.Room)
	}
	if fd, err := unix.Open("/proc/"+strconv.Itoa(p.pid)+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		p.status = fd
	}
	return nil
}

// startInTree starts the process in a tree of its own.
func (p *Process) startInTree(sl *Slot, spec Spec, start func() error, sys *syscall.SysProcAttr) error {
	sp := sl.s.spawner
	m, err := openRoom(spec.Room)
	if err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	defer m.close()
	interpreter, dir := -1, ""
	if spec.Interpreter != "" {
		sp.treeMu.Lock()
		dir = sp.tree.prefix(spec.Interpreter, append(sl.s.private, sl.s.dir))
		sp.treeMu.Unlock()
	}
	if dir != "" {
		if interpreter, err = attached(dir, readOnly); err != nil {
			return fmt.Errorf("proc: the interpreter's folder: %w", err)
		}
		defer unix.Close(interpreter)
	}
	return p.startInGroup(spec, sp, func() error {
		if interpreter >= 0 {
			sp.treeMu.Lock()
			err := sp.tree.show(interpreter, dir)
			sp.treeMu.Unlock()
			if err != nil {
				return fmt.Errorf("proc: the interpreter's folder: %w", err)
			}
		}
		err := sp.tree.enter(sl.UID, spec.Room, m)
		if err == nil {
			err = start()
		}
		if back := sp.tree.leave(); back != nil { // a copy is as good to copy from, apart from what was mounted there
			sl.s.log.Error("the tree of functions is lost; none will start", "error", back)
		}
		return err
	}, sys)
}

// startConfined starts the process from a thread of its own, for which Landlock has closed the filesystem. The thread
// stays as long as the process: its end is the process's.
func (p *Process) startConfined(sl *Slot, spec Spec, start func() error, sys *syscall.SysProcAttr) error {
	s := sl.s
	th := newSpawner()
	th.groups = s.spawner.groups
	read := append([]string{s.RuntimeDir(), spec.Room.Code, spec.Room.Opt, "/sys", "/dev"}, system...)
	if spec.Interpreter != "" {
		if dir := (&tree{}).prefix(spec.Interpreter, append(s.private, s.dir)); dir != "" {
			read = append(read, dir)
		}
	}
	written := []string{sl.TempDir}
	for _, name := range devices {
		written = append(written, "/dev/"+name)
	}
	err := th.do(func() error { return confine(s.spawner.landlock, read, written) })
	if err == nil {
		err = p.startInGroup(spec, th, start, sys)
	}
	if err != nil {
		th.close()
		return err
	}
	p.thread = th
	return nil
}

// startInGroup runs start on the spawner's thread, such that the process is born in a control group of its own.
func (p *Process) startInGroup(spec Spec, sp *spawner, start func() error, sys *syscall.SysProcAttr) error {
	g := sp.groups
	if g == nil {
		return sp.do(start)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.prepare(sp.tid); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	x := g.next
	if err := x.limit(spec.Room); err != nil {
		return fmt.Errorf("proc: limit of memory: %w", err)
	}
	if x.fd >= 0 {
		sys.UseCgroupFD, sys.CgroupFD = true, x.fd
	}
	if err := sp.do(start); err != nil {
		return err // the next one takes the group
	}
	p.group, g.next = x, nil
	go func() { // not on the way of this start: it takes milliseconds
		g.mu.Lock()
		defer g.mu.Unlock()
		if !sp.closed() {
			_ = g.prepare(sp.tid) // else the next start tries again, and tells
		}
	}()
	return nil
}

// furnish gives a running process its room.
func (p *Process) furnish(r Room) error {
	if p.group != nil && p.group.memory != "" {
		if err := p.group.limit(r); err != nil {
			return fmt.Errorf("proc: limit of memory: %w", err)
		}
	} else {
		p.limitData(r)
	}
	p.wakeUp()
	sp := p.slot.s.spawner
	if sp.tree == nil {
		return nil
	}
	m, err := openRoom(r)
	if err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	defer m.close()
	ns, err := unix.Open("/proc/"+strconv.Itoa(p.pid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("proc: mount namespace of a process: %w", err)
	}
	defer unix.Close(ns)
	if err := sp.do(func() error { return sp.tree.furnish(ns, r, m) }); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	return nil
}

// wakeUp gives all threads of an idle process their ordinary share.
func (p *Process) wakeUp() {
	if !p.idle {
		return
	}
	dir := "/proc/" + strconv.Itoa(p.pid) + "/task"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, 0)
		}
	}
}

// dataHeadroom is what a limit of data leaves beside the function's memory, in bytes, where there are no control groups:
// such a limit counts what is reserved, not what is used, and interpreters and Go reserve much.
const dataHeadroom = 512 << 20

func (p *Process) limitData(r Room) {
	if r.Memory > 0 {
		limit(p.pid, unix.RLIMIT_DATA, uint64(r.Memory+dataHeadroom))
	}
}

// cleanUp frees what the machine keeps of a process that has ended.
func (p *Process) cleanUp() {
	p.closeStatus()
	if p.group != nil {
		p.exit.OutOfMemory = p.exit.Signal == unix.SIGKILL && p.group.outOfMemory()
		p.slot.s.spawner.groups.release(p.group)
	}
	if p.thread != nil {
		p.thread.close()
	}
}

// limit lowers a resource limit; a process that has ended meanwhile, or has a lower limit, is none the worse.
func limit(pid, resource int, n uint64) {
	var old unix.Rlimit
	if unix.Prlimit(pid, resource, nil, &old) == nil && old.Max > n {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}

// uninterrupted repeats a system call that a signal has ended before it did anything (signal(7)).
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
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
	err := uninterrupted(func() error { return unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|flags, nil) })
	if err == nil {
		return info.Signo != 0
	}
	return !errors.Is(err, unix.EAGAIN)
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
