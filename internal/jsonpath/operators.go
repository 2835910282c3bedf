package jsonpath

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// operator compares the two sides of a relation.
type operator func(l, r node) (bool, error)

var operators map[string]operator

func init() {
	plain := func(f func(l, r node) bool) operator {
		return func(l, r node) (bool, error) { return f(l, r), nil }
	}
	operators = map[string]operator{
		"==":       plain(equal),
		"!=":       plain(func(l, r node) bool { return !equal(l, r) }),
		"===":      plain(identical),
		"!==":      plain(func(l, r node) bool { return !identical(l, r) }),
		"<":        ordered(func(c int) bool { return c < 0 }),
		"<=":       ordered(func(c int) bool { return c <= 0 }),
		">":        ordered(func(c int) bool { return c > 0 }),
		">=":       ordered(func(c int) bool { return c >= 0 }),
		"=~":       plain(matches),
		"IN":       plain(in),
		"NIN":      plain(func(l, r node) bool { return !in(l, r) }),
		"CONTAINS": plain(contains),
		"ALL":      plain(containsAll),
		"SIZE":     plain(size),
		"EMPTY":    plain(empty),
		"SUBSETOF": plain(func(l, r node) bool { return sets(l, r, func(hits, n int) bool { return hits == n }) }),
		"ANYOF":    plain(func(l, r node) bool { return sets(l, r, func(hits, _ int) bool { return hits > 0 }) }),
		"NONEOF":   plain(func(l, r node) bool { return sets(l, r, func(hits, _ int) bool { return hits == 0 }) }),
	}
}

// same compares the results of tests of existence.
func same(l, r node) (bool, error) { return l.isTrue() == r.isTrue(), nil }

// equal is ==: a string and a number are equal when the string reads as that number.
func equal(l, r node) bool {
	switch l.kind {
	case nodeNumber:
		n, ok := l.value.(jsonvalue.Number)
		m, mok := asNumber(r)
		return ok && mok && n.Cmp(m) == 0
	case nodeString:
		switch r.kind {
		case nodeString:
			return l.value == r.value
		case nodeNumber:
			return l.value == string(r.value.(jsonvalue.Number))
		}
	case nodeBool:
		return r.kind == nodeBool && l.isTrue() == r.isTrue()
	case nodeNull:
		return r.kind == nodeNull
	case nodeJSON:
		return r.kind == nodeJSON && jsonvalue.Equal(l.value, r.value)
	}
	return false
}

func identical(l, r node) bool { return l.kind == r.kind && equal(l, r) }

func asNumber(n node) (jsonvalue.Number, bool) {
	switch n.kind {
	case nodeNumber:
		return n.value.(jsonvalue.Number), true
	case nodeString:
		return decimal(n.value.(string))
	}
	return "", false
}

// decimal reads what java.math.BigDecimal reads.
func decimal(s string) (jsonvalue.Number, bool) {
	if n, ok := jsonvalue.ParseNumber(s); ok {
		return n, true
	}
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return "", false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	return jsonvalue.Float(f), true
}

func ordered(ok func(int) bool) operator {
	return func(l, r node) (bool, error) {
		switch {
		case l.kind == nodeNumber && r.kind == nodeNumber:
			return ok(l.value.(jsonvalue.Number).Cmp(r.value.(jsonvalue.Number))), nil
		case l.kind == nodeString && r.kind == nodeString:
			return ok(cmp.Compare(l.value.(string), r.value.(string))), nil
		}
		return false, nil
	}
}

// list gives the elements of a list as nodes.
func list(n node) ([]node, bool) {
	a, ok := n.value.([]any)
	if n.kind != nodeJSON || !ok {
		return nil, false
	}
	nodes := make([]node, len(a))
	for i, v := range a {
		nodes[i] = nodeOf(v)
	}
	return nodes, true
}

func has(nodes []node, n node) bool {
	return slices.ContainsFunc(nodes, func(m node) bool { return equal(n, m) })
}

func in(l, r node) bool {
	nodes, ok := list(r)
	return ok && has(nodes, l)
}

func contains(l, r node) bool {
	if l.kind == nodeString && r.kind == nodeString {
		return strings.Contains(l.value.(string), r.value.(string))
	}
	nodes, ok := list(l)
	return ok && has(nodes, r)
}

func containsAll(l, r node) bool {
	have, ok := list(l)
	want, wok := list(r)
	return ok && wok && !slices.ContainsFunc(want, func(n node) bool { return !has(have, n) })
}

// sets counts how many elements of the left list are in the right one.
func sets(l, r node, ok func(hits, n int) bool) bool {
	left, lok := list(l)
	right, rok := list(r)
	if !lok || !rok {
		return false
	}
	hits := 0
	for _, n := range left {
		if has(right, n) {
			hits++
		}
	}
	return ok(hits, len(left))
}

// length returns how long a string, a list or an object is, else -1.
func length(n node) int {
	switch v := n.value.(type) {
	case string:
		return len([]rune(v))
	case []any:
		return len(v)
	case *jsonvalue.Object:
		return v.Len()
	}
	return -1
}

func size(l, r node) bool {
	n, ok := r.value.(jsonvalue.Number)
	return ok && length(l) == int(n.Float64())
}

func empty(l, r node) bool {
	n := length(l)
	return n >= 0 && r.kind == nodeBool && (n == 0) == r.isTrue()
}

func matches(l, r node) bool {
	if r.kind != nodePattern {
		l, r = r, l
	}
	if r.kind != nodePattern || l.kind == nodePattern {
		return false
	}
	input := func(n node) string {
		switch v := n.value.(type) {
		case string:
			return v
		case jsonvalue.Number:
			return string(v)
		case bool:
			return strconv.FormatBool(v)
		}
		return ""
	}
	if nodes, ok := list(l); ok {
		return slices.ContainsFunc(nodes, func(n node) bool { return r.pattern.MatchString(input(n)) })
	}
	return r.pattern.MatchString(input(l))
}
