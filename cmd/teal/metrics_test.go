package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Metrics that were put, alarms, their states and their history are there after kill -9, each once, however often.
func TestKilledWithMetrics(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := serve(t, "127.0.0.1:0", filepath.Join(reachableDir(t), "data"))
	begin := time.Now().Add(-time.Minute)
	for round := range 3 {
		c := cloudwatch.NewFromConfig(p.aws)
		for range 10 {
			_, err := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
				Namespace: aws.String("Shop"), MetricData: []types.MetricDatum{{MetricName: aws.String("Orders"), Value: aws.Float64(1)}},
			})
			must(t, err)
		}
		if round == 0 {
			_, err := c.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
				AlarmName: aws.String("orders"), Namespace: aws.String("Shop"), MetricName: aws.String("Refunds"), Statistic: types.StatisticSum,
				Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), TreatMissingData: aws.String("ignore"),
				ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
			})
			must(t, err)
			_, err = c.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("orders"), StateValue: types.StateValueAlarm, StateReason: aws.String("rehearsal")})
			must(t, err)
		}
		p.kill()
		p = p.restart()
		c = cloudwatch.NewFromConfig(p.aws)
		m, err := c.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String("Shop"), MetricName: aws.String("Orders"), StartTime: &begin, EndTime: aws.Time(time.Now().Add(time.Minute)),
			Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum},
		})
		must(t, err)
		sum := 0.0
		for _, d := range m.Datapoints {
			sum += *d.Sum
		}
		if want := float64(10 * (round + 1)); sum != want {
			t.Errorf("after crash %d there are %v orders, want %v", round+1, sum, want)
		}
		a, err := c.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"orders"}, StateValue: types.StateValueAlarm})
		must(t, err)
		h, err := c.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: aws.String("orders")})
		must(t, err)
		if len(a.MetricAlarms) != 1 || len(h.AlarmHistoryItems) != 2 {
			t.Errorf("after crash %d: alarms %+v, history %+v", round+1, a.MetricAlarms, h.AlarmHistoryItems)
		}
	}
}
