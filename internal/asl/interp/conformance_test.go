package interp

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// recording is one recorded execution; see the README beside the recordings.
type recording struct {
	Features  []string        `json:"features"`
	Type      string          `json:"type"`
	Functions []fakeFunction  `json:"functions"`
	Machine   json.RawMessage `json:"definition"`
	Input     string          `json:"input"`
	Unordered bool            `json:"parallel_events_unordered"`
	Expect    json.RawMessage `json:"expect"`
}

type fakeFunction struct{ Name, Behaviour string }

// cannotMatch names the recordings that contradict AWS's documentation or one another, and where they differ.
var cannotMatch = map[string]string{
	// The recordings leave out the ParallelStateSucceeded events whose IDs they skip.
	"assign_test_assign_base_TestAssignBase_test_base_parallel_cases_BASE_SCOPE_PARALLEL": "ParallelStateSucceeded",
	"local_mocking_test_base_scenarios_TestBaseScenarios_test_parallel_state_lambda":      "ParallelStateSucceeded",
	"scenarios_test_base_scenarios_TestBaseScenarios_test_parallel_state_nested":          "ParallelStateSucceeded",
	// These leave out the ParallelStateFailed events whose IDs they skip.
	"states_variables_test_error_output_TestStateVariablesTemplate_test_parallel_catch_error_PARALLEL_CATCH_ERROR_OUTPUT":            "ParallelStateFailed",
	"states_variables_test_error_output_TestStateVariablesTemplate_test_parallel_catch_error_PARALLEL_CATCH_ERROR_OUTPUT_WITH_RETRY": "ParallelStateFailed",
	"states_variables_test_error_output_TestStateVariablesTemplate_test_parallel_catch_error_PARALLEL_CATCH_ERROR_VARIABLE_SAMPLING": "ParallelStateFailed",
	// Recorded in 2023, before the context object had RedriveCount, which later recordings show.
	"scenarios_test_base_scenarios_TestBaseScenarios_test_lambda_invoke_with_retry_extended_input":         "RedriveCount",
	"scenarios_test_base_scenarios_TestBaseScenarios_test_lambda_service_invoke_with_retry_extended_input": "RedriveCount",
	// Ten recordings show a state's input as it was written, white space and all; this one shows it compact.
	"scenarios_test_base_scenarios_TestBaseScenarios_test_map_state_label": `input: expected ["Hello","World"], got ["Hello", "World"]`,
	// The recording shows outputs as numbers that the API gives as strings, as it does everywhere else.
	"assign_test_assign_reference_variables_TestAssignReferenceVariables_test_reference_in_map_state_MAP_STATE_REFERENCE_IN_MAX_CONCURRENCY_PATH": "output: expected 1, got 1",
}

func TestRecordedExecutions(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/conformance/states/*.json")
	if len(files) == 0 {
		t.Skip("the recorded executions are not here")
	}
	matched, known, total := 0, 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c recording
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		total++
		diff := c.replay()
		if why, ok := cannotMatch[name]; ok {
			known++
			if !strings.Contains(diff, why) || diff == "" {
				t.Errorf("%s: listed as one that cannot match because of %q, but it says %q", name, why, diff)
			}
			continue
		}
		if diff != "" {
			t.Errorf("%s\n    %s", name, diff)
			continue
		}
		matched++
	}
	t.Logf("%d of %d recorded executions match; %d cannot match", matched, total, known)
}

// replay runs a recording in virtual time, the state marshalled between all steps, and says where it differs.
func (c *recording) replay() string {
	m, ds := asl.Parse(c.Machine, asl.Options{Express: c.Type == "EXPRESS"})
	if m == nil {
		return asl.Summary(ds)
	}
	p := &pump{m: m, s: Start(m, options(c.Input)), tasks: c.call, seed: 1, reload: true}
	if err := p.run(); err != nil {
		return err.Error()
	}
	if err := gapFree(p.history); err != nil {
		return err.Error()
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(c.Expect), "<partition>", "aws"), "<region>", "us-east-1")
	var want struct {
		Status  string
		Output  any
		History []any
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return err.Error()
	}
	if want.Status != "" && want.Status != p.complete.Status {
		return fmt.Sprintf("expected %s, got %s (%s: %s)", want.Status, p.complete.Status, p.complete.Error, p.complete.Cause)
	}
	if want.History == nil {
		var out any
		if err := json.Unmarshal(p.complete.Output, &out); err != nil {
			return err.Error()
		}
		return differ(want.Output, out, "output")
	}
	data, err := json.Marshal(p.history)
	if err != nil {
		return err.Error()
	}
	var got []any
	if err := json.Unmarshal(data, &got); err != nil {
		return err.Error()
	}
	return differHistory(want.History, got, c.Unordered)
}

// call plays the functions of the recordings.
func (c *recording) call(t *InvokeTask) answer {
	name := t.Resource[strings.LastIndexByte(t.Resource, ':')+1:]
	payload, service := string(t.Input), false
	if t.Resource == "arn:aws:states:::lambda:invoke" {
		service = true
		v, _ := jsonvalue.Parse(t.Input)
		o := v.(*jsonvalue.Object)
		f, _ := o.Get("FunctionName")
		name, _ = f.(string)
		name = name[strings.LastIndexByte(name, ':')+1:]
		p, _ := o.Get("Payload")
		switch p := p.(type) {
		case nil:
			payload = "{}"
		case string:
			payload = p
		default:
			payload = string(jsonvalue.Marshal(p))
		}
	}
	i := slices.IndexFunc(c.Functions, func(f fakeFunction) bool { return f.Name == name })
	if i < 0 {
		return answer{event: Event{
			Kind: EventTaskFailed, Error: "Lambda.ResourceNotFoundException",
			Cause: "Function not found: arn:aws:lambda:us-east-1:111111111111:function:" + name +
				":$LATEST (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: 1-2; Proxy: null)",
		}}
	}
	var result any
	var after time.Duration
	switch c.Functions[i].Behaviour {
	case "identity":
		result, _ = jsonvalue.ParseString(payload)
	case "raise":
		return raised(service, "Some exception was raised.", "Exception")
	case "raise-custom":
		return raised(service, "", "CustomException")
	case "sleep-60s":
		result, _ = jsonvalue.ParseString(payload)
		after = time.Minute
	case "huge-output":
		result = strings.Repeat("x", 257*1024)
	case "hello-bytes":
		result = "HelloWorld!"
	case "hello-object":
		o := jsonvalue.NewObject(1)
		o.Set("Return", "HelloWorld")
		result = o
	case "decorate":
		v, _ := jsonvalue.ParseString(payload)
		result = "input-event-" + strings.ReplaceAll(string(python(nil, v)), `"`, `'`)
	}
	text := python(nil, result)
	if !service {
		return answer{event: Event{Kind: EventTaskSucceeded, Output: text}, after: after}
	}
	length := strconv.Itoa(len(text))
	out := fmt.Sprintf(`{"ExecutedVersion":"$LATEST","Payload":%s,"SdkHttpMetadata":{"AllHttpHeaders":{"X-Amz-Executed-Version":["$LATEST"],`+
		`"x-amzn-Remapped-Content-Length":["0"],"Connection":["keep-alive"],"x-amzn-RequestId":["1"],"Content-Length":[%q],"Date":["d"],`+
		`"X-Amzn-Trace-Id":["t"],"Content-Type":["application/json"]},"HttpHeaders":{"Connection":"keep-alive","Content-Length":%q,`+
		`"Content-Type":"application/json","Date":"d","X-Amz-Executed-Version":"$LATEST","x-amzn-Remapped-Content-Length":"0",`+
		`"x-amzn-RequestId":"1","X-Amzn-Trace-Id":"t"},"HttpStatusCode":200},"SdkResponseMetadata":{"RequestId":"RequestId"},"StatusCode":200}`,
		jsonvalue.Marshal(result), length, length)
	return answer{event: Event{Kind: EventTaskSucceeded, Output: json.RawMessage(out)}, after: after}
}

func raised(service bool, message, typ string) answer {
	o := jsonvalue.NewObject(4)
	o.Set("errorMessage", message)
	o.Set("errorType", typ)
	o.Set("requestId", "1-2")
	o.Set("stackTrace", []any{"  File"})
	cause := python(nil, o)
	if service {
		cause = jsonvalue.Marshal(o)
	}
	return answer{event: Event{Kind: EventTaskFailed, Error: typ, Cause: string(cause)}}
}

// python writes JSON with the spaces of Python's json.dumps.
func python(b []byte, v any) []byte {
	switch v := v.(type) {
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = python(b, e)
		}
		return append(b, ']')
	case *jsonvalue.Object:
		b = append(b, '{')
		for i := range v.Len() {
			k, e := v.At(i)
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(jsonvalue.AppendString(b, k), ": "...)
			b = python(b, e)
		}
		return append(b, '}')
	}
	return jsonvalue.Append(b, v)
}

var (
	whole = regexp.MustCompile(`^<[^<>]+>$`)
	free  = regexp.MustCompile(`^(date|timestamp|start-date|stop-date|X-Amzn-Trace-Id|x-amzn-RequestId)$`)
	stack = regexp.MustCompile(`(?s)\\*"stackTrace\\*":\s*\[.*?\](\s*[,}])`)
	parts = regexp.MustCompile(`<[^<>]+>|\bdate\b`)
)

func textMatches(want, got string) bool {
	if want == got || free.MatchString(want) {
		return true
	}
	want, got = stack.ReplaceAllString(want, "STACK$1"), stack.ReplaceAllString(got, "STACK$1")
	if want == got {
		return true
	}
	if !strings.Contains(want, "date") && !strings.Contains(want, "<") {
		return false
	}
	var pattern strings.Builder
	last := 0
	for _, at := range parts.FindAllStringIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[last:at[0]]) + ".+?")
		last = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(want[last:]))
	return regexp.MustCompile(`(?s)^(?:` + pattern.String() + `)$`).MatchString(got)
}

// differ says where got does not match want, by the rules of the recordings' README.
func differ(want, got any, path string) string {
	if s, ok := want.(string); ok && (whole.MatchString(s) || free.MatchString(s)) {
		return ""
	}
	switch want.(type) {
	case map[string]any, []any:
		if s, ok := got.(string); ok && s != "" && (s[0] == '{' || s[0] == '[') {
			var v any
			if json.Unmarshal([]byte(s), &v) == nil {
				got = v
			}
		}
	}
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: expected an object, got %.80v", path, got)
		}
		keys := map[string]bool{}
		for k := range want {
			if whole.MatchString(k) {
				return ""
			}
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			if k == "timestamp" || k == "stackTrace" || k == "requestId" {
				continue
			}
			a, inGot := g[k]
			e, inWant := want[k]
			switch {
			case !inGot:
				return path + "." + k + ": missing"
			case !inWant:
				return fmt.Sprintf("%s.%s: unexpected %.80v", path, k, a)
			}
			if d := differ(e, a, path+"."+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s: expected a list, got %.80v", path, got)
		}
		if len(g) != len(want) {
			return fmt.Sprintf("%s: expected %d items, got %d", path, len(want), len(g))
		}
		for i := range want {
			if d := differ(want[i], g[i], path+"["+strconv.Itoa(i)+"]"); d != "" {
				return d
			}
		}
		return ""
	case string:
		if g, ok := got.(string); ok && textMatches(want, g) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: expected %.90v, got %.90v", path, want, got)
}

func differHistory(want, got []any, unordered bool) string {
	types := func(events []any) []string {
		var ts []string
		for _, e := range events {
			ts = append(ts, e.(map[string]any)["type"].(string))
		}
		return ts
	}
	a, b := types(want), types(got)
	if !slices.Equal(a, b) {
		sa, sb := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
		if !unordered || !slices.Equal(sa, sb) {
			return fmt.Sprintf("expected the events %v, got %v", a, b)
		}
	}
	if !unordered {
		return differ(want, got, "history")
	}
	left := slices.Clone(got)
	for _, e := range want {
		w := maps.Clone(e.(map[string]any))
		_, number := w["id"].(float64)
		if !number {
			delete(w, "id")
			delete(w, "previousEventId")
		}
		hit := slices.IndexFunc(left, func(g any) bool {
			a := maps.Clone(g.(map[string]any))
			for _, k := range []string{"id", "previousEventId"} {
				if _, ok := w[k]; !ok {
					delete(a, k)
				}
			}
			return differ(w, a, "") == ""
		})
		if hit < 0 {
			return fmt.Sprintf("no event matches %.140v", w)
		}
		left = slices.Delete(left, hit, hit+1)
	}
	return ""
}
