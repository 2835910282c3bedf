package proc

import "os"

// Unprivileged reports whether functions run as users of their own, which is so where the platform runs as root.
func Unprivileged() bool { return os.Geteuid() == 0 }

// Reachable reports whether functions that run as users of their own can go down to path, which must exist; if not, at is
// the folder that stops them.
func Reachable(path string) (at string, ok bool) { return reachable(path) }
