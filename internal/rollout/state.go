package rollout

import (
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// State is a rollout at one moment, as a value: it can be stored as JSON and gone on with elsewhere. Only [Step]
// changes it; others read.
type State struct {
	Plan  Plan  `json:"plan"`
	Phase Phase `json:"phase"`
	// Cause is why the rollout goes or went back, or failed. Empty on the way forward.
	Cause string    `json:"cause,omitempty"`
	Now   time.Time `json:"now"`   // of the latest event
	Since time.Time `json:"since"` // begin of the phase

	Release release.Release `json:"release"` // green, as far as it is published
	Units   []Unit          `json:"units"`   // functions, then workflows, as in the plan: what is left to publish
	Aliases []Alias         `json:"aliases"` // in the same order; then the record sets of the router

	Step      int       `json:"step"`             // 1-based; len(steps)+1 is the bake; 0 before the first
	StepSet   bool      `json:"stepSet"`          // every alias has the weight of the step
	StepSince time.Time `json:"stepSince"`        // when that was so
	Started   time.Time `json:"started,omitzero"` // when the first write of what routes traffic was asked for
	Wait      Wait      `json:"wait"`             // how the present step waits
	Full      bool      `json:"full,omitempty"`   // promoted in full: no more waits and checks

	HookNext    int       `json:"hookNext"` // index of the next hook of the stage
	HookTries   int       `json:"hookTries,omitempty"`
	HookRetryAt time.Time `json:"hookRetryAt,omitzero"`
	Ran         []HookRun `json:"ran,omitempty"` // how the latest hooks went, oldest first

	AlarmsSeen bool     `json:"alarmsSeen,omitempty"` // the alarms were looked at before the start
	Ignored    []string `json:"ignored,omitempty"`    // names of alarms that fired then and count no more

	Paused Pause `json:"paused,omitzero"`
	// Verdicts holds the latest verdict of every step that had one, in order.
	Verdicts []Verdict `json:"verdicts,omitempty"`

	LostFrom Phase     `json:"lostFrom,omitempty"` // the phase that ended in failed-dirty
	Force    bool      `json:"force,omitempty"`    // going back overwrites what others changed
	Command  int64     `json:"command,omitempty"`  // number of the latest wish
	Pending  []Pending `json:"pending,omitempty"`
	LastID   int64     `json:"lastId"`
	Notes    []Note    `json:"notes,omitempty"` // the latest, oldest first
}

// Unit is the publishing of one function or workflow.
type Unit struct {
	Kind    release.Kind `json:"kind"`
	Key     string       `json:"key"`
	Done    bool         `json:"done"`
	Tries   int          `json:"tries,omitempty"`
	RetryAt time.Time    `json:"retryAt,omitzero"`
	Error   string       `json:"error,omitempty"`
}

// Alias is what is known of one alias of the release, or of the record sets that split its traffic.
type Alias struct {
	Ref    release.Ref `json:"ref"`
	Key    string      `json:"key"`
	Read   bool        `json:"read"`  // Recorded is known
	Fresh  bool        `json:"fresh"` // it did not exist before this rollout
	Blue   string      `json:"blue,omitempty"`
	Green  string      `json:"green,omitempty"`
	Pinned bool        `json:"pinned,omitempty"`

	Recorded release.AliasRouting `json:"recorded"`          // before the rollout
	Actual   release.AliasRouting `json:"actual"`            // as last known
	Doubt    bool                 `json:"doubt,omitempty"`   // a write's outcome is not known: Actual may be outdated
	Touched  bool                 `json:"touched,omitempty"` // a write was asked for
	// Spent are the revisions that writes of this rollout expected. A reading that shows one may be outdated, and while
	// the alias still has one, a write that was thought lost may yet be applied.
	Spent []string `json:"spent,omitempty"`
	// Sent are the routings of writes of which no success was heard since Actual was known: any may have been applied.
	Sent []alias.Routing `json:"sent,omitempty"`
	// Confirm is when a restored routing is looked at once more: a write that was given up may have been applied late.
	Confirm  time.Time `json:"confirm,omitzero"`
	Tries    int       `json:"tries,omitempty"` // failed attempts at the present aim
	RetryAt  time.Time `json:"retryAt,omitzero"`
	Settled  bool      `json:"settled,omitempty"` // going back is over for this alias
	Failed   string    `json:"failed,omitempty"`  // why it was given up
	Foreign  bool      `json:"foreign,omitempty"` // Actual was written by someone else
	Gone     bool      `json:"gone,omitempty"`    // the alias was deleted by someone else
	LastFail string    `json:"lastFail,omitempty"`

	// Of an alias in a router's slot: the alias of the other slot, which serves and is not written.
	Standing     release.AliasRouting `json:"standing,omitzero"`
	StandingRead bool                 `json:"standingRead,omitempty"`
	Shielded     bool                 `json:"shielded,omitempty"` // going back, it was asked to serve blue meanwhile
	// InSync is when every server of Route 53 had what was written to the record sets; zero before.
	InSync time.Time `json:"inSync,omitzero"`

	Compared  Compared `json:"compared,omitzero"`  // blue against green since the first shift
	Synthetic Counts   `json:"synthetic,omitzero"` // calls that this step's checks have made
}

// Unchanged reports whether the release leaves the alias where it is: the version was taken over.
func (a Alias) Unchanged() bool {
	if a.slotted() {
		return a.Blue != "" && a.Blue == a.Green
	}
	at, ok := settledAt(a.Recorded.Routing)
	return ok && at != "" && at == a.Green
}

// Wait is how the present step waits.
type Wait struct {
	Skipped  time.Time `json:"skipped,omitzero"`   // when a person ended the pause
	Override bool      `json:"override,omitempty"` // a person took the verdict upon themselves
	Asked    time.Time `json:"asked,omitzero"`     // latest check
	Errors   int       `json:"errors,omitempty"`   // checks in a row that failed
	From     time.Time `json:"from,omitzero"`      // when a person set the waiting going again: the timeout begins anew
}

// PauseReason says why a rollout is paused.
type PauseReason string

// The reasons of a pause.
const (
	NotPaused         PauseReason = ""
	PausedByUser      PauseReason = "user"
	PausedHolding     PauseReason = "hold"         // the step waits until it is promoted
	PausedByNoVerdict PauseReason = "inconclusive" // the verdict stayed Inconclusive
	PausedForApproval PauseReason = "approval"     // a hook waits for a person
)

// Pause is a pause that only a person ends.
type Pause struct {
	Reason PauseReason `json:"reason"`
	By     string      `json:"by,omitempty"`
	Since  time.Time   `json:"since"`
}

// Pending is an effect without an answer.
type Pending struct {
	Effect Effect    `json:"effect"`
	Since  time.Time `json:"since"`
}

const keptNotes = 64

// New makes the state in which a rollout begins; [EventStart] sets it going. It fails when the plan is not valid.
func New(plan Plan) (State, error) {
	plan.Settings = plan.Settings.WithDefaults()
	if err := plan.Validate(); err != nil {
		return State{}, err
	}
	s := State{Plan: plan, Phase: Planned}
	s.Release = release.Release{ID: plan.Release, App: plan.App, By: plan.By, Commit: plan.Commit}
	for _, f := range plan.Functions {
		s.Units = append(s.Units, Unit{Kind: release.KindFunction, Key: f.Key, Done: f.Version != nil})
		s.Aliases = append(s.Aliases, Alias{Ref: f.ref(), Key: f.Key})
		if f.Version != nil {
			s.Release.Functions = append(s.Release.Functions, *f.Version)
		}
	}
	for _, w := range plan.Workflows {
		s.Units = append(s.Units, Unit{Kind: release.KindStateMachine, Key: w.Key, Done: w.Version != nil})
		s.Aliases = append(s.Aliases, Alias{Ref: w.Ref(), Key: w.Key})
		if w.Version != nil {
			s.Release.Workflows = append(s.Release.Workflows, *w.Version)
		}
	}
	if plan.Router != nil {
		s.Aliases = append(s.Aliases, Alias{Ref: plan.Router.Ref()})
	}
	return s, nil
}

// Outstanding lists the effects without an answer, in the order of their IDs. A driver that takes over performs them
// again.
func Outstanding(s State) []Effect {
	effects := make([]Effect, 0, len(s.Pending))
	for _, p := range s.Pending {
		effects = append(effects, p.Effect)
	}
	return effects
}

// Moved reports whether the rollout asked for traffic to be moved.
func (s State) Moved() bool { return !s.Started.IsZero() }

// Steps is the number of steps of the strategy.
func (s State) Steps() int { return len(s.Plan.Settings.Strategy.Steps) }

// Shift is the step under way; while baking it is a step at 100 % with the bake as its pause. ok is false when none is.
func (s State) Shift() (shift Shift, ok bool) {
	switch {
	case s.Phase == Baking:
		return Shift{Weight: 100, Pause: s.Plan.Settings.Bake, Check: s.Plan.Settings.CheckBake}, true
	case s.Phase == Shifting && s.Step >= 1 && s.Step <= s.Steps():
		return s.stretched(s.Plan.Settings.Strategy.Steps[s.Step-1]), true
	}
	return Shift{}, false
}

// PauseEnds is when the pause of the present step is over, by time or because a person ended it; zero when no step is set.
func (s State) PauseEnds() time.Time {
	shift, ok := s.Shift()
	if !ok || !s.StepSet {
		return time.Time{}
	}
	ends := s.StepSince.Add(shift.Pause)
	if skipped := s.Wait.Skipped; !skipped.IsZero() && skipped.Before(ends) {
		return skipped
	}
	return ends
}

// Verdict is the latest verdict; ok is false before the first.
func (s State) Verdict() (v Verdict, ok bool) {
	if len(s.Verdicts) == 0 {
		return Verdict{}, false
	}
	return s.Verdicts[len(s.Verdicts)-1], true
}

// Where tells for every alias of the release where it stands, for people: what a report of a failure must say.
func (s State) Where() []string {
	var lines []string
	for _, a := range s.Aliases {
		line := a.Ref.String() + ": "
		switch {
		case !a.Read:
			line += "not read"
		case a.Gone:
			line += "deleted by someone else"
		case a.Fresh && a.Actual.Routing.Primary == "":
			line += "does not exist"
		default:
			line += a.Actual.Routing.String()
		}
		switch {
		case a.Doubt:
			line += " when last seen; unknown now"
		case a.Foreign:
			line += ", written by someone else"
		case s.Phase == RolledBack && a.Fresh && a.Actual.Routing.Primary != "":
			line += ", created by this rollout; there is nothing before it to go back to"
		}
		if a.Failed != "" {
			line += " (" + a.Failed + ")"
		}
		if a.Touched && !a.Fresh && (s.Phase == FailedDirty && a.slotted() && !a.Settled || a.Doubt || a.Failed != "" || a.Foreign) {
			line += "; before the rollout: " + a.Recorded.Routing.String()
		}
		lines = append(lines, line)
	}
	return lines
}

// clone copies what Step changes in place.
func (s State) clone() State {
	s.Units = slices.Clone(s.Units)
	s.Aliases = slices.Clone(s.Aliases)
	for i := range s.Aliases {
		s.Aliases[i].Spent, s.Aliases[i].Sent = slices.Clip(s.Aliases[i].Spent), slices.Clip(s.Aliases[i].Sent)
	}
	s.Release.Functions = slices.Clone(s.Release.Functions)
	s.Release.Workflows = slices.Clone(s.Release.Workflows)
	s.Verdicts = slices.Clone(s.Verdicts)
	s.Pending = slices.Clone(s.Pending)
	s.Notes = slices.Clone(s.Notes)
	s.Ran = slices.Clone(s.Ran)
	s.Ignored = slices.Clip(s.Ignored)
	return s
}

// goalAt is the routing that the alias has when green gets weight percent.
func (a Alias) goalAt(weight int) alias.Routing {
	switch {
	case a.slotted():
		return alias.Routing{Primary: a.Green} // it has no traffic until the record sets give it some
	case a.Ref.Kind == release.KindRecordSets:
		return release.Split(a.Recorded.Routing, a.Green, weight)
	case a.Unchanged():
		return a.Recorded.Routing
	case weight <= 0:
		return a.Recorded.Routing // nowhere for an alias that does not exist yet
	case weight >= 100 || a.Fresh:
		return alias.Routing{Primary: a.Green}
	}
	return alias.Routing{Primary: a.Blue, Additional: a.Green, Weight: float64(weight) / 100}
}

// sameRouting reports whether two routings name the same versions with the same shares, in whichever order. Shares are
// compared with a tolerance far below the percent that is the unit of a weight.
func sameRouting(a, b alias.Routing) bool {
	if len(a.Versions()) != len(b.Versions()) {
		return false
	}
	for _, v := range a.Versions() {
		if !slices.Contains(b.Versions(), v) {
			return false
		}
		if d := a.Share(v) - b.Share(v); d > 1e-6 || d < -1e-6 {
			return false
		}
	}
	return true
}

// settledAt is the one version that gets all traffic; ok is false when two share it.
func settledAt(r alias.Routing) (version string, ok bool) {
	switch {
	case r.Additional == "" || r.Weight == 0:
		return r.Primary, true
	case r.Weight == 1:
		return r.Additional, true
	}
	return "", false
}
