package interp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
)

// A loop without an end fails when its history is full, as on AWS.
func TestHistoryLimit(t *testing.T) {
	m := machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$","IsPresent":true,"Next":"A"}],"Default":"E"},"E":{"Type":"Succeed"}}}`)
	p := &pump{m: m, s: Start(m, options(`{}`))}
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	last := p.history[len(p.history)-1]
	if len(p.history) != 25_000 || last.ID != 25_000 || last.Type != "ExecutionFailed" || last.PreviousID != 24_999 {
		t.Fatalf("%d events, the last is %+v", len(p.history), last)
	}
	if p.complete.Error != "States.Runtime" || p.complete.Cause != "The execution reached the maximum number of history events (25000)." {
		t.Fatalf("%+v", p.complete)
	}
}

// The limit withdraws what other branches have open, and takes back what the same step has asked for.
func TestHistoryLimitEndsOpenTasks(t *testing.T) {
	m := machine(t, `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
		{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","End":true}}},
		{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"Next":"L"},"L":{"Type":"Pass","Next":"C"},
			"C":{"Type":"Choice","Choices":[{"Variable":"$","IsPresent":true,"Next":"L"}],"Default":"E"},"E":{"Type":"Succeed"}}}]}}}`)
	p := &pump{m: m, s: Start(m, options(`{}`)), tasks: func(*InvokeTask) answer {
		return answer{Event{Kind: EventTaskSucceeded, Output: []byte(`1`)}, time.Hour}
	}}
	if err := p.run(); err != nil { // fails when a command stays open
		t.Fatal(err)
	}
	if err := gapFree(p.history); err != nil || len(p.history) != 25_000 {
		t.Fatal(len(p.history), err)
	}
}

// Without a history limit a loop of immediate states must not hold up the pump: the step ends and asks to be continued.
func TestLongStepIsCutUp(t *testing.T) {
	m := machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$","IsPresent":true,"Next":"A"}],"Default":"E"},"E":{"Type":"Succeed"}}}`)
	o := options(`{}`)
	o.HistoryLimit = -1
	s := Start(m, o)
	out, err := Step(m, s, Event{Kind: EventStart, At: begin})
	for range 3 {
		if err != nil || len(out.Commands) != 1 || out.Commands[0].StartTimer == nil || out.Commands[0].StartTimer.Due.After(begin) {
			t.Fatalf("%v %+v", err, out.Commands)
		}
		out, err = Step(m, s, Event{Kind: EventTimer, At: begin, Command: out.Commands[0].ID})
	}
	out, err = Step(m, s, Event{Kind: EventStop, At: begin})
	if err != nil || out.Commands[len(out.Commands)-1].Complete.Status != StatusAborted {
		t.Fatal(err, out)
	}
}

// A state's output beyond 256 KiB ends the execution; a task's result beyond it is a failure that can be caught.
func TestPayloadLimit(t *testing.T) {
	big := `"` + strings.Repeat("x", asl.MaxPayload) + `"`
	m := machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a.$":"$","b.$":"$"},"End":true}}}`)
	p := &pump{m: m, s: Start(m, options(`"`+strings.Repeat("x", asl.MaxPayload/2)+`"`))}
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if p.complete.Error != "States.DataLimitExceeded" || !strings.HasPrefix(p.complete.Cause, "The state/task 'A' returned") {
		t.Fatalf("%+v", p.complete)
	}
	m = machine(t, `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f",
		"Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"Next":"B"}],"End":true},"B":{"Type":"Succeed"}}}`)
	p = &pump{m: m, s: Start(m, options(`{}`)), tasks: func(*InvokeTask) answer {
		return answer{event: Event{Kind: EventTaskSucceeded, Output: json.RawMessage(big)}}
	}}
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if p.complete.Status != StatusSucceeded {
		t.Fatalf("%+v", p.complete)
	}
}

// One Assign sets at most 256 KiB, in either language, and an execution holds at most 10 MiB of variables.
func TestVariableLimits(t *testing.T) {
	half := strings.Repeat("x", 150<<10)
	for _, assign := range []string{`"Assign":{"a.$":"$","b.$":"$"}`, `"QueryLanguage":"JSONata","Assign":{"a":"{% $states.input %}","b":"{% $states.input %}"}`} {
		m := machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass",`+assign+`,"End":true}}}`)
		p := &pump{m: m, s: Start(m, options(`"`+half+`"`))}
		if err := p.run(); err != nil || p.complete.Error != "States.Runtime" || !strings.Contains(p.complete.Cause, "The variable 'b' exceeds the maximum size") {
			t.Fatalf("%v %+v", err, p.complete)
		}
	}
	var states strings.Builder
	for i := range 80 {
		fmt.Fprintf(&states, `"S%d":{"Type":"Pass","Assign":{"v%d.$":"$"},"Next":"S%d"},`, i, i, i+1)
	}
	m := machine(t, `{"StartAt":"S0","States":{`+states.String()+`"S80":{"Type":"Succeed"}}}`)
	p := &pump{m: m, s: Start(m, options(`"`+half+`"`))}
	if err := p.run(); err != nil || !strings.Contains(p.complete.Cause, "The variable 'v68' exceeds the maximum size") {
		t.Fatalf("%v %+v", err, p.complete)
	}
}

// A Map run has at most 10,000 children at once, started a thousand a step.
func TestMapRunConcurrency(t *testing.T) {
	m := machine(t, `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},
		"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}`)
	s := Start(m, options("["+strings.Repeat("1,", 10_499)+"1]"))
	out, err := Step(m, s, Event{Kind: EventStart, At: begin})
	steps, children := 1, 0
	var child int64
	for {
		if err != nil {
			t.Fatal(err)
		}
		timer := int64(0)
		started := 0
		for _, c := range out.Commands {
			switch {
			case c.StartChild != nil:
				started++
				child = c.ID
			case c.StartTimer != nil:
				timer = c.ID
			}
		}
		if children += started; started > 1000 {
			t.Fatalf("a step started %d children", started)
		}
		if timer == 0 {
			break
		}
		steps++
		out, err = Step(m, s, Event{Kind: EventTimer, At: begin, Command: timer})
	}
	if children != 10_000 || steps != 10 {
		t.Fatalf("%d children in %d steps", children, steps)
	}
	out, err = Step(m, s, Event{Kind: EventTaskSucceeded, At: begin, Command: child, Output: []byte("1")})
	if err != nil || len(out.Commands) != 1 || out.Commands[0].StartChild.Index != 10_000 {
		t.Fatal(err, out.Commands)
	}
}

// An inline Map runs 40 iterations at once, and each of them only when its turn has come.
func TestMapConcurrency(t *testing.T) {
	m := machine(t, `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"T","States":{
		"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","End":true}}}}}}`)
	s := Start(m, options("["+strings.Repeat("1,", 99)+"1]"))
	out, err := Step(m, s, Event{Kind: EventStart, At: begin})
	if err != nil || len(out.Commands) != 40 || len(s.Frames) != 41 {
		t.Fatal(err, len(out.Commands), len(s.Frames))
	}
	out, err = Step(m, s, Event{Kind: EventTaskSucceeded, At: begin, Command: 7, Output: []byte("2")})
	if err != nil || len(out.Commands) != 1 || len(s.Frames) != 41 {
		t.Fatal(err, out.Commands, len(s.Frames))
	}
}

// The wire form is the one of GetExecutionHistory.
func TestHistoryEventJSON(t *testing.T) {
	e := HistoryEvent{
		ID: 3, PreviousID: 2, Type: "PassStateExited", At: begin.Add(1500 * time.Microsecond),
		DetailsName: "stateExitedEventDetails", Details: &StateExitedDetails{Name: "A", Output: "{}"},
	}
	got, err := json.Marshal(e)
	want := `{"timestamp":1767323045.001,"type":"PassStateExited","id":3,"previousEventId":2,"stateExitedEventDetails":{"name":"A","output":"{}","outputDetails":{"truncated":false}}}`
	if err != nil || string(got) != want {
		t.Fatalf("%s %v", got, err)
	}
}

// The journal keeps an answer's white space, so that a replay gives the same history to the byte.
func TestEventKeepsText(t *testing.T) {
	ev := Event{Kind: EventTaskSucceeded, At: begin, Seed: 9, Command: 4, Output: json.RawMessage("{ \"a\":\t1 }")}
	data, err := json.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	var back Event
	if err := json.Unmarshal(data, &back); err != nil || string(back.Output) != string(ev.Output) || back.Command != 4 || !back.At.Equal(begin) || back.Seed != 9 {
		t.Fatalf("%s %+v %v", data, back, err)
	}
}

// A state belongs to one definition.
func TestStepRefusesAnotherDefinition(t *testing.T) {
	m := machine(t, `{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":5,"End":true}}}`)
	s := Start(m, options(`{}`))
	if _, err := Step(m, s, Event{Kind: EventStart, At: begin}); err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(s)
	other := machine(t, `{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}`)
	if _, err := Step(other, s, Event{Kind: EventTimer, At: begin, Command: 1}); err == nil {
		t.Fatal("took another definition")
	}
	if after, _ := json.Marshal(s); string(after) != string(before) {
		t.Fatal("the state has changed")
	}
	if out, err := Step(m, s, Event{Kind: EventTimer, At: begin, Command: 1}); err != nil || len(out.History) != 2 {
		t.Fatal(out, err)
	}
}
