package jsonata

// function is a value that can be called.
type function interface {
	// arity is the number of arguments that it declares: callers pass no more of what is optional.
	arity() int
}

// lambda is a function of the expression with the variables that it sees.
type lambda struct {
	params    []string
	body      *node
	signature *signature
	input     any
	env       *frame
}

func (l *lambda) arity() int { return len(l.params) }

// native is a function of the language.
type native struct {
	name      string
	signature *signature
	declared  int
	run       func(ev *evaluator, args []any) (any, error)
}

func (n *native) arity() int { return n.declared }

// argument is a function that was passed as an argument; called so, it has no context value.
type argument struct{ f function }

func (a *argument) arity() int { return a.f.arity() }

// applied is a function with some arguments filled in; the others are absent.
type applied struct {
	f    function
	args []any
	open int
}

func (a *applied) arity() int { return a.open }

// hole is an argument that is not filled in yet.
type hole struct{}

// chain is two functions one after the other, made by f ~> g.
type chain struct{ first, second function }

func (c *chain) arity() int { return 1 }

// transform is the function that | … | … | makes.
type transform struct {
	n   *node
	env *frame
}

func (t *transform) arity() int { return 1 }

// tailCallOf is a call in tail position that is still to be made; only invoke sees it.
type tailCallOf struct {
	call  *node
	input any
	env   *frame
}

func (t *tailCallOf) arity() int { return 0 }

// calleeName is the name by which a call names its function.
func calleeName(callee *node) (name string, field bool) {
	if callee.kind == kindPath {
		return callee.list[0].name, true
	}
	return callee.name, false
}

// call evaluates a call. first, if any, is an argument that ~> puts before the others.
func (ev *evaluator) call(n *node, input any, env *frame, first []any) (any, error) {
	callee, err := ev.eval(n.left, input, env)
	if err != nil {
		return nil, err
	}
	name, field := calleeName(n.left)
	if isUndefined(callee) && field && !isUndefined(ev.variable(name, env)) {
		return nil, failAt("T1005", n.pos, name, undefined)
	}
	args, err := ev.arguments(n, input, env, first, true)
	if err != nil {
		return nil, err
	}
	v, err := ev.invoke(callee, args, input)
	if err != nil {
		return nil, placeAt(err, n.pos, name)
	}
	return v, nil
}

func (ev *evaluator) arguments(n *node, input any, env *frame, first []any, wrap bool) ([]any, error) {
	args := make([]any, len(first), len(first)+len(n.list))
	copy(args, first)
	for _, a := range n.list {
		v, err := ev.eval(a, input, env)
		if err != nil {
			return nil, err
		}
		if f, ok := v.(function); ok && wrap {
			if _, done := f.(*argument); !done {
				v = &argument{f: f}
			}
		}
		args = append(args, v)
	}
	return args, nil
}

// invoke calls a function; a call in tail position is made here, in a loop, and so takes no depth.
func (ev *evaluator) invoke(callee any, args []any, input any) (any, error) {
	v, err := ev.invokeOnce(callee, args, input)
	for err == nil {
		t, ok := v.(*tailCallOf)
		if !ok {
			break
		}
		if err = ev.spend(1); err != nil {
			break
		}
		if callee, err = ev.eval(t.call.left, t.input, t.env); err != nil {
			break
		}
		if args, err = ev.arguments(t.call, t.input, t.env, nil, false); err != nil {
			break
		}
		if v, err = ev.invokeOnce(callee, args, input); err != nil {
			name, _ := calleeName(t.call.left)
			err = placeAt(err, t.call.pos, name)
		}
	}
	return v, err
}

func (ev *evaluator) invokeOnce(callee any, args []any, input any) (any, error) {
	switch f := callee.(type) {
	case *lambda:
		if f.signature != nil {
			var err error
			if args, err = f.signature.validate(args, input); err != nil {
				return nil, err
			}
		}
		values := make([]any, len(f.params))
		for i := range values {
			if i < len(args) {
				values[i] = args[i]
			} else {
				values[i] = undefined
			}
		}
		return ev.eval(f.body, f.input, &frame{parent: f.env, names: f.params, values: values})
	case *native:
		args, err := f.signature.validate(args, input)
		if err != nil {
			return nil, err
		}
		for len(args) < f.declared {
			args = append(args, undefined)
		}
		return f.run(ev, args)
	case *argument:
		return ev.invoke(f.f, args, nil)
	case *applied:
		all := make([]any, len(f.args))
		copy(all, f.args)
		for i := range all {
			if _, open := all[i].(hole); !open {
				continue
			}
			all[i] = undefined
			if len(args) > 0 {
				all[i], args = args[0], args[1:]
			}
		}
		return ev.invokeOnce(f.f, all, input)
	case *chain:
		v, err := ev.invoke(f.first, args[:min(1, len(args))], nil)
		if err != nil {
			return nil, err
		}
		return ev.invokeOnce(f.second, []any{v}, nil)
	case *transform:
		return ev.transformed(f, args, input)
	case *regex:
		return f.call(ev, args)
	case *nextMatch:
		return f.call(ev)
	}
	return nil, fail("T1006", callee)
}

// callback calls a function that was given to a function of the language, with as many arguments as it declares.
func (ev *evaluator) callback(f any, args ...any) (any, error) {
	if fn, ok := f.(function); ok {
		args = args[:min(len(args), max(1, fn.arity()))]
	}
	return ev.invoke(f, args, nil)
}

// partial evaluates f(?, x): a function of the arguments that are left open.
func (ev *evaluator) partial(n *node, input any, env *frame) (any, error) {
	args := make([]any, 0, len(n.list))
	open := 0
	for _, a := range n.list {
		if a.kind == kindPlaceholder {
			args = append(args, hole{})
			open++
			continue
		}
		v, err := ev.eval(a, input, env)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	callee, err := ev.eval(n.left, input, env)
	if err != nil {
		return nil, err
	}
	f, ok := callee.(function)
	if !ok {
		name, field := calleeName(n.left)
		if isUndefined(callee) && field && !isUndefined(ev.variable(name, env)) {
			return nil, failAt("T1007", n.pos, name, undefined)
		}
		return nil, failAt("T1008", n.pos, name, undefined)
	}
	return &applied{f: f, args: args, open: open}, nil
}

// apply evaluates x ~> f: a call with x as the first argument, or, where both are functions, their chain.
func (ev *evaluator) apply(n *node, input any, env *frame) (any, error) {
	x, err := ev.eval(n.left, input, env)
	if err != nil {
		return nil, err
	}
	if n.right.kind == kindCall {
		return ev.call(n.right, input, env, []any{x})
	}
	v, err := ev.eval(n.right, input, env)
	if err != nil {
		return nil, err
	}
	f, ok := v.(function)
	if !ok {
		return nil, failAt("T2006", n.pos, n.name, v)
	}
	if first, ok := x.(function); ok {
		return &chain{first: first, second: f}, nil
	}
	v, err = ev.invoke(f, []any{x}, nil)
	if err != nil {
		name, _ := calleeName(n.right)
		if n.right.kind == kindTransform {
			name = ""
		}
		return nil, placeAt(err, n.right.pos, name)
	}
	return v, nil
}
