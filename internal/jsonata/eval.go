package jsonata

// eval evaluates a node in a context.
func (ev *evaluator) eval(n *node, input any, env *frame) (any, error) {
	if ev.depth++; ev.depth > ev.MaxDepth {
		ev.depth--
		return nil, limit("the evaluation nests too deeply: look for a function that calls itself without end")
	}
	v, err := ev.evalHere(n, input, env)
	ev.depth--
	return v, err
}

func (ev *evaluator) evalHere(n *node, input any, env *frame) (any, error) {
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	v, err := ev.dispatch(n, input, env)
	if err != nil {
		return nil, err
	}
	for _, s := range n.filters {
		if v, err = ev.filter(s.filter, v, env); err != nil {
			return nil, err
		}
	}
	if n.group != nil && n.kind != kindPath {
		if v, err = ev.grouped(n.group, v, env); err != nil {
			return nil, err
		}
	}
	if s, ok := v.(*array); ok && s.sequence && !s.tuples {
		return collapse(s, n.keepArray), nil
	}
	return v, nil
}

// collapse turns a sequence into what it stands for.
func collapse(s *array, keep bool) any {
	switch len(s.items) {
	case 0:
		return undefined
	case 1:
		if s.keep {
			return s
		}
		if keep {
			c := *s
			c.keep = true
			return &c
		}
		return s.items[0]
	}
	return s
}

func (ev *evaluator) dispatch(n *node, input any, env *frame) (any, error) {
	switch n.kind {
	case kindPath:
		return ev.path(n, input, env)
	case kindName:
		return ev.field(input, n.name, 0)
	case kindVariable:
		if n.name == "" {
			if a, ok := input.(*array); ok && a.outer {
				return a.items[0], nil
			}
			return input, nil
		}
		return ev.variable(n.name, env), nil
	case kindString, kindNumber, kindValue:
		return n.value, nil
	case kindRegex:
		return &regex{pattern: n.value.(*pattern)}, nil
	case kindWildcard:
		return ev.wildcard(input)
	case kindDescendant:
		return ev.descendants(input)
	case kindParent:
		return ev.variable(n.slot.label, env), nil
	case kindBinary:
		return ev.binary(n, input, env)
	case kindNegate:
		return ev.negate(n, input, env)
	case kindArray:
		return ev.arrayConstructor(n, input, env)
	case kindObject:
		return ev.grouped(&group{pairs: n.pairs, pos: n.pos}, input, env)
	case kindBlock:
		v := undefined
		var err error
		inner := &frame{parent: env}
		for _, part := range n.list {
			if v, err = ev.eval(part, input, inner); err != nil {
				return nil, err
			}
		}
		return v, nil
	case kindCondition:
		return ev.condition(n, input, env)
	case kindBind:
		v, err := ev.eval(n.right, input, env)
		if err == nil {
			env.bind(n.left.name, v)
		}
		return v, err
	case kindLambda:
		if n.thunk {
			return &tailCallOf{call: n.third, input: input, env: env}, nil
		}
		return &lambda{params: n.names, body: n.third, signature: n.signature, input: input, env: env}, nil
	case kindCall:
		return ev.call(n, input, env, nil)
	case kindPartial:
		return ev.partial(n, input, env)
	case kindApply:
		return ev.apply(n, input, env)
	case kindTransform:
		return &transform{n: n, env: env}, nil
	}
	return nil, failAt("S0206", n.pos, n.name, undefined)
}

func (ev *evaluator) condition(n *node, input any, env *frame) (any, error) {
	c, err := ev.eval(n.left, input, env)
	if err != nil {
		return nil, err
	}
	yes, err := ev.truth(c, 0)
	if err != nil {
		return nil, err
	}
	if yes {
		return ev.eval(n.right, input, env)
	}
	if n.third != nil {
		return ev.eval(n.third, input, env)
	}
	return undefined, nil
}

func (ev *evaluator) negate(n *node, input any, env *frame) (any, error) {
	v, err := ev.eval(n.left, input, env)
	if err != nil || isUndefined(v) {
		return v, err
	}
	f, ok, err := finite(v)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, failAt("D1002", n.pos, n.name, v)
	}
	return -f, nil
}

// arrayConstructor makes an array: what a member gives is flattened by one level, unless the member is itself [ … ].
func (ev *evaluator) arrayConstructor(n *node, input any, env *frame) (any, error) {
	items := make([]any, 0, len(n.list))
	for _, c := range n.list {
		v, err := ev.eval(c, input, env)
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		members, ok := elements(v)
		if !ok || c.kind == kindArray {
			items = append(items, v)
			continue
		}
		if err := ev.spend(len(members)); err != nil {
			return nil, err
		}
		if len(items) == 0 && len(n.list) == 1 {
			items = members[:len(members):len(members)]
			continue
		}
		items = append(items, members...)
	}
	return &array{items: items, built: n.constructor}, nil
}
