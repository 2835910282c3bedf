package proc

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// storm sends signals to every thread of the program, as Go's scheduler does when it wants one to pause, until the end of
// the test.
func storm(t *testing.T) {
	end, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(end); <-ended })
	go func() {
		defer close(ended)
		for {
			tasks, _ := os.ReadDir("/proc/self/task")
			for range 20 {
				for _, e := range tasks {
					select {
					case <-end:
						return
					default:
					}
					if tid, err := strconv.Atoi(e.Name()); err == nil {
						_ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
					}
				}
			}
		}
	}()
}

// A signal ends some system calls with EINTR (signal(7)), and the kernel's limit of memory with it: that is no failure of a start.
func TestStartsAmidSignals(t *testing.T) {
	s := newSandbox(t)
	storm(t)
	for range 100 {
		sl := newSlot(t, s)
		p, err := sl.Start(Spec{Path: "/bin/true", Dir: "/", Room: Room{Code: s.RuntimeDir(), Memory: 128 << 20, Temp: 1 << 20}, Line: func([]byte) {}})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		sl.Release()
	}
}

func TestPeerAmidSignals(t *testing.T) {
	in := connection(t, newSandbox(t))
	storm(t)
	for range 2000 {
		if uid, err := peerUID(in); err != nil || uid != uint32(os.Getuid()) {
			t.Fatal(uid, err)
		}
	}
}
