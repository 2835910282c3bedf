//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// ownSession keeps signals of this terminal from a process.
func ownSession(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
