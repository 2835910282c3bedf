package jsonata

// inherit takes over what n seeks above itself.
func (heir *node) inherit(n *node) {
	if n.seekingParents == nil && n.kind != kindParent {
		return
	}
	if heir.seekingParents == nil {
		heir.seekingParents = []*slot{}
	}
	heir.seekingParents = append(heir.seekingParents, n.seekingParents...)
	if n.kind == kindParent {
		heir.seekingParents = append(heir.seekingParents, n.slot)
	}
}

// seek lets a slot look for its parent in a step: a step that goes down one level in the data brings it one level closer,
// another % takes it one further away. Where it arrives, the step is told to remember the value it started from.
func (r *resolver) seek(n *node, s *slot) (*slot, error) {
	switch n.kind {
	case kindName, kindWildcard:
		s.level--
		if s.level == 0 {
			if n.ancestor != nil { // both look at the same value: they share its name
				r.parents[s.index].slot.label = n.ancestor.label
			}
			n.ancestor = s
			n.tuple = true
		}
	case kindParent:
		s.level++
	case kindBlock:
		if len(n.list) > 0 {
			n.tuple = true
			return r.seek(n.list[len(n.list)-1], s)
		}
	case kindPath:
		n.tuple = true
		i := len(n.list) - 1
		s, err := r.seek(n.list[i], s)
		for i--; err == nil && s.level > 0 && i >= 0; i-- {
			s, err = r.seek(n.list[i], s)
		}
		return s, err
	default:
		return nil, failAt("S0217", n.pos, "%", undefined)
	}
	return s, nil
}

// findParents lets what the last step of a path seeks look for it in the steps before; what they do not hold is sought
// above the path.
func (r *resolver) findParents(path *node) error {
	last := path.last()
	slots := append([]*slot(nil), last.seekingParents...)
	if last.kind == kindParent {
		slots = append(slots, last.slot)
	}
	for _, s := range slots {
		for i := len(path.list) - 2; s.level > 0; {
			if i < 0 {
				path.seekingParents = append(path.seekingParents, s)
				break
			}
			step := path.list[i]
			i--
			for i >= 0 && step.focus != "" && path.list[i].focus != "" { // bindings of one place count once
				step = path.list[i]
				i--
			}
			var err error
			if s, err = r.seek(step, s); err != nil {
				return err
			}
		}
	}
	return nil
}
