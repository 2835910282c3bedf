package asl_test

import (
	"fmt"

	"github.com/tealdeploy/teal/internal/asl"
)

func ExampleParse() {
	m, diagnostics := asl.Parse([]byte(`{
		"StartAt": "Greet",
		"States": {
			"Greet": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "greet"}, "Next": "Done"},
			"Done": {"Type": "Succeed"}
		}
	}`), asl.Options{})
	fmt.Println(len(diagnostics))
	for s := range m.All() {
		fmt.Println(s.Name, s.Type)
	}
	fmt.Println(m.TaskReferences()[0].Function)
	// Output:
	// 0
	// Greet Task
	// Done Succeed
	// greet
}

func ExampleSummary() {
	_, diagnostics := asl.Parse([]byte(`{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Succeed"}}}`), asl.Options{})
	fmt.Println(asl.Summary(diagnostics))
	// Output: Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next, MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C'
}

// A machine in JSONata: what Step Functions would refuse is refused here, in its words.
func ExampleParse_jsonata() {
	_, diagnostics := asl.Parse([]byte(`{
		"QueryLanguage": "JSONata",
		"StartAt": "Total",
		"States": {
			"Total": {"Type": "Pass", "Output": {"total": "{% $sum($states.input.orders.price) %}", "first": "{% orders[0] %}"}, "End": true}
		}
	}`), asl.Options{})
	for _, d := range diagnostics {
		fmt.Println(d)
	}
	// Output: UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'orders' at the top level is not supported. at /States/Total/Output/first
}
