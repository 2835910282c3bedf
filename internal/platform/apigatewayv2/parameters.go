package apigatewayv2

import (
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// change is one entry of requestParameters or responseParameters: append:header.name, overwrite:path and their like.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
type change struct {
	action string // append, overwrite or remove
	where  string // header, querystring, path or statuscode
	name   string // of a header, canonical, or of a query parameter
	value  mapping
}

// requestChanges are the changes of requests, ready to apply.
type requestChanges struct {
	headers, query []change
	path           mapping // nil leaves the path as it is
}

// answerChanges are the changes of answers of one status.
type answerChanges struct {
	headers []change
	status  mapping // nil leaves it
}

// reservedHeaders cannot be changed, and neither can those that begin with reservedPrefixes.
var (
	reservedHeaders = []string{
		"Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Location", "Forwarded", "Keep-Alive", "Origin",
		"Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailers", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host",
		"X-Forwarded-Proto", "Via",
	}
	reservedPrefixes = []string{"Access-Control-", "Apigw-", "X-Amz-", "X-Amzn-"}
)

func reserved(header string) bool {
	return slices.Contains(reservedHeaders, header) || header == executedVersionHeader ||
		slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(header, p) })
}

// parseChange reads one entry. places are what the key may name: AWS's for requests or for responses.
func parseChange(key, value string, places ...string) (change, error) {
	action, place, ok := strings.Cut(key, ":")
	where, name, named := strings.Cut(place, ".")
	c := change{action: action, where: where, name: name}
	bad := func() (change, error) {
		return c, badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", key)
	}
	if !ok || !slices.Contains(places, where) {
		return bad()
	}
	switch where {
	case "header":
		c.name = textproto.CanonicalMIMEHeaderKey(name)
		if !executeapi.Token(name) {
			return bad()
		}
		if reserved(c.name) {
			return c, badRequest("Operations on header %s are restricted", name)
		}
	case "querystring":
		if name == "" {
			return bad()
		}
	default:
		if named || action != "overwrite" {
			return bad()
		}
	}
	switch action {
	case "append", "overwrite":
	case "remove":
		return c, nil
	default:
		return bad()
	}
	parse, foreign := parseMapping, func(mappingPart) bool { return false }
	if slices.Contains(places, "statuscode") {
		parse, foreign = parseAnyMapping, mappingPart.ofRequest
	}
	var err error
	if c.value, err = parse(value); err != nil {
		return c, err
	}
	if slices.ContainsFunc(c.value, foreign) {
		return c, invalidMapping(value)
	}
	if c.value == nil {
		c.value = mapping{} // the empty text
	}
	return c, nil
}

// compileRequestChanges reads an integration's requestParameters; it gives nil for none. It fails with BadRequestException.
func compileRequestChanges(parameters map[string]string) (*requestChanges, error) {
	if len(parameters) == 0 {
		return nil, nil
	}
	out := &requestChanges{}
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		c, err := parseChange(key, parameters[key], "header", "querystring", "path")
		if err != nil {
			return nil, err
		}
		switch c.where {
		case "header":
			out.headers = append(out.headers, c)
		case "querystring":
			out.query = append(out.query, c)
		default:
			out.path = c.value
		}
	}
	return out, nil
}

// compileAnswerChanges reads an integration's responseParameters. It fails with BadRequestException.
func compileAnswerChanges(parameters map[string]map[string]string) (map[int]*answerChanges, error) {
	out := make(map[int]*answerChanges, len(parameters))
	for status, entries := range parameters {
		code, err := strconv.Atoi(status)
		if err != nil || code < 200 || code > 599 {
			return nil, badRequest("Invalid responseParameters key %q: it must be a status from 200 to 599", status)
		}
		a := &answerChanges{}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			c, err := parseChange(key, entries[key], "header", "statuscode")
			if err != nil {
				return nil, err
			}
			if c.where == "header" {
				a.headers = append(a.headers, c)
			} else {
				a.status = c.value
			}
		}
		out[code] = a
	}
	return out, nil
}

// apply changes the request that the integration sees; it reports false when a mapping makes what HTTP does not allow. Every
// value is taken from the client's request, so the order of the changes does not matter.
func (p *requestChanges) apply(x *exchange) bool {
	r := *x.R
	if len(p.headers) > 0 {
		r.Header = maps.Clone(x.R.Header)
		if !changeHeaders(x, r.Header, p.headers) {
			return false
		}
	}
	path := x.RawPath
	if p.path != nil {
		var ok bool
		if path, ok = p.path.value(x); !ok || !strings.HasPrefix(path, "/") {
			return false
		}
	}
	if len(p.query) > 0 {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return false
		}
		for _, c := range p.query {
			v, ok := c.value.value(x)
			switch {
			case c.action == "remove":
				values.Del(c.name)
			case !ok:
			case c.action == "append":
				values.Add(c.name, v)
			default:
				values.Set(c.name, v)
			}
		}
		u := *r.URL
		u.RawQuery = values.Encode()
		r.URL = &u
	}
	x.Change(&r, path)
	x.overwritten = p.path != nil
	return true
}

// changeHeaders applies changes to h, whose lists are not its own.
func changeHeaders(x *exchange, h http.Header, changes []change) bool {
	for _, c := range changes {
		if c.action == "remove" {
			delete(h, c.name)
			continue
		}
		v, ok := c.value.value(x)
		switch {
		case !ok:
			continue
		case strings.ContainsAny(v, "\r\n\x00"):
			return false
		case c.action == "append":
			h[c.name] = append(slices.Clip(h[c.name]), v)
		default:
			h[c.name] = []string{v}
		}
	}
	return true
}

// reshape changes an answer of the integration as responseParameters say. A mapping that gives no status leaves it.
func (x *exchange) reshape(a *executeapi.Forwarded) {
	changes := x.route.answers[a.Status]
	if changes == nil {
		return
	}
	x.answer = a
	status := a.Status
	if changes.status != nil {
		if v, ok := changes.status.value(x); ok {
			if n, err := strconv.Atoi(v); err == nil && n >= 200 && n <= 599 {
				status = n
			}
		}
	}
	h := maps.Clone(a.Header)
	if h == nil {
		h = http.Header{}
	}
	if changeHeaders(x, h, changes.headers) {
		a.Header = h
	}
	a.Status, x.answer = status, nil
}

// checkChanges validates an integration's parameters where they are changes.
func checkChanges(i *types.Integration) error {
	if _, err := compileRequestChanges(i.RequestParameters); err != nil {
		return err
	}
	_, err := compileAnswerChanges(i.ResponseParameters)
	return err
}
