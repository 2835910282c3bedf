package apigateway

import (
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// authorizer is a Lambda authorizer, ready to ask.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
type authorizer struct {
	id        string
	function  executeapi.Function
	token     bool // TOKEN, else REQUEST
	sources   []string
	pattern   *regexp.Regexp // that a token must have; nil for any
	ttl       time.Duration
	decisions *executeapi.Decisions
}

// authorizerTimeout is how long AWS waits for an authorizer.
const authorizerTimeout = 29 * time.Second

func (s *Service) compileAuthorizer(a types.Authorizer, variables map[string]string) (*authorizer, error) {
	uri, _ := executeapi.ExpandVariables(aws.ToString(a.AuthorizerUri), func(name string) string { return variables[name] })
	out := &authorizer{
		id: *a.Id, token: a.Type == types.AuthorizerTypeToken, sources: splitSources(aws.ToString(a.IdentitySource)),
		ttl: time.Duration(aws.ToInt32(a.AuthorizerResultTtlInSeconds)) * time.Second,
		function: executeapi.Function{
			Invoker: s.cfg.Invoker, Permissions: s.cfg.Permissions, ARN: executeapi.FunctionARN(uri),
			Role: aws.ToString(a.AuthorizerCredentials) != "", Timeout: authorizerTimeout,
		},
	}
	if e := aws.ToString(a.IdentityValidationExpression); e != "" {
		var err error
		if out.pattern, err = regexp.Compile(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// explicitlyDenied is AWS's message where a Deny of the authorizer's policy matches.
const explicitlyDenied = "User is not authorized to access this resource with an explicit deny"

// authorize asks the authorizer, or what it decided before; it returns 0 when the request may go on, or the status of its
// answer.
func (x *exchange) authorize(a *authorizer) int {
	var identity strings.Builder
	for _, source := range a.sources {
		v, ok := x.requestValue(source)
		if !ok || v == "" {
			return x.fail(types.GatewayResponseTypeUnauthorized, "")
		}
		identity.WriteString(v)
		identity.WriteByte(0)
	}
	token := strings.TrimSuffix(identity.String(), "\x00")
	if a.token && a.pattern != nil && !a.pattern.MatchString(token) {
		return x.fail(types.GatewayResponseTypeUnauthorized, "")
	}
	arn := executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, x.stage.name+"/"+x.R.Method+x.path)
	if a.ttl > 0 && len(a.sources) > 0 {
		x.decision = a.decisions.Get(identity.String(), x.At)
	}
	if x.decision == nil {
		if status := x.askAuthorizer(a, arn, token); status != 0 {
			return status
		}
		if a.ttl > 0 && len(a.sources) > 0 {
			a.decisions.Put(identity.String(), x.decision, x.At, x.At.Add(a.ttl))
		}
	}
	switch allowed, denied := x.decision.Allows(arn); {
	case denied:
		return x.fail(types.GatewayResponseTypeAccessDenied, explicitlyDenied)
	case !allowed:
		return x.fail(types.GatewayResponseTypeAccessDenied, "")
	}
	return 0
}

func (x *exchange) askAuthorizer(a *authorizer, arn, token string) int {
	kind := "REQUEST"
	if a.token {
		kind = "TOKEN"
	}
	event := jsontext.AppendString([]byte(`{"type":`), kind)
	event = append(event, `,"methodArn":`...)
	event = jsontext.AppendString(event, arn)
	if a.token {
		event = append(event, `,"authorizationToken":`...)
		event = jsontext.AppendString(event, token)
	} else {
		event = append(event, `,"resource":`...)
		event = jsontext.AppendString(event, x.method.path)
		event = append(event, `,"path":`...)
		event = jsontext.AppendString(event, x.path)
		event = append(event, `,"httpMethod":`...)
		event = jsontext.AppendString(event, x.R.Method)
		event = x.appendRequest(event)
		event = append(event, `,"requestContext":`...)
		event = x.appendContext(event)
	}
	event = append(event, '}')
	source := executeapi.SourceARN(x.s.cfg.Region, x.Account, x.APIID, "authorizers/"+a.id)
	if a.function.Invoker == nil {
		return x.fail(types.GatewayResponseTypeAuthorizerConfigurationError, "")
	}
	out, _, err := a.function.Invoke(&x.Request, source, event)
	x.W.Header().Del(executeapi.VersionHeader) // the version that answers is the integration's
	if err != nil {
		x.s.cfg.Logger.Error("the authorizer failed", "api", x.APIID, "authorizer", a.id, "request", x.RequestID, "error", err)
		return x.fail(types.GatewayResponseTypeAuthorizerConfigurationError, "")
	}
	if out.FunctionError != nil {
		if strings.Contains(string(out.Payload), `"Unauthorized"`) { // the way in which a function says 401
			return x.fail(types.GatewayResponseTypeUnauthorized, "")
		}
		return x.fail(types.GatewayResponseTypeAuthorizerFailure, "")
	}
	if x.decision, err = executeapi.ParseDecision(out.Payload, false); err != nil {
		x.s.cfg.Logger.Error("the authorizer's answer cannot be used", "api", x.APIID, "authorizer", a.id, "request", x.RequestID, "error", err)
		x.decision = nil
		return x.fail(types.GatewayResponseTypeAuthorizerConfigurationError, "")
	}
	return 0
}
