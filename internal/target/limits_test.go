package target

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Requests of many at once stay within the bucket and its rate over every window, by the limiter's own clock.
func TestLimiterKeepsToTheRate(t *testing.T) {
	l := newLimiter()
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := start
	l.now = func() time.Time { return now }
	var mu sync.Mutex
	var sent []time.Time
	l.sleep = func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, now.Add(d))
		return nil
	}
	for range 100 {
		if err := l.take(t.Context(), "Lambda", "UpdateAlias"); err != nil {
			t.Fatal(err)
		}
	}
	_, lim, _ := limitOf("Lambda", "UpdateAlias")
	for i, at := range sent {
		for j := i; j < len(sent); j++ {
			if n, most := float64(j-i+1), lim.burst+lim.rate*sent[j].Sub(at).Seconds()+1e-6; n > most+1 {
				t.Fatalf("%v requests within %s, of at most %v", n, sent[j].Sub(at), most)
			}
		}
	}
	if last := sent[99].Sub(start); last < 8*time.Second || last > 9*time.Second {
		t.Errorf("100 requests took %s; 85 beyond the burst at 10 a second take 8.5 s", last)
	}
	// One operation does not wait for another's bucket, and idleness fills it up to its size only.
	sent = nil
	now = now.Add(time.Hour)
	for range 16 {
		_ = l.take(t.Context(), "Lambda", "GetAlias")
	}
	_ = l.take(t.Context(), "SFN", "UpdateStateMachineAlias")
	if !sent[14].Equal(now) || !sent[15].After(now) || !sent[16].Equal(now) {
		t.Errorf("after an hour: %v", sent)
	}
	if _, _, ok := limitOf("Lambda", "Invoke"); ok {
		t.Error("invocations are held back")
	}
}
