package metricmath

import (
	"fmt"
	"math"
	"strings"
)

// Input is what an expression may read.
type Input struct {
	// Lookup gives the series of an id; false when there is none.
	Lookup func(id string) (Value, bool)
	// Metrics are all metrics of the request, in order; expressions are not among them.
	Metrics []Series
	// From (inclusive) to To (exclusive) by Period, in seconds, are the times that non-sparse series have.
	From, To, Period int64
}

// MaxPoints bounds a series that is made from nothing.
const MaxPoints = 100_800

type evaluation struct{ Input }

// Evaluate computes the expression. An error is a sentence for the person who wrote it.
func (e *Expression) Evaluate(in Input) (Value, error) {
	return e.root.eval(&evaluation{in})
}

func (n numberNode) eval(*evaluation) (Value, error) { return number(float64(n)), nil }

func (n idNode) eval(ev *evaluation) (Value, error) {
	v, ok := ev.Lookup(string(n))
	if !ok {
		return Value{}, fmt.Errorf("there is no metric or expression with the id %s", string(n))
	}
	return v, nil
}

// An array of arrays is the array of all of them.
func (n arrayNode) eval(ev *evaluation) (Value, error) {
	out := many(nil)
	for _, item := range n {
		v, err := item.eval(ev)
		if err != nil {
			return Value{}, err
		}
		if v.scalar {
			return Value{}, fmt.Errorf("an array holds time series, not numbers")
		}
		out.Series = append(out.Series, v.Series...)
	}
	return out, nil
}

func (n negated) eval(ev *evaluation) (Value, error) {
	v, err := n.of.eval(ev)
	if err != nil {
		return Value{}, err
	}
	return v.map1(func(x float64) float64 { return -x }), nil
}

// map1 applies f to every value; what is not finite then is dropped.
func (v Value) map1(f func(float64) float64) Value {
	if v.scalar {
		return number(f(v.Scalar))
	}
	return v.mapSeries(func(s Series) Series { return s.each(func(p Point) float64 { return f(p.V) }) })
}

func (v Value) mapSeries(f func(Series) Series) Value {
	out := Value{Array: v.Array, Series: make([]Series, len(v.Series))}
	for i, s := range v.Series {
		out.Series[i] = f(s)
		out.Series[i].ID, out.Series[i].Label = s.ID, s.Label
	}
	return out
}

var operators = map[string]func(x, y float64) float64{
	"+": func(x, y float64) float64 { return x + y },
	"-": func(x, y float64) float64 { return x - y },
	"*": func(x, y float64) float64 { return x * y },
	"/": func(x, y float64) float64 {
		if y == 0 {
			return math.NaN() // a division by zero has no value
		}
		return x / y
	},
	"^":  math.Pow,
	"==": func(x, y float64) float64 { return truth(x == y) },
	"!=": func(x, y float64) float64 { return truth(x != y) },
	"<":  func(x, y float64) float64 { return truth(x < y) },
	">":  func(x, y float64) float64 { return truth(x > y) },
	"<=": func(x, y float64) float64 { return truth(x <= y) },
	">=": func(x, y float64) float64 { return truth(x >= y) },
	"&&": both, "AND": both,
	"||": either, "OR": either,
}

func both(x, y float64) float64   { return truth(x != 0 && y != 0) }
func either(x, y float64) float64 { return truth(x != 0 || y != 0) }

func (n binary) eval(ev *evaluation) (Value, error) {
	a, err := n.a.eval(ev)
	if err != nil {
		return Value{}, err
	}
	b, err := n.b.eval(ev)
	if err != nil {
		return Value{}, err
	}
	f := operators[n.op]
	switch {
	case a.scalar && b.scalar:
		return number(f(a.Scalar, b.Scalar)), nil
	case a.scalar:
		return b.map1(func(y float64) float64 { return f(a.Scalar, y) }), nil
	case b.scalar:
		return a.map1(func(x float64) float64 { return f(x, b.Scalar) }), nil
	case a.Array && b.Array:
		return Value{}, fmt.Errorf("the operator %s does not take two arrays of time series", n.op)
	case b.Array:
		return b.mapSeries(func(s Series) Series { return Series{Points: combine(a.Series[0], s, f)} }), nil
	default:
		return a.mapSeries(func(s Series) Series { return Series{Points: combine(s, b.Series[0], f)} }), nil
	}
}

func (c call) eval(ev *evaluation) (Value, error) {
	args := make([]Value, len(c.args))
	for i, n := range c.args {
		if n == nil {
			continue
		}
		var err error
		if args[i], err = n.eval(ev); err != nil {
			return Value{}, err
		}
	}
	v, err := functions[c.name].eval(ev, args, c.words)
	if err != nil {
		return Value{}, fmt.Errorf("%s: %w", c.name, err)
	}
	return v, nil
}

// grid gives a non-sparse series over the whole window.
func (ev *evaluation) grid(f func(at int64) (float64, bool)) ([]Point, error) {
	if ev.Period <= 0 || ev.To <= ev.From {
		return nil, nil
	}
	if (ev.To-ev.From)/ev.Period > MaxPoints {
		return nil, fmt.Errorf("the time range has more than %d periods", MaxPoints)
	}
	var out []Point
	for at := ev.From; at < ev.To; at += ev.Period {
		if v, ok := f(at); ok && finite(v) {
			out = append(out, Point{at, v})
		}
	}
	return out, nil
}

// metrics are those whose id contains a text.
func (ev *evaluation) metrics(part string) Value {
	out := many(nil)
	for _, s := range ev.Metrics {
		if strings.Contains(s.ID, part) {
			out.Series = append(out.Series, s)
		}
	}
	return out
}
