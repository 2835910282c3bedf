package jsonpath

import (
	"strconv"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// maxVisits bounds the work of one evaluation: scans within scans grow exponentially.
const maxVisits = 1_000_000

// evaluation is one application of a path.
type evaluation struct {
	path    *Path
	root    any
	require bool // a missing property is an error everywhere; used by tests of existence
	results []any
	// index is, per token, the position of the array element that a scan last handed to it, or -1.
	index  []int
	budget *int
}

// eval applies the path to doc; root is what $ means inside filters.
func (p *Path) eval(doc, root any, require bool, budget *int) (any, error) {
	e := &evaluation{path: p, root: root, require: require, budget: budget}
	if len(p.tokens) == 0 {
		return doc, nil
	}
	if err := e.visit(0, doc); err != nil {
		return nil, err
	}
	if !p.definite {
		if e.results == nil {
			return []any{}, nil
		}
		return e.results, nil
	}
	if len(e.results) == 0 {
		return nil, p.noResults()
	}
	return e.results[len(e.results)-1], nil
}

func (e *evaluation) leaf(i int) bool { return i == len(e.path.tokens)-1 }

// pass hands a value on from token i: to the results, or to the next token.
func (e *evaluation) pass(i int, v any) error {
	if e.leaf(i) {
		e.results = append(e.results, v)
		return nil
	}
	return e.visit(i+1, v)
}

func (e *evaluation) visit(i int, v any) error {
	if *e.budget--; *e.budget < 0 {
		return &EvalError{"the path matches too much of the document"}
	}
	t := &e.path.tokens[i]
	switch t.kind {
	case kindProperty:
		return e.property(i, v)
	case kindIndex, kindSlice:
		return e.elements(i, v)
	case kindWildcard:
		return e.wildcard(i, v)
	case kindScan:
		if e.index == nil {
			e.index = make([]int, len(e.path.tokens))
			for k := range e.index {
				e.index[k] = -1
			}
		}
		return e.scan(i, v)
	case kindFilter:
		return e.filter(i, v)
	}
	r, err := t.fn.call(e, t, v)
	if err != nil {
		return err
	}
	e.results = append(e.results, r)
	if !e.leaf(i) {
		return e.visit(i+1, r)
	}
	return nil
}

func (e *evaluation) property(i int, v any) error {
	t := &e.path.tokens[i]
	o, ok := v.(*jsonvalue.Object)
	if !ok {
		if t.upstream {
			return e.path.notObject(i, v)
		}
		return nil
	}
	if len(t.names) > 1 && e.leaf(i) {
		merged := jsonvalue.NewObject(len(t.names))
		for _, name := range t.names {
			if m, ok := o.Get(name); ok {
				merged.Set(name, m)
			} else if e.require {
				return e.path.missing(i)
			}
		}
		return e.pass(i, merged)
	}
	for _, name := range t.names {
		m, ok := o.Get(name)
		if !ok {
			switch {
			case e.leaf(i) && !e.require:
			case !e.leaf(i) && !e.require && !(t.upstream && len(t.names) == 1):
			case e.leaf(i):
				return e.path.noResults()
			default:
				return e.path.missing(i)
			}
			continue
		}
		if err := e.member(i, m); err != nil {
			return err
		}
	}
	return nil
}

// member hands on one member of an object. A leaf that a scan reached through an array's element counts only when the
// token before it names that element.
func (e *evaluation) member(i int, v any) error {
	if e.leaf(i) && e.index != nil && e.index[i] != -1 &&
		(i == 0 || e.path.tokens[i-1].fragment() != "["+strconv.Itoa(e.index[i])+"]") {
		return nil
	}
	return e.pass(i, v)
}

func (e *evaluation) elements(i int, v any) error {
	t := &e.path.tokens[i]
	a, ok := v.([]any)
	if !ok {
		if t.upstream {
			return e.path.notArray(i, v)
		}
		return nil
	}
	if t.kind == kindIndex {
		for _, n := range t.indexes {
			if err := e.element(i, a, n); err != nil {
				return err
			}
		}
		return nil
	}
	from, to := 0, len(a)
	switch {
	case t.to == nil: // [n:]
		if from = *t.from; from < 0 {
			from = max(0, len(a)+from)
		}
	case t.from == nil: // [:n]
		if to = *t.to; to < 0 {
			to += len(a)
		}
	default: // [n:m] does not count either from the end: a negative start runs through zero
		from, to = max(*t.from, -len(a)-1), *t.to
	}
	for n := from; n < min(to, len(a)); n++ {
		if err := e.element(i, a, n); err != nil {
			return err
		}
	}
	return nil
}

// element hands on a[n], counted from the end when n is negative; outside the array there is nothing.
func (e *evaluation) element(i int, a []any, n int) error {
	if n < 0 {
		n += len(a)
	}
	if n < 0 || n >= len(a) {
		return nil
	}
	return e.pass(i, a[n])
}

func (e *evaluation) wildcard(i int, v any) error {
	switch v := v.(type) {
	case *jsonvalue.Object:
		for k := range v.Len() {
			_, m := v.At(k)
			if err := e.member(i, m); err != nil {
				return err
			}
		}
	case []any:
		for _, m := range v {
			err := e.pass(i, m)
			if err != nil && !e.require && notFound(err) {
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *evaluation) filter(i int, v any) error {
	t := &e.path.tokens[i]
	switch v := v.(type) {
	case *jsonvalue.Object:
		if ok, err := e.accepts(t, v); !ok || err != nil {
			return err
		}
		return e.pass(i, v)
	case []any:
		for n, m := range v {
			ok, err := e.accepts(t, m)
			if err != nil {
				return err
			}
			if ok {
				if err := e.element(i, v, n); err != nil {
					return err
				}
			}
		}
	default:
		if t.upstream {
			return &EvalError{"Filter: [?] can not be applied to primitives. Current context is: " + jsonvalue.JavaString(v)}
		}
	}
	return nil
}

func (e *evaluation) accepts(t *token, item any) (bool, error) {
	if *e.budget--; *e.budget < 0 {
		return false, &EvalError{"the path matches too much of the document"}
	}
	ok, err := t.filter.holds(item, e.root, e.budget)
	if err != nil && notFound(err) {
		return false, nil
	}
	return ok, err
}

// scan applies token i+1 everywhere below v, v included, parents first.
func (e *evaluation) scan(i int, v any) error {
	if *e.budget--; *e.budget < 0 {
		return &EvalError{"the path matches too much of the document"}
	}
	if e.leaf(i) {
		return &EvalError{"nothing follows '..'"}
	}
	target := i + 1
	switch v := v.(type) {
	case *jsonvalue.Object:
		fits, err := e.fits(target, v)
		if err == nil && fits {
			err = e.visit(target, v)
		}
		if err != nil {
			return err
		}
		for k := range v.Len() {
			_, m := v.At(k)
			if err := e.scan(i, m); err != nil {
				return err
			}
		}
	case []any:
		fits, err := e.fits(target, v)
		switch {
		case err != nil:
		case fits && e.leaf(target):
			err = e.visit(target, v)
		case fits:
			for n, m := range v {
				e.index[target+1] = n
				if err = e.visit(target+1, m); err != nil {
					break
				}
			}
		}
		if err != nil {
			return err
		}
		for _, m := range v {
			if err := e.scan(i, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits reports whether a scan tries token i on v at all.
func (e *evaluation) fits(i int, v any) (bool, error) {
	t := &e.path.tokens[i]
	switch t.kind {
	case kindProperty:
		o, ok := v.(*jsonvalue.Object)
		if !ok || !t.definite(e.leaf(i)) {
			return ok, nil
		}
		for _, name := range t.names {
			if _, ok := o.Get(name); !ok {
				return false, nil
			}
		}
		return true, nil
	case kindIndex, kindSlice:
		_, ok := v.([]any)
		return ok, nil
	case kindWildcard:
		return true, nil
	case kindFilter:
		return e.accepts(t, v)
	}
	return false, nil
}
