package cloudwatch

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// With the system's clock, values get the second in which they were recorded, and an idle service has no timer.
func TestSecondHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, Config{})
		record := s.Series("N", "M", "Count")
		start := time.Now()
		var want []int64
		at := func(offset time.Duration) {
			time.Sleep(offset - time.Since(start))
			synctest.Wait()
			record(1)
			if sec := time.Now().Unix(); len(want) == 0 || want[len(want)-1] != sec {
				want = append(want, sec)
			}
		}
		for _, offset := range []time.Duration{
			300 * time.Millisecond, 900 * time.Millisecond, 1100 * time.Millisecond, 2500 * time.Millisecond, 6 * time.Second,
			time.Minute, time.Minute + time.Second/2, 2 * time.Hour,
		} {
			at(offset)
		}
		var got []int64
		for _, sr := range s.series {
			sr.read(start.Unix(), start.Unix()+10_000, true, func(at int64, _ *summary) { got = append(got, at) })
		}
		if !slices.Equal(got, want) {
			t.Errorf("recorded at seconds %v, want %v", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if at := s.hand.now.Load(); at != 0 {
			t.Errorf("the hand still points at %d after a minute without a record", at)
		}
	})
}
