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

// authorizer is a Lambda authorizer, ready to ask.
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
			out.decisions = was.decisions
		}
		st.authorizers[id] = out
	}
	return nil
}

func (s *Service) compileAuthorizer(st *stage, a types.Authorizer) (*authorizer, error) {
	uri, _ := executeapi.ExpandVariables(*a.AuthorizerUri, func(name string) string { return st.variables[name] })
	out := &authorizer{
		id: *a.AuthorizerId, version1: aws.ToString(a.AuthorizerPayloadFormatVersion) == "1.0", simple: aws.ToBool(a.EnableSimpleResponses),
		ttl: time.Duration(aws.ToInt32(a.AuthorizerResultTtlInSeconds)) * time.Second,
		function: executeapi.Function{
			Invoker: s.cfg.Invoker, Permissions: s.cfg.Permissions, ARN: executeapi.FunctionARN(uri),
			Role: a.AuthorizerCredentialsArn != nil, Timeout: authorizerTimeout,
		},
	}
	for _, source := range a.IdentitySource {
		m, err := parseMapping(source)
		if err != nil {
			return nil, err
		}
		out.sources = append(out.sources, m)
	}
	return out, nil
}

// authorize asks the route's authorizer, or what it decided before; it returns 0 when the request may go on, or the status
// of its answer.
func (x *exchange) authorize(a *authorizer) int {
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
	if x.decision == nil {
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
