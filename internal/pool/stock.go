package pool

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// stock keeps interpreters that were started before a function needs them: the start of an interpreter is nearly all of a
// cold start. Each stands in the isolation of an environment of its own, has loaded its bootstrap, and waits to be told
// its function; nothing of a function is in it. There are some of a runtime once a function of it exists.
type stock struct {
	p    *Pool
	size int

	mu      sync.Mutex
	shelves map[string]*shelf // by the interpreter's path
	closed  bool
	filling sync.WaitGroup
}

// shelf holds the interpreters of one kind.
type shelf struct {
	runtime proc.Runtime
	ready   []*ahead
	filling bool
}

// ahead is an interpreter that waits for its function.
type ahead struct {
	slot    *proc.Slot
	process *proc.Process
	line    atomic.Pointer[func([]byte)] // nil until there is a function
}

// restock is how long a new interpreter is put off after one was taken: its start would slow the function's.
const restock = 100 * time.Millisecond

func newStock(p *Pool, size int) *stock {
	if size == 0 {
		size = defaultAhead
	}
	// Only where functions see their folders at the same paths can a process be told them after its start.
	if !p.sandbox.OwnTree() {
		size = 0
	}
	return &stock{p: p, size: max(size, 0), shelves: make(map[string]*shelf)}
}

// want makes sure that there are interpreters of a runtime.
func (s *stock) want(r proc.Runtime) {
	if s.size == 0 || r.Kind == proc.KindProvided {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shelves[r.Path] == nil {
		s.shelves[r.Path] = &shelf{runtime: r}
		s.fill(s.shelves[r.Path], 0)
	}
}

// take gives an interpreter for a function, or nil when none is ready, or the function sets what an interpreter reads
// when it starts.
func (s *stock) take(r proc.Runtime, f *Function) *ahead {
	if s.size == 0 || r.Kind == proc.KindProvided {
		return nil
	}
	s.want(r)
	for k := range f.Environment {
		if readAtStart(k) {
			return nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shelves[r.Path]
	for len(sh.ready) > 0 {
		a := sh.ready[0]
		sh.ready = append(sh.ready[:0], sh.ready[1:]...)
		s.fill(sh, restock)
		select {
		case <-a.process.Done():
			a.slot.Release()
		default:
			return a
		}
	}
	return nil
}

// readAtStart tells of which variables an interpreter, its libraries or the loader take notice only when they start.
func readAtStart(name string) bool {
	for _, prefix := range []string{"NODE_", "PYTHON", "LD_", "LC_", "MALLOC_", "OPENSSL_", "SSL_", "UV_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "LANG" || name == wrapper || name == "GLIBC_TUNABLES"
}

// fill starts what is missing, one after the other. It is called with mu held.
func (s *stock) fill(sh *shelf, after time.Duration) {
	if sh.filling || s.closed {
		return
	}
	sh.filling = true
	s.filling.Add(1)
	go func() {
		defer s.filling.Done()
		for s.missing(sh) {
			select {
			case <-time.After(after):
			case <-s.p.closing:
				continue
			}
			a, err := s.start(sh.runtime)
			if err != nil {
				s.p.log.Warn("no interpreter was started ahead; functions start their own", "runtime", sh.runtime.Path, "error", err)
				s.mu.Lock()
				sh.filling = false
				s.mu.Unlock()
				return
			}
			s.mu.Lock()
			sh.ready = append(sh.ready, a)
			s.mu.Unlock()
		}
	}()
}

// missing reports whether another one is to be started, or else ends the filling.
func (s *stock) missing(sh *shelf) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && len(sh.ready) < s.size {
		return true
	}
	sh.filling = false
	return false
}

func (s *stock) start(r proc.Runtime) (*ahead, error) {
	slot, err := s.p.sandbox.Slot()
	if err != nil {
		return nil, err
	}
	at := slot.Paths(proc.Room{})
	a := &ahead{slot: slot}
	spec := proc.Spec{
		Path: r.Path, Args: []string{at.Runtime + "/bootstrap.py"}, Dir: "/", Interpreter: r.Path, Ahead: true, Idle: true,
		Env:  s.p.interpreterVariables(r.Name, r, at),
		Room: proc.Room{Memory: aheadMemory},
		Line: func(b []byte) {
			if to := a.line.Load(); to != nil {
				(*to)(b)
			}
		},
	}
	if r.Kind == proc.KindNode {
		spec.Args[0] = at.Runtime + "/bootstrap.mjs"
	}
	spec.Args = append(spec.Args, "ahead")
	if a.process, err = slot.Start(spec); err != nil {
		slot.Release()
		return nil, err
	}
	return a, nil
}

// aheadMemory bounds an interpreter that has no function yet, in bytes.
const aheadMemory = 512 << 20

// tell gives the interpreter its function: the environment variables, and lines for what it writes.
func (a *ahead) tell(f *Function, variables []string, line func([]byte)) error {
	a.line.Store(&line)
	vars := make(map[string]string, len(variables))
	for _, kv := range variables {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	b, err := json.Marshal(vars)
	if err != nil {
		return fmt.Errorf("pool: variables of %s: %w", f.ARN, err)
	}
	return a.process.Furnish(f.room(), b)
}

// close ends all that wait.
func (s *stock) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.filling.Wait()
	for _, sh := range s.shelves {
		for _, a := range sh.ready {
			a.process.Kill()
			<-a.process.Done()
			a.slot.Release()
		}
		sh.ready = nil
	}
}
