package jsonata

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Regular expressions are JavaScript's. Most can be said in the words of Go's package regexp, which searches in linear
// time; what needs lookaround or references back goes to regexp2, which backtracks, and is bounded in time. pattern.go is
// the only file that knows either.

// searchTime bounds one search by backtracking; between searches Options.Interrupt is asked.
const searchTime = 250 * time.Millisecond

// maxProgram bounds the size of a regular expression that is searched in linear time, in instructions.
const maxProgram = 20_000

// pattern is a compiled regular expression, safe for concurrent use.
type pattern struct {
	text         string
	linear       *regexp.Regexp // nil where backtracking is needed
	cost         int            // of a character searched by linear, against a short expression's
	backtracking *regexp2.Regexp
}

// compilePattern compiles a regular expression with the flags i (case does not matter) and m (^ and $ match at lines).
func compilePattern(text, flags string) (*pattern, error) {
	p := &pattern{text: text}
	if src, ok := linearSource(text); ok {
		if flags != "" {
			src = "(?" + flags + ")" + src
		}
		// What can match nothing is left to the other engine, which tells at once where it does.
		if p.cost = programSize(src) / 32; p.cost <= maxProgram/32 {
			if re, err := regexp.Compile(src); err == nil && !re.MatchString("") {
				p.linear, p.cost = re, max(1, p.cost)
				return p, nil
			}
		}
	}
	options := regexp2.RegexOptions(regexp2.ECMAScript)
	if strings.Contains(flags, "i") {
		options |= regexp2.IgnoreCase
	}
	if strings.Contains(flags, "m") {
		options |= regexp2.Multiline
	}
	re, err := regexp2.Compile(backtrackingSource(text), options)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = searchTime
	p.backtracking = re
	return p, nil
}

// programSize counts the instructions of a regular expression of Go's; one that is not valid has none.
func programSize(src string) int {
	re, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

// jsSpace is what \s matches in JavaScript, for use within brackets; a point excludes the ends of lines.
const (
	jsSpace = `\t\n\v\f\r \x{00a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	jsPoint = `[^\n\r\x{2028}\x{2029}]`
)

// linearSource writes a regular expression of JavaScript as one of Go's, if it has nothing that Go lacks.
func linearSource(text string) (string, bool) {
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		c, rest := text[i], text[i:]
		switch {
		case c == '\\':
			if len(rest) < 2 {
				return "", false
			}
			s, n := linearEscape(rest, class)
			if n == 0 {
				return "", false
			}
			b.WriteString(s)
			i += n - 1
		case class && c == '[':
			b.WriteString(`\[`)
		case class:
			class = c != ']'
			b.WriteByte(c)
		case strings.HasPrefix(rest, "[]"), strings.HasPrefix(rest, "[^]"):
			return "", false
		case c == '[':
			class = true
			b.WriteByte(c)
			if strings.HasPrefix(rest, "[^") {
				b.WriteByte('^')
				i++
			}
		case c == '.':
			b.WriteString(jsPoint)
		case strings.HasPrefix(rest, "(?") && !strings.HasPrefix(rest, "(?:"):
			name, _, ok := strings.Cut(strings.TrimPrefix(rest, "(?<"), ">")
			if !ok || !strings.HasPrefix(rest, "(?<") || strings.HasPrefix(name, "=") || strings.HasPrefix(name, "!") {
				return "", false
			}
			b.WriteByte('(')
			i += len("(?<>") + len(name) - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), !class
}

// linearEscape writes an escape, of n bytes, for Go; n is 0 where Go has no word for it.
func linearEscape(rest string, class bool) (s string, n int) {
	hex := func(digits int) (string, int) {
		if len(rest) < 2+digits {
			return "", 0
		}
		if _, err := strconv.ParseUint(rest[2:2+digits], 16, 32); err != nil {
			return "", 0
		}
		return `\x{` + rest[2:2+digits] + "}", 2 + digits
	}
	switch c := rest[1]; {
	case strings.IndexByte("dDwWtnrvf", c) >= 0, (c == 'b' || c == 'B') && !class:
		return rest[:2], 2
	case c == 's' && class:
		return jsSpace, 2
	case c == 's':
		return "[" + jsSpace + "]", 2
	case c == 'S' && !class:
		return "[^" + jsSpace + "]", 2
	case c == 'u':
		return hex(4)
	case c == 'x':
		return hex(2)
	case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80:
		return "", 0
	}
	return rest[:2], 2
}

// backtrackingSource writes a regular expression of JavaScript in regexp2's words: groups with names become plain ones,
// since both number them differently, and a point excludes all four ends of a line.
func backtrackingSource(text string) string {
	var b strings.Builder
	numbers := map[string]int{}
	group, class := 0, false
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case !class && strings.HasPrefix(rest, `\k<`):
			name, _, ok := strings.Cut(rest[3:], ">")
			if n := numbers[name]; ok && n > 0 {
				b.WriteString(`(?:\` + strconv.Itoa(n) + ")")
				i += 3 + len(name)
				continue
			}
			b.WriteString(`\k`)
			i++
		case c == '\\' && len(rest) > 1:
			b.WriteString(rest[:2])
			i++
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
		case c == '.':
			b.WriteString(`[^\n\r\u2028\u2029]`)
		case c == '(' && !strings.HasPrefix(rest, "(?"):
			group++
			b.WriteByte(c)
		case strings.HasPrefix(rest, "(?<") && !strings.HasPrefix(rest, "(?<=") && !strings.HasPrefix(rest, "(?<!"):
			group++
			b.WriteByte('(')
			if name, _, ok := strings.Cut(rest[3:], ">"); ok {
				numbers[name] = group
				i += 3 + len(name)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// found is a match of a matcher: start and end are bytes; next searches on.
type found struct {
	match      string
	start, end int
	groups     []any
	next       func() (*found, error)
	asObject   func() *object // of a matcher that is a function
}

// search finds the first match in s; nil means there is none.
func (p *pattern) search(ev *evaluator, s string) (*found, error) {
	if p.linear != nil {
		l := &linearSearch{p: p, ev: ev, text: s}
		return l.match(0)
	}
	b := &backtrackingSearch{p: p, ev: ev, text: s, runes: []rune(s)}
	return b.from(0)
}

// linearSearch goes through the matches of Go's engine, which knows no search from within a text: it asks for the first
// match, and, as more are wanted, for eight times as many.
type linearSearch struct {
	p       *pattern
	ev      *evaluator
	text    string
	matches [][]int
	asked   int
}

func (l *linearSearch) match(i int) (*found, error) {
	if i >= len(l.matches) {
		if len(l.matches) < l.asked {
			return nil, nil
		}
		l.asked = max(1, 8*l.asked)
		if err := l.ev.spend(1 + len(l.text)*l.p.cost/4); err != nil {
			return nil, err
		}
		if l.matches = l.p.linear.FindAllStringSubmatchIndex(l.text, l.asked); i >= len(l.matches) {
			return nil, nil
		}
	}
	m := l.matches[i]
	f := &found{match: l.text[m[0]:m[1]], start: m[0], end: m[1]}
	if f.match == "" {
		return nil, fail("D1004", l.p.text)
	}
	if err := l.ev.spend(len(m)); err != nil {
		return nil, err
	}
	for g := 2; g+1 < len(m); g += 2 {
		v := undefined
		if m[g] >= 0 {
			v = l.text[m[g]:m[g+1]]
		}
		f.groups = append(f.groups, v)
	}
	f.next = func() (*found, error) {
		if f.end >= len(l.text) {
			return nil, nil
		}
		return l.match(i + 1)
	}
	return f, nil
}

// backtrackingSearch goes through the matches of regexp2, which counts in runes.
type backtrackingSearch struct {
	p     *pattern
	ev    *evaluator
	text  string
	runes []rune
	bytes int // of the first counted runes
	count int
}

// byteAt turns a position in runes into one in bytes; quick when positions come in order.
func (b *backtrackingSearch) byteAt(rune int) int {
	if len(b.runes) == len(b.text) {
		return rune
	}
	if rune < b.count {
		b.count, b.bytes = 0, 0
	}
	for ; b.count < rune; b.count++ {
		_, n := utf8.DecodeRuneInString(b.text[b.bytes:]) // 1 for what is not UTF-8, as when runes was made
		b.bytes += n
	}
	return b.bytes
}

func (b *backtrackingSearch) from(at int) (*found, error) {
	b.ev.steps -= 100 + (len(b.runes)-at)/4
	if err := b.ev.pause(); err != nil {
		return nil, err
	}
	m, err := b.p.backtracking.FindRunesMatchStartingAt(b.runes, at)
	if err != nil {
		return nil, fail("D3153", undefined)
	}
	if m == nil {
		return nil, nil
	}
	if m.Length == 0 {
		return nil, fail("D1004", b.p.text)
	}
	end := m.Index + m.Length
	f := &found{match: m.String(), start: b.byteAt(m.Index)}
	f.end = b.byteAt(end)
	for _, g := range m.Groups()[1:] {
		v := undefined
		if len(g.Captures) > 0 {
			v = g.String()
		}
		f.groups = append(f.groups, v)
	}
	f.next = func() (*found, error) {
		if end >= len(b.runes) {
			return nil, nil
		}
		return b.from(end)
	}
	return f, nil
}
