package health

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/rollout"
)

// Invoker calls an exact version of a function and waits for its answer. functionError is AWS's, such as Unhandled.
type Invoker interface {
	InvokeVersion(ctx context.Context, functionARN string, payload []byte) (result []byte, functionError string, err error)
}

// Synthetic makes the synthetic requests of a check, at the exact green version, and counts them apart.
type Synthetic struct {
	invoker Invoker
	now     func() time.Time
}

var _ Source = (*Synthetic)(nil)

// NewSynthetic makes the source; now may be nil for the machine's clock.
func NewSynthetic(invoker Invoker, now func() time.Time) *Synthetic {
	return &Synthetic{invoker: invoker, now: clockOr(now)}
}

// atOnce bounds how many synthetic requests are under way, so that they take no concurrency from real ones.
const atOnce = 5

// Observe implements Source. A call that could not be made is an error: it says nothing of green.
func (s *Synthetic) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	o := rollout.Observation{At: s.now()}
	var mu sync.Mutex
	var failure error
	for _, subject := range check.Subjects {
		if subject.Synthetic == nil {
			continue
		}
		seen := rollout.Observed{Ref: subject.Ref}
		slots := make(chan struct{}, atOnce)
		var wg sync.WaitGroup
		for range subject.Synthetic.Requests {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				_, functionError, err := s.invoker.InvokeVersion(ctx, subject.GreenARN, []byte(subject.Synthetic.Payload))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					failure = fmt.Errorf("synthetic request to %s: %w", subject.GreenARN, err)
				case functionError != "":
					seen.Synthetic.Errors++
					fallthrough
				default:
					seen.Synthetic.Requests++
				}
			})
		}
		wg.Wait()
		if failure != nil {
			return rollout.Observation{}, failure
		}
		o.Subjects = append(o.Subjects, seen)
	}
	return o, nil
}
