package lambda

import (
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/pool"
)

// series are the metrics of one version as it is reached through one qualifier. AWS records every value under the
// function, under the resource that was invoked, and, where an alias chose the version, under the executed version too.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type series struct {
	invocations, errors, throttles, duration []func(float64)
	coldStarts, initDuration                 []func(float64) // Teal's own
	concurrent                               func(float64)   // of the function, whichever way it is reached
	provisioned                              func() *provisionedSeries
}

const (
	namespace = "AWS/Lambda"
	// ownNamespace has what AWS tells in REPORT lines only.
	ownNamespace = "Teal/Lambda"
)

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
	m := &series{concurrent: s.cfg.Meter.Series(namespace, "ConcurrentExecutions", "Count", "FunctionName", name)}
	m.provisioned = sync.OnceValue(func() *provisionedSeries { return s.newProvisionedSeries(sets) })
	for _, dims := range sets {
		m.invocations = append(m.invocations, s.cfg.Meter.Series(namespace, "Invocations", "Count", dims...))
		m.errors = append(m.errors, s.cfg.Meter.Series(namespace, "Errors", "Count", dims...))
		m.throttles = append(m.throttles, s.cfg.Meter.Series(namespace, "Throttles", "Count", dims...))
		m.duration = append(m.duration, s.cfg.Meter.Series(namespace, "Duration", "Milliseconds", dims...))
		m.coldStarts = append(m.coldStarts, s.cfg.Meter.Series(ownNamespace, "ColdStarts", "Count", dims...))
		m.initDuration = append(m.initDuration, s.cfg.Meter.Series(ownNamespace, "InitDuration", "Milliseconds", dims...))
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
	if !r.Cold {
		return
	}
	record(m.coldStarts, 1)
	if r.Init > 0 { // else it was within the invocation, and is part of Duration
		record(m.initDuration, float64(r.Init)/float64(time.Millisecond))
	}
}

// async records a metric of an asynchronous invocation, under the function and under what was invoked.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#async-metrics
func (s *Service) async(e eventRecord, metric, unit string, v float64) {
	resource := e.Function
	if e.Qualifier != "" {
		resource += ":" + e.Qualifier
	}
	s.cfg.Meter.Series(namespace, metric, unit, "FunctionName", e.Function)(v)
	s.cfg.Meter.Series(namespace, metric, unit, "FunctionName", e.Function, "Resource", resource)(v)
}
