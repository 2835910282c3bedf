package jsonata

import (
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// regex is a regular expression as a value: a function that searches a text, and gives an object with the match, its
// start and end, the groups, and a function next that searches on.
type regex struct{ pattern *pattern }

func (r *regex) arity() int { return 2 }

func (r *regex) call(ev *evaluator, args []any) (any, error) {
	if len(args) == 0 {
		return undefined, nil
	}
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	f, err := r.pattern.search(ev, s)
	return matchObject(s, f), err
}

// nextMatch is the function next of a match.
type nextMatch struct {
	text string
	next func() (*found, error)
}

func (n *nextMatch) arity() int { return 0 }

func (n *nextMatch) call(*evaluator) (any, error) {
	f, err := n.next()
	return matchObject(n.text, f), err
}

// matchObject makes the object of a match that expressions see; positions count UTF-16 units, as in JavaScript.
func matchObject(s string, f *found) any {
	if f == nil {
		return undefined
	}
	o := jsonvalue.NewObject(5)
	o.Set("match", f.match)
	o.Set("start", float64(units(s[:f.start])))
	o.Set("end", float64(units(s[:f.end])))
	o.Set("groups", newPlain(f.groups...))
	o.Set("next", &nextMatch{text: s, next: f.next})
	return o
}

// search runs a matcher: a regular expression, or a function that gives objects like those of one.
func (ev *evaluator) search(matcher any, s string) (*found, error) {
	if a, ok := matcher.(*argument); ok {
		matcher = a.f
	}
	if r, ok := matcher.(*regex); ok {
		return r.pattern.search(ev, s)
	}
	v, err := ev.callback(matcher, s)
	if err != nil {
		return nil, err
	}
	return ev.customMatch(s, v)
}

func (ev *evaluator) customMatch(s string, v any) (*found, error) {
	if isUndefined(v) || v == nil {
		return nil, nil
	}
	o, ok := v.(*object)
	if !ok {
		return nil, fail("T1010", undefined)
	}
	member := func(name string) any {
		if m, ok := o.Get(name); ok {
			return m
		}
		return undefined
	}
	start, startOK := number(member("start"))
	end, endOK := number(member("end"))
	groups, groupsOK := elements(member("groups"))
	next, nextOK := member("next").(function)
	if !startOK && !endOK && !groupsOK && !nextOK {
		return nil, fail("T1010", undefined)
	}
	match, _ := text(member("match"))
	f := &found{match: match, start: unitOffset(s, start), end: unitOffset(s, end), groups: groups}
	f.asObject = func() *object { return o }
	f.next = func() (*found, error) {
		if !nextOK {
			return nil, nil
		}
		v, err := ev.callback(next)
		if err != nil {
			return nil, err
		}
		return ev.customMatch(s, v)
	}
	return f, nil
}

// unitOffset turns a position in UTF-16 units into one in bytes.
func unitOffset(s string, at float64) int {
	n := 0.0
	for i, r := range s {
		if n >= at {
			return i
		}
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return len(s)
}

// limitOf reads an optional limit, which must not be negative; without one it is -1.
func limitOf(v any, code string, index int) (float64, error) {
	n, ok := number(v)
	if !ok {
		return -1, nil
	}
	if n < 0 {
		return 0, failArg(code, index, v)
	}
	return n, nil
}

// each calls f for every match, up to a limit.
func (ev *evaluator) eachMatch(matcher any, s string, limit float64, f func(*found) error) error {
	if limit == 0 {
		return nil
	}
	m, err := ev.search(matcher, s)
	for count := 0.0; err == nil && m != nil && (limit < 0 || count < limit); count++ {
		if err = f(m); err == nil {
			m, err = m.next()
		}
	}
	return err
}

func fnMatch(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	limit, err := limitOf(args[2], "D3040", 3)
	if err != nil {
		return nil, err
	}
	out := newSequence()
	counted, at := 0, 0 // UTF-16 units up to a position
	err = ev.eachMatch(args[1], s, limit, func(m *found) error {
		if m.start < at {
			counted, at = 0, 0
		}
		counted += units(s[at:m.start])
		at = m.start
		o := jsonvalue.NewObject(3)
		o.Set("match", m.match)
		o.Set("index", float64(counted))
		o.Set("groups", newPlain(m.groups...))
		out.items = append(out.items, o)
		return nil
	})
	return out, err
}

func fnContains(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	if token, ok := text(args[1]); ok {
		return strings.Contains(s, token), ev.spendText(len(s))
	}
	if isUndefined(args[1]) {
		return undefined, nil
	}
	m, err := ev.search(args[1], s)
	return m != nil, err
}

func fnSplit(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	limit, err := limitOf(args[2], "D3020", 3)
	if err != nil {
		return nil, err
	}
	out := newPlain()
	if limit == 0 {
		return out, nil
	}
	room := func() bool { return limit < 0 || float64(len(out.items)) < limit }
	if separator, ok := text(args[1]); ok {
		parts := strings.Split(s, separator)
		if separator == "" {
			parts = characters(s)
		}
		if err := ev.spend(len(parts) + len(s)/textPerStep); err != nil {
			return nil, err
		}
		for _, p := range parts {
			if limit >= 0 && len(out.items) >= int(limit) {
				break
			}
			out.items = append(out.items, p)
		}
		return out, nil
	}
	if isUndefined(args[1]) {
		return undefined, nil
	}
	at := 0
	err = ev.eachMatch(args[1], s, limit, func(m *found) error {
		out.items = append(out.items, s[min(at, m.start):m.start])
		at = m.end
		return nil
	})
	if room() {
		out.items = append(out.items, s[at:])
	}
	return out, err
}

func fnReplace(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	if token, ok := text(args[1]); ok && token == "" {
		return nil, failArg("D3010", 2, token)
	}
	limit, err := limitOf(args[3], "D3011", 4)
	if err != nil {
		return nil, err
	}
	if isUndefined(args[1]) || isUndefined(args[2]) {
		return undefined, nil
	}
	replacement, plain := text(args[2])
	if token, ok := text(args[1]); ok {
		if !plain {
			return nil, fail("D3012", args[2])
		}
		n := -1
		if limit >= 0 {
			n = int(min(limit+0.999999, float64(len(s)+1)))
		}
		hits := strings.Count(s, token)
		if n >= 0 {
			hits = min(hits, n)
		}
		if err := ev.spendText(len(s) + hits*len(replacement)); err != nil {
			return nil, err
		}
		return strings.Replace(s, token, replacement, n), nil
	}
	var b strings.Builder
	at := 0
	err = ev.eachMatch(args[1], s, limit, func(m *found) error {
		b.WriteString(s[min(at, m.start):m.start])
		with := substitute(replacement, m)
		if !plain {
			o := matchObject(s, m)
			if m.asObject != nil {
				o = m.asObject()
			}
			v, err := ev.callback(args[2], o)
			if err != nil {
				return err
			}
			if with, plain = v.(string); !plain {
				return fail("D3012", v)
			}
			plain = false
		}
		b.WriteString(with)
		at = min(m.start+len(m.match), len(s))
		return ev.spendText(len(with))
	})
	b.WriteString(s[at:])
	return b.String(), err
}

// substitute writes a replacement: $0 is the match, $1 and on are the groups, $$ is a dollar sign. As many digits are
// taken as the number of groups has, one less where that gives no group.
func substitute(replacement string, m *found) string {
	if !strings.Contains(replacement, "$") {
		return replacement
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(replacement, "$")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		replacement = after
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			replacement = after[1:]
			continue
		case strings.HasPrefix(after, "0"):
			b.WriteString(m.match)
			replacement = after[1:]
			continue
		}
		n := 0
		for n < len(after) && n < len(strconv.Itoa(max(1, len(m.groups)))) && after[n] >= '0' && after[n] <= '9' {
			n++
		}
		if n == 0 {
			b.WriteByte('$')
			continue
		}
		group, _ := strconv.Atoi(after[:n])
		if n > 1 && group > len(m.groups) {
			n--
			group, _ = strconv.Atoi(after[:n])
		}
		if group > 0 && group <= len(m.groups) {
			s, _ := m.groups[group-1].(string)
			b.WriteString(s)
		}
		replacement = after[n:]
	}
}
