package states

import (
	"context"

	"github.com/tealdeploy/teal/internal/store"
)

// sweepEvery is after how many passes of the pruning the definitions are looked through: about once a day.
const sweepEvery = 24

// sweepDefinitions removes the definitions that no machine, no version and no kept execution names. One that was unused
// at the last sweep, too, goes: a start that is on its way with a definition that was replaced meanwhile is over by then.
func (s *Service) sweepDefinitions(ctx context.Context) error {
	unused := map[string]bool{}
	for row, err := range s.store.Scan(ctx, bucketDefinitions, store.Range{}) {
		if err != nil {
			return failure("reading definitions", err)
		}
		unused[row.Key] = true
	}
	s.removeNamed(unused)
	if len(unused) > 0 { // else there is no need to read the executions
		err := scan(ctx, s.store, bucketExecutions, func(_ string, r *executionRecord) error {
			delete(unused, r.Revision.Digest)
			return nil
		})
		if err != nil {
			return err
		}
	}
	was := s.definitions.unused
	s.definitions.unused = unused
	s.definitions.naming.Lock()
	defer s.definitions.naming.Unlock()
	s.removeNamed(unused) // once more, now that no change is under way
	b := &store.Batch{}
	s.engine.fence(b)
	n := 0
	for digest := range unused {
		if was[digest] {
			b.Delete(bucketDefinitions, digest)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if err := s.store.Commit(ctx, b); err != nil {
		return failure("removing definitions", err)
	}
	return nil
}

// removeNamed takes those away that a machine or a version names.
func (s *Service) removeNamed(digests map[string]bool) {
	s.machines.byName.Range(func(_, e any) bool {
		if m := e.(*entry).now.Load(); m != nil {
			delete(digests, m.record.Revision.Digest)
			for _, v := range m.versions {
				delete(digests, v.Revision.Digest)
			}
		}
		return true
	})
}
