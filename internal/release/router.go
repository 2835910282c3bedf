package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/alias"
)

// KindRecordSets is two weighted record sets of one name and type in a hosted zone. They route as an alias does: what an
// alias has as versions are here the set identifiers, and both are always there, also with a share of 0.
const KindRecordSets Kind = "recordSets"

// Router says that the traffic of an application is split at the DNS, and not by its aliases. There are two slots, each an
// entrance of its own with an alias of its own on every function and workflow. A release goes into the slot that has no
// traffic; then the weights of the record sets move the traffic from the one slot to the other.
type Router struct {
	HostedZone string `json:"hostedZone"` // ID, such as Z148QEXAMPLE8V
	Name       string `json:"name"`       // in lower case, without a dot at its end
	Type       string `json:"type"`       // of the record sets, such as CNAME
	Slots      []Slot `json:"slots"`      // two, by their set identifiers
}

// Slot is one of the two places of a release.
type Slot struct {
	SetIdentifier string `json:"setIdentifier"` // of the record set that leads to its entrance
	Alias         string `json:"alias"`         // that its entrance calls, of every function and workflow
}

// RouterTypes are the types of record sets that lead clients to an entrance.
var RouterTypes = []string{"A", "AAAA", "CNAME"}

// Ref names the record sets.
func (r Router) Ref() Ref {
	return Ref{Kind: KindRecordSets, Name: r.Name, Alias: r.HostedZone + "/" + r.Type}
}

// RecordSets gives the hosted zone and the type of the record sets that a Ref names.
func (r Ref) RecordSets() (hostedZone, kind string) {
	hostedZone, kind, _ = strings.Cut(r.Alias, "/")
	return hostedZone, kind
}

// Equal reports whether two routers split the same traffic over the same slots; both may be nil.
func (r *Router) Equal(other *Router) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.Ref() == other.Ref() && slices.Equal(r.Slots, other.Slots)
}

// Validate reports what is missing, or that the slots are not two with identifiers and aliases of their own.
func (r Router) Validate() error {
	switch {
	case r.HostedZone == "" || r.Name == "" || !slices.Contains(RouterTypes, r.Type):
		return fmt.Errorf("a router needs a hosted zone, a name, and a type of %s", strings.Join(RouterTypes, ", "))
	case len(r.Slots) != 2:
		return fmt.Errorf("the router of %s has %d slots: there are two", r.Name, len(r.Slots))
	}
	a, b := r.Slots[0], r.Slots[1]
	switch {
	case a.SetIdentifier == "" || b.SetIdentifier == "" || a.Alias == "" || b.Alias == "":
		return fmt.Errorf("both slots of %s need a set identifier and an alias", r.Name)
	case a.SetIdentifier >= b.SetIdentifier:
		return fmt.Errorf("the slots of %s need set identifiers of their own, in order: %s, %s", r.Name, a.SetIdentifier, b.SetIdentifier)
	case a.Alias == b.Alias:
		return fmt.Errorf("both slots of %s have the alias %s: what is written to one would serve in the other", r.Name, a.Alias)
	}
	return nil
}

// Slot finds a slot by its set identifier.
func (r Router) Slot(setIdentifier string) (Slot, bool) {
	i := slices.IndexFunc(r.Slots, func(s Slot) bool { return s.SetIdentifier == setIdentifier })
	if i < 0 {
		return Slot{}, false
	}
	return r.Slots[i], true
}

// Choose tells the slot that serves from the one that is idle. It fails when both have traffic, so that nothing can be
// brought in unseen, and when the record sets are not those of the slots.
func (r Router) Choose(now alias.Routing) (live, idle Slot, err error) {
	ids := []string{r.Slots[0].SetIdentifier, r.Slots[1].SetIdentifier}
	if there := []string{now.Primary, now.Additional}; !slices.Equal(there, ids) {
		return live, idle, fmt.Errorf("%s has the set identifiers %s, but the slots are %s", r.Ref(), strings.Join(there, " and "), strings.Join(ids, " and "))
	}
	switch now.Weight {
	case 0:
		return r.Slots[0], r.Slots[1], nil
	case 1:
		return r.Slots[1], r.Slots[0], nil
	}
	return live, idle, fmt.Errorf("both slots of %s have traffic (%s), so that none is idle: set one weight to 0, or finish the rollout that left it so", r.Ref(), now)
}

// Towards gives the routing with percent of the traffic in the slot with a set identifier, and the rest in the other.
func (r Router) Towards(setIdentifier string, percent int) alias.Routing {
	return Split(alias.Routing{Primary: r.Slots[0].SetIdentifier, Additional: r.Slots[1].SetIdentifier}, setIdentifier, percent)
}

// Split gives percent of the traffic to one of the two that a routing names, and the rest to the other.
func Split(of alias.Routing, to string, percent int) alias.Routing {
	if of.Additional != to {
		percent = 100 - percent
	}
	of.Weight = float64(percent) / 100
	return of
}

// Through gives the application with one alias on all of its functions and workflows: that of a slot.
func (s Spec) Through(name string) Spec {
	s.Functions, s.Workflows = slices.Clone(s.Functions), slices.Clone(s.Workflows)
	for i := range s.Functions {
		s.Functions[i].Alias = name
	}
	for i := range s.Workflows {
		s.Workflows[i].Alias = name
	}
	return s
}

// Refs lists everything that routes the application's traffic: its aliases, functions first, and behind a router those of
// both slots after the record sets.
func (s Spec) Refs() []Ref {
	var out []Ref
	slots := []Spec{s}
	if s.Router != nil {
		out = append(out, s.Router.Ref())
		slots = []Spec{s.Through(s.Router.Slots[0].Alias), s.Through(s.Router.Slots[1].Alias)}
	}
	for _, in := range slots {
		for _, f := range in.Functions {
			out = append(out, f.Ref())
		}
		for _, w := range in.Workflows {
			out = append(out, w.Ref())
		}
	}
	return out
}

// ServesOnly reports whether all traffic goes to one version, or slot.
func (a AliasRouting) ServesOnly(version string) bool {
	if a.Ref.Kind == KindRecordSets {
		return a.Routing.Share(version) == 1
	}
	return a.Routing == alias.Routing{Primary: version}
}

// Only gives the routing that sends all traffic to one version, or slot.
func (a AliasRouting) Only(version string) alias.Routing {
	if a.Ref.Kind == KindRecordSets {
		return Split(a.Routing, version, 100)
	}
	return alias.Routing{Primary: version}
}
