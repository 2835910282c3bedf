package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// checkPlan validates a plan; its stages must be there.
func (s *Service) checkPlan(p types.UsagePlan) error {
	if aws.ToString(p.Name) == "" {
		return badRequest("Usage plan name is required")
	}
	limits := []*types.ThrottleSettings{p.Throttle}
	seen := make(map[string]bool)
	for _, at := range p.ApiStages {
		name := aws.ToString(at.ApiId) + ":" + aws.ToString(at.Stage)
		a := s.lookup(aws.ToString(at.ApiId))
		if a == nil || a.stages[aws.ToString(at.Stage)] == nil {
			return &types.NotFoundException{Message: aws.String("API Stage not found: " + name)}
		}
		if seen[name] {
			return badRequest("API Stage %s is in the usage plan twice", name)
		}
		seen[name] = true
		for _, t := range at.Throttle {
			limits = append(limits, &t)
		}
	}
	for _, t := range limits {
		if t != nil && (t.RateLimit < 0 || t.BurstLimit < 0) {
			return badRequest("Usage Plan throttle limits must not be negative")
		}
	}
	if q := p.Quota; q != nil {
		switch {
		case !slices.Contains(q.Period.Values(), q.Period):
			return badRequest("Usage Plan quota period must be one of DAY, WEEK, MONTH")
		case q.Limit < 1 || q.Offset < 0 || q.Offset > q.Limit:
			return badRequest("Usage Plan quota limit must be at least 1, its offset between 0 and the limit")
		}
	}
	if err := executeapi.CheckTags(p.Tags); err != nil {
		return badRequest("%s", err)
	}
	return nil
}

// CreateUsagePlan makes a plan. It fails with NotFoundException or BadRequestException.
func (s *Service) CreateUsagePlan(ctx context.Context, in *apigateway.CreateUsagePlanInput) (*apigateway.CreateUsagePlanOutput, error) {
	p := *as[types.UsagePlan](in)
	err := s.changeAccount(ctx, func(d *accountDraft) error {
		p.Id = d.newID(6)
		if err := s.checkPlan(p); err != nil {
			return err
		}
		return d.putPlan(usagePlan{p, map[string]bool{}})
	})
	if err != nil {
		return nil, err
	}
	return as[apigateway.CreateUsagePlanOutput](p), nil
}

// GetUsagePlan describes a plan, or fails with NotFoundException.
func (s *Service) GetUsagePlan(_ context.Context, in *apigateway.GetUsagePlanInput) (*apigateway.GetUsagePlanOutput, error) {
	p, ok := s.account.Load().plans[aws.ToString(in.UsagePlanId)]
	if !ok {
		return nil, missing("Usage Plan ID")
	}
	return as[apigateway.GetUsagePlanOutput](p.Plan), nil
}

// GetUsagePlans lists the plans, or those that have a key.
func (s *Service) GetUsagePlans(_ context.Context, in *apigateway.GetUsagePlansInput) (*apigateway.GetUsagePlansOutput, error) {
	plans := maps.Clone(s.account.Load().plans)
	maps.DeleteFunc(plans, func(_ string, p usagePlan) bool { return in.KeyId != nil && !p.Keys[*in.KeyId] })
	found, next, err := page(plans, in.Limit, in.Position)
	out := &apigateway.GetUsagePlansOutput{Items: []types.UsagePlan{}, Position: next}
	for _, p := range found {
		out.Items = append(out.Items, p.Plan)
	}
	return out, err
}

// UpdateUsagePlan patches a plan: its limits, and its stages, which are added and removed by apiId:stage.
func (s *Service) UpdateUsagePlan(ctx context.Context, in *apigateway.UpdateUsagePlanInput) (*apigateway.UpdateUsagePlanOutput, error) {
	var p usagePlan
	err := s.changeAccount(ctx, func(d *accountDraft) error {
		var ok bool
		if p, ok = d.plans[aws.ToString(in.UsagePlanId)]; !ok {
			return missing("Usage Plan ID")
		}
		var err error
		if p.Plan, err = copyOf(p.Plan); err != nil {
			return err
		}
		for _, op := range in.PatchOperations {
			if err := patchPlan(&p.Plan, op); err != nil {
				return err
			}
		}
		if err := s.checkPlan(p.Plan); err != nil {
			return err
		}
		return d.putPlan(p)
	})
	if err != nil {
		return nil, err
	}
	return as[apigateway.UpdateUsagePlanOutput](p.Plan), nil
}

func patchPlan(p *types.UsagePlan, op types.PatchOperation) error {
	return patches{
		"name": text(&p.Name), "description": text(&p.Description), "productCode": text(&p.ProductCode),
		"throttle": func(op types.PatchOperation, rest []string) error {
			if len(rest) == 0 && op.Op == types.OpRemove {
				p.Throttle = nil
				return nil
			}
			if p.Throttle == nil {
				p.Throttle = &types.ThrottleSettings{}
			}
			return patchThrottle(p.Throttle, op, rest)
		},
		"quota": func(op types.PatchOperation, rest []string) error {
			if len(rest) == 0 && op.Op == types.OpRemove {
				p.Quota = nil
				return nil
			}
			if p.Quota == nil {
				p.Quota = &types.QuotaSettings{}
			}
			op.Path = aws.String("/" + strings.Join(rest, "/"))
			return patches{
				"limit":  number(func(v float64) { p.Quota.Limit = int32(min(max(v, -1), 1<<30)) }),
				"offset": number(func(v float64) { p.Quota.Offset = int32(min(max(v, -1), 1<<30)) }),
				"period": word(&p.Quota.Period),
			}.apply([]types.PatchOperation{op})
		},
		"apiStages": func(op types.PatchOperation, rest []string) error { return patchPlanStages(p, op, rest) },
	}.apply([]types.PatchOperation{op})
}

func patchThrottle(t *types.ThrottleSettings, op types.PatchOperation, rest []string) error {
	op.Path = aws.String("/" + strings.Join(rest, "/"))
	return patches{
		"rateLimit":  number(func(v float64) { t.RateLimit = v }),
		"burstLimit": number(func(v float64) { t.BurstLimit = int32(min(max(v, -1), 1<<30)) }),
	}.apply([]types.PatchOperation{op})
}

// patchPlanStages patches /apiStages, and /apiStages/{apiId:stage}/throttle/{path}/{method}[/rateLimit].
func patchPlanStages(p *types.UsagePlan, op types.PatchOperation, rest []string) error {
	name := aws.ToString(op.Value)
	if len(rest) > 0 {
		name = rest[0]
	}
	api, stage, ok := strings.Cut(name, ":")
	if !ok {
		return badRequest("Invalid API stage %q: it must be apiId:stage", name)
	}
	i := slices.IndexFunc(p.ApiStages, func(at types.ApiStage) bool { return *at.ApiId == api && *at.Stage == stage })
	switch {
	case len(rest) == 0 && op.Op == types.OpAdd && i < 0:
		p.ApiStages = append(p.ApiStages, types.ApiStage{ApiId: &api, Stage: &stage})
		return nil
	case len(rest) == 0 && op.Op == types.OpAdd:
		return badRequest("API Stage %s is already in the usage plan", name)
	case i < 0:
		return &types.NotFoundException{Message: aws.String("API Stage not found: " + name)}
	case len(rest) <= 1 && op.Op == types.OpRemove:
		p.ApiStages = slices.Delete(p.ApiStages, i, i+1)
		return nil
	case len(rest) < 4 || rest[1] != "throttle":
		return badOp(op)
	}
	at := &p.ApiStages[i]
	method := rest[2] + "/" + rest[3]
	if len(rest) == 4 && op.Op == types.OpRemove {
		delete(at.Throttle, method)
		return nil
	}
	makeNil(&at.Throttle)
	t := at.Throttle[method]
	if err := patchThrottle(&t, op, rest[4:]); err != nil {
		return err
	}
	at.Throttle[method] = t
	return nil
}

// DeleteUsagePlan removes a plan that has no stages any more. It fails with NotFoundException or BadRequestException.
func (s *Service) DeleteUsagePlan(ctx context.Context, in *apigateway.DeleteUsagePlanInput) (*apigateway.DeleteUsagePlanOutput, error) {
	return nil, s.changeAccount(ctx, func(d *accountDraft) error {
		p, ok := d.plans[aws.ToString(in.UsagePlanId)]
		switch {
		case !ok:
			return missing("Usage Plan ID")
		case len(p.Plan.ApiStages) > 0:
			return badRequest("Cannot delete Usage Plan %s because API Stages are associated with it", *in.UsagePlanId)
		}
		delete(d.plans, *in.UsagePlanId)
		d.batch.Delete(bucketPlans, *in.UsagePlanId)
		return nil
	})
}

func planKey(k types.ApiKey) types.UsagePlanKey {
	return types.UsagePlanKey{Id: k.Id, Name: k.Name, Type: aws.String("API_KEY"), Value: k.Value}
}

// CreateUsagePlanKey gives a plan a key. It fails with NotFoundException, BadRequestException, or ConflictException when the plan has the key, or
// another plan gives it one of this plan's stages.
func (s *Service) CreateUsagePlanKey(ctx context.Context, in *apigateway.CreateUsagePlanKeyInput) (*apigateway.CreateUsagePlanKeyOutput, error) {
	var out *apigateway.CreateUsagePlanKeyOutput
	return out, s.changeAccount(ctx, func(d *accountDraft) error {
		p, ok := d.plans[aws.ToString(in.UsagePlanId)]
		k, known := d.keys[aws.ToString(in.KeyId)]
		switch {
		case !ok:
			return missing("Usage Plan ID")
		case aws.ToString(in.KeyType) != "API_KEY":
			return badRequest("Invalid key type %q: it must be API_KEY", aws.ToString(in.KeyType))
		case !known:
			return missing("API Key")
		case p.Keys[*k.Id]:
			return conflict("Usage Plan already contains API Key %s", *k.Id)
		}
		p.Keys = maps.Clone(p.Keys)
		p.Keys[*k.Id] = true
		out = as[apigateway.CreateUsagePlanKeyOutput](planKey(k))
		return d.putPlan(p)
	})
}

// GetUsagePlanKey describes a key of a plan, or fails with NotFoundException.
func (s *Service) GetUsagePlanKey(_ context.Context, in *apigateway.GetUsagePlanKeyInput) (*apigateway.GetUsagePlanKeyOutput, error) {
	a := s.account.Load()
	if !a.plans[aws.ToString(in.UsagePlanId)].Keys[aws.ToString(in.KeyId)] {
		return nil, missing("API Key")
	}
	return as[apigateway.GetUsagePlanKeyOutput](planKey(a.keys[*in.KeyId])), nil
}

// GetUsagePlanKeys lists a plan's keys whose names begin as wanted, or fails with NotFoundException.
func (s *Service) GetUsagePlanKeys(_ context.Context, in *apigateway.GetUsagePlanKeysInput) (*apigateway.GetUsagePlanKeysOutput, error) {
	a := s.account.Load()
	p, ok := a.plans[aws.ToString(in.UsagePlanId)]
	if !ok {
		return nil, missing("Usage Plan ID")
	}
	keys := make(map[string]types.UsagePlanKey, len(p.Keys))
	for id := range p.Keys {
		if k := a.keys[id]; strings.HasPrefix(aws.ToString(k.Name), aws.ToString(in.NameQuery)) {
			keys[id] = planKey(k)
		}
	}
	items, next, err := page(keys, in.Limit, in.Position)
	return &apigateway.GetUsagePlanKeysOutput{Items: items, Position: next}, err
}

// DeleteUsagePlanKey takes a key off a plan, or fails with NotFoundException.
func (s *Service) DeleteUsagePlanKey(ctx context.Context, in *apigateway.DeleteUsagePlanKeyInput) (*apigateway.DeleteUsagePlanKeyOutput, error) {
	return nil, s.changeAccount(ctx, func(d *accountDraft) error {
		p := d.plans[aws.ToString(in.UsagePlanId)]
		if !p.Keys[aws.ToString(in.KeyId)] {
			return missing("API Key")
		}
		p.Keys = maps.Clone(p.Keys)
		delete(p.Keys, *in.KeyId)
		return d.putPlan(p)
	})
}
