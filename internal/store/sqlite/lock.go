package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// InUseError is returned by Open for a file that is open already, in this process or in another.
type InUseError struct {
	Path string // the lock file
	PID  string // of the process that holds it, when it could be read
}

func (e *InUseError) Error() string {
	by := "another process"
	if e.PID != "" {
		by = "process " + e.PID
	}
	return fmt.Sprintf("the data folder is in use by %s (%s). Stop it first, or name another data folder", by, e.Path)
}

// lock is a file that the operating system locks for us: the lock ends with the process, however that ends.
type lock struct{ f *os.File }

func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: locking the data folder: %w", err)
	}
	if held, err := lockFile(f); err != nil || held {
		pid, _ := io.ReadAll(io.LimitReader(f, 20)) // a help for the reader only
		_ = f.Close()
		if held {
			return nil, &InUseError{Path: path, PID: strings.TrimSpace(string(pid))}
		}
		return nil, fmt.Errorf("store: locking %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: locking %s: %w", path, err), f.Close())
	}
	return &lock{f}, nil
}

// release leaves the file where it is: removing it could pull it away from under the next holder.
func (l *lock) release() error { return l.f.Close() }
