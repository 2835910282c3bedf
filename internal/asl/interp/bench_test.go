package interp

import (
	"strconv"
	"strings"
	"testing"
)

const threePass = `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Result":{"x":1},"ResultPath":"$.b","Next":"C"},"C":{"Type":"Pass","End":true}}}`

const mapOfPass = `{"StartAt":"M","States":{"M":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}}`

func BenchmarkThreePassStates(b *testing.B) {
	m := machine(b, threePass)
	o := options(`{"order": 17}`)
	b.ReportAllocs()
	for b.Loop() {
		s := Start(m, o)
		out, err := Step(m, s, Event{Kind: EventStart, At: begin})
		if err != nil || len(out.History) != 8 {
			b.Fatal(err, len(out.History))
		}
	}
}

func BenchmarkMap(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m := machine(b, mapOfPass)
			o := options("[" + strings.TrimSuffix(strings.Repeat(`{"a":1},`, n), ",") + "]")
			o.HistoryLimit = -1
			b.ReportAllocs()
			for b.Loop() {
				s := Start(m, o)
				out, err := Step(m, s, Event{Kind: EventStart, At: begin})
				for err == nil && s.Status == StatusRunning { // a step that grew too long asks to be continued
					for _, c := range out.Commands {
						out, err = Step(m, s, Event{Kind: EventTimer, At: begin, Command: c.ID})
					}
				}
				if err != nil || s.Status != StatusSucceeded {
					b.Fatal(err, s.Status)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
		})
	}
}

// BenchmarkStep shows what one task's answer costs in the middle of a workflow, whatever the length of its history.
func BenchmarkStep(b *testing.B) {
	m := machine(b, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","Next":"C"},
		"C":{"Type":"Choice","Choices":[{"Variable":"$.done","BooleanEquals":true,"Next":"E"}],"Default":"T"},"E":{"Type":"Succeed"}}}`)
	o := options(`{}`)
	o.HistoryLimit = -1
	s := Start(m, o)
	if _, err := Step(m, s, Event{Kind: EventStart, At: begin}); err != nil {
		b.Fatal(err)
	}
	answer := []byte(`{"done":false}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Step(m, s, Event{Kind: EventTaskSucceeded, At: begin, Command: s.LastCommand, Output: answer}); err != nil {
			b.Fatal(err)
		}
	}
}

// A Map run of n items, its children answered at once: the cost is linear in n.
func BenchmarkMapRun(b *testing.B) {
	m := machine(b, `{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":100,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
		"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}}`)
	for _, n := range []int{1000, 10_000, 40_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			o := options("[" + strings.TrimSuffix(strings.Repeat(`1,`, n), ",") + "]")
			b.ReportAllocs()
			for b.Loop() {
				s := Start(m, o)
				out, err := Step(m, s, Event{Kind: EventStart, At: begin})
				var open []int64
				for err == nil && s.Status == StatusRunning {
					for _, c := range out.Commands {
						if c.StartChild != nil {
							open = append(open, c.ID)
						}
					}
					out, err = Step(m, s, Event{Kind: EventTaskSucceeded, At: begin, Command: open[0], Output: []byte(`2`)})
					open = open[1:]
				}
				if err != nil || s.Status != StatusSucceeded {
					b.Fatal(err, s.Status)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
		})
	}
}

func BenchmarkThreeQueries(b *testing.B) {
	m := machine(b, `{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"n":"{% $states.input.order %}"},"Next":"B"},
		"B":{"Type":"Choice","Choices":[{"Condition":"{% $n > 3 %}","Next":"C"}],"Default":"C"},"C":{"Type":"Pass","Output":{"x":"{% $n * 2 %}"},"End":true}}}`)
	o := options(`{"order": 17}`)
	b.ReportAllocs()
	for b.Loop() {
		s := Start(m, o)
		out, err := Step(m, s, Event{Kind: EventStart, At: begin})
		if err != nil || len(out.History) != 8 {
			b.Fatal(err, len(out.History))
		}
	}
}
