package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// Invoker calls functions for alarms; the platform's Lambda service is the one of the platform. An error is Lambda's own.
// It is called from many goroutines.
type Invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)
	// MayInvoke tells whether the resource policy of function, an ARN, lets principal invoke it on behalf of source, an ARN.
	MayInvoke(principal, source, function string) bool
}

// pendingAction is an action of an alarm that has been decided and is not known to have been taken. It is stored with
// the change of state that it follows from, and taken again after a crash.
type pendingAction struct {
	ID      string          `json:"id"`
	ARN     string          `json:"arn"`
	Changed time.Time       `json:"changed"`
	Event   json.RawMessage `json:"event"`
}

// How long an action that met a failure of the platform waits for its next try.
const actionPause = 30 * time.Second

// checkActions refuses what is no ARN. As on AWS, nobody looks whether what it names exists.
func checkActions(c *alarmInput, param string, arns []string) {
	if len(arns) > 5 {
		c.fail("The collection %s must not have a size greater than 5.", param)
	}
	for _, a := range arns {
		if parts := strings.SplitN(a, ":", 6); len(parts) < 6 || parts[0] != "arn" || parts[2] == "" || parts[5] == "" {
			c.fail("Invalid arn syntax: %s", a)
		}
	}
}

// actionsOf are the actions of the state that an alarm has come into.
func (s *Service) actionsOf(r *alarmRecord, from, to condition) []pendingAction {
	var out []pendingAction
	for _, arn := range r.actions(to.state) {
		event, _ := json.Marshal(s.alarmEvent(r, from, to)) // text, numbers that are finite
		out = append(out, pendingAction{ID: uuid.NewString(), ARN: arn, Changed: to.updated, Event: event})
	}
	return out
}

// alarmEvent is what a function is told.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
func (s *Service) alarmEvent(r *alarmRecord, from, to condition) any {
	state := func(c condition) map[string]any {
		m := map[string]any{"value": c.state, "reason": c.reason, "timestamp": c.updated.UTC().Format(alarm.TimeFormat)}
		if c.data != "" {
			m["reasonData"] = c.data
		}
		return m
	}
	configuration := map[string]any{}
	if m := r.Metric; m != nil {
		configuration["metrics"] = eventMetrics(m)
		if m.AlarmDescription != nil {
			configuration["description"] = *m.AlarmDescription
		}
	} else {
		k := r.Composite
		configuration["alarmRule"] = *k.AlarmRule
		if k.AlarmDescription != nil {
			configuration["description"] = *k.AlarmDescription
		}
		if aws.ToString(k.ActionsSuppressor) != "" {
			configuration["actionsSuppressor"] = *k.ActionsSuppressor
			configuration["actionsSuppressorWaitPeriod"] = aws.ToInt32(k.ActionsSuppressorWaitPeriod)
			configuration["actionsSuppressorExtensionPeriod"] = aws.ToInt32(k.ActionsSuppressorExtensionPeriod)
		}
	}
	return map[string]any{
		"source": "aws.cloudwatch", "alarmArn": r.arn(), "accountId": s.cfg.Account, "region": s.cfg.Region,
		"time": to.updated.UTC().Format(alarm.TimeFormat),
		"alarmData": map[string]any{
			"alarmName": r.name(), "state": state(to), "previousState": state(from), "configuration": configuration,
		},
	}
}

func eventMetrics(m *types.MetricAlarm) []map[string]any {
	stat := func(metric *types.Metric, period int32, name string, unit types.StandardUnit) map[string]any {
		dims := map[string]string{}
		for _, d := range metric.Dimensions {
			dims[aws.ToString(d.Name)] = aws.ToString(d.Value)
		}
		out := map[string]any{
			"metric": map[string]any{"namespace": aws.ToString(metric.Namespace), "name": aws.ToString(metric.MetricName), "dimensions": dims},
			"period": period, "stat": name,
		}
		if unit != "" {
			out["unit"] = unit
		}
		return out
	}
	if len(m.Metrics) == 0 {
		name := string(m.Statistic)
		if m.ExtendedStatistic != nil {
			name = *m.ExtendedStatistic
		}
		return []map[string]any{{
			"id": uuid.NewSHA1(uuid.NameSpaceURL, []byte(*m.AlarmArn)).String(), "returnData": true,
			"metricStat": stat(&types.Metric{Namespace: m.Namespace, MetricName: m.MetricName, Dimensions: m.Dimensions}, aws.ToInt32(m.Period), name, m.Unit),
		}}
	}
	var out []map[string]any
	for _, q := range m.Metrics {
		e := map[string]any{"id": aws.ToString(q.Id), "returnData": q.ReturnData == nil || *q.ReturnData}
		if q.Label != nil {
			e["label"] = *q.Label
		}
		if q.Expression != nil {
			e["expression"] = *q.Expression
		} else {
			e["metricStat"] = stat(q.MetricStat.Metric, aws.ToInt32(q.MetricStat.Period), aws.ToString(q.MetricStat.Stat), q.MetricStat.Unit)
		}
		out = append(out, e)
	}
	return out
}

// act takes the actions of r that before did not have; the caller holds alarms.mu.
func (s *Service) act(r, before *alarmRecord) {
	if s.alarms.closed || s.alarms.invoker == nil {
		return
	}
	for _, a := range r.Pending {
		if before != nil && slices.ContainsFunc(before.Pending, func(b pendingAction) bool { return b.ID == a.ID }) {
			continue
		}
		s.alarms.acting.Go(func() { s.take(r.name(), a) })
	}
}

// take takes one action and records what came of it. What the platform could not do is tried again; what cannot be done is
// recorded as failed, as AWS does.
func (s *Service) take(name string, a pendingAction) {
	for {
		err := s.perform(name, a)
		if s.alarms.lifetime.Err() != nil {
			return // it is stored, and taken at the next start
		}
		if err == nil || final(err) {
			if err = s.changeAlarms(s.alarms.lifetime, func(c *change) error { return c.taken(name, a, err) }); err == nil {
				return
			}
		}
		s.cfg.Logger.Error("cloudwatch: an alarm's action could not be taken; trying again", "alarm", name, "action", a.ARN, "error", err, "pause", actionPause)
		again := make(chan struct{})
		stop := s.cfg.Clock.AfterFunc(actionPause, func() { close(again) })
		select {
		case <-again:
		case <-s.alarms.lifetime.Done():
			stop()
			return
		}
	}
}

// notServed is an action of a service that is not here.
type notServed string

func (e notServed) Error() string {
	return fmt.Sprintf("%s actions are not served by this endpoint; alarms call Lambda functions", string(e))
}

// alarmsPrincipal is the service that a function's policy must let invoke it.
const alarmsPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"

// forbidden is a function, by its ARN, whose resource policy does not let alarms call it.
type forbidden string

func (e forbidden) Error() string {
	return fmt.Sprintf("CloudWatch Alarms is not authorized to perform: lambda:InvokeFunction on the resource: %s because no resource-based policy allows the lambda:InvokeFunction action", string(e))
}

// perform takes an action of the alarm of this name. Like AWS it asks the function's policy each time.
func (s *Service) perform(name string, a pendingAction) error {
	service := strings.SplitN(a.ARN, ":", 6)[2]
	if service != "lambda" {
		return notServed(service)
	}
	if !s.alarms.invoker.MayInvoke(alarmsPrincipal, s.alarmARN(name), a.ARN) {
		return forbidden(a.ARN)
	}
	_, err := s.alarms.invoker.Invoke(s.alarms.lifetime, &lambda.InvokeInput{
		FunctionName: &a.ARN, InvocationType: lambdatypes.InvocationTypeEvent, Payload: a.Event,
	})
	return err
}

// final tells errors that another try would meet again.
func final(err error) bool {
	var service notServed
	var denied forbidden
	var coded interface{ ErrorCode() string }
	if errors.As(err, &service) || errors.As(err, &denied) {
		return true
	}
	if !errors.As(err, &coded) {
		return false
	}
	switch coded.ErrorCode() {
	case "TooManyRequestsException", "ServiceException", "InternalFailure":
		return false
	}
	return true
}

// taken notes the end of an action.
func (c *change) taken(name string, a pendingAction, err error) error {
	r := c.get(name)
	kind := types.AlarmTypeMetricAlarm
	if r != nil {
		kind = r.kind()
		n := r.copy()
		n.Pending = slices.DeleteFunc(n.Pending, func(p pendingAction) bool { return p.ID == a.ID })
		c.put(n)
	}
	data := map[string]any{
		"actionState": "Succeeded", "stateUpdateTimestamp": a.Changed.UnixMilli(), "notificationResource": a.ARN, "publishedMessage": string(a.Event),
	}
	summary := "Successfully executed action " + a.ARN
	if err != nil {
		data["actionState"], data["error"] = "Failed", err.Error()
		summary = fmt.Sprintf("Failed to execute action %s. Received error: %q", a.ARN, err.Error())
	}
	text, err := json.Marshal(data)
	c.history = append(c.history, historyItem{Name: name, Type: kind, Item: types.HistoryItemTypeAction, Summary: summary, Data: string(text), At: c.now})
	return err
}
