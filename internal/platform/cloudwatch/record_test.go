package cloudwatch

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"pgregory.net/rapid"
)

// whole aggregates a whole day of a metric.
func whole(s *Service, namespace, metric string) summary {
	var all summary
	m := &types.Metric{Namespace: &namespace, MetricName: &metric}
	now := s.cfg.Clock.Now()
	for _, b := range aggregate(s.find(m, ""), windowOf(now.Add(-24*time.Hour), now.Add(time.Hour), 60), 60) {
		all.merge(&b.summary, queryEntries)
	}
	return all
}

// Nothing that is recorded from many goroutines while the clock moves and readers read is lost or counted twice.
func TestRecordConcurrently(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	const goroutines, each = 8, 5000
	var recorders, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				whole(s, "N", "M")
			}
		}
	})
	for g := range goroutines {
		recorders.Go(func() {
			record := s.Series("N", "M", "Count")
			for i := range each {
				record(float64(g + 1))
				if i%100 == 0 {
					clk.advance(500 * time.Millisecond)
				}
			}
		})
	}
	recorders.Wait()
	close(stop)
	readers.Wait()
	got := whole(s, "N", "M")
	wantSum := float64(each * goroutines * (goroutines + 1) / 2)
	if got.n != goroutines*each || got.sum != wantSum || got.min != 1 || got.max != goroutines {
		t.Errorf("got n %v, sum %v, min %v, max %v; want %d, %v, 1, %d", got.n, got.sum, got.min, got.max, goroutines*each, wantSum, goroutines)
	}
}

// Percentiles of the histogram stay within its resolution of those of the sorted values, however the values are spread
// over seconds.
func TestPercentilesAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(
			rapid.Float64Range(0.5, 5000), rapid.Float64Range(-100, 100), rapid.Just(0.0), rapid.Just(1.0),
		), 1, 400).Draw(t, "values")
		var parts []summary
		for chunk := range slices.Chunk(values, rapid.IntRange(1, 50).Draw(t, "chunk")) {
			var in summary
			for _, v := range chunk {
				in.add(v, 1, liveEntries)
			}
			parts = append(parts, in)
		}
		var all summary
		for i := range parts {
			all.merge(&parts[i], queryEntries)
		}
		sorted := slices.Sorted(slices.Values(values))
		for _, p := range []float64{0, 1, 25, 50, 90, 99, 99.9, 100} {
			want := sorted[max(0, int(math.Ceil(p/100*float64(len(sorted))*(1-1e-12)))-1)]
			got, ok := all.percentile(p)
			if tolerance := math.Abs(want)/128 + 1e-300; !ok || math.Abs(got-want) > tolerance {
				t.Fatalf("p%v of %v is %v, want %v", p, values, got, want)
			}
		}
	})
}

// A distribution never passes its limit, and its counts and sums stay exact.
func TestDistributionIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var d distribution
	n, sum := 0.0, 0.0
	for range 20_000 {
		v := math.Exp(rng.NormFloat64() * 30)
		if rng.IntN(4) == 0 {
			v = -v
		}
		d.add(v, 1, secondEntries)
		n++
		sum += v
		if len(d.entries) > secondEntries {
			t.Fatalf("%d entries, limit %d", len(d.entries), secondEntries)
		}
	}
	gotN, gotSum := 0.0, 0.0
	for i, e := range d.entries {
		gotN += e.n
		gotSum += e.sum
		if i > 0 && d.entries[i-1].key >= e.key {
			t.Fatalf("keys are not rising at %d", i)
		}
	}
	if gotN != n || math.Abs(gotSum-sum) > 1e-9*math.Abs(sum) {
		t.Errorf("kept n %v of %v, sum %v of %v", gotN, n, gotSum, sum)
	}
}

// Data leaves in time: seconds after three hours, minutes after fifteen days.
func TestRetention(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	record := s.Series("N", "M", "Count")
	record(1)
	points := func(period int32) int {
		q := query{series: s.find(&types.Metric{Namespace: aws.String("N"), MetricName: aws.String("M")}, ""), period: int64(period), stat: basicStatistics["Sum"]}
		return len(q.points(clk.Now().Add(-16*24*time.Hour), clk.Now().Add(time.Minute)))
	}
	for _, step := range []struct {
		after           time.Duration
		seconds, minute int
	}{
		{0, 1, 1},
		{2 * time.Hour, 2, 2},
		{2 * time.Hour, 2, 3}, // the first second is gone
		{14 * 24 * time.Hour, 1, 4},
		{25 * time.Hour, 1, 2}, // the first three minutes are gone
	} {
		clk.advance(step.after)
		if step.after > 0 {
			record(1)
		}
		if sec, minute := points(1), points(60); sec != step.seconds || minute != step.minute {
			t.Errorf("after %v more: %d seconds and %d minutes, want %d and %d", step.after, sec, minute, step.seconds, step.minute)
		}
	}
}

// However much is recorded, memory stays near its bound and the newest data stays.
func TestMemoryIsBounded(t *testing.T) {
	clk := newHandClock()
	const bound = 1 << 20
	s := newService(t, Config{Clock: clk, MaxBytes: bound})
	rng := rand.New(rand.NewPCG(3, 4))
	record := s.Series("N", "M", "Milliseconds")
	for range 3 * 60 * 60 {
		for range 20 {
			record(math.Exp(rng.NormFloat64()))
		}
		clk.advance(time.Second)
	}
	if got := s.bytes.Load(); got <= 0 || got > bound+bound/4 {
		t.Errorf("%d bytes are counted, the bound is %d", got, bound)
	}
	q := query{series: s.find(&types.Metric{Namespace: aws.String("N"), MetricName: aws.String("M")}, ""), period: 1, stat: basicStatistics["SampleCount"]}
	points := q.points(clk.Now().Add(-time.Minute), clk.Now())
	if len(points) != 60 {
		t.Errorf("the last minute has %d seconds", len(points))
	}
	var counted int64
	for _, sr := range s.series {
		for _, tl := range []*timeline{&sr.seconds, &sr.minutes} {
			for i := range tl.spans {
				counted += spanBytes + tl.spans[i].extra()
			}
		}
	}
	if counted != s.bytes.Load() {
		t.Errorf("%d bytes are there, %d are counted", counted, s.bytes.Load())
	}
}

func TestMetricsAreBounded(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk, MaxMetrics: 2})
	s.Series("N", "Pinned", "Count")(1)
	if s.get("N", "Put", nil, "", false) == nil {
		t.Fatal("the second metric was refused")
	}
	s.Series("N", "Third", "Count")(1)
	if len(s.series) != 2 {
		t.Fatalf("%d metrics", len(s.series))
	}
	// The put one is dead after fifteen days; the pinned one stays.
	clk.advance(16 * 24 * time.Hour)
	s.Series("N", "Third", "Count")(1)
	if len(s.find(&types.Metric{Namespace: aws.String("N"), MetricName: aws.String("Third")}, "")) != 1 ||
		len(s.find(&types.Metric{Namespace: aws.String("N"), MetricName: aws.String("Pinned")}, "")) != 1 {
		t.Errorf("metrics are %v", s.series)
	}
}

func BenchmarkRecordConstant(b *testing.B) {
	record := newService(b, Config{}).Series("AWS/Lambda", "Invocations", "Count", "FunctionName", "f")
	b.ReportAllocs()
	for b.Loop() {
		record(1)
	}
}

func BenchmarkRecordDuration(b *testing.B) {
	record := newService(b, Config{}).Series("AWS/Lambda", "Duration", "Milliseconds", "FunctionName", "f")
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 1<<12)
	for i := range values {
		values[i] = 5 * math.Exp(rng.NormFloat64()/2)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		record(values[i&(len(values)-1)])
		i++
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	record := newService(b, Config{}).Series("AWS/Lambda", "Invocations", "Count", "FunctionName", "f")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			record(1)
		}
	})
}
