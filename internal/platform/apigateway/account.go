package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
)

const (
	bucketKeys  = "apigateway.apikeys"    // key's ID → types.ApiKey
	bucketPlans = "apigateway.usageplans" // plan's ID → usagePlan

	bucketSettings = "apigateway.account" // settingsKey → accountSettings
	settingsKey    = "settings"
)

// account is what belongs to no API: keys, and the usage plans that say which stages they open. It is immutable once published.
type account struct {
	keys     map[string]types.ApiKey
	plans    map[string]usagePlan
	settings accountSettings

	byValue map[string]string // ID by the key's value
	grants  map[string]*grant // by stage and key
	buckets executeapi.Buckets
	quotas  map[string]*quota // by plan and key
}

// accountSettings are what UpdateAccount sets.
type accountSettings struct{ LogRole *string }

// usagePlan is a plan with its keys; one value of the store.
type usagePlan struct {
	Plan types.UsagePlan
	Keys map[string]bool // by ID
}

// loadAccount reads keys and plans.
func (s *Service) loadAccount(ctx context.Context) error {
	a := &account{keys: make(map[string]types.ApiKey), plans: make(map[string]usagePlan)}
	for e, err := range s.cfg.Store.Scan(ctx, bucketKeys, store.Range{}) {
		if err != nil {
			return fmt.Errorf("read the API keys: %w", err)
		}
		var k types.ApiKey
		if err := json.Unmarshal(e.Value, &k); err != nil {
			return fmt.Errorf("API key %s in the store is damaged: %w", e.Key, err)
		}
		a.keys[e.Key] = k
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketPlans, store.Range{}) {
		if err != nil {
			return fmt.Errorf("read the usage plans: %w", err)
		}
		var p usagePlan
		if err := json.Unmarshal(e.Value, &p); err != nil {
			return fmt.Errorf("usage plan %s in the store is damaged: %w", e.Key, err)
		}
		makeNil(&p.Keys)
		a.plans[e.Key] = p
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketSettings, store.Range{}) {
		if err != nil {
			return fmt.Errorf("read the account's settings: %w", err)
		}
		if err := json.Unmarshal(e.Value, &a.settings); err != nil {
			return fmt.Errorf("the account's settings in the store are damaged: %w", err)
		}
	}
	if err := a.compile(&account{}); err != nil {
		return err
	}
	s.account.Store(a)
	return nil
}

// compile builds what requests are held against. Buckets and quotas whose limits are the same go on counting. It fails with
// ConflictException when two plans open the same stage to a key, as nobody could say then which limits hold.
func (a *account) compile(before *account) error {
	a.byValue, a.grants = make(map[string]string, len(a.keys)), make(map[string]*grant)
	a.buckets, a.quotas = make(executeapi.Buckets), make(map[string]*quota)
	for id, k := range a.keys {
		a.byValue[*k.Value] = id
	}
	bucket := func(name string, t *types.ThrottleSettings) *executeapi.Bucket {
		if t == nil {
			return nil
		}
		return a.buckets.Keep(before.buckets, name, t.RateLimit, float64(t.BurstLimit))
	}
	for id, p := range a.plans {
		for key := range p.Keys {
			name := id + " " + key
			all := bucket(name, p.Plan.Throttle)
			if set := p.Plan.Quota; set != nil {
				if a.quotas[name] = before.quotas[name]; a.quotas[name] == nil || a.quotas[name].QuotaSettings != *set {
					a.quotas[name] = &quota{QuotaSettings: *set}
				}
			}
			for _, at := range p.Plan.ApiStages {
				g := &grant{all: all, quota: a.quotas[name], methods: make(map[string]*executeapi.Bucket, len(at.Throttle))}
				stage := *at.ApiId + ":" + *at.Stage
				for method, t := range at.Throttle {
					g.methods[method] = bucket(name+" "+stage+" "+method, &t)
				}
				if a.grants[stage+" "+key] != nil {
					return conflict("API Key %s would have the API Stage %s by more than one usage plan", key, stage)
				}
				a.grants[stage+" "+key] = g
			}
		}
	}
	return nil
}

// accountDraft is the account being changed. Its maps are its own; the values in them are replaced, never changed in place.
type accountDraft struct {
	account
	batch store.Batch
}

func (d *accountDraft) put(bucket, id string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("apigateway: encode %s: %w", id, err)
	}
	d.batch.Put(bucket, id, raw)
	return nil
}

func (d *accountDraft) putKey(k types.ApiKey) error {
	d.keys[*k.Id] = k
	return d.put(bucketKeys, *k.Id, k)
}

func (d *accountDraft) putPlan(p usagePlan) error {
	d.plans[*p.Plan.Id] = p
	return d.put(bucketPlans, *p.Plan.Id, p)
}

// newID draws an ID that no key and no plan has.
func (d *accountDraft) newID(n int) *string {
	id := executeapi.NewID(n, func(id string) bool {
		_, key := d.keys[id]
		_, plan := d.plans[id]
		return key || plan
	})
	return aws.String(id)
}

// changeAccount applies f to keys and plans, makes the result durable and lets it serve. Nothing is changed when f or the store fails.
func (s *Service) changeAccount(ctx context.Context, f func(d *accountDraft) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.account.Load()
	d := &accountDraft{account: account{keys: maps.Clone(old.keys), plans: maps.Clone(old.plans), settings: old.settings}}
	if err := f(d); err != nil {
		return err
	}
	if err := d.compile(old); err != nil {
		return err
	}
	if err := s.commit(ctx, &d.batch); err != nil {
		return err
	}
	s.account.Store(&d.account)
	return nil
}
