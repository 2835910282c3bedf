package lambda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store/memory"
)

func TestAliasRoutesByWeight(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 0.1})
	const n = 50_000
	counts := map[string]int{}
	for range n {
		to, err := x.Resolve("fn", "live", nil)
		if err != nil {
			t.Fatal(err)
		}
		counts[to.Version]++
		if to.InvokedARN != "arn:aws:lambda:us-east-1:000000000000:function:fn:live" || to.Function.Version != to.Version {
			t.Fatalf("%+v", to)
		}
	}
	// Six standard deviations of the binomial distribution: the test errs once in 500 million runs.
	if share := float64(counts["2"]) / n; math.Abs(share-0.1) > 6*math.Sqrt(0.1*0.9/n) {
		t.Errorf("version 2 got %.4f of the traffic, want 0.1", share)
	}
}

// TestSwitchIsSeenByTheNextRequest switches an alias while others resolve it: once UpdateAlias has returned, nothing may
// be routed as before.
func TestSwitchIsSeenByTheNextRequest(t *testing.T) {
	x := start(t)
	x.create("fn")
	for i := range 4 {
		x.release("fn", strconv.Itoa(i))
	}
	x.alias("fn", "live", "1", nil)
	var floor atomic.Int64 // the version of the last switch that has returned, times switches
	floor.Store(1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				at := floor.Load()
				to, err := x.Resolve("fn:live", "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if after := floor.Load(); at == after && to.Version != switched(at) && to.Version != switched(at+1) {
					t.Errorf("after switch %d a request went to version %s", at, to.Version)
					return
				}
			}
		})
	}
	for i := int64(2); i <= 400; i++ {
		_, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: aws.String(switched(i))})
		if err != nil {
			t.Fatal(err)
		}
		floor.Store(i)
		if to, err := x.Resolve("fn", "live", nil); err != nil || to.Version != switched(i) {
			t.Fatalf("switch %d has returned, and the next request goes to %s (%v)", i, to.Version, err)
		}
	}
	close(stop)
	readers.Wait()
}

// switched is where the ith switch leads.
func switched(i int64) string { return strconv.FormatInt((i-1)%4+1, 10) }

// TestNoInvocationFailsWhileEverythingChanges updates, publishes, switches and deletes while invocations run.
func TestNoInvocationFailsWhileEverythingChanges(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.alias("fn", "live", x.release("fn", "first"), nil)
	stop := make(chan struct{})
	var callers sync.WaitGroup
	var calls atomic.Int64
	for i := range 8 {
		callers.Go(func() {
			name := []string{"fn", "fn:live"}[i%2]
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := x.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: &name, Payload: []byte("1")})
				if err != nil || out.ExecutedVersion == nil {
					t.Errorf("invocation of %s failed: %v", name, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	last := "1"
	for i := range 40 {
		v := x.release("fn", fmt.Sprint("code ", i))
		if _, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: &v}); err != nil {
			t.Fatal(err)
		}
		if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn"), Qualifier: &last}); err != nil {
			t.Fatal(err)
		}
		last = v
	}
	close(stop)
	callers.Wait()
	if calls.Load() == 0 {
		t.Error("nothing was invoked")
	}
	if n := len(x.packages()); n != 2 {
		t.Errorf("replaced code stays on disk: %v", x.packages())
	}
	if busy := x.unreserved.Load(); busy != 0 {
		t.Errorf("%d invocations are still counted", busy)
	}
}

// TestVersionsAndAliases drives random operations against a plain model of AWS's rules.
func TestVersionsAndAliases(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := &fixture{t: t, exec: &fakeExecutor{}, store: memory.New(), dir: t.TempDir()}
		x.open()
		defer func() {
			_ = x.Close()
			_ = removeTree(x.dir)
		}()
		x.create("fn")
		fn := aws.String("fn")
		published := map[string]bool{}
		highest := 0
		changed := true
		aliases := map[string][]string{} // name → versions
		content := 0
		anyVersion := rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"})
		anyAlias := rapid.SampledFrom([]string{"blue", "green", "live"})
		ctx := context.Background()
		rt.Repeat(map[string]func(*rapid.T){
			"update": func(rt *rapid.T) {
				content++
				if _, err := x.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipOf(strconv.Itoa(content))}); err != nil {
					rt.Fatal(err)
				}
				changed = true
			},
			"publish": func(rt *rapid.T) {
				out, err := x.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: fn})
				if err != nil {
					rt.Fatal(err)
				}
				n, err := strconv.Atoi(*out.Version)
				if err != nil {
					rt.Fatal(err)
				}
				switch gone := !published[strconv.Itoa(highest)]; {
				case (changed || gone) && n != highest+1:
					rt.Fatalf("published %d after %d", n, highest)
				case !changed && !gone && n != highest:
					rt.Fatalf("published %d though nothing has changed since %d", n, highest)
				}
				highest, changed = n, false
				published[*out.Version] = true
			},
			"put alias": func(rt *rapid.T) {
				name, primary := anyAlias.Draw(rt, "alias"), anyVersion.Draw(rt, "primary")
				versions := []string{primary}
				weights := &types.AliasRoutingConfiguration{}
				if rapid.Bool().Draw(rt, "two") {
					second := anyVersion.Draw(rt, "second")
					versions = append(versions, second)
					weights.AdditionalVersionWeights = map[string]float64{second: rapid.Float64Range(0, 1).Draw(rt, "weight")}
				}
				legal := len(versions) == 1 || versions[0] != versions[1]
				for _, v := range versions {
					legal = legal && published[v]
				}
				var err error
				if aliases[name] == nil {
					_, err = x.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: fn, Name: &name, FunctionVersion: &primary, RoutingConfig: weights})
				} else {
					_, err = x.UpdateAlias(ctx, &sdk.UpdateAliasInput{FunctionName: fn, Name: &name, FunctionVersion: &primary, RoutingConfig: weights})
				}
				if (err == nil) != legal {
					rt.Fatalf("alias %s to %v: %v", name, versions, err)
				}
				if legal {
					aliases[name] = versions
				}
			},
			"delete alias": func(rt *rapid.T) {
				name := anyAlias.Draw(rt, "alias")
				if _, err := x.DeleteAlias(ctx, &sdk.DeleteAliasInput{FunctionName: fn, Name: &name}); err != nil {
					rt.Fatal(err)
				}
				delete(aliases, name)
			},
			"delete version": func(rt *rapid.T) {
				v := anyVersion.Draw(rt, "version")
				used := false
				for _, vs := range aliases {
					used = used || slices.Contains(vs, v)
				}
				_, err := x.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: fn, Qualifier: &v})
				if (err == nil) == used {
					rt.Fatalf("deleting version %s, in use %v: %v", v, used, err)
				}
				if !used {
					delete(published, v)
				}
			},
			"restart": func(rt *rapid.T) {
				before := dump(x.settled("fn"))
				if err := x.Close(); err != nil {
					rt.Fatal(err)
				}
				x.open()
				if after := dump(x.settled("fn")); after != before {
					rt.Fatalf("the restart has changed\n%s\nto\n%s", before, after)
				}
			},
			"": func(rt *rapid.T) {
				n := x.found("fn").state.Load()
				for name, a := range n.aliases {
					if !slices.Equal(a.Routing.Versions(), aliases[name]) {
						rt.Fatalf("alias %s routes to %v, want %v", name, a.Routing.Versions(), aliases[name])
					}
					to, err := x.Resolve("fn", name, nil)
					if err != nil || !slices.Contains(aliases[name], to.Version) {
						rt.Fatalf("alias %s resolves to %s: %v", name, to.Version, err)
					}
				}
				if len(n.aliases) != len(aliases) || len(n.versions) != len(published)+1 {
					rt.Fatalf("%d aliases and %d versions, want %d and %d", len(n.aliases), len(n.versions), len(aliases), len(published)+1)
				}
			},
		})
	})
}

func TestReservedConcurrencyThrottles(t *testing.T) {
	x := start(t, func(c *Config) { c.Concurrency = 102 })
	x.create("reserved")
	x.create("other")
	if _, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("reserved"), ReservedConcurrentExecutions: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	started, finish := make(chan struct{}), make(chan struct{})
	x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
		started <- struct{}{}
		<-finish
		return pool.Result{}, nil
	}
	var running sync.WaitGroup
	occupy := func(name string, n int) {
		for range n {
			running.Go(func() {
				if _, err := x.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: &name}); err != nil {
					t.Error(err)
				}
			})
			<-started
		}
	}
	refused := func(name string, reason types.ThrottleReason) {
		t.Helper()
		_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &name})
		var e *types.TooManyRequestsException
		if !errors.As(err, &e) || e.Reason != reason || *e.Message != "Rate Exceeded." {
			t.Errorf("%s: got %v, want %s", name, err, reason)
		}
	}
	occupy("reserved", 2)
	refused("reserved", types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
	occupy("other", 100)
	refused("other", types.ThrottleReasonConcurrentInvocationLimitExceeded)
	close(finish)
	running.Wait()
	x.exec.do = nil
	for _, name := range []string{"reserved", "other"} {
		if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &name}); err != nil {
			t.Errorf("%s is still throttled: %v", name, err)
		}
	}
}

// BenchmarkResolve measures the route of one invocation while its alias is being switched all the time.
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name     string
		switches bool
	}{{"quiet", false}, {"under updates", true}} {
		b.Run(c.name, func(b *testing.B) {
			x := start(b)
			x.create("fn")
			x.release("fn", "one")
			x.release("fn", "two")
			x.alias("fn", "live", "1", map[string]float64{"2": 0.5})
			stop, stopped := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-stop:
						stopped <- n
						return
					default:
					}
					if !c.switches {
						<-stop
						stopped <- 0
						return
					}
					n++
					_, err := x.UpdateAlias(context.Background(), &sdk.UpdateAliasInput{
						FunctionName: aws.String("fn"), Name: aws.String("live"),
						RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": float64(n%100) / 100}},
					})
					if err != nil {
						b.Error(err)
					}
				}
			}()
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if _, err := x.Resolve("fn", "live", nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			close(stop)
			b.ReportMetric(float64(<-stopped)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}
