package cloudwatch

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ten is 10, 20, …, 100, each once.
func ten() *summary {
	var s summary
	for v := 10.0; v <= 100; v += 10 {
		s.add(v, 1, queryEntries)
	}
	return &s
}

func TestTrimmed(t *testing.T) {
	for _, c := range []struct {
		name string
		want float64
	}{
		{"tm90", 50},
		{"tc90", 9},
		{"ts90", 450},
		{"wm90", 54},
		{"tm100", 55},
		{"TM(10%:90%)", 55},
		{"TM(20%:80%)", 55},
		{"TC(20%:80%)", 6},
		{"IQM", 55},
		{"TM(25%:75%)", 55}, // two whole points off each end
		{"WM(10%:80%)", 53}, // 20 20 30 … 80 80 80
		{"TM(20:50)", 40},
		{"TC(20:50)", 3},
		{"TS(20:50)", 120},
		{"PR(20:50)", 30},
		{"WM(20:50)", 41}, // above 20, to 50
		{"TC(95:)", 1},
		{"TC(:95)", 9},
		{"PR(:300)", 100},
		{"PR(100:)", 0},
		{"TC(100:)", 0},
		{"TS(100:)", 0},
		{"TM(:25.5)", 15},
		{"TC(-5:15)", 1},
		{"TM(90%:)", 100},
		{"TM(:10%)", 10},
	} {
		stat := parseStatistic(c.name)
		if stat == nil {
			t.Errorf("%s is not understood", c.name)
		} else if got, ok := stat(ten()); !ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s is %g, %v; want %g", c.name, got, ok, c.want)
		}
	}
	if _, ok := parseStatistic("TM(100:)")(ten()); ok {
		t.Error("a mean of nothing has a value")
	}
	opaque := summary{n: 2, sum: 3, min: 1, max: 2, opaque: true}
	if _, ok := parseStatistic("TC(1:)")(&opaque); ok {
		t.Error("values that nobody knows were counted")
	}
	for _, bad := range []string{
		"TM", "TM()", "TM(:)", "TM(1:2%)", "TM(1%:2)", "TM(%:2)", "TM(90%:10%)", "TM(10:10)", "TM(:101%)", "TM(-1%:50%)", "PR(10%:20%)", "pr(1:2)", "tm101",
		"iqm", "TC(1e3:)", "TC( 1:)", "p101",
	} {
		if parseStatistic(bad) != nil {
			t.Errorf("%s is taken for a statistic", bad)
		}
	}
}

// TestTrimmedIsWhatItSays compares with the definitions applied to the sorted values. Whole numbers to 127 have buckets of their own.
func TestTrimmedIsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(-127, 127), 1, 60).Draw(t, "values")
		var s summary
		for _, v := range values {
			s.add(float64(v), 1, queryEntries)
		}
		slices.Sort(values)
		a := rapid.IntRange(0, 99).Draw(t, "a")
		b := rapid.IntRange(a+1, 100).Draw(t, "b")
		percent := rapid.Bool().Draw(t, "percent")
		sign := ""
		inside := func(i int) bool { return values[i] > a && values[i] <= b }
		first, last := a, b
		if percent {
			sign = "%"
			from, to := a*len(values)/100, len(values)-(100-b)*len(values)/100
			inside = func(i int) bool { return i >= from && i < to }
			if from < to {
				first, last = values[from], values[to-1]
			}
		}
		var n, sum, moved int
		for i, v := range values {
			if inside(i) {
				n, sum = n+1, sum+v
			}
			moved += min(max(v, first), last)
		}
		for figure, want := range map[string]float64{
			"TC": float64(n), "TS": float64(sum), "TM": float64(sum) / float64(n),
			"WM": float64(moved) / float64(len(values)), "PR": 100 * float64(n) / float64(len(values)),
		} {
			if figure == "PR" && percent {
				continue
			}
			name := fmt.Sprintf("%s(%d%s:%d%s)", figure, a, sign, b, sign)
			got, ok := parseStatistic(name)(&s)
			if wanted := n > 0 || figure != "TM" && (figure != "WM" || !percent); ok != wanted || ok && math.Abs(got-want) > 1e-9 {
				t.Fatalf("%s of %v is %g, %v; want %g, %v", name, values, got, ok, want, wanted)
			}
		}
	})
}
