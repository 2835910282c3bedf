package metricmath

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// function is one of CloudWatch's.
type function struct {
	least, most int
	words       []int // the arguments that are keywords or texts
	either      bool  // those may be values, too
	eval        func(ev *evaluation, args []Value, words []string) (Value, error)
}

func (f function) takes() string {
	if f.least == f.most {
		return fmt.Sprintf("%d argument(s)", f.least)
	}
	return fmt.Sprintf("%d to %d arguments", f.least, f.most)
}

var (
	errSeries = errors.New("takes a time series or an array of them, not a number")
	errSingle = errors.New("takes one time series")
	errArray  = errors.New("takes an array of time series")
	errNumber = errors.New("takes a number there")
)

var functions map[string]function

func init() {
	functions = map[string]function{
		"METRICS": {0, 1, []int{0}, false, func(ev *evaluation, _ []Value, words []string) (Value, error) {
			if len(words) == 0 {
				return ev.metrics(""), nil
			}
			return ev.metrics(words[0]), nil
		}},
		"FILL":        {2, 2, []int{1}, true, fill},
		"IF":          {2, 3, nil, false, choose},
		"SORT":        {3, 4, []int{1, 2}, false, sortBy},
		"SLICE":       {2, 3, nil, false, cut},
		"FIRST":       {1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) { return nth(a[0], 0) }},
		"LAST":        {1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) { return nth(a[0], -1) }},
		"TIME_SERIES": {1, 1, nil, false, constant},
		"PERIOD": {1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) {
			if a[0].scalar || a[0].Array || a[0].Series[0].Period == 0 {
				return Value{}, errors.New("takes a metric, not the result of an expression")
			}
			return number(float64(a[0].Series[0].Period)), nil
		}},
		"METRIC_COUNT": {1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) {
			if !a[0].Array {
				return Value{}, errArray
			}
			return number(float64(len(a[0].Series))), nil
		}},
		"REMOVE_EMPTY": {1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) {
			if !a[0].Array {
				return Value{}, errArray
			}
			return many(slices.DeleteFunc(slices.Clone(a[0].Series), func(s Series) bool { return len(s.Points) == 0 })), nil
		}},
	}
	for name, f := range statistics {
		functions[name] = function{1, 1, nil, false, aggregate(f)}
	}
	for name, f := range map[string]func(float64) float64{
		"ABS": math.Abs, "CEIL": math.Ceil, "FLOOR": math.Floor, "LOG": math.Log, "LOG10": math.Log10,
	} {
		functions[name] = function{1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) {
			return a[0].map1(f), nil
		}}
	}
	for name, f := range map[string]func(from, to Point) float64{
		"DIFF":      func(from, to Point) float64 { return to.V - from.V },
		"DIFF_TIME": func(from, to Point) float64 { return float64(to.At - from.At) },
		"RATE":      func(from, to Point) float64 { return (to.V - from.V) / float64(to.At-from.At) },
	} {
		functions[name] = function{1, 1, nil, false, steps(f)}
	}
	functions["RUNNING_SUM"] = function{1, 1, nil, false, func(_ *evaluation, a []Value, _ []string) (Value, error) {
		if a[0].scalar {
			return Value{}, errSeries
		}
		return a[0].mapSeries(func(s Series) Series {
			total := 0.0
			return s.each(func(p Point) float64 { total += p.V; return total })
		}), nil
	}}
	for name, f := range map[string]func(t time.Time) int{
		"MINUTE": time.Time.Minute, "HOUR": time.Time.Hour, "DATE": time.Time.Day, "YEAR": time.Time.Year,
		"MONTH": func(t time.Time) int { return int(t.Month()) },
		"DAY":   func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }, // Monday is 1
		"EPOCH": func(t time.Time) int { return int(t.Unix()) },
	} {
		functions[name] = function{1, 1, nil, false, func(ev *evaluation, a []Value, _ []string) (Value, error) {
			if a[0].scalar || a[0].Array {
				return Value{}, errSingle
			}
			points, err := ev.grid(func(at int64) (float64, bool) { return float64(f(time.Unix(at, 0).UTC())), true })
			return single(points), err
		}}
	}
}

// aggregate makes a number of one series, and one series of an array: the statistic over all series at each time. Where
// a series has no value at a time, AVG counts it as 0.
func aggregate(f func([]float64, int) float64) func(*evaluation, []Value, []string) (Value, error) {
	return func(_ *evaluation, a []Value, _ []string) (Value, error) {
		v := a[0]
		switch {
		case v.scalar:
			return Value{}, errSeries
		case !v.Array:
			values := v.Series[0].values()
			return number(f(values, len(values))), nil
		}
		var points []Point
		for _, at := range times(v.Series) {
			var values []float64
			for _, s := range v.Series {
				if x, ok := s.at(at); ok {
					values = append(values, x)
				}
			}
			if x := f(values, len(v.Series)); finite(x) {
				points = append(points, Point{at, x})
			}
		}
		return single(points), nil
	}
}

// steps compares every value with the one before.
func steps(f func(from, to Point) float64) func(*evaluation, []Value, []string) (Value, error) {
	return func(_ *evaluation, a []Value, _ []string) (Value, error) {
		if a[0].scalar {
			return Value{}, errSeries
		}
		return a[0].mapSeries(func(s Series) Series {
			var out Series
			for i := 1; i < len(s.Points); i++ {
				if v := f(s.Points[i-1], s.Points[i]); finite(v) {
					out.Points = append(out.Points, Point{s.Points[i].At, v})
				}
			}
			return out
		}), nil
	}
}

func constant(ev *evaluation, a []Value, _ []string) (Value, error) {
	if !a[0].scalar {
		return Value{}, errNumber
	}
	points, err := ev.grid(func(int64) (float64, bool) { return a[0].Scalar, true })
	return single(points), err
}

func nth(v Value, i int) (Value, error) {
	if !v.Array {
		return Value{}, errArray
	}
	if len(v.Series) == 0 {
		return single(nil), nil
	}
	if i < 0 {
		i = len(v.Series) - 1
	}
	return Value{Series: v.Series[i : i+1]}, nil
}

// fill gives a series a value at every time of the window.
func fill(ev *evaluation, a []Value, words []string) (Value, error) {
	v, with := a[0], a[1]
	if v.scalar {
		return Value{}, errSeries
	}
	if words[1] != "" && words[1] != "REPEAT" && words[1] != "LINEAR" {
		return Value{}, fmt.Errorf("fills with a number, a time series, REPEAT or LINEAR, not with %s", words[1])
	}
	if words[1] == "" && with.Array {
		return Value{}, errSingle
	}
	var failed error
	out := v.mapSeries(func(s Series) Series {
		points, err := ev.grid(func(at int64) (float64, bool) {
			if x, ok := s.at(at); ok {
				return x, true
			}
			if words[1] == "" {
				if with.scalar {
					return with.Scalar, true
				}
				return with.Series[0].at(at)
			}
			return between(s.Points, at, words[1] == "LINEAR")
		})
		failed = errors.Join(failed, err)
		return Series{Points: points, Period: s.Period}
	})
	return out, failed
}

// between is the value at a time that has none: the one before (REPEAT), or on the line from that to the next (LINEAR).
// Before the first and after the last value there is the nearest one; REPEAT has nothing before the first.
func between(points []Point, at int64, linear bool) (float64, bool) {
	i, _ := slices.BinarySearchFunc(points, at, byTime)
	switch {
	case len(points) == 0 || i == 0 && !linear:
		return 0, false
	case i == 0:
		return points[0].V, true
	case i == len(points) || !linear:
		return points[i-1].V, true
	}
	before, after := points[i-1], points[i]
	return before.V + (after.V-before.V)*float64(at-before.At)/float64(after.At-before.At), true
}

// choose is IF. A condition that is a series is asked at each of its times; a value that is missing where it is true is 0,
// and where it is false is dropped.
func choose(_ *evaluation, a []Value, _ []string) (Value, error) {
	for _, v := range a {
		if v.Array {
			return Value{}, errSingle
		}
	}
	condition, yes := a[0], a[1]
	var no *Value
	if len(a) == 3 {
		no = &a[2]
	}
	if condition.scalar {
		chosen := no
		if condition.Scalar != 0 {
			chosen = &yes
		}
		if chosen == nil {
			return single(nil), nil
		}
		return *chosen, nil
	}
	return condition.mapSeries(func(s Series) Series {
		return s.each(func(p Point) float64 {
			switch {
			case p.V != 0 && yes.scalar:
				return yes.Scalar
			case p.V != 0:
				x, _ := yes.Series[0].at(p.At)
				return x
			case no == nil:
			case no.scalar:
				return no.Scalar
			default:
				if x, ok := no.Series[0].at(p.At); ok {
					return x
				}
			}
			return math.NaN()
		})
	}), nil
}

func sortBy(_ *evaluation, a []Value, words []string) (Value, error) {
	stat, order := statistics[words[1]], words[2]
	switch {
	case !a[0].Array:
		return Value{}, errArray
	case stat == nil:
		return Value{}, fmt.Errorf("sorts by AVG, MIN, MAX or SUM, not by %s", words[1])
	case order != "ASC" && order != "DESC":
		return Value{}, fmt.Errorf("sorts ASC or DESC, not %s", order)
	}
	list := slices.Clone(a[0].Series)
	slices.SortStableFunc(list, func(x, y Series) int {
		by := cmp.Compare(stat(x.values(), len(x.Points)), stat(y.values(), len(y.Points)))
		if order == "DESC" {
			return -by
		}
		return by
	})
	if len(a) == 4 {
		n, err := index(a[3], len(list))
		if err != nil {
			return Value{}, err
		}
		list = list[:n]
	}
	return many(list), nil
}

func cut(_ *evaluation, a []Value, _ []string) (Value, error) {
	if !a[0].Array {
		return Value{}, errArray
	}
	list := a[0].Series
	from, err := index(a[1], len(list))
	if err != nil {
		return Value{}, err
	}
	to := len(list)
	if len(a) == 3 {
		if to, err = index(a[2], len(list)); err != nil {
			return Value{}, err
		}
	}
	return many(slices.Clone(list[from:max(from, to)])), nil
}

// index is a place in an array of n, or its end.
func index(v Value, n int) (int, error) {
	if !v.scalar || !finite(v.Scalar) || v.Scalar < 0 {
		return 0, errNumber
	}
	return int(min(v.Scalar, float64(n))), nil
}
