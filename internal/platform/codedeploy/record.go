package codedeploy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/store"
)

// Buckets of the store.
const (
	bucketApplications = "codedeploy.applications" // by ID
	bucketGroups       = "codedeploy.groups"       // by ID
	bucketConfigs      = "codedeploy.configs"      // by name
	bucketRevisions    = "codedeploy.revisions"    // by application ID / digest of the location
	bucketDeployments  = "codedeploy.deployments"  // by ID
)

// applicationRecord is an application. Its name can change, its ID cannot.
type applicationRecord struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// groupRecord is a deployment group.
type groupRecord struct {
	ID           string                           `json:"id"`
	Application  string                           `json:"application"` // its ID
	Name         string                           `json:"name"`
	Config       string                           `json:"config"`
	Role         string                           `json:"role"`
	Style        types.DeploymentStyle            `json:"style"`
	Alarms       *types.AlarmConfiguration        `json:"alarms,omitempty"`
	AutoRollback *types.AutoRollbackConfiguration `json:"autoRollback,omitempty"`
	Triggers     []types.TriggerConfig            `json:"triggers,omitempty"`
	Tags         map[string]string                `json:"tags,omitempty"`
}

// configRecord is a deployment configuration that someone made.
type configRecord struct {
	ID      string                     `json:"id"`
	Name    string                     `json:"name"`
	Created time.Time                  `json:"created"`
	Traffic types.TrafficRoutingConfig `json:"traffic"`
	Tags    map[string]string          `json:"tags,omitempty"`
}

// revisionRecord is a revision that an application knows.
type revisionRecord struct {
	Application string                 `json:"application"` // its ID
	Location    types.RevisionLocation `json:"location"`
	Description string                 `json:"description,omitempty"`
	Registered  time.Time              `json:"registered"`
	FirstUsed   time.Time              `json:"firstUsed,omitzero"`
	LastUsed    time.Time              `json:"lastUsed,omitzero"`
}

// touched is when a revision was registered, or used the last time.
func (r *revisionRecord) touched() time.Time {
	if r.LastUsed.After(r.Registered) {
		return r.LastUsed
	}
	return r.Registered
}

// deploymentRecord is a deployment at one moment. It is never changed in place: a step makes another one. It holds what
// it needs of its group and configuration, so that a change of these does not reach a deployment that has begun.
type deploymentRecord struct {
	ID            string                           `json:"id"`
	Number        int64                            `json:"number"` // rising in the order of creation
	Application   string                           `json:"application"`
	ApplicationID string                           `json:"applicationId"`
	Group         string                           `json:"group"`
	GroupID       string                           `json:"groupId"`
	Config        string                           `json:"config"`
	Description   string                           `json:"description,omitempty"`
	Creator       types.DeploymentCreator          `json:"creator"`
	Style         types.DeploymentStyle            `json:"style"`
	Revision      types.RevisionLocation           `json:"revision"`
	Previous      *types.RevisionLocation          `json:"previous,omitempty"`
	Alarms        *types.AlarmConfiguration        `json:"alarms,omitempty"`   // the ones that count
	Override      *types.AlarmConfiguration        `json:"override,omitempty"` // as CreateDeployment was told
	AutoRollback  *types.AutoRollbackConfiguration `json:"autoRollback,omitempty"`

	Status  types.DeploymentStatus  `json:"status"`
	Created time.Time               `json:"created"`
	Started time.Time               `json:"started,omitzero"`
	Ended   time.Time               `json:"ended,omitzero"`
	Error   *types.ErrorInformation `json:"error,omitempty"`

	RolledBackBy string `json:"rolledBackBy,omitempty"` // ID of the deployment that goes back
	RollbackOf   string `json:"rollbackOf,omitempty"`   // ID of the deployment that this one takes back
	NoRollback   string `json:"noRollback,omitempty"`   // why no deployment goes back, although one was to

	Spec   *appSpec        `json:"spec,omitempty"` // nil when the AppSpec file said nothing that can be deployed
	Events []eventRecord   `json:"events,omitempty"`
	Moved  time.Time       `json:"moved,omitzero"` // the latest step
	State  rollout.State   `json:"state"`
	Hooks  map[string]hook `json:"hooks,omitempty"` // by lifecycle event
}

// eventRecord is a lifecycle event of a deployment.
type eventRecord struct {
	Name    string                     `json:"name"`
	Status  types.LifecycleEventStatus `json:"status"`
	Began   time.Time                  `json:"began,omitzero"`
	Ended   time.Time                  `json:"ended,omitzero"`
	Message string                     `json:"message,omitempty"` // why it failed
}

// hook is a validation function of a lifecycle event.
type hook struct {
	Function  string `json:"function"`
	Execution string `json:"execution"`         // LifecycleEventHookExecutionId, with which its verdict is told
	Invoked   int64  `json:"invoked,omitempty"` // ID of the effect for which the function was called; 0 before
}

func (r *deploymentRecord) clone() *deploymentRecord {
	c := *r
	c.Events = slices.Clone(r.Events)
	c.Hooks = make(map[string]hook, len(r.Hooks))
	for event, h := range r.Hooks {
		c.Hooks[event] = h
	}
	return &c
}

// deployment is the place of one deployment. mu is held by whoever takes it a step further; reading needs only the record.
type deployment struct {
	now atomic.Pointer[deploymentRecord]

	mu     sync.Mutex
	stop   func() bool // withdraws the timer; nil without one
	lookAt time.Time   // when the alarms are looked at next
}

func (d *deployment) record() *deploymentRecord { return d.now.Load() }

func newDeployment(r *deploymentRecord) *deployment {
	d := &deployment{}
	d.now.Store(r)
	return d
}

// registry is everything that the service knows, as it is in the store.
type registry struct {
	applications map[string]*applicationRecord // by name
	groups       map[string]*groupRecord       // by ID
	configs      map[string]*configRecord      // by name
	revisions    map[string]*revisionRecord    // by key
	byID         map[string]*deployment
	deployments  []*deployment // in the order of their creation
}

// load reads the registry from the store.
func (r *registry) load(ctx context.Context, s store.Store) error {
	*r = registry{
		applications: map[string]*applicationRecord{}, groups: map[string]*groupRecord{}, configs: map[string]*configRecord{},
		revisions: map[string]*revisionRecord{}, byID: map[string]*deployment{},
	}
	read := func(err error, next func() error) error {
		if err != nil {
			return err
		}
		return next()
	}
	err := scan(ctx, s, bucketApplications, func(_ string, a *applicationRecord) { r.applications[a.Name] = a })
	err = read(err, func() error {
		return scan(ctx, s, bucketGroups, func(_ string, g *groupRecord) { r.groups[g.ID] = g })
	})
	err = read(err, func() error {
		return scan(ctx, s, bucketConfigs, func(_ string, c *configRecord) { r.configs[c.Name] = c })
	})
	err = read(err, func() error {
		return scan(ctx, s, bucketRevisions, func(key string, v *revisionRecord) { r.revisions[key] = v })
	})
	err = read(err, func() error {
		return scan(ctx, s, bucketDeployments, func(_ string, d *deploymentRecord) { r.add(newDeployment(d)) })
	})
	slices.SortFunc(r.deployments, func(a, b *deployment) int { return cmp.Compare(a.record().Number, b.record().Number) })
	return err
}

// number is that of the next deployment.
func (r *registry) number() int64 {
	if n := len(r.deployments); n > 0 {
		return r.deployments[n-1].record().Number + 1
	}
	return 1
}

func (r *registry) add(d *deployment) {
	r.byID[d.record().ID] = d
	r.deployments = append(r.deployments, d)
}

// group finds a group of an application by name, or nil.
func (r *registry) group(application *applicationRecord, name string) *groupRecord {
	for _, g := range r.groups {
		if g.Application == application.ID && g.Name == name {
			return g
		}
	}
	return nil
}

func (r *registry) groupsOf(application *applicationRecord) (list []*groupRecord) {
	for _, g := range r.groups {
		if g.Application == application.ID {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b *groupRecord) int { return compare(a.Name, b.Name) })
	return list
}

// latest is the newest deployment of a group that fits, or nil.
func (r *registry) latest(groupID string, fits func(*deploymentRecord) bool) *deploymentRecord {
	for _, d := range slices.Backward(r.deployments) {
		if rec := d.record(); rec.GroupID == groupID && fits(rec) {
			return rec
		}
	}
	return nil
}

func scan[T any](ctx context.Context, s store.Store, bucket string, each func(key string, v *T)) error {
	for e, err := range s.Scan(ctx, bucket, store.Range{}) {
		if err != nil {
			return fmt.Errorf("codedeploy: reading %s: %w", bucket, err)
		}
		v := new(T)
		if err := json.Unmarshal(e.Value, v); err != nil {
			return fmt.Errorf("codedeploy: %s %s in the store cannot be read: %w", bucket, e.Key, err)
		}
		each(e.Key, v)
	}
	return nil
}

// put adds a record to a batch.
func put(b *store.Batch, bucket, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("codedeploy: %s %s: %w", bucket, key, err)
	}
	b.Put(bucket, key, raw)
	return nil
}
