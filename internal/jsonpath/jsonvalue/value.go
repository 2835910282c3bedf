// Package jsonvalue holds JSON values as Step Functions sees them: objects keep the order of their members, integers keep
// all their digits, and decimals print as Java prints a double, because that is what the service's histories show.
//
// A value is nil, a bool, a string, a Number, an Array ([]any) or an *Object. Values are immutable by convention: whoever
// wants a change makes a new value, and may share parts of the old one.
package jsonvalue

import (
	"math/big"
	"slices"
)

// Object is a JSON object whose members keep their order. The zero value is an empty object. Set may only be called while
// an object is being built; afterwards it may be shared between goroutines.
type Object struct {
	keys  []string
	vals  []any
	index map[string]int // nil while the object is small
}

// indexAbove is the number of members from which on a map is quicker than a scan.
const indexAbove = 12

// NewObject makes an empty object with room for n members.
func NewObject(n int) *Object {
	return &Object{keys: make([]string, 0, n), vals: make([]any, 0, n)}
}

// Len returns the number of members.
func (o *Object) Len() int { return len(o.keys) }

// At returns the member at position i, 0 ≤ i < Len.
func (o *Object) At(i int) (key string, value any) { return o.keys[i], o.vals[i] }

// Keys returns the members' names in order. The slice must not be changed.
func (o *Object) Keys() []string { return o.keys }

// Get returns the value of a member and whether there is one.
func (o *Object) Get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.vals[i], true
	}
	return nil, false
}

func (o *Object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.Index(o.keys, key)
}

// Set gives a member a value; a new member comes last, one that exists keeps its place.
func (o *Object) Set(key string, value any) {
	if i := o.find(key); i >= 0 {
		o.vals[i] = value
		return
	}
	o.keys = append(o.keys, key)
	o.vals = append(o.vals, value)
	switch {
	case o.index != nil:
		o.index[key] = len(o.keys) - 1
	case len(o.keys) > indexAbove:
		o.index = make(map[string]int, 2*len(o.keys))
		for i, k := range o.keys {
			o.index[k] = i
		}
	}
}

// With returns a copy of o in which one member has the given value.
func (o *Object) With(key string, value any) *Object {
	c := NewObject(len(o.keys) + 1)
	c.keys = append(c.keys, o.keys...)
	c.vals = append(c.vals, o.vals...)
	if o.index != nil {
		c.index = make(map[string]int, len(o.index)+1)
		for k, i := range o.index {
			c.index[k] = i
		}
	}
	c.Set(key, value)
	return c
}

// Equal reports whether two values are the same JSON value: numbers are compared by value, objects without regard to the
// order of their members.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case Number:
		y, ok := b.(Number)
		return ok && x.Cmp(y) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i, k := range x.keys {
			v, ok := y.Get(k)
			if !ok || !Equal(x.vals[i], v) {
				return false
			}
		}
		return true
	}
	return false
}

// TypeName names the type of a value for messages: null, boolean, string, number, array or object.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case Number:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func ratOf(s string) (*big.Rat, bool) { return new(big.Rat).SetString(s) }
