package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/health"
	"github.com/tealdeploy/teal/internal/rollout"
)

type alarmStates map[string]cwtypes.StateValue

func (s alarmStates) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, name := range in.AlarmNames {
		switch state, ok := s[name]; {
		case state == "throttled":
			return nil, errors.New("throttled")
		case ok && strings.HasPrefix(name, "composite"):
			out.CompositeAlarms = append(out.CompositeAlarms, cwtypes.CompositeAlarm{AlarmName: aws.String(name), StateValue: state})
		case ok:
			out.MetricAlarms = append(out.MetricAlarms, cwtypes.MetricAlarm{AlarmName: aws.String(name), StateValue: state, StateReason: aws.String("why")})
		}
	}
	return out, nil
}

func TestAlarmsAreFindingsAndAMissingOneIsAnError(t *testing.T) {
	states := alarmStates{"ok": "OK", "firing": "ALARM", "quiet": "INSUFFICIENT_DATA", "composite": "ALARM"}
	check := rollout.Check{}
	for _, name := range []string{"ok", "firing", "quiet", "composite", "missing"} {
		check.Alarms = append(check.Alarms, rollout.Alarm{Name: name, DryRun: name == "firing"})
	}
	o, err := health.NewAlarms(states, nil).Observe(t.Context(), check)
	if err != nil || len(o.Findings) != 5 {
		t.Fatalf("%+v, %v", o, err)
	}
	for i, want := range []rollout.Judgement{rollout.Healthy, rollout.Unhealthy, rollout.NotObserved, rollout.Unhealthy, rollout.Error} {
		f := o.Findings[i]
		if f.Judgement != want || f.Source != "alarm "+check.Alarms[i].Name || f.DryRun != (i == 1) {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	states["ok"] = "throttled"
	if _, err := health.NewAlarms(states, nil).Observe(t.Context(), check); err == nil {
		t.Error("a source that could not look said nothing")
	}
}

func TestProbesCompareTheAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/broken":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte(r.Method + " " + r.Header.Get("X-Key")))
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := []struct {
		request rollout.Request
		want    rollout.Judgement
		reason  string
	}{
		{rollout.Request{URL: server.URL + "/ok"}, rollout.Healthy, "status 200"},
		{rollout.Request{URL: server.URL, Method: "POST", Headers: map[string]string{"X-Key": "k7"}, Expect: "POST k7"}, rollout.Healthy, ""},
		{rollout.Request{URL: server.URL, Expect: "nonsense"}, rollout.Unhealthy, `the body has no "nonsense"`},
		{rollout.Request{URL: server.URL + "/moved"}, rollout.Unhealthy, "status 302"},
		{rollout.Request{URL: server.URL + "/broken"}, rollout.Unhealthy, "status 503"},
		{rollout.Request{URL: server.URL + "/broken", Status: []int{500, 503}}, rollout.Healthy, ""},
		{rollout.Request{URL: gone.URL}, rollout.Unhealthy, "no answer"},
		{rollout.Request{URL: "http://192.0.2.1/"}, rollout.Error, "only https"},
		{rollout.Request{URL: "file:///etc/passwd"}, rollout.Error, "only https"},
	}
	check := rollout.Check{}
	for _, test := range tests {
		check.Probes = append(check.Probes, rollout.Probe{Name: test.request.URL, Request: test.request})
	}
	o, err := health.NewProbes(health.NewHTTPClient(), nil).Observe(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if f := o.Findings[i]; f.Judgement != test.want || !strings.Contains(f.Reason, test.reason) {
			t.Errorf("%+v: %s, %s", test.request, f.Judgement, f.Reason)
		}
	}
}

type invoker func(arn string) (string, error)

func (i invoker) InvokeVersion(_ context.Context, arn string, _ []byte) ([]byte, string, error) {
	functionError, err := i(arn)
	return nil, functionError, err
}

func TestSyntheticRequestsAreCountedApart(t *testing.T) {
	c := check("a", "b")
	c.Subjects[1].Synthetic, c.Subjects[1].GreenARN = &rollout.Synthetic{Function: "b", Payload: "{}", Requests: 12}, "arn:b:2"
	o, err := health.NewSynthetic(invoker(func(arn string) (string, error) {
		if arn != "arn:b:2" {
			t.Errorf("called %s", arn)
		}
		return "Unhandled", nil
	}), nil).Observe(t.Context(), c)
	if err != nil || len(o.Subjects) != 1 || o.Subjects[0].Synthetic != (rollout.Counts{Requests: 12, Errors: 12}) || o.Subjects[0].Green.Requests != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := health.NewSynthetic(invoker(func(string) (string, error) { return "", errors.New("throttled") }), nil).Observe(t.Context(), c); err == nil {
		t.Error("calls that could not be made went unsaid")
	}
}

// Only whole periods after the first shift, whose sums are final and which are not known yet, are compared.
func TestStretchesAreWholeAndFinal(t *testing.T) {
	live := "FunctionName=a Resource=a:live ExecutedVersion="
	m := &metrics{sums: map[string]map[time.Time]float64{
		"Invocations " + live + "1":               {minute(0): 90, minute(1): 91, minute(2): 92, minute(3): 93, minute(4): 94},
		"Invocations " + live + "2":               {minute(0): 9, minute(1): 10, minute(2): 11, minute(3): 12, minute(4): 13},
		"Errors " + live + "2":                    {minute(1): 1, minute(3): 4},
		"Duration " + live + "1":                  {minute(1): 80, minute(2): 95},
		"Duration " + live + "2":                  {minute(2): 3},
		"Invocations FunctionName=a Resource=a:2": {minute(2): 500},
	}}
	cw, err := health.NewCloudWatch(health.CloudWatchConfig{Client: m, Now: func() time.Time { return minute(5).Add(10 * time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	c := check("a")
	c.Compare, c.Quantile = true, 0.95
	o, err := cw.Observe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := o.Subjects[0]
	if len(s.Stretches) != 2 || s.Stretches[0].Green != (rollout.Counts{Requests: 10, Errors: 1}) || s.Stretches[1].Blue.Requests != 92 || !s.Through.Equal(minute(3)) {
		t.Errorf("saw %+v through %s", s.Stretches, s.Through)
	}
	if s.SlowOver != 95*time.Millisecond {
		t.Errorf("slow is over %s", s.SlowOver)
	}
	c.Subjects[0].Through, c.Subjects[0].SlowOver = minute(2), s.SlowOver
	m.calls = nil
	if o, err = cw.Observe(t.Context(), c); err != nil || len(o.Subjects[0].Stretches) != 1 || o.Subjects[0].Stretches[0].GreenSlow != 3 {
		t.Errorf("saw %+v, %v", o.Subjects, err)
	}
	trimmed := false
	for _, call := range m.calls {
		for _, q := range call.MetricDataQueries {
			trimmed = trimmed || *q.MetricStat.Stat == "TC(95:)"
		}
	}
	if !trimmed {
		t.Error("the slow requests were not asked for as a trimmed count")
	}
}
