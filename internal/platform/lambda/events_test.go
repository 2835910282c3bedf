package lambda

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store"
)

// queued counts the events in the store.
func (x *fixture) queued() int {
	x.t.Helper()
	n := 0
	for _, err := range x.store.Scan(context.Background(), eventBucket, store.Range{}) {
		if err != nil {
			x.t.Fatal(err)
		}
		n++
	}
	return n
}

func (x *fixture) send(name, payload string) {
	x.t.Helper()
	out, err := x.Invoke(x.t.Context(), &sdk.InvokeInput{FunctionName: &name, InvocationType: "Event", Payload: []byte(payload)})
	if err != nil {
		x.t.Fatal(err)
	}
	if out.StatusCode != 202 || len(out.Payload) != 0 || out.ExecutedVersion != nil {
		x.t.Fatalf("an event was answered with %+v", out)
	}
}

// script makes the executor answer the nth call as the nth of ends says; "" is success, "throttle" a throttle, all else a
// FunctionError. It returns the times of the calls, from the first call of script on.
func (x *fixture) script(ends ...string) *[]time.Duration {
	begin := time.Now()
	times := &[]time.Duration{}
	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		n := len(*times)
		*times = append(*times, time.Since(begin))
		if n >= len(ends) {
			x.t.Errorf("call %d was not expected", n+1)
			return pool.Result{}, nil
		}
		if ends[n] == "throttle" {
			return pool.Result{}, pool.ErrThrottled
		}
		return pool.Result{FunctionError: ends[n]}, nil
	}
	return times
}

func TestEventsAreRetried(t *testing.T) {
	for name, c := range map[string]struct {
		ends []string
		want []time.Duration
		set  func(*sdk.PutFunctionEventInvokeConfigInput)
	}{
		"success":            {ends: []string{""}, want: []time.Duration{0}},
		"second try":         {ends: []string{"Unhandled", ""}, want: []time.Duration{0, time.Minute}},
		"fails for good":     {ends: []string{"Unhandled", "Unhandled", "Unhandled"}, want: []time.Duration{0, time.Minute, 3 * time.Minute}},
		"throttled":          {ends: []string{"throttle", "throttle", "throttle", ""}, want: []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}},
		"throttle and error": {ends: []string{"throttle", "Unhandled", "throttle", ""}, want: []time.Duration{0, time.Second, 61 * time.Second, 62 * time.Second}},
		"no retries": {ends: []string{"Unhandled"}, want: []time.Duration{0}, set: func(in *sdk.PutFunctionEventInvokeConfigInput) {
			in.MaximumRetryAttempts = aws.Int32(0)
		}},
		"too old": {ends: []string{"Unhandled", "Unhandled"}, want: []time.Duration{0, time.Minute}, set: func(in *sdk.PutFunctionEventInvokeConfigInput) {
			in.MaximumEventAgeInSeconds = aws.Int32(90)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memoryMeter{sums: map[string]float64{}}
				x := start(t, func(c *Config) { c.Meter = m })
				x.create("fn")
				if c.set != nil {
					in := &sdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("fn")}
					c.set(in)
					if _, err := x.PutFunctionEventInvokeConfig(t.Context(), in); err != nil {
						t.Fatal(err)
					}
				}
				times := x.script(c.ends...)
				x.send("fn", `{"n":1}`)
				time.Sleep(12 * time.Hour) // of the bubble's clock
				synctest.Wait()
				if !slices.Equal(*times, c.want) {
					t.Errorf("run at %v, want %v", *times, c.want)
				}
				if n := x.queued(); n != 0 {
					t.Errorf("%d events stay in the queue", n)
				}
				dropped, age := 0.0, 0.0
				if c.ends[len(c.ends)-1] != "" {
					dropped = 1
				}
				for _, at := range c.want {
					age += float64(at.Milliseconds())
				}
				for metric, want := range map[string]float64{"AsyncEventsReceived Count": 1, "AsyncEventsDropped Count": dropped, "AsyncEventAge Milliseconds": age} {
					if got := m.sums["AWS/Lambda "+metric+" FunctionName fn Resource fn"]; got != want {
						t.Errorf("%s: %v, want %v", metric, got, want)
					}
				}
				for i := range x.exec.count() {
					if call := x.exec.call(i); call.RequestID != x.exec.call(0).RequestID || string(call.Payload) != `{"n":1}` {
						t.Errorf("a retry is not the same invocation: %+v", call)
					}
				}
			})
		})
	}
}

func TestThrottledEventsEndAfterSixHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := start(t)
		x.create("fn")
		var last time.Time
		begin := time.Now()
		x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
			last = time.Now()
			return pool.Result{}, pool.ErrThrottled
		}
		x.send("fn", "{}")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if age := last.Sub(begin); age > defaultMaxAge || age < defaultMaxAge-longestPause {
			t.Errorf("the last try was after %v", age)
		}
		if n := x.queued(); n != 0 {
			t.Errorf("%d events stay in the queue", n)
		}
	})
}

// TestAcknowledgedEventsSurvive stops the service while one event runs, one waits for its retry and one has just been
// acknowledged; the next service runs them all.
func TestAcknowledgedEventsSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := start(t)
		x.create("fn")
		x.exec.do = func(ctx context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
			if string(in.Payload) == `"running"` {
				<-x.lifetime.Done() // the process is killed in the middle
				return pool.Result{}, pool.ErrClosed
			}
			return pool.Result{FunctionError: "Unhandled"}, nil
		}
		x.send("fn", `"running"`)
		x.send("fn", `"waiting"`)
		synctest.Wait()
		if n := x.queued(); n != 2 {
			t.Fatalf("%d events in the queue, want 2", n)
		}
		time.Sleep(20 * time.Second)
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		x.exec.calls, x.exec.do = nil, nil
		x.open()
		synctest.Wait()
		if n := x.exec.count(); n != 1 || string(x.exec.call(0).Payload) != `"running"` {
			t.Errorf("at once after the restart: %d runs", n)
		}
		time.Sleep(40 * time.Second) // the retry was due a minute after the failure
		synctest.Wait()
		if n := x.exec.count(); n != 2 || string(x.exec.call(1).Payload) != `"waiting"` {
			t.Errorf("after the pause: %d runs", n)
		}
		if n := x.queued(); n != 0 {
			t.Errorf("%d events stay in the queue", n)
		}
	})
}

func TestEventIsNotAcknowledgedUnlessItIsStored(t *testing.T) {
	x := start(t)
	x.create("fn")
	if err := x.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn"), InvocationType: "Event"})
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if n := x.exec.count(); n != 0 {
		t.Errorf("an event that was refused has run %d times", n)
	}
}

func TestEventsOfADeletedFunctionAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := start(t)
		x.create("fn")
		x.script("Unhandled")
		x.send("fn", "{}")
		synctest.Wait()
		if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := x.queued(); n != 0 {
			t.Errorf("%d events stay in the queue", n)
		}
	})
}

func TestManyEventsRunFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := start(t)
		x.create("fn")
		x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
			time.Sleep(time.Second)
			return pool.Result{}, nil
		}
		const n = 3 * eventWorkers
		begin := time.Now()
		for range n {
			x.send("fn", "{}")
		}
		synctest.Wait()
		if running := x.exec.count(); running != eventWorkers {
			t.Errorf("%d run at one time, want %d", running, eventWorkers)
		}
		time.Sleep(3*time.Second - time.Since(begin))
		synctest.Wait()
		if done := x.exec.count(); done != n || x.queued() != 0 {
			t.Errorf("%d of %d have run, %d are queued", done, n, x.queued())
		}
	})
}
