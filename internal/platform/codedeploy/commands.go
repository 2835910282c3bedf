package codedeploy

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/rollout"
)

// StopDeployment stops a deployment where it is. Whether another deployment takes it back is said by the request, or else
// by the group. Without that the alias stays as it is, and if it is at two versions, later deployments fail, as on AWS.
func (s *Service) StopDeployment(_ context.Context, in *sdk.StopDeploymentInput) (*sdk.StopDeploymentOutput, error) {
	d, err := s.find(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// What a restart left outstanding is done first: a deployment is stopped where it is known to be.
	if err := s.perform(d); err != nil {
		return nil, err
	}
	if ended(d.record().Status) {
		return nil, &types.DeploymentAlreadyCompletedException{Message: text("The deployment %s is already complete", *in.DeploymentId)}
	}
	stop := &cause{
		status: types.DeploymentStatusStopped, code: types.ErrorCodeManualStop, message: "The deployment was stopped by a StopDeployment request.",
		event: types.AutoRollbackEventDeploymentStopOnRequest, rollback: in.AutoRollbackEnabled,
	}
	if err := s.feed(d, rollout.Event{Kind: rollout.EventAbort, Reason: stop.message}, stop); err != nil {
		return nil, err
	}
	d.disarm()
	return &sdk.StopDeploymentOutput{
		Status: types.StopStatusSucceeded, StatusMessage: aws.String("No more commands will be scheduled for execution in the deployment"),
	}, nil
}

// PutLifecycleEventHookExecutionStatus takes the result of a validation function, from it or from anyone who knows the
// execution's ID.
func (s *Service) PutLifecycleEventHookExecutionStatus(_ context.Context, in *sdk.PutLifecycleEventHookExecutionStatusInput) (*sdk.PutLifecycleEventHookExecutionStatusOutput, error) {
	d, err := s.find(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	if in.Status != types.LifecycleEventStatusSucceeded && in.Status != types.LifecycleEventStatusFailed {
		return nil, &types.InvalidLifecycleEventHookExecutionStatusException{Message: text("The status of a lifecycle event hook must be Succeeded or Failed, not %q", in.Status)}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.record()
	event := ""
	for name, h := range r.Hooks {
		if h.Execution == aws.ToString(in.LifecycleEventHookExecutionId) {
			event = name
		}
	}
	for _, p := range r.State.Pending {
		if hook := p.Effect.RunHook; hook == nil || hook.Stage != event || ended(r.Status) {
			continue
		}
		result := &rollout.HookResult{Succeeded: in.Status == types.LifecycleEventStatusSucceeded, Reason: "it told Failed"}
		if err := s.feed(d, rollout.Event{Kind: rollout.EventResult, Effect: p.Effect.ID, Hook: result}, nil); err != nil {
			return nil, err
		}
		s.drive(d)
		return &sdk.PutLifecycleEventHookExecutionStatusOutput{LifecycleEventHookExecutionId: in.LifecycleEventHookExecutionId}, nil
	}
	for _, e := range r.Events {
		if e.Name == event && e.Status != types.LifecycleEventStatusPending {
			return nil, &types.LifecycleEventAlreadyCompletedException{Message: text("The lifecycle event %s of deployment %s is already complete", event, r.ID)}
		}
	}
	return nil, &types.InvalidLifecycleEventHookExecutionIdException{Message: text("The deployment %s is running no lifecycle event hook with this execution ID", r.ID)}
}

// ContinueDeployment is for deployments that wait for a person before traffic is shifted; those of Lambda do not.
func (s *Service) ContinueDeployment(_ context.Context, in *sdk.ContinueDeploymentInput) (*sdk.ContinueDeploymentOutput, error) {
	return nil, s.unsupported(in.DeploymentId, "ContinueDeployment")
}

// SkipWaitTimeForInstanceTermination is for deployments with instances; those of Lambda have none.
func (s *Service) SkipWaitTimeForInstanceTermination(_ context.Context, in *sdk.SkipWaitTimeForInstanceTerminationInput) (*sdk.SkipWaitTimeForInstanceTerminationOutput, error) {
	return nil, s.unsupported(in.DeploymentId, "SkipWaitTimeForInstanceTermination")
}

func (s *Service) unsupported(id *string, action string) error {
	d, err := s.find(id)
	if err != nil {
		return err
	}
	if ended(d.record().Status) {
		return &types.DeploymentAlreadyCompletedException{Message: text("The deployment %s is already complete", *id)}
	}
	return &types.UnsupportedActionForDeploymentTypeException{Message: text("%s is not supported for deployments of the Lambda compute platform", action)}
}
