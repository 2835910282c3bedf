package proc

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	s, err := Open(Config{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newSlot(t *testing.T, s *Sandbox) *Slot {
	t.Helper()
	sl, err := s.Slot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sl.Release)
	return sl
}

// shell runs a script and returns its lines and its end.
func shell(t *testing.T, sl *Slot, script string) ([]string, Exit) {
	t.Helper()
	var lines []string
	p, err := sl.Start(Spec{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin", "TMPDIR=" + sl.TempDir}, Dir: "/", Line: func(l []byte) { lines = append(lines, string(l)) }})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	return lines, p.Exit()
}

func TestProcess(t *testing.T) {
	sl := newSlot(t, newSandbox(t))
	lines, exit := shell(t, sl, `echo one; echo two >&2; printf three; touch "$TMPDIR/x" && exit 5`)
	if !slices.Equal(lines, []string{"one", "two", "three"}) || exit.Code != 5 || exit.Signal != 0 || exit.String() != "exit status 5" || exit.MaxMemory < 100<<10 {
		t.Errorf("%q %+v", lines, exit)
	}
	if !sl.s.OwnTree() {
		if _, err := os.Stat(filepath.Join(sl.TempDir, "x")); err != nil {
			t.Error(err)
		}
		sl.Release()
		if _, err := os.Stat(sl.TempDir); !os.IsNotExist(err) {
			t.Errorf("the temporary directory is still there: %v", err)
		}
	} else if _, err := os.Stat("/tmp/x"); err == nil {
		t.Error("the temporary directory is the machine's")
	}
	if _, exit := shell(t, newSlot(t, sl.s), `exit 0`); exit.Code != 0 || exit.Signal != 0 {
		t.Errorf("%+v", exit)
	}
	var pe *os.PathError
	if _, err := newSlot(t, sl.s).Start(Spec{Path: "/nowhere/at/all", Dir: "/", Line: func([]byte) {}}); !errors.As(err, &pe) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestLimits(t *testing.T) {
	s := newSandbox(t)
	lines, _ := shell(t, newSlot(t, s), `sleep 0.05; ulimit -Hn; ulimit -Hc; id -u; grep NoNewPrivs /proc/self/status | tr -d '\t'`)
	if len(lines) != 4 {
		t.Fatalf("%q", lines)
	}
	for _, p := range s.Properties() {
		switch {
		case p.Holds && p.Name == "limits of files and processes" && (lines[0] != fmt.Sprint(maxFiles) || lines[1] != "0"):
			t.Errorf("limits %q", lines[:2])
		case p.Holds && p.Name == "separate user" && (lines[2] == "0" || lines[2] == fmt.Sprint(os.Getuid())):
			t.Errorf("user %s", lines[2])
		case p.Holds && p.Name == "no new privileges" && lines[3] != "NoNewPrivs:1":
			t.Errorf("%s", lines[3])
		case !p.Holds && p.Why == "":
			t.Errorf("%s does not hold, without a reason", p.Name)
		}
	}
}

func TestKillAndMemory(t *testing.T) {
	sl := newSlot(t, newSandbox(t))
	up := make(chan struct{})
	var once sync.Once
	p, err := sl.Start(Spec{Path: "/bin/sh", Args: []string{"-c", "echo up; sleep 1000 & wait"}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", Line: func([]byte) { once.Do(func() { close(up) }) }})
	if err != nil {
		t.Fatal(err)
	}
	<-up
	if _, err := os.Stat("/proc/self/status"); err == nil {
		if n := p.MaxMemory(); n < 100<<10 || n > 100<<20 {
			t.Errorf("%d bytes of memory", n)
		}
	}
	p.Kill()
	<-p.Done()
	if x := p.Exit(); x.String() != "signal: killed" || x.Code != -1 {
		t.Errorf("%+v", x)
	}
	p.Kill() // of no effect
}

func TestSlotsAreTheirOwn(t *testing.T) {
	s := newSandbox(t)
	a, b := newSlot(t, s), newSlot(t, s)
	if !s.OwnTree() && a.TempDir == b.TempDir || (s.SeparateUser() && a.UID == b.UID) {
		t.Errorf("%+v %+v", a, b)
	}
	if s.SeparateUser() && !s.OwnTree() {
		if lines, _ := shell(t, a, "ls "+b.TempDir+" 2>&1"); len(lines) != 1 || !strings.Contains(lines[0], "ermission denied") {
			t.Errorf("%q", lines)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Slot(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestOpenRefusesClosedDirectory(t *testing.T) {
	s := newSandbox(t)
	if !s.SeparateUser() {
		t.Skip("functions run as the platform's user")
	}
	closed := filepath.Join(s.Dir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: filepath.Join(closed, "run"), Log: quiet}); err == nil || !strings.Contains(err.Error(), "chmod o+x "+closed) {
		t.Error(err)
	}
	if err := s.Reaches(closed); err == nil || !strings.Contains(err.Error(), closed) {
		t.Error(err)
	}
}

func TestLinesComeWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\n")), 0, 300).Draw(t, "text")
		var got [][]byte
		o := &output{line: func(l []byte) { got = append(got, bytes.Clone(l)) }}
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			o.split(rest[:n])
			rest = rest[n:]
		}
		if all := append(bytes.Join(append(got, nil), []byte("\n")), o.part...); !bytes.Equal(all, text) {
			t.Fatalf("%q became %q", text, all)
		}
	})
	var sizes []int
	o := &output{line: func(l []byte) { sizes = append(sizes, len(l)) }}
	o.split(bytes.Repeat([]byte("x"), 2*MaxLine+10))
	o.split([]byte("\n"))
	if !slices.Equal(sizes, []int{MaxLine, MaxLine, 10}) {
		t.Errorf("a long line came in pieces of %v", sizes)
	}
}

// fakeInterpreter makes an executable that answers the question for its version.
func fakeInterpreter(t *testing.T, dir, name, version string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\necho %s\necho %s\n", version, path), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	for _, tc := range []struct {
		runtime string
		have    map[string]string // name, version
		want    string            // name; empty for a RuntimeMissingError
		told    bool
	}{
		{"python3.12", map[string]string{"python3.12": "3.12.1", "python3": "3.11.2"}, "python3.12", false},
		{"python3.12", map[string]string{"python3": "3.12.9"}, "python3", false},
		{"python3.12", map[string]string{"python3": "3.9.1", "python3.13": "3.13.0", "python3.11": "3.11.0"}, "python3.13", true},
		{"python3.12", map[string]string{"python3": "3.9.1"}, "python3", true},
		{"python3.12", map[string]string{"python3": "3.6.1"}, "", false},
		{"python3.12", map[string]string{"python3": "2.7.18"}, "", false},
		{"python3.12", nil, "", false},
		{"python3.12", map[string]string{"python3.12": "", "python3": "3.11.1"}, "python3", true},
		{"nodejs22.x", map[string]string{"node": "22.1.0"}, "node", false},
		{"nodejs22.x", map[string]string{"node": "20.1.0"}, "node", true},
		{"nodejs22.x", map[string]string{"node": "20.1.0", "node22": "22.0.0"}, "node22", false},
		{"nodejs22.x", map[string]string{"node": "12.0.0"}, "", false},
		{"ruby3.4", map[string]string{"ruby": "3.4"}, "", false},
		{"python3.", nil, "", false},
		{"nodejs.x", nil, "", false},
	} {
		dir := t.TempDir()
		for name, version := range tc.have {
			fakeInterpreter(t, dir, name, version)
		}
		t.Setenv("PATH", dir)
		var told bytes.Buffer
		s := &Sandbox{found: finder{log: slog.New(slog.NewTextHandler(&told, nil))}}
		var missing *RuntimeMissingError
		r, err := s.Find(tc.runtime)
		if tc.want == "" {
			if !errors.As(err, &missing) || missing.Runtime != tc.runtime || missing.Install == "" {
				t.Errorf("%s of %v: %+v %v", tc.runtime, tc.have, r, err)
			}
			continue
		}
		if err != nil || r.Path != filepath.Join(dir, tc.want) || r.Version != tc.have[tc.want] || r.Name != tc.runtime {
			t.Errorf("%s of %v: %+v %v", tc.runtime, tc.have, r, err)
		}
		if again, err := s.Find(tc.runtime); err != nil || again != r {
			t.Errorf("asked again: %+v %v", again, err)
		}
		if n := strings.Count(told.String(), "\n"); (n > 0) != tc.told || n > 1 {
			t.Errorf("%s of %v: the log says %q", tc.runtime, tc.have, told.String())
		}
	}
}
