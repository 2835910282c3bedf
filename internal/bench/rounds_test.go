// Package bench compares what spans packages: an invocation through the whole endpoint, routing under constant updates,
// durable workflows, and the start of the platform. It holds benchmarks only.
//
// A time alone says more of the machine than of the code, so every benchmark here measures contenders in rounds: in each
// round all of them, in random order, one after the other. What is reported are medians over the rounds, and as ratios the
// medians of the ratios within a round, which a machine that is slow for a while leaves as they are.
//
//	go test -run '^$' -bench . -benchtime 10x ./internal/bench
package bench

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// roundLength is how long one contender works in one round.
const roundLength = time.Second

// sample is what one contender did in one round.
type sample struct {
	rate float64 // operations per second
	p50  float64 // median time of one operation, in µs
	p99  float64 // the time that 99 of 100 operations take at most, in µs
	cpu  float64 // processor time of this process per operation, in µs
}

// contender is one of the things that are compared.
type contender struct {
	name string
	run  func(b *testing.B) sample
}

// compare makes b.N rounds and reports the first contender against each of the others. Before, each runs once: what is made
// at the first request is made then.
func compare(b *testing.B, first contender, others ...contender) {
	b.Helper()
	compareWarm(b, 1, first, others...)
}

// compareWarm is compare after a number of rounds that do not count.
func compareWarm(b *testing.B, warming int, first contender, others ...contender) {
	b.Helper()
	all := append([]contender{first}, others...)
	for range warming {
		for _, i := range rand.Perm(len(all)) {
			all[i].run(b)
		}
	}
	seen := make([][]sample, len(all))
	for b.Loop() {
		for _, i := range rand.Perm(len(all)) {
			seen[i] = append(seen[i], all[i].run(b))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, m := range []struct {
		name string
		get  func(sample) float64
	}{
		{"/s", func(s sample) float64 { return s.rate }},
		{"-p50-µs", func(s sample) float64 { return s.p50 }},
		{"-p99-µs", func(s sample) float64 { return s.p99 }},
		{"-cpu-µs", func(s sample) float64 { return s.cpu }},
	} {
		values := make([][]float64, len(all))
		for i, c := range all {
			for _, round := range seen[i] {
				values[i] = append(values[i], m.get(round))
			}
			if median(values[i]) > 0 { // else it was not measured by this contender
				b.ReportMetric(median(values[i]), c.name+m.name)
			}
		}
		for i, c := range others {
			var ratios []float64
			for r, v := range values[0] {
				if other := values[i+1][r]; v > 0 && other > 0 {
					ratios = append(ratios, v/other)
				}
			}
			name := "ratio"
			if len(others) > 1 {
				name += "-to-" + c.name
			}
			if len(ratios) > 0 {
				b.ReportMetric(median(ratios), name+m.name)
			}
		}
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// load runs workers at once for one round. worker is called once for each of them and gives the operation to repeat.
func load(b *testing.B, workers int, worker func() (operation func() error)) sample {
	b.Helper()
	operations := make([]func() error, workers)
	for i := range operations {
		operations[i] = worker()
	}
	took := make([][]float64, workers)
	var wg sync.WaitGroup
	began, cpu := time.Now(), processorTime()
	for i, operation := range operations {
		wg.Go(func() {
			for last := began; last.Sub(began) < roundLength; {
				if err := operation(); err != nil {
					b.Error(err)
					return
				}
				now := time.Now()
				took[i] = append(took[i], float64(now.Sub(last))/1e3)
				last = now
			}
		})
	}
	wg.Wait()
	elapsed, spent := time.Since(began), processorTime()-cpu
	all := slices.Concat(took...)
	if len(all) == 0 {
		b.Fatal("nothing succeeded in a whole round")
	}
	n := float64(len(all))
	slices.Sort(all)
	return sample{rate: n / elapsed.Seconds(), p50: median(all), p99: all[len(all)*99/100], cpu: float64(spent) / 1e3 / n}
}
