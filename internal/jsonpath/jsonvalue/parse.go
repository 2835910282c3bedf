package jsonvalue

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is the nesting at which Jackson, the service's JSON reader, gives up.
const maxDepth = 1000

// SyntaxError says where a text is no JSON. Its message follows the service's own.
type SyntaxError struct {
	Message      string
	Offset       int // in bytes, from 0
	Line, Column int // from 1, in characters; the position after what was read
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at line %d, column %d", e.Message, e.Line, e.Column)
}

// Source names the place in the text, which is the one that was parsed, as Step Functions does in its messages: the first
// 500 characters, line and column.
func (e *SyntaxError) Source(text string) string {
	cut := ""
	if n := utf8.RuneCountInString(text); n > 500 {
		text = string([]rune(text)[:500])
		cut = fmt.Sprintf("[truncated %d chars]", n-500)
	}
	return fmt.Sprintf(`[Source: (String)"%s"%s; line: %d, column: %d]`, text, cut, e.Line, e.Column)
}

// Parse reads one JSON text. A name that comes twice in an object keeps its first place and its last value. Errors are
// of type *SyntaxError.
func Parse(data []byte) (any, error) { return ParseString(string(data)) }

// ParseString is Parse for a string; strings of the result may share memory with s.
func ParseString(s string) (any, error) {
	p := parser{s: s}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.i < len(p.s) {
		return nil, p.unexpected("end of the text")
	}
	return v, nil
}

type parser struct {
	s string
	i int
}

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

const expectedValue = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"

func (p *parser) value(depth int) (any, error) {
	p.space()
	if p.i == len(p.s) {
		return nil, p.fail(p.i, "Unexpected end-of-input: was expecting (%s)", expectedValue)
	}
	if depth > maxDepth {
		return nil, p.fail(p.i, "Document nesting depth exceeds the maximum allowed (%d)", maxDepth)
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == '-' || c >= '0' && c <= '9':
		end := scanNumber(p.s, p.i)
		if end == p.i {
			p.i++
			return nil, p.unexpected("a digit")
		}
		n := parseNumber(p.s[p.i:end])
		p.i = end
		return n, nil
	}
	start := p.i
	for p.i < len(p.s) && wordByte(p.s[p.i]) {
		p.i++
	}
	switch word := p.s[start:p.i]; word {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		return nil, p.unexpected(expectedValue)
	default:
		return nil, p.fail(p.i, "Unrecognized token '%s': was expecting (%s)", word, expectedValue)
	}
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// scanNumber returns the end of the JSON number that begins at i, or i when there is none.
func scanNumber(s string, i int) int {
	start, n := i, len(s)
	if i < n && s[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < n && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < n && s[i] == '0' {
		i++
	} else if !digits() {
		return start
	}
	if i < n && s[i] == '.' {
		i++
		if !digits() {
			return start
		}
	}
	if i < n && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < n && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return start
		}
	}
	return i
}

func (p *parser) array(depth int) (any, error) {
	p.i++
	a := []any{}
	if p.space(); p.i < len(p.s) && p.s[p.i] == ']' {
		p.i++
		return a, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		switch p.next() {
		case ',':
		case ']':
			return a, nil
		default:
			p.i--
			return nil, p.unexpected("comma to separate Array entries")
		}
	}
}

func (p *parser) object(depth int) (any, error) {
	p.i++
	o := NewObject(4)
	if p.space(); p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		return o, nil
	}
	for {
		if p.space(); p.i >= len(p.s) || p.s[p.i] != '"' {
			return nil, p.unexpected("double-quote to start field name")
		}
		k, err := p.str()
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			p.i--
			return nil, p.unexpected("a colon to separate field name and value")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(k, v)
		switch p.next() {
		case ',':
		case '}':
			return o, nil
		default:
			p.i--
			return nil, p.unexpected("comma to separate Object entries")
		}
	}
}

// next skips white space and takes one byte; 0 at the end of the text. It always advances by one.
func (p *parser) next() byte {
	p.space()
	p.i++
	if p.i > len(p.s) {
		return 0
	}
	return p.s[p.i-1]
}

func (p *parser) str() (string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			s := p.s[start:p.i]
			p.i++
			if !utf8.ValidString(s) {
				s = strings.ToValidUTF8(s, "\uFFFD")
			}
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.fail(p.i+1, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		}
		p.i++
	}
	return "", p.fail(p.i, "Unexpected end-of-input: was expecting closing quote for a string value")
}

// escaped reads the rest of a string that has an escape at p.i.
func (p *parser) escaped(start int) (string, error) {
	b := append(make([]byte, 0, p.i-start+32), p.s[start:p.i]...)
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return strings.ToValidUTF8(string(b), "\uFFFD"), nil
		case c < 0x20:
			return "", p.fail(p.i, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		case c != '\\':
			b = append(b, c)
			continue
		}
		if p.i == len(p.s) {
			break
		}
		c = p.s[p.i]
		p.i++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := p.hex4()
			if !ok {
				return "", p.fail(p.i, "Unexpected character in a \\u escape: expected 4 hexadecimal digits")
			}
			if utf16.IsSurrogate(r) {
				if strings.HasPrefix(p.s[p.i:], `\u`) {
					save := p.i
					p.i += 2
					low, ok := p.hex4()
					if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
						b = utf8.AppendRune(b, pair)
						continue
					}
					p.i = save
				}
				r = utf8.RuneError
			}
			b = utf8.AppendRune(b, r)
		default:
			return "", p.fail(p.i, "Unrecognized character escape '%c' (code %d)", c, c)
		}
	}
	return "", p.fail(p.i, "Unexpected end-of-input: was expecting closing quote for a string value")
}

func (p *parser) hex4() (rune, bool) {
	if p.i+4 > len(p.s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.i : p.i+4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	p.i += 4
	return r, true
}

// unexpected reports the character at p.i.
func (p *parser) unexpected(expecting string) error {
	if p.i >= len(p.s) {
		return p.fail(len(p.s), "Unexpected end-of-input: was expecting %s", expecting)
	}
	r, n := utf8.DecodeRuneInString(p.s[p.i:])
	return p.fail(p.i+n, "Unexpected character ('%c' (code %d)): was expecting %s", r, r, expecting)
}

// fail makes an error at offset end, the place after what was read.
func (p *parser) fail(end int, format string, args ...any) error {
	read := p.s[:min(end, len(p.s))]
	line := strings.Count(read, "\n") + 1
	column := utf8.RuneCountInString(read[strings.LastIndexByte(read, '\n')+1:]) + 1
	return &SyntaxError{Message: fmt.Sprintf(format, args...), Offset: end, Line: line, Column: column}
}
