package codedeploy

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// GetDeploymentTarget tells about the function of a deployment: its lifecycle events and the weight of its target version.
func (s *Service) GetDeploymentTarget(_ context.Context, in *sdk.GetDeploymentTargetInput) (*sdk.GetDeploymentTargetOutput, error) {
	r, err := s.begun(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.TargetId) == "" {
		return nil, &types.DeploymentTargetIdRequiredException{Message: text("A deployment target ID is required")}
	}
	target, err := s.target(r, *in.TargetId)
	if err != nil {
		return nil, err
	}
	return &sdk.GetDeploymentTargetOutput{DeploymentTarget: target}, nil
}

// BatchGetDeploymentTargets tells about the target of a deployment; a Lambda deployment has one.
func (s *Service) BatchGetDeploymentTargets(_ context.Context, in *sdk.BatchGetDeploymentTargetsInput) (*sdk.BatchGetDeploymentTargetsOutput, error) {
	r, err := s.begun(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	switch n := len(in.TargetIds); {
	case n == 0:
		return nil, &types.DeploymentTargetIdRequiredException{Message: text("A deployment target ID is required")}
	case n > maxDetailBatch:
		return nil, &types.DeploymentTargetListSizeExceededException{Message: text("At most %d deployment target IDs may be specified", maxDetailBatch)}
	}
	out := &sdk.BatchGetDeploymentTargetsOutput{}
	for _, id := range in.TargetIds {
		target, err := s.target(r, id)
		if err != nil {
			return nil, err
		}
		out.DeploymentTargets = append(out.DeploymentTargets, *target)
	}
	return out, nil
}

// ListDeploymentTargets lists the target of a deployment: the name of its function.
func (s *Service) ListDeploymentTargets(_ context.Context, in *sdk.ListDeploymentTargetsInput) (*sdk.ListDeploymentTargetsOutput, error) {
	r, err := s.begun(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	ids := []string{r.Spec.Function}
	for name, values := range in.TargetFilters {
		switch types.TargetFilterName(name) {
		case types.TargetFilterNameTargetStatus:
			if !slices.Contains(values, string(r.targetStatus())) {
				ids = []string{}
			}
		case types.TargetFilterNameServerInstanceLabel:
			ids = []string{} // a function has no such label
		default:
			return nil, &types.InvalidTargetFilterNameException{Message: text("There is no target filter %q", name)}
		}
	}
	part, next, err := page(ids, in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	return &sdk.ListDeploymentTargetsOutput{TargetIds: part, NextToken: next}, nil
}

// begun finds a deployment that has a target.
func (s *Service) begun(id *string) (*deploymentRecord, error) {
	d, err := s.find(id)
	if err != nil {
		return nil, err
	}
	r := d.record()
	if r.Spec == nil {
		return nil, &types.DeploymentNotStartedException{Message: text("The deployment %s has not started", r.ID)}
	}
	return r, nil
}

func (s *Service) target(r *deploymentRecord, id string) (*types.DeploymentTarget, error) {
	if id != r.Spec.Function {
		return nil, &types.DeploymentTargetDoesNotExistException{Message: text("The deployment %s has no target %s", r.ID, id)}
	}
	t := &types.LambdaTarget{
		DeploymentId: &r.ID, TargetId: &id, TargetArn: aws.String(s.functionARN(id)), Status: r.targetStatus(), LastUpdatedAt: moment(r.Moved),
		LambdaFunctionInfo: &types.LambdaFunctionInfo{
			FunctionName: &r.Spec.Function, FunctionAlias: &r.Spec.Alias, CurrentVersion: &r.Spec.Current, TargetVersion: &r.Spec.Target,
			TargetVersionWeight: r.targetShare() * 100, // "the percentage of production traffic"
		},
	}
	for _, e := range r.Events {
		event := types.LifecycleEvent{LifecycleEventName: &e.Name, Status: e.Status, StartTime: moment(e.Began), EndTime: moment(e.Ended)}
		if h, ok := r.Hooks[e.Name]; ok && e.Status == types.LifecycleEventStatusSucceeded {
			event.Diagnostics = &types.Diagnostics{ErrorCode: types.LifecycleErrorCodeSuccess, ScriptName: &h.Function}
		}
		if e.Status == types.LifecycleEventStatusFailed {
			event.Diagnostics = &types.Diagnostics{ErrorCode: types.LifecycleErrorCodeUnknownError, Message: &e.Message, ScriptName: given(r.Hooks[e.Name].Function)}
		}
		t.LifecycleEvents = append(t.LifecycleEvents, event)
	}
	return &types.DeploymentTarget{DeploymentTargetType: types.DeploymentTargetTypeLambdaTarget, LambdaTarget: t}, nil
}

// targetShare is the share of the traffic, 0 to 1, that the target version has as far as the deployment knows.
func (r *deploymentRecord) targetShare() float64 {
	if len(r.State.Aliases) == 0 {
		return 0
	}
	return r.State.Aliases[0].Actual.Routing.Share(r.Spec.Target)
}

func (r *deploymentRecord) targetStatus() types.TargetStatus {
	switch r.Status {
	case types.DeploymentStatusCreated:
		return types.TargetStatusPending
	case types.DeploymentStatusSucceeded:
		return types.TargetStatusSucceeded
	case types.DeploymentStatusFailed:
		return types.TargetStatusFailed
	case types.DeploymentStatusStopped:
		return types.TargetStatusSkipped
	}
	return types.TargetStatusInProgress
}
