package states

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
	"github.com/tealdeploy/teal/internal/store"
)

// StartExecution starts an execution of a machine's current revision, of a version, or of the version that an alias's
// weights choose. It answers once the execution and its first step are durable. Starting again with the name and the
// input of an execution that runs answers as the first time did.
func (s *Service) StartExecution(ctx context.Context, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	return s.startFor(ctx, in, "")
}

// startFor starts an execution for a task, whose key starter is, or for a caller of the API, with none.
func (s *Service) startFor(ctx context.Context, in *sfn.StartExecutionInput, starter string) (*sfn.StartExecutionOutput, error) {
	if err := checkStart(in); err != nil {
		return nil, err
	}
	r, err := s.newExecutionRecord(in)
	if err != nil {
		return nil, err
	}
	s.join(ctx, r)
	r.Starter = starter
	if r.express {
		return s.startExpress(r)
	}
	for {
		if in.Name != nil {
			out, err := s.startedBefore(ctx, r)
			if out != nil || err != nil {
				return out, err
			}
		}
		m := message{kind: start, id: r.id(), record: r, reply: make(chan reply, 1)}
		if !s.engine.post(m) {
			return nil, unavailable()
		}
		// The caller's context is not heeded here: the execution is on its way, and its answer takes one commit.
		got := <-m.reply
		if got.err == nil {
			arn := s.executionArn(r.id())
			return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: &got.at}, nil
		}
		raced := errors.Is(got.err, errExists) || errors.Is(got.err, store.ErrConflict) // with another start of that name
		if !raced || in.Name == nil || ctx.Err() != nil {
			return nil, s.refusal("starting execution "+r.id().key(), got.err)
		}
	}
}

func checkStart(in *sfn.StartExecutionInput) error {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.text("name", in.Name, 1, maxName)
	c.text("input", in.Input, 0, maxPayload)
	c.text("traceHeader", in.TraceHeader, 0, 256)
	return c.Err()
}

// refusal gives AWS's errors as they are, and tells others as failures.
func (s *Service) refusal(doing string, err error) error {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		return err
	}
	return failure(doing, err)
}

// newExecutionRecord resolves what is to be started. It takes no lock: an alias that has been switched routes the next
// request.
func (s *Service) newExecutionRecord(in *sfn.StartExecutionInput) (*executionRecord, error) {
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	m := s.machines.find(ref.name)
	if m == nil {
		return nil, machineMissing(*in.StateMachineArn)
	}
	if m.record.Deleting {
		return nil, machineDeleting(*in.StateMachineArn)
	}
	r := &executionRecord{Machine: ref.name, Revision: m.record.Revision, Version: ref.version, Alias: ref.alias, Input: "{}", TraceHeader: text(in.TraceHeader)}
	r.express = m.record.Type == types.StateMachineTypeExpress
	if ref.alias != "" {
		a := m.aliases[ref.alias]
		if a == nil {
			return nil, machineMissing(*in.StateMachineArn)
		}
		r.Version = a.pick(rand.Float64())
	}
	if r.Version > 0 {
		v := m.versions[r.Version]
		if v == nil {
			return nil, machineMissing(*in.StateMachineArn)
		}
		r.Revision = v.Revision
	}
	if r.Serial, err = newSerial(); err != nil {
		return nil, err
	}
	if in.Name == nil {
		r.Name = r.Serial
	} else if r.Name = *in.Name; !validName(r.Name) {
		return nil, invalidName(r.Name)
	}
	if in.Input != nil {
		if err := checkInput(*in.Input); err != nil {
			return nil, err
		}
		r.Input = *in.Input
	}
	return r, nil
}

// checkInput refuses what is no input of an execution, in the words of AWS's parser.
func checkInput(input string) error {
	if len(input) > maxPayload { // the constraint counts characters, the quota bytes
		return &types.InvalidExecutionInput{Message: sentence("Invalid State Machine Execution Input: 'the input has %d bytes; %d are allowed'", len(input), maxPayload)}
	}
	if json.Valid([]byte(input)) {
		return nil
	}
	_, err := jsonvalue.ParseString(input)
	why := "the input is no JSON" // where the parser reads more than JSON holds
	if syntax := (*jsonvalue.SyntaxError)(nil); errors.As(err, &syntax) {
		why = "com.fasterxml.jackson.core.JsonParseException: " + syntax.Message + "\n at " + syntax.Source(input)
	}
	return &types.InvalidExecutionInput{Message: sentence("Invalid State Machine Execution Input: '%s'", why)}
}

// startedBefore answers for an execution of the same name, or returns nil when there is none.
func (s *Service) startedBefore(ctx context.Context, want *executionRecord) (*sfn.StartExecutionOutput, error) {
	id := want.id()
	was, err := s.executionRecord(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	result, err := s.executionResult(ctx, was.Serial)
	if err != nil {
		return nil, err
	}
	arn := s.executionArn(id)
	if result != nil || was.Input != want.Input {
		return nil, executionExists(arn)
	}
	return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: &was.Started}, nil
}

func (s *Service) executionRecord(ctx context.Context, id execID) (*executionRecord, error) {
	b, err := s.store.Get(ctx, bucketExecutions, id.key())
	if err != nil {
		return nil, failure("reading execution "+id.key(), err)
	}
	return decode[executionRecord](bucketExecutions, id.key(), b)
}

// executionResult returns nil while the execution runs.
func (s *Service) executionResult(ctx context.Context, serial string) (*executionResult, error) {
	b, err := s.store.Get(ctx, bucketResults, serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, failure("reading the result of an execution", err)
	}
	return decode[executionResult](bucketResults, serial, b)
}

// execution reads an execution by its ARN; result is nil while it runs.
func (s *Service) execution(ctx context.Context, arn string) (r *executionRecord, result *executionResult, err error) {
	id, err := s.executionID(arn)
	if err != nil {
		return nil, nil, err
	}
	r, err = s.executionRecord(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, executionMissing(arn)
	}
	if err == nil {
		result, err = s.executionResult(ctx, r.Serial)
	}
	return r, result, err
}

// DescribeExecution describes an execution.
func (s *Service) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput) (*sfn.DescribeExecutionOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.Enum("includedData", string(in.IncludedData), "ALL_DATA", "METADATA_ONLY")
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, result, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	id, redrives := r.id(), int32(r.Redrives)
	arn, machine := s.executionArn(id), s.machineArn(r.Machine)
	out := &sfn.DescribeExecutionOutput{
		ExecutionArn: &arn, StateMachineArn: &machine, Name: &r.Name, Status: types.ExecutionStatusRunning, StartDate: &r.Started,
		TraceHeader: given(r.TraceHeader), RedriveCount: &redrives, RedriveStatus: types.ExecutionRedriveStatusNotRedrivable,
		InputDetails: &types.CloudWatchEventsExecutionDataDetails{Included: true},
	}
	if r.Version > 0 {
		v := s.versionArn(r.Machine, r.Version)
		out.StateMachineVersionArn = &v
	}
	if r.Alias != "" {
		a := s.aliasArn(r.Machine, r.Alias)
		out.StateMachineAliasArn = &a
	}
	all := in.IncludedData != types.IncludedDataMetadataOnly
	if all {
		out.Input = &r.Input
	}
	if result != nil {
		out.Status, out.StopDate = result.Status, &result.Stopped
		if all {
			out.Output, out.Error, out.Cause = given(result.Output), given(result.Error), given(result.Cause)
		}
		if result.Output != "" {
			out.OutputDetails = &types.CloudWatchEventsExecutionDataDetails{Included: true}
		}
	}
	if r.Child != nil {
		out.MapRunArn = &r.Child.Run
		run, err := s.mapRunRecord(ctx, r.Child.Key)
		if err != nil {
			return nil, err
		}
		if result != nil && run.pendingRedrive(result.Status, result.Stopped) {
			result = &executionResult{Status: types.ExecutionStatusPendingRedrive}
			out.Status, out.StopDate, out.Error, out.Cause = result.Status, nil, nil, nil
		}
	}
	if r.Redrives > 0 {
		out.RedriveDate = &r.Redriven
	}
	if why := s.notRedrivable(result); why != "" {
		out.RedriveStatusReason = &why
	} else if out.RedriveStatus = types.ExecutionRedriveStatusRedrivable; r.Child != nil {
		out.RedriveStatus = types.ExecutionRedriveStatusRedrivableByMapRun
	}
	return out, nil
}

// DescribeStateMachineForExecution describes the revision that an execution runs on, whatever has become of its machine.
func (s *Service) DescribeStateMachineForExecution(ctx context.Context, in *sfn.DescribeStateMachineForExecutionInput) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.Enum("includedData", string(in.IncludedData), "ALL_DATA", "METADATA_ONLY")
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, _, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	rev, arn := r.Revision, s.machineArn(r.Machine)
	out := &sfn.DescribeStateMachineForExecutionOutput{
		StateMachineArn: &arn, Name: &r.Machine, RoleArn: &rev.RoleArn, UpdateDate: &rev.Updated, RevisionId: rev.id(),
		LoggingConfiguration: &rev.Logging, TracingConfiguration: &types.TracingConfiguration{Enabled: rev.Tracing},
		EncryptionConfiguration: rev.encryption(),
	}
	if r.Child != nil {
		_, label, _ := strings.Cut(r.Machine, "/")
		out.MapRunArn, out.Label = &r.Child.Run, &label
	}
	if in.IncludedData != types.IncludedDataMetadataOnly {
		if out.Definition, err = s.definition(ctx, rev.Digest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// StopExecution stops an execution, and cancels what it has under way. Stopping one that has ended changes nothing.
func (s *Service) StopExecution(ctx context.Context, in *sfn.StopExecutionInput) (*sfn.StopExecutionOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.text("error", in.Error, 0, 256)
	c.text("cause", in.Cause, 0, 32768)
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, result, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if result == nil {
		m := message{kind: stop, id: r.id(), stop: stopRequest{text(in.Error), text(in.Cause)}, reply: make(chan reply, 1)}
		if !s.engine.post(m) {
			return nil, unavailable()
		}
		got := <-m.reply
		if got.err == nil {
			return &sfn.StopExecutionOutput{StopDate: &got.at}, nil
		}
		if !errors.Is(got.err, errNotOpen) {
			return nil, s.refusal("stopping execution "+r.id().key(), got.err)
		}
		if result, err = s.executionResult(ctx, r.Serial); err != nil { // it has just ended by itself
			return nil, err
		}
		if result == nil {
			return nil, failure("stopping execution "+r.id().key(), errNotOpen)
		}
	}
	return &sfn.StopExecutionOutput{StopDate: &result.Stopped}, nil
}
