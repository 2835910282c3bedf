package lambda

import (
	"time"

	"github.com/tealdeploy/teal/internal/pool"
)

// series are the metrics of one version as it is reached through one qualifier. AWS records every value under the
// function, under the resource that was invoked, and, where an alias chose the version, under the executed version too.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type series struct {
	invocations, errors, throttles, duration []func(float64)
}

const namespace = "AWS/Lambda"

func (s *Service) newSeries(name, qualifier, version string) *series {
	resource := name
	if qualifier != "" {
		resource = name + ":" + qualifier
	}
	sets := [][]string{
		{"FunctionName", name},
		{"FunctionName", name, "Resource", resource},
	}
	if qualifier != "" && qualifier != version {
		sets = append(sets, []string{"FunctionName", name, "Resource", resource, "ExecutedVersion", version})
	}
	m := &series{}
	for _, dims := range sets {
		m.invocations = append(m.invocations, s.cfg.Meter.Series(namespace, "Invocations", "Count", dims...))
		m.errors = append(m.errors, s.cfg.Meter.Series(namespace, "Errors", "Count", dims...))
		m.throttles = append(m.throttles, s.cfg.Meter.Series(namespace, "Throttles", "Count", dims...))
		m.duration = append(m.duration, s.cfg.Meter.Series(namespace, "Duration", "Milliseconds", dims...))
	}
	return m
}

func record(series []func(float64), v float64) {
	for _, f := range series {
		f(v)
	}
}

// ran records an invocation that reached the function's code. Errors gets a zero for each success, so that its average
// is the error rate.
func (m *series) ran(r pool.Result) {
	record(m.invocations, 1)
	failed := 0.0
	if r.FunctionError != "" {
		failed = 1
	}
	record(m.errors, failed)
	record(m.duration, float64(r.Duration)/float64(time.Millisecond))
}
