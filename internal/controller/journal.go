package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// snapshotEvery is how many journal entries may follow each other without the whole state. Between snapshots the state
// follows from the events: a release with many functions has a state of some 50 kB, and an event has 300 B.
const snapshotEvery = 16

// entryOf makes a journal entry; s is nil for one without a snapshot.
func entryOf(seq int64, at time.Time, events []rollout.Event, s *rollout.State) (ledger.Entry, error) {
	e := ledger.Entry{Seq: seq, At: at}
	var err error
	if e.Events, err = json.Marshal(events); err != nil {
		return e, fmt.Errorf("journal entry %d: %w", seq, err)
	}
	if s != nil {
		if e.State, err = json.Marshal(s); err != nil {
			return e, fmt.Errorf("journal entry %d: %w", seq, err)
		}
	}
	return e, nil
}

// Load gives the state of a rollout as the ledger has it. It needs no lock: it serves to look at a rollout that another
// process drives.
func Load(ctx context.Context, l Ledger, app, id string) (rollout.State, error) {
	s, _, err := load(ctx, l, app, id)
	return s, err
}

// load takes the last snapshot of a journal and replays the events after it. It returns the number of the last entry too.
func load(ctx context.Context, l Ledger, app, id string) (s rollout.State, seq int64, err error) {
	entries, err := l.Journal(ctx, app, id, 0)
	if err != nil {
		return s, 0, err
	}
	if len(entries) == 0 {
		return s, 0, fmt.Errorf("the journal of rollout %s of %s is empty", id, app)
	}
	from := len(entries) - 1
	for ; from > 0 && len(entries[from].State) == 0; from-- {
	}
	if err := json.Unmarshal(entries[from].State, &s); err != nil {
		return s, 0, fmt.Errorf("journal of rollout %s, entry %d: %w", id, entries[from].Seq, err)
	}
	for _, e := range entries[from+1:] {
		var events []rollout.Event
		if err := json.Unmarshal(e.Events, &events); err != nil {
			return s, 0, fmt.Errorf("journal of rollout %s, entry %d: %w", id, e.Seq, err)
		}
		for _, ev := range events {
			next, _, err := rollout.Step(s, ev)
			if forbidden := (*rollout.ForbiddenError)(nil); err != nil && !errors.As(err, &forbidden) {
				return s, 0, fmt.Errorf("journal of rollout %s, entry %d: replaying %s: %w", id, e.Seq, ev.Kind, err)
			}
			s = next
		}
	}
	return s, entries[len(entries)-1].Seq, nil
}

// summary is the ledger's record of a rollout.
func summary(s rollout.State, now time.Time) ledger.Rollout {
	r := ledger.Rollout{
		ID: s.Plan.ID, App: s.Plan.App, Kind: string(s.Plan.Kind), Release: s.Plan.Release, From: s.Plan.From, By: s.Plan.By,
		Commit: s.Plan.Commit, Run: s.Plan.Run, Phase: string(s.Phase), Step: s.Step, Steps: s.Steps(), Paused: string(s.Paused.Reason),
		Cause: s.Cause, Started: s.Release.Created, Updated: now,
	}
	if r.Started.IsZero() {
		r.Started = now
	}
	for _, a := range s.Aliases {
		if a.Read && !a.Fresh {
			r.Before = append(r.Before, a.Recorded)
		}
		if a.Standing.Routing.Primary != "" {
			r.Before = append(r.Before, a.Standing)
		}
		if a.Read && a.Actual.Routing.Primary != "" {
			r.After = append(r.After, a.Actual)
		}
		if a.Touched && a.Green != "" {
			r.Between = append(r.Between, release.AliasRouting{Ref: a.Ref, Routing: alias.Routing{Primary: a.Green}})
		}
	}
	return r
}

// recordOf is the ledger's record of a release.
func recordOf(s rollout.State) ledger.Release {
	r := ledger.Release{Release: s.Release, Rollout: s.Plan.ID, Router: s.Plan.Router}
	for _, a := range s.Aliases {
		if a.Ref.Kind == release.KindRecordSets {
			continue
		}
		r.Aliases = append(r.Aliases, ledger.AliasOf{Key: a.Key, Ref: a.Ref})
	}
	return r
}

// finish writes down how a rollout ended and gives the lock up, or parks it when a person must act. Repeated it does the
// same again: a controller may die in the middle.
func finish(ctx context.Context, l Ledger, lock ledger.Lock, s rollout.State, now time.Time) error {
	if s.Phase == rollout.Promoted {
		if err := promote(ctx, l, lock, s); err != nil {
			return err
		}
	}
	r := summary(s, now)
	if s.Phase == rollout.FailedDirty {
		return errors.Join(l.PutRollout(ctx, lock, r), l.Park(ctx, lock))
	}
	r.Ended = s.Now
	if err := l.PutRollout(ctx, lock, r); err != nil {
		return err
	}
	return l.Unlock(ctx, lock)
}

// promote records the release, and that it serves now.
func promote(ctx context.Context, l Ledger, lock ledger.Lock, s rollout.State) error {
	current, err := l.Current(ctx, s.Plan.App)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if current.Rollout == s.Plan.ID {
		return nil // done by a controller that died then
	}
	next := ledger.Current{Release: s.Plan.Release, Previous: current.Release, Rollout: s.Plan.ID, Since: s.Now, Slot: s.Slot()}
	switch {
	case s.Plan.Kind == rollout.Return:
		if next.Previous, err = before(ctx, l, s.Plan.App, s.Plan.Release); err != nil {
			return err
		}
	case !s.Moved() && current.Release != "" && sameVersions(ctx, l, s, current.Release):
		return nil // nothing new: what served before serves still
	default:
		if err := l.PutRelease(ctx, lock, recordOf(s)); err != nil {
			return err
		}
	}
	return l.SetCurrent(ctx, lock, next)
}

// before is the release that served when the given one was first brought in. After going back to it, that one is
// "previous", and not the bad release that was left.
func before(ctx context.Context, l Ledger, app, id string) (string, error) {
	rec, err := l.Release(ctx, app, id)
	if err != nil {
		return "", err
	}
	by, err := l.Rollout(ctx, app, rec.Rollout)
	if errors.Is(err, ledger.ErrNotFound) {
		return "", nil
	}
	return by.From, err
}

// sameVersions reports whether the recorded release has exactly the versions of the rollout's.
func sameVersions(ctx context.Context, l Ledger, s rollout.State, id string) bool {
	rec, err := l.Release(ctx, s.Plan.App, id)
	if err != nil || len(rec.Functions) != len(s.Release.Functions) || len(rec.Workflows) != len(s.Release.Workflows) {
		return false
	}
	at := map[release.Ref]string{}
	for _, v := range rec.Functions {
		at[release.Ref{Kind: release.KindFunction, Name: v.Name}] = v.Version
	}
	for _, v := range rec.Workflows {
		at[release.Ref{Kind: release.KindStateMachine, Name: v.Name}] = v.ARN
	}
	for _, a := range s.Aliases {
		if a.Ref.Kind != release.KindRecordSets && at[release.Ref{Kind: a.Ref.Kind, Name: a.Ref.Name}] != a.Green {
			return false
		}
	}
	return true
}
