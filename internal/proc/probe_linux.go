package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	errNotRoot = errors.New("the platform does not run as root")
	errOneUser = errors.New("functions have no users of their own")
)

// probe tries what the machine may refuse.
func (s *Sandbox) probe() {
	s.spawner = newSpawner()
	if err := s.probeTree(); err != nil {
		s.spawner.close() // its thread stands in a tree that is not finished
		s.spawner = newSpawner()
		s.tell(propTree, err.Error())
	} else {
		s.tell(propTree, "")
	}
	s.tell(propPrivs, reason(s.spawner.noNewPrivs))
	s.probeLandlock()

	if os.Geteuid() == 0 {
		s.spawner.flags = unix.CLONE_NEWPID
	} else {
		s.spawner.flags, s.spawner.userNS = unix.CLONE_NEWPID|unix.CLONE_NEWUSER, true
	}
	if err := s.try(); err != nil {
		s.tell(propOrphans, "no PID namespace ("+err.Error()+"); a process that leaves its process group can survive")
		s.spawner.flags, s.spawner.userNS = 0, false
	} else {
		s.tell(propOrphans, "")
	}
	if s.uids && !hasCapability(unix.CAP_SYS_RESOURCE) {
		s.tell(propLimits, "the platform runs as root without CAP_SYS_RESOURCE, and cannot limit processes of other users")
	} else {
		s.tell(propLimits, "")
	}
	switch {
	case !s.uids:
		s.tell(propCaller, "functions have no users of their own")
	case !diagWorks():
		s.tell(propCaller, "the kernel does not tell the owners of sockets")
	default:
		s.tell(propCaller, "")
	}
	s.probeGroups()
}

func (s *Sandbox) tell(name, why string) {
	s.props = append(s.props, Property{Name: name, Holds: why == "", Why: why})
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (s *Sandbox) probeTree() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	if !s.uids { // the platform's own user could leave the tree
		return errOneUser
	}
	return s.spawner.do(func() (err error) {
		s.spawner.tree, err = newTree(s.RuntimeDir()+"-tree", s.RuntimeDir())
		return err
	})
}

// probeLandlock tries Landlock on a thread that ends again.
func (s *Sandbox) probeLandlock() {
	v := landlockVersion()
	var why string
	switch {
	case v == 0:
		why = "the kernel has none, or it is not among its security modules (lsm=)"
	case s.spawner.noNewPrivs != nil:
		why = "it needs no_new_privs"
	default:
		th := newSpawner()
		err := th.do(func() error { return confine(v, []string{"/"}, nil) })
		th.close()
		why = reason(err)
	}
	s.tell(propLandlock, why)
	switch {
	case s.OwnTree():
		if why == "" && v >= 6 { // the tree has closed the filesystem; sockets without a name in it are left
			if err := s.spawner.do(scope); err != nil {
				s.log.Warn("functions can reach abstract sockets", "error", err)
			}
		}
		s.tell(propData, "")
	case why == "":
		s.spawner.landlock = v
		s.tell(propData, "")
	case s.uids:
		s.tell(propData, "")
	default:
		s.tell(propData, "functions run as the platform's user, with neither Landlock nor a tree of their own")
	}
}

// probeGroups makes the folders of the control groups, and tries to limit.
func (s *Sandbox) probeGroups() {
	g, err := openGroups(s.GroupName())
	if err == nil {
		g.mu.Lock()
		err = g.prepare(s.spawner.tid)
		if err == nil {
			err = g.next.limit(Room{Memory: 1 << 30})
		}
		g.mu.Unlock()
		if err != nil {
			g.close(s.spawner.tid)
		}
	}
	if err != nil {
		why := "no control groups (" + strings.ReplaceAll(err.Error(), "\n", "; ") + ")"
		if !s.uids || hasCapability(unix.CAP_SYS_RESOURCE) {
			why += "; only what a process reserves is limited, to its memory and 512 MiB"
		}
		s.tell(propMemory, why)
		s.tellProcesses()
		return
	}
	if s.spawner.groups = g; g.memory == "" {
		s.tell(propMemory, "there is no control group for memory")
	} else {
		s.tell(propMemory, "")
	}
	if g.pids == "" {
		s.tellProcesses()
	} else {
		s.tell(propProcesses, "")
	}
}

// tellProcesses tells whether processes are counted without control groups.
func (s *Sandbox) tellProcesses() {
	switch {
	case s.uids && hasCapability(unix.CAP_SYS_RESOURCE), s.spawner.userNS && countsByNamespace():
		s.tell(propProcesses, "") // by its user, or its user namespace
	default:
		s.tell(propProcesses, "there are no control groups for it, and the kernel has nothing else to count by")
	}
}

// countsByNamespace reports whether the kernel counts the processes of a user in each user namespace for itself, as Linux
// does since 5.14.
func countsByNamespace() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major > 5 || major == 5 && minor >= 14
}

// try forks once with the attributes of a process. The executable does not exist on purpose where /bin/true is missing:
// then the fork and its namespaces have succeeded all the same.
func (s *Sandbox) try() error {
	return s.spawner.do(func() error {
		uid := -1
		if s.uids {
			uid = s.uidBase
		}
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Dir: "/", Sys: s.attributes(uid)})
		if err == syscall.ENOENT {
			return nil
		}
		if err != nil {
			return err
		}
		var ws syscall.WaitStatus
		return uninterrupted(func() error { _, err := syscall.Wait4(pid, &ws, 0, nil); return err })
	})
}

// hasCapability reports whether this process has a capability in effect.
func hasCapability(n uint) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&hdr, &data[0]) == nil && data[n/32].Effective&(1<<(n%32)) != 0
}
