package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/platform"
)

// clockOf is the clock to drive a rollout by: that of an embedded platform whose time is not this machine's, so that
// waits and checks go by the same time as what they look at; else the machine's.
func (a *app) clockOf(ctx context.Context, cfg aws.Config) clock.Clock {
	if cfg.BaseEndpoint == nil {
		return clock.System
	}
	u, err := url.Parse(*cfg.BaseEndpoint)
	if err != nil || !loopback(u.Hostname()) {
		return clock.System
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String()+"/", nil)
	if err != nil {
		return clock.System
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return clock.System // that nothing answers is found out, and told, by what comes next
	}
	resp.Body.Close()
	rate, err := strconv.ParseFloat(resp.Header.Get(platform.ClockRateHeader), 64)
	if err != nil {
		return clock.System
	}
	now, err := time.Parse(time.RFC3339Nano, resp.Header.Get(platform.ClockHeader))
	if err != nil {
		return clock.System
	}
	c, err := clock.Rate(clock.System, rate, now)
	if err != nil {
		return clock.System
	}
	a.progress("%s", rehearsal(rate, now))
	return c
}

// rehearsal tells of a platform whose time is not the machine's.
func rehearsal(rate float64, now time.Time) string {
	at := now.UTC().Format("2006-01-02 15:04:05 UTC")
	if rate == 1 {
		return "the platform's clock is ahead, as it once ran faster: it is " + at + " there"
	}
	return fmt.Sprintf("the platform's clock runs %g times as fast: it is %s there", rate, at)
}
