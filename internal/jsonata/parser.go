package jsonata

// maxHeight bounds the height of a tree, and so the recursion of everything that walks it.
const maxHeight = 1500

// parser is a top-down operator-precedence parser: every operator has a binding power on its left, and takes from the
// right what binds more tightly.
type parser struct {
	lex   lexer
	tok   token // the token that comes next
	depth int
}

// power tells how tightly an operator binds to what stands on its left; 0 ends an expression.
func (t token) power() int {
	if t.kind != tokenOperator {
		return 0
	}
	switch t.text {
	case "[", "(", "@", "#":
		return 80
	case ".":
		return 75
	case "{":
		return 70
	case "*", "/", "%":
		return 60
	case "+", "-", "&":
		return 50
	case "=", "<", ">", "!=", "<=", ">=", "~>", "in", "^":
		return 40
	case "and":
		return 30
	case "or":
		return 25
	case "?":
		return 20
	case ":=":
		return 10
	}
	return 0
}

// parse reads a whole expression.
func parse(src string) (*node, error) {
	p := &parser{lex: lexer{src: src}}
	if err := p.advance(false); err != nil {
		return nil, err
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.refuse("S0201", undefined)
	}
	return n, nil
}

func (p *parser) advance(operatorExpected bool) (err error) {
	p.tok, err = p.lex.next(operatorExpected)
	if err == nil && (p.at("!") || p.at("~")) {
		err = failAt("S0204", p.tok.pos, p.tok.text, undefined)
	}
	return err
}

func (p *parser) at(op string) bool { return p.tok.kind == tokenOperator && p.tok.text == op }

// expect passes over an operator that must come next.
func (p *parser) expect(op string, operatorExpected bool) error {
	if !p.at(op) {
		if p.tok.kind == tokenEnd {
			return p.refuse("S0203", op)
		}
		return p.refuse("S0202", op)
	}
	return p.advance(operatorExpected)
}

// refuse makes an error about the token that has come. Numbers and literals stand in its message without quotes.
func (p *parser) refuse(code string, value any) error {
	f := failAt(code, p.tok.pos, p.tok.text, value)
	if p.tok.kind == tokenNumber || p.tok.kind == tokenValue {
		f.literal = describe(p.tok.value)
	}
	return f
}

// skipIf passes over an operator if it comes next.
func (p *parser) skipIf(op string) (bool, error) {
	if !p.at(op) {
		return false, nil
	}
	return true, p.advance(false)
}

// expression reads what binds more tightly than right.
func (p *parser) expression(right int) (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxHeight {
		return nil, failAt("S0500", p.tok.pos, p.tok.text, undefined)
	}
	t := p.tok
	if err := p.advance(true); err != nil {
		return nil, err
	}
	left, err := p.prefix(t)
	for err == nil && right < p.tok.power() {
		if err = tooHigh(left); err != nil {
			break
		}
		t = p.tok
		if err = p.advance(false); err != nil {
			break
		}
		left, err = p.infix(t, left)
	}
	if err != nil {
		return nil, err
	}
	return left, tooHigh(left)
}

// tooHigh measures a node over its children, which are measured already.
func tooHigh(n *node) error {
	n.depth = 0
	n.children(func(c *node) { n.depth = max(n.depth, c.depth+1) })
	if n.depth > maxHeight {
		return failAt("S0500", n.pos, n.name, undefined)
	}
	return nil
}

// children calls f for every node right below n.
func (n *node) children(f func(*node)) {
	for _, c := range [...]*node{n.left, n.right, n.third} {
		if c != nil {
			f(c)
		}
	}
	for _, c := range n.list {
		f(c)
	}
	for _, t := range n.terms {
		f(t.by)
	}
	pairs := func(ps [][2]*node) {
		for _, p := range ps {
			f(p[0])
			f(p[1])
		}
	}
	pairs(n.pairs)
	if n.group != nil {
		pairs(n.group.pairs)
	}
	for _, stages := range [...][]stage{n.filters, n.stages} {
		for _, s := range stages {
			if s.filter != nil {
				f(s.filter)
			}
		}
	}
}

// prefix makes a node of a token that starts an expression.
func (p *parser) prefix(t token) (*node, error) {
	n := &node{pos: t.pos, name: t.text, value: t.value}
	switch t.kind {
	case tokenEnd:
		n.kind = kindEnd
		return n, nil
	case tokenName:
		n.kind = kindName
		return n, nil
	case tokenVariable:
		n.kind = kindVariable
		return n, nil
	case tokenString:
		n.kind = kindString
		return n, nil
	case tokenNumber:
		n.kind = kindNumber
		return n, nil
	case tokenValue:
		n.kind = kindValue
		return n, nil
	case tokenRegex:
		n.kind = kindRegex
		return n, nil
	}
	var err error
	switch t.text {
	case "and", "or", "in":
		n.kind = kindWord
	case "*":
		n.kind = kindWildcard
	case "**":
		n.kind = kindDescendant
	case "%":
		n.kind = kindParent
	case "-":
		n.kind = kindNegate
		n.left, err = p.expression(70)
	case "(":
		n.kind = kindBlock
		err = p.sequence(n, ")", ";", p.plain)
	case "[":
		n.kind = kindArray
		err = p.sequence(n, "]", ",", p.item)
	case "{":
		n.kind = kindObject
		n.pairs, err = p.members()
	case "|":
		n.kind = kindTransform
		err = p.transform(n)
	default:
		return nil, failAt("S0211", t.pos, t.text, undefined)
	}
	return n, err
}

// infix makes a node of an operator and what stands on its left.
func (p *parser) infix(t token, left *node) (*node, error) {
	n := &node{pos: t.pos, name: t.text, left: left}
	var err error
	switch t.text {
	case "(":
		return p.call(t, left)
	case "[":
		if p.at("]") { // an empty predicate keeps arrays of one
			step := left
			for step.kind == kindPredicate {
				step = step.left
			}
			step.keepArray = true
			return left, p.advance(true)
		}
		n.kind = kindPredicate
		if n.right, err = p.expression(0); err == nil {
			err = p.expect("]", true)
		}
	case "{":
		n.kind = kindGrouping
		n.pairs, err = p.members()
	case "^":
		n.kind = kindOrder
		err = p.order(n)
	case ".":
		n.kind = kindDot
		n.right, err = p.expression(75)
	case "@", "#":
		n.kind = kindFocus
		if t.text == "#" {
			n.kind = kindIndex
		}
		if n.right, err = p.expression(80); err == nil && n.right.kind != kindVariable {
			err = failAt("S0214", n.right.pos, t.text, undefined)
		}
	case "?":
		n.kind = kindCondition
		if n.right, err = p.expression(0); err != nil {
			break
		}
		var more bool
		if more, err = p.skipIf(":"); more && err == nil {
			n.third, err = p.expression(0)
		}
	case ":=":
		if left.kind != kindVariable {
			return nil, failAt("S0212", left.pos, left.name, undefined)
		}
		n.kind = kindBind
		n.right, err = p.expression(9)
	case "~>":
		n.kind = kindApply
		n.right, err = p.expression(40)
	default:
		n.kind = kindBinary
		n.right, err = p.expression(t.power())
	}
	return n, err
}

func (p *parser) plain() (*node, error) { return p.expression(0) }

// item reads a member of an array, which may be a range.
func (p *parser) item() (*node, error) {
	from, err := p.expression(0)
	if err != nil || !p.at("..") {
		return from, err
	}
	n := &node{kind: kindBinary, name: "..", pos: p.tok.pos, left: from}
	if err := p.advance(false); err != nil {
		return nil, err
	}
	if n.right, err = p.expression(0); err != nil {
		return nil, err
	}
	return n, tooHigh(n)
}

// sequence reads parts up to a closing bracket.
func (p *parser) sequence(n *node, closing, between string, part func() (*node, error)) error {
	for !p.at(closing) {
		c, err := part()
		if err != nil {
			return err
		}
		n.list = append(n.list, c)
		more, err := p.skipIf(between)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if between == "," && p.at(closing) { // only statements may end with what divides them
			return failAt("S0211", p.tok.pos, p.tok.text, undefined)
		}
	}
	return p.expect(closing, true)
}

func (p *parser) members() ([][2]*node, error) {
	var pairs [][2]*node
	for more := !p.at("}"); more; {
		key, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if err := p.expect(":", false); err != nil {
			return nil, err
		}
		value, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2]*node{key, value})
		if more, err = p.skipIf(","); err != nil {
			return nil, err
		}
	}
	return pairs, p.expect("}", true)
}

func (p *parser) transform(n *node) (err error) {
	if n.left, err = p.expression(0); err != nil {
		return err
	}
	if err = p.expect("|", false); err != nil {
		return err
	}
	if n.right, err = p.expression(0); err != nil {
		return err
	}
	more, err := p.skipIf(",")
	if more && err == nil {
		n.third, err = p.expression(0)
	}
	if err != nil {
		return err
	}
	return p.expect("|", true)
}

func (p *parser) order(n *node) error {
	if err := p.expect("(", false); err != nil {
		return err
	}
	for more := true; more; {
		var term sortTerm
		var err error
		if term.descending, err = p.skipIf(">"); err == nil && !term.descending {
			_, err = p.skipIf("<")
		}
		if err != nil {
			return err
		}
		if term.by, err = p.expression(0); err != nil {
			return err
		}
		n.terms = append(n.terms, term)
		if more, err = p.skipIf(","); err != nil {
			return err
		}
	}
	return p.expect(")", true)
}

// call reads the arguments of a call, or, behind the word function, the rest of a definition.
func (p *parser) call(t token, left *node) (*node, error) {
	n := &node{kind: kindCall, pos: t.pos, name: t.text, left: left}
	if !p.at(")") {
		for more := true; more; {
			var arg *node
			var err error
			if p.at("?") {
				n.kind = kindPartial
				arg = &node{kind: kindPlaceholder, pos: p.tok.pos, name: "?"}
				err = p.advance(false)
			} else {
				arg, err = p.expression(0)
			}
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, arg)
			if more, err = p.skipIf(","); err != nil {
				return nil, err
			}
		}
	}
	if err := p.expect(")", true); err != nil {
		return nil, err
	}
	if left.kind == kindName && (left.name == "function" || left.name == "λ") {
		return p.lambda(n)
	}
	return n, nil
}

func (p *parser) lambda(call *node) (*node, error) {
	n := &node{kind: kindLambda, pos: call.pos, list: call.list}
	for i, param := range n.list {
		if param.kind != kindVariable {
			return nil, failAt("S0208", param.pos, param.name, float64(i+1))
		}
	}
	if p.at("<") {
		from := p.tok.pos
		text := "<"
		for depth := 1; depth > 0 && p.tok.kind != tokenEnd && !p.at("{"); {
			if err := p.advance(false); err != nil {
				return nil, err
			}
			switch {
			case p.at(">"):
				depth--
			case p.at("<"):
				depth++
			}
			text += p.tok.text
		}
		if err := p.expect(">", false); err != nil {
			return nil, err
		}
		s, err := parseSignature(text)
		if err != nil {
			return nil, failAt(err.code, from+err.pos, "", err.value)
		}
		n.signature = s
	}
	if err := p.expect("{", false); err != nil {
		return nil, err
	}
	body, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	n.third = body
	return n, p.expect("}", false)
}
