package apigatewayv2

import (
	"slices"
	"strings"
)

// routeKey is a parsed route key: $default, or a method and a path.
type routeKey struct {
	method   string // "" for $default
	segments []segment
}

// segment is one part of a route's path: a literal, {variable} or {variable+}.
type segment struct {
	literal  string
	variable string // set for variables
	greedy   bool
}

// routeMethods are the methods that a route key may have. AWS takes them in capitals only.
var routeMethods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// parseRouteKey reads "$default" or "GET /pets/{id}", or fails with AWS's BadRequestException.
func parseRouteKey(key string) (routeKey, error) {
	malformed := func() (routeKey, error) {
		return routeKey{}, badRequest(`The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"`)
	}
	if key == defaultStageName {
		return routeKey{}, nil
	}
	method, path, ok := strings.Cut(key, " ")
	if !ok || !slices.Contains(routeMethods, method) || !strings.HasPrefix(path, "/") || len(key) > 1024 {
		return malformed()
	}
	k := routeKey{method: method}
	if path == "/" {
		return k, nil
	}
	var names []string
	for part := range strings.SplitSeq(path[1:], "/") {
		if n := len(k.segments); part == "" || (n > 0 && k.segments[n-1].greedy) {
			return malformed() // an empty segment, or something after a greedy variable
		}
		if !strings.ContainsAny(part, "{}") {
			if strings.ContainsAny(part, " ?#\t\r\n") {
				return malformed()
			}
			k.segments = append(k.segments, segment{literal: part})
			continue
		}
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			return malformed()
		}
		if name, ok = strings.CutSuffix(name, "}"); !ok {
			return malformed()
		}
		name, greedy := strings.CutSuffix(name, "+")
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") != "" || slices.Contains(names, name) {
			return malformed()
		}
		names = append(names, name)
		k.segments = append(k.segments, segment{variable: name, greedy: greedy})
	}
	return k, nil
}

// shape is the key without the names of its variables: two routes with the same shape match the same requests.
func (k routeKey) shape() string {
	if k.method == "" {
		return defaultStageName
	}
	var b strings.Builder
	b.WriteString(k.method)
	for _, s := range k.segments {
		switch {
		case s.greedy:
			b.WriteString("/{+}")
		case s.variable != "":
			b.WriteString("/{}")
		default:
			b.WriteString("/" + s.literal)
		}
	}
	return b.String()
}
