package executeapi

import (
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// FunctionARN takes the function's ARN out of arn:aws:apigateway:region:lambda:path/2015-03-31/functions/ARN/invocations;
// any other text is returned as it is.
func FunctionARN(uri string) string {
	a, err := arn.Parse(uri)
	if err != nil || a.Service != "apigateway" {
		return uri
	}
	f, ok := strings.CutPrefix(a.Account+":"+a.Resource, "lambda:path/2015-03-31/functions/")
	if !ok {
		return uri
	}
	return strings.TrimSuffix(f, "/invocations")
}

// ExpandVariables replaces ${stageVariables.name}; it reports false when a ${ has no such form.
func ExpandVariables(s string, value func(name string) string) (string, bool) {
	if !strings.Contains(s, "${") {
		return s, true
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		expr, after, closed := strings.Cut(rest, "}")
		name, ok := strings.CutPrefix(expr, "stageVariables.")
		if !closed || !ok || !VariableName(name) {
			return "", false
		}
		b.WriteString(value(name))
		s = after
	}
}

// VariableName tells whether s can be the name of a stage variable: 1 to 64 characters of a-zA-Z0-9_.
func VariableName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
