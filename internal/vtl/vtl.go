// Package vtl renders the Velocity templates with which API Gateway maps requests and responses: text, references with
// properties, methods and indexes, #set, #if, #foreach, #break, #stop, comments, and expressions. It is pure and bounded: a
// template neither loops for ever nor writes without end.
//
// What the language has beyond that (#macro, #parse, #include, #evaluate, #define and methods that are not in the tables) is
// refused by Parse.
//
// https://velocity.apache.org/engine/1.7/user-guide.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings.html
package vtl

import (
	"fmt"
	"strings"
)

// Limits of a template; those that AWS has are its own.
const (
	MaxTemplate   = 300 << 10 // bytes of a template
	MaxOutput     = 10 << 20  // bytes written
	MaxIterations = 1000      // of one #foreach
	maxSteps      = 1 << 20   // nodes and expressions evaluated in one rendering
	maxDepth      = 64        // blocks and brackets within one another
)

// Host is a value of the environment, such as $input or $util. Its methods are called by one goroutine at a time.
type Host interface {
	// Member is $host.name; ok is false when there is none, then it renders as nothing.
	Member(name string) (v any, ok bool)
	// Call is $host.name(args). Its error ends the rendering.
	Call(name string, args []any) (any, error)
}

// SyntaxError says where and why a text is no template, or none that is supported.
type SyntaxError struct {
	Line    int // from 1
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Template is a parsed template. It is immutable and may be rendered by many goroutines at once.
type Template struct {
	nodes []node
	calls []Call
}

// Call is a method that a template calls directly on a variable: $util.parseJson(…) is {util, parseJson}.
type Call struct {
	Variable, Method string
	Line             int
}

// Calls lists the methods that the template calls directly on variables, so that those of hosts can be checked.
func (t *Template) Calls() []Call { return t.calls }

// Render writes the template with the variables of env: nil, bool, int64, float64, string, *List, *Map or a Host each. What
// the template sets stays its own. The error is a Host's, or says which limit was passed or what could not be done.
func (t *Template) Render(env map[string]any) (string, error) {
	r := &renderer{vars: make(map[string]any, len(env)+4)}
	for k, v := range env {
		r.vars[k] = v
	}
	if _, err := r.block(t.nodes); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// node is one part of a template.
type node interface{ isNode() }

type (
	textNode string
	// refNode writes a reference.
	refNode struct {
		ref    *reference
		silent bool
		source string // what stands there when the reference is not defined
	}
	setNode struct {
		to    *reference
		value expr
	}
	ifNode struct {
		arms  []ifArm
		other []node
	}
	ifArm struct {
		condition expr
		body      []node
	}
	foreachNode struct {
		name string
		in   expr
		body []node
	}
	breakNode struct{}
	stopNode  struct{}
)

func (textNode) isNode()     {}
func (*refNode) isNode()     {}
func (*setNode) isNode()     {}
func (*ifNode) isNode()      {}
func (*foreachNode) isNode() {}
func (breakNode) isNode()    {}
func (stopNode) isNode()     {}

// expr is an expression.
type expr interface{ isExpr() }

type (
	literal struct{ value any }
	// interpolated is a string in double quotes with references or directives in it.
	interpolated struct{ nodes []node }
	listExpr     struct{ items []expr }
	rangeExpr    struct{ from, to expr }
	mapExpr      struct{ keys, values []expr }
	unaryExpr    struct {
		op string
		x  expr
	}
	binaryExpr struct {
		op   string
		x, y expr
	}
	reference struct {
		name  string
		steps []step
	}
)

func (*literal) isExpr()      {}
func (*interpolated) isExpr() {}
func (*listExpr) isExpr()     {}
func (*rangeExpr) isExpr()    {}
func (*mapExpr) isExpr()      {}
func (*unaryExpr) isExpr()    {}
func (*binaryExpr) isExpr()   {}
func (*reference) isExpr()    {}

// step is .name, .name(args) or [index].
type step struct {
	name   string
	method bool
	args   []expr
	index  expr // set for [index]
}

// Parse reads a template. Its errors are of type *SyntaxError.
func Parse(source string) (*Template, error) {
	if len(source) > MaxTemplate {
		return nil, &SyntaxError{1, fmt.Sprintf("the template has more than %d bytes", MaxTemplate)}
	}
	p := &parser{src: source, t: &Template{}}
	nodes, end, err := p.block()
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, p.fail("#%s has no #if or #foreach", end)
	}
	p.t.nodes = nodes
	return p.t, nil
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{1 + strings.Count(p.src[:min(p.at, len(p.src))], "\n"), fmt.Sprintf(format, args...)}
}
