package cloudwatch

import (
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/metricmath"
)

// plan evaluates the queries of one request over one window, each once.
type plan struct {
	service    *Service
	queries    []query
	byID       map[string]int
	start, end time.Time
	period     int64 // of series that expressions make from nothing: the shortest of the request's metrics
	memo       map[int]metricmath.Value
}

// result is one time series of an answer.
type result struct {
	id, label string
	points    []metricmath.Point
}

func (s *Service) plan(queries []query, start, end time.Time) *plan {
	p := &plan{service: s, queries: queries, start: start, end: end, byID: map[string]int{}, memo: map[int]metricmath.Value{}}
	for i, q := range queries {
		p.byID[q.id] = i
		if q.maths == nil {
			queries[i].series = s.find(q.metric.Metric, q.metric.Unit)
		}
		if q.maths == nil && (p.period == 0 || q.period < p.period) {
			p.period = q.period
		}
	}
	return p
}

// results are those of the queries that are returned, in order; an expression may have several.
func (p *plan) results() ([]result, error) {
	var out []result
	for i := range p.queries {
		q := &p.queries[i]
		if !q.returned {
			continue
		}
		v, err := p.value(i)
		if err != nil {
			return nil, err
		}
		if v.IsScalar() {
			return nil, validation("Error in expression '%s': it yields a number, and must yield a time series or an array of them.", q.id)
		}
		for _, s := range v.Series {
			label := q.label
			if v.Array && s.Label != "" { // as AWS's legends: the expression's label, then the metric's
				label = s.Label
				if q.labelled && q.label != "" {
					label = q.label + " " + s.Label
				}
			}
			out = append(out, result{q.id, p.service.expandLabel(label, q, s.Points), slices.Clone(s.Points)})
		}
	}
	return out, nil
}

// value evaluates query i. References go to queries that exist and are not circular: readQueries has checked.
func (p *plan) value(i int) (metricmath.Value, error) {
	if v, ok := p.memo[i]; ok {
		return v, nil
	}
	q := &p.queries[i]
	v := metricmath.Value{}
	if q.maths == nil {
		v.Series = []metricmath.Series{{ID: q.id, Label: q.label, Period: q.period, Points: q.points(p.start, p.end)}}
	} else {
		var err error
		if v, err = p.expression(q); err != nil {
			return v, err
		}
	}
	p.memo[i] = v
	return v, nil
}

func (p *plan) expression(q *query) (metricmath.Value, error) {
	period := q.period
	if period == 0 {
		period = max(p.period, 1)
	}
	w := windowOf(p.start, p.end, period)
	in := metricmath.Input{From: w.from, To: w.to, Period: period}
	var failed error
	in.Lookup = func(id string) (metricmath.Value, bool) {
		v, err := p.value(p.byID[id])
		if err != nil {
			failed = err
		}
		return v, err == nil
	}
	if q.maths.UsesMetrics() {
		for i := range p.queries {
			if p.queries[i].maths == nil {
				v, err := p.value(i)
				if err != nil {
					return v, err
				}
				in.Metrics = append(in.Metrics, v.Series...)
			}
		}
	}
	v, err := q.maths.Evaluate(in)
	switch {
	case failed != nil:
		return v, failed
	case err != nil:
		return v, validation("Error in expression '%s': %v.", q.id, err)
	}
	return v, nil
}

// points evaluates a query of a metric over its whole window, in order of time.
func (q *query) points(start, end time.Time) []metricmath.Point {
	var points []metricmath.Point
	for _, b := range aggregate(q.series, windowOf(start, end, q.period), q.period) {
		if v, ok := q.stat(&b.summary); ok {
			points = append(points, metricmath.Point{At: b.at, V: v})
		}
	}
	return points
}

// aggregate merges the data of several series into periods counted from the window's start; only periods with data come
// back, in order of time.
func aggregate(from []*series, w window, period int64) []span {
	var spans []span
	index := map[int64]int{}
	for _, sr := range from {
		// A period that begins within the window counts whole.
		to := w.to
		if over := (to - w.from) % period; over != 0 {
			to += period - over
		}
		sr.read(w.from, to, period < 60, func(at int64, in *summary) {
			at -= (at - w.from) % period
			i, ok := index[at]
			if !ok {
				i = len(spans)
				index[at] = i
				spans = append(spans, span{at: at})
			}
			spans[i].merge(in, queryEntries)
		})
	}
	if len(from) > 1 {
		slices.SortFunc(spans, func(a, b span) int { return int(a.at - b.at) })
	}
	return spans
}
