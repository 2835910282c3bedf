package jsonata

import "github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"

func fnMap(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	out := newSequence()
	out.items = make([]any, 0, len(items))
	for i, item := range items {
		v, err := ev.callback(args[1], item, float64(i), args[0])
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

func fnFilter(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	out := newSequence()
	for i, item := range items {
		yes, err := ev.asks(args[1], item, float64(i), args[0])
		if err != nil {
			return nil, err
		}
		if yes {
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

// asks calls a function and takes the answer as true or false.
func (ev *evaluator) asks(f any, args ...any) (bool, error) {
	v, err := ev.callback(f, args...)
	if err != nil {
		return false, err
	}
	return ev.truth(v, 0)
}

func fnSingle(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	var found any
	count := 0
	for i, item := range items {
		yes := true
		if !isUndefined(args[1]) {
			var err error
			if yes, err = ev.asks(args[1], item, float64(i), args[0]); err != nil {
				return nil, err
			}
		}
		if !yes {
			continue
		}
		if count++; count > 1 {
			return nil, failArg("D3138", i, undefined)
		}
		found = item
	}
	if count == 0 {
		return nil, fail("D3139", undefined)
	}
	return found, nil
}

func fnReduce(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	f, ok := args[1].(function)
	if !ok || f.arity() < 2 {
		return nil, failArg("D3050", 1, undefined)
	}
	total, from := args[2], 0
	if isUndefined(total) && len(items) > 0 {
		total, from = items[0], 1
	}
	for i := from; i < len(items); i++ {
		var err error
		if total, err = ev.callback(f, total, items[i], float64(i), args[0]); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func fnSift(ev *evaluator, args []any) (any, error) {
	o, ok := args[0].(*object)
	if !ok {
		return undefined, nil
	}
	out := jsonvalue.NewObject(0)
	for _, k := range keysOf(o) {
		v, _ := o.Get(k)
		yes, err := ev.asks(args[1], v, k, o)
		if err != nil {
			return nil, err
		}
		if yes {
			out.Set(k, v)
		}
	}
	if out.Len() == 0 {
		return undefined, nil
	}
	return out, nil
}

func fnEach(ev *evaluator, args []any) (any, error) {
	o, ok := args[0].(*object)
	if !ok {
		return undefined, nil
	}
	out := newSequence()
	for _, k := range keysOf(o) {
		m, _ := o.Get(k)
		v, err := ev.callback(args[1], m, k, o)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

func fnSort(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	if len(items) <= 1 {
		return args[0], nil
	}
	after := func(a, b any) (bool, error) { return ev.asks(args[1], a, b) }
	if isUndefined(args[1]) {
		kind := typeLetter(items[0])
		for _, item := range items {
			if l := typeLetter(item); l != kind || l != 'n' && l != 's' {
				return nil, failArg("D3070", 1, undefined)
			}
		}
		after = func(a, b any) (bool, error) { return compare(a, b) > 0, nil }
	}
	out, err := ev.mergeSort(items, after)
	if err != nil {
		return nil, err
	}
	return newPlain(out...), nil
}
