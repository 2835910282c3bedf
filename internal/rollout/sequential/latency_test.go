package sequential_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowShare is how many of green's requests take longer than blue's slowest in twenty when all of them take longer by a factor,
// of durations that are lognormal with a standard deviation of the logarithm of spread.
func slowShare(factor, spread float64) float64 {
	const z95 = 1.6448536269514722
	return math.Erfc((z95-math.Log(factor)/spread)/math.Sqrt2) / 2
}

// TestLatencyTable holds the comparison of latencies to its level, and to finding what is clear. With -table it prints what
// docs/judgement.md shows.
func TestLatencyTable(t *testing.T) {
	const spread, runs = 0.5, 100
	factors, traffic := []float64{1, 2}, []int{100}
	if *table {
		factors, traffic = []float64{1, 1.1, 1.25, 1.5, 2, 3}, []int{1, 10, 100, 1000}
	}
	for _, factor := range factors {
		line := fmt.Sprintf("| %g × | %.1f %% |", factor, 100*slowShare(factor, spread))
		for _, perMinute := range traffic {
			random := rand.New(rand.NewPCG(uint64(perMinute), math.Float64bits(factor)))
			var times []int
			for range runs {
				if at := byEvidence(play(random, perMinute, 0.05, slowShare(factor, spread)/0.05)); at > 0 {
					times = append(times, at)
				}
			}
			slices.Sort(times)
			if len(times) == 0 {
				line += " 0 % |"
			} else {
				line += fmt.Sprintf(" %.0f %%, %d min |", 100*float64(len(times))/runs, times[len(times)/2])
			}
			share := float64(len(times)) / runs
			if factor == 1 && share > level+3*math.Sqrt(level/float64(runs)) {
				t.Errorf("%.1f%% false rollbacks at %d requests a minute", share*100, perMinute)
			}
			if factor == 2 && perMinute == 100 && share < 0.95 {
				t.Errorf("twice the latency was found in %.0f%% of the hours only", share*100)
			}
		}
		t.Log(line)
	}
}
