package cloudwatch

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
)

// secondHand tells the present second for less than reading the clock costs, which would be most of a recording. While
// something is recorded a timer moves it at every full second; when nothing has been for some seconds it stops, so that
// an idle service has no timer. It may lag behind by as long as a timer callback is late, so it is used with the
// system's clock only: a test's clock must be obeyed to the letter.
type secondHand struct {
	clock clock.Clock
	moves bool

	now    atomic.Int64 // the present second; 0 while stopped
	active atomic.Int64 // the newest second in which something was recorded
	mu     sync.Mutex   // starting and stopping
}

// idleSeconds is for how long nothing is recorded before the hand stops.
const idleSeconds = 5

func (h *secondHand) init(c clock.Clock) {
	h.clock, h.moves = c, c == clock.System
}

// read returns the present second.
func (h *secondHand) read() int64 {
	if at := h.now.Load(); at != 0 {
		return at
	}
	return h.start()
}

func (h *secondHand) start() int64 {
	now := h.clock.Now()
	if !h.moves {
		return now.Unix()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := h.now.Load(); at != 0 {
		return at
	}
	h.active.Store(now.Unix())
	h.set(now)
	return now.Unix()
}

// set points the hand at now and asks to be woken at the next full second; the caller holds mu.
func (h *secondHand) set(now time.Time) {
	h.now.Store(now.Unix())
	h.clock.AfterFunc(now.Truncate(time.Second).Add(time.Second).Sub(now), h.move)
}

func (h *secondHand) move() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	if now.Unix()-h.active.Load() > idleSeconds {
		h.now.Store(0)
		return
	}
	h.set(now)
}
