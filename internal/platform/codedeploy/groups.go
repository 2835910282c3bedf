package codedeploy

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateDeploymentGroup makes a group of an application.
func (s *Service) CreateDeploymentGroup(ctx context.Context, in *sdk.CreateDeploymentGroupInput) (*sdk.CreateDeploymentGroupOutput, error) {
	name, err := groupName(in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	if in.ServiceRoleArn == nil {
		return nil, &types.RoleRequiredException{Message: text("serviceRoleArn is required")}
	}
	if in.DeploymentStyle == nil {
		return nil, checkStyle(types.DeploymentStyle{})
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	change := groupChange{
		role: in.ServiceRoleArn, config: in.DeploymentConfigName, style: in.DeploymentStyle, alarms: in.AlarmConfiguration,
		rollback: in.AutoRollbackConfiguration, triggers: in.TriggerConfigurations,
		foreign: foreign{
			in.BlueGreenDeploymentConfiguration != nil, in.LoadBalancerInfo != nil, len(in.AutoScalingGroups) > 0,
			len(in.Ec2TagFilters) > 0 || in.Ec2TagSet != nil, len(in.OnPremisesInstanceTagFilters) > 0 || in.OnPremisesTagSet != nil,
			len(in.EcsServices) > 0,
		},
	}
	if err := change.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	switch {
	case s.group(a, name) != nil:
		return nil, groupExists(name)
	case len(s.groupsOf(a)) >= maxGroups:
		return nil, &types.DeploymentGroupLimitExceededException{Message: text("The application %s has %d deployment groups already", a.Name, maxGroups)}
	}
	g := &groupRecord{ID: uuid.NewString(), Application: a.ID, Name: name, Config: defaultConfig, Tags: tags}
	if err := s.changeGroup(ctx, g, change); err != nil {
		return nil, err
	}
	return &sdk.CreateDeploymentGroupOutput{DeploymentGroupId: &g.ID}, nil
}

// UpdateDeploymentGroup changes what is given of a group. Deployments that are under way keep what they began with.
func (s *Service) UpdateDeploymentGroup(ctx context.Context, in *sdk.UpdateDeploymentGroupInput) (*sdk.UpdateDeploymentGroupOutput, error) {
	change := groupChange{
		role: in.ServiceRoleArn, config: in.DeploymentConfigName, style: in.DeploymentStyle, alarms: in.AlarmConfiguration,
		rollback: in.AutoRollbackConfiguration, triggers: in.TriggerConfigurations,
		foreign: foreign{
			in.BlueGreenDeploymentConfiguration != nil, in.LoadBalancerInfo != nil, len(in.AutoScalingGroups) > 0,
			len(in.Ec2TagFilters) > 0 || in.Ec2TagSet != nil, len(in.OnPremisesInstanceTagFilters) > 0 || in.OnPremisesTagSet != nil,
			len(in.EcsServices) > 0,
		},
	}
	if err := change.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, g, err := s.groupNamed(in.ApplicationName, in.CurrentDeploymentGroupName)
	if err != nil {
		return nil, err
	}
	changed := *g
	if in.NewDeploymentGroupName != nil && *in.NewDeploymentGroupName != g.Name {
		if changed.Name, err = groupName(in.NewDeploymentGroupName); err != nil {
			return nil, err
		}
		if s.group(a, changed.Name) != nil {
			return nil, groupExists(changed.Name)
		}
	}
	if err := s.changeGroup(ctx, &changed, change); err != nil {
		return nil, err
	}
	return &sdk.UpdateDeploymentGroupOutput{}, nil
}

// changeGroup puts a change into a group that nobody else has yet, and makes it durable. The caller holds mu.
func (s *Service) changeGroup(ctx context.Context, g *groupRecord, c groupChange) error {
	if c.config != nil {
		if _, err := s.traffic(*c.config); err != nil {
			return err
		}
		g.Config = *c.config
	}
	if c.role != nil {
		g.Role = *c.role
	}
	if c.style != nil {
		g.Style = *c.style
	}
	if c.alarms != nil {
		g.Alarms = c.alarms
	}
	if c.rollback != nil {
		g.AutoRollback = c.rollback
	}
	if c.triggers != nil {
		g.Triggers = c.triggers
	}
	if err := s.save(ctx, bucketGroups, g.ID, g); err != nil {
		return err
	}
	s.groups[g.ID] = g
	return nil
}

// GetDeploymentGroup tells about a group and its latest deployments.
func (s *Service) GetDeploymentGroup(_ context.Context, in *sdk.GetDeploymentGroupInput) (*sdk.GetDeploymentGroupOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, g, err := s.groupNamed(in.ApplicationName, in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	info := s.groupInfo(a, g)
	return &sdk.GetDeploymentGroupOutput{DeploymentGroupInfo: &info}, nil
}

// BatchGetDeploymentGroups tells about up to 100 groups of an application; those that do not exist are named in the
// answer's error message.
func (s *Service) BatchGetDeploymentGroups(_ context.Context, in *sdk.BatchGetDeploymentGroupsInput) (*sdk.BatchGetDeploymentGroupsOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	switch n := len(in.DeploymentGroupNames); {
	case n == 0:
		return nil, &types.DeploymentGroupNameRequiredException{Message: text("A deployment group name must be specified")}
	case n > maxBatch:
		return nil, tooMany(maxBatch, "deployment group names")
	}
	out := &sdk.BatchGetDeploymentGroupsOutput{DeploymentGroupsInfo: []types.DeploymentGroupInfo{}}
	for _, name := range in.DeploymentGroupNames {
		if _, err := groupName(&name); err != nil {
			return nil, err
		}
		if g := s.group(a, name); g != nil {
			out.DeploymentGroupsInfo = append(out.DeploymentGroupsInfo, s.groupInfo(a, g))
		} else if out.ErrorMessage == nil {
			out.ErrorMessage = text("No Deployment Group found for name: %s", name)
		}
	}
	return out, nil
}

// ListDeploymentGroups lists the names of an application's groups.
func (s *Service) ListDeploymentGroups(_ context.Context, in *sdk.ListDeploymentGroupsInput) (*sdk.ListDeploymentGroupsOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, err := s.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, g := range s.groupsOf(a) {
		names = append(names, g.Name)
	}
	part, next, err := page(names, in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	return &sdk.ListDeploymentGroupsOutput{ApplicationName: &a.Name, DeploymentGroups: part, NextToken: next}, nil
}

// DeleteDeploymentGroup deletes a group; one that does not exist is no error. A deployment that is under way goes on.
func (s *Service) DeleteDeploymentGroup(ctx context.Context, in *sdk.DeleteDeploymentGroupInput) (*sdk.DeleteDeploymentGroupOutput, error) {
	application, err := applicationName(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	name, err := groupName(in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &sdk.DeleteDeploymentGroupOutput{HooksNotCleanedUp: []types.AutoScalingGroup{}}
	a := s.applications[application]
	if a == nil {
		return out, nil
	}
	g := s.group(a, name)
	if g == nil {
		return out, nil
	}
	b := &store.Batch{}
	b.Delete(bucketGroups, g.ID)
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	delete(s.groups, g.ID)
	return out, nil
}

// groupNamed finds a group that a request names. The caller holds mu.
func (s *Service) groupNamed(application, name *string) (*applicationRecord, *groupRecord, error) {
	a, err := s.application(application)
	if err != nil {
		return nil, nil, err
	}
	n, err := groupName(name)
	if err != nil {
		return nil, nil, err
	}
	g := s.group(a, n)
	if g == nil {
		return nil, nil, &types.DeploymentGroupDoesNotExistException{Message: text("No Deployment Group found for name: %s", n)}
	}
	return a, g, nil
}

func groupName(name *string) (string, error) {
	switch {
	case aws.ToString(name) == "":
		return "", &types.DeploymentGroupNameRequiredException{Message: text("Deployment group name is required")}
	case !validName(*name):
		return "", &types.InvalidDeploymentGroupNameException{Message: text("Deployment group name is not valid: %q. It has at most %d letters, digits and . _ + = , @ -", *name, maxName)}
	}
	return *name, nil
}

func groupExists(name string) error {
	return &types.DeploymentGroupAlreadyExistsException{Message: text("Deployment group name already exists: %s", name)}
}

func (s *Service) groupInfo(a *applicationRecord, g *groupRecord) types.DeploymentGroupInfo {
	info := types.DeploymentGroupInfo{
		ApplicationName: &a.Name, DeploymentGroupId: &g.ID, DeploymentGroupName: &g.Name, ComputePlatform: types.ComputePlatformLambda,
		DeploymentConfigName: &g.Config, ServiceRoleArn: &g.Role, DeploymentStyle: &g.Style,
		AlarmConfiguration: g.Alarms, AutoRollbackConfiguration: g.AutoRollback, TriggerConfigurations: g.Triggers,
	}
	if last := s.latest(g.ID, func(*deploymentRecord) bool { return true }); last != nil {
		info.LastAttemptedDeployment = lastDeployment(last)
	}
	if good := s.latest(g.ID, succeeded); good != nil {
		info.LastSuccessfulDeployment, info.TargetRevision = lastDeployment(good), &good.Revision
	}
	return info
}

func succeeded(r *deploymentRecord) bool { return r.Status == types.DeploymentStatusSucceeded }

func lastDeployment(r *deploymentRecord) *types.LastDeploymentInfo {
	return &types.LastDeploymentInfo{CreateTime: &r.Created, DeploymentId: &r.ID, EndTime: moment(r.Ended), Status: r.Status}
}
