package apigateway

import "time"

// metrics records the requests of one stage in AWS/ApiGateway, under {ApiName} and {ApiName, Stage}; those of a method with
// metrics under {ApiName, Stage, Method, Resource} too. 4XXError and 5XXError get a 0 or a 1 for every request.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
type metrics struct{ sets []metricSet }

type metricSet struct{ count, client, server, latency, integration func(float64) }

func newMetricSet(m Meter, dims ...string) metricSet {
	series := func(metric, unit string) func(float64) { return m.Series("AWS/ApiGateway", metric, unit, dims...) }
	return metricSet{
		count: series("Count", "Count"), client: series("4XXError", "Count"), server: series("5XXError", "Count"),
		latency: series("Latency", "Milliseconds"), integration: series("IntegrationLatency", "Milliseconds"),
	}
}

func newMetrics(m Meter, name, stage string) metrics {
	if m == nil {
		return metrics{}
	}
	return metrics{[]metricSet{newMetricSet(m, "ApiName", name), newMetricSet(m, "ApiName", name, "Stage", stage)}}
}

func (m *metrics) record(status int, latency, integration time.Duration) {
	for i := range m.sets {
		m.sets[i].record(status, latency, integration)
	}
}

// record counts one request; integration is 0 when no backend was called.
func (s *metricSet) record(status int, latency, integration time.Duration) {
	var client, server float64
	switch {
	case status >= 500:
		server = 1
	case status >= 400:
		client = 1
	}
	s.count(1)
	s.client(client)
	s.server(server)
	s.latency(float64(latency) / float64(time.Millisecond))
	if integration > 0 {
		s.integration(float64(integration) / float64(time.Millisecond))
	}
}
