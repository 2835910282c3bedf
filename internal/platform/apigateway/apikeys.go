package apigateway

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

// checkKey validates a key, whose value no other may have.
func (d *accountDraft) checkKey(k types.ApiKey) error {
	if n := len(*k.Value); n < 20 || n > 128 || !executeapi.Token(*k.Value) {
		return badRequest("API Key value should be at least 20 characters, at most 128, of those that a header's name may have")
	}
	for id, other := range d.keys {
		if id != *k.Id && *other.Value == *k.Value {
			return conflict("API Key already exists")
		}
	}
	if err := executeapi.CheckTags(k.Tags); err != nil {
		return badRequest("%s", err)
	}
	return nil
}

// CreateApiKey makes a key; without a value one is drawn. It opens nothing until a usage plan has it. It fails with BadRequestException or
// ConflictException.
func (s *Service) CreateApiKey(ctx context.Context, in *apigateway.CreateApiKeyInput) (*apigateway.CreateApiKeyOutput, error) {
	if len(in.StageKeys) > 0 {
		return nil, unsupported("stageKeys, which AWS has replaced by usage plans,")
	}
	k := *as[types.ApiKey](in)
	k.StageKeys, k.CreatedDate, k.LastUpdatedDate = []string{}, s.now(), s.now()
	err := s.changeAccount(ctx, func(d *accountDraft) error {
		k.Id = d.newID(10)
		if aws.ToString(k.Value) == "" {
			k.Value = aws.String(executeapi.NewID(40, func(v string) bool { return d.byValue[v] != "" }))
		}
		if err := d.checkKey(k); err != nil {
			return err
		}
		return d.putKey(k)
	})
	if err != nil {
		return nil, err
	}
	return as[apigateway.CreateApiKeyOutput](k), nil
}

// shown is a key as it is told: its value only when it is asked for.
func shown(k types.ApiKey, value *bool) types.ApiKey {
	if !aws.ToBool(value) {
		k.Value = nil
	}
	return k
}

// GetApiKey describes a key, or fails with NotFoundException.
func (s *Service) GetApiKey(_ context.Context, in *apigateway.GetApiKeyInput) (*apigateway.GetApiKeyOutput, error) {
	k, ok := s.account.Load().keys[aws.ToString(in.ApiKey)]
	if !ok {
		return nil, missing("API Key")
	}
	return as[apigateway.GetApiKeyOutput](shown(k, in.IncludeValue)), nil
}

// GetApiKeys lists the keys whose names begin as wanted, in the order of their IDs.
func (s *Service) GetApiKeys(_ context.Context, in *apigateway.GetApiKeysInput) (*apigateway.GetApiKeysOutput, error) {
	keys := maps.Clone(s.account.Load().keys)
	maps.DeleteFunc(keys, func(_ string, k types.ApiKey) bool {
		return !strings.HasPrefix(aws.ToString(k.Name), aws.ToString(in.NameQuery)) || in.CustomerId != nil && aws.ToString(k.CustomerId) != *in.CustomerId
	})
	found, next, err := page(keys, in.Limit, in.Position)
	for i, k := range found {
		found[i] = shown(k, in.IncludeValues)
	}
	return &apigateway.GetApiKeysOutput{Items: found, Position: next}, err
}

// UpdateApiKey patches name, description, customerId and enabled.
func (s *Service) UpdateApiKey(ctx context.Context, in *apigateway.UpdateApiKeyInput) (*apigateway.UpdateApiKeyOutput, error) {
	var k types.ApiKey
	err := s.changeAccount(ctx, func(d *accountDraft) error {
		var ok bool
		if k, ok = d.keys[aws.ToString(in.ApiKey)]; !ok {
			return missing("API Key")
		}
		err := patches{
			"name": text(&k.Name), "description": text(&k.Description), "customerId": text(&k.CustomerId),
			"enabled": flag(func(v bool) { k.Enabled = v }), "stages": refused("stages, which AWS has replaced by usage plans,"),
		}.apply(in.PatchOperations)
		if err != nil {
			return err
		}
		k.LastUpdatedDate = s.now()
		return d.putKey(k)
	})
	if err != nil {
		return nil, err
	}
	return as[apigateway.UpdateApiKeyOutput](shown(k, nil)), nil
}

// DeleteApiKey removes a key, also from its plans, or fails with NotFoundException.
func (s *Service) DeleteApiKey(ctx context.Context, in *apigateway.DeleteApiKeyInput) (*apigateway.DeleteApiKeyOutput, error) {
	return nil, s.changeAccount(ctx, func(d *accountDraft) error {
		id := aws.ToString(in.ApiKey)
		if _, ok := d.keys[id]; !ok {
			return missing("API Key")
		}
		for _, p := range d.plans {
			if p.Keys[id] {
				p.Keys = maps.Clone(p.Keys)
				delete(p.Keys, id)
				if err := d.putPlan(p); err != nil {
					return err
				}
			}
		}
		delete(d.keys, id)
		d.batch.Delete(bucketKeys, id)
		return nil
	})
}
