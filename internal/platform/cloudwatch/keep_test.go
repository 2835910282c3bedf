package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// mortalStore fails commits while it is broken, and for ever once it is dead, as those of a killed process.
type mortalStore struct {
	store.Store
	broken, dead bool
}

func (b *mortalStore) Commit(ctx context.Context, batch *store.Batch) error {
	if b.broken || b.dead {
		return errors.New("the disk is full")
	}
	return b.Store.Commit(ctx, batch)
}

func (b *mortalStore) rows(t *testing.T, bucket string) (n int) {
	t.Helper()
	for _, err := range b.Scan(context.Background(), bucket, store.Range{}) {
		must(t, err)
		n++
	}
	return n
}

func put(s *Service, value float64) error {
	_, err := s.PutMetricData(context.Background(), &awscw.PutMetricDataInput{
		Namespace: aws.String("Shop"), MetricData: []types.MetricDatum{{MetricName: aws.String("Latency"), Value: &value, Dimensions: dims("b", "2", "a", "1"), StorageResolution: aws.Int32(1)}},
	})
	return err
}

// figures are what a metric has, by the minute and by the second, whatever the units.
func figures(s *Service, namespace, metric string, d ...string) string {
	now := s.cfg.Clock.Now()
	m := &types.Metric{Namespace: &namespace, MetricName: &metric, Dimensions: dims(d...)}
	var out string
	for _, period := range []int64{60, 1} {
		var all summary
		n := 0
		for _, b := range aggregate(s.find(m, ""), windowOf(now.Add(-time.Hour), now.Add(time.Minute), period), period) {
			all.merge(&b.summary, queryEntries)
			n++
		}
		p, _ := all.percentile(50)
		out += fmt.Sprintf("[%d: n %g, sum %g, min %g, max %g, p50 %g]", n, all.n, all.sum, all.min, all.max, p)
	}
	return out
}

// Whatever was acknowledged is there after a crash at any time, once: with and without a write in between, twice in a row.
func TestPutSurvivesCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &mortalStore{Store: memory.New()}
		open := func() *Service {
			s := newService(t, Config{Store: st})
			s.Watch(&functions{})
			return s
		}
		rng := rand.New(rand.NewPCG(1, 2))
		s, want := open(), newService(t, Config{})
		for range 40 {
			v := float64(rng.IntN(1000))
			st.broken = rng.IntN(5) == 0
			if err := put(s, v); (err != nil) != st.broken {
				t.Fatalf("broken %v: %v", st.broken, err)
			}
			if !st.broken {
				must(t, put(want, v))
			}
			time.Sleep(time.Duration(rng.IntN(12)) * time.Second)
			synctest.Wait()
			st.broken = false
			switch rng.IntN(4) {
			case 0: // killed: the old service does nothing more
				st.dead = true
				st = &mortalStore{Store: st.Store}
				s = open()
			case 1:
				must(t, s.Close())
				s = open()
			}
			if got, want := figures(s, "Shop", "Latency", "a", "1", "b", "2"), figures(want, "Shop", "Latency", "a", "1", "b", "2"); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		}
		must(t, s.Close())
		if n := st.rows(t, putBucket); n != 0 {
			t.Errorf("%d puts are left after a clean end", n)
		}
	})
}

// What the platform records is written behind, and what is too old leaves the store.
func TestRecordedIsWrittenBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &mortalStore{Store: memory.New()}
		s := newService(t, Config{Store: st})
		s.Watch(&functions{})
		record := s.Series("AWS/Lambda", "Duration", "Milliseconds", "FunctionName", "f")
		for i := range 100 {
			record(float64(i))
			if i%10 == 0 {
				time.Sleep(time.Second)
			}
		}
		want := figures(s, "AWS/Lambda", "Duration", "FunctionName", "f")
		time.Sleep(2 * writeDelay)
		synctest.Wait()
		again := newService(t, Config{Store: st}) // the first was killed
		if got := figures(again, "AWS/Lambda", "Duration", "FunctionName", "f"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		must(t, again.Close())
		time.Sleep(4 * time.Hour)
		record(1)
		time.Sleep(2 * writeDelay)
		synctest.Wait()
		if m, sec := st.rows(t, minuteBucket), st.rows(t, secondBucket); m < 2 || sec != 1 {
			t.Errorf("after four hours there are %d minutes and %d rows of seconds", m, sec)
		}
		time.Sleep(16 * 24 * time.Hour)
		record(1)
		must(t, s.Close())
		if m, sec := st.rows(t, minuteBucket), st.rows(t, secondBucket); m != 1 || sec != 1 {
			t.Errorf("after sixteen days there are %d minutes and %d rows of seconds", m, sec)
		}
	})
}

// The store is bounded as memory is.
func TestStoreIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &mortalStore{Store: memory.New()}
		s := newService(t, Config{Store: st, MaxBytes: 64 << 10})
		s.Watch(&functions{})
		record := s.Series("N", "M", "Count")
		for range 3000 {
			record(1)
			time.Sleep(time.Minute)
		}
		must(t, s.Close())
		if n := st.rows(t, minuteBucket); n > (64<<10)/spanBytes+2 {
			t.Errorf("%d minutes are stored", n)
		}
	})
}
