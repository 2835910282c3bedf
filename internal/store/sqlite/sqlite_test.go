package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/storetest"
)

var ctx = context.Background()

func open(t testing.TB) store.Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "teal.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Exercise(t, open) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, open) }

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "teal.db")
	for round := range 3 {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range s.Scan(ctx, "bucket", store.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != round {
			t.Fatalf("round %d found %d keys", round, n)
		}
		b := &store.Batch{}
		b.Put("bucket", strings.Repeat("k", round+1), []byte("v"))
		if err := s.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, path, "PRAGMA user_version = 7")
	before := read(t, path)
	_, err = Open(path)
	var newer *NewerFormatError
	if !errors.As(err, &newer) || newer.Found != 7 || newer.Known != FormatVersion {
		t.Fatalf("Open: %v", err)
	}
	for _, part := range []string{path, "version 7", "knows version 1", "newer teal", "another data folder"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if read(t, path) != before {
		t.Error("the file was changed")
	}
	alter(t, path, "PRAGMA user_version = 1") // a refused file is not left locked
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	alter(t, other, "CREATE TABLE kv (a)")
	for _, path := range []string{text, other} {
		before := read(t, path)
		_, err := Open(path)
		var foreign *ForeignFileError
		if !errors.As(err, &foreign) || !strings.Contains(err.Error(), path) {
			t.Fatalf("Open(%s): %v", path, err)
		}
		if read(t, path) != before {
			t.Errorf("%s was changed", path)
		}
	}
	if _, err := Open(filepath.Join(text, "teal.db")); err == nil {
		t.Fatal("a file served as a folder")
	}
}

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	var used *InUseError
	if !errors.As(err, &used) || used.PID == "" || !strings.Contains(err.Error(), "another data folder") {
		t.Fatalf("a second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedWrite fills the database to a page limit: the batch that does not fit fails, and the store works on.
func TestFailedWrite(t *testing.T) {
	s := open(t)
	defer s.Close()
	if err := execute(s.(*db).w.conn, "PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{}
	b.Put("x", "small", []byte("v"))
	b.Put("x", "big", make([]byte, 1<<20))
	if err := s.Commit(ctx, b); err == nil || errors.Is(err, store.ErrConflict) {
		t.Fatalf("Commit: %v", err)
	}
	if _, err := s.Get(ctx, "x", "small"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("half a batch was applied: %v", err)
	}
	b = &store.Batch{}
	b.Put("x", "small", []byte("v"))
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
}

func alter(t *testing.T, path, query string) {
	t.Helper()
	conn, err := zombiezen.OpenConn(path, zombiezen.OpenReadWrite, zombiezen.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(execute(conn, query), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
