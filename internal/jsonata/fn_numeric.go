package jsonata

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// numeric makes a function of a function of one number; nothing gives nothing.
func numeric(v any, f func(float64) (any, error)) (any, error) {
	x, ok := number(v)
	if !ok {
		return undefined, nil
	}
	return f(x)
}

func fnFloor(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) { return math.Floor(f), nil })
}

func fnCeil(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) { return math.Ceil(f), nil })
}

func fnAbs(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) { return math.Abs(f), nil })
}

func fnSqrt(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) {
		if f < 0 {
			return nil, failArg("D3060", 1, f)
		}
		return math.Sqrt(f), nil
	})
}

func fnPower(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(base float64) (any, error) {
		exponent, ok := number(args[1])
		if !ok {
			exponent = math.NaN()
		}
		f := math.Pow(base, exponent)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			err := failArg("D3061", 1, base)
			err.value2 = exponent
			return nil, err
		}
		return f, nil
	})
}

func fnRound(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) {
		precision, _ := number(args[1])
		if math.Abs(precision) > 1000 {
			return nil, failArg("D3150", 2, precision)
		}
		return roundEven(f, int(precision)), nil
	})
}

// roundEven rounds to a number of decimal places, halves to the even neighbour. It moves the point in the decimal text of
// the number: a product with a power of ten would not be exact.
func roundEven(f float64, places int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	r := math.RoundToEven(shiftPoint(f, places))
	r = shiftPoint(r, -places)
	if r == 0 {
		return 0
	}
	return r
}

func shiftPoint(f float64, places int) float64 {
	if places == 0 {
		return f
	}
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exp)
	r, _ := strconv.ParseFloat(mantissa+"e"+strconv.Itoa(e+places), 64)
	return r
}

func fnFormatBase(_ *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) {
		radix := 10.0
		if r, ok := number(args[1]); ok {
			radix = roundEven(r, 0)
		}
		if !(radix >= 2 && radix <= 36) {
			return nil, fail("D3100", radix)
		}
		f = roundEven(f, 0)
		if math.Abs(f) >= 1<<63 {
			return bigBase(f, int(radix)), nil
		}
		return strconv.FormatInt(int64(f), int(radix)), nil
	})
}

// fnNumber makes a number of a string in JSON's notation, or in hexadecimal, octal or binary, or of a boolean.
func fnNumber(_ *evaluator, args []any) (any, error) {
	switch x := args[0].(type) {
	case undefinedType:
		return undefined, nil
	case bool:
		if x {
			return 1.0, nil
		}
		return 0.0, nil
	case string:
		if f, ok := parseNumber(x); ok {
			return f, nil
		}
		return nil, failArg("D3030", 1, x)
	}
	if f, ok := number(args[0]); ok {
		return f, nil
	}
	return nil, failArg("D3030", 1, args[0])
}

func parseNumber(s string) (float64, bool) {
	if len(s) > 2 && s[0] == '0' {
		base := map[byte]float64{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]
		if base > 0 {
			f := 0.0
			for _, c := range []byte(strings.ToLower(s[2:])) {
				d := float64(strings.IndexByte("0123456789abcdef", c))
				if d < 0 || d >= base {
					return 0, false
				}
				f = f*base + d
			}
			return f, !math.IsInf(f, 0)
		}
	}
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	from := 0
	if strings.HasPrefix(s, "-") {
		from = 1
	}
	i := digits(from)
	if i == from {
		return 0, false
	}
	if i < len(s) && s[i] == '.' {
		if from, i = i+1, digits(i+1); i == from {
			return 0, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if from, i = i, digits(i); i == from {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, i == len(s) && err == nil
}

func fnSum(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	total := 0.0
	for _, item := range items {
		f, _ := number(item)
		total += f
	}
	return total, ev.spend(len(items))
}

func fnCount(_ *evaluator, args []any) (any, error) {
	items, _ := elements(args[0])
	return float64(len(items)), nil
}

func fnMax(ev *evaluator, args []any) (any, error) { return extreme(ev, args[0], math.Max) }

func fnMin(ev *evaluator, args []any) (any, error) { return extreme(ev, args[0], math.Min) }

func extreme(ev *evaluator, v any, choose func(a, b float64) float64) (any, error) {
	items, _ := elements(v)
	if len(items) == 0 {
		return undefined, nil
	}
	best, _ := number(items[0])
	for _, item := range items[1:] {
		f, _ := number(item)
		best = choose(best, f)
	}
	return best, ev.spend(len(items))
}

func fnAverage(ev *evaluator, args []any) (any, error) {
	items, _ := elements(args[0])
	if len(items) == 0 {
		return undefined, nil
	}
	total, err := fnSum(ev, args)
	if err != nil {
		return nil, err
	}
	return total.(float64) / float64(len(items)), nil
}

// bigBase writes an integer beyond 64 bits.
func bigBase(f float64, radix int) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return formatNumber(f)
	}
	i, _ := new(big.Float).SetFloat64(f).Int(nil)
	return i.Text(radix)
}
