package asl

import (
	"math"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// literalInt is a number that stands in the definition.
type literalInt int64

func (n literalInt) Int(*Env) (int64, error) { return int64(n), nil }

// Literal returns the number that stands in the definition; ok is false when it is found out only while the state runs.
func Literal(n Integer) (value int64, ok bool) {
	l, ok := n.(literalInt)
	return int64(l), ok
}

// pathInt is a field such as SecondsPath.
type pathInt struct {
	field string
	path  *Path
}

func (n *pathInt) Int(env *Env) (int64, error) {
	v, err := n.path.Find(env)
	if err != nil {
		return 0, runtimeError("The %s parameter does not reference an input value: %s", n.field, n.path)
	}
	text := jsonvalue.JavaString(v.Value())
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, runtimeError("The %s parameter cannot be parsed as a long value: %s == %s", n.field, n.path, text)
	}
	if i < 0 {
		return 0, runtimeError("The %s parameter references a negative value: %s == %d", n.field, n.path, i)
	}
	return i, nil
}

// literalText is a text that stands in the definition.
type literalText string

func (t literalText) Text(*Env) (string, error) { return string(t), nil }

// timestampPath is TimestampPath.
type timestampPath struct{ path *Path }

func (t timestampPath) Text(env *Env) (string, error) {
	v, err := t.path.Find(env)
	if err != nil {
		return "", runtimeError("The TimestampPath parameter does not reference an input value: %s", t.path)
	}
	s, ok := v.Value().(string)
	if _, valid := ParseTime(s); !ok || !valid {
		return "", runtimeError("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s",
			t.path, jsonvalue.JavaString(v.Value()))
	}
	return s, nil
}

// textExpression is ErrorPath or CausePath: a path or an intrinsic function.
type textExpression struct {
	field string
	text  string
	expr  expression
}

func (t *textExpression) Text(env *Env) (string, error) {
	v, err := t.expr.eval(env, t.field)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", runtimeError("The value of '%s' specified for the field '%s' must be a string, it is of type %s",
			t.text, t.field, jsonvalue.TypeName(v))
	}
	return s, nil
}

// pathItems is the items of a Map in JSONPath: ItemsPath, with ItemSelector or the older Parameters.
type pathItems struct {
	items    *Path // nil for $
	selector *Template
	entries  bool // the members of an object are items, too
}

// literalNumber is a number that stands in the definition.
type literalNumber float64

func (n literalNumber) Number(*Env) (float64, error) { return float64(n), nil }

// pathNumber is a field such as ToleratedFailurePercentagePath; a text of a number will do.
type pathNumber struct {
	field string
	path  *Path
}

func (n *pathNumber) Number(env *Env) (float64, error) {
	text, err := n.find(env)
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, runtimeError("The %s field refers to value \"%s\" which is not a valid float: %s", n.field, text, n.path)
	}
	return f, nil
}

func (n *pathNumber) find(env *Env) (string, error) {
	v, err := n.path.Find(env)
	if err != nil {
		return "", runtimeError("The %s parameter does not reference an input value: %s", n.field, n.path)
	}
	return jsonvalue.JavaString(v.Value()), nil
}

// pathCount is ToleratedFailureCountPath; it may be negative, which the Map state refuses.
type pathCount struct{ pathNumber }

func (n *pathCount) Int(env *Env) (int64, error) {
	text, err := n.find(env)
	if err != nil {
		return 0, err
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, runtimeError("The %s field refers to value \"%s\" which is not a valid integer: %s", n.field, text, n.path)
	}
	return i, nil
}

func (m *pathItems) List(env *Env) ([]Item, error) {
	text, found := "$", env.Input
	if m.items != nil {
		var err error
		text = m.items.text
		if found, err = m.items.Find(env); err != nil {
			return nil, runtimeError("Invalid path '%s' : %v", text, err)
		}
	}
	env.trace(AfterItemsPath, found)
	switch v := found.Value().(type) {
	case []any:
		return listed(v), nil
	case *jsonvalue.Object:
		if m.entries {
			return entries(v), nil
		}
	}
	return nil, runtimeError("Reference path \"%s\" must point to array.", strings.ReplaceAll(text, `"`, `\"`))
}

// listed makes items of an array.
func listed(a []any) []Item {
	items := make([]Item, len(a))
	for i, v := range a {
		items[i].Value = v
	}
	return items
}

// entries makes items of an object's members.
func entries(o *jsonvalue.Object) []Item {
	items := make([]Item, o.Len())
	for i := range items {
		k, v := o.At(i)
		items[i] = Item{v, k, true}
	}
	return items
}

// payload is the input of an iteration without an ItemSelector. A member of an object shows its name, too.
func (i Item) payload() *Payload {
	if !i.Keyed {
		return PayloadOf(i.Value)
	}
	o := jsonvalue.NewObject(2)
	o.Set("Key", i.Key)
	o.Set("Value", i.Value)
	return PayloadOf(o)
}

func (m *pathItems) Input(env *Env, item Item) (*Payload, error) {
	if m.selector == nil {
		return item.payload(), nil
	}
	v, err := m.selector.eval(env)
	if err != nil {
		return nil, err
	}
	return PayloadOf(v), nil
}

// Shown returns the number that the history shows for a field: one that stands in the definition or that a JSONata
// expression gave as value. AWS does not show what a path gave.
func Shown(n Integer, value int64) int64 {
	switch n.(type) {
	case literalInt, queryInt:
		return value
	}
	return 0
}
