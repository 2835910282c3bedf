package release

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
)

var keepNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func machineVersion(n int) string {
	return fmt.Sprintf("arn:aws:states:us-east-1:1:stateMachine:m:%d", n)
}

// old are versions from so long ago that only something that names them keeps them.
func old(n int) []SeenVersion {
	var out []SeenVersion
	for i := range n {
		out = append(out, SeenVersion{Version: fmt.Sprint(i + 1), ARN: fmt.Sprintf("f:%d", i+1), Created: keepNow.AddDate(-2, 0, i)})
	}
	return out
}

func oldMachines(n int, pins func(int) []Pin) []SeenVersion {
	var out []SeenVersion
	for i := range n {
		out = append(out, SeenVersion{Version: machineVersion(i + 1), ARN: machineVersion(i + 1), Created: keepNow.AddDate(-2, 0, i), Pins: pins(i + 1)})
	}
	return out
}

func pinTo(v int) []Pin { return []Pin{{State: "Work", Function: "f", Version: fmt.Sprint(v)}} }

// Every reason on its own keeps exactly the version that it names: here version 2 of 5 of a function.
func TestWhatKeepsAFunctionVersion(t *testing.T) {
	hour := time.Hour
	tests := []struct {
		name string
		with func(*Inventory)
		want string // in the reason; "" when it is to be deletable
	}{
		{"nothing", func(*Inventory) {}, ""},
		{"an alias", func(i *Inventory) {
			i.Functions[0].Aliases = []AliasRouting{{Ref: Ref{Alias: "live"}, Routing: alias.Routing{Primary: "2"}}}
		}, "alias live routes to it (100 %)"},
		{"the second entry of an alias, even with weight 0", func(i *Inventory) {
			i.Functions[0].Aliases = []AliasRouting{{Ref: Ref{Alias: "live"}, Routing: alias.Routing{Primary: "5", Additional: "2"}}}
		}, "alias live routes to it (0 %)"},
		{"a release", func(i *Inventory) {
			i.Releases = []Release{{ID: "re-1", Functions: []FunctionVersion{{Name: "f", Version: "2"}, {Name: "other", Version: "3"}}}}
		}, "release re-1 has it"},
		{"a pin of a release", func(i *Inventory) {
			i.Releases = []Release{{ID: "re-1", Workflows: []StateMachineVersion{{Key: "flow", Pins: pinTo(2)}}}}
		}, "workflow flow of release re-1 calls it in Work"},
		{"a reference", func(i *Inventory) {
			i.Functions[0].References = []Reference{{Version: "2", By: "it has provisioned concurrency"}}
		}, "provisioned concurrency"},
		{"a foreign state machine", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Foreign: true, Versions: oldMachines(3, func(n int) []Pin { return pinTo(2) })}}
		}, "state machine m calls it in Work"},
		{"the present revision", func(i *Inventory) { i.Machines = []MachineInventory{{Name: "m", Latest: pinTo(2)}} }, "without a version"},
		{"a version that stays", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Versions: oldMachines(1, func(int) []Pin { return pinTo(2) })}}
		}, "version 1 of state machine m calls it in Work"},
		{"a version that goes", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Versions: oldMachines(3, func(n int) []Pin { return pinTo(n + 1) })}}
		}, ""},
		{"a running execution of a version that goes otherwise", func(i *Inventory) {
			i.Machines = []MachineInventory{{
				Name: "m", Versions: oldMachines(3, func(n int) []Pin { return pinTo(n + 1) }),
				Executions: []SeenExecution{{ARN: "x:run-1", Version: machineVersion(1), Status: "RUNNING"}},
			}}
		}, "version 1 of state machine m calls it in Work"},
		{"a running execution of a version that is gone", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Executions: []SeenExecution{{ARN: "x:run-1", Version: machineVersion(9), Status: "RUNNING", Pins: pinTo(2)}}}}
		}, "execution run-1 of state machine m calls it in Work"},
		{"a running execution without a version", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Executions: []SeenExecution{{ARN: "x:run-1", Status: "RUNNING", Pins: pinTo(2)}}}}
		}, "execution run-1"},
		{"one that can be redriven", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Executions: []SeenExecution{{ARN: "x:run-1", Status: "FAILED", Stopped: keepNow.Add(-RedriveWindow), Pins: pinTo(2)}}}}
		}, "execution run-1"},
		{"one that cannot be redriven any more", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Executions: []SeenExecution{{ARN: "x:run-1", Status: "FAILED", Stopped: keepNow.Add(-RedriveWindow - time.Second), Pins: pinTo(2)}}}}
		}, ""},
		{"one that succeeded", func(i *Inventory) {
			i.Machines = []MachineInventory{{Name: "m", Executions: []SeenExecution{{ARN: "x:run-1", Status: "SUCCEEDED", Stopped: keepNow.Add(-hour), Pins: pinTo(2)}}}}
		}, ""},
		{"a young one", func(i *Inventory) { i.Functions[0].Versions[1].Created = keepNow.Add(-hour) }, "published within the grace period"},
		{"one that had traffic", func(i *Inventory) { i.Served = map[string]time.Time{"f:2": keepNow.Add(-hour)} }, "had traffic within the grace period"},
		{"one that had traffic long ago", func(i *Inventory) { i.Served = map[string]time.Time{"f:2": keepNow.AddDate(0, 0, -2)} }, ""},
		{"pins that could not be read", func(i *Inventory) { i.Machines = []MachineInventory{{Name: "m", Unread: []string{"no access to m"}}} }, "no access to m"},
		{"a function that could not be read", func(i *Inventory) { i.Functions[0].Unread = []string{"no access to f"} }, "no access to f"},
		{"an account that could not be read", func(i *Inventory) { i.Unread = []string{"no access"} }, "no access"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inv := Inventory{At: keepNow, Functions: []FunctionInventory{{Name: "f", Versions: old(5)}}}
			test.with(&inv)
			for _, k := range Keep(inv, KeepPolicy{Grace: 24 * time.Hour}) {
				if k.Kind != KindFunction || k.Version != "2" {
					continue
				}
				if test.want == "" && !k.Deletable() || !strings.Contains(strings.Join(k.Reasons, "\n"), test.want) {
					t.Errorf("kept because of %q, want %q", k.Reasons, test.want)
				}
				return
			}
			t.Fatal("nothing is said of version 2")
		})
	}
}

func TestAnExpressVersionIsKeptForItsWindow(t *testing.T) {
	for ago, kept := range map[time.Duration]bool{time.Minute: true, ExpressWindow: true, ExpressWindow + time.Second: false} {
		versions := oldMachines(3, pinTo)
		versions[1].Created = keepNow.Add(-ago) // until then version 1 was what a start without a version used
		versions[2].Created = keepNow.Add(-ago)
		inv := Inventory{At: keepNow, Machines: []MachineInventory{{Name: "m", Express: true, Versions: versions, Updated: keepNow.Add(-ago)}}}
		if k := Keep(inv, KeepPolicy{})[0]; k.Deletable() == kept {
			t.Errorf("replaced %s ago: %q", ago, k.Reasons)
		}
		// Someone who tells no ledger has moved the alias, from who knows where.
		inv.Machines[0] = MachineInventory{Name: "m", Express: true, Versions: oldMachines(3, pinTo), Updated: keepNow.AddDate(-1, 0, 0), Moved: keepNow.Add(-ago)}
		if k := Keep(inv, KeepPolicy{})[0]; k.Deletable() == kept || !k.Moved.Equal(keepNow.Add(-ago)) {
			t.Errorf("an alias moved %s ago: %q, %s", ago, k.Reasons, k.Moved)
		}
	}
}

// Against a dumb reference: nothing that is deleted is named by anything that stays or runs.
func TestNothingThatIsNeededIsDeletable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "function versions")
		m := rapid.IntRange(0, 6).Draw(t, "machine versions")
		v := func(label string) string { return fmt.Sprint(rapid.IntRange(1, n).Draw(t, label)) }
		inv := Inventory{At: keepNow, Functions: []FunctionInventory{{Name: "f", Versions: old(n)}}}
		machine := MachineInventory{Name: "m", Versions: oldMachines(m, func(int) []Pin { return []Pin{{State: "S", Function: "f", Version: v("pin")}} })}
		machine.Latest = []Pin{{State: "S", Function: "f", Version: v("latest")}}
		if m > 0 {
			mv := func(label string) string { return machineVersion(rapid.IntRange(1, m).Draw(t, label)) }
			machine.Aliases = []AliasRouting{{Ref: Ref{Alias: "live"}, Routing: alias.Routing{Primary: mv("primary"), Additional: mv("additional")}}}
			for i := range rapid.IntRange(0, 3).Draw(t, "executions") {
				e := SeenExecution{ARN: fmt.Sprint("x:", i), Version: mv("on"), Status: rapid.SampledFrom([]string{"RUNNING", "FAILED", "TIMED_OUT"}).Draw(t, "status")}
				if e.Status != "RUNNING" {
					e.Stopped = keepNow.AddDate(0, 0, -rapid.IntRange(0, 30).Draw(t, "days"))
				}
				if rapid.Bool().Draw(t, "unqualified") {
					e.Version, e.Pins = "", []Pin{{State: "S", Function: "f", Version: v("own")}}
				}
				machine.Executions = append(machine.Executions, e)
			}
		}
		inv.Machines = []MachineInventory{machine}
		inv.Functions[0].Aliases = []AliasRouting{{Routing: alias.Routing{Primary: v("a"), Additional: v("b")}}}
		for range rapid.IntRange(0, 2).Draw(t, "releases") {
			r := Release{ID: "re", Functions: []FunctionVersion{{Name: "f", Version: v("released")}}}
			if m > 0 {
				r.Workflows = []StateMachineVersion{{ARN: machineVersion(rapid.IntRange(1, m).Draw(t, "flow"))}}
			}
			inv.Releases = append(inv.Releases, r)
		}

		gone := map[string]bool{}
		for _, k := range Keep(inv, KeepPolicy{}) {
			gone[k.Version] = k.Deletable()
		}
		need := func(version, why string) {
			if gone[version] {
				t.Fatalf("version %s is deletable, but %s", version, why)
			}
		}
		live := func(e SeenExecution) bool { return e.Stopped.IsZero() || keepNow.Sub(e.Stopped) <= RedriveWindow }
		for _, a := range slices.Concat(inv.Functions[0].Aliases, machine.Aliases) {
			for _, version := range a.Routing.Versions() {
				need(version, "an alias routes to it")
			}
		}
		for _, r := range inv.Releases {
			need(r.Functions[0].Version, "a release has it")
			for _, w := range r.Workflows {
				need(w.ARN, "a release has it")
			}
		}
		for _, s := range machine.Versions {
			if !gone[s.Version] {
				need(s.Pins[0].Version, "a version that stays pins it")
			}
		}
		need(machine.Latest[0].Version, "the present revision pins it")
		for _, e := range machine.Executions {
			switch {
			case !live(e):
			case e.Version == "":
				need(e.Pins[0].Version, "an execution pins it")
			default:
				need(e.Version, "an execution runs on it")
			}
		}
	})
}
