package jsonvalue

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// Number is a JSON number in canonical text: an integer in plain digits, of any size, or a decimal in the notation of
// Java's Double.toString (1.5, 100.0, 1.0E10), which is how Step Functions writes decimals.
type Number string

// Int makes a Number of an integer.
func Int(i int64) Number { return Number(strconv.FormatInt(i, 10)) }

// Float makes a decimal Number; f must be finite.
func Float(f float64) Number { return Number(javaDouble(f)) }

// parseNumber brings the text of a valid JSON number into canonical form.
func parseNumber(text string) Number {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return "0"
		}
		return Number(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil { // beyond the range of a double: keep the text, nothing can be computed with it anyway
		return Number(text)
	}
	return Float(f)
}

// ParseNumber reads a JSON number.
func ParseNumber(text string) (Number, bool) {
	if n := scanNumber(text, 0); n != len(text) || n == 0 {
		return "", false
	}
	return parseNumber(text), true
}

// IsInt reports whether n is written as an integer.
func (n Number) IsInt() bool { return !strings.ContainsAny(string(n), ".eE") }

// Int64 returns n when it is written as an integer and fits.
func (n Number) Int64() (int64, bool) {
	i, err := strconv.ParseInt(string(n), 10, 64)
	return i, err == nil
}

// Float64 returns the nearest double.
func (n Number) Float64() float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// Cmp compares by value: -1, 0 or 1. 1 and 1.0 are equal.
func (n Number) Cmp(m Number) int {
	if n == m {
		return 0
	}
	a, aok := n.Int64()
	b, bok := m.Int64()
	if aok && bok {
		return cmp.Compare(a, b)
	}
	if n.IsInt() && m.IsInt() { // integers beyond 64 bits; two decimals are doubles, for which a double is exact
		if x, ok := ratOf(string(n)); ok {
			if y, ok := ratOf(string(m)); ok {
				return x.Cmp(y)
			}
		}
	}
	return cmp.Compare(n.Float64(), m.Float64())
}

// Round rounds half up to an integer, as Java's Math.round does; it saturates at the ends of int64.
func (n Number) Round() int64 {
	if i, ok := n.Int64(); ok {
		return i
	}
	f := math.Floor(n.Float64() + 0.5)
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// javaDouble prints f as Java's Double.toString: at least one digit after the point, and scientific notation below 1e-3
// and from 1e7 on.
func javaDouble(f float64) string {
	if f == 0 {
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	if a := math.Abs(f); a >= 1e-3 && a < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'E', -1, 64)
	mant, exp, _ := strings.Cut(s, "E")
	if !strings.Contains(mant, ".") {
		mant += ".0"
	}
	e, _ := strconv.Atoi(exp)
	return mant + "E" + strconv.Itoa(e)
}
