package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/xeipuuv/gojsonschema"
)

var modelName = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// modelURL is where a schema refers to another model: https://apigateway.amazonaws.com/restapis/{id}/models/{name}.
const modelURL = "https://apigateway.amazonaws.com/restapis/"

// modelBase is where models are when they are compiled. Nothing is ever fetched from there.
const modelBase = "https://models.invalid/"

// modelDocument is a schema that was read. What it refers to besides models is not loaded: no file and no page.
type modelDocument struct{ gojsonschema.JSONLoader }

// LoaderFactory gives the document itself, as the maker of loaders for what it refers to.
func (d modelDocument) LoaderFactory() gojsonschema.JSONLoaderFactory { return d }

// New gives a loader that refuses.
func (d modelDocument) New(source string) gojsonschema.JSONLoader {
	return foreign{d.JSONLoader, source}
}

type foreign struct {
	gojsonschema.JSONLoader
	source string
}

// LoadJSON fails: there is no such model.
func (f foreign) LoadJSON() (any, error) {
	return nil, fmt.Errorf("it refers to %s, which is no model of the API", f.source)
}

// compileSchema compiles a model's schema with the models that it refers to. AWS reads draft 4.
func compileSchema(m types.Model, models map[string]types.Model) (*gojsonschema.Schema, error) {
	l := gojsonschema.NewSchemaLoader()
	l.Draft, l.AutoDetect = gojsonschema.Draft4, false
	var own any
	for _, name := range slices.Sorted(maps.Keys(models)) {
		var doc any
		if err := json.Unmarshal([]byte(aws.ToString(models[name].Schema)), &doc); err != nil {
			if name == aws.ToString(m.Name) {
				return nil, badRequest("Invalid model schema specified for %s: %v", name, err)
			}
			continue
		}
		doc = pointAtModels(doc)
		if name == aws.ToString(m.Name) {
			own = doc
		}
		if err := l.AddSchema(modelBase+name, modelDocument{gojsonschema.NewGoLoader(doc)}); err != nil {
			return nil, badRequest("Invalid model schema of %s: %v", name, err)
		}
	}
	schema, err := l.Compile(modelDocument{gojsonschema.NewGoLoader(own)})
	if err != nil {
		return nil, badRequest("Invalid model schema specified for %s: %v", aws.ToString(m.Name), err)
	}
	return schema, nil
}

// pointAtModels replaces references to models by their addresses with those under which they are compiled.
func pointAtModels(doc any) any {
	switch v := doc.(type) {
	case map[string]any:
		for k, x := range v {
			if ref, ok := x.(string); ok && k == "$ref" && strings.HasPrefix(ref, modelURL) {
				v[k] = modelBase + ref[strings.LastIndexByte(ref, '/')+1:]
				continue
			}
			v[k] = pointAtModels(x)
		}
	case []any:
		for i, x := range v {
			v[i] = pointAtModels(x)
		}
	}
	return doc
}

// valid tells whether a body is JSON that fits a schema.
func valid(schema *gojsonschema.Schema, body []byte) bool {
	result, err := schema.Validate(gojsonschema.NewBytesLoader(body))
	return err == nil && result.Valid()
}

func (d *draft) putModel(m types.Model) error {
	if !modelName.MatchString(aws.ToString(m.Name)) {
		return badRequest("Model name must be alphanumeric: %s", aws.ToString(m.Name))
	}
	if aws.ToString(m.ContentType) == "" {
		return badRequest("contentType is required")
	}
	if m.Schema == nil {
		m.Schema = aws.String("{}")
	}
	all := maps.Clone(d.Models)
	all[*m.Name] = m
	if strings.Contains(*m.ContentType, "json") {
		if _, err := compileSchema(m, all); err != nil {
			return err
		}
	}
	d.Models[*m.Name] = m
	return nil
}

// CreateModel adds a model. It fails with NotFoundException, BadRequestException or ConflictException.
func (s *Service) CreateModel(ctx context.Context, in *apigateway.CreateModelInput) (*apigateway.CreateModelOutput, error) {
	m := *as[types.Model](in)
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		if _, ok := d.Models[aws.ToString(m.Name)]; ok {
			return conflict("Model name already exists for this REST API")
		}
		m.Id = aws.String(d.newID(6))
		return d.putModel(m)
	})
	return as[apigateway.CreateModelOutput](m), err
}

// GetModel describes a model, or fails with NotFoundException.
func (s *Service) GetModel(_ context.Context, in *apigateway.GetModelInput) (*apigateway.GetModelOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	if in.Flatten {
		return nil, unsupported("flatten")
	}
	m, ok := a.Models[aws.ToString(in.ModelName)]
	if !ok {
		return nil, &types.NotFoundException{Message: aws.String("Invalid model name specified: " + aws.ToString(in.ModelName))}
	}
	return as[apigateway.GetModelOutput](m), nil
}

// GetModels lists an API's models.
func (s *Service) GetModels(_ context.Context, in *apigateway.GetModelsInput) (*apigateway.GetModelsOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Models, in.Limit, in.Position)
	return &apigateway.GetModelsOutput{Items: items, Position: next}, err
}

// UpdateModel patches schema and description.
func (s *Service) UpdateModel(ctx context.Context, in *apigateway.UpdateModelInput) (*apigateway.UpdateModelOutput, error) {
	var out *apigateway.UpdateModelOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		m, ok := d.Models[aws.ToString(in.ModelName)]
		if !ok {
			return &types.NotFoundException{Message: aws.String("Invalid model name specified: " + aws.ToString(in.ModelName))}
		}
		if err := (patches{"schema": text(&m.Schema), "description": text(&m.Description)}).apply(in.PatchOperations); err != nil {
			return err
		}
		out = as[apigateway.UpdateModelOutput](m)
		return d.putModel(m)
	})
	return out, err
}

// DeleteModel removes a model that no method uses.
func (s *Service) DeleteModel(ctx context.Context, in *apigateway.DeleteModelInput) (*apigateway.DeleteModelOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		name := aws.ToString(in.ModelName)
		if _, ok := d.Models[name]; !ok {
			return &types.NotFoundException{Message: aws.String("Invalid model name specified: " + name)}
		}
		for _, r := range d.Resources {
			for _, m := range r.ResourceMethods {
				for _, used := range m.RequestModels {
					if used == name {
						return conflict("Cannot delete model '%s', is referenced in method request: %s/%s", name, *r.Path, *m.HttpMethod)
					}
				}
			}
		}
		delete(d.Models, name)
		return nil
	})
}

// CreateRequestValidator adds a validator, or fails with NotFoundException.
func (s *Service) CreateRequestValidator(ctx context.Context, in *apigateway.CreateRequestValidatorInput) (*apigateway.CreateRequestValidatorOutput, error) {
	v := *as[types.RequestValidator](in)
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		v.Id = aws.String(d.newID(6))
		d.Validators[*v.Id] = v
		return nil
	})
	return as[apigateway.CreateRequestValidatorOutput](v), err
}

// GetRequestValidator describes a validator, or fails with NotFoundException.
func (s *Service) GetRequestValidator(_ context.Context, in *apigateway.GetRequestValidatorInput) (*apigateway.GetRequestValidatorOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	v, ok := a.Validators[aws.ToString(in.RequestValidatorId)]
	if !ok {
		return nil, missing("Request Validator")
	}
	return as[apigateway.GetRequestValidatorOutput](v), nil
}

// GetRequestValidators lists an API's validators.
func (s *Service) GetRequestValidators(_ context.Context, in *apigateway.GetRequestValidatorsInput) (*apigateway.GetRequestValidatorsOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Validators, in.Limit, in.Position)
	return &apigateway.GetRequestValidatorsOutput{Items: items, Position: next}, err
}

// UpdateRequestValidator patches a validator.
func (s *Service) UpdateRequestValidator(ctx context.Context, in *apigateway.UpdateRequestValidatorInput) (*apigateway.UpdateRequestValidatorOutput, error) {
	var out *apigateway.UpdateRequestValidatorOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		v, ok := d.Validators[aws.ToString(in.RequestValidatorId)]
		if !ok {
			return missing("Request Validator")
		}
		err := patches{
			"name": text(&v.Name), "validateRequestBody": flag(func(b bool) { v.ValidateRequestBody = b }),
			"validateRequestParameters": flag(func(b bool) { v.ValidateRequestParameters = b }),
		}.apply(in.PatchOperations)
		d.Validators[*v.Id] = v
		out = as[apigateway.UpdateRequestValidatorOutput](v)
		return err
	})
	return out, err
}

// DeleteRequestValidator removes a validator that no method uses.
func (s *Service) DeleteRequestValidator(ctx context.Context, in *apigateway.DeleteRequestValidatorInput) (*apigateway.DeleteRequestValidatorOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		id := aws.ToString(in.RequestValidatorId)
		if _, ok := d.Validators[id]; !ok {
			return missing("Request Validator")
		}
		if d.uses(func(m types.Method) bool { return aws.ToString(m.RequestValidatorId) == id }) {
			return conflict("Cannot delete request validator '%s', is referenced in a method", id)
		}
		delete(d.Validators, id)
		return nil
	})
}

// uses tells whether a method of the API is as f says.
func (d *draft) uses(f func(m types.Method) bool) bool {
	for _, r := range d.Resources {
		for _, m := range r.ResourceMethods {
			if f(m) {
				return true
			}
		}
	}
	return false
}
