package interp

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
	"pgregory.net/rapid"
)

// author writes random definitions.
type author struct {
	t     *rapid.T
	names int
}

func (a *author) name() string {
	a.names++
	return fmt.Sprintf("S%d", a.names)
}

func (a *author) workflow(depth int) string {
	n := rapid.IntRange(1, 4).Draw(a.t, "states")
	names := make([]string, n)
	for i := range names {
		names[i] = a.name()
	}
	var states []string
	for i, name := range names {
		next := `"End":true`
		if i+1 < n {
			next = `"Next":"` + names[i+1] + `"`
		}
		states = append(states, `"`+name+`":{`+a.state(depth, next, names[i+1:])+`}`)
	}
	return `"StartAt":"` + names[0] + `","States":{` + strings.Join(states, ",") + `}`
}

func (a *author) state(depth int, next string, later []string) string {
	kinds := []string{"Pass", "Pass", "Task", "Task", "Wait", "Choice", "Fail", "Job", "Query", "QueryTask"}
	if depth > 0 {
		kinds = append(kinds, "Parallel", "Map", "Parallel", "Map", "Distributed", "Distributed")
	}
	kind := rapid.SampledFrom(kinds).Draw(a.t, "type")
	if len(later) == 0 && (kind == "Choice" || kind == "Fail") || kind == "Fail" && rapid.Bool().Draw(a.t, "no fail") {
		kind = "Pass"
	}
	handlers := func() string {
		h := ""
		if rapid.Bool().Draw(a.t, "retry") {
			h += `,"Retry":[{"ErrorEquals":["E1","States.Timeout"],"MaxAttempts":2,"JitterStrategy":"FULL"}]`
		}
		if len(later) > 0 && rapid.Bool().Draw(a.t, "catch") {
			h += `,"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.caught","Next":"` + later[len(later)-1] + `"}]`
		}
		return h
	}
	switch kind {
	case "Job":
		r := rapid.SampledFrom([]string{
			"arn:aws:states:us-east-1:111111111111:activity:a", "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "arn:aws:states:::glue:startJobRun.sync",
		}).Draw(a.t, "resource")
		return `"Type":"Task","Resource":"` + r + `","Parameters":{"t.$":"$$.State.Name"},"TimeoutSeconds":4,"HeartbeatSeconds":2,"ResultPath":"$.r",` + next + handlers()
	case "Query":
		return `"Type":"Pass","QueryLanguage":"JSONata","Assign":{"v":"{% $uuid() & $string($random()) %}"},"Output":"{% $merge([$states.input, {'q': $states.context.State.Name, 'o': $v}]) %}",` + next
	case "QueryTask":
		h := ""
		if len(later) > 0 {
			h = `,"Catch":[{"ErrorEquals":["E2","States.QueryEvaluationError"],"Output":{"items":[1],"e":"{% $states.errorOutput.Error %}"},"Next":"` + later[0] + `"}]`
		}
		return `"Type":"Task","QueryLanguage":"JSONata","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","Arguments":{"n":"{% $count($states.input.items) %}"},` +
			`"Output":"{% $merge([$states.input, {'r': $states.result}]) %}",` + next + h
	case "Distributed":
		reader, batcher := `"ItemsPath":"$.items",`, ""
		if rapid.Bool().Draw(a.t, "reader") {
			reader = `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"}},`
		}
		if rapid.Bool().Draw(a.t, "batcher") {
			batcher = `"ItemBatcher":{"MaxItemsPerBatch":2,"MaxInputBytesPerBatch":60},`
		}
		if rapid.Bool().Draw(a.t, "writer") {
			batcher += `"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b"}},`
		}
		return `"Type":"Map",` + reader + batcher + `"MaxConcurrency":` + fmt.Sprint(rapid.IntRange(0, 2).Draw(a.t, "concurrency")) +
			`,"ItemSelector":{"items.$":"$.items"},"ToleratedFailurePercentage":` + fmt.Sprint(rapid.IntRange(0, 100).Draw(a.t, "tolerated")) +
			`,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},` + a.workflow(depth-1) + `},"ResultPath":"$.m",` + next + handlers()
	case "Task":
		return `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","TimeoutSeconds":3,"ResultPath":"$.r",` + next + handlers()
	case "Wait":
		return `"Type":"Wait","Seconds":` + fmt.Sprint(rapid.IntRange(0, 3).Draw(a.t, "seconds")) + `,` + next
	case "Choice":
		return `"Type":"Choice","Choices":[{"Variable":"$.r","IsPresent":true,"Next":"` + later[len(later)-1] + `"}],"Default":"` + later[0] + `"`
	case "Fail":
		return `"Type":"Fail","Error":"E2"`
	case "Parallel":
		var branches []string
		for range rapid.IntRange(1, 3).Draw(a.t, "branches") {
			branches = append(branches, `{`+a.workflow(depth-1)+`}`)
		}
		return `"Type":"Parallel","Branches":[` + strings.Join(branches, ",") + `],"ResultPath":"$.p",` + next + handlers()
	case "Map":
		return `"Type":"Map","ItemsPath":"$.items","ItemSelector":{"items.$":"$.items","i.$":"$$.Map.Item.Index"},"MaxConcurrency":` +
			fmt.Sprint(rapid.IntRange(0, 2).Draw(a.t, "concurrency")) + `,"ItemProcessor":{` + a.workflow(depth-1) + `},"ResultPath":"$.m",` + next + handlers()
	}
	return `"Type":"Pass","Assign":{"v.$":"States.Array(States.UUID(), $.items)"},"Result":{"items":[1.50]},"ResultPath":"$.x",` + next
}

// tasks answers in a way that depends only on the question and the seed.
func tasks(seed uint64) func(*InvokeTask) answer {
	calls := uint64(0)
	return func(t *InvokeTask) answer {
		calls++
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %d %s", seed, calls, t.State)
		n := h.Sum64()
		after := time.Duration(n>>8%5) * time.Second
		switch n % 4 {
		case 0:
			return answer{Event{Kind: EventTaskFailed, Error: "E1", Cause: "c"}, after}
		case 1:
			return answer{Event{Kind: EventTaskFailed, Error: "E2"}, after}
		}
		return answer{Event{Kind: EventTaskSucceeded, Output: json.RawMessage(`[1,  {"n": 1.50}]`)}, after}
	}
}

// everything is served to the tests' machines.
var everything = asl.Options{Integration: func(string, string) bool { return true }}

// pages answers ReadItems with five items on two pages.
func pages(r *ReadItems) Event {
	if r.Cursor == "" {
		return Event{Kind: EventItemsRead, Output: json.RawMessage(`[1, {"a": 2}, "three"]`), Cursor: "more"}
	}
	return Event{Kind: EventItemsRead, Output: json.RawMessage(`[null,5]`)}
}

// TestProperties runs random workflows over random answers. Every execution ends with exactly one Complete and nothing
// left open, its history has no gaps, a replay of its events gives the same history and state, and so does an execution
// whose state is marshalled between all steps.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		definition := `{` + (&author{t: t}).workflow(2) + `}`
		m, ds := asl.Parse([]byte(definition), everything)
		if m == nil { // states behind a Fail or a Choice may be out of reach
			if !strings.Contains(asl.Summary(ds), "not reachable") {
				t.Fatalf("%s\n%s", definition, asl.Summary(ds))
			}
			t.Skip()
		}
		seed := rapid.Uint64().Draw(t, "seed")
		o := options(`{"items": [1,  "b", null]}`)
		run := func(reload bool) *pump {
			p := &pump{m: m, s: Start(m, o), tasks: tasks(seed), seed: seed, reload: reload, read: pages, redrives: 2}
			if err := p.run(); err != nil {
				t.Fatalf("%s: %v", definition, err)
			}
			if err := gapFree(p.history); err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := run(false)
		same(t, "marshalled between the steps", p, run(true))

		again := &pump{m: m, s: Start(m, o), tasks: tasks(seed), read: pages}
		for _, ev := range p.events {
			// What answers nothing changes nothing.
			before, _ := json.Marshal(again.s)
			stray := ev
			stray.Command = 1 << 40
			if stray.Kind != EventStart && stray.Kind != EventRedrive {
				if _, err := Step(m, again.s, stray); !errors.Is(err, ErrStale) {
					t.Fatalf("a stray answer gave %v", err)
				}
			}
			if after, _ := json.Marshal(again.s); string(after) != string(before) {
				t.Fatal("a stray answer changed the state")
			}
			data, _ := json.Marshal(ev)
			var journaled Event
			if err := json.Unmarshal(data, &journaled); err != nil {
				t.Fatal(err)
			}
			if err := again.step(journaled); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "replayed", p, again)

		// A stop in the middle ends the execution, whatever is open.
		half := &pump{m: m, s: Start(m, o), tasks: tasks(seed)}
		for _, ev := range p.events[:rapid.IntRange(1, len(p.events)).Draw(t, "stop after")] {
			half.now = ev.At
			half.due = nil
			if err := half.replay(ev); err != nil {
				t.Fatal(err)
			}
		}
		out, err := Step(m, half.s, Event{Kind: EventStop, At: half.now})
		if half.complete != nil {
			if !errors.Is(err, ErrStale) {
				t.Fatalf("a stop after the end gave %v", err)
			}
			return
		}
		if err != nil || len(half.s.Open) != 0 || half.s.Status != StatusAborted || out.Commands[len(out.Commands)-1].Complete == nil {
			t.Fatalf("%v %+v", err, out.Commands)
		}

		// A redrive goes on from there to an end, with nothing left open.
		on := &pump{m: m, s: half.s, tasks: tasks(seed), seed: seed, read: pages, reload: true, now: half.now}
		if err := on.goOn(Event{Kind: EventRedrive, At: half.now, Seed: seed}); err != nil {
			t.Fatalf("%s: redriven: %v", definition, err)
		}
	})
}

// replay applies an event without looking at what it cancels.
func (p *pump) replay(ev Event) error {
	if ev.Kind == EventRedrive {
		p.complete = nil
	}
	out, err := Step(p.m, p.s, ev)
	for _, c := range out.Commands {
		if c.Complete != nil {
			p.complete = c.Complete
		}
	}
	return err
}

func same(t *rapid.T, how string, a, b *pump) {
	t.Helper()
	x, _ := json.Marshal(a.history)
	y, _ := json.Marshal(b.history)
	if string(x) != string(y) {
		t.Fatalf("%s, the history differs:\n%s\n%s", how, x, y)
	}
	x, _ = json.Marshal(a.s)
	y, _ = json.Marshal(b.s)
	if string(x) != string(y) {
		t.Fatalf("%s, the state differs:\n%s\n%s", how, x, y)
	}
	if a.complete.Status != b.complete.Status || string(a.complete.Output) != string(b.complete.Output) {
		t.Fatalf("%s, the end differs: %+v %+v", how, a.complete, b.complete)
	}
}

// FuzzStep runs whatever definition parses, with whatever answers come; nothing may panic or run for ever.
func FuzzStep(f *testing.F) {
	for _, d := range []string{
		threePass, mapOfPass,
		`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:1:function:f","Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"P"},
		"P":{"Type":"Parallel","Branches":[{"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$.n","End":true}}}],"End":true}}}`,
		`{"QueryLanguage":"JSONata","StartAt":"M","States":{"M":{"Type":"Map","Items":"{% $states.input.n %}","ItemBatcher":{"MaxItemsPerBatch":2},"ToleratedFailureCount":"{% 1 %}",
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"A","States":{"A":{"Type":"Task",
		"Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Arguments":{"FunctionName":"f","Payload":"{% $states.context.Task.Token %}"},"End":true}}},"End":true}}}`,
	} {
		f.Add([]byte(d), []byte(`{"n":[1,2,3]}`), uint64(7))
	}
	f.Fuzz(func(t *testing.T, definition, input []byte, seed uint64) {
		m, _ := asl.Parse(definition, everything)
		if m == nil || !json.Valid(input) || len(input) > 1<<12 {
			return
		}
		o := options(string(input))
		o.HistoryLimit = 300
		var ends [2]string
		for i := range ends { // the second time gives the same, to the byte
			p := &pump{m: m, s: Start(m, o), tasks: tasks(seed), seed: seed, read: pages, redrives: 1}
			if err := p.run(); err != nil {
				t.Fatal(err)
			}
			if err := gapFree(p.history); err != nil {
				t.Fatal(err)
			}
			history, _ := json.Marshal(p.history)
			state, _ := json.Marshal(p.s)
			ends[i] = string(history) + "\n" + string(state)
		}
		if ends[0] != ends[1] {
			t.Fatalf("the same answers gave\n%s\nand then\n%s", ends[0], ends[1])
		}
	})
}
