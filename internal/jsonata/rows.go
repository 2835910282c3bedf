package jsonata

import "github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"

// A path with @, # or % carries rows along: objects that hold the value reached under rowKey, and beside it the variables
// and remembered parents by their names.
const rowKey = "@"

func rowValue(row any) any {
	if o, ok := row.(*object); ok {
		if v, ok := o.Get(rowKey); ok {
			return v
		}
	}
	return undefined
}

func rowFrame(env *frame, row any) *frame {
	o, _ := row.(*object)
	return &frame{parent: env, row: o}
}

func newRow(v any) *object {
	o := jsonvalue.NewObject(2)
	o.Set(rowKey, v)
	return o
}

func copyMembers(dst, src *object) {
	for i := range src.Len() {
		dst.Set(src.At(i))
	}
}

// rows evaluates a step for every row, and makes a row of every value that it gives.
func (ev *evaluator) rows(n *node, items []any, rows *array, env *frame) (*array, error) {
	if n.kind == kindSort {
		return ev.sortedRows(n, items, rows, env)
	}
	if rows == nil {
		rows = &array{}
		for _, item := range items {
			rows.items = append(rows.items, newRow(item))
		}
	}
	out := &array{sequence: true, tuples: true}
	for _, item := range rows.items {
		row, ok := item.(*object)
		if !ok {
			continue
		}
		v, err := ev.eval(n, rowValue(row), rowFrame(env, row))
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		members := listOf(v)
		if err := ev.spend(len(members) * (1 + row.Len())); err != nil {
			return nil, err
		}
		for i, m := range members {
			next := jsonvalue.NewObject(row.Len() + 2)
			copyMembers(next, row)
			if inner, ok := m.(*object); ok && isTuples(v) {
				copyMembers(next, inner)
				out.items = append(out.items, next)
				continue
			}
			if n.focus != "" {
				next.Set(n.focus, m)
				next.Set(rowKey, rowValue(row))
			} else {
				next.Set(rowKey, m)
			}
			if n.index != "" {
				next.Set(n.index, float64(i))
			}
			if n.ancestor != nil {
				next.Set(n.ancestor.label, rowValue(row))
			}
			out.items = append(out.items, next)
		}
	}
	return asRows(ev.stages(n.stages, out, env))
}

func (ev *evaluator) sortedRows(n *node, items []any, rows *array, env *frame) (*array, error) {
	if rows != nil {
		v, err := ev.sorted(n, rows.items, rows.tuples, env)
		if err != nil {
			return nil, err
		}
		return asRows(ev.stages(n.stages, v, env))
	}
	v, err := ev.sorted(n, items, false, env)
	if err != nil {
		return nil, err
	}
	out := &array{sequence: true, tuples: true}
	for i, item := range v.items {
		row := newRow(item)
		if n.index != "" {
			row.Set(n.index, float64(i))
		}
		out.items = append(out.items, row)
	}
	return asRows(ev.stages(n.stages, out, env))
}

// asRows takes what stages gave as rows again.
func asRows(v any, err error) (*array, error) {
	if err != nil {
		return nil, err
	}
	if a, ok := v.(*array); ok {
		return a, nil
	}
	return &array{items: listOf(v)}, nil
}
