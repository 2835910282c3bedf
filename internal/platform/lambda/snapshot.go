package lambda

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tealdeploy/teal/internal/alias"
)

// function is the place of one function name. What it holds is in its snapshot; nil means that there is no such function
// (being created or already deleted).
type function struct {
	name   string
	change sync.Mutex // held while a change is made, the write to the store included
	state  atomic.Pointer[snapshot]
	active atomic.Int64 // invocations under way
}

// snapshot is all there is to know of a function at one instant. It is never changed, only replaced.
type snapshot struct {
	record   functionRecord
	versions map[string]*version
	aliases  map[string]*aliasRecord
	policies map[string]*policyRecord // by qualifier; "" for the function itself
	async    map[string]*asyncRecord  // by qualifier; "$LATEST" for the function itself
	routes   map[string]*route        // by qualifier; "" for none

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
}

// destination is a version as it is reached through one qualifier.
type destination struct {
	version *version
	series  func() *series
}

// pick chooses by the random draw u, uniform in [0, 1).
func (r *route) pick(u float64) *destination {
	if r.additional != nil && r.routing.Pick(u) == r.routing.Additional {
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
	d.routes = nil
	return &d
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
			if o := old.versions[q]; o == nil || o.Code != v.Code {
				s.codes.hold(v.Code.SHA256)
			}
		}
		s.connect(n, old)
		f.state.Store(n)
	}
	for q, o := range old.versions {
		v := n.versions[q]
		if o.run != nil && (v == nil || v.run != o.run) {
			o.run.retire()
		}
		if v == nil || v.Code != o.Code {
			s.releaseCode(o.Code.SHA256)
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
	if old != nil && old.routing == r && old.primary.version == p && (old.additional == nil) == (a == nil) &&
		(a == nil || old.additional.version == a) {
		return old
	}
	name := n.record.Name
	t := &route{invoked: s.arn(name, qualifier), routing: r, primary: s.destination(name, qualifier, p)}
	if a != nil {
		t.additional = s.destination(name, qualifier, a)
	}
	return t
}

func (s *Service) destination(name, qualifier string, v *version) *destination {
	return &destination{v, sync.OnceValue(func() *series { return s.newSeries(name, qualifier, v.Version) })}
}
