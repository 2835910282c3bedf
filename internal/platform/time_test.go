package platform

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// header asks for the platform's time as any answer tells it.
func (r *rig) header() (rate string, at time.Time) {
	r.t.Helper()
	resp, err := http.Head(*r.aws.BaseEndpoint + "/")
	must(r.t, err)
	resp.Body.Close()
	rate = resp.Header.Get(ClockRateHeader)
	if rate == "" {
		return "", time.Time{}
	}
	at, err = time.Parse(time.RFC3339Nano, resp.Header.Get(ClockHeader))
	must(r.t, err)
	return rate, at
}

// With a fast clock a workflow's half hour passes in a fraction of a second, every answer says so, signatures are checked
// by the machine's time, and platform time never goes back over a restart, at whatever rate.
func TestClockRate(t *testing.T) {
	key := &Credentials{"AKIDEXAMPLE", "secret"}
	r := start(t, Config{ClockRate: 3000, Credentials: key})
	rate, began := r.header()
	if rate != "3000" {
		t.Fatalf("the answer says %q", rate)
	}
	ctx := t.Context()
	m, err := r.states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String("wait"), RoleArn: aws.String(role), Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1800,"End":true}}}`),
	})
	must(t, err)
	real := time.Now()
	x, err := r.states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: m.StateMachineArn})
	must(t, err)
	d := r.ended(ctx, *x.ExecutionArn)
	if took := d.StopDate.Sub(*d.StartDate); took < 30*time.Minute {
		t.Errorf("the execution took %v of platform time", took)
	}
	if took := time.Since(real); took > 20*time.Minute {
		t.Errorf("half an hour took %v", took)
	}
	_, last := r.header()
	if !last.After(began.Add(30 * time.Minute)) {
		t.Errorf("it was %v and is %v", began, last)
	}
	r.config.ClockRate = 1
	r = r.restart()
	rate, at := r.header()
	if rate != "1" || at.Before(last) {
		t.Errorf("after the restart the rate is %q and the time %v, which was %v", rate, at, last)
	}
}

func TestMachinesClockIsNotTold(t *testing.T) {
	r := start(t, Config{})
	if rate, _ := r.header(); rate != "" {
		t.Errorf("the machine's clock is told as rate %q", rate)
	}
}

// An alarm on the errors of the version that an alias executes goes to ALARM through real invocations, calls a function, and goes
// back once the version does well.
func TestAlarmOnExecutedVersion(t *testing.T) {
	r := start(t, Config{ClockRate: 120})
	ctx := t.Context()
	r.create("shop", map[string]string{"ANSWER": `"fine"`})
	one := r.publish("shop", map[string]string{"ANSWER": `"fine"`, "RELEASE": "1"})
	two := r.publish("shop", map[string]string{"FAIL": "boom"})
	r.create("pager", map[string]string{"ANSWER": `"paged"`})
	_, err := r.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String("pager"), StatementId: aws.String("alarm"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("lambda.alarms.cloudwatch.amazonaws.com"), SourceArn: aws.String("arn:aws:cloudwatch:us-east-1:000000000000:alarm:green-errors"),
	})
	must(t, err)
	_, err = r.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: aws.String("shop"), Name: aws.String("live"), FunctionVersion: &two})
	must(t, err)
	_, err = r.cloudwatch.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("green-errors"), Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Errors"),
		Dimensions: []cwtypes.Dimension{
			{Name: aws.String("FunctionName"), Value: aws.String("shop")},
			{Name: aws.String("Resource"), Value: aws.String("shop:live")},
			{Name: aws.String("ExecutedVersion"), Value: &two},
		},
		Statistic: cwtypes.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0),
		ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
		AlarmActions: []string{"arn:aws:lambda:us-east-1:000000000000:function:pager"},
	})
	must(t, err)
	until := func(want cwtypes.StateValue, meanwhile func()) *cwtypes.MetricAlarm {
		t.Helper()
		for range 1000 {
			meanwhile()
			out, err := r.cloudwatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"green-errors"}})
			must(t, err)
			if a := &out.MetricAlarms[0]; a.StateValue == want {
				return a
			}
			select {
			case <-ctx.Done():
				t.Fatal(ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
		t.Fatalf("the alarm does not go to %s", want)
		return nil
	}
	invoke := func() {
		out, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("shop"), Qualifier: aws.String("live")})
		must(t, err)
		if failed := out.FunctionError != nil; failed != (*out.ExecutedVersion == two) {
			t.Fatalf("version %s: %v %s", *out.ExecutedVersion, out.FunctionError, out.Payload)
		}
	}
	a := until(cwtypes.StateValueAlarm, invoke)
	if !strings.HasPrefix(*a.StateReason, "Threshold Crossed: 1 datapoint [") || !json.Valid([]byte(*a.StateReasonData)) {
		t.Errorf("reason %s, data %s", *a.StateReason, *a.StateReasonData)
	}
	_, err = r.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: aws.String("shop"), Name: aws.String("live"), FunctionVersion: &one})
	must(t, err)
	until(cwtypes.StateValueOk, invoke)
	h, err := r.cloudwatch.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: aws.String("green-errors"), HistoryItemType: cwtypes.HistoryItemTypeAction})
	must(t, err)
	if len(h.AlarmHistoryItems) == 0 || !strings.HasPrefix(*h.AlarmHistoryItems[0].HistorySummary, "Successfully executed action") {
		t.Errorf("history %+v", h.AlarmHistoryItems)
	}
}

// A scrape gets the platform's metrics, with credentials where they are checked; a bucket of that name is S3's.
func TestScrape(t *testing.T) {
	r := start(t, Config{Credentials: &Credentials{"AKIDEXAMPLE", "secret"}})
	r.create("f", nil)
	_, err := r.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")})
	must(t, err)
	if status, _, _ := r.get(r.url + "/metrics"); status != http.StatusUnauthorized {
		t.Errorf("without credentials the status is %d", status)
	}
	status, h, body := r.get(strings.Replace(r.url, "://", "://AKIDEXAMPLE:secret@", 1) + "/metrics")
	if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4") ||
		!strings.Contains(body, `teal_lambda_invocations_total{function_name="f"} 1`) || !strings.Contains(body, "teal_lambda_duration_seconds_bucket{function_name=\"f\",le=\"+Inf\"} 1") {
		t.Errorf("%d %v\n%s", status, h, body)
	}
}
