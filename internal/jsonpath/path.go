// Package jsonpath evaluates JSONPath in the dialect of Jayway's JsonPath 2.10, the one that Step Functions uses.
//
// A path is compiled once with Compile and evaluated many times; a *Path is immutable and safe for concurrent use. Values
// are those of package jsonvalue.
//
// What sets this dialect apart: ['a','b'] at the end yields one object; a filter on an object tests the object itself;
// slices ignore a step; strings and numbers of a filter compare by value ('2' == 2); there are functions such as
// .length() and filter operators such as in, nin, size, contains and =~.
package jsonpath

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// SyntaxError says why a text is no path.
type SyntaxError struct{ Path, Message string }

func (e *SyntaxError) Error() string { return "path " + strconv.Quote(e.Path) + ": " + e.Message }

// NotFoundError is returned by Eval when a path leads nowhere in the document.
type NotFoundError struct{ Message string }

func (e *NotFoundError) Error() string { return e.Message }

// notFound reports whether err says that a path leads nowhere.
func notFound(err error) bool {
	var lost *NotFoundError
	return errors.As(err, &lost)
}

// EvalError is returned by Eval when a path cannot be evaluated, such as a sum over what is no array.
type EvalError struct{ Message string }

func (e *EvalError) Error() string { return e.Message }

// Path is a compiled path.
type Path struct {
	text     string
	tokens   []token
	fromRoot bool // begins with $, not @
	definite bool
	simple   bool // only single properties and single indexes
	function bool // the last token is a function
}

type kind uint8

const (
	kindProperty kind = iota
	kindIndex
	kindSlice
	kindWildcard
	kindScan
	kindFilter
	kindFunction
)

type token struct {
	kind     kind
	names    []string // kindProperty; one, or several in brackets
	indexes  []int    // kindIndex
	from, to *int     // kindSlice; nil is open
	filter   expression
	fn       *function
	args     []argument
	upstream bool // everything before this token is definite
}

// definite reports whether a token selects at most one value, given whether it is the last one.
func (t *token) definite(leaf bool) bool {
	switch t.kind {
	case kindProperty:
		return len(t.names) == 1 || leaf
	case kindIndex:
		return len(t.indexes) == 1
	case kindFunction:
		return true
	}
	return false
}

// fragment is the canonical text of a token.
func (t *token) fragment() string {
	switch t.kind {
	case kindProperty:
		return "['" + strings.Join(t.names, "','") + "']"
	case kindIndex:
		var b strings.Builder
		for i, n := range t.indexes {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(n))
		}
		return "[" + b.String() + "]"
	case kindSlice:
		var from, to string
		if t.from != nil {
			from = strconv.Itoa(*t.from)
		}
		if t.to != nil {
			to = strconv.Itoa(*t.to)
		}
		return "[" + from + ":" + to + "]"
	case kindWildcard:
		return "[*]"
	case kindScan:
		return ".."
	case kindFilter:
		return "[?]"
	}
	return "." + t.fn.name
}

// String returns the path as it was written.
func (p *Path) String() string { return p.text }

// Definite reports whether the path selects at most one value; Eval gives that value, or a list otherwise.
func (p *Path) Definite() bool { return p.definite }

// canonical writes the first n tokens as Jayway does in its messages: $['a'][0].
func (p *Path) canonical(n int) string {
	var b strings.Builder
	if p.fromRoot {
		b.WriteByte('$')
	} else {
		b.WriteByte('@')
	}
	for i := range p.tokens[:n] {
		b.WriteString(p.tokens[i].fragment())
	}
	return b.String()
}

// Step is one step of a reference path: a member's name, or an index when Name is empty and IsIndex is set.
type Step struct {
	Name    string
	Index   int
	IsIndex bool
}

// Reference returns the steps of a reference path, one that names a single place: only names and indexes of 0 or more.
// ok is false for every other path.
func (p *Path) Reference() (steps []Step, ok bool) {
	if !p.fromRoot || !p.simple {
		return nil, false
	}
	for _, t := range p.tokens {
		if t.kind == kindProperty {
			steps = append(steps, Step{Name: t.names[0]})
			continue
		}
		if t.indexes[0] < 0 {
			return nil, false
		}
		steps = append(steps, Step{Index: t.indexes[0], IsIndex: true})
	}
	return steps, true
}

// Eval applies the path to a document. A definite path gives the value that it names, or a *NotFoundError; any other gives
// the list ([]any, never nil) of what it matches, and a *NotFoundError only when a definite part before the first
// selection leads nowhere. *EvalError means that the path cannot be applied to this document.
func (p *Path) Eval(doc any) (any, error) {
	if p.simple {
		return p.walk(doc)
	}
	budget := maxVisits
	return p.eval(doc, doc, false, &budget)
}

// walk evaluates a path of single names and indexes.
func (p *Path) walk(doc any) (any, error) {
	v, i := p.lookup(doc)
	if i == len(p.tokens) {
		return v, nil
	}
	switch p.tokens[i].kind {
	case kindProperty:
		if _, ok := v.(*jsonvalue.Object); !ok {
			return nil, p.notObject(i, v)
		}
		if i < len(p.tokens)-1 {
			return nil, p.missing(i)
		}
	case kindIndex:
		if _, ok := v.([]any); !ok {
			return nil, p.notArray(i, v)
		}
	}
	return nil, p.noResults()
}

// lookup follows a path of single names and indexes. It returns how many steps it could go, all of them when it has found
// the value, and what it came to.
func (p *Path) lookup(v any) (any, int) {
	for i := range p.tokens {
		t := &p.tokens[i]
		if t.kind == kindProperty {
			o, ok := v.(*jsonvalue.Object)
			if !ok {
				return v, i
			}
			m, ok := o.Get(t.names[0])
			if !ok {
				return v, i
			}
			v = m
			continue
		}
		a, _ := v.([]any)
		n := t.indexes[0]
		if n < 0 {
			n += len(a)
		}
		if n < 0 || n >= len(a) {
			return v, i
		}
		v = a[n]
	}
	return v, len(p.tokens)
}

func (p *Path) noResults() error {
	return &NotFoundError{"No results for path: " + p.canonical(len(p.tokens))}
}

func (p *Path) missing(i int) error {
	return &NotFoundError{"Missing property in path " + p.canonical(i+1)}
}

func (p *Path) notObject(i int, v any) error {
	return &NotFoundError{"Expected to find an object with property " + p.tokens[i].fragment() + " in path " + p.canonical(i) +
		" but found '" + jsonvalue.TypeName(v) + "'. This is not a json object according to the JsonProvider."}
}

func (p *Path) notArray(i int, v any) error {
	if v == nil {
		return &NotFoundError{"The path " + p.canonical(i) + " is null"}
	}
	return &NotFoundError{"Filter: " + p.tokens[i].fragment() + " can only be applied to arrays. Current context is: " + jsonvalue.JavaString(v)}
}
