package awsproto

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader walks a JSON text with a plan. The text is valid UTF-8.
type jsonReader struct {
	data []byte
	pos  int
	only []bool // members of the outermost structure to read; nil means all

	elements int // list members and map entries so far
}

func (r *jsonReader) malformed() error {
	if r.pos >= len(r.data) {
		return serialization("Unexpected end of the JSON document")
	}
	c, _ := utf8.DecodeRune(r.data[r.pos:])
	return serialization("Unexpected character (" + strconv.QuoteRune(c) + ") at offset " + strconv.Itoa(r.pos) + " of the JSON document")
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end.
func (r *jsonReader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

func (r *jsonReader) literal(s string) bool {
	if len(r.data)-r.pos >= len(s) && string(r.data[r.pos:r.pos+len(s)]) == s {
		r.pos += len(s)
		return true
	}
	return false
}

// text reads a string; the result may share the document's memory.
func (r *jsonReader) text() ([]byte, error) {
	start := r.pos + 1
	for i := start; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			return r.data[start:i], nil
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.pos = i
			return nil, r.malformed()
		}
	}
	r.pos = len(r.data)
	return nil, r.malformed()
}

// escaped goes on with a string whose first escape stands at i.
func (r *jsonReader) escaped(start, i int) ([]byte, error) {
	out := append(make([]byte, 0, i-start+64), r.data[start:i]...)
	for i < len(r.data) {
		c := r.data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return out, nil
		case c < ' ':
			r.pos = i
			return nil, r.malformed()
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(r.data) {
			break
		}
		switch e := r.data[i+1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			u, ok := r.hex(i + 2)
			if !ok {
				r.pos = i
				return nil, r.malformed()
			}
			i += 6
			if utf16.IsSurrogate(u) {
				low, ok := rune(0), false
				if i+1 < len(r.data) && r.data[i] == '\\' && r.data[i+1] == 'u' {
					low, ok = r.hex(i + 2)
				}
				if pair := utf16.DecodeRune(u, low); ok && pair != utf8.RuneError {
					u, i = pair, i+6
				} else {
					u = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, u)
			continue
		default:
			r.pos = i + 1
			return nil, r.malformed()
		}
		i += 2
	}
	r.pos = len(r.data)
	return nil, r.malformed()
}

func (r *jsonReader) hex(at int) (rune, bool) {
	if at+4 > len(r.data) {
		return 0, false
	}
	var u rune
	for _, c := range r.data[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			u = u<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			u = u<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

// number reads a number by JSON's grammar and tells whether it is written as an integer.
func (r *jsonReader) number() (text string, integer bool, err error) {
	i, start := r.pos, r.pos
	digits := func() bool {
		from := i
		for i < len(r.data) && r.data[i] >= '0' && r.data[i] <= '9' {
			i++
		}
		return i > from
	}
	fail := func() (string, bool, error) {
		r.pos = i
		return "", false, r.malformed()
	}
	if i < len(r.data) && r.data[i] == '-' {
		i++
	}
	if i < len(r.data) && r.data[i] == '0' {
		i++
	} else if !digits() {
		return fail()
	}
	integer = true
	if i < len(r.data) && r.data[i] == '.' {
		i++
		integer = false
		if !digits() {
			return fail()
		}
	}
	if i < len(r.data) && (r.data[i] == 'e' || r.data[i] == 'E') {
		i++
		integer = false
		if i < len(r.data) && (r.data[i] == '+' || r.data[i] == '-') {
			i++
		}
		if !digits() {
			return fail()
		}
	}
	r.pos = i
	return string(r.data[start:i]), integer, nil
}

func (r *jsonReader) atNumber() bool {
	c := r.peek()
	return c == '-' || c >= '0' && c <= '9'
}

// next reads the comma or the end after an element.
func (r *jsonReader) next(end byte) (more bool, err error) {
	r.space()
	switch r.peek() {
	case ',':
		r.pos++
		return true, nil
	case end:
		r.pos++
		return false, nil
	}
	return false, r.malformed()
}

// members walks an object; each is called with the position at the member's value and must consume it.
func (r *jsonReader) members(want string, each func(key []byte) error) error {
	if r.peek() != '{' {
		return r.wrongCollection(want)
	}
	r.pos++
	for first := true; ; first = false {
		r.space()
		if r.peek() == '}' && first {
			r.pos++
			return nil
		}
		if r.peek() != '"' {
			return r.malformed()
		}
		key, err := r.text()
		if err != nil {
			return err
		}
		r.space()
		if r.peek() != ':' {
			return r.malformed()
		}
		r.pos++
		if err := each(key); err != nil {
			return err
		}
		more, err := r.next('}')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// skip reads past the next value, checking its grammar.
func (r *jsonReader) skip(depth int) error {
	if depth > maxDepth {
		return serialization("The JSON document is nested deeper than " + strconv.Itoa(maxDepth) + " levels")
	}
	r.space()
	switch c := r.peek(); {
	case c == '"':
		_, err := r.text()
		return err
	case c == '{':
		return r.members("map", func([]byte) error { return r.skip(depth + 1) })
	case c == '[':
		r.pos++
		for first := true; ; first = false {
			r.space()
			if r.peek() == ']' && first {
				r.pos++
				return nil
			}
			if err := r.skip(depth + 1); err != nil {
				return err
			}
			more, err := r.next(']')
			if err != nil || !more {
				return err
			}
		}
	case r.atNumber():
		_, _, err := r.number()
		return err
	case r.literal("true"), r.literal("false"), r.literal("null"):
		return nil
	}
	return r.malformed()
}
