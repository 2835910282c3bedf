package jsonata

// frame holds the variables of a block, of a call or of one row of a path with bindings.
type frame struct {
	parent *frame
	names  []string
	values []any
	row    *object // variables of a path's bindings, under their names
}

// bind gives a variable a value in this frame.
func (f *frame) bind(name string, v any) {
	for i, n := range f.names {
		if n == name {
			f.values[i] = v
			return
		}
	}
	f.names = append(f.names[:len(f.names):len(f.names)], name)
	f.values = append(f.values[:len(f.values):len(f.values)], v)
}

// variable looks a variable up: in the frames, in the caller's bindings, among the functions of the language.
func (ev *evaluator) variable(name string, f *frame) any {
	for ; f != nil; f = f.parent {
		for i, n := range f.names {
			if n == name {
				return f.values[i]
			}
		}
		if f.row != nil {
			if v, ok := f.row.Get(name); ok {
				return v
			}
		}
	}
	if v, ok := ev.Bindings[name]; ok {
		return v
	}
	if name == "$" {
		return ev.input
	}
	if fn, ok := builtins[name]; ok {
		return fn
	}
	return undefined
}
