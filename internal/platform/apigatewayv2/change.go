package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
)

const (
	bucketAPIs        = "apigateway.apis"        // API ID → document
	bucketDeployments = "apigateway.deployments" // API ID/deployment ID → deployment
)

// api is one HTTP API as it serves now. It is immutable once published.
type api struct {
	document
	raw         []byte // the document as stored
	deployments map[string]*deployment

	// Compiled from the above.
	named        map[string]*stage // by stage name
	defaultStage *stage            // nil when there is no $default
	cors         *corsRules        // nil when the API has no CORS configuration
	closed       bool              // the execute-api endpoint is switched off
}

// document is one API but for its deployments; one value of the store.
type document struct {
	API types.Api
	configuration
	Stages map[string]types.Stage
}

// configuration is what a deployment freezes.
type configuration struct {
	Integrations map[string]types.Integration
	Routes       map[string]types.Route
	Authorizers  map[string]types.Authorizer
}

func (c configuration) clone() configuration {
	return configuration{Integrations: maps.Clone(c.Integrations), Routes: maps.Clone(c.Routes), Authorizers: maps.Clone(c.Authorizers)}
}

// deployment is a frozen configuration.
type deployment struct {
	API           string
	Deployment    types.Deployment
	Configuration configuration
}

// fill makes the maps that JSON leaves nil.
func (d *document) fill() {
	if d.Integrations == nil {
		d.Integrations = make(map[string]types.Integration)
	}
	if d.Routes == nil {
		d.Routes = make(map[string]types.Route)
	}
	if d.Authorizers == nil {
		d.Authorizers = make(map[string]types.Authorizer)
	}
	if d.Stages == nil {
		d.Stages = make(map[string]types.Stage)
	}
}

// draft is an API being changed. Its maps are its own; the values in them are replaced, never changed in place.
type draft struct {
	*api
	batch store.Batch
	// redeploy is set when routes or integrations changed: stages with autoDeploy get a new deployment.
	redeploy bool
	deleted  bool
}

// change applies f to the API with this ID, makes the result durable and lets it serve. Nothing is changed when f, the
// compilation or the store fails.
func (s *Service) change(ctx context.Context, id *string, f func(d *draft) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.lookup(aws.ToString(id))
	if old == nil {
		return s.noAPI(id)
	}
	d := &draft{api: &api{
		document:    document{API: old.API, configuration: old.clone(), Stages: maps.Clone(old.Stages)},
		deployments: maps.Clone(old.deployments),
	}}
	d.batch.ExpectValue(bucketAPIs, *id, old.raw)
	if err := f(d); err != nil {
		return err
	}
	return s.finish(ctx, *id, d)
}

// create makes a new API out of d; the API's ID is chosen here. The caller has filled d's document but for that.
func (s *Service) create(ctx context.Context, d *draft) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := executeapi.NewID(10, func(id string) bool { return s.lookup(id) != nil })
	d.API.ApiId = &id
	d.batch.ExpectAbsent(bucketAPIs, id)
	return s.finish(ctx, id, d)
}

// finish deploys, compiles, stores and publishes d. The caller holds mu.
func (s *Service) finish(ctx context.Context, id string, d *draft) error {
	if d.deleted {
		d.batch.Delete(bucketAPIs, id)
		for dep := range d.deployments {
			d.batch.Delete(bucketDeployments, id+"/"+dep)
		}
		if err := s.commit(ctx, &d.batch); err != nil {
			return err
		}
		s.publish(id, nil)
		return nil
	}
	if d.redeploy {
		if err := s.autoDeploy(d); err != nil {
			return err
		}
	}
	if err := s.compile(d.api, s.lookup(id)); err != nil {
		return fmt.Errorf("apigatewayv2: API %s: %w", id, err)
	}
	raw, err := json.Marshal(d.document)
	if err != nil {
		return fmt.Errorf("apigatewayv2: encode API %s: %w", id, err)
	}
	d.raw = raw
	d.batch.Put(bucketAPIs, id, raw)
	if err := s.commit(ctx, &d.batch); err != nil {
		return err
	}
	s.publish(id, d.api)
	return nil
}

func (s *Service) commit(ctx context.Context, b *store.Batch) error {
	err := s.cfg.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrConflict) {
		return conflict("Unable to complete operation due to concurrent modification. Please try again later.")
	}
	if err != nil {
		return fmt.Errorf("apigatewayv2: store: %w", err)
	}
	return nil
}

// autoDeploy freezes the draft's configuration for the stages with autoDeploy, and drops the automatic deployments that
// no stage serves any more.
func (s *Service) autoDeploy(d *draft) error {
	var dep *deployment
	for name, st := range d.Stages {
		if !aws.ToBool(st.AutoDeploy) {
			continue
		}
		if dep == nil {
			var err error
			dep, err = s.deploy(d, true, aws.String("Automatic deployment triggered by changes to the Api configuration"))
			if err != nil {
				return err
			}
		}
		st.DeploymentId = dep.Deployment.DeploymentId
		st.LastDeploymentStatusMessage = aws.String("Successfully deployed stage with deployment ID '" + *st.DeploymentId + "'")
		st.LastUpdatedDate = dep.Deployment.CreatedDate
		d.Stages[name] = st
	}
	d.dropUnserved()
	return nil
}

// dropUnserved removes the automatic deployments that no stage serves.
func (d *draft) dropUnserved() {
	for id, dep := range d.deployments {
		if !aws.ToBool(dep.Deployment.AutoDeployed) || d.servedBy(id) != "" {
			continue
		}
		delete(d.deployments, id)
		d.batch.Delete(bucketDeployments, *d.API.ApiId+"/"+id)
	}
}

// servedBy names a stage that serves the deployment, or returns "".
func (d *draft) servedBy(deploymentID string) string {
	for name, st := range d.Stages {
		if aws.ToString(st.DeploymentId) == deploymentID {
			return name
		}
	}
	return ""
}

// deploy freezes the draft's configuration.
func (s *Service) deploy(d *draft, auto bool, description *string) (*deployment, error) {
	id := executeapi.NewID(6, func(id string) bool { return d.deployments[id] != nil })
	dep := &deployment{
		API: *d.API.ApiId,
		Deployment: types.Deployment{
			AutoDeployed: &auto, CreatedDate: s.now(), DeploymentId: &id, Description: description,
			DeploymentStatus: types.DeploymentStatusDeployed,
		},
		Configuration: d.configuration.clone(),
	}
	return dep, d.keepDeployment(dep)
}

func (d *draft) keepDeployment(dep *deployment) error {
	id := *dep.Deployment.DeploymentId
	raw, err := json.Marshal(dep)
	if err != nil {
		return fmt.Errorf("apigatewayv2: encode deployment %s: %w", id, err)
	}
	d.deployments[id] = dep
	d.batch.Put(bucketDeployments, dep.API+"/"+id, raw)
	return nil
}
