package cloudwatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
)

// nameOf gives the name of an alarm that is named by its name or its ARN.
func (s *Service) nameOf(nameOrARN string) string {
	return strings.TrimPrefix(nameOrARN, s.alarmARN(""))
}

func (c *change) state(child string) alarm.State {
	if r := c.get(c.s.nameOf(child)); r != nil {
		return r.condition().state
	}
	return ""
}

func (c *change) isChild(r *alarmRecord, name string) bool {
	return slices.ContainsFunc(r.rule.Children(), func(child string) bool { return c.s.nameOf(child) == name })
}

// cascade evaluates the composite alarms over what has moved, theirs in turn, and so on. An alarm moves once in it, which
// ends it where rules go round in circles.
func (c *change) cascade() {
	seen := map[string]bool{}
	for i := 0; i < len(c.moved); i++ {
		name := c.moved[i]
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, parent := range c.names() {
			r := c.get(parent)
			if r.Composite == nil {
				continue
			}
			if aws.ToString(r.Composite.ActionsSuppressor) != "" && c.s.nameOf(*r.Composite.ActionsSuppressor) == name {
				c.suppressorMoved(parent, c.get(name))
			}
			if c.isChild(r, name) && !seen[parent] {
				moved := c.get(name)
				at := moved.condition()
				c.evaluate(parent, fmt.Sprintf("%s transitioned to %s at %s", moved.arn(), at.state, at.updated.UTC().Format("Monday 02 January, 2006 15:04:05 MST")), []string{name})
			}
		}
	}
	for _, name := range c.names() {
		if r := c.get(name); r.Composite != nil {
			c.settle(name)
		}
	}
}

// evaluate decides a composite alarm's state by its rule.
func (c *change) evaluate(name, reason string, because []string) {
	r := c.get(name)
	state := alarm.OK
	if r.rule.Holds(c.state) {
		state = alarm.Alarm
	}
	if state == r.condition().state {
		return
	}
	c.move(r, condition{state: state, reason: strings.ReplaceAll(reason, "{state}", string(state)), data: c.triggers(because)})
}

// triggers is the StateReasonData of a composite alarm.
func (c *change) triggers(children []string) string {
	type childState struct {
		Value     alarm.State `json:"value"`
		Timestamp string      `json:"timestamp"`
	}
	type trigger struct {
		ARN   string     `json:"arn"`
		State childState `json:"state"`
	}
	list := []trigger{}
	for _, child := range children {
		if r := c.get(c.s.nameOf(child)); r != nil {
			at := r.condition()
			list = append(list, trigger{r.arn(), childState{at.state, at.updated.UTC().Format(alarm.TimeFormat)}})
		}
	}
	b, _ := json.Marshal(map[string]any{"triggeringAlarms": list}) // text only
	return string(b)
}

func (c *change) suppressorMoved(name string, suppressor *alarmRecord) {
	n := c.get(name).copy()
	n.SuppressorLeft = time.Time{}
	if suppressor.condition().state != alarm.Alarm {
		n.SuppressorLeft = c.now
	}
	c.put(n)
}

// suppression is what may hold back the actions of a composite alarm.
func (c *change) suppression(k *types.CompositeAlarm, left time.Time) alarm.Suppression {
	if aws.ToString(k.ActionsSuppressor) == "" {
		return alarm.Suppression{}
	}
	return alarm.Suppression{
		Suppressing: c.state(*k.ActionsSuppressor) == alarm.Alarm, Left: left,
		Wait:      time.Duration(aws.ToInt32(k.ActionsSuppressorWaitPeriod)) * time.Second,
		Extension: time.Duration(aws.ToInt32(k.ActionsSuppressorExtensionPeriod)) * time.Second,
	}
}

// settle takes the actions of a composite alarm's state once nothing holds them back.
func (c *change) settle(name string) {
	r := c.get(name)
	by, _ := c.hold(r)
	if !r.Held || by == "" {
		if !r.Held && r.Composite.ActionsSuppressedBy == "" {
			return
		}
		n := r.copy()
		n.Composite.ActionsSuppressedBy, n.Composite.ActionsSuppressedReason = "", nil
		if n.Held {
			to := n.condition()
			from := condition{state: n.Acted}
			for _, h := range c.history { // the change of this very moment knows where it came from
				if h.Name == name && h.from != nil {
					from = *h.from
				}
			}
			n.Held, n.Acted = false, to.state
			n.Pending = append(n.Pending, c.s.actionsOf(n, from, to)...)
		}
		c.put(n)
		return
	}
	if string(r.Composite.ActionsSuppressedBy) != by {
		n := r.copy()
		n.Composite.ActionsSuppressedBy = types.ActionsSuppressedBy(by)
		n.Composite.ActionsSuppressedReason = aws.String("Actions suppressed by " + by)
		c.put(n)
	}
}

// hold tells what holds back the actions of a composite alarm, and until when.
func (c *change) hold(r *alarmRecord) (by string, until time.Time) {
	if !r.Held {
		return "", time.Time{}
	}
	return c.suppression(r.Composite, r.SuppressorLeft).Hold(aws.ToTime(r.Composite.StateTransitionedTimestamp), c.now)
}
