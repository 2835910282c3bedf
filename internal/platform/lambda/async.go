package lambda

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// PutFunctionEventInvokeConfig sets how asynchronous invocations of a function, version or alias are retried. What is not
// given falls back to AWS's defaults.
func (s *Service) PutFunctionEventInvokeConfig(ctx context.Context, in *sdk.PutFunctionEventInvokeConfigInput) (*sdk.PutFunctionEventInvokeConfigOutput, error) {
	a, r, err := s.putAsync(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, false)
	if err != nil {
		return nil, err
	}
	d := s.describeAsync(a, r)
	return &sdk.PutFunctionEventInvokeConfigOutput{
		DestinationConfig: d.DestinationConfig, FunctionArn: d.FunctionArn, LastModified: d.LastModified,
		MaximumEventAgeInSeconds: d.MaximumEventAgeInSeconds, MaximumRetryAttempts: d.MaximumRetryAttempts,
	}, nil
}

// UpdateFunctionEventInvokeConfig changes what is given of such a configuration, which must exist.
func (s *Service) UpdateFunctionEventInvokeConfig(ctx context.Context, in *sdk.UpdateFunctionEventInvokeConfigInput) (*sdk.UpdateFunctionEventInvokeConfigOutput, error) {
	a, r, err := s.putAsync(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, true)
	if err != nil {
		return nil, err
	}
	d := s.describeAsync(a, r)
	return &sdk.UpdateFunctionEventInvokeConfigOutput{
		DestinationConfig: d.DestinationConfig, FunctionArn: d.FunctionArn, LastModified: d.LastModified,
		MaximumEventAgeInSeconds: d.MaximumEventAgeInSeconds, MaximumRetryAttempts: d.MaximumRetryAttempts,
	}, nil
}

// GetFunctionEventInvokeConfig answers with such a configuration.
func (s *Service) GetFunctionEventInvokeConfig(_ context.Context, in *sdk.GetFunctionEventInvokeConfigInput) (*sdk.GetFunctionEventInvokeConfigOutput, error) {
	r, err := s.asyncRef(in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n == nil || n.async[r.qualifier] == nil {
		return nil, s.noAsync(r)
	}
	d := s.describeAsync(n.async[r.qualifier], r)
	return &sdk.GetFunctionEventInvokeConfigOutput{
		DestinationConfig: d.DestinationConfig, FunctionArn: d.FunctionArn, LastModified: d.LastModified,
		MaximumEventAgeInSeconds: d.MaximumEventAgeInSeconds, MaximumRetryAttempts: d.MaximumRetryAttempts,
	}, nil
}

// ListFunctionEventInvokeConfigs lists the configurations of a function and its versions and aliases.
func (s *Service) ListFunctionEventInvokeConfigs(_ context.Context, in *sdk.ListFunctionEventInvokeConfigsInput) (*sdk.ListFunctionEventInvokeConfigsOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 50)
	r, err := s.asyncRef(in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, notFound("The function doesn't exist.")
	}
	items, next, err := page(slices.Sorted(maps.Keys(n.async)), func(s string) string { return s }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListFunctionEventInvokeConfigsOutput{FunctionEventInvokeConfigs: []types.FunctionEventInvokeConfig{}, NextMarker: next}
	for _, q := range items {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, s.describeAsync(n.async[q], ref{r.name, q}))
	}
	return out, nil
}

// DeleteFunctionEventInvokeConfig deletes such a configuration.
func (s *Service) DeleteFunctionEventInvokeConfig(ctx context.Context, in *sdk.DeleteFunctionEventInvokeConfigInput) (*sdk.DeleteFunctionEventInvokeConfigOutput, error) {
	r, err := s.asyncRef(in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, r.name, s.noAsync(r), func(f *function, n *snapshot, b *store.Batch) error {
		if n.async[r.qualifier] == nil {
			return s.noAsync(r)
		}
		delete(n.async, r.qualifier)
		b.Delete(asyncBucket, r.name+"/"+r.qualifier)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteFunctionEventInvokeConfigOutput{}, nil
}

func (s *Service) putAsync(ctx context.Context, name, qualifier *string, retries, age *int32, to *types.DestinationConfig, update bool) (*asyncRecord, ref, error) {
	c := &constraints{}
	c.integer("maximumRetryAttempts", retries, 0, 2)
	c.integer("maximumEventAgeInSeconds", age, 60, 21600)
	if to != nil {
		if to.OnSuccess != nil {
			optional(to.OnSuccess.Destination, func(v string) {
				c.pattern("destinationConfig.onSuccess.destination", v, destinationPattern)
			})
		}
		if to.OnFailure != nil {
			optional(to.OnFailure.Destination, func(v string) {
				c.pattern("destinationConfig.onFailure.destination", v, destinationPattern)
			})
		}
	}
	r, err := s.asyncRef(name, qualifier, c)
	if err != nil {
		return nil, r, err
	}
	if retries == nil && age == nil && to == nil {
		return nil, r, invalid("You must specify at least one of error handling or destination setting.")
	}
	missing := notFound("The function doesn't exist.")
	if _, err := s.place(r); err != nil {
		return nil, r, missing
	}
	var success, failure *string
	if to != nil {
		if to.OnSuccess != nil {
			success = aws.String(value(to.OnSuccess.Destination))
		}
		if to.OnFailure != nil {
			failure = aws.String(value(to.OnFailure.Destination))
		}
	}
	if err := s.checkDestination(ctx, r, value(success), true); err != nil {
		return nil, r, err
	}
	if err := s.checkDestination(ctx, r, value(failure), false); err != nil {
		return nil, r, err
	}
	var a *asyncRecord
	err = s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		if n.versions[r.qualifier] == nil && n.aliases[r.qualifier] == nil {
			return missing
		}
		old := n.async[r.qualifier]
		if update && old == nil {
			return s.noAsync(r)
		}
		a = &asyncRecord{}
		if update {
			*a = *old
		}
		a.Modified = s.modified()
		if retries != nil {
			a.Retries = clonePtr(retries)
		}
		if age != nil {
			a.MaxAge = clonePtr(age)
		}
		set(&a.OnSuccess, success)
		set(&a.OnFailure, failure)
		n.async[r.qualifier] = a
		return put(b, asyncBucket, r.name+"/"+r.qualifier, a)
	})
	return a, r, err
}

// asyncRef is parse for these operations, for which no qualifier is $LATEST.
func (s *Service) asyncRef(function, qualifier *string, c *constraints) (ref, error) {
	r, err := s.parse(longName, function, qualifier, c)
	if r.qualifier == "" {
		r.qualifier = latest
	}
	return r, err
}

func (s *Service) noAsync(r ref) error {
	return notFound("The function %s doesn't have an EventInvokeConfig", s.arn(r.name, r.qualifier))
}

func (s *Service) describeAsync(a *asyncRecord, r ref) types.FunctionEventInvokeConfig {
	return types.FunctionEventInvokeConfig{
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: text(a.OnFailure)}, OnSuccess: &types.OnSuccess{Destination: text(a.OnSuccess)}},
		FunctionArn:       aws.String(s.arn(r.name, r.qualifier)), LastModified: aws.Time(a.Modified),
		MaximumEventAgeInSeconds: clonePtr(a.MaxAge), MaximumRetryAttempts: clonePtr(a.Retries),
	}
}
