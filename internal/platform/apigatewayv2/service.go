// Package apigatewayv2 is Amazon API Gateway's HTTP APIs (version 2 of the service): the operations under /v2/apis, and
// the data plane that serves requests for the APIs made with them.
//
// # Where an API answers
//
//   - By host name: http://{apiId}.execute-api.localhost:{port}/…, and any other name that begins with
//     {apiId}.execute-api, such as {apiId}.execute-api.us-east-1.amazonaws.com. The $default stage is at the root; a
//     named stage is the first segment of the path.
//   - By path, for clients that resolve no such names: /_aws/execute-api/{apiId}/{stage}/… . The stage may be left out
//     for $default; where it is written in a shell it must be quoted.
//
// Answers carry apigw-requestid, as on AWS, and x-teal-executed-version: the function version that ran, when a Lambda
// function was invoked. AWS has no such header; with it a client can count requests per version during a rollout.
//
// # What differs from AWS
//
// HTTP_PROXY integrations and JWT authorizers call this machine only. VPC links, custom domains and access logs are refused by name. Deployments that
// autoDeploy made are kept only while a stage serves them.
package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
)

// Starter starts Step Functions executions.
type Starter interface {
	StartExecution(ctx context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error)
	StartSyncExecution(ctx context.Context, in *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error)
}

// Meter makes functions that record one value of a metric now. dims are name, value pairs. The functions are called
// from many goroutines at once.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}

// Config is what a Service needs. Store is required; Invoker and Starter may be nil, then requests for integrations of
// their kind are answered with 500.
type Config struct {
	Store   store.Store
	Invoker executeapi.Invoker
	// Permissions are asked before a function is invoked, unless the integration has credentials; nil checks nothing.
	Permissions executeapi.Permissions
	Starter     Starter
	Meter       Meter             // nil means no metrics
	Tracer      executeapi.Tracer // nil means no traces
	Clock       clock.Clock       // nil means clock.System; gives dates, never timeouts
	Account     string            // "" means 000000000000
	Region      string            // "" means us-east-1
	// Verify gives the secret of an access key, for routes with AWS_IAM; nil takes any signature there.
	Verify func(accessKeyID string) (secret string, ok bool)
	// Endpoint is the host:port at which the data plane is reached, for ApiEndpoint. An address that is no name, such
	// as 127.0.0.1:4566, is written as localhost:4566, because names below an address do not exist.
	Endpoint string
	Logger   *slog.Logger // nil means slog.Default
}

// Service is the control plane and the data plane of HTTP APIs. Its methods may be called from any goroutine.
type Service struct {
	cfg      Config
	endpoint string               // host[:port] after {apiId}.execute-api.
	outside  *executeapi.Backends // of HTTP_PROXY integrations; loopback only

	mu    sync.Mutex                      // serialises changes
	state atomic.Pointer[map[string]*api] // by API ID; the map and what it holds are immutable
}

// New loads the APIs from cfg.Store and makes them serve. It fails when the store cannot be read or holds what this
// version does not understand.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("apigatewayv2: no store")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Service{cfg: cfg, endpoint: executeapi.EndpointName(cfg.Endpoint), outside: executeapi.NewBackends()}
	apis, err := s.load(context.Background())
	if err != nil {
		return nil, fmt.Errorf("apigatewayv2: %w", err)
	}
	s.state.Store(&apis)
	return s, nil
}

// load reads every API with its deployments and compiles it.
func (s *Service) load(ctx context.Context) (map[string]*api, error) {
	apis := make(map[string]*api)
	for e, err := range s.cfg.Store.Scan(ctx, bucketAPIs, store.Range{}) {
		if err != nil {
			return nil, fmt.Errorf("read the APIs: %w", err)
		}
		a := &api{raw: e.Value, deployments: make(map[string]*deployment)}
		if err := json.Unmarshal(e.Value, &a.document); err != nil {
			return nil, fmt.Errorf("API %s in the store is damaged: %w", e.Key, err)
		}
		a.fill()
		apis[e.Key] = a
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketDeployments, store.Range{}) {
		if err != nil {
			return nil, fmt.Errorf("read the deployments: %w", err)
		}
		var d deployment
		if err := json.Unmarshal(e.Value, &d); err != nil {
			return nil, fmt.Errorf("deployment %s in the store is damaged: %w", e.Key, err)
		}
		if a := apis[d.API]; a != nil {
			a.deployments[*d.Deployment.DeploymentId] = &d
		}
	}
	for id, a := range apis {
		if err := s.compile(a, nil); err != nil {
			return nil, fmt.Errorf("API %s in the store cannot be served: %w", id, err)
		}
	}
	return apis, nil
}

// lookup returns an API, or nil. It takes no lock.
func (s *Service) lookup(id string) *api { return (*s.state.Load())[id] }

// publish makes a serve under its ID, or nothing serve under it when a is nil. The caller holds mu.
func (s *Service) publish(id string, a *api) {
	next := maps.Clone(*s.state.Load())
	if a == nil {
		delete(next, id)
	} else {
		next[id] = a
	}
	s.state.Store(&next)
}

// API is the service's table of operations.
func (s *Service) API() *awsproto.Service {
	page := []awsproto.Member{awsproto.InQuery("MaxResults", "maxResults"), awsproto.InQuery("NextToken", "nextToken")}
	imports := []awsproto.Member{awsproto.InQuery("Basepath", "basepath"), awsproto.InQuery("FailOnWarnings", "failOnWarnings")}
	return &awsproto.Service{
		Name:      "apigatewayv2",
		MaxBody:   maxImport + 1<<20,
		Scopes:    []string{"apigateway"},
		Protocols: []awsproto.Protocol{awsproto.RESTJSON},
		Naming:    awsproto.LowerCamel,
		BodyTime:  awsproto.DateTime,
		Statuses:  map[string]int{"NotFoundException": 404, "ConflictException": 409, "TooManyRequestsException": 429},
		Operations: []awsproto.Operation{
			awsproto.Op(s.CreateApi, awsproto.HTTP("POST", "/v2/apis", 201)),
			awsproto.Op(s.GetApis, awsproto.HTTP("GET", "/v2/apis", 200, page...)),
			awsproto.Op(s.GetApi, awsproto.HTTP("GET", "/v2/apis/{ApiId}", 200)),
			awsproto.Op(s.UpdateApi, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}", 200)),
			awsproto.Op(s.DeleteApi, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}", 204)),
			awsproto.Op(s.ImportApi, awsproto.HTTP("PUT", "/v2/apis", 201, imports...)),
			awsproto.Op(s.ReimportApi, awsproto.HTTP("PUT", "/v2/apis/{ApiId}", 201, imports...)),
			awsproto.Op(s.ExportApi, awsproto.HTTP("GET", "/v2/apis/{ApiId}/exports/{Specification}", 200,
				awsproto.InQuery("ExportVersion", "exportVersion"), awsproto.InQuery("IncludeExtensions", "includeExtensions"),
				awsproto.InQuery("OutputType", "outputType"), awsproto.InQuery("StageName", "stageName"), awsproto.InPayload("Body"))),
			awsproto.Op(s.DeleteCorsConfiguration, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/cors", 204)),

			awsproto.Op(s.CreateIntegration, awsproto.HTTP("POST", "/v2/apis/{ApiId}/integrations", 201)),
			awsproto.Op(s.GetIntegrations, awsproto.HTTP("GET", "/v2/apis/{ApiId}/integrations", 200, page...)),
			awsproto.Op(s.GetIntegration, awsproto.HTTP("GET", "/v2/apis/{ApiId}/integrations/{IntegrationId}", 200)),
			awsproto.Op(s.UpdateIntegration, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}/integrations/{IntegrationId}", 200)),
			awsproto.Op(s.DeleteIntegration, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/integrations/{IntegrationId}", 204)),

			awsproto.Op(s.CreateRoute, awsproto.HTTP("POST", "/v2/apis/{ApiId}/routes", 201)),
			awsproto.Op(s.GetRoutes, awsproto.HTTP("GET", "/v2/apis/{ApiId}/routes", 200, page...)),
			awsproto.Op(s.GetRoute, awsproto.HTTP("GET", "/v2/apis/{ApiId}/routes/{RouteId}", 200)),
			awsproto.Op(s.UpdateRoute, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}/routes/{RouteId}", 200)),
			awsproto.Op(s.DeleteRoute, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/routes/{RouteId}", 204)),

			awsproto.Op(s.CreateAuthorizer, awsproto.HTTP("POST", "/v2/apis/{ApiId}/authorizers", 201)),
			awsproto.Op(s.GetAuthorizers, awsproto.HTTP("GET", "/v2/apis/{ApiId}/authorizers", 200, page...)),
			awsproto.Op(s.GetAuthorizer, awsproto.HTTP("GET", "/v2/apis/{ApiId}/authorizers/{AuthorizerId}", 200)),
			awsproto.Op(s.UpdateAuthorizer, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}/authorizers/{AuthorizerId}", 200)),
			awsproto.Op(s.DeleteAuthorizer, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/authorizers/{AuthorizerId}", 204)),
			awsproto.Op(s.ResetAuthorizersCache, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/stages/{StageName}/cache/authorizers", 204)),

			awsproto.Op(s.CreateStage, awsproto.HTTP("POST", "/v2/apis/{ApiId}/stages", 201)),
			awsproto.Op(s.GetStages, awsproto.HTTP("GET", "/v2/apis/{ApiId}/stages", 200, page...)),
			awsproto.Op(s.GetStage, awsproto.HTTP("GET", "/v2/apis/{ApiId}/stages/{StageName}", 200)),
			awsproto.Op(s.UpdateStage, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}/stages/{StageName}", 200)),
			awsproto.Op(s.DeleteStage, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/stages/{StageName}", 204)),

			awsproto.Op(s.DeleteRouteSettings, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/stages/{StageName}/routesettings/{RouteKey}", 204)),
			awsproto.Op(s.DeleteAccessLogSettings, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/stages/{StageName}/accesslogsettings", 204)),

			awsproto.Op(s.CreateDeployment, awsproto.HTTP("POST", "/v2/apis/{ApiId}/deployments", 201)),
			awsproto.Op(s.GetDeployments, awsproto.HTTP("GET", "/v2/apis/{ApiId}/deployments", 200, page...)),
			awsproto.Op(s.GetDeployment, awsproto.HTTP("GET", "/v2/apis/{ApiId}/deployments/{DeploymentId}", 200)),
			awsproto.Op(s.UpdateDeployment, awsproto.HTTP("PATCH", "/v2/apis/{ApiId}/deployments/{DeploymentId}", 200)),
			awsproto.Op(s.DeleteDeployment, awsproto.HTTP("DELETE", "/v2/apis/{ApiId}/deployments/{DeploymentId}", 204)),

			awsproto.Op(s.TagResource, awsproto.HTTP("POST", "/v2/tags/{ResourceArn}", 201)),
			awsproto.Op(s.UntagResource, awsproto.HTTP("DELETE", "/v2/tags/{ResourceArn}", 204, awsproto.InQuery("TagKeys", "tagKeys"))),
			awsproto.Op(s.GetTags, awsproto.HTTP("GET", "/v2/tags/{ResourceArn}", 200)),
		},
	}
}
