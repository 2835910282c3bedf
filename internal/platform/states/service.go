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
	Meter   Meter        // no metrics when nil
	Clock   clock.Clock  // clock.System when nil
	Account string       // twelve digits; 000000000000 when empty
	Region  string       // us-east-1 when empty
	Logger  *slog.Logger // discards when nil
}

// Service is Step Functions. Its methods may be called from any goroutine.
type Service struct {
	store           store.Store
	invoker         Invoker
	clock           clock.Clock
	log             *slog.Logger
	account, region string
	arnPrefix       string // arn:aws:states:region:account:

	machines    registry
	definitions definitions
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
		store: cfg.Store, invoker: cfg.Invoker, clock: cfg.Clock, log: cfg.Logger, account: cfg.Account, region: cfg.Region,
		arnPrefix:   "arn:aws:states:" + cfg.Region + ":" + cfg.Account + ":",
		definitions: definitions{store: cfg.Store, kept: map[string]*asl.StateMachine{}},
	}
	s.metrics = metrics{meter: cfg.Meter, arn: s.machineArn}
	ctx := context.Background()
	if err := s.machines.load(ctx, s.store); err != nil {
		return nil, err
	}
	var err error
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
			awsproto.Op(s.CreateStateMachine),
			awsproto.Op(s.CreateStateMachineAlias),
			awsproto.Op(s.DeleteStateMachine),
			awsproto.Op(s.DeleteStateMachineAlias),
			awsproto.Op(s.DeleteStateMachineVersion),
			awsproto.Op(s.DescribeExecution),
			awsproto.Op(s.DescribeStateMachine),
			awsproto.Op(s.DescribeStateMachineAlias),
			awsproto.Op(s.DescribeStateMachineForExecution),
			awsproto.Op(s.GetExecutionHistory),
			awsproto.Op(s.ListExecutions),
			awsproto.Op(s.ListStateMachineAliases),
			awsproto.Op(s.ListStateMachineVersions),
			awsproto.Op(s.ListStateMachines),
			awsproto.Op(s.ListTagsForResource),
			awsproto.Op(s.PublishStateMachineVersion),
			awsproto.Op(s.StartExecution),
			awsproto.Op(s.StopExecution),
			awsproto.Op(s.TagResource),
			awsproto.Op(s.UntagResource),
			awsproto.Op(s.UpdateStateMachine),
			awsproto.Op(s.UpdateStateMachineAlias),
			awsproto.Op(s.ValidateStateMachineDefinition),
		},
	}
}
