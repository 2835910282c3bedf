//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// withChildren lets the end of a command's context kill what it has started too.
func withChildren(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
