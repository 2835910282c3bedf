// Package memory is a store that lives in the process's memory: for tests, simulations and throw-away platforms. It
// keeps every promise of store.Store but durability.
package memory

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"github.com/tealdeploy/teal/internal/store"
)

// New makes an empty store.
func New() store.Store { return &memory{buckets: map[string]*node{}} }

var _ store.Store = (*memory)(nil)

// memory keeps each bucket as a persistent tree, so that a snapshot is a root.
type memory struct {
	mu      sync.RWMutex
	buckets map[string]*node
	closed  bool
}

func (m *memory) root(bucket string) (*node, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, store.ErrClosed
	}
	return m.buckets[bucket], nil
}

func (m *memory) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := m.root(bucket)
	if err != nil {
		return nil, err
	}
	v, ok := root.get(key)
	if !ok {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func (m *memory) Scan(ctx context.Context, bucket string, r store.Range) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		root, err := m.root(bucket)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		n := 0
		root.walk(r, func(key string, value []byte) bool {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return false
			}
			n++
			return yield(store.Entry{Key: key, Value: bytes.Clone(value)}, nil) && n != r.Limit
		})
	}
}

func (m *memory) Commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return store.ErrClosed
	}
	for _, e := range b.Expects {
		v, ok := m.buckets[e.Bucket].get(e.Key)
		if ok == e.Absent || ok && !bytes.Equal(v, e.Value) {
			return store.ErrConflict
		}
	}
	for _, op := range b.Ops {
		if op.Delete {
			m.buckets[op.Bucket] = m.buckets[op.Bucket].without(op.Key)
		} else {
			m.buckets[op.Bucket] = m.buckets[op.Bucket].with(op.Key, op.Value)
		}
	}
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.buckets = true, nil
	return nil
}
