package jsonata

// sorted orders items by the terms of an order-by step.
func (ev *evaluator) sorted(n *node, items []any, rows bool, env *frame) (*array, error) {
	key := func(t sortTerm, item any) (any, error) {
		if rows {
			return ev.eval(t.by, rowValue(item), rowFrame(env, item))
		}
		return ev.eval(t.by, item, env)
	}
	after := func(a, b any) (bool, error) {
		for _, t := range n.terms {
			x, err := key(t, a)
			if err != nil {
				return false, err
			}
			y, err := key(t, b)
			if err != nil {
				return false, err
			}
			switch { // nothing comes last
			case isUndefined(x) && isUndefined(y):
				continue
			case isUndefined(x):
				return true, nil
			case isUndefined(y):
				return false, nil
			}
			c, err := ev.compareKeys(n, x, y)
			if err != nil {
				return false, err
			}
			if c != 0 {
				return (c > 0) != t.descending, nil
			}
		}
		return false, nil
	}
	out, err := ev.mergeSort(items, after)
	if err != nil {
		return nil, err
	}
	if len(items) <= 1 {
		return &array{items: out, sequence: true}, nil
	}
	return &array{items: out}, nil
}

func (ev *evaluator) compareKeys(n *node, x, y any) (int, error) {
	for _, v := range [...]any{x, y} {
		if l := typeLetter(v); l != 'n' && l != 's' {
			return 0, failAt("T2008", n.pos, "", v)
		}
	}
	if typeLetter(x) != typeLetter(y) {
		f := failAt("T2007", n.pos, "", x)
		f.value2 = y
		return 0, f
	}
	return compare(x, y), nil
}

// compare orders two numbers or two strings.
func compare(x, y any) int {
	if s, ok := x.(string); ok {
		t, _ := y.(string)
		return compareText(s, t)
	}
	f, _ := number(x)
	g, _ := number(y)
	switch {
	case f < g:
		return -1
	case f > g:
		return 1
	}
	return 0
}

// mergeSort sorts stably; after tells whether a comes after b.
func (ev *evaluator) mergeSort(items []any, after func(a, b any) (bool, error)) ([]any, error) {
	if len(items) <= 1 {
		return items, nil
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	middle := len(items) / 2
	left, err := ev.mergeSort(items[:middle], after)
	if err != nil {
		return nil, err
	}
	right, err := ev.mergeSort(items[middle:], after)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(items))
	for len(left) > 0 && len(right) > 0 {
		swap, err := after(left[0], right[0])
		if err != nil {
			return nil, err
		}
		if swap {
			out, right = append(out, right[0]), right[1:]
		} else {
			out, left = append(out, left[0]), left[1:]
		}
	}
	return append(append(out, left...), right...), nil
}
