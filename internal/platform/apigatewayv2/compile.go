package apigatewayv2

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// stage is one stage of an API, ready to serve. It is immutable.
type stage struct {
	name      string
	variables map[string]string
	router    router
	// shared throttles the routes without settings of their own; nil for no limit.
	shared *executeapi.Bucket
	// authorizers by ID
	authorizers map[string]*authorizer
	metrics     metrics
	buckets     executeapi.Buckets // by route key, "" for the stage's own; they outlive changes of the stage
}

// target answers the requests of a route. It writes the whole response and returns its status.
type target interface {
	serve(x *exchange) int
}

// compile builds what the data plane needs out of a's document and deployments.
// old is what served before; nil for nothing.
func (s *Service) compile(a, old *api) error {
	a.named = make(map[string]*stage, len(a.Stages))
	a.defaultStage = nil
	a.closed = aws.ToBool(a.API.DisableExecuteApiEndpoint)
	a.cors = compileCORS(a.API.CorsConfiguration)
	for name, st := range a.Stages {
		var c configuration
		if dep := a.deployments[aws.ToString(st.DeploymentId)]; dep != nil {
			c = dep.Configuration
		}
		compiled := &stage{name: name, variables: st.StageVariables, metrics: newMetrics(s.cfg.Meter, *a.API.ApiId, name), buckets: make(executeapi.Buckets)}
		before := &stage{}
		if was := old.stage(name); was != nil {
			before = was
		}
		if err := s.compileRoutes(compiled, before, c, st); err != nil {
			return fmt.Errorf("stage %s: %w", name, err)
		}
		if name == defaultStageName {
			a.defaultStage = compiled
		} else {
			a.named[name] = compiled
		}
	}
	return nil
}

// stage is a compiled stage of a, or nil.
func (a *api) stage(name string) *stage {
	switch {
	case a == nil:
		return nil
	case name == defaultStageName:
		return a.defaultStage
	}
	return a.named[name]
}

// bucketOf gives the token bucket of a route's or a stage's settings; nil when they set no limit. key is the route's, "" for the
// stage's own.
func (st *stage) bucketOf(before *stage, key string, rs *types.RouteSettings) *executeapi.Bucket {
	if rs == nil || rs.ThrottlingRateLimit == nil && rs.ThrottlingBurstLimit == nil {
		return nil
	}
	rate, burst := float64(accountRate), float64(accountBurst)
	if rs.ThrottlingRateLimit != nil {
		rate = *rs.ThrottlingRateLimit
	}
	if rs.ThrottlingBurstLimit != nil {
		burst = float64(*rs.ThrottlingBurstLimit)
	}
	return st.buckets.Keep(before.buckets, key, rate, burst)
}

// AWS's defaults of an account.
const (
	accountRate  = 10000 // requests a second
	accountBurst = 5000  // requests
)

func (s *Service) compileRoutes(st, before *stage, c configuration, settings types.Stage) error {
	st.shared = st.bucketOf(before, "", settings.DefaultRouteSettings)
	if err := s.compileAuthorizers(st, before, c); err != nil {
		return err
	}
	targets := make(map[string]target, len(c.Integrations))
	for id, i := range c.Integrations {
		t, err := s.compileTarget(st, i)
		if err != nil {
			return fmt.Errorf("integration %s: %w", id, err)
		}
		targets[id] = t
	}
	for id, r := range c.Routes {
		key, err := parseRouteKey(*r.RouteKey)
		if err != nil {
			return fmt.Errorf("route %s: %w", id, err)
		}
		rt := &route{key: *r.RouteKey, id: id}
		rt.scopes, rt.signed = r.AuthorizationScopes, r.AuthorizationType == types.AuthorizationTypeAwsIam
		if r.AuthorizationType == types.AuthorizationTypeCustom || r.AuthorizationType == types.AuthorizationTypeJwt {
			if rt.authorizer = st.authorizers[aws.ToString(r.AuthorizerId)]; rt.authorizer == nil {
				return fmt.Errorf("route %s: authorizer %s is missing", id, aws.ToString(r.AuthorizerId))
			}
		}
		rt.throttle = st.shared
		if own, ok := settings.RouteSettings[*r.RouteKey]; ok {
			if b := st.bucketOf(before, *r.RouteKey, &own); b != nil {
				rt.throttle = b
			}
		}
		if r.Target != nil {
			integration := strings.TrimPrefix(*r.Target, targetPrefix)
			rt.target = targets[integration]
			if i := c.Integrations[integration]; i.IntegrationSubtype == nil {
				if rt.parameters, err = compileRequestChanges(i.RequestParameters); err != nil {
					return fmt.Errorf("integration %s: %w", integration, err)
				}
				if rt.answers, err = compileAnswerChanges(i.ResponseParameters); err != nil {
					return fmt.Errorf("integration %s: %w", integration, err)
				}
			}
		}
		st.router.add(key, rt)
	}
	return nil
}

// compileTarget resolves the stage variables of an integration. A function that cannot be resolved in this stage makes
// a target that answers 500, as on AWS; it does not keep the API from being changed.
func (s *Service) compileTarget(st *stage, i types.Integration) (target, error) {
	timeout := time.Duration(*i.TimeoutInMillis) * time.Millisecond
	if i.IntegrationSubtype != nil {
		t := &executionTarget{starter: s.cfg.Starter, sync: *i.IntegrationSubtype == startSyncExecution, timeout: timeout, log: s.cfg.Logger}
		for name, dst := range map[string]*mapping{"StateMachineArn": &t.stateMachine, "Input": &t.input, "Name": &t.name} {
			m, err := parseMapping(i.RequestParameters[name])
			if err != nil {
				return nil, err
			}
			*dst = m
		}
		return t, nil
	}
	uri, ok := executeapi.ExpandVariables(*i.IntegrationUri, func(name string) string { return st.variables[name] })
	if i.IntegrationType == types.IntegrationTypeHttpProxy {
		t := &httpTarget{by: s.outside, uri: uri, method: *i.IntegrationMethod, timeout: timeout, log: s.cfg.Logger}
		if !ok || !executeapi.OnThisMachine(uri) {
			s.cfg.Logger.Warn("no address for this stage", "stage", st.name, "integration", *i.IntegrationId, "uri", uri)
			t.uri = ""
			return t, nil
		}
		var err error
		t.parsed, err = url.Parse(uri)
		return t, err
	}
	fn := executeapi.FunctionARN(uri)
	if _, err := arn.ParseFunction(fn); !ok || err != nil {
		s.cfg.Logger.Warn("no function for this stage", "stage", st.name, "integration", *i.IntegrationId, "uri", uri)
		fn = ""
	}
	return &lambdaTarget{
		function: executeapi.Function{
			Invoker: s.cfg.Invoker, Permissions: s.cfg.Permissions, ARN: fn, Role: i.CredentialsArn != nil, Timeout: timeout,
		},
		log: s.cfg.Logger, version1: aws.ToString(i.PayloadFormatVersion) == "1.0",
	}, nil
}
