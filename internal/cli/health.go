package cli

import (
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/health"
)

// healthOf looks at functions through CloudWatch and at workflows through their executions.
func healthOf(cfg aws.Config, c clock.Clock) (health.Source, error) {
	metrics, err := health.NewCloudWatch(health.CloudWatchConfig{Client: cloudwatch.NewFromConfig(cfg), Period: metricPeriod(cfg), Now: c.Now})
	if err != nil {
		return nil, err
	}
	return health.All(metrics, health.NewExecutions(sfn.NewFromConfig(cfg), c.Now)), nil
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
