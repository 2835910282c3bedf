// Package alarm decides the states of CloudWatch alarms. It is pure: data points, states and times come in, the next
// state and its reason go out.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
package alarm

import "math"

// State is an alarm's.
type State string

// The states of an alarm.
const (
	OK               State = "OK"
	Alarm            State = "ALARM"
	InsufficientData State = "INSUFFICIENT_DATA"
)

// How a metric alarm treats periods without data.
const (
	Missing      = "missing"
	Ignore       = "ignore"
	Breaching    = "breaching"
	NotBreaching = "notBreaching"
)

// Metric is what an alarm asks of a metric.
type Metric struct {
	Comparison string // one of Comparisons
	Threshold  float64
	Periods    int    // EvaluationPeriods, N
	ToAlarm    int    // DatapointsToAlarm, M; 0 means all N, and is told in other words
	Missing    string // how missing data is treated; "" is Missing
	Period     int64  // seconds
	Statistic  string // "" for an expression
	Unit       string
	// Percentile is the statistic's, from 0 to 100, when the alarm keeps its state while there are too few samples for it;
	// 0 otherwise.
	Percentile float64
}

// Datapoint is the value of one period, which begins At, in seconds since 1970.
type Datapoint struct {
	At      int64
	Value   float64
	Samples float64
}

// Comparisons tell by operator whether a value breaches a threshold.
var Comparisons = map[string]struct {
	Breaches func(v, threshold float64) bool
	words    string
}{
	"GreaterThanThreshold":          {func(v, t float64) bool { return v > t }, "greater than"},
	"GreaterThanOrEqualToThreshold": {func(v, t float64) bool { return v >= t }, "greater than or equal to"},
	"LessThanThreshold":             {func(v, t float64) bool { return v < t }, "less than"},
	"LessThanOrEqualToThreshold":    {func(v, t float64) bool { return v <= t }, "less than or equal to"},
}

// Range is how many periods are looked at: two more than are evaluated, so that late or missing data does not decide at
// once. AWS's examples look at 5 for 3; for other lengths it publishes no number.
func (m *Metric) Range() int { return m.Periods + 2 }

// decision is what the data says, and by what.
type decision struct {
	state  State
	known  []Datapoint // evaluated, the newest last
	filled int         // missing ones that were made up
	keep   bool        // the alarm stays as it is
}

// decide judges the data points in the range, which rise in time and may have gaps. end is where the newest period ends.
//
// As AWS documents: the newest N that are there count; where there are fewer, as few as possible are filled in as the
// alarm treats missing data. One that treats it as missing does not go to ALARM on the newest data alone: only when the
// oldest breaching one is at least M periods old and nothing since was within the threshold.
func (m *Metric) decide(points []Datapoint, end int64) decision {
	d := decision{known: points}
	if extra := len(points) - m.Periods; extra > 0 {
		d.known = points[extra:]
	}
	toAlarm := m.ToAlarm
	if toAlarm == 0 {
		toAlarm = m.Periods
	}
	breaching, samples, oldest := 0, 0.0, int64(-1)
	for _, p := range d.known {
		samples += p.Samples
		if m.breaches(p) {
			breaching++
			if oldest < 0 {
				oldest = (end - p.At + m.Period - 1) / m.Period // 1 for the newest period
			}
		}
	}
	within := len(d.known) - breaching
	d.filled = m.Periods - len(d.known)
	if m.tooFew(samples) && len(d.known) > 0 {
		d.keep = true
		return d
	}
	if d.filled == 0 || m.Missing == Breaching || m.Missing == NotBreaching {
		if m.Missing == Breaching {
			breaching += d.filled
		}
		d.state = OK
		if breaching >= toAlarm {
			d.state = Alarm
		}
		return d
	}
	switch {
	case breaching >= toAlarm:
		d.state = Alarm
	case within > 0:
		d.state = OK
	case m.Missing == Ignore:
		d.keep = true
	case breaching > 0 && oldest >= int64(toAlarm):
		d.state = Alarm
	default:
		d.state = InsufficientData
	}
	return d
}

func (m *Metric) breaches(p Datapoint) bool {
	return Comparisons[m.Comparison].Breaches(p.Value, m.Threshold)
}

// tooFew holds for fewer than 10/(1-p) samples of a percentile above the median, and 10/p of one below.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
func (m *Metric) tooFew(samples float64) bool {
	if m.Percentile <= 0 || m.Percentile >= 100 {
		return false
	}
	p := m.Percentile / 100
	return samples < 10/math.Min(p, 1-p)-1e-6
}
