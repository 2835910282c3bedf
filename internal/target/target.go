// Package target brings releases to an endpoint that speaks AWS's API: AWS itself, the embedded platform, or another one.
// It speaks through aws-sdk-go-v2 only, and decides nothing: what to publish and why is decided by package release.
//
// Every operation that changes something may be repeated after a failure or a crash, with the same arguments, and then
// finds what was done already. What an endpoint lacks is an UnsupportedError that names the operation.
package target

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/release"
)

// Options are the settings of a Target. The zero value is fit for use.
type Options struct {
	// Parallel bounds how many functions and workflows are published or observed at once, to stay below the control
	// planes' rate limits (15 requests a second for Lambda's); 0 means 8.
	Parallel int
	// WaitFor bounds the wait until a function or version is ready; 0 means 5 minutes.
	WaitFor time.Duration
	// Limited keeps requests within the rates that AWS documents. To AWS itself they always do.
	Limited bool
	// MaxAttempts bounds the SDK's attempts at one request, throttling included; 0 means 8.
	MaxAttempts int
}

// Target is one endpoint in one account and region. All methods may be called from any goroutine.
type Target struct {
	lambda   *lambda.Client
	states   *sfn.Client
	gateway  *apigatewayv2.Client
	deploy   *codedeploy.Client
	zones    *route53.Client
	sts      *sts.Client
	iam      *iam.Client
	region   string
	endpoint string // for messages
	waitFor  time.Duration
	slots    chan struct{}

	mu sync.Mutex
	id *release.Identity
}

// New makes a Target from the SDK's configuration, whose endpoint, region and credentials it uses.
func New(cfg aws.Config, o Options) *Target {
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.WaitFor <= 0 {
		o.WaitFor = 5 * time.Minute
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 8
	}
	cfg = cfg.Copy()
	if cfg.RetryMaxAttempts == 0 {
		cfg.RetryMaxAttempts = o.MaxAttempts
	}
	if cfg.BaseEndpoint == nil || o.Limited {
		newLimiter().install(&cfg)
	}
	t := &Target{
		lambda: lambda.NewFromConfig(cfg), states: sfn.NewFromConfig(cfg), gateway: apigatewayv2.NewFromConfig(cfg), zones: route53.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg),
		deploy: codedeploy.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), region: cfg.Region, endpoint: "AWS", waitFor: o.WaitFor, slots: make(chan struct{}, o.Parallel),
	}
	if cfg.BaseEndpoint != nil {
		t.endpoint = *cfg.BaseEndpoint
	}
	return t
}

// Identity asks who and where the target is. The answer is kept.
func (t *Target) Identity(ctx context.Context) (release.Identity, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id != nil {
		return *t.id, nil
	}
	out, err := t.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return release.Identity{}, t.failed("ask who the caller is", "sts:GetCallerIdentity", err)
	}
	id := release.Identity{Partition: "aws", Region: t.region, Account: aws.ToString(out.Account), Caller: aws.ToString(out.Arn)}
	if a, err := arn.Parse(id.Caller); err == nil {
		id.Partition = a.Partition
	}
	if id.Account == "" {
		return release.Identity{}, fmt.Errorf("%s answered sts:GetCallerIdentity without an account", t.endpoint)
	}
	t.id = &id
	return id, nil
}

// AliasARN gives the ARN of an alias, whether it exists or not.
func (t *Target) AliasARN(ctx context.Context, r release.Ref) (string, error) {
	id, err := t.Identity(ctx)
	if err != nil {
		return "", err
	}
	if r.Kind == release.KindStateMachine {
		return arn.StateMachine{Partition: id.Partition, Region: id.Region, Account: id.Account, Name: r.Name, Qualifier: r.Alias}.String(), nil
	}
	return arn.Function{Partition: id.Partition, Region: id.Region, Account: id.Account, Name: r.Name, Qualifier: r.Alias}.String(), nil
}

// machineARN gives the unqualified ARN of a state machine.
func (t *Target) machineARN(ctx context.Context, name string) (string, error) {
	return t.AliasARN(ctx, release.Ref{Kind: release.KindStateMachine, Name: name})
}

// slot waits for one of the places that bound what runs in parallel; give frees it.
func (t *Target) slot(ctx context.Context) (give func(), err error) {
	select {
	case t.slots <- struct{}{}:
		return func() { <-t.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The delays between two looks at something that takes its time: a local endpoint is done within milliseconds, AWS within
// seconds to minutes.
const (
	firstDelay = 5 * time.Millisecond
	maxDelay   = 2 * time.Second
)

// wait calls look until it is done, fails, or waitFor has passed; what tells in the error what did not happen.
func (t *Target) wait(ctx context.Context, what string, look func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(t.waitFor)
	defer deadline.Stop()
	for delay := firstDelay; ; delay = min(2*delay, maxDelay) {
		done, err := look(ctx)
		if done || err != nil {
			return err
		}
		next := time.NewTimer(delay)
		select {
		case <-next.C:
		case <-deadline.C:
			next.Stop()
			return fmt.Errorf("%s did not happen within %s; look at it with the AWS console or CLI, and repeat", what, t.waitFor)
		case <-ctx.Done():
			next.Stop()
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
