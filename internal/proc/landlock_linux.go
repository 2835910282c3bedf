package proc

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock closes the filesystem for one thread and what it starts (landlock(7)). The library for it closes it for all
// threads of a program, which would be the platform; hence the three calls here.

const (
	readAccess = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	fileAccess = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	// firstAccess are the rights that the first version of Landlock knows.
	firstAccess = 1<<13 - 1
)

// landlockVersion is the kernel's version of Landlock, 0 where it has none.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// accessOf are the rights to files that a version of Landlock knows.
func accessOf(version int) uint64 {
	a := uint64(firstAccess)
	if version >= 2 {
		a |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		a |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 5 {
		a |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return a
}

// scopesOf are what a version keeps within: abstract sockets and signals.
func scopesOf(version int) uint64 {
	if version < 6 {
		return 0
	}
	return unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
}

// confine closes the filesystem for the calling thread, which must have given up new privileges: read is what can be
// read and executed, written what can be written, too. Paths that do not exist are passed over.
func confine(version int, read, written []string) error {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: accessOf(version), Scoped: scopesOf(version)}
	fd, err := newRuleset(&attr)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, p := range read {
		if err := allow(fd, p, readAccess); err != nil {
			return err
		}
	}
	// the maps of a user namespace are written there; the kernel lets no process of another domain's be touched
	if err := allow(fd, "/proc", readAccess|unix.LANDLOCK_ACCESS_FS_WRITE_FILE); err != nil {
		return err
	}
	for _, p := range written {
		if err := allow(fd, p, attr.Handled_access_fs); err != nil {
			return err
		}
	}
	return restrict(fd)
}

// scope keeps the calling thread and what it starts from abstract sockets of other programs.
func scope() error {
	fd, err := newRuleset(&unix.LandlockRulesetAttr{Scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return restrict(fd)
}

func newRuleset(attr *unix.LandlockRulesetAttr) (int, error) {
	const size = 24 // up to Scoped; kernels that know less take it as long as the rest is zero
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	return int(fd), nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil //nolint:nilerr // what is not there needs no rule
	}
	defer unix.Close(fd)
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		access &= fileAccess
	}
	rule := struct { // the kernel's is packed: 12 bytes
		access uint64
		fd     int32
	}{access, int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("landlock_add_rule %s: %w", path, errno)
	}
	return nil
}

func restrict(ruleset int) error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return fmt.Errorf("landlock_restrict_self: %w", errno)
	}
	return nil
}
