package sequential_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/rollout/sequential"
)

// choose is exact for small numbers.
func choose(n, k int64) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// TestTheMeanOfTheEvidenceIsAtMostOne adds up all that can happen in one stretch, by the definition of the distribution.
func TestTheMeanOfTheEvidenceIsAtMostOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blue, green := rapid.Int64Range(0, 40).Draw(t, "blue"), rapid.Int64Range(0, 40).Draw(t, "green")
		hits := rapid.Int64Range(0, blue+green).Draw(t, "hits")
		tolerated := rapid.Float64Range(0.5, 4).Draw(t, "tolerated")
		truth := tolerated * rapid.Float64Range(0.1, 1).Draw(t, "part of it")
		if rapid.Bool().Draw(t, "at the edge") {
			truth = tolerated
		}
		worse, notWorse, all := 0.0, 0.0, 0.0
		for k := max(0, hits-blue); k <= min(hits, green); k++ {
			s := sequential.Stretch{Blue: blue, Green: green, BlueHits: hits - k, GreenHits: k}
			p := sequential.Process{}.Add(tolerated, s)
			weight := choose(green, k) * choose(blue, hits-k)
			worse += weight * math.Pow(truth, float64(k)) * math.Exp(p.Worse())
			notWorse += weight * math.Pow(tolerated*tolerated/truth, float64(k)) * math.Exp(p.NotWorse())
			all += weight * math.Pow(truth, float64(k))
		}
		mirror := 0.0
		for k := max(0, hits-blue); k <= min(hits, green); k++ {
			mirror += choose(green, k) * choose(blue, hits-k) * math.Pow(tolerated*tolerated/truth, float64(k))
		}
		if worse/all > 1+1e-9 || notWorse/mirror > 1+1e-9 {
			t.Fatalf("means %v and %v", worse/all, notWorse/mirror)
		}
		if truth == tolerated && math.Abs(worse/all-1) > 1e-9 {
			t.Fatalf("the mean at the edge is %v: evidence is given away", worse/all)
		}
	})
}

func TestBelowHasAMeanOfAtMostOne(t *testing.T) {
	for _, rate := range []float64{0.001, 0.01, 0.2, 0.9} {
		for _, truth := range []float64{rate, math.Min(1, rate*1.5)} {
			mean := 0.0
			for k := int64(0); k <= 60; k++ {
				mean += choose(60, k) * math.Pow(truth, float64(k)) * math.Pow(1-truth, float64(60-k)) * math.Exp(sequential.Below(rate, k, 60))
			}
			if mean > 1+1e-9 {
				t.Errorf("rate %v, truth %v: mean %v", rate, truth, mean)
			}
		}
	}
}

func TestNeededComesTrue(t *testing.T) {
	level := -math.Log(0.01)
	for _, rate := range []float64{0.001, 0.01, 0.05} {
		n := sequential.Needed(rate, level, 0, 0)
		if sequential.Below(rate, 0, n) < level || sequential.Below(rate, 0, n-1) >= level {
			t.Errorf("rate %v: %d clean requests are not just enough", rate, n)
		}
		if left := sequential.Needed(rate, level, 0, n/2); left != n-n/2 {
			t.Errorf("rate %v: %d more after %d clean ones of %d", rate, left, n/2, n)
		}
		if left := sequential.Needed(rate, level, int64(rate*1e6), 1e6); left >= 0 {
			t.Errorf("rate %v: %d are to show what is not so", rate, left)
		}
	}
}

func TestLargeCountsAreQuickAndFinite(t *testing.T) {
	p := sequential.Process{}
	for range 100 {
		p = p.Add(1.25, sequential.Stretch{Blue: 90_000_000, Green: 10_000_000, BlueHits: 900_000, GreenHits: 100_000})
	}
	if w, n := p.Worse(), p.NotWorse(); math.IsNaN(w+n) || w > 0 || n < 100 {
		t.Errorf("evidence %v and %v", w, n)
	}
	p = p.Add(1.25, sequential.Stretch{Blue: 5, Green: 7})
	if p.Total.Blue != 9_000_000_005 || math.Abs(p.OddsRatio()-1) > 1e-3 {
		t.Errorf("total %+v, ratio %v", p.Total, p.OddsRatio())
	}
}

// TestFalseAlarmsStayBelowTheLevel looks every minute for two hours at a green that is as good as blue, while the rate of
// errors that both have goes up and down.
func TestFalseAlarmsStayBelowTheLevel(t *testing.T) {
	const runs, minutes, level = 1000, 120, 0.05
	random := rand.New(rand.NewPCG(1, 2))
	for _, tolerated := range []float64{1, 1.25} {
		alarms := 0
		for range runs {
			p := sequential.Process{}
			for m := range minutes {
				rate := 0.02
				if m%30 < 5 {
					rate = 0.3 // both suffer
				}
				blue, green := draw(random, 90, rate), draw(random, 10, rate)
				p = p.Add(tolerated, sequential.Stretch{Blue: 90, Green: 10, BlueHits: blue, GreenHits: green})
				if p.Worse() >= -math.Log(level) {
					alarms++
					break
				}
			}
		}
		share := float64(alarms) / runs
		if share > level+3*math.Sqrt(level*(1-level)/runs) {
			t.Errorf("tolerated %v: %.2f%% false alarms at level %v", tolerated, share*100, level)
		}
		t.Logf("tolerated %v: %.2f%% false alarms at level %v%%", tolerated, share*100, level*100)
	}
}

// TestPower: what is clearly worse is found, and soon.
func TestPower(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const runs, level = 300, 0.01
	found, minutes := 0, 0
	for range runs {
		p := sequential.Process{}
		for m := range 60 {
			p = p.Add(1.25, sequential.Stretch{Blue: 90, Green: 10, BlueHits: draw(random, 90, 0.01), GreenHits: draw(random, 10, 0.1)})
			if p.Worse() >= -math.Log(level) {
				found++
				minutes += m + 1
				break
			}
		}
	}
	if found < runs*95/100 {
		t.Errorf("10%% against 1%% was found in %d of %d hours", found, runs)
	}
	t.Logf("10%% against 1%% at 10 green requests a minute: found in %d of %d hours, after %.1f min on average", found, runs, float64(minutes)/float64(found))
}

func draw(random *rand.Rand, n int64, chance float64) (hits int64) {
	for range n {
		if random.Float64() < chance {
			hits++
		}
	}
	return hits
}
