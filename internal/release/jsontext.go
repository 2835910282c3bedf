package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
)

// span is a JSON value with its place in the text, so that a string can be replaced and every other byte kept.
type span struct {
	start, end int // of the value in the text
	kind       byte
	text       string   // of a string, decoded
	members    []member // of an object, in order
	items      []*span  // of an array
}

// member is one member of an object.
type member struct {
	name  string
	value *span
}

// The kinds of spans: the first byte of the value, all digits and the sign as kindNumber.
const (
	kindObject = '{'
	kindArray  = '['
	kindString = '"'
	kindNumber = '0'
)

// get returns the value of the member, or nil when s is no object or has none of that name.
func (s *span) get(name string) *span {
	if s == nil {
		return nil
	}
	for _, m := range s.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// isString reports whether s is there and is a string.
func (s *span) isString() bool { return s != nil && s.kind == kindString }

// parseText reads a JSON text. Objects that name a member twice are refused: which one counts differs between readers.
func parseText(text []byte) (*span, error) {
	var check any
	if err := json.Unmarshal(text, &check); err != nil {
		var syn *json.SyntaxError
		if errors.As(err, &syn) {
			line, col := lineColumn(text, int(syn.Offset))
			return nil, fmt.Errorf("the definition is no JSON text: line %d, column %d: %w", line, col, err)
		}
		return nil, fmt.Errorf("the definition is no JSON text: %w", err)
	}
	p := textParser{text: text}
	root := p.value()
	if p.twice != "" {
		line, col := lineColumn(text, p.twiceAt)
		return nil, fmt.Errorf("line %d, column %d: member %q stands twice in one object; remove one", line, col, p.twice)
	}
	return root, nil
}

func lineColumn(text []byte, offset int) (line, col int) {
	line, col = 1, 1
	for _, c := range text[:min(offset, len(text))] {
		if c == '\n' {
			line, col = line+1, 1
		} else {
			col++
		}
	}
	return line, col
}

// textParser walks a text that is known to be valid JSON.
type textParser struct {
	text    []byte
	pos     int
	twice   string
	twiceAt int
}

func (p *textParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

func (p *textParser) value() *span {
	p.space()
	s := &span{start: p.pos, kind: p.text[p.pos]}
	switch s.kind {
	case kindObject:
		names := map[string]bool{}
		p.pos++
		for p.space(); p.text[p.pos] != '}'; p.space() {
			if p.text[p.pos] == ',' {
				p.pos++
				p.space()
			}
			at := p.pos
			name := p.str()
			if names[name] && p.twice == "" {
				p.twice, p.twiceAt = name, at
			}
			names[name] = true
			p.space()
			p.pos++ // colon
			s.members = append(s.members, member{name, p.value()})
		}
		p.pos++
	case kindArray:
		p.pos++
		for p.space(); p.text[p.pos] != ']'; p.space() {
			if p.text[p.pos] == ',' {
				p.pos++
			}
			s.items = append(s.items, p.value())
		}
		p.pos++
	case kindString:
		s.text = p.str()
	default:
		if s.kind == '-' || (s.kind >= '0' && s.kind <= '9') {
			s.kind = kindNumber
		}
		for p.pos < len(p.text) {
			switch p.text[p.pos] {
			case ',', '}', ']', ' ', '\t', '\r', '\n':
				s.end = p.pos
				return s
			}
			p.pos++
		}
	}
	s.end = p.pos
	return s
}

func (p *textParser) str() string {
	start := p.pos
	for p.pos++; p.text[p.pos] != '"'; p.pos++ {
		if p.text[p.pos] == '\\' {
			p.pos++
		}
	}
	p.pos++
	var out string
	if json.Unmarshal(p.text[start:p.pos], &out) != nil { // the text was checked as a whole
		return string(p.text[start+1 : p.pos-1])
	}
	return out
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	with       string
}

// apply makes the edits, which do not overlap, and leaves every other byte as it is.
func apply(text []byte, edits []edit) []byte {
	sort.Slice(edits, func(i, j int) bool { return edits[i].start < edits[j].start })
	out := make([]byte, 0, len(text)+len(edits)*32)
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.start]...)
		out = append(out, e.with...)
		at = e.end
	}
	return append(out, text[at:]...)
}
