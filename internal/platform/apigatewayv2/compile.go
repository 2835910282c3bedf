package apigatewayv2

import (
	"fmt"
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
	metrics   metrics
}

// target answers the requests of a route. It writes the whole response and returns its status.
type target interface {
	serve(x *exchange) int
}

// compile builds what the data plane needs out of a's document and deployments.
func (s *Service) compile(a *api) error {
	a.named = make(map[string]*stage, len(a.Stages))
	a.defaultStage = nil
	a.closed = aws.ToBool(a.API.DisableExecuteApiEndpoint)
	a.cors = compileCORS(a.API.CorsConfiguration)
	for name, st := range a.Stages {
		var c configuration
		if dep := a.deployments[aws.ToString(st.DeploymentId)]; dep != nil {
			c = dep.Configuration
		}
		compiled := &stage{name: name, variables: st.StageVariables, metrics: newMetrics(s.cfg.Meter, *a.API.ApiId, name)}
		if err := s.compileRoutes(compiled, c); err != nil {
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

func (s *Service) compileRoutes(st *stage, c configuration) error {
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
		if r.Target != nil {
			rt.target = targets[strings.TrimPrefix(*r.Target, targetPrefix)]
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
		t := &executionTarget{starter: s.cfg.Starter, timeout: timeout, log: s.cfg.Logger}
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
