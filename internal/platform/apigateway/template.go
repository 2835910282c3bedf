package apigateway

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsonpath"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
	"github.com/tealdeploy/teal/internal/vtl"
)

// The methods of a mapping template's variables.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
var (
	inputMethods = []string{"json", "path", "params"}
	utilMethods  = map[string]func(s string) (any, error){
		"escapeJavaScript": func(s string) (any, error) { return escapeJavaScript(s), nil },
		"parseJson": func(s string) (any, error) {
			v, err := jsonvalue.ParseString(s)
			return vtl.FromJSON(v), err
		},
		"urlEncode":    func(s string) (any, error) { return url.QueryEscape(s), nil },
		"urlDecode":    func(s string) (any, error) { return url.QueryUnescape(s) },
		"base64Encode": func(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil },
		"base64Decode": func(s string) (any, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		},
	}
)

// parseTemplate reads a mapping template and refuses what could not be rendered.
func parseTemplate(source string) (*vtl.Template, error) {
	t, err := vtl.Parse(source)
	if err != nil {
		return nil, err
	}
	for _, c := range t.Calls() {
		known := vtl.Known(c.Method)
		switch c.Variable {
		case "input":
			known = slices.Contains(inputMethods, c.Method)
		case "util":
			_, known = utilMethods[c.Method]
		}
		if !known {
			return nil, fmt.Errorf("line %d: $%s.%s is not supported by this platform", c.Line, c.Variable, c.Method)
		}
	}
	return t, nil
}

// environment is what a template sees. body is the request's, or that of the integration's answer.
func (x *exchange) environment(body []byte) map[string]any {
	variables := vtl.NewMap()
	for _, k := range sortedKeys(x.side.variables) {
		variables.Set(k, x.side.variables[k])
	}
	return map[string]any{
		"input": &inputHost{x: x, body: body}, "util": utilHost{}, "context": mapHost{x.contextMap()}, "stageVariables": mapHost{variables},
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// contextMap is $context. Templates may write responseOverride and requestOverride in it.
func (x *exchange) contextMap() *vtl.Map {
	if x.context != nil {
		return x.context
	}
	m := vtl.NewMap()
	for _, p := range []executeapi.Param{
		{Name: "accountId", Value: x.Account},
		{Name: "apiId", Value: x.APIID},
		{Name: "deploymentId", Value: x.side.deployment},
		{Name: "domainName", Value: x.Domain},
		{Name: "domainPrefix", Value: executeapi.PrefixOf(x.Domain)},
		{Name: "extendedRequestId", Value: x.extended},
		{Name: "httpMethod", Value: x.R.Method},
		{Name: "path", Value: x.RawPath},
		{Name: "protocol", Value: x.R.Proto},
		{Name: "requestId", Value: x.RequestID},
		{Name: "requestTime", Value: x.At.Format(executeapi.CLFTime)},
		{Name: "stage", Value: x.stage.name},
	} {
		m.Set(p.Name, p.Value)
	}
	m.Set("requestTimeEpoch", x.At.UnixMilli())
	m.Set("isCanaryRequest", strconv.FormatBool(x.side.canary))
	if x.method != nil {
		m.Set("resourceId", x.method.resource)
		m.Set("resourcePath", x.method.path)
		m.Set("operationName", x.method.operation)
	}
	identity := vtl.NewMap()
	identity.Set("sourceIp", x.SourceIP())
	identity.Set("userAgent", x.R.UserAgent())
	if id := x.apiKey.Id; id != nil {
		identity.Set("apiKey", *x.apiKey.Value)
		identity.Set("apiKeyId", *id)
	}
	m.Set("identity", identity)
	if x.decision != nil {
		authorizer := vtl.NewMap()
		authorizer.Set("principalId", x.decision.Principal)
		for _, c := range x.decision.Context {
			authorizer.Set(c.Name, c.Value)
		}
		m.Set("authorizer", authorizer)
	}
	for _, name := range []string{"requestOverride", "responseOverride"} {
		o := vtl.NewMap()
		o.Set("header", vtl.NewMap())
		m.Set(name, o)
	}
	x.context = m
	return m
}

// mapHost gives members of a map; what is not there is nothing.
type mapHost struct{ *vtl.Map }

// Member is the map's value.
func (h mapHost) Member(name string) (any, bool) { return h.Get(name), true }

// Call is get.
func (h mapHost) Call(name string, args []any) (any, error) {
	if name == "get" && len(args) == 1 {
		return h.Get(vtl.String(args[0])), nil
	}
	return nil, fmt.Errorf("the method %s is not supported here", name)
}

// String is how Java prints the map.
func (h mapHost) String() string { return vtl.String(h.Map) }

type utilHost struct{}

// Member of $util: there is none.
func (utilHost) Member(string) (any, bool) { return nil, false }

// Call calls a method of $util.
func (utilHost) Call(name string, args []any) (any, error) {
	f := utilMethods[name]
	if f == nil || len(args) != 1 {
		return nil, fmt.Errorf("$util.%s of %d arguments is not supported by this platform", name, len(args))
	}
	if args[0] == nil {
		return nil, nil
	}
	return f(vtl.String(args[0]))
}

// inputHost is $input.
type inputHost struct {
	x      *exchange
	body   []byte
	doc    any
	parsed bool
	err    error
}

// Member is $input.body.
func (h *inputHost) Member(name string) (any, bool) {
	if name == "body" {
		return string(h.body), true
	}
	return nil, false
}

// Call calls a method of $input.
func (h *inputHost) Call(name string, args []any) (any, error) {
	switch {
	case name == "params" && len(args) == 0:
		return h.params(), nil
	case name == "params" && len(args) == 1:
		key := vtl.String(args[0])
		for _, where := range []string{"path", "querystring", "header"} {
			if v, ok := h.x.parameter(where + "." + key); ok {
				return v, nil
			}
		}
		return "", nil
	case (name == "json" || name == "path") && len(args) == 1:
		v, err := h.selected(vtl.String(args[0]))
		if err != nil {
			return nil, err
		}
		if name == "path" {
			return vtl.FromJSON(v), nil
		}
		if v == nil {
			return `""`, nil
		}
		return string(jsonvalue.Marshal(v)), nil
	}
	return nil, fmt.Errorf("$input.%s of %d arguments is not supported by this platform", name, len(args))
}

func (h *inputHost) selected(path string) (any, error) {
	if !h.parsed {
		h.parsed = true
		if len(h.body) > 0 {
			h.doc, h.err = jsonvalue.Parse(h.body)
		} else {
			h.doc = jsonvalue.NewObject(0)
		}
	}
	if h.err != nil {
		return nil, h.err
	}
	p, err := jsonpath.Compile(path)
	if err != nil {
		return nil, err
	}
	v, err := p.Eval(h.doc)
	var absent *jsonpath.NotFoundError
	if errors.As(err, &absent) {
		return nil, nil
	}
	return v, err
}

func (h *inputHost) params() *vtl.Map {
	m := vtl.NewMap()
	path, query, header := vtl.NewMap(), vtl.NewMap(), vtl.NewMap()
	for i, name := range h.x.method.variables {
		path.Set(name, h.x.Values[i])
	}
	for _, p := range h.x.QueryParams() {
		query.Set(p.Name, p.Value)
	}
	for _, f := range h.x.EventHeaders(true) {
		header.Set(f.Name, f.Last())
	}
	m.Set("path", path)
	m.Set("querystring", query)
	m.Set("header", header)
	return m
}

// escapeJavaScript escapes as Apache Commons does: quotes, slashes and all that is not printable ASCII.
func escapeJavaScript(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20 || r > 0x7e:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04X`, u)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
