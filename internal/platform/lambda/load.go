package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/store"
)

// load finds the functions in the store. It reads of each only what must be known before anybody asks for it: its name,
// what it claims of the account's concurrency, and its URLs. All else waits for wake, so that neither the time of a start
// nor the memory that it takes grows with the versions. It gives the functions with environments to keep ready.
func (s *Service) load(ctx context.Context) (provisioned []string, err error) {
	claims := map[string]int64{} // by provisioned concurrency
	err = scan(ctx, s.cfg.Store, provisionedBucket, func(key string, r provisionedRecord) error {
		name, _, _ := strings.Cut(key, "/")
		claims[name] += int64(r.Requested)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var names []string
	err = scan(ctx, s.cfg.Store, functionBucket, func(name string, r functionRecord) error {
		f := &function{name: name, claimed: claims[name]}
		if r.Reserved != nil {
			f.claimed = int64(*r.Reserved)
		}
		f.asleep.Store(true)
		s.reserved.Add(f.claimed)
		s.functions.Store(name, f)
		names = append(names, name)
		return nil
	})
	s.names.fill(names)
	return slices.Sorted(maps.Keys(claims)), errors.Join(err,
		scan(ctx, s.cfg.Store, urlBucket, func(key string, u urlRecord) error {
			name, q, _ := strings.Cut(key, "/")
			s.urls.Store(u.ID, urlTarget{name, q})
			return nil
		}),
		s.loadLayers(ctx),
		s.loadSigning(ctx),
	)
}

// recover does in the background what a start leaves undone: it wakes the functions with environments to keep ready, and
// removes the code that no version needs. A function that cannot be read stays asleep, and is tried again when somebody
// asks for it; then no code is removed before the next start.
func (s *Service) recover(provisioned []string) {
	defer close(s.recovered)
	complete := true
	each := func(name string, do func(*function) error) {
		v, ok := s.functions.Load(name)
		if !ok || s.lifetime.Err() != nil {
			return // deleted meanwhile, or the service closes
		}
		if err := do(v.(*function)); err != nil && s.lifetime.Err() == nil {
			complete = false
			s.cfg.Logger.Error("lambda: a function cannot be read from the store", "error", err)
		}
	}
	for _, name := range provisioned {
		each(name, s.wake)
	}
	for _, name := range s.names.all() {
		each(name, s.holdAsleep)
	}
	if !complete || s.lifetime.Err() != nil {
		return
	}
	if err := s.codes.sweep(); err != nil {
		s.cfg.Logger.Warn("lambda: leftovers of deployment packages stay on disk", "error", err)
	}
}

// holdAsleep holds the code of a function that sleeps; that of one that is awake is held already.
func (s *Service) holdAsleep(f *function) error {
	f.change.Lock()
	defer f.change.Unlock()
	if !f.asleep.Load() {
		return nil
	}
	var code []string
	err := scanRange(s.lifetime, s.cfg.Store, versionBucket, store.Prefix(f.name+"/"), func(_ string, r contentRecord) error {
		code = append(code, r.content()...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("function %s: %w", f.name, err)
	}
	for _, sha := range code {
		s.codes.hold(sha)
	}
	f.held = true
	return nil
}

// wake reads a function that sleeps and puts it into service. Transitions that were interrupted are ended before it
// returns, so that a function that could be invoked before the start can be invoked again. Of calls at the same time one
// works, and the others wait for it.
func (s *Service) wake(f *function) error {
	if !f.asleep.Load() {
		return nil
	}
	f.change.Lock()
	defer f.change.Unlock()
	if !f.asleep.Load() {
		return nil
	}
	n, err := s.read(s.lifetime, f.name)
	if err == nil {
		err = s.revive(s.lifetime, f, n)
	}
	if err != nil {
		return fmt.Errorf("function %s: %w", f.name, err)
	}
	f.asleep.Store(false)
	f.latest.Store(nil)
	if f.held { // and the versions hold it themselves now
		for _, v := range n.versions {
			for _, sha := range v.content() {
				s.releaseCode(sha)
			}
		}
	}
	return nil
}

// read gives all that the store has of one function.
func (s *Service) read(ctx context.Context, name string) (*snapshot, error) {
	var r functionRecord
	if err := s.get(ctx, functionBucket, name, &r); err != nil {
		return nil, err
	}
	n := newSnapshot(r)
	of := store.Prefix(name + "/")
	return n, errors.Join(s.readVersions(ctx, n),
		each(ctx, s, aliasBucket, of, n.aliases),
		each(ctx, s, policyBucket, of, n.policies),
		each(ctx, s, asyncBucket, of, n.async),
		each(ctx, s, urlBucket, of, n.urls),
		each(ctx, s, provisionedBucket, of, n.warm),
		each(ctx, s, runtimeBucket, of, n.runtimes),
	)
}

func (s *Service) readVersions(ctx context.Context, n *snapshot) error {
	return scanRange(ctx, s.cfg.Store, versionBucket, store.Prefix(n.record.Name+"/"), func(_ string, r versionRecord) error {
		n.versions[r.Version] = &version{versionRecord: &r}
		return nil
	})
}

// revive puts a function that was read into service; the caller holds its lock. Code that is lost or damaged fails its
// versions, and not the function.
func (s *Service) revive(ctx context.Context, f *function, n *snapshot) error {
	if n.versions[latest] == nil {
		return fmt.Errorf("the store has no %s of it", latest)
	}
	b := &store.Batch{}
	for q, v := range n.versions {
		r := *v.versionRecord
		err := s.restore(&r)
		if err != nil {
			s.cfg.Logger.Error("lambda: the code of a version cannot be restored", "function", s.arn(f.name, q), "error", err)
			r.State = creating
		}
		if r.State.Value == pending || r.Update.Value == updateRunning {
			r = r.settled(err)
			if err := put(b, versionBucket, f.name+"/"+q, r); err != nil {
				return err
			}
		}
		n.versions[q] = &version{versionRecord: &r}
	}
	if len(b.Ops) > 0 {
		if err := s.cfg.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	s.swap(f, n)
	return nil
}

// latestOf gives $LATEST of a function, or nil where there is none, and wakes nobody: a list shows many functions at once,
// and of each no more than this. Of a sleeper it is kept for the next list.
func (s *Service) latestOf(ctx context.Context, name string) (*versionRecord, error) {
	v, ok := s.functions.Load(name)
	if !ok {
		return nil, nil
	}
	f := v.(*function)
	if !f.asleep.Load() {
		if n := f.state.Load(); n != nil {
			return n.versions[latest].versionRecord, nil
		}
		return nil, nil
	}
	if r := f.latest.Load(); r != nil {
		return r, nil
	}
	r := &versionRecord{}
	err := s.get(ctx, versionBucket, name+"/"+latest, r)
	if errors.Is(err, store.ErrNotFound) { // woken and deleted meanwhile
		return nil, nil
	}
	if err == nil {
		f.latest.Store(r)
	}
	return r, err
}

// versionsOf gives $LATEST of a function and then its published versions in ascending order, none where there is no such
// function, and wakes nobody.
func (s *Service) versionsOf(ctx context.Context, name string) ([]*versionRecord, error) {
	v, ok := s.functions.Load(name)
	if !ok {
		return nil, nil
	}
	f := v.(*function)
	n := newSnapshot(functionRecord{Name: name})
	if !f.asleep.Load() {
		n = f.state.Load()
	} else if err := s.readVersions(ctx, n); err != nil {
		return nil, err
	}
	if n == nil || n.versions[latest] == nil {
		return nil, nil
	}
	all := []*versionRecord{n.versions[latest].versionRecord}
	for _, v := range n.published() {
		all = append(all, v.versionRecord)
	}
	return all, nil
}

// get reads one record.
func (s *Service) get(ctx context.Context, bucket, key string, record any) error {
	raw, err := s.cfg.Store.Get(ctx, bucket, key)
	if err == nil {
		err = json.Unmarshal(raw, record)
	}
	if err != nil {
		return fmt.Errorf("%s: record %q cannot be read: %w", bucket, key, err)
	}
	return nil
}

// each reads the records of one kind of a function by their qualifiers.
func each[T any](ctx context.Context, s *Service, bucket string, of store.Range, in map[string]*T) error {
	return scanRange(ctx, s.cfg.Store, bucket, of, func(key string, r T) error {
		_, q, _ := strings.Cut(key, "/")
		in[q] = &r
		return nil
	})
}

func scan[T any](ctx context.Context, st store.Store, bucket string, each func(key string, record T) error) error {
	return scanRange(ctx, st, bucket, store.Range{}, each)
}

func scanRange[T any](ctx context.Context, st store.Store, bucket string, keys store.Range, each func(key string, record T) error) error {
	for e, err := range st.Scan(ctx, bucket, keys) {
		if err != nil {
			return fmt.Errorf("%s: %w", bucket, err)
		}
		var r T
		if err := json.Unmarshal(e.Value, &r); err != nil {
			return fmt.Errorf("%s: record %q cannot be read: %w", bucket, e.Key, err)
		}
		if err := each(e.Key, r); err != nil {
			return fmt.Errorf("%s: %w", bucket, err)
		}
	}
	return nil
}
