package health

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Metrics is the part of CloudWatch's client that is needed. GetMetricDataAPIClient of the SDK is the same.
type Metrics interface {
	GetMetricData(ctx context.Context, in *cloudwatch.GetMetricDataInput, options ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

var _ Metrics = (*cloudwatch.Client)(nil)

// CloudWatchConfig says how CloudWatch is asked.
type CloudWatchConfig struct {
	Client Metrics
	// Period is how fine the data is, in whole seconds; default 1 min, which is what AWS keeps of Lambda's metrics. An endpoint
	// that keeps finer data gives verdicts sooner with 1 s.
	Period time.Duration
	// Settle is how long after its end the sums of a period are final; default 2 min, or a period where that is below 1 min.
	Settle time.Duration
	Now    func() time.Time // default time.Now
}

// CloudWatch counts invocations and errors of function versions. An invocation through the alias has the dimensions
// FunctionName, Resource=name:alias and ExecutedVersion; a call of the exact version, as a pinned workflow makes it, has
// Resource=name:version. Both are counted: they are traffic of the same version.
//
// The window begins with the step. CloudWatch keeps sums of whole periods, so what happened in the period in which the step
// began counts too. For green that is green's own traffic as well. Calls of the exact version count from the next period
// on, so that tests before the traffic are not taken for traffic.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type CloudWatch struct {
	client Metrics
	period time.Duration
	settle time.Duration
	now    func() time.Time
}

var _ Source = (*CloudWatch)(nil)

// NewCloudWatch makes the source. It fails on a period that CloudWatch does not take: 1, 5, 10, 20 or 30 s, or whole minutes.
func NewCloudWatch(c CloudWatchConfig) (*CloudWatch, error) {
	if c.Period == 0 {
		c.Period = time.Minute
	}
	switch c.Period {
	case time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second:
	default:
		if c.Period < 0 || c.Period%time.Minute != 0 {
			return nil, fmt.Errorf("a metric period of %s is not possible: use 1s, 5s, 10s, 20s, 30s or whole minutes", c.Period)
		}
	}
	if c.Client == nil {
		return nil, fmt.Errorf("health from CloudWatch needs a client")
	}
	if c.Settle == 0 {
		c.Settle = 2 * time.Minute
		if c.Period < time.Minute {
			c.Settle = c.Period
		}
	}
	return &CloudWatch{client: c.Client, period: c.Period, settle: c.Settle, now: clockOr(c.Now)}, nil
}

// queriesPerCall is GetMetricData's limit.
const queriesPerCall = 500

// want is one statistic that is asked for.
type want struct {
	query types.MetricDataQuery
	take  func(at time.Time, v float64) // gets the value of every period
}

// Observe implements Source for functions.
func (c *CloudWatch) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	now := c.now()
	o := rollout.Observation{At: now}
	functions := subjects(check, release.KindFunction)
	o.Subjects = make([]rollout.Observed, len(functions))
	from := check.Since.Truncate(c.period)
	next := from
	if next.Before(check.Since) {
		next = next.Add(c.period)
	}
	var wants []want
	for i, s := range functions {
		o.Subjects[i].Ref = s.Ref
		for _, side := range []struct {
			version, alias string
			counts         *rollout.Counts
		}{{s.Blue, s.BlueAlias(), &o.Subjects[i].Blue}, {s.Green, s.Ref.Alias, &o.Subjects[i].Green}} {
			if side.version == "" {
				continue
			}
			through := map[string]string{"FunctionName": s.Ref.Name, "Resource": s.Ref.Name + ":" + side.alias, "ExecutedVersion": side.version}
			exact := map[string]string{"FunctionName": s.Ref.Name, "Resource": s.Ref.Name + ":" + side.version}
			wants = append(wants,
				c.sum("Invocations", through, &side.counts.Requests, from), c.sum("Errors", through, &side.counts.Errors, from))
			if s.Synthetic == nil { // else calls of the exact version are those of the synthetic source
				wants = append(wants, c.sum("Invocations", exact, &side.counts.Requests, next), c.sum("Errors", exact, &side.counts.Errors, next))
			}
		}
	}
	if err := c.fetchAll(ctx, wants, from, now.Truncate(c.period).Add(c.period)); err != nil {
		return rollout.Observation{}, wrap("CloudWatch", err)
	}
	if check.Compare {
		if err := c.compare(ctx, check, functions, o.Subjects, now); err != nil {
			return rollout.Observation{}, wrap("CloudWatch", err)
		}
	}
	for i := range o.Subjects {
		s := &o.Subjects[i]
		// The two metrics of an invocation may arrive in different minutes.
		s.Blue.Requests, s.Green.Requests = max(s.Blue.Requests, s.Blue.Errors), max(s.Green.Requests, s.Green.Errors)
	}
	return o, nil
}

// sum asks for the sum of a metric of AWS/Lambda from a time on.
func (c *CloudWatch) sum(metric string, dimensions map[string]string, into *int64, from time.Time) want {
	return c.statistic(metric, "Sum", dimensions, func(at time.Time, v float64) {
		if !at.Before(from) {
			*into += int64(v + 0.5)
		}
	})
}

// statistic asks for a statistic of a metric of AWS/Lambda.
func (c *CloudWatch) statistic(metric, stat string, dimensions map[string]string, take func(time.Time, float64)) want {
	m := &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: aws.String(metric)}
	for _, name := range []string{"FunctionName", "Resource", "ExecutedVersion"} {
		if v, ok := dimensions[name]; ok {
			m.Dimensions = append(m.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(v)})
		}
	}
	return want{take: take, query: types.MetricDataQuery{
		ReturnData: aws.Bool(true),
		MetricStat: &types.MetricStat{Metric: m, Period: aws.Int32(int32(c.period / time.Second)), Stat: aws.String(stat)},
	}}
}

// fetchAll asks for any number of statistics.
func (c *CloudWatch) fetchAll(ctx context.Context, wants []want, from, to time.Time) error {
	for len(wants) > 0 {
		n := min(len(wants), queriesPerCall)
		if err := c.fetch(ctx, wants[:n], from, to); err != nil {
			return err
		}
		wants = wants[n:]
	}
	return nil
}

// fetch asks for at most queriesPerCall statistics.
func (c *CloudWatch) fetch(ctx context.Context, wants []want, from, to time.Time) error {
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(from), EndTime: aws.Time(to), ScanBy: types.ScanByTimestampAscending}
	byID := map[string]want{}
	for i, w := range wants {
		id := fmt.Sprintf("q%d", i)
		w.query.Id = aws.String(id)
		byID[id] = w
		in.MetricDataQueries = append(in.MetricDataQueries, w.query)
	}
	for range maxPages {
		out, err := c.client.GetMetricData(ctx, in)
		if err != nil {
			return err
		}
		for _, r := range out.MetricDataResults {
			w, ok := byID[aws.ToString(r.Id)]
			if !ok || r.StatusCode == types.StatusCodeForbidden || r.StatusCode == types.StatusCodeInternalError || len(r.Timestamps) != len(r.Values) {
				return fmt.Errorf("GetMetricData answered %q for query %q (%d values, %d times)", r.StatusCode, aws.ToString(r.Id), len(r.Values), len(r.Timestamps))
			}
			for i, v := range r.Values {
				w.take(r.Timestamps[i], v)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return fmt.Errorf("GetMetricData gave more than %d pages; use a longer period", maxPages)
}
