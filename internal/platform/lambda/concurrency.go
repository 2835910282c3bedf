package lambda

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// AWS keeps so many concurrent executions for functions without reserved concurrency.
const minUnreserved = 100

// codeStorage is AWS's limit of all versions' packages in a region, in bytes.
const codeStorage = 80530636800

// GetAccountSettings answers with the limits that hold here and with what is used of them.
func (s *Service) GetAccountSettings(ctx context.Context, _ *sdk.GetAccountSettingsInput) (*sdk.GetAccountSettingsOutput, error) {
	usage := &types.AccountUsage{FunctionCount: int64(len(s.names.all()))}
	err := scan(ctx, s.cfg.Store, versionBucket, func(_ string, r contentRecord) error { // wakes nobody
		usage.TotalCodeSize += r.Code.Size
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.GetAccountSettingsOutput{
		AccountLimit: &types.AccountLimit{
			CodeSizeUnzipped: maxUnzipped, CodeSizeZipped: maxZip, TotalCodeSize: codeStorage,
			ConcurrentExecutions:           int32(s.cfg.Concurrency),
			UnreservedConcurrentExecutions: aws.Int32(int32(int64(s.cfg.Concurrency) - s.reserved.Load())),
		},
		AccountUsage: usage,
	}, nil
}

// PutFunctionConcurrency keeps concurrent executions for a function, which cannot have more than these. 0 stops the
// function.
func (s *Service) PutFunctionConcurrency(ctx context.Context, in *sdk.PutFunctionConcurrencyInput) (*sdk.PutFunctionConcurrencyOutput, error) {
	c := &constraints{}
	if in.ReservedConcurrentExecutions == nil {
		c.Null("reservedConcurrentExecutions")
	} else {
		c.integer("reservedConcurrentExecutions", in.ReservedConcurrentExecutions, 0, 1<<30)
	}
	name, err := s.unqualified(shortName, in.FunctionName, c)
	if err != nil {
		return nil, err
	}
	if err := s.reserve(ctx, name, clonePtr(in.ReservedConcurrentExecutions)); err != nil {
		return nil, err
	}
	return &sdk.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: clonePtr(in.ReservedConcurrentExecutions)}, nil
}

// GetFunctionConcurrency answers with what was reserved, if anything.
func (s *Service) GetFunctionConcurrency(_ context.Context, in *sdk.GetFunctionConcurrencyInput) (*sdk.GetFunctionConcurrencyOutput, error) {
	name, err := s.unqualified(shortName, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	n, err := s.look(name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, notFound("Function not found: %s", s.arn(name, latest))
	}
	return &sdk.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: clonePtr(n.record.Reserved)}, nil
}

// DeleteFunctionConcurrency gives a function's reserved executions back.
func (s *Service) DeleteFunctionConcurrency(ctx context.Context, in *sdk.DeleteFunctionConcurrencyInput) (*sdk.DeleteFunctionConcurrencyOutput, error) {
	name, err := s.unqualified(shortName, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteFunctionConcurrencyOutput{}, s.reserve(ctx, name, nil)
}

func (s *Service) reserve(ctx context.Context, name string, reserved *int32) error {
	s.capacity.Lock() // two functions must not take the same executions
	defer s.capacity.Unlock()
	return s.change(ctx, name, notFound("Function not found: %s", s.arn(name, latest)), func(f *function, n *snapshot, b *store.Batch) error {
		if reserved != nil {
			if sum := provisionedSum(n); sum > int64(*reserved) {
				return plainInvalid(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", *reserved, sum)
			}
			delta := int64(*reserved) - claimed(n)
			if left := int64(s.cfg.Concurrency) - s.reserved.Load() - delta; left < minUnreserved && delta > 0 {
				return plainInvalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
			}
		}
		n.record.Reserved = reserved
		return put(b, functionBucket, name, n.record)
	})
}

// admit counts an invocation in, or says why there is no room for it. leave counts it out again.
func (s *Service) admit(f *function, n *snapshot) (reserved bool, reason types.ThrottleReason) {
	if r := n.record.Reserved; r != nil {
		if f.active.Add(1) > int64(*r) {
			f.active.Add(-1)
			return true, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded
		}
		return true, ""
	}
	if len(n.warm) > 0 {
		if f.active.Add(1) <= provisionedSum(n) {
			return true, ""
		}
		f.active.Add(-1) // it spills over
	}
	if s.unreserved.Add(1) > int64(s.cfg.Concurrency)-s.reserved.Load() {
		s.unreserved.Add(-1)
		return false, types.ThrottleReasonConcurrentInvocationLimitExceeded
	}
	return false, ""
}

// leave counts out what admit has counted in.
func (s *Service) leave(f *function, reserved bool) {
	if reserved {
		f.active.Add(-1)
	} else {
		s.unreserved.Add(-1)
	}
}
