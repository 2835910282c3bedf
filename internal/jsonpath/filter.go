package jsonpath

import (
	"regexp"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// expression is a condition of a filter.
type expression interface {
	// holds reports whether the condition holds for the item; an error of type *NotFoundError or *SyntaxError counts as no.
	holds(item, root any, budget *int) (bool, error)
}

type (
	anyOf []expression
	allOf []expression
	not   struct{ expression }
	// relation compares two operands.
	relation struct {
		left, right operand
		op          operator
	}
)

func (e anyOf) holds(item, root any, budget *int) (bool, error) {
	for _, x := range e {
		if ok, err := x.holds(item, root, budget); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (e allOf) holds(item, root any, budget *int) (bool, error) {
	for _, x := range e {
		if ok, err := x.holds(item, root, budget); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (e not) holds(item, root any, budget *int) (bool, error) {
	ok, err := e.expression.holds(item, root, budget)
	return !ok && err == nil, err
}

func (e relation) holds(item, root any, budget *int) (bool, error) {
	l, err := e.left.value(item, root, budget)
	if err != nil {
		return false, err
	}
	r, err := e.right.value(item, root, budget)
	if err != nil {
		return false, err
	}
	return e.op(l, r)
}

// operand is a literal or a path.
type operand struct {
	literal node
	path    *Path
	exists  bool // test whether the path leads somewhere, instead of taking its value
}

func (o operand) value(item, root any, budget *int) (node, error) {
	if o.path == nil {
		return o.literal, nil
	}
	doc := item
	if o.path.fromRoot && !o.exists { // existence is tested on the item even for $, as Jayway does
		doc = root
	}
	var v any
	var err error
	if o.path.simple { // most are: spare them the making of an error
		var steps int
		if v, steps = o.path.lookup(doc); steps < len(o.path.tokens) {
			err = errNowhere
		}
	} else {
		v, err = o.path.eval(doc, root, o.exists, budget)
	}
	if err != nil && notFound(err) {
		if o.exists {
			return node{kind: nodeBool}, nil
		}
		return node{kind: nodeUndefined}, nil
	}
	if err != nil {
		return node{}, err
	}
	if o.exists {
		return node{kind: nodeBool, value: true}, nil
	}
	return nodeOf(v), nil
}

var errNowhere = &NotFoundError{"the path of an operand leads nowhere"}

type nodeKind uint8

const (
	nodeUndefined nodeKind = iota
	nodeNull
	nodeBool
	nodeNumber
	nodeString
	nodeJSON // list or object
	nodePattern
)

// node is an operand's value.
type node struct {
	kind    nodeKind
	value   any
	pattern *regexp.Regexp
}

func nodeOf(v any) node {
	switch v.(type) {
	case nil:
		return node{kind: nodeNull}
	case bool:
		return node{kind: nodeBool, value: v}
	case jsonvalue.Number:
		return node{kind: nodeNumber, value: v}
	case string:
		return node{kind: nodeString, value: v}
	}
	return node{kind: nodeJSON, value: v}
}

func (n node) isTrue() bool { b, _ := n.value.(bool); return b }

// filterParser reads the inside of [?( … )], the parentheses included.
type filterParser struct{ cursor }

func compileFilter(text string) expression {
	p := &filterParser{cursor{s: text, end: len(text)}}
	e := p.or()
	p.skipBlanks()
	if p.in(p.pos) {
		reject("expected the end of the filter instead of %q", p.s[p.pos:])
	}
	return e
}

// takes skips word when it comes next.
func (p *filterParser) takes(word string) bool {
	save := p.pos
	p.skipBlanks()
	if p.pos+len(word) <= p.end && p.s[p.pos:p.pos+len(word)] == word {
		p.pos += len(word)
		return true
	}
	p.pos = save
	return false
}

func (p *filterParser) or() expression {
	e := anyOf{p.and()}
	for p.takes("||") {
		e = append(e, p.and())
	}
	if len(e) == 1 {
		return e[0]
	}
	return e
}

func (p *filterParser) and() expression {
	e := allOf{p.term()}
	for p.takes("&&") {
		e = append(e, p.term())
	}
	if len(e) == 1 {
		return e[0]
	}
	return e
}

func (p *filterParser) term() expression {
	p.skipBlanks()
	if p.is('!') {
		if next := p.significant(p.pos); p.at(next) != '$' && p.at(next) != '@' {
			p.pos = next
			return not{p.term()}
		}
	}
	if p.is('(') {
		p.pos++
		e := p.or()
		if p.skipBlanks(); p.cur() != ')' {
			reject("expected ) at position %d of the filter", p.pos)
		}
		p.pos++
		return e
	}
	return p.relation()
}

func (p *filterParser) relation() expression {
	left, exists := p.operand()
	save := p.pos
	if op, right, ok := p.comparison(); ok {
		return relation{left: left, op: op, right: right}
	}
	p.pos = save
	if left.path == nil {
		reject("expected a path at position %d of the filter", save)
	}
	left.exists = true
	return relation{left: left, op: same, right: operand{literal: node{kind: nodeBool, value: exists}}}
}

// comparison reads an operator and its right side; ok is false when there is none, which makes a path a test of existence.
func (p *filterParser) comparison() (op operator, right operand, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, syntax := r.(*SyntaxError); !syntax {
				panic(r)
			}
			ok = false
		}
	}()
	p.skipBlanks()
	begin := p.pos
	if relational(p.cur()) {
		for p.in(p.pos) && relational(p.s[p.pos]) {
			p.pos++
		}
	} else {
		for p.in(p.pos) && p.s[p.pos] != ' ' {
			p.pos++
		}
	}
	op, ok = operators[strings.ToUpper(p.s[begin:p.pos])]
	if !ok {
		return nil, operand{}, false
	}
	right, _ = p.operand()
	return op, right, true
}

func relational(b byte) bool { return b == '<' || b == '>' || b == '=' || b == '~' || b == '!' }

// operand reads a literal or a path; exists is false for a path with ! before it.
func (p *filterParser) operand() (o operand, exists bool) {
	p.skipBlanks()
	switch c := p.cur(); c {
	case '$', '@':
		return p.path(), true
	case '!':
		p.pos++
		if p.skipBlanks(); p.cur() != '$' && p.cur() != '@' {
			reject("unexpected character ! in the filter")
		}
		return p.path(), false
	case '\'', '"':
		shut := p.unescaped(p.pos, c)
		if shut < 0 {
			reject("a string literal has no closing quote")
		}
		s := unescape(p.s[p.pos+1:shut], c)
		p.pos = shut + 1
		return operand{literal: node{kind: nodeString, value: s}}, true
	case 't':
		p.word("true")
		return operand{literal: node{kind: nodeBool, value: true}}, true
	case 'f':
		p.word("false")
		return operand{literal: node{kind: nodeBool, value: false}}, true
	case 'n':
		p.word("null")
		return operand{literal: node{kind: nodeNull}}, true
	case '{':
		return p.json('{', '}'), true
	case '[':
		return p.json('[', ']'), true
	case '/':
		return p.regex(), true
	}
	begin := p.pos
	for p.in(p.pos) && (digit(p.s[p.pos]) || strings.IndexByte("-.eE", p.s[p.pos]) >= 0) {
		p.pos++
	}
	n, ok := decimal(p.s[begin:p.pos])
	if !ok {
		reject("expected a value at position %d of the filter", begin)
	}
	return operand{literal: node{kind: nodeNumber, value: n}}, true
}

func (p *filterParser) word(w string) {
	if p.pos+len(w) > p.end || p.s[p.pos:p.pos+len(w)] != w {
		reject("expected %s at position %d of the filter", w, p.pos)
	}
	p.pos += len(w)
}

func (p *filterParser) json(open, shut byte) operand {
	end := p.closing(p.pos, open, shut, false)
	if end < 0 {
		reject("a JSON literal is not closed")
	}
	text := p.s[p.pos : end+1]
	v, err := jsonvalue.ParseString(text)
	if err != nil {
		if v, err = jsonvalue.ParseString(doubleQuoted(text)); err != nil {
			reject("%s is no JSON literal", text)
		}
	}
	p.pos = end + 1
	return operand{literal: node{kind: nodeJSON, value: v}}
}

// doubleQuoted turns strings in single quotes into JSON strings.
func doubleQuoted(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		q := s[i]
		if q != '\'' && q != '"' {
			b = append(b, q)
			continue
		}
		c := cursor{s: s, end: len(s)}
		end := c.unescaped(i, q)
		if end < 0 {
			return s
		}
		if q == '"' {
			b = append(b, s[i:end+1]...)
		} else {
			b = jsonvalue.AppendString(b, unescape(s[i+1:end], q))
		}
		i = end
	}
	return string(b)
}

func (p *filterParser) regex() operand {
	shut := p.unescaped(p.pos, '/')
	if shut < 0 {
		reject("a regular expression has no closing /")
	}
	text := p.s[p.pos+1 : shut]
	p.pos = shut + 1
	flags := ""
	for p.in(p.pos) && strings.IndexByte("dixmsuU", p.s[p.pos]) >= 0 {
		if f := p.s[p.pos]; strings.IndexByte("ims", f) >= 0 && strings.IndexByte(flags, f) < 0 {
			flags += string(f)
		}
		p.pos++
	}
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	re, err := regexp.Compile(`\A` + flags + `(?:` + text + `)\z`)
	if err != nil {
		reject("regular expression /%s/: %v", text, err)
	}
	return operand{literal: node{kind: nodePattern, pattern: re}}
}

// path reads a path up to a blank, an operator or the parenthesis that closes a group around it.
func (p *filterParser) path() operand {
	begin := p.pos
	p.pos++
	for p.in(p.pos) {
		if p.s[p.pos] == '[' {
			shut := p.closing(p.pos, '[', ']', false)
			if shut < 0 {
				reject("square brackets do not match in the filter")
			}
			p.pos = shut + 1
			continue
		}
		c := p.s[p.pos]
		if relational(c) || c == ' ' || c == ')' && !p.closesCall(begin) {
			break
		}
		p.pos++
	}
	return operand{path: compile(p.s[begin:p.pos])}
}

// closesCall reports whether the ) at the position ends a function call without arguments.
func (p *filterParser) closesCall(begin int) bool {
	i := p.pos - 1
	for i > begin && p.s[i] == ' ' {
		i--
	}
	if p.s[i] != '(' {
		return false
	}
	return strings.IndexByte(p.s[begin+1:i], '.') >= 0
}
