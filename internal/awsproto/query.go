package awsproto

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// formNode is a form's dotted keys as a tree: MetricData.member.1.Dimensions.member.2.Name=x.
type formNode struct {
	value    string
	set      bool
	children map[string]*formNode
}

// decodeForm reads the Query protocol's parameters into the struct v, and gives them as a tree.
func decodeForm(p *plan, form url.Values, v reflect.Value) (*formNode, error) {
	root := &formNode{}
	for key, values := range form {
		if len(values) == 0 {
			continue
		}
		n := root
		depth := 0
		for part := range strings.SplitSeq(key, ".") {
			if depth++; depth > 2*maxDepth {
				return nil, serialization("The parameter name " + strconv.Quote(key[:64]) + " is nested too deep")
			}
			next := n.children[part]
			if next == nil {
				if n.children == nil {
					n.children = map[string]*formNode{}
				}
				next = &formNode{}
				n.children[part] = next
			}
			n = next
		}
		n.value, n.set = values[0], true
	}
	return root, root.structure(p, v)
}

// document gives a tree that was decoded as the JSON document that says the same.
func (n *formNode) document(p *plan) any {
	switch p.kind {
	case kindPointer:
		return n.document(p.elem)
	case kindStruct:
		m := map[string]any{}
		for name, child := range n.children {
			if i, ok := p.byForm[name]; ok {
				f := &p.fields[i]
				if f.plan.kind == kindMap {
					m[f.wire] = child.entries(f.plan, f.entry)
				} else {
					m[f.wire] = child.document(f.plan)
				}
			}
		}
		return m
	case kindList:
		items, _ := n.items("member")
		all := make([]any, len(items))
		for i, item := range items {
			all[i] = item.document(p.elem)
		}
		return all
	case kindMap:
		return n.entries(p, entryNames{key: "key", value: "value"})
	case kindInt:
		i, _ := strconv.ParseInt(n.value, 10, 64)
		return i
	case kindBool:
		return n.value == "true"
	}
	return n.value
}

func (n *formNode) entries(p *plan, names entryNames) map[string]any {
	items, _ := n.items("entry")
	m := map[string]any{}
	for _, item := range items {
		m[item.children[names.key].value] = item.children[names.value].document(p.elem)
	}
	return m
}

func (n *formNode) structure(p *plan, v reflect.Value) error {
	for name, child := range n.children {
		i, ok := p.byForm[name]
		if !ok {
			continue
		}
		f := &p.fields[i]
		var err error
		if f.plan.kind == kindMap {
			err = child.mapping(f.plan, v.Field(f.index), f.entry)
		} else {
			err = child.decode(f.plan, v.Field(f.index))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *formNode) decode(p *plan, v reflect.Value) error {
	switch p.kind {
	case kindPointer:
		item := reflect.New(p.elem.typ)
		if err := n.decode(p.elem, item.Elem()); err != nil {
			return err
		}
		v.Set(item)
		return nil
	case kindList:
		return n.list(p, v)
	case kindMap:
		return n.mapping(p, v, entryNames{key: "key", value: "value"})
	case kindStruct:
		if n.set && n.value != "" && len(n.children) == 0 {
			return serialization("Unexpected value where a structure was expected")
		}
		return n.structure(p, v)
	case kindUnion:
		return n.union(p, v)
	}
	if len(n.children) > 0 {
		return serialization("Start of structure or map found where not expected.")
	}
	return setText(p, v, n.value, DateTime)
}

// items returns the numbered children in order: under "member" (or the given name) as AWS's clients write lists, or
// directly, as flattened lists are written.
func (n *formNode) items(under string) ([]*formNode, error) {
	at := n.children[under]
	if at == nil {
		at = n
	}
	type numbered struct {
		i int
		n *formNode
	}
	var found []numbered
	for name, child := range at.children {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 {
			return nil, serialization("Key " + strconv.Quote(name) + " is not a valid list index: it must be an integer from 1")
		}
		found = append(found, numbered{i, child})
	}
	slices.SortFunc(found, func(a, b numbered) int { return a.i - b.i })
	items := make([]*formNode, len(found))
	for i, f := range found {
		items[i] = f.n
	}
	return items, nil
}

func (n *formNode) list(p *plan, v reflect.Value) error {
	items, err := n.items("member")
	if err != nil {
		return err
	}
	out := reflect.MakeSlice(p.typ, len(items), len(items))
	for i, item := range items {
		if err := item.decode(p.elem, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (n *formNode) mapping(p *plan, v reflect.Value, names entryNames) error {
	items, err := n.items("entry")
	if err != nil {
		return err
	}
	out := reflect.MakeMap(p.typ)
	for _, item := range items {
		key, value := item.children[names.key], item.children[names.value]
		if key == nil || !key.set || value == nil {
			return serialization("A map entry needs a " + names.key + " and a " + names.value)
		}
		val := reflect.New(p.elem.typ).Elem()
		if err := value.decode(p.elem, val); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key.value).Convert(p.typ.Key()), val)
	}
	v.Set(out)
	return nil
}

func (n *formNode) union(p *plan, v reflect.Value) error {
	if len(n.children) != 1 {
		return serialization("Exactly one member of union " + p.typ.Name() + " must be set")
	}
	for i := range p.union {
		u := &p.union[i]
		if child := n.children[u.wire]; child != nil {
			item := reflect.New(u.typ)
			if err := child.decode(u.plan, item.Elem().FieldByName("Value")); err != nil {
				return err
			}
			v.Set(item)
			return nil
		}
	}
	return serialization("Union " + p.typ.Name() + " has no such member here")
}
