package manifest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a YAML file: the parser's time and stack grow with them.
const (
	maxYAML      = 1 << 20 // bytes; AWS takes definitions of at most 1 MB
	maxNesting   = 200
	maxNodes     = 100_000 // values, with every use of an anchor counted anew
	maxAliasHops = 20
)

// reader reads typed values from YAML nodes and collects what is wrong with them. Every method that reads a value
// returns the zero value after it has reported a fault.
type reader struct {
	src     *source
	faults  Diagnostics
	anchors map[string]ast.Node
	env     func(string) (string, bool)
	places  map[string]*token.Position // of every field read, by path
	nodes   int
}

// parseYAML reads one YAML document. The node is nil for an empty one.
func parseYAML(src *source, text []byte) (node ast.Node, fault *Diagnostic) {
	if len(text) > maxYAML {
		return nil, src.at(0, 0, fmt.Sprintf("the file has %d bytes; at most %d are read", len(text), maxYAML), "")
	}
	if line, column := tooDeep(text); line > 0 {
		return nil, src.at(line, column, fmt.Sprintf("values are nested more than %d deep", maxNesting), "")
	}
	defer func() { // a fault of the parser on odd input is a fault of the input here
		if p := recover(); p != nil {
			node, fault = nil, src.at(0, 0, fmt.Sprintf("this is no YAML that can be read (%v)", p), "")
		}
	}()
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			p := at.GetToken().Position
			return nil, src.at(p.Line, p.Column, "this is no YAML: "+at.GetMessage(), "")
		}
		return nil, src.at(0, 0, "this is no YAML: "+err.Error(), "")
	}
	if len(f.Docs) > 1 && f.Docs[1].Body != nil {
		p := start(f.Docs[1].Body)
		return nil, src.at(p.Line, p.Column, "a second document begins here", "keep one document in the file")
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, nil
	}
	return f.Docs[0].Body, nil
}

// tooDeep finds where brackets, dashes on one line, or indentation nest deeper than maxNesting. Brackets in text count too.
func tooDeep(text []byte) (line, column int) {
	line, column = 1, 1
	brackets, dashes, lead := 0, 0, true
	for _, c := range text {
		switch c {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '-', '?':
			if lead {
				dashes++
			}
		}
		if c != '-' && c != '?' && c != ' ' {
			lead = false
		}
		if brackets > maxNesting || dashes > maxNesting || (lead && column > 10*maxNesting) {
			return line, column
		}
		column++
		if c == '\n' {
			line, column, dashes, lead = line+1, 1, 0, true
		}
	}
	return 0, 0
}

// start is where a node begins; for mappings the parser names the colon, and the first key is meant.
func start(n ast.Node) *token.Position {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return start(v.Values[0])
		}
	case *ast.MappingValueNode:
		return start(v.Key)
	case *ast.MappingKeyNode:
		return start(v.Value)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position
	}
	return &token.Position{}
}

func (r *reader) fault(n ast.Node, message, hint string) {
	p := start(n)
	r.faults = append(r.faults, r.src.at(p.Line, p.Column, message, hint))
}

// collectAnchors remembers what every anchor of the document names.
func (r *reader) collectAnchors(n ast.Node) {
	r.anchors = map[string]ast.Node{}
	ast.Walk(anchorVisitor{r}, n)
}

type anchorVisitor struct{ r *reader }

func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		v.r.anchors[a.Name.GetToken().Value] = a.Value
	}
	return v
}

// plain follows anchors, aliases and tags to the value itself; nil when there is none, which is reported.
func (r *reader) plain(n ast.Node) ast.Node {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.fault(n, fmt.Sprintf("the file has more than %d values, with every use of an anchor counted", maxNodes), "")
		}
		return nil
	}
	for range maxAliasHops {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			name := v.Value.GetToken().Value
			to, ok := r.anchors[name]
			if !ok {
				r.fault(v, fmt.Sprintf("no anchor &%s is in this file", name), "")
				return nil
			}
			n = to
		case *ast.TagNode:
			switch tag := v.Start.Value; tag {
			case "!!str", "!!int", "!!float", "!!bool", "!!map", "!!seq", "!!null":
				if tag == "!!str" {
					if s, ok := v.Value.(ast.ScalarNode); ok {
						return &ast.StringNode{BaseNode: &ast.BaseNode{}, Token: s.GetToken(), Value: s.GetToken().Value}
					}
				}
				n = v.Value
			default:
				r.fault(v, fmt.Sprintf("tag %s is not read here", tag), "write the value itself; functions are named as ${Key} or ${Key.Arn} in workflow definitions")
				return nil
			}
		default:
			return n
		}
		if n == nil {
			return nil
		}
	}
	r.fault(n, "anchors refer to each other in a circle", "")
	return nil
}

// entry is one member of a mapping.
type entry struct {
	key     string
	keyNode ast.Node
	value   ast.Node
}

// entries lists the members of a mapping in order, with merge keys (<<) applied: a member that stands in the mapping
// itself wins. ok is false when n is no mapping.
func (r *reader) entries(n ast.Node) (out []entry, ok bool) {
	var values []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		return nil, false
	}
	at := map[string]int{}
	merged := map[string]bool{}
	put := func(e entry, merge bool) {
		i, there := at[e.key]
		switch {
		case !there:
			at[e.key] = len(out)
			merged[e.key] = merge
			out = append(out, e)
		case merged[e.key] && !merge:
			out[i], merged[e.key] = e, false
		case !merge:
			r.fault(e.keyNode, fmt.Sprintf("%s stands twice", e.key), "remove one")
		}
	}
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			from := []ast.Node{v.Value}
			if s, ok := r.plain(v.Value).(*ast.SequenceNode); ok {
				from = s.Values
			}
			for _, f := range from {
				p := r.plain(f)
				if p == nil {
					continue
				}
				inner, ok := r.entries(p)
				if !ok {
					r.fault(f, "<< takes an alias of a mapping", "")
				}
				for _, e := range inner {
					put(e, true)
				}
			}
			continue
		}
		key, ok := r.plainKey(v.Key)
		if !ok {
			r.fault(v.Key, "a key is a plain text", "")
			continue
		}
		put(entry{key, v.Key, v.Value}, false)
	}
	return out, true
}

func (r *reader) plainKey(k ast.Node) (string, bool) {
	if m, ok := k.(*ast.MappingKeyNode); ok {
		k = m.Value
	}
	if k == nil {
		return "", false
	}
	switch v := r.plain(k).(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return strings.TrimSpace(v.GetToken().Value), true
	}
	return "", false
}

// describe names a value as a person would: what was found where something else was expected.
func describe(n ast.Node) string {
	switch v := n.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", shorten(v.Value))
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "something else"
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
