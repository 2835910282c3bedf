package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tealdeploy/teal/internal/store"
)

// load reads all functions. Transitions that were interrupted are ended before it returns, so that every function that
// could be invoked before can be invoked again.
func (s *Service) load(ctx context.Context) error {
	drafts := map[string]*snapshot{}
	err := scan(ctx, s.cfg.Store, functionBucket, func(key string, r functionRecord) error {
		drafts[key] = &snapshot{
			record: r, versions: map[string]*version{}, aliases: map[string]*aliasRecord{},
			policies: map[string]*policyRecord{}, async: map[string]*asyncRecord{},
		}
		if r.Reserved != nil {
			s.reserved.Add(int64(*r.Reserved))
		}
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
			s.codes.hold(r.Code.SHA256)
			held = append(held, r.Code.SHA256)
			n.versions[r.Version] = &version{versionRecord: &r}
			return nil
		})
	}
	if err == nil {
		err = scan(ctx, s.cfg.Store, aliasBucket, func(key string, r aliasRecord) error {
			n, q, err := of(key)
			if err == nil {
				n.aliases[q] = &r
			}
			return err
		})
	}
	if err == nil {
		err = scan(ctx, s.cfg.Store, policyBucket, func(key string, r policyRecord) error {
			n, q, err := of(key)
			if err == nil {
				n.policies[q] = &r
			}
			return err
		})
	}
	if err == nil {
		err = scan(ctx, s.cfg.Store, asyncBucket, func(key string, r asyncRecord) error {
			n, q, err := of(key)
			if err == nil {
				n.async[q] = &r
			}
			return err
		})
	}
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
		err := s.codes.restore(r.Code.SHA256)
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
	return nil
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
