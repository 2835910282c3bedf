// Package proc starts the processes of functions and ends them: it is the only importer of os/exec, and the place where
// a function is kept apart from the platform and from other functions.
//
// What the machine gives is found out once, by Open. As root every process gets a user of its own and a PID namespace,
// so that nothing that it started survives it; without root a user namespace serves for the latter where the kernel
// allows one, else the process group is killed. No process outlives the platform, however that ends.
package proc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Config configures a Sandbox.
type Config struct {
	// Dir is a directory for private temporary directories; it is made when it does not exist. Empty means a new one
	// under the system's temporary directory, which Close removes. Functions' users must be able to reach it: every
	// directory on its path needs the execute bit for others.
	Dir string
	// Private are folders that functions must not see; an interpreter's folder is never shown when it holds one of them.
	Private []string
	// SameUser keeps functions on the platform's own user where a separate one would be possible.
	SameUser bool
	// Log is told once about each thing that the machine cannot give; nil means slog.Default().
	Log *slog.Logger
}

// Bounds of a process, as AWS sets them for an execution environment.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxFiles     = 1024 // file descriptors
	maxProcesses = 1024 // processes and threads, where the process has a user of its own
)

// Users of functions: a range that neither distributions, systemd nor container tools give away.
const (
	firstUID = 1_900_000_000
	uidCount = 1 << 16
)

// Where a function finds things when it has a tree of its own: as on AWS.
const (
	taskRoot    = "/var/task"
	runtimeRoot = "/var/runtime"
	optRoot     = "/opt"
	tempRoot    = "/tmp"
)

// ErrClosed is returned by a Sandbox after Close.
var ErrClosed = errors.New("proc: sandbox closed")

// Sandbox starts processes. All methods may be called from any goroutine.
type Sandbox struct {
	dir     string
	ownDir  bool
	log     *slog.Logger
	private []string
	spawner *spawner
	uids    bool // every process has a user of its own
	uidBase int
	props   []Property

	found finder

	mu     sync.Mutex
	closed bool
	next   int
	used   map[int]bool
}

// Property says whether one part of the isolation holds on this machine, and if not, why.
type Property struct {
	Name  string
	Holds bool
	Why   string
}

// The names of the properties.
const (
	propUser      = "separate user"
	propPrivs     = "no new privileges"
	propOrphans   = "no process outlives its function"
	propLimits    = "limits of files and processes"
	propCaller    = "the Runtime API knows its caller"
	propTree      = "private /tmp and read-only code at /var/task"
	propData      = "the platform's data is out of reach"
	propLandlock  = "Landlock"
	propMemory    = "limit of memory"
	propProcesses = "limit of processes of each environment"
)

// Open finds out what the machine gives. It fails when Dir cannot be made or cannot be reached by functions.
func Open(cfg Config) (*Sandbox, error) {
	s := &Sandbox{dir: cfg.Dir, log: cfg.Log, private: cfg.Private, used: make(map[int]bool)}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "teal-run-")
		if err != nil {
			return nil, fmt.Errorf("proc: no directory for functions' temporary files: %w", err)
		}
		s.dir, s.ownDir = dir, true
	}
	dir, err := filepath.Abs(s.dir)
	if err == nil {
		s.dir = dir
		err = os.MkdirAll(s.dir, 0o711)
	}
	if err == nil {
		err = os.Chmod(s.dir, 0o711)
	}
	if err == nil {
		err = os.MkdirAll(s.RuntimeDir(), 0o755)
	}
	if err == nil {
		err = os.Chmod(s.RuntimeDir(), 0o755) // whatever the umask
	}
	if err != nil {
		return nil, fmt.Errorf("proc: no directory for functions' temporary files: %w", err)
	}
	s.setUsers(cfg.SameUser)
	if s.uids {
		if at, ok := reachable(s.dir); !ok {
			return nil, fmt.Errorf("proc: functions run as unprivileged users and cannot reach %s, because %s is closed to others; choose another directory or run chmod o+x %s", s.dir, at, at)
		}
	}
	s.probe()
	s.found = finder{separate: s.uids, log: s.log}
	return s, nil
}

// setUsers decides whether functions get users of their own.
func (s *Sandbox) setUsers(same bool) {
	p := Property{Name: propUser}
	switch base, err := freeUIDs(); {
	case same:
		p.Why = "turned off by configuration"
	case os.Geteuid() != 0:
		p.Why = "the platform does not run as root"
	case err != nil:
		p.Why = err.Error()
	default:
		p.Holds, s.uids, s.uidBase = true, true, base
	}
	s.props = append(s.props, p)
}

// freeUIDs gives the first of uidCount users that may be set in this user namespace.
func freeUIDs() (int, error) {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil { // no namespaces here: every user may be set
		return firstUID, nil //nolint:nilerr // its absence is the answer
	}
	best := 0
	var inside, outside, count int
	for rest := string(b); ; {
		n, _ := fmt.Sscan(rest, &inside, &outside, &count)
		if n != 3 {
			break
		}
		switch {
		case firstUID >= inside && firstUID+uidCount <= inside+count:
			return firstUID, nil
		case inside+count > best && count > 1:
			best = inside + count
		}
		_, rest, _ = cutLine(rest)
	}
	if best > uidCount/2+1000 {
		return best - uidCount/2, nil
	}
	return 0, errors.New("this user namespace maps too few users")
}

func cutLine(s string) (line, rest string, found bool) {
	for i := range len(s) {
		if s[i] == '\n' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Properties lists what holds on this machine.
func (s *Sandbox) Properties() []Property { return append([]Property(nil), s.props...) }

// GroupName is the name of the sandbox's folders of control groups, the same for the same Dir.
func (s *Sandbox) GroupName() string {
	id := sha256.Sum256([]byte(s.dir))
	return "teal-" + hex.EncodeToString(id[:6])
}

// holds reports whether a property holds.
func (s *Sandbox) holds(name string) bool {
	for _, p := range s.props {
		if p.Name == name {
			return p.Holds
		}
	}
	return false
}

// Dir is the directory under which the slots' directories lie.
func (s *Sandbox) Dir() string { return s.dir }

// SeparateUser reports whether functions run as users other than the platform's; what they read must then be open to others.
func (s *Sandbox) SeparateUser() bool { return s.uids }

// RuntimeDir is the directory for what runtimes need, on the machine; every process sees it.
func (s *Sandbox) RuntimeDir() string { return filepath.Join(s.dir, "runtime") }

// Slot is the place of one process: its user and its private temporary directory.
type Slot struct {
	s       *Sandbox
	n       int
	UID     int    // the user, or -1 for the platform's own
	TempDir string // private, empty, writable; as the process sees it
	once    sync.Once
}

// Paths are where a process finds its folders.
type Paths struct{ Task, Opt, Runtime, Temp string }

// Paths tells where a process in this slot will see what its room holds: where AWS has it, or else where it is on the
// machine. Opt is "" when there is none and it is not where AWS has it.
func (sl *Slot) Paths(r Room) Paths {
	if sl.s.OwnTree() {
		return Paths{taskRoot, optRoot, runtimeRoot, tempRoot}
	}
	return Paths{r.Code, r.Opt, sl.s.RuntimeDir(), sl.TempDir}
}

// Slot makes a place for a process. Release gives it back once the process has ended.
func (s *Sandbox) Slot() (*Slot, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	limit := math.MaxInt32
	if s.uids {
		limit = uidCount / 2
	}
	if len(s.used) >= limit {
		s.mu.Unlock()
		return nil, fmt.Errorf("proc: all %d users for functions are taken", limit)
	}
	for s.used[s.next] {
		s.next = (s.next + 1) % limit
	}
	sl := &Slot{s: s, n: s.next, UID: -1}
	s.used[sl.n] = true
	s.next = (s.next + 1) % limit
	s.mu.Unlock()

	if s.uids {
		sl.UID = s.uidBase + sl.n
	}
	if s.OwnTree() {
		sl.TempDir = tempRoot
		return sl, nil
	}
	sl.TempDir = filepath.Join(s.dir, "tmp-"+strconv.Itoa(sl.n))
	err := os.Mkdir(sl.TempDir, 0o700)
	if errors.Is(err, os.ErrExist) { // left behind by a platform that was killed
		if err = os.RemoveAll(sl.TempDir); err == nil {
			err = os.Mkdir(sl.TempDir, 0o700)
		}
	}
	if err == nil && sl.UID >= 0 {
		err = os.Chown(sl.TempDir, sl.UID, sl.UID)
	}
	if err != nil {
		sl.Release()
		return nil, fmt.Errorf("proc: private temporary directory: %w", err)
	}
	return sl, nil
}

// Release removes the temporary directory and frees the user. It is idempotent.
func (sl *Slot) Release() {
	sl.once.Do(func() {
		if sl.s.OwnTree() { // /tmp has gone with the process
			sl.s.free(sl.n)
			return
		}
		if err := os.RemoveAll(sl.TempDir); err != nil {
			sl.s.log.Warn("a function's temporary directory was not removed", "dir", sl.TempDir, "error", err)
		}
		sl.s.free(sl.n)
	})
}

func (s *Sandbox) free(n int) {
	s.mu.Lock()
	delete(s.used, n)
	s.mu.Unlock()
}

// Close frees what the sandbox holds. All processes must have ended before; any that has not is killed by the kernel
// where it supports that.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.closeSpawner()
	if s.ownDir {
		return os.RemoveAll(s.dir)
	}
	return nil
}

// reachable reports whether a user without any rights of its own can go down to path, and if not, what stops it.
func reachable(path string) (at string, ok bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path, false
	}
	for _, p := range []string{path, real} {
		for dir := p; ; dir = filepath.Dir(dir) {
			st, err := os.Stat(dir)
			if err != nil || st.Mode().Perm()&0o001 == 0 {
				return dir, false
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", true
}

// Reaches reports, as an error that says what to do, whether functions cannot reach dir because of the user they run as.
func (s *Sandbox) Reaches(dir string) error {
	if !s.uids {
		return nil
	}
	if at, ok := reachable(dir); !ok {
		return fmt.Errorf("functions run as unprivileged users and cannot reach %s, because %s is closed to others; run chmod o+rx %s", dir, at, at)
	}
	return nil
}
