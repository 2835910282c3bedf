package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// system are the machine's folders that every function sees, read-only. What is not listed, the platform's data and
// people's homes among it, is not there.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix/store", "/gnu/store",
	"/sys/devices/system/cpu", // how many processors there are
	"/run/systemd/resolve",    // to which /etc/resolv.conf leads
}

// devices are those that every function has.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// tree is the mount namespace from which those of the functions are copied. It belongs to the spawner's thread, which
// stands in it with nothing of the machine's own tree in sight; so a copy is small and takes a fraction of a millisecond,
// and what is mounted into one goes with the last process in it, however the platform ends.
type tree struct {
	ns    int // descriptor of the namespace
	shown map[string]bool
}

// attached opens what is at path as a mount that is nowhere attached. It must be called where the machine's tree is seen.
func attached(path string, attr uint64) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, fmt.Errorf("open_tree %s: %w", path, err)
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr, Propagation: unix.MS_PRIVATE}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mount_setattr %s: %w", path, err)
	}
	return fd, nil
}

const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// attach puts an opened mount at a path of the calling thread's tree.
func attach(fd int, path string) error {
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount to %s: %w", path, err)
	}
	return nil
}

// newTree makes the calling thread, which must be locked to its goroutine for good, stand in a tree of its own. base is a
// folder to build on; runtime is shown as /var/runtime.
func newTree(base, runtime string) (*tree, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("no mount namespace: %w", err)
	}
	t := &tree{ns: -1, shown: make(map[string]bool)}
	if err := t.build(base, runtime); err != nil {
		return nil, err
	}
	ns, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("own mount namespace: %w", err)
	}
	t.ns = ns
	return t, nil
}

func (t *tree) build(base, runtime string) error {
	// nothing that is mounted here from now on shows elsewhere
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("tmpfs: %w", err)
	}
	for _, dir := range []string{taskRoot, runtimeRoot, optRoot, tempRoot, "/dev", "/proc", "/var/lang"} {
		if err := os.MkdirAll(base+dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range system {
		if err := t.showSystem(base, dir); err != nil {
			return err
		}
	}
	fd, err := attached(runtime, readOnly)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := attach(fd, base+runtimeRoot); err != nil {
		return err
	}
	if err := buildDevices(base); err != nil {
		return err
	}
	// the functions' users see their own processes only; without a PID namespace's own /proc this is what hides others
	err = unix.Mount("proc", base+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=2")
	if err != nil { // some containers do not allow a new one
		err = unix.Mount("/proc", base+"/proc", "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := unix.Chdir(base); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("the machine's tree: %w", err)
	}
	return unix.Chdir("/")
}

// showSystem puts one of the machine's folders below base, or the link that stands in its place.
func (t *tree) showSystem(base, dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return nil //nolint:nilerr // not every machine has all of them
	}
	if st.Mode()&os.ModeSymlink != 0 {
		to, err := os.Readlink(dir)
		if err != nil {
			return err
		}
		return os.Symlink(to, base+dir)
	}
	if !st.IsDir() {
		return nil
	}
	if err := os.MkdirAll(base+dir, 0o755); err != nil {
		return err
	}
	fd, err := attached(dir, readOnly)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	t.shown[dir] = true
	return attach(fd, base+dir)
}

func buildDevices(base string) error {
	for _, name := range devices {
		at := base + "/dev/" + name
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			return err
		}
		fd, err := attached("/dev/"+name, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
		if err != nil {
			return err
		}
		err = attach(fd, at)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, base+"/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// prefix is the folder with everything that belongs to an interpreter, or "" when functions see it anyway.
func (t *tree) prefix(path string, private []string) string {
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		if t.shown[dir] {
			return ""
		}
	}
	dir := filepath.Dir(path)
	if up := filepath.Dir(dir); filepath.Base(dir) == "bin" && up != "/" && !holdsAny(up, private) {
		if st, err := os.Stat(filepath.Join(up, "lib")); err == nil && st.IsDir() {
			return up
		}
	}
	return dir
}

// holdsAny reports whether one of the folders is dir or lies below it.
func holdsAny(dir string, folders []string) bool {
	for _, f := range folders {
		if f == dir || strings.HasPrefix(f, dir+"/") {
			return true
		}
	}
	return false
}

// show adds a folder to the tree for all processes to come. It is called on the spawner's thread.
func (t *tree) show(fd int, dir string) error {
	if t.shown[dir] {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := attach(fd, dir); err != nil {
		return err
	}
	t.shown[dir] = true
	return nil
}

// roomMounts are the opened mounts of a function's own folders, -1 for none.
type roomMounts struct{ code, opt int }

func openRoom(r Room) (m roomMounts, err error) {
	m = roomMounts{-1, -1}
	if r.Code != "" {
		if m.code, err = attached(r.Code, readOnly); err != nil {
			return m, err
		}
	}
	if r.Opt != "" {
		if m.opt, err = attached(r.Opt, readOnly); err != nil {
			m.close()
		}
	}
	return m, err
}

func (m roomMounts) close() {
	for _, fd := range []int{m.code, m.opt} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// attach puts the function's folders into the tree in which the calling thread stands.
func (m roomMounts) attach() error {
	if m.code >= 0 {
		if err := attach(m.code, taskRoot); err != nil {
			return err
		}
	}
	if m.opt >= 0 {
		return attach(m.opt, optRoot)
	}
	return nil
}

// defaultTemp is the size of /tmp where none is told: the least that AWS gives, in bytes.
const defaultTemp = 512 << 20

// enter makes a copy of the tree with a /tmp of uid's own, in which the calling thread stands until leave. It is called
// on the spawner's thread.
func (t *tree) enter(uid int, r Room, m roomMounts) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	size := r.Temp
	if size <= 0 {
		size = defaultTemp
	}
	opts := "mode=0700,size=" + strconv.FormatInt(size, 10)
	if uid >= 0 {
		opts += ",uid=" + strconv.Itoa(uid) + ",gid=" + strconv.Itoa(uid)
	}
	if err := unix.Mount("tmpfs", tempRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		return fmt.Errorf("/tmp: %w", err)
	}
	return m.attach()
}

// leave takes the calling thread back to the tree that all are copied from.
func (t *tree) leave() error { return unix.Setns(t.ns, unix.CLONE_NEWNS) }

// furnish adds a function's folders to the tree of a running process, and sets the size of its /tmp. It is called on the
// spawner's thread.
func (t *tree) furnish(ns int, r Room, m roomMounts) error {
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace of a process: %w", err)
	}
	err := m.attach()
	if err == nil && r.Temp > 0 {
		err = unix.Mount("", tempRoot, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "size="+strconv.FormatInt(r.Temp, 10))
	}
	return errors.Join(err, t.leave())
}

func (t *tree) close() {
	if t != nil && t.ns >= 0 {
		unix.Close(t.ns)
	}
}
