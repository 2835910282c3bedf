package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
)

const (
	bucketAPIs        = "apigateway.restapis"        // API ID → document
	bucketDeployments = "apigateway.restdeployments" // API ID/deployment ID → deployment
)

// api is one REST API as it serves now. It is immutable once published.
type api struct {
	document
	raw         []byte // the document as stored
	deployments map[string]*deployment

	stages map[string]*stage // compiled
	closed bool              // the execute-api endpoint is switched off
}

// document is one API but for its deployments; one value of the store.
type document struct {
	API types.RestApi
	configuration
	Stages map[string]types.Stage
}

// configuration is what a deployment freezes.
type configuration struct {
	Resources   map[string]types.Resource // with their methods
	Authorizers map[string]types.Authorizer
	Models      map[string]types.Model // by name
	Validators  map[string]types.RequestValidator
	Responses   map[string]types.GatewayResponse // those that were changed, by type
	Binary      []string                         // media types
}

// deployment is a frozen configuration.
type deployment struct {
	API           string
	Deployment    types.Deployment
	Configuration configuration
}

// fill makes the maps that JSON leaves nil.
func (c *configuration) fill() {
	makeNil(&c.Resources)
	makeNil(&c.Authorizers)
	makeNil(&c.Models)
	makeNil(&c.Validators)
	makeNil(&c.Responses)
	for id, r := range c.Resources {
		makeNil(&r.ResourceMethods)
		c.Resources[id] = r
	}
}

func (d *document) fill() {
	d.configuration.fill()
	makeNil(&d.Stages)
}

func makeNil[V any](m *map[string]V) {
	if *m == nil {
		*m = make(map[string]V)
	}
}

// draft is an API being changed. It shares nothing with the one that serves, but for deployments.
type draft struct {
	*api
	batch   store.Batch
	deleted bool
}

// copyOf makes a deep copy of what is kept as JSON anyway.
func copyOf[T any](v T) (T, error) {
	var c T
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	return c, err
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
	d := &draft{api: &api{deployments: maps.Clone(old.deployments)}}
	if err := json.Unmarshal(old.raw, &d.document); err != nil {
		return fmt.Errorf("apigateway: REST API %s: %w", *id, err)
	}
	d.fill()
	d.batch.ExpectValue(bucketAPIs, *id, old.raw)
	if err := f(d); err != nil {
		return err
	}
	return s.finish(ctx, *id, d)
}

// create makes a new API out of d; the API's ID is chosen here.
func (s *Service) create(ctx context.Context, d *draft) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := executeapi.NewID(10, func(id string) bool { return s.lookup(id) != nil })
	d.API.Id = &id
	d.batch.ExpectAbsent(bucketAPIs, id)
	return s.finish(ctx, id, d)
}

// finish compiles, stores and publishes d. The caller holds mu.
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
	if err := s.compile(d.api, s.lookup(id)); err != nil {
		return fmt.Errorf("apigateway: REST API %s: %w", id, err)
	}
	raw, err := json.Marshal(d.document)
	if err != nil {
		return fmt.Errorf("apigateway: encode REST API %s: %w", id, err)
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
		return fmt.Errorf("apigateway: store: %w", err)
	}
	return nil
}
