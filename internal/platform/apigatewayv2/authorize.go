package apigatewayv2

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// authorizer is a Lambda authorizer, ready to ask, or a JWT authorizer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
type authorizer struct {
	id       string
	function executeapi.Function
	version1 bool
	simple   bool
	sources  []mapping
	ttl      time.Duration
	// decisions are kept over changes of the API as long as the authorizer and its function are what they are.
	decisions *executeapi.Decisions
	of        types.Authorizer
	rules     *tokenRules // of a JWT authorizer; else nil
}

// authorizerTimeout is how long AWS waits for an authorizer.
const authorizerTimeout = 10 * time.Second

var (
	messageUnauthorized = []byte(`{"message":"Unauthorized"}`)
	messageForbidden    = []byte(`{"message":"Forbidden"}`)
	messageThrottled    = []byte(`{"message":"Too Many Requests"}`)
)

func (s *Service) compileAuthorizers(st, before *stage, c configuration) error {
	st.authorizers = make(map[string]*authorizer, len(c.Authorizers))
	for id, a := range c.Authorizers {
		out, err := s.compileAuthorizer(st, a)
		if err != nil {
			return fmt.Errorf("authorizer %s: %w", id, err)
		}
		out.of, out.decisions = a, new(executeapi.Decisions)
		if was := before.authorizers[id]; was != nil && was.function.ARN == out.function.ARN && reflect.DeepEqual(was.of, a) {
			if out.decisions = was.decisions; out.rules != nil {
				out.rules.keys = was.rules.keys
			}
		}
		st.authorizers[id] = out
	}
	return nil
}

func (s *Service) compileAuthorizer(st *stage, a types.Authorizer) (*authorizer, error) {
	sources, err := parseSources(a.IdentitySource)
	if err != nil {
		return nil, err
	}
	if a.AuthorizerType == types.AuthorizerTypeJwt {
		rules := &tokenRules{issuer: *a.JwtConfiguration.Issuer, audience: a.JwtConfiguration.Audience, keys: new(issuerKeys)}
		return &authorizer{id: *a.AuthorizerId, sources: sources, rules: rules}, nil
	}
	uri, _ := executeapi.ExpandVariables(*a.AuthorizerUri, func(name string) string { return st.variables[name] })
	return &authorizer{
		id: *a.AuthorizerId, sources: sources, version1: aws.ToString(a.AuthorizerPayloadFormatVersion) == "1.0", simple: aws.ToBool(a.EnableSimpleResponses),
		ttl: time.Duration(aws.ToInt32(a.AuthorizerResultTtlInSeconds)) * time.Second,
		function: executeapi.Function{
			Invoker: s.cfg.Invoker, Permissions: s.cfg.Permissions, ARN: executeapi.FunctionARN(uri),
			Role: a.AuthorizerCredentialsArn != nil, Timeout: authorizerTimeout,
		},
	}, nil
}

func parseSources(expressions []string) (sources []mapping, err error) {
	for _, e := range expressions {
		m, err := parseMapping(e)
		if err != nil {
			return nil, err
		}
		sources = append(sources, m)
	}
	return sources, nil
}

// authorize asks the route's authorizer, or what it decided before; it returns 0 when the request may go on, or the status
// of its answer.
func (x *exchange) authorize(a *authorizer) int {
	if a.rules != nil {
		return x.checkToken(a)
	}
	identity := make([]string, len(a.sources))
	for i, source := range a.sources {
		v, ok := source.value(x)
		if !ok || v == "" {
			return x.message(http.StatusUnauthorized, messageUnauthorized)
		}
		identity[i] = v
	}
	key := strings.Join(append(identity, x.route.key), "\x00")
	arn := x.sourceARN()
	if a.ttl > 0 {
		x.decision = a.decisions.Get(key, x.At)
	}
	if x.decision == nil {
		if status := x.askAuthorizer(a, arn, identity); status != 0 {
			return status
		}
		if a.ttl > 0 {
			a.decisions.Put(key, x.decision, x.At, x.At.Add(a.ttl))
		}
	}
	if allowed, _ := x.decision.Allows(arn); !allowed {
		return x.message(http.StatusForbidden, messageForbidden)
	}
	return 0
}

func (x *exchange) askAuthorizer(a *authorizer, arn string, identity []string) int {
	if a.function.Invoker == nil {
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	out, _, err := a.function.Invoke(&x.Request, executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, "authorizers/"+a.id), x.authorizerEvent(a, arn, identity))
	x.W.Header().Del(executeapi.VersionHeader) // the version that answers is the integration's
	if err == nil && out.FunctionError != nil {
		err = fmt.Errorf("the authorizer's function failed: %s", *out.FunctionError)
	}
	if err == nil {
		x.decision, err = executeapi.ParseDecision(out.Payload, a.simple)
	}
	if err != nil {
		x.decision = nil
		x.s.cfg.Logger.Error("the authorizer failed", "api", x.APIID, "authorizer", a.id, "request", x.RequestID, "error", err)
		return x.message(http.StatusInternalServerError, messageInternal)
	}
	return 0
}

// authorizerEvent is the event of the integration with who asks in front; the body has not been read yet.
func (x *exchange) authorizerEvent(a *authorizer, arn string, identity []string) []byte {
	head, event := `{"version":"2.0"`, []byte(nil)
	name := `,"routeArn":`
	if a.version1 {
		head, name = `{"version":"1.0"`, `,"methodArn":`
		event = x.appendEvent1(nil)
	} else {
		event = x.appendEvent2(nil)
	}
	b := append(make([]byte, 0, len(event)+256), head...)
	b = append(b, `,"type":"REQUEST"`...)
	b = append(b, name...)
	b = jsontext.AppendString(b, arn)
	b = append(b, `,"identitySource":`...)
	if a.version1 {
		b = jsontext.AppendString(b, strings.Join(identity, ","))
		b = append(b, `,"authorizationToken":`...)
		b = jsontext.AppendString(b, strings.Join(identity, ","))
	} else {
		b = append(b, '[')
		for i, v := range identity {
			if i > 0 {
				b = append(b, ',')
			}
			b = jsontext.AppendString(b, v)
		}
		b = append(b, ']')
	}
	return append(b, event[len(head):]...)
}

// appendAuthorizer writes the member authorizer of requestContext, or nothing.
func (x *exchange) appendAuthorizer(b []byte, version1 bool) []byte {
	switch {
	case x.claims != nil && version1:
		return x.claims.appendClaims(append(b, `,"authorizer":`...))
	case x.claims != nil:
		return append(x.claims.appendClaims(append(b, `,"authorizer":{"jwt":`...)), '}')
	case x.caller != "" && !version1:
		return append(x.appendIAM(append(b, `,"authorizer":{"iam":`...)), '}')
	case x.decision == nil:
		return b
	}
	if !version1 {
		b = append(b, `,"authorizer":{"lambda":`...)
		if x.decision.Raw == nil {
			return append(b, `null}`...)
		}
		return append(append(b, x.decision.Raw...), '}')
	}
	b = append(b, `,"authorizer":{"principalId":`...)
	b = jsontext.AppendString(b, x.decision.Principal)
	for _, c := range x.decision.Context {
		b = append(b, ',')
		b = jsontext.AppendMember(b, 0, c.Name)
		b = jsontext.AppendString(b, c.Value)
	}
	return append(b, '}')
}

// authorizerValue is what mappings call $context.authorizer.name: a member of the Lambda authorizer's context, or claims.name of a token.
func (x *exchange) authorizerValue(name string) (string, bool) {
	if claim, ok := strings.CutPrefix(name, "claims."); ok && x.claims != nil {
		v, ok := x.claims.all[claim]
		return fmt.Sprint(v), ok
	}
	if x.decision != nil {
		if name == "principalId" && x.decision.Principal != "" {
			return x.decision.Principal, true
		}
		for _, c := range x.decision.Context {
			if c.Name == name {
				return c.Value, true
			}
		}
	}
	return "", false
}
