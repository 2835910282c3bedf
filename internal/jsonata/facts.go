package jsonata

import (
	"maps"
	"slices"
)

// facts are what can be told of an expression without evaluating it.
type facts struct {
	variables []string
	calls     []string
	reference string
	members   map[string][]string
	whole     map[string]bool
}

// Variables returns the names, without $ and in alphabetical order, of the variables that the expression uses but does
// not define, and that are no functions of the language: its caller has to bind them. An assignment counts from where it
// stands to the end of its block.
func (e *Expression) Variables() []string { return slices.Clone(e.facts.variables) }

// Calls returns the names, without $ and in alphabetical order, of the functions that the expression calls or passes on
// by names that it does not define itself, those that do not exist included.
func (e *Expression) Calls() []string { return slices.Clone(e.facts.calls) }

// Reference returns what the expression refers to its input by at the top level: $, $$ anywhere, or the field, the
// wildcard * or ** or the parent % that does not follow another step; the first in the order of reading where there are
// several, and "" where there is none. Step Functions, where input comes in variables only, refuses such expressions.
func (e *Expression) Reference() string { return e.facts.reference }

// Members returns the fields of a variable, named without $, that the expression reads, in alphabetical order; all is true
// when it reads the variable otherwise, too, so that any field may matter.
func (e *Expression) Members(variable string) (fields []string, all bool) {
	return slices.Clone(e.facts.members[variable]), e.facts.whole[variable]
}

// IsFunction reports whether the language has a function of a name, given without $.
func IsFunction(name string) bool { _, ok := builtins[name]; return ok }

// scope is the names that a part of an expression defines.
type scope struct {
	parent *scope
	names  map[string]bool
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.parent {
		if s.names[name] {
			return true
		}
	}
	return false
}

func (s *scope) define(name string) {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

type gatherer struct {
	variables, calls map[string]bool
	members          map[string]map[string]bool
	whole            map[string]bool
	reference        string
	at               int // where the reference stands
}

// refer notes a reference to the input.
func (g *gatherer) refer(n *node, name string) {
	if g.reference == "" || n.pos < g.at {
		g.reference, g.at = name, n.pos
	}
}

// member notes that a field of a variable is read.
func (g *gatherer) member(variable, field string) {
	if g.members[variable] == nil {
		g.members[variable] = map[string]bool{}
	}
	g.members[variable][field] = true
}

// gather finds the facts of a resolved tree.
func gather(root *node) facts {
	g := &gatherer{variables: map[string]bool{}, calls: map[string]bool{}, members: map[string]map[string]bool{}, whole: map[string]bool{}}
	g.visit(root, &scope{}, true)
	f := facts{
		variables: slices.Sorted(maps.Keys(g.variables)), calls: slices.Sorted(maps.Keys(g.calls)), reference: g.reference,
		members: map[string][]string{}, whole: g.whole,
	}
	for variable, fields := range g.members {
		f.members[variable] = slices.Sorted(maps.Keys(fields))
	}
	return f
}

// memberRead tells that a path begins with a field of a variable and sees no other of its fields.
func memberRead(path *node) (variable, field string, ok bool) {
	if len(path.list) < 2 || path.tuple {
		return "", "", false
	}
	v, f := path.list[0], path.list[1]
	if v.kind != kindVariable || v.name == "" || v.name == "$" || v.stages != nil || v.filters != nil || v.ancestor != nil || f.ancestor != nil || f.kind != kindName {
		return "", "", false
	}
	return v.name, f.name, true
}

// referred is what a node that refers to its context calls it.
func referred(n *node) string {
	switch n.kind {
	case kindWildcard:
		return "*"
	case kindDescendant:
		return "**"
	case kindParent:
		return "%"
	}
	return n.name
}

// visit looks at a node; top tells whether its context is still the input.
func (g *gatherer) visit(n *node, s *scope, top bool) {
	if n == nil {
		return
	}
	switch n.kind {
	case kindName, kindWildcard, kindDescendant, kindParent:
		if top {
			g.refer(n, referred(n))
		}
	case kindVariable:
		switch {
		case n.name == "":
			if top {
				g.refer(n, "$")
			}
		case n.name == "$":
			g.refer(n, "$$")
		case s.has(n.name):
		case IsFunction(n.name):
			g.calls[n.name] = true
		default:
			g.variables[n.name] = true
			g.whole[n.name] = true
		}
	case kindPath:
		inner := &scope{parent: s}
		for i, step := range n.list {
			if v, field, ok := memberRead(n); i == 0 && ok && !s.has(v) && !IsFunction(v) {
				g.variables[v] = true
				g.member(v, field)
				continue
			}
			g.visit(step, inner, top && i == 0)
			for _, name := range [...]string{step.focus, step.index} {
				if name != "" {
					inner.define(name)
				}
			}
			g.visitStages(step.stages, inner)
		}
		g.visitGroup(n, inner)
		g.visitStages(n.filters, s)
		return
	case kindBlock:
		inner := &scope{parent: s}
		for _, part := range n.list {
			g.visit(part, inner, top)
		}
		g.visitGroup(n, s)
		g.visitStages(n.filters, s)
		return
	case kindBind:
		g.visit(n.right, s, top)
		s.define(n.left.name)
		return
	case kindLambda:
		inner := &scope{parent: s}
		for _, p := range n.list {
			inner.define(p.name)
		}
		g.visit(n.third, inner, top)
		return
	case kindCall, kindPartial:
		if n.left.kind == kindVariable && n.left.name != "" && !s.has(n.left.name) {
			g.calls[n.left.name] = true
		} else if name, field := calleeName(n.left); !field || len(n.left.list) > 1 || !IsFunction(name) {
			g.visit(n.left, s, top)
		}
		for _, a := range n.list {
			g.visit(a, s, top)
		}
		g.visitGroup(n, s)
		g.visitStages(n.filters, s)
		return
	case kindTransform: // its context is the value that it changes
		g.visit(n.left, s, false)
		g.visit(n.right, s, false)
		g.visit(n.third, s, false)
		return
	case kindSort:
		for _, t := range n.terms {
			g.visit(t.by, s, false)
		}
		return
	}
	for _, c := range [...]*node{n.left, n.right, n.third} {
		g.visit(c, s, top)
	}
	for _, c := range n.list {
		g.visit(c, s, top)
	}
	for _, p := range n.pairs {
		g.visit(p[0], s, top)
		g.visit(p[1], s, top)
	}
	g.visitGroup(n, s)
	g.visitStages(n.filters, s)
}

func (g *gatherer) visitGroup(n *node, s *scope) {
	if n.group == nil {
		return
	}
	for _, p := range n.group.pairs {
		g.visit(p[0], s, false)
		g.visit(p[1], s, false)
	}
}

func (g *gatherer) visitStages(stages []stage, s *scope) {
	for _, st := range stages {
		g.visit(st.filter, s, false)
		if st.index != "" {
			s.define(st.index)
		}
	}
}

// prepare marks the paths and steps that can be taken the short way, and gathers the names of parameters.
func prepare(n *node) {
	n.children(prepare)
	switch n.kind {
	case kindName, kindVariable:
		n.plainName = n.filters == nil && n.group == nil && !n.keepArray
	case kindLambda:
		for _, p := range n.list {
			n.names = append(n.names, p.name)
		}
	case kindPath:
		n.simple = n.group == nil && !n.keepSingleton && !n.keepArray && !n.tuple && n.filters == nil
		for i, step := range n.list {
			n.simple = n.simple && step.plainName && step.stages == nil && !step.tuple && step.ancestor == nil
			n.simple = n.simple && (step.kind == kindName || i == 0 && len(n.list) > 1)
		}
	}
}
