package jsonata

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// formatNumber writes a finite double as JavaScript does: plain digits from 1e-6 up to 1e21, otherwise an exponent.
func formatNumber(f float64) string {
	switch {
	case f == 0:
		return "0"
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a < 1e-6 || a >= 1e21 {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		// JavaScript writes e+21 and e-7, without a leading zero.
		mantissa, exp, _ := strings.Cut(s, "e")
		sign := exp[:1]
		return mantissa + "e" + sign + strings.TrimLeft(exp[1:], "0")
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// rounded15 rounds to 15 significant digits, which is how numbers are turned into strings.
func rounded15(f float64) float64 {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return f
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'e', 14, 64), 64)
	if err != nil {
		return f
	}
	return r
}

// toString is $string of a value that is not undefined.
func (ev *evaluator) toString(v any, pretty bool) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case function:
		return "", nil
	case *array:
		if x.outer && len(x.items) > 0 {
			v = x.items[0]
		}
	}
	if f, ok := number(v); ok {
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return "", fail("D3001", undefined)
		}
		return formatNumber(rounded15(f)), nil
	}
	return ev.toJSON(v, pretty)
}

// toJSON writes a value as JSON text with numbers rounded to 15 digits and functions as empty strings.
func (ev *evaluator) toJSON(v any, pretty bool) (string, error) {
	w := &jsonWriter{ev: ev, pretty: pretty}
	if err := w.write(v, 0); err != nil {
		return "", err
	}
	return string(w.buf), nil
}

type jsonWriter struct {
	ev     *evaluator
	buf    []byte
	pretty bool
	spent  int
}

func (w *jsonWriter) write(v any, nesting int) error {
	if nesting > maxNesting {
		return limit("a value is nested too deeply")
	}
	if n := len(w.buf)/textPerStep - w.spent; n > 0 {
		w.spent += n
		if err := w.ev.spend(n); err != nil {
			return err
		}
	}
	if err := w.ev.spend(1); err != nil {
		return err
	}
	if items, ok := elements(v); ok {
		w.buf = append(w.buf, '[')
		for i, item := range items {
			w.separate(i, nesting+1)
			if err := w.write(item, nesting+1); err != nil {
				return err
			}
		}
		return w.closing(']', len(items), nesting)
	}
	switch x := v.(type) {
	case bool:
		w.buf = strconv.AppendBool(w.buf, x)
	case string:
		w.buf = appendJSONString(w.buf, x)
	case *object:
		w.buf = append(w.buf, '{')
		for i, k := range keysOf(x) {
			w.separate(i, nesting+1)
			w.buf = append(appendJSONString(w.buf, k), ':')
			if w.pretty {
				w.buf = append(w.buf, ' ')
			}
			m, _ := x.Get(k)
			if err := w.write(m, nesting+1); err != nil {
				return err
			}
		}
		return w.closing('}', x.Len(), nesting)
	case function:
		w.buf = append(w.buf, '"', '"')
	default:
		f, ok := number(v)
		if !ok {
			w.buf = append(w.buf, "null"...)
			break
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return fail("D1001", undefined)
		}
		w.buf = append(w.buf, formatNumber(rounded15(f))...)
	}
	return nil
}

func (w *jsonWriter) separate(i, nesting int) {
	if i > 0 {
		w.buf = append(w.buf, ',')
	}
	w.newline(nesting)
}

func (w *jsonWriter) newline(nesting int) {
	if w.pretty {
		w.buf = append(w.buf, '\n')
		for range nesting {
			w.buf = append(w.buf, ' ', ' ')
		}
	}
}

func (w *jsonWriter) closing(c byte, members, nesting int) error {
	if members > 0 {
		w.newline(nesting)
	}
	w.buf = append(w.buf, c)
	return nil
}

// appendJSONString quotes s as JavaScript's JSON.stringify does.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}

// length counts the characters of s; half a surrogate pair, three bytes that are not UTF-8, counts as one.
func length(s string) int {
	n := 0
	for i := 0; i < len(s); n++ {
		i += width(s[i:])
	}
	return n
}

// width is the number of bytes of the first character of s, which is not empty.
func width(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	if s[0] == 0xED && len(s) >= 3 && s[1] >= 0xA0 {
		return 3
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// characters cuts s into its characters.
func characters(s string) []string {
	out := make([]string, 0, len(s))
	for s != "" {
		n := width(s)
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// units counts the UTF-16 units of s, by which JavaScript gives positions.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// compareText orders strings by their UTF-16 units, as JavaScript does.
func compareText(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	for i > 0 && !utf8.RuneStart(a[i]) {
		i--
	}
	if i < len(b) && a[i] < 0xEE && b[i] < 0xEE { // no character beyond the surrogates: UTF-8 orders alike
		if a[i:] < b[i:] {
			return -1
		}
		return 1
	}
	x, y := utf16.Encode([]rune(a[i:])), utf16.Encode([]rune(b[i:]))
	for j := range min(len(x), len(y)) {
		if x[j] != y[j] {
			return int(x[j]) - int(y[j])
		}
	}
	return len(x) - len(y)
}
