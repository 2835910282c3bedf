package vtl

import (
	"fmt"
	"math"
	"strings"
)

// renderer is one rendering.
type renderer struct {
	vars  map[string]any
	out   strings.Builder
	steps int
}

// flow tells a block's caller how it ended.
type flow uint8

const (
	goesOn flow = iota
	broke
	stopped
)

// spend counts one step.
func (r *renderer) spend() error {
	if r.steps++; r.steps > maxSteps {
		return fmt.Errorf("the template takes more than %d steps", maxSteps)
	}
	return nil
}

// charge counts the work on what is large.
func (r *renderer) charge(values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.steps += len(v) / 64
		case *List, *Map:
			r.steps += len(String(v)) / 64
		}
	}
}

func (r *renderer) write(s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return fmt.Errorf("the template writes more than %d bytes", MaxOutput)
	}
	r.out.WriteString(s)
	return nil
}

func (r *renderer) block(nodes []node) (flow, error) {
	for _, n := range nodes {
		if err := r.spend(); err != nil {
			return stopped, err
		}
		var how flow
		var err error
		switch n := n.(type) {
		case textNode:
			err = r.write(string(n))
		case *refNode:
			err = r.reference(n)
		case *setNode:
			err = r.set(n)
		case *ifNode:
			how, err = r.choose(n)
		case *foreachNode:
			how, err = r.foreach(n)
		case breakNode:
			how = broke
		case stopNode:
			how = stopped
		}
		if err != nil || how != goesOn {
			return how, err
		}
	}
	return goesOn, nil
}

func (r *renderer) reference(n *refNode) error {
	v, defined, err := r.lookup(n.ref)
	if err != nil {
		return err
	}
	switch {
	case v != nil:
		return r.write(String(v))
	case n.silent || defined:
		return nil
	}
	return r.write(n.source)
}

func (r *renderer) choose(n *ifNode) (flow, error) {
	for _, a := range n.arms {
		v, err := r.eval(a.condition)
		if err != nil {
			return stopped, err
		}
		if truth(v) {
			return r.block(a.body)
		}
	}
	return r.block(n.other)
}

func (r *renderer) foreach(n *foreachNode) (flow, error) {
	in, err := r.eval(n.in)
	if err != nil {
		return stopped, err
	}
	var items []any
	switch v := in.(type) {
	case nil:
		return goesOn, nil
	case *List:
		items = v.Items
	case *Map:
		for _, k := range v.keys {
			items = append(items, v.values[k])
		}
	default:
		return goesOn, nil // Velocity goes over what is no collection in silence
	}
	if len(items) > MaxIterations {
		return stopped, fmt.Errorf("#foreach goes over %d items; the limit is %d", len(items), MaxIterations)
	}
	outer := map[string]any{}
	names := []string{n.name, "foreach", "velocityCount", "velocityHasNext"}
	for _, name := range names {
		if v, ok := r.vars[name]; ok {
			outer[name] = v
		}
	}
	defer func() {
		for _, name := range names {
			if v, ok := outer[name]; ok {
				r.vars[name] = v
			} else {
				delete(r.vars, name)
			}
		}
	}()
	for i, item := range items {
		if err := r.spend(); err != nil {
			return stopped, err
		}
		r.vars[n.name] = item
		about := NewMap()
		about.Set("index", int64(i))
		about.Set("count", int64(i+1))
		about.Set("hasNext", i+1 < len(items))
		about.Set("first", i == 0)
		about.Set("last", i+1 == len(items))
		r.vars["foreach"], r.vars["velocityCount"], r.vars["velocityHasNext"] = about, int64(i+1), i+1 < len(items)
		switch how, err := r.block(n.body); {
		case err != nil || how == stopped:
			return stopped, err
		case how == broke:
			return goesOn, nil
		}
	}
	return goesOn, nil
}

// set assigns. As in Velocity, null changes nothing.
func (r *renderer) set(n *setNode) error {
	v, err := r.eval(n.value)
	if err != nil || v == nil {
		return err
	}
	if len(n.to.steps) == 0 {
		r.vars[n.to.name] = v
		return nil
	}
	last := n.to.steps[len(n.to.steps)-1]
	holder, _, err := r.lookup(&reference{n.to.name, n.to.steps[:len(n.to.steps)-1]})
	if err != nil {
		return err
	}
	key := any(last.name)
	if last.index != nil {
		if key, err = r.eval(last.index); err != nil {
			return err
		}
	}
	if contains(v, holder) {
		return fmt.Errorf("$%s would hold itself", n.to.name)
	}
	switch h := holder.(type) {
	case *Map:
		h.Set(String(key), v)
	case *List:
		i, ok := key.(int64)
		if !ok || i < 0 || i >= int64(len(h.Items)) {
			return fmt.Errorf("$%s has no element %s", n.to.name, String(key))
		}
		h.Items[i] = v
	default:
		return fmt.Errorf("$%s has no member that can be set", n.to.name)
	}
	return nil
}

// lookup follows a reference. defined tells that a null came from a host or a variable that exists, and is not to be written
// as the template's own text.
func (r *renderer) lookup(ref *reference) (v any, defined bool, err error) {
	v, defined = r.vars[ref.name]
	if !defined {
		return nil, false, nil
	}
	_, defined = v.(Host)
	for _, s := range ref.steps {
		if err := r.spend(); err != nil {
			return nil, false, err
		}
		if v == nil {
			return nil, defined, nil
		}
		switch {
		case s.index != nil:
			key, err := r.eval(s.index)
			if err != nil {
				return nil, false, err
			}
			v = member(v, key)
		case s.method:
			args := make([]any, len(s.args))
			for i, a := range s.args {
				if args[i], err = r.eval(a); err != nil {
					return nil, false, err
				}
			}
			r.charge(append(args, v)...)
			if host, ok := v.(Host); ok {
				v, err = host.Call(s.name, args)
			} else {
				v, err = call(v, s.name, args)
			}
			if err != nil {
				return nil, false, err
			}
		default:
			v = member(v, s.name)
		}
	}
	return v, defined, nil
}

func (r *renderer) eval(e expr) (any, error) {
	if err := r.spend(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case *literal:
		return e.value, nil
	case *reference:
		v, _, err := r.lookup(e)
		return v, err
	case *interpolated:
		inner := &renderer{vars: r.vars, steps: r.steps}
		_, err := inner.block(e.nodes)
		r.steps = inner.steps + inner.out.Len()/64
		return inner.out.String(), err
	case *listExpr:
		l := &List{}
		for _, x := range e.items {
			v, err := r.eval(x)
			if err != nil {
				return nil, err
			}
			l.Items = append(l.Items, v)
		}
		return l, nil
	case *rangeExpr:
		return r.span(e)
	case *mapExpr:
		m := NewMap()
		for i := range e.keys {
			k, err := r.eval(e.keys[i])
			if err != nil {
				return nil, err
			}
			v, err := r.eval(e.values[i])
			if err != nil {
				return nil, err
			}
			m.Set(String(k), v)
		}
		return m, nil
	case *unaryExpr:
		v, err := r.eval(e.x)
		return !truth(v), err
	case *binaryExpr:
		return r.binary(e)
	}
	return nil, fmt.Errorf("an expression of type %T cannot be evaluated", e)
}

func (r *renderer) span(e *rangeExpr) (any, error) {
	from, err := r.eval(e.from)
	if err != nil {
		return nil, err
	}
	to, err := r.eval(e.to)
	if err != nil {
		return nil, err
	}
	a, okA := from.(int64)
	b, okB := to.(int64)
	if !okA || !okB {
		return nil, nil
	}
	if n := math.Abs(float64(b) - float64(a)); n >= MaxIterations {
		return nil, fmt.Errorf("a range has more than %d items", MaxIterations)
	}
	l, by := &List{}, int64(1)
	if b < a {
		by = -1
	}
	for i := a; ; i += by {
		l.Items = append(l.Items, i)
		if i == b {
			return l, nil
		}
	}
}

func (r *renderer) binary(e *binaryExpr) (any, error) {
	x, err := r.eval(e.x)
	if err != nil {
		return nil, err
	}
	switch {
	case e.op == "&&" && !truth(x):
		return false, nil
	case e.op == "||" && truth(x):
		return true, nil
	}
	y, err := r.eval(e.y)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "&&", "||":
		return truth(y), nil
	case "==", "!=":
		r.charge(x, y)
		return equal(x, y) == (e.op == "=="), nil
	case "<", ">", "<=", ">=":
		c, ok := compare(x, y)
		if !ok {
			return false, nil
		}
		return map[string]bool{"<": c < 0, ">": c > 0, "<=": c <= 0, ">=": c >= 0}[e.op], nil
	}
	return r.arithmetic(e.op, x, y)
}

// arithmetic gives null for what is no number, as Velocity does, and for a division by zero.
func (r *renderer) arithmetic(op string, x, y any) (any, error) {
	_, textX := x.(string)
	_, textY := y.(string)
	if op == "+" && (textX || textY) {
		s := String(x) + String(y)
		if len(s) > MaxOutput {
			return nil, fmt.Errorf("a text has more than %d bytes", MaxOutput)
		}
		r.steps += len(s) / 64
		return s, nil
	}
	a, wholeA := x.(int64)
	b, wholeB := y.(int64)
	if wholeA && wholeB {
		switch {
		case op == "+":
			return a + b, nil
		case op == "-":
			return a - b, nil
		case op == "*":
			return a * b, nil
		case b == 0 || b == -1 && a == math.MinInt64:
			return nil, nil
		case op == "/":
			return a / b, nil
		}
		return a % b, nil
	}
	f, okF := number(x)
	g, okG := number(y)
	if !okF || !okG {
		return nil, nil
	}
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return f * g, nil
	}
	if g == 0 {
		return nil, nil
	}
	if op == "/" {
		return f / g, nil
	}
	return math.Mod(f, g), nil
}
