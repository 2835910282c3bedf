package codedeploy

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// groupChange is what a request says about a group; nil leaves a part as it is.
type groupChange struct {
	role, config *string
	style        *types.DeploymentStyle
	alarms       *types.AlarmConfiguration
	rollback     *types.AutoRollbackConfiguration
	triggers     []types.TriggerConfig
	foreign      foreign
}

// foreign says which settings of other compute platforms a request has.
type foreign struct{ blueGreen, loadBalancer, autoScaling, ec2Tags, onPremises, ecs bool }

func (f foreign) check() error {
	const not = "%s cannot be specified for the Lambda compute platform"
	switch {
	case f.blueGreen:
		return &types.InvalidBlueGreenDeploymentConfigurationException{Message: text(not, "blueGreenDeploymentConfiguration")}
	case f.loadBalancer:
		return &types.InvalidLoadBalancerInfoException{Message: text(not, "loadBalancerInfo")}
	case f.autoScaling:
		return &types.InvalidAutoScalingGroupException{Message: text(not, "autoScalingGroups")}
	case f.ec2Tags:
		return &types.InvalidEC2TagException{Message: text(not, "An EC2 tag")}
	case f.onPremises:
		return &types.InvalidTagException{Message: text(not, "An on-premises tag")}
	case f.ecs:
		return &types.InvalidECSServiceException{Message: text(not, "ecsServices")}
	}
	return nil
}

func (c groupChange) check() error {
	if c.role != nil && !roleForm.MatchString(*c.role) {
		return &types.InvalidRoleException{Message: text("serviceRoleArn is not the ARN of an IAM role: %s", *c.role)}
	}
	if c.style != nil {
		if err := checkStyle(*c.style); err != nil {
			return err
		}
	}
	if err := c.foreign.check(); err != nil {
		return err
	}
	if err := checkAlarms(c.alarms); err != nil {
		return err
	}
	if err := checkRollback(c.rollback); err != nil {
		return err
	}
	return checkTriggers(c.triggers)
}

func checkStyle(s types.DeploymentStyle) error {
	if s.DeploymentType != types.DeploymentTypeBlueGreen || s.DeploymentOption != types.DeploymentOptionWithTrafficControl {
		return &types.InvalidDeploymentStyleException{Message: text(
			"For the Lambda compute platform, deploymentType must be BLUE_GREEN and deploymentOption WITH_TRAFFIC_CONTROL")}
	}
	return nil
}

// checkAlarms knows AWS's reasons for an InvalidAlarmConfigException.
//
// https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_CreateDeploymentGroup.html
func checkAlarms(c *types.AlarmConfiguration) error {
	if c == nil {
		return nil
	}
	if len(c.Alarms) > maxAlarms {
		return &types.AlarmsLimitExceededException{Message: text("A deployment group has at most %d alarms", maxAlarms)}
	}
	if c.Enabled && len(c.Alarms) == 0 {
		return &types.InvalidAlarmConfigException{Message: text("The alarm configuration is enabled, but the alarm list is empty")}
	}
	seen := map[string]bool{}
	for _, a := range c.Alarms {
		name := aws.ToString(a.Name)
		switch {
		case name == "" || len(name) > maxAlarmName:
			return &types.InvalidAlarmConfigException{Message: text("An alarm name has 1 to %d characters", maxAlarmName)}
		case seen[name]:
			return &types.InvalidAlarmConfigException{Message: text("Two alarms with the same name have been specified: %s", name)}
		}
		seen[name] = true
	}
	return nil
}

func checkRollback(c *types.AutoRollbackConfiguration) error {
	if c == nil {
		return nil
	}
	if c.Enabled && len(c.Events) == 0 {
		return &types.InvalidAutoRollbackConfigException{Message: text("Automatic rollback is enabled, but no event types were listed")}
	}
	for _, e := range c.Events {
		if !slices.Contains(e.Values(), e) {
			return &types.InvalidAutoRollbackConfigException{Message: text("Automatic rollback has no event type %q", e)}
		}
	}
	return nil
}

func checkTriggers(triggers []types.TriggerConfig) error {
	if len(triggers) > maxTriggers {
		return &types.TriggerTargetsLimitExceededException{Message: text("A deployment group has at most %d triggers", maxTriggers)}
	}
	for _, t := range triggers {
		if aws.ToString(t.TriggerName) == "" || aws.ToString(t.TriggerTargetArn) == "" || len(t.TriggerEvents) == 0 {
			return &types.InvalidTriggerConfigException{Message: text("A trigger has a name, the ARN of an SNS topic and events")}
		}
		for _, e := range t.TriggerEvents {
			if !slices.Contains(e.Values(), e) {
				return &types.InvalidTriggerConfigException{Message: text("There is no trigger event %q", e)}
			}
		}
	}
	return nil
}

// moment is a time that may not have come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
