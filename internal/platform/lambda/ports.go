package lambda

import (
	"context"

	"github.com/tealdeploy/teal/internal/pool"
)

// Executor runs invocations in execution environments; *pool.Pool is the one of the platform. Its methods may be called
// from any goroutine.
type Executor interface {
	// Invoke runs f once. What the function does wrong (timeouts, crashes and failed starts included) is told in the
	// Result; an error means that the platform could not run it: pool.ErrThrottled, *pool.RuntimeMissingError, or another
	// failure of the platform itself. ctx never ends: an invocation goes on when its caller has gone.
	Invoke(ctx context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error)
	// Retire gives the environments of the function with this ID no new work: idle ones end now, busy ones when done.
	Retire(id string)
	// Check returns nil when functions of this runtime can run on this machine, and otherwise an error that names what
	// is missing and how to get it. runtime is one of AWS's identifiers, such as python3.12.
	Check(runtime string) error
}

// Meter records metrics. Series gives a function that records one value now in the series of this namespace, metric and
// dimensions (name, value pairs); both may be called from any goroutine.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}
