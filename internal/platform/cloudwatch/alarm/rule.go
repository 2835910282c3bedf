package alarm

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a composite alarm's rule.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
const (
	maxRule     = 10240 // characters
	maxElements = 500   // states, operators and constants
	maxChildren = 100
	maxNesting  = 200 // ours
)

// Rule is a parsed AlarmRule. It never changes.
type Rule struct {
	root     term
	children []string
}

// Children are the alarms that it asks for, by name or ARN as written, each once, in order.
func (r *Rule) Children() []string { return r.children }

// Holds evaluates the rule over the states of its children; an alarm that is not there is in no state.
func (r *Rule) Holds(state func(child string) State) bool { return r.root.holds(state) }

type term interface{ holds(func(string) State) bool }

type (
	inState struct {
		state State
		child string
	}
	constant bool
	not      struct{ of term }
	all      struct{ a, b term }
	any2     struct{ a, b term }
)

func (t inState) holds(state func(string) State) bool { return state(t.child) == t.state }
func (t constant) holds(func(string) State) bool      { return bool(t) }
func (t not) holds(state func(string) State) bool     { return !t.of.holds(state) }
func (t all) holds(state func(string) State) bool     { return t.a.holds(state) && t.b.holds(state) }

func (t any2) holds(state func(string) State) bool { return t.a.holds(state) || t.b.holds(state) }

// ParseRule reads an AlarmRule: ALARM("a") AND NOT (OK(b) OR TRUE). Its errors are sentences for who wrote it.
func ParseRule(s string) (*Rule, error) {
	if len(s) > maxRule {
		return nil, fmt.Errorf("AlarmRule must not exceed %d characters", maxRule)
	}
	p := &ruleParser{text: s, rule: &Rule{}}
	t, err := p.or()
	if err == nil {
		p.space()
		if p.at < len(s) {
			err = p.wrong("an operator or the end")
		}
	}
	switch {
	case err != nil:
		return nil, err
	case p.elements > maxElements:
		return nil, fmt.Errorf("AlarmRule must not have more than %d elements", maxElements)
	case len(p.rule.children) > maxChildren:
		return nil, fmt.Errorf("AlarmRule must not refer to more than %d alarms", maxChildren)
	}
	p.rule.root = t
	return p.rule, nil
}

type ruleParser struct {
	text     string
	at       int
	depth    int
	elements int
	rule     *Rule
}

func (p *ruleParser) space() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
}

func (p *ruleParser) wrong(expected string) error {
	return fmt.Errorf("AlarmRule: at character %d %s is expected", p.at+1, expected)
}

// word takes the next word when it is the given one.
func (p *ruleParser) word(w string) bool {
	p.space()
	rest := p.text[p.at:]
	if !strings.HasPrefix(rest, w) || len(rest) > len(w) && upper(rest[len(w)]) {
		return false
	}
	p.at += len(w)
	p.elements++
	return true
}

func (p *ruleParser) sign(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' || c == '_' }

func (p *ruleParser) or() (term, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("AlarmRule is nested more than %d levels deep", maxNesting)
	}
	defer func() { p.depth-- }()
	a, err := p.and()
	for err == nil && p.word("OR") {
		var b term
		b, err = p.and()
		a = any2{a, b}
	}
	return a, err
}

func (p *ruleParser) and() (term, error) {
	a, err := p.term()
	for err == nil && p.word("AND") {
		var b term
		b, err = p.term()
		a = all{a, b}
	}
	return a, err
}

func (p *ruleParser) term() (term, error) {
	negated := false
	for p.word("NOT") {
		negated = !negated
	}
	t, err := p.plain()
	if err == nil && negated {
		t = not{t}
	}
	return t, err
}

func (p *ruleParser) plain() (term, error) {
	switch {
	case p.sign('('):
		t, err := p.or()
		if err == nil && !p.sign(')') {
			err = p.wrong("a closing bracket")
		}
		return t, err
	case p.word("TRUE"):
		return constant(true), nil
	case p.word("FALSE"):
		return constant(false), nil
	case p.word("AT_LEAST"):
		return nil, fmt.Errorf("AlarmRule: AT_LEAST is not supported by this endpoint; write out which alarms must be in which state")
	}
	for _, s := range []State{Alarm, OK, InsufficientData} {
		if p.word(string(s)) {
			child, err := p.child()
			return inState{s, child}, err
		}
	}
	return nil, p.wrong("ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or a bracket")
}

// child reads an alarm's name or ARN in brackets, quoted or not.
func (p *ruleParser) child() (string, error) {
	if !p.sign('(') {
		return "", p.wrong("an opening bracket")
	}
	p.space()
	var name string
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') {
		quote := p.text[p.at]
		n := strings.IndexByte(p.text[p.at+1:], quote)
		if n < 0 {
			return "", p.wrong("a closing quotation mark")
		}
		name = p.text[p.at+1 : p.at+1+n]
		p.at += n + 2
	} else {
		n := strings.IndexByte(p.text[p.at:], ')')
		if n < 0 {
			return "", p.wrong("a closing bracket")
		}
		name = strings.TrimSpace(p.text[p.at : p.at+n])
		p.at += n
	}
	if !p.sign(')') {
		return "", p.wrong("a closing bracket")
	}
	if name == "" {
		return "", p.wrong("an alarm's name")
	}
	if !slices.Contains(p.rule.children, name) {
		p.rule.children = append(p.rule.children, name)
	}
	return name, nil
}
