package executeapi

import (
	"sync"
	"time"
)

// Bucket is a token bucket: Burst requests at once, refilled at Rate a second. Its methods may be called from any
// goroutine.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
type Bucket struct {
	Rate  float64 // requests a second
	Burst float64 // requests

	mu     sync.Mutex
	spent  float64 // tokens taken out and not yet refilled
	filled time.Time
}

// NewBucket makes a full bucket. A burst of 0 lets nothing through, as on AWS.
func NewBucket(rate, burst float64) *Bucket { return &Bucket{Rate: rate, Burst: burst} }

// Buckets are the buckets of a stage, by what they throttle.
type Buckets map[string]*Bucket

// Keep gives the bucket of a name: the one that b or before has when its limits are these, so that a deployment fills none up, or
// a new one. before may be nil.
func (b Buckets) Keep(before Buckets, name string, rate, burst float64) *Bucket {
	for _, known := range []Buckets{b, before} {
		if k := known[name]; k != nil && k.Rate == rate && k.Burst == burst {
			b[name] = k
			return k
		}
	}
	b[name] = NewBucket(rate, burst)
	return b[name]
}

// Take takes a token at the time now; it reports false when there is none, and for a nil bucket always true.
func (b *Bucket) Take(now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.filled.IsZero() {
		b.filled = now
	}
	if since := now.Sub(b.filled).Seconds(); since > 0 {
		b.spent = max(0, b.spent-since*b.Rate)
		b.filled = now
	}
	if b.spent+1 > b.Burst {
		return false
	}
	b.spent++
	return true
}
