package apigateway

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsonpath"
	"github.com/tealdeploy/teal/internal/jsontext"
	"github.com/tealdeploy/teal/internal/vtl"
)

// transform is the mapping of a custom integration: what is sent, and what of the answer goes back.
type transform struct {
	s           *Service
	templates   map[string]*vtl.Template // by media type
	passthrough string
	parameters  []parameterMapping
	binary      types.ContentHandlingStrategy
	responses   []integrationResponse // those with a pattern first, the default one last
}

// parameterMapping is one entry of requestParameters or responseParameters.
type parameterMapping struct{ to, from string }

type integrationResponse struct {
	status     int
	pattern    *regexp.Regexp // nil for the default
	templates  map[string]*vtl.Template
	parameters []parameterMapping
	binary     types.ContentHandlingStrategy
	declared   bool // the method has a response of this status
}

func parseTemplates(sources map[string]string) (map[string]*vtl.Template, error) {
	out := make(map[string]*vtl.Template, len(sources))
	for media, source := range sources {
		t, err := parseTemplate(source)
		if err != nil {
			return nil, err
		}
		out[strings.ToLower(media)] = t
	}
	return out, nil
}

func sortedMappings(m map[string]string) []parameterMapping {
	var out []parameterMapping
	for _, k := range sortedKeys(m) {
		out = append(out, parameterMapping{k, m[k]})
	}
	return out
}

func newTransform(s *Service, m types.Method) (*transform, error) {
	i := m.MethodIntegration
	t := &transform{s: s, passthrough: aws.ToString(i.PassthroughBehavior), parameters: sortedMappings(i.RequestParameters), binary: i.ContentHandling}
	var err error
	if t.templates, err = parseTemplates(i.RequestTemplates); err != nil {
		return nil, err
	}
	for _, r := range i.IntegrationResponses {
		out := integrationResponse{parameters: sortedMappings(r.ResponseParameters), binary: r.ContentHandling}
		_, out.declared = m.MethodResponses[aws.ToString(r.StatusCode)]
		if out.status, err = strconv.Atoi(aws.ToString(r.StatusCode)); err != nil {
			return nil, err
		}
		if out.pattern, err = selection(r.SelectionPattern); err != nil {
			return nil, err
		}
		if out.templates, err = parseTemplates(r.ResponseTemplates); err != nil {
			return nil, err
		}
		t.responses = append(t.responses, out)
	}
	slices.SortFunc(t.responses, func(a, b integrationResponse) int {
		if (a.pattern == nil) != (b.pattern == nil) {
			if a.pattern == nil {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.status, b.status)
	})
	return t, nil
}

// request makes the body that goes to the backend. status is 0, or that of the answer that was given instead.
func (t *transform) request(x *exchange) (body []byte, status int) {
	template := t.templates[x.contentType()]
	if template == nil {
		template = t.templates["$default"]
	}
	if template == nil {
		if t.passthrough == "NEVER" || t.passthrough == "WHEN_NO_TEMPLATES" && len(t.templates) > 0 {
			return nil, x.fail(types.GatewayResponseTypeUnsupportedMediaType, "")
		}
		return t.converted(x, x.Body)
	}
	text, err := template.Render(x.environment(x.Body))
	if err != nil {
		x.s.cfg.Logger.Error("the request template cannot be rendered", "api", x.APIID, "resource", x.method.path, "request", x.RequestID, "error", err)
		return nil, x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	return []byte(text), 0
}

// converted applies contentHandling to a body that passes through.
func (t *transform) converted(x *exchange, body []byte) ([]byte, int) {
	binary := x.side.isBinary(x.contentType())
	switch {
	case t.binary == types.ContentHandlingStrategyConvertToText && binary:
		return base64.StdEncoding.AppendEncode(nil, body), 0
	case t.binary == types.ContentHandlingStrategyConvertToBinary && !binary:
		decoded, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return nil, x.fail(types.GatewayResponseTypeApiConfigurationError, "")
		}
		return decoded, 0
	}
	return body, 0
}

// received is what came back from a backend.
type received struct {
	selector string // what selection patterns are held against
	header   http.Header
	body     []byte
}

// respond chooses the integration response and answers with it.
func (t *transform) respond(x *exchange, r received) int {
	i := slices.IndexFunc(t.responses, func(c integrationResponse) bool { return c.pattern == nil || c.pattern.MatchString(r.selector) })
	if i < 0 || !t.responses[i].declared {
		x.s.cfg.Logger.Error("no integration response fits", "api", x.APIID, "resource", x.method.path, "request", x.RequestID, "selector", r.selector)
		return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
	}
	c := &t.responses[i]
	h := x.W.Header()
	body := r.body
	accept := mediaType(x.R.Header.Get("Accept"))
	template, media := c.templates[accept], accept
	if template == nil {
		media = mediaType(r.header.Get("Content-Type"))
		template = c.templates[media]
	}
	if template == nil && len(c.templates) > 0 {
		media = sortedKeys(c.templates)[0]
		template = c.templates[media]
	}
	status := c.status
	if template != nil {
		text, err := template.Render(x.environment(r.body))
		if err != nil {
			x.s.cfg.Logger.Error("the response template cannot be rendered", "api", x.APIID, "resource", x.method.path, "request", x.RequestID, "error", err)
			return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
		}
		body = []byte(text)
		h["Content-Type"] = []string{media}
	} else if ct := r.header.Get("Content-Type"); ct != "" {
		h["Content-Type"] = []string{ct}
	}
	switch c.binary {
	case types.ContentHandlingStrategyConvertToBinary:
		decoded, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return x.fail(types.GatewayResponseTypeApiConfigurationError, "")
		}
		body = decoded
	case types.ContentHandlingStrategyConvertToText:
		body = base64.StdEncoding.AppendEncode(nil, body)
	}
	for _, p := range c.parameters {
		if v, ok := x.responseValue(p.from, r); ok {
			setHeader(h, strings.TrimPrefix(p.to, "method.response.header."), v)
		}
	}
	if x.context != nil {
		if o, ok := x.context.Get("responseOverride").(*vtl.Map); ok {
			if n, err := strconv.Atoi(vtl.String(o.Get("status"))); err == nil && n >= 200 && n <= 599 {
				status = n
			}
			if overrides, ok := o.Get("header").(*vtl.Map); ok {
				for _, k := range overrides.Keys() {
					setHeader(h, k, vtl.String(overrides.Get(k)))
				}
			}
		}
	}
	return x.send(status, body)
}

// setHeader sets a header that HTTP allows and that is not the gateway's own.
func setHeader(h http.Header, name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	if !executeapi.Token(name) || strings.ContainsAny(value, "\r\n\x00") || executeapi.ConnectionHeader(name) || name == "Content-Length" || name == executeapi.VersionHeader {
		return
	}
	h[name] = []string{value}
}

// static is the text of a mapping 'text'.
func static(from string) (string, bool) {
	if len(from) >= 2 && from[0] == '\'' && from[len(from)-1] == '\'' {
		return from[1 : len(from)-1], true
	}
	return "", false
}

// requestValue evaluates what a request parameter is mapped from.
func (x *exchange) requestValue(from string) (string, bool) {
	if v, ok := static(from); ok {
		return v, true
	}
	if name, ok := strings.CutPrefix(from, "method.request."); ok {
		switch {
		case name == "body":
			return string(x.Body), true
		case strings.HasPrefix(name, "body."):
			return selectText(x.Body, strings.TrimPrefix(name, "body."))
		}
		return x.parameter(name)
	}
	if name, ok := strings.CutPrefix(from, "stageVariables."); ok {
		v, ok := x.side.variables[name]
		return v, ok
	}
	if name, ok := strings.CutPrefix(from, "context."); ok {
		return x.contextValue(name)
	}
	return "", false
}

// contextValue reads identity.sourceIp and its like.
func (x *exchange) contextValue(name string) (string, bool) {
	var v any = x.contextMap()
	for part := range strings.SplitSeq(name, ".") {
		m, ok := v.(*vtl.Map)
		if !ok {
			return "", false
		}
		if v = m.Get(part); v == nil {
			return "", false
		}
	}
	return vtl.String(v), true
}

func (x *exchange) responseValue(from string, r received) (string, bool) {
	if name, ok := strings.CutPrefix(from, "integration.response.header."); ok {
		v := r.header.Values(name)
		return strings.Join(v, ","), len(v) > 0
	}
	if from == "integration.response.body" {
		return string(r.body), true
	}
	if path, ok := strings.CutPrefix(from, "integration.response.body."); ok {
		return selectText(r.body, path)
	}
	return x.requestValue(from)
}

// selectText reads a JSON path of a body as text.
func selectText(body []byte, path string) (string, bool) {
	h := &inputHost{body: body}
	v, err := h.selected("$." + path)
	if err != nil || v == nil {
		return "", false
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	return vtl.JSON(vtl.FromJSON(v)), true
}

var integrationParameter = regexp.MustCompile(`^integration\.request\.(header|querystring|path)\.[^\s]+$`)

func checkRequestParameter(name, from string) error {
	if !integrationParameter.MatchString(name) {
		return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
	}
	return checkSource(from, "method.request.", "stageVariables.", "context.")
}

func checkResponseParameter(from string) error {
	return checkSource(from, "integration.response.header.", "integration.response.body", "stageVariables.", "context.")
}

func checkSource(from string, prefixes ...string) error {
	if _, ok := static(from); ok || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(from, p) }) {
		if _, path, ok := strings.Cut(from, ".body."); ok {
			if _, err := jsonpath.Compile("$." + path); err != nil {
				return badRequest("Invalid mapping expression specified: %s: %v", from, err)
			}
		}
		return nil
	}
	return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", from)
}

// gatewayResponse is one of the gateway's own answers as the API wants it.
type gatewayResponse struct {
	status     int // 0 for the default
	parameters []parameterMapping
	templates  map[string]*vtl.Template
}

func compileGatewayResponse(r types.GatewayResponse) (*gatewayResponse, error) {
	out := &gatewayResponse{parameters: sortedMappings(r.ResponseParameters)}
	if r.StatusCode != nil {
		var err error
		if out.status, err = strconv.Atoi(*r.StatusCode); err != nil {
			return nil, err
		}
	}
	var err error
	out.templates, err = parseTemplates(r.ResponseTemplates)
	return out, err
}

func (g *gatewayResponse) write(x *exchange, t types.GatewayResponseType, status int, message string) int {
	if g.status != 0 {
		status = g.status
	}
	about := vtl.NewMap()
	about.Set("message", message)
	about.Set("messageString", vtl.JSON(message))
	about.Set("responseType", string(t))
	x.contextMap().Set("error", about)
	h := x.W.Header()
	for _, p := range g.parameters {
		if v, ok := x.requestValue(p.from); ok {
			setHeader(h, strings.TrimPrefix(p.to, "gatewayresponse.header."), v)
		}
	}
	media := mediaType(x.R.Header.Get("Accept"))
	if g.templates[media] == nil {
		media = "application/json"
	}
	if g.templates[media] == nil && len(g.templates) > 0 {
		media = sortedKeys(g.templates)[0]
	}
	body := append(jsontext.AppendString([]byte(`{"message":`), message), '}')
	if template := g.templates[media]; template != nil {
		text, err := template.Render(x.environment(x.Body))
		if err != nil {
			x.s.cfg.Logger.Error("the gateway response cannot be rendered", "api", x.APIID, "type", t, "request", x.RequestID, "error", err)
		} else {
			body = []byte(text)
		}
	}
	h["Content-Type"] = []string{media}
	return x.send(status, body)
}
