package cloudwatch

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// highResolution is how often alarms with periods of less than a minute are evaluated; all others are each minute.
const highResolution = 10 * time.Second

// Watch begins to evaluate alarms, and takes actions that are still to be taken, through invoker. It is called once.
func (s *Service) Watch(invoker Invoker) {
	s.alarms.mu.Lock()
	defer s.alarms.mu.Unlock()
	s.alarms.invoker = invoker
	s.watching.Store(true)
	for _, r := range s.alarms.byName {
		s.act(r, nil)
	}
	s.schedule()
}

// schedule sets the timer for the next evaluation; without alarms there is none. The caller holds alarms.mu.
func (s *Service) schedule() {
	a := &s.alarms
	if a.closed || a.invoker == nil {
		return
	}
	next := s.nextEvaluation()
	if next.Equal(a.wakeAt) {
		return
	}
	if a.wake != nil {
		a.wake()
		a.wake = nil
	}
	if a.wakeAt = next; !next.IsZero() {
		a.wake = s.cfg.Clock.AfterFunc(next.Sub(s.cfg.Clock.Now()), s.tick)
	}
}

// nextEvaluation is when an alarm is next to be looked at, the zero time when there is nothing to look at.
func (s *Service) nextEvaluation() (next time.Time) {
	now := s.cfg.Clock.Now().UTC()
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	c := &change{s: s, now: now}
	for _, r := range s.alarms.byName {
		switch {
		case r.Metric == nil:
			if _, until := c.hold(r); !until.IsZero() {
				sooner(until)
			}
		case r.watched.metric.Period < 60:
			sooner(now.Truncate(highResolution).Add(highResolution))
		default:
			sooner(now.Truncate(time.Minute).Add(time.Minute))
		}
	}
	return next
}

// tick evaluates what is due. What cannot be written now is evaluated anew the next time.
func (s *Service) tick() {
	if s.alarms.lifetime.Err() != nil {
		return
	}
	err := s.changeAlarms(s.alarms.lifetime, func(c *change) error {
		s.alarms.wakeAt = time.Time{}
		minute := c.now.Unix() / 60
		whole := minute != s.alarms.minute
		s.alarms.minute = minute
		for _, name := range c.names() {
			if r := c.get(name); r.Metric != nil && (whole || r.watched.metric.Period < 60) {
				c.evaluateMetric(r)
			}
		}
		return nil
	})
	if err != nil && s.alarms.lifetime.Err() == nil {
		s.cfg.Logger.Error("cloudwatch: alarms could not be evaluated", "error", err)
	}
}

// evaluateMetric judges a metric alarm by the periods that are over.
func (c *change) evaluateMetric(r *alarmRecord) {
	w := r.watched
	unit := min(w.metric.Period, 60)
	end := c.now.Unix()
	end -= end % unit
	points, err := c.s.datapoints(w, end)
	if err != nil {
		c.s.cfg.Logger.Warn("cloudwatch: an alarm cannot be evaluated", "alarm", r.name(), "error", err)
		if r.Metric.EvaluationState != types.EvaluationStateEvaluationError {
			n := r.copy()
			n.Metric.EvaluationState = types.EvaluationStateEvaluationError
			c.put(n)
		}
		return
	}
	v := w.metric.Evaluate(points, end, c.now)
	if r.Metric.EvaluationState != "" {
		n := r.copy()
		n.Metric.EvaluationState = ""
		c.put(n)
		r = n
	}
	if v.Keep || r.Evaluated && v.State == r.condition().state {
		return
	}
	c.move(r, condition{state: v.State, reason: v.Reason, data: v.Data})
}

// metricWatch is a metric alarm made ready for evaluation.
type metricWatch struct {
	metric  alarm.Metric
	queries []types.MetricDataQuery
	single  bool // one metric, no expression: samples are known
}

// watchOf reads what a metric alarm watches; the alarm was checked when it was put.
func (s *Service) watchOf(m *types.MetricAlarm) (*metricWatch, error) {
	w := &metricWatch{queries: m.Metrics, metric: alarm.Metric{
		Comparison: string(m.ComparisonOperator), Threshold: aws.ToFloat64(m.Threshold), Periods: int(aws.ToInt32(m.EvaluationPeriods)),
		ToAlarm: int(aws.ToInt32(m.DatapointsToAlarm)), Missing: aws.ToString(m.TreatMissingData), Period: int64(aws.ToInt32(m.Period)),
		Statistic: string(m.Statistic), Unit: string(m.Unit),
	}}
	if len(m.Metrics) == 0 {
		name := string(m.Statistic)
		if m.ExtendedStatistic != nil {
			name = *m.ExtendedStatistic
			w.metric.Statistic = name
			if p, ok := percentileOf(name); ok && aws.ToString(m.EvaluateLowSampleCountPercentile) == "ignore" {
				w.metric.Percentile = p
			}
		}
		w.single = true
		w.queries = []types.MetricDataQuery{{Id: aws.String("m"), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: m.Namespace, MetricName: m.MetricName, Dimensions: m.Dimensions},
			Period: m.Period, Stat: &name, Unit: m.Unit,
		}}}
	}
	queries, err := s.readQueries(w.queries)
	if err != nil {
		return nil, err
	}
	if w.single {
		return w, nil
	}
	for i, q := range queries {
		switch {
		case q.maths == nil && w.metric.Period == 0, q.maths != nil && q.period > 0 && w.metric.Period == 0:
			w.metric.Period = q.period
		case q.maths == nil && q.period != w.metric.Period:
			return nil, validation("Metrics list contains metrics with different periods; all metrics of an alarm have the same one.")
		}
		if q.returned && q.maths == nil && len(queries) == 1 {
			w.single, w.metric.Statistic = true, aws.ToString(w.queries[i].MetricStat.Stat)
		}
	}
	return w, nil
}

// datapoints are those of the alarm's range that ends at end, in order of time.
func (s *Service) datapoints(w *metricWatch, end int64) ([]alarm.Datapoint, error) {
	queries, err := s.readQueries(w.queries)
	if err != nil {
		return nil, err
	}
	from := end - int64(w.metric.Range())*w.metric.Period
	var out []alarm.Datapoint
	if w.single {
		q := queries[0]
		q.series = s.find(q.metric.Metric, q.metric.Unit)
		for _, b := range aggregate(q.series, window{from, end}, q.period) {
			if v, ok := q.stat(&b.summary); ok {
				out = append(out, alarm.Datapoint{At: b.at, Value: v, Samples: b.n})
			}
		}
		return out, nil
	}
	results, err := s.plan(queries, time.Unix(from, 0), time.Unix(end, 0)).results()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, validation("The expression of an alarm yields %d time series; it must yield one.", len(results))
	}
	for _, p := range results[0].points {
		if p.At >= from && p.At < end {
			out = append(out, alarm.Datapoint{At: p.At, Value: p.V})
		}
	}
	return out, nil
}
