package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// memoryHeadroom is what the limit of a process's control group leaves beside the function's memory, in bytes: the
// kernel's share (page tables, sockets) and the pages of files that it reads.
const memoryHeadroom = 32 << 20

// groups makes the control groups that bound memory and processes. Of version 1 each controller has a tree of its own; of
// version 2 there is one.
//
// Moving a running process into a group makes the kernel wait for all processors, 6 to 12 ms here. So none is moved: with
// version 2 processes are born in their group, and with version 1 the spawner's thread stands in the next one's
// beforehand, which its child inherits. (A thread in a group of memory costs nothing: memory is charged by process.)
type groups struct {
	v2     bool
	mu     sync.Mutex
	memory string // the folder below which the groups are made; "" where there is no such controller
	pids   string
	next   *group // version 1: in which the spawner's thread stands
	n      int
	stale  []*group // whose folders could not be removed yet
}

// group is the control group of one environment.
type group struct {
	memory, pids string
	fd           int // version 2: the folder, for clone; else -1
}

// openGroups finds the machine's controllers, and makes and cleans a folder with the name in each: what stands there was
// left by a platform that was killed.
func openGroups(name string) (*groups, error) {
	at, err := ownGroups()
	if err != nil {
		return nil, err
	}
	g := &groups{v2: at.v2}
	var errs error
	open := func(parent, controller string) string {
		if parent == "" {
			errs = errors.Join(errs, fmt.Errorf("no controller %s", controller))
			return ""
		}
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			errs = errors.Join(errs, err)
			return ""
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				_ = unix.Rmdir(filepath.Join(dir, e.Name()))
			}
		}
		return dir
	}
	g.memory = open(at.memory, "memory")
	g.pids = open(at.pids, "pids")
	if g.v2 && g.memory != "" {
		// the folder above may pass its controllers on already, or not let us say so
		_ = os.WriteFile(filepath.Join(at.memory, "cgroup.subtree_control"), []byte("+memory +pids"), 0)
		if err := os.WriteFile(filepath.Join(g.memory, "cgroup.subtree_control"), []byte("+memory +pids"), 0); err != nil {
			_ = unix.Rmdir(g.memory)
			return nil, err
		}
	}
	if g.memory == "" && g.pids == "" {
		return nil, errs
	}
	return g, nil
}

// places are the folders in which groups can be made.
type places struct {
	v2           bool
	memory, pids string
}

// ownGroups finds the groups of this process (cgroups(7)).
func ownGroups() (places, error) {
	own, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return places{}, err
	}
	info, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return places{}, err
	}
	return findGroups(string(own), string(info), func(dir string) string {
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		return string(b)
	}), nil
}

// findGroups reads what stands in /proc/self/cgroup and /proc/self/mountinfo; controllers gives those of a folder of version 2.
func findGroups(own, info string, controllers func(dir string) string) (p places) {
	paths := map[string]string{} // by controller, "" for version 2
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 {
			for _, c := range strings.Split(f[1], ",") {
				paths[c] = f[2]
			}
		}
	}
	var unified string
	for line := range strings.Lines(info) {
		front, back, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(f) < 5 || len(b) < 3 {
			continue
		}
		root, mount := f[3], f[4]
		dir := func(controller string) string {
			rel, err := filepath.Rel(root, paths[controller])
			if err != nil || strings.HasPrefix(rel, "..") {
				return mount
			}
			return filepath.Join(mount, rel)
		}
		switch b[0] {
		case "cgroup2":
			unified = dir("")
		case "cgroup":
			for _, c := range strings.Split(b[2], ",") {
				switch c {
				case "memory":
					p.memory = dir(c)
				case "pids":
					p.pids = dir(c)
				}
			}
		}
	}
	if p.memory == "" && p.pids == "" && unified != "" {
		// processes may stand in leaves only, so groups are made beside the platform's own, not below it
		for dir := unified; len(dir) > 1 && strings.HasPrefix(dir, "/sys/fs/cgroup"); dir = filepath.Dir(dir) {
			c := strings.Fields(controllers(dir))
			if has(c, "memory") && has(c, "pids") && (dir != unified || dir == "/sys/fs/cgroup") {
				return places{v2: true, memory: dir, pids: dir}
			}
		}
	}
	return p
}

func has(list []string, x string) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// prepare makes the next group, if there is none. With version 1 the thread tid, the spawner's, goes to stand in it. It is
// called with mu held.
func (g *groups) prepare(tid int) error {
	if g.next != nil {
		return nil
	}
	x, err := g.make(tid)
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	g.next = x
	return nil
}

func (g *groups) make(tid int) (*group, error) {
	g.sweep()
	g.n++
	x := &group{fd: -1}
	make1 := func(parent string) (string, error) {
		if parent == "" {
			return "", nil
		}
		dir := filepath.Join(parent, strconv.Itoa(g.n))
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
		return dir, nil
	}
	var err error
	if x.memory, err = make1(g.memory); err != nil {
		return nil, err
	}
	if x.pids, err = make1(g.pids); err != nil {
		return nil, err
	}
	if x.pids != "" { // one more for the spawner, which is there for a moment
		if err := write(filepath.Join(x.pids, "pids.max"), maxProcesses+1); err != nil {
			return nil, err
		}
	}
	if g.v2 {
		x.fd, err = unix.Open(x.memory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return x, err
	}
	for _, dir := range []string{x.memory, x.pids} {
		if dir == "" {
			continue
		}
		if err := write(filepath.Join(dir, "tasks"), int64(tid)); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// limit bounds the memory of the group. /tmp is memory, too, and AWS does not count it, so it has its own share.
func (x *group) limit(r Room) error {
	if x == nil || x.memory == "" || r.Memory <= 0 {
		return nil
	}
	n := r.Memory + memoryHeadroom + max(r.Temp, 0)
	if x.fd >= 0 {
		_ = write(filepath.Join(x.memory, "memory.swap.max"), 0)  // where swap is counted
		_ = write(filepath.Join(x.memory, "memory.oom.group"), 1) // the environment ends as a whole
		return write(filepath.Join(x.memory, "memory.max"), n)
	}
	return write(filepath.Join(x.memory, "memory.limit_in_bytes"), n)
}

// outOfMemory reports whether the kernel has ended a process of the group for want of memory.
func (x *group) outOfMemory() bool {
	if x == nil || x.memory == "" {
		return false
	}
	name := "memory.oom_control"
	if x.fd >= 0 {
		name = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(x.memory, name))
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(b, []byte("oom_kill "))
	rest, _, _ = bytes.Cut(rest, []byte("\n"))
	n, err := strconv.Atoi(string(rest))
	return ok && err == nil && n > 0
}

// remove gives the group back; processes that are still on their way out delay that.
func (x *group) remove() bool {
	if x.fd >= 0 {
		unix.Close(x.fd)
		x.fd = -1
	}
	gone := true
	for _, dir := range []*string{&x.memory, &x.pids} {
		if *dir == "" {
			continue
		}
		if err := unix.Rmdir(*dir); err != nil && err != unix.ENOENT {
			gone = false
			continue
		}
		*dir = ""
	}
	return gone
}

// sweep tries again to remove groups that were not empty.
func (g *groups) sweep() {
	left := g.stale[:0]
	for _, x := range g.stale {
		if !x.remove() {
			left = append(left, x)
		}
	}
	g.stale = left
}

// release gives back the group of a process that has ended.
func (g *groups) release(x *group) {
	if x == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !x.remove() {
		g.stale = append(g.stale, x)
	}
}

// close removes what is left, once the spawner's thread has no more to do.
func (g *groups) close(tid int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next != nil {
		for _, dir := range []string{g.memory, g.pids} { // back to where the platform is
			if dir != "" && !g.v2 {
				_ = write(filepath.Join(filepath.Dir(dir), "tasks"), int64(tid))
			}
		}
		g.stale = append(g.stale, g.next)
		g.next = nil
	}
	g.sweep()
	for _, dir := range []string{g.memory, g.pids} {
		if dir != "" {
			_ = unix.Rmdir(dir)
		}
	}
}

func write(path string, n int64) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b := strconv.AppendInt(nil, n, 10)
	// a limit of memory is not set while a signal is pending, and Go's scheduler sends some
	if err := uninterrupted(func() error { _, err := unix.Write(fd, b); return err }); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
