package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/alarm"
	"github.com/tealdeploy/teal/internal/store"
)

const alarmBucket = "cloudwatch.alarms" // name → alarmRecord

// maxAlarms bounds how many alarms there are. AWS has no such bound.
const maxAlarms = 5000

// alarmRecord is an alarm as it is stored. A record never changes once it is in the map: a change makes a new one.
type alarmRecord struct {
	Metric    *types.MetricAlarm    `json:"metric,omitempty"` // one of these two
	Composite *types.CompositeAlarm `json:"composite,omitempty"`
	Tags      map[string]string     `json:"tags,omitempty"`

	Evaluated      bool            `json:"evaluated,omitempty"`     // a first evaluation has been
	Acted          alarm.State     `json:"acted,omitempty"`         // composite: the state whose actions were last taken
	Held           bool            `json:"held,omitempty"`          // composite: actions of the present state are held back
	SuppressorLeft time.Time       `json:"suppressorLeft,omitzero"` // composite: when the suppressor last left ALARM
	Pending        []pendingAction `json:"pending,omitempty"`       // to be taken

	rule    *alarm.Rule  // composite
	watched *metricWatch // metric
}

func (r *alarmRecord) name() string {
	if r.Metric != nil {
		return *r.Metric.AlarmName
	}
	return *r.Composite.AlarmName
}

func (r *alarmRecord) arn() string {
	if r.Metric != nil {
		return *r.Metric.AlarmArn
	}
	return *r.Composite.AlarmArn
}

func (r *alarmRecord) kind() types.AlarmType {
	if r.Metric != nil {
		return types.AlarmTypeMetricAlarm
	}
	return types.AlarmTypeCompositeAlarm
}

// condition is the state of an alarm and why it is in it.
type condition struct {
	state        alarm.State
	reason, data string
	updated      time.Time
}

func (r *alarmRecord) condition() condition {
	if m := r.Metric; m != nil {
		return condition{alarm.State(m.StateValue), aws.ToString(m.StateReason), aws.ToString(m.StateReasonData), aws.ToTime(m.StateUpdatedTimestamp)}
	}
	c := r.Composite
	return condition{alarm.State(c.StateValue), aws.ToString(c.StateReason), aws.ToString(c.StateReasonData), aws.ToTime(c.StateUpdatedTimestamp)}
}

// in returns a copy of the record in a new condition.
func (r *alarmRecord) in(c condition) *alarmRecord {
	n := r.copy()
	var data *string
	if c.data != "" {
		data = &c.data
	}
	at := &c.updated
	if m := n.Metric; m != nil {
		if m.StateValue != types.StateValue(c.state) {
			m.StateTransitionedTimestamp = at
		}
		m.StateValue, m.StateReason, m.StateReasonData, m.StateUpdatedTimestamp = types.StateValue(c.state), &c.reason, data, at
		return n
	}
	k := n.Composite
	if k.StateValue != types.StateValue(c.state) {
		k.StateTransitionedTimestamp = at
	}
	k.StateValue, k.StateReason, k.StateReasonData, k.StateUpdatedTimestamp = types.StateValue(c.state), &c.reason, data, at
	return n
}

func (r *alarmRecord) copy() *alarmRecord {
	n := *r
	if r.Metric != nil {
		m := *r.Metric
		n.Metric = &m
	} else {
		c := *r.Composite
		n.Composite = &c
	}
	n.Tags, n.Pending = maps.Clone(r.Tags), slices.Clone(r.Pending)
	return &n
}

// actions are those of a state; none while they are disabled.
func (r *alarmRecord) actions(s alarm.State) []string {
	var enabled *bool
	var of map[alarm.State][]string
	if m := r.Metric; m != nil {
		enabled, of = m.ActionsEnabled, map[alarm.State][]string{alarm.Alarm: m.AlarmActions, alarm.OK: m.OKActions, alarm.InsufficientData: m.InsufficientDataActions}
	} else {
		c := r.Composite
		enabled, of = c.ActionsEnabled, map[alarm.State][]string{alarm.Alarm: c.AlarmActions, alarm.OK: c.OKActions, alarm.InsufficientData: c.InsufficientDataActions}
	}
	if enabled != nil && !*enabled {
		return nil
	}
	return of[s]
}

// alarms are the alarms of a service.
type alarms struct {
	mu      sync.RWMutex // held while a change is committed
	byName  map[string]*alarmRecord
	serial  int64 // of history items, so that those of one instant differ
	wake    func() bool
	wakeAt  time.Time
	closed  bool
	invoker Invoker
	pruned  time.Time // when old history was last removed
	minute  int64     // in which alarms of a minute or more were last evaluated

	lifetime context.Context
	end      context.CancelFunc
	acting   sync.WaitGroup
}

// loadAlarms reads what the store has.
func (s *Service) loadAlarms(ctx context.Context) error {
	s.alarms.byName = map[string]*alarmRecord{}
	s.alarms.lifetime, s.alarms.end = context.WithCancel(context.WithoutCancel(ctx))
	for row, err := range s.cfg.Store.Scan(ctx, alarmBucket, store.Range{}) {
		if err != nil {
			return fmt.Errorf("cloudwatch: reading alarms: %w", err)
		}
		r := &alarmRecord{}
		if err := json.Unmarshal(row.Value, r); err != nil || r.Metric == nil && r.Composite == nil {
			return fmt.Errorf("cloudwatch: the alarm %q cannot be read: %w", row.Key, errors.Join(err, errors.New("it is no alarm")))
		}
		if err := s.prepare(r); err != nil {
			return fmt.Errorf("cloudwatch: the alarm %q cannot be read: %w", row.Key, err)
		}
		s.alarms.byName[row.Key] = r
	}
	return nil
}

// prepare compiles what a record says.
func (s *Service) prepare(r *alarmRecord) (err error) {
	if r.Metric != nil {
		r.watched, err = s.watchOf(r.Metric)
		return err
	}
	r.rule, err = alarm.ParseRule(*r.Composite.AlarmRule)
	return err
}

// change is a set of changes to alarms that becomes visible, and durable, as a whole. The caller holds alarms.mu.
type change struct {
	s       *Service
	now     time.Time
	records map[string]*alarmRecord // nil: deleted
	moved   []string                // alarms that went into another state, in order
	history []historyItem
}

// changeAlarms runs f and commits what it did; after an error nothing has happened.
func (s *Service) changeAlarms(ctx context.Context, f func(*change) error) error {
	s.alarms.mu.Lock()
	defer s.alarms.mu.Unlock()
	c := &change{s: s, now: s.now(), records: map[string]*alarmRecord{}}
	if err := f(c); err != nil {
		return err
	}
	c.cascade()
	defer s.schedule()
	return c.commit(ctx)
}

func (c *change) get(name string) *alarmRecord {
	if r, ok := c.records[name]; ok {
		return r
	}
	return c.s.alarms.byName[name]
}

// names are those of all alarms, in order, as this change leaves them.
func (c *change) names() []string {
	all := map[string]bool{}
	for n := range c.s.alarms.byName {
		all[n] = true
	}
	for n, r := range c.records {
		all[n] = r != nil
	}
	maps.DeleteFunc(all, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(all))
}

func (c *change) put(r *alarmRecord) { c.records[r.name()] = r }

// move brings an alarm into a condition, with its history and its actions.
func (c *change) move(r *alarmRecord, to condition) {
	from := r.condition()
	to.updated = c.now
	n := r.in(to)
	n.Evaluated = true
	if from.state != to.state {
		c.history = append(c.history, stateUpdate(n, from, to))
		c.moved = append(c.moved, n.name())
		if n.Composite != nil {
			n.Held = n.Acted != to.state
		} else {
			n.Pending = append(n.Pending, c.s.actionsOf(n, from, to)...)
		}
	}
	c.put(n)
}

func (c *change) commit(ctx context.Context) error {
	if len(c.records) == 0 && len(c.history) == 0 {
		return nil
	}
	b := &store.Batch{}
	for name, r := range c.records {
		if r == nil {
			b.Delete(alarmBucket, name)
			continue
		}
		v, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("cloudwatch: the alarm %q cannot be written: %w", name, err)
		}
		b.Put(alarmBucket, name, v)
	}
	if err := c.s.addHistory(b, c.history); err != nil {
		return err
	}
	if err := c.s.cfg.Store.Commit(ctx, b); err != nil {
		return fmt.Errorf("cloudwatch: alarms cannot be written: %w", err)
	}
	for name, r := range c.records {
		if r == nil {
			delete(c.s.alarms.byName, name)
			continue
		}
		before := c.s.alarms.byName[name]
		c.s.alarms.byName[name] = r
		c.s.act(r, before)
	}
	return nil
}

func (s *Service) now() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Millisecond) }

func (s *Service) alarmARN(name string) string {
	return "arn:aws:cloudwatch:" + s.cfg.Region + ":" + s.cfg.Account + ":alarm:" + name
}
