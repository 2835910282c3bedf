package apigatewayv2

import (
	"context"
	"maps"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// defaultStageName is the name of the stage at the root of an API, and the key of the catch-all route.
const defaultStageName = "$default"

var (
	stageName          = regexp.MustCompile(`^[A-Za-z0-9_-]+$`) // of 128 characters at most
	stageVariableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]+$`)
)

// CreateStage adds a stage. It fails with NotFoundException, BadRequestException or ConflictException.
func (s *Service) CreateStage(ctx context.Context, in *apigatewayv2.CreateStageInput) (*apigatewayv2.CreateStageOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	st := types.Stage{
		StageName: in.StageName, AutoDeploy: aws.Bool(aws.ToBool(in.AutoDeploy)), CreatedDate: s.now(), LastUpdatedDate: s.now(),
		DeploymentId: in.DeploymentId, Description: in.Description, StageVariables: in.StageVariables, Tags: in.Tags,
		AccessLogSettings: in.AccessLogSettings, ClientCertificateId: in.ClientCertificateId,
		DefaultRouteSettings: in.DefaultRouteSettings, RouteSettings: in.RouteSettings,
	}
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if n := aws.ToString(in.StageName); n != defaultStageName && (len(n) > 128 || !stageName.MatchString(n)) {
			return badRequest("Stage name only allows a-zA-Z0-9_- and must have 1 to 128 characters; or it is $default")
		}
		if _, ok := d.Stages[*in.StageName]; ok {
			return conflict("Stage already exists")
		}
		if err := d.checkStage(&st); err != nil {
			return err
		}
		if aws.ToBool(st.AutoDeploy) && st.DeploymentId != nil {
			return badRequest("deploymentId must not be set for a stage with autoDeploy")
		}
		d.Stages[*st.StageName] = st
		d.redeploy = aws.ToBool(st.AutoDeploy)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if a := s.lookup(*in.ApiId); a != nil {
		if now, ok := a.Stages[*st.StageName]; ok {
			st = now // with the deployment that autoDeploy made
		}
	}
	return &apigatewayv2.CreateStageOutput{
		AutoDeploy: st.AutoDeploy, CreatedDate: st.CreatedDate, DefaultRouteSettings: st.DefaultRouteSettings, DeploymentId: st.DeploymentId,
		Description: st.Description, LastDeploymentStatusMessage: st.LastDeploymentStatusMessage, LastUpdatedDate: st.LastUpdatedDate,
		RouteSettings: st.RouteSettings, StageName: st.StageName, StageVariables: st.StageVariables, Tags: st.Tags,
	}, nil
}

// GetStage describes a stage, or fails with NotFoundException.
func (s *Service) GetStage(_ context.Context, in *apigatewayv2.GetStageInput) (*apigatewayv2.GetStageOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	st, ok := a.Stages[aws.ToString(in.StageName)]
	if !ok {
		return nil, noStage(in.StageName)
	}
	return &apigatewayv2.GetStageOutput{
		ApiGatewayManaged: st.ApiGatewayManaged, AutoDeploy: st.AutoDeploy, CreatedDate: st.CreatedDate, DefaultRouteSettings: st.DefaultRouteSettings,
		DeploymentId: st.DeploymentId, Description: st.Description, LastDeploymentStatusMessage: st.LastDeploymentStatusMessage,
		LastUpdatedDate: st.LastUpdatedDate, RouteSettings: st.RouteSettings, StageName: st.StageName, StageVariables: st.StageVariables, Tags: st.Tags,
	}, nil
}

// GetStages lists an API's stages, or fails with NotFoundException.
func (s *Service) GetStages(_ context.Context, in *apigatewayv2.GetStagesInput) (*apigatewayv2.GetStagesOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Stages, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetStagesOutput{Items: items, NextToken: next}, nil
}

// UpdateStage changes the members that are set; stage variables are replaced as a whole. It fails with
// NotFoundException or BadRequestException.
func (s *Service) UpdateStage(ctx context.Context, in *apigatewayv2.UpdateStageInput) (*apigatewayv2.UpdateStageOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		st, ok := d.Stages[aws.ToString(in.StageName)]
		if !ok {
			return noStage(in.StageName)
		}
		set(&st.AutoDeploy, in.AutoDeploy)
		set(&st.Description, in.Description)
		set(&st.AccessLogSettings, in.AccessLogSettings)
		set(&st.ClientCertificateId, in.ClientCertificateId)
		set(&st.DefaultRouteSettings, in.DefaultRouteSettings)
		if in.RouteSettings != nil {
			st.RouteSettings = in.RouteSettings
		}
		if in.StageVariables != nil {
			st.StageVariables = in.StageVariables
		}
		if in.DeploymentId != nil {
			if aws.ToBool(st.AutoDeploy) {
				return badRequest("deploymentId must not be set for a stage with autoDeploy")
			}
			st.DeploymentId = in.DeploymentId
		}
		st.LastUpdatedDate = s.now()
		if err := d.checkStage(&st); err != nil {
			return err
		}
		d.Stages[*st.StageName] = st
		if aws.ToBool(in.AutoDeploy) {
			d.redeploy = true
		} else {
			d.dropUnserved()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	got, err := s.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: in.ApiId, StageName: in.StageName})
	if err != nil {
		return nil, err
	}
	out := apigatewayv2.UpdateStageOutput(*got)
	return &out, nil
}

// DeleteStage removes a stage, or fails with NotFoundException.
func (s *Service) DeleteStage(ctx context.Context, in *apigatewayv2.DeleteStageInput) (*apigatewayv2.DeleteStageOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if _, ok := d.Stages[aws.ToString(in.StageName)]; !ok {
			return noStage(in.StageName)
		}
		delete(d.Stages, *in.StageName)
		d.dropUnserved()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteStageOutput{}, nil
}

// checkStage validates st and fills its defaults.
func (d *draft) checkStage(st *types.Stage) error {
	if err := checkLength("description", st.Description, 0, 1024); err != nil {
		return err
	}
	if st.DeploymentId != nil && d.deployments[*st.DeploymentId] == nil {
		return noDeployment(st.DeploymentId)
	}
	for k, v := range st.StageVariables {
		if !executeapi.VariableName(k) {
			return badRequest("Invalid stage variable name %q: it must have 1 to 64 characters of a-zA-Z0-9_", k)
		}
		if len(v) > 2048 || !stageVariableValue.MatchString(v) {
			return badRequest("Stage variable value %q of %q is invalid: it must have 1 to 2048 characters of a-zA-Z0-9-._~:/?#&=,", v, k)
		}
	}
	if st.AccessLogSettings != nil {
		return unsupported("accessLogSettings")
	}
	if st.ClientCertificateId != nil {
		return badRequest("clientCertificateId is supported for WebSocket APIs only")
	}
	if st.DefaultRouteSettings == nil {
		st.DefaultRouteSettings = &types.RouteSettings{DetailedMetricsEnabled: aws.Bool(false)}
	}
	if err := checkRouteSettings(*st.DefaultRouteSettings); err != nil {
		return err
	}
	for key, rs := range st.RouteSettings {
		if !d.hasRoute(key) {
			return notFound("Unable to find Route by key %s within the provided RouteSettings", key)
		}
		if err := checkRouteSettings(rs); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) hasRoute(key string) bool {
	for _, r := range d.Routes {
		if *r.RouteKey == key {
			return true
		}
	}
	return false
}

func checkRouteSettings(rs types.RouteSettings) error {
	switch {
	case aws.ToInt32(rs.ThrottlingBurstLimit) < 0 || aws.ToFloat64(rs.ThrottlingRateLimit) < 0:
		return badRequest("throttlingBurstLimit and throttlingRateLimit must not be negative")
	case aws.ToBool(rs.DetailedMetricsEnabled):
		return unsupported("detailedMetricsEnabled")
	case aws.ToBool(rs.DataTraceEnabled) || (rs.LoggingLevel != "" && rs.LoggingLevel != types.LoggingLevelOff):
		return badRequest("dataTraceEnabled and loggingLevel are supported for WebSocket APIs only")
	}
	return nil
}

// DeleteRouteSettings takes the settings of one route off a stage. It fails with NotFoundException when there are none.
func (s *Service) DeleteRouteSettings(ctx context.Context, in *apigatewayv2.DeleteRouteSettingsInput) (*apigatewayv2.DeleteRouteSettingsOutput, error) {
	return &apigatewayv2.DeleteRouteSettingsOutput{}, s.change(ctx, in.ApiId, func(d *draft) error {
		st, ok := d.Stages[aws.ToString(in.StageName)]
		if !ok {
			return noStage(in.StageName)
		}
		key := aws.ToString(in.RouteKey)
		if _, ok := st.RouteSettings[key]; !ok {
			return notFound("Unable to find Route by key %s within the provided RouteSettings", key)
		}
		st.RouteSettings = maps.Clone(st.RouteSettings)
		delete(st.RouteSettings, key)
		st.LastUpdatedDate = s.now()
		d.Stages[*in.StageName] = st
		return nil
	})
}

// DeleteAccessLogSettings leaves a stage without access logs, which it never has here. It fails with NotFoundException.
func (s *Service) DeleteAccessLogSettings(_ context.Context, in *apigatewayv2.DeleteAccessLogSettingsInput) (*apigatewayv2.DeleteAccessLogSettingsOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	if _, ok := a.Stages[aws.ToString(in.StageName)]; !ok {
		return nil, noStage(in.StageName)
	}
	return &apigatewayv2.DeleteAccessLogSettingsOutput{}, nil
}
