package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/rollout"
)

// compare fills in the stretches of every function that has a blue: whole periods in which both versions had traffic
// through the alias, from the first one after the first shift, once their sums are final. Calls of exact versions are left
// out: no weight decided between blue and green there.
//
// What is slow is decided once, as the given quantile of blue's durations in the periods that are over by then. The quantile
// is read as CloudWatch's percentile, the slow requests as its trimmed count TC(limit:).
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
func (c *CloudWatch) compare(ctx context.Context, check rollout.Check, functions []rollout.Subject, seen []rollout.Observed, now time.Time) error {
	began := check.Started.Truncate(c.period).Add(c.period)
	final := now.Add(-c.settle).Truncate(c.period) // periods that begin before it are final
	if !began.Before(final) {
		return nil
	}
	var wants []want
	from := final
	stretches := make([]map[int64]*rollout.Stretch, len(functions))
	slow := make([]float64, len(functions)) // the latest quantile of blue's durations, ms
	for i, s := range functions {
		if s.Blue == "" {
			continue
		}
		first := began
		if s.Through.After(first) {
			first = s.Through.Truncate(c.period)
			if first.Before(s.Through) {
				first = first.Add(c.period)
			}
		}
		if !first.Before(final) {
			continue // nothing became final since the last look
		}
		if first.Before(from) {
			from = first
		}
		stretches[i] = map[int64]*rollout.Stretch{}
		at := func(t time.Time, set func(*rollout.Stretch, int64)) func(float64) {
			return func(v float64) {
				if t.Before(first) || !t.Before(final) {
					return
				}
				stretch, ok := stretches[i][t.Unix()]
				if !ok {
					stretch = &rollout.Stretch{From: t.UTC()}
					stretches[i][t.Unix()] = stretch
				}
				set(stretch, int64(v+0.5))
			}
		}
		ask := func(metric, stat, version string, set func(*rollout.Stretch, int64)) {
			alias := s.Ref.Alias
			if version == s.Blue {
				alias = s.BlueAlias()
			}
			dimensions := map[string]string{"FunctionName": s.Ref.Name, "Resource": s.Ref.Name + ":" + alias, "ExecutedVersion": version}
			wants = append(wants, c.statistic(metric, stat, dimensions, func(t time.Time, v float64) { at(t, set)(v) }))
		}
		ask("Invocations", "Sum", s.Blue, func(to *rollout.Stretch, n int64) { to.Blue.Requests = n })
		ask("Errors", "Sum", s.Blue, func(to *rollout.Stretch, n int64) { to.Blue.Errors = n })
		ask("Invocations", "Sum", s.Green, func(to *rollout.Stretch, n int64) { to.Green.Requests = n })
		ask("Errors", "Sum", s.Green, func(to *rollout.Stretch, n int64) { to.Green.Errors = n })
		switch {
		case check.Quantile <= 0:
		case s.SlowOver > 0:
			stat := fmt.Sprintf("TC(%g:)", float64(s.SlowOver)/float64(time.Millisecond))
			ask("Duration", stat, s.Blue, func(to *rollout.Stretch, n int64) { to.BlueSlow = n })
			ask("Duration", stat, s.Green, func(to *rollout.Stretch, n int64) { to.GreenSlow = n })
		default:
			dimensions := map[string]string{"FunctionName": s.Ref.Name, "Resource": s.Ref.Name + ":" + s.BlueAlias(), "ExecutedVersion": s.Blue}
			wants = append(wants, c.statistic("Duration", fmt.Sprintf("p%g", check.Quantile*100), dimensions, func(t time.Time, v float64) {
				if t.Before(final) {
					slow[i] = max(slow[i], v) // of single periods the highest: few requests in one make its quantile low
				}
			}))
		}
	}
	if len(wants) == 0 {
		return nil
	}
	if err := c.fetchAll(ctx, wants, from, final); err != nil {
		var api smithy.APIError
		if check.Quantile > 0 && errors.As(err, &api) && api.ErrorFault() == smithy.FaultClient {
			return fmt.Errorf("comparing latency needs the trimmed counts of Duration, which this endpoint may not serve: %w", err)
		}
		return err
	}
	for i := range functions {
		if stretches[i] == nil {
			continue
		}
		seen[i].Through = final.UTC()
		seen[i].SlowOver = time.Duration(slow[i] * float64(time.Millisecond))
		for _, s := range stretches[i] {
			// The metrics of an invocation may arrive in different periods.
			s.Blue.Requests, s.Green.Requests = max(s.Blue.Requests, s.Blue.Errors, s.BlueSlow), max(s.Green.Requests, s.Green.Errors, s.GreenSlow)
			if s.Blue.Requests+s.Green.Requests > 0 {
				seen[i].Stretches = append(seen[i].Stretches, *s)
			}
		}
		slices.SortFunc(seen[i].Stretches, func(a, b rollout.Stretch) int { return a.From.Compare(b.From) })
	}
	return nil
}
