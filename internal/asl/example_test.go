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
