package jsonata

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Value turns Go's plain values, as encoding/json decodes them, into those that Eval takes: map[string]any becomes an
// object with its members in alphabetical order, json.Number, float64 and Go's integers become numbers. Values that Eval
// takes already are copied where they hold others. It fails on types beyond these and on numbers that are not finite.
func Value(v any) (any, error) { return convert(v, 0) }

func convert(v any, nesting int) (any, error) {
	if nesting > maxNesting {
		return nil, fmt.Errorf("a value is nested deeper than %d levels", maxNesting)
	}
	switch x := v.(type) {
	case nil, bool, string, jsonvalue.Number:
		return v, nil
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, fmt.Errorf("%v is not a number of JSON", x)
		}
		return exportNumber(x), nil
	case int:
		return jsonvalue.Int(int64(x)), nil
	case int64:
		return jsonvalue.Int(x), nil
	case json.Number:
		n, ok := jsonvalue.ParseNumber(string(x))
		if !ok {
			return nil, fmt.Errorf("%q is not a number of JSON", string(x))
		}
		return n, nil
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			c, err := convert(item, nesting+1)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	case map[string]any:
		out := jsonvalue.NewObject(len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			c, err := convert(x[k], nesting+1)
			if err != nil {
				return nil, err
			}
			out.Set(k, c)
		}
		return out, nil
	case *object:
		out := jsonvalue.NewObject(x.Len())
		for i := range x.Len() {
			k, m := x.At(i)
			c, err := convert(m, nesting+1)
			if err != nil {
				return nil, err
			}
			out.Set(k, c)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %T is not a value of JSON", v)
}
