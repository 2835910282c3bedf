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

// A State that was lost is made again from the journal of its events: the same commands wait, and the history is the same.
func Example_replay() {
	m, _ := asl.Parse([]byte(`{
		"StartAt": "Wait",
		"States": {
			"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Ask"},
			"Ask": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:ask", "End": true}
		}
	}`), asl.Options{})
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	start := func() *interp.State {
		return interp.Start(m, interp.StartOptions{ExecutionName: "run", Input: json.RawMessage(`{"q": "why"}`), StartTime: begun})
	}

	// The first life: each event goes to the journal before its commands are performed.
	var journal [][]byte
	state, last := start(), int64(0)
	for _, event := range []interp.Event{
		{Kind: interp.EventStart, At: begun, Seed: 1},
		{Kind: interp.EventTimer, At: begun.Add(time.Minute), Seed: 2, Command: 1},
	} {
		row, err := json.Marshal(event)
		if err != nil {
			fmt.Println(err)
			return
		}
		journal = append(journal, row)
		out, err := interp.Step(m, state, event)
		if err != nil {
			fmt.Println(err)
			return
		}
		last = out.History[len(out.History)-1].ID
	}
	fmt.Println("before:", last, "events")

	// The second one. What is left in open has no answer and is performed again.
	state = start()
	open := map[int64]interp.Command{}
	for _, row := range journal {
		var event interp.Event
		if err := json.Unmarshal(row, &event); err != nil {
			fmt.Println(err)
			return
		}
		out, err := interp.Step(m, state, event)
		if err != nil {
			fmt.Println(err)
			return
		}
		delete(open, event.Command)
		for _, c := range out.Commands {
			open[c.ID] = c
		}
		last = out.History[len(out.History)-1].ID
	}
	fmt.Println("after:", last, "events")
	for id, c := range open {
		fmt.Println("performed again:", id, c.InvokeTask.Resource, string(c.InvokeTask.Input))
	}
	out, err := interp.Step(m, state, interp.Event{Kind: interp.EventTaskSucceeded, At: begun.Add(time.Hour), Seed: 3, Command: 2, Output: json.RawMessage(`"because"`)})
	fmt.Println(out.Commands[0].Complete.Status, string(out.Commands[0].Complete.Output), err)

	// An answer that comes twice changes nothing.
	_, err = interp.Step(m, state, interp.Event{Kind: interp.EventTaskSucceeded, At: begun.Add(time.Hour), Command: 2, Output: json.RawMessage(`"no"`)})
	fmt.Println(err)
	// Output:
	// before: 6 events
	// after: 6 events
	// performed again: 2 arn:aws:lambda:us-east-1:123456789012:function:ask {"q": "why"}
	// SUCCEEDED "because" <nil>
	// interp: the event answers no open command
}

// A failure is an event like any other. The interpreter decides on the retry, and asks for the timer before it.
func Example_retry() {
	m, _ := asl.Parse([]byte(`{
		"StartAt": "Ask",
		"States": {
			"Ask": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:ask",
				"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 3, "MaxAttempts": 1}],
				"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}], "End": true},
			"Sorry": {"Type": "Pass", "InputPath": "$.Error", "End": true}
		}
	}`), asl.Options{})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	state := interp.Start(m, interp.StartOptions{ExecutionName: "run", StartTime: now})
	event := interp.Event{Kind: interp.EventStart, At: now}
	for state.Status != interp.StatusSucceeded {
		out, err := interp.Step(m, state, event)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range out.Commands {
			switch {
			case c.InvokeTask != nil:
				fmt.Println("ask")
				event = interp.Event{Kind: interp.EventTaskFailed, At: now, Command: c.ID, Error: "Busy", Cause: "come back later"}
			case c.StartTimer != nil:
				fmt.Println("wait", c.StartTimer.Due.Sub(now))
				now = c.StartTimer.Due
				event = interp.Event{Kind: interp.EventTimer, At: now, Command: c.ID}
			case c.Complete != nil:
				fmt.Println(c.Complete.Status, string(c.Complete.Output))
			}
		}
	}
	// Output:
	// ask
	// wait 3s
	// ask
	// SUCCEEDED "Busy"
}
