package cloudwatch

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Limits of GetMetricStatistics.
const (
	maxStatisticsPoints = 1440
	maxExtended         = 10
)

// GetMetricStatistics returns statistics of one metric, a data point for each period and unit, oldest first (AWS
// promises no order).
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
func (s *Service) GetMetricStatistics(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
	stats, extended, err := readStatistics(in)
	if err != nil {
		return nil, err
	}
	period := int64(*in.Period)
	w := windowOf(*in.StartTime, *in.EndTime, period)
	if n := (w.to - w.from + period - 1) / period; n > maxStatisticsPoints {
		return nil, combination("You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxStatisticsPoints)
	}
	out := &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	metric := &types.Metric{Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: in.Dimensions}
	for _, sr := range s.find(metric, in.Unit) {
		for _, b := range aggregate([]*series{sr}, w, period) {
			if p, ok := datapoint(&b, stats, extended); ok {
				p.Unit = sr.unit
				out.Datapoints = append(out.Datapoints, p)
			}
		}
	}
	slices.SortStableFunc(out.Datapoints, func(a, b types.Datapoint) int { return a.Timestamp.Compare(*b.Timestamp) })
	return out, nil
}

func datapoint(b *span, stats []types.Statistic, extended map[string]statistic) (types.Datapoint, bool) {
	p := types.Datapoint{Timestamp: aws.Time(time.Unix(b.at, 0).UTC())}
	for _, st := range stats {
		v, _ := basicStatistics[st](&b.summary)
		switch st {
		case types.StatisticSampleCount:
			p.SampleCount = &v
		case types.StatisticSum:
			p.Sum = &v
		case types.StatisticAverage:
			p.Average = &v
		case types.StatisticMinimum:
			p.Minimum = &v
		case types.StatisticMaximum:
			p.Maximum = &v
		}
	}
	for name, st := range extended {
		if v, ok := st(&b.summary); ok {
			if p.ExtendedStatistics == nil {
				p.ExtendedStatistics = map[string]float64{}
			}
			p.ExtendedStatistics[name] = v
		}
	}
	return p, len(stats) > 0 || len(p.ExtendedStatistics) > 0
}

func readStatistics(in *cloudwatch.GetMetricStatisticsInput) ([]types.Statistic, map[string]statistic, error) {
	if err := checkNamespace(in.Namespace, "Namespace"); err != nil {
		return nil, nil, err
	}
	if err := checkMetricName(in.MetricName, "MetricName"); err != nil {
		return nil, nil, err
	}
	if err := checkDimensions(in.Dimensions, "Dimensions"); err != nil {
		return nil, nil, err
	}
	if err := checkUnit(in.Unit, "Unit"); err != nil {
		return nil, nil, err
	}
	switch {
	case in.StartTime == nil:
		return nil, nil, missing("StartTime")
	case in.EndTime == nil:
		return nil, nil, missing("EndTime")
	case in.Period == nil:
		return nil, nil, missing("Period")
	case !in.StartTime.Before(*in.EndTime):
		return nil, nil, combination("The parameter StartTime must be less than the parameter EndTime.")
	case !periodOK(*in.Period):
		return nil, nil, invalidBecause("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
	case len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0:
		return nil, nil, combination("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
	case len(in.ExtendedStatistics) > maxExtended:
		return nil, nil, invalidBecause("The collection ExtendedStatistics must not have a size greater than %d.", maxExtended)
	}
	for _, st := range in.Statistics {
		if basicStatistics[st] == nil {
			return nil, nil, invalid(st, "Statistics")
		}
	}
	extended := map[string]statistic{}
	for _, name := range in.ExtendedStatistics {
		stat := parseStatistic(name)
		if stat == nil || basicStatistics[types.Statistic(name)] != nil {
			return nil, nil, invalid(name, "ExtendedStatistics")
		}
		extended[name] = stat
	}
	return in.Statistics, extended, nil
}
