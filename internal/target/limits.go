package target

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// limit is a token bucket: Burst requests at once, and Rate more every second.
type limit struct{ burst, rate float64 }

// limitOf gives AWS's documented limit of an operation, for an account in a region. Lambda's control plane shares one rate
// of 15 a second, but for operations that are counted apart; of it a third is left to others who use the account. Every
// operation of Step Functions has a bucket of its own. AWS raises their sizes and not all are documented, so the smallest that
// were are taken, and half of the bucket.
//
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
func limitOf(service, operation string) (key string, l limit, ok bool) {
	switch service {
	case "Lambda":
		switch operation {
		case "Invoke":
			return "", limit{}, false // bounded by concurrency
		case "GetFunction":
			return "Lambda/GetFunction", limit{50, 50}, true
		case "GetPolicy":
			return "Lambda/GetPolicy", limit{8, 8}, true
		}
		return "Lambda", limit{15, 10}, true
	case "SFN":
		l := limit{50, 1}
		switch operation {
		case "DescribeStateMachine", "UpdateStateMachine":
			l = limit{100, 1}
		case "DescribeExecution":
			l = limit{100, 2}
		case "ListExecutions":
			l = limit{50, 2}
		case "StartExecution":
			l = limit{250, 25}
		}
		return "SFN/" + operation, l, true
	case "Route 53":
		return service, limit{5, 4}, true // of 5 a second for the whole account
	}
	return "", limit{}, false
}

// limiter keeps a client's requests within the limits, so that what is released in parallel does not throttle itself or
// others of the account. What is throttled all the same is repeated by the SDK, and counts again.
type limiter struct {
	mu      sync.Mutex
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	buckets map[string]*bucket
}

type bucket struct {
	limit
	tokens float64 // may be below zero: what has been promised to those who wait
	at     time.Time
}

func newLimiter() *limiter {
	return &limiter{now: time.Now, sleep: pause, buckets: map[string]*bucket{}}
}

// take waits until a request may be sent. When ctx ends first, its place is lost to the others, which only makes them late.
func (l *limiter) take(ctx context.Context, service, operation string) error {
	key, lim, ok := limitOf(service, operation)
	if !ok {
		return nil
	}
	return l.sleep(ctx, l.reserve(key, lim))
}

// reserve takes a token, and gives how long to wait until it is there.
func (l *limiter) reserve(key string, lim limit) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.buckets[key]
	if b == nil {
		b = &bucket{limit: lim, tokens: lim.burst, at: now}
		l.buckets[key] = b
	}
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}

// install makes every attempt at a request of the configuration's clients wait for its turn.
func (l *limiter) install(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("TealRateLimit",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				if err := l.take(ctx, awsmiddleware.GetServiceID(ctx), middleware.GetOperationName(ctx)); err != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}
				return next.HandleFinalize(ctx, in)
			}), "Retry", middleware.After)
	})
}
