package release

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
)

func someRouter() Router {
	return Router{HostedZone: "Z1", Name: "api.shop.test", Type: "CNAME", Slots: []Slot{{"blue", "b"}, {"green", "g"}}}
}

// TestTowardsGivesWhatIsAskedFor: one slot gets the share, the other the rest, in the order in which they are read.
func TestTowardsGivesWhatIsAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := someRouter()
		slot := rapid.SampledFrom(r.Slots).Draw(t, "slot").SetIdentifier
		percent := rapid.IntRange(0, 100).Draw(t, "percent")
		got := r.Towards(slot, percent)
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		if d := got.Share(slot) - float64(percent)/100; d > 1e-9 || d < -1e-9 || got.Primary != "blue" || got.Additional != "green" {
			t.Fatalf("%d%% to %s is %s", percent, slot, got)
		}
		live, idle, err := r.Choose(got)
		switch full := percent == 0 || percent == 100; {
		case full != (err == nil):
			t.Fatalf("choose at %s: %v", got, err)
		case err == nil && (got.Share(live.SetIdentifier) != 1 || got.Share(idle.SetIdentifier) != 0):
			t.Fatalf("at %s %s serves and %s is idle", got, live.SetIdentifier, idle.SetIdentifier)
		}
	})
}

func TestChooseRefusesTheSetsOfOthers(t *testing.T) {
	for _, now := range []alias.Routing{{}, {Primary: "blue"}, {Primary: "green", Additional: "blue"}, {Primary: "blue", Additional: "red"}} {
		if _, _, err := someRouter().Choose(now); err == nil || !strings.Contains(err.Error(), "but the slots are blue and green") {
			t.Errorf("%+v: %v", now, err)
		}
	}
}

// TestPlanGoesIntoTheIdleSlot: what moves is the idle slot's alias and the weights; where what serves is as wanted, nothing.
func TestPlanGoesIntoTheIdleSlot(t *testing.T) {
	r := someRouter()
	f := Function{Key: "f", Name: "shop-f", Runtime: "python3.13", Handler: "a.b", Role: "r", CodeSHA256: "new"}
	s := Spec{App: "shop", Functions: []Function{f}, Router: &r}
	arn := "arn:aws:lambda:us-east-1:000000000000:function:shop-f"
	was := f
	o := Observed{
		Identity:  Identity{Partition: "aws", Region: "us-east-1", Account: "000000000000"},
		Functions: map[string]ObservedFunction{"shop-f": {ARN: arn, Version: "3", VersionARN: arn + ":3", Config: was, Routing: AliasRouting{Routing: alias.Routing{Primary: "3"}}}},
		Router: &ObservedRouter{
			Routing: AliasRouting{Ref: r.Ref(), Routing: r.Towards("green", 100), TTL: 60e9}, Live: r.Slots[1], Idle: r.Slots[0],
			Aliases: []AliasRouting{{Ref: Ref{KindFunction, "shop-f", "b"}, Routing: alias.Routing{Primary: "2"}}},
		},
	}
	p, err := MakePlan(s, o)
	if err != nil || !p.Empty() || p.TTL != 0 {
		t.Fatalf("nothing is new: %+v, %v", p, err)
	}
	s.Functions[0].CodeSHA256 = "newer"
	if p, err = MakePlan(s, o); err != nil {
		t.Fatal(err)
	}
	want := []Move{
		{Ref: Ref{KindFunction, "shop-f", "b"}, Before: alias.Routing{Primary: "2"}, After: NewVersion},
		{Ref: r.Ref(), Before: r.Towards("green", 100), After: "blue"},
	}
	if len(p.Moves) != 2 || p.Moves[0] != want[0] || p.Moves[1] != want[1] || p.TTL != 60e9 || p.Empty() {
		t.Errorf("moves %+v", p.Moves)
	}
}

// TestRepairOfTheWeights: the slots' aliases are mended before the weights lead anybody to them.
func TestRepairOfTheWeights(t *testing.T) {
	r := someRouter()
	f := Ref{KindFunction, "shop-f", "b"}
	at := func(ref Ref, now alias.Routing) AliasRouting {
		return AliasRouting{Ref: ref, Routing: now, Revision: "r"}
	}
	got := MakeRepair(Facts{Aliases: []AliasFacts{
		{Ref: r.Ref(), Serving: "blue", Actual: at(r.Ref(), r.Towards("green", 100))},
		{Ref: f, Serving: "3", Actual: at(f, alias.Routing{Primary: "2"})},
		{Ref: Ref{KindFunction, "shop-f", "g"}, Actual: at(f, alias.Routing{Primary: "1"})},
	}}, ToBlue)
	if len(got.Writes) != 2 || got.Writes[0].Ref != f || got.Writes[1].Routing != r.Towards("blue", 100) || len(got.Found) != 2 ||
		!strings.Contains(got.Found[1], "routes to blue 0% · green 100%: someone else changed it; the ledger left the traffic in slot blue") {
		t.Errorf("repair %+v", got)
	}
	if got := MakeRepair(Facts{Aliases: []AliasFacts{{Ref: r.Ref(), Serving: "blue", Actual: at(r.Ref(), r.Towards("blue", 100))}}}, ToBlue); len(got.Found) != 0 {
		t.Errorf("in order, but %v", got.Found)
	}
	gone := MakeRepair(Facts{Aliases: []AliasFacts{{Ref: r.Ref(), Serving: "blue", Actual: AliasRouting{Ref: r.Ref()}}}}, ToBlue)
	if len(gone.Writes) != 0 || len(gone.Refused) != 1 || !strings.Contains(gone.Refused[0], "only you know what they lead to") {
		t.Errorf("record sets that are gone: %+v", gone)
	}
}
