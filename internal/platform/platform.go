// Package platform assembles the embedded AWS-compatible services: one endpoint, one store, one clock. It decides nothing of
// its own; each service gets the little that it needs of the others in its constructor.
package platform

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/platform/apigateway"
	"github.com/tealdeploy/teal/internal/platform/apigatewayv2"
	"github.com/tealdeploy/teal/internal/platform/cloudwatch"
	"github.com/tealdeploy/teal/internal/platform/codedeploy"
	"github.com/tealdeploy/teal/internal/platform/lambda"
	"github.com/tealdeploy/teal/internal/platform/logs"
	"github.com/tealdeploy/teal/internal/platform/route53"
	"github.com/tealdeploy/teal/internal/platform/s3"
	"github.com/tealdeploy/teal/internal/platform/sqs"
	"github.com/tealdeploy/teal/internal/platform/states"
	"github.com/tealdeploy/teal/internal/platform/sts"
	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/sqlite"
	"github.com/tealdeploy/teal/internal/trace"
)

// Config says where a platform lives and who it is.
type Config struct {
	DataDir string      // everything that is kept; made with mode 0700 when missing
	Address string      // host:port under which clients and functions reach it
	Account string      // twelve digits; 000000000000 when empty
	Region  string      // us-east-1 when empty
	Clock   clock.Clock // clock.System when nil; the machine's time
	// ClockRate is how many times as fast as Clock platform time runs, for whatever the platform waits for; 0 means 1. Timeouts
	// of functions and connections, and the times of signatures, are the machine's.
	ClockRate float64
	Logger    *slog.Logger // discards when nil
	DNS       string       // host:port at which hosted zones are answered for; nowhere when empty
	// Credentials, when set, are the only ones that the endpoint accepts; nil accepts any.
	Credentials *Credentials
	// Traces says where spans go; without an endpoint there are none.
	Traces trace.Config
}

// Credentials are an access key and its secret.
type Credentials struct{ AccessKeyID, SecretAccessKey string }

// Platform is the running assembly. It is an http.Handler for the whole endpoint, safe for concurrent use.
type Platform struct {
	store   store.Store
	pool    *pool.Pool
	lambda  *lambda.Service
	states  *states.Service
	rest    *apigateway.Service
	gateway *apigatewayv2.Service
	metrics *cloudwatch.Service
	dns     *route53.Responder // nil for none
	time    *timekeeper        // nil while platform time is the machine's
	tracer  *trace.Tracer      // nil for none

	credentials *Credentials // nil takes any
	api         http.Handler
	closers     []func() error // in the order in which they were opened
}

// New opens the data folder and starts every service; what was under way when the platform last ended goes on. On an error
// nothing keeps running. The caller serves it as an http.Handler and ends it with Close.
func New(cfg Config) (p *Platform, err error) {
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
	folders, err := openFolders(cfg.DataDir)
	if err != nil {
		return nil, err
	}

	p = &Platform{credentials: cfg.Credentials}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.store, err = sqlite.Open(folders.database); err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.store.Close)
	// The store's lock says that no other platform uses this data, so what stands here was left by one that was killed.
	if err := os.RemoveAll(folders.run); err != nil {
		return p, fmt.Errorf("leftovers of functions: %w", err)
	}

	if cfg.Clock, p.time, err = openClock(context.Background(), cfg.Clock, cfg.ClockRate, p.store, cfg.Logger); err != nil {
		return p, err
	}
	if p.time != nil {
		p.closers = append(p.closers, p.time.close)
	}
	if p.tracer, err = openTracer(cfg); err != nil {
		return p, err
	}
	var spans tracer // stays nil without one: then nobody asks
	if p.tracer != nil {
		p.closers = append(p.closers, p.tracer.Close)
		spans = p.tracer
	}
	metrics, err := cloudwatch.New(cloudwatch.Config{
		Store: p.store, Clock: cfg.Clock, Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger,
	})
	if err != nil {
		return p, err
	}
	p.metrics = metrics
	p.closers = append(p.closers, metrics.Close)
	objects, err := s3.New(s3.Config{
		Store: p.store, Dir: folders.objects, Clock: cfg.Clock, Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger,
	})
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, objects.Close)
	written, err := logs.New(logs.Config{Store: p.store, Clock: cfg.Clock, Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger})
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, written.Close)
	queues, err := sqs.New(sqs.Config{
		Store: p.store, Meter: metrics, Clock: cfg.Clock, Account: cfg.Account, Region: cfg.Region, Endpoint: cfg.Address, Logger: cfg.Logger,
	})
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, queues.Close)
	keys := newKeyring(cfg.Credentials)
	if p.pool, err = pool.New(pool.Config{Dir: folders.run, Private: []string{folders.data}, Log: cfg.Logger, Logs: functionLogs{written, cfg.Clock}, Environment: map[string]string{
		"AWS_ENDPOINT_URL":      "http://" + cfg.Address,
		"AWS_ACCESS_KEY_ID":     keys.functions.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": keys.functions.SecretAccessKey,
		"AWS_SESSION_TOKEN":     "teal",
	}}); err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.pool.Close)
	if p.lambda, err = lambda.New(lambda.Config{
		Store: p.store, Executor: p.pool, Meter: metrics, Tracer: spans, Clock: cfg.Clock, DataDir: cfg.DataDir, CodeDir: folders.code,
		Objects: objects, Queues: queues, Verify: keys.verify(), Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger,
	}); err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.lambda.Close)
	executions := &starter{}
	if p.rest, err = apigateway.New(apigateway.Config{
		Store: p.store, Invoker: p.lambda, Permissions: p.lambda, States: func() *awsproto.Service { return executions.API() }, Meter: metrics, Tracer: spans,
		Clock: cfg.Clock, Verify: keys.verify(), Account: cfg.Account, Region: cfg.Region, Endpoint: cfg.Address, Logger: cfg.Logger,
	}); err != nil {
		return p, err
	}
	if p.gateway, err = apigatewayv2.New(apigatewayv2.Config{
		Store: p.store, Invoker: p.lambda, Permissions: p.lambda, Starter: executions, Meter: metrics, Tracer: spans, Clock: cfg.Clock, Verify: keys.verify(),
		Account: cfg.Account, Region: cfg.Region, Endpoint: cfg.Address, Logger: cfg.Logger,
	}); err != nil {
		return p, err
	}
	deployments, err := codedeploy.New(codedeploy.Config{
		Store: p.store, Functions: p.lambda, Objects: objects, Alarms: metrics, Clock: cfg.Clock,
		Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger,
	})
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, deployments.Close)
	zones, err := route53.New(route53.Config{Store: p.store, Clock: cfg.Clock})
	if err != nil {
		return p, err
	}
	if cfg.DNS != "" {
		if p.dns, err = zones.Respond(cfg.DNS); err != nil {
			return p, err
		}
		p.closers = append(p.closers, p.dns.Close)
	}
	apis := []*awsproto.Service{ // what tasks of workflows can call, too
		sts.New(sts.Config{Account: cfg.Account}).API(), p.lambda.API(), p.rest.API(), p.gateway.API(), metrics.API(), objects.API(), written.API(),
		deployments.API(), zones.API(), queues.API(),
	}
	called := map[string]*awsproto.Service{}
	for _, api := range apis {
		called[api.Module()] = api
	}
	if p.states, err = states.New(states.Config{
		Store: p.store, Invoker: p.lambda, Meter: metrics, Tracer: spans, Clock: cfg.Clock,
		Objects: objects, SDK: awsproto.NewDirect(called),
		Account: cfg.Account, Region: cfg.Region, Logger: cfg.Logger,
	}); err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.states.Close)
	executions.Service = p.states
	p.api, err = awsproto.NewMux(awsproto.Config{Verify: keys.verify(), Logger: cfg.Logger, Lazy: true}, append(apis, p.states.API())...)
	metrics.Watch(p.lambda)
	return p, err
}

// starter starts executions for the gateway. It is made before Step Functions, whose tasks may call the gateway's
// operations as soon as it starts, and used only once the platform serves requests.
type starter struct{ *states.Service }

// functionLogs writes what functions log to their groups, in the platform's time: the pool goes by the machine's. What a
// function itself writes of the time, and the names of streams, which it is told, stay the machine's.
type functionLogs struct {
	to    *logs.Service
	clock clock.Clock
}

func (l functionLogs) Put(group, stream string, events []pool.LogEvent) {
	l.to.Append(group, stream, func(yield func(time.Time, string) bool) {
		for _, e := range events {
			if !yield(clock.Of(l.clock, e.Time), e.Message) {
				return
			}
		}
	})
}

// ServeHTTP answers a request of any service, or of a caller of an API or of a function's URL.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.time != nil {
		p.time.tell(w.Header())
	}
	if p.tracer != nil {
		r = p.tracer.Receive(r)
	}
	switch {
	case p.rest.Match(r):
		p.rest.ServeHTTP(w, r)
	case p.gateway.Match(r):
		p.gateway.ServeHTTP(w, r)
	case p.lambda.MatchURL(r):
		p.lambda.ServeURL(w, r)
	case fromForeignPage(r):
		http.Error(w, "this endpoint does not answer web pages of other sites", http.StatusForbidden)
	case r.URL.Path == healthPath:
		p.serveHealth(w, r)
	case scrape(r):
		p.serveMetrics(w, r)
	default:
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "Logs_") {
			p.pool.FlushLogs()
		}
		p.api.ServeHTTP(w, r)
	}
}

// scrape tells Prometheus from a client of AWS that lists a bucket named metrics.
func scrape(r *http.Request) bool {
	return r.URL.Path == "/metrics" && r.Method == http.MethodGet && r.URL.RawQuery == "" && !strings.HasPrefix(r.Header.Get("Authorization"), "AWS")
}

// serveMetrics answers a scrape. Where credentials are checked it wants them as a user and a password.
func (p *Platform) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if c := p.credentials; c != nil {
		user, password, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(c.AccessKeyID+"\x00"+c.SecretAccessKey)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="teal"`)
			http.Error(w, "give the platform's access key and its secret as user and password", http.StatusUnauthorized)
			return
		}
	}
	p.metrics.ServePrometheus(w, r)
}

// Hot reports whether r is one of the requests that are many and answered at once, which a [front.Server] reads itself: an
// invocation, or a call of an API.
func (p *Platform) Hot(r *http.Request) bool {
	path := r.URL.Path
	return r.Method == http.MethodPost && strings.HasPrefix(path, "/2015-03-31/functions/") && strings.HasSuffix(path, "/invocations") ||
		p.gateway.Match(r)
}

// Time tells the platform's time, how many times as fast as the machine's it runs, and whether it is the machine's.
func (p *Platform) Time() (now time.Time, rate float64, machines bool) {
	if p.time == nil {
		return time.Now(), 1, true
	}
	return p.time.Now(), p.time.rate, false
}

// DNS is the address at which hosted zones are answered for; "" for none.
func (p *Platform) DNS() string {
	if p.dns == nil {
		return ""
	}
	return p.dns.Addr()
}

// Close ends the services in the reverse order of their start: work under way is left to the next start, no process
// stays behind, and the store is closed last. It is idempotent.
func (p *Platform) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

var _ http.Handler = (*Platform)(nil)
