package jsonata

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Pictures of integers: XPath's format-integer, https://www.w3.org/TR/xpath-functions-31/#formatting-integers.

type letterCase uint8

const (
	caseLower letterCase = iota + 1
	caseUpper
	caseTitle
)

// separator is a character between digits, so many digits from the right.
type separator struct {
	position int
	text     string
}

// integerPicture is an analysed picture.
type integerPicture struct {
	form       byte // d: digits, a: letters, i: roman, w: words, s: another sequence, which is not supported
	letters    letterCase
	ordinal    bool
	zero       rune
	mandatory  int
	optional   int
	regular    int // separators stand every so many digits; 0 means where separators says
	separators []separator
	parseWidth int // digits to read, where more digits follow right behind; 0 means as many as there are
	token      string
}

// maxPicture bounds the length of a picture, in bytes: what is done with one may take its length squared.
const maxPicture = 2000

// decimalZeros are the zeros of Unicode's sets of decimal digits.
var decimalZeros = []rune{
	0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
	0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
	0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
}

func analyseInteger(picture string) (*integerPicture, error) {
	if len(picture) > maxPicture {
		return nil, failArg("D3150", 2, picture)
	}
	p := &integerPicture{form: 'd', zero: '0'}
	primary := picture
	if i := strings.LastIndexByte(picture, ';'); i >= 0 {
		primary = picture[:i]
		p.ordinal = strings.HasPrefix(picture[i+1:], "o")
	}
	switch primary {
	case "A", "a":
		p.form = 'a'
	case "I", "i":
		p.form = 'i'
	case "W", "Ww", "w":
		p.form = 'w'
	default:
		return p, p.analyseDigits(primary)
	}
	switch {
	case primary == "Ww":
		p.letters = caseTitle
	case primary[0] < 'a':
		p.letters = caseUpper
	default:
		p.letters = caseLower
	}
	return p, nil
}

func (p *integerPicture) analyseDigits(primary string) error {
	runes := []rune(primary)
	slices.Reverse(runes)
	digits := 0
	for _, r := range runes {
		i := slices.IndexFunc(decimalZeros, func(zero rune) bool { return r >= zero && r <= zero+9 })
		switch {
		case i >= 0 && p.mandatory > 0 && decimalZeros[i] != p.zero:
			return fail("D3131", undefined)
		case i >= 0:
			p.zero = decimalZeros[i]
			p.mandatory++
			digits++
		case r == '#':
			p.optional++
			digits++
		default:
			p.separators = append(p.separators, separator{digits, string(r)})
		}
	}
	if p.mandatory == 0 {
		p.form, p.token = 's', primary
		return nil
	}
	p.regular = regularity(p.separators)
	return nil
}

// regularity finds the distance of separators that are the same and stand at all multiples of it; 0 if they do not.
func regularity(separators []separator) int {
	if len(separators) == 0 {
		return 0
	}
	positions := make([]int, len(separators))
	for i, s := range separators {
		if s.text != separators[0].text {
			return 0
		}
		positions[i] = s.position
	}
	return commonStep(positions)
}

func commonStep(positions []int) int {
	step := 0
	for _, p := range positions {
		for a, b := step, p; ; a, b = b, a%b {
			if b == 0 {
				step = a
				break
			}
		}
	}
	for i := range positions {
		if !slices.Contains(positions, (i+1)*step) {
			return 0
		}
	}
	return step
}

// format writes an integer.
func (p *integerPicture) format(ev *evaluator, f float64) (string, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "", fail("D1001", undefined)
	}
	a := math.Abs(f)
	var s string
	switch p.form {
	case 'a':
		s = lettersOf(a)
		if p.letters == caseUpper {
			s = strings.ToUpper(s)
		}
	case 'i':
		if err := ev.spend(int(min(a/1000, 1e12))); err != nil {
			return "", err
		}
		s = romanOf(a)
		if p.letters == caseUpper {
			s = strings.ToUpper(s)
		}
	case 'w':
		s = wordsOf(a, false, p.ordinal)
		switch p.letters {
		case caseUpper:
			s = strings.ToUpper(s)
		case caseLower:
			s = strings.ToLower(s)
		}
	case 's':
		return "", fail("D3130", p.token)
	default:
		s = p.digits(a)
	}
	if f < 0 {
		s = "-" + s
	}
	return s, nil
}

func (p *integerPicture) digits(a float64) string {
	digits := []rune(formatNumber(a))
	if n := p.mandatory - len(digits); n > 0 {
		digits = append([]rune(strings.Repeat("0", n)), digits...)
	}
	last := digits[len(digits)-1]
	teen := len(digits) > 1 && digits[len(digits)-2] == '1'
	var b strings.Builder
	for i, d := range digits {
		if d >= '0' && d <= '9' {
			d += p.zero - '0'
		}
		b.WriteRune(d)
		right := len(digits) - 1 - i // digits that are still to come
		if right == 0 {
			break
		}
		if p.regular > 0 {
			if right%p.regular == 0 {
				b.WriteString(p.separators[0].text)
			}
			continue
		}
		for j := len(p.separators) - 1; j >= 0; j-- {
			if p.separators[j].position == right {
				b.WriteString(p.separators[j].text)
			}
		}
	}
	if p.ordinal {
		suffix := map[rune]string{'1': "st", '2': "nd", '3': "rd"}[last]
		if suffix == "" || teen {
			suffix = "th"
		}
		b.WriteString(suffix)
	}
	return b.String()
}

// parse reads an integer; what does not fit gives not a number.
func (p *integerPicture) parse(s string) (float64, error) {
	switch p.form {
	case 'a':
		first := 'a'
		if p.letters == caseUpper {
			first = 'A'
		}
		f := 0.0
		for _, r := range s {
			f = f*26 + float64(r-first+1)
		}
		return f, nil
	case 'i':
		return romanValue(strings.ToLower(s)), nil
	case 'w':
		return wordsValue(strings.ToLower(s)), nil
	case 's':
		return 0, fail("D3130", p.token)
	}
	if p.ordinal && len(s) >= 2 {
		s = s[:len(s)-2]
	}
	for _, sep := range p.separators {
		s = strings.ReplaceAll(s, sep.text, "")
	}
	s = strings.Map(func(r rune) rune { return r - p.zero + '0' }, s)
	return leadingInteger(s), nil
}

// leadingInteger reads the integer that a text starts with, as JavaScript's parseInt does.
func leadingInteger(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\r\v\f")
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	f, err := strconv.ParseFloat(s[:i], 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

func fnFormatInteger(ev *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) {
		picture, ok := text(args[1])
		if !ok {
			return undefined, nil
		}
		p, err := analyseInteger(picture)
		if err != nil {
			return nil, err
		}
		return p.format(ev, math.Floor(f))
	})
}

func fnParseInteger(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	picture, ok2 := text(args[1])
	if !ok || !ok2 {
		return undefined, nil
	}
	p, err := analyseInteger(picture)
	if err != nil {
		return nil, err
	}
	f, err := p.parse(s)
	if err != nil {
		return nil, err
	}
	return f, ev.spendText(len(s))
}
