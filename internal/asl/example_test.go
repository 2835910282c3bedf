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

// Errors keep a definition from being a machine; warnings do not.
func ExampleDiagnostic() {
	m, diagnostics := asl.Parse([]byte(`{
		"StartAt": "Order",
		"States": {
			"Order": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {"QueueUrl": "q"}, "Next": "Wiat"},
			"Wait": {"Type": "Wait", "Seconds": 1, "End": true}
		}
	}`), asl.Options{Integration: func(service, action string) bool { return service == "sqs" && action == "sendMessage" }})
	fmt.Println(m == nil, asl.HasErrors(diagnostics))
	for _, d := range diagnostics {
		fmt.Println(d.Severity, d.Code, d.Location)
	}
	// Output:
	// true true
	// ERROR MISSING_TRANSITION_TARGET /States/Order/Next
	// ERROR MISSING_TRANSITION_TARGET /States/Wait
}

// All walks the states of a machine, with those inside of Map and Parallel states.
func ExampleStateMachine_All() {
	m, _ := asl.Parse([]byte(`{
		"StartAt": "Each",
		"States": {
			"Each": {"Type": "Map", "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}, "Next": "Done"},
			"Done": {"Type": "Succeed"}
		}
	}`), asl.Options{})
	for s := range m.All() {
		fmt.Println(s.Type, s.Name)
	}
	// Output:
	// Map Each
	// Pass One
	// Succeed Done
}
