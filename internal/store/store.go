// Package store is the embedded database: ordered keys in buckets, with atomic, durable batches.
//
// Store is a port: SQLite is the embedded default, and every implementation passes the suite in storetest.
package store

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound is returned by Get for a key that is not there.
var ErrNotFound = errors.New("store: key not found")

// ErrConflict is returned by Commit when an expectation of the batch does not hold; nothing of the batch is applied.
var ErrConflict = errors.New("store: an expectation of the batch does not hold")

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("store: closed")

// Store keeps byte values under (bucket, key). All methods may be called from any goroutine.
type Store interface {
	// Get returns the value of a key, or ErrNotFound.
	Get(ctx context.Context, bucket, key string) ([]byte, error)

	// Scan yields the entries of a bucket with from <= key < to in ascending order of the keys' bytes, or descending
	// with r.Reverse; an empty To means no upper end. It sees one consistent snapshot. The sequence ends after an error.
	Scan(ctx context.Context, bucket string, r Range) iter.Seq2[Entry, error]

	// Commit applies the whole batch, or nothing of it. When it returns nil the batch survives kill -9 and power loss.
	// Concurrent commits are written together (group commit) and applied in the order in which Commit was called.
	// ctx bounds the wait for a place in the queue, not the write: after an error of ctx the batch was not applied.
	Commit(ctx context.Context, b *Batch) error

	// Close waits for commits under way and releases the database. It is idempotent.
	Close() error
}

// Range bounds a Scan. Limit 0 means no limit.
type Range struct {
	From, To string
	Reverse  bool
	Limit    int
}

// Prefix gives the range of all keys that begin with p.
func Prefix(p string) Range {
	end := []byte(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return Range{From: p, To: string(end[:i+1])}
		}
	}
	return Range{From: p}
}

// Entry is one key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// Batch collects changes that are applied together, in order. The zero value is an empty batch. A batch is not safe for
// concurrent use and must not be changed once it was handed to Commit.
type Batch struct {
	Ops     []Op
	Expects []Expectation
}

// Op is one change: a put, or with Delete the removal of a key (removing what is not there is no error).
type Op struct {
	Bucket, Key string
	Value       []byte
	Delete      bool
}

// Expectation must hold for the batch to be applied: the key has exactly Value, or, with Absent, does not exist.
type Expectation struct {
	Bucket, Key string
	Value       []byte
	Absent      bool
}

// Put sets a key.
func (b *Batch) Put(bucket, key string, value []byte) {
	b.Ops = append(b.Ops, Op{Bucket: bucket, Key: key, Value: value})
}

// Delete removes a key.
func (b *Batch) Delete(bucket, key string) {
	b.Ops = append(b.Ops, Op{Bucket: bucket, Key: key, Delete: true})
}

// ExpectAbsent makes the batch fail with ErrConflict when the key exists.
func (b *Batch) ExpectAbsent(bucket, key string) {
	b.Expects = append(b.Expects, Expectation{Bucket: bucket, Key: key, Absent: true})
}

// ExpectValue makes the batch fail with ErrConflict when the key does not have exactly this value.
func (b *Batch) ExpectValue(bucket, key string, value []byte) {
	b.Expects = append(b.Expects, Expectation{Bucket: bucket, Key: key, Value: value})
}
