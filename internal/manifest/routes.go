package manifest

import (
	"fmt"
	"strings"

	"github.com/tealdeploy/teal/internal/release"
)

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"}

// pathForm is a path as API Gateway's HTTP APIs take it: parts of text or {name}, the last of which may be {name+}.
var pathForm = newForm(`^/$|^(/([A-Za-z0-9._~:@!$&'()*,;=%-]+|\{[A-Za-z0-9._:-]+\}))*(/\{[A-Za-z0-9._:-]+\+\})?/?$`)

const routeExample = "- {method: GET, path: /hello, function: hello}"

// readRoute reads one route, as {method, path, function} or short as `GET /hello: hello`. A route without a method takes any.
func (a *application) readRoute(f field) {
	n := a.plain(f.node)
	if n == nil {
		return
	}
	list, ok := a.entries(n)
	if !ok {
		a.wrong(f, n, "a mapping", routeExample)
		return
	}
	rt := release.Route{Method: "ANY"}
	before := len(a.faults)
	known := map[string]func(field){
		"method": func(f field) { rt.Method = a.method(f) },
		"path":   func(f field) { rt.Path = a.path(f) },
		"function": func(f field) {
			if rt.Function = a.nonEmpty(f, "function: hello"); rt.Function != "" {
				a.mustExist(f, "function", rt.Function, a.functions)
			}
		},
		"workflow": func(f field) {
			if rt.Workflow = a.nonEmpty(f, "workflow: order"); rt.Workflow != "" {
				a.mustExist(f, "workflow", rt.Workflow, a.workflows)
			}
		},
		"role": func(f field) { rt.Role = a.role(f) },
	}
	if key := list[0].key; len(list) == 1 && strings.Contains(key, "/") {
		a.readShortRoute(f, list[0], &rt, known)
	} else if !a.object(f, known, map[string]string{"handler": "write function:", "stateMachine": "write workflow:"}) {
		return
	}
	if len(a.faults) > before {
		return
	}
	switch {
	case rt.Path == "":
		a.fault(n, f.path+" has no path", "write "+routeExample)
	case rt.Function == "" && rt.Workflow == "":
		a.fault(n, fmt.Sprintf("route %s %s leads nowhere", rt.Method, rt.Path), "write function: or workflow: with a key of this manifest")
	case rt.Function != "" && rt.Workflow != "":
		a.fault(n, fmt.Sprintf("route %s %s leads to a function and to a workflow", rt.Method, rt.Path), "keep one of them")
	case rt.Role != "" && rt.Workflow == "":
		a.fault(n, fmt.Sprintf("route %s %s has a role, but a function is called by permission, not by role", rt.Method, rt.Path), "remove role:")
	}
	for _, other := range a.m.Spec.Routes {
		if other.Method == rt.Method && other.Path == rt.Path {
			a.fault(n, fmt.Sprintf("route %s %s stands twice", rt.Method, rt.Path), "remove one")
		}
	}
	a.m.Spec.Routes = append(a.m.Spec.Routes, rt)
}

// readShortRoute reads `GET /hello: {function: hello}`, or with a bare key when it names a function or workflow.
func (a *application) readShortRoute(f field, e entry, rt *release.Route, known map[string]func(field)) {
	key := field{f.path, e.keyNode, e.keyNode}
	if method, path, ok := strings.Cut(e.key, " "); ok {
		rt.Method, rt.Path = strings.ToUpper(strings.TrimSpace(method)), strings.TrimSpace(path)
	} else {
		rt.Path = e.key
	}
	if !contains(methods, rt.Method) {
		a.fault(key.node, fmt.Sprintf("%q is no method", rt.Method), meant(rt.Method, methods))
	}
	if !pathForm.MatchString(rt.Path) {
		a.fault(key.node, fmt.Sprintf("%q is no path of a route", rt.Path), "write it as /orders/{id}")
	}
	to := f.at(e.key, e)
	n := a.plain(e.value)
	if n == nil {
		return
	}
	s, ok := rawText(n)
	if !ok {
		delete(known, "method")
		delete(known, "path")
		a.object(to, known, nil)
		return
	}
	switch s = a.expand(n, s); {
	case a.functions[s] && a.workflows[s]:
		a.fault(n, fmt.Sprintf("%s is a function and a workflow", s), fmt.Sprintf("write {function: %s} or {workflow: %s}", s, s))
	case a.workflows[s]:
		rt.Workflow = s
	default:
		rt.Function = s
		a.mustExist(to, "function", s, a.functions)
	}
}

func (a *application) method(f field) string {
	before := len(a.faults)
	s := strings.ToUpper(a.text(f, "method: GET"))
	if len(a.faults) > before {
		return ""
	}
	if s == "*" {
		return "ANY"
	}
	if !contains(methods, s) {
		a.fault(a.plain(f.node), fmt.Sprintf("%s takes a method, got %q", f.path, shorten(s)), meant(s, methods))
		return ""
	}
	return s
}

func (a *application) path(f field) string {
	return a.matching(f, pathForm, "a path of a route", "path: /orders/{id}")
}

// mustExist reports a key that the manifest does not have.
func (a *application) mustExist(f field, what, key string, known map[string]bool) {
	if known[key] {
		return
	}
	n := a.plain(f.node)
	if n == nil {
		n = f.key
	}
	names := sortedKeys(known)
	hint := meant(key, names)
	if len(names) == 0 {
		hint = "write it under " + what + "s:"
	}
	a.fault(n, fmt.Sprintf("the manifest has no %s %q", what, shorten(key)), hint)
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
