package states

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// DeleteStateMachine deletes a machine with its versions and aliases. As on AWS it is DELETING, and takes no new
// executions, until those that run have been stopped. Deleting what is not there is no error. The records of its
// executions stay.
func (s *Service) DeleteStateMachine(ctx context.Context, in *sfn.DeleteStateMachineInput) (*sfn.DeleteStateMachineOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if ref.qualified() {
		return nil, invalid("The ARN %s names a version or an alias. DeleteStateMachine takes the ARN of a state machine.", *in.StateMachineArn)
	}
	out := &sfn.DeleteStateMachineOutput{}
	e := s.machines.existing(ref.name)
	if err := s.markDeleting(ctx, e); err != nil {
		return nil, err
	}
	if err := s.stopAll(ctx, ref.name); err != nil {
		return nil, err
	}
	if err := s.finishDeletion(ctx, ref.name); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) markDeleting(ctx context.Context, e *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.now.Load()
	if was == nil || was.record.Deleting {
		return nil
	}
	next := was.clone()
	next.record.Deleting = true
	return s.change(ctx, e, &store.Batch{}, was, next)
}

// stopAll stops every execution of a machine that is DELETING.
func (s *Service) stopAll(ctx context.Context, machine string) error {
	for before, more := "", true; more; {
		var running []listed
		var err error
		running, more, err = s.page(ctx, machineScope(machine), []types.ExecutionStatus{types.ExecutionStatusRunning}, before, maxResults)
		if err != nil {
			return err
		}
		for _, r := range running {
			s.engine.post(message{kind: stop, id: execID{machine, r.name()}, stop: stopRequest{cause: "The state machine was deleted."}})
			before = r.at
		}
	}
	return nil
}

// finishDeletion removes a machine that is DELETING when none of its executions runs. The end of each calls it again.
func (s *Service) finishDeletion(ctx context.Context, name string) error {
	running, _, err := s.page(ctx, machineScope(name), []types.ExecutionStatus{types.ExecutionStatusRunning}, "", 1)
	if err != nil || len(running) > 0 {
		return err
	}
	e := s.machines.existing(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.now.Load()
	if was == nil || !was.record.Deleting {
		return nil
	}
	b := &store.Batch{}
	b.ExpectValue(bucketMachines, name, encode(was.record))
	b.Delete(bucketMachines, name)
	for n := range was.versions {
		b.Delete(bucketVersions, versionKey(name, n))
	}
	for a := range was.aliases {
		b.Delete(bucketAliases, name+"/"+a)
	}
	if err := s.store.Commit(ctx, b); err != nil {
		return failure("deleting state machine "+name, err)
	}
	e.now.Store(nil)
	return nil
}

// executionEnded goes on with the deletion of a machine that waited for its executions.
func (s *Service) executionEnded(machine string) {
	if m := s.machines.find(machine); m != nil && m.record.Deleting {
		s.resumeDeletion(machine, s.finishDeletion)
	}
}

// resumeDeletions goes on with what the last process left half deleted.
func (s *Service) resumeDeletions() {
	s.machines.byName.Range(func(name, e any) bool {
		if m := e.(*entry).now.Load(); m != nil && m.record.Deleting {
			s.resumeDeletion(name.(string), s.stopAll, s.finishDeletion)
		}
		return true
	})
}

func (s *Service) resumeDeletion(machine string, steps ...func(context.Context, string) error) {
	s.engine.wg.Go(func() {
		for _, step := range steps {
			if err := step(s.engine.work, machine); err != nil {
				if s.engine.work.Err() == nil {
					s.log.Error("a state machine waits for its deletion until the next start", "stateMachine", s.machineArn(machine), "error", err)
				}
				return
			}
		}
	})
}
