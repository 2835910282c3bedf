package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// How metrics are kept over a restart. Memory answers every question; the store holds
//   - what PutMetricData has acknowledged, from before the acknowledgement until it is in what follows,
//   - every minute of every metric, with its seconds for three hours, written behind.
//
// So what was put survives kill -9; what the platform itself recorded loses at most the last writeDelay.
const (
	putBucket    = "cloudwatch.put"     // serial → putRecord
	minuteBucket = "cloudwatch.minutes" // minute, series → spanRecord
	secondBucket = "cloudwatch.seconds" // minute, series → []spanRecord

	writeDelay = 10 * time.Second // of the machine's time, from the first change to its writing
	expireRows = 10_000           // that are too old, removed at one time
)

// keeper writes metrics behind.
type keeper struct {
	mu      sync.Mutex
	dirty   map[*series]map[int64]bool // minutes, in units of 60 s since 1970
	dropped []string                   // keys of minutes that memory has no room for
	serial  int64                      // of the newest put
	first   int64                      // of this start; older puts are what load adds
	loaded  chan struct{}              // closed when the store has been read
	failed  error                      // why it could not be; read after loaded
	writing sync.Mutex                 // one writer
	armed   atomic.Bool                // a write will be soon
}

// putRecord is one acknowledged PutMetricData.
type putRecord struct {
	Namespace string     `json:"n"`
	Points    []putPoint `json:"p"`
}

type putPoint struct {
	Metric string     `json:"m"`
	Dims   []string   `json:"d,omitempty"` // name, value, …
	Unit   string     `json:"u,omitempty"`
	Fine   bool       `json:"f,omitempty"` // of high resolution
	Span   spanRecord `json:"s"`
}

// spanRecord is a span as it is stored.
type spanRecord struct {
	At     int64        `json:"t"`
	N      float64      `json:"n"`
	Sum    float64      `json:"s"`
	Min    float64      `json:"a"`
	Max    float64      `json:"b"`
	Opaque bool         `json:"o,omitempty"`
	Shift  uint8        `json:"w,omitempty"`
	Dist   [][3]float64 `json:"d,omitempty"` // key, count, sum
}

func recordOf(at int64, in *summary) spanRecord {
	r := spanRecord{At: at, N: in.n, Sum: in.sum, Min: in.min, Max: in.max, Opaque: in.opaque}
	if in.dist != nil {
		r.Shift = in.dist.shift
		for _, e := range in.dist.entries {
			r.Dist = append(r.Dist, [3]float64{float64(e.key), e.n, e.sum})
		}
	}
	return r
}

func (r *spanRecord) summary() summary {
	s := summary{n: r.N, sum: r.Sum, min: r.Min, max: r.Max, opaque: r.Opaque}
	if len(r.Dist) > 0 {
		s.dist = &distribution{shift: r.Shift}
		for _, e := range r.Dist {
			s.dist.entries = append(s.dist.entries, entry{int32(e[0]), e[1], e[2]})
		}
	}
	return s
}

// A row's key begins with its minute, so that what is too old is one range.
func minuteKey(minute int64) string { return fmt.Sprintf("%010d", minute) }

func spanKey(minute int64, k seriesKey) string {
	return strings.Join([]string{minuteKey(minute), k.namespace, k.metric, k.unit, k.dims}, "\x01")
}

// openSpanKey reads a key back; false when it is none.
func openSpanKey(key string) (seriesKey, []types.Dimension, bool) {
	parts := strings.SplitN(key, "\x01", 5)
	if len(parts) != 5 {
		return seriesKey{}, nil, false
	}
	fields := strings.Split(strings.TrimSuffix(parts[4], "\x00"), "\x00")
	var dims []types.Dimension
	for i := 0; i+1 < len(fields); i += 2 {
		dims = append(dims, types.Dimension{Name: aws.String(fields[i]), Value: aws.String(fields[i+1])})
	}
	return seriesKey{namespace: parts[1], metric: parts[2], unit: parts[3], dims: parts[4]}, dims, true
}

// keepPut stores what PutMetricData is about to acknowledge.
func (s *Service) keepPut(ctx context.Context, namespace string, points []point) error {
	r := putRecord{Namespace: namespace}
	for i := range points {
		p := &points[i]
		q := putPoint{Metric: *p.datum.MetricName, Unit: string(p.datum.Unit), Fine: p.highResolution, Span: recordOf(p.at, &p.in)}
		for _, d := range p.datum.Dimensions {
			q.Dims = append(q.Dims, *d.Name, *d.Value)
		}
		r.Points = append(r.Points, q)
	}
	v, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("cloudwatch: metrics cannot be written: %w", err)
	}
	s.keep.mu.Lock()
	s.keep.serial++
	key := putKey(s.keep.serial)
	s.keep.mu.Unlock()
	b := &store.Batch{}
	b.Put(putBucket, key, v)
	return s.cfg.Store.Commit(ctx, b)
}

// changed notes that a minute of a series is to be written, and sees to it that it is.
func (s *Service) changed(sr *series, at int64) {
	k := &s.keep
	k.mu.Lock()
	defer k.mu.Unlock()
	minutes := k.dirty[sr]
	if minutes == nil {
		minutes = map[int64]bool{}
		k.dirty[sr] = minutes
	}
	minutes[at/60] = true
	s.writeLater()
}

// writeLater sees to it that there is a write soon.
func (s *Service) writeLater() {
	k := &s.keep
	if !s.watching.Load() || !k.armed.CompareAndSwap(false, true) {
		return
	}
	delay := time.Duration(float64(writeDelay) * clock.RateOf(s.cfg.Clock))
	s.cfg.Clock.AfterFunc(delay, func() {
		k.armed.Store(false)
		if s.alarms.lifetime.Err() != nil {
			return // Close writes
		}
		if err := s.write(context.Background()); err != nil && !errors.Is(err, store.ErrClosed) {
			s.cfg.Logger.Error("cloudwatch: metrics could not be written; trying again with the next", "error", err)
		}
	})
}

// dropRows has the rows of minutes removed that memory has no room for: the store is bounded as memory is.
func (s *Service) dropRows(k seriesKey, spans []span) {
	s.keep.mu.Lock()
	defer s.keep.mu.Unlock()
	for i := range spans {
		s.keep.dropped = append(s.keep.dropped, spanKey(spans[i].at/60, k))
	}
}

// write stores what has changed, and removes the puts that are in it and what is too old. After an error what was not
// written is tried again the next time.
func (s *Service) write(ctx context.Context) error {
	<-s.keep.loaded
	if s.keep.failed != nil {
		return s.keep.failed
	}
	s.keep.writing.Lock()
	defer s.keep.writing.Unlock()
	s.putting.Lock() // no put is between its storing and its adding
	s.settleAll()
	s.keep.mu.Lock()
	dirty, dropped, upTo := s.keep.dirty, s.keep.dropped, s.keep.serial
	s.keep.dirty, s.keep.dropped = map[*series]map[int64]bool{}, nil
	s.keep.mu.Unlock()
	rows, err := s.rowsOf(dirty)
	s.putting.Unlock()
	if err == nil {
		err = s.commitRows(ctx, rows, dropped, upTo)
	}
	if err != nil {
		s.keep.mu.Lock()
		s.keep.dropped = append(s.keep.dropped, dropped...)
		for sr, minutes := range dirty {
			for m := range minutes {
				if s.keep.dirty[sr] == nil {
					s.keep.dirty[sr] = map[int64]bool{}
				}
				s.keep.dirty[sr][m] = true
			}
		}
		s.keep.mu.Unlock()
	}
	return err
}

// settleAll empties the accumulators of all series, which notes what has changed.
func (s *Service) settleAll() {
	s.mu.RLock()
	all := make([]*series, 0, len(s.series))
	for _, sr := range s.series {
		all = append(all, sr)
	}
	s.mu.RUnlock()
	for _, sr := range all {
		sr.settle()
	}
}

func (s *Service) rowsOf(dirty map[*series]map[int64]bool) ([]store.Op, error) {
	var rows []store.Op
	add := func(bucket, key string, v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("cloudwatch: metrics cannot be written: %w", err)
		}
		rows = append(rows, store.Op{Bucket: bucket, Key: key, Value: b})
		return nil
	}
	fine := s.cfg.Clock.Now().Unix() - keepSeconds
	for sr, minutes := range dirty {
		for m := range minutes {
			key := spanKey(m, sr.key)
			var whole []spanRecord
			var seconds []spanRecord
			sr.mu.Lock()
			for t, into := range map[*timeline]*[]spanRecord{&sr.minutes: &whole, &sr.seconds: &seconds} {
				for i := t.find(m * 60); i < len(t.spans) && t.spans[i].at < (m+1)*60; i++ {
					*into = append(*into, recordOf(t.spans[i].at, &t.spans[i].summary))
				}
			}
			sr.mu.Unlock()
			if len(whole) == 1 {
				if err := add(minuteBucket, key, whole[0]); err != nil {
					return nil, err
				}
			}
			if len(seconds) > 0 && m*60 >= fine {
				if err := add(secondBucket, key, seconds); err != nil {
					return nil, err
				}
			}
		}
	}
	return rows, nil
}

// commitRows writes rows and removes the puts that they hold: in one batch, so that no put is counted twice.
func (s *Service) commitRows(ctx context.Context, rows []store.Op, dropped []string, upTo int64) error {
	b := &store.Batch{Ops: rows}
	for _, key := range dropped {
		b.Delete(minuteBucket, key)
	}
	now := s.cfg.Clock.Now().Unix()
	for bucket, old := range map[string]store.Range{
		putBucket:    {To: putKey(upTo + 1)},
		minuteBucket: {To: minuteKey((now - keepMinutes) / 60), Limit: expireRows},
		secondBucket: {To: minuteKey((now - keepSeconds) / 60), Limit: expireRows},
	} {
		for row, err := range s.cfg.Store.Scan(ctx, bucket, old) {
			if err != nil {
				return err
			}
			b.Delete(bucket, row.Key)
		}
	}
	return s.cfg.Store.Commit(ctx, b)
}

func putKey(serial int64) string { return fmt.Sprintf("%019d", serial) }

// openKeeper finds out which put is the next, and has the rest of the store read meanwhile.
func (s *Service) openKeeper(ctx context.Context) error {
	k := &s.keep
	k.dirty, k.loaded = map[*series]map[int64]bool{}, make(chan struct{})
	for row, err := range s.cfg.Store.Scan(ctx, putBucket, store.Range{Reverse: true, Limit: 1}) {
		if err == nil {
			k.serial, err = strconv.ParseInt(row.Key, 10, 64)
		}
		if err != nil {
			return fmt.Errorf("cloudwatch: stored metrics: %w", err)
		}
	}
	k.first = k.serial + 1
	go s.load(s.alarms.lifetime)
	return nil
}

// load reads what the store has; recording goes on meanwhile, reading waits.
func (s *Service) load(ctx context.Context) {
	defer close(s.keep.loaded)
	if err := s.loadRows(ctx); err != nil {
		s.keep.failed = fmt.Errorf("cloudwatch: stored metrics cannot be read: %w", err)
		if ctx.Err() == nil {
			s.cfg.Logger.Error("this start goes on without stored metrics, and keeps none", "error", s.keep.failed)
		}
	}
}

func (s *Service) loadRows(ctx context.Context) error {
	now := s.cfg.Clock.Now().Unix()
	for _, from := range []struct {
		bucket string
		oldest int64
	}{{minuteBucket, now - keepMinutes}, {secondBucket, now - keepSeconds}} {
		for row, err := range s.cfg.Store.Scan(ctx, from.bucket, store.Range{From: minuteKey(from.oldest / 60)}) {
			if err != nil {
				return err
			}
			k, dims, ok := openSpanKey(row.Key)
			if !ok {
				return fmt.Errorf("the key %q is none of a metric", row.Key)
			}
			var spans []spanRecord
			if from.bucket == secondBucket {
				err = json.Unmarshal(row.Value, &spans)
			} else {
				spans = make([]spanRecord, 1)
				err = json.Unmarshal(row.Value, &spans[0])
			}
			if err != nil {
				return fmt.Errorf("the row %q: %w", row.Key, err)
			}
			if sr := s.get(k.namespace, k.metric, dims, types.StandardUnit(k.unit), false); sr != nil {
				sr.restore(spans, from.bucket == secondBucket, now)
			}
		}
	}
	for row, err := range s.cfg.Store.Scan(ctx, putBucket, store.Range{To: putKey(s.keep.first)}) {
		if err != nil {
			return err
		}
		var r putRecord
		if err := json.Unmarshal(row.Value, &r); err != nil {
			return fmt.Errorf("the put %s: %w", row.Key, err)
		}
		for _, p := range r.Points {
			var dims []types.Dimension
			for i := 0; i+1 < len(p.Dims); i += 2 {
				dims = append(dims, types.Dimension{Name: aws.String(p.Dims[i]), Value: aws.String(p.Dims[i+1])})
			}
			if sr := s.get(r.Namespace, p.Metric, dims, types.StandardUnit(p.Unit), false); sr != nil {
				in := p.Span.summary()
				sr.store(p.Span.At, &in, p.Fine)
			}
		}
	}
	return nil
}

// restore adds what was stored to one of the timelines.
func (s *series) restore(spans []spanRecord, seconds bool, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, keep := &s.minutes, int64(keepMinutes)
	if seconds {
		t, keep = &s.seconds, keepSeconds
	}
	var grown int64
	for i := range spans {
		if spans[i].At < now-keep {
			continue
		}
		in := spans[i].summary()
		grown += t.add(spans[i].At, &in)
		s.last = max(s.last, spans[i].At)
	}
	s.fit(grown, now)
}
