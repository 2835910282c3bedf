package health

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/rollout"
)

// AlarmReader is the part of CloudWatch's client that is needed. DescribeAlarmsAPIClient of the SDK is the same.
type AlarmReader interface {
	DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, options ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

var _ AlarmReader = (*cloudwatch.Client)(nil)

// Alarms reads the alarms of a check, metric and composite ones. ALARM is Unhealthy, OK is Healthy, INSUFFICIENT_DATA is
// NotObserved: it neither advances nor stops. An alarm that does not exist is an Error, where CloudFormation and CodeDeploy
// take it for OK.
type Alarms struct {
	client AlarmReader
	now    func() time.Time
}

var _ Source = (*Alarms)(nil)

// NewAlarms makes the source; now may be nil for the machine's clock.
func NewAlarms(client AlarmReader, now func() time.Time) *Alarms {
	return &Alarms{client: client, now: clockOr(now)}
}

// namesPerCall is DescribeAlarms' limit.
const namesPerCall = 100

// Observe implements Source by one finding for every alarm, in the check's order.
func (a *Alarms) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	o := rollout.Observation{At: a.now()}
	found := map[string]rollout.Finding{}
	for from := 0; from < len(check.Alarms); from += namesPerCall {
		in := &cloudwatch.DescribeAlarmsInput{
			AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}, MaxRecords: aws.Int32(namesPerCall),
		}
		for _, alarm := range check.Alarms[from:min(len(check.Alarms), from+namesPerCall)] {
			in.AlarmNames = append(in.AlarmNames, alarm.Name)
		}
		if err := a.read(ctx, in, found); err != nil {
			return rollout.Observation{}, wrap("alarms", err)
		}
	}
	for _, alarm := range check.Alarms {
		f, ok := found[alarm.Name]
		if !ok {
			f = rollout.Finding{Judgement: rollout.Error, Reason: "there is no such alarm"}
		}
		f.Source, f.DryRun = "alarm "+alarm.Name, alarm.DryRun
		o.Findings = append(o.Findings, f)
	}
	return o, nil
}

func (a *Alarms) read(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, found map[string]rollout.Finding) error {
	for range maxPages {
		out, err := a.client.DescribeAlarms(ctx, in)
		if err != nil {
			return err
		}
		for _, m := range out.MetricAlarms {
			found[aws.ToString(m.AlarmName)] = findingOf(m.StateValue, aws.ToString(m.StateReason))
		}
		for _, c := range out.CompositeAlarms {
			found[aws.ToString(c.AlarmName)] = findingOf(c.StateValue, aws.ToString(c.StateReason))
		}
		if aws.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return fmt.Errorf("DescribeAlarms gave more than %d pages", maxPages)
}

func findingOf(state types.StateValue, reason string) rollout.Finding {
	f := rollout.Finding{Reason: string(state)}
	if reason != "" {
		f.Reason += ": " + reason
	}
	switch state {
	case types.StateValueOk:
		f.Judgement = rollout.Healthy
	case types.StateValueAlarm:
		f.Judgement = rollout.Unhealthy
	case types.StateValueInsufficientData:
		f.Judgement = rollout.NotObserved
	default:
		f.Judgement = rollout.Error
	}
	return f
}
