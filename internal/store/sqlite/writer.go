package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/tealdeploy/teal/internal/store"
)

const (
	// maxQueued bounds the batches that wait for the writer; more callers wait outside the queue.
	maxQueued = 4096
	// maxValue is SQLite's default limit of a row, less room for the key.
	maxValue = 900 << 20 // bytes
)

// writer owns the only connection that writes. Its one goroutine takes every batch that has queued up while the last
// transaction was being synced, and commits them in one transaction.
type writer struct {
	path string
	conn *sqlite.Conn

	slots chan struct{} // one token for each batch in the queue
	wake  chan struct{} // holds a token when the queue is not empty or closed
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	queue  []*request
	closed bool

	broken   error // the failure after which the file's state on the disk is unknown; only the goroutine uses it
	closeErr error
}

type request struct {
	batch *store.Batch
	done  chan struct{}
	err   error
}

func newWriter(path string, conn *sqlite.Conn) *writer {
	w := &writer{path: path, conn: conn, slots: make(chan struct{}, maxQueued), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, op := range b.Ops {
		if len(op.Value)+len(op.Key) > maxValue {
			return fmt.Errorf("store: the value of %s/%q has %d bytes; at most %d can be kept", op.Bucket, op.Key, len(op.Value), maxValue)
		}
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.done:
		return store.ErrClosed
	}
	r := &request{batch: b, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.slots
		return store.ErrClosed
	}
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	w.signal()
	<-r.done
	return r.err
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close commits what is queued, and releases the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.done
	return w.closeErr
}

func (w *writer) run() {
	defer close(w.done)
	var group []*request
	for {
		<-w.wake
		runtime.Gosched() // callers that are about to commit come into this group: a quarter fewer groups at 64 callers
		w.mu.Lock()
		group, w.queue = w.queue, group[:0]
		closed := w.closed
		w.mu.Unlock()
		if len(group) > 0 {
			w.commitGroup(group)
			for _, r := range group {
				<-w.slots
				close(r.done)
			}
			clear(group)
		}
		if closed {
			if w.closeErr = w.conn.Close(); w.closeErr != nil {
				w.closeErr = fmt.Errorf("store: closing %s: %w", w.path, w.closeErr)
			}
			return
		}
	}
}

// commitGroup sets the error of every request. An expectation that fails is the affair of its own batch; a failure of
// the database fails them all, because none of them was made durable.
func (w *writer) commitGroup(group []*request) {
	err := w.broken
	if err == nil {
		err = w.transact(group)
	}
	if err == nil {
		return
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultIOErr, sqlite.ResultCorrupt, sqlite.ResultNotADB:
		// After a failed fsync nobody knows what is on the disk: writing on would build on sand.
		if w.broken == nil {
			w.broken = fmt.Errorf("store: writing %s: %w; check the disk and start again: everything acknowledged before is kept", w.path, err)
		}
		err = w.broken
	default:
		err = fmt.Errorf("store: writing %s: %w", w.path, err)
	}
	for _, r := range group {
		r.err = err
	}
}

func (w *writer) transact(group []*request) error {
	if err := execute(w.conn, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range group {
		if err := w.apply(r); err != nil {
			return errors.Join(err, w.rollback())
		}
	}
	if err := execute(w.conn, "COMMIT"); err != nil {
		return errors.Join(err, w.rollback())
	}
	return nil
}

func (w *writer) rollback() error {
	if w.conn.AutocommitEnabled() { // SQLite has rolled back by itself
		return nil
	}
	return execute(w.conn, "ROLLBACK")
}

// apply checks the expectations before it changes anything, so that a batch that is refused needs no undoing.
func (w *writer) apply(r *request) error {
	for _, e := range r.batch.Expects {
		v, found, err := get(w.conn, e.Bucket, e.Key)
		if err != nil {
			return err
		}
		if found == e.Absent || found && !bytes.Equal(v, e.Value) {
			r.err = store.ErrConflict
			return nil
		}
	}
	for _, op := range r.batch.Ops {
		query := "INSERT OR REPLACE INTO kv (bucket, key, value) VALUES (?, ?, ?)"
		if op.Delete {
			query = "DELETE FROM kv WHERE bucket = ? AND key = ?"
		}
		stmt, err := w.conn.Prepare(query)
		if err != nil {
			return err
		}
		stmt.BindText(1, op.Bucket)
		stmt.BindText(2, op.Key)
		if !op.Delete {
			stmt.BindBytes(3, op.Value)
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
	}
	return nil
}

func execute(conn *sqlite.Conn, query string) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	for {
		row, err := stmt.Step()
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if !row {
			return nil
		}
	}
}
