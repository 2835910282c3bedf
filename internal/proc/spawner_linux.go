package proc

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner forks from one thread of its own. The kernel's parent-death signal is about the thread that forked, so that
// thread must live as long as the platform; and what the thread gives up (new privileges, the sight of the machine's
// files) its children never get.
type spawner struct {
	jobs chan func()
	end  chan struct{}
	once sync.Once
	tid  int

	noNewPrivs error
	flags      uintptr // namespaces of every process
	userNS     bool
	treeMu     sync.Mutex // for what the tree shows
	tree       *tree      // nil where there are no mount namespaces
	groups     *groups    // nil where there are no control groups
	landlock   int        // its version, where it is what closes the filesystem
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), end: make(chan struct{})}
	up := make(chan struct{})
	onThreadOfItsOwn(func() {
		s.tid = unix.Gettid()
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
	})
	<-up
	return s
}

// onThreadOfItsOwn runs f on a thread that nothing else uses, and that ends with f. It is not the program's first one: to
// that the kernel charges the memory of the whole program, and what stands in /proc/self is about it.
func onThreadOfItsOwn(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // still locked: the thread ends
		}
		other := make(chan struct{})
		go func() { // on another thread, as this one is taken
			runtime.LockOSThread()
			close(other)
			f()
		}()
		<-other
		runtime.UnlockOSThread()
	}()
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

func (s *spawner) close() { s.once.Do(func() { close(s.end) }) }

func (s *spawner) closed() bool {
	select {
	case <-s.end:
		return true
	default:
		return false
	}
}

// closeSpawner ends the spawner and takes away what it has made.
func (s *Sandbox) closeSpawner() {
	s.spawner.groups.close(s.spawner.tid)
	s.spawner.tree.close()
	s.spawner.close()
}

// OwnTree reports whether every process sees a tree of files of its own, laid out as on AWS.
func (s *Sandbox) OwnTree() bool { return s.spawner.tree != nil }

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
