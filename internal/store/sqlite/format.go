package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
)

// FormatVersion is the version of the data format that this build reads and writes. It stands in the file's
// user_version and rises whenever older builds could misread what newer ones have written.
const FormatVersion = 1

// applicationID marks a file as Teal's ("Teal" in ASCII); it stands in the file's application_id.
const applicationID = 0x5465616c

// NewerFormatError is returned by Open for a file that a newer Teal has written.
type NewerFormatError struct {
	Path         string
	Found, Known int // data format versions
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has data format version %d, and this teal knows version %d: it was written by a newer teal. Run that one or a later release, or start with another data folder; nothing was changed", e.Path, e.Found, e.Known)
}

// ForeignFileError is returned by Open for a file that is no database of Teal's.
type ForeignFileError struct {
	Path string
	Why  string
}

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is not a database of teal's (%s). Name another data folder, or move the file away; nothing was changed", e.Path, e.Why)
}

// openWriter opens and checks the file, and makes its table when the file is new.
func openWriter(path string) (conn *sqlite.Conn, err error) {
	conn, err = sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
			conn = nil
		}
	}()
	isNew, err := checkFormat(conn, path)
	if err != nil {
		return conn, err
	}
	// FULL: in write-ahead mode every commit is synced. Checkpoints come after 4,000 pages (16 MiB), so that a stream of
	// small commits does not pay for them.
	for _, q := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 4000",
		"PRAGMA journal_size_limit = 67108864", "PRAGMA cache_size = -8000",
	} {
		if err := execute(conn, q); err != nil {
			return conn, fmt.Errorf("store: opening %s: %w", path, err)
		}
	}
	if !isNew {
		return conn, nil
	}
	for _, q := range []string{
		"BEGIN IMMEDIATE",
		"CREATE TABLE kv (bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID",
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", FormatVersion),
		"COMMIT",
	} {
		if err := execute(conn, q); err != nil {
			return conn, fmt.Errorf("store: making %s: %w", path, err)
		}
	}
	return conn, nil
}

// checkFormat reads, and changes nothing. A file without any content is new.
func checkFormat(conn *sqlite.Conn, path string) (isNew bool, err error) {
	var app, version, objects int
	for query, to := range map[string]*int{
		"PRAGMA application_id": &app, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &objects,
	} {
		if *to, err = queryInt(conn, query); err != nil {
			if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultNotADB {
				return false, &ForeignFileError{Path: path, Why: "not an SQLite file"}
			}
			return false, fmt.Errorf("store: opening %s: %w", path, err)
		}
	}
	switch {
	case app == 0 && version == 0 && objects == 0:
		return true, nil
	case app != applicationID:
		return false, &ForeignFileError{Path: path, Why: fmt.Sprintf("an SQLite file of another application, id %#x", app)}
	case version > FormatVersion:
		return false, &NewerFormatError{Path: path, Found: version, Known: FormatVersion}
	}
	return false, nil
}

func queryInt(conn *sqlite.Conn, query string) (int, error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = stmt.Reset() }() // repeats the error of Step
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	return stmt.ColumnInt(0), nil
}

func openReader(path string) (*sqlite.Conn, error) {
	return sqlite.OpenConn(path, sqlite.OpenReadOnly)
}

// makeFolder makes the folder of path, and reports the highest folder that had to be made ("" for none).
func makeFolder(path string) (fresh string, err error) {
	dir := filepath.Dir(path)
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		fresh = d
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("store: making the data folder: %w", err)
	}
	return fresh, nil
}

// syncFolders makes the names of the new file and of new folders durable.
func syncFolders(path, fresh string) error {
	for d := filepath.Dir(path); ; d = filepath.Dir(d) {
		f, err := os.Open(d)
		if err != nil {
			return fmt.Errorf("store: syncing the data folder: %w", err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("store: syncing the data folder: %w", err)
		}
		if fresh == "" || d == filepath.Dir(fresh) || d == filepath.Dir(d) {
			return nil
		}
	}
}
