package cloudwatch

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// SetAlarmState sets the state of an alarm, with all that follows from it. A metric alarm keeps it until its next
// evaluation, a composite one until one of its children moves.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
func (s *Service) SetAlarmState(ctx context.Context, in *cloudwatch.SetAlarmStateInput) (*cloudwatch.SetAlarmStateOutput, error) {
	c := &alarmInput{}
	c.name(in.AlarmName)
	if in.StateValue == "" {
		c.check(missing("StateValue"))
	}
	c.known("StateValue", string(in.StateValue), texts(in.StateValue.Values())...)
	if in.StateReason == nil {
		c.check(missing("StateReason"))
	}
	if len(aws.ToString(in.StateReason)) > 1023 || len(aws.ToString(in.StateReasonData)) > 4000 {
		c.fail("StateReason must not have more than 1023 characters, and StateReasonData not more than 4000.")
	}
	if in.StateReasonData != nil && !json.Valid([]byte(*in.StateReasonData)) {
		c.check(&types.InvalidFormatFault{Message: aws.String("StateReasonData was not valid JSON")})
	}
	if c.err != nil {
		return nil, c.err
	}
	return &cloudwatch.SetAlarmStateOutput{}, s.changeAlarms(ctx, func(c *change) error {
		r := c.get(*in.AlarmName)
		if r == nil {
			return noAlarm(*in.AlarmName)
		}
		c.move(r, condition{state: alarm.State(in.StateValue), reason: *in.StateReason, data: aws.ToString(in.StateReasonData)})
		return nil
	})
}

// EnableAlarmActions lets the alarms take actions from now on. Names that are no alarm's are passed over, as on AWS.
func (s *Service) EnableAlarmActions(ctx context.Context, in *cloudwatch.EnableAlarmActionsInput) (*cloudwatch.EnableAlarmActionsOutput, error) {
	return &cloudwatch.EnableAlarmActionsOutput{}, s.enable(ctx, in.AlarmNames, true)
}

// DisableAlarmActions keeps the alarms from taking actions. Names that are no alarm's are passed over, as on AWS.
func (s *Service) DisableAlarmActions(ctx context.Context, in *cloudwatch.DisableAlarmActionsInput) (*cloudwatch.DisableAlarmActionsOutput, error) {
	return &cloudwatch.DisableAlarmActionsOutput{}, s.enable(ctx, in.AlarmNames, false)
}

func (s *Service) enable(ctx context.Context, names []string, enabled bool) error {
	if err := checkNames(names); err != nil {
		return err
	}
	return s.changeAlarms(ctx, func(c *change) error {
		for _, name := range names {
			r := c.get(name)
			if r == nil {
				continue
			}
			n := r.copy()
			if n.Metric != nil {
				n.Metric.ActionsEnabled, n.Metric.AlarmConfigurationUpdatedTimestamp = &enabled, &c.now
			} else {
				n.Composite.ActionsEnabled, n.Composite.AlarmConfigurationUpdatedTimestamp = &enabled, &c.now
			}
			c.put(n)
			c.configured("Update", n)
		}
		return nil
	})
}

func checkNames(names []string) error {
	switch {
	case len(names) == 0:
		return missing("AlarmNames")
	case len(names) > 100:
		return validation("The collection AlarmNames must not have a size greater than 100.")
	}
	return nil
}

// DeleteAlarms deletes alarms: all, or none after an error. An alarm that a composite alarm asks for stays.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html
func (s *Service) DeleteAlarms(ctx context.Context, in *cloudwatch.DeleteAlarmsInput) (*cloudwatch.DeleteAlarmsOutput, error) {
	if err := checkNames(in.AlarmNames); err != nil {
		return nil, err
	}
	return &cloudwatch.DeleteAlarmsOutput{}, s.changeAlarms(ctx, func(c *change) error {
		composites := 0
		for _, name := range in.AlarmNames {
			r := s.alarms.byName[name]
			if r == nil {
				return noAlarm(name)
			}
			if r.Composite != nil {
				composites++
			}
		}
		if composites > 1 {
			return validation("You can't delete two composite alarms with one operation.")
		}
		for _, name := range in.AlarmNames {
			var parents []string
			for _, parent := range c.names() {
				r := c.get(parent)
				suppressed := r.Composite != nil && s.nameOf(aws.ToString(r.Composite.ActionsSuppressor)) == name
				if r.Composite != nil && (c.isChild(r, name) || suppressed) && !slices.Contains(in.AlarmNames, parent) {
					parents = append(parents, parent)
				}
			}
			if len(parents) > 0 {
				return validation("Cannot delete %s as there are primary alarm(s) depending on it: %s", name, strings.Join(parents, ", "))
			}
		}
		for _, name := range in.AlarmNames {
			if r := c.get(name); r != nil {
				c.configured("Delete", r)
				c.records[name] = nil
			}
		}
		return nil
	})
}

// TagResource sets tags of an alarm.
func (s *Service) TagResource(ctx context.Context, in *cloudwatch.TagResourceInput) (*cloudwatch.TagResourceOutput, error) {
	c := &alarmInput{}
	tags := c.tags(in.Tags)
	if c.err != nil {
		return nil, c.err
	}
	return &cloudwatch.TagResourceOutput{}, s.retag(ctx, in.ResourceARN, func(of map[string]string) { maps.Copy(of, tags) })
}

// UntagResource removes tags of an alarm.
func (s *Service) UntagResource(ctx context.Context, in *cloudwatch.UntagResourceInput) (*cloudwatch.UntagResourceOutput, error) {
	return &cloudwatch.UntagResourceOutput{}, s.retag(ctx, in.ResourceARN, func(of map[string]string) {
		for _, k := range in.TagKeys {
			delete(of, k)
		}
	})
}

func (s *Service) retag(ctx context.Context, arn *string, f func(map[string]string)) error {
	return s.changeAlarms(ctx, func(c *change) error {
		r, err := c.byARN(arn)
		if err != nil {
			return err
		}
		n := r.copy()
		if n.Tags == nil {
			n.Tags = map[string]string{}
		}
		if f(n.Tags); len(n.Tags) > maxTags {
			return validation("A resource has at most %d tags.", maxTags)
		}
		c.put(n)
		return nil
	})
}

// ListTagsForResource lists the tags of an alarm, in order of their keys.
func (s *Service) ListTagsForResource(_ context.Context, in *cloudwatch.ListTagsForResourceInput) (*cloudwatch.ListTagsForResourceOutput, error) {
	s.alarms.mu.RLock()
	defer s.alarms.mu.RUnlock()
	r, err := (&change{s: s}).byARN(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.ListTagsForResourceOutput{Tags: []types.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(k), Value: aws.String(r.Tags[k])})
	}
	return out, nil
}

func (c *change) byARN(arn *string) (*alarmRecord, error) {
	v := aws.ToString(arn)
	if v == "" {
		return nil, missing("ResourceARN")
	}
	if name := c.s.nameOf(v); name != v {
		if r := c.get(name); r != nil {
			return r, nil
		}
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("Resource not found: " + v), ResourceType: aws.String("Alarm"), ResourceId: aws.String(v)}
}
