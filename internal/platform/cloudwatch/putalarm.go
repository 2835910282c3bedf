package cloudwatch

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// initialReason is the reason of an alarm that has not been evaluated.
const initialReason = "Unchecked: Initial alarm creation"

// maxAlarmMetrics is how many metrics an alarm's expression may read.
const maxAlarmMetrics = 10

// PutMetricAlarm creates an alarm on a metric or an expression, or replaces its configuration; its state stays. Anomaly
// detection and Metrics Insights are refused by name.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func (s *Service) PutMetricAlarm(ctx context.Context, in *cloudwatch.PutMetricAlarmInput) (*cloudwatch.PutMetricAlarmOutput, error) {
	c := &alarmInput{}
	c.name(in.AlarmName)
	c.description(in.AlarmDescription)
	checkActions(c, "AlarmActions", in.AlarmActions)
	checkActions(c, "OKActions", in.OKActions)
	checkActions(c, "InsufficientDataActions", in.InsufficientDataActions)
	tags := c.tags(in.Tags)
	checkRefused(c, in)
	checkThreshold(c, in)
	if len(in.Metrics) > 0 {
		checkAlarmMetrics(c, in)
	} else {
		checkAlarmMetric(c, in)
	}
	if c.err != nil {
		return nil, c.err
	}
	m := &types.MetricAlarm{
		ActionsEnabled: orTrue(in.ActionsEnabled), AlarmActions: filled(in.AlarmActions), AlarmArn: aws.String(s.alarmARN(*in.AlarmName)),
		AlarmDescription: in.AlarmDescription, AlarmName: in.AlarmName, ComparisonOperator: in.ComparisonOperator,
		DatapointsToAlarm: in.DatapointsToAlarm, Dimensions: filled(in.Dimensions),
		EvaluateLowSampleCountPercentile: in.EvaluateLowSampleCountPercentile, EvaluationPeriods: in.EvaluationPeriods,
		ExtendedStatistic: in.ExtendedStatistic, InsufficientDataActions: filled(in.InsufficientDataActions), MetricName: in.MetricName,
		Metrics: in.Metrics, Namespace: in.Namespace, OKActions: filled(in.OKActions), Period: in.Period, Statistic: in.Statistic,
		Threshold: in.Threshold, TreatMissingData: in.TreatMissingData, Unit: in.Unit,
		StateValue: types.StateValueInsufficientData, StateReason: aws.String(initialReason),
	}
	n := &alarmRecord{Metric: m, Tags: tags}
	if err := s.prepare(n); err != nil {
		return nil, err
	}
	if err := checkWatch(n.watched, in); err != nil {
		return nil, err
	}
	if !n.watched.single { // an expression that yields a number, or several series, is found out here
		if _, err := s.datapoints(n.watched, s.now().Unix()/60*60); err != nil {
			return nil, err
		}
	}
	return &cloudwatch.PutMetricAlarmOutput{}, s.changeAlarms(ctx, func(c *change) error {
		m.AlarmConfigurationUpdatedTimestamp, m.StateUpdatedTimestamp, m.StateTransitionedTimestamp = &c.now, &c.now, &c.now
		old, err := c.replace(n)
		if err != nil || old == nil {
			return err
		}
		was := old.Metric
		m.StateValue, m.StateReason, m.StateReasonData = was.StateValue, was.StateReason, was.StateReasonData
		m.StateUpdatedTimestamp, m.StateTransitionedTimestamp = was.StateUpdatedTimestamp, was.StateTransitionedTimestamp
		return nil
	})
}

// replace puts a new configuration in the place of that of an alarm of the same name and kind, which it returns; nil when
// there is none.
func (c *change) replace(n *alarmRecord) (old *alarmRecord, err error) {
	old = c.get(n.name())
	switch {
	case old == nil && len(c.s.alarms.byName) >= maxAlarms:
		return nil, &types.LimitExceededFault{Message: aws.String("This endpoint holds as many alarms as it may.")}
	case old != nil && old.kind() != n.kind():
		return nil, validation("There is an alarm of the type %s with the name %s.", old.kind(), n.name())
	case old != nil:
		n.Tags, n.Pending, n.Evaluated, n.Acted, n.Held, n.SuppressorLeft = old.Tags, old.Pending, old.Evaluated, old.Acted, old.Held, old.SuppressorLeft
	}
	c.put(n)
	if old == nil {
		c.configured("Create", n)
	} else {
		c.configured("Update", n)
	}
	return old, nil
}

func checkRefused(c *alarmInput, in *cloudwatch.PutMetricAlarmInput) {
	refuse := func(given bool, param, why string) {
		if given {
			c.fail("The parameter %s is not supported by this endpoint: %s.", param, why)
		}
	}
	const anomaly = "there are no models of anomaly detection here"
	refuse(in.ThresholdMetricId != nil, "ThresholdMetricId", anomaly)
	switch in.ComparisonOperator {
	case types.ComparisonOperatorLessThanLowerOrGreaterThanUpperThreshold, types.ComparisonOperatorLessThanLowerThreshold,
		types.ComparisonOperatorGreaterThanUpperThreshold:
		c.fail("The comparison operator %s is not supported by this endpoint: %s.", in.ComparisonOperator, anomaly)
	}
	refuse(in.EvaluationCriteria != nil, "EvaluationCriteria", "alarms on queries are not served")
	refuse(in.EvaluationInterval != nil, "EvaluationInterval", "alarms on queries are not served")
	refuse(in.EvaluationWindow != nil, "EvaluationWindow", "alarms on queries are not served")
	refuse(in.ActionConfiguration != nil, "ActionConfiguration", "tags are not handed to actions")
}

func checkThreshold(c *alarmInput, in *cloudwatch.PutMetricAlarmInput) {
	switch {
	case in.ComparisonOperator == "":
		c.check(missing("ComparisonOperator"))
	case alarm.Comparisons[string(in.ComparisonOperator)].Breaches == nil:
		c.check(invalid(in.ComparisonOperator, "ComparisonOperator"))
	case in.EvaluationPeriods == nil:
		c.check(missing("EvaluationPeriods"))
	case *in.EvaluationPeriods < 1:
		c.check(invalid(*in.EvaluationPeriods, "EvaluationPeriods"))
	case in.Threshold == nil:
		c.check(missing("Threshold"))
	case in.DatapointsToAlarm != nil && (*in.DatapointsToAlarm < 1 || *in.DatapointsToAlarm > *in.EvaluationPeriods):
		c.fail("The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods.")
	default:
		c.check(checkValue(*in.Threshold, "Threshold"))
	}
	c.known("TreatMissingData", aws.ToString(in.TreatMissingData), alarm.Breaching, alarm.NotBreaching, alarm.Ignore, alarm.Missing)
	c.known("EvaluateLowSampleCountPercentile", aws.ToString(in.EvaluateLowSampleCountPercentile), "evaluate", "ignore")
	if _, ok := percentileOf(aws.ToString(in.ExtendedStatistic)); in.EvaluateLowSampleCountPercentile != nil && !ok {
		c.check(combination("EvaluateLowSampleCountPercentile may be given only for an alarm on a percentile."))
	}
}

func checkAlarmMetric(c *alarmInput, in *cloudwatch.PutMetricAlarmInput) {
	c.check(checkMetricName(in.MetricName, "MetricName"))
	c.check(checkNamespace(in.Namespace, "Namespace"))
	c.check(checkDimensions(in.Dimensions, "Dimensions"))
	c.check(checkUnit(in.Unit, "Unit"))
	switch {
	case in.Period == nil:
		c.check(missing("Period"))
	case in.Statistic == "" && in.ExtendedStatistic == nil:
		c.check(combination("Either Statistic or ExtendedStatistic must be specified."))
	case in.Statistic != "" && in.ExtendedStatistic != nil:
		c.check(combination("The parameters Statistic and ExtendedStatistic are mutually exclusive."))
	case in.Statistic != "" && basicStatistics[in.Statistic] == nil:
		c.check(invalid(in.Statistic, "Statistic"))
	}
}

// checkAlarmMetrics checks an alarm on several metrics: one query is returned, and the rest are what it reads.
func checkAlarmMetrics(c *alarmInput, in *cloudwatch.PutMetricAlarmInput) {
	for param, given := range map[string]bool{
		"MetricName": in.MetricName != nil, "Namespace": in.Namespace != nil, "Dimensions": len(in.Dimensions) > 0, "Period": in.Period != nil,
		"Unit": in.Unit != "", "Statistic": in.Statistic != "", "ExtendedStatistic": in.ExtendedStatistic != nil,
	} {
		if given {
			c.check(combination("The parameters Metrics and %s are mutually exclusive.", param))
		}
	}
	returned, metrics := 0, 0
	for _, q := range in.Metrics {
		if q.ReturnData == nil || *q.ReturnData {
			returned++
		}
		if q.MetricStat != nil {
			metrics++
		}
	}
	if returned != 1 {
		c.fail("Exactly one element of the metrics list should return data.")
	}
	if metrics > maxAlarmMetrics || metrics == 0 {
		c.fail("An alarm reads 1 to %d metrics.", maxAlarmMetrics)
	}
}

// checkWatch checks lengths: at most a day, or a week with periods of an hour or more.
func checkWatch(w *metricWatch, in *cloudwatch.PutMetricAlarmInput) error {
	p := w.metric.Period
	if p != 10 && p != 20 && p != 30 && (p < 60 || p%60 != 0) {
		return invalidBecause("The value %d for parameter Period is invalid: it must be 10, 20, 30 or a multiple of 60.", p)
	}
	longest := 24 * time.Hour
	if p >= 3600 {
		longest = 7 * 24 * time.Hour
	}
	if n := int64(*in.EvaluationPeriods); n > int64(longest/time.Second)/p {
		return validation("Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %d).", map[bool]string{true: "a week", false: "a day"}[p >= 3600], int64(longest/time.Second))
	}
	return nil
}

func orTrue(b *bool) *bool {
	if b == nil {
		return aws.Bool(true)
	}
	return b
}

// filled is a list that is written even when it is empty.
func filled[T any](list []T) []T { return append([]T{}, slices.Clone(list)...) }
