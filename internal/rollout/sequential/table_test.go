package sequential_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aclements/go-moremath/stats"

	"github.com/tealdeploy/teal/internal/rollout/sequential"
)

var table = flag.Bool("table", false, "simulate every row of the table in docs/judgement.md and print it (with -v)")

// The rollout that is simulated: 10 % of the traffic to green for an hour, looked at every minute.
const (
	hour, greenShare = 60, 0.1
	tolerated, level = 1.25, 0.01
)

// minute is what one minute showed.
type minute = sequential.Stretch

// rule gives the minute after which it takes a rollout back; 0 when it does not.
type rule struct {
	name string
	when func([]minute) int
}

var rules = []rule{
	{"Teal", byEvidence},
	{"alarm 1 of 1 ≥ 1", alarm(1, 1, 1)},
	{"alarm 2 of 3 ≥ 5", alarm(5, 2, 3)},
	{"Mann-Whitney", mannWhitney},
}

func byEvidence(seen []minute) int {
	p := sequential.Process{}
	for i, m := range seen {
		if p = p.Add(tolerated, m); p.Worse() >= -math.Log(level) {
			return i + 1
		}
	}
	return 0
}

// alarm is CloudWatch's, as CodeDeploy watches it: so many errors of green in m of n minutes.
func alarm(threshold int64, m, n int) func([]minute) int {
	return func(seen []minute) int {
		for i := range seen {
			breaching := 0
			for _, s := range seen[max(0, i+1-n) : i+1] {
				if s.GreenHits >= threshold {
					breaching++
				}
			}
			if breaching >= m {
				return i + 1
			}
		}
		return 0
	}
}

// mannWhitney is Kayenta's judge on error rates by the minute, looked at every ten minutes: High when the lower end of
// the 98 % interval of the shift exceeds a quarter of the Hodges-Lehmann estimate. By duality that is a one-sided test, at 1 %,
// of the rates with the quarter taken off.
func mannWhitney(seen []minute) int {
	var blue, green []float64
	for i, m := range seen {
		if m.Blue > 0 {
			blue = append(blue, float64(m.BlueHits)/float64(m.Blue))
		}
		if m.Green > 0 {
			green = append(green, float64(m.GreenHits)/float64(m.Green))
		}
		if (i+1)%10 != 0 || len(green) == 0 || len(blue) == 0 {
			continue
		}
		var shifts []float64
		for _, g := range green {
			for _, b := range blue {
				shifts = append(shifts, g-b)
			}
		}
		slices.Sort(shifts)
		bound := 0.25 * math.Abs(shifts[len(shifts)/2])
		less := make([]float64, len(green))
		for j, g := range green {
			less[j] = g - bound
		}
		r, err := stats.MannWhitneyUTest(less, blue, stats.LocationGreater)
		if err == nil && r.P < 0.01 {
			return i + 1
		}
	}
	return 0
}

// play draws an hour.
func play(random *rand.Rand, perMinute int, rate, shift float64) []minute {
	seen := make([]minute, hour)
	for i := range seen {
		m := &seen[i]
		for range poisson(random, float64(perMinute)) {
			if random.Float64() < greenShare {
				m.Green++
				if random.Float64() < math.Min(1, rate*shift) {
					m.GreenHits++
				}
			} else {
				m.Blue++
				if random.Float64() < rate {
					m.BlueHits++
				}
			}
		}
	}
	return seen
}

func poisson(random *rand.Rand, mean float64) (n int) {
	for sum := random.ExpFloat64(); sum < mean; sum += random.ExpFloat64() {
		n++
	}
	return n
}

// cell plays many hours and gives, for every rule, the share taken back and the median minute of those.
func cell(perMinute int, rate, shift float64, runs int) (shares, medians []float64) {
	random := rand.New(rand.NewPCG(uint64(perMinute), math.Float64bits(rate*1000+shift)))
	times := make([][]float64, len(rules))
	for range runs {
		seen := play(random, perMinute, rate, shift)
		for i, r := range rules {
			if at := r.when(seen); at > 0 {
				times[i] = append(times[i], float64(at))
			}
		}
	}
	for _, all := range times {
		slices.Sort(all)
		shares = append(shares, float64(len(all))/float64(runs))
		if len(all) == 0 {
			medians = append(medians, 0)
		} else {
			medians = append(medians, all[len(all)/2])
		}
	}
	return shares, medians
}

// TestSimulationTable holds the test to its level, and to finding what is clear, on the table's data. With -table it prints the
// whole of it.
func TestSimulationTable(t *testing.T) {
	rates, shifts, traffic, runs := []float64{0.01}, []float64{1, 10}, []int{100}, 100
	if *table {
		rates, shifts, traffic = []float64{0.001, 0.01, 0.1}, []float64{1, 1.5, 2, 3, 5, 10}, []int{1, 10, 100, 1000}
	}
	var out strings.Builder
	head := "| errors of blue | green's are | requests/min |"
	for _, r := range rules {
		head += " " + r.name + " |"
	}
	fmt.Fprintf(&out, "%s\n|%s\n", head, strings.Repeat("---|", 3+len(rules)))
	told := 0
	for _, rate := range rates {
		for _, shift := range shifts {
			for _, perMinute := range traffic {
				if rate*shift > 1 {
					continue
				}
				shares, medians := cell(perMinute, rate, shift, runs)
				fmt.Fprintf(&out, "| %g %% | %g × | %d |", rate*100, shift, perMinute)
				for i := range rules {
					text := fmt.Sprintf(" %.0f %%", shares[i]*100)
					if shares[i] > 0 {
						text += fmt.Sprintf(", %.0f min", medians[i])
					}
					out.WriteString(text + " |")
				}
				out.WriteString("\n")
				if *table {
					fmt.Print(out.String()[told:])
					told = out.Len()
				}
				if shift == 1 && shares[0] > level+3*math.Sqrt(level/float64(runs)) {
					t.Errorf("%.1f%% false rollbacks at %g%% and %d requests a minute", shares[0]*100, rate*100, perMinute)
				}
				if rate == 0.01 && shift == 10 && perMinute == 100 && shares[0] < 0.95 {
					t.Errorf("10%% errors instead of 1%% were found in %.0f%% of the hours only", shares[0]*100)
				}
			}
		}
	}
}
