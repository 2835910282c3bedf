package codedeploy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// alarmInterval is the time between two looks at the alarms of a deployment. They are also looked at when it begins and
// before every shift. AWS does not say how often it looks.
const alarmInterval = 10 * time.Second

// watches reports whether alarms can stop the deployment.
func (r *deploymentRecord) watches() bool {
	return r.RollbackOf == "" && r.Alarms != nil && r.Alarms.Enabled && len(r.Alarms.Alarms) > 0
}

// look asks for the deployment's alarms and says why it must stop, or nil. AWS documents that alarms whose state cannot be
// retrieved stop a deployment, and not by which code.
func (s *Service) look(r *deploymentRecord) *cause {
	active, err := s.activeAlarms(r.Alarms.Alarms)
	stop := &cause{status: types.DeploymentStatusStopped, event: types.AutoRollbackEventDeploymentStopOnAlarm}
	switch {
	case len(active) > 0:
		stop.code = types.ErrorCodeAlarmActive
		stop.message = fmt.Sprintf("One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <%s>", strings.Join(active, ", "))
	case err != nil && s.ctx.Err() == nil && !r.Alarms.IgnorePollAlarmFailure:
		stop.code = types.ErrorCodeCodedeployResourceCannotBeFound
		stop.message = fmt.Sprintf("The deployment was stopped because the state of its alarms could not be retrieved: %v. Set ignorePollAlarmFailure to go on nevertheless.", err)
	default:
		return nil
	}
	return stop
}

// activeAlarms lists the alarms that fire. An alarm that does not exist is one whose state cannot be retrieved; the error
// names all of these.
func (s *Service) activeAlarms(alarms []types.Alarm) (active []string, err error) {
	if s.alarms == nil {
		return nil, errors.New("there are no alarms here")
	}
	var missing []string
	for _, a := range alarms {
		missing = append(missing, aws.ToString(a.Name))
	}
	out, err := s.alarms.DescribeAlarms(s.ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: slices.Clone(missing), AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return nil, err
	}
	saw := func(name *string, state cwtypes.StateValue) {
		missing = slices.DeleteFunc(missing, func(n string) bool { return n == aws.ToString(name) })
		if state == cwtypes.StateValueAlarm {
			active = append(active, aws.ToString(name))
		}
	}
	for _, a := range out.MetricAlarms {
		saw(a.AlarmName, a.StateValue)
	}
	for _, a := range out.CompositeAlarms {
		saw(a.AlarmName, a.StateValue)
	}
	if len(missing) > 0 {
		err = fmt.Errorf("no alarm %s", strings.Join(missing, ", "))
	}
	return active, err
}
