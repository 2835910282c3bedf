// Package lambda is AWS Lambda's control plane and its invocation routing: functions, immutable versions, aliases that
// split traffic by weight, layers, function URLs, resource policies, tags, reserved and provisioned concurrency, event
// source mappings, and the durable queue of asynchronous invocations with its destinations. Functions run behind the Executor port.
//
// Every function has one immutable snapshot behind an atomic pointer. Whoever changes a function holds its lock, writes
// the change to the store, and then replaces the snapshot; invocations only load the pointer. So an invocation that
// starts after a change has been answered sees that change, and no invocation ever waits for a change. After a start a
// function sleeps in the store until somebody asks for it, or something of it must go on.
//
// https://docs.aws.amazon.com/lambda/latest/api/welcome.html
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/lambda/schemas"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Config is what the service needs of the rest of the platform.
type Config struct {
	Store    store.Store // required
	Executor Executor    // required
	Objects  Objects     // nil: no packages from buckets, no results into them
	Queues   Queues      // nil: no event source mappings, no queues as destinations
	Meter    Meter       // nil records no metrics
	Tracer   Tracer      // nil records no traces
	// Verify returns the secret of an access key, for function URLs with AWS_IAM; nil takes any.
	Verify  func(accessKeyID string) (secret string, ok bool)
	Clock   clock.Clock // clock.System when nil
	DataDir string      // required; code packages go to its folder "code"
	CodeDir string      // where code is unpacked to be run; the packages' folder when empty
	Account string      // twelve digits; 000000000000 when empty
	Region  string      // us-east-1 when empty
	// Concurrency is the account's limit of concurrent executions; 0 means AWS's default of 1000.
	Concurrency int
	Logger      *slog.Logger // discards when nil
}

// Service answers Lambda's API. All methods may be called from any goroutine. Errors are aws-sdk-go-v2's exception
// types, or *fault.Error where the SDK models none; others are failures of the platform itself.
type Service struct {
	cfg   Config
	codes *codeStore
	queue *eventQueue

	arnPrefix string // of this account's functions, up to the name

	functions sync.Map      // name → *function
	names     names         // of the functions
	recovered chan struct{} // closed when the background's part of a start is done, or the service closes
	layers    *layers
	signing   signings
	urls      sync.Map // id → urlTarget
	mappings  mappings

	provisioner Provisioner // nil: no provisioned concurrency

	reserved   atomic.Int64 // what functions have of it for themselves: reserved, or provisioned
	unreserved atomic.Int64 // invocations under way of functions without reserved concurrency
	inside     atomic.Int64 // all invocations under way
	account    accountSeries
	capacity   sync.Mutex // guards changes of reserved

	work      sync.WaitGroup // transitions under way
	stop      context.CancelFunc
	lifetime  context.Context
	closeOnce sync.Once
}

// New finds the functions in the store, each of which is read when it is first asked for; it takes
// up the asynchronous invocations that were acknowledged but not done. The caller ends the service with Close.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("lambda: no store")
	case cfg.Executor == nil:
		return nil, errors.New("lambda: no executor")
	case cfg.DataDir == "":
		return nil, errors.New("lambda: no data folder")
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
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 1000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	dir, err := filepath.Abs(filepath.Join(cfg.DataDir, "code"))
	if err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	trees := dir
	if cfg.CodeDir != "" {
		if trees, err = filepath.Abs(cfg.CodeDir); err != nil {
			return nil, fmt.Errorf("lambda: %w", err)
		}
	}
	codes, err := openCodeStore(dir, trees)
	if err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	s := &Service{cfg: cfg, codes: codes, recovered: make(chan struct{}), arnPrefix: "arn:aws:lambda:" + cfg.Region + ":" + cfg.Account + ":function:"}
	s.provisioner, _ = cfg.Executor.(Provisioner)
	s.lifetime, s.stop = context.WithCancel(context.Background())
	s.queue = newEventQueue(s)
	s.account = s.newAccountSeries()
	provisioned, err := s.load(s.lifetime)
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("lambda: %w", err)
	}
	err = s.queue.recover(s.lifetime)
	if err == nil {
		err = s.loadMappings(s.lifetime)
	}
	if err != nil {
		s.stop()
		s.queue.close()
		return nil, fmt.Errorf("lambda: %w", err)
	}
	s.work.Go(func() { s.recover(provisioned) })
	return s, nil
}

// Close stops the asynchronous invocations (what is not done is taken up by the next New), waits for transitions under
// way, and returns. It does not close the store or the executor. It is idempotent.
func (s *Service) Close() error {
	s.closeOnce.Do(func() {
		s.stop()
		s.queue.close()
		s.work.Wait()
	})
	return nil
}

// API is the table of the operations that are served.
func (s *Service) API() *awsproto.Service {
	api := &awsproto.Service{
		Name:      "lambda",
		Protocols: []awsproto.Protocol{awsproto.RESTJSON},
	}
	api.Operations = []awsproto.Operation{
		awsproto.Op(s.CreateFunction, awsproto.Schema(schemas.CreateFunction)),
		awsproto.Op(s.GetFunction, awsproto.Schema(schemas.GetFunction)),
		awsproto.Op(s.GetFunctionConfiguration, awsproto.Schema(schemas.GetFunctionConfiguration)),
		awsproto.Op(s.ListFunctions, awsproto.Schema(schemas.ListFunctions)),
		awsproto.Op(s.DeleteFunction, awsproto.Schema(schemas.DeleteFunction)),
		awsproto.Op(s.UpdateFunctionCode, awsproto.Schema(schemas.UpdateFunctionCode)),
		awsproto.Op(s.UpdateFunctionConfiguration, awsproto.Schema(schemas.UpdateFunctionConfiguration)),

		awsproto.Op(s.PublishVersion, awsproto.Schema(schemas.PublishVersion)),
		awsproto.Op(s.ListVersionsByFunction, awsproto.Schema(schemas.ListVersionsByFunction)),
		awsproto.Op(s.CreateAlias, awsproto.Schema(schemas.CreateAlias)),
		awsproto.Op(s.GetAlias, awsproto.Schema(schemas.GetAlias)),
		awsproto.Op(s.UpdateAlias, awsproto.Schema(schemas.UpdateAlias)),
		awsproto.Op(s.ListAliases, awsproto.Schema(schemas.ListAliases)),
		awsproto.Op(s.DeleteAlias, awsproto.Schema(schemas.DeleteAlias)),

		awsproto.Op(s.AddPermission, awsproto.Schema(schemas.AddPermission)),
		awsproto.Op(s.GetPolicy, awsproto.Schema(schemas.GetPolicy)),
		awsproto.Op(s.RemovePermission, awsproto.Schema(schemas.RemovePermission)),
		awsproto.Op(s.TagResource, awsproto.Schema(schemas.TagResource)),
		awsproto.Op(s.UntagResource, awsproto.Schema(schemas.UntagResource)),
		awsproto.Op(s.ListTags, awsproto.Schema(schemas.ListTags)),

		awsproto.Op(s.GetAccountSettings, awsproto.Schema(schemas.GetAccountSettings)),
		awsproto.Op(s.PutFunctionConcurrency, awsproto.Schema(schemas.PutFunctionConcurrency)),
		awsproto.Op(s.GetFunctionConcurrency, awsproto.Schema(schemas.GetFunctionConcurrency)),
		awsproto.Op(s.DeleteFunctionConcurrency, awsproto.Schema(schemas.DeleteFunctionConcurrency)),
		awsproto.Op(s.PutFunctionEventInvokeConfig, awsproto.Schema(schemas.PutFunctionEventInvokeConfig)),
		awsproto.Op(s.UpdateFunctionEventInvokeConfig, awsproto.Schema(schemas.UpdateFunctionEventInvokeConfig)),
		awsproto.Op(s.GetFunctionEventInvokeConfig, awsproto.Schema(schemas.GetFunctionEventInvokeConfig)),
		awsproto.Op(s.ListFunctionEventInvokeConfigs, awsproto.Schema(schemas.ListFunctionEventInvokeConfigs)),
		awsproto.Op(s.DeleteFunctionEventInvokeConfig, awsproto.Schema(schemas.DeleteFunctionEventInvokeConfig)),

		awsproto.Op(s.PublishLayerVersion, awsproto.Schema(schemas.PublishLayerVersion)),
		awsproto.Op(s.GetLayerVersion, awsproto.Schema(schemas.GetLayerVersion)),
		awsproto.Op(s.GetLayerVersionByArn, awsproto.Schema(schemas.GetLayerVersionByArn)),
		awsproto.Op(s.DeleteLayerVersion, awsproto.Schema(schemas.DeleteLayerVersion)),
		awsproto.Op(s.ListLayerVersions, awsproto.Schema(schemas.ListLayerVersions)),
		awsproto.Op(s.ListLayers, awsproto.Schema(schemas.ListLayers)),
		awsproto.Op(s.AddLayerVersionPermission, awsproto.Schema(schemas.AddLayerVersionPermission)),
		awsproto.Op(s.RemoveLayerVersionPermission, awsproto.Schema(schemas.RemoveLayerVersionPermission)),
		awsproto.Op(s.GetLayerVersionPolicy, awsproto.Schema(schemas.GetLayerVersionPolicy)),

		awsproto.Op(s.CreateFunctionUrlConfig, awsproto.Schema(schemas.CreateFunctionUrlConfig)),
		awsproto.Op(s.GetFunctionUrlConfig, awsproto.Schema(schemas.GetFunctionUrlConfig)),
		awsproto.Op(s.UpdateFunctionUrlConfig, awsproto.Schema(schemas.UpdateFunctionUrlConfig)),
		awsproto.Op(s.DeleteFunctionUrlConfig, awsproto.Schema(schemas.DeleteFunctionUrlConfig)),
		awsproto.Op(s.ListFunctionUrlConfigs, awsproto.Schema(schemas.ListFunctionUrlConfigs)),

		awsproto.Op(s.PutProvisionedConcurrencyConfig, awsproto.Schema(schemas.PutProvisionedConcurrencyConfig)),
		awsproto.Op(s.GetProvisionedConcurrencyConfig, awsproto.Schema(schemas.GetProvisionedConcurrencyConfig)),
		awsproto.Op(s.DeleteProvisionedConcurrencyConfig, awsproto.Schema(schemas.DeleteProvisionedConcurrencyConfig)),
		awsproto.Op(s.ListProvisionedConcurrencyConfigs, awsproto.Schema(schemas.ListProvisionedConcurrencyConfigs)),

		awsproto.Op(s.CreateCodeSigningConfig, awsproto.Schema(schemas.CreateCodeSigningConfig)),
		awsproto.Op(s.GetCodeSigningConfig, awsproto.Schema(schemas.GetCodeSigningConfig)),
		awsproto.Op(s.UpdateCodeSigningConfig, awsproto.Schema(schemas.UpdateCodeSigningConfig)),
		awsproto.Op(s.DeleteCodeSigningConfig, awsproto.Schema(schemas.DeleteCodeSigningConfig)),
		awsproto.Op(s.ListCodeSigningConfigs, awsproto.Schema(schemas.ListCodeSigningConfigs)),
		awsproto.Op(s.ListFunctionsByCodeSigningConfig, awsproto.Schema(schemas.ListFunctionsByCodeSigningConfig)),
		awsproto.Op(s.PutFunctionCodeSigningConfig, awsproto.Schema(schemas.PutFunctionCodeSigningConfig)),
		awsproto.Op(s.GetFunctionCodeSigningConfig, awsproto.Schema(schemas.GetFunctionCodeSigningConfig)),
		awsproto.Op(s.DeleteFunctionCodeSigningConfig, awsproto.Schema(schemas.DeleteFunctionCodeSigningConfig)),

		awsproto.Op(s.PutFunctionRecursionConfig, awsproto.Schema(schemas.PutFunctionRecursionConfig)),
		awsproto.Op(s.GetFunctionRecursionConfig, awsproto.Schema(schemas.GetFunctionRecursionConfig)),
		awsproto.Op(s.PutRuntimeManagementConfig, awsproto.Schema(schemas.PutRuntimeManagementConfig)),
		awsproto.Op(s.GetRuntimeManagementConfig, awsproto.Schema(schemas.GetRuntimeManagementConfig)),

		awsproto.Op(s.CreateEventSourceMapping, awsproto.Schema(schemas.CreateEventSourceMapping)),
		awsproto.Op(s.GetEventSourceMapping, awsproto.Schema(schemas.GetEventSourceMapping)),
		awsproto.Op(s.UpdateEventSourceMapping, awsproto.Schema(schemas.UpdateEventSourceMapping)),
		awsproto.Op(s.DeleteEventSourceMapping, awsproto.Schema(schemas.DeleteEventSourceMapping)),
		awsproto.Op(s.ListEventSourceMappings, awsproto.Schema(schemas.ListEventSourceMappings)),

		awsproto.Raw("InvokeWithResponseStream", awsproto.Schema(schemas.InvokeWithResponseStream), s.serveInvokeStream(api)),
		awsproto.Raw("Invoke", awsproto.Schema(schemas.Invoke), s.serveInvoke(api)),
		awsproto.Raw("DownloadFunctionCode", awsproto.HTTP("GET", codePath+"{CodeSha256}", 200), s.serveCode(api)),
	}
	return api
}

type noMeter struct{}

func (noMeter) Series(string, string, string, ...string) func(float64) { return func(float64) {} }
