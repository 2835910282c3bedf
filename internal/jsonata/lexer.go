package jsonata

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenOperator
	tokenName
	tokenVariable
	tokenString
	tokenNumber
	tokenValue
	tokenRegex
)

// token is a word of the language; text is the operator, name or string, value the literal.
type token struct {
	kind  tokenKind
	text  string
	value any
	pos   int // byte offset just behind the token
}

const (
	spaces    = " \t\n\r\v"
	operators = ".[]{}(),@#;:?+-*/%|=<>^&!~"
)

var doubled = []string{"..", ":=", "!=", ">=", "<=", "**", "~>"}

// lexer cuts the text into tokens.
type lexer struct {
	src string
	pos int
}

// next reads a token. Where an operator is expected, / divides; elsewhere it opens a regular expression.
func (l *lexer) next(operatorExpected bool) (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.pos >= len(l.src) {
		return token{kind: tokenEnd, text: "(end)", pos: len(l.src)}, nil
	}
	c := l.src[l.pos]
	switch {
	case c == '/' && !operatorExpected:
		return l.regex()
	case strings.IndexByte(operators, c) >= 0:
		for _, op := range doubled {
			if strings.HasPrefix(l.src[l.pos:], op) {
				l.pos += len(op)
				return token{kind: tokenOperator, text: op, pos: l.pos}, nil
			}
		}
		l.pos++
		return token{kind: tokenOperator, text: string(c), pos: l.pos}, nil
	case c == '"' || c == '\'':
		return l.quoted(c)
	case c >= '0' && c <= '9':
		return l.number()
	case c == '`':
		end := strings.IndexByte(l.src[l.pos+1:], '`')
		if end < 0 {
			return token{}, failAt("S0105", len(l.src), "", undefined)
		}
		name := l.src[l.pos+1 : l.pos+1+end]
		l.pos += end + 2
		return token{kind: tokenName, text: name, pos: l.pos}, nil
	}
	start := l.pos
	for l.pos < len(l.src) && strings.IndexByte(spaces, l.src[l.pos]) < 0 && strings.IndexByte(operators, l.src[l.pos]) < 0 {
		l.pos++
	}
	word := l.src[start:l.pos]
	if word[0] == '$' {
		return token{kind: tokenVariable, text: word[1:], pos: l.pos}, nil
	}
	t := token{kind: tokenName, text: word, pos: l.pos}
	switch word {
	case "and", "or", "in":
		t.kind = tokenOperator
	case "true", "false":
		t.kind, t.value = tokenValue, word == "true"
	case "null":
		t.kind, t.value = tokenValue, nil
	}
	return t, nil
}

// skip passes over white space and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		switch {
		case strings.IndexByte(spaces, l.src[l.pos]) >= 0:
			l.pos++
		case strings.HasPrefix(l.src[l.pos:], "/*"):
			end := strings.Index(l.src[l.pos+2:], "*/")
			if end < 0 {
				return failAt("S0106", l.pos, "", undefined)
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) number() (token, error) {
	s := l.src[l.pos:]
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	n := 1
	if s[0] != '0' {
		n = digits(1)
	}
	if n+1 < len(s) && s[n] == '.' && digits(n+1) > n+1 {
		n = digits(n + 1)
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if digits(m) > m {
			n = digits(m)
		}
	}
	f, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return token{}, failAt("S0102", l.pos, s[:n], undefined)
	}
	l.pos += n
	return token{kind: tokenNumber, text: s[:n], value: f, pos: l.pos}, nil
}

// quoted reads a string. A surrogate that \u leaves without its other half is kept in the three bytes that UTF-8 would
// give it, so that it can be told, and refused, later.
func (l *lexer) quoted(quote byte) (token, error) {
	l.pos++
	var b []byte
	start := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c == quote {
			text := l.src[start:l.pos]
			if b != nil {
				text = string(append(b, text...))
			}
			l.pos++
			return token{kind: tokenString, text: text, value: text, pos: l.pos}, nil
		}
		if c != '\\' {
			l.pos++
			continue
		}
		b = append(b, l.src[start:l.pos]...)
		l.pos++
		if l.pos >= len(l.src) {
			return token{}, &failure{code: "S0103", pos: l.pos, placed: true, literal: `""`, value: undefined}
		}
		c = l.src[l.pos]
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[i])
		} else if c == 'u' {
			u, ok := l.hex(l.pos + 1)
			if !ok {
				return token{}, failAt("S0104", l.pos, "", undefined)
			}
			l.pos += 4
			if utf16.IsSurrogate(u) && strings.HasPrefix(l.src[l.pos+1:], `\u`) {
				if low, ok := l.hex(l.pos + 3); ok && utf16.DecodeRune(u, low) != utf8.RuneError {
					u = utf16.DecodeRune(u, low)
					l.pos += 6
				}
			}
			b = appendUnit(b, u)
		} else {
			r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
			return token{}, failAt("S0103", l.pos, string(r), undefined)
		}
		l.pos++
		start = l.pos
		if b == nil {
			b = []byte{}
		}
	}
	return token{}, failAt("S0101", len(l.src), "", undefined)
}

// appendUnit appends a rune, or half of one.
func appendUnit(b []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(b, r)
}

func (l *lexer) hex(at int) (rune, bool) {
	if at+4 > len(l.src) {
		return 0, false
	}
	u, err := strconv.ParseUint(l.src[at:at+4], 16, 16)
	return rune(u), err == nil
}

// regex reads /…/ and its flags. A slash within brackets or behind a backslash does not end it.
func (l *lexer) regex() (token, error) {
	l.pos++
	start, depth := l.pos, 0
	for ; l.pos < len(l.src); l.pos++ {
		c := l.src[l.pos]
		escaped := l.src[l.pos-1] == '\\' && l.pos > start
		switch {
		case c == '/' && depth == 0 && (len(l.src[start:l.pos])-len(strings.TrimRight(l.src[start:l.pos], `\`)))%2 == 0:
			text := l.src[start:l.pos]
			if text == "" {
				return token{}, failAt("S0301", l.pos, "", undefined)
			}
			l.pos++
			flags := l.pos
			for l.pos < len(l.src) && (l.src[l.pos] == 'i' || l.src[l.pos] == 'm') {
				l.pos++
			}
			p, err := compilePattern(text, l.src[flags:l.pos])
			if err != nil {
				return token{}, failAt("S0303", l.pos, "", text)
			}
			return token{kind: tokenRegex, text: text, value: p, pos: l.pos}, nil
		case (c == '(' || c == '[' || c == '{') && !escaped:
			depth++
		case (c == ')' || c == ']' || c == '}') && !escaped:
			depth--
		}
	}
	return token{}, failAt("S0302", len(l.src), "", undefined)
}
