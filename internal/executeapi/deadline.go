package executeapi

import (
	"context"
	"sync"
	"time"
)

// Deadline is a context that ends when its time is over, and for no other reason. Asking when that is costs nothing; only whoever
// waits for it pays for a timer. So who is sure to be done before needs no second goroutine to be able to give up.
type Deadline struct {
	context.Context // its values
	at              time.Time

	once   sync.Once
	timed  context.Context
	cancel context.CancelFunc
}

// Deadline gives the context of a backend call: bounded by the integration's timeout, and not by the client's patience. The
// function frees what waiting for it took.
func (x *Request) Deadline(timeout time.Duration) (*Deadline, context.CancelFunc) {
	d := &Deadline{Context: context.WithoutCancel(x.R.Context()), at: time.Now().Add(timeout)}
	return d, d.free
}

// Left is the time until d ends.
func (d *Deadline) Left() time.Duration { return time.Until(d.at) }

// Deadline is when d ends.
func (d *Deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done is closed when d ends.
func (d *Deadline) Done() <-chan struct{} { return d.timer().Done() }

// Err is context.DeadlineExceeded once d has ended, or context.Canceled once it was given back.
func (d *Deadline) Err() error { return d.timer().Err() }

func (d *Deadline) timer() context.Context {
	d.once.Do(func() { d.timed, d.cancel = context.WithDeadline(d.Context, d.at) })
	return d.timed
}

func (d *Deadline) free() {
	d.once.Do(func() { d.timed, d.cancel = context.Background(), func() {} })
	d.cancel()
}
