package clock

import (
	"fmt"
	"time"
)

// Bounds of a rate. Beyond the upper one, a timer's own lateness of a millisecond would be many seconds.
const (
	MinRate = 0.001
	MaxRate = 10000
)

// Rate makes a clock that is at start now and from then on runs rate times as fast as base: what waits on it for a
// minute is called after a minute/rate. It fails for a rate beyond MinRate and MaxRate.
func Rate(base Clock, rate float64, start time.Time) (Clock, error) {
	if !(rate >= MinRate && rate <= MaxRate) {
		return nil, fmt.Errorf("a clock's rate is between %v and %v, not %v", MinRate, MaxRate, rate)
	}
	return &fast{base: base, rate: rate, anchor: base.Now(), start: start.Round(0)}, nil
}

type fast struct {
	base   Clock
	rate   float64
	anchor time.Time // of base, with its monotonic reading: setting the machine's clock does not move this one
	start  time.Time
}

func (f *fast) Now() time.Time {
	return f.at(f.base.Now())
}

func (f *fast) at(base time.Time) time.Time {
	return f.start.Add(time.Duration(float64(base.Sub(f.anchor)) * f.rate))
}

func (f *fast) AfterFunc(d time.Duration, call func()) func() bool {
	if d <= 0 {
		return f.base.AfterFunc(0, call)
	}
	// Rounded up: who is called must not find that the time has not come.
	return f.base.AfterFunc(time.Duration(float64(d)/f.rate)+1, call)
}

// Of tells what c showed, or will show, when the machine's clock shows t. c is System, or was made by Rate of a clock that
// goes by the machine's; any other is taken to show t.
func Of(c Clock, t time.Time) time.Time {
	if f, ok := c.(*fast); ok {
		return f.at(t)
	}
	return t
}

// RateOf tells how fast a clock runs; 1 for one that was not made by Rate.
func RateOf(c Clock) float64 {
	if f, ok := c.(*fast); ok {
		return f.rate
	}
	return 1
}
