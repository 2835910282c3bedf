package cloudwatch

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// trimmed is a statistic of the values between two bounds: of what is above the lower one, and not above the upper one.
// A bucket of the distribution stands for its mean, so it is in or out as a whole where bounds are values.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
type trimmed struct {
	figure string // TM mean, WM winsorized mean, TC count, TS sum, PR percentile rank
	// percent says that the bounds are percentages of the data points, by rank; otherwise they are values.
	percent bool
	lo, hi  float64 // without a bound: 0 and 100, or infinite
}

var (
	// upToForm is tm90, which is TM(:90%).
	upToForm = regexp.MustCompile(`^(tm|wm|tc|ts)(\d{1,2}(?:\.\d{1,10})?|100)$`)
	// rangeForm is TM(10%:90%) or TM(150:1000); one bound may be left out.
	rangeForm = regexp.MustCompile(`^(TM|WM|TC|TS|PR)\((-?\d{1,15}(?:\.\d{1,10})?)?(%)?:(-?\d{1,15}(?:\.\d{1,10})?)?(%)?\)$`)
)

// trimmedOf reads the name of a trimmed statistic. Bounds are of one sort, in order, and percentages between 0 and 100; a
// percentile rank is taken of values only.
func trimmedOf(name string) (trimmed, bool) {
	if name == "IQM" {
		return trimmed{figure: "TM", percent: true, lo: 25, hi: 75}, true
	}
	if m := upToForm.FindStringSubmatch(name); m != nil {
		hi, err := strconv.ParseFloat(m[2], 64)
		return trimmed{figure: strings.ToUpper(m[1]), percent: true, hi: hi}, err == nil
	}
	m := rangeForm.FindStringSubmatch(name)
	if m == nil {
		return trimmed{}, false
	}
	low, high := m[2] != "", m[4] != ""
	if !low && !high || !low && m[3] != "" || !high && m[5] != "" || low && high && m[3] != m[5] {
		return trimmed{}, false
	}
	t := trimmed{figure: m[1], percent: m[3] != "" || m[5] != "", lo: math.Inf(-1), hi: math.Inf(1)}
	if t.percent {
		t.lo, t.hi = 0, 100
	}
	var badLow, badHigh error
	if low {
		t.lo, badLow = strconv.ParseFloat(m[2], 64)
	}
	if high {
		t.hi, badHigh = strconv.ParseFloat(m[4], 64)
	}
	switch {
	case badLow != nil || badHigh != nil || t.lo >= t.hi:
		return trimmed{}, false
	case t.percent && (t.lo < 0 || t.hi > 100 || t.figure == "PR"):
		return trimmed{}, false
	}
	return t, true
}

// of gives the figure; false when single values are not known, or when a mean has no values.
func (t trimmed) of(in *summary) (float64, bool) {
	if in.opaque {
		return 0, false
	}
	if t.figure == "WM" {
		return t.winsorized(in)
	}
	var n, sum float64
	t.each(in, func(value, inside, _, _ float64) {
		n += inside
		sum += value * inside
	})
	switch t.figure {
	case "TC":
		return n, true
	case "TS":
		return sum, true
	case "PR":
		return 100 * n / in.n, true
	}
	return sum / n, n > 0
}

// winsorized is the mean after what lies outside has been moved to the bounds: where those are percentages, to the values of
// the outermost data points inside.
func (t trimmed) winsorized(in *summary) (float64, bool) {
	first, last := t.lo, t.hi
	if t.percent {
		first, last = math.NaN(), math.NaN()
		t.each(in, func(value, inside, _, _ float64) {
			if inside > 0 {
				if math.IsNaN(first) {
					first = value
				}
				last = value
			}
		})
		if math.IsNaN(first) {
			return 0, false
		}
	}
	var sum float64
	t.each(in, func(value, inside, below, above float64) {
		sum += value * inside
		if below > 0 { // an infinite bound has nothing beyond it
			sum += first * below
		}
		if above > 0 {
			sum += last * above
		}
	})
	return sum / in.n, true
}

// each goes through the values, lowest first, with how many of them are inside, below and above the bounds. Of percentages
// only whole data points are taken away.
func (t trimmed) each(in *summary, do func(value, inside, below, above float64)) {
	entries := []entry{{n: in.n, sum: in.min * in.n}}
	if in.dist != nil {
		entries = in.dist.entries
	}
	from, to := wholeDown(t.lo/100*in.n), in.n-wholeDown((100-t.hi)/100*in.n)
	seen := 0.0
	for _, e := range entries {
		value := min(max(e.sum/e.n, in.min), in.max)
		var below, above float64
		switch {
		case t.percent:
			below = min(max(from-seen, 0), e.n)
			above = min(max(seen+e.n-to, 0), e.n-below)
		case value <= t.lo:
			below = e.n
		case value > t.hi:
			above = e.n
		}
		do(value, e.n-below-above, below, above)
		seen += e.n
	}
}

// wholeDown rounds down, with slack for what binary fractions lose (29 % of 100).
func wholeDown(n float64) float64 { return math.Floor(n * (1 + 1e-12)) }
