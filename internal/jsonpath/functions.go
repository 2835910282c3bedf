package jsonpath

import (
	"math"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// argument of a function: a literal, or a path that is applied to the document.
type argument struct {
	literal any
	path    *Path
}

type function struct {
	name string
	call func(e *evaluation, t *token, v any) (any, error)
}

var functions = map[string]*function{}

func init() {
	add := func(name string, call func(e *evaluation, t *token, v any) (any, error)) {
		functions[name] = &function{name, call}
	}
	aggregate := func(name string, of func(xs []float64) float64) {
		add(name, func(e *evaluation, t *token, v any) (any, error) {
			xs, err := e.numbers(t, v)
			if err != nil {
				return nil, err
			}
			if len(xs) == 0 {
				return nil, errEmptyArray
			}
			f := of(xs)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, &EvalError{name + "() has no finite result"}
			}
			return jsonvalue.Float(f), nil
		})
	}
	sum := func(xs []float64) (s float64) {
		for _, x := range xs {
			s += x
		}
		return s
	}
	aggregate("sum", sum)
	aggregate("avg", func(xs []float64) float64 { return sum(xs) / float64(len(xs)) })
	aggregate("min", func(xs []float64) float64 {
		m := math.Inf(1)
		for _, x := range xs {
			m = min(m, x)
		}
		return m
	})
	aggregate("max", func(xs []float64) float64 {
		m := math.Inf(-1)
		for _, x := range xs {
			m = max(m, x)
		}
		return m
	})
	aggregate("stddev", func(xs []float64) float64 {
		n := float64(len(xs))
		mean, squares := sum(xs)/n, 0.0
		for _, x := range xs {
			squares += x * x
		}
		return math.Sqrt(squares/n - mean*mean)
	})
	add("length", lengthOf)
	add("size", lengthOf)
	add("concat", concat)
	add("append", appendAll)
	add("keys", func(_ *evaluation, _ *token, v any) (any, error) {
		o, ok := v.(*jsonvalue.Object)
		if !ok {
			return nil, nil
		}
		keys := make([]any, o.Len())
		for i, k := range o.Keys() {
			keys[i] = k
		}
		return keys, nil
	})
	add("first", func(_ *evaluation, _ *token, v any) (any, error) { return pick(v, 0) })
	add("last", func(_ *evaluation, _ *token, v any) (any, error) { return pick(v, -1) })
	add("index", func(e *evaluation, t *token, v any) (any, error) {
		xs, err := e.args(t)
		if err != nil {
			return nil, err
		}
		if len(xs) == 1 {
			if n, ok := xs[0].(jsonvalue.Number); ok {
				if i, ok := n.Int64(); ok && i == int64(int32(i)) {
					return pick(v, int(i))
				}
			}
		}
		return nil, &EvalError{"index() needs one whole number"}
	})
}

var errEmptyArray = &EvalError{"Aggregation function attempted to calculate value using empty array"}

// args evaluates the arguments of a function.
func (e *evaluation) args(t *token) ([]any, error) {
	xs := make([]any, len(t.args))
	for i, a := range t.args {
		xs[i] = a.literal
		if a.path != nil {
			v, err := a.path.eval(e.root, e.root, false, e.budget)
			if err != nil {
				return nil, err
			}
			xs[i] = v
		}
	}
	return xs, nil
}

// numbers collects the numbers of an array and of the arguments.
func (e *evaluation) numbers(t *token, v any) ([]float64, error) {
	var xs []float64
	collect := func(v any) {
		switch v := v.(type) {
		case jsonvalue.Number:
			xs = append(xs, v.Float64())
		case []any:
			for _, m := range v {
				if n, ok := m.(jsonvalue.Number); ok {
					xs = append(xs, n.Float64())
				}
			}
		}
	}
	if a, ok := v.([]any); ok {
		collect(a)
	}
	args, err := e.args(t)
	for _, a := range args {
		collect(a)
	}
	return xs, err
}

func lengthOf(e *evaluation, t *token, v any) (any, error) {
	args, err := e.args(t)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		v = args[0]
	}
	switch v := v.(type) {
	case []any:
		return jsonvalue.Int(int64(len(v))), nil
	case *jsonvalue.Object:
		return jsonvalue.Int(int64(v.Len())), nil
	}
	return nil, nil
}

func concat(e *evaluation, t *token, v any) (any, error) {
	var b strings.Builder
	add := func(v any) {
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case jsonvalue.Number:
			b.WriteString(string(v))
		}
	}
	if a, ok := v.([]any); ok {
		for _, m := range a {
			if s, ok := m.(string); ok {
				add(s)
			}
		}
	}
	args, err := e.args(t)
	for _, a := range args {
		if l, ok := a.([]any); ok {
			for _, m := range l {
				add(m)
			}
			continue
		}
		add(a)
	}
	return b.String(), err
}

func appendAll(e *evaluation, t *token, v any) (any, error) {
	a, ok := v.([]any)
	if !ok {
		return v, nil
	}
	args, err := e.args(t)
	return append(a[:len(a):len(a)], args...), err
}

// pick returns element i, counted from the end when negative.
func pick(v any, i int) (any, error) {
	a, ok := v.([]any)
	if !ok {
		return nil, errEmptyArray
	}
	if i < 0 {
		i += len(a)
	}
	if i < 0 || i >= len(a) {
		return nil, &EvalError{"the index lies outside the array"}
	}
	return a[i], nil
}

// arguments splits the text between the parentheses of a call at its outer commas.
func arguments(text string) []argument {
	if strings.Trim(text, " ") == "" {
		return nil
	}
	var args []argument
	depth, start := 0, 0
	var quote byte
	for i := 0; i <= len(text); i++ {
		if i < len(text) {
			c := text[i]
			switch {
			case quote != 0:
				switch c {
				case '\\':
					i++
				case quote:
					quote = 0
				}
				continue
			case c == '\'' || c == '"':
				quote = c
				continue
			case c == '(' || c == '[' || c == '{':
				depth++
				continue
			case c == ')' || c == ']' || c == '}':
				depth--
				continue
			case c != ',' || depth > 0:
				continue
			}
		}
		args = append(args, readArgument(strings.Trim(text[start:min(i, len(text))], " \t\n")))
		start = i + 1
	}
	return args
}

func readArgument(text string) argument {
	if text == "" {
		reject("an argument of a function is empty")
	}
	if text[0] == '$' || text[0] == '@' {
		return argument{path: compile(text)}
	}
	v, err := jsonvalue.ParseString(text)
	if err != nil {
		reject("the argument %s of a function is neither a path nor JSON", text)
	}
	return argument{literal: v}
}
