package lambda

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/pool"
)

// Of two invocations at a time on a version with one environment ready, one spills over.
func TestProvisionedSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryMeter{sums: map[string]float64{}}
		w := &warmExecutor{warm: map[string]int{}}
		x := start(t, func(c *Config) {
			w.fakeExecutor = c.Executor.(*fakeExecutor)
			c.Executor, c.Meter = w, m
		})
		x.create("fn")
		x.release("fn", "one")
		x.alias("fn", "live", "1", nil)
		if err := x.provision("live", 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		hold := make(chan struct{})
		x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
			<-hold
			return pool.Result{}, nil
		}
		for range 2 {
			go func() {
				if _, err := x.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")}); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		close(hold)
		synctest.Wait()
		const dims = " Count FunctionName fn Resource fn:live"
		for metric, want := range map[string]float64{
			"ProvisionedConcurrencyInvocations": 1, "ProvisionedConcurrencySpilloverInvocations": 1,
			"ProvisionedConcurrentExecutions": 2, "ProvisionedConcurrencyUtilization": 2, "Invocations": 2, // each was one when recorded
		} {
			if got := m.sums["AWS/Lambda "+metric+dims]; got != want {
				t.Errorf("%s: %v, want %v", metric, got, want)
			}
		}
		if got := m.sums["AWS/Lambda ConcurrentExecutions Count FunctionName fn"]; got != 3 { // 1, then 2
			t.Errorf("concurrent executions add up to %v, want 3", got)
		}
	})
}
