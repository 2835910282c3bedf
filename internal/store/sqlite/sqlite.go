// Package sqlite is the embedded store: one SQLite file in write-ahead mode, one writer that commits many batches with
// one fsync, and as many readers as are asked for. SQLite itself runs inside the process, without cgo.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/tealdeploy/teal/internal/store"
)

// idleReaders bounds the read connections that are kept open between calls, and the Gets that run at once: to open a
// connection costs far more than to wait for one.
const idleReaders = 8

var _ store.Store = (*db)(nil)

// db is the store over one file.
type db struct {
	path string
	lock *lock
	w    *writer

	idle chan *sqlite.Conn
	gets chan struct{} // one for each Get under way

	mu      sync.RWMutex // guards closed, and readers.Add against readers.Wait
	closed  bool
	closing chan struct{}
	readers sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Open opens the database file at path, and makes it, with its folder, when it is not there. The file belongs to this
// process until Close.
//
// It fails with *InUseError when another process or another call holds the file, with *NewerFormatError when a newer
// Teal wrote it, and with *ForeignFileError when the file is no database of Teal's. In these cases nothing is changed.
func Open(path string) (store.Store, error) {
	fresh, err := makeFolder(path)
	if err != nil {
		return nil, err
	}
	l, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	conn, err := openWriter(path)
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	if err := syncFolders(path, fresh); err != nil {
		return nil, errors.Join(err, conn.Close(), l.release())
	}
	s := &db{path: path, lock: l, idle: make(chan *sqlite.Conn, idleReaders), gets: make(chan struct{}, idleReaders), closing: make(chan struct{})}
	s.w = newWriter(path, conn)
	return s, nil
}

// reader takes an idle connection or opens one: a scan may hold other calls, so there is no bound to wait at but that of
// the Gets, which hold none.
func (s *db) reader(ctx context.Context) (*sqlite.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	var conn *sqlite.Conn
	select {
	case conn = <-s.idle:
	default:
		var err error
		if conn, err = openReader(s.path); err != nil {
			return nil, fmt.Errorf("store: opening %s to read: %w", s.path, err)
		}
	}
	s.readers.Add(1)
	return conn, nil
}

func (s *db) release(conn *sqlite.Conn) {
	defer s.readers.Done()
	select {
	case s.idle <- conn:
	default:
		_ = conn.Close() // it only read: nothing can be lost
	}
}

func (s *db) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	select {
	case s.gets <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.gets }()
	conn, err := s.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release(conn)
	v, found, err := get(conn, bucket, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("store: reading %s/%q: %w", bucket, key, err)
	case !found:
		return nil, store.ErrNotFound
	}
	return v, nil
}

func get(conn *sqlite.Conn, bucket, key string) (value []byte, found bool, err error) {
	stmt, err := conn.Prepare("SELECT value FROM kv WHERE bucket = ? AND key = ?")
	if err != nil {
		return nil, false, err
	}
	stmt.BindText(1, bucket)
	stmt.BindText(2, key)
	if found, err = stmt.Step(); err != nil || !found {
		return nil, false, err
	}
	value = column(stmt, 0)
	return value, true, stmt.Reset()
}

func column(stmt *sqlite.Stmt, col int) []byte {
	v := make([]byte, stmt.ColumnLen(col))
	stmt.ColumnBytes(col, v)
	return v
}

func (s *db) Scan(ctx context.Context, bucket string, r store.Range) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		conn, err := s.reader(ctx)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		defer s.release(conn)
		if err := s.scan(ctx, conn, bucket, r, yield); err != nil {
			yield(store.Entry{}, err)
		}
	}
}

// scan returns the error that is still to be yielded.
func (s *db) scan(ctx context.Context, conn *sqlite.Conn, bucket string, r store.Range, yield func(store.Entry, error) bool) error {
	query := "SELECT key, value FROM kv WHERE bucket = ?1 AND key >= ?2"
	if r.To != "" {
		query += " AND key < ?3"
	}
	if r.Reverse {
		query += " ORDER BY key DESC"
	} else {
		query += " ORDER BY key"
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return fmt.Errorf("store: scanning %s: %w", bucket, err)
	}
	defer func() { _ = stmt.Reset() }() // repeats the error of Step
	stmt.BindText(1, bucket)
	stmt.BindText(2, r.From)
	if r.To != "" {
		stmt.BindText(3, r.To)
	}
	for n := 0; r.Limit == 0 || n < r.Limit; n++ {
		row, err := stmt.Step()
		if err != nil {
			return fmt.Errorf("store: scanning %s: %w", bucket, err)
		}
		if !row {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-s.closing:
			return store.ErrClosed
		default:
		}
		if !yield(store.Entry{Key: stmt.ColumnText(0), Value: column(stmt, 1)}, nil) {
			return nil
		}
	}
	return nil
}

func (s *db) Commit(ctx context.Context, b *store.Batch) error { return s.w.commit(ctx, b) }

// Close ends scans under way with ErrClosed at their next entry, and waits for them: it must not be called inside one.
func (s *db) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		close(s.closing)
		s.mu.Unlock()
		s.readers.Wait()
		errs := []error{}
		for {
			select {
			case conn := <-s.idle:
				errs = append(errs, conn.Close())
				continue
			default:
			}
			break
		}
		errs = append(errs, s.w.close(), s.lock.release())
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}
