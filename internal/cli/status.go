package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say which release serves, where every alias points, and what is under way",
		Long: `Say which release serves, where every alias points, and what is under way.

Exit status: 0 the latest rollout is done, 1 it failed, 3 it was rolled back, 4 it is paused or goes on.`,
		Example: `  teal status
  teal status --watch`,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := a.open(c.Context())
			if err != nil {
				return err
			}
			if watch {
				if err := a.followLatest(c.Context(), at); err != nil {
					return err
				}
			}
			s, err := a.readStatus(c.Context(), at)
			if err != nil {
				return err
			}
			return a.printStatus(s)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "wait until the rollout has ended")
	return c
}

// followLatest shows the application's latest rollout, which another process may drive, until it has ended or is parked.
func (a *app) followLatest(ctx context.Context, at *session) error {
	m, books := at.manifest, at.ledger
	latest, err := latestRollout(ctx, books, m.Spec.App)
	if err != nil || latest == nil {
		return err
	}
	id := latest.ID
	w := a.watch(at)
	defer w.Close()
	ctx = w.Context(ctx)
	for {
		s, err := controller.Load(ctx, books, m.Spec.App, id)
		if err != nil {
			return err
		}
		w.Observe(s)
		lock, held, err := books.Holder(ctx, m.Spec.App)
		if err != nil {
			return err
		}
		if s.Phase.Ended() || !held || lock.Rollout != id || books.Gone(lock) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// status is what is known of an application: the ledger's word beside what the endpoint says.
type status struct {
	App     string          `json:"app"`
	Current *ledger.Current `json:"current,omitempty"`
	Release *ledger.Release `json:"release,omitempty"` // what serves now
	Rollout *ledger.Rollout `json:"rollout,omitempty"` // the latest
	Driver  *ledger.Lock    `json:"driver,omitempty"`  // who holds the application's lock
	Aliases []aliasStatus   `json:"aliases"`
}

// aliasStatus is one alias: what the ledger believes it to serve, and what it does.
type aliasStatus struct {
	Ref      release.Ref           `json:"ref"`
	Expected string                `json:"expected,omitempty"`
	Actual   *release.AliasRouting `json:"actual,omitempty"`
	Error    string                `json:"error,omitempty"`
}

// drifted reports whether the alias is not where the ledger left it.
func (s aliasStatus) drifted() bool {
	return s.Expected != "" && (s.Actual == nil || !s.Actual.ServesOnly(s.Expected))
}

func (a *app) readStatus(ctx context.Context, open *session) (status, error) {
	m, books, cfg := open.manifest, open.ledger, open.cfg
	if err := a.reachable(ctx, cfg); err != nil {
		return status{}, err
	}
	s := status{App: m.Spec.App}
	expected := map[release.Ref]string{}
	current, err := books.Current(ctx, s.App)
	switch {
	case err == nil:
		r, err := books.Release(ctx, s.App, current.Release)
		if err != nil {
			return s, err
		}
		s.Current, s.Release = &current, &r
		expected = servedBy(r, current)
	case !errors.Is(err, ledger.ErrNotFound):
		return s, err
	}
	if s.Rollout, err = latestRollout(ctx, books, s.App); err != nil {
		return s, err
	}
	lock, held, err := books.Holder(ctx, s.App)
	if err != nil {
		return s, err
	}
	if held {
		s.Driver = &lock
	}
	for _, ref := range m.Spec.Refs() {
		at := aliasStatus{Ref: ref, Expected: expected[ref]}
		switch r, err := open.target.GetRouting(ctx, ref); {
		case err == nil:
			at.Actual = &r
		case refused(err):
			return s, a.connection(cfg, err)
		case !errors.Is(err, release.ErrNoAlias):
			at.Error = err.Error()
		}
		s.Aliases = append(s.Aliases, at)
	}
	return s, nil
}

// latestRollout is the newest rollout of an application, nil when there was none.
func latestRollout(ctx context.Context, books ledger.Ledger, app string) (*ledger.Rollout, error) {
	all, err := books.Rollouts(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if controller.IsRollout(r) {
			return &r, nil
		}
	}
	return nil, nil
}

// servedBy gives the version of every alias of the release that serves, and behind a router its slot.
func servedBy(r ledger.Release, current ledger.Current) map[release.Ref]string {
	versions := map[string]string{}
	for _, f := range r.Functions {
		versions[string(release.KindFunction)+f.Key] = f.Version
	}
	for _, w := range r.Workflows {
		versions[string(release.KindStateMachine)+w.Key] = w.ARN
	}
	out := map[release.Ref]string{}
	slot, slotted := release.Slot{}, false
	if r.Router != nil {
		slot, slotted = r.Router.Slot(current.Slot)
		out[r.Router.Ref()] = current.Slot
	}
	for _, a := range r.Aliases {
		version := versions[string(a.Ref.Kind)+a.Key]
		if slotted { // it may have come back into another slot than it was brought into first
			a.Ref.Alias = slot.Alias
		}
		out[a.Ref] = version
	}
	return out
}

func (a *app) printStatus(s status) error {
	if a.json() {
		if err := a.printJSON(s); err != nil {
			return err
		}
	} else {
		a.writeStatus(s)
	}
	if s.Rollout == nil {
		return nil
	}
	switch s.Rollout.Phase {
	case "promoted":
		return nil
	case "rolled-back":
		return &Error{Code: ExitRolledBack, Err: errors.New("the latest rollout was rolled back")}
	case "failed":
		return &Error{Code: ExitFailed, Err: errors.New("the latest rollout stopped before any traffic moved"), Hint: "what served before serves still"}
	case "failed-dirty":
		return &Error{Code: ExitFailed, Err: errors.New("the latest rollout failed and left aliases where they should not be"), Hint: "teal retry tries again to put them right"}
	}
	return &Error{Code: ExitPaused, Err: fmt.Errorf("rollout %s is unfinished", s.Rollout.ID), Hint: "teal resume, teal promote or teal rollback"}
}

func (a *app) writeStatus(s status) {
	p := painter{colour: terminal(a.Out)}
	say := func(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }
	if s.Current == nil {
		say("%s  nothing is released yet", p.paint(bold, s.App))
	} else {
		say("%s  serves %s since %s%s", p.paint(bold, s.App), p.paint(green, s.Current.Release), s.Current.Since.Local().Format("2006-01-02 15:04:05"),
			label("  commit ", s.Release.Commit))
	}
	rows := [][]string{{"alias", "routes", ""}}
	for _, at := range s.Aliases {
		row := []string{shownAs(at.Ref), "does not exist", ""}
		if at.Actual != nil {
			r := at.Actual.Routing
			r.Primary, r.Additional = shortVersion(r.Primary), shortVersion(r.Additional)
			row[1] = r.String()
		}
		if at.Error != "" {
			row[1] = at.Error
		}
		// While a rollout is under way they are where it put them.
		if at.drifted() && (s.Rollout == nil || !s.Rollout.Ended.IsZero() || s.Rollout.Phase == "failed-dirty") {
			row[2] = p.paint(yellow, "⚠ the ledger left it at "+shortVersion(at.Expected))
		}
		rows = append(rows, row)
	}
	for _, line := range table(rows, p) {
		say("%s", line)
	}
	if s.Release != nil {
		for _, w := range s.Release.Workflows {
			for _, pin := range w.Pins {
				say("%s %s: %s → %s:%s", w.Name, shortVersion(w.ARN), pin.State, pin.Function, pin.Version)
			}
		}
	}
	if r := s.Rollout; r != nil {
		say("latest rollout %s: %s%s%s", r.ID, r.Phase, label(" by ", r.By), label(": ", r.Cause))
		if s.Driver != nil {
			say("the application is locked for rollout %s by %s", s.Driver.Rollout, s.Driver.Owner)
		}
	}
}

// shownAs is the short name of an alias, or of record sets.
func shownAs(r release.Ref) string {
	if r.Kind == release.KindRecordSets {
		_, kind := r.RecordSets()
		return r.Name + " " + kind
	}
	return r.Name + ":" + r.Alias
}

// label puts a word before a text that is there.
func label(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}
