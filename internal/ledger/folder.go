package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// FolderLedger keeps a ledger in a folder:
//
//	<app>/lock.json, current.json
//	<app>/releases/<id>.json
//	<app>/rollouts/<id>/rollout.json, journal.log, commands.log
//
// Objects are written aside, synced and renamed; logs are appended and synced, each line with a checksum, and a torn last
// line is cut off by the next writer. Every change happens under an exclusive lock of the operating system on <app>/.mutex,
// so the check of the fence and the write are one. It serves several processes on one machine, and several machines where
// the folder's file system has working locks.
type FolderLedger struct {
	dir   string
	host  string
	now   func() time.Time
	alive func(pid int) bool
	ttl   time.Duration

	mu    sync.Mutex
	tails map[string]logTail // of the logs that this process wrote
}

var _ Ledger = (*FolderLedger)(nil)

// SilentHolderIsGone is how long a holder on another machine may be silent until it counts as gone. A holder on this
// machine is gone when its process is.
const SilentHolderIsGone = 30 * time.Second

// FolderOption changes how a folder ledger sees the world; it is for tests.
type FolderOption func(*FolderLedger)

// WithClock sets the clock by which silence is measured.
func WithClock(now func() time.Time) FolderOption { return func(f *FolderLedger) { f.now = now } }

// WithProcesses sets the name of this machine and how to find out whether a process of it lives.
func WithProcesses(host string, alive func(pid int) bool) FolderOption {
	return func(f *FolderLedger) { f.host, f.alive = host, alive }
}

// Folder opens the ledger in a folder, and makes the folder when there is none.
func Folder(dir string, options ...FolderOption) (*FolderLedger, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ledger: the name of this machine: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	f := &FolderLedger{dir: dir, host: host, now: time.Now, alive: processLives, ttl: SilentHolderIsGone, tails: map[string]logTail{}}
	for _, o := range options {
		o(f)
	}
	return f, nil
}

// lockFile is lock.json. It stays when the lock is given up, so that fences go on rising.
type lockFile struct {
	Lock
	Free bool `json:"free,omitempty"`
}

// Lock implements Ledger.
func (f *FolderLedger) Lock(ctx context.Context, app, rollout string, o Owner) (Lock, error) {
	if err := names(rollout); err != nil {
		return Lock{}, err
	}
	var taken Lock
	err := f.exclusively(ctx, app, func() error {
		held, err := f.lockFile(app)
		if err != nil {
			return err
		}
		if held.Fence > 0 && !held.Free {
			gone := f.Gone(held.Lock)
			free := gone && held.Rollout == rollout
			if gone && !free {
				if free, err = f.finished(app, held.Rollout); err != nil {
					return err
				}
			}
			if !free {
				return &HeldError{Lock: held.Lock, Gone: gone}
			}
		}
		now := f.now()
		taken = Lock{App: app, Rollout: rollout, Fence: held.Fence + 1, Owner: o, Since: now, Renewed: now}
		return f.put(lockFile{Lock: taken}, app, "lock.json")
	})
	return taken, err
}

// finished reports whether nothing is left to do for a rollout: it has ended, or was never recorded.
func (f *FolderLedger) finished(app, rollout string) (bool, error) {
	var r Rollout
	switch err := f.get(&r, app, "rollouts", rollout, "rollout.json"); {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	}
	return !r.Ended.IsZero(), nil
}

// Gone implements Ledger.
func (f *FolderLedger) Gone(l Lock) bool {
	return l.Parked || l.Owner.Host == f.host && !f.alive(l.Owner.PID) || f.now().Sub(l.Renewed) > f.ttl
}

// Renew implements Ledger.
func (f *FolderLedger) Renew(ctx context.Context, l Lock) error {
	return f.fenced(ctx, l, func(held lockFile) error {
		held.Renewed = f.now()
		return f.put(held, l.App, "lock.json")
	})
}

// Park implements Ledger.
func (f *FolderLedger) Park(ctx context.Context, l Lock) error {
	return f.fenced(ctx, l, func(held lockFile) error {
		held.Parked = true
		return f.put(held, l.App, "lock.json")
	})
}

// Unlock implements Ledger.
func (f *FolderLedger) Unlock(ctx context.Context, l Lock) error {
	return f.exclusively(ctx, l.App, func() error {
		held, err := f.lockFile(l.App)
		switch {
		case err != nil:
			return err
		case held.Fence != l.Fence:
			return ErrFenced
		case held.Free:
			return nil
		}
		held.Free = true
		return f.put(held, l.App, "lock.json")
	})
}

// Holder implements Ledger.
func (f *FolderLedger) Holder(_ context.Context, app string) (Lock, bool, error) {
	held, err := f.lockFile(app)
	if err != nil || held.Fence == 0 || held.Free {
		return Lock{}, false, err
	}
	return held.Lock, true, nil
}

// PutRelease implements Ledger.
func (f *FolderLedger) PutRelease(ctx context.Context, l Lock, r Release) error {
	if err := names(r.ID); err != nil {
		return err
	}
	return f.fenced(ctx, l, func(lockFile) error {
		var old Release
		switch err := f.get(&old, l.App, "releases", r.ID+".json"); {
		case err == nil:
			a, errA := json.Marshal(old)
			b, errB := json.Marshal(r)
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				return fmt.Errorf("release %s: %w", r.ID, ErrConflict)
			}
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
		return f.put(r, l.App, "releases", r.ID+".json")
	})
}

// Release implements Ledger.
func (f *FolderLedger) Release(_ context.Context, app, id string) (Release, error) {
	var r Release
	err := f.get(&r, app, "releases", id+".json")
	return r, err
}

// Releases implements Ledger.
func (f *FolderLedger) Releases(ctx context.Context, app string) ([]Release, error) {
	return list(f, app, "releases", func(name string) (Release, error) {
		return f.Release(ctx, app, name[:len(name)-len(filepath.Ext(name))])
	}, func(r Release) (time.Time, string) { return r.Created, r.ID })
}

// PutRollout implements Ledger.
func (f *FolderLedger) PutRollout(ctx context.Context, l Lock, r Rollout) error {
	if r.ID != l.Rollout {
		return fmt.Errorf("rollout %s: the lock is held for %s", r.ID, l.Rollout)
	}
	return f.fenced(ctx, l, func(lockFile) error { return f.put(r, l.App, "rollouts", r.ID, "rollout.json") })
}

// Rollout implements Ledger.
func (f *FolderLedger) Rollout(_ context.Context, app, id string) (Rollout, error) {
	var r Rollout
	err := f.get(&r, app, "rollouts", id, "rollout.json")
	return r, err
}

// Rollouts implements Ledger.
func (f *FolderLedger) Rollouts(ctx context.Context, app string) ([]Rollout, error) {
	return list(f, app, "rollouts", func(name string) (Rollout, error) { return f.Rollout(ctx, app, name) },
		func(r Rollout) (time.Time, string) { return r.Started, r.ID })
}

// Append implements Ledger.
func (f *FolderLedger) Append(ctx context.Context, l Lock, e Entry) error {
	return f.fenced(ctx, l, func(lockFile) error {
		return f.appendLog(f.path(l.App, "rollouts", l.Rollout, "journal.log"), func(last []byte) (any, error) {
			var before Entry
			if last != nil {
				if err := json.Unmarshal(last, &before); err != nil {
					return nil, err
				}
			}
			if e.Seq != before.Seq+1 {
				return nil, fmt.Errorf("journal of rollout %s: entry %d after %d: %w", l.Rollout, e.Seq, before.Seq, ErrConflict)
			}
			e.Fence = l.Fence
			return e, nil
		})
	})
}

// Journal implements Ledger.
func (f *FolderLedger) Journal(_ context.Context, app, rollout string, after int64) ([]Entry, error) {
	if err := names(app, rollout); err != nil {
		return nil, err
	}
	return readLog(f.path(app, "rollouts", rollout, "journal.log"), func(e Entry) bool { return e.Seq > after })
}

// Current implements Ledger.
func (f *FolderLedger) Current(_ context.Context, app string) (Current, error) {
	var c Current
	err := f.get(&c, app, "current.json")
	return c, err
}

// SetCurrent implements Ledger.
func (f *FolderLedger) SetCurrent(ctx context.Context, l Lock, c Current) error {
	return f.fenced(ctx, l, func(lockFile) error { return f.put(c, l.App, "current.json") })
}

// Send implements Ledger.
func (f *FolderLedger) Send(ctx context.Context, app, rollout string, c Command) (Command, error) {
	if err := names(app, rollout); err != nil {
		return Command{}, err
	}
	err := f.exclusively(ctx, app, func() error {
		if _, err := f.Rollout(ctx, app, rollout); err != nil {
			return err
		}
		return f.appendLog(f.path(app, "rollouts", rollout, "commands.log"), func(last []byte) (any, error) {
			var before Command
			if last != nil {
				if err := json.Unmarshal(last, &before); err != nil {
					return nil, err
				}
			}
			c.Seq = before.Seq + 1
			return c, nil
		})
	})
	return c, err
}

// Commands implements Ledger.
func (f *FolderLedger) Commands(_ context.Context, app, rollout string, after int64) ([]Command, error) {
	if err := names(app, rollout); err != nil {
		return nil, err
	}
	return readLog(f.path(app, "rollouts", rollout, "commands.log"), func(c Command) bool { return c.Seq > after })
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// isName reports whether applications, releases and rollouts may be called so: it becomes the name of a file.
func isName(n string) bool { return len(n) <= 128 && name.MatchString(n) }

func names(given ...string) error {
	for _, n := range given {
		if !isName(n) {
			return fmt.Errorf("ledger: %q cannot be a name: use up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit", n)
		}
	}
	return nil
}

func (f *FolderLedger) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

func (f *FolderLedger) lockFile(app string) (lockFile, error) {
	var held lockFile
	err := f.get(&held, app, "lock.json")
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return held, err
}

// exclusively runs change while no other process or goroutine changes the application's records.
func (f *FolderLedger) exclusively(ctx context.Context, app string, change func() error) error {
	if err := names(app); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.path(app), 0o755); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	unlock, err := lockExclusively(f.path(app, ".mutex"))
	if err != nil {
		return fmt.Errorf("ledger: locking %s: %w", f.path(app), err)
	}
	return errors.Join(change(), unlock())
}

// fenced runs change if l still is the lock, as one with the check.
func (f *FolderLedger) fenced(ctx context.Context, l Lock, change func(held lockFile) error) error {
	return f.exclusively(ctx, l.App, func() error {
		held, err := f.lockFile(l.App)
		if err != nil {
			return err
		}
		if held.Free || held.Fence != l.Fence {
			return fmt.Errorf("lock %d of %s for rollout %s: %w", l.Fence, l.App, l.Rollout, ErrFenced)
		}
		return change(held)
	})
}

// list reads every object of a folder, newest first.
func list[T any](f *FolderLedger, app, folder string, read func(name string) (T, error), when func(T) (time.Time, string)) ([]T, error) {
	if err := names(app); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.path(app, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var all []T
	for _, e := range entries {
		if !isName(e.Name()) {
			continue // written aside by a writer that died
		}
		one, err := read(e.Name())
		if errors.Is(err, ErrNotFound) {
			continue // a rollout whose record was not written yet
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	newestFirst(all, when)
	return all, nil
}

// newestFirst sorts records by time and then by ID, downwards.
func newestFirst[T any](all []T, when func(T) (time.Time, string)) {
	slices.SortFunc(all, func(a, b T) int {
		at, aID := when(a)
		bt, bID := when(b)
		if c := bt.Compare(at); c != 0 {
			return c
		}
		return strings.Compare(bID, aID)
	})
}
