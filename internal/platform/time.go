package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Headers by which the platform tells that its time is not that of the machine; they are absent when it is.
const (
	ClockRateHeader = "X-Teal-Clock-Rate" // how many times as fast it runs
	ClockHeader     = "X-Teal-Clock"      // its time when the request came, in RFC 3339
)

const (
	clockBucket = "platform.clock"
	clockKey    = "mark"
	// clockLead is how far ahead platform time is reserved, in the machine's time. After a crash the platform goes on where
	// its reservation ended, so this is how much it may skip.
	clockLead = 2 * time.Second
)

// timekeeper is the platform's time where it is not the machine's: it runs at another rate, or is ahead because it once
// did. It never goes back over a restart: a time is shown only after a later one was stored.
type timekeeper struct {
	clock.Clock
	store store.Store
	log   *slog.Logger
	rate  float64

	mu     sync.Mutex
	stop   func() bool
	closed bool
}

// openClock makes the platform's clock. The second result is nil when platform time is that of base.
func openClock(ctx context.Context, base clock.Clock, rate float64, s store.Store, log *slog.Logger) (clock.Clock, *timekeeper, error) {
	if rate == 0 {
		rate = 1
	}
	start := base.Now()
	raw, err := s.Get(ctx, clockBucket, clockKey)
	switch {
	case err == nil:
		mark, err := time.Parse(time.RFC3339Nano, string(raw))
		if err != nil {
			return nil, nil, fmt.Errorf("the platform's stored time %q cannot be read: %w", raw, err)
		}
		if mark.After(start) {
			start = mark
		} else if rate == 1 {
			return base, nil, nil
		}
	case !errors.Is(err, store.ErrNotFound):
		return nil, nil, fmt.Errorf("the platform's stored time: %w", err)
	case rate == 1:
		return base, nil, nil
	}
	k := &timekeeper{store: s, log: log, rate: rate}
	if k.Clock, err = clock.Rate(base, rate, start); err != nil {
		return nil, nil, err
	}
	if err := k.reserve(ctx, k.lead()); err != nil {
		return nil, nil, err
	}
	k.extendLater()
	return k.Clock, k, nil
}

// lead is clockLead in platform time.
func (k *timekeeper) lead() time.Duration { return time.Duration(float64(clockLead) * k.rate) }

// reserve stores that platform time may be shown up to d from now.
func (k *timekeeper) reserve(ctx context.Context, d time.Duration) error {
	b := &store.Batch{}
	b.Put(clockBucket, clockKey, []byte(k.Now().Add(d).UTC().Format(time.RFC3339Nano)))
	if err := k.store.Commit(ctx, b); err != nil {
		return fmt.Errorf("storing the platform's time: %w", err)
	}
	return nil
}

func (k *timekeeper) extendLater() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.stop = k.AfterFunc(k.lead()/2, k.extend)
	}
}

func (k *timekeeper) extend() {
	k.mu.Lock()
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return
	}
	if err := k.reserve(context.Background(), k.lead()); err != nil {
		k.log.Error("platform time may go back after a crash", "error", err)
	}
	k.extendLater()
}

// close stores the present time, so that the next start skips nothing.
func (k *timekeeper) close() error {
	k.mu.Lock()
	k.closed = true
	k.stop()
	k.mu.Unlock()
	return k.reserve(context.Background(), 0)
}

// tell puts the headers on an answer.
func (k *timekeeper) tell(h http.Header) {
	h.Set(ClockRateHeader, strconv.FormatFloat(k.rate, 'g', -1, 64))
	h.Set(ClockHeader, k.Now().UTC().Format(time.RFC3339Nano))
}
