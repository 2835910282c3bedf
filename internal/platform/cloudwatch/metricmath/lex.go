package metricmath

import (
	"fmt"
	"strconv"
	"strings"
)

type kind int

const (
	end kind = iota
	num
	text // quoted
	name
	sign // an operator, a comma or a bracket
)

type token struct {
	kind  kind
	text  string
	value float64
	at    int
}

// MaxLength is how long an expression may be, in bytes.
const MaxLength = 2048

// lex cuts an expression into tokens, the last of which is end.
func lex(s string) ([]token, error) {
	if len(s) > MaxLength {
		return nil, fmt.Errorf("the expression has %d characters, of which %d are allowed", len(s), MaxLength)
	}
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case digit(c) || c == '.':
			j := i
			for j < len(s) && (digit(s[j]) || s[j] == '.' || exponent(s, j, i)) {
				j++
			}
			v, err := strconv.ParseFloat(s[i:j], 64)
			if err != nil || !finite(v) {
				return nil, fmt.Errorf("%q at character %d is no number", s[i:j], i+1)
			}
			out = append(out, token{num, s[i:j], v, i})
			i = j
		case c == '"' || c == '\'':
			j := strings.IndexByte(s[i+1:], c)
			if j < 0 {
				return nil, fmt.Errorf("the text that begins at character %d does not end", i+1)
			}
			out = append(out, token{kind: text, text: s[i+1 : i+1+j], at: i})
			i += j + 2
		case letter(c):
			j := i
			for j < len(s) && (letter(s[j]) || digit(s[j])) {
				j++
			}
			out = append(out, token{kind: name, text: s[i:j], at: i})
			i = j
		default:
			op := operator(s[i:])
			if op == "" {
				return nil, fmt.Errorf("%q at character %d means nothing here", c, i+1)
			}
			out = append(out, token{kind: sign, text: op, at: i})
			i += len(op)
		}
	}
	return append(out, token{kind: end, at: len(s)}), nil
}

func operator(s string) string {
	for _, op := range []string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ","} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// exponent tells whether s[j] belongs to the exponent of the number that began at from.
func exponent(s string, j, from int) bool {
	switch s[j] {
	case 'e', 'E':
		return j > from && j+1 < len(s) && (digit(s[j+1]) || (s[j+1] == '-' || s[j+1] == '+') && j+2 < len(s) && digit(s[j+2]))
	case '-', '+':
		return (s[j-1] == 'e' || s[j-1] == 'E') && j > from
	}
	return false
}
