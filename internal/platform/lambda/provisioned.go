package lambda

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
)

// provisionedRecord is how many environments a version or an alias is to have ready.
type provisionedRecord struct {
	Requested int32     `json:"requested"`
	Modified  time.Time `json:"modified"`
}

const provisionedDateFormat = "2006-01-02T15:04:05+0000"

// PutProvisionedConcurrencyConfig asks for environments that are ready before requests come. The answer says
// IN_PROGRESS; GetProvisionedConcurrencyConfig says READY when they are.
func (s *Service) PutProvisionedConcurrencyConfig(ctx context.Context, in *sdk.PutProvisionedConcurrencyConfigInput) (*sdk.PutProvisionedConcurrencyConfigOutput, error) {
	c := &constraints{}
	if in.ProvisionedConcurrentExecutions == nil {
		c.Null("provisionedConcurrentExecutions")
	}
	c.integer("provisionedConcurrentExecutions", in.ProvisionedConcurrentExecutions, 1, math.MaxInt32)
	r, err := s.provisionedRef(in.FunctionName, in.Qualifier, c)
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		return nil, invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	if s.provisioner == nil {
		return nil, unsupported("ProvisionedConcurrentExecutions", "environments cannot be started ahead")
	}
	want := *in.ProvisionedConcurrentExecutions
	p := &provisionedRecord{want, s.modified()}
	s.capacity.Lock() // two functions must not take the same executions
	defer s.capacity.Unlock()
	err = s.settledChange(ctx, r.name, s.noTarget(r), func(_ *function, n *snapshot, b *store.Batch) error {
		if err := s.provisionable(n, r, want); err != nil {
			return err
		}
		n.warm[r.qualifier] = p
		return put(b, provisionedBucket, r.name+"/"+r.qualifier, p)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutProvisionedConcurrencyConfigOutput{
		AllocatedProvisionedConcurrentExecutions: aws.Int32(0), AvailableProvisionedConcurrentExecutions: aws.Int32(0),
		LastModified: aws.String(p.Modified.Format(provisionedDateFormat)), RequestedProvisionedConcurrentExecutions: aws.Int32(want),
		Status: types.ProvisionedConcurrencyStatusEnumInProgress,
	}, nil
}

// provisionable reports why AWS refuses to keep want environments ready for r.
func (s *Service) provisionable(n *snapshot, r ref, want int32) error {
	if err := s.qualifierExists(n, r); err != nil {
		return err
	}
	if a := n.aliases[r.qualifier]; a != nil {
		if a.Routing.Additional != "" {
			return invalid("Provisioned Concurrency Configs cannot be changed while the alias %s has a routing configuration.", a.Name)
		}
		if n.warm[a.Routing.Primary] != nil {
			return conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
	} else if slices.ContainsFunc(n.aliasesOf(r.qualifier), func(a string) bool { return n.warm[a] != nil }) {
		return conflict("Version is pointed by a Provisioned Concurrency alias")
	}
	others := provisionedSum(n)
	if old := n.warm[r.qualifier]; old != nil {
		others -= int64(old.Requested)
	}
	if reserved := n.record.Reserved; reserved != nil {
		if others+int64(want) > int64(*reserved) {
			return plainInvalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	left := int64(s.cfg.Concurrency) - s.reserved.Load() + claimed(n) - others
	switch {
	case int64(want) > left:
		return plainInvalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", left)
	case left-int64(want) < minUnreserved:
		return plainInvalid("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
	}
	return nil
}

// plainInvalid is an InvalidParameterValueException without the mark of the User's fault, as AWS answers about limits.
func plainInvalid(format string, args ...any) error {
	return &types.InvalidParameterValueException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// provisionedSum is what a function has asked for altogether.
func provisionedSum(n *snapshot) (sum int64) {
	for _, p := range n.warm {
		sum += int64(p.Requested)
	}
	return sum
}

// claimed is what a function takes of the account's concurrency for itself alone.
func claimed(n *snapshot) int64 {
	if n.record.Reserved != nil {
		return int64(*n.record.Reserved)
	}
	return provisionedSum(n)
}

// qualifierExists reports a version or alias that does not exist, in AWS's words for each.
func (s *Service) qualifierExists(n *snapshot, r ref) error {
	switch {
	case n.versions[r.qualifier] != nil || n.aliases[r.qualifier] != nil:
		return nil
	case isVersionNumber(r.qualifier):
		return notFound("Function not found: %s", s.arn(r.name, r.qualifier))
	}
	return notFound("Cannot find alias arn: %s", s.arn(r.name, r.qualifier))
}

func (s *Service) provisionedRef(function, qualifier *string, c *constraints) (ref, error) {
	if qualifier == nil {
		c.Null("qualifier")
	}
	return s.parse(shortName, function, qualifier, c)
}

// GetProvisionedConcurrencyConfig answers with how far the environments of a version or an alias are.
func (s *Service) GetProvisionedConcurrencyConfig(_ context.Context, in *sdk.GetProvisionedConcurrencyConfigInput) (*sdk.GetProvisionedConcurrencyConfigOutput, error) {
	f, n, r, err := s.provisionedOf(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if n.warm[r.qualifier] == nil {
		return nil, &types.ProvisionedConcurrencyConfigNotFoundException{Message: aws.String("No Provisioned Concurrency Config found for this function"), Type: aws.String(userFault)}
	}
	d := s.describeProvisioned(f, n, r.qualifier)
	return &sdk.GetProvisionedConcurrencyConfigOutput{
		AllocatedProvisionedConcurrentExecutions: d.AllocatedProvisionedConcurrentExecutions, AvailableProvisionedConcurrentExecutions: d.AvailableProvisionedConcurrentExecutions,
		LastModified: d.LastModified, RequestedProvisionedConcurrentExecutions: d.RequestedProvisionedConcurrentExecutions, Status: d.Status, StatusReason: d.StatusReason,
	}, nil
}

func (s *Service) provisionedOf(function, qualifier *string) (*function, *snapshot, ref, error) {
	r, err := s.provisionedRef(function, qualifier, &constraints{})
	if err != nil {
		return nil, nil, r, err
	}
	if r.qualifier == latest {
		return nil, nil, r, invalid("The function resource provided must be an alias or a published version.")
	}
	f, err := s.find(r.name)
	if err != nil {
		return nil, nil, r, err
	}
	if f == nil {
		return nil, nil, r, s.noTarget(r)
	}
	n := f.state.Load()
	if n == nil {
		return nil, nil, r, s.noTarget(r)
	}
	return f, n, r, s.qualifierExists(n, r)
}

// DeleteProvisionedConcurrencyConfig gives the environments up. Where there is no configuration nothing is done.
func (s *Service) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *sdk.DeleteProvisionedConcurrencyConfigInput) (*sdk.DeleteProvisionedConcurrencyConfigOutput, error) {
	_, _, r, err := s.provisionedOf(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, r.name, s.noTarget(r), func(_ *function, n *snapshot, b *store.Batch) error {
		dropFrom(n.warm, b, provisionedBucket, r.name+"/"+r.qualifier, r.qualifier)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteProvisionedConcurrencyConfigOutput{}, nil
}

// ListProvisionedConcurrencyConfigs lists a function's configurations by version or alias.
func (s *Service) ListProvisionedConcurrencyConfigs(_ context.Context, in *sdk.ListProvisionedConcurrencyConfigsInput) (*sdk.ListProvisionedConcurrencyConfigsOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 50)
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(r.name)
	if err != nil {
		return nil, err
	}
	qualifiers, next, err := page(slices.Sorted(maps.Keys(n.warm)), func(q string) string { return q }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	f, err := s.find(r.name)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListProvisionedConcurrencyConfigsOutput{ProvisionedConcurrencyConfigs: []types.ProvisionedConcurrencyConfigListItem{}, NextMarker: next}
	for _, q := range qualifiers {
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, s.describeProvisioned(f, n, q))
	}
	return out, nil
}

func (s *Service) describeProvisioned(f *function, n *snapshot, q string) types.ProvisionedConcurrencyConfigListItem {
	p := n.warm[q]
	d := types.ProvisionedConcurrencyConfigListItem{
		FunctionArn: aws.String(s.arn(n.record.Name, q)), LastModified: aws.String(p.Modified.Format(provisionedDateFormat)),
		RequestedProvisionedConcurrentExecutions: aws.Int32(p.Requested), Status: types.ProvisionedConcurrencyStatusEnumReady,
	}
	allocated := 0
	if f != nil {
		f.warm.mu.Lock()
		defer f.warm.mu.Unlock()
		for version, want := range n.shares(q) {
			have := 0
			if v := n.versions[version]; v != nil && v.run != nil {
				have = f.warm.ready[v.run]
				if err := f.warm.failed[v.run]; err != nil {
					d.Status, d.StatusReason = types.ProvisionedConcurrencyStatusEnumFailed, aws.String("FUNCTION_ERROR_INIT_FAILURE: "+err.Error())
				}
			}
			if have < want && d.Status != types.ProvisionedConcurrencyStatusEnumFailed {
				d.Status = types.ProvisionedConcurrencyStatusEnumInProgress
			}
			allocated += min(have, want)
		}
	}
	d.AllocatedProvisionedConcurrentExecutions, d.AvailableProvisionedConcurrentExecutions = aws.Int32(int32(allocated)), aws.Int32(int32(allocated))
	return d
}

// shares says how many environments each version keeps ready for a qualifier. An alias with weights spreads its own by
// them; a version that gets any traffic keeps one at least, where there is one to spare.
func (n *snapshot) shares(q string) map[string]int {
	p := n.warm[q]
	routing := alias.Routing{Primary: q}
	if a := n.aliases[q]; a != nil {
		routing = a.Routing
	}
	total := int(p.Requested)
	second := int(math.Round(float64(total) * routing.Weight))
	if routing.Additional == "" || routing.Weight == 0 {
		return map[string]int{routing.Primary: total}
	}
	if total > 1 {
		second = max(1, second)
		if routing.Weight < 1 {
			second = min(total-1, second)
		}
	}
	return map[string]int{routing.Primary: total - second, routing.Additional: second}
}
