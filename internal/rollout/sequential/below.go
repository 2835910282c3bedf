package sequential

import "math"

// Below is the logarithm of the evidence against "the chance of a hit is at least rate", from hits among all requests. It
// is an e-process like [Process]'s, of binomial likelihoods mixed over chances below rate, 0 among them. rate lies between 0
// and 1, both excluded; otherwise there is no evidence.
func Below(rate float64, hits, all int64) float64 {
	if !(rate > 0 && rate < 1) || all <= 0 {
		return 0
	}
	logs := make([]float64, 0, alternatives+1)
	for _, lower := range lowerThan(rate) {
		logs = append(logs, float64(hits)*logQuotient(lower, rate)+float64(all-hits)*(math.Log1p(-lower)-math.Log1p(-rate)))
	}
	return logMean(logs)
}

// Needed estimates how many more requests it takes until Below reaches the logarithm of evidence that is asked for, when hits
// go on as they do; 0 when it is reached, and -1 when no number is in sight because hits are about as frequent as rate.
func Needed(rate, logEvidence float64, hits, all int64) int64 {
	if Below(rate, hits, all) >= logEvidence {
		return 0
	}
	chance := 0.0
	if hits > 0 {
		chance = float64(hits) / float64(all)
	}
	enough := func(more int64) bool {
		return Below(rate, hits+int64(math.Ceil(chance*float64(more))), all+more) >= logEvidence
	}
	low, high := int64(0), int64(1)
	for ; !enough(high); high *= 2 {
		if high > inSight {
			return -1
		}
		low = high
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// inSight is the largest number of requests that is worth telling.
const inSight = 1 << 40

func lowerThan(rate float64) []float64 {
	lower := []float64{0}
	for j := 1; j <= alternatives; j++ {
		lower = append(lower, rate*math.Exp2(-float64(j)*octaves))
	}
	return lower
}

// logQuotient is log(a/b), and very small for a = 0, so that no hit times it is 0.
func logQuotient(a, b float64) float64 {
	if a == 0 {
		return -1e18
	}
	return math.Log(a / b)
}
