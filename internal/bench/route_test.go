package bench

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/platform/lambda"
	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkRoute is the way of an invocation from the function's name to its version, over an alias that is being switched
// as fast as the store takes it, against the same alias left alone. A lock on this way would show.
func BenchmarkRoute(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	s, err := lambda.New(lambda.Config{Store: db, Executor: idle{}, DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	ctx, name, live := b.Context(), aws.String("bench"), aws.String("live")
	weights := func(share float64) *types.AliasRoutingConfiguration {
		return &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": share}}
	}
	must(b, func() error {
		_, err := s.CreateFunction(ctx, &sdk.CreateFunctionInput{
			FunctionName: name, Runtime: types.RuntimeProvidedal2023,
			Role: aws.String("arn:aws:iam::000000000000:role/bench"), Handler: aws.String("bootstrap"),
			Code: &types.FunctionCode{ZipFile: zipOf(b, "bootstrap", []byte("#!/bin/sh\n"))}, Publish: true,
		})
		return err
	}, func() error {
		_, err := s.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: name, Description: aws.String("the second")})
		return err
	}, func() error {
		_, err := s.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: name})
		return err
	}, func() error {
		_, err := s.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: name, Name: live, FunctionVersion: aws.String("1"), RoutingConfig: weights(0.5)})
		return err
	})

	const calls = 1000 // to one look at the clock
	route := func(b *testing.B) sample {
		one := load(b, 1, func() func() error {
			return func() error {
				for range calls {
					if _, err := s.Resolve("bench", "live", nil); err != nil {
						return err
					}
				}
				return nil
			}
		})
		return sample{rate: one.rate * calls, p50: one.p50 / calls}
	}
	var updates, rounds atomic.Int64
	switched := func(b *testing.B) sample {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := s.UpdateAlias(context.Background(), &sdk.UpdateAliasInput{FunctionName: name, Name: live, RoutingConfig: weights(float64(n%100) / 100)}); err != nil {
					ended <- err
					return
				}
				updates.Add(1)
			}
			ended <- nil
		}()
		out := route(b)
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		rounds.Add(1)
		return out
	}
	compare(b, contender{"switched", switched}, contender{"quiet", route})
	b.ReportMetric(float64(updates.Load())/(float64(rounds.Load())*roundLength.Seconds()), "updates/s")
}

func must(b *testing.B, steps ...func() error) {
	b.Helper()
	for _, step := range steps {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
}

// idle is an executor that is never asked to run anything.
type idle struct{}

func (idle) Invoke(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
	return pool.Result{Duration: time.Millisecond}, nil
}
func (idle) Retire(string)      {}
func (idle) Check(string) error { return nil }
