package lambda

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// warmExecutor is a fakeExecutor that provisions, once it may.
type warmExecutor struct {
	*fakeExecutor
	mu   sync.Mutex
	gate chan struct{} // nil: at once
	fail error
	warm map[string]int // by qualified ARN
}

func (e *warmExecutor) Provision(ctx context.Context, f *pool.Function, n int) error {
	if e.gate != nil {
		select {
		case <-e.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	if e.warm[f.Version] = n; n == 0 {
		delete(e.warm, f.Version)
	}
	return nil
}

func (e *warmExecutor) has() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.warm)
}

func (x *fixture) provision(qualifier string, n int32) error {
	_, err := x.PutProvisionedConcurrencyConfig(context.Background(), &sdk.PutProvisionedConcurrencyConfigInput{FunctionName: aws.String("fn"), Qualifier: &qualifier, ProvisionedConcurrentExecutions: &n})
	return err
}

func (x *fixture) provisioned(qualifier string) *sdk.GetProvisionedConcurrencyConfigOutput {
	x.t.Helper()
	out, err := x.GetProvisionedConcurrencyConfig(context.Background(), &sdk.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("fn"), Qualifier: &qualifier})
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

func TestProvisionedConcurrencyIsReadyWhenItSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &warmExecutor{gate: make(chan struct{}, 10), warm: map[string]int{}}
		x := start(t, func(c *Config) {
			w.fakeExecutor = c.Executor.(*fakeExecutor)
			c.Executor = w
		})
		x.create("fn")
		x.release("fn", "one")
		x.release("fn", "two")
		x.alias("fn", "live", "1", nil)
		if err := x.provision("live", 10); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p := x.provisioned("live"); p.Status != types.ProvisionedConcurrencyStatusEnumInProgress || *p.AllocatedProvisionedConcurrentExecutions != 0 {
			t.Errorf("READY before anything is: %+v", p)
		}
		w.gate <- struct{}{}
		synctest.Wait()
		if p := x.provisioned("live"); p.Status != types.ProvisionedConcurrencyStatusEnumReady || *p.AllocatedProvisionedConcurrentExecutions != 10 || w.has()["1"] != 10 {
			t.Errorf("%+v, %v", p, w.has())
		}

		// Weights spread it; the old version keeps its own until the new one is ready.
		update := func(version string, weights map[string]float64) {
			t.Helper()
			if _, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{
				FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: &version, RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
			}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		update("1", map[string]float64{"2": 0.3})
		if err := x.provision("live", 5); err == nil {
			t.Error("the configuration of an alias with weights was changed")
		}
		w.gate <- struct{}{}
		w.gate <- struct{}{}
		synctest.Wait()
		if has := w.has(); has["1"] != 7 || has["2"] != 3 {
			t.Errorf("30 %% of 10: %v", has)
		}
		update("2", nil)
		w.gate <- struct{}{}
		synctest.Wait()
		if has := w.has(); has["1"] != 7 || has["2"] != 10 {
			t.Errorf("the old version was let go too early: %v", has)
		}
		w.gate <- struct{}{}
		synctest.Wait()
		if has := w.has(); len(has) != 1 || has["2"] != 10 || x.provisioned("live").Status != types.ProvisionedConcurrencyStatusEnumReady {
			t.Errorf("%v", has)
		}

		// After a restart it is made ready again.
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		w.warm = map[string]int{}
		x.open(func(c *Config) { c.Executor = w })
		w.gate <- struct{}{}
		synctest.Wait()
		if has := w.has(); has["2"] != 10 {
			t.Errorf("after a restart: %v", has)
		}
		if _, err := x.DeleteProvisionedConcurrencyConfig(t.Context(), &sdk.DeleteProvisionedConcurrencyConfigInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")}); err != nil {
			t.Fatal(err)
		}
		w.gate <- struct{}{}
		synctest.Wait()
		if has := w.has(); len(has) != 0 || x.reserved.Load() != 0 {
			t.Errorf("given up: %v, %d", has, x.reserved.Load())
		}
		w.fail = errors.New("boom")
		if err := x.provision("2", 1); err != nil {
			t.Fatal(err)
		}
		w.gate <- struct{}{}
		synctest.Wait()
		if p := x.provisioned("2"); p.Status != types.ProvisionedConcurrencyStatusEnumFailed || p.StatusReason == nil {
			t.Errorf("%+v", p)
		}
	})
}

func TestProvisionedConcurrencyIsChecked(t *testing.T) {
	w := &warmExecutor{warm: map[string]int{}}
	x := start(t, func(c *Config) {
		w.fakeExecutor = c.Executor.(*fakeExecutor)
		c.Executor = w
	})
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", nil)
	const invalidCode = "InvalidParameterValueException"
	wantError(t, x.provision("1", 0), "ValidationException", "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1")
	wantError(t, x.provision(latest, 1), invalidCode, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	wantError(t, x.provision("9", 1), "ResourceNotFoundException", "Function not found: "+x.arn("fn", "9"))
	wantError(t, x.provision("no", 1), "ResourceNotFoundException", "Cannot find alias arn: "+x.arn("fn", "no"))
	wantError(t, x.provision("1", 1001), invalidCode, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].")
	wantError(t, x.provision("1", 901), invalidCode, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	if err := x.provision("1", 5); err != nil {
		t.Fatal(err)
	}
	wantError(t, x.provision("live", 1), "ResourceConflictException", "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
	_, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("fn"), ReservedConcurrentExecutions: aws.Int32(4)})
	wantError(t, err, invalidCode, " ReservedConcurrentExecutions  4 should not be lower than function's total provisioned concurrency [5].")
	if _, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("fn"), ReservedConcurrentExecutions: aws.Int32(6)}); err != nil {
		t.Fatal(err)
	}
	if x.reserved.Load() != 6 {
		t.Errorf("the account has given away %d", x.reserved.Load())
	}
	wantError(t, x.provision("2", 2), invalidCode, "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
	_, err = x.GetProvisionedConcurrencyConfig(t.Context(), &sdk.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("fn"), Qualifier: aws.String("2")})
	wantError(t, err, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
	list, err := x.ListProvisionedConcurrencyConfigs(t.Context(), &sdk.ListProvisionedConcurrencyConfigsInput{FunctionName: aws.String("fn")})
	if err != nil || len(list.ProvisionedConcurrencyConfigs) != 1 || *list.ProvisionedConcurrencyConfigs[0].FunctionArn != x.arn("fn", "1") {
		t.Errorf("%+v, %v", list, err)
	}
}
