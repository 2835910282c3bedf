// Package codedeploy is AWS CodeDeploy for the Lambda compute platform: applications, deployment groups and
// configurations, and deployments that shift an alias from one version to another on their schedule. It speaks in
// aws-sdk-go-v2's types; an operation is one method and one line in API.
//
// What a deployment does next is decided by package rollout; here stands the pump (pump.go), which writes an event and
// the state that follows to the store, and acts afterwards. Deployments that were under way when the service ended go on
// at the next start.
//
// https://docs.aws.amazon.com/codedeploy/latest/APIReference/Welcome.html
package codedeploy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Config says what a service works with. Store and Functions must be set.
type Config struct {
	Store     store.Store
	Functions Functions
	Objects   Objects      // no AppSpec files in S3 when nil
	Alarms    Alarms       // no alarm can be read when nil
	Clock     clock.Clock  // clock.System when nil
	Account   string       // twelve digits; 000000000000 when empty
	Region    string       // us-east-1 when empty
	Logger    *slog.Logger // discards when nil
}

// Service is CodeDeploy. Its methods may be called from any goroutine.
type Service struct {
	store     store.Store
	functions Functions
	objects   Objects // nil for none
	alarms    Alarms  // nil for none
	clock     clock.Clock
	log       *slog.Logger
	arnPrefix string // arn:aws:codedeploy:region:account:
	lambdaARN string // arn:aws:lambda:region:account:function:

	// mu guards registry. Changes hold it until they are durable. Whoever holds a deployment's mu may take it, not the
	// reverse.
	mu sync.RWMutex
	registry

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	closing sync.Mutex // guards closed and pumps.Add
	closed  bool
	pumps   sync.WaitGroup
}

// New starts the service on what is in the store: deployments that were under way go on. The caller ends it with Close,
// before it closes the store.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Functions == nil {
		return nil, errors.New("codedeploy: a store and Lambda are needed")
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
		store: cfg.Store, functions: cfg.Functions, objects: cfg.Objects, alarms: cfg.Alarms, clock: cfg.Clock, log: cfg.Logger,
		arnPrefix: "arn:aws:codedeploy:" + cfg.Region + ":" + cfg.Account + ":",
		lambdaARN: "arn:aws:lambda:" + cfg.Region + ":" + cfg.Account + ":function:",
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.load(s.ctx, s.store); err != nil {
		return nil, err
	}
	for _, d := range s.deployments {
		if !ended(d.record().Status) {
			s.drive(d)
		}
	}
	return s, nil
}

// Close takes no further step of any deployment and returns once the steps under way are done. Deployments go on at the
// next start. It is idempotent.
func (s *Service) Close() error {
	s.closing.Lock()
	s.closed = true
	s.closing.Unlock()
	s.cancel()
	s.pumps.Wait()
	s.mu.RLock()
	deployments := slices.Clone(s.deployments)
	s.mu.RUnlock()
	for _, d := range deployments {
		d.mu.Lock()
		d.disarm()
		d.mu.Unlock()
	}
	return nil
}

// API is the table of the operations that are served; every other one is refused by its name.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name: "codedeploy", Target: "CodeDeploy_20141006", APIVersion: "2014-10-06",
		Protocols: []awsproto.Protocol{awsproto.AWSJSON11}, Naming: awsproto.LowerCamel,
		Names: wireNames,
		Operations: []awsproto.Operation{
			awsproto.Op(s.BatchGetApplicationRevisions),
			awsproto.Op(s.BatchGetApplications),
			awsproto.Op(s.BatchGetDeploymentGroups),
			awsproto.Op(s.BatchGetDeploymentTargets),
			awsproto.Op(s.BatchGetDeployments),
			awsproto.Op(s.ContinueDeployment),
			awsproto.Op(s.CreateApplication),
			awsproto.Op(s.CreateDeployment),
			awsproto.Op(s.CreateDeploymentConfig),
			awsproto.Op(s.CreateDeploymentGroup),
			awsproto.Op(s.DeleteApplication),
			awsproto.Op(s.DeleteDeploymentConfig),
			awsproto.Op(s.DeleteDeploymentGroup),
			awsproto.Op(s.GetApplication),
			awsproto.Op(s.GetApplicationRevision),
			awsproto.Op(s.GetDeployment),
			awsproto.Op(s.GetDeploymentConfig),
			awsproto.Op(s.GetDeploymentGroup),
			awsproto.Op(s.GetDeploymentTarget),
			awsproto.Op(s.ListApplicationRevisions),
			awsproto.Op(s.ListApplications),
			awsproto.Op(s.ListDeploymentConfigs),
			awsproto.Op(s.ListDeploymentGroups),
			awsproto.Op(s.ListDeploymentTargets),
			awsproto.Op(s.ListDeployments),
			awsproto.Op(s.ListTagsForResource),
			awsproto.Op(s.PutLifecycleEventHookExecutionStatus),
			awsproto.Op(s.RegisterApplicationRevision),
			awsproto.Op(s.SkipWaitTimeForInstanceTermination),
			awsproto.Op(s.StopDeployment),
			awsproto.Op(s.TagResource),
			awsproto.Op(s.UntagResource),
			awsproto.Op(s.UpdateApplication),
			awsproto.Op(s.UpdateDeploymentGroup),
		},
	}
}

// wireNames are those that do not follow the naming.
var wireNames = map[string]string{
	"RevisionLocation.String_": "string",
	"Tag.Key":                  "Key", "Tag.Value": "Value",
	"TagResourceInput.ResourceArn": "ResourceArn", "TagResourceInput.Tags": "Tags",
	"UntagResourceInput.ResourceArn": "ResourceArn", "UntagResourceInput.TagKeys": "TagKeys",
	"ListTagsForResourceInput.ResourceArn": "ResourceArn", "ListTagsForResourceInput.NextToken": "NextToken",
	"ListTagsForResourceOutput.Tags": "Tags", "ListTagsForResourceOutput.NextToken": "NextToken",
	"DeploymentOverview.Pending": "Pending", "DeploymentOverview.InProgress": "InProgress",
	"DeploymentOverview.Succeeded": "Succeeded", "DeploymentOverview.Failed": "Failed",
	"DeploymentOverview.Skipped": "Skipped", "DeploymentOverview.Ready": "Ready",
	"EC2TagFilter.Key": "Key", "EC2TagFilter.Value": "Value", "EC2TagFilter.Type": "Type",
	"TagFilter.Key": "Key", "TagFilter.Value": "Value", "TagFilter.Type": "Type",
}
