package jsonata

import "github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"

// bucket gathers the items that gave one key.
type bucket struct {
	key   string
	pair  int
	data  any
	owned bool // data is a list of this bucket's own, which may grow
}

// grouped makes an object: every item gives keys, and the items that gave a key are, together, the context of its value.
func (ev *evaluator) grouped(g *group, v any, env *frame) (any, error) {
	rows := isTuples(v)
	items := listOf(v)
	if len(items) == 0 {
		items = []any{undefined}
	}
	var buckets []bucket
	var index map[string]int // of the buckets, once there are many
	for _, item := range items {
		context, scope := item, env
		if rows {
			context, scope = rowValue(item), rowFrame(env, item)
		}
		for p, pair := range g.pairs {
			k, err := ev.eval(pair[0], context, scope)
			if err != nil {
				return nil, err
			}
			if isUndefined(k) {
				continue
			}
			key, ok := k.(string)
			if !ok {
				return nil, failAt("T1003", g.pos, "", k)
			}
			at := -1
			if index != nil {
				if i, ok := index[key]; ok {
					at = i
				}
			} else {
				for i := range buckets {
					if buckets[i].key == key {
						at = i
						break
					}
				}
			}
			if at < 0 {
				if buckets == nil {
					buckets = make([]bucket, 0, len(g.pairs))
				}
				buckets = append(buckets, bucket{key: key, pair: p, data: item})
				if index != nil {
					index[key] = len(buckets) - 1
				} else if len(buckets) > 16 {
					index = make(map[string]int, 64)
					for i := range buckets {
						index[buckets[i].key] = i
					}
				}
				continue
			}
			if buckets[at].pair != p {
				return nil, failAt("D1009", g.pos, "", key)
			}
			if err := buckets[at].add(ev, item); err != nil {
				return nil, err
			}
		}
	}
	out := jsonvalue.NewObject(len(buckets))
	for _, b := range ordered(buckets) {
		context, scope := b.data, env
		if rows {
			row := ev.mergeRows(b.data)
			context = rowValue(row)
			inner := jsonvalue.NewObject(row.Len())
			for i := range row.Len() {
				if k, m := row.At(i); k != rowKey {
					inner.Set(k, m)
				}
			}
			scope = &frame{parent: env, row: inner}
		}
		m, err := ev.eval(g.pairs[b.pair][1], context, scope)
		if err != nil {
			return nil, err
		}
		if !isUndefined(m) {
			out.Set(b.key, m)
		}
	}
	return out, nil
}

// add appends an item to what a bucket holds, as concat does.
func (b *bucket) add(ev *evaluator, item any) error {
	if isUndefined(b.data) {
		b.data = item
		return nil
	}
	if isUndefined(item) {
		return nil
	}
	members := listOf(item)
	if err := ev.spend(len(members)); err != nil {
		return err
	}
	if !b.owned {
		b.data, b.owned = concat(b.data, item), true
		return nil
	}
	a := b.data.(*array)
	a.items = append(a.items, members...)
	return nil
}

// ordered gives the buckets in the order of JavaScript's object members.
func ordered(buckets []bucket) []bucket {
	for i := range buckets {
		if _, ok := arrayIndex(buckets[i].key); !ok {
			continue
		}
		keys := make([]string, len(buckets))
		at := make(map[string]int, len(buckets))
		for j := range buckets {
			keys[j] = buckets[j].key
			at[keys[j]] = j
		}
		out := make([]bucket, 0, len(buckets))
		for _, k := range indicesFirst(keys, i) {
			out = append(out, buckets[at[k]])
		}
		return out
	}
	return buckets
}

// mergeRows makes one row of many: every variable holds the values of all of them.
func (ev *evaluator) mergeRows(data any) *object {
	if o, ok := data.(*object); ok {
		return o
	}
	out := jsonvalue.NewObject(2)
	lists := map[string][]any{}
	items := listOf(data)
	for i, item := range items {
		row, ok := item.(*object)
		if !ok {
			continue
		}
		for j := range row.Len() {
			k, v := row.At(j)
			before, there := out.Get(k)
			switch {
			case i == 0 || !there || isUndefined(before):
				out.Set(k, v)
			case isUndefined(v):
			default:
				l, ok := lists[k]
				if !ok {
					l = append([]any(nil), listOf(before)...)
				}
				lists[k] = append(l, listOf(v)...)
				out.Set(k, &array{items: lists[k]})
			}
		}
	}
	return out
}
