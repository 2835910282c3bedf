package proc

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Room is what a process is given of the machine. Zero values stand for nothing to see, and for no limit of its own.
type Room struct {
	Code   string // folder of the function's code, of the machine: read-only
	Opt    string // folder of the function's layers, read-only
	Memory int64  // bytes
	Temp   int64  // bytes of private temporary files
}

// Spec says what to start.
type Spec struct {
	Path string   // the executable, absolute
	Args []string // without the executable's own name
	Env  []string // the whole environment; nothing of the platform's is added
	Dir  string   // working directory, as the process sees it
	Room Room     // a process without code is given its room by Furnish
	// Ahead gives the process a pipe as its descriptor 3, through which Furnish tells it what it is to run.
	Ahead bool
	// Idle lets the process run only when nothing else does, until Furnish, where the platform may say so.
	Idle bool
	// Interpreter is an executable with a folder of its own that the process must see.
	Interpreter string
	// Line is called for every line that the process writes to its standard output or standard error, without the line
	// end, one at a time; it must not keep the slice. Lines longer than MaxLine come in pieces.
	Line func(line []byte)
}

// Exit tells how a process ended.
type Exit struct {
	Code      int            // exit status, or -1 after a signal
	Signal    syscall.Signal // 0 when it exited by itself
	MaxMemory int64          // bytes, of the process itself at its peak; 0 when unknown
	// OutOfMemory: the kernel has ended it because it took more memory than it was given.
	OutOfMemory bool
}

// String gives the end as AWS words it: "exit status 1", "signal: killed".
func (x Exit) String() string {
	if x.Signal != 0 {
		return "signal: " + x.Signal.String()
	}
	return fmt.Sprintf("exit status %d", x.Code)
}

// Process is a running process. All methods may be called from any goroutine.
type Process struct {
	pid    int
	slot   *Slot
	output *output
	tell   *os.File // until Furnish
	done   chan struct{}
	exit   Exit

	mu     sync.Mutex
	reaped bool

	machine

	pidfd    int // -1 for none
	status   int // descriptor of /proc/pid/status, -1 for none
	memory   atomic.Int64
	memoryAt atomic.Int64
}

// Start runs spec in the slot. An error is about this executable or this machine; nothing runs then.
func (sl *Slot) Start(spec Spec) (*Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	defer null.Close()
	out, w, err := newOutput(spec.Line)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(w)
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: []uintptr{null.Fd(), uintptr(w), uintptr(w)}}
	p := &Process{slot: sl, output: out, done: make(chan struct{}), pidfd: -1, status: -1}
	if spec.Ahead {
		r, w, err := os.Pipe()
		if err != nil {
			out.close()
			return nil, fmt.Errorf("proc: %w", err)
		}
		defer r.Close()
		p.tell = w
		attr.Files = append(attr.Files, r.Fd())
	}
	if err := p.fork(sl, spec, attr); err != nil {
		out.close()
		p.closeTell()
		return nil, err
	}
	go out.pump()
	go p.wait()
	return p, nil
}

// Furnish gives a process that was started ahead its room, and tells it what it is to run. It is called once.
func (p *Process) Furnish(r Room, message []byte) error {
	if err := p.furnish(r); err != nil {
		return err
	}
	p.mu.Lock()
	w := p.tell
	p.tell = nil
	p.mu.Unlock()
	if w == nil {
		return os.ErrClosed
	}
	_, err := w.Write(message)
	if err2 := w.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("proc: a process that was started ahead does not listen: %w", err)
	}
	return nil
}

func (p *Process) closeTell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell != nil {
		p.tell.Close()
		p.tell = nil
	}
}

// Pid is the process id as the platform sees it.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the process has ended, all of its children with it as far as the machine allows, and its output
// was handed on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit tells how the process ended; it is valid once Done is closed.
func (p *Process) Exit() Exit { return p.exit }

// Kill ends the process and its group at once.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped { // until then the id is not given to another process
		syscall.Kill(-p.pid, syscall.SIGKILL)
		syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

// Terminate asks the process to end.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(p.pid, syscall.SIGTERM)
	}
}

// Flush hands on all lines that the process has written before the call, the last one even without its line end.
func (p *Process) Flush() { p.output.flush() }

// reap ends the group, collects the process and hands on the rest of its output. The process must have ended.
func (p *Process) reap() {
	p.mu.Lock()
	syscall.Kill(-p.pid, syscall.SIGKILL)
	var ws syscall.WaitStatus
	var usage syscall.Rusage
	for {
		if _, err := syscall.Wait4(p.pid, &ws, 0, &usage); err != syscall.EINTR {
			break
		}
	}
	p.reaped = true
	p.mu.Unlock()
	p.exit = Exit{Code: ws.ExitStatus(), MaxMemory: maxRSS(&usage)}
	if ws.Signaled() {
		p.exit.Signal = ws.Signal()
	}
	p.output.flush()
	p.output.close()
	p.closeTell()
	p.cleanUp()
	close(p.done)
}

// memoryEvery is how often the kernel is asked for the memory of a process that is used all the time.
const memoryEvery = 100 * time.Millisecond

// MaxMemory is the largest resident memory of the process so far, in bytes, at most memoryEvery old; 0 when unknown.
func (p *Process) MaxMemory() int64 {
	now := time.Now().UnixNano()
	if at := p.memoryAt.Load(); at == 0 || now-at >= int64(memoryEvery) {
		if n := p.readMemory(); n > 0 {
			p.memory.Store(n)
			p.memoryAt.Store(now)
		}
	}
	return p.memory.Load()
}
