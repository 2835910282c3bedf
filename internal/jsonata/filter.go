package jsonata

import "math"

// filter keeps the members for which the predicate is true, or which stand at the positions that it gives.
func (ev *evaluator) filter(predicate *node, v any, env *frame) (any, error) {
	items, isArray := elements(v)
	if !isArray {
		items = []any{v}
	}
	rows := isTuples(v)
	out := &array{sequence: true, tuples: rows}
	if f, ok := predicate.value.(float64); ok && predicate.kind == kindNumber {
		if i := position(f, len(items)); i >= 0 && !isUndefined(items[i]) {
			if _, isArray := elements(items[i]); isArray {
				return items[i], nil
			}
			out.items = append(out.items, items[i])
		}
		return out, nil
	}
	for i, item := range items {
		context, scope := item, env
		if rows {
			context = rowValue(item)
			scope = rowFrame(env, item)
		}
		r, err := ev.eval(predicate, context, scope)
		if err != nil {
			return nil, err
		}
		yes, err := ev.selects(r, i, len(items))
		if err != nil {
			return nil, err
		}
		for range yes {
			if out.items == nil {
				out.items = make([]any, 0, min(len(items)-i+yes, 64))
			}
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

// position turns an index, negative from the end, into one from 0; -1 is none.
func position(f float64, n int) int {
	f = math.Floor(f)
	if f < 0 {
		f += float64(n)
	}
	if f >= 0 && f < float64(n) {
		return int(f)
	}
	return -1
}

// selects tells how often the result of a predicate selects the member at i: a number or numbers name positions.
func (ev *evaluator) selects(r any, i, n int) (int, error) {
	if b, ok := r.(bool); ok {
		if b {
			return 1, nil
		}
		return 0, nil
	}
	if f, ok, err := finite(r); err != nil {
		return 0, err
	} else if ok {
		if position(f, n) == i {
			return 1, nil
		}
		return 0, nil
	}
	if indices, ok := elements(r); ok {
		if err := ev.spend(len(indices)); err != nil {
			return 0, err
		}
		times, numbers := 0, true
		for _, index := range indices {
			f, ok, err := finite(index)
			if err != nil {
				return 0, err
			}
			if !ok {
				numbers = false
				break
			}
			if position(f, n) == i {
				times++
			}
		}
		if numbers {
			return times, nil
		}
	}
	yes, err := ev.truth(r, 0)
	if yes {
		return 1, err
	}
	return 0, err
}
