package pool

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PLATFORM", "1")
	p := newPool(t, Config{Environment: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "BOTH": "platform"}})
	f := goFunction("a", map[string]string{"MINE": "yes", "BOTH": "function", "AWS_REGION": "mars", "TZ": "Europe/Vienna"})
	f.Handler, f.Role, f.Logging.Group = "main", "arn:role", "/my/group"
	var vars []string
	if err := json.Unmarshal(invoke(t, p, f, do("env", "")).Payload, &vars); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, kv := range vars {
		k, v, _ := strings.Cut(kv, "=")
		if _, twice := got[k]; twice {
			t.Errorf("%s is set twice", k)
		}
		got[k] = v
	}
	for k, want := range map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "fun", "AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "_HANDLER": "main",
		"LAMBDA_TASK_ROOT": p.taskRoot(f), "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_LOG_GROUP_NAME": "/my/group",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "TZ": "Europe/Vienna", "MINE": "yes", "BOTH": "function", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
	} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_RUNTIME_DIR", "PATH", "LANG", "LD_LIBRARY_PATH"} {
		if got[k] == "" {
			t.Errorf("%s is not set", k)
		}
	}
	if _, there := got["SECRET_OF_THE_PLATFORM"]; there {
		t.Error("the platform's environment reaches the function")
	}
	tmp := got["TMPDIR"]
	if tmp == "" {
		tmp = "/tmp"
	}
	if r := invoke(t, p, f, do("write", tmp+"/x")); r.FunctionError != "" {
		t.Errorf("TMPDIR: %s", r.Payload)
	}
	var who struct {
		UID int
		WD  string
		FDs []string
	}
	if err := json.Unmarshal(invoke(t, p, f, do("who", "")).Payload, &who); err != nil {
		t.Fatal(err)
	}
	if who.WD != p.taskRoot(f) {
		t.Errorf("working directory %s", who.WD)
	}
	for _, fd := range who.FDs {
		if fd != "/dev/null" && !regexp.MustCompile(`^(pipe|socket|anon_inode):|^/proc/\d+/fd$|^/sys/fs/cgroup/`).MatchString(fd) {
			t.Errorf("the function has %s open", fd)
		}
	}
	if os.Getuid() != 0 {
		t.Log("not root: no separate user to be tested")
		return
	}
	secret := filepath.Join(open(t), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if who.UID == 0 {
		t.Error("the function runs as root")
	}
	if r := invoke(t, p, f, do("open", secret)); !regexp.MustCompile("permission denied|no such file").Match(r.Payload) {
		t.Errorf("the function reads a file of the platform: %s", r.Payload)
	}
	if r := invoke(t, p, f, do("write", p.taskRoot(f)+"/x")); !regexp.MustCompile("permission denied|read-only file system").Match(r.Payload) {
		t.Errorf("the function writes to its code: %s", r.Payload)
	}
	var other []string
	if err := json.Unmarshal(invoke(t, p, goFunction("b", nil), do("env", "")).Payload, &other); err != nil {
		t.Fatal(err)
	}
	for _, kv := range other {
		if dir, ok := strings.CutPrefix(kv, "TMPDIR="); ok {
			if r := invoke(t, p, f, do("write", dir+"/x")); !strings.Contains(string(r.Payload), "permission denied") {
				t.Errorf("the function writes to another's temporary directory: %s", r.Payload)
			}
		}
	}
}

func TestEndpointRefusesOthers(t *testing.T) {
	p := newPool(t, Config{})
	for _, x := range p.Isolation() {
		if x.Name == "the Runtime API knows its caller" && !x.Holds {
			t.Skip(x.Why)
		}
	}
	invoke(t, p, goFunction("a", nil), do("count", ""))
	p.mu.Lock()
	var addr string
	for e := range p.live {
		addr = e.endpoint.Addr()
	}
	p.mu.Unlock()
	resp, err := http.Get("http://" + addr + "/2018-06-01/runtime/invocation/next")
	if err == nil {
		resp.Body.Close()
		t.Errorf("another process got status %d from the Runtime API of an environment", resp.StatusCode)
	}
	if r := invoke(t, p, goFunction("a", nil), do("count", "")); string(r.Payload) != "2" {
		t.Errorf("afterwards: %s", r.Payload)
	}
}

// taskRoot is where f sees its code.
func (p *Pool) taskRoot(f *Function) string {
	if p.sandbox.OwnTree() {
		return "/var/task"
	}
	return f.CodeDir
}
