package awsproto

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// router finds a REST operation by method and path. Literal segments win over labels, labels over greedy ones.
type router struct {
	methods map[string]*routeNode
	exact   bool // a slash at the end of the path belongs to a greedy label
}

type routeNode struct {
	literal map[string]*routeNode
	label   *routeNode
	greedy  []*operation // the rest of the path, at least one segment
	ops     []*operation // the path ends here; those that ask for query parameters come first
}

func newRouter() *router { return &router{methods: map[string]*routeNode{}} }

// segment is one part of a path between slashes.
type segment struct {
	text   string // literal text or label name
	label  bool
	greedy bool
}

// parsePath reads /2015-03-31/functions/{FunctionName}/aliases; a greedy label ({Path+}) can only be the last. A query
// at the end (?find=LayerVersion) lists parameters that the request must have.
func parsePath(path string) ([]segment, url.Values, error) {
	path, rawQuery, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil || !strings.HasPrefix(path, "/") {
		return nil, nil, fmt.Errorf("path %q must begin with a slash and have a well-formed query or none", path)
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return nil, query, nil
	}
	var segs []segment
	parts := strings.Split(path, "/")
	for i, part := range parts {
		s := segment{text: part}
		if inner, ok := strings.CutPrefix(part, "{"); ok {
			if inner, ok = strings.CutSuffix(inner, "}"); !ok {
				return nil, nil, fmt.Errorf("path %q has an open label", path)
			}
			s.text, s.greedy = strings.CutSuffix(inner, "+")
			s.label = true
			if s.greedy && i != len(parts)-1 {
				return nil, nil, fmt.Errorf("path %q has a greedy label that is not the last", path)
			}
		}
		if s.text == "" || s.label && strings.ContainsAny(s.text, "{}") {
			return nil, nil, fmt.Errorf("path %q has an empty or nested part", path)
		}
		segs = append(segs, s)
	}
	return segs, query, nil
}

func (r *router) add(op *operation) error {
	n := r.methods[op.http.method]
	if n == nil {
		n = &routeNode{}
		r.methods[op.http.method] = n
	}
	at := &n.ops
	for _, s := range op.rest.segments {
		switch {
		case s.greedy:
			at = &n.greedy
			continue
		case s.label:
			if n.label == nil {
				n.label = &routeNode{}
			}
			n = n.label
		default:
			if n.literal == nil {
				n.literal = map[string]*routeNode{}
			}
			next := n.literal[s.text]
			if next == nil {
				next = &routeNode{}
				n.literal[s.text] = next
			}
			n = next
		}
		at = &n.ops
	}
	for _, other := range *at {
		if other.rest.query.Encode() == op.rest.query.Encode() && other.header == op.header {
			return fmt.Errorf("%s %s is the route of %s too", op.http.method, op.http.path, other.name)
		}
	}
	*at = append(*at, op)
	slices.SortStableFunc(*at, func(a, b *operation) int { return b.demands() - a.demands() })
	return nil
}

// demands counts what a request must have besides method and path.
func (op *operation) demands() int {
	n := 2 * len(op.rest.query)
	if op.header != "" {
		n++
	}
	return n
}

// asked is what a request says besides its method and path.
type asked struct {
	url    *url.URL
	header http.Header
	query  url.Values // of url, once it was needed
}

// byQuery picks the operation whose required query parameters and header the request has.
func byQuery(ops []*operation, a *asked) *operation {
	for _, op := range ops {
		if op.header != "" && a.header.Get(op.header) == "" {
			continue
		}
		if len(op.rest.query) == 0 {
			return op
		}
		if a.query == nil {
			a.query = a.url.Query()
		}
		given, matches := a.query, true
		for k, want := range op.rest.query {
			matches = matches && given.Has(k) && (want[0] == "" || given.Get(k) == want[0])
		}
		if matches {
			return op
		}
	}
	return nil
}

// match finds the operation of a request and the values of its labels, in the path's order, decoded.
func (r *router) match(method string, u *url.URL) (*operation, []string) {
	return r.matchAsked(method, u, nil)
}

func (r *router) matchAsked(method string, u *url.URL, header http.Header) (*operation, []string) {
	root := r.methods[method]
	if root == nil {
		return nil, nil
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	var (
		labels [maxLabels]string
		op     *operation
		n      int
	)
	a := &asked{url: u, header: header}
	if r.exact {
		op, n = root.match(a, path, path == "", &labels, 0)
	}
	if op == nil {
		// Older clients end collection paths with a slash: GET /2015-03-31/functions/.
		path = strings.TrimSuffix(path, "/")
		op, n = root.match(a, path, path == "", &labels, 0)
	}
	if op == nil {
		return nil, nil
	}
	values := make([]string, n)
	for i, raw := range labels[:n] {
		v, err := url.PathUnescape(raw)
		if err != nil || v == "" {
			return nil, nil
		}
		values[i] = v
	}
	return op, values
}

// maxLabels is the most labels that a path may have.
const maxLabels = 8

func (n *routeNode) match(a *asked, path string, end bool, labels *[maxLabels]string, at int) (*operation, int) {
	if end {
		return byQuery(n.ops, a), at
	}
	head, tail, more := strings.Cut(path, "/")
	if next := n.literal[head]; next != nil {
		if op, k := next.match(a, tail, !more, labels, at); op != nil {
			return op, k
		}
	}
	if n.label != nil && head != "" && at < maxLabels {
		labels[at] = head
		if op, k := n.label.match(a, tail, !more, labels, at+1); op != nil {
			return op, k
		}
	}
	if n.greedy != nil && path != "" && at < maxLabels {
		labels[at] = path
		return byQuery(n.greedy, a), at + 1
	}
	return nil, 0
}
