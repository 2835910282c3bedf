package apigatewayv2

import "time"

// metrics records the requests of one stage in AWS/ApiGateway, under {ApiId} and {ApiId, Stage}. 4xx and 5xx get a 0 or
// a 1 for every request, so that their average is the rate of errors.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
type metrics struct{ sets []metricSet }

type metricSet struct{ count, client, server, latency, integration func(float64) }

func newMetrics(m Meter, apiID, stage string) metrics {
	if m == nil {
		return metrics{}
	}
	set := func(dims ...string) metricSet {
		series := func(metric, unit string) func(float64) { return m.Series("AWS/ApiGateway", metric, unit, dims...) }
		return metricSet{
			count: series("Count", "Count"), client: series("4xx", "Count"), server: series("5xx", "Count"),
			latency: series("Latency", "Milliseconds"), integration: series("IntegrationLatency", "Milliseconds"),
		}
	}
	return metrics{[]metricSet{set("ApiId", apiID), set("ApiId", apiID, "Stage", stage)}}
}

// record counts one request; integration is 0 when no backend was called.
func (m *metrics) record(status int, latency, integration time.Duration) {
	var client, server float64
	switch {
	case status >= 500:
		server = 1
	case status >= 400:
		client = 1
	}
	for i := range m.sets {
		s := &m.sets[i]
		s.count(1)
		s.client(client)
		s.server(server)
		s.latency(float64(latency) / float64(time.Millisecond))
		if integration > 0 {
			s.integration(float64(integration) / float64(time.Millisecond))
		}
	}
}
