package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// slotLog is a log in S3: objects that are numbered from 1 without a gap, each created once and never changed. Who wants to
// add one must have seen the one before it, so two writers cannot both succeed.
type slotLog struct {
	mu    sync.Mutex
	read  bool
	slots []slot // what is known of it; the first has the number 1
}

// slot is one object of a log. A seal is put there by a holder that takes over: a former one that did not see it wants the
// same number, and fails.
type slot struct {
	Fence int64           `json:"fence,omitempty"`
	Seal  bool            `json:"seal,omitempty"`
	Entry json.RawMessage `json:"entry,omitempty"`
}

func slotName(n int) string { return fmt.Sprintf("%010d.json", n) }

// log gives the log of a folder, as far as it is known.
func (s *S3Ledger) log(folder string) *slotLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[folder]
	if l == nil {
		l = &slotLog{}
		s.logs[folder] = l
	}
	return l
}

// refresh reads what was added to a log since it was read last. The caller has the log's mutex.
func (s *S3Ledger) refresh(ctx context.Context, folder string, l *slotLog) error {
	after := ""
	if len(l.slots) > 0 {
		after = slotName(len(l.slots))
	}
	found, err := s.list(ctx, folder+"/", after, false)
	if err != nil {
		return err
	}
	added := make([]slot, len(found))
	for i, name := range found {
		if want := slotName(len(l.slots) + i + 1); name != want {
			return fmt.Errorf("ledger: s3://%s/%s/%s is missing: restore it, if the bucket keeps versions", s.bucket, folder, want)
		}
	}
	if err := parallel(ctx, len(found), func(ctx context.Context, i int) error {
		_, err := s.get(ctx, folder+"/"+found[i], &added[i])
		return err
	}); err != nil {
		return err
	}
	l.slots, l.read = append(l.slots, added...), true
	return nil
}

// last gives the last entry that is no seal, nil when there is none, and the highest fence.
func (l *slotLog) last() (entry json.RawMessage, fence int64) {
	for _, s := range l.slots {
		fence = max(fence, s.Fence)
		if !s.Seal {
			entry = s.Entry
		}
	}
	return entry, fence
}

// appendSlot adds what next makes of the last entry. With a fence it fails with ErrFenced when a holder after it has sealed
// the log.
func (s *S3Ledger) appendSlot(ctx context.Context, folder string, fence int64, next func(last json.RawMessage) (slot, error)) error {
	l := s.log(folder)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.read {
		if err := s.refresh(ctx, folder, l); err != nil {
			return err
		}
	}
	for range attempts {
		last, sealedBy := l.last()
		if sealedBy > fence {
			return ErrFenced
		}
		mine, err := next(last)
		if err != nil {
			return err
		}
		n := len(l.slots) + 1
		err = s.put(ctx, folder+"/"+slotName(n), mine, "")
		if err == nil {
			l.slots = append(l.slots, mine)
			return nil
		}
		if !errors.Is(err, errChanged) {
			return err
		}
		if err := s.refresh(ctx, folder, l); err != nil {
			return err
		}
		if n <= len(l.slots) && sameSlot(l.slots[n-1], mine) {
			return nil // the SDK repeated a request that had been carried out
		}
	}
	return fmt.Errorf("ledger: others add to %s all the time: try again", folder)
}

func sameSlot(a, b slot) bool {
	return a.Fence == b.Fence && a.Seal == b.Seal && bytes.Equal(a.Entry, b.Entry)
}

func (s *S3Ledger) sealLog(ctx context.Context, folder string, fence int64) error {
	return s.appendSlot(ctx, folder, fence, func(json.RawMessage) (slot, error) { return slot{Fence: fence, Seal: true}, nil })
}

// Append implements Ledger.
func (s *S3Ledger) Append(ctx context.Context, l Lock, e Entry) error {
	if err := s.holds(ctx, l); err != nil {
		return err
	}
	err := s.appendSlot(ctx, s.key(l.App, "rollouts", l.Rollout, "journal"), l.Fence, func(last json.RawMessage) (slot, error) {
		var before Entry
		if last != nil {
			if err := json.Unmarshal(last, &before); err != nil {
				return slot{}, err
			}
		}
		if e.Seq != before.Seq+1 {
			return slot{}, fmt.Errorf("journal of rollout %s: entry %d after %d: %w", l.Rollout, e.Seq, before.Seq, ErrConflict)
		}
		e.Fence = l.Fence
		raw, err := json.Marshal(e)
		return slot{Fence: l.Fence, Entry: raw}, err
	})
	if errors.Is(err, ErrFenced) {
		return fencedOff(l)
	}
	return err
}

// Journal implements Ledger.
func (s *S3Ledger) Journal(ctx context.Context, app, rollout string, after int64) ([]Entry, error) {
	return readSlots(ctx, s, app, rollout, "journal", func(e Entry) bool { return e.Seq > after })
}

// Send implements Ledger.
func (s *S3Ledger) Send(ctx context.Context, app, rollout string, c Command) (Command, error) {
	if _, err := s.Rollout(ctx, app, rollout); err != nil {
		return Command{}, err
	}
	err := s.appendSlot(ctx, s.key(app, "rollouts", rollout, "commands"), 0, func(last json.RawMessage) (slot, error) {
		var before Command
		if last != nil {
			if err := json.Unmarshal(last, &before); err != nil {
				return slot{}, err
			}
		}
		c.Seq = before.Seq + 1
		raw, err := json.Marshal(c)
		return slot{Entry: raw}, err
	})
	return c, err
}

// Commands implements Ledger.
func (s *S3Ledger) Commands(ctx context.Context, app, rollout string, after int64) ([]Command, error) {
	return readSlots(ctx, s, app, rollout, "commands", func(c Command) bool { return c.Seq > after })
}

func readSlots[T any](ctx context.Context, s *S3Ledger, app, rollout, which string, keep func(T) bool) ([]T, error) {
	if err := names(app, rollout); err != nil {
		return nil, err
	}
	folder := s.key(app, "rollouts", rollout, which)
	l := s.log(folder)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.refresh(ctx, folder, l); err != nil {
		return nil, err
	}
	var all []T
	for _, one := range l.slots {
		if one.Seal {
			continue
		}
		var v T
		if err := json.Unmarshal(one.Entry, &v); err != nil {
			return nil, fmt.Errorf("ledger: %s: %w", folder, err)
		}
		if keep(v) {
			all = append(all, v)
		}
	}
	return all, nil
}
