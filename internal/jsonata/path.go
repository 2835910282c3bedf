package jsonata

// path evaluates the steps of a path one after the other, each over what the one before gave.
func (ev *evaluator) path(n *node, input any, env *frame) (any, error) {
	if n.simple {
		if v, done := ev.simplePath(n, input, env); done {
			return v, nil
		}
	}
	items, isArray := elements(input)
	if !isArray || n.list[0].kind == kindVariable {
		items = []any{input}
		if n.list[0].constructor {
			input = newSequence(input)
		}
	}
	result := undefined
	var rows *array // the bindings so far, once a step has made some
	tupled := false
	last := len(n.list) - 1
	for i, step := range n.list {
		var err error
		tupled = tupled || step.tuple
		switch {
		case i == 0 && step.constructor:
			result, err = ev.eval(step, input, env)
		case tupled:
			rows, err = ev.rows(step, items, rows, env)
		default:
			result, err = ev.step(step, items, env, i == last)
		}
		if err != nil {
			return nil, err
		}
		members, _ := elements(result)
		if !tupled && len(members) == 0 {
			if _, isArray := elements(result); isArray || isUndefined(result) {
				break
			}
		}
		if step.focus == "" {
			items = members
		}
	}
	if rows != nil {
		if n.tuple {
			result = rows
		} else {
			s := newSequence()
			for _, row := range rows.items {
				s.items = append(s.items, rowValue(row))
			}
			result = s
		}
	}
	if n.keepSingleton {
		if a, ok := result.(*array); ok {
			if a.built && !a.sequence {
				a = newSequence(a)
			}
			c := *a
			c.keep = true
			result = &c
		}
	}
	if n.group != nil {
		if rows != nil {
			return ev.grouped(n.group, rows, env)
		}
		return ev.grouped(n.group, result, env)
	}
	return result, nil
}

// simplePath follows names through objects, from the input or from a variable, without making sequences; it gives up at
// the first array on the way.
func (ev *evaluator) simplePath(n *node, input any, env *frame) (any, bool) {
	v, steps := input, n.list
	if first := steps[0]; first.kind == kindVariable {
		if first.name != "" {
			v = ev.variable(first.name, env)
		} else if a, ok := v.(*array); ok && a.outer {
			v = a.items[0]
		}
		steps = steps[1:]
	}
	for _, step := range steps {
		o, ok := v.(*object)
		if !ok {
			_, isArray := elements(v)
			return undefined, !isArray
		}
		if v, ok = o.Get(step.name); !ok {
			return undefined, true
		}
	}
	return v, true
}

// step evaluates a step for every item and flattens what that gives by one level.
func (ev *evaluator) step(n *node, items []any, env *frame, last bool) (any, error) {
	if n.kind == kindSort {
		sorted, err := ev.sorted(n, items, false, env)
		if err != nil {
			return nil, err
		}
		return ev.stages(n.stages, sorted, env)
	}
	out := newSequence()
	var only any
	count := 0
	for _, item := range items {
		var v any
		var err error
		if o, ok := item.(*object); ok && n.plainName && n.kind == kindName {
			if v, ok = o.Get(n.name); !ok {
				if v = undefined; n.stages == nil {
					continue
				}
			}
			err = ev.spend(1)
		} else {
			v, err = ev.eval(n, item, env)
		}
		for _, s := range n.stages {
			if err == nil && s.filter != nil {
				v, err = ev.filter(s.filter, v, env)
			}
		}
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		if count++; count == 1 {
			only = v
		}
		members, isArray := elements(v)
		if a, ok := v.(*array); !isArray || ok && a.built {
			if out.items == nil {
				out.items = make([]any, 0, min(len(items), 64))
			}
			out.items = append(out.items, v)
			continue
		}
		if err := ev.spend(len(members)); err != nil {
			return nil, err
		}
		if len(out.items) == 0 && len(members) > 0 {
			out.items = members[:len(members):len(members)]
		} else {
			out.items = append(out.items, members...)
		}
	}
	if last && count == 1 && !isSequence(only) {
		if _, isArray := elements(only); isArray {
			return only, nil
		}
	}
	return out, nil
}

// stages applies the predicates and position bindings of a step.
func (ev *evaluator) stages(stages []stage, v any, env *frame) (any, error) {
	for _, s := range stages {
		if s.filter != nil {
			var err error
			if v, err = ev.filter(s.filter, v, env); err != nil {
				return nil, err
			}
			continue
		}
		for i, row := range listOf(v) {
			if o, ok := row.(*object); ok {
				o.Set(s.index, float64(i))
			}
		}
	}
	return v, nil
}

// field reads a member of an object, or of all objects of an array.
func (ev *evaluator) field(v any, name string, nesting int) (any, error) {
	if o, ok := v.(*object); ok {
		if m, ok := o.Get(name); ok {
			return m, nil
		}
		return undefined, nil
	}
	items, ok := elements(v)
	if !ok {
		return undefined, nil
	}
	if nesting > maxNesting {
		return nil, limit("a value is nested too deeply")
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	out := newSequence()
	for _, item := range items {
		m, err := ev.field(item, name, nesting+1)
		if err != nil {
			return nil, err
		}
		if members, ok := elements(m); ok {
			if err := ev.spend(len(members)); err != nil {
				return nil, err
			}
			out.items = append(out.items, members...)
		} else if !isUndefined(m) {
			out.items = append(out.items, m)
		}
	}
	return out, nil
}

// wildcard gives the values of all members.
func (ev *evaluator) wildcard(v any) (any, error) {
	if a, ok := v.(*array); ok && a.outer && len(a.items) > 0 {
		v = a.items[0]
	}
	out := newSequence()
	add := func(m any) error {
		if _, ok := elements(m); !ok {
			out.items = append(out.items, m)
			return ev.spend(1)
		}
		out.sequence = false
		return ev.flatten(m, &out.items, 0)
	}
	if items, ok := elements(v); ok {
		for _, m := range items {
			if err := add(m); err != nil {
				return nil, err
			}
		}
	} else if o, ok := v.(*object); ok {
		for _, k := range keysOf(o) {
			m, _ := o.Get(k)
			if err := add(m); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// flatten appends everything within arrays of arrays.
func (ev *evaluator) flatten(v any, out *[]any, nesting int) error {
	if nesting > maxNesting {
		return limit("a value is nested too deeply")
	}
	if err := ev.spend(1); err != nil {
		return err
	}
	items, ok := elements(v)
	if !ok {
		*out = append(*out, v)
		return nil
	}
	for _, m := range items {
		if err := ev.flatten(m, out, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

// descendants gives a value and everything within it, arrays flattened.
func (ev *evaluator) descendants(v any) (any, error) {
	if isUndefined(v) {
		return v, nil
	}
	out := newSequence()
	if err := ev.descend(v, &out.items, 0); err != nil {
		return nil, err
	}
	return out, nil
}

func (ev *evaluator) descend(v any, out *[]any, nesting int) error {
	if nesting > maxNesting {
		return limit("a value is nested too deeply")
	}
	if err := ev.spend(1); err != nil {
		return err
	}
	items, ok := elements(v)
	if !ok {
		*out = append(*out, v)
	}
	for _, m := range items {
		if err := ev.descend(m, out, nesting+1); err != nil {
			return err
		}
	}
	if o, ok := v.(*object); ok {
		for _, k := range keysOf(o) {
			m, _ := o.Get(k)
			if err := ev.descend(m, out, nesting+1); err != nil {
				return err
			}
		}
	}
	return nil
}
