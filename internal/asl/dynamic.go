package asl

import (
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
}

func (m *pathItems) List(env *Env) ([]any, error) {
	text, found := "$", env.Input
	if m.items != nil {
		var err error
		text = m.items.text
		if found, err = m.items.Find(env); err != nil {
			return nil, runtimeError("Invalid path '%s' : %v", text, err)
		}
	}
	a, ok := found.Value().([]any)
	if !ok {
		return nil, runtimeError("Reference path \"%s\" must point to array.", strings.ReplaceAll(text, `"`, `\"`))
	}
	return a, nil
}

func (m *pathItems) Item(env *Env, item any) (*Payload, error) {
	if m.selector == nil {
		return PayloadOf(item), nil
	}
	v, err := m.selector.eval(env)
	if err != nil {
		return nil, err
	}
	return PayloadOf(v), nil
}
