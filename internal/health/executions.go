package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// ExecutionLister is the part of Step Functions' client that is needed.
type ExecutionLister interface {
	ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, options ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error)
}

var _ ExecutionLister = (*sfn.Client)(nil)

// Executions counts the executions of state machine versions: those that finished since the step began, of all that
// started since the rollout's first shift. Those that failed or timed out are errors; those that a person stopped count
// neither way. Express workflows are not listed by Step Functions: they are reported as unseen.
type Executions struct {
	client ExecutionLister
	now    func() time.Time
}

var _ Source = (*Executions)(nil)

// NewExecutions makes the source; now may be nil for the machine's clock.
func NewExecutions(client ExecutionLister, now func() time.Time) *Executions {
	return &Executions{client: client, now: clockOr(now)}
}

// Observe implements Source for state machines.
func (x *Executions) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	o := rollout.Observation{At: x.now()}
	for _, s := range subjects(check, release.KindStateMachine) {
		seen := rollout.Observed{Ref: s.Ref}
		ended := &endings{from: check.Started, final: o.At.Add(-listed).Truncate(stretch), of: map[time.Time]*rollout.Stretch{}}
		if s.Through.After(ended.from) {
			ended.from = s.Through
		}
		err := x.count(ctx, s.Green, check, &seen.Green, ended.green)
		if err == nil && s.Blue != "" {
			err = x.count(ctx, s.Blue, check, &seen.Blue, ended.blue)
		}
		if err == nil && check.Compare && s.Blue != "" {
			seen.Stretches, seen.Through = ended.all(), ended.final.UTC()
		}
		var express *types.StateMachineTypeNotSupported
		if errors.As(err, &express) {
			seen = rollout.Observed{Ref: s.Ref, Unseen: "Step Functions does not list executions of Express workflows"}
		} else if err != nil {
			return rollout.Observation{}, wrap("executions of "+s.Ref.Name, err)
		}
		o.Subjects = append(o.Subjects, seen)
	}
	return o, nil
}

// count adds up the executions of one version. They come newest first. Those of blue that started before the first shift are
// left out, so that both sides are seen over the same time.
func (x *Executions) count(ctx context.Context, versionARN string, check rollout.Check, c *rollout.Counts, ended func(at time.Time) *rollout.Counts) error {
	in := &sfn.ListExecutionsInput{StateMachineArn: aws.String(versionARN), MaxResults: 1000}
	for range maxPages {
		out, err := x.client.ListExecutions(ctx, in)
		if err != nil {
			return err
		}
		for _, e := range out.Executions {
			if e.StartDate != nil && e.StartDate.Before(check.Started.Truncate(time.Second)) {
				return nil
			}
			if e.Status == types.ExecutionStatusRunning {
				c.Running++
				continue
			}
			if e.StopDate == nil {
				continue
			}
			for _, to := range []*rollout.Counts{ended(*e.StopDate), c} {
				if to == nil || to == c && e.StopDate.Before(check.Since) {
					continue
				}
				switch e.Status {
				case types.ExecutionStatusSucceeded:
					to.Requests++
				case types.ExecutionStatusFailed, types.ExecutionStatusTimedOut:
					to.Requests++
					to.Errors++
				}
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return fmt.Errorf("version %s has more than %d executions since the rollout began", versionARN, maxPages*1000)
}

const (
	stretch = time.Minute // in which executions that ended are compared
	listed  = time.Minute // after which an execution that has ended is surely listed so: ListExecutions is eventually consistent
)

// endings are the executions of both versions by when they ended.
type endings struct {
	from, final time.Time // whole stretches between these two
	of          map[time.Time]*rollout.Stretch
}

// at finds the stretch of a time; nil when it is not asked for, or not final yet.
func (e *endings) at(t time.Time) *rollout.Stretch {
	begin := t.Truncate(stretch).UTC()
	if begin.Before(e.from) || !begin.Before(e.final) {
		return nil
	}
	if e.of[begin] == nil {
		e.of[begin] = &rollout.Stretch{From: begin}
	}
	return e.of[begin]
}

func (e *endings) blue(t time.Time) *rollout.Counts {
	if s := e.at(t); s != nil {
		return &s.Blue
	}
	return nil
}

func (e *endings) green(t time.Time) *rollout.Counts {
	if s := e.at(t); s != nil {
		return &s.Green
	}
	return nil
}

func (e *endings) all() (list []rollout.Stretch) {
	for _, s := range e.of {
		if s.Blue.Requests+s.Green.Requests > 0 {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b rollout.Stretch) int { return a.From.Compare(b.From) })
	return list
}
