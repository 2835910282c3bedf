package jsonata

import "strconv"

// resolver turns the parser's tree into the one that is evaluated: chains of dots become paths with steps, predicates and
// bindings move to the steps that they belong to, calls in tail position are marked, and every % finds its step.
type resolver struct {
	parents []*node // every %, by the index of its slot
}

// resolve prepares a parsed tree for evaluation.
func resolve(n *node) (*node, error) {
	r := &resolver{}
	n, err := r.node(n)
	if err != nil {
		return nil, err
	}
	if n.kind == kindParent || n.seekingParents != nil {
		return nil, failAt("S0217", n.pos, "%", undefined)
	}
	return n, nil
}

func (r *resolver) node(n *node) (*node, error) {
	out, err := r.shape(n)
	if err != nil {
		return nil, err
	}
	if n.keepArray {
		out.keepArray = true
	}
	return out, nil
}

func (r *resolver) shape(n *node) (*node, error) {
	switch n.kind {
	case kindEnd:
		return nil, failAt("S0207", n.pos, n.name, undefined)
	case kindPlaceholder, kindString, kindNumber, kindValue, kindRegex, kindVariable, kindWildcard, kindDescendant:
		return n, nil
	case kindWord:
		n.kind = kindName
		return r.shape(n)
	case kindName:
		return &node{kind: kindPath, pos: n.pos, list: []*node{n}, keepSingleton: n.keepArray}, nil
	case kindParent:
		n.slot = &slot{label: "%" + strconv.Itoa(len(r.parents)), level: 1, index: len(r.parents)}
		r.parents = append(r.parents, n)
		return n, nil
	case kindDot:
		return r.dot(n)
	case kindPredicate:
		return r.predicate(n)
	case kindGrouping:
		return r.grouping(n)
	case kindOrder:
		return r.order(n)
	case kindFocus:
		return r.focus(n)
	case kindIndex:
		return r.index(n)
	case kindNegate:
		return r.negate(n)
	case kindBind:
		if err := r.replace(&n.left, nil); err != nil {
			return nil, err
		}
		return n, r.replace(&n.right, n)
	case kindBinary, kindCondition:
		return n, r.replaceAll(n, &n.left, &n.right, &n.third)
	case kindApply:
		if err := r.replaceAll(nil, &n.left, &n.right); err != nil {
			return nil, err
		}
		n.keepArray = n.left.keepArray || n.right.keepArray
		return n, nil
	case kindTransform:
		return n, r.replaceAll(nil, &n.left, &n.right, &n.third)
	case kindArray, kindCall, kindPartial:
		for i := range n.list {
			if err := r.replace(&n.list[i], n); err != nil {
				return nil, err
			}
		}
		return n, r.replace(&n.left, nil)
	case kindObject:
		return n, r.replacePairs(n.pairs, n)
	case kindBlock:
		for i := range n.list {
			if err := r.replace(&n.list[i], n); err != nil {
				return nil, err
			}
			part := n.list[i]
			if part.constructor || part.kind == kindPath && part.list[0].constructor {
				n.constructor = true
			}
		}
		return n, nil
	case kindLambda:
		if err := r.replace(&n.third, nil); err != nil {
			return nil, err
		}
		n.third = tailCall(n.third)
		return n, nil
	}
	return nil, failAt("S0206", n.pos, n.name, undefined)
}

// replace resolves the node at p; what it still seeks above itself is handed on to heir.
func (r *resolver) replace(p **node, heir *node) error {
	if *p == nil {
		return nil
	}
	n, err := r.node(*p)
	if err != nil {
		return err
	}
	*p = n
	if heir != nil {
		heir.inherit(n)
	}
	return nil
}

func (r *resolver) replaceAll(heir *node, ps ...**node) error {
	for _, p := range ps {
		if err := r.replace(p, heir); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) replacePairs(pairs [][2]*node, heir *node) error {
	for i := range pairs {
		if err := r.replaceAll(heir, &pairs[i][0], &pairs[i][1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) dot(n *node) (*node, error) {
	first, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	path := first
	if first.kind != kindPath {
		path = &node{kind: kindPath, pos: first.pos, list: []*node{first}}
		if first.kind == kindParent {
			path.seekingParents = []*slot{first.slot}
		}
	}
	rest, err := r.node(n.right)
	if err != nil {
		return nil, err
	}
	if rest.kind == kindPath {
		path.list = append(path.list, rest.list...)
	} else {
		if rest.filters != nil {
			rest.stages, rest.filters = rest.filters, nil
		}
		path.list = append(path.list, rest)
	}
	for _, step := range path.list {
		switch step.kind {
		case kindNumber, kindValue:
			return nil, failAt("S0213", step.pos, "", step.value)
		case kindString: // "a".b reads the field a
			step.kind = kindName
		}
		if step.keepArray {
			path.keepSingleton = true
		}
	}
	for _, step := range [...]*node{path.list[0], path.last()} {
		if step.kind == kindArray {
			step.constructor = true
		}
	}
	return path, r.findParents(path)
}

// last is the last step of a path.
func (n *node) last() *node { return n.list[len(n.list)-1] }

func (r *resolver) predicate(n *node) (*node, error) {
	out, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	step, list := out, &out.filters
	if out.kind == kindPath {
		step = out.last()
		list = &step.stages
	}
	if step.group != nil {
		return nil, failAt("S0209", n.pos, "", undefined)
	}
	filter, err := r.node(n.right)
	if err != nil {
		return nil, err
	}
	if filter.seekingParents != nil {
		for _, s := range filter.seekingParents {
			if s.level == 1 {
				if _, err := r.seek(step, s); err != nil {
					return nil, err
				}
			} else {
				s.level--
			}
		}
		step.inherit(filter)
	}
	*list = append(*list, stage{filter: filter, pos: n.pos})
	return out, nil
}

func (r *resolver) grouping(n *node) (*node, error) {
	out, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	if out.group != nil {
		return nil, failAt("S0210", n.pos, "", undefined)
	}
	if err := r.replacePairs(n.pairs, nil); err != nil {
		return nil, err
	}
	out.group = &group{pairs: n.pairs, pos: n.pos}
	return out, nil
}

func (r *resolver) order(n *node) (*node, error) {
	path, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	if path.kind != kindPath {
		path = &node{kind: kindPath, pos: path.pos, list: []*node{path}}
	}
	step := &node{kind: kindSort, pos: n.pos, terms: n.terms}
	for i := range step.terms {
		if err := r.replace(&step.terms[i].by, step); err != nil {
			return nil, err
		}
	}
	path.list = append(path.list, step)
	return path, r.findParents(path)
}

func (r *resolver) focus(n *node) (*node, error) {
	out, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	step := out
	if out.kind == kindPath {
		step = out.last()
	}
	if step.stages != nil || step.filters != nil {
		return nil, failAt("S0215", n.pos, "", undefined)
	}
	if step.kind == kindSort {
		return nil, failAt("S0216", n.pos, "", undefined)
	}
	if n.keepArray {
		step.keepArray = true
	}
	step.focus, step.tuple = n.right.name, true
	return out, nil
}

func (r *resolver) index(n *node) (*node, error) {
	out, err := r.node(n.left)
	if err != nil {
		return nil, err
	}
	step := out
	if out.kind == kindPath {
		step = out.last()
	} else {
		out = &node{kind: kindPath, pos: step.pos, list: []*node{step}}
		if step.filters != nil {
			step.stages, step.filters = step.filters, nil
		}
	}
	if step.stages == nil {
		step.index = n.right.name
	} else {
		step.stages = append(step.stages, stage{index: n.right.name, pos: n.pos})
	}
	step.tuple = true
	return out, nil
}

func (r *resolver) negate(n *node) (*node, error) {
	if err := r.replace(&n.left, n); err != nil {
		return nil, err
	}
	if f, ok := n.left.value.(float64); ok && n.left.kind == kindNumber {
		n.left.value = -f
		return n.left, nil
	}
	return n, nil
}

// tailCall wraps calls whose result is the result of the whole function, so that they take no depth.
func tailCall(n *node) *node {
	switch n.kind {
	case kindCall:
		if n.filters == nil {
			return &node{kind: kindLambda, pos: n.pos, thunk: true, third: n}
		}
	case kindCondition:
		n.right = tailCall(n.right)
		if n.third != nil {
			n.third = tailCall(n.third)
		}
	case kindBlock:
		if len(n.list) > 0 {
			n.list[len(n.list)-1] = tailCall(n.list[len(n.list)-1])
		}
	}
	return n
}
