package lambda

import (
	"context"

	"github.com/tealdeploy/teal/internal/store"
)

// find returns the function of this name, or nil. An error is the store's: there is a function, but it cannot be read.
func (s *Service) find(name string) (*function, error) {
	v, ok := s.functions.Load(name)
	if !ok {
		return nil, nil
	}
	f := v.(*function)
	if f.state.Load() != nil {
		return f, nil
	}
	if err := s.wake(f); err != nil || f.state.Load() == nil {
		return nil, err
	}
	return f, nil
}

// look returns what the function of this name is now, or nil. An error is as of find.
func (s *Service) look(name string) (*snapshot, error) {
	f, err := s.find(name)
	if f == nil {
		return nil, err
	}
	return f.state.Load(), nil
}

// change makes one change of a function: edit changes a draft and puts the same into the batch; then the batch is
// committed, and then invocations see the draft. When there is no such function the answer is missing; when edit or the
// commit fails nothing has changed. A batch without operations is no change.
func (s *Service) change(ctx context.Context, name string, missing error, edit func(f *function, n *snapshot, b *store.Batch) error) error {
	f, err := s.find(name)
	if err != nil {
		return err
	}
	if f == nil {
		return missing
	}
	f.change.Lock()
	defer f.change.Unlock()
	old := f.state.Load()
	if old == nil {
		return missing
	}
	n, b := old.draft(), &store.Batch{}
	if err := edit(f, n, b); err != nil {
		return err
	}
	if len(b.Ops) == 0 {
		return nil
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.swap(f, n)
	return nil
}

// settledChange is change for what AWS refuses while another update of the function is under way: it waits for that one.
func (s *Service) settledChange(ctx context.Context, name string, missing error, edit func(f *function, n *snapshot, b *store.Batch) error) error {
	f, err := s.find(name)
	if err != nil {
		return err
	}
	if f == nil {
		return missing
	}
	if _, err := s.await(ctx, f); err != nil {
		return err
	}
	return s.change(ctx, name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		if n.settled != nil {
			if v := n.versions[latest]; v.State.Value == pending {
				return conflict("The operation cannot be performed at this time. The function is currently in the following state: %s", v.State.Value)
			}
			return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", s.arn(name, ""))
		}
		return edit(f, n, b)
	})
}

// touch gives a version or alias a new revision, for changes that belong to it but are kept elsewhere. qualifier "" is
// $LATEST.
func (n *snapshot) touch(b *store.Batch, qualifier string) error {
	name := n.record.Name
	if a := n.aliases[qualifier]; a != nil {
		c := *a
		c.Revision = newRevision()
		n.aliases[qualifier] = &c
		return put(b, aliasBucket, name+"/"+qualifier, c)
	}
	if qualifier == "" {
		qualifier = latest
	}
	v := n.versions[qualifier]
	r := *v.versionRecord
	r.Revision = newRevision()
	n.versions[qualifier] = &version{&r, v.run}
	return put(b, versionBucket, name+"/"+qualifier, r)
}
