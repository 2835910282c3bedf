package cloudwatch

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// series is the data of one metric with one unit.
//
// Recording touches only an accumulator of the present second; there are several, so that recorders on several cores
// do not wait for one another. The accumulators are emptied into the timelines when their second is over and before
// every reading. Lock order: accumulator, then series.
type series struct {
	svc  *Service
	key  seriesKey
	dims []types.Dimension // in order of their names
	unit types.StandardUnit
	// pinned series are held by a recorder and stay for as long as the service.
	pinned bool // guarded by Service.mu

	// used is when a caller last asked for the series, in seconds since 1970: it is not forgotten under its hands.
	used atomic.Int64

	live []accumulator

	mu      sync.Mutex
	seconds timeline
	minutes timeline
	last    int64 // newest data, in seconds since 1970
	total   total // of what was recorded since the start
}

// accumulator gathers the values of one second. Its size keeps neighbours off each other's cache lines.
type accumulator struct {
	mu sync.Mutex
	at int64
	in summary
	_  [64]byte
}

// shardCount is how many accumulators a series has: enough that recorders on all cores seldom meet, within reason.
func shardCount() int {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < 8 {
		n *= 2
	}
	return n
}

func (s *Service) newSeries(k seriesKey, dims []types.Dimension, unit types.StandardUnit) *series {
	return &series{
		svc: s, key: k, dims: dims, unit: unit,
		live:    make([]accumulator, s.shards),
		seconds: timeline{width: 1, limit: secondEntries},
		minutes: timeline{width: 60, limit: minuteEntries},
	}
}

// record adds one value now. NaN and infinities are no data.
func (s *series) record(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	now := s.svc.hand.read()
	a := s.free()
	if a.at != now {
		s.empty(a)
		a.at = now
		s.svc.hand.active.Store(now)
		s.svc.writeLater()
	}
	a.in.add(v, 1, liveEntries)
	a.mu.Unlock()
}

// free returns an accumulator, locked: the first that nobody else has.
func (s *series) free() *accumulator {
	for i := range s.live {
		if s.live[i].mu.TryLock() {
			return &s.live[i]
		}
	}
	a := &s.live[len(s.live)-1]
	a.mu.Lock()
	return a
}

// empty moves what a has gathered into the timelines. The caller holds a's lock.
func (s *series) empty(a *accumulator) {
	if a.in.n == 0 {
		return
	}
	s.store(a.at, &a.in, true)
	s.mu.Lock()
	s.total.add(&a.in, s.unit == types.StandardUnitMilliseconds)
	s.mu.Unlock()
	a.in = summary{}
}

// store adds data of the second at. What is older than is kept is dropped.
func (s *series) store(at int64, in *summary, highResolution bool) {
	now := s.svc.cfg.Clock.Now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	var grown int64
	if at >= now-keepMinutes {
		grown += s.minutes.add(at, in)
		s.last = max(s.last, at)
	}
	if at >= now-keepSeconds {
		if !highResolution {
			at -= at % 60
		}
		grown += s.seconds.add(at, in)
	}
	grown -= s.expire(now)
	if at >= now-keepMinutes {
		s.svc.changed(s, at)
	}
	s.fit(grown, now)
}

// expire forgets what is older than is kept; the caller holds the lock and accounts for the bytes.
func (s *series) expire(now int64) int64 {
	return s.seconds.dropBefore(now-keepSeconds) + s.minutes.dropBefore(now-keepMinutes-60)
}

// fit accounts for what the series grew by, and makes room when that is too much; the caller holds the lock.
func (s *series) fit(grown, now int64) {
	held := s.svc.bytes.Add(grown)
	for held > s.svc.cfg.MaxBytes {
		freed := s.shed(now)
		if freed == 0 {
			return
		}
		held = s.svc.bytes.Add(-freed)
	}
}

// shed makes room when the service holds too much: the older half of this series' seconds, else of its minutes.
func (s *series) shed(now int64) int64 {
	const spare = 300 // seconds that a check may still look at
	if n := len(s.seconds.spans); n > 0 && s.seconds.spans[0].at < now-spare {
		return s.seconds.dropBefore(min(s.seconds.spans[n/2].at, now-spare) + 1)
	}
	if n := len(s.minutes.spans); n > 1 {
		s.svc.dropRows(s.key, s.minutes.spans[:n/2])
		return s.minutes.dropBefore(s.minutes.spans[n/2].at)
	}
	return 0
}

// settle empties the accumulators, so that a reader sees all that was recorded before.
func (s *series) settle() {
	for i := range s.live {
		a := &s.live[i]
		a.mu.Lock()
		s.empty(a)
		a.mu.Unlock()
	}
}

// read calls each with every summary in [from, to), of seconds or of minutes. The summaries must not be kept.
func (s *series) read(from, to int64, bySecond bool, each func(at int64, in *summary)) {
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.minutes
	if bySecond {
		t = &s.seconds
	}
	for i := t.find(from); i < len(t.spans) && t.spans[i].at < to; i++ {
		each(t.spans[i].at, &t.spans[i].summary)
	}
}

// lastData returns the time of the newest data in seconds since 1970, 0 when there is none.
func (s *series) lastData() int64 {
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.svc.bytes.Add(-s.expire(s.svc.cfg.Clock.Now().Unix()))
	return s.last
}
