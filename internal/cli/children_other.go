//go:build !unix

package cli

import "os/exec"

// withChildren does nothing where there are no process groups: the command itself is killed.
func withChildren(*exec.Cmd) {}
