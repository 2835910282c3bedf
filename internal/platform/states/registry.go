package states

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
)

// machine is an immutable snapshot of a state machine with its versions and aliases: requests read it without a lock.
type machine struct {
	record   machineRecord
	versions map[int]*versionRecord
	aliases  map[string]*machineAlias
}

// machineAlias is an alias, with its routing ready to be picked from. The routing names versions by their numbers.
type machineAlias struct {
	aliasRecord
	routing  alias.Routing
	primary  int
	versions map[string]int // routing's names → numbers
}

func newAlias(r aliasRecord) *machineAlias {
	a := &machineAlias{aliasRecord: r, primary: r.Routes[0].Version, versions: map[string]int{}}
	for _, e := range r.Routes {
		a.versions[versionKey("", e.Version)] = e.Version
	}
	a.routing.Primary = versionKey("", r.Routes[0].Version)
	if len(r.Routes) == 2 {
		a.routing.Additional = versionKey("", r.Routes[1].Version)
		a.routing.Weight = float64(r.Routes[1].Weight) / 100
	}
	return a
}

// pick returns the version that serves a request whose random draw is u, uniform in [0, 1).
func (a *machineAlias) pick(u float64) int { return a.versions[a.routing.Pick(u)] }

func (a *machineAlias) names(version int) bool {
	return slices.ContainsFunc(a.Routes, func(r route) bool { return r.Version == version })
}

// aliasesOf lists the aliases that name the version, in the order of their names.
func (m *machine) aliasesOf(version int) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.aliases)) {
		if m.aliases[name].names(version) {
			names = append(names, name)
		}
	}
	return names
}

// entry is the place of one state machine name. mu orders changes, which hold it until they are durable; reading needs
// only the pointer, which is nil while no machine has the name.
type entry struct {
	mu  sync.Mutex
	now atomic.Pointer[machine]
}

// registry knows every state machine by its name.
type registry struct{ byName sync.Map } // string → *entry

func (r *registry) entry(name string) *entry {
	if e, ok := r.byName.Load(name); ok {
		return e.(*entry)
	}
	e, _ := r.byName.LoadOrStore(name, &entry{})
	return e.(*entry)
}

// existing is the place of a machine that should be there. For a name that nobody has used it is a place of its own, so
// that requests for what does not exist leave nothing behind.
func (r *registry) existing(name string) *entry {
	if e, ok := r.byName.Load(name); ok {
		return e.(*entry)
	}
	return &entry{}
}

// find returns the current snapshot of a machine, or nil.
func (r *registry) find(name string) *machine {
	e, ok := r.byName.Load(name)
	if !ok {
		return nil
	}
	return e.(*entry).now.Load()
}

// load reads every machine from the store.
func (r *registry) load(ctx context.Context, s store.Store) error {
	all := map[string]*machine{}
	err := scan(ctx, s, bucketMachines, func(key string, rec *machineRecord) error {
		all[key] = &machine{record: *rec, versions: map[int]*versionRecord{}, aliases: map[string]*machineAlias{}}
		return nil
	})
	if err != nil {
		return err
	}
	owner := func(key string) (*machine, error) {
		name, _, _ := strings.Cut(key, "/")
		if m := all[name]; m != nil {
			return m, nil
		}
		return nil, errors.New("states: the store has " + key + ", but no state machine of that name")
	}
	err = scan(ctx, s, bucketVersions, func(key string, rec *versionRecord) error {
		m, err := owner(key)
		if err == nil {
			m.versions[rec.Number] = rec
		}
		return err
	})
	if err != nil {
		return err
	}
	err = scan(ctx, s, bucketAliases, func(key string, rec *aliasRecord) error {
		m, err := owner(key)
		if err == nil {
			m.aliases[rec.Name] = newAlias(*rec)
		}
		return err
	})
	if err != nil {
		return err
	}
	for name, m := range all {
		r.entry(name).now.Store(m)
	}
	return nil
}

func scan[T any](ctx context.Context, s store.Store, bucket string, each func(key string, rec *T) error) error {
	for e, err := range s.Scan(ctx, bucket, store.Range{}) {
		if err != nil {
			return failure("reading "+bucket, err)
		}
		rec, err := decode[T](bucket, e.Key, e.Value)
		if err == nil {
			err = each(e.Key, rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
