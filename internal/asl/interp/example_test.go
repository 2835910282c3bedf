package interp_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
)

// A pump gives Step the events and performs its commands. This one performs tasks at once and lets no time pass; a real one
// makes every event and its history durable first.
func ExampleStep() {
	m, diagnostics := asl.Parse([]byte(`{
		"QueryLanguage": "JSONata",
		"StartAt": "Double",
		"States": {
			"Double": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
				"Arguments": {"FunctionName": "double", "Payload": "{% $states.input.n %}"},
				"Output": "{% $states.result.Payload %}", "Next": "Pause"},
			"Pause": {"Type": "Wait", "Seconds": 5, "End": true}
		}
	}`), asl.Options{})
	if m == nil {
		fmt.Println(asl.Summary(diagnostics))
		return
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	state := interp.Start(m, interp.StartOptions{ExecutionName: "run", Input: json.RawMessage(`{"n": 21}`), StartTime: now})
	events := []interp.Event{{Kind: interp.EventStart, At: now, Seed: 1}}
	for len(events) > 0 {
		out, err := interp.Step(m, state, events[0])
		if err != nil {
			fmt.Println(err)
			return
		}
		events = events[1:]
		for _, e := range out.History {
			fmt.Println(e.ID, e.Type)
		}
		for _, c := range out.Commands {
			switch {
			case c.InvokeTask != nil:
				fmt.Println("-> invoke with", string(c.InvokeTask.Input))
				events = append(events, interp.Event{Kind: interp.EventTaskSucceeded, At: now, Command: c.ID, Output: json.RawMessage(`{"Payload":42}`)})
			case c.StartTimer != nil:
				fmt.Println("-> wait", c.StartTimer.Due.Sub(now))
				events = append(events, interp.Event{Kind: interp.EventTimer, At: c.StartTimer.Due, Command: c.ID})
			case c.Complete != nil:
				fmt.Println("->", c.Complete.Status, string(c.Complete.Output))
			}
		}
	}
	// Output:
	// 1 ExecutionStarted
	// 2 TaskStateEntered
	// 3 TaskScheduled
	// 4 TaskStarted
	// -> invoke with {"FunctionName":"double","Payload":21}
	// 5 TaskSucceeded
	// 6 TaskStateExited
	// 7 WaitStateEntered
	// -> wait 5s
	// 8 WaitStateExited
	// 9 ExecutionSucceeded
	// -> SUCCEEDED 42
}
