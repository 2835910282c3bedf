package lambda

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

var errDisk = errors.New("the disk is full")

// brittleStore refuses commits while broken.
type brittleStore struct {
	store.Store
	mu     sync.Mutex
	broken func(*store.Batch) bool
}

func (s *brittleStore) Commit(ctx context.Context, b *store.Batch) error {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken != nil && broken(b) {
		return errDisk
	}
	return s.Store.Commit(ctx, b)
}

func (s *brittleStore) breakWhen(f func(*store.Batch) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = f
}

func TestNothingIsHalfDoneWhenTheStoreFails(t *testing.T) {
	fn := aws.String("fn")
	for name, do := range map[string]func(context.Context, *fixture) error{
		"create": func(ctx context.Context, x *fixture) error {
			in := createInput("other")
			in.Publish = true
			_, err := x.CreateFunction(ctx, in)
			return err
		},
		"update code": func(ctx context.Context, x *fixture) error {
			_, err := x.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipOf("new"), Publish: true})
			return err
		},
		"update configuration": func(ctx context.Context, x *fixture) error {
			_, err := x.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Timeout: aws.Int32(5)})
			return err
		},
		"publish": func(ctx context.Context, x *fixture) error {
			_, err := x.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: fn})
			return err
		},
		"alias": func(ctx context.Context, x *fixture) error {
			_, err := x.UpdateAlias(ctx, &sdk.UpdateAliasInput{FunctionName: fn, Name: aws.String("live"), RoutingConfig: &types.AliasRoutingConfiguration{}})
			return err
		},
		"delete version": func(ctx context.Context, x *fixture) error {
			_, err := x.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: fn, Qualifier: aws.String("1")})
			return err
		},
		"delete": func(ctx context.Context, x *fixture) error {
			_, err := x.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: fn})
			return err
		},
		"reserve": func(ctx context.Context, x *fixture) error {
			_, err := x.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: fn, ReservedConcurrentExecutions: aws.Int32(5)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			brittle := &brittleStore{}
			x := start(t, func(c *Config) { brittle.Store = c.Store; c.Store = brittle })
			x.create("fn")
			x.release("fn", "one")
			x.release("fn", "two")
			x.release("fn", "three")
			x.alias("fn", "live", "2", map[string]float64{"3": 0.5})
			if _, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Timeout: aws.Int32(4)}); err != nil {
				t.Fatal(err)
			}
			before, files := dump(x.settled("fn")), x.packages()
			brittle.breakWhen(func(*store.Batch) bool { return true })
			if err := do(t.Context(), x); !errors.Is(err, errDisk) {
				t.Fatalf("got %v", err)
			}
			if after := dump(x.settled("fn")); after != before {
				t.Errorf("a failed change has changed\n%s\nto\n%s", before, after)
			}
			if after := x.packages(); !slices.Equal(after, files) {
				t.Errorf("a failed change has changed the files %v to %v", files, after)
			}
			if x.found("other") != nil || x.reserved.Load() != 0 {
				t.Error("a failed change has left something")
			}
			brittle.breakWhen(nil)
			if err := do(t.Context(), x); err != nil {
				t.Errorf("the change does not succeed later: %v", err)
			}
		})
	}
}

// TestTransitionThatCannotBeRecorded loses the commit that ends an update: what served before goes on serving, and the
// next start ends the update.
func TestTransitionThatCannotBeRecorded(t *testing.T) {
	brittle := &brittleStore{}
	x := start(t, func(c *Config) { brittle.Store = c.Store; c.Store = brittle })
	x.create("fn")
	old := x.settled("fn").versions[latest].run.fn.CodeDir
	commits := 0
	brittle.breakWhen(func(*store.Batch) bool { commits++; return commits == 2 })
	if _, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: zipOf("new")}); err != nil {
		t.Fatal(err)
	}
	x.work.Wait()
	if to, err := x.Resolve("fn", "", nil); err != nil || to.Function.CodeDir != old {
		t.Errorf("runs on %+v, %v; want the code of before", to.Function, err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open()
	if n := x.settled("fn"); n.versions[latest].Update.Value != "Successful" || n.versions[latest].run.fn.CodeDir == old {
		t.Errorf("after the restart: %s", dump(n))
	}
}
