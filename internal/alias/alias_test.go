package alias_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
)

// routings draws valid routings, the edges 0 and 1 among them.
var routings = rapid.Custom(func(t *rapid.T) alias.Routing {
	r := alias.Routing{Primary: rapid.StringMatching(`[1-9][0-9]{0,3}`).Draw(t, "primary")}
	if rapid.Bool().Draw(t, "two") {
		r.Additional = r.Primary + "1"
		r.Weight = float64(rapid.IntRange(0, 100).Draw(t, "percent")) / 100
	}
	return r
})

func TestPickFollowsTheShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := routings.Draw(t, "routing")
		if err := r.Validate(); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		// Every draw of an even grid over [0, 1): the share picked is the share set, to one part of the grid.
		const n = 1000
		seen := map[string]int{}
		for i := range n {
			seen[r.Pick(float64(i)/n)]++
		}
		sum := 0.0
		for _, v := range r.Versions() {
			sum += r.Share(v)
			if got := float64(seen[v]) / n; math.Abs(got-r.Share(v)) > 1.5/n {
				t.Fatalf("%v: %s picked %v, set %v", r, v, got, r.Share(v))
			}
			delete(seen, v)
		}
		if len(seen) != 0 {
			t.Fatalf("%v picked versions that it does not name: %v", r, seen)
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("%v: shares add up to %v", r, sum)
		}
		if r.Share("other") != 0 || r.Share("") != 0 {
			t.Fatalf("%v gives a share to a version that it does not name", r)
		}
	})
}

func TestRoutingSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := routings.Draw(t, "routing")
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back alias.Routing
		if err := json.Unmarshal(b, &back); err != nil || back != r {
			t.Fatalf("%s became %v, was %v (%v)", b, back, r, err)
		}
	})
}

func TestValidateRefuses(t *testing.T) {
	for _, r := range []alias.Routing{
		{},
		{Additional: "2", Weight: 0.5},
		{Primary: "1", Additional: "1", Weight: 0.5},
		{Primary: "1", Additional: "2", Weight: -0.1},
		{Primary: "1", Additional: "2", Weight: 1.1},
		{Primary: "1", Additional: "2", Weight: math.NaN()},
		{Primary: "1", Weight: 0.5},
	} {
		if r.Validate() == nil {
			t.Errorf("%#v passes as a routing", r)
		}
	}
}

func TestString(t *testing.T) {
	for want, r := range map[string]alias.Routing{
		"nowhere":       {},
		"7 100%":        {Primary: "7"},
		"7 90% · 8 10%": {Primary: "7", Additional: "8", Weight: 0.1},
	} {
		if got := r.String(); got != want {
			t.Errorf("%#v reads %q, want %q", r, got, want)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	r := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	n := 0
	for i := 0; b.Loop(); i++ {
		if r.Pick(float64(i&1023)/1024) == "2" {
			n++
		}
	}
	_ = n
}
