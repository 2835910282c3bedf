package apigatewayv2

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// corsRules is an API's CORS configuration with its header values made ready.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
type corsRules struct {
	any                              bool // every origin
	origins                          []string
	prefixes                         []string // "https://" for https://*
	credentials                      bool
	methods, headers, expose, maxAge string
}

func compileCORS(c *types.Cors) *corsRules {
	if c == nil {
		return nil
	}
	k := &corsRules{
		credentials: aws.ToBool(c.AllowCredentials),
		methods:     strings.Join(c.AllowMethods, ","),
		headers:     strings.Join(c.AllowHeaders, ","),
		expose:      strings.Join(c.ExposeHeaders, ","),
	}
	if c.MaxAge != nil {
		k.maxAge = strconv.Itoa(int(*c.MaxAge))
	}
	for _, o := range c.AllowOrigins {
		switch {
		case o == "*":
			k.any = true
		case strings.HasSuffix(o, "://*"):
			k.prefixes = append(k.prefixes, strings.ToLower(strings.TrimSuffix(o, "*")))
		default:
			k.origins = append(k.origins, strings.ToLower(o))
		}
	}
	return k
}

// allow returns the value of Access-Control-Allow-Origin for an origin, or "".
func (k *corsRules) allow(origin string) string {
	lower := strings.ToLower(origin)
	switch {
	case k.any:
		return "*"
	case slices.Contains(k.origins, lower), slices.ContainsFunc(k.prefixes, func(p string) bool { return strings.HasPrefix(lower, p) }):
		return origin
	}
	return ""
}

// preflight tells whether r is a preflight request, which the gateway answers itself, and sets the answer's headers.
func (k *corsRules) preflight(h http.Header, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if !k.apply(h, r) {
		return true
	}
	setIf(h, "Access-Control-Allow-Methods", k.methods)
	setIf(h, "Access-Control-Allow-Headers", k.headers)
	setIf(h, "Access-Control-Max-Age", k.maxAge)
	return true
}

// apply sets the headers of an answer to a request from another origin; it reports whether the origin is allowed.
func (k *corsRules) apply(h http.Header, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	allowed := k.allow(origin)
	if allowed == "" {
		return false
	}
	h.Set("Access-Control-Allow-Origin", allowed)
	if allowed != "*" {
		h.Set("Vary", "Origin")
	}
	if k.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	setIf(h, "Access-Control-Expose-Headers", k.expose)
	return true
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// checkCORS validates a CORS configuration.
func checkCORS(c *types.Cors) error {
	if c == nil {
		return nil
	}
	for _, o := range c.AllowOrigins {
		if o == "*" {
			if aws.ToBool(c.AllowCredentials) {
				return badRequest("allowCredentials is not supported for allowOrigins *")
			}
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || (strings.Contains(u.Host, "*") && u.Host != "*") {
			return badRequest("Invalid format for origin %s: it must be *, scheme://host[:port] or scheme://*", o)
		}
	}
	for _, m := range c.AllowMethods {
		if m != "*" && (m == "ANY" || !slices.Contains(routeMethods, m)) {
			return badRequest("Invalid method %q in allowMethods", m)
		}
	}
	if c.MaxAge != nil && (*c.MaxAge < -1 || *c.MaxAge > 86400) {
		return badRequest("maxAge must be between -1 and 86400 seconds")
	}
	return nil
}
