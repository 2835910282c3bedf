package ledger_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/ledger/ledgertest"
)

func TestFolder(t *testing.T) {
	ledgertest.Exercise(t, func(t *testing.T) ledgertest.World {
		dir := t.TempDir()
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		open := func() ledger.Ledger {
			l, err := ledger.Folder(dir, ledger.WithClock(func() time.Time { return now }))
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		return ledgertest.World{Ledger: open(), Reopen: open, Silence: func() { now = now.Add(time.Hour) }}
	})
}

func TestAHolderOnThisMachineIsGoneWithItsProcess(t *testing.T) {
	dead := map[int]bool{}
	l, err := ledger.Folder(t.TempDir(), ledger.WithProcesses("here", func(pid int) bool { return !dead[pid] }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lock(t.Context(), "shop", "ro-1", ledger.Owner{By: "ann", Host: "here", PID: 7}); err != nil {
		t.Fatal(err)
	}
	again := func() error {
		_, err := l.Lock(t.Context(), "shop", "ro-1", ledger.Owner{By: "bob", Host: "here", PID: 8})
		return err
	}
	if err := again(); !errors.As(err, new(*ledger.HeldError)) {
		t.Fatalf("taken from a living holder: %v", err)
	}
	dead[7] = true
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

// Whatever the death of a writer leaves of the last line, it counts as not written, and the next entry takes its place.
func TestATornLastEntryWasNeverWritten(t *testing.T) {
	dir := t.TempDir()
	open := func() ledger.Ledger {
		l, err := ledger.Folder(dir)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	held, err := l.Lock(t.Context(), "shop", "ro-1", ledger.Owner{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	write := func(l ledger.Ledger, seq int64, text string) {
		t.Helper()
		if err := l.Append(t.Context(), held, ledger.Entry{Seq: seq, Events: json.RawMessage(text)}); err != nil {
			t.Fatal(err)
		}
	}
	write(l, 1, `["one"]`)
	write(l, 2, `["two"]`)
	path := filepath.Join(dir, "shop", "rollouts", "ro-1", "journal.log")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := strings.IndexByte(string(whole), '\n') + 1
	for cut := first; cut < len(whole); cut++ {
		for _, torn := range []string{string(whole[:cut]), string(whole[:cut]) + "\x00\x00\n"} {
			if err := os.WriteFile(path, []byte(torn), 0o644); err != nil {
				t.Fatal(err)
			}
			entries, err := open().Journal(t.Context(), "shop", "ro-1", 0)
			if err != nil || len(entries) != 1 {
				t.Fatalf("cut at %d: %d entries, %v", cut, len(entries), err)
			}
			write(open(), 2, `["again"]`)
			if entries, err = l.Journal(t.Context(), "shop", "ro-1", 1); err != nil || len(entries) != 1 || string(entries[0].Events) != `["again"]` {
				t.Fatalf("cut at %d: after the next append %+v, %v", cut, entries, err)
			}
		}
	}
	damaged := append([]byte("x"), whole...)
	if err := os.WriteFile(path, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Journal(t.Context(), "shop", "ro-1", 0); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("damage before a whole line: %v", err)
	}
}
