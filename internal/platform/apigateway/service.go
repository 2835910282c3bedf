// Package apigateway is Amazon API Gateway's REST APIs (version 1 of the service): the operations under /restapis, and the
// data plane that serves requests for the APIs made with them.
//
// # Where an API answers
//
// By host name, http://{restApiId}.execute-api.localhost:{port}/{stage}/…, and by path, /_aws/execute-api/{restApiId}/{stage}/…
// or, as LocalStack has it, /restapis/{restApiId}/{stage}/_user_request_/… .
//
// A stage serves a deployment: the resources, methods, models, validators, authorizers and gateway responses as they were
// when it was made. Everything is compiled when it changes; a request reads one immutable snapshot behind an atomic
// pointer. A stage with canary settings draws a side for every request, as an alias draws a version.
//
// Answers of a function carry x-teal-executed-version; see package executeapi.
package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
)

// Meter makes functions that record one value of a metric now. dims are name, value pairs. The functions are called
// from many goroutines at once.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}

// Config is what a Service needs. Store is required; integrations whose backend is nil are answered with 500.
type Config struct {
	Store       store.Store
	Invoker     executeapi.Invoker
	Permissions executeapi.Permissions // nil checks nothing
	// States gives Step Functions, for AWS integrations with its actions; nil for none. It is asked once, at the first such
	// integration or call, so that Step Functions may be made after this service.
	States func() *awsproto.Service
	Meter  Meter             // nil means no metrics
	Tracer executeapi.Tracer // nil means no traces
	Clock  clock.Clock       // nil means clock.System; gives dates, throttling and times to live, never timeouts
	// Verify gives the secret of an access key, for methods with AWS_IAM; nil takes any signature there.
	Verify   func(accessKeyID string) (secret string, ok bool)
	Account  string       // "" means 000000000000
	Region   string       // "" means us-east-1
	Endpoint string       // host:port of the data plane
	Logger   *slog.Logger // nil means slog.Default
}

// Service is the control plane and the data plane of REST APIs. Its methods may be called from any goroutine.
type Service struct {
	cfg      Config
	endpoint string // host[:port] after {restApiId}.execute-api.
	states   func() stateCalls
	outside  *executeapi.Backends // of HTTP integrations; loopback only

	mu      sync.Mutex                      // serialises changes
	state   atomic.Pointer[map[string]*api] // by API ID; the map and what it holds are immutable
	account atomic.Pointer[account]
}

// New loads the APIs from cfg.Store and makes them serve. It fails when the store cannot be read or holds what this
// version does not understand.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("apigateway: no store")
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
	s.states = sync.OnceValue(s.openStates)
	apis, err := s.load(context.Background())
	if err != nil {
		return nil, fmt.Errorf("apigateway: %w", err)
	}
	s.state.Store(&apis)
	if err := s.loadAccount(context.Background()); err != nil {
		return nil, fmt.Errorf("apigateway: %w", err)
	}
	return s, nil
}

// stateCalls is Step Functions as integrations call it; the zero value is none.
type stateCalls struct {
	http.Handler
	*awsproto.Service
}

func (s *Service) openStates() stateCalls {
	if s.cfg.States == nil {
		return stateCalls{}
	}
	table := s.cfg.States()
	mux, err := awsproto.NewMux(awsproto.Config{Logger: s.cfg.Logger}, table)
	if err != nil {
		s.cfg.Logger.Error("apigateway: Step Functions cannot be called", "error", err)
		return stateCalls{}
	}
	return stateCalls{mux, table}
}

// load reads every API with its deployments and compiles it.
func (s *Service) load(ctx context.Context) (map[string]*api, error) {
	apis := make(map[string]*api)
	for e, err := range s.cfg.Store.Scan(ctx, bucketAPIs, store.Range{}) {
		if err != nil {
			return nil, fmt.Errorf("read the REST APIs: %w", err)
		}
		a := &api{raw: e.Value, deployments: make(map[string]*deployment)}
		if err := json.Unmarshal(e.Value, &a.document); err != nil {
			return nil, fmt.Errorf("REST API %s in the store is damaged: %w", e.Key, err)
		}
		a.fill()
		apis[e.Key] = a
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketDeployments, store.Range{}) {
		if err != nil {
			return nil, fmt.Errorf("read the deployments: %w", err)
		}
		d := &deployment{}
		if err := json.Unmarshal(e.Value, d); err != nil {
			return nil, fmt.Errorf("deployment %s in the store is damaged: %w", e.Key, err)
		}
		if a := apis[d.API]; a != nil {
			d.Configuration.fill()
			a.deployments[*d.Deployment.Id] = d
		}
	}
	for id, a := range apis {
		if err := s.compile(a, nil); err != nil {
			return nil, fmt.Errorf("REST API %s in the store cannot be served: %w", id, err)
		}
	}
	return apis, nil
}

// lookup returns an API, or nil. It takes no lock.
func (s *Service) lookup(id string) *api { return (*s.state.Load())[id] }

// publish makes a serve under its ID, or nothing when a is nil. The caller holds mu.
func (s *Service) publish(id string, a *api) {
	next := maps.Clone(*s.state.Load())
	if a == nil {
		delete(next, id)
	} else {
		next[id] = a
	}
	s.state.Store(&next)
}
