package states

import (
	"strconv"
	"sync"
)

// AWS's metrics of executions. Each is recorded under the machine, and under the version and the alias that the
// execution was started on. https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
const namespace = "AWS/States"

// metrics caches the series of every machine, version and alias.
type metrics struct {
	meter Meter // nil records nothing
	arn   func(machine string) string
	byKey sync.Map // seriesKey → *series
}

type seriesKey struct{ machine, dimension, value string }

type series struct {
	started, succeeded, failed, timedOut, aborted, time func(float64)
}

func (m *metrics) started(x *execution) {
	m.each(x, func(s *series) { s.started(1) })
}

func (m *metrics) ended(x *execution, r *executionResult) {
	took := float64(r.Stopped.Sub(x.started).Milliseconds())
	m.each(x, func(s *series) {
		s.time(took)
		switch r.Status {
		case "SUCCEEDED":
			s.succeeded(1)
		case "FAILED":
			s.failed(1)
		case "TIMED_OUT":
			s.timedOut(1)
		case "ABORTED":
			s.aborted(1)
		}
	})
}

func (m *metrics) each(x *execution, record func(*series)) {
	if m.meter == nil {
		return
	}
	record(m.series(seriesKey{machine: x.id.machine}))
	if x.version > 0 {
		record(m.series(seriesKey{x.id.machine, "Version", strconv.Itoa(x.version)}))
	}
	if x.alias != "" {
		record(m.series(seriesKey{x.id.machine, "Alias", x.alias}))
	}
}

func (m *metrics) series(k seriesKey) *series {
	if s, ok := m.byKey.Load(k); ok {
		return s.(*series)
	}
	dims := []string{"StateMachineArn", m.arn(k.machine)}
	if k.dimension != "" {
		dims = append(dims, k.dimension, k.value)
	}
	count := func(name string) func(float64) { return m.meter.Series(namespace, name, "Count", dims...) }
	s, _ := m.byKey.LoadOrStore(k, &series{
		started: count("ExecutionsStarted"), succeeded: count("ExecutionsSucceeded"), failed: count("ExecutionsFailed"),
		timedOut: count("ExecutionsTimedOut"), aborted: count("ExecutionsAborted"),
		time: m.meter.Series(namespace, "ExecutionTime", "Milliseconds", dims...),
	})
	return s.(*series)
}
