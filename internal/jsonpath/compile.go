package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
)

// Compile reads a path. Errors are of type *SyntaxError.
func Compile(text string) (p *Path, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			e.Path = text
			p, err = nil, e
		}
	}()
	return compile(text), nil
}

// reject ends the compilation; Compile turns it into its error.
func reject(format string, args ...any) {
	panic(&SyntaxError{Message: fmt.Sprintf(format, args...)})
}

// maxLength bounds the length of a path in bytes, and with it the work of compiling nested filters.
const maxLength = 16 * 1024

func compile(text string) *Path {
	s := strings.Trim(text, " ")
	switch {
	case s == "":
		reject("it is empty")
	case len(s) > maxLength:
		reject("it is longer than %d bytes", maxLength)
	}
	if s[0] != '$' && s[0] != '@' {
		s = "$." + s
	}
	if s[len(s)-1] == '.' {
		reject("it must not end with '.' or '..'")
	}
	p := &Path{text: text, fromRoot: s[0] == '$'}
	c := &compiler{cursor: cursor{s: s, end: len(s)}}
	if len(s) > 1 {
		c.pos = 1
		if c.at(1) != '.' && c.at(1) != '[' {
			reject("illegal character at position 1, expected '.' or '['")
		}
		for more := true; more; more = !c.tail() {
			c.token()
		}
	}
	p.tokens = c.tokens
	p.finish()
	return p
}

// finish works out what is known of a path before any document is seen.
func (p *Path) finish() {
	if n := len(p.tokens); n > 0 && p.tokens[n-1].kind == kindFunction && p.tokens[0].kind == kindScan {
		p.invert()
	}
	p.definite, p.simple = true, true
	for i := range p.tokens {
		t := &p.tokens[i]
		t.upstream = p.definite
		p.definite = p.definite && t.definite(i == len(p.tokens)-1)
		p.simple = p.simple && (t.kind == kindProperty && len(t.names) == 1 || t.kind == kindIndex && len(t.indexes) == 1)
		p.function = t.kind == kindFunction
	}
}

// invert makes $..a.f() the same as $.f($..a): a function after a scan works on all that the scan finds.
func (p *Path) invert() {
	for i, t := range p.tokens {
		if t.kind == kindFunction {
			inner := &Path{text: p.text, fromRoot: true, tokens: p.tokens[:i:i]}
			inner.finish()
			t.args = []argument{{path: inner}}
			p.tokens = append([]token{t}, p.tokens[i+1:]...)
			return
		}
	}
}

// cursor walks over a text; end is exclusive. Reading outside the text is a syntax error.
type cursor struct {
	s        string
	pos, end int
}

func (c *cursor) in(i int) bool { return i >= 0 && i < c.end }

func (c *cursor) at(i int) byte {
	if !c.in(i) {
		reject("it ends too early")
	}
	return c.s[i]
}

func (c *cursor) cur() byte { return c.at(c.pos) }

// is reports whether the character at the position is b.
func (c *cursor) is(b byte) bool { return c.in(c.pos) && c.s[c.pos] == b }

func (c *cursor) skipBlanks() *cursor {
	for c.pos < c.end-1 && c.s[c.pos] == ' ' {
		c.pos++
	}
	return c
}

// significant returns the index of the first character after i that is no blank; it may be out of the text.
func (c *cursor) significant(i int) int {
	for i++; c.in(i) && c.s[i] == ' '; i++ {
	}
	return i
}

// nextIs returns the index of the next significant character after i when it is b, else -1.
func (c *cursor) nextIs(i int, b byte) int {
	if i = c.significant(i); c.in(i) && c.s[i] == b {
		return i
	}
	return -1
}

// unescaped returns the index of the next b after i that has no backslash before it, or -1.
func (c *cursor) unescaped(i int, b byte) int {
	escape := false
	for i++; c.in(i); i++ {
		switch {
		case escape:
			escape = false
		case c.s[i] == '\\':
			escape = true
		case c.s[i] == b:
			return i
		}
	}
	return -1
}

// closing returns the index of the character that closes the one at i, or -1; it skips strings and, where asked, regular
// expressions.
func (c *cursor) closing(i int, open, shut byte, skipPatterns bool) int {
	if c.at(i) != open {
		reject("expected '%c' at position %d", open, i)
	}
	depth := 1
	for i++; c.in(i); i++ {
		if q := c.s[i]; q == '\'' || q == '"' {
			if i = c.unescaped(i, q); i < 0 {
				reject("there is no closing %c", q)
			}
			i++
		}
		if skipPatterns && c.at(i) == '/' {
			if i = c.unescaped(i, '/'); i < 0 {
				reject("a regular expression has no closing /")
			}
			i++
		}
		switch c.at(i) {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

type compiler struct {
	cursor
	tokens []token
}

// tail reports whether nothing more has to be read. As in Jayway, a single last character is not looked at.
func (c *compiler) tail() bool { return c.pos >= c.end-1 }

func (c *compiler) add(t token) { c.tokens = append(c.tokens, t) }

// token reads one token; c.pos is at its first character.
func (c *compiler) token() {
	switch c.cur() {
	case '[':
		if !c.names() && !c.array() && !c.wildcard() && !c.filter() {
			reject("could not parse the token at position %d, expected ?, ', 0-9 or *", c.pos)
		}
	case '.':
		c.dot()
	case '*':
		c.pos++
		c.add(token{kind: kindWildcard})
	default:
		c.word()
	}
}

func (c *compiler) dot() {
	if c.in(c.pos+1) && c.s[c.pos+1] == '.' {
		c.add(token{kind: kindScan})
		c.pos += 2
	} else {
		c.pos++
	}
	if c.cur() == '.' {
		reject("character '.' at position %d is not valid", c.pos)
	}
	c.token()
}

// word reads an unquoted property, or a function with its arguments.
func (c *compiler) word() {
	start := c.pos
	i := start
	for ; c.in(i); i++ {
		switch c.s[i] {
		case ' ':
			reject("use bracket notation ['my prop'] if your property contains blanks, position %d", start)
		case '.', '[':
		case '(':
			c.call(c.s[start:i], i)
			return
		default:
			continue
		}
		break
	}
	if i == start {
		reject("a property is missing at position %d", start)
	}
	c.add(token{kind: kindProperty, names: []string{c.s[start:i]}})
	c.pos = i
}

func (c *compiler) call(name string, open int) {
	fn, ok := functions[name]
	if !ok {
		reject("function %q does not exist", name)
	}
	depth, shut := 0, -1
	for i := open; c.in(i) && shut < 0; i++ {
		switch c.s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				shut = i
			}
		}
	}
	if shut < 0 {
		reject("the arguments of function %q are not closed", name)
	}
	c.add(token{kind: kindFunction, fn: fn, args: arguments(c.s[open+1 : shut])})
	c.pos = shut + 1
}

// names reads ['a'] and ['a','b'].
func (c *compiler) names() bool {
	i := c.significant(c.pos)
	if !c.in(i) || c.s[i] != '\'' && c.s[i] != '"' {
		return false
	}
	quote := c.s[i]
	var names []string
	for {
		shut := c.unescaped(i, quote)
		if shut < 0 {
			reject("a property has no closing %c", quote)
		}
		names = append(names, unescape(c.s[i+1:shut], quote))
		next := c.significant(shut)
		switch c.at(next) {
		case ']':
			c.add(token{kind: kindProperty, names: names})
			c.pos = next + 1
			return true
		case ',':
		default:
			reject("properties must be separated by commas or closed by ], position %d", shut)
		}
		if i = c.significant(next); c.at(i) != quote {
			reject("a property is missing at position %d", i)
		}
	}
}

// array reads indexes and slices.
func (c *compiler) array() bool {
	first := c.significant(c.pos)
	if !c.in(first) || !digit(c.s[first]) && c.s[first] != '-' && c.s[first] != ':' {
		return false
	}
	shut := strings.IndexByte(c.s[c.pos:c.end], ']')
	if shut < 0 {
		return false
	}
	shut += c.pos
	text := strings.Trim(c.s[c.pos+1:shut], " ")
	for i := range len(text) {
		if b := text[i]; !digit(b) && b != ',' && b != '-' && b != ':' && b != ' ' {
			return false
		}
	}
	if strings.Contains(text, ":") {
		c.add(slice(text))
	} else {
		t := token{kind: kindIndex}
		for part := range strings.SplitSeq(text, ",") {
			t.indexes = append(t.indexes, *number(strings.Trim(part, " "), text))
		}
		c.add(t)
	}
	c.pos = shut + 1
	return true
}

func slice(text string) token {
	if strings.ContainsAny(text, " ,") {
		reject("failed to parse the slice %q", text)
	}
	parts := strings.Split(text, ":")
	t := token{kind: kindSlice}
	if parts[0] != "" {
		t.from = number(parts[0], text)
	}
	if parts[1] != "" {
		t.to = number(parts[1], text)
	}
	if t.from == nil && t.to == nil {
		reject("failed to parse the slice %q", text)
	}
	return t
}

func number(part, text string) *int {
	n, err := strconv.ParseInt(part, 10, 32)
	if err != nil {
		reject("failed to parse the index in %q", text)
	}
	i := int(n)
	return &i
}

func (c *compiler) wildcard() bool {
	star := c.nextIs(c.pos, '*')
	if star < 0 {
		return false
	}
	shut := c.nextIs(star, ']')
	if shut < 0 {
		reject("a wildcard must end with ] at position %d", star+1)
	}
	c.add(token{kind: kindWildcard})
	c.pos = shut + 1
	return true
}

func (c *compiler) filter() bool {
	mark := c.nextIs(c.pos, '?')
	if mark < 0 {
		return false
	}
	open := c.nextIs(mark, '(')
	if open < 0 {
		return false
	}
	shut := c.closing(open, '(', ')', true)
	if shut < 0 {
		return false
	}
	end := c.nextIs(shut, ']')
	if end < 0 {
		return false
	}
	c.add(token{kind: kindFilter, filter: compileFilter(c.s[open : shut+1])})
	c.pos = end + 1
	return true
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// unescape resolves Java's escapes in a text that stood in quotes. A backslash before the other kind of quote is kept, as
// Step Functions keeps it.
func unescape(s string, quote byte) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		switch s[i] {
		case '\'', '"':
			if s[i] != quote {
				b = append(b, '\\')
			}
			b = append(b, s[i])
		case 'r':
			b = append(b, '\r')
		case 'f':
			b = append(b, '\f')
		case 't':
			b = append(b, '\t')
		case 'n':
			b = append(b, '\n')
		case 'b':
			b = append(b, '\b')
		case 'u':
			if i+4 < len(s) {
				if r, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil {
					b = append(b, string(rune(r))...)
					i += 4
					continue
				}
			}
			reject("a \\u escape needs four hexadecimal digits")
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}
