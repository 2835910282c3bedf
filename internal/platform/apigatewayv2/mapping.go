package apigatewayv2

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// mapping is a request parameter's value: text in which parts of the request stand for themselves.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
type mapping []mappingPart

// mappingPart is a literal, or a value of the request.
type mappingPart struct {
	literal string
	source  source
	name    string   // of the header, parameter, variable or context member
	path    []string // into the body
}

type source uint8

const (
	fromLiteral source = iota
	fromBody
	fromBodyPath
	fromPath
	fromPathVariable
	fromQuery
	fromHeader
	fromContext
	fromAuthorizer
	fromStageVariable
	fromResponseHeader
	fromResponseBody
)

// maxSelectableBody is where AWS cuts the body off before it applies a JSON path; what is cut is no JSON any more.
const maxSelectableBody = 100 << 10

// contextMembers are the members of $context that a mapping can use.
var contextMembers = map[string]func(x *exchange) string{
	"accountId":          func(x *exchange) string { return x.Account },
	"apiId":              func(x *exchange) string { return x.APIID },
	"domainName":         func(x *exchange) string { return x.Domain },
	"domainPrefix":       func(x *exchange) string { return executeapi.PrefixOf(x.Domain) },
	"extendedRequestId":  func(x *exchange) string { return x.RequestID },
	"httpMethod":         func(x *exchange) string { return x.R.Method },
	"identity.sourceIp":  func(x *exchange) string { return x.SourceIP() },
	"identity.userAgent": func(x *exchange) string { return x.R.UserAgent() },
	"path":               func(x *exchange) string { return x.RawPath },
	"protocol":           func(x *exchange) string { return x.R.Proto },
	"requestId":          func(x *exchange) string { return x.RequestID },
	"requestTime":        func(x *exchange) string { return x.At.Format(executeapi.CLFTime) },
	"requestTimeEpoch":   func(x *exchange) string { return strconv.FormatInt(x.At.UnixMilli(), 10) },
	"routeKey":           func(x *exchange) string { return x.route.key },
	"stage":              func(x *exchange) string { return x.stage.name },
}

// parseMapping reads a static value, "$request.body.order", or text with ${…} in it. It fails with AWS's
// BadRequestException.
func parseMapping(s string) (mapping, error) {
	m, err := parseAnyMapping(s)
	if err == nil && slices.ContainsFunc(m, mappingPart.ofAnswer) {
		err = invalidMapping(s)
	}
	return m, err
}

// ofAnswer tells whether p is part of a backend's answer.
func (p mappingPart) ofAnswer() bool {
	return p.source == fromResponseHeader || p.source == fromResponseBody
}

// ofRequest tells whether p is part of the client's request.
func (p mappingPart) ofRequest() bool {
	return p.source != fromLiteral && p.source != fromContext && p.source != fromAuthorizer && p.source != fromStageVariable && !p.ofAnswer()
}

// parseAnyMapping is parseMapping where parts of the backend's answer are allowed too.
func parseAnyMapping(s string) (mapping, error) {
	if strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "${") {
		p, err := parseSelection(s[1:])
		if err != nil {
			return nil, err
		}
		return mapping{p}, nil
	}
	var m mapping
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		if before != "" {
			m = append(m, mappingPart{literal: before})
		}
		if !found {
			break
		}
		expr, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, invalidMapping("${" + rest)
		}
		p, err := parseSelection(expr)
		if err != nil {
			return nil, err
		}
		m = append(m, p)
		s = after
	}
	return m, nil
}

func invalidMapping(expr string) error {
	return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", expr)
}

// parseSelection reads an expression without its $ and braces.
func parseSelection(e string) (mappingPart, error) {
	fail := func() (mappingPart, error) { return mappingPart{}, invalidMapping("$" + e) }
	if name, ok := strings.CutPrefix(e, "context."); ok {
		if property, ok := strings.CutPrefix(name, "authorizer."); ok && property != "" {
			return mappingPart{source: fromAuthorizer, name: property}, nil
		}
		if contextMembers[name] == nil {
			return fail()
		}
		return mappingPart{source: fromContext, name: name}, nil
	}
	if name, ok := strings.CutPrefix(e, "stageVariables."); ok {
		if !executeapi.VariableName(name) {
			return fail()
		}
		return mappingPart{source: fromStageVariable, name: name}, nil
	}
	if name, ok := strings.CutPrefix(e, "response.header."); ok && name != "" {
		return mappingPart{source: fromResponseHeader, name: name}, nil
	}
	if name, ok := strings.CutPrefix(e, "response.body."); ok {
		path, ok := parseBodyPath(name)
		if !ok {
			return fail()
		}
		return mappingPart{source: fromResponseBody, path: path}, nil
	}
	e2, ok := strings.CutPrefix(e, "request.")
	if !ok {
		return fail()
	}
	where, name, named := strings.Cut(e2, ".")
	switch {
	case where == "body" && !named:
		return mappingPart{source: fromBody}, nil
	case where == "path" && !named:
		return mappingPart{source: fromPath}, nil
	case name == "":
		return fail()
	case where == "body":
		path, ok := parseBodyPath(name)
		if !ok {
			return fail()
		}
		return mappingPart{source: fromBodyPath, path: path}, nil
	case where == "path":
		return mappingPart{source: fromPathVariable, name: name}, nil
	case where == "querystring":
		return mappingPart{source: fromQuery, name: name}, nil
	case where == "header":
		return mappingPart{source: fromHeader, name: name}, nil
	}
	return fail()
}

// parseBodyPath reads "a.b[0].c" into a, b, [0, c. Recursive descent and filters are not supported, as on AWS.
func parseBodyPath(s string) ([]string, bool) {
	var path []string
	for part := range strings.SplitSeq(s, ".") {
		name, indexes, indexed := strings.Cut(part, "[")
		if name == "" {
			return nil, false
		}
		path = append(path, name)
		for indexed {
			var index string
			var ok bool
			index, indexes, ok = strings.Cut(indexes, "]")
			if n, err := strconv.Atoi(index); !ok || err != nil || n < 0 {
				return nil, false
			}
			path = append(path, "["+index)
			if indexes == "" {
				break
			}
			if indexes, ok = strings.CutPrefix(indexes, "["); !ok {
				return nil, false
			}
		}
	}
	return path, true
}

// value evaluates m for a request. It reports false when m is a single selection that selects nothing.
func (m mapping) value(x *exchange) (string, bool) {
	if len(m) == 0 {
		return "", true
	}
	if len(m) == 1 {
		return m[0].value(x)
	}
	var b strings.Builder
	for _, p := range m {
		v, _ := p.value(x)
		b.WriteString(v)
	}
	return b.String(), true
}

func (p mappingPart) value(x *exchange) (string, bool) {
	switch p.source {
	case fromLiteral:
		return p.literal, true
	case fromBody:
		return string(x.Body), len(x.Body) > 0
	case fromBodyPath:
		return selectBody(x.Body, p.path)
	case fromPath:
		return "/" + strings.Join(x.Segments, "/"), true
	case fromPathVariable:
		for i, name := range x.route.variables {
			if name == p.name {
				return x.Values[i], true
			}
		}
		return "", false
	case fromQuery:
		return x.Query(p.name)
	case fromHeader:
		v := x.R.Header.Values(p.name)
		if strings.EqualFold(p.name, "host") {
			v = []string{x.R.Host}
		}
		return strings.Join(v, ","), len(v) > 0
	case fromContext:
		return contextMembers[p.name](x), true
	case fromAuthorizer:
		return x.authorizerValue(p.name)
	case fromStageVariable:
		v, ok := x.stage.variables[p.name]
		return v, ok
	case fromResponseHeader:
		v := x.answer.Header.Values(p.name)
		return strings.Join(v, ","), len(v) > 0
	case fromResponseBody:
		return selectBody(x.answer.Body, p.path)
	}
	return "", false
}

// selectBody walks a JSON body. A string is given without its quotes, anything else as JSON text.
func selectBody(body []byte, path []string) (string, bool) {
	if len(body) > maxSelectableBody {
		return "", false
	}
	v := json.RawMessage(body)
	for _, step := range path {
		if index, ok := strings.CutPrefix(step, "["); ok {
			var list []json.RawMessage
			n, err := strconv.Atoi(index)
			if err != nil || json.Unmarshal(v, &list) != nil || n >= len(list) {
				return "", false
			}
			v = list[n]
			continue
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(v, &object) != nil {
			return "", false
		}
		var ok bool
		if v, ok = object[step]; !ok {
			return "", false
		}
	}
	var s string
	if json.Unmarshal(v, &s) == nil && len(v) > 0 && v[0] == '"' {
		return s, true
	}
	return string(v), json.Valid(v)
}
