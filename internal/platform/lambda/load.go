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

// load reads all functions. Transitions that were interrupted are ended before it returns, so that every function that
// could be invoked before can be invoked again.
func (s *Service) load(ctx context.Context) error {
	drafts := map[string]*snapshot{}
	err := scan(ctx, s.cfg.Store, functionBucket, func(key string, r functionRecord) error {
		drafts[key] = newSnapshot(r)
		return nil
	})
	// of finds the function that a key belongs to, and the rest of the key.
	of := func(key string) (*snapshot, string, error) {
		name, rest, _ := strings.Cut(key, "/")
		if n := drafts[name]; n != nil {
			return n, rest, nil
		}
		return nil, "", fmt.Errorf("the store has %q, but no function %s", key, name)
	}
	// What records refer to must outlive the sweep; from then on the snapshots hold it.
	var held []string
	defer func() {
		for _, sha := range held {
			s.releaseCode(sha)
		}
	}()
	if err == nil {
		err = scan(ctx, s.cfg.Store, versionBucket, func(key string, r versionRecord) error {
			n, _, err := of(key)
			if err != nil {
				return err
			}
			for _, sha := range r.content() {
				s.codes.hold(sha)
				held = append(held, sha)
			}
			n.versions[r.Version] = &version{versionRecord: &r}
			return nil
		})
	}
	err = errors.Join(err,
		each(ctx, s, aliasBucket, of, func(n *snapshot) map[string]*aliasRecord { return n.aliases }),
		each(ctx, s, policyBucket, of, func(n *snapshot) map[string]*policyRecord { return n.policies }),
		each(ctx, s, asyncBucket, of, func(n *snapshot) map[string]*asyncRecord { return n.async }),
		each(ctx, s, urlBucket, of, func(n *snapshot) map[string]*urlRecord { return n.urls }),
		each(ctx, s, provisionedBucket, of, func(n *snapshot) map[string]*provisionedRecord { return n.warm }),
		each(ctx, s, runtimeBucket, of, func(n *snapshot) map[string]*runtimeRecord { return n.runtimes }),
		s.loadLayers(ctx),
		s.loadSigning(ctx),
	)
	if err != nil {
		return err
	}
	if err := s.codes.sweep(); err != nil {
		s.cfg.Logger.Warn("lambda: leftovers of deployment packages stay on disk", "error", err)
	}
	for name, n := range drafts {
		if err := s.revive(ctx, name, n); err != nil {
			return fmt.Errorf("function %s: %w", name, err)
		}
	}
	s.names.fill(slices.Collect(maps.Keys(drafts)))
	return nil
}

// revive puts a loaded function into service. Code that is lost or damaged fails its versions, and not the start.
func (s *Service) revive(ctx context.Context, name string, n *snapshot) error {
	if n.versions[latest] == nil {
		return fmt.Errorf("the store has no %s of it", latest)
	}
	b := &store.Batch{}
	for q, v := range n.versions {
		r := *v.versionRecord
		err := s.restore(&r)
		if err != nil {
			s.cfg.Logger.Error("lambda: the code of a version cannot be restored", "function", s.arn(name, q), "error", err)
			r.State = creating
		}
		if r.State.Value == pending || r.Update.Value == updateRunning {
			r = r.settled(err)
			if err := put(b, versionBucket, name+"/"+q, r); err != nil {
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
	f := &function{name: name}
	s.swap(f, n)
	s.functions.Store(name, f)
	for q, u := range n.urls {
		s.urls.Store(u.ID, urlTarget{name, q})
	}
	return nil
}

// each reads the records of one kind into the functions that they belong to.
func each[T any](ctx context.Context, s *Service, bucket string, of func(key string) (*snapshot, string, error), in func(*snapshot) map[string]*T) error {
	return scan(ctx, s.cfg.Store, bucket, func(key string, r T) error {
		n, q, err := of(key)
		if err == nil {
			in(n)[q] = &r
		}
		return err
	})
}

func scan[T any](ctx context.Context, st store.Store, bucket string, each func(key string, record T) error) error {
	for e, err := range st.Scan(ctx, bucket, store.Range{}) {
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
