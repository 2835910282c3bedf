package health_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/health"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

var began = time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)

// metrics is a CloudWatch that keeps sums per period, in pages of one result each when paged is set.
type metrics struct {
	sums  map[string]map[time.Time]float64 // by "metric dimension=value …"
	calls []*cloudwatch.GetMetricDataInput
	paged bool
	fail  error
	code  cwtypes.StatusCode
}

func (m *metrics) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	copied := *in
	m.calls = append(m.calls, &copied)
	if m.fail != nil {
		return nil, m.fail
	}
	var results []cwtypes.MetricDataResult
	for _, q := range in.MetricDataQueries {
		name := aws.ToString(q.MetricStat.Metric.MetricName)
		for _, d := range q.MetricStat.Metric.Dimensions {
			name += " " + *d.Name + "=" + *d.Value
		}
		r := cwtypes.MetricDataResult{Id: q.Id, StatusCode: cwtypes.StatusCodeComplete}
		if m.code != "" {
			r.StatusCode = m.code
		}
		var times []time.Time
		for at := range m.sums[name] {
			if !at.Before(*in.StartTime) && at.Before(*in.EndTime) {
				times = append(times, at)
			}
		}
		slices.SortFunc(times, time.Time.Compare)
		for _, at := range times {
			r.Timestamps, r.Values = append(r.Timestamps, at), append(r.Values, m.sums[name][at])
		}
		results = append(results, r)
	}
	out := &cloudwatch.GetMetricDataOutput{MetricDataResults: results}
	if m.paged {
		page := 0
		if in.NextToken != nil {
			fmt.Sscan(*in.NextToken, &page)
		}
		out.MetricDataResults = results[page : page+1]
		if page+1 < len(results) {
			out.NextToken = aws.String(fmt.Sprint(page + 1))
		}
	}
	return out, nil
}

func check(functions ...string) rollout.Check {
	c := rollout.Check{Step: 1, Weight: 10, Since: began, Started: began}
	for _, f := range functions {
		c.Subjects = append(c.Subjects, rollout.Subject{Ref: release.Ref{Kind: release.KindFunction, Name: f, Alias: "live"}, Blue: "1", Green: "2"})
	}
	return c
}

func minute(n int) time.Time { return time.Date(2026, 11, 21, 12, n, 0, 0, time.UTC) }

func TestCloudWatchAddsUpEachVersionSinceTheStepBegan(t *testing.T) {
	for _, paged := range []bool{false, true} {
		m := &metrics{paged: paged, sums: map[string]map[time.Time]float64{
			"Invocations FunctionName=a Resource=a:live ExecutedVersion=1": {minute(-1): 1000, minute(0): 90, minute(1): 180},
			"Errors FunctionName=a Resource=a:live ExecutedVersion=1":      {minute(0): 1},
			"Invocations FunctionName=a Resource=a:live ExecutedVersion=2": {minute(0): 10, minute(1): 20, minute(2): 5},
			"Errors FunctionName=a Resource=a:live ExecutedVersion=2":      {minute(1): 3},
			// Tests before the traffic called green exactly in minute 0; a pinned workflow calls it in minute 1.
			"Invocations FunctionName=a Resource=a:2": {minute(0): 7, minute(1): 4},
			"Errors FunctionName=a Resource=a:2":      {minute(0): 7},
			// An alias of another name, and the function as a whole, are someone else's traffic.
			"Invocations FunctionName=a Resource=a:beta ExecutedVersion=2": {minute(1): 999},
			"Invocations FunctionName=a":                                   {minute(1): 999},
		}}
		cw, err := health.NewCloudWatch(health.CloudWatchConfig{Client: m, Now: func() time.Time { return minute(2).Add(5 * time.Second) }})
		if err != nil {
			t.Fatal(err)
		}
		o, err := cw.Observe(t.Context(), check("a", "idle"))
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Subjects) != 2 {
			t.Fatalf("saw %+v", o.Subjects)
		}
		if got := o.Subjects[0]; got.Blue != (rollout.Counts{Requests: 270, Errors: 1}) || got.Green != (rollout.Counts{Requests: 39, Errors: 3}) {
			t.Errorf("paged %v: saw %+v", paged, got)
		}
		if got := o.Subjects[1]; got.Blue != (rollout.Counts{}) || got.Green != (rollout.Counts{}) {
			t.Errorf("saw %+v of a function without data", got)
		}
		if in := m.calls[0]; !in.StartTime.Equal(minute(0)) || !in.EndTime.Equal(minute(3)) || *in.MetricDataQueries[0].MetricStat.Period != 60 {
			t.Errorf("asked from %s to %s", in.StartTime, in.EndTime)
		}
	}
}

// TestCloudWatchLooksThroughTheSlotOfEach: behind a router blue's traffic comes through another alias than green's.
func TestCloudWatchLooksThroughTheSlotOfEach(t *testing.T) {
	m := &metrics{sums: map[string]map[time.Time]float64{
		"Invocations FunctionName=a Resource=a:blue ExecutedVersion=1":  {minute(1): 90},
		"Errors FunctionName=a Resource=a:blue ExecutedVersion=1":       {minute(1): 2},
		"Invocations FunctionName=a Resource=a:green ExecutedVersion=2": {minute(1): 10},
		"Errors FunctionName=a Resource=a:green ExecutedVersion=2":      {minute(1): 1},
		"Invocations FunctionName=a Resource=a:green ExecutedVersion=1": {minute(1): 999}, // before the aliases were brought to green
	}}
	cw, err := health.NewCloudWatch(health.CloudWatchConfig{Client: m, Settle: time.Minute, Now: func() time.Time { return minute(4) }})
	if err != nil {
		t.Fatal(err)
	}
	c := check("a")
	c.Subjects[0].Ref.Alias, c.Subjects[0].Beside = "green", "blue"
	c.Compare, c.Started = true, minute(0)
	o, err := cw.Observe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := o.Subjects[0]
	if got.Blue != (rollout.Counts{Requests: 90, Errors: 2}) || got.Green != (rollout.Counts{Requests: 10, Errors: 1}) {
		t.Errorf("saw %+v", got)
	}
	if len(got.Stretches) != 1 || got.Stretches[0].Blue.Requests != 90 || got.Stretches[0].Green.Requests != 10 {
		t.Errorf("compared by %+v", got.Stretches)
	}
}

func TestCloudWatchAsksInPortions(t *testing.T) {
	m := &metrics{}
	cw, err := health.NewCloudWatch(health.CloudWatchConfig{Client: m, Period: time.Second, Now: func() time.Time { return minute(2) }})
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("f%d", i))
	}
	if _, err := cw.Observe(t.Context(), check(many...)); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, call := range m.calls {
		if len(call.MetricDataQueries) > 500 || !call.StartTime.Equal(began) {
			t.Errorf("%d queries in one call from %s", len(call.MetricDataQueries), call.StartTime)
		}
		asked += len(call.MetricDataQueries)
	}
	if asked != 70*8 {
		t.Errorf("%d queries for 70 functions with two versions", asked)
	}
}

func TestCloudWatchThatCannotAnswerIsAnError(t *testing.T) {
	for name, m := range map[string]*metrics{
		"throttled":      {fail: errors.New("ThrottlingException")},
		"forbidden":      {code: cwtypes.StatusCodeForbidden},
		"internal error": {code: cwtypes.StatusCodeInternalError},
	} {
		cw, err := health.NewCloudWatch(health.CloudWatchConfig{Client: m, Now: func() time.Time { return minute(2) }})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := cw.Observe(t.Context(), check("a")); err == nil || len(o.Subjects) > 0 {
			t.Errorf("%s: saw %+v, %v", name, o, err)
		}
	}
	for _, period := range []time.Duration{-time.Minute, 2 * time.Second, 90 * time.Second, time.Millisecond} {
		if _, err := health.NewCloudWatch(health.CloudWatchConfig{Client: &metrics{}, Period: period}); err == nil {
			t.Errorf("a period of %s was taken", period)
		}
	}
}

// executions is a Step Functions that lists two executions a page, newest first.
type executions struct {
	of    map[string][]sfntypes.ExecutionListItem
	fail  error
	pages int
}

func (x *executions) ListExecutions(_ context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	x.pages++
	if x.fail != nil {
		return nil, x.fail
	}
	list := slices.Clone(x.of[*in.StateMachineArn])
	slices.SortFunc(list, func(a, b sfntypes.ExecutionListItem) int { return b.StartDate.Compare(*a.StartDate) })
	at := 0
	if in.NextToken != nil {
		fmt.Sscan(*in.NextToken, &at)
	}
	out := &sfn.ListExecutionsOutput{Executions: list[at:min(at+2, len(list))]}
	if at+2 < len(list) {
		out.NextToken = aws.String(fmt.Sprint(at + 2))
	}
	return out, nil
}

func execution(status sfntypes.ExecutionStatus, started, stopped time.Duration) sfntypes.ExecutionListItem {
	e := sfntypes.ExecutionListItem{Status: status, StartDate: aws.Time(began.Add(started))}
	if status != sfntypes.ExecutionStatusRunning {
		e.StopDate = aws.Time(began.Add(stopped))
	}
	return e
}

const machine = "arn:aws:states:us-east-1:000000000000:stateMachine:w"

func workflowCheck() rollout.Check {
	return rollout.Check{Since: began.Add(time.Minute), Started: began, Subjects: []rollout.Subject{
		{Ref: release.Ref{Kind: release.KindStateMachine, Name: "w", Alias: "live"}, Blue: machine + ":1", Green: machine + ":2"},
	}}
}

func TestExecutionsCountsWhatFinishedSinceTheStepBegan(t *testing.T) {
	x := &executions{of: map[string][]sfntypes.ExecutionListItem{
		machine + ":2": {
			execution("SUCCEEDED", 5*time.Second, 10*time.Second), // before the step
			execution("FAILED", 5*time.Second, 70*time.Second),    // began at an earlier step, failed in this one
			execution("SUCCEEDED", 61*time.Second, 62*time.Second),
			execution("TIMED_OUT", 61*time.Second, 90*time.Second),
			execution("ABORTED", 61*time.Second, 63*time.Second),
			execution("RUNNING", 61*time.Second, 0),
		},
		machine + ":1": {
			execution("FAILED", -time.Hour, 70*time.Second), // began before the rollout
			execution("SUCCEEDED", 65*time.Second, 70*time.Second),
			execution("RUNNING", -time.Hour, 0),
		},
	}}
	o, err := health.NewExecutions(x, nil).Observe(t.Context(), workflowCheck())
	if err != nil || len(o.Subjects) != 1 {
		t.Fatalf("saw %+v, %v", o, err)
	}
	if got := o.Subjects[0]; got.Green != (rollout.Counts{Requests: 3, Errors: 2, Running: 1}) || got.Blue != (rollout.Counts{Requests: 1}) {
		t.Errorf("saw %+v", got)
	}
	if x.pages > 5 {
		t.Errorf("%d pages were read", x.pages)
	}
}

func TestExpressWorkflowsAreUnseenAndErrorsAreErrors(t *testing.T) {
	x := &executions{fail: &sfntypes.StateMachineTypeNotSupported{Message: aws.String("EXPRESS")}}
	o, err := health.NewExecutions(x, nil).Observe(t.Context(), workflowCheck())
	if err != nil || o.Subjects[0].Unseen == "" {
		t.Errorf("saw %+v, %v", o, err)
	}
	x.fail = errors.New("access denied")
	if _, err := health.NewExecutions(x, nil).Observe(t.Context(), workflowCheck()); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("got %v", err)
	}
}

type fixed struct {
	o   rollout.Observation
	err error
}

func (f fixed) Observe(context.Context, rollout.Check) (rollout.Observation, error) {
	return f.o, f.err
}

func TestAllPutsSourcesTogether(t *testing.T) {
	ref := release.Ref{Kind: release.KindFunction, Name: "a"}
	one := fixed{o: rollout.Observation{At: minute(1), Subjects: []rollout.Observed{{Ref: ref, Green: rollout.Counts{Requests: 3, Errors: 1}}}}}
	two := fixed{o: rollout.Observation{
		At: minute(2), Subjects: []rollout.Observed{{Ref: ref, Green: rollout.Counts{Requests: 4}, Unseen: "x"}},
		Findings: []rollout.Finding{{Source: "alarm", Judgement: rollout.Unhealthy}},
	}}
	o, err := health.All(one, two).Observe(t.Context(), rollout.Check{})
	if err != nil || len(o.Subjects) != 1 || o.Subjects[0].Green != (rollout.Counts{Requests: 7, Errors: 1}) || len(o.Findings) != 1 || !o.At.Equal(minute(2)) {
		t.Errorf("saw %+v, %v", o, err)
	}
	if o, err := health.All(one, fixed{err: errors.New("away")}).Observe(t.Context(), rollout.Check{}); err == nil || len(o.Subjects) > 0 {
		t.Errorf("half of the sources passed for the whole: %+v, %v", o, err)
	}
}
