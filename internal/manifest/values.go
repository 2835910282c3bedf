package manifest

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// field is one value of the manifest with its path, such as functions.hello.timeout.
type field struct {
	path string
	key  ast.Node // where to point when the value is missing
	node ast.Node
}

func (f field) at(name string, e entry) field {
	p := name
	if f.path != "" {
		p = f.path + "." + name
	}
	return field{p, e.keyNode, e.value}
}

// wrong reports that a field does not hold what it should.
func (r *reader) wrong(f field, n ast.Node, expected, example string) {
	hint := ""
	if example != "" {
		hint = "write " + example
	}
	at := n
	if _, null := n.(*ast.NullNode); null && f.key != nil {
		at = f.key
	}
	r.fault(at, fmt.Sprintf("%s takes %s, got %s", f.path, expected, describe(n)), hint)
}

// object hands every member of a mapping to its function; members without one are reported with what was likely meant.
// foreign says what to write instead of members that other tools know. It reports false when f is no mapping.
func (r *reader) object(f field, known map[string]func(field), foreign map[string]string) bool {
	n := r.plain(f.node)
	if n == nil {
		return false
	}
	list, ok := r.entries(n)
	if !ok {
		r.wrong(f, n, "a mapping", "")
		return false
	}
	names := sortedKeys(known)
	for _, e := range list {
		sub := f.at(e.key, e)
		if _, there := r.places[sub.path]; !there {
			r.places[sub.path] = start(e.value)
		}
		if read, ok := known[e.key]; ok {
			read(sub)
			continue
		}
		hint := meant(e.key, names)
		if h, ok := foreign[e.key]; ok {
			hint = h
		}
		where := "here"
		if f.path != "" {
			where = "in " + f.path
		}
		r.fault(e.keyNode, fmt.Sprintf("unknown field %q %s", e.key, where), hint)
	}
	return true
}

// members hands every member of a mapping with free names to read. An empty value is an empty mapping.
func (r *reader) members(f field, read func(name string, f field)) {
	n := r.plain(f.node)
	if n == nil {
		return
	}
	if _, null := n.(*ast.NullNode); null {
		return
	}
	list, ok := r.entries(n)
	if !ok {
		r.wrong(f, n, "a mapping", "")
		return
	}
	for _, e := range list {
		sub := f.at(e.key, e)
		if _, there := r.places[sub.path]; !there {
			r.places[sub.path] = start(e.value)
		}
		read(e.key, sub)
	}
}

// list hands every element of a sequence to read.
func (r *reader) list(f field, expected, example string, read func(f field)) {
	n := r.plain(f.node)
	if n == nil {
		return
	}
	if _, null := n.(*ast.NullNode); null {
		return
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(f, n, expected, example)
		return
	}
	for i, v := range s.Values {
		sub := field{fmt.Sprintf("%s[%d]", f.path, i), v, v}
		r.places[sub.path] = start(v)
		read(sub)
	}
}

// text reads a text, with variables replaced.
func (r *reader) text(f field, example string) string {
	n := r.plain(f.node)
	if n == nil {
		return ""
	}
	s, ok := rawText(n)
	if !ok {
		r.wrong(f, n, "a text", example)
		return ""
	}
	return r.expand(n, s)
}

// nonEmpty reads a text that may not be empty.
func (r *reader) nonEmpty(f field, example string) string {
	n := r.plain(f.node)
	if n == nil {
		return ""
	}
	before := len(r.faults)
	s := r.text(f, example)
	if s == "" && len(r.faults) == before {
		r.wrong(f, n, "a text that is not empty", example)
	}
	return s
}

// matching reads a text of a given form.
func (r *reader) matching(f field, shape form, expected, example string) string {
	before := len(r.faults)
	s := r.text(f, example)
	if len(r.faults) == before && !shape.MatchString(s) {
		r.fault(r.plain(f.node), fmt.Sprintf("%s takes %s, got %q", f.path, expected, shorten(s)), "write "+example)
		return ""
	}
	return s
}

// oneOf reads one of a few words.
func (r *reader) oneOf(f field, words ...string) string {
	before := len(r.faults)
	s := r.text(f, words[0])
	if len(r.faults) > before {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	r.fault(r.plain(f.node), fmt.Sprintf("%s takes one of %s, got %q", f.path, strings.Join(words, ", "), shorten(s)), meant(s, words))
	return ""
}

// scalar reads a text, number or boolean as the text that it is written as.
func (r *reader) scalar(f field) (string, bool) {
	n := r.plain(f.node)
	switch v := n.(type) {
	case nil:
		return "", false
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return strings.TrimSpace(v.GetToken().Value), true
	}
	if s, ok := rawText(n); ok {
		return r.expand(n, s), true
	}
	r.wrong(f, n, "a text", `"" for an empty value`)
	return "", false
}

// integer reads a whole number between least and most; a text counts when a variable made it.
func (r *reader) integer(f field, least, most int, unit, example string) int {
	n := r.plain(f.node)
	if n == nil {
		return 0
	}
	expected := fmt.Sprintf("a whole number%s from %d to %d", unit, least, most)
	var s string
	switch v := n.(type) {
	case *ast.IntegerNode:
		s = strings.TrimSpace(v.GetToken().Value)
	case *ast.StringNode:
		if !strings.Contains(v.Value, "${") {
			r.wrong(f, n, expected, example)
			return 0
		}
		before := len(r.faults)
		if s = strings.TrimSpace(r.expand(n, v.Value)); len(r.faults) > before {
			return 0
		}
	default:
		r.wrong(f, n, expected, example)
		return 0
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < least || i > most {
		r.fault(n, fmt.Sprintf("%s takes %s, got %s", f.path, expected, shorten(s)), "write "+example)
		return 0
	}
	return i
}

// boolean reads true or false; a text counts when a variable made it.
func (r *reader) boolean(f field, example string) bool {
	n := r.plain(f.node)
	switch v := n.(type) {
	case nil:
		return false
	case *ast.BoolNode:
		return v.Value
	case *ast.StringNode:
		if strings.Contains(v.Value, "${") {
			before := len(r.faults)
			if b, err := strconv.ParseBool(r.expand(n, v.Value)); err == nil || len(r.faults) > before {
				return b
			}
		}
	}
	r.wrong(f, n, "true or false", example)
	return false
}

// duration reads a time span such as 30s or 1h30m, of at most a week.
func (r *reader) duration(f field, example string) time.Duration {
	const expected = "a time span with its unit (s, m or h)"
	n := r.plain(f.node)
	if n == nil {
		return 0
	}
	if s, ok := rawText(n); ok {
		before := len(r.faults)
		s = r.expand(n, s)
		d, err := time.ParseDuration(s)
		if len(r.faults) > before {
			return 0
		}
		if err == nil && d >= 0 && d <= 7*24*time.Hour {
			return d
		}
		if err == nil {
			r.fault(n, fmt.Sprintf("%s takes a time span from 0s to 168h, got %s", f.path, s), "write "+example)
			return 0
		}
	}
	hint := example
	if i, ok := n.(*ast.IntegerNode); ok {
		name := f.path[strings.LastIndexByte(f.path, '.')+1:]
		hint = fmt.Sprintf("%s: %ss or %s: %sm", name, i.GetToken().Value, name, i.GetToken().Value)
	}
	r.wrong(f, n, expected, hint)
	return 0
}

// share reads a part of a whole: 0.05 or 5%.
func (r *reader) share(f field, example string) float64 {
	const expected = "a share from 0 to 1, or from 0% to 100%"
	n := r.plain(f.node)
	if n == nil {
		return 0
	}
	before := len(r.faults)
	s, _ := r.scalar(f)
	if len(r.faults) > before {
		return 0
	}
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) || math.IsNaN(v) {
		r.wrong(f, n, expected, example)
		return 0
	}
	return v
}

// words reads a list of texts; a single text stands for a list of one.
func (r *reader) words(f field, example string, each func(f field, s string)) {
	n := r.plain(f.node)
	if n == nil {
		return
	}
	if _, ok := rawText(n); ok {
		if s := r.nonEmpty(f, example); s != "" {
			each(f, s)
		}
		return
	}
	r.list(f, "a text or a list of texts", example, func(f field) {
		if s := r.nonEmpty(f, example); s != "" {
			each(f, s)
		}
	})
}

// rawText gives the text of a node that is one, quoted, plain or as a block.
func rawText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	}
	return "", false
}

var variable = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)

// expand replaces ${env:NAME} and ${env:NAME, default}. $${…} stands for ${…} itself; other variables are refused by name.
func (r *reader) expand(n ast.Node, s string) string {
	return r.expandWith(n, s, func(m string) string {
		r.fault(n, fmt.Sprintf("variable %s is not known here", m), "write ${env:NAME, default}, or $"+m+" for the text itself")
		return m
	})
}

func (r *reader) expandWith(n ast.Node, s string, other func(string) string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		name, env := strings.CutPrefix(m, "${env:")
		if !env {
			if strings.HasPrefix(m, "$$") {
				return m[1:]
			}
			return other(m)
		}
		name, def, hasDefault := strings.Cut(strings.TrimSuffix(name, "}"), ",")
		name = strings.TrimSpace(name)
		if v, ok := r.env(name); ok {
			return v
		}
		if hasDefault {
			return unquote(strings.TrimSpace(def))
		}
		r.fault(n, fmt.Sprintf("the environment has no variable %s", name), fmt.Sprintf("set it, or write ${env:%s, default}", name))
		return ""
	})
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
