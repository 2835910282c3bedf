package apigateway

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// CreateDeployment freezes the API. With StageName the stage serves it, and is made when there is none; with
// CanarySettings, or where the stage has a canary already, only the canary's share of the requests gets it. It fails with
// NotFoundException or BadRequestException.
func (s *Service) CreateDeployment(ctx context.Context, in *apigateway.CreateDeploymentInput) (*apigateway.CreateDeploymentOutput, error) {
	if aws.ToBool(in.CacheClusterEnabled) {
		return nil, unsupported("cacheClusterEnabled (caching)")
	}
	var out *apigateway.CreateDeploymentOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		dep, err := s.deploy(d, in.Description)
		if err != nil {
			return err
		}
		out = as[apigateway.CreateDeploymentOutput](dep.Deployment)
		if aws.ToString(in.StageName) == "" {
			if in.CanarySettings != nil {
				return badRequest("Canary settings need a stage name")
			}
			return nil
		}
		st, ok := d.Stages[*in.StageName]
		if !ok {
			if in.CanarySettings != nil {
				return badRequest("Deployment with canary settings is not allowed for a stage that does not exist: create stage %s first", *in.StageName)
			}
			st = types.Stage{StageName: in.StageName, CreatedDate: s.now(), CacheClusterStatus: types.CacheClusterStatusNotAvailable}
		}
		switch {
		case in.CanarySettings != nil:
			st.CanarySettings = &types.CanarySettings{
				DeploymentId: dep.Deployment.Id, PercentTraffic: in.CanarySettings.PercentTraffic,
				StageVariableOverrides: in.CanarySettings.StageVariableOverrides, UseStageCache: in.CanarySettings.UseStageCache,
			}
		case st.CanarySettings != nil:
			st.CanarySettings.DeploymentId = dep.Deployment.Id
		default:
			st.DeploymentId = dep.Deployment.Id
		}
		if in.StageDescription != nil {
			st.Description = in.StageDescription
		}
		if in.Variables != nil {
			st.Variables = in.Variables
		}
		if in.TracingEnabled != nil {
			st.TracingEnabled = *in.TracingEnabled
		}
		return s.putStage(d, st)
	})
	return out, err
}

// deploy freezes the draft's configuration.
func (s *Service) deploy(d *draft, description *string) (*deployment, error) {
	methods := 0
	for _, r := range d.Resources {
		for name, m := range r.ResourceMethods {
			methods++
			if m.MethodIntegration == nil {
				return nil, badRequest("No integration defined for method %s of %s", name, *r.Path)
			}
		}
	}
	if methods == 0 {
		return nil, badRequest("The REST API doesn't contain any methods")
	}
	frozen, err := copyOf(d.configuration)
	if err != nil {
		return nil, fmt.Errorf("apigateway: %w", err)
	}
	frozen.fill()
	id := executeapi.NewID(6, func(id string) bool { return d.deployments[id] != nil })
	dep := &deployment{API: *d.API.Id, Deployment: types.Deployment{Id: &id, CreatedDate: s.now(), Description: description}, Configuration: frozen}
	return dep, d.keepDeployment(dep)
}

func (d *draft) keepDeployment(dep *deployment) error {
	raw, err := json.Marshal(dep)
	if err != nil {
		return fmt.Errorf("apigateway: encode deployment %s: %w", *dep.Deployment.Id, err)
	}
	d.deployments[*dep.Deployment.Id] = dep
	d.batch.Put(bucketDeployments, dep.API+"/"+*dep.Deployment.Id, raw)
	return nil
}

// summarised adds the snapshot of the methods that embed=apisummary asks for.
func summarised(dep *deployment, embed []string) types.Deployment {
	x := dep.Deployment
	if len(embed) == 0 {
		return x
	}
	x.ApiSummary = make(map[string]map[string]types.MethodSnapshot)
	for _, r := range dep.Configuration.Resources {
		for name, m := range r.ResourceMethods {
			if x.ApiSummary[*r.Path] == nil {
				x.ApiSummary[*r.Path] = make(map[string]types.MethodSnapshot)
			}
			x.ApiSummary[*r.Path][name] = types.MethodSnapshot{ApiKeyRequired: aws.ToBool(m.ApiKeyRequired), AuthorizationType: m.AuthorizationType}
		}
	}
	return x
}

// GetDeployment describes a deployment, or fails with NotFoundException.
func (s *Service) GetDeployment(_ context.Context, in *apigateway.GetDeploymentInput) (*apigateway.GetDeploymentOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	dep := a.deployments[aws.ToString(in.DeploymentId)]
	if dep == nil {
		return nil, missing("Deployment")
	}
	return as[apigateway.GetDeploymentOutput](summarised(dep, in.Embed)), nil
}

// GetDeployments lists an API's deployments, or fails with NotFoundException.
func (s *Service) GetDeployments(_ context.Context, in *apigateway.GetDeploymentsInput) (*apigateway.GetDeploymentsOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	found, next, err := page(a.deployments, in.Limit, in.Position)
	out := &apigateway.GetDeploymentsOutput{Position: next}
	for _, dep := range found {
		out.Items = append(out.Items, dep.Deployment)
	}
	return out, err
}

// UpdateDeployment patches the description.
func (s *Service) UpdateDeployment(ctx context.Context, in *apigateway.UpdateDeploymentInput) (*apigateway.UpdateDeploymentOutput, error) {
	var out *apigateway.UpdateDeploymentOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		old := d.deployments[aws.ToString(in.DeploymentId)]
		if old == nil {
			return missing("Deployment")
		}
		dep := *old
		if err := (patches{"description": text(&dep.Deployment.Description)}).apply(in.PatchOperations); err != nil {
			return err
		}
		out = as[apigateway.UpdateDeploymentOutput](dep.Deployment)
		return d.keepDeployment(&dep)
	})
	return out, err
}

// DeleteDeployment removes a deployment that no stage serves. It fails with NotFoundException or BadRequestException.
func (s *Service) DeleteDeployment(ctx context.Context, in *apigateway.DeleteDeploymentInput) (*apigateway.DeleteDeploymentOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		id := aws.ToString(in.DeploymentId)
		if d.deployments[id] == nil {
			return missing("Deployment")
		}
		for _, st := range d.Stages {
			if aws.ToString(st.DeploymentId) == id || st.CanarySettings != nil && aws.ToString(st.CanarySettings.DeploymentId) == id {
				return badRequest("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		delete(d.deployments, id)
		d.batch.Delete(bucketDeployments, *in.RestApiId+"/"+id)
		return nil
	})
}
