package states

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// mapRunRecord reads a Map run by its key.
func (s *Service) mapRunRecord(ctx context.Context, key string) (*mapRunRecord, error) {
	b, err := s.store.Get(ctx, bucketMapRuns, key)
	if err != nil {
		return nil, failure("reading Map run "+key, err)
	}
	return decode[mapRunRecord](bucketMapRuns, key, b)
}

// mapRunNamed reads a Map run by its ARN.
func (s *Service) mapRunNamed(ctx context.Context, text string) (*mapRunRecord, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, invalidArn("Invalid ARN prefix: %s", text)
	}
	if kind, _, _ := strings.Cut(a.Resource, ":"); a.Service != "states" || kind != "mapRun" {
		return nil, invalidArn("Resource type not valid in this context: %s", kind)
	}
	key, err := s.store.Get(ctx, bucketMapRunNames, text)
	if errors.Is(err, store.ErrNotFound) {
		return nil, resourceMissing(text)
	}
	if err != nil {
		return nil, failure("reading Map run "+text, err)
	}
	return s.mapRunRecord(ctx, string(key))
}

// DescribeMapRun describes a Map run. Its counts are made of the children that have ended and of those that run; items
// that wait are known once they are read.
func (s *Service) DescribeMapRun(ctx context.Context, in *sfn.DescribeMapRunInput) (*sfn.DescribeMapRunOutput, error) {
	var c constraints
	c.required("mapRunArn", in.MapRunArn, 1, maxLongArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	run, err := s.mapRunNamed(ctx, *in.MapRunArn)
	if err != nil {
		return nil, err
	}
	parent, redrives := s.executionArn(execID{run.Machine, run.Execution}), int32(run.Redrives)
	out := &sfn.DescribeMapRunOutput{
		MapRunArn: &run.ARN, ExecutionArn: &parent, Status: run.Status, StartDate: &run.Started, RedriveCount: &redrives,
		MaxConcurrency: int32(min(run.MaxConcurrency, math.MaxInt32)),
		ItemCounts:     &types.MapRunItemCounts{}, ExecutionCounts: &types.MapRunExecutionCounts{},
	}
	if !run.Stopped.IsZero() {
		out.StopDate = &run.Stopped
	}
	if run.Redrives > 0 {
		out.RedriveDate = &run.Redriven
	}
	if run.ToleratedCount != nil {
		out.ToleratedFailureCount = *run.ToleratedCount
	}
	if run.ToleratedPercentage != nil {
		out.ToleratedFailurePercentage = float32(*run.ToleratedPercentage)
	}
	return out, s.countChildren(ctx, run, out.ItemCounts, out.ExecutionCounts)
}

func addTo(sum **int64, n int64) {
	if *sum == nil {
		*sum = new(int64)
	}
	**sum += n
}

func (s *Service) countChildren(ctx context.Context, run *mapRunRecord, items *types.MapRunItemCounts, executions *types.MapRunExecutionCounts) error {
	pending, pendingItems := int64(0), int64(0)
	for e, err := range s.store.Scan(ctx, bucketMapChildren, store.Prefix(run.key()+"/")) {
		if err != nil {
			return failure("reading the children of a Map run", err)
		}
		row, err := decode[childRecord](bucketMapChildren, e.Key, e.Value)
		if err != nil {
			return err
		}
		n, status := int64(row.Items), row.Status
		if run.pendingRedrive(status, row.Stopped) {
			status = types.ExecutionStatusPendingRedrive
		}
		switch status {
		case types.ExecutionStatusPendingRedrive:
			pendingItems, pending = pendingItems+n, pending+1
		case types.ExecutionStatusSucceeded:
			items.Succeeded, executions.Succeeded = items.Succeeded+n, executions.Succeeded+1
		case types.ExecutionStatusFailed:
			items.Failed, executions.Failed = items.Failed+n, executions.Failed+1
		case types.ExecutionStatusTimedOut:
			items.TimedOut, executions.TimedOut = items.TimedOut+n, executions.TimedOut+1
		default:
			items.Aborted, executions.Aborted = items.Aborted+n, executions.Aborted+1
		}
		if row.Final {
			addTo(&items.FailuresNotRedrivable, n)
			addTo(&executions.FailuresNotRedrivable, 1)
		}
		items.Total, executions.Total = items.Total+n, executions.Total+1
	}
	switch run.Status {
	case types.MapRunStatusRunning:
		s.mapRuns.with(run.ARN, func(l *liveRun) {
			items.Running, executions.Running = int64(l.items), int64(l.children)
			items.Total, executions.Total = items.Total+items.Running-int64(l.againItems), executions.Total+executions.Running-int64(l.again)
			if pending > 0 {
				addTo(&items.PendingRedrive, max(pendingItems-int64(l.againItems), 0))
				addTo(&executions.PendingRedrive, max(pending-int64(l.again), 0))
			}
			if waiting := int64(l.read) - items.Total; waiting > 0 {
				items.Pending, items.Total = waiting, items.Total+waiting
			}
		})
	case types.MapRunStatusSucceeded:
		items.ResultsWritten, executions.ResultsWritten = items.Total, executions.Total
	}
	return nil
}

// ListMapRuns lists the Map runs of an execution, in the order of their names.
func (s *Service) ListMapRuns(ctx context.Context, in *sfn.ListMapRunsInput) (*sfn.ListMapRunsOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, _, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	list := "map runs " + r.Serial
	after, err := position(list, in.NextToken)
	if err != nil {
		return nil, err
	}
	rows := store.Prefix(r.Serial + "/")
	if after != "" {
		rows.From = after + "\x00"
	}
	out, limit, last := &sfn.ListMapRunsOutput{MapRuns: []types.MapRunListItem{}}, pageSize(in.MaxResults), ""
	for e, err := range s.store.Scan(ctx, bucketMapRuns, rows) {
		if err != nil {
			return nil, failure("listing Map runs", err)
		}
		if len(out.MapRuns) == limit {
			out.NextToken = pageToken(list, last)
			break
		}
		run, err := decode[mapRunRecord](bucketMapRuns, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		machine := s.machineArn(run.childMachine())
		item := types.MapRunListItem{MapRunArn: &run.ARN, ExecutionArn: in.ExecutionArn, StateMachineArn: &machine, StartDate: &run.Started}
		if !run.Stopped.IsZero() {
			item.StopDate = &run.Stopped
		}
		out.MapRuns, last = append(out.MapRuns, item), e.Key
	}
	return out, nil
}

// UpdateMapRun changes the limits of a Map run under way. It answers once that is durable.
func (s *Service) UpdateMapRun(ctx context.Context, in *sfn.UpdateMapRunInput) (*sfn.UpdateMapRunOutput, error) {
	var c constraints
	c.required("mapRunArn", in.MapRunArn, 1, maxLongArn)
	limits := &interp.MapRunLimits{ToleratedFailureCount: in.ToleratedFailureCount}
	if in.MaxConcurrency != nil {
		c.Between("maxConcurrency", int(*in.MaxConcurrency), 0, math.MaxInt32)
		n := int64(*in.MaxConcurrency)
		limits.MaxConcurrency = &n
	}
	if in.ToleratedFailureCount != nil {
		c.Between("toleratedFailureCount", int(*in.ToleratedFailureCount), 0, math.MaxInt64)
	}
	if p := in.ToleratedFailurePercentage; p != nil {
		c.Between("toleratedFailurePercentage", int(math.Floor(float64(*p))), 0, 100)
		wide := float64(*p)
		limits.ToleratedFailurePercentage = &wide
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	run, err := s.mapRunNamed(ctx, *in.MapRunArn)
	if err != nil {
		return nil, err
	}
	ev := interp.Event{Kind: interp.EventMapRunUpdated, Command: run.Command, Limits: limits}
	err = s.engine.tell(execID{run.Machine, run.Execution}, ev)
	if gone(err) || errors.Is(err, errStaleAnswer) {
		return nil, invalid("The Map run %s has ended and cannot be updated", run.ARN)
	}
	if err != nil {
		return nil, s.refusal("updating Map run "+run.ARN, err)
	}
	return &sfn.UpdateMapRunOutput{}, nil
}
