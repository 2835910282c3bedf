package asl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/tealdeploy/teal/internal/jsonpath"
)

// Path is a path of the States Language: $… on the state's data, $$… on the context object, $name… on a variable.
type Path struct {
	text     string
	context  bool
	variable string
	path     *jsonpath.Path
	whole    bool // all of the data, without a step
}

// CompilePath reads a path.
func CompilePath(text string) (*Path, error) {
	p := &Path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errors.New("Reference path didn't start with '$'")
	}
	if r, ok := strings.CutPrefix(rest, "$"); ok {
		p.context, rest = true, r
	} else if n := nameLength(rest); n > 0 {
		p.variable, rest = rest[:n], rest[n:]
	}
	compiled, err := jsonpath.Compile("$" + rest)
	if err != nil {
		return nil, err
	}
	p.path, p.whole = compiled, rest == ""
	return p, nil
}

// nameLength returns how many bytes at the start of s form the name of a variable.
func nameLength(s string) int {
	for i, r := range s {
		if !unicode.IsLetter(r) && r != '_' && (i == 0 || !unicode.IsDigit(r)) {
			return i
		}
	}
	return len(s)
}

// String returns the path as it was written.
func (p *Path) String() string { return p.text }

// Find applies the path. Where a path may match several values and nothing is there, it gives an empty list, as the
// service does. Errors are those of package jsonpath.
func (p *Path) Find(env *Env) (*Payload, error) {
	var doc any
	switch {
	case p.context:
		doc = env.Scope.Context()
	case p.variable != "":
		v, ok := env.Scope.Variable(p.variable)
		if !ok {
			return nil, &jsonpath.NotFoundError{Message: "No results for path: $" + p.variable}
		}
		doc = v
	case p.whole:
		return env.Input, nil
	default:
		doc = env.Input.Value()
	}
	if p.whole {
		return PayloadOf(doc), nil
	}
	v, err := p.path.Eval(doc)
	if err != nil {
		var lost *jsonpath.NotFoundError
		if errors.As(err, &lost) && !p.path.Definite() {
			return PayloadOf([]any{}), nil
		}
		return nil, err
	}
	return PayloadOf(v), nil
}

// expression is a path or a call of an intrinsic function: what a field that ends in .$ holds.
type expression interface {
	// eval gives the value; field is the field's name, for messages.
	eval(env *Env, field string) (any, error)
}

func compileExpression(text string) (expression, error) {
	if strings.HasPrefix(text, "$") {
		return CompilePath(text)
	}
	return compileCall(text)
}

func (p *Path) eval(env *Env, field string) (any, error) {
	v, err := p.Find(env)
	if err != nil {
		return nil, runtimeError("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'", p.text, field, env.Input.Text())
	}
	return v.Value(), nil
}

func runtimeError(format string, args ...any) *Error {
	return &Error{Name: ErrRuntime, Cause: fmt.Sprintf(format, args...)}
}
