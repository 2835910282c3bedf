// Package sequential compares how often something happens to two streams of requests, such as failing, by a test that may
// be looked at as often as one likes.
//
// # The test
//
// Both streams are seen over the same stretches of time. Within a stretch with n requests of blue and m of green, of which
// together h were hit, the hits of green follow Fisher's noncentral hypergeometric distribution, whose one parameter is the
// odds ratio of green to blue. How often hits happen at all drops out. So a dependency that fails for both in some
// minutes and not in others, or a weight that rises, is no evidence against green.
//
// For two odds ratios the quotient of the likelihoods of a stretch is an e-variable: it is not negative, and where the
// lower one is true its mean is 1. The family has a monotone likelihood ratio, so the mean is at most 1 for every ratio
// below that. The product over stretches is a nonnegative supermartingale, and so is a mixture over alternatives. By
// Ville's inequality the chance that it ever reaches 1/level is at most level: however often one looks, and whenever one
// stops. Nothing is asymptotic; small counts are exact.
//
// Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping" (2022);
// Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference" (2023); the distribution:
// Fog, "Calculation methods for Wallenius' and Fisher's noncentral hypergeometric distributions" (2008).
//
// What it supposes: within a stretch every request has the same chance to be hit, and chance alone sends it to blue or
// green, as an alias with weights does. Hits that come in bursts, such as a client that repeats what failed, count for more
// than they should; a tolerated ratio above 1 and a lower level are the answer.
package sequential

import (
	"fmt"
	"math"
)

// Stretch is what happened in a stretch of time that is over.
type Stretch struct {
	Blue, Green         int64 // requests
	BlueHits, GreenHits int64 // of these
}

// Validate reports counts that cannot be.
func (s Stretch) Validate() error {
	if s.BlueHits < 0 || s.GreenHits < 0 || s.BlueHits > s.Blue || s.GreenHits > s.Green {
		return fmt.Errorf("%d of %d and %d of %d make no sense", s.BlueHits, s.Blue, s.GreenHits, s.Green)
	}
	return nil
}

// The alternatives lie on both sides of the tolerated odds ratio, half an octave apart: up to 32 times it, and down to a
// 32nd. Each side is a mixture with equal parts.
const (
	alternatives = 10
	octaves      = 0.5
)

// Process is the evidence so far. The zero value is the beginning. It is a value: Add leaves it as it is.
type Process struct {
	// LogLikelihoods of the odds ratios tolerated × 2^(j/2) for j from -10 to 10, up to a common constant. nil at the beginning.
	LogLikelihoods []float64 `json:"logLikelihoods,omitempty"`
	Total          Stretch   `json:"total"`
}

// Add takes one more stretch. Every call must name the same tolerated odds ratio, above 0. A stretch must be final: one that
// is still under way would be counted in part twice. It panics on counts that [Stretch.Validate] refuses.
func (p Process) Add(tolerated float64, s Stretch) Process {
	if err := s.Validate(); err != nil {
		panic("sequential: " + err.Error())
	}
	next := Process{LogLikelihoods: make([]float64, 2*alternatives+1), Total: Stretch{
		p.Total.Blue + s.Blue, p.Total.Green + s.Green, p.Total.BlueHits + s.BlueHits, p.Total.GreenHits + s.GreenHits,
	}}
	copy(next.LogLikelihoods, p.LogLikelihoods)
	hits := s.BlueHits + s.GreenHits
	if s.Blue == 0 || s.Green == 0 || hits == 0 || hits == s.Blue+s.Green {
		return next // whatever the odds ratio, it could not have been otherwise
	}
	for i := range next.LogLikelihoods {
		logRatio := math.Log(tolerated) + float64(i-alternatives)*octaves*math.Ln2
		next.LogLikelihoods[i] += logLikelihood(s, logRatio)
	}
	return next
}

// Worse is the logarithm of the evidence against "the odds ratio is at most the tolerated one". Green is worse, at a level,
// when it reaches -log(level).
func (p Process) Worse() float64 { return p.mixture(+1) }

// NotWorse is the logarithm of the evidence against "the odds ratio is at least the tolerated one".
func (p Process) NotWorse() float64 { return p.mixture(-1) }

func (p Process) mixture(side int) float64 {
	if p.LogLikelihoods == nil {
		return 0
	}
	logs := make([]float64, alternatives)
	for j := range logs {
		logs[j] = p.LogLikelihoods[alternatives+side*(j+1)] - p.LogLikelihoods[alternatives]
	}
	return logMean(logs)
}

// OddsRatio is the estimate of green's odds of a hit over blue's, with half a hit added to every cell; 1 without data.
func (p Process) OddsRatio() float64 {
	t := p.Total
	odds := func(hits, all int64) float64 { return (float64(hits) + 0.5) / (float64(all-hits) + 0.5) }
	return odds(t.GreenHits, t.Green) / odds(t.BlueHits, t.Blue)
}

// logLikelihood of the hits of green, given all hits, under an odds ratio; up to a constant that does not depend on it.
func logLikelihood(s Stretch, logRatio float64) float64 {
	m1, m2, n := float64(s.Green), float64(s.Blue), float64(s.GreenHits+s.BlueHits)
	lowest, highest := math.Max(0, n-m2), math.Min(n, m1)
	ratio := math.Exp(logRatio)
	mode := math.Min(math.Max(modeOf(m1, m2, n, ratio), lowest), highest)

	// The sum of all terms in units of the greatest, outwards from it until nothing is added any more.
	sum, term := 1.0, 1.0
	for k := mode; k < highest && term > sum*1e-17; k++ {
		term *= (m1 - k) * (n - k) * ratio / ((k + 1) * (m2 - n + k + 1))
		sum += term
	}
	term = 1
	for k := mode; k > lowest && term > sum*1e-17; k-- {
		term *= k * (m2 - n + k) / ((m1 - k + 1) * (n - k + 1) * ratio)
		sum += term
	}
	logNorm := logChoose(m1, mode) + logChoose(m2, n-mode) + mode*logRatio + math.Log(sum)
	return float64(s.GreenHits)*logRatio - logNorm
}

// modeOf is where the distribution is greatest: where the quotient of neighbouring terms is 1.
func modeOf(m1, m2, n, ratio float64) float64 {
	a, b, c := ratio-1, n-m2-(m1+n+2)*ratio, (m1+1)*(n+1)*ratio
	root := math.Sqrt(math.Max(0, b*b-4*a*c))
	if b > 0 { // the other form of the same root: no difference of nearly equal numbers
		return math.Floor(-(b + root) / (2 * a))
	}
	return math.Floor(-2 * c / (b - root))
}

func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// logMean is the logarithm of the mean of exp(logs).
func logMean(logs []float64) float64 {
	greatest := math.Inf(-1)
	for _, l := range logs {
		greatest = math.Max(greatest, l)
	}
	if math.IsInf(greatest, -1) {
		return greatest
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - greatest)
	}
	return greatest + math.Log(sum/float64(len(logs)))
}
