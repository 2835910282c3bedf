package rollout

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout/sequential"
)

// Metric is what is compared between blue and green.
type Metric string

// The metrics that can be compared.
const (
	MetricErrors  Metric = "errors"  // requests that fail
	MetricLatency Metric = "latency" // requests that take longer than most of blue's did at first
)

// Compare judges green by blue over the same minutes, with a test that stays valid however often it is looked at: see
// package sequential.
type Compare struct {
	Metric Metric `json:"metric"`
	// WorseBy is the part by which the odds of a hit may be higher for green: 0.25 tolerates 1.25 times blue's. For rare
	// hits odds are rates. Default 0.25.
	WorseBy float64 `json:"worseBy"`
	// Level is the chance, at most, that any comparison of this metric in the whole rollout calls a green Unhealthy that is
	// within what is tolerated. Default 0.01.
	Level float64 `json:"level"`
	// Quantile of blue's durations that counts as slow; of MetricLatency. Default 0.95.
	Quantile float64 `json:"quantile,omitempty"`
	// UntilShown asks for more than that nothing speaks against green: it is Inconclusive until the same Level of evidence
	// shows it to be within what is tolerated; for errors also until it shows a rate below MaxErrorRate.
	UntilShown bool `json:"untilShown,omitempty"`
	DryRun     bool `json:"dryRun,omitempty"` // told, never decides
}

func (c Compare) withDefaults() Compare {
	fill(&c.WorseBy, 0.25)
	fill(&c.Level, 0.01)
	if c.Metric == MetricLatency {
		fill(&c.Quantile, 0.95)
	}
	return c
}

func (c Compare) validate() error {
	switch {
	case c.Metric != MetricErrors && c.Metric != MetricLatency:
		return fmt.Errorf("there is no metric %q; write %s or %s", c.Metric, MetricErrors, MetricLatency)
	case !(c.WorseBy >= 0 && c.WorseBy <= 100):
		return fmt.Errorf("worseBy %v is not between 0 and 100", c.WorseBy)
	case !(c.Level > 0 && c.Level < 1):
		return fmt.Errorf("level %v is not between 0 and 1", c.Level)
	case c.Metric == MetricLatency && !(c.Quantile > 0 && c.Quantile < 1):
		return errors.New("the quantile is not between 0 and 1")
	}
	return nil
}

// tolerated is the odds ratio that green may have.
func (c Compare) tolerated() float64 { return 1 + c.WorseBy }

// Stretch is what blue and green did in a stretch of time that is over and of which the figures are final.
type Stretch struct {
	From      time.Time `json:"from"`
	Blue      Counts    `json:"blue"`
	Green     Counts    `json:"green"`
	BlueSlow  int64     `json:"blueSlow,omitempty"` // of Requests, those that took longer than the check's SlowOver
	GreenSlow int64     `json:"greenSlow,omitempty"`
}

// Compared is the evidence about one alias since the first shift. It is a value.
type Compared struct {
	Through  time.Time          `json:"through,omitzero"`   // stretches that begin before it are in
	SlowOver time.Duration      `json:"slowOver,omitempty"` // what counts as slow; 0 until it is known
	Errors   sequential.Process `json:"errors"`
	Latency  sequential.Process `json:"latency"`
}

// absorb adds what was seen since. Stretches that are in already are left out, so an observation that comes twice does no
// harm. What counts as slow is decided once, before the first stretch that it is counted in.
func (c Compared) absorb(settings CheckSettings, subject Subject, o Observed) (Compared, error) {
	through := c.Through
	for _, s := range o.Stretches {
		if s.From.Before(c.Through) {
			continue
		}
		failed := sequential.Stretch{Blue: s.Blue.Requests, Green: s.Green.Requests, BlueHits: s.Blue.Errors, GreenHits: s.Green.Errors}
		slow := sequential.Stretch{Blue: s.Blue.Requests, Green: s.Green.Requests, BlueHits: s.BlueSlow, GreenHits: s.GreenSlow}
		if err := errors.Join(failed.Validate(), slow.Validate()); err != nil {
			return c, fmt.Errorf("%s from %s: %w", subject.Ref, s.From.Format(time.TimeOnly), err)
		}
		for _, of := range settings.Compare {
			switch {
			case of.Metric == MetricErrors:
				c.Errors = c.Errors.Add(of.tolerated(), failed)
			case of.Metric == MetricLatency && subject.SlowOver > 0:
				c.Latency = c.Latency.Add(of.tolerated(), slow)
			}
		}
		if !s.From.Before(through) {
			through = s.From.Add(time.Nanosecond)
		}
	}
	if o.Through.After(through) {
		through = o.Through
	}
	c.Through = through
	if c.SlowOver == 0 {
		c.SlowOver = o.SlowOver
	}
	return c, nil
}

// Comparison is the judgement of one metric of one alias.
type Comparison struct {
	Metric    Metric             `json:"metric"`
	Judgement Judgement          `json:"judgement"`
	Reason    string             `json:"reason"`
	DryRun    bool               `json:"dryRun,omitempty"`
	Seen      sequential.Stretch `json:"seen"`      // in all stretches together
	OddsRatio float64            `json:"oddsRatio"` // estimated, green's to blue's
	// Chance bounds how likely so much speaks against a green that is within what is tolerated, at any time; 1 without evidence.
	Chance   float64       `json:"chance"`
	SlowOver time.Duration `json:"slowOver,omitempty"`
	Needed   int64         `json:"needed,omitempty"` // requests to green; 0 also when no number can be told
}

// judge answers whether green is worse, by the evidence so far. The level is shared by all aliases that are compared.
func (c Compare) judge(settings CheckSettings, evidence Compared, aliases int) Comparison {
	p, what := evidence.Errors, "failed"
	v := Comparison{Metric: c.Metric, DryRun: c.DryRun}
	if c.Metric == MetricLatency {
		p, what = evidence.Latency, fmt.Sprintf("took longer than %s", evidence.SlowOver)
		v.SlowOver = evidence.SlowOver
	}
	enough := math.Log(float64(max(aliases, 1)) / c.Level)
	t := p.Total
	v.Seen, v.OddsRatio, v.Chance = t, p.OddsRatio(), math.Min(1, math.Exp(-p.Worse()))
	seen := fmt.Sprintf("%s of green %s, %s of blue", share(t.GreenHits, t.Green), what, share(t.BlueHits, t.Blue))
	switch {
	case p.Worse() >= enough:
		v.Judgement = Unhealthy
		v.Reason = fmt.Sprintf("%s: worse by more than %g%%, by chance at most 1 in %.0f", seen, c.WorseBy*100, 1/v.Chance)
	case t.Blue == 0 || t.Green == 0:
		v.Judgement, v.Reason = Inconclusive, fmt.Sprintf("nothing to compare yet (%s)", seen)
	case !c.UntilShown:
		v.Judgement, v.Reason = Healthy, seen
	case p.NotWorse() >= enough:
		v.Judgement, v.Reason = Healthy, fmt.Sprintf("%s: shown not to be worse by more than %g%%", seen, c.WorseBy*100)
	case c.Metric == MetricErrors && sequential.Below(settings.MaxErrorRate, t.GreenHits, t.Green) >= enough:
		v.Judgement, v.Reason = Healthy, fmt.Sprintf("%s: shown to be below %g%%", seen, settings.MaxErrorRate*100)
	default:
		v.Judgement = Inconclusive
		v.Needed = c.needed(settings, p, enough)
		v.Reason = seen + ": not shown to be good enough yet"
		if v.Needed > 0 {
			v.Reason += fmt.Sprintf(", some %d more requests needed", v.Needed)
		}
	}
	return v
}

// needed estimates how many more requests to green it takes to show that it is good enough, if all goes on as it did.
func (c Compare) needed(settings CheckSettings, p sequential.Process, enough float64) int64 {
	best := int64(0)
	if growth := p.NotWorse() / float64(p.Total.Green); growth > 1e-9 {
		best = int64(math.Ceil((enough - p.NotWorse()) / growth))
	}
	if c.Metric == MetricErrors && settings.MaxErrorRate > 0 && settings.MaxErrorRate < 1 {
		if n := sequential.Needed(settings.MaxErrorRate, enough, p.Total.GreenHits, p.Total.Green); n > 0 && (best == 0 || n < best) {
			best = n
		}
	}
	return best
}

func share(hits, all int64) string {
	if all == 0 {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d (%.2f%%)", hits, all, float64(hits)/float64(all)*100)
}

// comparable is how many aliases of a check have a blue to be compared with.
func (c Check) comparable() int {
	n := 0
	for _, s := range c.Subjects {
		if s.Blue != "" {
			n++
		}
	}
	return n
}

// seen adds an observation to what is known of every alias of the check, and returns what is known then.
func (r *run) seen(check Check, o Observation) (map[release.Ref]Known, error) {
	known := map[release.Ref]Known{}
	observed := map[release.Ref]Observed{}
	for _, s := range o.Subjects {
		observed[s.Ref] = s
	}
	for _, subject := range check.Subjects {
		a := r.alias(subject.Ref)
		if a == nil {
			continue
		}
		s := observed[subject.Ref]
		a.Synthetic.Requests += s.Synthetic.Requests
		a.Synthetic.Errors += s.Synthetic.Errors
		if subject.Blue != "" && len(r.s.Plan.Settings.Check.Compare) > 0 {
			next, err := a.Compared.absorb(r.s.Plan.Settings.Check, subject, s)
			if err != nil {
				return nil, err
			}
			a.Compared = next
		}
		known[subject.Ref] = Known{Compared: a.Compared, Synthetic: a.Synthetic}
	}
	return known, nil
}
