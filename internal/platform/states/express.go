package states

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
)

// Limits and units of Express workflows. https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_BillingDetails.html
const (
	expressLimit    = 5 * time.Minute
	billedDuration  = 100 // milliseconds: durations are rounded up to it
	billedMemory    = 64  // MB: the least that is billed
	unlimitedEvents = -1
)

// StartSyncExecution runs an Express workflow, and answers when it has ended. What goes wrong in the workflow is no
// error of the call. An execution that the service's closing cuts off is lost, as Express executions may be on AWS.
func (s *Service) StartSyncExecution(ctx context.Context, in *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error) {
	start := &sfn.StartExecutionInput{StateMachineArn: in.StateMachineArn, Name: in.Name, Input: in.Input, TraceHeader: in.TraceHeader}
	var c constraints
	c.Enum("includedData", string(in.IncludedData), "ALL_DATA", "METADATA_ONLY")
	if err := cmp.Or(checkStart(start), c.Err()); err != nil {
		return nil, err
	}
	r, err := s.newExecutionRecord(start)
	if err != nil {
		return nil, err
	}
	s.join(ctx, r)
	if !r.express {
		return nil, typeNotSupported()
	}
	result, err := s.runExpress(ctx, r)
	if err != nil {
		return nil, err
	}
	took := result.Stopped.Sub(r.Started).Milliseconds()
	arn, machine := s.expressArn(r), s.machineArn(r.Machine)
	out := &sfn.StartSyncExecutionOutput{
		ExecutionArn: &arn, StateMachineArn: &machine, Name: &r.Name, StartDate: &r.Started, StopDate: &result.Stopped,
		Status: types.SyncExecutionStatus(result.Status), Error: given(result.Error), Cause: given(result.Cause), TraceHeader: given(r.TraceHeader),
		BillingDetails: &types.BillingDetails{
			BilledDurationInMilliseconds: max(1, (took+billedDuration-1)/billedDuration) * billedDuration, BilledMemoryUsedInMB: billedMemory,
		},
	}
	if in.IncludedData != types.IncludedDataMetadataOnly {
		out.Input, out.InputDetails = &r.Input, &types.CloudWatchEventsExecutionDataDetails{Included: true}
		if result.Status == types.ExecutionStatusSucceeded {
			out.Output, out.OutputDetails = &result.Output, &types.CloudWatchEventsExecutionDataDetails{Included: true}
		}
	}
	return out, nil
}

// startExpress runs an Express workflow that nobody waits for. As on AWS its name need not be unique.
func (s *Service) startExpress(r *executionRecord) (*sfn.StartExecutionOutput, error) {
	definition, err := s.definitions.parsed(s.engine.work, r.Revision.Digest)
	if err != nil {
		return nil, err
	}
	if s.engine.work.Err() != nil {
		return nil, unavailable()
	}
	r.Started = s.now()
	arn, at := s.expressArn(r), r.Started
	go func() {
		if _, err := s.express(s.engine.work, definition, r); err != nil && s.engine.work.Err() == nil {
			s.log.Error("an Express execution cannot go on", "execution", arn, "error", err)
		}
	}()
	return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: &at}, nil
}

// runExpress runs an Express workflow to its end; ctx is the caller's.
func (s *Service) runExpress(ctx context.Context, r *executionRecord) (*executionResult, error) {
	definition, err := s.definitions.parsed(ctx, r.Revision.Digest)
	if err != nil {
		return nil, err
	}
	r.Started = s.now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.engine.work, cancel)()
	result, err := s.express(ctx, definition, r)
	if err != nil && s.engine.work.Err() != nil {
		return nil, unavailable()
	}
	return result, err
}

// express is the pump of one execution that is in memory only. It returns when the execution has ended, or ctx.
func (s *Service) express(ctx context.Context, definition *asl.StateMachine, r *executionRecord) (*executionResult, error) {
	o := s.startOptions(r)
	o.ExecutionARN, o.HistoryLimit = s.expressArn(r), unlimitedEvents
	x := &execution{id: r.id(), serial: r.Serial, version: r.Version, alias: r.Alias, started: r.Started, trace: r.TraceHeader}
	s.metrics.started(x)
	run := newEphemeral(s, r.Serial, definition, o, expressLimit)
	done, err := run.run(s.within(ctx, x))
	if err != nil {
		return nil, err
	}
	s.metrics.ended(x, done)
	s.traceExecution(x, done, o.ExecutionARN)
	return done, nil
}

// expressArn is the ARN of an Express execution, which its serial makes unique.
func (s *Service) expressArn(r *executionRecord) string {
	return s.arnPrefix + "express:" + r.Machine + ":" + r.Name + ":" + r.Serial
}

// ephemeral runs one execution in memory: the same machine as a Standard execution's, without a journal and a history.
// One goroutine steps it; tasks and timers bring their answers to it.
type ephemeral struct {
	s          *Service
	definition *asl.StateMachine
	state      *interp.State
	serial     string
	started    time.Time
	limit      time.Duration // of the whole execution

	events chan interp.Event
	tasks  map[int64]context.CancelFunc
	timers map[int64]func() bool
}

func newEphemeral(s *Service, serial string, definition *asl.StateMachine, o interp.StartOptions, limit time.Duration) *ephemeral {
	return &ephemeral{
		s: s, serial: serial, definition: definition, state: interp.Start(definition, o), started: o.StartTime, limit: limit,
		events: make(chan interp.Event), tasks: map[int64]context.CancelFunc{}, timers: map[int64]func() bool{},
	}
}

func (e *ephemeral) run(ctx context.Context) (*executionResult, error) {
	ctx, cancel := context.WithCancel(ctx) // ends what the execution leaves under way
	defer cancel()
	expired := make(chan struct{})
	stop := e.s.clock.AfterFunc(e.limit, func() { close(expired) })
	defer stop()
	defer func() {
		for _, stop := range e.timers {
			stop()
		}
	}()
	ev := interp.Event{Kind: interp.EventStart}
	for {
		ev.At, ev.Seed = e.s.now(), rand.Uint64()
		if ev.At.Before(e.started) {
			ev.At = e.started
		}
		out, err := step(e.definition, e.state, ev)
		if err != nil && !errors.Is(err, interp.ErrStale) {
			return nil, err
		}
		for _, c := range out.Commands {
			if done := c.Complete; done != nil {
				r := &executionResult{Status: types.ExecutionStatus(done.Status), Stopped: ev.At, Output: string(done.Output), Error: done.Error, Cause: done.Cause}
				if r.Status == types.ExecutionStatusTimedOut && r.Error == "" {
					r.Error = asl.ErrTimeout
				}
				return r, nil
			}
			e.perform(ctx, c)
		}
		select {
		case ev = <-e.events:
			delete(e.tasks, ev.Command)
			delete(e.timers, ev.Command)
		case <-expired:
			return &executionResult{Status: types.ExecutionStatusTimedOut, Stopped: e.s.now(), Error: asl.ErrTimeout}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *ephemeral) perform(ctx context.Context, c interp.Command) {
	answer := func(ev interp.Event) {
		select {
		case e.events <- ev:
		case <-ctx.Done():
		}
	}
	switch {
	case c.InvokeTask != nil:
		of, cancel := context.WithCancel(ctx)
		e.tasks[c.ID] = cancel
		call := &taskCall{InvokeTask: c.InvokeTask, Execution: e.state.Options.ExecutionARN, Serial: e.serial, Command: c.ID}
		go func() {
			defer cancel()
			output, failed := e.s.performTask(of, call)
			if of.Err() == nil {
				answer(taskAnswer(c.ID, output, failed))
			}
		}()
	case c.StartTimer != nil:
		ev := interp.Event{Kind: interp.EventTimer, Command: c.ID}
		e.timers[c.ID] = e.s.clock.AfterFunc(c.StartTimer.Due.Sub(e.s.clock.Now()), func() { go answer(ev) })
	case c.Cancel != nil:
		id := c.Cancel.Command
		if cancel := e.tasks[id]; cancel != nil {
			cancel()
			delete(e.tasks, id)
		}
		if stop := e.timers[id]; stop != nil {
			stop()
			delete(e.timers, id)
		}
	}
}

func taskAnswer(command int64, output json.RawMessage, failed *taskFailure) interp.Event {
	return answer{command: command, output: output, failed: failed}.event()
}

// newSerial is a name that begins with the time.
func newSerial() (string, error) {
	serial, err := uuid.NewV7()
	if err != nil {
		return "", failure("naming an execution", err)
	}
	return serial.String(), nil
}
