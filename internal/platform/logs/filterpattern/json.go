package filterpattern

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxDepth bounds the parentheses of a pattern.
const maxDepth = 32

// compileJSON reads { SELECTOR OPERATOR VALUE } with &&, || and parentheses. What is no JSON object does not match.
func compileJSON(text string) (func(string) bool, error) {
	s := &scanner{text: text, at: 1}
	test, err := s.or(0)
	if err != nil {
		return nil, err
	}
	s.space()
	if !s.take("}") || !s.done() {
		return nil, s.fail("a closing } is missing")
	}
	return func(m string) bool {
		var v any
		if !strings.HasPrefix(strings.TrimLeft(m, " \t\r\n"), "{") {
			return false
		}
		d := json.NewDecoder(strings.NewReader(m))
		d.UseNumber()
		return d.Decode(&v) == nil && test(v)
	}, nil
}

type test func(document any) bool

func (s *scanner) or(depth int) (test, error) {
	left, err := s.and(depth)
	for err == nil {
		if s.space(); !s.take("||") {
			return left, nil
		}
		var right test
		if right, err = s.and(depth); err == nil {
			before := left
			left = func(v any) bool { return before(v) || right(v) }
		}
	}
	return nil, err
}

func (s *scanner) and(depth int) (test, error) {
	left, err := s.one(depth)
	for err == nil {
		if s.space(); !s.take("&&") {
			return left, nil
		}
		var right test
		if right, err = s.one(depth); err == nil {
			before := left
			left = func(v any) bool { return before(v) && right(v) }
		}
	}
	return nil, err
}

func (s *scanner) one(depth int) (test, error) {
	if s.space(); s.take("(") {
		if depth >= maxDepth {
			return nil, s.fail("there are too many parentheses")
		}
		inner, err := s.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if s.space(); !s.take(")") {
			return nil, s.fail("a closing ) is missing")
		}
		return inner, nil
	}
	path, err := s.selector()
	if err != nil {
		return nil, err
	}
	s.space()
	switch {
	case s.keyword("IS"):
		switch {
		case s.keyword("NULL"):
			return func(v any) bool { got, ok := path.find(v); return ok && got == nil }, nil
		case s.keyword("TRUE"):
			return func(v any) bool { got, _ := path.find(v); return got == true }, nil
		case s.keyword("FALSE"):
			return func(v any) bool { got, _ := path.find(v); return got == false }, nil
		}
		return nil, s.fail("after IS comes TRUE, FALSE or NULL")
	case s.keyword("NOT"):
		if !s.keyword("EXISTS") {
			return nil, s.fail("after NOT comes EXISTS")
		}
		return func(v any) bool { _, ok := path.find(v); return !ok }, nil
	case s.keyword("EXISTS"):
		return func(v any) bool { _, ok := path.find(v); return ok }, nil
	}
	c, err := s.condition(" \t\r\n)&|}")
	if err != nil {
		return nil, err
	}
	return func(v any) bool {
		got, ok := path.find(v)
		if !ok {
			return false
		}
		switch got := got.(type) {
		case string:
			return c.holds(got)
		case json.Number:
			return c.holds(got.String())
		case bool:
			return c.holds(strconv.FormatBool(got))
		}
		return false
	}, nil
}

// keyword takes a word, in any case.
func (s *scanner) keyword(word string) bool {
	s.space()
	end := s.at + len(word)
	if end > len(s.text) || !strings.EqualFold(s.text[s.at:end], word) || end < len(s.text) && strings.IndexByte(" \t\r\n)&|}", s.text[end]) < 0 {
		return false
	}
	s.at = end
	return true
}

// path is a selector: names of members and indices of lists.
type path []step

type step struct {
	name  string
	index int // when name is ""
}

// selector reads $.name.name[0].["any name"].
func (s *scanner) selector() (p path, err error) {
	s.space()
	if !s.take("$") {
		return nil, s.fail("a selector begins with $")
	}
	for {
		switch {
		case s.take(`["`):
			s.at--
			name, err := s.quoted()
			if err != nil {
				return nil, err
			}
			if !s.take("]") {
				return nil, s.fail("a closing ] is missing")
			}
			p = append(p, step{name: name})
		case s.take("["):
			from := s.at
			for s.peek() >= '0' && s.peek() <= '9' {
				s.at++
			}
			n, err := strconv.Atoi(s.text[from:s.at])
			if err != nil || !s.take("]") {
				return nil, s.fail("an index is a number between [ and ]")
			}
			p = append(p, step{index: n})
		case s.take("."):
			if s.peek() == '[' {
				continue
			}
			from := s.at
			for !s.done() && strings.IndexByte(" \t\r\n.[]()=!<>&|{}\"", s.text[s.at]) < 0 {
				s.at++
			}
			if s.at == from {
				return nil, s.fail("a name is missing")
			}
			p = append(p, step{name: s.text[from:s.at]})
		case len(p) == 0:
			return nil, s.fail("a selector names a property: $.name")
		default:
			return p, nil
		}
	}
}

// find gives the value at the path, and whether there is one.
func (p path) find(v any) (any, bool) {
	for _, st := range p {
		if st.name != "" {
			object, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = object[st.name]; !ok {
				return nil, false
			}
			continue
		}
		list, ok := v.([]any)
		if !ok || st.index >= len(list) {
			return nil, false
		}
		v = list[st.index]
	}
	return v, true
}
