package cloudwatch

import (
	"context"
	"strings"
	"testing"

	awscw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// What was recorded is exposed whole: counts as counters, durations as cumulative histograms in seconds, alarms by state;
// what clients put is theirs and is not.
func TestPrometheus(t *testing.T) {
	s := newService(t, Config{Clock: newHandClock()})
	for _, v := range []float64{1, 0, 1} {
		s.Series("AWS/Lambda", "Errors", "Count", "FunctionName", `a"b`, "ExecutedVersion", "7")(v)
	}
	d := s.Series("AWS/States", "ExecutionTime", "Milliseconds")
	for _, v := range []float64{0.5, 1, 30, 30, 2e6} {
		d(v)
	}
	must(t, put(s, 1))
	in := errorsAlarm("a")
	_, err := s.PutMetricAlarm(context.Background(), &in)
	must(t, err)
	_, err = s.SetAlarmState(context.Background(), &awscw.SetAlarmStateInput{AlarmName: aws.String("a"), StateValue: types.StateValueAlarm, StateReason: aws.String("x")})
	must(t, err)
	var b strings.Builder
	s.writePrometheus(&b)
	got := b.String()
	for _, want := range []string{
		"# TYPE teal_lambda_errors_total counter\nteal_lambda_errors_total{executed_version=\"7\",function_name=\"a\\\"b\"} 2\n",
		"# TYPE teal_states_execution_time_seconds histogram\nteal_states_execution_time_seconds_bucket{le=\"0.001\"} 2\n",
		"teal_states_execution_time_seconds_bucket{le=\"0.025\"} 2\nteal_states_execution_time_seconds_bucket{le=\"0.05\"} 4\n",
		"teal_states_execution_time_seconds_bucket{le=\"900\"} 4\nteal_states_execution_time_seconds_bucket{le=\"+Inf\"} 5\n",
		"teal_states_execution_time_seconds_sum 2000.0615\nteal_states_execution_time_seconds_count 5\n",
		`teal_alarm_state{alarm="a",state="ALARM"} 1`, `teal_alarm_state{alarm="a",state="OK"} 0`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "latency") {
		t.Errorf("a client's metric is exposed\n%s", got)
	}
	for name, want := range map[string]string{"ExecutionsTimedOut": "executions_timed_out", "ApiId": "api_id", "4xx": "4xx", "StateMachineArn": "state_machine_arn"} {
		if got := snake(name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
}
