package vtl

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// List is a list that a template can change.
type List struct{ Items []any }

// Map keeps the order of its keys. The zero value is empty, but NewMap is how to make one.
type Map struct {
	keys   []string
	values map[string]any
}

// NewMap makes an empty map.
func NewMap() *Map { return &Map{values: make(map[string]any)} }

// Set puts a value under a key, at the end when the key is new.
func (m *Map) Set(key string, v any) {
	if _, ok := m.values[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.values[key] = v
}

// Get returns the value of a key, or nil.
func (m *Map) Get(key string) any { return m.values[key] }

// Keys lists the keys in their order.
func (m *Map) Keys() []string { return m.keys }

func (m *Map) remove(key string) any {
	v, ok := m.values[key]
	if ok {
		delete(m.values, key)
		m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
	}
	return v
}

// FromJSON makes a template's value of one of package jsonvalue. Nothing is shared, so the template may change it.
func FromJSON(v any) any {
	switch v := v.(type) {
	case *jsonvalue.Object:
		m := NewMap()
		for i := range v.Len() {
			name, x := v.At(i)
			m.Set(name, FromJSON(x))
		}
		return m
	case []any:
		l := &List{Items: make([]any, len(v))}
		for i, x := range v {
			l.Items[i] = FromJSON(x)
		}
		return l
	case jsonvalue.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			return f
		}
		return string(v)
	}
	return v
}

// JSON writes a value as JSON. What is longer than MaxOutput is cut off, and then no JSON; a Host is null.
func JSON(v any) string {
	return string(appendValue(nil, v, true))
}

// String writes a value as Java's toString does: {a=1, b=[x, y]}. What is longer than MaxOutput is cut off.
func String(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(appendValue(nil, v, false))
}

func appendValue(b []byte, v any, quoted bool) []byte {
	if len(b) > MaxOutput {
		return b
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		if quoted {
			return jsonvalue.AppendString(b, v)
		}
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(b, "null"...)
		}
		return append(b, string(jsonvalue.Float(v))...)
	case *List:
		b = append(b, '[')
		for i, x := range v.Items {
			if len(b) > MaxOutput {
				return b
			}
			if i > 0 {
				b = append(b, separator(quoted)...)
			}
			b = appendValue(b, x, quoted)
		}
		return append(b, ']')
	case *Map:
		b = append(b, '{')
		for i, k := range v.keys {
			if len(b) > MaxOutput {
				return b
			}
			if i > 0 {
				b = append(b, separator(quoted)...)
			}
			if quoted {
				b = append(jsonvalue.AppendString(b, k), ':')
			} else {
				b = append(append(b, k...), '=')
			}
			b = appendValue(b, v.values[k], quoted)
		}
		return append(b, '}')
	}
	if s, ok := v.(interface{ String() string }); ok && !quoted {
		return append(b, s.String()...)
	}
	return append(b, "null"...)
}

func separator(quoted bool) string {
	if quoted {
		return ","
	}
	return ", "
}

// contains tells whether holder is v or within v.
func contains(v, holder any) bool {
	seen := map[any]bool{}
	var within func(v any) bool
	within = func(v any) bool {
		switch x := v.(type) {
		case *List:
			if v == holder {
				return true
			}
			if seen[v] {
				return false
			}
			seen[v] = true
			return slices.ContainsFunc(x.Items, within)
		case *Map:
			if v == holder {
				return true
			}
			if seen[v] {
				return false
			}
			seen[v] = true
			for _, k := range x.keys {
				if within(x.values[k]) {
					return true
				}
			}
		}
		return false
	}
	return within(v)
}

func truth(v any) bool {
	b, ok := v.(bool)
	return v != nil && (!ok || b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// equal compares numbers by value, and what is of different kinds by its text, as Velocity does.
func equal(x, y any) bool {
	if x == nil || y == nil {
		return x == nil && y == nil
	}
	if a, ok := number(x); ok {
		if b, ok := number(y); ok {
			return a == b
		}
	}
	return String(x) == String(y)
}

// compare orders numbers, and texts among themselves.
func compare(x, y any) (int, bool) {
	a, okA := number(x)
	b, okB := number(y)
	if okA && okB {
		return cmp.Compare(a, b), true
	}
	s, okS := x.(string)
	t, okT := y.(string)
	if okS && okT {
		return strings.Compare(s, t), true
	}
	return 0, false
}

// member is v.name or v[name].
func member(v, key any) any {
	switch v := v.(type) {
	case *Map:
		if x, ok := v.values[String(key)]; ok {
			return x
		}
		if key == "empty" {
			return len(v.keys) == 0
		}
	case *List:
		i, ok := key.(int64)
		if ok && i >= 0 && i < int64(len(v.Items)) {
			return v.Items[i]
		}
		if key == "empty" {
			return len(v.Items) == 0
		}
	case Host:
		x, _ := v.Member(String(key))
		return x
	case string:
		switch key {
		case "empty":
			return v == ""
		case "length":
			return nil
		}
	}
	return nil
}
