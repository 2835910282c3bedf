package pool

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// platformVariable makes the test program a platform that can be killed.
const platformVariable = "TEAL_TEST_PLATFORM"

// platform invokes a function that leaves a child behind, tells whether no process can outlive its function, and stays.
func platform() int {
	handlerDir = os.Getenv(platformVariable)
	p, err := New(Config{Dir: os.Getenv("TEAL_TEST_DIR"), Log: quiet})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, e := range []string{do("child", ""), do("log", "x")} {
		r, err := p.Invoke(context.Background(), goFunction("a", map[string]string{"ORPHAN_MARK": os.Getenv("TEAL_TEST_DIR")}), call(e))
		if err != nil || r.FunctionError != "" {
			fmt.Println("invoke:", string(r.Payload), err)
			return 1
		}
	}
	held := "holds"
	for _, x := range p.Isolation() {
		if x.Name == "no process outlives its function" && !x.Holds {
			held = x.Why
		}
	}
	fmt.Println(held)
	select {}
}

// marked lists the processes of the machine in whose environment mark occurs, the platform's own not counted.
func marked(mark string, except int) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, d := range entries {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == except || pid == os.Getpid() {
			continue
		}
		if env, err := os.ReadFile("/proc/" + d.Name() + "/environ"); err == nil && strings.Contains(string(env), "ORPHAN_MARK="+mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestNoOrphans(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("no /proc here to look for orphans")
	}
	// the platform as an ordinary user runs a copy, because the test's own directory is closed to it
	program := filepath.Join(open(t), "platform")
	if b, err := os.ReadFile(os.Args[0]); err != nil || os.WriteFile(program, b, 0o755) != nil {
		t.Fatal("the test program cannot be copied:", err)
	}
	os.Chmod(program, 0o755)
	for _, tc := range []struct {
		signal   syscall.Signal
		ordinary bool
	}{{syscall.SIGKILL, false}, {syscall.SIGTERM, false}, {syscall.SIGKILL, true}} {
		t.Run(fmt.Sprintf("%v, ordinary user %v", tc.signal, tc.ordinary), func(t *testing.T) {
			dir := open(t)
			c := exec.Command(program)
			c.Env = append(os.Environ(), platformVariable+"="+handlerDir, "TEAL_TEST_DIR="+filepath.Join(dir, "run"))
			if tc.ordinary {
				if os.Geteuid() != 0 {
					t.Skip("the tests are run as an ordinary user anyway")
				}
				c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Wait()
			defer c.Process.Kill()
			line, _ := bufio.NewReader(out).ReadString('\n')
			mark := filepath.Join(dir, "run")
			if line != "holds\n" {
				t.Skipf("this machine does not keep the promise: %s", line)
			}
			until(t, func() bool { return len(marked(mark, c.Process.Pid)) == 2 }) // the function and its child
			c.Process.Signal(tc.signal)
			c.Wait()
			until(t, func() bool { return len(marked(mark, 0)) == 0 })
		})
	}
}
