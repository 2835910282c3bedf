package jsonata

import "github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"

// fnKeys gives the names of an object's members, or of those of all objects of an array, each once.
func fnKeys(ev *evaluator, args []any) (any, error) {
	names := jsonvalue.NewObject(0)
	if err := ev.gatherKeys(args[0], names, 0); err != nil {
		return nil, err
	}
	out := newSequence()
	for _, k := range keysOf(names) {
		out.items = append(out.items, k)
	}
	return out, nil
}

func (ev *evaluator) gatherKeys(v any, names *object, nesting int) error {
	if nesting > maxNesting {
		return limit("a value is nested too deeply")
	}
	if err := ev.spend(1); err != nil {
		return err
	}
	if o, ok := v.(*object); ok {
		for _, k := range keysOf(o) {
			names.Set(k, true)
		}
		return ev.spend(o.Len())
	}
	items, _ := elements(v)
	for _, item := range items {
		if err := ev.gatherKeys(item, names, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

func fnLookup(ev *evaluator, args []any) (any, error) {
	key, ok := text(args[1])
	if !ok {
		return undefined, nil
	}
	return ev.field(args[0], key, 0)
}

// fnSpread makes an object of every member.
func fnSpread(ev *evaluator, args []any) (any, error) { return ev.spread(args[0], 0) }

func (ev *evaluator) spread(v any, nesting int) (any, error) {
	if nesting > maxNesting {
		return nil, limit("a value is nested too deeply")
	}
	out := newSequence()
	if o, ok := v.(*object); ok {
		for _, k := range keysOf(o) {
			m, _ := o.Get(k)
			one := jsonvalue.NewObject(1)
			one.Set(k, m)
			out.items = append(out.items, one)
		}
		return out, ev.spend(o.Len())
	}
	items, ok := elements(v)
	if !ok {
		return v, nil
	}
	for _, item := range items {
		s, err := ev.spread(item, nesting+1)
		if err != nil {
			return nil, err
		}
		if isUndefined(s) {
			continue
		}
		members := listOf(s)
		if err := ev.spend(1 + len(members)); err != nil {
			return nil, err
		}
		out.items = append(out.items, members...)
		out.sequence = false
	}
	return out, nil
}

func fnMerge(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	out := jsonvalue.NewObject(0)
	for _, item := range items {
		if o, ok := item.(*object); ok {
			if err := ev.spend(o.Len()); err != nil {
				return nil, err
			}
			copyMembers(out, o)
		}
	}
	return out, nil
}

func fnClone(ev *evaluator, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined, nil
	}
	return ev.clone(args[0], nil, 0)
}
