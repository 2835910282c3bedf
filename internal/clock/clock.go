// Package clock is the one place from which the platform takes its time, so that waiting can be tested and compressed.
package clock

import "time"

// Clock tells the time and calls back. All methods may be called from any goroutine.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once d has passed on this clock; a d of zero or less means at once.
	// stop withdraws the call and reports whether it did so before the call began.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// System is the machine's clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
