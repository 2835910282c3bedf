// Package metricmath parses and evaluates CloudWatch's metric maths: expressions over time series. It is pure: what a
// metric holds comes in, what the expression yields goes out.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
package metricmath

import (
	"cmp"
	"math"
	"slices"
)

// Point is one value at the start of its period, in seconds since 1970.
type Point struct {
	At int64
	V  float64
}

// Series is a time series; its points rise in time, and times without a value have no point.
type Series struct {
	ID, Label string
	Period    int64 // seconds; 0 for what was computed
	Points    []Point
}

// Value is what an expression yields: a number, one series, or an array of them.
type Value struct {
	Series []Series
	Array  bool // several series, of which there may be one or none
	Scalar float64
	scalar bool
}

// IsScalar tells whether the value is a number; an expression may not end in one.
func (v Value) IsScalar() bool { return v.scalar }

func number(f float64) Value       { return Value{Scalar: f, scalar: true} }
func single(points []Point) Value  { return Value{Series: []Series{{Points: points}}} }
func many(list []Series) Value     { return Value{Series: list, Array: true} }
func finite(f float64) bool        { return !math.IsNaN(f) && !math.IsInf(f, 0) }
func byTime(a Point, at int64) int { return cmp.Compare(a.At, at) }
func truth(b bool) float64         { return map[bool]float64{true: 1}[b] }
func (s Series) at(t int64) (float64, bool) {
	i, ok := slices.BinarySearchFunc(s.Points, t, byTime)
	if !ok {
		return 0, false
	}
	return s.Points[i].V, true
}

// each makes a series of the points for which f gives a finite value.
func (s Series) each(f func(Point) float64) Series {
	out := Series{ID: s.ID, Label: s.Label, Points: make([]Point, 0, len(s.Points))}
	for _, p := range s.Points {
		if v := f(p); finite(v) {
			out.Points = append(out.Points, Point{p.At, v})
		}
	}
	return out
}

// times are the times at which any of the series has a value, rising.
func times(list []Series) []int64 {
	var all []int64
	for _, s := range list {
		for _, p := range s.Points {
			all = append(all, p.At)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// combine applies f to the values of two series wherever either has one; the other's is then 0.
func combine(a, b Series, f func(x, y float64) float64) []Point {
	out := make([]Point, 0, max(len(a.Points), len(b.Points)))
	for i, j := 0, 0; i < len(a.Points) || j < len(b.Points); {
		var at int64
		var x, y float64
		switch {
		case j == len(b.Points) || i < len(a.Points) && a.Points[i].At < b.Points[j].At:
			at, x = a.Points[i].At, a.Points[i].V
			i++
		case i == len(a.Points) || b.Points[j].At < a.Points[i].At:
			at, y = b.Points[j].At, b.Points[j].V
			j++
		default:
			at, x, y = a.Points[i].At, a.Points[i].V, b.Points[j].V
			i, j = i+1, j+1
		}
		if v := f(x, y); finite(v) {
			out = append(out, Point{at, v})
		}
	}
	return out
}

// values are those of one series.
func (s Series) values() []float64 {
	out := make([]float64, len(s.Points))
	for i, p := range s.Points {
		out[i] = p.V
	}
	return out
}

// The statistics of a set of values; n is by how many a mean divides.
var statistics = map[string]func(values []float64, n int) float64{
	"SUM": func(v []float64, _ int) float64 { return sum(v) },
	"AVG": func(v []float64, n int) float64 { return sum(v) / float64(n) },
	"MIN": func(v []float64, _ int) float64 {
		if len(v) == 0 {
			return math.NaN()
		}
		return slices.Min(v)
	},
	"MAX": func(v []float64, _ int) float64 {
		if len(v) == 0 {
			return math.NaN()
		}
		return slices.Max(v)
	},
	"STDDEV": func(v []float64, _ int) float64 {
		mean, squares := sum(v)/float64(len(v)), 0.0
		for _, x := range v {
			squares += (x - mean) * (x - mean)
		}
		return math.Sqrt(squares / float64(len(v)))
	},
	"DATAPOINT_COUNT": func(v []float64, _ int) float64 { return float64(len(v)) },
}

func sum(v []float64) (total float64) {
	for _, x := range v {
		total += x
	}
	return total
}
