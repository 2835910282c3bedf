package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// Judgement is the outcome of a health question. Only Healthy advances a rollout.
type Judgement string

// The judgements, from the one that advances to the ones that do not.
const (
	Healthy      Judgement = "Healthy"
	Unhealthy    Judgement = "Unhealthy"    // green is worse than allowed
	Inconclusive Judgement = "Inconclusive" // not enough seen to say
	Error        Judgement = "Error"        // the question could not be answered
	// NotObserved is given to a single alias only: nothing was seen of it, and nothing is required of it.
	NotObserved Judgement = "NotObserved"
)

// Counts are what was seen of one version in the window of a check.
type Counts struct {
	Requests int64 `json:"requests"` // invocations of a function; executions of a workflow that finished
	Errors   int64 `json:"errors"`   // of Requests, those that failed or timed out
	Running  int64 `json:"running,omitempty"`
}

// Rate is the share of requests that failed, 0 to 1; 0 without requests.
func (c Counts) Rate() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Errors) / float64(c.Requests)
}

// Observation is what health sources saw.
type Observation struct {
	At       time.Time  `json:"at"`
	Subjects []Observed `json:"subjects"`
	// Findings are judgements that a source makes by itself, such as an alarm that fires. Any that is not Healthy counts.
	Findings []Finding `json:"findings,omitempty"`
}

// Observed is what was seen of one alias: traffic to its blue and to its green version.
type Observed struct {
	Ref   release.Ref `json:"ref"`
	Blue  Counts      `json:"blue"`
	Green Counts      `json:"green"`
	// Unseen says why this alias cannot be observed at all, such as an Express workflow whose executions are not listed.
	Unseen string `json:"unseen,omitempty"`
	// Synthetic are the calls that the source made itself for this look; they are not in Green.
	Synthetic Counts `json:"synthetic,omitzero"`
	// Stretches are those since the check's Through, with requests in them, oldest first. All before Through here are over.
	Stretches []Stretch     `json:"stretches,omitempty"`
	Through   time.Time     `json:"through,omitzero"`
	SlowOver  time.Duration `json:"slowOver,omitempty"` // blue's quantile, where the check asks for it; 0 when not known yet
}

// Finding is the judgement of a health source.
type Finding struct {
	Source    string    `json:"source"` // such as "alarm orders-5xx"
	Judgement Judgement `json:"judgement"`
	Reason    string    `json:"reason"`
	DryRun    bool      `json:"dryRun,omitempty"` // told, never decides
}

// Known is what is known of one alias beside the window of a check.
type Known struct {
	Compared  Compared
	Synthetic Counts // calls made for this step
}

// Verdict is the answer to a check, with the numbers that it rests on.
type Verdict struct {
	Judgement Judgement        `json:"judgement"`
	Reason    string           `json:"reason"`
	Step      int              `json:"step"`  // 1-based; one above the last step for the bake
	Asked     time.Time        `json:"asked"` // when the check was asked for
	At        time.Time        `json:"at"`
	Subjects  []SubjectVerdict `json:"subjects,omitempty"`
	Findings  []Finding        `json:"findings,omitempty"`
	Needed    int64            `json:"needed,omitempty"` // requests still needed, over all aliases
	// Weight is the percent that green had, Observed the percent of the functions' requests that it got; nil where blue showed none.
	Weight   int      `json:"weight"`
	Observed *float64 `json:"observed,omitempty"`
}

// SubjectVerdict is the judgement of one alias.
type SubjectVerdict struct {
	Ref       release.Ref `json:"ref"`
	Judgement Judgement   `json:"judgement"`
	Reason    string      `json:"reason"`
	Blue      Counts      `json:"blue"`
	Green     Counts      `json:"green"`
	Needed    int64       `json:"needed,omitempty"` // requests that green still needs to be judged

	Synthetic   Counts       `json:"synthetic,omitzero"` // calls made for this step, not in Green
	Comparisons []Comparison `json:"comparisons,omitempty"`
}

// Judge says how green does by what was observed, and what else is known of the aliases. It is a function of its arguments
// alone. Aliases of the check that the observation does not mention count as without data. Without any data the judgement
// is Inconclusive. What is only a dry run is told in the verdict and decides nothing.
func Judge(settings CheckSettings, check Check, seen Observation, known map[release.Ref]Known) Verdict {
	v := Verdict{Step: check.Step, At: seen.At, Findings: seen.Findings, Weight: check.Weight}
	observed := make(map[release.Ref]Observed, len(seen.Subjects))
	for _, o := range seen.Subjects {
		observed[o.Ref] = o
	}
	by := map[Judgement][]string{}
	var blue, green int64
	for _, subject := range check.Subjects {
		s := judgeSubject(settings, subject, observed[subject.Ref], known[subject.Ref], check.comparable())
		v.Subjects = append(v.Subjects, s)
		v.Needed += s.Needed
		by[s.Judgement] = append(by[s.Judgement], subject.Ref.Name+": "+s.Reason)
		if subject.Ref.Kind == release.KindFunction && subject.Blue != "" {
			blue, green = blue+s.Blue.Requests, green+s.Green.Requests
		}
	}
	if blue > 0 { // a source may count green alone
		percent := 100 * float64(green) / float64(blue+green)
		v.Observed = &percent
	}
	for _, f := range seen.Findings {
		if f.DryRun {
			continue
		}
		j := f.Judgement
		switch j {
		case Healthy, Unhealthy, Inconclusive, Error, NotObserved:
		default:
			j = Error
		}
		by[j] = append(by[j], f.Source+": "+f.Reason)
	}
	for _, j := range []Judgement{Unhealthy, Error, Inconclusive, Healthy} {
		if len(by[j]) > 0 {
			v.Judgement, v.Reason = j, strings.Join(by[j], "; ")
			if j == Healthy && len(by[NotObserved]) > 0 {
				v.Reason += fmt.Sprintf("; not observed: %d", len(by[NotObserved]))
			}
			return v
		}
	}
	v.Judgement, v.Reason = Inconclusive, "nothing was observed of green"
	return v
}

// judgeSubject judges one alias, in this order: numbers that make no sense; more errors than allowed; worse than blue; too few
// requests; not shown to be as good as blue, where that is asked for; and only then Healthy.
func judgeSubject(settings CheckSettings, subject Subject, o Observed, known Known, aliases int) SubjectVerdict {
	s := SubjectVerdict{Ref: subject.Ref, Blue: o.Blue, Green: o.Green, Synthetic: known.Synthetic}
	need, what := settings.MinRequests, "requests"
	if subject.Ref.Kind == release.KindStateMachine {
		need, what = settings.MinExecutions, "finished executions"
	}
	if subject.Blue != "" {
		for _, c := range settings.Compare {
			s.Comparisons = append(s.Comparisons, c.judge(settings, known.Compared, aliases))
		}
	}
	g := Counts{Requests: o.Green.Requests + known.Synthetic.Requests, Errors: o.Green.Errors + known.Synthetic.Errors}
	if known.Synthetic.Requests > 0 {
		what += fmt.Sprintf(" (%d synthetic)", known.Synthetic.Requests)
	}
	tooMany := float64(g.Errors) > settings.MaxErrorRate*float64(max(g.Requests, need))+1e-9 // 0.29 × 100 is below 29 in floating point
	worse, unshown := s.deciding(Unhealthy), s.deciding(Inconclusive)
	switch {
	case g.Requests < 0 || g.Errors < 0 || g.Errors > g.Requests:
		s.Judgement, s.Reason = Error, fmt.Sprintf("%d errors among %d %s make no sense", g.Errors, g.Requests, what)
	case tooMany && !settings.DryRun:
		// So many have failed that even a clean rest up to the minimum would leave the rate too high: no need to wait.
		s.Judgement = Unhealthy
		s.Reason = fmt.Sprintf("%d of %d %s failed (%.2f%%, allowed %.2f%%)", g.Errors, g.Requests, what, g.Rate()*100, settings.MaxErrorRate*100)
	case worse != nil:
		s.Judgement, s.Reason = Unhealthy, worse.Reason
	case g.Requests < need && !subject.Required:
		s.Judgement, s.Reason = NotObserved, fmt.Sprintf("not observed (%d %s)", g.Requests, what)
	case g.Requests < need:
		s.Judgement, s.Needed = Inconclusive, need-g.Requests
		s.Reason = fmt.Sprintf("%d %s seen, %d more needed", g.Requests, what, s.Needed)
	case unshown != nil && settings.shows(unshown.Metric):
		s.Judgement, s.Reason, s.Needed = Inconclusive, unshown.Reason, unshown.Needed
	default:
		s.Judgement = Healthy
		s.Reason = fmt.Sprintf("%d of %d %s failed", g.Errors, g.Requests, what)
	}
	if tooMany && settings.DryRun {
		s.Reason += fmt.Sprintf("; dry run: %d of %d failed, allowed would be %.2f%%", g.Errors, g.Requests, settings.MaxErrorRate*100)
	}
	for _, c := range s.Comparisons {
		if c.DryRun && c.Judgement == Unhealthy {
			s.Reason += "; dry run: " + c.Reason
		}
	}
	if o.Unseen != "" && (s.Judgement == NotObserved || s.Judgement == Inconclusive) {
		s.Reason += ": " + o.Unseen
	}
	return s
}

// deciding finds the first comparison that came out so and counts.
func (s SubjectVerdict) deciding(j Judgement) *Comparison {
	for i, c := range s.Comparisons {
		if c.Judgement == j && !c.DryRun {
			return &s.Comparisons[i]
		}
	}
	return nil
}

// shows reports whether a metric must be shown to be good enough.
func (c CheckSettings) shows(m Metric) bool {
	for _, of := range c.Compare {
		if of.Metric == m {
			return of.UntilShown
		}
	}
	return false
}

// errorVerdict is the verdict of a check that could not be made.
func errorVerdict(check Check, at time.Time, reason string) Verdict {
	return Verdict{Judgement: Error, Reason: reason, Step: check.Step, At: at, Weight: check.Weight}
}
