package cli

import (
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/health"
)

// healthOf looks at functions through CloudWatch and by synthetic requests, at workflows through their executions, and at
// alarms and probes.
func healthOf(s *session) (health.Source, error) {
	client := cloudwatch.NewFromConfig(s.cfg)
	metrics, err := health.NewCloudWatch(health.CloudWatchConfig{Client: client, Period: metricPeriod(s.cfg), Now: s.clock.Now})
	if err != nil {
		return nil, err
	}
	return health.All(
		metrics, health.NewExecutions(sfn.NewFromConfig(s.cfg), s.clock.Now), health.NewAlarms(client, s.clock.Now),
		health.NewProbes(health.NewHTTPClient(), s.clock.Now), health.NewSynthetic(port{s.target}, s.clock.Now),
	), nil
}

// metricPeriod is how fine an endpoint keeps Lambda's metrics: AWS a minute, a platform on this machine a second.
func metricPeriod(cfg aws.Config) time.Duration {
	if cfg.BaseEndpoint != nil {
		if u, err := url.Parse(*cfg.BaseEndpoint); err == nil && loopback(u.Hostname()) {
			return time.Second
		}
	}
	return time.Minute
}
