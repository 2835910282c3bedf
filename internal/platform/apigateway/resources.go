package apigateway

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// pathPart is what AWS takes as a part of a path.
var pathPart = regexp.MustCompile(`^(\{[A-Za-z0-9._$:-]+\+?\}|[A-Za-z0-9._~!$'()*,;=@:%-]+)$`)

// CreateResource adds a resource. It fails with NotFoundException, BadRequestException, or ConflictException when the
// parent has a resource with this part.
func (s *Service) CreateResource(ctx context.Context, in *apigateway.CreateResourceInput) (*apigateway.CreateResourceOutput, error) {
	var out *apigateway.CreateResourceOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		r, err := d.addResource(aws.ToString(in.ParentId), aws.ToString(in.PathPart))
		out = as[apigateway.CreateResourceOutput](r)
		return err
	})
	return out, err
}

func (d *draft) addResource(parent, part string) (types.Resource, error) {
	p, ok := d.Resources[parent]
	if !ok {
		return types.Resource{}, missing("Resource")
	}
	if err := d.checkPart(p, part, ""); err != nil {
		return types.Resource{}, err
	}
	id := d.newID(6)
	r := types.Resource{Id: &id, ParentId: p.Id, PathPart: &part, Path: aws.String(below(*p.Path, part)), ResourceMethods: map[string]types.Method{}}
	d.Resources[id] = r
	return r, nil
}

func below(parent, part string) string { return strings.TrimSuffix(parent, "/") + "/" + part }

func (d *draft) checkPart(parent types.Resource, part, self string) error {
	if !pathPart.MatchString(part) {
		return badRequest("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	if strings.HasSuffix(aws.ToString(parent.PathPart), "+}") {
		return badRequest("Cannot create a child of a resource with a greedy path variable.")
	}
	for id, r := range d.Resources {
		if id == self || aws.ToString(r.ParentId) != *parent.Id {
			continue
		}
		if *r.PathPart == part {
			return conflict("Another resource with the same parent already has this name: %s", part)
		}
		if part[0] == '{' && (*r.PathPart)[0] == '{' && strings.HasSuffix(part, "+}") == strings.HasSuffix(*r.PathPart, "+}") {
			return badRequest("A sibling (%s) of this resource already has a variable path part -- only one is allowed", *r.PathPart)
		}
	}
	return nil
}

// presented hides the methods' documents unless they are asked for; only their names are told then.
func presented(r types.Resource, embed []string) types.Resource {
	methods := make(map[string]types.Method, len(r.ResourceMethods))
	for name, m := range r.ResourceMethods {
		if len(embed) == 0 {
			m = types.Method{}
		}
		methods[name] = m
	}
	if len(methods) == 0 {
		methods = nil
	}
	r.ResourceMethods = methods
	return r
}

// GetResource describes a resource, or fails with NotFoundException.
func (s *Service) GetResource(_ context.Context, in *apigateway.GetResourceInput) (*apigateway.GetResourceOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	r, ok := a.Resources[aws.ToString(in.ResourceId)]
	if !ok {
		return nil, missing("Resource")
	}
	return as[apigateway.GetResourceOutput](presented(r, in.Embed)), nil
}

// GetResources lists an API's resources, or fails with NotFoundException.
func (s *Service) GetResources(_ context.Context, in *apigateway.GetResourcesInput) (*apigateway.GetResourcesOutput, error) {
	a, err := s.find(in.RestApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Resources, in.Limit, in.Position)
	for i, r := range items {
		items[i] = presented(r, in.Embed)
	}
	return &apigateway.GetResourcesOutput{Items: items, Position: next}, err
}

// UpdateResource patches pathPart and parentId; the paths of what is below follow.
func (s *Service) UpdateResource(ctx context.Context, in *apigateway.UpdateResourceInput) (*apigateway.UpdateResourceOutput, error) {
	var out *apigateway.UpdateResourceOutput
	err := s.change(ctx, in.RestApiId, func(d *draft) error {
		r, ok := d.Resources[aws.ToString(in.ResourceId)]
		if !ok {
			return missing("Resource")
		}
		if r.ParentId == nil {
			return badRequest("The root resource cannot be updated.")
		}
		if err := (patches{"pathPart": text(&r.PathPart), "parentId": text(&r.ParentId)}).apply(in.PatchOperations); err != nil {
			return err
		}
		parent, ok := d.Resources[aws.ToString(r.ParentId)]
		if !ok || d.isBelow(*parent.Id, *r.Id) {
			return missing("Resource")
		}
		if err := d.checkPart(parent, aws.ToString(r.PathPart), *r.Id); err != nil {
			return err
		}
		d.Resources[*r.Id] = r
		d.repath(*d.API.RootResourceId)
		out = as[apigateway.UpdateResourceOutput](presented(d.Resources[*r.Id], nil))
		return nil
	})
	return out, err
}

// isBelow tells whether id is ancestor or below it.
func (d *draft) isBelow(id, ancestor string) bool {
	for {
		if id == ancestor {
			return true
		}
		r := d.Resources[id]
		if r.ParentId == nil {
			return false
		}
		id = *r.ParentId
	}
}

func (d *draft) repath(id string) {
	for child, r := range d.Resources {
		if aws.ToString(r.ParentId) == id {
			r.Path = aws.String(below(*d.Resources[id].Path, *r.PathPart))
			d.Resources[child] = r
			d.repath(child)
		}
	}
}

// DeleteResource removes a resource with all that is below it. It fails with NotFoundException or BadRequestException.
func (s *Service) DeleteResource(ctx context.Context, in *apigateway.DeleteResourceInput) (*apigateway.DeleteResourceOutput, error) {
	return nil, s.change(ctx, in.RestApiId, func(d *draft) error {
		r, ok := d.Resources[aws.ToString(in.ResourceId)]
		if !ok {
			return missing("Resource")
		}
		if r.ParentId == nil {
			return badRequest("The root resource cannot be deleted.")
		}
		var gone []string
		for id := range d.Resources {
			if d.isBelow(id, *r.Id) {
				gone = append(gone, id)
			}
		}
		for _, id := range gone {
			delete(d.Resources, id)
		}
		return nil
	})
}
