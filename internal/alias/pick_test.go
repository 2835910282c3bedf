package alias_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/alias"
)

func TestPickNthKeepsEveryWindowWithinOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := alias.Routing{Primary: "1", Additional: "2", Weight: rapid.Float64Range(0, 1).Draw(t, "weight")}
		if rapid.Bool().Draw(t, "percent") {
			r.Weight = float64(rapid.IntRange(0, 100).Draw(t, "of a hundred")) / 100
		}
		first := rapid.Uint64().Draw(t, "first")
		size := rapid.IntRange(1, 2000).Draw(t, "size")
		got := 0
		for i := range size {
			if r.PickNth(first+uint64(i)) == "2" {
				got++
			}
		}
		if off := math.Abs(float64(got) - float64(size)*r.Weight); off > 1+1e-6 && first < math.MaxUint64-uint64(size) {
			t.Fatalf("%v of %d requests from the %dth on: %d, which is %v off", r.Weight, size, first, got, off)
		}
	})
}

func TestTenPercentOfFortyAreFour(t *testing.T) {
	r := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	for first := range uint64(200) {
		got := 0
		for i := range uint64(40) {
			if r.PickNth(first+i) == "2" {
				got++
			}
		}
		if got != 4 {
			t.Fatalf("of the 40 requests from the %dth on %d went to version 2", first, got)
		}
	}
}

func TestPickNthAtTheEdges(t *testing.T) {
	for want, r := range map[string]alias.Routing{
		"1": {Primary: "1"},
		"2": {Primary: "1", Additional: "2", Weight: 1},
		"3": {Primary: "3", Additional: "2"},
	} {
		for _, n := range []uint64{0, 1, 999_999_999, 1_000_000_000, math.MaxUint64} {
			if got := r.PickNth(n); got != want {
				t.Errorf("%v gives request %d to %s", r, n, got)
			}
		}
	}
}

func TestPickKeyFollowsTheShareAndStays(t *testing.T) {
	const keys = 20_000
	served := map[string]bool{}
	for percent := 0; percent <= 100; percent += 5 {
		r := alias.Routing{Primary: "1", Additional: "2", Weight: float64(percent) / 100}
		n := 0
		for i := range keys {
			key := fmt.Sprintf("user-%d", i)
			green := r.PickKey(key) == "2"
			if served[key] && !green {
				t.Fatalf("%s left version 2 when its weight grew to %d %%", key, percent)
			}
			if served[key] = green; green {
				n++
			}
		}
		if share := float64(n) / keys; math.Abs(share-r.Weight) > 0.02 { // more than five standard deviations
			t.Errorf("%d %% of the keys are %.3f", percent, share)
		}
	}
}

func BenchmarkPickNth(b *testing.B) {
	r := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	for i := 0; b.Loop(); i++ {
		_ = r.PickNth(uint64(i))
	}
}

func BenchmarkPickKey(b *testing.B) {
	r := alias.Routing{Primary: "1", Additional: "2", Weight: 0.1}
	for b.Loop() {
		_ = r.PickKey("3f0c9f0e-user-1234")
	}
}
