package asl

// link is a transition that is resolved when all states are known.
type link struct {
	scope  *Workflow // a transition never leaves its workflow
	from   *State    // nil for StartAt
	target **State
	name   string
	loc    string
}

func (p *parser) link(scope *Workflow, from *State, target **State, name, loc string) {
	p.links = append(p.links, link{scope, from, target, name, loc})
}

// resolve sets all transitions and reports the ones that lead nowhere, workflows without an end, and states that nothing
// leads to.
func (p *parser) resolve(root *Workflow) {
	next := map[*State][]*State{}
	for _, l := range p.links {
		for _, s := range l.scope.States {
			if s.Name == l.name {
				*l.target = s
			}
		}
		switch {
		case *l.target == nil && p.lone != nil && l.scope == p.lone:
			*l.target = &State{Name: l.name, Type: TypeSucceed}
		case *l.target == nil:
			p.report(CodeTransition, l.loc, "Missing 'Next' target: %s", l.name)
		case l.from != nil:
			next[l.from] = append(next[l.from], *l.target)
		}
	}
	p.check(root, next)
}

func (p *parser) check(w *Workflow, next map[*State][]*State) {
	ends := w == p.lone
	for _, s := range w.States {
		ends = ends || s.Type == TypeSucceed || s.Type == TypeFail || s.ends
	}
	if !ends {
		p.report(CodeNoEnd, "", "Workflow has no terminal state")
	} else if w.Start != nil || len(w.States) > 0 {
		reached := map[*State]bool{}
		todo := []*State{w.Start}
		for len(todo) > 0 {
			s := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if s != nil && !reached[s] {
				reached[s] = true
				todo = append(todo, next[s]...)
			}
		}
		for _, s := range w.States {
			if !reached[s] {
				p.report(CodeTransition, s.Location, "State \"%s\" is not reachable.", s.Name)
			}
		}
	}
	for _, s := range w.States {
		switch {
		case s.Parallel != nil:
			for _, b := range s.Parallel.Branches {
				p.check(b, next)
			}
		case s.Map != nil:
			p.check(s.Map.Processor, next)
		}
	}
}
