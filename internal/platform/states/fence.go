package states

import (
	"bytes"
	"context"
	"errors"

	"github.com/tealdeploy/teal/internal/store"
)

// fence makes a batch fail when another engine has taken the lease since.
func (e *engine) fence(b *store.Batch) { b.ExpectValue(bucketLease, "engine", e.leaseRow) }

// lost tells whether another engine has taken the lease. Then everything that is open is its affair.
func (e *engine) lost() bool {
	if e.fenced.Load() {
		return true
	}
	row, err := e.s.store.Get(context.WithoutCancel(e.work), bucketLease, "engine")
	if err != nil && !errors.Is(err, store.ErrNotFound) || bytes.Equal(row, e.leaseRow) {
		return false
	}
	if !e.fenced.Swap(true) {
		e.s.log.Error("the executions were taken over by another process on the same store; this one writes nothing more")
	}
	return true
}
