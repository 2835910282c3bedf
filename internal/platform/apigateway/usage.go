package apigateway

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// grant is what a plan gives a key at one stage.
type grant struct {
	all     *executeapi.Bucket            // nil for no limit
	methods map[string]*executeapi.Bucket // by path and method, such as /pets/GET
	quota   *quota                        // nil for none
}

// quota counts the requests of a key under a plan. Counts are in memory: they begin again with the platform.
type quota struct {
	types.QuotaSettings

	mu   sync.Mutex
	from time.Time // when the period began
	used int32
}

// take counts a request at a time; it reports false when the period has no more.
func (q *quota) take(now time.Time) bool {
	if q == nil {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	from := periodOf(q.Period, now)
	switch {
	case q.from.IsZero():
		q.from, q.used = from, q.Offset // which counts in the first period only
	case from.After(q.from):
		q.from, q.used = from, 0
	}
	if q.used >= q.Limit {
		return false
	}
	q.used++
	return true
}

// periodOf is when the period of a time began, in UTC.
func periodOf(p types.QuotaPeriodType, now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	switch p {
	case types.QuotaPeriodTypeWeek:
		d -= int(now.UTC().Weekday())
	case types.QuotaPeriodTypeMonth:
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// admit holds a request for a method that wants an API key against the keys and their plans; it returns 0 or the status of its answer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
func (x *exchange) admit() int {
	a := x.s.account.Load()
	id, ok := a.byValue[x.R.Header.Get("X-Api-Key")]
	g := a.grants[x.APIID+":"+x.stage.name+" "+id]
	if !ok || g == nil || !a.keys[id].Enabled {
		return x.fail(types.GatewayResponseTypeInvalidApiKey, "")
	}
	x.apiKey = a.keys[id]
	own, ok := g.methods[x.method.path+"/"+x.method.name]
	if !ok {
		own = g.all
	}
	switch {
	case !own.Take(x.At):
		return x.fail(types.GatewayResponseTypeThrottled, "")
	case !g.quota.take(x.At):
		return x.fail(types.GatewayResponseTypeQuotaExceeded, "")
	}
	return 0
}
