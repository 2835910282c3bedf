package states

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// redrivable is how long after its end an execution can be redriven.
// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
const redrivable = 14 * 24 * time.Hour

// errNotRedrivable: the interpreter has nothing to go on from.
var errNotRedrivable = errors.New("states: the execution cannot be redriven")

const historyIsFull = "Execution history event limit exceeded"

// RedriveExecution runs an execution on that has failed, timed out or was stopped, from the states that did not succeed
// and on the definition that it started with. It answers once that is durable. A repeated request with the client token
// of the last redrive answers as that did.
func (s *Service) RedriveExecution(ctx context.Context, in *sfn.RedriveExecutionInput) (*sfn.RedriveExecutionOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.text("clientToken", in.ClientToken, 1, 64)
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, result, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	token := text(in.ClientToken)
	if token != "" && r.Redrives > 0 && r.RedriveToken == token {
		return &sfn.RedriveExecutionOutput{RedriveDate: &r.Redriven}, nil
	}
	if why := s.notRedrivable(result); why != "" {
		return nil, notRedrivable(why)
	}
	m := message{kind: redrive, id: r.id(), token: token, reply: make(chan reply, 1)}
	if !s.engine.post(m) {
		return nil, unavailable()
	}
	got := <-m.reply
	switch {
	case errors.Is(got.err, errExists):
		return nil, notRedrivable("Execution is RUNNING and cannot be redriven")
	case errors.Is(got.err, errNotRedrivable):
		return nil, notRedrivable(historyIsFull)
	case got.err != nil:
		return nil, s.refusal("redriving execution "+r.id().key(), got.err)
	}
	return &sfn.RedriveExecutionOutput{RedriveDate: &got.at}, nil
}

func notRedrivable(why string) error { return &types.ExecutionNotRedrivable{Message: &why} }

// notRedrivable says why an execution cannot be redriven, or nothing; result is nil while it runs.
func (s *Service) notRedrivable(result *executionResult) string {
	switch {
	case result == nil:
		return "Execution is RUNNING and cannot be redriven"
	case result.Status == types.ExecutionStatusPendingRedrive:
		return "Execution is PENDING_REDRIVE and cannot be redriven"
	case result.Status == types.ExecutionStatusSucceeded:
		return "Execution is SUCCEEDED and cannot be redriven"
	case s.now().Sub(result.Stopped) > redrivable:
		return "Execution redrivable period exceeded"
	case result.Final:
		return historyIsFull
	}
	return ""
}

// redriving is the part of a change that runs an ended execution on.
type redriving struct {
	record *executionRecord // with the redrive counted
	was    []byte           // the result that it had
	status types.ExecutionStatus
}

// redrive brings an ended execution back from its journal, and lets it go on.
func (sh *shard) redrive(m message, now time.Time, touch func(*execution) *change) {
	if x := sh.open[m.id]; x != nil {
		c := touch(x)
		c.late = append(c.late, m)
		return
	}
	x, of, err := sh.ended(m.id)
	if err != nil {
		m.respond(reply{err: err})
		return
	}
	if interp.Redrivable(x.definition, x.state) != nil {
		m.respond(reply{err: errNotRedrivable})
		return
	}
	at := now
	if at.Before(x.last) {
		at = x.last
	}
	of.record.Redrives++
	of.record.Redriven, of.record.RedriveToken = at, m.token
	x.redrives, x.redriven = of.record.Redrives, at
	sh.open[x.id] = x
	c := touch(x)
	c.redriving = of
	c.waiting = append(c.waiting, m)
	sh.apply(c, interp.Event{Kind: interp.EventRedrive}, now)
}

// ended rebuilds an execution that has ended.
func (sh *shard) ended(id execID) (*execution, *redriving, error) {
	ctx := sh.e.work
	r, err := sh.e.s.executionRecord(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	was, err := sh.e.s.store.Get(ctx, bucketResults, r.Serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errExists
	}
	if err != nil {
		return nil, nil, failure("reading the result of an execution", err)
	}
	result, err := decode[executionResult](bucketResults, r.Serial, was)
	if err != nil {
		return nil, nil, err
	}
	x := sh.e.newExecution(r, nil, nil)
	if err := sh.e.replay(ctx, x, r); err != nil {
		return nil, nil, err
	}
	return x, &redriving{record: r, was: was, status: result.Status}, nil
}

// write collects what a redrive means for the store, before what its first step does.
func (r *redriving) write(x *execution, b *store.Batch) {
	b.ExpectValue(bucketResults, x.serial, r.was)
	b.Delete(bucketResults, x.serial)
	b.Put(bucketExecutions, x.id.key(), encode(r.record))
	if x.child != nil {
		b.Delete(bucketMapChildren, x.child.row())
	}
	x.unlist(b, r.status)
	x.list(b, types.ExecutionStatusRunning, nil)
}
