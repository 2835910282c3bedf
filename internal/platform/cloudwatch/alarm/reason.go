package alarm

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict is what an evaluation says. With Keep the alarm stays in its state.
type Verdict struct {
	State  State
	Reason string
	Data   string // JSON
	Keep   bool
}

// Evaluate judges the data points in the range of a metric alarm, which rise in time and may have gaps; end is where the
// newest period ends, in seconds since 1970, and now the time of the evaluation. The reason is in AWS's words.
func (m *Metric) Evaluate(points []Datapoint, end int64, now time.Time) Verdict {
	d := m.decide(points, end)
	if d.keep {
		return Verdict{Keep: true}
	}
	return Verdict{State: d.state, Reason: m.reason(d), Data: m.data(d, end, now)}
}

func (m *Metric) reason(d decision) string {
	if d.state == InsufficientData {
		return fmt.Sprintf("Insufficient Data: %s unknown.", were(m.Periods))
	}
	var that []Datapoint // those that speak for the state, the newest first
	for _, p := range slices.Backward(d.known) {
		if m.breaches(p) == (d.state == Alarm) {
			that = append(that, p)
		}
	}
	var b strings.Builder
	b.WriteString("Threshold Crossed: ")
	treated := d.filled > 0 && (m.Missing == Breaching || m.Missing == NotBreaching)
	switch {
	case len(that) == 0 && len(d.known) == 0:
		fmt.Fprintf(&b, "no datapoints were received for %s", periods(m.Periods))
	case len(that) == 0:
		fmt.Fprintf(&b, "%s received for %s", were(len(d.known)), periods(m.Periods))
	default:
		if m.ToAlarm > 0 {
			fmt.Fprintf(&b, "%d out of the last %d datapoints", len(that), m.Periods)
		} else {
			fmt.Fprint(&b, datapoints(len(that)))
		}
		list := make([]string, len(that))
		for i, p := range that {
			list[i] = float(p.Value) + time.Unix(p.At, 0).UTC().Format(" (02/01/06 15:04:05)")
		}
		verb, not := "were", ""
		if len(that) == 1 {
			verb = "was"
		}
		if d.state == OK {
			not = "not "
		}
		fmt.Fprintf(&b, " [%s] %s %s%s the threshold (%s)", strings.Join(list, ", "), verb, not, Comparisons[m.Comparison].words, float(m.Threshold))
	}
	if treated {
		as := "NonBreaching"
		if m.Missing == Breaching {
			as = "Breaching"
		}
		fmt.Fprintf(&b, " and %s treated as [%s]", strings.Replace(were(d.filled), "datapoint", "missing datapoint", 1), as)
	}
	if m.ToAlarm > 0 && len(that) > 0 {
		least, way := m.ToAlarm, "OK -> ALARM"
		if d.state == OK {
			least, way = m.Periods-m.ToAlarm+1, "ALARM -> OK"
		}
		fmt.Fprintf(&b, " (minimum %s for %s transition)", datapoints(least), way)
	}
	return b.String() + "."
}

func datapoints(n int) string {
	if n == 1 {
		return "1 datapoint"
	}
	return strconv.Itoa(n) + " datapoints"
}

func were(n int) string {
	if n == 1 {
		return "1 datapoint was"
	}
	return datapoints(n) + " were"
}

func periods(n int) string {
	if n == 1 {
		return "1 period"
	}
	return strconv.Itoa(n) + " periods"
}

// float writes a number as AWS does: always with a fraction or an exponent.
func float(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-3 || a >= 1e7) {
		s := strings.Replace(strconv.FormatFloat(v, 'E', -1, 64), "E+0", "E", 1)
		s = strings.Replace(strings.Replace(s, "E+", "E", 1), "E-0", "E-", 1)
		if mantissa, exponent, _ := strings.Cut(s, "E"); !strings.Contains(mantissa, ".") {
			s = mantissa + ".0E" + exponent
		}
		return s
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

type jsonFloat float64

func (f jsonFloat) MarshalJSON() ([]byte, error) { return []byte(float(float64(f))), nil }

// TimeFormat is that of times in AWS's alarm documents.
const TimeFormat = "2006-01-02T15:04:05.000-0700"

func stamp(at int64) string { return time.Unix(at, 0).UTC().Format(TimeFormat) }

// reasonData is StateReasonData of a metric alarm.
type reasonData struct {
	Version   string           `json:"version"`
	QueryDate string           `json:"queryDate"`
	StartDate string           `json:"startDate,omitempty"`
	Unit      string           `json:"unit,omitempty"`
	Statistic string           `json:"statistic,omitempty"`
	Period    int64            `json:"period"`
	Recent    []jsonFloat      `json:"recentDatapoints"`
	Threshold jsonFloat        `json:"threshold"`
	Evaluated []evaluatedPoint `json:"evaluatedDatapoints"`
}

type evaluatedPoint struct {
	Timestamp string     `json:"timestamp"`
	Samples   *jsonFloat `json:"sampleCount,omitempty"`
	Value     *jsonFloat `json:"value,omitempty"`
}

func (m *Metric) data(d decision, end int64, now time.Time) string {
	r := reasonData{
		Version: "1.0", QueryDate: now.UTC().Format(TimeFormat), Unit: m.Unit, Statistic: m.Statistic, Period: m.Period,
		Recent: []jsonFloat{}, Threshold: jsonFloat(m.Threshold), Evaluated: []evaluatedPoint{},
	}
	if len(d.known) > 0 {
		r.StartDate = stamp(d.known[0].At)
	}
	have := map[int64]bool{}
	for _, p := range d.known {
		r.Recent = append(r.Recent, jsonFloat(p.Value))
		have[p.At] = true
	}
	for _, p := range slices.Backward(d.known) {
		e := evaluatedPoint{Timestamp: stamp(p.At), Value: new(jsonFloat)}
		*e.Value = jsonFloat(p.Value)
		if p.Samples > 0 {
			s := jsonFloat(p.Samples)
			e.Samples = &s
		}
		r.Evaluated = append(r.Evaluated, e)
	}
	for k, left := int64(1), d.filled; left > 0; k++ {
		if at := end - k*m.Period; !have[at] {
			r.Evaluated = append(r.Evaluated, evaluatedPoint{Timestamp: stamp(at)})
			left--
		}
	}
	b, _ := json.Marshal(r) // numbers that are finite, and text
	return string(b)
}
