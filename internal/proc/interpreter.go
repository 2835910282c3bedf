package proc

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is how functions of a runtime are started.
type Kind string

// The kinds of runtimes.
const (
	KindProvided Kind = "provided" // an executable of the function's own
	KindPython   Kind = "python"
	KindNode     Kind = "nodejs"
)

// Runtime is a runtime of AWS, found on this machine.
type Runtime struct {
	Name    string // as in AWS, such as python3.12
	Kind    Kind
	Path    string // of the interpreter; empty for KindProvided
	Version string // of the interpreter, such as 3.11.2
}

// RuntimeMissingError says that functions of a runtime cannot be run on this machine, and what to do about it.
type RuntimeMissingError struct {
	Runtime string // as in AWS
	Install string // what to do
}

func (e *RuntimeMissingError) Error() string {
	return fmt.Sprintf("runtime %s is not to be had on this machine: %s", e.Runtime, e.Install)
}

// probeTimeout bounds the question to an interpreter for its version.
const probeTimeout = 20 * time.Second

// finder finds interpreters on PATH and remembers what it has found.
type finder struct {
	separate bool // functions run as other users, which must reach the interpreter
	log      *slog.Logger

	mu       sync.Mutex
	runtimes map[string]Runtime
	asked    map[string]interpreter // by the path on PATH
}

type interpreter struct{ path, version string }

// Find gives the runtime with AWS's name, or a *RuntimeMissingError. An interpreter of another version serves when the
// very one is not here; that is told to the log once. What was found stays; what was not is looked for again.
func (s *Sandbox) Find(runtime string) (Runtime, error) {
	f := &s.found
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.runtimes[runtime]; ok {
		return r, nil
	}
	r, err := f.find(runtime)
	if err != nil {
		return Runtime{}, err
	}
	if f.runtimes == nil {
		f.runtimes = make(map[string]Runtime)
	}
	f.runtimes[runtime] = r
	return r, nil
}

func (f *finder) find(name string) (Runtime, error) {
	switch {
	case name == "provided.al2023", name == "provided.al2", name == "provided", name == "go1.x":
		return Runtime{Name: name, Kind: KindProvided}, nil
	case strings.HasPrefix(name, "python3."):
		if minor, err := strconv.Atoi(name[len("python3."):]); err == nil && minor >= 0 {
			return f.python(name, minor)
		}
	case strings.HasPrefix(name, "nodejs") && strings.HasSuffix(name, ".x"):
		if major, err := strconv.Atoi(name[len("nodejs") : len(name)-2]); err == nil && major > 0 {
			return f.node(name, major)
		}
	}
	return Runtime{}, &RuntimeMissingError{name, "this platform runs provided.al2023, provided.al2, python3.x and nodejs.x; build the function for one of them"}
}

// search describes one kind of interpreter to choose.
type search struct {
	runtime string
	kind    Kind
	want    int         // the minor version of Python, the major one of Node
	oldest  int         // that our bootstrap runs on
	names   []candidate // the best first
	args    []string    // that make it print its version and its path
	number  func(version string) (int, error)
	install string
}

// candidate is the name of an executable, with the distance of its version from the wanted one, or -1 where the name does
// not tell.
type candidate struct {
	name     string
	distance int
}

func (f *finder) python(name string, minor int) (Runtime, error) {
	q := search{
		runtime: name, kind: KindPython, want: minor, oldest: 8,
		names:   []candidate{{"python3." + strconv.Itoa(minor), 0}, {"python3", -1}},
		args:    []string{"-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)"},
		install: fmt.Sprintf("install python3.%d, or any Python from 3.8 on, such that it is on PATH (for example: apt install python3)", minor),
		number: func(v string) (int, error) {
			p := strings.SplitN(v, ".", 3)
			if len(p) < 2 || p[0] != "3" {
				return 0, fmt.Errorf("no Python 3: %s", v)
			}
			return strconv.Atoi(p[1])
		},
	}
	for d := 1; d <= 16; d++ { // the newer of two that are as near
		q.names = append(q.names, candidate{"python3." + strconv.Itoa(minor+d), d})
		if minor-d >= q.oldest {
			q.names = append(q.names, candidate{"python3." + strconv.Itoa(minor-d), d})
		}
	}
	return f.choose(q)
}

func (f *finder) node(name string, major int) (Runtime, error) {
	return f.choose(search{
		runtime: name, kind: KindNode, want: major, oldest: 16,
		names:   []candidate{{"node" + strconv.Itoa(major), 0}, {"node-" + strconv.Itoa(major), 0}, {"node", -1}, {"nodejs", -1}},
		args:    []string{"-p", "process.version.slice(1) + '\\n' + process.execPath"},
		install: fmt.Sprintf("install Node.js %d, or any from 16 on, such that node is on PATH (for example: apt install nodejs)", major),
		number:  func(v string) (int, error) { return strconv.Atoi(strings.SplitN(v, ".", 2)[0]) },
	})
}

// choose takes the interpreter of the wanted version, else the nearest one.
func (f *finder) choose(q search) (Runtime, error) {
	var best interpreter
	var distance int
	var closedOff string
	for _, c := range q.names {
		if best.path != "" && c.distance >= distance {
			break
		}
		for _, path := range onPath(c.name) {
			it := interpreter{}
			at, ok := f.usable(path)
			if ok {
				if it = f.ask(path, q.args); it.version == "" {
					continue
				}
				path = it.path
				at, ok = f.usable(path)
			}
			if !ok {
				closedOff = path + " cannot be used, because functions run as unprivileged users and " + at + " is closed to them"
				continue
			}
			n, err := q.number(it.version)
			if err != nil || n < q.oldest {
				continue
			}
			if n == q.want {
				return Runtime{q.runtime, q.kind, it.path, it.version}, nil
			}
			if d := max(n-q.want, q.want-n); best.path == "" || d < distance {
				best, distance = it, d
			}
		}
	}
	if best.path == "" {
		e := &RuntimeMissingError{q.runtime, q.install}
		if closedOff != "" {
			e.Install += "; " + closedOff
		}
		return Runtime{}, e
	}
	f.log.Warn("a runtime's own version is not on this machine; the nearest one serves", "runtime", q.runtime, "version", best.version, "path", best.path)
	return Runtime{q.runtime, q.kind, best.path, best.version}, nil
}

func (f *finder) usable(path string) (at string, ok bool) {
	if !f.separate {
		return "", true
	}
	return reachable(path)
}

// onPath lists the executables of a name in all directories of PATH.
func onPath(name string) (out []string) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
			out = append(out, path)
		}
	}
	return out
}

// ask runs an interpreter, once, to learn its version and its real path: what PATH names may be a shim.
func (f *finder) ask(path string, args []string) interpreter {
	if it, ok := f.asked[path]; ok {
		return it
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	l := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(l) != 2 {
		return interpreter{}
	}
	it := interpreter{strings.TrimSpace(l[1]), strings.TrimSpace(l[0])}
	if f.asked == nil {
		f.asked = make(map[string]interpreter)
	}
	f.asked[path] = it
	return it
}
