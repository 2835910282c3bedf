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
}

// Finding is the judgement of a health source.
type Finding struct {
	Source    string    `json:"source"` // such as "alarm orders-5xx"
	Judgement Judgement `json:"judgement"`
	Reason    string    `json:"reason"`
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
}

// SubjectVerdict is the judgement of one alias.
type SubjectVerdict struct {
	Ref       release.Ref `json:"ref"`
	Judgement Judgement   `json:"judgement"`
	Reason    string      `json:"reason"`
	Blue      Counts      `json:"blue"`
	Green     Counts      `json:"green"`
	Needed    int64       `json:"needed,omitempty"` // requests that green still needs to be judged
}

// Judge says how green does by what was observed. It is a function of its arguments alone. Aliases of the check that the
// observation does not mention count as without data. Without any data the judgement is Inconclusive.
func Judge(settings CheckSettings, check Check, seen Observation) Verdict {
	v := Verdict{Step: check.Step, At: seen.At, Findings: seen.Findings}
	observed := make(map[release.Ref]Observed, len(seen.Subjects))
	for _, o := range seen.Subjects {
		observed[o.Ref] = o
	}
	by := map[Judgement][]string{}
	for _, subject := range check.Subjects {
		s := judgeSubject(settings, subject, observed[subject.Ref])
		v.Subjects = append(v.Subjects, s)
		v.Needed += s.Needed
		by[s.Judgement] = append(by[s.Judgement], subject.Ref.Name+": "+s.Reason)
	}
	for _, f := range seen.Findings {
		j := f.Judgement
		switch j {
		case Healthy, Unhealthy, Inconclusive, Error:
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

func judgeSubject(settings CheckSettings, subject Subject, o Observed) SubjectVerdict {
	s := SubjectVerdict{Ref: subject.Ref, Blue: o.Blue, Green: o.Green}
	need, what := settings.MinRequests, "requests"
	if subject.Ref.Kind == release.KindStateMachine {
		need, what = settings.MinExecutions, "finished executions"
	}
	g := o.Green
	switch {
	case g.Requests < 0 || g.Errors < 0 || g.Errors > g.Requests:
		s.Judgement, s.Reason = Error, fmt.Sprintf("%d errors among %d %s make no sense", g.Errors, g.Requests, what)
	case float64(g.Errors) > settings.MaxErrorRate*float64(max(g.Requests, need))+1e-9: // 0.29 × 100 is below 29 in floating point
		// So many have failed that even a clean rest up to the minimum would leave the rate too high: no need to wait.
		s.Judgement = Unhealthy
		s.Reason = fmt.Sprintf("%d of %d %s failed (%.2f%%, allowed %.2f%%)", g.Errors, g.Requests, what, g.Rate()*100, settings.MaxErrorRate*100)
	case g.Requests >= need:
		s.Judgement = Healthy
		s.Reason = fmt.Sprintf("%d of %d %s failed", g.Errors, g.Requests, what)
	case !subject.Required:
		s.Judgement, s.Reason = NotObserved, fmt.Sprintf("not observed (%d %s)", g.Requests, what)
	default:
		s.Judgement, s.Needed = Inconclusive, need-g.Requests
		s.Reason = fmt.Sprintf("%d %s seen, %d more needed", g.Requests, what, s.Needed)
	}
	if o.Unseen != "" && (s.Judgement == NotObserved || s.Judgement == Inconclusive) {
		s.Reason += ": " + o.Unseen
	}
	return s
}

// errorVerdict is the verdict of a check that could not be made.
func errorVerdict(check Check, at time.Time, reason string) Verdict {
	return Verdict{Judgement: Error, Reason: reason, Step: check.Step, At: at}
}
