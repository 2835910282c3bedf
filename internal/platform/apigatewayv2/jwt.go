package apigatewayv2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/go-jose/go-jose/v4"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// tokenRules are what a JWT authorizer wants of a token.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
type tokenRules struct {
	issuer   string
	audience []string
	keys     *issuerKeys
}

// claims are those of a token that was found good. They are immutable.
type claims struct {
	all    map[string]any // numbers as json.Number
	scopes []string       // of the route's that the token has; nil when the route asks for none
}

// signedBy are the algorithms that AWS takes: those of RSA.
var signedBy = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}

const maxAudiences = 50

// completeJWT validates a JWT authorizer.
func completeJWT(a *types.Authorizer) error {
	if err := checkLength("name", a.Name, 1, 128); err != nil {
		return err
	}
	c := a.JwtConfiguration
	switch {
	case a.AuthorizerUri != nil || a.AuthorizerCredentialsArn != nil || a.AuthorizerPayloadFormatVersion != nil || a.AuthorizerResultTtlInSeconds != nil ||
		a.EnableSimpleResponses != nil || a.IdentityValidationExpression != nil:
		return badRequest("authorizerUri, authorizerCredentialsArn, authorizerPayloadFormatVersion, authorizerResultTtlInSeconds, enableSimpleResponses and " +
			"identityValidationExpression are for REQUEST authorizers only")
	case c == nil || aws.ToString(c.Issuer) == "":
		return badRequest("JwtConfiguration.Issuer is a required parameter for JWT authorizer")
	case len(c.Audience) == 0 || len(c.Audience) > maxAudiences || slices.Contains(c.Audience, ""):
		return badRequest("JwtConfiguration.Audience is a required parameter for JWT authorizer: 1 to %d audiences", maxAudiences)
	case len(a.IdentitySource) != 1:
		return badRequest("IdentitySource is a required parameter for JWT authorizer: $request.header.name or $request.querystring.name")
	}
	if err := executeapi.CheckLoopback(*c.Issuer); err != nil {
		return badRequest("Invalid issuer: %s. Issuer must have a valid discovery endpoint ended with '/.well-known/openid-configuration' on this machine; "+
			"issuers elsewhere are not supported by this platform", *c.Issuer)
	}
	m, err := parseMapping(a.IdentitySource[0])
	if err != nil || len(m) != 1 || m[0].source != fromHeader && m[0].source != fromQuery {
		return badRequest("Invalid identity source %q: it must be $request.header.name or $request.querystring.name", a.IdentitySource[0])
	}
	return nil
}

// checkToken lets a request with a good token pass; it returns 0, or the status of its answer.
func (x *exchange) checkToken(a *authorizer) int {
	given, ok := a.sources[0].value(x)
	if !ok || given == "" {
		return x.challenge(http.StatusUnauthorized, "Bearer")
	}
	if scheme, rest, ok := strings.Cut(given, " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(rest)
	}
	refuse := func(status int, code, why string) int {
		return x.challenge(status, fmt.Sprintf(`Bearer scope=%q error=%q error_description=%q`, strings.Join(x.route.scopes, " "), code, why))
	}
	all, why := a.rules.open(x, given)
	if why == "" {
		why = a.rules.check(all, x.At)
	}
	if why != "" {
		return refuse(http.StatusUnauthorized, "invalid_token", why)
	}
	x.claims = &claims{all: all}
	if len(x.route.scopes) == 0 {
		return 0
	}
	has := scopesOf(all)
	for _, s := range x.route.scopes {
		if slices.Contains(has, s) {
			x.claims.scopes = append(x.claims.scopes, s)
		}
	}
	if x.claims.scopes == nil {
		return refuse(http.StatusForbidden, "insufficient_scope", "the token has none of the scopes of the route")
	}
	return 0
}

// challenge refuses a request and says in WWW-Authenticate why.
func (x *exchange) challenge(status int, why string) int {
	x.W.Header()["Www-Authenticate"] = []string{why}
	if status == http.StatusForbidden {
		return x.message(status, messageForbidden)
	}
	return x.message(status, messageUnauthorized)
}

// open gives the claims of a token whose signature is the issuer's, or says what is wrong with it.
func (r *tokenRules) open(x *exchange, text string) (all map[string]any, why string) {
	if strings.Count(text, ".") != 2 {
		return nil, "token contains an invalid number of segments"
	}
	token, err := jose.ParseSignedCompact(text, signedBy)
	if err != nil {
		return nil, "the token cannot be read, or is not signed by an RSA-based algorithm"
	}
	kid := token.Signatures[0].Header.KeyID
	if kid == "" {
		return nil, "the token's header has no kid"
	}
	keys, err := r.keys.find(kid, x.At, func() (jose.JSONWebKeySet, error) { return x.readKeys(r.issuer) })
	if err != nil {
		x.s.cfg.Logger.Error("the keys of an issuer cannot be read", "api", x.APIID, "issuer", r.issuer, "request", x.RequestID, "error", err)
		return nil, "OIDC discovery endpoint communication error"
	}
	for _, k := range keys {
		payload, err := token.Verify(k)
		if err != nil {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if d.Decode(&all) != nil || all == nil {
			return nil, "the token's claims are no JSON object"
		}
		return all, ""
	}
	if len(keys) == 0 {
		return nil, "the issuer has no key with the token's kid"
	}
	return nil, "the token's signature is invalid"
}

// check holds claims against the rules at a time; it says what is wrong, or "".
func (r *tokenRules) check(all map[string]any, now time.Time) (why string) {
	instant := func(name string) (at time.Time, ok, there bool) {
		v, there := all[name]
		n, _ := v.(json.Number)
		seconds, err := n.Float64()
		return time.Unix(0, 0).Add(time.Duration(seconds * float64(time.Second))), err == nil && seconds >= 0 && seconds < 1<<33, there
	}
	if iss, _ := all["iss"].(string); iss != r.issuer {
		return "the token does not have a valid issuer"
	}
	audience := texts(all["aud"])
	if _, ok := all["aud"]; !ok {
		audience = texts(all["client_id"]) // which counts only where there is no aud
	}
	if !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(r.audience, a) }) {
		return "the token does not have a valid audience"
	}
	if at, ok, _ := instant("exp"); !ok || !now.Before(at) {
		return "the token has expired"
	}
	for _, name := range []string{"nbf", "iat"} {
		if at, ok, there := instant(name); there && (!ok || now.Before(at)) {
			return "the token is not valid yet"
		}
	}
	return ""
}

// texts is a string or a list of strings.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// scopesOf are the scopes of a token: words in scope, or in scp.
func scopesOf(all map[string]any) []string {
	v, ok := all["scope"]
	if !ok {
		v = all["scp"]
	}
	var out []string
	for _, s := range texts(v) {
		out = append(out, strings.Fields(s)...)
	}
	return out
}

// appendClaims writes claims and scopes as events have them: every value is text, lists as [a b].
func (c *claims) appendClaims(b []byte) []byte {
	b = append(b, `{"claims":{`...)
	for i, name := range slices.Sorted(maps.Keys(c.all)) {
		b = jsontext.AppendMember(b, i, name)
		b = jsontext.AppendString(b, fmt.Sprint(c.all[name]))
	}
	b = append(b, `},"scopes":`...)
	if c.scopes == nil {
		return append(b, "null}"...)
	}
	for i, s := range c.scopes {
		b = append(b, "[,"[min(i, 1)])
		b = jsontext.AppendString(b, s)
	}
	return append(b, "]}"...)
}
