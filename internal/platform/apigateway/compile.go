package apigateway

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/xeipuuv/gojsonschema"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// stage is one stage of an API, ready to serve. It is immutable.
type stage struct {
	name    string
	base    *side
	canary  *side         // nil without canary settings
	routing alias.Routing // between the names base and canary
	metrics metrics
	// buckets and decisions outlive changes of the stage; both sides share them.
	buckets   executeapi.Buckets
	decisions map[string]*keptDecisions // by the authorizer's ID and function
}

// keptDecisions are what an authorizer decided as long as it was what it is.
type keptDecisions struct {
	of types.Authorizer
	executeapi.Decisions
}

// side is a deployment with the variables under which a stage serves it.
type side struct {
	deployment  string
	canary      bool
	variables   map[string]string
	root        *node
	binary      []string // media types, lower case
	authorizers map[string]*authorizer
	responses   map[types.GatewayResponseType]*gatewayResponse
}

// method is a method of a resource, ready to serve.
type method struct {
	resource   string // ID
	path       string // of the resource, such as /pets/{id}
	name       string // GET, or ANY
	operation  string
	variables  []string // names in the order of the path
	authorizer *authorizer
	signed     bool // requests must have a signature (AWS_IAM)
	keyed      bool // requests must have an API key
	validator  *validator
	throttle   *executeapi.Bucket
	detailed   *metricSet // nil unless the stage has metrics for the method
	backend    backend    // nil when the method has no integration
}

// backend answers the requests of a method. It writes the whole response and returns its status.
type backend interface {
	serve(x *exchange) int
}

// validator is what a request is held against.
type validator struct {
	parameters []string                        // that must be there
	models     map[string]*gojsonschema.Schema // by content type; nil when bodies are not validated
}

// Names of the two sides in a stage's routing.
const (
	baseSide   = "base"
	canarySide = "canary"
)

// compile builds what the data plane needs out of a's document and deployments. old is what served before; nil for nothing.
func (s *Service) compile(a, old *api) error {
	a.closed = a.API.DisableExecuteApiEndpoint
	a.stages = make(map[string]*stage, len(a.Stages))
	for name, st := range a.Stages {
		c := &stage{
			name: name, routing: alias.Routing{Primary: baseSide}, metrics: newMetrics(s.cfg.Meter, aws.ToString(a.API.Name), name),
			buckets: make(executeapi.Buckets), decisions: make(map[string]*keptDecisions),
		}
		before := &stage{}
		if old != nil && old.stages[name] != nil {
			before = old.stages[name]
		}
		var err error
		if c.base, err = s.compileSide(a, st, c, before, st.DeploymentId, st.Variables); err != nil {
			return fmt.Errorf("stage %s: %w", name, err)
		}
		if k := st.CanarySettings; k != nil {
			variables := maps.Clone(st.Variables)
			makeNil(&variables)
			maps.Copy(variables, k.StageVariableOverrides)
			if c.canary, err = s.compileSide(a, st, c, before, k.DeploymentId, variables); err != nil {
				return fmt.Errorf("the canary of stage %s: %w", name, err)
			}
			c.canary.canary = true
			c.routing.Additional, c.routing.Weight = canarySide, k.PercentTraffic/100
		}
		a.stages[name] = c
	}
	return nil
}

func (s *Service) compileSide(a *api, st types.Stage, stage, before *stage, deploymentID *string, variables map[string]string) (*side, error) {
	dep := a.deployments[aws.ToString(deploymentID)]
	if dep == nil {
		return nil, fmt.Errorf("deployment %s is missing", aws.ToString(deploymentID))
	}
	c := dep.Configuration
	sd := &side{
		deployment: *dep.Deployment.Id, variables: variables, root: &node{},
		authorizers: make(map[string]*authorizer, len(c.Authorizers)), responses: make(map[types.GatewayResponseType]*gatewayResponse),
	}
	for _, m := range c.Binary {
		sd.binary = append(sd.binary, strings.ToLower(m))
	}
	for id, au := range c.Authorizers {
		compiled, err := s.compileAuthorizer(au, variables)
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", id, err)
		}
		compiled.decisions = stage.decisionsOf(before, au, compiled.function.ARN)
		sd.authorizers[id] = compiled
	}
	for t, r := range c.Responses {
		compiled, err := compileGatewayResponse(r)
		if err != nil {
			return nil, fmt.Errorf("gateway response %s: %w", t, err)
		}
		sd.responses[types.GatewayResponseType(t)] = compiled
	}
	for _, r := range c.Resources {
		for name, m := range r.ResourceMethods {
			compiled, err := s.compileMethod(a, st, stage, before, sd, c, r, m)
			if err != nil {
				return nil, fmt.Errorf("method %s of %s: %w", name, *r.Path, err)
			}
			sd.root.add(*r.Path, compiled)
		}
	}
	return sd, nil
}

// decisionsOf gives the cache of an authorizer: the one that it had before when it is the same.
func (st *stage) decisionsOf(before *stage, a types.Authorizer, function string) *executeapi.Decisions {
	name := *a.Id + " " + function
	k := st.decisions[name]
	if k == nil {
		if k = before.decisions[name]; k == nil || !reflect.DeepEqual(k.of, a) {
			k = &keptDecisions{of: a}
		}
		st.decisions[name] = k
	}
	return &k.Decisions
}

func (s *Service) compileMethod(a *api, st types.Stage, stage, before *stage, sd *side, c configuration, r types.Resource, m types.Method) (*method, error) {
	out := &method{resource: *r.Id, path: *r.Path, name: *m.HttpMethod, operation: aws.ToString(m.OperationName)}
	if aws.ToString(m.AuthorizationType) == "CUSTOM" {
		if out.authorizer = sd.authorizers[aws.ToString(m.AuthorizerId)]; out.authorizer == nil {
			return nil, fmt.Errorf("authorizer %s is missing", aws.ToString(m.AuthorizerId))
		}
	}
	out.signed, out.keyed = aws.ToString(m.AuthorizationType) == "AWS_IAM", aws.ToBool(m.ApiKeyRequired)
	if v, ok := c.Validators[aws.ToString(m.RequestValidatorId)]; ok {
		out.validator = &validator{}
		if v.ValidateRequestParameters {
			for name, required := range m.RequestParameters {
				if required {
					out.validator.parameters = append(out.validator.parameters, strings.TrimPrefix(name, "method.request."))
				}
			}
		}
		if v.ValidateRequestBody {
			out.validator.models = make(map[string]*gojsonschema.Schema)
			for contentType, name := range m.RequestModels {
				schema, err := compileSchema(c.Models[name], c.Models)
				if err != nil {
					return nil, err
				}
				out.validator.models[strings.ToLower(contentType)] = schema
			}
		}
	}
	for _, key := range []string{settingKey(*r.Path, *m.HttpMethod), settingKey(*r.Path, "*"), "*/" + *m.HttpMethod, "*/*"} {
		if set, ok := st.MethodSettings[key]; ok {
			if set.ThrottlingRateLimit < accountRate || set.ThrottlingBurstLimit < accountBurst {
				out.throttle = stage.buckets.Keep(before.buckets, settingKey(*r.Path, *m.HttpMethod), set.ThrottlingRateLimit, float64(set.ThrottlingBurstLimit))
			}
			if set.MetricsEnabled && s.cfg.Meter != nil {
				d := newMetricSet(s.cfg.Meter, "ApiName", aws.ToString(a.API.Name), "Stage", *st.StageName, "Method", *m.HttpMethod, "Resource", *r.Path)
				out.detailed = &d
			}
			break
		}
	}
	if m.MethodIntegration == nil {
		return out, nil
	}
	var err error
	out.backend, err = s.compileBackend(sd, m)
	return out, err
}

func (s *Service) compileBackend(sd *side, m types.Method) (backend, error) {
	i := m.MethodIntegration
	timeout := time.Duration(i.TimeoutInMillis) * time.Millisecond
	uri, expanded := executeapi.ExpandVariables(aws.ToString(i.Uri), func(name string) string { return sd.variables[name] })
	custom, err := newTransform(s, m)
	if err != nil {
		return nil, err
	}
	switch i.Type {
	case types.IntegrationTypeMock:
		return &mockBackend{custom}, nil
	case types.IntegrationTypeHttp, types.IntegrationTypeHttpProxy:
		h := &httpBackend{s: s, uri: uri, method: *i.HttpMethod, timeout: timeout, transform: custom, proxy: i.Type == types.IntegrationTypeHttpProxy}
		if !expanded || !executeapi.OnThisMachine(uri) {
			h.uri = ""
			return h, nil
		}
		h.parsed, err = url.Parse(uri)
		return h, err
	}
	if action, ok := stateAction(uri); ok && expanded {
		return &statesBackend{s: s, action: action, timeout: timeout, transform: custom}, nil
	}
	f := executeapi.Function{
		Invoker: s.cfg.Invoker, Permissions: s.cfg.Permissions, ARN: executeapi.FunctionARN(uri), Role: aws.ToString(i.Credentials) != "", Timeout: timeout,
	}
	if _, err := arn.ParseFunction(f.ARN); err != nil || !expanded {
		s.cfg.Logger.Warn("no function for this stage", "uri", uri)
		f.ARN = ""
	}
	if i.Type == types.IntegrationTypeAwsProxy {
		return &proxyBackend{s: s, function: f}, nil
	}
	f.Event = i.RequestParameters["integration.request.header.X-Amz-Invocation-Type"] == "'Event'"
	return &lambdaBackend{s: s, function: f, transform: custom}, nil
}

// node is one place in the tree of resources. A literal part goes before {variable}, and that before {greedy+}; where the
// closest resource lacks the method, the next one that has it serves.
type node struct {
	literals map[string]*node
	variable *node
	methods  map[string]*method
	greedy   *node
}

func (n *node) add(path string, m *method) {
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case part == "":
		case part[0] == '{' && strings.HasSuffix(part, "+}"):
			if n.greedy == nil {
				n.greedy = &node{}
			}
			n = n.greedy
			m.variables = append(m.variables, part[1:len(part)-2])
		case part[0] == '{':
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
			m.variables = append(m.variables, part[1:len(part)-1])
		default:
			makeNil(&n.literals)
			if n.literals[part] == nil {
				n.literals[part] = &node{}
			}
			n = n.literals[part]
		}
	}
	makeNil(&n.methods)
	n.methods[m.name] = m
}

// match returns the method that serves and appends the values of its variables, or nil.
func (n *node) match(name string, segments, values []string) (*method, []string) {
	if len(segments) == 0 {
		if m := n.methods[name]; m != nil {
			return m, values
		}
		return n.methods["ANY"], values
	}
	if next := n.literals[segments[0]]; next != nil {
		if m, v := next.match(name, segments[1:], values); m != nil {
			return m, v
		}
	}
	if n.variable != nil && segments[0] != "" {
		if m, v := n.variable.match(name, segments[1:], append(values, segments[0])); m != nil {
			return m, v
		}
	}
	if n.greedy != nil {
		if rest := strings.Join(segments, "/"); rest != "" {
			return n.greedy.match(name, nil, append(values, rest))
		}
	}
	return nil, values
}
