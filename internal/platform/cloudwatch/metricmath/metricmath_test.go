package metricmath

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// series reads "1 - 3": values a minute apart, - for none.
func series(id, values string) Series {
	s := Series{ID: id, Label: strings.ToUpper(id), Period: 60}
	for i, f := range strings.Fields(values) {
		if f == "-" {
			continue
		}
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			panic(err)
		}
		s.Points = append(s.Points, Point{int64(i) * 60, v})
	}
	return s
}

func show(v Value, n int) string {
	if v.IsScalar() {
		return fmt.Sprintf("%g", v.Scalar)
	}
	var lines []string
	for _, s := range v.Series {
		var parts []string
		for i := range n {
			if x, ok := s.at(int64(i) * 60); ok {
				parts = append(parts, strconv.FormatFloat(math.Round(x*1e6)/1e6, 'g', -1, 64))
			} else {
				parts = append(parts, "-")
			}
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return strings.Join(lines, " | ")
}

func input(metrics ...Series) Input {
	n := int64(0)
	for _, m := range metrics {
		if len(m.Points) > 0 {
			n = max(n, m.Points[len(m.Points)-1].At/60+1)
		}
	}
	return Input{Metrics: metrics, From: 0, To: n * 60, Period: 60, Lookup: func(id string) (Value, bool) {
		for _, m := range metrics {
			if m.ID == id {
				return Value{Series: []Series{m}}, true
			}
		}
		return Value{}, false
	}}
}

// The examples of AWS's page, and what it says in words.
func TestExpressions(t *testing.T) {
	in := input(
		series("m1", "1 2 - 4"), series("m2", "10 0 30 -"), series("errors_a", "1 1 1 1"),
		series("metric1", "30 20 0 0"), series("metric2", "20 - 20 -"), series("empty", "- - - -"),
		series("c1", "1 1 0 0 -"), series("c2", "30 - 0 0 30"), series("c3", "0 0 20 - 20"),
	)
	for _, c := range []struct{ expression, want string }{
		{"m1+m2", "11 2 30 4 -"},
		{"m1/m2", "0.1 - 0 - -"}, // dividing by zero, or by what is missing, is no value
		{"m1 - 1", "0 1 - 3 -"},
		{"10 / m1", "10 5 - 2.5 -"},
		{"-m1^2", "-1 -4 - -16 -"},
		{"2^3^2 * m1", "512 1024 - 2048 -"},
		{"1 + 2 * 3 - m1", "6 5 - 3 -"},
		{"PERIOD(m1)/60 * m1", "1 2 - 4 -"},
		{"m1-AVG(m1)", "-1.333333 -0.333333 - 1.666667 -"},
		{"[m1, m2]*100", "100 200 - 400 - | 1000 0 3000 - -"},
		{"SUM([m1, m2])", "11 2 30 4 -"},
		{"AVG([m1, m2])", "5.5 1 15 2 -"}, // missing counts as 0
		{"MIN([m1, m2])", "1 0 30 4 -"},
		{"MAX([m1,m2])/m1", "10 1 - 1 -"},
		{"STDDEV([m1,m2])", "4.5 1 0 0 -"},
		{"DATAPOINT_COUNT([m1,m2])", "2 2 1 1 -"},
		{"SUM(m1)", "7"},
		{"DATAPOINT_COUNT(m1)", "3"},
		{"MAX(m1)", "4"},
		{"METRIC_COUNT(METRICS())", "9"},
		{`SUM(METRICS("errors"))`, "1 1 1 1 -"},
		{"metric1 < metric2", "0 0 1 0 -"},
		{"metric1 >= 30", "1 0 0 0 -"},
		{"metric1 > 15 AND metric2 > 15", "1 0 0 0 -"},
		{"metric1 > 15 || metric2 > 15", "1 1 1 0 -"},
		{"IF(c1, c2, c3)", "30 0 20 - -"},
		{"IF(c1, 5, c3)", "5 5 20 - -"},
		{"IF(c1, c2, 5)", "30 0 5 5 -"},
		{"IF(1, c2)", "30 - 0 0 30"},
		{"IF(0, c2)", "- - - - -"},
		{"IF(metric1<25, metric1)", "- 20 0 0 -"},
		{"FILL(m1, 7)", "1 2 7 4 7"},
		{"FILL(m1, REPEAT)", "1 2 2 4 4"},
		{"FILL(m1, LINEAR)", "1 2 3 4 4"},
		{"FILL(m1, m2)", "1 2 30 4 -"},
		{"FILL([m1,m2], 0)", "1 2 0 4 0 | 10 0 30 0 0"},
		{"FILL(empty, 0)", "0 0 0 0 0"},
		{"TIME_SERIES(MAX(m1))", "4 4 4 4 4"},
		{"RUNNING_SUM(m1)", "1 3 - 7 -"},
		{"DIFF(m1)", "- 1 - 2 -"},
		{"DIFF_TIME(m1)", "- 60 - 120 -"},
		{"RATE(m1)*60", "- 1 - 1 -"},
		{"ABS(-m1)", "1 2 - 4 -"},
		{"CEIL(m1/4)", "1 1 - 1 -"},
		{"FLOOR(m1/4)", "0 0 - 1 -"},
		{"LOG(m2)", "2.302585 - 3.401197 - -"},
		{"LOG10(m2)", "1 - 1.477121 - -"},
		{"FIRST(SORT([m1,m2], SUM, DESC))", "10 0 30 - -"},
		{"LAST(SORT([m1,m2], SUM, DESC))", "1 2 - 4 -"},
		{"SORT([m1,m2], AVG, DESC, 1)", "10 0 30 - -"},
		{"SLICE([m1,m2,c1], 1)", "10 0 30 - - | 1 1 0 0 -"},
		{"SLICE([m1,m2,c1], 1, 2)", "10 0 30 - -"},
		{"REMOVE_EMPTY([empty, m1])", "1 2 - 4 -"},
		{"MINUTE(m1)", "0 1 2 3 4"},
		{"DAY(m1)", "4 4 4 4 4"},
		{"EPOCH(m1)", "0 60 120 180 240"}, // 1 January 1970, a Thursday
		{"1e2*m1", "100 200 - 400 -"},
		{"m1 * .5", "0.5 1 - 2 -"},
	} {
		e, err := Parse(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		v, err := e.Evaluate(in)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
		} else if got := show(v, 5); got != c.want {
			t.Errorf("%s: got %s, want %s", c.expression, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	in := input(series("m1", "1 2"))
	for _, c := range []struct{ expression, says string }{
		{"", "ends where"},
		{"m1 +", "ends where"},
		{"m1 m1", "does not belong"},
		{"(m1", "not closed"},
		{"[m1", "not closed"},
		{"SUM(m1", "not closed"},
		{"sum(m1)", "capitals: SUM"},
		{"NOPE(m1)", "no function NOPE"},
		{"Foo", "lower-case"},
		{"m1 # 2", "means nothing"},
		{"1.2.3 * m1", "no number"},
		{`METRICS("m`, "does not end"},
		{"SUM()", "takes 1 argument"},
		{"SUM(REPEAT)", "wrong kind"},
		{"SEARCH('{AWS/Lambda} Errors', 'Sum')", "SEARCH is not supported"},
		{"ANOMALY_DETECTION_BAND(m1)", "ANOMALY_DETECTION_BAND is not supported"},
		{"m2", "id m2"},
		{"SUM(5)", "not a number"},
		{"[m1,m1]/[m1,m1]", "two arrays"},
		{"[5]", "holds time series"},
		{"IF([m1], m1)", "one time series"},
		{"FILL(m1, ASC)", "not with ASC"},
		{"PERIOD(m1+1)", "takes a metric"},
		{"SLICE([m1], -1)", "number"},
		{"SORT([m1], ASC, SUM)", "sorts by"},
		{strings.Repeat("(", 500) + "m1" + strings.Repeat(")", 500), "nested"},
		{strings.Repeat("-", 1000) + "m1", "nested"},
		{strings.Repeat("m1+", 1000) + "m1", "characters"},
	} {
		e, err := Parse(c.expression)
		if err == nil {
			_, err = e.Evaluate(in)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.expression, err, c.says)
		}
	}
}

// Whatever is parsed evaluates to finite, rising points, or to an error; nothing panics.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		"m1/m2*100", "IF(m1>2,m1,FILL(m2,REPEAT))", "SORT(METRICS(),SUM,DESC,1)", "SLICE([m1,m2],0,1)", "-m1^-2", "RATE(LOG(m1))",
		"TIME_SERIES(1/0)", "METRICS('1')", "STDDEV(empty)", "FIRST([])", "1e308*1e308*m1",
	} {
		f.Add(s)
	}
	in := input(series("m1", "1 2 - 4"), series("m2", "10 0 30 -"), series("empty", "-"))
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		v, err := e.Evaluate(in)
		if err != nil {
			return
		}
		for _, sr := range v.Series {
			for i, p := range sr.Points {
				if !finite(p.V) || i > 0 && sr.Points[i-1].At >= p.At {
					t.Fatalf("%s gives %v", s, sr.Points)
				}
			}
		}
	})
}
