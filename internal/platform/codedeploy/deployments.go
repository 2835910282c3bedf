package codedeploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/store"
)

// CreateDeployment begins a deployment. Its answer means that the deployment is durable and goes on by itself. One that
// cannot be done by what its AppSpec file says is made all the same, as on AWS, and has failed.
func (s *Service) CreateDeployment(ctx context.Context, in *sdk.CreateDeploymentInput) (*sdk.CreateDeploymentOutput, error) {
	if err := checkDeployment(in); err != nil {
		return nil, err
	}
	content, missing, err := s.contentOf(ctx, in.Revision)
	if err != nil {
		return nil, err
	}
	r := &deploymentRecord{
		ID: newDeploymentID(), Created: s.clock.Now().UTC().Round(0), Status: types.DeploymentStatusCreated, Creator: types.DeploymentCreatorUser,
		Description: aws.ToString(in.Description), Revision: *in.Revision, Override: in.OverrideAlarmConfiguration,
	}
	if missing != nil {
		r.refuse(types.ErrorCodeRevisionMissing, missing.Error())
	} else if err := r.read(content); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	a, g, err := s.groupNamed(in.ApplicationName, in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	r.Number, r.Application, r.ApplicationID, r.Group, r.GroupID = s.number(), a.Name, a.ID, g.Name, g.ID
	r.Style, r.Config = g.Style, cmp.Or(aws.ToString(in.DeploymentConfigName), g.Config)
	r.Alarms, r.AutoRollback = g.Alarms, g.AutoRollback
	if in.OverrideAlarmConfiguration != nil {
		r.Alarms = in.OverrideAlarmConfiguration
	}
	if in.AutoRollbackConfiguration != nil {
		r.AutoRollback = in.AutoRollbackConfiguration
	}
	traffic, err := s.traffic(r.Config)
	if err != nil {
		return nil, err
	}
	if busy := s.latest(g.ID, func(r *deploymentRecord) bool { return !ended(r.Status) }); busy != nil {
		return nil, &types.DeploymentLimitExceededException{Message: text("The Deployment Group '%s' already has an active Deployment '%s'", g.Name, busy.ID)}
	}
	if good := s.latest(g.ID, succeeded); good != nil {
		r.Previous = &good.Revision
	}
	if r.Spec != nil && r.Spec.Current == r.Spec.Target && traffic.Type != types.TrafficRoutingTypeAllAtOnce {
		// As reported of AWS, which takes it all at once: https://github.com/terraform-aws-modules/terraform-aws-lambda/pull/85
		r.refuse(types.ErrorCodeInvalidLambdaConfiguration, fmt.Sprintf("%s TargetVersion %s is CurrentVersion too: there is nothing to shift", invalidConfiguration, r.Spec.Target))
		r.Spec = nil
	}
	if r.Spec != nil {
		if r.State, err = rollout.New(plan(r, rollout.Deploy, strategyOf(r.Config, traffic), r.Spec.Current)); err != nil {
			return nil, err
		}
	}
	b := &store.Batch{}
	known, err := s.use(b, a, in.Revision, r.Created)
	if err != nil {
		return nil, err
	}
	if err := put(b, bucketDeployments, r.ID, r); err != nil {
		return nil, err
	}
	b.ExpectAbsent(bucketDeployments, r.ID)
	forget := s.displace(b, g.ID)
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	known()
	forget()
	d := newDeployment(r)
	s.add(d)
	if !ended(r.Status) {
		s.drive(d)
	}
	return &sdk.CreateDeploymentOutput{DeploymentId: &r.ID}, nil
}

// read takes what the AppSpec file says. The error is an InvalidRevisionException for what is not a document.
func (r *deploymentRecord) read(content string) error {
	spec, err := parseAppSpec(content)
	var invalid *invalidSpec
	switch {
	case errors.As(err, &invalid):
		r.refuse(types.ErrorCodeInvalidLambdaConfiguration, invalidConfiguration+" "+invalid.reason)
		return nil
	case err != nil:
		return &types.InvalidRevisionException{Message: text("The AppSpec file cannot be read: %v", err)}
	}
	r.Spec, r.Hooks = spec, map[string]hook{}
	r.Events = newEvents()
	for event, function := range spec.Hooks {
		r.Hooks[event] = hook{Function: function, Execution: newExecutionID()}
	}
	return nil
}

// refuse makes the deployment one that has failed before it began.
func (r *deploymentRecord) refuse(code types.ErrorCode, message string) {
	r.Status, r.Ended = types.DeploymentStatusFailed, r.Created
	r.Error = &types.ErrorInformation{Code: code, Message: &message}
}

func checkDeployment(in *sdk.CreateDeploymentInput) error {
	if _, err := applicationName(in.ApplicationName); err != nil {
		return err
	}
	if _, err := groupName(in.DeploymentGroupName); err != nil {
		return err
	}
	if err := checkRevision(in.Revision); err != nil {
		return err
	}
	if err := checkAlarms(in.OverrideAlarmConfiguration); err != nil {
		return err
	}
	if err := checkRollback(in.AutoRollbackConfiguration); err != nil {
		return err
	}
	switch {
	case len(aws.ToString(in.Description)) > maxDescription:
		return &types.DescriptionTooLongException{Message: text("A description has at most %d characters", maxDescription)}
	case in.FileExistsBehavior != "":
		return &types.InvalidFileExistsBehaviorException{Message: text("For Lambda and ECS deployment, fileExistsBehavior can not be specified")}
	case in.TargetInstances != nil:
		return &types.InvalidTargetInstancesException{Message: text("For Lambda deployment, targetInstances can not be specified")}
	case in.IgnoreApplicationStopFailures:
		return &types.InvalidIgnoreApplicationStopFailuresValueException{Message: text("For Lambda deployment, ignoreApplicationStopFailures must be false")}
	case in.UpdateOutdatedInstancesOnly:
		return &types.InvalidUpdateOutdatedInstancesOnlyValueException{Message: text("For Lambda deployment, updateOutdatedInstancesOnly must be false")}
	}
	return nil
}

// GetDeployment tells about a deployment.
func (s *Service) GetDeployment(_ context.Context, in *sdk.GetDeploymentInput) (*sdk.GetDeploymentOutput, error) {
	d, err := s.find(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	info := s.deploymentInfo(d.record())
	return &sdk.GetDeploymentOutput{DeploymentInfo: &info}, nil
}

// BatchGetDeployments tells about up to 25 deployments; those that do not exist are left out.
func (s *Service) BatchGetDeployments(_ context.Context, in *sdk.BatchGetDeploymentsInput) (*sdk.BatchGetDeploymentsOutput, error) {
	switch n := len(in.DeploymentIds); {
	case n == 0:
		return nil, &types.DeploymentIdRequiredException{Message: text("A deployment ID must be specified")}
	case n > maxDetailBatch:
		return nil, tooMany(maxDetailBatch, "deployment IDs")
	}
	out := &sdk.BatchGetDeploymentsOutput{DeploymentsInfo: []types.DeploymentInfo{}}
	for _, id := range in.DeploymentIds {
		d, err := s.find(&id)
		var unknown *types.DeploymentDoesNotExistException
		switch {
		case errors.As(err, &unknown):
		case err != nil:
			return nil, err
		default:
			out.DeploymentsInfo = append(out.DeploymentsInfo, s.deploymentInfo(d.record()))
		}
	}
	return out, nil
}

// ListDeployments lists the IDs of deployments, the newest first.
func (s *Service) ListDeployments(_ context.Context, in *sdk.ListDeploymentsInput) (*sdk.ListDeploymentsOutput, error) {
	for _, status := range in.IncludeOnlyStatuses {
		if !slices.Contains(status.Values(), status) {
			return nil, &types.InvalidDeploymentStatusException{Message: text("There is no deployment status %q", status)}
		}
	}
	var from, to time.Time
	if t := in.CreateTimeRange; t != nil {
		from, to = aws.ToTime(t.Start), aws.ToTime(t.End)
		if !to.IsZero() && to.Before(from) {
			return nil, &types.InvalidTimeRangeException{Message: text("The time range ends before it starts")}
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	groupID := ""
	switch {
	case in.ApplicationName != nil:
		_, g, err := s.groupNamed(in.ApplicationName, in.DeploymentGroupName)
		if err != nil {
			return nil, err
		}
		groupID = g.ID
	case in.DeploymentGroupName != nil:
		return nil, &types.ApplicationNameRequiredException{Message: text("deploymentGroupName needs applicationName")}
	}
	ids := []string{}
	for _, d := range slices.Backward(s.deployments) {
		r := d.record()
		switch {
		case in.ExternalId != nil: // no deployment has one: there is no CloudFormation here
		case groupID != "" && r.GroupID != groupID:
		case len(in.IncludeOnlyStatuses) > 0 && !slices.Contains(in.IncludeOnlyStatuses, r.Status):
		case r.Created.Before(from), !to.IsZero() && r.Created.After(to):
		default:
			ids = append(ids, r.ID)
		}
	}
	part, next, err := page(ids, in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	return &sdk.ListDeploymentsOutput{Deployments: part, NextToken: next}, nil
}

// find finds a deployment that a request names.
func (s *Service) find(id *string) (*deployment, error) {
	switch {
	case aws.ToString(id) == "":
		return nil, &types.DeploymentIdRequiredException{Message: text("A deployment ID is required")}
	case !deploymentForm.MatchString(*id):
		return nil, &types.InvalidDeploymentIdException{Message: text("Specified DeploymentId is not in the valid format: %s", *id)}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.byID[*id]
	if d == nil {
		return nil, &types.DeploymentDoesNotExistException{Message: text("The deployment %s could not be found", *id)}
	}
	return d, nil
}

func (s *Service) deploymentInfo(r *deploymentRecord) types.DeploymentInfo {
	info := types.DeploymentInfo{
		ApplicationName: &r.Application, DeploymentGroupName: &r.Group, DeploymentConfigName: &r.Config, DeploymentId: &r.ID,
		Description: given(r.Description), Creator: r.Creator, ComputePlatform: types.ComputePlatformLambda, DeploymentStyle: &r.Style,
		Revision: &r.Revision, PreviousRevision: r.Previous, Status: r.Status, ErrorInformation: r.Error,
		CreateTime: &r.Created, StartTime: moment(r.Started), CompleteTime: moment(r.Ended),
		AutoRollbackConfiguration: r.AutoRollback, OverrideAlarmConfiguration: r.Override,
		DeploymentStatusMessages: []string{}, RollbackInfo: s.rollbackInfo(r),
	}
	o := &types.DeploymentOverview{}
	switch r.targetStatus() {
	case types.TargetStatusPending:
		o.Pending = 1
	case types.TargetStatusInProgress:
		o.InProgress = 1
	case types.TargetStatusSucceeded:
		o.Succeeded = 1
	case types.TargetStatusFailed:
		o.Failed = 1
	case types.TargetStatusSkipped:
		o.Skipped = 1
	}
	if r.Spec != nil {
		info.DeploymentOverview = o
	}
	return info
}

// rollbackInfo tells which deployment this one takes back, or which one takes it back and how that went.
func (s *Service) rollbackInfo(r *deploymentRecord) *types.RollbackInfo {
	switch {
	case r.RollbackOf != "":
		return &types.RollbackInfo{RollbackTriggeringDeploymentId: &r.RollbackOf}
	case r.NoRollback != "":
		return &types.RollbackInfo{RollbackMessage: &r.NoRollback}
	case r.RolledBackBy == "":
		return nil
	}
	s.mu.RLock()
	back := s.byID[r.RolledBackBy]
	s.mu.RUnlock()
	status := types.DeploymentStatusCreated
	if back != nil {
		status = back.record().Status
	}
	how := map[bool]string{true: "has ended: " + string(status), false: "is in progress"}[ended(status)]
	return &types.RollbackInfo{
		RollbackDeploymentId: &r.RolledBackBy, RollbackMessage: aws.String(fmt.Sprintf("The rollback deployment %s %s", r.RolledBackBy, how)),
	}
}

func ended(status types.DeploymentStatus) bool {
	return status == types.DeploymentStatusSucceeded || status == types.DeploymentStatusFailed || status == types.DeploymentStatusStopped
}

// functionARN is the ARN of the function that a deployment is about.
func (s *Service) functionARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.lambdaARN + name
}
