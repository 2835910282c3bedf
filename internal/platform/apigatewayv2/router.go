package apigatewayv2

import (
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// router selects the route of a request. It is immutable once built.
//
// AWS documents three tiers: a route that matches the whole path, one with a greedy variable, $default. Within a tier
// the exact method goes before ANY, then the path decides segment by segment from the left: a literal before
// {variable} before {variable+}. A variable takes exactly one segment, a greedy one the rest of the path; neither
// matches what is empty.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
type router struct {
	methods  map[string]*node // by method, without ANY
	any      *node
	fallback *route // $default, or nil
}

// node is one place in the tree of paths of one method.
type node struct {
	literals map[string]*node
	variable *node
	route    *route // whose path ends here
	greedy   *route // whose greedy variable begins here
}

// route is a route ready to serve.
type route struct {
	key       string
	id        string
	variables []string // names in the order of the path, the greedy one without its plus
	target    target   // nil when the route has none
	// parameters change the request before the target gets it, answers what the client gets, by status; nil for nothing.
	parameters *requestChanges
	answers    map[int]*answerChanges

	authorizer *authorizer        // nil without one
	scopes     []string           // of which a token must have one; nil for any token
	signed     bool               // requests must have a signature (AWS_IAM)
	throttle   *executeapi.Bucket // nil without limit
}

func (r *router) add(k routeKey, rt *route) {
	switch k.method {
	case "":
		r.fallback = rt
		return
	case "ANY":
		if r.any == nil {
			r.any = new(node)
		}
		r.any.add(k.segments, rt)
	default:
		if r.methods == nil {
			r.methods = make(map[string]*node)
		}
		n := r.methods[k.method]
		if n == nil {
			n = new(node)
			r.methods[k.method] = n
		}
		n.add(k.segments, rt)
	}
}

func (n *node) add(segments []segment, rt *route) {
	for _, s := range segments {
		switch {
		case s.greedy:
			rt.variables = append(rt.variables, s.variable)
			n.greedy = rt
			return
		case s.variable != "":
			rt.variables = append(rt.variables, s.variable)
			if n.variable == nil {
				n.variable = new(node)
			}
			n = n.variable
		default:
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}
			next := n.literals[s.literal]
			if next == nil {
				next = new(node)
				n.literals[s.literal] = next
			}
			n = next
		}
	}
	n.route = rt
}

// match returns the route of a request and appends the values of its variables to values. It returns nil when there
// is none.
func (r *router) match(method string, segments, values []string) (*route, []string) {
	exact := r.methods[method]
	for _, n := range [2]*node{exact, r.any} {
		if n != nil {
			if rt, v := n.full(segments, values); rt != nil {
				return rt, v
			}
		}
	}
	for _, n := range [2]*node{exact, r.any} {
		if n != nil {
			if rt, v := n.longest(segments, values); rt != nil {
				return rt, v
			}
		}
	}
	return r.fallback, values
}

// full finds the route whose path is exactly segments.
func (n *node) full(segments, values []string) (*route, []string) {
	if len(segments) == 0 {
		return n.route, values
	}
	if next := n.literals[segments[0]]; next != nil {
		if rt, v := next.full(segments[1:], values); rt != nil {
			return rt, v
		}
	}
	if n.variable != nil && segments[0] != "" {
		return n.variable.full(segments[1:], append(values, segments[0]))
	}
	return nil, values
}

// longest finds the greedy route that matches most of segments before its greedy variable.
func (n *node) longest(segments, values []string) (*route, []string) {
	if len(segments) == 0 || (len(segments) == 1 && segments[0] == "") {
		return nil, values
	}
	if next := n.literals[segments[0]]; next != nil {
		if rt, v := next.longest(segments[1:], values); rt != nil {
			return rt, v
		}
	}
	if n.variable != nil && segments[0] != "" {
		if rt, v := n.variable.longest(segments[1:], append(values, segments[0])); rt != nil {
			return rt, v
		}
	}
	if n.greedy != nil {
		return n.greedy, append(values, strings.Join(segments, "/"))
	}
	return nil, values
}
