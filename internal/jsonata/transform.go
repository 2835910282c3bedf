package jsonata

import "github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"

var transformSignature = mustSignature("<(oa):o>")

// transformed copies a value, and in the copy changes what the pattern finds.
func (ev *evaluator) transformed(t *transform, args []any, input any) (any, error) {
	args, err := transformSignature.validate(args, input)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 || isUndefined(args[0]) {
		return undefined, nil
	}
	copied := map[*object]bool{}
	clone, err := ev.clone(args[0], copied, 0)
	if err != nil {
		return nil, err
	}
	found, err := ev.eval(t.n.left, clone, t.env)
	if err != nil || isUndefined(found) {
		return clone, err
	}
	for _, match := range listOf(found) {
		if err := ev.change(t, match, copied); err != nil {
			return nil, err
		}
	}
	return clone, nil
}

// change updates a match. What a pattern finds outside of the copy, in the input or in a variable, stays as it is.
func (ev *evaluator) change(t *transform, match any, copied map[*object]bool) error {
	target, isObject := match.(*object)
	isObject = isObject && copied[target]
	update, err := ev.eval(t.n.right, match, t.env)
	if err != nil {
		return err
	}
	if !isUndefined(update) {
		u, ok := update.(*object)
		if !ok {
			return failAt("T2011", t.n.right.pos, "", update)
		}
		if isObject && u != target {
			copyMembers(target, u)
		}
	}
	if t.n.third == nil {
		return nil
	}
	names, err := ev.eval(t.n.third, match, t.env)
	if err != nil || isUndefined(names) {
		return err
	}
	gone := map[string]bool{}
	for _, name := range listOf(names) {
		s, ok := name.(string)
		if !ok {
			return failAt("T2012", t.n.third.pos, "", names)
		}
		gone[s] = true
	}
	if !isObject {
		return nil
	}
	rest := jsonvalue.NewObject(target.Len())
	for i := range target.Len() {
		if k, v := target.At(i); !gone[k] {
			rest.Set(k, v)
		}
	}
	*target = *rest
	return nil
}

// clone copies a value to its ends, as writing it as JSON and reading it back would: numbers are rounded to 15 digits and
// functions become empty strings. The objects of the copy are noted in copied, if that is not nil.
func (ev *evaluator) clone(v any, copied map[*object]bool, nesting int) (any, error) {
	if nesting > maxNesting {
		return nil, limit("a value is nested too deeply")
	}
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	if items, ok := elements(v); ok {
		out := make([]any, len(items))
		for i, item := range items {
			c, err := ev.clone(item, copied, nesting+1)
			if err != nil {
				return nil, err
			}
			if isUndefined(c) {
				c = nil
			}
			out[i] = c
		}
		return out, nil
	}
	switch x := v.(type) {
	case *object:
		out := jsonvalue.NewObject(x.Len())
		if copied != nil {
			copied[out] = true
		}
		for i := range x.Len() {
			k, m := x.At(i)
			c, err := ev.clone(m, copied, nesting+1)
			if err != nil {
				return nil, err
			}
			out.Set(k, c)
		}
		return out, nil
	case function:
		return "", nil
	case float64:
		if _, _, err := finite(x); err != nil {
			return nil, err
		}
		return rounded15(x), nil
	}
	return v, nil
}
