package lambda

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
)

// function is the place of one function name. What it holds is in its snapshot; nil means that there is no such function
// (being created or already deleted), or that it sleeps.
type function struct {
	name    string
	change  sync.Mutex // held while a change is made, the write to the store included
	state   atomic.Pointer[snapshot]
	asleep  atomic.Bool                   // it is in the store alone: nobody has asked for it since the start (Service.wake)
	latest  atomic.Pointer[versionRecord] // $LATEST of a sleeper, once a list has shown it
	held    bool                          // its code was held while it slept (Service.holdAsleep); guarded by change
	claimed int64                         // what Service.reserved counts of it; guarded by change
	active  atomic.Int64                  // invocations under way, of those that the function's own concurrency is for
	inside  atomic.Int64                  // all invocations under way
	warm    warmth                        // environments that are kept ready
}

// snapshot is all there is to know of a function at one instant. It is never changed, only replaced.
type snapshot struct {
	record   functionRecord
	versions map[string]*version
	aliases  map[string]*aliasRecord
	policies map[string]*policyRecord      // by qualifier; "" for the function itself
	async    map[string]*asyncRecord       // by qualifier; "$LATEST" for the function itself
	urls     map[string]*urlRecord         // by alias; "" for the function itself
	warm     map[string]*provisionedRecord // by version or alias
	runtimes map[string]*runtimeRecord     // by version, $LATEST included
	routes   map[string]*route             // by qualifier; "" for none

	// settled is closed when the transition under way has ended; nil when there is none.
	settled chan struct{}
}

// version is a record with what serves its invocations: nil until it is active for the first time. While $LATEST is
// being updated, run still serves what it was before.
type version struct {
	*versionRecord
	run *runnable
}

// route is where one qualifier leads.
type route struct {
	invoked    string // ARN as it was invoked, which the handler is told
	routing    alias.Routing
	primary    *destination
	additional *destination // nil unless the alias has two versions
	picker     picker
	tag        string // that asked for the picker
}

// destination is a version as it is reached through one qualifier.
type destination struct {
	version *version
	series  func() *series
}

// choose gives the destination of one request.
func (r *route) choose(payload []byte) *destination {
	if r.additional != nil && r.picker.pick(r.routing, payload) == r.routing.Additional {
		return r.additional
	}
	return r.primary
}

// draft copies a snapshot for a change. The records that it points at stay shared and must be replaced, not changed.
func (n *snapshot) draft() *snapshot {
	d := *n
	d.record.Tags = maps.Clone(n.record.Tags)
	d.versions = maps.Clone(n.versions)
	d.aliases = maps.Clone(n.aliases)
	d.policies = maps.Clone(n.policies)
	d.async = maps.Clone(n.async)
	d.urls = maps.Clone(n.urls)
	d.warm = maps.Clone(n.warm)
	d.runtimes = maps.Clone(n.runtimes)
	d.routes = nil
	return &d
}

// newSnapshot is a function with nothing in it.
func newSnapshot(r functionRecord) *snapshot {
	return &snapshot{
		record: r, versions: map[string]*version{}, aliases: map[string]*aliasRecord{},
		policies: map[string]*policyRecord{}, async: map[string]*asyncRecord{}, urls: map[string]*urlRecord{},
		warm: map[string]*provisionedRecord{}, runtimes: map[string]*runtimeRecord{},
	}
}

// drop takes away everything that hangs on a qualifier, the version or alias of that name included.
func (n *snapshot) drop(b *store.Batch, qualifier string) {
	key := n.record.Name + "/" + qualifier
	dropFrom(n.versions, b, versionBucket, key, qualifier)
	dropFrom(n.aliases, b, aliasBucket, key, qualifier)
	dropFrom(n.policies, b, policyBucket, key, qualifier)
	dropFrom(n.async, b, asyncBucket, key, qualifier)
	dropFrom(n.urls, b, urlBucket, key, qualifier)
	dropFrom(n.warm, b, provisionedBucket, key, qualifier)
	dropFrom(n.runtimes, b, runtimeBucket, key, qualifier)
}

func dropFrom[T any](from map[string]T, b *store.Batch, bucket, key, qualifier string) {
	if _, ok := from[qualifier]; ok {
		b.Delete(bucket, key)
		delete(from, qualifier)
	}
}

// qualifiers lists everything that something can hang on: "", the versions and the aliases.
func (n *snapshot) qualifiers() []string {
	all := append([]string{""}, slices.Collect(maps.Keys(n.versions))...)
	return append(all, slices.Collect(maps.Keys(n.aliases))...)
}

// published lists the numbered versions in ascending order.
func (n *snapshot) published() []*version {
	vs := make([]*version, 0, len(n.versions))
	for q, v := range n.versions {
		if q != latest {
			vs = append(vs, v)
		}
	}
	slices.SortFunc(vs, func(a, b *version) int { return cmp.Compare(number(a.Version), number(b.Version)) })
	return vs
}

// aliasNames lists the aliases in ascending order.
func (n *snapshot) aliasNames() []string { return slices.Sorted(maps.Keys(n.aliases)) }

// aliasesOf lists the aliases that route to a version, with whatever weight.
func (n *snapshot) aliasesOf(v string) []string {
	var names []string
	for _, name := range n.aliasNames() {
		if slices.Contains(n.aliases[name].Routing.Versions(), v) {
			names = append(names, name)
		}
	}
	return names
}

func number(version string) int64 {
	n, _ := strconv.ParseInt(version, 10, 64)
	return n
}

// runs reports whether the version is to be served as its record says; otherwise what served before goes on.
func (v *version) runs() bool {
	return v.State.Value == active.Value && v.Update.Value == successful.Value
}

// swap makes n, which is committed, what invocations see; nil is the function's end. References to code and what serves
// versions follow. The caller holds f.change. Routes of before stay where they still hold, so that their metrics go on.
func (s *Service) swap(f *function, n *snapshot) {
	old := f.state.Load()
	if old == nil {
		old = &snapshot{}
	}
	if n == nil {
		f.state.Store(nil)
		n = &snapshot{}
	} else {
		for q, v := range n.versions {
			if v.runs() && (v.run == nil || v.run.generation != v.Generation) {
				n.versions[q] = &version{v.versionRecord, s.newRunnable(v.versionRecord)}
			}
			if o := old.versions[q]; o == nil || !slices.Equal(o.content(), v.content()) {
				for _, sha := range v.content() {
					s.codes.hold(sha)
				}
			}
		}
		s.connect(n, old)
		f.state.Store(n)
	}
	claim := claimed(n)
	s.reserved.Add(claim - f.claimed)
	f.claimed = claim
	if len(old.warm)+len(n.warm) > 0 {
		s.warmUp(f)
	}
	for q, u := range old.urls {
		if n.urls[q] == nil {
			s.urls.Delete(u.ID)
		}
	}
	for q, o := range old.versions {
		v := n.versions[q]
		if o.run != nil && (v == nil || v.run != o.run) {
			o.run.retire()
		}
		if v == nil || !slices.Equal(v.content(), o.content()) {
			for _, sha := range o.content() {
				s.releaseCode(sha)
			}
		}
	}
}

// connect works out where every qualifier leads.
func (s *Service) connect(n, old *snapshot) {
	n.routes = make(map[string]*route, 1+len(n.versions)+len(n.aliases))
	n.routes[""] = s.route(n, old.routes[""], "", alias.Routing{Primary: latest})
	for q := range n.versions {
		n.routes[q] = s.route(n, old.routes[q], q, alias.Routing{Primary: q})
	}
	for q, a := range n.aliases {
		n.routes[q] = s.route(n, old.routes[q], q, a.Routing)
	}
}

func (s *Service) route(n *snapshot, old *route, qualifier string, r alias.Routing) *route {
	p, a := n.versions[r.Primary], n.versions[r.Additional]
	tag := ""
	if a != nil {
		tag = n.record.Tags[routingTag+qualifier]
	}
	if old != nil && old.routing == r && old.tag == tag && old.primary.version == p && (old.additional == nil) == (a == nil) &&
		(a == nil || old.additional.version == a) {
		return old
	}
	name := n.record.Name
	t := &route{invoked: s.arn(name, qualifier), routing: r, primary: s.destination(name, qualifier, p), picker: newPicker(tag), tag: tag}
	if a != nil {
		t.additional = s.destination(name, qualifier, a)
	}
	return t
}

func (s *Service) destination(name, qualifier string, v *version) *destination {
	return &destination{v, sync.OnceValue(func() *series { return s.newSeries(name, qualifier, v.Version) })}
}
