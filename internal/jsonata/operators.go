package jsonata

import (
	"math"
)

// maxRange is the number of members that a range may have.
const maxRange = 10_000_000

func (ev *evaluator) binary(n *node, input any, env *frame) (any, error) {
	x, err := ev.eval(n.left, input, env)
	if err != nil {
		return nil, err
	}
	if n.name == "and" || n.name == "or" {
		yes, err := ev.truth(x, 0)
		if err != nil {
			return nil, placeAt(err, n.pos, n.name)
		}
		if yes == (n.name == "or") {
			return yes, nil
		}
		if x, err = ev.eval(n.right, input, env); err != nil {
			return nil, err
		}
		yes, err = ev.truth(x, 0)
		return yes, placeAt(err, n.pos, n.name)
	}
	y, err := ev.eval(n.right, input, env)
	if err != nil {
		return nil, err
	}
	v, err := ev.operate(n, x, y)
	return v, placeAt(err, n.pos, n.name)
}

func (ev *evaluator) operate(n *node, x, y any) (any, error) {
	switch n.name {
	case "+", "-", "*", "/", "%":
		return arithmetic(n.name, x, y)
	case "=", "!=":
		if isUndefined(x) || isUndefined(y) {
			return false, nil
		}
		same, err := ev.equal(x, y, 0)
		return same == (n.name == "="), err
	case "<", "<=", ">", ">=":
		return comparison(n, x, y)
	case "&":
		return ev.join(x, y)
	case "in":
		return ev.included(x, y)
	case "..":
		return ev.rangeOf(x, y)
	}
	return nil, failAt("S0206", n.pos, n.name, undefined)
}

func arithmetic(op string, x, y any) (any, error) {
	a, ok, err := finite(x)
	if err != nil {
		return nil, err
	}
	if !ok && !isUndefined(x) {
		return nil, fail("T2001", x)
	}
	b, ok, err := finite(y)
	if err != nil {
		return nil, err
	}
	if !ok && !isUndefined(y) {
		return nil, fail("T2002", y)
	}
	if isUndefined(x) || isUndefined(y) {
		return undefined, nil
	}
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		return a / b, nil
	}
	return math.Mod(a, b), nil
}

func comparison(n *node, x, y any) (any, error) {
	for _, v := range [...]any{x, y} {
		if l := typeLetter(v); l != 'n' && l != 's' && l != 'm' {
			return nil, fail("T2010", v)
		}
	}
	if isUndefined(x) || isUndefined(y) {
		return undefined, nil
	}
	if typeLetter(x) != typeLetter(y) {
		f := fail("T2009", x)
		f.value2 = y
		return nil, f
	}
	if f, ok := number(x); ok { // not a number compares with nothing
		if g, _ := number(y); math.IsNaN(f) || math.IsNaN(g) {
			return false, nil
		}
	}
	c := compare(x, y)
	switch n.name {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func (ev *evaluator) join(x, y any) (any, error) {
	var parts [2]string
	for i, v := range [...]any{x, y} {
		if isUndefined(v) {
			continue
		}
		s, err := ev.toString(v, false)
		if err != nil {
			return nil, err
		}
		parts[i] = s
	}
	if err := ev.spendText(len(parts[0]) + len(parts[1])); err != nil {
		return nil, err
	}
	return parts[0] + parts[1], nil
}

// included tells whether x is a member of y; arrays and objects are never the same as others.
func (ev *evaluator) included(x, y any) (any, error) {
	if isUndefined(x) || isUndefined(y) {
		return false, nil
	}
	items := listOf(y)
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	for _, item := range items {
		if identical(x, item) {
			return true, nil
		}
	}
	return false, nil
}

// identical compares as JavaScript's === does.
func identical(x, y any) bool {
	if f, ok := number(x); ok {
		g, ok := number(y)
		return ok && f == g
	}
	switch a := x.(type) {
	case nil:
		return y == nil
	case string:
		b, ok := y.(string)
		return ok && a == b
	case bool:
		b, ok := y.(bool)
		return ok && a == b
	case []any:
		b, ok := y.([]any)
		return ok && len(a) > 0 && sameArray(a, b)
	case *array:
		b, ok := y.(*array)
		return ok && a == b
	case *object:
		b, ok := y.(*object)
		return ok && a == b
	case function:
		b, ok := y.(function)
		return ok && a == b
	}
	return false
}

func (ev *evaluator) rangeOf(x, y any) (any, error) {
	from, ok := number(x)
	if !isUndefined(x) && (!ok || from != math.Trunc(from) || math.IsInf(from, 0)) {
		return nil, fail("T2003", x)
	}
	to, ok := number(y)
	if !isUndefined(y) && (!ok || to != math.Trunc(to) || math.IsInf(to, 0)) {
		return nil, fail("T2004", y)
	}
	if isUndefined(x) || isUndefined(y) || from > to {
		return undefined, nil
	}
	size := to - from + 1
	if size > maxRange {
		return nil, fail("D2014", size)
	}
	if err := ev.spend(int(size)); err != nil {
		return nil, err
	}
	items := make([]any, int(size))
	for i := range items {
		items[i] = from + float64(i)
	}
	return &array{items: items, sequence: true}, nil
}
