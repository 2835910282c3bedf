package filterpattern

import (
	"regexp"
	"strconv"
	"strings"
)

// condition compares a value, which is a string, a number as strconv reads it, or missing.
type condition struct {
	op      string // = != < > <= >=
	number  *float64
	text    string // with * for anything, when wild
	wild    bool
	pattern *regexp.Regexp
}

// operators, longest first.
var operators = []string{"!=", "<=", ">=", "=", "<", ">"}

// condition reads an operator and what to compare with. ends are the bytes at which an unquoted operand ends.
func (s *scanner) condition(ends string) (c condition, err error) {
	s.space()
	for _, op := range operators {
		if s.take(op) {
			c.op = op
			break
		}
	}
	if c.op == "" {
		return c, s.fail("one of = != < > <= >= is missing")
	}
	s.space()
	switch s.peek() {
	case '%':
		if c.pattern, err = s.expression(); err != nil {
			return c, err
		}
	case '"':
		if c.text, err = s.quoted(); err != nil {
			return c, err
		}
		c.wild = strings.Contains(c.text, "*")
	default:
		from := s.at
		for !s.done() && strings.IndexByte(ends, s.text[s.at]) < 0 {
			s.at++
		}
		c.text = strings.TrimSpace(s.text[from:s.at])
		if c.text == "" {
			return c, s.fail("there is nothing to compare with")
		}
		if n, err := strconv.ParseFloat(c.text, 64); err == nil {
			c.number = &n
		}
		c.wild = strings.Contains(c.text, "*")
	}
	if c.number == nil && c.op != "=" && c.op != "!=" {
		return c, s.fail(c.op + " compares numbers")
	}
	return c, nil
}

// holds tests a value that is there.
func (c condition) holds(value string) bool {
	if c.number != nil {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return c.op == "!="
		}
		switch c.op {
		case "=":
			return n == *c.number
		case "!=":
			return n != *c.number
		case "<":
			return n < *c.number
		case ">":
			return n > *c.number
		case "<=":
			return n <= *c.number
		default:
			return n >= *c.number
		}
	}
	var same bool
	switch {
	case c.pattern != nil:
		same = c.pattern.MatchString(value)
	case c.wild:
		same = glob(c.text, value)
	default:
		same = c.text == value
	}
	return same == (c.op == "=")
}

// glob matches with * for any text, in time linear in both for each *.
func glob(pattern, text string) bool {
	first, rest, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}
