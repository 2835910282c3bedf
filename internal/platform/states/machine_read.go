package states

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// DescribeStateMachine describes a state machine, a version, or the first version of an alias's routing.
func (s *Service) DescribeStateMachine(ctx context.Context, in *sfn.DescribeStateMachineInput) (*sfn.DescribeStateMachineOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.Enum("includedData", string(in.IncludedData), "ALL_DATA", "METADATA_ONLY")
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	m := s.machines.find(ref.name)
	if m == nil {
		return nil, machineMissing(*in.StateMachineArn)
	}
	if ref.alias != "" {
		a := m.aliases[ref.alias]
		if a == nil {
			return nil, machineMissing(*in.StateMachineArn)
		}
		ref = machineRef{name: ref.name, version: a.primary}
	}
	rev, created, description, arn := m.record.Revision, m.record.Created, "", s.machineArn(ref.name)
	if ref.version > 0 {
		v := m.versions[ref.version]
		if v == nil {
			return nil, machineMissing(*in.StateMachineArn)
		}
		rev, created, description, arn = v.Revision, v.Created, v.Description, s.versionArn(ref.name, ref.version)
	}
	out := &sfn.DescribeStateMachineOutput{
		StateMachineArn: &arn, Name: &m.record.Name, Type: m.record.Type, Status: types.StateMachineStatusActive, CreationDate: &created,
		RoleArn: &rev.RoleArn, RevisionId: rev.id(), Description: given(description),
		LoggingConfiguration: &rev.Logging, TracingConfiguration: &types.TracingConfiguration{Enabled: rev.Tracing},
		EncryptionConfiguration: rev.encryption(),
	}
	if m.record.Deleting {
		out.Status = types.StateMachineStatusDeleting
	}
	if in.IncludedData != types.IncludedDataMetadataOnly {
		if out.Definition, err = s.definition(ctx, rev.Digest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) definition(ctx context.Context, digest string) (*string, error) {
	b, err := s.store.Get(ctx, bucketDefinitions, digest)
	if err != nil {
		return nil, failure("reading definition "+digest, err)
	}
	text := string(b)
	return &text, nil
}

func (r revision) encryption() *types.EncryptionConfiguration {
	if r.Encryption == "" {
		return nil
	}
	return &types.EncryptionConfiguration{Type: r.Encryption}
}

// ListStateMachines lists the machines in the order of their names.
func (s *Service) ListStateMachines(ctx context.Context, in *sfn.ListStateMachinesInput) (*sfn.ListStateMachinesOutput, error) {
	var c constraints
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	after, err := position("machines", in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListStateMachinesOutput{StateMachines: []types.StateMachineListItem{}}
	limit := pageSize(in.MaxResults)
	r := store.Range{Limit: limit + 1}
	if after != "" {
		r.From = after + "\x00"
	}
	for e, err := range s.store.Scan(ctx, bucketMachines, r) {
		if err != nil {
			return nil, failure("listing state machines", err)
		}
		if n := len(out.StateMachines); n == limit {
			out.NextToken = pageToken("machines", *out.StateMachines[n-1].Name)
			break
		}
		rec, err := decode[machineRecord](bucketMachines, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		arn := s.machineArn(rec.Name)
		out.StateMachines = append(out.StateMachines, types.StateMachineListItem{StateMachineArn: &arn, Name: &rec.Name, Type: rec.Type, CreationDate: &rec.Created})
	}
	return out, nil
}
