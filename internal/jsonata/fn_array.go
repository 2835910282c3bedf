package jsonata

import "math"

func fnAppend(ev *evaluator, args []any) (any, error) {
	x, y := args[0], args[1]
	if isUndefined(x) || isUndefined(y) {
		return concat(x, y), nil
	}
	if err := ev.spend(len(listOf(x)) + len(listOf(y))); err != nil {
		return nil, err
	}
	return concat(x, y), nil
}

func fnReverse(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	if len(items) <= 1 {
		return args[0], nil
	}
	out := make([]any, len(items))
	for i, item := range items {
		out[len(items)-1-i] = item
	}
	return newPlain(out...), ev.spend(len(items))
}

func fnShuffle(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	if len(items) <= 1 {
		return args[0], nil
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	out := append([]any(nil), items...)
	for i := len(out) - 1; i > 0; i-- {
		j := int(math.Floor(ev.nextFloat() * float64(i+1)))
		out[i], out[j] = out[j], out[i]
	}
	return newPlain(out...), nil
}

// fnDistinct removes members that equal an earlier one.
func fnDistinct(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok || len(items) <= 1 {
		return args[0], nil
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	out := &array{sequence: isSequence(args[0])}
	seen := make(map[any]bool, len(items)) // scalars; the others are compared one by one
	var others []any
next:
	for _, item := range items {
		key := item
		switch typeLetter(item) {
		case 'n':
			key, _ = number(item)
		case 'a', 'o':
			for _, other := range others {
				same, err := ev.equal(item, other, 0)
				if err != nil {
					return nil, err
				}
				if same {
					continue next
				}
			}
			others = append(others, item)
			out.items = append(out.items, item)
			continue
		}
		if !seen[key] {
			seen[key] = true
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

// fnZip makes arrays of the members at the same position, as many as the shortest argument has.
func fnZip(ev *evaluator, args []any) (any, error) {
	shortest := -1
	for _, a := range args {
		items, _ := elements(a)
		if shortest < 0 || len(items) < shortest {
			shortest = len(items)
		}
	}
	if err := ev.spend(max(0, shortest) * len(args)); err != nil {
		return nil, err
	}
	out := newPlain()
	for i := range max(0, shortest) {
		row := make([]any, len(args))
		for j, a := range args {
			items, _ := elements(a)
			row[j] = items[i]
		}
		out.items = append(out.items, newPlain(row...))
	}
	return out, nil
}
