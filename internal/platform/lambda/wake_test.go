package lambda

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store"
)

// stuck is a store in which the versions of one function cannot be read until it is let go.
type stuck struct {
	store.Store
	name string
	wait chan struct{}
}

func (s *stuck) Scan(ctx context.Context, bucket string, r store.Range) iter.Seq2[store.Entry, error] {
	if bucket == versionBucket && strings.HasPrefix(r.From, s.name+"/") {
		<-s.wait
	}
	return s.Store.Scan(ctx, bucket, r)
}

// TestFunctionsWakeWhenTheyAreAskedFor starts with the reading in the background held up at the first of all functions.
// Everything that leads to another function must find it all the same.
func TestFunctionsWakeWhenTheyAreAskedFor(t *testing.T) {
	x := start(t)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		x.create(name)
		x.release(name, "two")
		x.alias(name, "live", "1", nil)
	}
	if _, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("c"), ReservedConcurrentExecutions: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	u, err := x.CreateFunctionUrlConfig(t.Context(), &sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("d"), AuthType: types.FunctionUrlAuthTypeNone})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	held := &stuck{x.store, "a", make(chan struct{})}
	x.open(func(c *Config) { c.Store = held })
	t.Run("held", func(t *testing.T) {
		defer close(held.wait)
		if n := x.reserved.Load(); n != 7 {
			t.Errorf("%d executions are reserved before any function is awake", n)
		}
		page, err := x.ListFunctions(t.Context(), &sdk.ListFunctionsInput{})
		if err != nil || len(page.Functions) != 7 || *page.Functions[6].FunctionName != "g" {
			t.Errorf("a list gives %+v, %v", page, err)
		}
		if usage, err := x.GetAccountSettings(t.Context(), &sdk.GetAccountSettingsInput{}); err != nil || usage.AccountUsage.FunctionCount != 7 || usage.AccountUsage.TotalCodeSize == 0 {
			t.Errorf("the account has %+v, %v", usage, err)
		}
		if f, _ := x.functions.Load("g"); !f.(*function).asleep.Load() {
			t.Error("a list has woken a function")
		}
		if to, err := x.Resolve("b", "live", nil); err != nil || to.Version != "1" {
			t.Errorf("an alias leads to %s: %v", to.Version, err)
		}
		if c, err := x.GetFunctionConcurrency(t.Context(), &sdk.GetFunctionConcurrencyInput{FunctionName: aws.String("c")}); err != nil || aws.ToInt32(c.ReservedConcurrentExecutions) != 7 {
			t.Errorf("reserved: %+v %v", c, err)
		}
		if n := x.reserved.Load(); n != 7 {
			t.Errorf("%d executions are reserved when the function that has them is awake", n)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(*u.FunctionUrl, "http://"), ".")
		if n, _, _ := x.urlNamed(id); n == nil {
			t.Errorf("the URL %s leads nowhere", *u.FunctionUrl)
		}
		_, err = x.CreateFunction(t.Context(), createInput("e"))
		wantError(t, err, "ResourceConflictException", "Function already exist: e")
		if v := x.release("f", "three"); v != "2" {
			t.Errorf("the next version is %s", v)
		}
		if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("g")}); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"a", "h"} {
			if f, ok := x.functions.Load(name); ok && !f.(*function).asleep.Load() {
				t.Errorf("%s is awake", name)
			}
		}
	})
	<-x.recovered
	for name, sleeps := range map[string]bool{"a": true, "b": false, "c": false, "d": false, "e": false, "f": false} {
		if f, _ := x.functions.Load(name); f.(*function).asleep.Load() != sleeps {
			t.Errorf("%s sleeps: %v, should: %v", name, !sleeps, sleeps)
		}
	}
	if x.found("g") != nil {
		t.Error("a function that was deleted while others slept is back")
	}
}

// TestCodeOfSleepersIsKept starts on three functions of the same code, and deletes them one after the other: one that was
// woken before its code was counted or after, and one that is woken to be deleted. Only the last may take the code along.
func TestCodeOfSleepersIsKept(t *testing.T) {
	x := start(t)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		x.create(name)
		x.release(name, "two")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open()
	x.found("a")
	<-x.recovered
	x.found("b")
	before := fmt.Sprint(x.packages())
	for _, name := range names {
		if after := fmt.Sprint(x.packages()); after != before {
			t.Errorf("before %s is deleted there is %s, not %s", name, after, before)
		}
		if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
	}
	if left := x.packages(); len(left) > 0 {
		t.Errorf("nobody needs %v", left)
	}
}

// TestWorkGoesOnUnasked restarts with an asynchronous invocation that waits and with provisioned concurrency: nobody names
// the function after the start, and both are taken up.
func TestWorkGoesOnUnasked(t *testing.T) {
	newExecutor := func() *warmExecutor { return &warmExecutor{fakeExecutor: &fakeExecutor{}, warm: map[string]int{}} }
	x := start(t, func(c *Config) { c.Executor = newExecutor() })
	x.create("fn")
	v := x.release("fn", "two")
	if err := x.provision(v, 3); err != nil {
		t.Fatal(err)
	}
	x.queue.close() // what is accepted from now on waits for the next start
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`"later"`)}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again, done := newExecutor(), make(chan string, 1)
	again.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
		done <- string(in.Payload)
		return pool.Result{}, nil
	}
	x.open(func(c *Config) { c.Executor = again })
	if got := <-done; got != `"later"` {
		t.Errorf("the event is %s", got)
	}
	<-x.recovered
	x.work.Wait()
	if n := again.has()[v]; n != 3 {
		t.Errorf("%d environments are ready", n)
	}
	if n := x.reserved.Load(); n != 3 {
		t.Errorf("%d executions are claimed", n)
	}
}

// TestOneDamagedRecordHurtsOneFunction starts on a store in which one version cannot be decoded.
func TestOneDamagedRecordHurtsOneFunction(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.create("other")
	before := fmt.Sprint(x.packages())
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{}
	b.Put(versionBucket, "fn/"+latest, []byte("{"))
	if err := x.store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	x.open()
	<-x.recovered
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("other")}); err != nil {
		t.Error(err)
	}
	_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn")})
	var unknown *types.ResourceNotFoundException
	if err == nil || errors.As(err, &unknown) || !strings.Contains(err.Error(), "fn/$LATEST") {
		t.Errorf("the damaged function answers %v", err)
	}
	if after := fmt.Sprint(x.packages()); after != before {
		t.Errorf("code was removed that may be needed: %s were %s", after, before)
	}
}
