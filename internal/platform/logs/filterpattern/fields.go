package filterpattern

import "strings"

// field is one name of [a, b = 4*, ...].
type field struct {
	rest       bool // ...
	conditions []condition
	or         bool // between the conditions
}

// compileFields reads [name, name OPERATOR value, ...]. A message is cut at spaces; what stands in quotes or brackets is
// one field.
func compileFields(text string) (func(string) bool, error) {
	s := &scanner{text: text, at: 1}
	var fields []field
	rest := -1
	for {
		s.space()
		f := field{}
		if s.take("...") {
			if rest >= 0 {
				return nil, s.fail("... stands once at most")
			}
			rest, f.rest = len(fields), true
		} else {
			if err := s.field(&f); err != nil {
				return nil, err
			}
		}
		fields = append(fields, f)
		s.space()
		if s.take("]") {
			break
		}
		if !s.take(",") {
			return nil, s.fail("a comma or a closing ] is missing")
		}
	}
	if s.space(); !s.done() {
		return nil, s.fail("there is something behind the ]")
	}
	return func(m string) bool {
		got := cut(m, len(fields)+1<<10)
		if rest < 0 {
			return len(got) == len(fields) && hold(fields, got)
		}
		after := fields[rest+1:]
		return len(got) >= len(fields)-1 && hold(fields[:rest], got) && hold(after, got[len(got)-len(after):])
	}, nil
}

// field reads a name with its conditions: a, a = b, a = b || a = c.
func (s *scanner) field(f *field) error {
	for {
		s.space()
		from := s.at
		for !s.done() && strings.IndexByte(" \t\r\n,]=!<>&|", s.text[s.at]) < 0 {
			s.at++
		}
		name := s.text[from:s.at]
		s.space()
		if c := s.peek(); c == ',' || c == ']' {
			if name == "" || len(f.conditions) > 0 {
				return s.fail("a field has a name")
			}
			return nil
		}
		c, err := s.condition(" \t\r\n,]&|")
		if err != nil {
			return err
		}
		f.conditions = append(f.conditions, c)
		s.space()
		switch {
		case s.take("||"):
			if len(f.conditions) > 1 && !f.or {
				return s.fail("a field has && or ||, not both")
			}
			f.or = true
		case s.take("&&"):
			if f.or {
				return s.fail("a field has && or ||, not both")
			}
		default:
			return nil
		}
	}
}

func hold(fields []field, values []string) bool {
	for i, f := range fields {
		any := len(f.conditions) == 0
		for _, c := range f.conditions {
			ok := c.holds(values[i])
			if !ok && !f.or {
				return false
			}
			any = any || ok
		}
		if !any {
			return false
		}
	}
	return true
}

// cut gives the fields of a message, at most limit.
func cut(m string, limit int) []string {
	var out []string
	for len(out) < limit {
		m = strings.TrimLeft(m, " ")
		if m == "" {
			return out
		}
		end, from := -1, 1
		switch m[0] {
		case '"':
			end = strings.IndexByte(m[1:], '"')
		case '[':
			end = strings.IndexByte(m[1:], ']')
		}
		if end >= 0 {
			out = append(out, m[from:1+end])
			m = m[end+2:]
			continue
		}
		word, rest, _ := strings.Cut(m, " ")
		out = append(out, word)
		m = rest
	}
	return out
}
