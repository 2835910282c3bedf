package bench

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
	"github.com/tealdeploy/teal/internal/runtimeapi"
)

// bare is the least that gets an HTTP request to a function's process and its answer back: two hops, read and written by
// hand, one process to a connection, without versions, aliases, metrics, logs, deadlines or a store. It is the floor against
// which the platform is measured: the same executable, in the same sandbox, with the same client before it.
type bare struct {
	listener net.Listener
	idle     chan *bareProcess
}

// bareProcess is a function's process and its connection to the Runtime API.
type bareProcess struct {
	listener *net.TCPListener
	conn     net.Conn
	r        *bufio.Reader
	out      []byte
	traces   int64 // told so far
	end      func()
}

// newPrototype starts n processes of an executable as any program starts another: without a sandbox, and with as many threads
// as the function's own runtime likes.
func newPrototype(b *testing.B, l *language, n int) *bare {
	return serveBare(b, n, func() (*bareProcess, error) { return startPrototype(l) })
}

// newBare starts n processes of a language's function: of the executable itself, or of the interpreter with the platform's
// own bootstrap.
func newBare(b *testing.B, l *language, n int) *bare {
	sandbox, err := proc.Open(proc.Config{})
	if err == nil {
		err = runtimeapi.WriteBootstraps(sandbox.RuntimeDir())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sandbox.Close() })
	return serveBare(b, n, func() (*bareProcess, error) { return startBare(sandbox, l) })
}

func serveBare(b *testing.B, n int, start func() (*bareProcess, error)) *bare {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &bare{idle: make(chan *bareProcess, n), listener: listener}
	for range n {
		p, err := start()
		if err != nil {
			b.Fatal(err)
		}
		s.idle <- p
	}
	b.Cleanup(func() {
		s.listener.Close()
		for range n {
			(<-s.idle).end()
		}
	})
	go s.accept()
	return s
}

func startBare(sandbox *proc.Sandbox, l *language) (*bareProcess, error) {
	runtime, err := sandbox.Find(string(l.runtime))
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	slot, err := sandbox.Slot()
	if err != nil {
		listener.Close()
		return nil, err
	}
	room := proc.Room{Code: l.code}
	at := slot.Paths(room)
	spec := proc.Spec{Path: runtime.Path, Interpreter: runtime.Path, Dir: at.Task, Room: room, Line: func([]byte) {}, Env: []string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_VERSION=1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "_HANDLER=" + l.handler, "GOMAXPROCS=1", "TMPDIR=" + slot.TempDir, "LAMBDA_TASK_ROOT=" + at.Task,
		"PATH=" + filepath.Dir(runtime.Path) + ":/usr/local/bin:/usr/bin:/bin", "LANG=en_US.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + at.Runtime, "NODE_PATH=" + at.Runtime + "/node_modules:" + at.Task, "AWS_LAMBDA_LOG_FORMAT=Text",
	}}
	switch runtime.Kind {
	case proc.KindPython:
		spec.Args = []string{at.Runtime + "/bootstrap.py"}
	case proc.KindNode:
		spec.Args = []string{at.Runtime + "/bootstrap.mjs"}
	default:
		spec.Path, spec.Interpreter = filepath.Join(at.Task, "bootstrap"), ""
	}
	process, err := slot.Start(spec)
	if err != nil {
		listener.Close()
		slot.Release()
		return nil, err
	}
	p := &bareProcess{listener: listener, r: bufio.NewReader(nil)}
	p.end = func() {
		process.Kill()
		<-process.Done()
		listener.Close()
		if p.conn != nil {
			p.conn.Close()
		}
		slot.Release()
	}
	return p, nil
}

func startPrototype(l *language) (*bareProcess, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c := exec.Command(filepath.Join(l.code, l.handler))
	c.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_VERSION=1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "_HANDLER="+l.handler)
	if err := c.Start(); err != nil {
		listener.Close()
		return nil, err
	}
	p := &bareProcess{listener: listener, r: bufio.NewReader(nil)}
	p.end = func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed, which is no news
		listener.Close()
		if p.conn != nil {
			p.conn.Close()
		}
	}
	return p, nil
}

// read reads what the process says next. Its client, net/http's, dials again when it does not trust its connection any more.
func (p *bareProcess) read() (first string, body []byte, err error) {
	for range 5 {
		if p.conn != nil {
			if first, body, err = readMessage(p.r); err == nil {
				return first, body, nil
			}
			p.conn.Close()
		}
		if err = p.listener.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return "", nil, err
		}
		if p.conn, err = p.listener.Accept(); err != nil {
			return "", nil, err
		}
		p.r.Reset(p.conn)
	}
	return "", nil, err
}

func (s *bare) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// serve answers one caller's requests until it goes.
func (s *bare) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var out []byte
	for {
		_, event, err := readMessage(r)
		if err != nil {
			return
		}
		p := <-s.idle
		answer, err := p.invoke(event)
		s.idle <- p
		if err != nil {
			return // the caller sees its connection end, and the round fails
		}
		out = fmt.Appendf(out[:0], "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// invoke answers the process's request for the next event, reads its response, and accepts it.
func (p *bareProcess) invoke(event []byte) ([]byte, error) {
	if _, _, err := p.read(); err != nil {
		return nil, err
	}
	p.out = append(p.out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 00000000-0000-0000-0000-000000000000\r\nLambda-Runtime-Deadline-Ms: "...)
	p.out = strconv.AppendInt(p.out, time.Now().Add(30*time.Second).UnixMilli(), 10)
	// A new trace each time, as the Runtime API has it: to set it as a variable is the function's work.
	p.traces++
	p.out = append(p.out, "\r\nLambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a9"...)
	p.out = strconv.AppendInt(p.out, 10_000_000+p.traces, 10)
	p.out = append(p.out, ";Parent=53995c3f42cd8ad8;Sampled=0\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench:1\r\nContent-Length: "...)
	p.out = strconv.AppendInt(p.out, int64(len(event)), 10)
	p.out = append(append(p.out, "\r\n\r\n"...), event...)
	if _, err := p.conn.Write(p.out); err != nil {
		return nil, err
	}
	_, answer, err := p.read()
	if err != nil {
		return nil, err
	}
	_, err = p.conn.Write(bareAccepted)
	return answer, err
}

var bareAccepted = []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
