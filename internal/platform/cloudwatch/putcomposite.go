package cloudwatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// PutCompositeAlarm creates an alarm on the states of other alarms, or replaces its configuration, and evaluates its rule
// at once. The alarms of the rule, and the suppressor, must be there.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
func (s *Service) PutCompositeAlarm(ctx context.Context, in *cloudwatch.PutCompositeAlarmInput) (*cloudwatch.PutCompositeAlarmOutput, error) {
	c := &alarmInput{}
	c.name(in.AlarmName)
	c.description(in.AlarmDescription)
	checkActions(c, "AlarmActions", in.AlarmActions)
	checkActions(c, "OKActions", in.OKActions)
	checkActions(c, "InsufficientDataActions", in.InsufficientDataActions)
	tags := c.tags(in.Tags)
	if in.ActionConfiguration != nil {
		c.fail("The parameter ActionConfiguration is not supported by this endpoint: tags are not handed to actions.")
	}
	checkSuppressor(c, in)
	if aws.ToString(in.AlarmRule) == "" {
		c.check(missing("AlarmRule"))
	}
	if c.err != nil {
		return nil, c.err
	}
	rule, err := alarm.ParseRule(*in.AlarmRule)
	if err != nil {
		return nil, validation("%v.", err)
	}
	k := &types.CompositeAlarm{
		ActionsEnabled: orTrue(in.ActionsEnabled), ActionsSuppressor: in.ActionsSuppressor,
		ActionsSuppressorExtensionPeriod: in.ActionsSuppressorExtensionPeriod, ActionsSuppressorWaitPeriod: in.ActionsSuppressorWaitPeriod,
		AlarmActions: filled(in.AlarmActions), AlarmArn: aws.String(s.alarmARN(*in.AlarmName)), AlarmDescription: in.AlarmDescription,
		AlarmName: in.AlarmName, AlarmRule: in.AlarmRule, InsufficientDataActions: filled(in.InsufficientDataActions),
		OKActions: filled(in.OKActions), StateValue: types.StateValueInsufficientData, StateReason: aws.String(initialReason),
	}
	n := &alarmRecord{Composite: k, Tags: tags, rule: rule, Acted: alarm.InsufficientData}
	return &cloudwatch.PutCompositeAlarmOutput{}, s.changeAlarms(ctx, func(c *change) error {
		var unknown []string
		for _, child := range append(rule.Children(), aws.ToString(in.ActionsSuppressor)) {
			if name := s.nameOf(child); name != "" && (c.get(name) == nil || name == *in.AlarmName) {
				unknown = append(unknown, name)
			}
		}
		if len(unknown) > 0 {
			return validation("Could not save the composite alarm as alarms [%s] in the alarm rule do not exist", strings.Join(unknown, ", "))
		}
		k.AlarmConfigurationUpdatedTimestamp, k.StateUpdatedTimestamp, k.StateTransitionedTimestamp = &c.now, &c.now, &c.now
		old, err := c.replace(n)
		if err != nil {
			return err
		}
		done := "created"
		if old != nil {
			was := old.Composite
			k.StateValue, k.StateReason, k.StateReasonData = was.StateValue, was.StateReason, was.StateReasonData
			k.StateUpdatedTimestamp, k.StateTransitionedTimestamp = was.StateUpdatedTimestamp, was.StateTransitionedTimestamp
			k.ActionsSuppressedBy, k.ActionsSuppressedReason = was.ActionsSuppressedBy, was.ActionsSuppressedReason
			done = "updated"
		}
		c.evaluate(n.name(), fmt.Sprintf("%s was %s and its alarm rule evaluates to {state}", n.arn(), done), rule.Children())
		return nil
	})
}

func checkSuppressor(c *alarmInput, in *cloudwatch.PutCompositeAlarmInput) {
	has := aws.ToString(in.ActionsSuppressor) != ""
	for param, v := range map[string]*int32{
		"ActionsSuppressorWaitPeriod": in.ActionsSuppressorWaitPeriod, "ActionsSuppressorExtensionPeriod": in.ActionsSuppressorExtensionPeriod,
	} {
		switch {
		case has && v == nil:
			c.fail("The parameter %s is required with ActionsSuppressor.", param)
		case !has && v != nil:
			c.fail("The parameter %s is allowed only with ActionsSuppressor.", param)
		case v != nil && *v < 0:
			c.check(invalid(*v, param))
		}
	}
}
