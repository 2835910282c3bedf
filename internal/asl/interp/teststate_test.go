package interp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/asl"
)

// TestRecordedTestStates replays the recorded calls of TestState as far as they belong to this package: not those about
// the shape of the request, nor those about what the APIs of services answer.
func TestRecordedTestStates(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/conformance/states-api/TestState*.json")
	if len(files) == 0 {
		t.Skip("the recorded calls are not here")
	}
	matched, others := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Steps []struct {
				Step, Op string
				Args     json.RawMessage
			}
			Expect []struct {
				Step     string
				Response map[string]any
			}
		}
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Steps {
			for _, e := range c.Expect {
				if e.Step != s.Step || s.Op != "test_state" {
					continue
				}
				if regexp.MustCompile(`RoleArn must be|should have only one of|InvalidDefinition`).MatchString(fmt.Sprint(e.Response)) {
					others++
					continue
				}
				if diff := tryRecorded(s.Args, e.Response); diff != "" {
					t.Errorf("%s %s\n    %s", filepath.Base(file), s.Step, diff)
					continue
				}
				matched++
			}
		}
	}
	t.Logf("%d recorded calls match; %d are not for this package", matched, others)
}

func tryRecorded(args json.RawMessage, want map[string]any) string {
	var a struct {
		Definition, Input, InspectionLevel, StateName, Variables, Context, RoleArn string
		Mock                                                                       *struct {
			Result      string
			ErrorOutput *struct{ Error, Cause string }
		}
		StateConfiguration struct {
			RetrierRetryCount, MapIterationFailureCount int64
			ErrorCausedByState, MapItemReaderData       string
		}
	}
	if err := json.Unmarshal(args, &a); err != nil {
		return err.Error()
	}
	all := asl.Options{Integration: func(string, string) bool { return true }}
	m, ds := asl.ParseState([]byte(a.Definition), all)
	if strings.Contains(a.Definition, `"StartAt"`) && a.StateName != "" {
		m, ds = asl.Parse([]byte(a.Definition), all)
	}
	if m == nil {
		return asl.Summary(ds)
	}
	o := options("{}")
	o.RoleARN = a.RoleArn
	o.ExecutionARN = "arn:aws:states:us-east-1:111111111111:express:machine:run"
	test := Test{
		State: a.StateName, Input: json.RawMessage(a.Input), Options: o, At: begin, Variables: json.RawMessage(a.Variables),
		Context: json.RawMessage(a.Context), Retries: a.StateConfiguration.RetrierRetryCount,
		MapFailures: a.StateConfiguration.MapIterationFailureCount, CausedBy: a.StateConfiguration.ErrorCausedByState,
		Items: func(string, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(a.StateConfiguration.MapItemReaderData), nil
		},
	}
	if a.Mock != nil {
		test.Mock = &Mock{Result: json.RawMessage(a.Mock.Result)}
		if e := a.Mock.ErrorOutput; e != nil {
			test.Mock.Error, test.Mock.Cause = e.Error, e.Cause
		}
	}
	r := recording{}
	got, err := TestState(m, test, func(t *InvokeTask) Event {
		r.Functions = []fakeFunction{{regexp.MustCompile(`lambda_func_\w+`).FindString(string(t.Input)), "identity"}}
		return r.call(t).event
	})
	if refused := fmt.Sprint(want); strings.Contains(refused, "exception_value") || want["Error"] != nil {
		var e *TestError
		if !errors.As(err, &e) || !strings.Contains(refused, e.Message) {
			return fmt.Sprintf("expected %s, got %v", refused, err)
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	delete(want, "ResponseMetadata")
	if data, ok := want["inspectionData"].(map[string]any); ok { // white space does not count here
		if text, ok := data["afterItemsPath"].(string); ok {
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				return err.Error()
			}
			data["afterItemsPath"] = v
		}
	}
	return differ(want, wire(got, a.InspectionLevel), "answer")
}

// wire gives a result the form of TestState's answer.
func wire(r TestResult, level string) map[string]any {
	out := map[string]any{"status": r.Status}
	text := func(to map[string]any, name, value string) {
		if value != "" {
			to[name] = value
		}
	}
	text(out, "output", string(r.Output))
	text(out, "error", r.Error)
	text(out, "cause", r.Cause)
	text(out, "nextState", r.NextState)
	if level != "DEBUG" && level != "TRACE" {
		return out
	}
	i := r.Inspection
	data := map[string]any{}
	text(data, "input", i.Input)
	text(data, "result", i.Result)
	text(data, "variables", i.Variables)
	for stage, value := range i.Stages {
		text(data, string(stage), value)
	}
	number := func(to map[string]any, name string, n *int64) {
		if n != nil {
			to[name] = float64(*n)
		}
	}
	number(data, "maxConcurrency", i.MaxConcurrency)
	number(data, "toleratedFailureCount", i.ToleratedFailureCount)
	if i.ToleratedFailurePercentage != nil {
		data["toleratedFailurePercentage"] = *i.ToleratedFailurePercentage
	}
	details := map[string]any{}
	number(details, "catchIndex", i.CatchIndex)
	number(details, "retryIndex", i.RetryIndex)
	number(details, "retryBackoffIntervalSeconds", i.Backoff)
	if len(details) > 0 {
		data["errorDetails"] = details
	}
	out["inspectionData"] = data
	return out
}

// What the recordings do not show: an item selector, failures beyond what is tolerated, and a Wait that does not wait.
func TestTestState(t *testing.T) {
	all := asl.Options{Integration: func(string, string) bool { return true }}
	for _, c := range []struct {
		name, definition string
		test             Test
		want             string
	}{
		{
			"item selector", `{"Type":"Map","ItemSelector":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value"},"ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"Next":"N"}`,
			Test{Input: []byte(`[7,8]`), Mock: &Mock{Result: []byte(`[1,2]`)}},
			`SUCCEEDED [1,2] N [{"v":7,"i":0},{"v":8,"i":1}]`,
		},
		{
			"too many failures", `{"Type":"Map","ToleratedFailurePercentage":49,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},
				"Catch":[{"ErrorEquals":["States.ExceedToleratedFailureThreshold"],"Next":"C"}],"End":true}`,
			Test{Input: []byte(`[7,8]`), Mock: &Mock{Result: []byte(`[1,2]`)}, MapFailures: 1},
			`CAUGHT_ERROR {"Error":"States.ExceedToleratedFailureThreshold","Cause":"The specified tolerated failure threshold was exceeded"} C `,
		},
		{
			"batches", `{"Type":"Map","ItemsPath":"$.l","ItemBatcher":{"MaxItemsPerBatch":2,"BatchInput":{"b":1}},"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`,
			Test{Input: []byte(`{"l":[7,8,9]}`), Mock: &Mock{Result: []byte(`[1,2]`)}},
			`SUCCEEDED [1,2]  [{"BatchInput":{"b":1},"Items":[7,8]},{"BatchInput":{"b":1},"Items":[9]}]`,
		},
		{
			"items pointer", `{"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON","ItemsPointer":"/l"},"Parameters":{"Bucket":"b","Key":"k"}},"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`,
			Test{Input: []byte(`{}`), Mock: &Mock{Result: []byte(`[1,2]`)}, Items: func(string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`[4,5]`), nil }},
			`SUCCEEDED [1,2]  [4,5]`,
		},
		{"wait", `{"Type":"Wait","Seconds":3600,"Next":"N"}`, Test{Input: []byte(`{"a": 1}`)}, `SUCCEEDED {"a": 1} N `},
		{"an error of the state", `{"Type":"Wait","SecondsPath":"$.x","Next":"N"}`, Test{Input: []byte(`{}`)}, `FAILED   `},
	} {
		m, ds := asl.ParseState([]byte(c.definition), all)
		if m == nil {
			t.Fatalf("%s: %s", c.name, asl.Summary(ds))
		}
		c.test.Options, c.test.At = options(""), begin
		r, err := TestState(m, c.test, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := fmt.Sprintf("%s %s %s %s", r.Status, r.Output, r.NextState, cmp.Or(r.Inspection.Stages[asl.AfterItemSelector], r.Inspection.Stages[asl.AfterItemBatcher], r.Inspection.Stages[asl.AfterItemsPointer])); got != c.want {
			t.Errorf("%s: got %s\nwant %s", c.name, got, c.want)
		}
	}
}
