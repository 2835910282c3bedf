package vtl

import (
	"strconv"
	"strings"
)

// operators by precedence, the loosest first; words mean the same as signs.
var operators = [][]struct{ text, op string }{
	{{"||", "||"}, {"or", "||"}},
	{{"&&", "&&"}, {"and", "&&"}},
	{{"==", "=="}, {"!=", "!="}, {"eq", "=="}, {"ne", "!="}},
	{{"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}, {"le", "<="}, {"ge", ">="}, {"lt", "<"}, {"gt", ">"}},
	{{"+", "+"}, {"-", "-"}},
	{{"*", "*"}, {"/", "/"}, {"%", "%"}},
}

func (p *parser) expression() (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	return p.binary(0)
}

func (p *parser) binary(level int) (expr, error) {
	if level == len(operators) {
		return p.unary()
	}
	x, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		op := p.operator(level)
		if op == "" {
			return x, nil
		}
		y, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		x = &binaryExpr{op, x, y}
	}
}

// operator takes an operator of a level, or returns "".
func (p *parser) operator(level int) string {
	p.space()
	rest := p.src[p.at:]
	for _, o := range operators[level] {
		if !strings.HasPrefix(rest, o.text) {
			continue
		}
		if c := o.text[0]; 'a' <= c && c <= 'z' && identifier(rest) != len(o.text) {
			continue // the beginning of a longer word
		}
		p.at += len(o.text)
		return o.op
	}
	return ""
}

func (p *parser) unary() (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.space()
	rest := p.src[p.at:]
	switch {
	case strings.HasPrefix(rest, "!"):
		p.at++
	case strings.HasPrefix(rest, "not") && identifier(rest) == 3:
		p.at += 3
	default:
		return p.primary()
	}
	x, err := p.unary()
	return &unaryExpr{"!", x}, err
}

func (p *parser) primary() (expr, error) {
	p.space()
	if p.at >= len(p.src) {
		return nil, p.fail("an expression is missing")
	}
	switch c := p.src[p.at]; {
	case c == '$':
		n, err := p.reference()
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, p.fail("a reference has no name")
		}
		return n.ref, nil
	case c == '(':
		p.at++
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		return x, p.expect(")", "an expression in brackets")
	case c == '\'' || c == '"':
		return p.text(c)
	case c == '[':
		p.at++
		return p.list()
	case c == '{':
		p.at++
		return p.mapping()
	case '0' <= c && c <= '9' || c == '-':
		return p.number()
	}
	switch n := identifier(p.src[p.at:]); p.src[p.at : p.at+n] {
	case "true", "false":
		value := n == len("true")
		p.at += n
		return &literal{value}, nil
	case "null":
		p.at += n
		return &literal{nil}, nil
	}
	return nil, p.fail("an expression cannot begin with %q", p.src[p.at:min(p.at+10, len(p.src))])
}

// text reads a string. A quote within it is written twice.
func (p *parser) text(quote byte) (expr, error) {
	var b strings.Builder
	start := p.at
	for p.at++; p.at < len(p.src); p.at++ {
		c := p.src[p.at]
		if c != quote {
			b.WriteByte(c)
			continue
		}
		if p.at+1 < len(p.src) && p.src[p.at+1] == quote {
			b.WriteByte(c)
			p.at++
			continue
		}
		p.at++
		inner := b.String()
		if quote == '\'' || !strings.ContainsAny(inner, "$#") {
			return &literal{inner}, nil
		}
		q := &parser{src: inner, depth: p.depth, t: p.t}
		nodes, end, err := q.block()
		if err != nil || end != "" {
			return nil, p.fail("the text %q: %v", inner, orEnd(err, end))
		}
		return &interpolated{nodes}, nil
	}
	p.at = start
	return nil, p.fail("a text has no closing quote")
}

func orEnd(err error, end string) any {
	if err != nil {
		return err
	}
	return "#" + end + " has no beginning"
}

func (p *parser) number() (expr, error) {
	i := p.at
	if p.src[i] == '-' {
		i++
	}
	digits := func() {
		for i < len(p.src) && '0' <= p.src[i] && p.src[i] <= '9' {
			i++
		}
	}
	digits()
	whole := true
	if i+1 < len(p.src) && p.src[i] == '.' && '0' <= p.src[i+1] && p.src[i+1] <= '9' { // not the dots of a range
		whole = false
		i++
		digits()
	}
	s := p.src[p.at:i]
	if whole {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, p.fail("%q is no number", s)
		}
		p.at = i
		return &literal{n}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, p.fail("%q is no number", s)
	}
	p.at = i
	return &literal{f}, nil
}

// list reads [a, b] or [1..3].
func (p *parser) list() (expr, error) {
	if p.take("]") {
		return &listExpr{}, nil
	}
	first, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.take("..") {
		to, err := p.expression()
		if err != nil {
			return nil, err
		}
		return &rangeExpr{first, to}, p.expect("]", "a range")
	}
	items := []expr{first}
	if p.take("]") {
		return &listExpr{items}, nil
	}
	if err := p.expect(",", "a list"); err != nil {
		return nil, err
	}
	more, err := p.expressions("]")
	return &listExpr{append(items, more...)}, err
}

func (p *parser) mapping() (expr, error) {
	m := &mapExpr{}
	if p.take("}") {
		return m, nil
	}
	for {
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":", "a map"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		m.keys, m.values = append(m.keys, k), append(m.values, v)
		if p.take("}") {
			return m, nil
		}
		if err := p.expect(",", "a map"); err != nil {
			return nil, err
		}
	}
}
