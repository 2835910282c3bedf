// Package health sees how blue and green do. It counts; judging is rollout.Judge's.
//
// Sources: CloudWatch's metrics per function version, its alarms, the executions of state machine versions, HTTP probes, and
// synthetic requests to exact versions.
package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Source looks at the subjects of a check that it knows about, and leaves the others out. It may be called from several
// goroutines. An error means that it could not look: no data is not an error.
type Source interface {
	Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error)
}

// All asks several sources at once and puts together what they see; counts of the same alias add up. When one fails, all
// do: half of what is needed must not look like the whole.
func All(sources ...Source) Source { return all(sources) }

type all []Source

func (a all) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	seen := make([]rollout.Observation, len(a))
	errs := make([]error, len(a))
	var wg sync.WaitGroup
	for i, source := range a {
		wg.Go(func() { seen[i], errs[i] = source.Observe(ctx, check) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return rollout.Observation{}, err
	}
	var whole rollout.Observation
	place := map[release.Ref]int{}
	for _, o := range seen {
		if whole.At.Before(o.At) {
			whole.At = o.At
		}
		whole.Findings = append(whole.Findings, o.Findings...)
		for _, s := range o.Subjects {
			i, ok := place[s.Ref]
			if !ok {
				place[s.Ref] = len(whole.Subjects)
				whole.Subjects = append(whole.Subjects, s)
				continue
			}
			w := &whole.Subjects[i]
			w.Blue, w.Green, w.Synthetic = add(w.Blue, s.Blue), add(w.Green, s.Green), add(w.Synthetic, s.Synthetic)
			if len(w.Stretches) == 0 && w.Through.IsZero() { // only one source of an alias has them
				w.Stretches, w.Through, w.SlowOver = s.Stretches, s.Through, s.SlowOver
			}
			if w.Unseen == "" {
				w.Unseen = s.Unseen
			}
		}
	}
	return whole, nil
}

func add(a, b rollout.Counts) rollout.Counts {
	return rollout.Counts{Requests: a.Requests + b.Requests, Errors: a.Errors + b.Errors, Running: a.Running + b.Running}
}

// maxPages bounds how many pages of an answer are read for one version. More is an error, not a sample.
const maxPages = 50

// subjects are those of one kind.
func subjects(check rollout.Check, kind release.Kind) []rollout.Subject {
	var of []rollout.Subject
	for _, s := range check.Subjects {
		if s.Ref.Kind == kind {
			of = append(of, s)
		}
	}
	return of
}

func clockOr(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

func wrap(what string, err error) error { return fmt.Errorf("health from %s: %w", what, err) }
