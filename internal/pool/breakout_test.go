package pool

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// handlerVariable tells a test program that runs as an ordinary user where the tests' function is.
const handlerVariable = "TEAL_TEST_HANDLER"

// TestBreakOut has a function try what the isolation forbids; where a property does not hold, it is not tried.
func TestBreakOut(t *testing.T) {
	data := open(t)
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(data, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPool(t, Config{Private: []string{data}, Environment: map[string]string{"AWS_SECRET_ACCESS_KEY": "open sesame"}})
	held := map[string]bool{}
	for _, x := range p.Isolation() {
		if held[x.Name] = x.Holds; !x.Holds {
			if x.Why == "" {
				t.Errorf("%s does not hold, without a reason", x.Name)
			}
			t.Logf("%s does not hold here: %s", x.Name, x.Why)
		}
	}
	holds := func(t *testing.T, name string) {
		t.Helper()
		h, known := held[name]
		if !known {
			t.Fatalf("no property %q", name)
		}
		if !h {
			t.Skip(name, "does not hold here")
		}
	}
	f := goFunction("a", nil)
	f.EphemeralStorageMB = 16
	refused := func(t *testing.T, f *Function, event, why string) {
		t.Helper()
		if r := invoke(t, p, f, event); r.FunctionError == "" || !regexp.MustCompile(why).Match(r.Payload) {
			t.Errorf("%s: %s", event, r.Payload)
		}
	}
	const no = "permission denied|no such file|read-only file system|not permitted|no such process"

	t.Run("the platform's data", func(t *testing.T) {
		holds(t, "the platform's data is out of reach")
		refused(t, f, do("open", secret), no)
		refused(t, f, do("write", filepath.Join(data, "x")), no)
		refused(t, f, do("list", data), no)
		refused(t, f, do("list", p.sandbox.Dir()), no)
	})
	t.Run("code", func(t *testing.T) {
		if !held["separate user"] && !held["Landlock"] {
			t.Skip("the function is the owner of its code")
		}
		refused(t, f, do("write", p.taskRoot(f)+"/x"), no)
		refused(t, f, do("write", p.taskRoot(f)+"/bootstrap"), no+"|text file busy")
		refused(t, f, do("write", p.runtime+"/bootstrap.py"), no)
		refused(t, f, do("write", "/var/runtime/bootstrap.py"), no)
		refused(t, f, do("write", "/etc/x"), no)
		refused(t, f, do("write", "/usr/bin/x"), no)
	})
	t.Run("the tree", func(t *testing.T) {
		holds(t, "private /tmp and read-only code at /var/task")
		a, b := goFunction("tmp", nil), goFunction("other", nil)
		if r := invoke(t, p, a, do("write", "/tmp/mine")); r.FunctionError != "" {
			t.Fatalf("/tmp: %s", r.Payload)
		}
		if _, err := os.Stat("/tmp/mine"); err == nil {
			t.Error("the function's /tmp is the machine's")
		}
		refused(t, b, do("open", "/tmp/mine"), "no such file")
		refused(t, f, do("fill", "17"), "no space left")
		if r := invoke(t, p, f, do("fill", "15")); r.FunctionError != "" {
			t.Errorf("/tmp has less than its size: %s", r.Payload)
		}
		for _, dir := range []string{"/root", "/home", "/mnt", "/var/lib", "/sys/fs"} {
			refused(t, f, do("list", dir), no)
		}
		layer := open(t)
		os.Chmod(layer, 0o755)
		os.WriteFile(filepath.Join(layer, "file"), []byte("layer"), 0o644)
		c := goFunction("layer", nil)
		c.OptDir = layer
		if r := invoke(t, p, c, do("open", "/opt/file")); string(r.Payload) != "5" {
			t.Errorf("/opt: %s", r.Payload)
		}
		refused(t, c, do("write", "/opt/file"), no)
	})
	t.Run("other processes", func(t *testing.T) {
		if !held["separate user"] && !held["Landlock"] {
			t.Skip("all have one user")
		}
		invoke(t, p, goFunction("b", map[string]string{"OTHER": "secret of another"}), do("count", ""))
		if r := invoke(t, p, f, do("environs", "")); strings.Contains(string(r.Payload), "secret of another") || strings.Contains(string(r.Payload), "open sesame") || strings.Contains(string(r.Payload), "GOCACHE") {
			t.Errorf("environments of other processes: %s", r.Payload)
		}
		for _, pid := range []int{os.Getpid(), os.Getppid()} {
			refused(t, f, do("ptrace", strconv.Itoa(pid)), no)
			refused(t, f, do("kill", strconv.Itoa(pid)), no)
		}
	})
	t.Run("abstract sockets", func(t *testing.T) {
		holds(t, "Landlock")
		name := "teal-test-" + strconv.Itoa(os.Getpid())
		ln, err := net.Listen("unix", "@"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		refused(t, f, do("dial", name), no)
	})
	t.Run("setuid", func(t *testing.T) {
		holds(t, "no new privileges")
		if os.Geteuid() != 0 {
			t.Skip("only root can make such a program")
		}
		code := open(t)
		os.Chmod(code, 0o755)
		for from, to := range map[string]string{handlerDir + "/bootstrap": "bootstrap", "/usr/bin/id": "id"} {
			b, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(filepath.Join(code, to), b, 0o755)
			}
			if err == nil {
				err = os.Chmod(filepath.Join(code, to), 0o755|os.ModeSetuid)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		g := goFunction("setuid", nil)
		g.CodeDir = code
		if r := invoke(t, p, g, do("run", p.taskRoot(g)+"/id")); r.FunctionError != "" || string(r.Payload) == `"0"` {
			t.Errorf("a program of root's own: %s", r.Payload)
		}
	})
	t.Run("memory", func(t *testing.T) {
		g := goFunction("memory", nil)
		g.MemoryMB, g.EphemeralStorageMB = 128, 16
		if r := invoke(t, p, g, do("alloc", "100")); string(r.Payload) != "100" {
			t.Errorf("within its memory: %s", r.Payload)
		}
		if !held["limit of memory"] {
			if !held["limits of files and processes"] {
				t.Skip("nothing limits memory here")
			}
			refused(t, g, do("alloc", "1500"), "Runtime.ExitError")
			return
		}
		r := invoke(t, p, g, do("alloc", "300"))
		if !strings.Contains(string(r.Payload), `"errorType":"Runtime.ExitError"`) || !strings.Contains(string(r.Payload), "Runtime exited with error: signal: killed") ||
			!strings.Contains(string(r.LogTail), "Max Memory Used: 128 MB") || !strings.Contains(string(r.LogTail), "Status: error\tError Type: Runtime.OutOfMemory") {
			t.Errorf("beyond its memory: %s\n%s", r.Payload, r.LogTail)
		}
		if r := invoke(t, p, g, do("count", "")); string(r.Payload) != "1" {
			t.Errorf("afterwards: %s", r.Payload)
		}
	})
	t.Run("processes", func(t *testing.T) {
		holds(t, "limit of processes of each environment")
		if testing.Short() {
			t.Skip("a thousand processes")
		}
		g := goFunction("fork", nil)
		g.MemoryMB = 2048
		r := invoke(t, p, g, do("fork", "1200"))
		if n, err := strconv.Atoi(string(r.Payload)); err != nil || n < 100 || n > 1024 {
			t.Errorf("%s processes were started", r.Payload)
		}
	})
	t.Run("groups are removed", func(t *testing.T) {
		var sp string
		for _, dir := range groupsOf(t, p) {
			sp = dir
			until(t, func() bool { return len(foldersIn(dir)) <= p.processes()+3 })
		}
		if sp == "" {
			t.Skip("no control groups here")
		}
	})
}

// groupsOf lists the folders of a pool's control groups.
func groupsOf(t *testing.T, p *Pool) (dirs []string) {
	t.Helper()
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == p.sandbox.GroupName() {
			dirs = append(dirs, path)
			return filepath.SkipDir
		}
		return nil
	})
	return dirs
}

func foldersIn(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestBreakOutOfOrdinaryUser does the same with a platform that an ordinary user runs.
func TestBreakOutOfOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the tests are run as an ordinary user anyway")
	}
	dir := open(t)
	program := filepath.Join(dir, "pool.test")
	b, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(program, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(program, 0o755)
	c := exec.Command(program, "-test.run", "^TestBreakOut$", "-test.v")
	c.Dir = dir
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, handlerVariable + "=" + handlerDir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestLeftovers kills a platform and checks that the next one with its folder finds no group of it.
func TestLeftovers(t *testing.T) {
	dir := filepath.Join(open(t), "run")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), platformVariable+"="+handlerDir, "TEAL_TEST_DIR="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	out.Read(make([]byte, 1)) // it has invoked its function
	c.Process.Kill()
	c.Wait()
	until(t, func() bool { return len(marked(dir, 0)) == 0 })
	p := newPool(t, Config{Dir: dir})
	for _, g := range groupsOf(t, p) {
		if n := foldersIn(g); len(n) != 1 {
			t.Errorf("groups %s are left in %s", n, g)
		}
	}
	var mounts []string
	info, _ := os.ReadFile("/proc/thread-self/mountinfo")
	for line := range strings.Lines(string(info)) {
		if strings.Contains(line, dir) {
			mounts = append(mounts, line)
		}
	}
	if mounts != nil {
		t.Errorf("mounts are left: %s", mounts)
	}
}
