package states

import (
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// PublishStateMachineVersion makes a version of the current revision, or returns the version that it already has.
func (s *Service) PublishStateMachineVersion(ctx context.Context, in *sfn.PublishStateMachineVersionInput) (*sfn.PublishStateMachineVersionOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.text("description", in.Description, 0, maxDescription)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if ref.qualified() {
		return nil, machineMissing(*in.StateMachineArn)
	}
	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was, err := s.changeable(e, *in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if in.RevisionId != nil {
		current := was.record.Revision.ID
		if current == "" {
			current = initialRevision
		}
		if *in.RevisionId != current {
			return nil, conflict("Failed to publish the State Machine version for revision %s. The current State Machine revision is %s.", *in.RevisionId, current)
		}
	}
	b, next, now := &store.Batch{}, was.clone(), s.now()
	v, err := s.publish(b, next, text(in.Description), now)
	if err != nil {
		return nil, err
	}
	if next.record.LastVersion != was.record.LastVersion {
		if err := s.change(ctx, e, b, was, next); err != nil {
			return nil, err
		}
	}
	arn := s.versionArn(ref.name, v.Number)
	return &sfn.PublishStateMachineVersionOutput{StateMachineVersionArn: &arn, CreationDate: &v.Created}, nil
}

// ListStateMachineVersions lists the versions of a machine, the newest first.
func (s *Service) ListStateMachineVersions(ctx context.Context, in *sfn.ListStateMachineVersionsInput) (*sfn.ListStateMachineVersionsOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if ref.qualified() || s.machines.find(ref.name) == nil {
		return nil, machineMissing(*in.StateMachineArn)
	}
	list := "versions " + ref.name
	after, err := position(list, in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxResults)
	r := store.Prefix(ref.name + "/")
	r.Reverse, r.Limit = true, limit+1
	if after != "" {
		r.To = after
	}
	out := &sfn.ListStateMachineVersionsOutput{StateMachineVersions: []types.StateMachineVersionListItem{}}
	last := ""
	for e, err := range s.store.Scan(ctx, bucketVersions, r) {
		if err != nil {
			return nil, failure("listing versions", err)
		}
		if len(out.StateMachineVersions) == limit {
			out.NextToken = pageToken(list, last)
			break
		}
		v, err := decode[versionRecord](bucketVersions, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		arn := s.versionArn(ref.name, v.Number)
		out.StateMachineVersions = append(out.StateMachineVersions, types.StateMachineVersionListItem{StateMachineVersionArn: &arn, CreationDate: &v.Created})
		last = e.Key
	}
	return out, nil
}

// DeleteStateMachineVersion deletes a version that no alias names. Executions that run on it go on. Deleting what is not
// there is no error.
func (s *Service) DeleteStateMachineVersion(ctx context.Context, in *sfn.DeleteStateMachineVersionInput) (*sfn.DeleteStateMachineVersionOutput, error) {
	var c constraints
	c.arn("stateMachineVersionArn", in.StateMachineVersionArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineVersionArn)
	if err != nil {
		return nil, err
	}
	if ref.version == 0 {
		return nil, invalid("Invalid version ARN: '%s'. A version ARN is the ARN of a state machine, a colon and the version's number.", *in.StateMachineVersionArn)
	}
	out := &sfn.DeleteStateMachineVersionOutput{}
	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.now.Load()
	if was == nil || was.versions[ref.version] == nil {
		return out, nil
	}
	if was.record.Deleting {
		return nil, machineDeleting(s.machineArn(ref.name))
	}
	if names := was.aliasesOf(ref.version); len(names) > 0 {
		return nil, conflict("Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [%s]", strings.Join(names, ", "))
	}
	next, b := was.clone(), &store.Batch{}
	delete(next.versions, ref.version)
	if next.record.Published == ref.version {
		next.record.Published = 0
	}
	b.Delete(bucketVersions, versionKey(ref.name, ref.version))
	if err := s.change(ctx, e, b, was, next); err != nil {
		return nil, err
	}
	return out, nil
}

// numbers lists versions as AWS writes lists in messages.
func numbers(weights []int32) string {
	parts := make([]string, len(weights))
	for i, w := range weights {
		parts[i] = strconv.Itoa(int(w))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
