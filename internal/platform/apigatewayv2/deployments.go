package apigatewayv2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// CreateDeployment freezes the API's routes and integrations, and lets the named stage serve them when StageName is set.
// It fails with NotFoundException or BadRequestException.
func (s *Service) CreateDeployment(ctx context.Context, in *apigatewayv2.CreateDeploymentInput) (*apigatewayv2.CreateDeploymentOutput, error) {
	if err := checkLength("description", in.Description, 0, 1024); err != nil {
		return nil, err
	}
	var dep *deployment
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if len(d.Routes) == 0 {
			return badRequest("At least one route is required before deploying the Api.")
		}
		var err error
		if dep, err = s.deploy(d, false, in.Description); err != nil {
			return err
		}
		if in.StageName == nil {
			return nil
		}
		st, ok := d.Stages[*in.StageName]
		if !ok {
			return noStage(in.StageName)
		}
		if aws.ToBool(st.AutoDeploy) {
			return badRequest("Deployment to stage %s is not possible: it has autoDeploy enabled", *in.StageName)
		}
		st.DeploymentId = dep.Deployment.DeploymentId
		st.LastUpdatedDate = dep.Deployment.CreatedDate
		d.Stages[*in.StageName] = st
		d.dropUnserved()
		return nil
	})
	if err != nil {
		return nil, err
	}
	x := dep.Deployment
	return &apigatewayv2.CreateDeploymentOutput{
		AutoDeployed: x.AutoDeployed, CreatedDate: x.CreatedDate, DeploymentId: x.DeploymentId,
		DeploymentStatus: x.DeploymentStatus, Description: x.Description,
	}, nil
}

// GetDeployment describes a deployment, or fails with NotFoundException.
func (s *Service) GetDeployment(_ context.Context, in *apigatewayv2.GetDeploymentInput) (*apigatewayv2.GetDeploymentOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	dep := a.deployments[aws.ToString(in.DeploymentId)]
	if dep == nil {
		return nil, noDeployment(in.DeploymentId)
	}
	x := dep.Deployment
	return &apigatewayv2.GetDeploymentOutput{
		AutoDeployed: x.AutoDeployed, CreatedDate: x.CreatedDate, DeploymentId: x.DeploymentId,
		DeploymentStatus: x.DeploymentStatus, Description: x.Description,
	}, nil
}

// GetDeployments lists an API's deployments, or fails with NotFoundException.
func (s *Service) GetDeployments(_ context.Context, in *apigatewayv2.GetDeploymentsInput) (*apigatewayv2.GetDeploymentsOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	found, next, err := page(a.deployments, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetDeploymentsOutput{Items: make([]types.Deployment, len(found)), NextToken: next}
	for i, d := range found {
		out.Items[i] = d.Deployment
	}
	return out, nil
}

// UpdateDeployment changes a deployment's description. It fails with NotFoundException or BadRequestException.
func (s *Service) UpdateDeployment(ctx context.Context, in *apigatewayv2.UpdateDeploymentInput) (*apigatewayv2.UpdateDeploymentOutput, error) {
	if err := checkLength("description", in.Description, 0, 1024); err != nil {
		return nil, err
	}
	var x types.Deployment
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		old := d.deployments[aws.ToString(in.DeploymentId)]
		if old == nil {
			return noDeployment(in.DeploymentId)
		}
		dep := *old
		set(&dep.Deployment.Description, in.Description)
		x = dep.Deployment
		return d.keepDeployment(&dep)
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.UpdateDeploymentOutput{
		AutoDeployed: x.AutoDeployed, CreatedDate: x.CreatedDate, DeploymentId: x.DeploymentId,
		DeploymentStatus: x.DeploymentStatus, Description: x.Description,
	}, nil
}

// DeleteDeployment removes a deployment that no stage serves. It fails with NotFoundException or BadRequestException.
func (s *Service) DeleteDeployment(ctx context.Context, in *apigatewayv2.DeleteDeploymentInput) (*apigatewayv2.DeleteDeploymentOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		id := aws.ToString(in.DeploymentId)
		if d.deployments[id] == nil {
			return noDeployment(in.DeploymentId)
		}
		if st := d.servedBy(id); st != "" {
			return badRequest("Active stages pointing to this deployment must be moved or deleted: stage %s serves deployment %s", st, id)
		}
		delete(d.deployments, id)
		d.batch.Delete(bucketDeployments, *in.ApiId+"/"+id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteDeploymentOutput{}, nil
}
