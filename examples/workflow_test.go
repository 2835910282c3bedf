package examples

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/release"
)

// pinned gives the order workflow as version n of every function makes it.
func pinned(t *testing.T, version string) (json.RawMessage, []release.Pin) {
	t.Helper()
	m, err := manifest.Load("orders/teal.yaml", manifest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var versions []release.FunctionVersion
	for _, f := range m.Spec.Functions {
		versions = append(versions, release.FunctionVersion{
			Key: f.Key, Name: f.Name, Version: version, ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + f.Name + ":" + version,
		})
	}
	r, err := release.NewResolver(release.Identity{}, m.Spec.Functions, versions)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Spec.Workflows[0]
	definition, pins, err := release.PinDefinition(w.Definition, r, w.PinOptions())
	if err != nil {
		t.Fatal(err)
	}
	return definition, pins
}

func TestEveryTaskIsPinned(t *testing.T) {
	definition, pins := pinned(t, "7")
	if n := strings.Count(string(definition), `"Type": "Task"`); n != 5 || len(pins) != n {
		t.Errorf("%d Task states, %d pins: %+v", n, len(pins), pins)
	}
	if strings.Contains(string(definition), "${") {
		t.Error("a placeholder is left")
	}
}

// execute runs the order workflow with functions that answer as the real ones do, and returns its end and how long its
// waits took.
func execute(t *testing.T, input string) (*interp.Complete, time.Duration) {
	t.Helper()
	definition, _ := pinned(t, "7")
	m, problems := asl.Parse(definition, asl.Options{})
	if m == nil || len(problems) > 0 {
		t.Fatalf("%s", asl.Summary(problems))
	}
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := interp.Start(m, interp.StartOptions{
		ExecutionARN: "arn:aws:states:us-east-1:000000000000:execution:orders-order:o1", ExecutionName: "o1", Input: json.RawMessage(input), StartTime: begin,
		StateMachineARN: "arn:aws:states:us-east-1:000000000000:stateMachine:orders-order", StateMachineName: "orders-order",
	})
	now := begin
	pending := []interp.Event{{Kind: interp.EventStart, At: now}}
	for range 1000 {
		if len(pending) == 0 {
			break
		}
		next := 0 // the earliest
		for i := range pending {
			if pending[i].At.Before(pending[next].At) {
				next = i
			}
		}
		ev := pending[next]
		pending = append(pending[:next], pending[next+1:]...)
		now = ev.At
		out, err := interp.Step(m, s, ev)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Commands {
			switch {
			case c.InvokeTask != nil:
				answer := call(t, c.InvokeTask)
				answer.At, answer.Command = now, c.ID
				pending = append(pending, answer)
			case c.StartTimer != nil:
				pending = append(pending, interp.Event{Kind: interp.EventTimer, At: c.StartTimer.Due, Command: c.ID})
			case c.Cancel != nil:
				for i := range pending {
					if pending[i].Command == c.Cancel.Command {
						pending = append(pending[:i], pending[i+1:]...)
						break
					}
				}
			case c.Complete != nil:
				return c.Complete, now.Sub(begin)
			}
		}
	}
	t.Fatal("the workflow does not end")
	return nil, 0
}

// call answers for a function.
func call(t *testing.T, task *interp.InvokeTask) interp.Event {
	function, input := task.Resource, []byte(task.Input)
	invoke := function == "arn:aws:states:::lambda:invoke"
	if invoke {
		var p struct {
			FunctionName string
			Payload      json.RawMessage
		}
		if err := json.Unmarshal(input, &p); err != nil {
			t.Fatal(err)
		}
		function, input = p.FunctionName, p.Payload
	}
	var in struct {
		Action, Order, Card string
		Item                struct {
			SKU      string
			Quantity int
		}
	}
	if err := json.Unmarshal(input, &in); err != nil {
		t.Fatal(err)
	}
	name, ok := strings.CutPrefix(function, "arn:aws:lambda:us-east-1:000000000000:function:orders-")
	if !ok || in.Order != "o1" {
		t.Fatalf("%s calls %s with %s", task.State, function, input)
	}
	fail := func(name string) interp.Event {
		return interp.Event{Kind: interp.EventTaskFailed, Error: name, Cause: `{"errorType":"` + name + `"}`}
	}
	switch {
	case in.Action == "reserve" && in.Item.Quantity > 100:
		return fail("OutOfStock")
	case in.Action == "charge" && in.Card == "declined":
		return fail("PaymentDeclined")
	}
	status, ok := map[string]string{"reserve": "reserved", "pack": "packed", "charge": "charged", "invoice": "invoiced", "release": "released"}[in.Action]
	if !ok {
		t.Fatalf("%s asks %s for %q", task.State, name, in.Action)
	}
	output := fmt.Sprintf(`{"order":"o1","status":%q,"sku":%q,"ranOn":{"function":%q,"version":"7","release":"blue"}}`, status, in.Item.SKU, name)
	if invoke {
		output = `{"ExecutedVersion":"7","Payload":` + output + `,"StatusCode":200}`
	}
	return interp.Event{Kind: interp.EventTaskSucceeded, Output: json.RawMessage(output)}
}

func TestOrderWorkflow(t *testing.T) {
	const inventory, payment = `{"function":"inventory:7","version":"7","release":"blue"}`, `{"function":"payment:7","version":"7","release":"blue"}`
	fulfilled := func(reservations ...string) string {
		return `{"order":"o1","status":"fulfilled","ranOn":{"Reserve":[` + strings.Join(reservations, ",") + `],"Charge":` + payment + `,"Pack":` + inventory + `,"Invoice":` + payment + `}}`
	}
	for _, c := range []struct {
		name, input, output string
		took                time.Duration
	}{
		{"nothing given", `{}`, fulfilled(inventory, inventory), 12 * time.Second},
		{"all given", `{"waitSeconds":2,"items":[{"sku":"a","quantity":1}],"card":"1"}`, fulfilled(inventory), 6 * time.Second},
		{"odd pace", `{"waitSeconds":"soon","items":[]}`, fulfilled(inventory, inventory), 12 * time.Second},
		{"out of stock", `{"waitSeconds":1,"items":[{"sku":"a","quantity":101}]}`, `{"order":"o1","status":"rejected","reason":"{\"errorType\":\"OutOfStock\"}"}`, 0},
		{"declined", `{"waitSeconds":1,"card":"declined"}`, `{"order":"o1","status":"rejected","reason":"{\"errorType\":\"PaymentDeclined\"}"}`, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			end, took := execute(t, c.input)
			if end.Status != "SUCCEEDED" {
				t.Fatalf("%s: %s %s", end.Status, end.Error, end.Cause)
			}
			var got, want any
			if err := json.Unmarshal(end.Output, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.output), &want); err != nil {
				t.Fatal(err)
			}
			if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
				t.Errorf("got  %s\nwant %s", end.Output, c.output)
			}
			if took != c.took {
				t.Errorf("took %v, want %v", took, c.took)
			}
		})
	}
}

// TestKindsOfStates: the demo's workflow is meant to show these.
func TestKindsOfStates(t *testing.T) {
	definition, _ := pinned(t, "7")
	for _, kind := range []string{"Choice", "Pass", "Map", "Wait", "Task", "Parallel", "Fail"} {
		if !strings.Contains(string(definition), `"Type": "`+kind+`"`) {
			t.Errorf("the workflow has no %s state", kind)
		}
	}
	for _, part := range []string{`"Retry"`, `"Catch"`} {
		if !strings.Contains(string(definition), part) {
			t.Errorf("the workflow has no %s", part)
		}
	}
}
