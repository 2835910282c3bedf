package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/store"
)

const (
	delay       = 500 * time.Millisecond // that functions' events are collected; real time, as nothing depends on it
	maxPending  = 16 << 20               // bytes collected; beyond them events are dropped, and the log says how many
	soonPending = 1 << 20                // bytes collected at which they are written without delay
	chunkSize   = 128 << 10              // bytes at which a chunk is full
)

// Append takes events of a function's log and makes group and stream where there are none. It waits for nothing but a
// lock, and fails never: what cannot be kept is dropped, which the platform's own log tells.
func (s *Service) Append(groupName, streamName string, events iter.Seq2[time.Time, string]) {
	if err := s.load(); err != nil {
		s.cfg.Logger.Error("logs: what functions log is not kept: the groups cannot be read", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending > maxPending {
		s.cfg.Logger.Warn("logs: events were dropped, as the store cannot keep up", "group", groupName, "stream", streamName)
		return
	}
	g := s.groups[groupName]
	if g == nil {
		g = &group{groupRecord: groupRecord{Name: groupName, Created: s.now()}, streams: map[string]*stream{}}
		s.groups[groupName] = g
	}
	st := g.streams[streamName]
	if st == nil {
		st = s.newStream(g, streamName)
	}
	now := s.now()
	for at, message := range events {
		s.collect(st, at.UnixMilli(), now, message)
	}
	switch {
	case s.wake == nil:
		s.writeAfter(delay)
	case s.pending > soonPending && s.wake():
		s.writeAfter(0)
	}
}

// collect adds an event to those that the next write takes. s.mu is held.
func (s *Service) collect(st *stream, at, ingested int64, message string) {
	before := st.pending.Bytes
	st.pending.add(at, ingested, message)
	s.pending += int64(st.pending.Bytes - before)
	s.dirty[st] = true
}

// writeAfter sets the timer of the next write. s.mu is held.
func (s *Service) writeAfter(d time.Duration) {
	s.wake = time.AfterFunc(d, func() {
		if err := s.write(context.Background()); err != nil && !errors.Is(err, store.ErrClosed) {
			s.cfg.Logger.Error("logs: collected events could not be written", "error", err)
		}
	}).Stop
}

// taken is what one write takes of a stream.
type taken struct {
	st  *stream
	new events
}

// write writes what is collected; when it returns, all that was appended before is in the store.
func (s *Service) write(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	if s.wake != nil {
		s.wake()
		s.wake = nil
	}
	var all []taken
	for st := range s.dirty {
		all = append(all, taken{st, st.pending})
		s.pending -= int64(st.pending.Bytes)
		st.pending = events{}
	}
	clear(s.dirty)
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b taken) int { return strings.Compare(a.st.serial, b.st.serial) })
	var errs []error
	for len(all) > 0 {
		n := min(len(all), 256) // streams in one batch
		errs = append(errs, s.commit(ctx, all[:n]))
		all = all[n:]
	}
	return errors.Join(errs...)
}

// commit writes events of some streams in one batch, with the rows of groups and streams. s.writing is held.
func (s *Service) commit(ctx context.Context, all []taken) error {
	b := &store.Batch{}
	next := make([]streamRecord, len(all))
	for i, t := range all {
		s.mu.Lock()
		rec, gone := t.st.streamRecord, t.st.deleted
		g := s.groups[rec.Group]
		var row []byte
		if g != nil {
			row = encode(g.groupRecord)
		}
		s.mu.Unlock()
		if gone || g == nil {
			continue
		}
		if rec.Last == 0 { // the first events of a stream may be the first of its group
			b.Put(bucketGroups, g.Name, row)
		}
		if err := s.addChunk(ctx, b, t.st.serial, &rec, t.new); err != nil {
			return err
		}
		rec.Ingested = s.now()
		if rec.First == 0 || t.new.Min < rec.First {
			rec.First = t.new.Min
		}
		rec.Last = max(rec.Last, t.new.Max)
		rec.Bytes += int64(t.new.Bytes)
		b.Put(bucketStreams, t.st.serial, encode(rec))
		next[i] = rec
	}
	if len(b.Ops) == 0 {
		return nil
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range all {
		if next[i].Group != "" {
			t.st.streamRecord = next[i]
			s.bytes += int64(t.new.Bytes)
		}
	}
	if s.bytes > s.cfg.MaxBytes {
		select {
		case s.sweeps <- struct{}{}:
		default:
		}
	}
	return nil
}

// addChunk puts events into a stream's last chunk while there is room, or into a new one.
func (s *Service) addChunk(ctx context.Context, b *store.Batch, serial string, rec *streamRecord, add events) error {
	all := events{}
	if rec.Chunks > 0 && rec.Open < chunkSize/4 {
		last, err := s.chunk(ctx, chunkKey(serial, rec.Chunks))
		switch {
		case errors.Is(err, store.ErrNotFound): // it was pruned
			rec.Chunks++
		case err != nil:
			return fmt.Errorf("stream %s: %w", rec.Name, err)
		default:
			all = last
		}
	} else {
		rec.Chunks++
	}
	all.join(add)
	key := chunkKey(serial, rec.Chunks)
	b.Put(bucketEvents, key, all.data)
	b.Put(bucketChunks, key, encode(all.chunkRecord))
	rec.Open = all.Bytes
	return nil
}

// chunk reads a chunk.
func (s *Service) chunk(ctx context.Context, key string) (c events, err error) {
	if c.data, err = s.cfg.Store.Get(ctx, bucketEvents, key); err != nil {
		return c, err
	}
	row, err := s.cfg.Store.Get(ctx, bucketChunks, key)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(row, &c.chunkRecord); err != nil {
		return c, fmt.Errorf("chunk %s: %w", key, err)
	}
	return c, nil
}
