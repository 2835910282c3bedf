package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ready counts the interpreters that stand ready.
func (s *stock) ready() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shelves {
		n += len(sh.ready)
	}
	return n
}

func TestStock(t *testing.T) {
	p := newPool(t, Config{Ahead: 2})
	if !p.sandbox.OwnTree() {
		t.Skip("no interpreters are started ahead here")
	}
	invoke(t, p, goFunction("go", nil), do("count", ""))
	if n := p.stock.ready(); n != 0 {
		t.Errorf("%d interpreters stand ready, and no function needs one", n)
	}
	f := language(t, p, "python3.11", "python")("app.handler")
	type answer struct {
		pid  int
		mine string
		argv int
		zone string
		tmp  int
		kind string
	}
	ask := func(f *Function) (a answer) {
		t.Helper()
		r := invoke(t, p, f, do("process", ""))
		var v []any
		if err := json.Unmarshal(r.Payload, &v); err != nil || len(v) != 7 {
			t.Fatalf("%s %v", r.Payload, err)
		}
		mine, _ := v[2].(string)
		return answer{int(v[0].(float64)), mine, len(v[3].([]any)), v[4].(string), len(v[5].([]any)), v[6].(string)}
	}
	until(t, func() bool { return p.stock.ready() == 2 })
	waiting := map[int]bool{}
	p.stock.mu.Lock()
	for _, sh := range p.stock.shelves {
		for _, a := range sh.ready {
			waiting[a.process.Pid()] = true
		}
	}
	p.stock.mu.Unlock()
	one := *f
	one.ID, one.Environment = "one", map[string]string{"MINE": "of one", "TZ": "Asia/Tokyo"}
	got := ask(&one)
	if want := (answer{got.pid, "of one", 0, "JST", 0, "on-demand"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	p.mu.Lock()
	for e := range p.live {
		if e.f.ID == "one" && !waiting[e.process.Pid()] {
			t.Error("the function did not get an interpreter that was started ahead")
		}
	}
	p.mu.Unlock()
	until(t, func() bool { return p.stock.ready() == 2 }) // and there is another one

	p.stock.mu.Lock()
	var last *ahead
	for _, sh := range p.stock.shelves {
		last = sh.ready[0]
	}
	p.stock.mu.Unlock()
	two := *f
	two.ID, two.Environment = "two", map[string]string{"PYTHONUTF8": "1"}
	if r := invoke(t, p, &two, do("process", "")); !strings.Contains(string(r.Payload), ", 1, null") {
		t.Errorf("what Python reads at its start has no effect: %s", r.Payload)
	}
	last.process.Kill() // one that has died is passed over
	<-last.process.Done()
	three := *f
	three.ID = "three"
	ask(&three)

	wrapped := *f
	wrapped.ID, wrapped.CodeDir = "wrapped", copyCode(t, "python")
	if err := os.WriteFile(filepath.Join(wrapped.CodeDir, "wrap"), []byte("#!/bin/sh\nMINE=wrapped exec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Join(wrapped.CodeDir, "wrap"), 0o755)
	wrapped.Environment = map[string]string{wrapper: "/var/task/wrap"}
	if got := ask(&wrapped); got.mine != "wrapped" {
		t.Errorf("the wrapper has no effect: %+v", got)
	}
}

func TestProvision(t *testing.T) {
	p := newPool(t, Config{IdleTimeout: 50 * time.Millisecond, Environments: 20})
	ctx := context.Background()
	f := goFunction("a", nil)
	if err := p.Provision(ctx, f, 3); err != nil {
		t.Fatal(err)
	}
	if n := p.processes(); n != 3 {
		t.Fatalf("%d environments are there", n)
	}
	r := invoke(t, p, f, do("env", ""))
	if r.Init == 0 || !strings.Contains(string(r.Payload), "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency") {
		t.Errorf("%+v", r)
	}
	other := goFunction("b", nil)
	invoke(t, p, other, do("count", ""))
	until(t, func() bool { return p.processes() == 3 }) // the other one was idle, and has ended
	if err := p.Provision(ctx, f, 0); err != nil {
		t.Error(err)
	}
	until(t, func() bool { return p.processes() == 0 })

	var fails *InitError
	if err := p.Provision(ctx, goFunction("exit", map[string]string{"INIT": "exit"}), 2); !errors.As(err, &fails) || fails.Type != "Runtime.ExitError" || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	until(t, func() bool { return p.processes() == 0 })
	if err := p.Provision(ctx, f, 21); !errors.Is(err, ErrThrottled) {
		t.Errorf("more than the machine has place for: %v", err)
	}
	until(t, func() bool { return p.processes() == 0 })
	var missing *RuntimeMissingError
	ruby := goFunction("ruby", nil)
	ruby.Runtime = "ruby3.4"
	if err := p.Provision(ctx, ruby, 1); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Provision(ctx, f, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestTerm checks that a process which handles SIGTERM gets it when its environment ends, for whatever reason.
func TestTerm(t *testing.T) {
	for _, way := range []string{"retire", "idle", "close"} {
		t.Run(way, func(t *testing.T) {
			cfg := Config{}
			if way == "idle" {
				cfg.IdleTimeout = time.Millisecond
			}
			p := newPool(t, cfg)
			p.grace = 20 * time.Second // however busy the machine
			f := language(t, p, "python3.11", "python")("app.handler")
			g := newGate(t, 2, 0)
			if r := invoke(t, p, f, fmt.Sprintf(`{"do":"on term","arg":%q}`, g.addr)); string(r.Payload) != `"will"` {
				t.Fatalf("%s", r.Payload)
			}
			switch way {
			case "retire":
				p.Retire(f.ID)
			case "close":
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			until(t, func() bool { return g.waiting() == 1 && p.processes() == 0 })
		})
	}
}
