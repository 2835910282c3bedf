package release

import (
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/alias"
)

func TestMakeRepair(t *testing.T) {
	live := Ref{KindFunction, "f", "live"}
	flow := Ref{KindStateMachine, "m", "live"}
	at := func(primary, additional string, weight float64) AliasRouting {
		return AliasRouting{Ref: live, Routing: alias.Routing{Primary: primary, Additional: additional, Weight: weight}, Revision: "r7"}
	}
	one := func(a AliasFacts) Facts { a.Ref = live; return Facts{Aliases: []AliasFacts{a}} }
	rollout := func(r RolloutFacts) Facts {
		r.ID = "ro-1"
		return Facts{Rollout: &r, Aliases: []AliasFacts{{Ref: live, Serving: "1", Actual: at("1", "2", 0.1)}}}
	}
	tests := []struct {
		name    string
		facts   Facts
		to      Side
		found   string // in all that is found; "" when all is in order
		refused string
		wish    Wish
		writes  string
		free    int
	}{
		{name: "in order", facts: one(AliasFacts{Serving: "2", Actual: at("2", "", 0)})},
		{name: "nothing is known", facts: one(AliasFacts{Actual: at("2", "", 0)})},
		{
			name: "half shifted, and nothing is known", facts: one(AliasFacts{Actual: at("1", "2", 0.1)}),
			found: "between two versions", refused: "only the ledger knows",
		},
		{
			name: "half shifted", facts: one(AliasFacts{Serving: "1", Actual: at("1", "2", 0.1)}),
			found: "half shifted (1 90% · 2 10%), and no rollout is under way", writes: "f:live=1@r7",
		},
		{name: "a weight of 0 was left", facts: one(AliasFacts{Serving: "1", Actual: at("1", "2", 0)}), found: "half shifted", writes: "f:live=1@r7"},
		{name: "someone else's version", facts: one(AliasFacts{Serving: "1", Actual: at("3", "", 0)}), found: "someone else changed it", writes: "f:live=1@r7"},
		{name: "deleted", facts: one(AliasFacts{Serving: "1", Actual: AliasRouting{Ref: live}}), found: "does not exist", writes: "f:live=1@"},
		{
			name: "its version is gone", facts: one(AliasFacts{Serving: "1", Gone: true, Actual: at("3", "", 0)}),
			found: "someone else changed it", refused: "version 1 does not exist any more",
		},
		{
			name: "AWS moves it", facts: one(AliasFacts{Serving: "2", Provisioning: true, Actual: at("1", "2", 0.3)}),
			found: "AWS itself moves it", refused: "wait for AWS",
		},
		{
			name: "to green without a rollout", facts: one(AliasFacts{Serving: "1", Actual: at("1", "2", 0.1)}), to: ToGreen,
			found: "half shifted", refused: "no rollout brings in anything else",
		},
		{name: "unreadable", facts: one(AliasFacts{Serving: "1", Error: "denied"}), found: "denied", refused: "readable first"},
		{name: "a living controller", facts: rollout(RolloutFacts{Phase: "shifting", Driver: "ann", Moves: true}), found: "driven by ann", refused: "steered by"},
		{name: "a dead controller", facts: rollout(RolloutFacts{Phase: "shifting", Moves: true}), found: "its controller is gone", wish: WishAbort},
		{name: "a dead controller, to green", facts: rollout(RolloutFacts{Phase: "shifting", Moves: true}), to: ToGreen, found: "its controller is gone", wish: WishPromote},
		{name: "parked", facts: rollout(RolloutFacts{Phase: "shifting", Parked: true, Moves: true}), found: "waits for a person", wish: WishAbort},
		{name: "before it moves, to green", facts: rollout(RolloutFacts{Phase: "publishing"}), to: ToGreen, found: "its controller is gone", refused: "teal resume"},
		{name: "dirty", facts: rollout(RolloutFacts{Phase: "failed-dirty", Dirty: true}), found: "left aliases where they should not be", wish: WishRetry},
		{name: "dirty, to green", facts: rollout(RolloutFacts{Phase: "failed-dirty", Dirty: true}), to: ToGreen, found: "left aliases", refused: "only goes back"},
		{
			name: "provisioned for nobody", found: "costs money", free: 1,
			facts: Facts{
				Aliases:     []AliasFacts{{Ref: live, Serving: "2", Actual: at("2", "", 0)}},
				Provisioned: []ProvisionedFacts{{"f", "1", 5}, {"f", "2", 5}},
			},
		},
		{
			name: "provisioned, and it is not known for whom", found: "denied", refused: "readable",
			facts: Facts{Aliases: []AliasFacts{{Ref: live, Serving: "2", Error: "denied"}}, Provisioned: []ProvisionedFacts{{"f", "1", 5}}},
		},
		{
			name: "workflows first", found: "someone else", writes: "m:live=arn:m:1@x f:live=1@r7",
			facts: Facts{Aliases: []AliasFacts{
				{Ref: live, Serving: "1", Actual: at("3", "", 0)},
				{Ref: flow, Serving: "arn:m:1", Actual: AliasRouting{Ref: flow, Routing: alias.Routing{Primary: "arn:m:2"}, Revision: "x"}},
			}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			to := test.to
			if to == "" {
				to = ToBlue
			}
			r := MakeRepair(test.facts, to)
			if all := strings.Join(r.Found, "\n"); (test.found == "") != (len(r.Found) == 0) || !strings.Contains(all, test.found) {
				t.Errorf("found %q, want %q", all, test.found)
			}
			if all := strings.Join(r.Refused, "\n"); (test.refused == "") != (len(r.Refused) == 0) || !strings.Contains(all, test.refused) {
				t.Errorf("refused %q, want %q", all, test.refused)
			}
			var writes []string
			for _, w := range r.Writes {
				writes = append(writes, w.Ref.Name+":"+w.Ref.Alias+"="+w.Routing.Primary+"@"+w.Revision)
			}
			if got := strings.Join(writes, " "); got != test.writes || r.Wish != test.wish || len(r.Free) != test.free {
				t.Errorf("wish %q, writes %q, frees %v; want %q, %q, %d", r.Wish, got, r.Free, test.wish, test.writes, test.free)
			}
			if r.Mends() != (len(r.Actions) > 0) {
				t.Errorf("actions %q", r.Actions)
			}
		})
	}
}
