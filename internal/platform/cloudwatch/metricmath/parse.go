package metricmath

import (
	"fmt"
	"slices"
	"strings"
)

// Expression is a parsed expression. It never changes and may be evaluated from any goroutine.
type Expression struct {
	root node
	ids  []string
	all  bool // METRICS is called
}

// IDs are the metrics and expressions that it names, in order, each once.
func (e *Expression) IDs() []string { return e.ids }

// UsesMetrics tells whether it calls METRICS, which reads all metrics of the request.
func (e *Expression) UsesMetrics() bool { return e.all }

type node interface {
	eval(*evaluation) (Value, error)
}

type (
	numberNode float64
	idNode     string
	arrayNode  []node
	negated    struct{ of node }
	binary     struct {
		op   string
		a, b node
	}
	call struct {
		name  string
		args  []node
		words []string // the argument as it is written, where it is a keyword or a quoted text
	}
)

// maxDepth bounds nesting.
const maxDepth = 100

// Parse reads an expression. Its errors are sentences for the person who wrote it; functions that are not served are
// named in them.
func Parse(s string) (*Expression, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, e: &Expression{}}
	if p.e.root, err = p.binary(0); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, fmt.Errorf("%q at character %d does not belong there", t.text, t.at+1)
	}
	return p.e, nil
}

type parser struct {
	tokens []token
	next   int
	depth  int
	e      *Expression
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != end {
		p.next++
	}
	return t
}

func (p *parser) accept(s string) bool {
	if t := p.peek(); t.kind == sign && t.text == s {
		p.next++
		return true
	}
	return false
}

// levels are the binary operators, the loosest first.
var levels = [][]string{{"||", "OR"}, {"&&", "AND"}, {"==", "!=", "<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/"}}

func (p *parser) binary(level int) (node, error) {
	if p.depth++; p.depth > maxDepth*len(levels) {
		return nil, fmt.Errorf("the expression is nested more than %d levels deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if level == len(levels) {
		return p.unary()
	}
	a, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if (t.kind != sign && t.kind != name) || !slices.Contains(levels[level], t.text) {
			return a, nil
		}
		p.take()
		b, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		a = binary{t.text, a, b}
	}
}

func (p *parser) unary() (node, error) {
	if p.depth++; p.depth > maxDepth*len(levels) {
		return nil, fmt.Errorf("the expression is nested more than %d levels deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.accept("-") {
		of, err := p.unary()
		return negated{of}, err
	}
	base, err := p.primary()
	if err != nil || !p.accept("^") {
		return base, err
	}
	power, err := p.unary() // binds to the right
	return binary{"^", base, power}, err
}

func (p *parser) primary() (node, error) {
	t := p.take()
	switch {
	case t.kind == num:
		return numberNode(t.value), nil
	case t.kind == name && p.accept("("):
		return p.call(t)
	case t.kind == name:
		if c := t.text[0]; c < 'a' || c > 'z' {
			return nil, fmt.Errorf("%q at character %d is neither an id, which begins with a lower-case letter, nor a function with its arguments", t.text, t.at+1)
		}
		if !slices.Contains(p.e.ids, t.text) {
			p.e.ids = append(p.e.ids, t.text)
		}
		return idNode(t.text), nil
	case t.kind == sign && t.text == "(":
		n, err := p.binary(0)
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("the bracket at character %d is not closed", t.at+1)
		}
		return n, err
	case t.kind == sign && t.text == "[":
		list, err := p.list("]", t.at)
		return arrayNode(list), err
	case t.kind == end:
		return nil, fmt.Errorf("the expression ends where a value is expected")
	}
	return nil, fmt.Errorf("%q at character %d is no value", t.text, t.at+1)
}

// list reads nodes up to a closing bracket.
func (p *parser) list(closing string, at int) ([]node, error) {
	var out []node
	for !p.accept(closing) {
		if len(out) > 0 && !p.accept(",") {
			return nil, fmt.Errorf("the bracket at character %d is not closed", at+1)
		}
		n, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// refused are CloudWatch's functions that are not served, and why.
var refused = map[string]string{
	"SEARCH":                 "name the metrics one by one",
	"ANOMALY_DETECTION_BAND": "there are no models of anomaly detection here",
	"INSIGHT_RULE_METRIC":    "there are no Contributor Insights rules here",
	"SERVICE_QUOTA":          "there are no service quotas here",
	"DB_PERF_INSIGHTS":       "there are no databases here",
	"LAMBDA":                 "data sources by a function are not served",
}

// keywords are arguments that are neither ids nor values.
var keywords = []string{"REPEAT", "LINEAR", "AVG", "MIN", "MAX", "SUM", "ASC", "DESC"}

func (p *parser) call(t token) (node, error) {
	f, ok := functions[t.text]
	if why, no := refused[t.text]; no {
		return nil, fmt.Errorf("the function %s is not supported by this endpoint: %s", t.text, why)
	}
	if !ok {
		if functions[strings.ToUpper(t.text)].eval != nil {
			return nil, fmt.Errorf("functions are written in capitals: %s", strings.ToUpper(t.text))
		}
		return nil, fmt.Errorf("there is no function %s", t.text)
	}
	c := call{name: t.text}
	for !p.accept(")") {
		if len(c.args) > 0 && !p.accept(",") {
			return nil, fmt.Errorf("the bracket of %s is not closed", t.text)
		}
		w := p.peek()
		follows := p.tokens[min(p.next+1, len(p.tokens)-1)]
		if w.kind == text || w.kind == name && slices.Contains(keywords, w.text) && (follows.text != "(" || follows.kind != sign) {
			p.take()
			c.args, c.words = append(c.args, nil), append(c.words, w.text)
			continue
		}
		n, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		c.args, c.words = append(c.args, n), append(c.words, "")
	}
	if len(c.args) < f.least || len(c.args) > f.most {
		return nil, fmt.Errorf("%s takes %s", t.text, f.takes())
	}
	for i, a := range c.args {
		if (a == nil) != slices.Contains(f.words, i) && (a == nil || !f.either) {
			return nil, fmt.Errorf("argument %d of %s is of the wrong kind", i+1, t.text)
		}
	}
	p.e.all = p.e.all || t.text == "METRICS"
	return c, nil
}
