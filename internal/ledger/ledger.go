// Package ledger keeps the durable record of releases and rollouts: what was released, by which rollout, with which
// journal, what serves now, and who may change it. "Previous" always comes from here, never from version numbers.
//
// Ledger is a port; every implementation passes the suite in ledgertest. It is cut so that it needs no more of its store
// than small objects that can be created if absent and replaced if unchanged, as a folder, S3 with conditional writes or a
// database give them.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// ErrNotFound says that the ledger has no such record.
var ErrNotFound = errors.New("the ledger has no such record")

// ErrFenced says that the lock has passed to another holder: whoever gets it must stop without touching anything more.
var ErrFenced = errors.New("the lock has passed to another holder")

// ErrConflict says that a record exists already with other content, or that a journal entry is not the next one.
var ErrConflict = errors.New("the record exists already and is another one")

// Ledger is the record of one or more applications. All methods may be called from any goroutine and any process. A
// method that has returned nil has made its change durable. Methods that take a Lock fail with ErrFenced when it is no
// longer the holder's, and have then changed nothing.
type Ledger interface {
	// Lock takes the lock of an application for one rollout. Each taking has a higher fence than all before. It succeeds
	// when nobody holds it, when its rollout has ended or was never recorded and its holder is gone, and when it is held for
	// the same rollout and its holder is gone or has parked it. Otherwise it fails with a *HeldError.
	Lock(ctx context.Context, app, rollout string, o Owner) (Lock, error)
	// Renew tells that the holder lives. It is due well within the time after which a silent holder counts as gone.
	Renew(ctx context.Context, l Lock) error
	// Park keeps the lock for its rollout while no process drives it.
	Park(ctx context.Context, l Lock) error
	// Unlock gives the lock up. A second time it does nothing.
	Unlock(ctx context.Context, l Lock) error
	// Holder returns the lock of an application. held is false when nobody holds it.
	Holder(ctx context.Context, app string) (l Lock, held bool, err error)
	// Gone reports whether the holder of a lock is known to be gone, or has parked it.
	Gone(l Lock) bool

	// PutRelease records a release. To record the same again does nothing; other content under its ID is ErrConflict.
	PutRelease(ctx context.Context, l Lock, r Release) error
	// Release returns a release, or ErrNotFound.
	Release(ctx context.Context, app, id string) (Release, error)
	// Releases lists the releases of an application, newest first.
	Releases(ctx context.Context, app string) ([]Release, error)

	// PutRollout records a rollout, or replaces its record.
	PutRollout(ctx context.Context, l Lock, r Rollout) error
	// Rollout returns a rollout, or ErrNotFound.
	Rollout(ctx context.Context, app, id string) (Rollout, error)
	// Rollouts lists the rollouts of an application, newest first.
	Rollouts(ctx context.Context, app string) ([]Rollout, error)

	// Append adds an entry to the journal of the lock's rollout. Its Seq must be one above that of the last entry, beginning
	// with 1; otherwise it fails with ErrConflict.
	Append(ctx context.Context, l Lock, e Entry) error
	// Journal returns the entries of a rollout with a Seq above after, in order. An entry that was being written when its
	// writer died is not there.
	Journal(ctx context.Context, app, rollout string, after int64) ([]Entry, error)

	// Current returns what serves now, or ErrNotFound before the first release.
	Current(ctx context.Context, app string) (Current, error)
	// SetCurrent records what serves now.
	SetCurrent(ctx context.Context, l Lock, c Current) error

	// Send leaves a wish for whoever drives the rollout, and returns it with its number. It needs no lock.
	Send(ctx context.Context, app, rollout string, c Command) (Command, error)
	// Commands returns the wishes with a number above after, in order.
	Commands(ctx context.Context, app, rollout string, after int64) ([]Command, error)
}

// Owner is who holds a lock.
type Owner struct {
	By   string `json:"by"` // a person or a CI job
	Host string `json:"host"`
	PID  int    `json:"pid"`
	Run  string `json:"run,omitempty"` // URL of the run of a CI system
}

func (o Owner) String() string { return fmt.Sprintf("%s (process %d on %s)", o.By, o.PID, o.Host) }

// Lock is the right to change an application's releases, held for one rollout. A lock outlives the process that took it:
// an unfinished rollout keeps its application locked.
type Lock struct {
	App     string    `json:"app"`
	Rollout string    `json:"rollout"`
	Fence   int64     `json:"fence"` // rises with each taking
	Owner   Owner     `json:"owner"`
	Since   time.Time `json:"since"`
	Renewed time.Time `json:"renewed"`
	Parked  bool      `json:"parked,omitempty"` // kept for the rollout; nobody drives it
}

// HeldError says who holds the lock that was wanted.
type HeldError struct {
	Lock Lock
	Gone bool // the holder does not drive its rollout: it is parked, or has died
}

func (e *HeldError) Error() string {
	l := e.Lock
	since := l.Since.Format(time.RFC3339)
	if e.Gone {
		return fmt.Sprintf("rollout %s of %s, begun by %s, is not finished (since %s): resume it or roll it back first", l.Rollout, l.App, l.Owner.By, since)
	}
	return fmt.Sprintf("%s is releasing %s since %s with rollout %s: wait for it, or abort it", l.Owner, l.App, since, l.Rollout)
}

// Release is a release with the aliases that it is served by.
type Release struct {
	release.Release
	Aliases []AliasOf `json:"aliases"`
	Rollout string    `json:"rollout"` // that brought it in first
	// Router split its traffic, where the aliases did not. Aliases are then those of the slot that it was brought into first.
	Router *release.Router `json:"router,omitempty"`
}

// AliasOf is the alias of the function or workflow with a key.
type AliasOf struct {
	Key string      `json:"key"`
	Ref release.Ref `json:"ref"`
}

// Rollout is the summary of a rollout; its story is in the journal.
type Rollout struct {
	ID      string    `json:"id"`
	App     string    `json:"app"`
	Kind    string    `json:"kind"` // deploy or rollback; prune and repair are recorded too, and are over from the start
	Release string    `json:"release"`
	From    string    `json:"from,omitempty"` // release that served before
	By      string    `json:"by,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Run     string    `json:"run,omitempty"` // URL of the run of a CI system
	Phase   string    `json:"phase"`
	Step    int       `json:"step"`
	Steps   int       `json:"steps"`
	Paused  string    `json:"paused,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	Ended   time.Time `json:"ended,omitzero"` // zero while it is unfinished

	Before []release.AliasRouting `json:"before,omitempty"` // as recorded when it began
	After  []release.AliasRouting `json:"after,omitempty"`  // as last known
	// Between is what may have had traffic in between, beside those: green, also of a rollout that went back.
	Between []release.AliasRouting `json:"between,omitempty"`
}

// Entry is one entry of a rollout's journal.
type Entry struct {
	Seq    int64           `json:"seq"`
	Fence  int64           `json:"fence"`
	At     time.Time       `json:"at"`
	Events json.RawMessage `json:"events"`          // list of events, in order
	State  json.RawMessage `json:"state,omitempty"` // after Events; absent when it follows from the entries before
}

// Current is what serves now.
type Current struct {
	Release  string    `json:"release"`
	Previous string    `json:"previous,omitempty"` // what served before it
	Rollout  string    `json:"rollout"`
	Since    time.Time `json:"since"`
	Slot     string    `json:"slot,omitempty"` // set identifier of the slot that it is in; empty without a router
}

// Command is a wish of a person for a rollout that another process drives.
type Command struct {
	Seq    int64     `json:"seq"`  // given by Send, rising from 1
	Kind   string    `json:"kind"` // promote, pause, resume, abort or retry
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Full   bool      `json:"full,omitempty"`
	Force  bool      `json:"force,omitempty"`
	At     time.Time `json:"at"`
}
