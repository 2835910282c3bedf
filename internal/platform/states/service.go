// Package states is AWS Step Functions: state machines with versions and weighted aliases, and executions that are
// durable. It speaks in aws-sdk-go-v2's types; an operation is one method and one line in API.
//
// A request about a machine reads an immutable snapshot behind an atomic pointer (registry). Executions are run by the
// engine: sharded loops around the pure interpreter of package interp, with every step in the store before it acts.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/Welcome.html
package states

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Config says what a service works with. Store and Invoker must be set.
type Config struct {
	Store   store.Store
	Invoker Invoker
	Objects ObjectStore  // no ItemReader and no ResultWriter but for items in the input when nil
	SDK     SDKCaller    // no SDK integrations but those of Lambda and Step Functions when nil
	Meter   Meter        // no metrics when nil
	Tracer  Tracer       // no traces when nil
	Clock   clock.Clock  // clock.System when nil
	Account string       // twelve digits; 000000000000 when empty
	Region  string       // us-east-1 when empty
	Logger  *slog.Logger // discards when nil
}

// Service is Step Functions. Its methods may be called from any goroutine.
type Service struct {
	store           store.Store
	invoker         Invoker
	objects         ObjectStore  // nil for none
	sdk, self       SDKCaller    // of the other services, and of this one
	http            *http.Client // reaches this machine only
	tracer          Tracer       // nil for none
	clock           clock.Clock
	log             *slog.Logger
	account, region string
	tokenKey        string // task tokens are made with it
	arnPrefix       string // arn:aws:states:region:account:

	machines    registry
	definitions definitions
	activities  activities
	ends        watchers
	jobs        jobs
	mapRuns     mapRuns
	metrics     metrics
	engine      *engine
	closing     sync.Once
}

// New starts the service on what is in the store: executions that were open go on, and what they had under way is
// performed again. The caller ends it with Close, before it closes the store.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Invoker == nil {
		return nil, errors.New("states: a store and an invoker are needed")
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		store: cfg.Store, invoker: cfg.Invoker, tracer: cfg.Tracer, clock: cfg.Clock, log: cfg.Logger, account: cfg.Account, region: cfg.Region,
		arnPrefix: "arn:aws:states:" + cfg.Region + ":" + cfg.Account + ":",
		objects:   cfg.Objects, sdk: cfg.SDK,
		http: loopbackClient(),
	}
	s.self = s.ownCaller()
	s.definitions = definitions{store: cfg.Store, served: s.served, kept: map[string]*asl.StateMachine{}}
	s.metrics = metrics{meter: cfg.Meter, arn: s.machineArn}
	ctx := context.Background()
	if err := s.machines.load(ctx, s.store); err != nil {
		return nil, err
	}
	if err := s.activities.load(ctx, s.store); err != nil {
		return nil, err
	}
	var err error
	if s.tokenKey, err = secret(ctx, s.store); err != nil {
		return nil, err
	}
	if s.engine, err = newEngine(ctx, s); err != nil {
		return nil, err
	}
	s.engine.start()
	s.resumeDeletions()
	return s, nil
}

// Close takes no more work and returns once the commits under way are done. Invocations under way are cancelled; they are
// performed again at the next start. It is idempotent.
func (s *Service) Close() error {
	s.closing.Do(s.engine.close)
	return nil
}

// API is the table of the operations that are served; every other one is refused by its name.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name: "states", Target: "AWSStepFunctions", APIVersion: "2016-11-23",
		Protocols: []awsproto.Protocol{awsproto.AWSJSON10}, Naming: awsproto.LowerCamel,
		Operations: []awsproto.Operation{
			awsproto.Op(s.CreateActivity),
			awsproto.Op(s.CreateStateMachine),
			awsproto.Op(s.CreateStateMachineAlias),
			awsproto.Op(s.DeleteActivity),
			awsproto.Op(s.DeleteStateMachine),
			awsproto.Op(s.DeleteStateMachineAlias),
			awsproto.Op(s.DeleteStateMachineVersion),
			awsproto.Op(s.DescribeActivity),
			awsproto.Op(s.DescribeExecution),
			awsproto.Op(s.DescribeMapRun),
			awsproto.Op(s.DescribeStateMachine),
			awsproto.Op(s.DescribeStateMachineAlias),
			awsproto.Op(s.DescribeStateMachineForExecution),
			awsproto.Op(s.GetActivityTask),
			awsproto.Op(s.GetExecutionHistory),
			awsproto.Op(s.ListActivities),
			awsproto.Op(s.ListExecutions),
			awsproto.Op(s.ListMapRuns),
			awsproto.Op(s.ListStateMachineAliases),
			awsproto.Op(s.ListStateMachineVersions),
			awsproto.Op(s.ListStateMachines),
			awsproto.Op(s.ListTagsForResource),
			awsproto.Op(s.PublishStateMachineVersion),
			awsproto.Op(s.RedriveExecution),
			awsproto.Op(s.SendTaskFailure),
			awsproto.Op(s.SendTaskHeartbeat),
			awsproto.Op(s.SendTaskSuccess),
			awsproto.Op(s.StartExecution),
			awsproto.Op(s.StartSyncExecution),
			awsproto.Op(s.StopExecution),
			awsproto.Op(s.TagResource),
			awsproto.Op(s.TestState),
			awsproto.Op(s.UntagResource),
			awsproto.Op(s.UpdateMapRun),
			awsproto.Op(s.UpdateStateMachine),
			awsproto.Op(s.UpdateStateMachineAlias),
			awsproto.Op(s.ValidateStateMachineDefinition),
		},
	}
}
