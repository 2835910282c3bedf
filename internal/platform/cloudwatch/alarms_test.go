package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/fault"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// functions records what alarms call.
type functions struct {
	mu     sync.Mutex
	calls  []string // "name: alarm old→new"
	events []string
	fail   func(n int) error // by the number of the call
	n      int
	deny   string // the ARN of a function whose policy lets nobody in
}

func (f *functions) MayInvoke(principal, source, function string) bool {
	return principal == "lambda.alarms.cloudwatch.amazonaws.com" && strings.HasPrefix(source, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:") && function != f.deny
}

func (f *functions) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.fail != nil {
		if err := f.fail(f.n); err != nil {
			return nil, err
		}
	}
	var e struct {
		AlarmData struct {
			AlarmName            string
			State, PreviousState struct{ Value string }
		}
	}
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return nil, err
	}
	name := (*in.FunctionName)[strings.LastIndex(*in.FunctionName, ":")+1:]
	f.calls = append(f.calls, fmt.Sprintf("%s: %s %s→%s", name, e.AlarmData.AlarmName, e.AlarmData.PreviousState.Value, e.AlarmData.State.Value))
	f.events = append(f.events, string(in.Payload))
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

func (f *functions) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := strings.Join(f.calls, ", ")
	f.calls = nil
	return out
}

const function = "arn:aws:lambda:us-east-1:000000000000:function:"

type alarmRig struct {
	*testing.T
	s  *Service
	fn *functions
}

// watching runs f in virtual time with a service that evaluates alarms; it begins at a full minute.
func watching(t *testing.T, f func(r *alarmRig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &alarmRig{T: t, fn: &functions{}}
		r.open(memory.New())
		defer func() { must(t, r.s.Close()) }()
		f(r)
	})
}

func (r *alarmRig) open(st store.Store) {
	r.s = newService(r.T, Config{Store: st})
	r.s.Watch(r.fn)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *alarmRig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *alarmRig) put(in awscw.PutMetricAlarmInput) {
	r.Helper()
	_, err := r.s.PutMetricAlarm(context.Background(), &in)
	must(r.T, err)
}

func (r *alarmRig) set(name string, state types.StateValue) {
	r.Helper()
	_, err := r.s.SetAlarmState(context.Background(), &awscw.SetAlarmStateInput{AlarmName: &name, StateValue: state, StateReason: aws.String("test")})
	must(r.T, err)
	synctest.Wait()
}

// state tells an alarm's state and its reason.
func (r *alarmRig) state(name string) (string, string) {
	r.Helper()
	out, err := r.s.DescribeAlarms(context.Background(), &awscw.DescribeAlarmsInput{AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{"MetricAlarm", "CompositeAlarm"}})
	must(r.T, err)
	for _, a := range out.MetricAlarms {
		return string(a.StateValue), *a.StateReason
	}
	for _, a := range out.CompositeAlarms {
		return string(a.StateValue) + string(a.ActionsSuppressedBy), *a.StateReason
	}
	return "none", ""
}

func (r *alarmRig) want(name, state string) {
	r.Helper()
	if got, reason := r.state(name); got != state {
		r.Errorf("%s is %s (%s), want %s", name, got, reason, state)
	}
}

func (r *alarmRig) history(name string) (lines []string) {
	r.Helper()
	out, err := r.s.DescribeAlarmHistory(context.Background(), &awscw.DescribeAlarmHistoryInput{AlarmName: &name, ScanBy: types.ScanByTimestampAscending})
	must(r.T, err)
	for _, h := range out.AlarmHistoryItems {
		if !json.Valid([]byte(*h.HistoryData)) {
			r.Errorf("history data %s is no JSON", *h.HistoryData)
		}
		lines = append(lines, *h.HistorySummary)
	}
	return lines
}

func errorsAlarm(name string) awscw.PutMetricAlarmInput {
	return awscw.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Errors"), Dimensions: dims("FunctionName", "f"),
		Statistic: types.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
		AlarmActions: []string{function + "page"}, OKActions: []string{function + "calm"},
	}
}

// An alarm follows its metric, calls the functions of the state that it comes into, tells its history, and survives a restart.
func TestMetricAlarm(t *testing.T) {
	watching(t, func(r *alarmRig) {
		record := r.s.Series("AWS/Lambda", "Errors", "Count", "FunctionName", "f")
		r.put(errorsAlarm("a"))
		if got, reason := r.state("a"); got != "INSUFFICIENT_DATA" || reason != initialReason {
			t.Errorf("a new alarm is %s: %s", got, reason)
		}
		r.pass(61 * time.Second)
		r.want("a", "OK")
		if got := r.fn.take(); got != "calm: a INSUFFICIENT_DATA→OK" {
			t.Errorf("called %q", got)
		}
		record(1)
		r.want("a", "OK") // the minute is not over
		r.pass(time.Minute)
		if got, reason := r.state("a"); got != "ALARM" || reason != "Threshold Crossed: 1 datapoint [1.0 (01/01/00 00:01:00)] was greater than the threshold (0.0)." {
			t.Errorf("with an error: %s: %s", got, reason)
		}
		if got := r.fn.take(); got != "page: a OK→ALARM" {
			t.Errorf("called %q", got)
		}
		must(t, r.s.Close())
		st := r.s.cfg.Store
		r.open(st)
		r.want("a", "ALARM")
		r.pass(5 * time.Minute)
		r.want("a", "OK")
		if got := r.fn.take(); got != "calm: a ALARM→OK" {
			t.Errorf("called %q", got)
		}
		want := []string{
			`Alarm "a" created`, "Alarm updated from INSUFFICIENT_DATA to OK", "Successfully executed action " + function + "calm",
			"Alarm updated from OK to ALARM", "Successfully executed action " + function + "page", "Alarm updated from ALARM to OK",
			"Successfully executed action " + function + "calm",
		}
		if got := r.history("a"); !slices.Equal(got, want) {
			t.Errorf("history\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		_, err := r.s.DeleteAlarms(context.Background(), &awscw.DeleteAlarmsInput{AlarmNames: []string{"a"}})
		must(t, err)
		if h := r.history("a"); h[len(h)-1] != `Alarm "a" deleted` {
			t.Errorf("history of a deleted alarm: %v", h)
		}
	})
}

// High-resolution alarms are evaluated every ten seconds; alarms on expressions read several metrics.
func TestHighResolutionAndMaths(t *testing.T) {
	watching(t, func(r *alarmRig) {
		errs := r.s.Series("AWS/Lambda", "Errors", "Count", "FunctionName", "f")
		all := r.s.Series("AWS/Lambda", "Invocations", "Count", "FunctionName", "f")
		fast := errorsAlarm("fast")
		fast.Period = aws.Int32(10)
		r.put(fast)
		r.put(awscw.PutMetricAlarmInput{
			AlarmName: aws.String("rate"), EvaluationPeriods: aws.Int32(2), DatapointsToAlarm: aws.Int32(1), Threshold: aws.Float64(10),
			ComparisonOperator: types.ComparisonOperatorGreaterThanOrEqualToThreshold,
			Metrics: []types.MetricDataQuery{
				{Id: aws.String("rate"), Expression: aws.String("e/i*100")},
				func() types.MetricDataQuery {
					q := statQuery("e", "Errors", "Sum", 60, "FunctionName", "f")
					q.ReturnData = aws.Bool(false)
					return q
				}(),
				func() types.MetricDataQuery {
					q := statQuery("i", "Invocations", "Sum", 60, "FunctionName", "f")
					q.ReturnData = aws.Bool(false)
					return q
				}(),
			},
		})
		for range 10 {
			all(1)
		}
		errs(1)
		r.pass(10500 * time.Millisecond)
		r.want("fast", "ALARM")
		r.pass(50 * time.Second)
		r.want("fast", "OK")
		if got, reason := r.state("rate"); got != "ALARM" || !strings.HasPrefix(reason, "Threshold Crossed: 1 out of the last 2 datapoints [10.0 (") {
			t.Errorf("rate is %s: %s", got, reason)
		}
	})
}

// Composite alarms follow their children at once, and one another.
func TestCompositeAlarm(t *testing.T) {
	watching(t, func(r *alarmRig) {
		for _, name := range []string{"a", "b"} {
			in := errorsAlarm(name)
			in.AlarmActions, in.OKActions, in.TreatMissingData = nil, nil, aws.String("ignore")
			r.put(in)
		}
		composite := func(name, rule string) {
			_, err := r.s.PutCompositeAlarm(context.Background(), &awscw.PutCompositeAlarmInput{
				AlarmName: &name, AlarmRule: &rule, AlarmActions: []string{function + "page"}, OKActions: []string{function + "calm"},
			})
			must(t, err)
			synctest.Wait()
		}
		composite("both", "ALARM(a) AND ALARM(b)")
		composite("over", `NOT OK("`+r.s.alarmARN("both")+`")`)
		r.want("both", "OK")
		if _, reason := r.state("both"); reason != r.s.alarmARN("both")+" was created and its alarm rule evaluates to OK" {
			t.Error(reason)
		}
		r.fn.take()
		r.set("a", types.StateValueAlarm)
		r.want("both", "OK")
		r.set("b", types.StateValueAlarm)
		r.want("both", "ALARM")
		r.want("over", "ALARM")
		if _, reason := r.state("both"); !strings.HasPrefix(reason, r.s.alarmARN("b")+" transitioned to ALARM at Saturday 01 January, 2000 00:00:00 UTC") {
			t.Error(reason)
		}
		calls := strings.Split(r.fn.take(), ", ")
		slices.Sort(calls)
		if got := strings.Join(calls, ", "); got != "page: both OK→ALARM, page: over OK→ALARM" {
			t.Errorf("called %q", got)
		}
		family := func(in awscw.DescribeAlarmsInput) string {
			out, err := r.s.DescribeAlarms(context.Background(), &in)
			must(t, err)
			var names []string
			for _, m := range out.MetricAlarms {
				names = append(names, *m.AlarmName)
			}
			for _, k := range out.CompositeAlarms {
				names = append(names, *k.AlarmName)
			}
			return strings.Join(names, ",")
		}
		if c, p := family(awscw.DescribeAlarmsInput{ChildrenOfAlarmName: aws.String("both")}), family(awscw.DescribeAlarmsInput{ParentsOfAlarmName: aws.String("both")}); c != "a,b" || p != "over" {
			t.Errorf("children %s, parents %s", c, p)
		}
		if _, err := r.s.DeleteAlarms(context.Background(), &awscw.DeleteAlarmsInput{AlarmNames: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "both") {
			t.Errorf("deleting a child gives %v", err)
		}
		// Rules that go round in circles end.
		composite("both", "ALARM(a) AND NOT ALARM(over)")
		r.set("a", types.StateValueOk)
		r.set("a", types.StateValueAlarm)
	})
}

// A suppressor holds the actions of a composite alarm back, but not its state.
func TestSuppressedActions(t *testing.T) {
	watching(t, func(r *alarmRig) {
		for _, name := range []string{"a", "maintenance"} {
			in := errorsAlarm(name)
			in.AlarmActions, in.OKActions, in.TreatMissingData = nil, nil, aws.String("ignore")
			r.put(in)
			r.set(name, types.StateValueOk)
		}
		_, err := r.s.PutCompositeAlarm(context.Background(), &awscw.PutCompositeAlarmInput{
			AlarmName: aws.String("c"), AlarmRule: aws.String("ALARM(a)"), AlarmActions: []string{function + "page"}, OKActions: []string{function + "calm"},
			ActionsSuppressor: aws.String("maintenance"), ActionsSuppressorWaitPeriod: aws.Int32(20), ActionsSuppressorExtensionPeriod: aws.Int32(30),
		})
		must(t, err)
		r.pass(30 * time.Second)
		r.fn.take()
		step := func(what, state, called string) {
			t.Helper()
			r.want("c", state)
			if got := r.fn.take(); got != called {
				t.Errorf("%s: called %q, want %q", what, got, called)
			}
		}
		r.set("a", types.StateValueAlarm)
		step("waits for the suppressor", "ALARMWaitPeriod", "")
		r.pass(21 * time.Second)
		step("which did not come", "ALARM", "page: c OK→ALARM")
		r.set("a", types.StateValueOk)
		r.pass(21 * time.Second)
		step("and back", "OK", "calm: c ALARM→OK")
		r.set("a", types.StateValueAlarm)
		r.pass(5 * time.Second)
		r.set("maintenance", types.StateValueAlarm)
		step("it comes in time", "ALARMAlarm", "")
		r.pass(10 * time.Minute)
		r.set("maintenance", types.StateValueOk)
		step("it goes", "ALARMExtensionPeriod", "")
		r.pass(31 * time.Second)
		step("and is long gone", "ALARM", "page: c OK→ALARM")
		r.set("maintenance", types.StateValueAlarm)
		r.set("a", types.StateValueOk)
		r.set("a", types.StateValueAlarm)
		r.set("maintenance", types.StateValueOk)
		r.pass(time.Hour)
		step("what was undone meanwhile is not told", "ALARM", "")
	})
}

// What an action met is in the history: failures for good at once, failures of the platform after another try.
func TestActions(t *testing.T) {
	watching(t, func(r *alarmRig) {
		in := errorsAlarm("a")
		in.AlarmActions = []string{"arn:aws:sns:us-east-1:000000000000:topic", function + "page", function + "private"}
		r.fn.deny = function + "private"
		in.TreatMissingData = aws.String("ignore")
		r.put(in)
		r.fn.fail = func(n int) error {
			if n == 1 {
				return fault.New("TooManyRequestsException", "later")
			}
			return nil
		}
		r.set("a", types.StateValueAlarm)
		r.pass(actionPause + time.Second)
		if got := r.fn.take(); got != "page: a INSUFFICIENT_DATA→ALARM" {
			t.Errorf("called %q", got)
		}
		h := strings.Join(r.history("a"), "\n")
		if !strings.Contains(h, "Failed to execute action arn:aws:sns:us-east-1:000000000000:topic. Received error: \"sns actions are not served") || !strings.Contains(h, "Successfully executed action "+function+"page") ||
			!strings.Contains(h, "Failed to execute action "+function+"private. Received error: \"CloudWatch Alarms is not authorized to perform: lambda:InvokeFunction") {
			t.Error(h)
		}
		// Disabled, it changes its state in silence.
		_, err := r.s.DisableAlarmActions(context.Background(), &awscw.DisableAlarmActionsInput{AlarmNames: []string{"a", "unknown"}})
		must(t, err)
		r.set("a", types.StateValueOk)
		if got := r.fn.take(); got != "" {
			t.Errorf("a disabled alarm called %q", got)
		}
		_, err = r.s.EnableAlarmActions(context.Background(), &awscw.EnableAlarmActionsInput{AlarmNames: []string{"a"}})
		must(t, err)
		// An action that was not taken before the end is taken at the next start.
		r.fn.fail = func(int) error { return errors.New("no room") }
		r.set("a", types.StateValueAlarm)
		must(t, r.s.Close())
		r.fn.fail = nil
		r.open(r.s.cfg.Store)
		synctest.Wait()
		if got := r.fn.take(); got != "page: a OK→ALARM" {
			t.Errorf("after the restart: called %q", got)
		}
		var event map[string]any
		must(t, json.Unmarshal([]byte(r.fn.events[len(r.fn.events)-1]), &event))
		if event["source"] != "aws.cloudwatch" || event["alarmArn"] != r.s.alarmARN("a") || event["accountId"] != "000000000000" {
			t.Errorf("event %v", event)
		}
	})
}

func TestAlarmRefusals(t *testing.T) {
	watching(t, func(r *alarmRig) {
		r.put(errorsAlarm("a"))
		put := func(change func(*awscw.PutMetricAlarmInput)) error {
			in := errorsAlarm("x")
			change(&in)
			_, err := r.s.PutMetricAlarm(context.Background(), &in)
			return err
		}
		maths := func(q ...types.MetricDataQuery) error {
			return put(func(in *awscw.PutMetricAlarmInput) {
				in.Namespace, in.MetricName, in.Dimensions, in.Statistic, in.Period, in.Metrics = nil, nil, nil, "", nil, q
			})
		}
		hidden := statQuery("m", "Errors", "Sum", 60)
		hidden.ReturnData = aws.Bool(false)
		composite := func(name, rule string) error {
			_, err := r.s.PutCompositeAlarm(context.Background(), &awscw.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule})
			return err
		}
		for _, c := range []struct {
			err        error
			code, says string
		}{
			{put(func(in *awscw.PutMetricAlarmInput) { in.AlarmName = nil }), "MissingRequiredParameterException", "AlarmName"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.Threshold = nil }), "MissingRequiredParameterException", "Threshold"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.EvaluationPeriods = aws.Int32(0) }), "InvalidParameterValueException", "EvaluationPeriods"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.EvaluationPeriods = aws.Int32(1441) }), "ValidationError", "a day"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.DatapointsToAlarm = aws.Int32(2) }), "ValidationError", "DatapointsToAlarm"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.Period = aws.Int32(45) }), "ValidationError", "45"},
			{put(func(in *awscw.PutMetricAlarmInput) {
				in.ComparisonOperator = types.ComparisonOperatorGreaterThanUpperThreshold
			}), "ValidationError", "anomaly detection"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.TreatMissingData = aws.String("odd") }), "ValidationError", "odd"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.AlarmActions = []string{"mail me"} }), "ValidationError", "mail me"},
			{put(func(in *awscw.PutMetricAlarmInput) {
				in.Statistic, in.ExtendedStatistic = "", aws.String("TM(10%:90%)")
			}), "ValidationError", "trimmed"},
			{put(func(in *awscw.PutMetricAlarmInput) { in.EvaluateLowSampleCountPercentile = aws.String("ignore") }), "InvalidParameterCombinationException", "percentile"},
			{maths(hidden), "ValidationError", "Exactly one"},
			{maths(hidden, types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("SUM(m)")}), "ValidationError", "yields a number"},
			{maths(hidden, types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("[m, m]")}), "ValidationError", "2 time series"},
			{maths(hidden, types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("ANOMALY_DETECTION_BAND(m)")}), "ValidationError", "ANOMALY_DETECTION_BAND"},
			{composite("x", "ALARM(gone)"), "ValidationError", "alarms [gone] in the alarm rule do not exist"},
			{composite("x", "ALARM(a"), "ValidationError", "closing bracket"},
			{composite("a", "TRUE"), "ValidationError", "MetricAlarm with the name a"},
			{func() error {
				_, err := r.s.DescribeAlarms(context.Background(), &awscw.DescribeAlarmsInput{AlarmNames: []string{"a"}, AlarmNamePrefix: aws.String("a")})
				return err
			}(), "InvalidParameterCombinationException", "mutually exclusive"},
			{func() error {
				_, err := r.s.DeleteAlarms(context.Background(), &awscw.DeleteAlarmsInput{AlarmNames: []string{"a", "gone"}})
				return err
			}(), "ResourceNotFound", "gone"},
		} {
			var api interface {
				error
				ErrorCode() string
			}
			if !errors.As(c.err, &api) || api.ErrorCode() != c.code || !strings.Contains(c.err.Error(), c.says) {
				t.Errorf("got %v, want %s with %q", c.err, c.code, c.says)
			}
		}
		r.want("a", "INSUFFICIENT_DATA")
		r.want("x", "none")
	})
}

// Over the wire: pages, filters, alarms for a metric, tags and history, with the SDK's paginators and error types.
func TestAlarmsOverTheWire(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	ctx := t.Context()
	for i := range 7 {
		in := errorsAlarm(fmt.Sprintf("a%d", i))
		in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("shop")}}
		if i%2 == 0 {
			in.MetricName = aws.String("Duration")
			in.Statistic, in.ExtendedStatistic, in.EvaluateLowSampleCountPercentile = "", aws.String("p99"), aws.String("ignore")
		}
		_, err := c.PutMetricAlarm(ctx, &in)
		must(t, err)
	}
	_, err := c.PutCompositeAlarm(ctx, &awscw.PutCompositeAlarmInput{AlarmName: aws.String("c"), AlarmRule: aws.String("ALARM(a1)")})
	must(t, err)
	list := func(in awscw.DescribeAlarmsInput) (names []string) {
		t.Helper()
		p := awscw.NewDescribeAlarmsPaginator(c, &in)
		for p.HasMorePages() {
			out, err := p.NextPage(ctx)
			must(t, err)
			for _, a := range out.MetricAlarms {
				names = append(names, *a.AlarmName)
			}
			for _, a := range out.CompositeAlarms {
				names = append(names, *a.AlarmName)
			}
		}
		return names
	}
	for _, c := range []struct {
		in   awscw.DescribeAlarmsInput
		want string
	}{
		{awscw.DescribeAlarmsInput{MaxRecords: aws.Int32(3)}, "a0 a1 a2 a3 a4 a5 a6"},
		{awscw.DescribeAlarmsInput{MaxRecords: aws.Int32(2), AlarmTypes: types.AlarmTypeMetricAlarm.Values()[:2]}, "a0 a1 a2 a3 a4 a5 a6 c"},
		{awscw.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}}, "c"},
		{awscw.DescribeAlarmsInput{AlarmNamePrefix: aws.String("a6")}, "a6"},
		{awscw.DescribeAlarmsInput{StateValue: types.StateValueAlarm}, ""},
		{awscw.DescribeAlarmsInput{ActionPrefix: aws.String(function + "pa"), AlarmNames: []string{"a1", "gone"}}, "a1"},
	} {
		if got := strings.Join(list(c.in), " "); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.in, got, c.want)
		}
	}
	m, err := c.DescribeAlarmsForMetric(ctx, &awscw.DescribeAlarmsForMetricInput{
		Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Duration"), Dimensions: dims("FunctionName", "f"), ExtendedStatistic: aws.String("p99"),
	})
	must(t, err)
	if len(m.MetricAlarms) != 4 {
		t.Errorf("%d alarms on the metric", len(m.MetricAlarms))
	}
	arn := m.MetricAlarms[0].AlarmArn
	_, err = c.TagResource(ctx, &awscw.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	must(t, err)
	_, err = c.UntagResource(ctx, &awscw.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"team"}})
	must(t, err)
	tags, err := c.ListTagsForResource(ctx, &awscw.ListTagsForResourceInput{ResourceARN: arn})
	must(t, err)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" {
		t.Errorf("tags %v", tags.Tags)
	}
	var gone *types.ResourceNotFound
	if _, err = c.SetAlarmState(ctx, &awscw.SetAlarmStateInput{AlarmName: aws.String("gone"), StateValue: types.StateValueOk, StateReason: aws.String("x")}); !errors.As(err, &gone) {
		var api smithy.APIError
		errors.As(err, &api)
		t.Errorf("an unknown alarm gives %v", err)
	}
	_, err = c.SetAlarmState(ctx, &awscw.SetAlarmStateInput{AlarmName: aws.String("a1"), StateValue: types.StateValueAlarm, StateReason: aws.String("x"), StateReasonData: aws.String(`{"a":1}`)})
	must(t, err)
	var seen []string
	p := awscw.NewDescribeAlarmHistoryPaginator(c, &awscw.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeStateUpdate, MaxRecords: aws.Int32(1)})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		must(t, err)
		for _, h := range out.AlarmHistoryItems {
			seen = append(seen, *h.AlarmName+" "+*h.HistorySummary)
		}
	}
	want := []string{"c Alarm updated from OK to ALARM", "a1 Alarm updated from INSUFFICIENT_DATA to ALARM", "c Alarm updated from INSUFFICIENT_DATA to OK"}
	if !slices.Equal(seen, want) {
		t.Errorf("history %q, want %q", seen, want)
	}
}
