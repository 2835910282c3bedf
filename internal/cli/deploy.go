package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
	"github.com/tealdeploy/teal/internal/target"
)

func (a *app) deployCommand() *cobra.Command {
	var timeout time.Duration
	var detached bool
	c := &cobra.Command{
		Use:   "deploy",
		Short: "Release the application blue/green",
		Long: `Release the application blue/green: publish what changed, pin every workflow to the exact versions, test green before it gets
traffic, shift the aliases step by step with a check at every step, and promote, or put everything back.

Exit status: 0 promoted, 1 failed before traffic moved, 3 rolled back, 4 paused: a person decides.
Interrupting leaves the rollout where it is, on record; teal resume goes on with it, teal rollback puts everything back.`,
		Example: `  teal deploy
  teal deploy --file shop/teal.yaml --endpoint http://127.0.0.1:4566 --output json
  teal deploy --timeout 50m --summary summary.md     in CI: teal resume goes on where the time was over
  teal deploy --detach && teal status --watch`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			if detached {
				s, err := a.openReachable(ctx)
				if err != nil {
					return err
				}
				return a.detach(ctx, s, a.args)
			}
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			d, err := a.deploy(ctx)
			a.summarize(d)
			if err != nil {
				return err
			}
			return a.printOutcome(d)
		},
	}
	c.Flags().BoolVar(&a.ignoreAlarms, "ignore-alarms", false, "go on although alarms fire before the start; on record, and only for those")
	c.Flags().DurationVar(&timeout, "timeout", 0, "stop driving the rollout after this long; it stays on record (default: no limit)")
	c.Flags().BoolVar(&detached, "detach", false, "return once the rollout is on record; a process of its own drives it on")
	c.Flags().StringVar(&a.summary, "summary", "", "append a Markdown summary to this file (default: $GITHUB_STEP_SUMMARY when it is set)")
	return c
}

// deployment is what a deploy did.
type deployment struct {
	controller.Outcome
	API target.API // the application's HTTP API; zero without routes
	*session
}

// byPath gives the base URL of an API without a host name of its own: the embedded platform, and emulators like it, serve
// it below a path of the endpoint too, for machines on which names below localhost do not resolve.
func byPath(cfg aws.Config, api target.API) string {
	u, err := url.Parse(api.Endpoint)
	if err != nil || cfg.BaseEndpoint == nil || !strings.HasSuffix(u.Hostname(), ".localhost") {
		return api.Endpoint
	}
	return *cfg.BaseEndpoint + "/_aws/execute-api/" + api.ID
}

// session is an application together with where it goes and where it is recorded.
type session struct {
	manifest *manifest.Manifest
	cfg      aws.Config
	target   *target.Target
	ledger   ledger.Ledger
	clock    clock.Clock // the endpoint's
}

// open reads the manifest and reaches the endpoint and the ledger.
func (a *app) open(ctx context.Context) (*session, error) {
	m, err := a.loadManifest()
	if err != nil {
		return nil, err
	}
	cfg, err := a.awsConfig(ctx, m.Provider.Endpoint, m.Provider.Region)
	if err != nil {
		return nil, err
	}
	books, err := a.openLedger(m, cfg)
	if err != nil {
		return nil, err
	}
	a.clock = a.clockOf(ctx, cfg)
	return &session{manifest: m, cfg: cfg, target: target.New(cfg, target.Options{}), ledger: books, clock: a.clock}, nil
}

// deploy brings the manifest's application in, showing the rollout on standard error.
func (a *app) deploy(ctx context.Context) (deployment, error) {
	s, err := a.open(ctx)
	if err != nil {
		return deployment{}, err
	}
	how, err := settings(s.manifest)
	if err != nil {
		return deployment{}, err
	}
	how.IgnoreAlarms = how.IgnoreAlarms || a.ignoreAlarms
	if err := a.reachable(ctx, s.cfg); err != nil {
		return deployment{}, err
	}
	spec, err := a.packaged(ctx, s.manifest)
	if err != nil {
		return deployment{}, err
	}
	id, err := s.target.Identity(ctx)
	if err != nil {
		return deployment{}, a.connection(s.cfg, err)
	}
	if err := checkDefinitions(ctx, s.cfg, id, spec); err != nil {
		return deployment{}, err
	}
	w := a.watch(s)
	defer w.Close()
	c, err := a.controller(s, w)
	if err != nil {
		return deployment{}, err
	}
	outcome, err := c.Run(w.Context(ctx), controller.Request{Spec: spec, Settings: how, By: who(), Commit: commit(ctx, s.manifest.Dir)})
	if err != nil {
		return deployment{Outcome: outcome}, unfinished(err)
	}
	w.Close()
	d := deployment{Outcome: outcome, session: s}
	if err := a.settleProvisioned(ctx, s, outcome); err != nil {
		return d, err
	}
	if outcome.State.Phase == rollout.Promoted {
		// Routes lead to aliases, so they are set once the aliases exist, and no later rollout touches them.
		if d.API, err = s.target.EnsureRoutes(ctx, spec); err != nil {
			return d, hint(fmt.Errorf("the release is promoted, but its routes are not: %w", err), "run teal deploy again; what is done already is found")
		}
	}
	return d, nil
}

// controller makes the controller of a session; w is told every state.
func (a *app) controller(s *session, w watcher) (*controller.Controller, error) {
	source, err := healthOf(s)
	if err != nil {
		return nil, err
	}
	return controller.New(controller.Config{
		Target:  port{s.target},
		Health:  source,
		Hooks:   a.hooks(s),
		Ledger:  s.ledger,
		Clock:   s.clock,
		Owner:   owner(),
		Observe: w.Observe,
		Attend:  w.Attends(),
	})
}

// port makes a Target of the controller's kind of the adapter.
type port struct{ *target.Target }

func (p port) InvokeVersion(ctx context.Context, functionARN string, payload []byte) ([]byte, string, error) {
	out, err := p.Target.InvokeVersion(ctx, functionARN, payload)
	return out.Payload, out.FunctionError, err
}

// unfinished explains the errors that leave a rollout on record.
func unfinished(err error) error {
	var held *ledger.HeldError
	switch {
	case errors.As(err, &held) && held.Gone:
		return hint(err, "teal resume goes on with it, teal rollback puts everything back")
	case errors.As(err, &held):
		return hint(err, "teal status --watch shows it; wait for its end, or teal rollback")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: ExitPaused, Err: fmt.Errorf("stopped driving the rollout; it stays on record: %w", err), Hint: "teal resume goes on with it, teal rollback puts everything back"}
	}
	return err
}

// printOutcome prints how a rollout ended; every end but promotion is an error with its exit code.
func (a *app) printOutcome(d deployment) error {
	s := d.State
	if a.json() {
		if err := a.printJSON(outcomeDocument(d)); err != nil {
			return err
		}
	} else {
		p := painter{colour: terminal(a.Out)}
		for _, line := range aliasTable(s, p) {
			fmt.Fprintln(a.Out, line)
		}
		for _, line := range pinLines(s, p) {
			fmt.Fprintln(a.Out, line)
		}
		switch {
		case s.Phase == rollout.Promoted && !s.Moved() && s.Plan.From != "":
			fmt.Fprintf(a.Out, "%s %s serves %s as before: nothing is new\n", p.paint(green, "✔"), s.Plan.App, s.Plan.From)
		case s.Phase == rollout.Promoted:
			fmt.Fprintf(a.Out, "%s %s serves %s\n", p.paint(green, "✔"), s.Plan.App, s.Plan.Release)
		}
		if d.API.Endpoint != "" {
			fmt.Fprintf(a.Out, "→ %s\n", d.API.Endpoint)
			if p := byPath(d.session.cfg, d.API); p != d.API.Endpoint {
				fmt.Fprintf(a.Out, "→ %s (where names below localhost do not resolve)\n", p)
			}
		}
	}
	next := ""
	switch {
	case d.ExitCode == ExitDone:
		return nil
	case d.ExitCode == ExitPaused:
		next = "teal promote goes on, teal rollback puts everything back"
	case s.Phase == rollout.FailedDirty:
		for _, line := range s.Where() {
			a.progress("  %s", line)
		}
		next = "teal retry tries again to put the aliases right; until then the application is locked"
	}
	return &Error{Code: d.ExitCode, Err: fmt.Errorf("%s%s", s.Phase, label(": ", s.Cause)), Hint: next}
}

// outcomeDocument is the machine's form of an outcome.
func outcomeDocument(d deployment) any {
	s := d.State
	type aliasEnd struct {
		release.AliasRouting
		Before release.AliasRouting `json:"before"`
		Green  string               `json:"green,omitempty"`
	}
	doc := struct {
		App      string            `json:"app"`
		Rollout  string            `json:"rollout"`
		Phase    rollout.Phase     `json:"phase"`
		Cause    string            `json:"cause,omitempty"`
		ExitCode int               `json:"exitCode"`
		Release  release.Release   `json:"release"`
		Aliases  []aliasEnd        `json:"aliases"`
		Verdicts []rollout.Verdict `json:"verdicts,omitempty"`
		API      *target.API       `json:"api,omitempty"`
	}{App: s.Plan.App, Rollout: s.Plan.ID, Phase: s.Phase, Cause: s.Cause, ExitCode: d.ExitCode, Release: s.Release, Verdicts: s.Verdicts}
	for _, al := range s.Aliases {
		doc.Aliases = append(doc.Aliases, aliasEnd{AliasRouting: al.Actual, Before: al.Recorded, Green: al.Green})
	}
	if d.API.ID != "" {
		doc.API = &d.API
	}
	return doc
}
