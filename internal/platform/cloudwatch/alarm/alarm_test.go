package alarm

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// points reads AWS's notation: 0 is within the threshold, X breaches it, - is missing; the newest is last.
func points(s string) (out []Datapoint, end int64) {
	fields := strings.Fields(s)
	for i, f := range fields {
		switch f {
		case "0":
			out = append(out, Datapoint{int64(i) * 60, 0, 1})
		case "X":
			out = append(out, Datapoint{int64(i) * 60, 1, 1})
		}
	}
	return out, int64(len(fields)) * 60
}

// The tables of AWS's page "Configuring how CloudWatch alarms treat missing data", with those of its earlier editions.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func TestMissingData(t *testing.T) {
	const keep = "keep"
	for _, table := range []struct {
		toAlarm int
		rows    [][5]string // data, missing, ignore, breaching, notBreaching
	}{
		{3, [][5]string{
			{"0 - X - X", "OK", "OK", "OK", "OK"},
			{"- - - - 0", "OK", "OK", "OK", "OK"},
			{"0 - - - -", "OK", "OK", "OK", "OK"},
			{"- - - - -", "INSUFFICIENT_DATA", keep, "ALARM", "OK"},
			{"0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"},
			{"- - X - -", "ALARM", keep, "ALARM", "OK"},
			{"X - - - -", "ALARM", keep, "ALARM", "OK"},
			{"- - - - X", "INSUFFICIENT_DATA", keep, "ALARM", "OK"},
		}},
		{2, [][5]string{
			{"0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"},
			{"0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"},
			{"0 - X - -", "OK", "OK", "ALARM", "OK"},
			{"- - - - 0", "OK", "OK", "ALARM", "OK"},
			{"- - - X -", "ALARM", keep, "ALARM", "OK"},
			{"- - - - X", "INSUFFICIENT_DATA", keep, "ALARM", "OK"},
		}},
	} {
		for _, row := range table.rows {
			for i, missing := range []string{Missing, Ignore, Breaching, NotBreaching} {
				m := Metric{Comparison: "GreaterThanThreshold", Threshold: 0.5, Periods: 3, ToAlarm: table.toAlarm, Missing: missing, Period: 60}
				data, end := points(row[0])
				v := m.Evaluate(data, end, time.Unix(end, 0))
				got := string(v.State)
				if v.Keep {
					got = keep
				}
				if got != row[i+1] {
					t.Errorf("%d of 3, %s, %s: got %s, want %s", table.toAlarm, row[0], missing, got, row[i+1])
				}
			}
		}
	}
}

func TestReasons(t *testing.T) {
	at := time.Date(2025, 5, 15, 15, 29, 0, 0, time.UTC).Unix()
	now := time.Date(2025, 5, 15, 15, 31, 44, 984e6, time.UTC)
	for _, c := range []struct {
		m      Metric
		values []float64 // the last ends at 15:30
		want   string
	}{
		{Metric{Comparison: "GreaterThanThreshold", Periods: 1, Missing: NotBreaching}, []float64{1}, "Threshold Crossed: 1 datapoint [1.0 (15/05/25 15:29:00)] was greater than the threshold (0.0)."},
		{
			Metric{Comparison: "GreaterThanOrEqualToThreshold", Threshold: 2, Periods: 2},
			[]float64{2, 3.5},
			"Threshold Crossed: 2 datapoints [3.5 (15/05/25 15:29:00), 2.0 (15/05/25 15:28:00)] were greater than or equal to the threshold (2.0).",
		},
		{
			Metric{Comparison: "LessThanThreshold", Threshold: 20, Periods: 3, ToAlarm: 2},
			[]float64{3, 30, 4},
			"Threshold Crossed: 2 out of the last 3 datapoints [4.0 (15/05/25 15:29:00), 3.0 (15/05/25 15:27:00)] were less than the threshold (20.0) (minimum 2 datapoints for OK -> ALARM transition).",
		},
		{
			Metric{Comparison: "GreaterThanThreshold", Threshold: 50, Periods: 1, ToAlarm: 1},
			[]float64{0.0666851903306472},
			"Threshold Crossed: 1 out of the last 1 datapoints [0.0666851903306472 (15/05/25 15:29:00)] was not greater than the threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition).",
		},
		{Metric{Comparison: "GreaterThanThreshold", Periods: 3, Missing: Breaching}, nil, "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching]."},
		{Metric{Comparison: "GreaterThanThreshold", Periods: 1, Missing: NotBreaching}, nil, "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."},
		{
			Metric{Comparison: "LessThanThreshold", Threshold: 1, Periods: 2, Missing: Breaching},
			[]float64{1},
			"Threshold Crossed: 1 datapoint [1.0 (15/05/25 15:29:00)] was not less than the threshold (1.0) and 1 missing datapoint was treated as [Breaching].",
		},
		{Metric{Comparison: "GreaterThanThreshold", Periods: 1}, nil, "Insufficient Data: 1 datapoint was unknown."},
		{Metric{Comparison: "GreaterThanThreshold", Periods: 2}, nil, "Insufficient Data: 2 datapoints were unknown."},
	} {
		c.m.Period = 60
		var data []Datapoint
		for i, v := range c.values {
			data = append(data, Datapoint{at - int64(len(c.values)-1-i)*60, v, 5})
		}
		v := c.m.Evaluate(data, at+60, now)
		if v.Reason != c.want {
			t.Errorf("got  %s\nwant %s", v.Reason, c.want)
		}
		if !json.Valid([]byte(v.Data)) {
			t.Errorf("%s is no JSON", v.Data)
		}
	}
	m := Metric{Comparison: "GreaterThanThreshold", Periods: 1, Period: 60, Statistic: "Sum"}
	const want = `{"version":"1.0","queryDate":"2025-05-15T15:31:44.984+0000","startDate":"2025-05-15T15:29:00.000+0000","statistic":"Sum","period":60,"recentDatapoints":[1.0],"threshold":0.0,"evaluatedDatapoints":[{"timestamp":"2025-05-15T15:29:00.000+0000","sampleCount":1.0,"value":1.0}]}`
	if got := m.Evaluate([]Datapoint{{at, 1, 1}}, at+60, now).Data; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const none = `{"version":"1.0","queryDate":"2025-05-15T15:31:44.984+0000","statistic":"Sum","period":60,"recentDatapoints":[],"threshold":0.0,"evaluatedDatapoints":[{"timestamp":"2025-05-15T15:29:00.000+0000"}]}`
	if got := m.Evaluate(nil, at+60, now).Data; got != none {
		t.Errorf("got  %s\nwant %s", got, none)
	}
}

// Percentiles wait for samples: 10/(1-p) above the median, 10/p below.
func TestLowSamples(t *testing.T) {
	for _, c := range []struct {
		percentile, samples float64
		keep                bool
	}{{99, 999, true}, {99, 1000, false}, {50, 19, true}, {50, 20, false}, {10, 99, true}, {10, 100, false}, {0, 1, false}} {
		m := Metric{Comparison: "GreaterThanThreshold", Periods: 1, Period: 60, Percentile: c.percentile}
		if v := m.Evaluate([]Datapoint{{0, 1, c.samples}}, 60, time.Unix(60, 0)); v.Keep != c.keep {
			t.Errorf("p%g of %g samples: kept %v", c.percentile, c.samples, v.Keep)
		}
	}
}

func TestFloats(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 1: "1.0", 2.5: "2.5", -3: "-3.0", 1e7: "1.0E7", 123456789: "1.23456789E8", 0.0001: "1.0E-4", 1e21: "1.0E21", 1e-12: "1.0E-12"} {
		if got := float(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestRules(t *testing.T) {
	states := map[string]State{"a": Alarm, "b": OK, "c": InsufficientData, "with space": Alarm, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a": Alarm}
	for rule, want := range map[string]bool{
		`ALARM(a)`: true, `ALARM("a") AND OK("b")`: true, `ALARM(b) OR ALARM(a)`: true, `NOT ALARM(a)`: false, `NOT NOT ALARM(a)`: true,
		`NOT (ALARM(a) AND OK(b))`: false, `INSUFFICIENT_DATA(c)`: true, `TRUE`: true, `FALSE OR TRUE AND FALSE`: false,
		`TRUE OR TRUE AND FALSE`: true, `(TRUE OR TRUE) AND FALSE`: false, `ALARM(with space)`: true, `ALARM( "with space" )`: true,
		`ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)`: true, `ALARM(gone)`: false, "ALARM(a)\n AND\nTRUE": true, `NOT OK('b')`: false,
	} {
		r, err := ParseRule(rule)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
		} else if got := r.Holds(func(c string) State { return states[c] }); got != want {
			t.Errorf("%s is %v", rule, got)
		}
	}
	for _, rule := range []string{
		"", "ALARM", "ALARM()", "ALARM(a", "ALARM(a) AND", "ALARM(a) b", "(ALARM(a)", "ALARMS(a)", "NOT", `ALARM("a)`, "AT_LEAST(2, ALARM, (a, b))",
		strings.Repeat("(", 1000) + "TRUE" + strings.Repeat(")", 1000), strings.Repeat("TRUE OR ", 600) + "TRUE", strings.Repeat("x", 11000),
	} {
		if _, err := ParseRule(rule); err == nil {
			t.Errorf("%.40q was accepted", rule)
		}
	}
	r, _ := ParseRule(`ALARM(a) OR OK(b) OR ALARM("a")`)
	if got := strings.Join(r.Children(), ","); got != "a,b" {
		t.Errorf("children are %s", got)
	}
}

func TestSuppression(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name        string
		suppressing bool
		left        time.Time
		now         time.Time
		by          string
		until       time.Time
	}{
		{"nothing yet: wait", false, time.Time{}, at(1), ByWait, at(10)},
		{"waited long enough", false, time.Time{}, at(10), "", time.Time{}},
		{"the suppressor has come", true, time.Time{}, at(5), ByAlarm, time.Time{}},
		{"it has just gone", false, at(20), at(25), ByExtension, at(40)},
		{"it is long gone", false, at(20), at(40), "", time.Time{}},
		{"it went before the change", false, at(-5), at(1), ByExtension, at(15)},
		{"it went long before the change", false, at(-50), at(1), ByWait, at(10)},
	} {
		s := Suppression{Suppressing: c.suppressing, Left: c.left, Wait: 10 * time.Second, Extension: 20 * time.Second}
		by, until := s.Hold(start, c.now)
		if by != c.by || by != "" && !until.Equal(c.until) {
			t.Errorf("%s: %s until %v", c.name, by, until)
		}
	}
}

func FuzzRule(f *testing.F) {
	f.Add(`ALARM("a") AND NOT (OK(b) OR TRUE)`)
	f.Fuzz(func(_ *testing.T, s string) {
		if r, err := ParseRule(s); err == nil {
			r.Holds(func(string) State { return OK })
		}
	})
}
