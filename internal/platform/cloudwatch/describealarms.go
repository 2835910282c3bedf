package cloudwatch

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// DescribeAlarms lists alarms, in order of their names. As on AWS it is metric alarms only, unless AlarmTypes asks for more.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
func (s *Service) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error) {
	c := &alarmInput{}
	most := c.pageSize(in.MaxRecords)
	kinds := c.alarmTypes(in.AlarmTypes)
	c.known("StateValue", string(in.StateValue), texts(in.StateValue.Values())...)
	if len(in.AlarmNames) > 100 {
		c.fail("The collection AlarmNames must not have a size greater than 100.")
	}
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		c.check(combination("The parameters AlarmNames and AlarmNamePrefix are mutually exclusive."))
	}
	family := in.ChildrenOfAlarmName != nil || in.ParentsOfAlarmName != nil
	if family && (in.ChildrenOfAlarmName != nil && in.ParentsOfAlarmName != nil || len(in.AlarmNames) > 0 || len(in.AlarmTypes) > 0 ||
		in.AlarmNamePrefix != nil || in.StateValue != "" || in.ActionPrefix != nil) {
		c.check(combination("ChildrenOfAlarmName and ParentsOfAlarmName go with no other parameter but MaxRecords and NextToken."))
	}
	after := ""
	if t := aws.ToString(in.NextToken); t != "" {
		var err error
		after, err = openNameToken(t)
		c.check(err)
	}
	if c.err != nil {
		return nil, c.err
	}
	s.alarms.mu.RLock()
	defer s.alarms.mu.RUnlock()
	view := &change{s: s}
	within := func(r *alarmRecord) bool {
		return slices.Contains(kinds, r.kind()) && (len(in.AlarmNames) == 0 || slices.Contains(in.AlarmNames, r.name())) &&
			strings.HasPrefix(r.name(), aws.ToString(in.AlarmNamePrefix)) && (in.StateValue == "" || string(r.condition().state) == string(in.StateValue)) &&
			(in.ActionPrefix == nil || hasAction(r, *in.ActionPrefix))
	}
	if family {
		of := aws.ToString(in.ChildrenOfAlarmName) + aws.ToString(in.ParentsOfAlarmName)
		r := view.get(of)
		if r == nil {
			return nil, noAlarm(of)
		}
		within = func(other *alarmRecord) bool {
			if in.ChildrenOfAlarmName != nil {
				return r.Composite != nil && view.isChild(r, other.name())
			}
			return other.Composite != nil && view.isChild(other, of)
		}
	}
	out := &cloudwatch.DescribeAlarmsOutput{MetricAlarms: []types.MetricAlarm{}, CompositeAlarms: []types.CompositeAlarm{}}
	last := ""
	for _, name := range view.names() {
		r := view.get(name)
		if name <= after || !within(r) {
			continue
		}
		if len(out.MetricAlarms)+len(out.CompositeAlarms) == most {
			out.NextToken = aws.String(sealNameToken(last))
			break
		}
		last = name
		if family {
			r = r.brief()
		}
		if r.Metric != nil {
			out.MetricAlarms = append(out.MetricAlarms, *r.Metric)
		} else {
			out.CompositeAlarms = append(out.CompositeAlarms, *r.Composite)
		}
	}
	return out, nil
}

// brief is what is told of the children and parents of an alarm.
func (r *alarmRecord) brief() *alarmRecord {
	if m := r.Metric; m != nil {
		return &alarmRecord{Metric: &types.MetricAlarm{AlarmArn: m.AlarmArn, AlarmName: m.AlarmName, StateValue: m.StateValue, StateUpdatedTimestamp: m.StateUpdatedTimestamp}}
	}
	k := r.Composite
	return &alarmRecord{Composite: &types.CompositeAlarm{AlarmArn: k.AlarmArn, AlarmName: k.AlarmName, StateValue: k.StateValue, StateUpdatedTimestamp: k.StateUpdatedTimestamp}}
}

func hasAction(r *alarmRecord, prefix string) bool {
	enabled := r.copy()
	if enabled.Metric != nil {
		enabled.Metric.ActionsEnabled = nil
	} else {
		enabled.Composite.ActionsEnabled = nil
	}
	for _, st := range []alarm.State{alarm.Alarm, alarm.OK, alarm.InsufficientData} {
		if slices.ContainsFunc(enabled.actions(st), func(a string) bool { return strings.HasPrefix(a, prefix) }) {
			return true
		}
	}
	return false
}

// DescribeAlarmsForMetric lists the alarms on one metric, with exactly its dimensions.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmsForMetric.html
func (s *Service) DescribeAlarmsForMetric(_ context.Context, in *cloudwatch.DescribeAlarmsForMetricInput) (*cloudwatch.DescribeAlarmsForMetricOutput, error) {
	c := &alarmInput{}
	c.check(checkMetricName(in.MetricName, "MetricName"))
	c.check(checkNamespace(in.Namespace, "Namespace"))
	c.check(checkDimensions(in.Dimensions, "Dimensions"))
	if c.err != nil {
		return nil, c.err
	}
	s.alarms.mu.RLock()
	defer s.alarms.mu.RUnlock()
	view := &change{s: s}
	out := &cloudwatch.DescribeAlarmsForMetricOutput{MetricAlarms: []types.MetricAlarm{}}
	for _, name := range view.names() {
		r := view.get(name)
		if r.Metric == nil {
			continue
		}
		if slices.ContainsFunc(r.watched.queries, func(q types.MetricDataQuery) bool { return q.MetricStat != nil && sameMetric(q.MetricStat, in) }) {
			out.MetricAlarms = append(out.MetricAlarms, *r.Metric)
		}
	}
	return out, nil
}

func sameMetric(m *types.MetricStat, in *cloudwatch.DescribeAlarmsForMetricInput) bool {
	return *m.Metric.MetricName == *in.MetricName && *m.Metric.Namespace == *in.Namespace &&
		dimsKey(sortDimensions(m.Metric.Dimensions)) == dimsKey(sortDimensions(in.Dimensions)) &&
		(in.Period == nil || aws.ToInt32(m.Period) == *in.Period) && (in.Unit == "" || m.Unit == in.Unit) &&
		(in.Statistic == "" || aws.ToString(m.Stat) == string(in.Statistic)) &&
		(in.ExtendedStatistic == nil || aws.ToString(m.Stat) == *in.ExtendedStatistic)
}
