package proc

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// MaxLine is the longest line that is handed on in one piece, in bytes: CloudWatch Logs' limit of an event.
const MaxLine = 256 << 10

// readSize is how much output is read at once, in bytes; it is half of a pipe's capacity.
const readSize = 32 << 10

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// output reads what a process writes. Its goroutine waits in the network poller; flush reads on the caller's own
// goroutine, so that the lines of an invocation are there when the invocation ends.
type output struct {
	r    *os.File
	raw  syscall.RawConn
	line func([]byte)

	mu     sync.Mutex
	fd     int    // of r
	part   []byte // a line without its end
	eof    bool
	closed bool // fd may be another file's
}

// newOutput gives the output and the descriptor to which the process writes.
func newOutput(line func([]byte)) (*output, int, error) {
	var fds [2]int
	if err := pipe(&fds); err != nil {
		return nil, -1, fmt.Errorf("proc: pipe for a function's output: %w", err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, -1, fmt.Errorf("proc: pipe for a function's output: %w", err)
	}
	o := &output{r: os.NewFile(uintptr(fds[0]), "output of a function"), fd: fds[0], line: line}
	raw, err := o.r.SyscallConn()
	if err != nil {
		o.r.Close()
		syscall.Close(fds[1])
		return nil, -1, fmt.Errorf("proc: pipe for a function's output: %w", err)
	}
	o.raw = raw
	return o, fds[1], nil
}

// pump hands on lines as they come, until the end of the output or close.
func (o *output) pump() {
	_ = o.raw.Read(func(uintptr) bool { return o.drain(false) })
}

// flush hands on what is there now, an unfinished line as well.
func (o *output) flush() { o.drain(true) }

func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.r.Close()
}

// drain reads until nothing is left and reports whether the output has ended.
func (o *output) drain(unfinished bool) bool {
	buf := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buf)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true
	}
	for !o.eof {
		n, err := syscall.Read(o.fd, buf[:])
		if n > 0 {
			o.split(buf[:n])
			if n < readSize {
				break
			}
			continue
		}
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			break
		}
		o.eof = true
	}
	if len(o.part) > 0 && (unfinished || o.eof) {
		o.line(o.part)
		o.part = o.part[:0]
	}
	return o.eof
}

func (o *output) split(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		switch {
		case i >= 0 && len(o.part) == 0:
			o.line(b[:i])
			b = b[i+1:]
		case i >= 0 && len(o.part)+i <= MaxLine:
			o.part = append(o.part, b[:i]...)
			o.line(o.part)
			o.part = o.part[:0]
			b = b[i+1:]
		default:
			if i < 0 {
				i = len(b)
			}
			n := min(i, MaxLine-len(o.part))
			o.part = append(o.part, b[:n]...)
			b = b[n:]
			if len(o.part) == MaxLine {
				o.line(o.part)
				o.part = nil
			}
		}
	}
}
