package release

import (
	"fmt"
	"slices"
	"sort"

	"github.com/tealdeploy/teal/internal/alias"
)

// Facts are what is known of an application when someone asks whether it is in order.
type Facts struct {
	Aliases []AliasFacts
	// Rollout is one that has not ended; nil when there is none.
	Rollout *RolloutFacts
	// Provisioned are function versions with provisioned concurrency of their own.
	Provisioned []ProvisionedFacts
}

// AliasFacts is one alias.
type AliasFacts struct {
	Ref     Ref
	Serving string       // version that it should be at, by the ledger; empty when the ledger knows none
	Gone    bool         // the version that it should be at does not exist any more
	Actual  AliasRouting // as it is; its Routing is zero when the alias does not exist
	Error   string       // why it could not be read
	// Provisioning says that AWS moves the alias itself, with weights of its own, until its provisioned concurrency is ready.
	Provisioning bool
}

// RolloutFacts is a rollout that has not ended.
type RolloutFacts struct {
	ID     string
	Phase  string
	Driver string // who drives it; empty when nobody does any more
	Parked bool   // it waits for a person
	Dirty  bool   // it ended with aliases where they should not be
	// Moves says whether green can still be brought in: traffic moves, or is about to.
	Moves bool
}

// ProvisionedFacts is a version with environments started ahead.
type ProvisionedFacts struct {
	Function, Version string
	Count             int32
}

// Side is where aliases are to be brought.
type Side string

// The sides of a repair.
const (
	ToBlue  Side = "blue"  // as the ledger says that it was, or is to be
	ToGreen Side = "green" // what an unfinished rollout brings in
)

// Wish is what a repair asks of an unfinished rollout, in the words of the rollout's own events.
type Wish string

// The wishes of a repair.
const (
	WishNothing Wish = ""
	WishAbort   Wish = "abort"
	WishPromote Wish = "promote" // in full
	WishRetry   Wish = "retry"   // overwriting what others have changed
)

// Repair is what was found and what would mend it. It is in order when Found is empty.
type Repair struct {
	Found   []string           `json:"found"`             // in plain words
	Actions []string           `json:"actions,omitempty"` // what would be done, in order
	Refused []string           `json:"refused,omitempty"` // what cannot be mended, and why
	Wish    Wish               `json:"wish,omitempty"`    // first, the rollout is brought to its end
	Writes  []AliasRouting     `json:"writes,omitempty"`  // then, in order; each with the revision that it replaces
	Free    []ProvisionedFacts `json:"free,omitempty"`    // then
}

// Mends reports whether there is something to do.
func (r Repair) Mends() bool { return r.Wish != WishNothing || len(r.Writes) > 0 || len(r.Free) > 0 }

// MakeRepair says what is out of order and what would mend it towards a side. It writes no alias while a rollout is
// unfinished: the rollout's own machine knows what was recorded before it, and is asked to end it. Workflows are written
// before functions, as in a rollback, and record sets after both.
func MakeRepair(f Facts, to Side) Repair {
	var r Repair
	found := func(format string, args ...any) { r.Found = append(r.Found, fmt.Sprintf(format, args...)) }
	act := func(format string, args ...any) { r.Actions = append(r.Actions, fmt.Sprintf(format, args...)) }
	refuse := func(format string, args ...any) { r.Refused = append(r.Refused, fmt.Sprintf(format, args...)) }

	if u := f.Rollout; u != nil {
		switch {
		case u.Driver != "":
			found("rollout %s is %s, driven by %s: that is no fault", u.ID, u.Phase, u.Driver)
			refuse("a rollout that is driven is steered by teal promote, pause and abort")
		case u.Dirty:
			found("rollout %s failed and left aliases where they should not be; it keeps the application locked", u.ID)
			if to == ToGreen {
				refuse("a rollout that failed only goes back: repair --to blue, and deploy again")
				break
			}
			r.Wish = WishRetry
			act("put back what rollout %s recorded before it began, overwriting what others have written meanwhile", u.ID)
		default:
			why := "its controller is gone"
			if u.Parked {
				why = "it waits for a person"
			}
			found("rollout %s stands at %s: %s; it keeps the application locked", u.ID, u.Phase, why)
			switch {
			case to == ToBlue:
				r.Wish = WishAbort
				act("put back what rollout %s recorded before it began", u.ID)
			case u.Moves:
				r.Wish = WishPromote
				act("promote rollout %s in full, without waiting for a verdict", u.ID)
			default:
				refuse("rollout %s has not published everything yet: teal resume goes on with it", u.ID)
			}
		}
		for _, a := range f.Aliases {
			if a.Error != "" {
				found("%s could not be read: %s", a.Ref, a.Error)
			}
		}
		return r
	}

	for _, a := range repairOrder(f.Aliases) {
		now := a.Actual.Routing
		switch {
		case a.Error != "":
			found("%s could not be read: %s", a.Ref, a.Error)
			refuse("%s: it must be readable first", a.Ref)
		case a.Serving == "":
			if now.Additional != "" && (a.Ref.Kind != KindRecordSets || now.Weight > 0 && now.Weight < 1) {
				found("%s is between two versions (%s), and the ledger knows nothing of it", a.Ref, short(now))
				refuse("%s: only the ledger knows which version it should be at: teal deploy records one", a.Ref)
			}
		case a.Actual.ServesOnly(a.Serving):
		case a.Provisioning:
			found("%s routes to %s: AWS itself moves it, step by step, until its provisioned concurrency is ready", a.Ref, short(now))
			refuse("%s: wait for AWS; nothing is to be mended", a.Ref)
		default:
			switch {
			case now.Primary == "":
				found("%s does not exist; the ledger left it at %s", a.Ref, lastPart(a.Serving))
			case a.Ref.Kind == KindRecordSets && (now.Weight == 0 || now.Weight == 1):
				found("%s routes to %s: someone else changed it; the ledger left the traffic in slot %s", a.Ref, now, a.Serving)
			case now.Additional != "" && slices.Contains(now.Versions(), a.Serving):
				found("%s is half shifted (%s), and no rollout is under way; the ledger left it at %s", a.Ref, short(now), lastPart(a.Serving))
			default:
				found("%s routes to %s: someone else changed it; the ledger left it at %s", a.Ref, short(now), lastPart(a.Serving))
			}
			switch {
			case a.Ref.Kind == KindRecordSets && now.Primary == "":
				refuse("%s: make one weighted record set for each slot again; only you know what they lead to", a.Ref)
			case a.Gone:
				refuse("%s: version %s does not exist any more: deploy again, or roll back to a release whose versions exist", a.Ref, lastPart(a.Serving))
			case to == ToGreen:
				refuse("%s: no rollout brings in anything else: --to blue brings it back, teal deploy records what is new", a.Ref)
			default:
				want := AliasRouting{Ref: a.Ref, Routing: a.Actual.Only(a.Serving), Revision: a.Actual.Revision}
				r.Writes = append(r.Writes, want)
				act("route %s to %s, if it is still as it was read", a.Ref, short(want.Routing))
			}
		}
	}
	for _, p := range f.Provisioned {
		used := slices.ContainsFunc(f.Aliases, func(a AliasFacts) bool {
			return a.Ref.Kind == KindFunction && a.Ref.Name == p.Function && (a.Error != "" || a.Serving == p.Version || slices.Contains(a.Actual.Routing.Versions(), p.Version))
		})
		if !used {
			found("version %s of function %s has provisioned concurrency (%d), and no alias routes to it: it costs money and serves nobody", p.Version, p.Function, p.Count)
			r.Free = append(r.Free, p)
			act("remove the provisioned concurrency of version %s of function %s", p.Version, p.Function)
		}
	}
	return r
}

// repairOrder gives workflows before functions, each by name, and record sets last: what they lead to is mended by then.
func repairOrder(all []AliasFacts) []AliasFacts {
	all = slices.Clone(all)
	place := map[Kind]int{KindStateMachine: 0, KindFunction: 1, KindRecordSets: 2}
	sort.SliceStable(all, func(i, j int) bool {
		if a, b := place[all[i].Ref.Kind], place[all[j].Ref.Kind]; a != b {
			return a < b
		}
		if all[i].Ref.Name != all[j].Ref.Name {
			return all[i].Ref.Name < all[j].Ref.Name
		}
		return all[i].Ref.Alias < all[j].Ref.Alias
	})
	return all
}

// short writes a routing with the numbers of its versions.
func short(r alias.Routing) string {
	r.Primary, r.Additional = lastPart(r.Primary), lastPart(r.Additional)
	return r.String()
}
