package proc

import (
	"path"
	"testing"
)

func TestFindGroups(t *testing.T) {
	const v2mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	for _, tc := range []struct {
		name, own, info string
		controllers     map[string]string
		want            places
	}{
		{
			"version 1", "9:pids:/a\n8:cpu,cpuacct:/\n4:memory:/b/c\n1:name=systemd:/\n",
			"31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n", nil,
			places{memory: "/sys/fs/cgroup/memory/b/c", pids: "/sys/fs/cgroup/pids/a"},
		},
		{
			"hybrid", "4:memory:/b\n0::/user.slice\n",
			"31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", nil,
			places{memory: "/sys/fs/cgroup/memory/b"},
		},
		{
			"version 1 in a container, which sees its own group as the root", "4:memory:/docker/x\n",
			"31 30 0:27 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", nil,
			places{memory: "/sys/fs/cgroup/memory"},
		},
		{
			"version 2, the service's own group delegated", "0::/system.slice/teal.service/main\n", v2mount,
			map[string]string{"system.slice/teal.service": "cpu memory pids", "system.slice": "memory pids", ".": "memory pids"},
			places{v2: true, memory: "/sys/fs/cgroup/system.slice/teal.service", pids: "/sys/fs/cgroup/system.slice/teal.service"},
		},
		{
			"version 2, a shell below a slice without controllers", "0::/user.slice/session.scope\n", v2mount,
			map[string]string{"user.slice": "cpu", ".": "cpuset memory pids"},
			places{v2: true, memory: "/sys/fs/cgroup", pids: "/sys/fs/cgroup"},
		},
		{
			"version 2, the root", "0::/\n", v2mount,
			map[string]string{".": "memory pids"},
			places{v2: true, memory: "/sys/fs/cgroup", pids: "/sys/fs/cgroup"},
		},
		{"none", "", "", nil, places{}},
	} {
		got := findGroups(tc.own, tc.info, func(dir string) string {
			for at, c := range tc.controllers {
				if path.Join("/sys/fs/cgroup", at) == dir {
					return c
				}
			}
			return ""
		})
		if got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
