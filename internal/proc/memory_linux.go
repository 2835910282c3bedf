package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineMemory is the memory that this machine, or the control group of this process, has, in bytes; 0 when unknown.
func MachineMemory() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	n := int64(si.Totalram) * int64(si.Unit)
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(path); err == nil {
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && limit > 0 {
				n = min(n, limit)
			}
		}
	}
	return n
}

// HandlesTerm reports whether the process does something of its own when it gets SIGTERM.
func (p *Process) HandlesTerm() bool {
	_, rest, ok := strings.Cut(p.readStatus(), "\nSigCgt:")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return ok && err == nil && set&(1<<(unix.SIGTERM-1)) != 0
}

// readStatus reads /proc/pid/status; it is empty when the process has ended.
func (p *Process) readStatus() string {
	var buf [4096]byte
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status < 0 {
		return ""
	}
	n, err := unix.Pread(p.status, buf[:], 0)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}
