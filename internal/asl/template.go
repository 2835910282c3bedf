package asl

import (
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Template is a payload template: a JSON value in which the fields whose names end in .$ are replaced by what their
// paths and intrinsic functions give.
type Template struct {
	static any // the whole value when nothing has to be replaced
	array  []*Template
	fields []templateField // of an object: those without .$ in the order of the definition, then the others
}

type templateField struct {
	name  string
	field string     // as written, with .$
	value *Template  // nil for a dynamic field
	expr  expression // nil for a static field
}

// compileTemplate reads a template; bad is called for every field that is wrong, with the path below loc.
func compileTemplate(v any, loc string, bad func(loc, message string)) *Template {
	switch v := v.(type) {
	case []any:
		t := &Template{array: make([]*Template, len(v))}
		plain := true
		for i, e := range v {
			t.array[i] = compileTemplate(e, loc+index(i), bad)
			plain = plain && t.array[i].isStatic()
		}
		if plain {
			return &Template{static: v}
		}
		return t
	case *jsonvalue.Object:
		return compileObject(v, loc, bad)
	}
	return &Template{static: v}
}

func compileObject(o *jsonvalue.Object, loc string, bad func(loc, message string)) *Template {
	t := &Template{}
	dynamic := map[string]templateField{}
	var order []string
	plain := true
	for i := range o.Len() {
		k, v := o.At(i)
		name, ok := strings.CutSuffix(k, ".$")
		if !ok {
			sub := compileTemplate(v, loc+"/"+k, bad)
			plain = plain && sub.isStatic()
			t.fields = append(t.fields, templateField{name: k, value: sub})
			continue
		}
		plain = false
		text, isText := v.(string)
		expr, err := expression(nil), error(nil)
		if isText {
			expr, err = compileExpression(text)
		}
		if !isText || err != nil {
			bad(loc, "The value for the field '"+k+"' must be a valid JSONPath or a valid intrinsic function call")
			continue
		}
		dynamic[name] = templateField{name: name, field: k, expr: expr}
		order = append(order, name)
	}
	if plain {
		return &Template{static: o}
	}
	for _, name := range jsonvalue.HashOrder(order) {
		t.fields = append(t.fields, dynamic[name])
	}
	return t
}

func (t *Template) isStatic() bool { return t.array == nil && t.fields == nil }

// eval fills the template in.
func (t *Template) eval(env *Env) (any, error) {
	switch {
	case t.fields != nil:
		o := jsonvalue.NewObject(len(t.fields))
		for i := range t.fields {
			f := &t.fields[i]
			v, err := any(nil), error(nil)
			if f.expr != nil {
				v, err = f.expr.eval(env, f.field)
			} else {
				v, err = f.value.eval(env)
			}
			if err != nil {
				return nil, err
			}
			o.Set(f.name, v)
		}
		return o, nil
	case t.array != nil:
		a := make([]any, len(t.array))
		for i, e := range t.array {
			v, err := e.eval(env)
			if err != nil {
				return nil, err
			}
			a[i] = v
		}
		return a, nil
	}
	return t.static, nil
}
