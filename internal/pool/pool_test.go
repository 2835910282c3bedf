package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// handlerDir holds the Go function of the tests as a deployed zip would.
var handlerDir string

func TestMain(m *testing.M) {
	if os.Getenv(platformVariable) != "" {
		os.Exit(platform())
	}
	if dir := os.Getenv(handlerVariable); dir != "" { // an ordinary user has no compiler's cache
		handlerDir = dir
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "teal-pool-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Chmod(dir, 0o755)
	handlerDir = dir
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "bootstrap"), "./testdata/handler")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the handler cannot be built:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// quiet is a log for tests that provoke warnings.
var quiet = slog.New(slog.DiscardHandler)

func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func goFunction(id string, env map[string]string) *Function {
	return &Function{
		ID: id, Name: "fun", Version: "7", ARN: "arn:aws:lambda:us-east-1:000000000000:function:fun:7",
		Runtime: "provided.al2023", Handler: "bootstrap", CodeDir: handlerDir, Environment: env,
		Timeout: 30 * time.Second, MemoryMB: 256, Account: "000000000000", Region: "us-east-1",
	}
}

var ids = struct {
	sync.Mutex
	n int
}{}

func call(payload string) Invocation {
	ids.Lock()
	defer ids.Unlock()
	ids.n++
	return Invocation{
		RequestID: fmt.Sprintf("00000000-0000-0000-0000-%012d", ids.n), InvokedARN: "arn:invoked", TraceID: "Root=1-2-3",
		ClientContext: `{"custom":{"k":"v"}}`, Payload: []byte(payload), TailLog: true,
	}
}

func do(verb, arg string) string {
	b, _ := json.Marshal(map[string]string{"do": verb, "arg": arg})
	return string(b)
}

func invoke(t testing.TB, p *Pool, f *Function, payload string) Result {
	t.Helper()
	r, err := p.Invoke(context.Background(), f, call(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return r
}

func TestInvokeAndReuse(t *testing.T) {
	p := newPool(t, Config{})
	f := goFunction("a", nil)
	for i := 1; i <= 5; i++ {
		r := invoke(t, p, f, do("count", ""))
		if string(r.Payload) != fmt.Sprint(i) || r.FunctionError != "" || r.Cold != (i == 1) || (r.Init > 0) != (i == 1) {
			t.Fatalf("invocation %d: %s %+v", i, r.Payload, r)
		}
		if r.Duration <= 0 || r.Billed < r.Duration || r.Billed%time.Millisecond != 0 {
			t.Fatalf("times: %+v", r)
		}
	}
	if r := invoke(t, p, goFunction("b", nil), do("count", "")); string(r.Payload) != "1" {
		t.Fatalf("another ID shares the environment: %s", r.Payload)
	}
	var got struct {
		ID, ARN, Trace string
		Custom         map[string]string
		Left           int
	}
	in := call(do("context", ""))
	r, err := p.Invoke(context.Background(), f, in)
	if err == nil {
		err = json.Unmarshal(r.Payload, &got)
	}
	if err != nil || got.ID != in.RequestID || got.ARN != "arn:invoked" || got.Trace != "Root=1-2-3" || got.Custom["k"] != "v" || got.Left < 20_000 || got.Left > 30_000 {
		t.Fatalf("%+v %s %v", got, r.Payload, err)
	}
}

func TestErrors(t *testing.T) {
	p := newPool(t, Config{})
	f := goFunction("a", nil)
	f.Timeout = 300 * time.Millisecond
	for _, tc := range []struct{ payload, want, log string }{
		{do("error", "no luck"), `"errorMessage":"no luck","errorType":"errorString"`, "Status: error"},
		{do("panic", "at the disco"), `"errorMessage":"at the disco"`, "Status: error"},
		{do("exit", "7"), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`, "Error Type: Runtime.ExitError"},
		{do("exit", "0"), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}`, "Runtime.ExitError"},
		{do("sleep", "1h"), `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 0.30 seconds"}`, "ID Task timed out after 0.30 seconds"},
	} {
		in := call(tc.payload)
		r, err := p.Invoke(context.Background(), f, in)
		want := strings.ReplaceAll(tc.want, "ID", in.RequestID)
		if err != nil || r.FunctionError != "Unhandled" || !strings.Contains(string(r.Payload), want) {
			t.Errorf("%s: %s %+v %v", tc.payload, r.Payload, r.FunctionError, err)
		}
		if want := strings.ReplaceAll(tc.log, "ID ", in.RequestID+" "); !strings.Contains(string(r.LogTail), want) {
			t.Errorf("%s: log:\n%s", tc.payload, r.LogTail)
		}
		if r := invoke(t, p, f, do("count", "")); r.FunctionError != "" {
			t.Errorf("after %s: %s", tc.payload, r.Payload)
		}
	}
}

func TestInit(t *testing.T) {
	p := newPool(t, Config{})
	second := goFunction("second", map[string]string{"INIT": "second", "GATE": newGate(t, 1, 1).addr})
	if r := invoke(t, p, second, do("count", "")); string(r.Payload) != "1" || !r.Cold || r.Init != 0 {
		t.Errorf("an initialisation that succeeds when repeated: %s %+v", r.Payload, r)
	}
	in := call("{}")
	r, err := p.Invoke(context.Background(), goFunction("exit", map[string]string{"INIT": "exit"}), in)
	want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + in.RequestID + ` Error: Runtime exited with error: exit status 3"}`
	if err != nil || string(r.Payload) != want || r.FunctionError != "Unhandled" || !strings.Contains(string(r.LogTail), "leaving at once") {
		t.Errorf("exit during initialisation: %s %+v %v\n%s", r.Payload, r.FunctionError, err, r.LogTail)
	}
	none := goFunction("none", nil)
	none.CodeDir = open(t)
	if r := invoke(t, p, none, "{}"); !strings.Contains(string(r.Payload), `"errorType":"Runtime.InvalidEntrypoint"`) || !strings.Contains(string(r.Payload), "/var/task/bootstrap") {
		t.Errorf("no bootstrap: %s", r.Payload)
	}
	if err := os.WriteFile(filepath.Join(none.CodeDir, "bootstrap"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := invoke(t, p, none, "{}"); !strings.Contains(string(r.Payload), "fork/exec /var/task/bootstrap: permission denied") {
		t.Errorf("bootstrap that is not executable: %s", r.Payload)
	}
	if err := os.WriteFile(filepath.Join(none.CodeDir, "bootstrap"), []byte("\x00\x01"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Join(none.CodeDir, "bootstrap"), 0o755)
	if r := invoke(t, p, none, "{}"); !strings.Contains(string(r.Payload), "exec format error") {
		t.Errorf("bootstrap that is no program: %s", r.Payload)
	}
}

func TestInitTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("takes AWS's 10 seconds")
	}
	t.Parallel()
	p := newPool(t, Config{})
	f := goFunction("hang", map[string]string{"INIT": "hang"})
	f.Timeout = 100 * time.Millisecond
	if r := invoke(t, p, f, "{}"); !strings.Contains(string(r.Payload), "Task timed out after 0.10 seconds") || !strings.Contains(string(r.LogTail), "INIT_REPORT") {
		t.Errorf("initialisation without an end: %s\n%s", r.Payload, r.LogTail)
	}
}

// open makes a directory that functions can write to.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-pool-open-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLogs(t *testing.T) {
	var logs sink
	p := newPool(t, Config{Logs: &logs})
	f := goFunction("a", nil)
	in := call(do("log", "one|two|three"))
	r, err := p.Invoke(context.Background(), f, in)
	if err != nil {
		t.Fatal(err)
	}
	p.FlushLogs()
	if n := logs.count(); n != 7 {
		t.Fatalf("%d lines in the log", n)
	}
	all := strings.Join(logs.lines, "\n") + "\n"
	want := regexp.MustCompile(`^INIT_START Runtime Version: provided\.al2023\n` +
		`START RequestId: ` + in.RequestID + ` Version: 7\none\ntwo\nthree\nEND RequestId: ` + in.RequestID + `\n` +
		`REPORT RequestId: ` + in.RequestID + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9]\d* MB\tInit Duration: \d+\.\d\d ms\t\n$`)
	if !want.MatchString(all) {
		t.Errorf("log:\n%s", all)
	}
	_, tail, _ := strings.Cut(all, "\n")
	if string(r.LogTail) != tail {
		t.Errorf("tail:\n%s\nwant:\n%s", r.LogTail, tail)
	}
	for s := range logs.stream {
		if !regexp.MustCompile(`^\d{4}/\d\d/\d\d/\[7\][0-9a-f]{32}$`).MatchString(s) {
			t.Errorf("stream %q", s)
		}
	}
	r = invoke(t, p, f, do("flood", "5000"))
	if len(r.LogTail) != 4096 || !strings.Contains(string(r.LogTail), "REPORT RequestId") || !strings.Contains(string(r.LogTail), "line 4999") {
		t.Errorf("%d bytes of tail: %s", len(r.LogTail), r.LogTail)
	}
	until(t, func() bool { return logs.count() == 7+5000+3 })
	in = call(do("log", "x"))
	in.TailLog = false
	if r, err := p.Invoke(context.Background(), f, in); err != nil || r.LogTail != nil {
		t.Errorf("a tail that was not wanted: %q %v", r.LogTail, err)
	}
}

func TestBigPayload(t *testing.T) {
	p := newPool(t, Config{})
	f := goFunction("a", nil)
	big := strings.Repeat("0123456789", 6<<20/10-10)
	r := invoke(t, p, f, `{"do":"echo","echo":"`+big+`"}`)
	if string(r.Payload) != `"`+big+`"` {
		t.Fatalf("%d bytes came back, error %q", len(r.Payload), r.FunctionError)
	}
	r = invoke(t, p, f, `{"do":"echo","echo":"`+big+strings.Repeat("x", 1000)+`"}`)
	if !strings.Contains(string(r.Payload), "Function.ResponseSizeTooLarge") || r.FunctionError != "Unhandled" {
		t.Fatalf("%d bytes, error %q", len(r.Payload), r.FunctionError)
	}
	if r = invoke(t, p, f, `{"do":"echo","echo":1}`); string(r.Payload) != "1" {
		t.Fatalf("afterwards: %s", r.Payload)
	}
}

func TestConcurrency(t *testing.T) {
	p := newPool(t, Config{Concurrency: 8})
	f := goFunction("a", nil)
	g := newGate(t, 8, 0)
	var wg sync.WaitGroup
	for range 8 { // they end only when all of them run at the same time
		wg.Go(func() {
			if r := invoke(t, p, f, do("meet", g.addr)); string(r.Payload) != `"met"` {
				t.Errorf("%s", r.Payload)
			}
		})
	}
	wg.Wait()

	gate := newGate(t, 9, 0)
	for range 8 {
		wg.Go(func() { invoke(t, p, f, do("meet", gate.addr)) })
	}
	until(t, func() bool { return gate.waiting() == 8 })
	if _, err := p.Invoke(context.Background(), f, call(do("count", ""))); !errors.Is(err, ErrThrottled) {
		t.Errorf("the ninth: %v", err)
	}
	gate.open()
	wg.Wait()
	if r := invoke(t, p, f, do("count", "")); r.Cold {
		t.Error("no environment was kept")
	}
}

func TestCallerLeaves(t *testing.T) {
	p := newPool(t, Config{})
	f := goFunction("a", nil)
	for _, warm := range []bool{false, true} {
		gate := newGate(t, 2, 0)
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan error)
		go func() {
			_, err := p.Invoke(ctx, f, call(do("meet", gate.addr)))
			left <- err
		}()
		until(t, func() bool { return p.inFlight() == 1 })
		if warm { // leave in the middle of the invocation, not of the start
			until(t, func() bool { return gate.waiting() == 1 })
		}
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		until(t, func() bool { return gate.waiting() == 1 }) // it goes on
		gate.open()
		until(t, func() bool { return p.inFlight() == 0 })
		if r := invoke(t, p, f, do("count", "")); r.Cold {
			t.Error("the environment did not survive its caller")
		}
	}
}

// until waits for something that another process does.
func until(t *testing.T, done func() bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 30 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *Pool) inFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s.inFlight
}

func (p *Pool) processes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

func TestRetireAndIdle(t *testing.T) {
	p := newPool(t, Config{IdleTimeout: 50 * time.Millisecond})
	f := goFunction("a", nil)
	invoke(t, p, f, do("count", ""))
	gate := newGate(t, 2, 0)
	done := make(chan Result)
	go func() { done <- invoke(t, p, f, do("meet", gate.addr)) }()
	until(t, func() bool { return gate.waiting() == 1 })
	p.Retire("a")
	until(t, func() bool { return p.processes() == 1 }) // one that grew old before the second invocation ends in its own time
	gate.open()
	if r := <-done; string(r.Payload) != `"met"` {
		t.Errorf("the busy environment: %s", r.Payload)
	}
	until(t, func() bool { return p.processes() == 0 })
	if r := invoke(t, p, f, do("count", "")); string(r.Payload) != "1" {
		t.Errorf("after Retire: %s", r.Payload)
	}
	until(t, func() bool { return p.processes() == 0 }) // ended by age
}

func TestClose(t *testing.T) {
	p := newPool(t, Config{})
	f := goFunction("a", nil)
	gate := newGate(t, 2, 0)
	done := make(chan error)
	go func() {
		_, err := p.Invoke(context.Background(), f, call(do("meet", gate.addr)))
		done <- err
	}()
	until(t, func() bool { return gate.waiting() == 1 })
	closed := make(chan error)
	go func() { closed <- p.Close() }()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := p.Invoke(context.Background(), f, call("{}")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Stat(p.ownDir); !os.IsNotExist(err) {
		t.Errorf("the pool's directory is still there: %v", err)
	}
}

func TestMissingRuntime(t *testing.T) {
	p := newPool(t, Config{})
	for _, name := range []string{"java21", "python3.x", "nodejs", ""} {
		f := goFunction("a", nil)
		f.Runtime = name
		var missing *RuntimeMissingError
		if _, err := p.Invoke(context.Background(), f, call("{}")); !errors.As(err, &missing) || missing.Runtime != name || missing.Install == "" {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.Check(name); !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.Check("provided.al2"); err != nil {
		t.Error(err)
	}
}
