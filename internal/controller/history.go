package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Moment is one thing that a rollout's journal tells of.
type Moment struct {
	At      time.Time             `json:"at"`
	Text    string                `json:"text"`
	Phase   rollout.Phase         `json:"phase,omitempty"`   // that began
	Verdict *rollout.Verdict      `json:"verdict,omitempty"` // with its numbers
	Before  *release.AliasRouting `json:"before,omitempty"`  // an alias as it was, and is since
	After   *release.AliasRouting `json:"after,omitempty"`
	By      string                `json:"by,omitempty"` // whose wish it was
	Fence   int64                 `json:"fence"`        // rises with each controller that drove it
}

// Story tells a rollout by its journal: phases, every routing before and after, every verdict with its numbers, wishes of
// people, and notes. Other work that the ledger records, such as a pruning, has its steps as texts.
func Story(ctx context.Context, l Ledger, app, id string) ([]Moment, error) {
	entries, err := l.Journal(ctx, app, id, 0)
	if err != nil {
		return nil, err
	}
	record, err := l.Rollout(ctx, app, id)
	if err != nil {
		return nil, err
	}
	var story []Moment
	var s rollout.State
	for i, e := range entries {
		if !IsRollout(record) {
			var steps []step
			if err := json.Unmarshal(e.Events, &steps); err != nil {
				return nil, fmt.Errorf("journal of %s, entry %d: %w", id, e.Seq, err)
			}
			for _, one := range steps {
				switch {
				case one.Error != "":
					story = append(story, Moment{At: e.At, Fence: e.Fence, Text: "failed: " + one.Error})
				case one.Done != "":
					story = append(story, Moment{At: e.At, Fence: e.Fence, Text: "done: " + one.Done})
				}
			}
			continue
		}
		if i == 0 {
			if err := json.Unmarshal(e.State, &s); err != nil {
				return nil, fmt.Errorf("journal of %s, entry %d: %w", id, e.Seq, err)
			}
			continue
		}
		var events []rollout.Event
		if err := json.Unmarshal(e.Events, &events); err != nil {
			return nil, fmt.Errorf("journal of %s, entry %d: %w", id, e.Seq, err)
		}
		for _, ev := range events {
			next, effects, err := rollout.Step(s, ev)
			if forbidden := (*rollout.ForbiddenError)(nil); err != nil && !errors.As(err, &forbidden) {
				return nil, fmt.Errorf("journal of %s, entry %d: replaying %s: %w", id, e.Seq, ev.Kind, err)
			}
			story = append(story, moments(s, next, ev, effects, e.Fence)...)
			s = next
		}
	}
	return story, nil
}

// moments tells what an event did.
func moments(was, is rollout.State, ev rollout.Event, effects []rollout.Effect, fence int64) []Moment {
	var out []Moment
	add := func(m Moment) {
		m.At, m.Fence = ev.At, fence
		out = append(out, m)
	}
	switch ev.Kind {
	case rollout.EventPromote, rollout.EventPause, rollout.EventResume, rollout.EventAbort, rollout.EventRetry:
		text := "asked to " + string(ev.Kind)
		if ev.Reason != "" {
			text += ": " + ev.Reason
		}
		add(Moment{Text: text, By: ev.By})
	}
	for i, a := range is.Aliases {
		if i < len(was.Aliases) && was.Aliases[i].Read && a.Actual.Routing != was.Aliases[i].Actual.Routing {
			before := was.Aliases[i].Actual
			add(Moment{Text: fmt.Sprintf("%s: %s → %s", a.Ref, before.Routing, a.Actual.Routing), Before: &before, After: &a.Actual})
		}
	}
	if v, ok := is.Verdict(); ok {
		if old, had := was.Verdict(); !had || !old.At.Equal(v.At) || old.Step != v.Step {
			add(Moment{Text: fmt.Sprintf("step %d: %s: %s", v.Step, v.Judgement, v.Reason), Verdict: &v})
		}
	}
	for _, e := range effects {
		if e.Note != nil {
			add(Moment{Text: e.Note.Text})
		}
	}
	if is.Phase != was.Phase {
		add(Moment{Text: "is " + string(is.Phase), Phase: is.Phase})
	}
	return out
}
