package release

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
)

// RedriveWindow is how long an unsuccessful Standard execution can be redriven, with the definition that it had.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
const RedriveWindow = 14 * 24 * time.Hour

// ExpressWindow is the longest that an Express execution runs. Express executions cannot be listed, so a version counts as
// in use for so long after the last moment at which one could have started on it.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const ExpressWindow = 5 * time.Minute

// Inventory is everything that decides which versions are still needed, as it was read at one time. What could not be read
// is in Unread, and keeps whatever it might have named.
type Inventory struct {
	At        time.Time
	Functions []FunctionInventory // of the application
	Machines  []MachineInventory  // of the application, and any other of the account that may call its functions
	Releases  []Release           // that a rollback may go to
	// Served is until when a version had traffic, by the ledger: by function name and version, or by version ARN.
	Served map[string]time.Time
	Unread []string // of the account as a whole
}

// FunctionInventory is a function with its versions, and all that names one.
type FunctionInventory struct {
	Name       string
	Versions   []SeenVersion
	Aliases    []AliasRouting
	References []Reference
	Unread     []string
}

// SeenVersion is a version that exists.
type SeenVersion struct {
	Version string // a number, or the ARN of a state machine version
	ARN     string
	Created time.Time
	Size    int64 // bytes of code
	Pins    []Pin // of a state machine version
}

// Reference is something beside an alias that names a version, such as an event source mapping.
type Reference struct {
	Version string
	By      string // in words
}

// MachineInventory is a state machine with its versions and executions.
type MachineInventory struct {
	Name       string
	ARN        string
	Foreign    bool // not of the application: it is never changed, and everything that it pins is kept
	Express    bool
	Updated    time.Time     // of its present revision, which unqualified starts use
	Moved      time.Time     // when one of its aliases was last changed, by whomever
	Latest     []Pin         // of that revision
	Versions   []SeenVersion // Version is the ARN
	Aliases    []AliasRouting
	Executions []SeenExecution
	Unread     []string
}

// SeenExecution is a Standard execution that runs, or that ended without success.
type SeenExecution struct {
	ARN     string
	Version string // ARN; empty for one that was started without a version
	Status  string
	Stopped time.Time // zero while it runs
	Pins    []Pin     // of its own definition; needed where Version is empty or does not exist any more
}

// needed reports whether the execution runs or can be redriven, and says which.
func (e SeenExecution) needed(now time.Time) (why string, ok bool) {
	switch {
	case e.Stopped.IsZero():
		return "execution " + lastPart(e.ARN) + " runs on it", true
	case e.Status != "SUCCEEDED" && now.Sub(e.Stopped) <= RedriveWindow:
		return "execution " + lastPart(e.ARN) + " can be redriven until " + e.Stopped.Add(RedriveWindow).Format(time.DateOnly), true
	}
	return "", false
}

// KeepPolicy says what is kept beyond what is in use.
type KeepPolicy struct {
	Grace time.Duration // since a version was published or last had traffic
}

// Kept is one version with all reasons to keep it; it may be deleted when there is none.
type Kept struct {
	Kind    Kind      `json:"kind"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	ARN     string    `json:"arn"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size,omitempty"` // bytes of code
	Reasons []string  `json:"reasons,omitempty"`
	// Moved is when an alias of the state machine was last changed, as far as was known when this was decided.
	Moved time.Time `json:"-"`
}

// Deletable reports whether nothing needs the version.
func (k Kept) Deletable() bool { return len(k.Reasons) == 0 }

// Keep decides for every version of the application whether it is needed, and why. State machine versions come first, in
// the order in which they may be deleted: a function version must outlive the state machine versions that pin it.
//
// What is kept is: both versions of every alias; the newest version; what the releases hold that a rollback may go to; what
// an event source, provisioned concurrency or a permission names; state machine versions with executions that run or can
// be redriven; what all state machine versions that stay, the present revisions, and such executions pin; what was
// published or had traffic within the grace period; and everything that something unread might have named.
func Keep(inv Inventory, p KeepPolicy) []Kept {
	k := keeper{inv: inv, policy: p, pinned: map[string][]string{}}
	var out []Kept
	for _, m := range inv.Machines {
		out = append(out, k.machine(m)...)
	}
	for _, f := range inv.Functions {
		out = append(out, k.function(f)...)
	}
	return out
}

type keeper struct {
	inv    Inventory
	policy KeepPolicy
	pinned map[string][]string // reasons by function name and version
	// blind are the reasons to keep every function version: pins that could not be read.
	blind []string
}

// reasons collects why one version is kept, each reason once.
type reasons []string

func (r *reasons) add(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(*r, s) {
		*r = append(*r, s)
	}
}

func (r *reasons) alias(a AliasRouting, version string) {
	switch {
	case version == a.Routing.Primary, version == a.Routing.Additional && version != "":
		r.add("alias %s routes to it (%s)", a.Ref.Alias, percent(a.Routing, version))
	}
}

func percent(r alias.Routing, version string) string {
	return strconv.FormatFloat(r.Share(version)*100, 'f', -1, 64) + " %"
}

func (k *keeper) recent(r *reasons, v SeenVersion, served string) {
	if left := k.policy.Grace - k.inv.At.Sub(v.Created); left > 0 {
		r.add("published within the grace period of %s", k.policy.Grace)
	}
	if at, ok := k.inv.Served[served]; ok && k.policy.Grace > k.inv.At.Sub(at) {
		r.add("had traffic within the grace period of %s", k.policy.Grace)
	}
}

func (k *keeper) machine(m MachineInventory) []Kept {
	k.blind = append(k.blind, m.Unread...)
	k.pin(m.Latest, "state machine "+m.Name+", as it is started without a version,")
	versions := slices.Clone(m.Versions)
	slices.SortFunc(versions, func(a, b SeenVersion) int { return cmp.Compare(number(a.Version), number(b.Version)) })
	there := map[string]bool{}
	var out []Kept
	for i, v := range versions {
		there[v.Version] = true
		var r reasons
		for _, a := range m.Aliases {
			r.alias(a, v.Version)
		}
		if i == len(versions)-1 {
			r.add("the newest version: the next deploy compares with it")
		}
		for _, rel := range k.inv.Releases {
			for _, w := range rel.Workflows {
				if w.ARN == v.Version {
					r.add("release %s has it", rel.ID)
				}
			}
		}
		for _, e := range m.Executions {
			if why, ok := e.needed(k.inv.At); ok && e.Version == v.Version {
				r.add("%s", why)
			}
		}
		if m.Express {
			// Until the next version was published, a start without a version could use the revision that became this one.
			last := m.Updated
			if i+1 < len(versions) {
				last = versions[i+1].Created
			}
			if m.Moved.After(last) { // an alias may have been at any version until then: not all who move one tell the ledger
				last = m.Moved
			}
			if served, ok := k.inv.Served[v.Version]; ok && served.After(last) {
				last = served
			}
			if k.inv.At.Sub(last) <= ExpressWindow {
				r.add("Express executions that cannot be listed may still run on it")
			}
		}
		k.recent(&r, v, v.Version)
		for _, u := range append(slices.Clone(k.inv.Unread), m.Unread...) {
			r.add("%s", u)
		}
		if m.Foreign {
			r.add("not of this application")
		}
		if len(r) > 0 {
			k.pin(v.Pins, "version "+lastPart(v.Version)+" of state machine "+m.Name)
		}
		if !m.Foreign {
			out = append(out, Kept{Kind: KindStateMachine, Name: m.Name, Version: v.Version, ARN: v.ARN, Created: v.Created, Reasons: r, Moved: m.Moved})
		}
	}
	for _, e := range m.Executions {
		if _, ok := e.needed(k.inv.At); ok && !there[e.Version] {
			k.pin(e.Pins, "execution "+lastPart(e.ARN)+" of state machine "+m.Name)
		}
	}
	return out
}

func (k *keeper) pin(pins []Pin, by string) {
	for _, p := range pins {
		at := p.Function + ":" + p.Version
		if why := by + " calls it in " + p.State; !slices.Contains(k.pinned[at], why) {
			k.pinned[at] = append(k.pinned[at], why)
		}
	}
}

func (k *keeper) function(f FunctionInventory) []Kept {
	versions := slices.Clone(f.Versions)
	slices.SortFunc(versions, func(a, b SeenVersion) int { return cmp.Compare(number(a.Version), number(b.Version)) })
	out := make([]Kept, 0, len(versions))
	for i, v := range versions {
		var r reasons
		for _, a := range f.Aliases {
			r.alias(a, v.Version)
		}
		if i == len(versions)-1 {
			r.add("the newest version: the next deploy compares with it")
		}
		for _, rel := range k.inv.Releases {
			for _, fv := range rel.Functions {
				if fv.Name == f.Name && fv.Version == v.Version {
					r.add("release %s has it", rel.ID)
				}
			}
			for _, w := range rel.Workflows {
				for _, p := range w.Pins {
					if p.Function == f.Name && p.Version == v.Version {
						r.add("workflow %s of release %s calls it in %s", w.Key, rel.ID, p.State)
					}
				}
			}
		}
		for _, ref := range f.References {
			if ref.Version == v.Version {
				r.add("%s", ref.By)
			}
		}
		for _, why := range k.pinned[f.Name+":"+v.Version] {
			r.add("%s", why)
		}
		k.recent(&r, v, f.Name+":"+v.Version)
		for _, u := range slices.Concat(k.inv.Unread, f.Unread, k.blind) {
			r.add("%s", u)
		}
		out = append(out, Kept{Kind: KindFunction, Name: f.Name, Version: v.Version, ARN: v.ARN, Created: v.Created, Size: v.Size, Reasons: r})
	}
	return out
}

// number is the number at the end of a version or of its ARN.
func number(version string) int {
	n, _ := strconv.Atoi(version[strings.LastIndexByte(version, ':')+1:])
	return n
}
