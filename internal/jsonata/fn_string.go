package jsonata

import (
	"math"
	"strings"
	"unicode/utf8"
)

func text(v any) (string, bool) { s, ok := v.(string); return s, ok }

func fnString(ev *evaluator, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined, nil
	}
	pretty := false
	if len(args) > 1 {
		pretty, _ = args[1].(bool)
	}
	return ev.toString(args[0], pretty)
}

func fnSubstring(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	start, ok := number(args[1])
	if !ok { // nothing counts as not a number
		start = math.NaN()
	}
	if err := ev.spendText(len(s)); err != nil {
		return nil, err
	}
	n := float64(length(s))
	if n+start < 0 {
		start = 0
	}
	end := n
	if size, ok := number(args[2]); ok {
		if size <= 0 {
			return "", nil
		}
		end = start + size
		if start < 0 {
			end = n + start + size
		}
	}
	from, to := sliceIndex(start, n), sliceIndex(end, n)
	if from >= to {
		return "", nil
	}
	at := 0
	for range from {
		at += width(s[at:])
	}
	to -= from
	from = at
	for range to {
		at += width(s[at:])
	}
	return s[from:at], nil
}

// sliceIndex turns a number into a position from 0 to n as JavaScript's slice does: without its fraction, negative ones
// from the end.
func sliceIndex(f, n float64) int {
	if math.IsNaN(f) {
		return 0
	}
	f = math.Trunc(f)
	if f < 0 {
		f += n
	}
	return int(max(0, min(f, n)))
}

func fnSubstringBefore(_ *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	before, _, _ := strings.Cut(s, orUndefined(args[1]))
	return before, nil
}

func fnSubstringAfter(_ *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	if _, after, found := strings.Cut(s, orUndefined(args[1])); found {
		return after, nil
	}
	return s, nil
}

// orUndefined is the text that JavaScript looks for where nothing is given.
func orUndefined(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return "undefined"
}

func fnLowercase(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	return caseOf(ev, s, strings.ToLower, nil)
}

func fnUppercase(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	return caseOf(ev, s, strings.ToUpper, upperSpecial)
}

// upperSpecial holds letters whose upper case is more than one letter (Unicode's SpecialCasing, the unconditional part).
var upperSpecial = strings.NewReplacer("ß", "SS", "ŉ", "ʼN", "ǰ", "J̌", "ΐ", "Ϊ́", "ΰ", "Ϋ́", "և", "ԵՒ", "ẖ", "H̱", "ẗ", "T̈",
	"ẘ", "W̊", "ẙ", "Y̊", "ẚ", "Aʾ", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL", "ﬅ", "ST", "ﬆ", "ST")

func caseOf(ev *evaluator, s string, f func(string) string, special *strings.Replacer) (any, error) {
	if err := ev.spendText(len(s)); err != nil {
		return nil, err
	}
	if !utf8.ValidString(s) { // halves of surrogate pairs stay as they are
		return s, nil
	}
	if special != nil {
		s = special.Replace(s)
	}
	return f(s), nil
}

func fnLength(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	return float64(length(s)), ev.spendText(len(s))
}

// fnTrim makes single spaces of all white space, and removes it at the ends.
func fnTrim(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	return strings.Join(words, " "), ev.spendText(len(s))
}

func fnPad(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	w, ok := number(args[1])
	if !ok {
		return s, nil
	}
	if w != math.Trunc(w) || math.Abs(w) > math.MaxInt32 {
		return nil, failArg("D3150", 2, args[1])
	}
	filler, _ := text(args[2])
	if filler == "" {
		filler = " "
	}
	missing := int(math.Abs(w)) - length(s)
	if missing <= 0 {
		return s, nil
	}
	size := length(filler)
	if err := ev.spendText(missing * max(1, len(filler)/size) * 2); err != nil {
		return nil, err
	}
	padding := strings.Repeat(filler, missing/size)
	for _, c := range characters(filler)[:missing%size] {
		padding += c
	}
	if w > 0 {
		return s + padding, nil
	}
	return padding + s, nil
}

func fnJoin(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	separator, _ := text(args[1])
	parts := make([]string, len(items))
	size := 0
	for i, item := range items {
		parts[i], _ = item.(string)
		size += len(parts[i]) + len(separator)
	}
	if err := ev.spend(len(items) + size/textPerStep); err != nil {
		return nil, err
	}
	return strings.Join(parts, separator), nil
}
