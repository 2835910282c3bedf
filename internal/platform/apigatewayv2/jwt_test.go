package apigatewayv2

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/go-jose/go-jose/v4"
)

// issuer is an identity provider of this machine.
type issuer struct {
	*httptest.Server
	t     *testing.T
	key   *rsa.PrivateKey
	kid   string
	down  bool
	asked atomic.Int32 // for its keys
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t}
	i.rotate("first")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var document any
		switch r.URL.Path {
		case "/pool/.well-known/openid-configuration":
			document = map[string]string{"issuer": i.URL + "/pool", "jwks_uri": i.URL + "/keys"}
		case "/keys":
			i.asked.Add(1)
			document = map[string]any{"keys": []any{
				map[string]string{"kty": "future", "kid": "unreadable"}, jose.JSONWebKey{Key: &i.key.PublicKey, KeyID: i.kid, Algorithm: "RS256", Use: "sig"},
			}}
		}
		if i.down || document == nil {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(document)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) rotate(kid string) {
	i.t.Helper()
	var err error
	if i.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		i.t.Fatal(err)
	}
	i.kid = kid
}

// sign makes a token; change, which may be nil, has the last word about its claims.
func (i *issuer) sign(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		i.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}

func TestJWTAuthorizer(t *testing.T) {
	idp := newIssuer(t)
	var seen struct {
		RequestContext struct {
			Authorizer struct {
				JWT *struct {
					Claims map[string]string
					Scopes []string
				}
				Claims map[string]string
			}
		}
	}
	clock := &fixedClock{at}
	g := newGateway(t, Config{Clock: clock, Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		seen.RequestContext.Authorizer.JWT, seen.RequestContext.Authorizer.Claims = nil, nil
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":200,"body":"in"}`)}, json.Unmarshal(in.Payload, &seen)
	})})
	ctx := t.Context()
	au, err := g.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{
		ApiId: &g.id, Name: aws.String("idp"), AuthorizerType: gwtypes.AuthorizerTypeJwt, IdentitySource: []string{"$request.header.Authorization"},
		JwtConfiguration: &gwtypes.JWTConfiguration{Issuer: aws.String(idp.URL + "/pool"), Audience: []string{"shop", "stock"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, c := range map[string]struct {
		version string
		scopes  []string
	}{"GET /any": {"2.0", nil}, "GET /old": {"1.0", nil}, "GET /scoped": {"2.0", []string{"orders:read", "orders:write"}}} {
		if _, err := g.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
			ApiId: &g.id, RouteKey: &key, Target: aws.String("integrations/" + g.lambda(functionHello, c.version, nil)),
			AuthorizationType: gwtypes.AuthorizationTypeJwt, AuthorizerId: au.AuthorizerId, AuthorizationScopes: c.scopes,
		}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(path, header string) *httptest.ResponseRecorder {
		t.Helper()
		q := g.byHost("GET", path, "")
		if header != "" {
			q.Header.Set("Authorization", header)
		}
		return g.do(q)
	}
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{
			"iss": idp.URL + "/pool", "aud": "shop", "sub": "ada", "exp": clock.t.Add(time.Hour).Unix(), "nbf": clock.t.Unix(), "iat": clock.t.Unix(),
			"groups": []string{"a", "b"}, "verified": true,
		}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	token := func(change map[string]any) string {
		t.Helper()
		return "Bearer " + idp.sign(jose.RS256, idp.key, idp.kid, claims(change))
	}
	type change = map[string]any
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := token(nil)
	for _, c := range []struct {
		name, path, header string
		status             int
		why                string
	}{
		{"nothing", "/any", "", 401, "Bearer"},
		{"good", "/any", good, 200, ""},
		{"without Bearer", "/any", strings.TrimPrefix(good, "Bearer "), 200, ""},
		{"second audience, in a list", "/any", token(change{"aud": []string{"x", "stock"}}), 200, ""},
		{"client_id", "/any", token(change{"aud": nil, "client_id": "shop"}), 200, ""},
		{"PS512", "/any", "bearer " + idp.sign(jose.PS512, idp.key, idp.kid, claims(nil)), 200, ""},
		{"client_id beside aud", "/any", token(change{"aud": "x", "client_id": "shop"}), 401, "the token does not have a valid audience"},
		{"no audience", "/any", token(change{"aud": nil}), 401, "the token does not have a valid audience"},
		{"issuer", "/any", token(change{"iss": idp.URL}), 401, "the token does not have a valid issuer"},
		{"expired now", "/any", token(change{"exp": clock.t.Unix()}), 401, "the token has expired"},
		{"no exp", "/any", token(change{"exp": nil}), 401, "the token has expired"},
		{"exp of nonsense", "/any", token(change{"exp": "soon"}), 401, "the token has expired"},
		{"nbf", "/any", token(change{"nbf": clock.t.Add(time.Minute).Unix()}), 401, "the token is not valid yet"},
		{"iat", "/any", token(change{"iat": clock.t.Add(time.Minute).Unix()}), 401, "the token is not valid yet"},
		{"HS256 with the public modulus", "/any", idp.sign(jose.HS256, idp.key.N.Bytes(), idp.kid, claims(nil)), 401, "RSA-based"},
		{"none", "/any", "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ." + strings.Split(good, ".")[1] + ".", 401, "RSA-based"},
		{"signed by a stranger", "/any", idp.sign(jose.RS256, stranger, idp.kid, claims(nil)), 401, "signature is invalid"},
		{"another's kid", "/any", idp.sign(jose.RS256, stranger, "other", claims(nil)), 401, "no key with the token's kid"},
		{"no kid", "/any", idp.sign(jose.RS256, idp.key, "", claims(nil)), 401, "has no kid"},
		{"two parts", "/any", "Bearer a.b", 401, "invalid number of segments"},
		{"other claims under the signature", "/any", strings.Split(good, ".")[0] + "." + strings.Split(token(change{"sub": "eve"}), ".")[1] + "." + strings.Split(good, ".")[2], 401, "signature is invalid"},
		{"scope", "/scoped", token(change{"scope": "openid orders:read"}), 200, ""},
		{"scp", "/scoped", token(change{"scp": []string{"orders:write"}}), 200, ""},
		{"no scope", "/scoped", good, 403, `Bearer scope="orders:read orders:write" error="insufficient_scope"`},
		{"wrong scope", "/scoped", token(change{"scope": "orders:readonly"}), 403, "insufficient_scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(c.path, c.header)
			if why := w.Header().Get("Www-Authenticate"); w.Code != c.status || !strings.Contains(why, c.why) || (why == "") != (c.status == 200) {
				t.Errorf("%d %q %s", w.Code, why, w.Body)
			}
			want := map[int]string{200: "in", 401: `{"message":"Unauthorized"}`, 403: `{"message":"Forbidden"}`}[c.status]
			if w.Body.String() != want {
				t.Errorf("answered %s", w.Body)
			}
		})
	}
	if n := idp.asked.Load(); n != 1 {
		t.Errorf("the keys were read %d times", n)
	}

	t.Run("event", func(t *testing.T) {
		if w := ask("/scoped", token(change{"scope": "orders:write orders:read other"})); w.Code != 200 {
			t.Fatal(w.Code)
		}
		jwt := seen.RequestContext.Authorizer.JWT
		if jwt == nil || jwt.Claims["sub"] != "ada" || jwt.Claims["groups"] != "[a b]" || jwt.Claims["verified"] != "true" || len(jwt.Claims["exp"]) != 10 ||
			strings.Join(jwt.Scopes, " ") != "orders:read orders:write" {
			t.Errorf("%+v", jwt)
		}
		if w := ask("/old", good); w.Code != 200 || seen.RequestContext.Authorizer.Claims["sub"] != "ada" {
			t.Errorf("%d %+v", w.Code, seen)
		}
	})
	t.Run("new keys", func(t *testing.T) {
		before := idp.asked.Load()
		idp.rotate("second")
		if w := ask("/any", token(nil)); w.Code != 401 {
			t.Error("the keys were read again at once")
		}
		clock.t = clock.t.Add(keysPause)
		if w := ask("/any", token(nil)); w.Code != 200 || idp.asked.Load() != before+1 {
			t.Errorf("%d after %d readings", w.Code, idp.asked.Load()-before)
		}
	})
	t.Run("issuer is down", func(t *testing.T) {
		idp.down = true
		if w := ask("/any", token(nil)); w.Code != 200 {
			t.Error("keys in memory are not enough")
		}
		clock.t = clock.t.Add(keysLast)
		if w := ask("/any", token(nil)); w.Code != 401 || !strings.Contains(w.Header().Get("Www-Authenticate"), "communication error") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}

// What cannot work is refused when the authorizer or the route is made.
func TestJWTAuthorizerIsChecked(t *testing.T) {
	g := newGateway(t, Config{Invoker: answers(`"ok"`)})
	ctx := t.Context()
	usual := func() *apigatewayv2.CreateAuthorizerInput {
		return &apigatewayv2.CreateAuthorizerInput{
			ApiId: &g.id, Name: aws.String("idp"), AuthorizerType: gwtypes.AuthorizerTypeJwt, IdentitySource: []string{"$request.header.Authorization"},
			JwtConfiguration: &gwtypes.JWTConfiguration{Issuer: aws.String("http://localhost:9000/pool"), Audience: []string{"shop"}},
		}
	}
	for want, change := range map[string]func(in *apigatewayv2.CreateAuthorizerInput){
		"Issuer is a required":   func(in *apigatewayv2.CreateAuthorizerInput) { in.JwtConfiguration.Issuer = nil },
		"Audience is a required": func(in *apigatewayv2.CreateAuthorizerInput) { in.JwtConfiguration.Audience = nil },
		"on this machine": func(in *apigatewayv2.CreateAuthorizerInput) {
			in.JwtConfiguration.Issuer = aws.String("https://idp.example.com")
		},
		"IdentitySource is a required":  func(in *apigatewayv2.CreateAuthorizerInput) { in.IdentitySource = nil },
		"Invalid identity source":       func(in *apigatewayv2.CreateAuthorizerInput) { in.IdentitySource = []string{"$request.body.a"} },
		"for REQUEST authorizers only":  func(in *apigatewayv2.CreateAuthorizerInput) { in.EnableSimpleResponses = aws.Bool(true) },
		"name is required":              func(in *apigatewayv2.CreateAuthorizerInput) { in.Name = nil },
		"is for JWT authorizers only":   func(in *apigatewayv2.CreateAuthorizerInput) { in.AuthorizerType = gwtypes.AuthorizerTypeRequest },
		"must be one of [REQUEST, JWT]": func(in *apigatewayv2.CreateAuthorizerInput) { in.AuthorizerType = "COGNITO" },
	} {
		in := usual()
		change(in)
		if _, err := g.CreateAuthorizer(ctx, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	au, err := g.CreateAuthorizer(ctx, usual())
	if err != nil || au.JwtConfiguration == nil || *au.JwtConfiguration.Issuer != "http://localhost:9000/pool" {
		t.Fatal(au, err)
	}
	for want, in := range map[string]*apigatewayv2.CreateRouteInput{
		"requires a valid CUSTOM authorizer": {AuthorizationType: gwtypes.AuthorizationTypeCustom, AuthorizerId: au.AuthorizerId},
		"only valid for COGNITO_USER_POOLS":  {AuthorizationScopes: []string{"a"}},
		"needs the authorizationType":        {AuthorizerId: au.AuthorizerId},
	} {
		in.ApiId, in.RouteKey = &g.id, aws.String("GET /a")
		if _, err := g.CreateRoute(ctx, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	// What is exported can be imported.
	if _, err := g.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &g.id, RouteKey: aws.String("GET /a"), Target: aws.String("integrations/" + g.lambda(functionHello, "2.0", nil)),
		AuthorizationType: gwtypes.AuthorizationTypeJwt, AuthorizerId: au.AuthorizerId, AuthorizationScopes: []string{"a", "b"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &g.id, RouteKey: aws.String("GET /signed"), Target: aws.String("integrations/" + g.lambda(functionHello, "2.0", nil)),
		AuthorizationType: gwtypes.AuthorizationTypeAwsIam,
	}); err != nil {
		t.Fatal(err)
	}
	doc, err := g.ExportApi(ctx, &apigatewayv2.ExportApiInput{ApiId: &g.id, Specification: aws.String("OAS30"), OutputType: aws.String("JSON")})
	if err != nil {
		t.Fatal(err)
	}
	back, err := g.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: aws.String(string(doc.Body))})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := g.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: back.ApiId})
	if err != nil || len(routes.Items) != 2 {
		t.Fatal(routes, err)
	}
	for _, r := range routes.Items {
		switch *r.RouteKey {
		case "GET /a":
			imported, err := g.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: back.ApiId, AuthorizerId: r.AuthorizerId})
			if err != nil || r.AuthorizationType != gwtypes.AuthorizationTypeJwt || strings.Join(r.AuthorizationScopes, " ") != "a b" || imported.JwtConfiguration.Audience[0] != "shop" {
				t.Errorf("%+v %+v %v", r, imported, err)
			}
		default:
			if r.AuthorizationType != gwtypes.AuthorizationTypeAwsIam {
				t.Errorf("%+v", r)
			}
		}
	}
}

// A route with AWS_IAM wants a signature, and the function is told whose it is.
func TestSignedRoute(t *testing.T) {
	var event []byte
	g := newGateway(t, Config{
		Clock: fixedClock{time.Now()}, Verify: func(key string) (string, bool) { return "secret", key == "AKID" },
		Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			event = in.Payload
			return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":200,"body":"in"}`)}, nil
		}),
	})
	for _, version := range []string{"1.0", "2.0"} {
		if _, err := g.CreateRoute(t.Context(), &apigatewayv2.CreateRouteInput{
			ApiId: &g.id, RouteKey: aws.String("POST /" + version), Target: aws.String("integrations/" + g.lambda(functionHello, version, nil)),
			AuthorizationType: gwtypes.AuthorizationTypeAwsIam,
		}); err != nil {
			t.Fatal(err)
		}
		for secret, want := range map[string]int{"": 403, "wrong": 403, "secret": 200} {
			q := g.byHost("POST", "/"+version, "body")
			if secret != "" {
				signRequest(t, q, "body", secret)
			}
			w := g.do(q)
			if w.Code != want || want == 403 && w.Body.String() != `{"message":"Forbidden"}` {
				t.Errorf("secret %q: %d %s", secret, w.Code, w.Body)
			}
		}
		for _, member := range []string{`"accessKey":"AKID"`, `"userArn":"arn:aws:iam::000000000000:root"`} {
			if !strings.Contains(string(event), member) {
				t.Errorf("the event of format %s has no %s: %s", version, member, event)
			}
		}
	}
}

func signRequest(t *testing.T, r *http.Request, body, secret string) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	r.URL.Host, r.URL.Scheme = r.Host, "http"
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "execute-api", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
}
