package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonata"
)

// states wraps states into a definition that starts at A.
func states(s string) string { return `{"StartAt":"A","States":{` + s + `}}` }

const lambdaARN = "arn:aws:lambda:us-east-1:111111111111:function:f"

func TestDiagnostics(t *testing.T) {
	tests := []struct {
		name, definition string
		want             []string // as Diagnostic.String
	}{
		{"empty", ``, []string{"SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object"}},
		{"a list", `[]`, []string{"SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object"}},
		{"nothing in it", `{}`, []string{"SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"}},
		{
			"unknown field", `{"StartAt":"A","Stats":{},"States":{"A":{"Type":"Succeed"}}}`,
			[]string{"SCHEMA_VALIDATION_FAILED: Field 'Stats' is not supported at /"},
		},
		{
			"unknown type", states(`"A":{"Type":"Pas","End":true}`),
			[]string{"SCHEMA_VALIDATION_FAILED: The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/A/Type"},
		},
		{"no type", states(`"A":{"End":true}`), []string{"SCHEMA_VALIDATION_FAILED: These fields are required: [Type] at /States/A"}},
		{"field of another type of state", states(`"A":{"Type":"Pass","End":true,"TimeoutSeconds":3,"Catch":[]}`), []string{
			"SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/A",
			"SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/A",
		}},
		{"field of the other language", states(`"A":{"Type":"Pass","End":true,"Output":1}`), []string{
			"SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/A",
		}},
		{"dangling Next", states(`"A":{"Type":"Pass","Next":"B"},"C":{"Type":"Succeed"}`), []string{
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
			`MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C`,
		}},
		{"dangling StartAt", `{"StartAt":"B","States":{"A":{"Type":"Succeed"}}}`, []string{
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /StartAt",
			`MISSING_TRANSITION_TARGET: State "A" is not reachable. at /States/A`,
		}},
		{"dangling rules", states(`"A":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"X"}],"Default":"Y"},"B":{"Type":"Task","Resource":"` + lambdaARN + `","End":true,"Catch":[{"ErrorEquals":["E"],"Next":"Z"}]}`), []string{
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: Y at /States/A/Default",
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/A/Choices[0]/Next",
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: Z at /States/B/Catch[0]/Next",
			`MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B`,
		}},
		{"no end", states(`"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","Next":"A"}`), []string{
			"MISSING_END_STATE: Workflow has no terminal state",
		}},
		{"a transition out of a branch", states(`"A":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Next":"C"},"D":{"Type":"Succeed"}}}]},"C":{"Type":"Succeed"}`), []string{
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/A/Branches[0]/States/B/Next",
			`MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C`,
			`MISSING_TRANSITION_TARGET: State "D" is not reachable. at /States/A/Branches[0]/States/D`,
		}},
		{"the same name twice", states(`"A":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}}`), []string{
			"DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A/ItemProcessor/States/A",
		}},
		{"bad paths", states(`"A":{"Type":"Pass","InputPath":"a","OutputPath":"$.","ResultPath":"$.a[*]","Parameters":{"x.$":"$[","y":{"z.$":"States.Nope()"},"n.$":3},"End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: Value is not a valid JSONPath: Reference path didn't start with '$' at /States/A/InputPath",
			`SCHEMA_VALIDATION_FAILED: Value is not a valid JSONPath: path "$.": it must not end with '.' or '..' at /States/A/OutputPath`,
			"SCHEMA_VALIDATION_FAILED: Value is not a Reference Path: it must name a single place in the state's input at /States/A/ResultPath",
			"SCHEMA_VALIDATION_FAILED: The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters",
			"SCHEMA_VALIDATION_FAILED: The value for the field 'z.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/y",
			"SCHEMA_VALIDATION_FAILED: The value for the field 'n.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters",
		}},
		{"wrong types", states(`"A":{"Type":"Task","Resource":7,"TimeoutSeconds":"5","Retry":{},"Comment":1,"End":"yes"}`), []string{
			"SCHEMA_VALIDATION_FAILED: Expected value of type [STRING] at /States/A/Comment",
			"SCHEMA_VALIDATION_FAILED: Expected value of type [BOOLEAN] at /States/A/End",
			"SCHEMA_VALIDATION_FAILED: Exactly one of these fields is required: [Next, End] at /States/A",
			"SCHEMA_VALIDATION_FAILED: Expected value of type [ARRAY] at /States/A/Retry",
			"SCHEMA_VALIDATION_FAILED: Expected value of type [STRING] at /States/A/Resource",
			"SCHEMA_VALIDATION_FAILED: Expected value of type [INTEGER] at /States/A/TimeoutSeconds",
		}},
		{"resources", states(`"A":{"Type":"Task","Resource":"f","Next":"B"},"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"Payload":1},"End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: Value is not a valid resource ARN at /States/A/Resource",
			"SCHEMA_VALIDATION_FAILED: The field 'FunctionName' is required but was missing at /States/B/Parameters",
		}},
		{"choice rules", states(`"A":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"StringEquals":"x"},{"Variable":"a","NumericEquals":"1","Next":"B"},{"And":[],"Next":"B"}]},"B":{"Type":"Succeed"}`), []string{
			"SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/A/Choices[0]",
			"SCHEMA_VALIDATION_FAILED: A choice rule must have exactly one comparison operator, it has 2 at /States/A/Choices[0]",
			"SCHEMA_VALIDATION_FAILED: Value is not a Reference Path: Reference path didn't start with '$' at /States/A/Choices[1]/Variable",
			"SCHEMA_VALIDATION_FAILED: Expected value of type [NUMBER] at /States/A/Choices[1]/NumericEquals",
			"SCHEMA_VALIDATION_FAILED: There must be at least one condition at /States/A/Choices[2]/And",
		}},
		{"waits", states(`"A":{"Type":"Wait","Next":"B"},"B":{"Type":"Wait","Seconds":1,"Timestamp":"2026-01-01T00:00:00Z","Next":"C"},"C":{"Type":"Wait","Timestamp":"tomorrow","End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: Exactly one of these fields is required: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/A",
			"SCHEMA_VALIDATION_FAILED: Only one of these fields can be specified: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/B",
			"SCHEMA_VALIDATION_FAILED: Expected a valid ISO-8601 extended offset date-time format string at /States/C/Timestamp",
		}},
		{"retriers and catchers", states(`"A":{"Type":"Task","Resource":"` + lambdaARN + `","End":true,
			"Retry":[{"ErrorEquals":["States.ALL","E"],"BackoffRate":0.5,"JitterStrategy":"SOME","IntervalSeconds":0}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"},{"Next":"B"}]},"B":{"Type":"Succeed"}`), []string{
			"SCHEMA_VALIDATION_FAILED: States.ALL must appear alone, and only in the last entry at /States/A/Retry[0]/ErrorEquals",
			"SCHEMA_VALIDATION_FAILED: Value must be between 1 and 99999999 at /States/A/Retry[0]/IntervalSeconds",
			"SCHEMA_VALIDATION_FAILED: Value must be at least 1.0 at /States/A/Retry[0]/BackoffRate",
			"SCHEMA_VALIDATION_FAILED: Value should be one of the following: [FULL, NONE] at /States/A/Retry[0]/JitterStrategy",
			"SCHEMA_VALIDATION_FAILED: States.ALL must appear alone, and only in the last entry at /States/A/Catch[0]/ErrorEquals",
			"SCHEMA_VALIDATION_FAILED: These fields are required: [ErrorEquals] at /States/A/Catch[1]",
		}},
		{"variables", states(`"A":{"Type":"Pass","Assign":{"1x":1,"states.$":"$"},"End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: '1x' is not a valid variable name at /States/A/Assign",
			"SCHEMA_VALIDATION_FAILED: 'states' is not a valid variable name at /States/A/Assign",
		}},
		{"JSONata", `{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","QueryLanguage":"JSONPath","End":true}}}`, []string{
			"SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/A",
		}},
		{"a language that is none", states(`"A":{"Type":"Succeed","QueryLanguage":"jsonpath"}`), []string{
			"SCHEMA_VALIDATION_FAILED: Value should be one of the following: [JSONPath, JSONata] at /States/A/QueryLanguage",
		}},
		{"what is not served", states(`"A":{"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:getObject"},"Next":"B","ItemProcessor":{
				"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"I","States":{"I":{"Type":"Succeed"}}}},
			"B":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Next":"C"},
			"C":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"m"},"Next":"D"},
			"D":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true}`), []string{
			"UNSUPPORTED_FEATURE: The service integration 's3:getObject' is not supported by this platform at /States/A/ItemReader/Resource",
			"UNSUPPORTED_FEATURE: The service integration 'sqs:sendMessage' is not supported by this platform at /States/B/Resource",
			"UNSUPPORTED_FEATURE: The service integration 'states:startExecution.sync:2' is not supported by this platform at /States/C/Resource",
			"UNSUPPORTED_FEATURE: The service integration 'aws-sdk:s3:listBuckets' is not supported by this platform at /States/D/Resource",
		}},
		{"patterns that a service does not have", states(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.sync","Parameters":{"FunctionName":"f"},"Next":"B"},
			"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.soon","Parameters":{"FunctionName":"f"},"End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::lambda:invoke.sync is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. at /States/A/Resource",
			"SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::lambda:invoke.soon is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. at /States/B/Resource",
		}},
		{"distributed Map", states(`"A":{"Type":"Map","Label":"a:b","ItemBatcher":{},"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED"},"StartAt":"I","States":{"I":{"Type":"Succeed"}}},"End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: These fields are required: [ExecutionType] at /States/A/ItemProcessor/ProcessorConfig",
			"SCHEMA_VALIDATION_FAILED: Label must have between 1 and 40 characters, without white space and without any of ? * < > { } [ ] : ; , \\ | ^ ~ $ # % & ` \" at /States/A/Label",
			"SCHEMA_VALIDATION_FAILED: At least one of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch] at /States/A/ItemBatcher",
		}},
		{"JSONPath in a JSONata state", states(`"A":{"Type":"Pass","QueryLanguage":"JSONata","InputPath":"$","Output":"{% 1","End":true}`), []string{
			"SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage at /States/A",
			"SCHEMA_VALIDATION_FAILED: JSONata string must begin with '{%' and end with '%}' at /States/A/Output",
		}},
		{"distributed fields inline", states(`"A":{"Type":"Map","ItemReader":{},"ToleratedFailureCount":1,"End":true,"ItemProcessor":{"QueryLanguage":"JSONPath","StartAt":"B","States":{"B":{"Type":"Succeed"}}}}`), []string{
			"SCHEMA_VALIDATION_FAILED: Field 'QueryLanguage' is not supported at /States/A/ItemProcessor",
			"SCHEMA_VALIDATION_FAILED: Field 'ItemReader' is not supported at /States/A",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, ds := Parse([]byte(test.definition), Options{})
			if m != nil {
				t.Error("the definition was taken")
			}
			var got []string
			for _, d := range ds {
				got = append(got, d.String())
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestExpressRefusals(t *testing.T) {
	for resource, want := range map[string]string{
		"arn:aws:states:us-east-1:111111111111:activity:a":  "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does not support Activity ARN at /States/A/Resource'",
		"arn:aws:states:::sqs:sendMessage.waitForTaskToken": "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does not support '.waitForTaskToken' service integration  at /States/A/Resource'",
	} {
		_, ds := Parse([]byte(states(`"A":{"Type":"Task","Resource":"`+resource+`","End":true}`)), Options{Express: true})
		if got := Summary(ds); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// TestRecordedDiagnostics compares with what AWS's ValidateStateMachineDefinition was recorded to answer.
func TestRecordedDiagnostics(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/conformance/states-api/*validate_state_machine_definition*.json")
	if len(files) == 0 {
		t.Skip("the recorded answers are not here")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Steps []struct {
				Step, Op string
				Args     struct{ Definition, Type string }
			}
			Expect []struct {
				Step     string
				Response struct {
					Diagnostics []Diagnostic
					Result      string
				}
			}
		}
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Steps {
			for _, e := range c.Expect {
				if e.Step != s.Step || s.Op != "validate_state_machine_definition" {
					continue
				}
				m, ds := Parse([]byte(s.Args.Definition), Options{Express: s.Args.Type == "EXPRESS"})
				if e.Response.Result == "OK" {
					if m == nil {
						t.Errorf("%s: %v", file, ds)
					}
					continue
				}
				if m != nil || len(e.Response.Diagnostics) == 0 {
					t.Errorf("%s: taken, AWS says %v", file, e.Response.Diagnostics)
					continue
				}
				if fmt.Sprint(ds) != fmt.Sprint(e.Response.Diagnostics) {
					t.Errorf("%s:\ngot  %q\nwant %q", file, ds, e.Response.Diagnostics)
				}
			}
		}
	}
}

func TestTaskReferences(t *testing.T) {
	m, ds := Parse([]byte(states(`"A":{"Type":"Task","Resource":"`+lambdaARN+`:3","Next":"B"},
		"B":{"Type":"Map","Next":"C","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"g:live"},"End":true}}}},
		"C":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName.$":"$.f"},"End":true}`)), Options{})
	if m == nil {
		t.Fatal(ds)
	}
	want := `[{A /States/A/Resource ` + lambdaARN + `:3} {I /States/B/ItemProcessor/States/I/Parameters/FunctionName g:live} {C /States/C/Parameters/FunctionName.$ }]`
	if got := fmt.Sprint(m.TaskReferences()); got != want {
		t.Errorf("got %s", got)
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		names string
		err   string
		want  bool
	}{
		{"States.ALL", "anything", true},
		{"A", "B", false},
		{"States.TaskFailed", "Lambda.Unknown", true},
		{"States.TaskFailed", "States.Timeout", false},
		{"States.TaskFailed", "States.HeartbeatTimeout", false},
		{"States.Timeout", "States.HeartbeatTimeout", true},
		{"States.HeartbeatTimeout", "States.Timeout", false},
	} {
		if got := Matches([]string{"x", test.names}, test.err); got != test.want {
			t.Errorf("%s stands for %s: %v", test.names, test.err, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(states(`"A":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"Next":"B"}]},"B":{"Type":"Wait","SecondsPath":"$.x","End":true}`)))
	f.Add([]byte(states(`"A":{"Type":"Map","ItemSelector":{"a.$":"States.Format('{}', $$.Map.Item.Index)"},"ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Fail"}}},"End":true}`)))
	f.Fuzz(func(t *testing.T, definition []byte) {
		m, ds := Parse(definition, Options{})
		if (m == nil) != HasErrors(ds) {
			t.Fatalf("machine %v, diagnostics %v", m, ds)
		}
		if m == nil {
			return
		}
		for s := range m.All() {
			if m.State(s.Name) != s {
				t.Fatalf("state %s is not found by its name", s.Name)
			}
		}
	})
}

// syntaxError is what package jsonata says about an expression, without the code.
func syntaxError(expression string) string {
	_, err := jsonata.Compile(expression)
	var e *jsonata.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Message
}

func TestQueryDiagnostics(t *testing.T) {
	for _, test := range []struct{ expression, want string }{
		{"1 +", "INVALID_JSONATA_EXPRESSION: " + syntaxError("1 +") + " at /States/A/Output/v"},
		{"$x :=", "INVALID_JSONATA_EXPRESSION: " + syntaxError("$x :=") + " at /States/A/Output/v"},
		{"phone", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/A/Output/v"},
		{"$sum(order.items.(price * qty))", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'order' at the top level is not supported. at /States/A/Output/v"},
		{"'a.b' & $.c", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$' at the top level is not supported. at /States/A/Output/v"},
		{"1.5e3 + total", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'total' at the top level is not supported. at /States/A/Output/v"},
		{"$$", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$$' at the top level is not supported. at /States/A/Output/v"},
		{"$states.result", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.result' is not supported in this field. at /States/A/Output/v"},
		{"$states.errorOutput.Error", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.errorOutput' is not supported in this field. at /States/A/Output/v"},
		{"'$states.result' & /* $states.errorOutput */ $states.input.a", ""},
		{"$states.input.items[price > 3 and name in ['a', 'b']].{'n': name, 'x': $.y}", ""},
		{"$statesman & $states.context.Execution.Id", ""},
		{"$states", ""},
	} {
		definition := `{"QueryLanguage":"JSONata",` + states(`"A":{"Type":"Pass","Output":{"v":` + fmt.Sprintf("%q", "{% "+test.expression+" %}") + `},"End":true}`)[1:]
		_, ds := Parse([]byte(definition), Options{})
		got := ""
		for _, d := range ds {
			got += d.String()
		}
		if got != test.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", test.expression, got, test.want)
		}
	}
}
