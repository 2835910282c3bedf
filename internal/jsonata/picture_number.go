package jsonata

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Pictures of numbers: XPath's format-number, https://www.w3.org/TR/xpath-functions-31/#formatting-numbers.

// numberSymbols are the characters that mean something in a picture and in what it makes.
type numberSymbols struct {
	decimal, grouping, exponent, minus, percent, perMille, zero, digit, pattern string
}

func symbolsFrom(options any) numberSymbols {
	s := numberSymbols{".", ",", "e", "-", "%", "‰", "0", "#", ";"}
	o, ok := options.(*object)
	if !ok {
		return s
	}
	for name, p := range map[string]*string{
		"decimal-separator": &s.decimal, "grouping-separator": &s.grouping, "exponent-separator": &s.exponent,
		"minus-sign": &s.minus, "percent": &s.percent, "per-mille": &s.perMille, "zero-digit": &s.zero,
		"digit": &s.digit, "pattern-separator": &s.pattern,
	} {
		if v, ok := o.Get(name); ok {
			if t, ok := v.(string); ok && t != "" {
				*p = t
			}
		}
	}
	return s
}

func (s *numberSymbols) isDigit(c string) bool {
	zero, r := []rune(s.zero)[0], []rune(c)
	return len(r) == 1 && r[0] >= zero && r[0] <= zero+9
}

func (s *numberSymbols) active(c string) bool {
	return s.isDigit(c) || c == s.decimal || c == s.exponent || c == s.grouping || c == s.digit || c == s.pattern
}

// count counts the characters of a part that satisfy a condition.
func count(part []string, is func(string) bool) int {
	n := 0
	for _, c := range part {
		if is(c) {
			n++
		}
	}
	return n
}

// subPicture is one half of a picture, for numbers from zero up or for negative ones.
type subPicture struct {
	prefix, suffix                         string
	scale                                  float64 // 1, 100 or 1000
	hasDecimal                             bool
	minInteger, minFraction, maxFraction   int
	scaling, minExponent                   int
	regular                                int
	integerSeparators, fractionSeparators  []int
	all, activePart                        []string
	mantissa, integer, fraction, exponents []string
	hasExponent                            bool
}

// split cuts a sub-picture into its parts.
func (s *numberSymbols) split(picture string) *subPicture {
	p := &subPicture{all: characters(picture), scale: 1}
	starts := func(c string) bool { return s.active(c) && c != s.exponent }
	from := slices.IndexFunc(p.all, starts)
	if from < 0 {
		from = len(p.all)
	}
	to := len(p.all)
	for to > from && !starts(p.all[to-1]) {
		to--
	}
	p.prefix, p.suffix = strings.Join(p.all[:from], ""), strings.Join(p.all[to:], "")
	p.activePart = p.all[from:to]
	p.mantissa = p.activePart
	if i := slices.Index(p.activePart, s.exponent); i >= 0 {
		p.mantissa, p.exponents, p.hasExponent = p.activePart[:i], p.activePart[i+1:], true
	}
	p.integer = p.mantissa
	if i := slices.Index(p.mantissa, s.decimal); i >= 0 {
		p.integer, p.fraction, p.hasDecimal = p.mantissa[:i], p.mantissa[i+1:], true
	}
	return p
}

// check refuses what the specification does not allow.
func (s *numberSymbols) check(p *subPicture) error {
	is := func(want string) func(string) bool { return func(c string) bool { return c == want } }
	picture := strings.Join(p.all, "")
	percent, perMille := strings.Count(picture, s.percent), strings.Count(picture, s.perMille)
	bad := func(cond bool, code string) error {
		if cond {
			return fail(code, undefined)
		}
		return nil
	}
	at := slices.Index(p.all, s.decimal)
	near := func(i int) bool { return i >= 0 && i < len(p.all) && p.all[i] == s.grouping }
	doubled := false
	for i := 1; i < len(p.all); i++ {
		doubled = doubled || near(i) && near(i-1)
	}
	optionalInteger := slices.Index(p.integer, s.digit)
	optionalFraction := -1
	for i, c := range p.fraction {
		if c == s.digit {
			optionalFraction = i
		}
	}
	for _, err := range []error{
		bad(count(p.all, is(s.decimal)) > 1, "D3081"),
		bad(percent > 1, "D3082"),
		bad(perMille > 1, "D3083"),
		bad(percent > 0 && perMille > 0, "D3084"),
		bad(count(p.mantissa, func(c string) bool { return s.isDigit(c) || c == s.digit }) == 0, "D3085"),
		bad(count(p.activePart, func(c string) bool { return !s.active(c) }) > 0, "D3086"),
		bad(at >= 0 && (near(at-1) || near(at+1)), "D3087"),
		bad(at < 0 && len(p.integer) > 0 && p.integer[len(p.integer)-1] == s.grouping, "D3088"),
		bad(doubled, "D3089"),
		bad(optionalInteger >= 0 && count(p.integer[:max(0, optionalInteger)], s.isDigit) > 0, "D3090"),
		bad(optionalFraction >= 0 && count(p.fraction[max(0, optionalFraction):], s.isDigit) > 0, "D3091"),
		bad(p.hasExponent && len(p.exponents) > 0 && percent+perMille > 0, "D3092"),
		bad(p.hasExponent && (len(p.exponents) == 0 || count(p.exponents, s.isDigit) < len(p.exponents)), "D3093"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// analyse finds the sizes and separators that a sub-picture asks for.
func (s *numberSymbols) analyse(p *subPicture) {
	place := func(c string) bool { return s.isDigit(c) || c == s.digit }
	for i, c := range p.integer {
		if c == s.grouping {
			p.integerSeparators = append(p.integerSeparators, count(p.integer[i:], place))
		}
	}
	if len(p.integerSeparators) > 0 {
		p.regular = commonStep(p.integerSeparators)
	}
	for i, c := range p.fraction {
		if c == s.grouping {
			p.fractionSeparators = append(p.fractionSeparators, count(p.fraction[:i], place))
		}
	}
	p.minInteger = count(p.integer, s.isDigit)
	p.scaling = p.minInteger
	p.minFraction, p.maxFraction = count(p.fraction, s.isDigit), count(p.fraction, place)
	if p.minInteger == 0 && p.maxFraction == 0 {
		if p.hasExponent {
			p.minFraction, p.maxFraction = 1, 1
		} else {
			p.minInteger = 1
		}
	}
	if p.hasExponent && p.minInteger == 0 && slices.Contains(p.integer, s.digit) {
		p.minInteger = 1
	}
	if p.minInteger == 0 && p.minFraction == 0 {
		p.minFraction = 1
	}
	p.minExponent = count(p.exponents, s.isDigit)
	picture := strings.Join(p.all, "")
	if strings.Contains(picture, s.percent) {
		p.scale = 100
	} else if strings.Contains(picture, s.perMille) {
		p.scale = 1000
	}
}

// digitsOf writes a number, without its sign, with so many decimal places and the digits of the picture.
func (s *numberSymbols) digitsOf(f float64, places int) (integer, fraction []string) {
	text := strconv.FormatFloat(math.Abs(f), 'f', places, 64)
	zero := []rune(s.zero)[0]
	whole, part, _ := strings.Cut(text, ".")
	digits := func(t string) []string {
		var out []string
		for _, c := range t {
			out = append(out, string(zero+c-'0'))
		}
		return out
	}
	return digits(whole), digits(part)
}

func (s *numberSymbols) format(p *subPicture, f float64) (string, error) {
	f *= p.scale
	if math.IsInf(f, 0) || p.scaling > 300 {
		return "", fail("D1001", undefined)
	}
	exponent := 0
	if p.minExponent > 0 && f != 0 {
		low, high := math.Pow10(p.scaling-1), math.Pow10(p.scaling)
		for math.Abs(f) < low {
			f *= 10
			exponent--
		}
		for math.Abs(f) > high {
			f /= 10
			exponent++
		}
	}
	integer, fraction := s.digitsOf(roundEven(f, p.maxFraction), p.maxFraction)
	for len(integer) > 0 && integer[0] == s.zero {
		integer = integer[1:]
	}
	for len(fraction) > 0 && fraction[len(fraction)-1] == s.zero {
		fraction = fraction[:len(fraction)-1]
	}
	for len(integer) < p.minInteger {
		integer = append([]string{s.zero}, integer...)
	}
	for len(fraction) < p.minFraction {
		fraction = append(fraction, s.zero)
	}
	var b strings.Builder
	b.WriteString(p.prefix)
	for i, d := range integer {
		b.WriteString(d)
		right := len(integer) - 1 - i
		if right > 0 && (p.regular > 0 && right%p.regular == 0 || p.regular == 0 && slices.Contains(p.integerSeparators, right)) {
			b.WriteString(s.grouping)
		}
	}
	if p.hasDecimal && len(fraction) > 0 {
		b.WriteString(s.decimal)
	}
	for i, d := range fraction {
		if i > 0 && slices.Contains(p.fractionSeparators, i) {
			b.WriteString(s.grouping)
		}
		b.WriteString(d)
	}
	if p.minExponent > 0 {
		b.WriteString(s.exponent)
		if exponent < 0 {
			b.WriteString(s.minus)
		}
		digits, _ := s.digitsOf(float64(exponent), 0)
		for range p.minExponent - len(digits) {
			b.WriteString(s.zero)
		}
		b.WriteString(strings.Join(digits, ""))
	}
	b.WriteString(p.suffix)
	return b.String(), nil
}

func fnFormatNumber(ev *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) {
		picture, ok := text(args[1])
		if !ok {
			return undefined, nil
		}
		if len(picture) > maxPicture {
			return nil, failArg("D3150", 2, picture)
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fail("D1001", undefined)
		}
		if err := ev.spend(len(picture)); err != nil {
			return nil, err
		}
		s := symbolsFrom(args[2])
		halves := strings.Split(picture, s.pattern)
		if len(halves) > 2 {
			return nil, fail("D3080", undefined)
		}
		parts := make([]*subPicture, len(halves))
		for i, half := range halves {
			parts[i] = s.split(half)
			if err := s.check(parts[i]); err != nil {
				return nil, err
			}
			s.analyse(parts[i])
		}
		if f >= 0 {
			return s.format(parts[0], f)
		}
		if len(parts) > 1 {
			return s.format(parts[1], f)
		}
		parts[0].prefix = s.minus + parts[0].prefix
		return s.format(parts[0], f)
	})
}
