package apigateway

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// AWS's defaults of an account, which a method's throttling cannot pass.
const (
	accountRate  = 10000 // requests a second
	accountBurst = 5000  // requests
)

var (
	stageName          = regexp.MustCompile(`^[A-Za-z0-9_-]+$`) // of 128 characters at most
	stageVariableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]+$`)
)

// putStage validates a stage and keeps it in the draft.
func (s *Service) putStage(d *draft, st types.Stage) error {
	if n := aws.ToString(st.StageName); len(n) > 128 || !stageName.MatchString(n) {
		return badRequest("Stage name only allows a-zA-Z0-9_")
	}
	if d.deployments[aws.ToString(st.DeploymentId)] == nil {
		return badRequest("Deployment id does not exist")
	}
	if err := checkVariables(st.Variables); err != nil {
		return err
	}
	if c := st.CanarySettings; c != nil {
		if !(c.PercentTraffic >= 0 && c.PercentTraffic <= 100) {
			return badRequest("Invalid canary percent traffic %v: it must be between 0 and 100", c.PercentTraffic)
		}
		if c.DeploymentId == nil {
			c.DeploymentId = st.DeploymentId
		}
		if d.deployments[*c.DeploymentId] == nil {
			return badRequest("Deployment id does not exist")
		}
		if err := checkVariables(c.StageVariableOverrides); err != nil {
			return err
		}
	}
	switch {
	case st.CacheClusterEnabled:
		return unsupported("cacheClusterEnabled (caching)")
	case st.AccessLogSettings != nil:
		return unsupported("accessLogSettings")
	case aws.ToString(st.ClientCertificateId) != "":
		return unsupported("clientCertificateId")
	}
	for key, m := range st.MethodSettings {
		switch {
		case m.CachingEnabled:
			return unsupported("caching/enabled of method settings")
		case m.ThrottlingRateLimit < 0 || m.ThrottlingBurstLimit < 0:
			return badRequest("Invalid throttling of %s: limits must not be negative", key)
		}
	}
	if err := executeapi.CheckTags(st.Tags); err != nil {
		return badRequest("%s", err)
	}
	st.LastUpdatedDate = s.now()
	d.Stages[*st.StageName] = st
	return nil
}

func checkVariables(variables map[string]string) error {
	for k, v := range variables {
		if !executeapi.VariableName(k) {
			return badRequest("Stage variable names must be alphanumeric or underscores and up to 64 characters: %q", k)
		}
		if len(v) > 2048 || !stageVariableValue.MatchString(v) {
			return badRequest("Stage variable value %q of %q is invalid: must match the regular expression %s", v, k, stageVariableValue)
		}
	}
	return nil
}

// CreateStage adds a stage. It fails with NotFoundException, BadRequestException or ConflictException.
func (s *Service) CreateStage(ctx context.Context, in *apigateway.CreateStageInput) (*apigateway.CreateStageOutput, error) {
	st := *as[types.Stage](in)
	st.CreatedDate, st.CacheClusterStatus = s.now(), types.CacheClusterStatusNotAvailable
	var out *apigateway.CreateStageOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		if _, ok := d.Stages[aws.ToString(st.StageName)]; ok {
			return conflict("Stage already exists")
		}
		if err := s.putStage(d, st); err != nil {
			return err
		}
		out = as[apigateway.CreateStageOutput](d.Stages[*st.StageName])
		return nil
	})
	return out, err
}

// GetStage describes a stage, or fails with NotFoundException.
func (s *Service) GetStage(_ context.Context, in *apigateway.GetStageInput) (*apigateway.GetStageOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	st, ok := a.Stages[aws.ToString(in.StageName)]
	if !ok {
		return nil, missing("stage")
	}
	return as[apigateway.GetStageOutput](st), nil
}

// GetStages lists an API's stages, or those of a deployment.
func (s *Service) GetStages(_ context.Context, in *apigateway.GetStagesInput) (*apigateway.GetStagesOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetStagesOutput{Item: []types.Stage{}}
	all, _, err := executeapi.Page(a.Stages, "", "", nil, nil)
	for _, st := range all {
		if in.DeploymentId == nil || aws.ToString(st.DeploymentId) == *in.DeploymentId {
			out.Item = append(out.Item, st)
		}
	}
	return out, err
}

// UpdateStage patches a stage. A canary is promoted by copying /canarySettings/deploymentId to /deploymentId, and
// /canarySettings/stageVariableOverrides to /variables, and removing /canarySettings.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/promote-canary-deployment.html
func (s *Service) UpdateStage(ctx context.Context, in *apigateway.UpdateStageInput) (*apigateway.UpdateStageOutput, error) {
	var out *apigateway.UpdateStageOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		st, ok := d.Stages[aws.ToString(in.StageName)]
		if !ok {
			return missing("stage")
		}
		for _, op := range in.PatchOperations {
			if err := patchStage(&st, op); err != nil {
				return err
			}
		}
		if err := s.putStage(d, st); err != nil {
			return err
		}
		out = as[apigateway.UpdateStageOutput](d.Stages[*st.StageName])
		return nil
	})
	return out, err
}

func patchStage(st *types.Stage, op types.PatchOperation) error {
	if op.Op == types.OpCopy {
		return copyCanary(st, op)
	}
	return patches{
		"deploymentId": text(&st.DeploymentId), "description": text(&st.Description), "variables": texts(&st.Variables),
		"documentationVersion": text(&st.DocumentationVersion), "clientCertificateId": text(&st.ClientCertificateId),
		"tracingEnabled":      flag(func(v bool) { st.TracingEnabled = v }),
		"cacheClusterEnabled": flag(func(v bool) { st.CacheClusterEnabled = v }),
		"cacheClusterSize":    word(&st.CacheClusterSize),
		"accessLogSettings":   refused("accessLogSettings"),
		"canarySettings": func(op types.PatchOperation, rest []string) error {
			if len(rest) == 0 {
				if op.Op != types.OpRemove {
					return badOp(op)
				}
				st.CanarySettings = nil
				return nil
			}
			if st.CanarySettings == nil {
				st.CanarySettings = &types.CanarySettings{}
			}
			c := st.CanarySettings
			inner := op
			inner.Path = aws.String("/" + strings.Join(rest, "/"))
			return patches{
				"deploymentId": text(&c.DeploymentId), "stageVariableOverrides": texts(&c.StageVariableOverrides),
				"percentTraffic": number(func(v float64) { c.PercentTraffic = v }),
				"useStageCache":  flag(func(v bool) { c.UseStageCache = v }),
			}.apply([]types.PatchOperation{inner})
		},
		"*": func(op types.PatchOperation, rest []string) error { return patchMethodSetting(st, op, rest) },
	}.apply([]types.PatchOperation{op})
}

func copyCanary(st *types.Stage, op types.PatchOperation) error {
	from, to := aws.ToString(op.From), aws.ToString(op.Path)
	c := st.CanarySettings
	switch {
	case c == nil:
		return badRequest("Invalid patch operation: stage %s has no canary settings to copy from", *st.StageName)
	case from == "/canarySettings/deploymentId" && to == "/deploymentId":
		st.DeploymentId = c.DeploymentId
	case from == "/canarySettings/stageVariableOverrides" && to == "/variables":
		makeNil(&st.Variables)
		for k, v := range c.StageVariableOverrides {
			st.Variables[k] = v
		}
	default:
		return badRequest("Invalid patch operation copy from %s to %s", from, to)
	}
	return nil
}

// patchMethodSetting patches /{resource path}/{method}/throttling/rateLimit and its like; * stands for every resource or
// method.
func patchMethodSetting(st *types.Stage, op types.PatchOperation, parts []string) error {
	if len(parts) < 2 {
		return badRequest("Invalid patch path %s", aws.ToString(op.Path))
	}
	key := settingKey(parts[0], parts[1])
	if op.Op == types.OpRemove && len(parts) == 2 {
		delete(st.MethodSettings, key)
		return nil
	}
	m, ok := st.MethodSettings[key]
	if !ok {
		m = types.MethodSetting{ThrottlingRateLimit: accountRate, ThrottlingBurstLimit: accountBurst, CacheTtlInSeconds: 300, LoggingLevel: aws.String("OFF")}
	}
	what := op
	what.Path = aws.String("/" + strings.Join(parts[2:], "~1"))
	err := patches{
		"throttling/rateLimit":  number(func(v float64) { m.ThrottlingRateLimit = v }),
		"throttling/burstLimit": number(func(v float64) { m.ThrottlingBurstLimit = int32(min(max(v, -1), 1<<30)) }),
		"metrics/enabled":       flag(func(v bool) { m.MetricsEnabled = v }),
		"caching/enabled":       flag(func(v bool) { m.CachingEnabled = v }),
		"logging/loglevel":      refused("logging/loglevel (execution logs)"),
		"logging/dataTrace":     refused("logging/dataTrace (execution logs)"),
	}.apply([]types.PatchOperation{what})
	if err != nil {
		return err
	}
	makeNil(&st.MethodSettings)
	st.MethodSettings[key] = m
	return nil
}

// settingKey is how a stage's method settings name a method: ~1pets/GET, or */*.
func settingKey(path, method string) string {
	return strings.ReplaceAll(path, "/", "~1") + "/" + method
}

// DeleteStage removes a stage, or fails with NotFoundException.
func (s *Service) DeleteStage(ctx context.Context, in *apigateway.DeleteStageInput) (*apigateway.DeleteStageOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		if _, ok := d.Stages[aws.ToString(in.StageName)]; !ok {
			return missing("stage")
		}
		delete(d.Stages, *in.StageName)
		return nil
	})
}

// FlushStageAuthorizersCache forgets what the stage's authorizers decided.
func (s *Service) FlushStageAuthorizersCache(_ context.Context, in *apigateway.FlushStageAuthorizersCacheInput) (*apigateway.FlushStageAuthorizersCacheOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	st, ok := a.stages[aws.ToString(in.StageName)]
	if !ok {
		return nil, missing("stage")
	}
	for _, side := range []*side{st.base, st.canary} {
		if side != nil {
			for _, au := range side.authorizers {
				au.decisions.Clear()
			}
		}
	}
	return nil, nil
}
