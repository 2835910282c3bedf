package codedeploy

import (
	"cmp"
	"context"
	"crypto/sha1"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/store"
)

const (
	presetPrefix = "CodeDeployDefault."
	// https://docs.aws.amazon.com/config/latest/developerguide/codedeploy-lambda-allatonce-traffic-shift-disabled.html
	defaultConfig = presetPrefix + "LambdaAllAtOnce"
)

// preset gives what a predefined configuration of the Lambda platform does; ok is false when there is none of that name.
func preset(name string) (t types.TrafficRoutingConfig, ok bool) {
	short, cut := strings.CutPrefix(name, presetPrefix)
	if !cut || !slices.Contains(rollout.Presets(), short) {
		return t, false
	}
	strategy, err := rollout.ParseStrategy(short)
	if err != nil {
		return t, false
	}
	percent, minutes := int32(strategy.Steps[0].Weight), int32(strategy.Steps[0].Pause/time.Minute)
	switch {
	case strings.HasPrefix(short, "LambdaCanary"):
		t.Type = types.TrafficRoutingTypeTimeBasedCanary
		t.TimeBasedCanary = &types.TimeBasedCanary{CanaryPercentage: percent, CanaryInterval: minutes}
	case strings.HasPrefix(short, "LambdaLinear"):
		t.Type = types.TrafficRoutingTypeTimeBasedLinear
		t.TimeBasedLinear = &types.TimeBasedLinear{LinearPercentage: percent, LinearInterval: minutes}
	default:
		t.Type = types.TrafficRoutingTypeAllAtOnce
	}
	return t, true
}

// strategyOf gives the steps of a configuration. None of them is judged: CodeDeploy knows only alarms, which the pump
// watches.
func strategyOf(name string, t types.TrafficRoutingConfig) rollout.Strategy {
	s := rollout.Strategy{Name: name, Steps: []rollout.Shift{{Weight: 100}}}
	switch t.Type {
	case types.TrafficRoutingTypeTimeBasedCanary:
		first := rollout.Shift{Weight: int(t.TimeBasedCanary.CanaryPercentage), Pause: time.Duration(t.TimeBasedCanary.CanaryInterval) * time.Minute}
		s.Steps = append([]rollout.Shift{first}, s.Steps...)
	case types.TrafficRoutingTypeTimeBasedLinear:
		s = rollout.Linear(name, int(t.TimeBasedLinear.LinearPercentage), time.Duration(t.TimeBasedLinear.LinearInterval)*time.Minute)
		for i := range s.Steps {
			s.Steps[i].Check = false
		}
	}
	return s
}

// traffic finds what the configuration of this name does. The caller holds mu.
func (s *Service) traffic(name string) (types.TrafficRoutingConfig, error) {
	if t, ok := preset(name); ok {
		return t, nil
	}
	if c := s.configs[name]; c != nil {
		return c.Traffic, nil
	}
	short, cut := strings.CutPrefix(name, presetPrefix)
	switch {
	case cut && (strings.HasPrefix(short, "ECS") || slices.Contains([]string{"OneAtATime", "HalfAtATime", "AllAtOnce"}, short)):
		return types.TrafficRoutingConfig{}, &types.InvalidDeploymentConfigNameException{Message: text(
			"The deployment configuration %s is not one of the Lambda compute platform", name)}
	case !validName(name):
		return types.TrafficRoutingConfig{}, &types.InvalidDeploymentConfigNameException{Message: text("Deployment configuration name is not valid: %q", name)}
	}
	return types.TrafficRoutingConfig{}, &types.DeploymentConfigDoesNotExistException{Message: text("No deployment configuration found for name: %s", name)}
}

// CreateDeploymentConfig makes a configuration of the Lambda platform.
func (s *Service) CreateDeploymentConfig(ctx context.Context, in *sdk.CreateDeploymentConfigInput) (*sdk.CreateDeploymentConfigOutput, error) {
	name, err := configName(in.DeploymentConfigName)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(name, presetPrefix):
		return nil, &types.InvalidDeploymentConfigNameException{Message: text("A name that begins with %s is one of AWS's: %s", presetPrefix, name)}
	case in.ComputePlatform != types.ComputePlatformLambda:
		return nil, &types.InvalidComputePlatformException{Message: text(
			"The compute platform %s is not served here: give computePlatform Lambda", cmp.Or(string(in.ComputePlatform), "Server (the default)"))}
	case in.MinimumHealthyHosts != nil:
		return nil, &types.InvalidMinimumHealthyHostValueException{Message: text("minimumHealthyHosts cannot be specified for the Lambda compute platform")}
	case in.ZonalConfig != nil:
		return nil, &types.InvalidZonalDeploymentConfigurationException{Message: text("zonalConfig cannot be specified for the Lambda compute platform")}
	}
	traffic, err := checkTraffic(in.TrafficRoutingConfig)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.configs[name] != nil:
		return nil, &types.DeploymentConfigAlreadyExistsException{Message: text("Deployment configuration already exists: %s", name)}
	case len(s.configs) >= maxConfigs:
		return nil, &types.DeploymentConfigLimitExceededException{Message: text("There are %d deployment configurations already", maxConfigs)}
	}
	c := &configRecord{ID: uuid.NewString(), Name: name, Created: s.clock.Now(), Traffic: traffic}
	if err := s.save(ctx, bucketConfigs, name, c); err != nil {
		return nil, err
	}
	s.configs[name] = c
	return &sdk.CreateDeploymentConfigOutput{DeploymentConfigId: &c.ID}, nil
}

// checkTraffic refuses what would shift nothing, never end, or take longer than AWS allows.
func checkTraffic(t *types.TrafficRoutingConfig) (types.TrafficRoutingConfig, error) {
	wrong := func(format string, args ...any) (types.TrafficRoutingConfig, error) {
		return types.TrafficRoutingConfig{}, &types.InvalidTrafficRoutingConfigurationException{Message: text(format, args...)}
	}
	if t == nil {
		return wrong("trafficRoutingConfig must be specified for the Lambda compute platform")
	}
	canary, linear := t.Type == types.TrafficRoutingTypeTimeBasedCanary, t.Type == types.TrafficRoutingTypeTimeBasedLinear
	var percent, minutes int32
	switch {
	case !canary && t.TimeBasedCanary != nil, !linear && t.TimeBasedLinear != nil, canary && t.TimeBasedCanary == nil, linear && t.TimeBasedLinear == nil:
		return wrong("trafficRoutingConfig of type %s must have its own settings and no others", t.Type)
	case canary:
		percent, minutes = t.TimeBasedCanary.CanaryPercentage, t.TimeBasedCanary.CanaryInterval
	case linear:
		percent, minutes = t.TimeBasedLinear.LinearPercentage, t.TimeBasedLinear.LinearInterval
	case t.Type == types.TrafficRoutingTypeAllAtOnce:
		return *t, nil
	default:
		return wrong("The type of a trafficRoutingConfig is TimeBasedCanary, TimeBasedLinear or AllAtOnce, not %q", t.Type)
	}
	switch {
	case percent < 1 || percent > 99:
		return wrong("A percentage of %d is not between 1 and 99", percent)
	case minutes < 1 || minutes > maxShiftMinutes:
		return wrong("An interval of %d minutes is not between 1 and %d", minutes, maxShiftMinutes)
	case strategyOf("", *t).Length() > maxShiftMinutes*time.Minute:
		return wrong("From the first to the last shift there would be %s; at most %d minutes are allowed", strategyOf("", *t).Length(), maxShiftMinutes)
	}
	return *t, nil
}

// GetDeploymentConfig tells about a configuration, predefined or not.
func (s *Service) GetDeploymentConfig(_ context.Context, in *sdk.GetDeploymentConfigInput) (*sdk.GetDeploymentConfigOutput, error) {
	name, err := configName(in.DeploymentConfigName)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	traffic, err := s.traffic(name)
	if err != nil {
		return nil, err
	}
	info := &types.DeploymentConfigInfo{DeploymentConfigName: &name, ComputePlatform: types.ComputePlatformLambda, TrafficRoutingConfig: &traffic}
	if c := s.configs[name]; c != nil {
		info.DeploymentConfigId, info.CreateTime = &c.ID, &c.Created
	} else {
		digest := sha1.Sum([]byte(name)) // predefined ones are the same everywhere and always
		info.DeploymentConfigId = aws.String(uuid.UUID(digest[:16]).String())
	}
	return &sdk.GetDeploymentConfigOutput{DeploymentConfigInfo: info}, nil
}

// ListDeploymentConfigs lists the names of the predefined configurations of the Lambda platform and of all others.
func (s *Service) ListDeploymentConfigs(_ context.Context, in *sdk.ListDeploymentConfigsInput) (*sdk.ListDeploymentConfigsOutput, error) {
	var names []string
	for _, short := range rollout.Presets() {
		names = append(names, presetPrefix+short)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names = append(names, slices.Sorted(maps.Keys(s.configs))...)
	part, next, err := page(names, in.NextToken, pageLength)
	if err != nil {
		return nil, err
	}
	return &sdk.ListDeploymentConfigsOutput{DeploymentConfigsList: part, NextToken: next}, nil
}

// DeleteDeploymentConfig deletes a configuration that no group uses; one that does not exist is no error. Deployments that
// are under way have their own copy.
func (s *Service) DeleteDeploymentConfig(ctx context.Context, in *sdk.DeleteDeploymentConfigInput) (*sdk.DeleteDeploymentConfigOutput, error) {
	name, err := configName(in.DeploymentConfigName)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, presetPrefix) {
		return nil, &types.InvalidOperationException{Message: text("A predefined deployment configuration cannot be deleted: %s", name)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if g.Config == name {
			return nil, &types.DeploymentConfigInUseException{Message: text("The deployment configuration %s is used by the deployment group %s", name, g.Name)}
		}
	}
	b := &store.Batch{}
	b.Delete(bucketConfigs, name)
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	delete(s.configs, name)
	return &sdk.DeleteDeploymentConfigOutput{}, nil
}

func configName(name *string) (string, error) {
	switch {
	case aws.ToString(name) == "":
		return "", &types.DeploymentConfigNameRequiredException{Message: text("Deployment configuration name is required")}
	case !validName(*name):
		return "", &types.InvalidDeploymentConfigNameException{Message: text("Deployment configuration name is not valid: %q", *name)}
	}
	return *name, nil
}
