package jsonata

import (
	"math"
	"sort"
	"strconv"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Inside the engine a value is nil (null), a bool, a string, a float64 or jsonvalue.Number, an array ([]any where it came
// from the input, *array where an expression made it), a *jsonvalue.Object, a function, or undefined.

// object is an object of the data.
type object = jsonvalue.Object

type undefinedType struct{}

// undefined is JSONata's "nothing".
var undefined any = undefinedType{}

func isUndefined(v any) bool { _, ok := v.(undefinedType); return ok }

// array is an array that an expression made. A sequence is one that stands for its members: of one member it is that
// member, of none it is nothing.
type array struct {
	items    []any
	sequence bool
	keep     bool // a sequence of one stays an array
	built    bool // made by an array constructor: one value of its path, not to be flattened
	outer    bool // wraps an input that is an array
	tuples   bool // its members are bindings: objects that hold the value under "@" and variables under their names
}

func newSequence(items ...any) *array { return &array{items: items, sequence: true} }

// elements returns the members of an array.
func elements(v any) ([]any, bool) {
	switch x := v.(type) {
	case []any:
		return x, true
	case *array:
		return x.items, true
	}
	return nil, false
}

// listOf returns the members of an array, or the value itself as the only member.
func listOf(v any) []any {
	if items, ok := elements(v); ok {
		return items
	}
	return []any{v}
}

func isSequence(v any) bool {
	a, ok := v.(*array)
	return ok && a.sequence
}

func isTuples(v any) bool {
	a, ok := v.(*array)
	return ok && a.tuples
}

// concat is the members of a and then those of b, nothing for what is undefined.
func concat(a, b any) any {
	if isUndefined(a) {
		return b
	}
	if isUndefined(b) {
		return a
	}
	x, y := listOf(a), listOf(b)
	items := make([]any, 0, len(x)+len(y))
	return &array{items: append(append(items, x...), y...)}
}

// number returns the double that v is.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case jsonvalue.Number:
		if len(x) <= 15 { // short integers, which most numbers are
			n := 0
			for i := range len(x) {
				if x[i] < '0' || x[i] > '9' {
					return x.Float64(), true
				}
				n = n*10 + int(x[i]-'0')
			}
			return float64(n), true
		}
		return x.Float64(), true
	}
	return 0, false
}

// finite returns the number that v is; a number that is not finite is an error.
func finite(v any) (float64, bool, error) {
	f, ok := number(v)
	if !ok || math.IsNaN(f) {
		return 0, false, nil
	}
	if math.IsInf(f, 0) {
		return 0, false, fail("D1001", undefined)
	}
	return f, true, nil
}

// typeLetter is the letter of v's type in a signature: l is null, m is nothing.
func typeLetter(v any) byte {
	switch v.(type) {
	case nil:
		return 'l'
	case string:
		return 's'
	case float64, jsonvalue.Number:
		return 'n'
	case bool:
		return 'b'
	case []any, *array:
		return 'a'
	case *object:
		return 'o'
	case undefinedType:
		return 'm'
	case function:
		return 'f'
	}
	return 'm'
}

// typeName names v's type as $type does.
func typeName(v any) string {
	switch typeLetter(v) {
	case 'l':
		return "null"
	case 's':
		return "string"
	case 'n':
		return "number"
	case 'b':
		return "boolean"
	case 'a':
		return "array"
	case 'o':
		return "object"
	case 'f':
		return "function"
	}
	return "undefined"
}

// keysOf returns the names of an object's members in the order of JavaScript: those that are array indices first, by
// value, the others as they were added.
func keysOf(o *object) []string {
	keys := o.Keys()
	for i, k := range keys {
		if _, ok := arrayIndex(k); ok {
			return indicesFirst(keys, i)
		}
	}
	return keys
}

func indicesFirst(keys []string, from int) []string {
	var indices []uint64
	others := append([]string(nil), keys[:from]...)
	for _, k := range keys[from:] {
		if i, ok := arrayIndex(k); ok {
			indices = append(indices, i)
		} else {
			others = append(others, k)
		}
	}
	sort.Slice(indices, func(i, j int) bool { return indices[i] < indices[j] })
	out := make([]string, 0, len(keys))
	for _, i := range indices {
		out = append(out, strconv.FormatUint(i, 10))
	}
	return append(out, others...)
}

// arrayIndex tells whether a name is an array index of JavaScript: an integer from 0 to 2³²-2 in plain digits.
func arrayIndex(k string) (uint64, bool) {
	if k == "" || len(k) > 10 || k[0] > '9' || k[0] < '0' || k[0] == '0' && len(k) > 1 {
		return 0, false
	}
	i, err := strconv.ParseUint(k, 10, 64)
	return i, err == nil && i < 1<<32-1
}

// maxNesting bounds how deep values may be nested, and so the recursion of everything that walks them.
const maxNesting = 5000

// equal compares deeply: objects without regard to order, arrays member by member, functions by identity.
func (ev *evaluator) equal(a, b any, nesting int) (bool, error) {
	if nesting > maxNesting {
		return false, limit("a value is nested too deeply")
	}
	if err := ev.spend(1); err != nil {
		return false, err
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	if x, ok := elements(a); ok {
		y, ok := elements(b)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if same, err := ev.equal(x[i], y[i], nesting+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if x, ok := a.(*object); ok {
		y, ok := b.(*object)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		for i := range x.Len() {
			k, v := x.At(i)
			w, ok := y.Get(k)
			if !ok {
				return false, nil
			}
			if same, err := ev.equal(v, w, nesting+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return typeLetter(a) == typeLetter(b) && typeLetter(a) != 'a' && typeLetter(a) != 'o' && a == b, nil
}

// truth is $boolean: empty values, zero, null, nothing and functions are false, and so is an array without a true member.
func (ev *evaluator) truth(v any, nesting int) (bool, error) {
	if nesting > maxNesting {
		return false, limit("a value is nested too deeply")
	}
	switch x := v.(type) {
	case bool:
		return x, nil
	case string:
		return x != "", nil
	case *object:
		return x.Len() > 0, nil
	}
	if items, ok := elements(v); ok {
		if err := ev.spend(len(items)); err != nil {
			return false, err
		}
		some := false
		for _, item := range items {
			t, err := ev.truth(item, nesting+1)
			if err != nil {
				return false, err
			}
			some = some || t
		}
		return some, nil
	}
	f, ok, err := finite(v)
	return ok && f != 0, err
}
