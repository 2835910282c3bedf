package vtl

import (
	"strings"
)

// parser reads one template from left to right.
type parser struct {
	src   string
	at    int
	depth int
	t     *Template
}

func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail("more than %d blocks or brackets within one another", maxDepth)
	}
	return nil
}

// block reads up to #else, #elseif, #end or the end; it returns which of them it met.
func (p *parser) block() (nodes []node, end string, err error) {
	if err := p.deeper(); err != nil {
		return nil, "", err
	}
	defer func() { p.depth-- }()
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			nodes = append(nodes, textNode(text.String()))
			text.Reset()
		}
	}
	for p.at < len(p.src) {
		c := p.src[p.at]
		if c == '\\' && p.at+1 < len(p.src) && (p.src[p.at+1] == '$' || p.src[p.at+1] == '#') {
			text.WriteByte(p.src[p.at+1])
			p.at += 2
			continue
		}
		if c == '$' {
			n, err := p.reference()
			if err != nil {
				return nil, "", err
			}
			if n == nil {
				text.WriteByte('$')
				p.at++
				continue
			}
			flush()
			nodes = append(nodes, n)
			continue
		}
		if c != '#' {
			text.WriteByte(c)
			p.at++
			continue
		}
		rest := p.src[p.at:]
		switch {
		case strings.HasPrefix(rest, "##"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				p.at += i + 1
			} else {
				p.at = len(p.src)
			}
			continue
		case strings.HasPrefix(rest, "#*"):
			i := strings.Index(rest, "*#")
			if i < 0 {
				return nil, "", p.fail("a comment has no end")
			}
			p.at += i + 2
			continue
		case strings.HasPrefix(rest, "#[["):
			i := strings.Index(rest, "]]#")
			if i < 0 {
				return nil, "", p.fail("#[[ has no ]]#")
			}
			text.WriteString(rest[3:i])
			p.at += i + 3
			continue
		}
		word, length := directive(rest)
		if word == "" {
			text.WriteByte('#')
			p.at++
			continue
		}
		if word == "set" { // the space before it goes with it
			kept := strings.TrimRight(text.String(), " \t")
			text.Reset()
			text.WriteString(kept)
		}
		flush()
		p.at += length
		n, end, err := p.directive(word)
		if err != nil {
			return nil, "", err
		}
		if end != "" {
			return nodes, end, nil
		}
		nodes = append(nodes, n)
	}
	flush()
	return nodes, "", nil
}

// directive reads the name after a #, also in braces; "" when there is none.
func directive(s string) (word string, length int) {
	s = s[1:]
	braced := strings.HasPrefix(s, "{")
	if braced {
		s = s[1:]
	}
	n := 0
	for n < len(s) && ('a' <= s[n] && s[n] <= 'z' || 'A' <= s[n] && s[n] <= 'Z') {
		n++
	}
	word = s[:n]
	switch word {
	case "set", "if", "elseif", "else", "end", "foreach", "break", "stop", "macro", "parse", "include", "evaluate", "define":
	default:
		return "", 0
	}
	if braced {
		if n >= len(s) || s[n] != '}' {
			return "", 0
		}
		return word, n + 3
	}
	return word, n + 1
}

// directive reads what follows the name of a directive.
func (p *parser) directive(word string) (n node, end string, err error) {
	switch word {
	case "else", "end":
		p.restOfLine()
		return nil, word, nil
	case "elseif":
		return nil, word, nil
	case "break":
		p.restOfLine()
		return breakNode{}, "", nil
	case "stop":
		return stopNode{}, "", nil
	case "set":
		n, err = p.set()
	case "if":
		n, err = p.ifBlock()
	case "foreach":
		n, err = p.foreach()
	default:
		err = p.fail("#%s is not supported by this platform", word)
	}
	return n, "", err
}

// restOfLine takes the space up to the end of the line, and that, when nothing else stands there.
func (p *parser) restOfLine() {
	i := p.at
	for i < len(p.src) && (p.src[i] == ' ' || p.src[i] == '\t' || p.src[i] == '\r') {
		i++
	}
	if i < len(p.src) && p.src[i] == '\n' {
		p.at = i + 1
	}
}

func (p *parser) space() {
	for p.at < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.at]) >= 0 {
		p.at++
	}
}

// take takes s, after space, or reports false.
func (p *parser) take(s string) bool {
	p.space()
	if strings.HasPrefix(p.src[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) expect(s, where string) error {
	if !p.take(s) {
		return p.fail("%s needs %q", where, s)
	}
	return nil
}

func (p *parser) set() (node, error) {
	if err := p.expect("(", "#set"); err != nil {
		return nil, err
	}
	p.space()
	to, err := p.reference()
	if err != nil {
		return nil, err
	}
	if to == nil {
		return nil, p.fail("#set needs a reference to set")
	}
	if k := len(to.ref.steps); k > 0 && to.ref.steps[k-1].method {
		return nil, p.fail("#set cannot set what a method returns")
	}
	if err := p.expect("=", "#set"); err != nil {
		return nil, err
	}
	v, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", "#set"); err != nil {
		return nil, err
	}
	p.restOfLine()
	return &setNode{to.ref, v}, nil
}

func (p *parser) condition(where string) (expr, error) {
	if err := p.expect("(", where); err != nil {
		return nil, err
	}
	c, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", where); err != nil {
		return nil, err
	}
	p.restOfLine()
	return c, nil
}

func (p *parser) ifBlock() (node, error) {
	n := &ifNode{}
	for word := "if"; ; {
		var arm ifArm
		var err error
		if word != "else" {
			if arm.condition, err = p.condition("#" + word); err != nil {
				return nil, err
			}
		}
		body, end, err := p.block()
		if err != nil {
			return nil, err
		}
		if word == "else" {
			n.other = body
		} else {
			arm.body = body
			n.arms = append(n.arms, arm)
		}
		switch {
		case end == "end":
			return n, nil
		case end == "":
			return nil, p.fail("#if has no #end")
		case word == "else":
			return nil, p.fail("#%s follows #else", end)
		}
		word = end
	}
}

func (p *parser) foreach() (node, error) {
	if err := p.expect("(", "#foreach"); err != nil {
		return nil, err
	}
	p.space()
	v, err := p.reference()
	if err != nil {
		return nil, err
	}
	if v == nil || len(v.ref.steps) > 0 {
		return nil, p.fail("#foreach needs a variable")
	}
	if err := p.expect("in", "#foreach"); err != nil {
		return nil, err
	}
	in, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", "#foreach"); err != nil {
		return nil, err
	}
	p.restOfLine()
	body, end, err := p.block()
	if err != nil {
		return nil, err
	}
	if end != "end" {
		return nil, p.fail("#foreach has no #end")
	}
	return &foreachNode{v.ref.name, in, body}, nil
}

func identifier(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (n == 0 || !('0' <= c && c <= '9' || c == '-')) {
			break
		}
		n++
	}
	return n
}

// reference reads $name, $!name, ${name} or $!{name} with what follows it, at a dollar; nil when it is none.
func (p *parser) reference() (*refNode, error) {
	start := p.at
	if p.at >= len(p.src) || p.src[p.at] != '$' {
		return nil, nil
	}
	i := p.at + 1
	n := &refNode{}
	if i < len(p.src) && p.src[i] == '!' {
		n.silent = true
		i++
	}
	braced := i < len(p.src) && p.src[i] == '{'
	if braced {
		i++
	}
	length := identifier(p.src[i:])
	if length == 0 {
		return nil, nil
	}
	n.ref = &reference{name: p.src[i : i+length]}
	p.at = i + length
	if err := p.steps(n.ref); err != nil {
		return nil, err
	}
	if braced {
		if p.at >= len(p.src) || p.src[p.at] != '}' {
			return nil, p.fail("${%s has no closing brace", n.ref.name)
		}
		p.at++
	}
	n.source = p.src[start:p.at]
	return n, nil
}

func (p *parser) steps(ref *reference) error {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case '.':
			length := identifier(p.src[p.at+1:])
			if length == 0 {
				return nil
			}
			s := step{name: p.src[p.at+1 : p.at+1+length]}
			p.at += 1 + length
			if p.at < len(p.src) && p.src[p.at] == '(' {
				p.at++
				s.method = true
				args, err := p.expressions(")")
				if err != nil {
					return err
				}
				s.args = args
				if len(ref.steps) == 0 {
					p.t.calls = append(p.t.calls, Call{ref.name, s.name, 1 + strings.Count(p.src[:p.at], "\n")})
				} else if _, known := methods[s.name]; !known {
					return p.fail("the method %s is not supported by this platform", s.name)
				}
			}
			ref.steps = append(ref.steps, s)
		case '[':
			p.at++
			index, err := p.expression()
			if err != nil {
				return err
			}
			if err := p.expect("]", "an index"); err != nil {
				return err
			}
			ref.steps = append(ref.steps, step{index: index})
		default:
			return nil
		}
	}
	return nil
}

// expressions reads a list up to and with its closing bracket.
func (p *parser) expressions(closing string) ([]expr, error) {
	var list []expr
	if p.take(closing) {
		return nil, nil
	}
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if p.take(closing) {
			return list, nil
		}
		if err := p.expect(",", "a list"); err != nil {
			return nil, err
		}
	}
}
