package cloudwatch

import (
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// statistic reads one figure out of a summary; false means that there is none.
type statistic func(in *summary) (float64, bool)

var basicStatistics = map[types.Statistic]statistic{
	types.StatisticSampleCount: func(in *summary) (float64, bool) { return in.n, true },
	types.StatisticSum:         func(in *summary) (float64, bool) { return in.sum, true },
	types.StatisticAverage:     func(in *summary) (float64, bool) { return in.sum / in.n, true },
	types.StatisticMinimum:     func(in *summary) (float64, bool) { return in.min, true },
	types.StatisticMaximum:     func(in *summary) (float64, bool) { return in.max, true },
}

var percentileForm = regexp.MustCompile(`^p(\d{1,2}(?:\.\d{1,10})?|100)$`)

// parseStatistic reads Sum, Average, …, p99.9, tm90, TC(100:), IQM; nil when it is no statistic.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
func parseStatistic(name string) statistic {
	if st, ok := basicStatistics[types.Statistic(name)]; ok {
		return st
	}
	if p, ok := percentileOf(name); ok {
		return func(in *summary) (float64, bool) { return in.percentile(p) }
	}
	if t, ok := trimmedOf(name); ok {
		return t.of
	}
	return nil
}

// percentileOf reads p99.9 as 99.9.
func percentileOf(name string) (float64, bool) {
	m := percentileForm.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	p, err := strconv.ParseFloat(m[1], 64)
	return p, err == nil
}
