package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/target"
)

// The results of a check.
const (
	checkOK   = "ok"
	checkWarn = "warning" // a person should know
	checkFail = "failed"  // a release would fail
	checkNone = "unknown" // it could not be found out
)

// checked is the result of one check.
type checked struct {
	Check string `json:"check"`
	State string `json:"state"`
	Text  string `json:"text"`
	Next  string `json:"next,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a release depends on, and change nothing",
		Long: `Check everything that a release depends on, and change nothing: the manifest, credentials, the endpoint and what it lacks,
clocks, the ledger and its lock, runtimes and isolation where the endpoint is a platform of this binary, ways into the
functions that bypass their aliases, and roles that executions in flight need.

Exit status: 0 no check failed, 1 one did.`,
		Example: `  teal doctor
  teal doctor --output json | jq '.[] | select(.state != "ok")'`,
		RunE: func(c *cobra.Command, _ []string) error {
			d := doctor{app: a}
			d.examine(c.Context())
			if a.json() {
				if err := a.printJSON(d.found); err != nil {
					return err
				}
			} else {
				a.printChecks(d.found)
			}
			failed := 0
			for _, f := range d.found {
				if f.State == checkFail {
					failed++
				}
			}
			if failed > 0 {
				return &Error{Code: ExitFailed, Err: fmt.Errorf("%d checks failed", failed)}
			}
			return nil
		},
	}
}

func (a *app) printChecks(all []checked) {
	p := painter{colour: terminal(a.Out)}
	marks := map[string]string{checkOK: p.paint(green, "✔"), checkWarn: p.paint(yellow, "⚠"), checkFail: p.paint(red, "✖"), checkNone: p.paint(dim, "?")}
	rows := [][]string{{"", "check", "result"}}
	for _, f := range all {
		rows = append(rows, []string{marks[f.State], f.Check, f.Text})
		if f.Next != "" {
			rows = append(rows, []string{"", "", "→ " + f.Next})
		}
	}
	for _, line := range table(rows, p)[1:] {
		fmt.Fprintln(a.Out, line)
	}
}

// doctor makes the checks one after another; a later one that needs what an earlier one did not find is left out.
type doctor struct {
	*app
	found []checked
}

func (d *doctor) say(check, state, format string, args ...any) {
	d.found = append(d.found, checked{Check: check, State: state, Text: fmt.Sprintf(format, args...)})
}

// fail records an error with its hint.
func (d *doctor) fail(check string, err error) {
	f := checked{Check: check, State: checkFail, Text: err.Error()}
	var e *Error
	if errors.As(err, &e) {
		f.Next = e.Hint
	}
	d.found = append(d.found, f)
}

func (d *doctor) examine(ctx context.Context) {
	s, err := d.open(ctx)
	if err != nil {
		d.fail("manifest", err)
		return
	}
	d.say("manifest", checkOK, "%s: %d functions, %d workflows, %d routes", s.manifest.Path, len(s.manifest.Spec.Functions), len(s.manifest.Spec.Workflows), len(s.manifest.Spec.Routes))
	d.ledger(ctx, s)
	if _, err := s.cfg.Credentials.Retrieve(ctx); err != nil {
		d.fail("credentials", hint(err, "set AWS_PROFILE, or run: aws sso login"))
		return
	}
	if err := d.reachable(ctx, s.cfg); err != nil {
		d.fail("endpoint", err)
		return
	}
	id, err := s.target.Identity(ctx)
	if err != nil {
		d.fail("credentials", d.connection(s.cfg, err))
		return
	}
	d.say("credentials", checkOK, "%s in account %s, region %s", first(id.Caller, "the caller"), id.Account, id.Region)
	d.clock(ctx, s)
	d.operations(ctx, s)
	if s.cfg.BaseEndpoint != nil {
		d.platform(ctx, *s.cfg.BaseEndpoint)
	}
	if s.manifest.Spec.Router != nil {
		d.router(ctx, s)
	}
	d.traffic(ctx, s)
}

// router looks whether a release could begin at the DNS.
func (d *doctor) router(ctx context.Context, s *session) {
	r, err := s.target.Router(ctx, s.manifest.Spec)
	if err != nil {
		d.fail("router", d.connection(s.cfg, err))
		return
	}
	for _, n := range r.Notes {
		d.say("router", checkWarn, "%s", n)
	}
	d.say("router", checkOK, "%s routes to %s; the next release goes into slot %s", r.Routing.Ref, r.Routing.Routing, r.Idle.SetIdentifier)
}

func (d *doctor) ledger(ctx context.Context, s *session) {
	app := s.manifest.Spec.App
	u, err := controller.Unfinished(ctx, s.ledger, app)
	switch {
	case err != nil:
		d.fail("ledger", err)
		return
	case u != nil && u.Driver != "":
		d.say("ledger", checkWarn, "%s is driven by %s: another release waits for it", u.ID, u.Driver)
	case u != nil:
		d.found = append(d.found, checked{"ledger", checkWarn, fmt.Sprintf("rollout %s is unfinished (%s) and keeps %s locked", u.ID, u.Phase, app), "teal repair says what can be done"})
	}
	all, err := releases(ctx, s.ledger, app)
	if err != nil {
		d.fail("ledger", err)
		return
	}
	d.say("ledger", checkOK, "readable, with %d releases", len(all))
	if b, ok := s.ledger.(interface {
		Versioning(context.Context) (string, error)
	}); ok {
		switch state, err := b.Versioning(ctx); {
		case err != nil:
			d.say("ledger versioning", checkNone, "%v", err)
		case state != "Enabled":
			d.found = append(d.found, checked{"ledger versioning", checkWarn, "the bucket keeps no versions: what someone deletes or overwrites by mistake is lost", "aws s3api put-bucket-versioning --versioning-configuration Status=Enabled --bucket …"})
		default:
			d.say("ledger versioning", checkOK, "the bucket keeps versions")
		}
	}
}

// tolerated is how far clocks may be apart; AWS refuses signatures beyond five minutes.
const tolerated = time.Minute

func (d *doctor) clock(ctx context.Context, s *session) {
	skew, err := s.target.Skew(ctx)
	switch {
	case err != nil:
		d.say("clock", checkNone, "%v", err)
	case skew.Abs() > tolerated:
		d.found = append(d.found, checked{"clock", checkFail, fmt.Sprintf("this machine and the endpoint are %s apart; AWS refuses what is over 5 minutes off", skew.Abs().Round(time.Second)), "set this machine's clock, such as with NTP"})
	default:
		d.say("clock", checkOK, "at most %s off", max(time.Second, skew.Abs().Round(time.Second)))
	}
}

func (d *doctor) operations(ctx context.Context, s *session) {
	probed, err := s.target.Probe(ctx)
	if err != nil {
		d.fail("operations", err)
		return
	}
	good := 0
	for _, p := range probed {
		switch {
		case p.Lacks:
			d.say("operations", checkWarn, "the endpoint lacks %s (%s)", p.Operation, p.Answer)
		case p.Denied:
			d.found = append(d.found, checked{"operations", checkWarn, p.Operation + " is denied on a name that does not exist; on the application's own it may be allowed", "teal plan --permissions lists what is needed"})
		default:
			good++
		}
	}
	d.say("operations", checkOK, "%d of %d that can be asked without harm are there", good, len(probed))
}

// platform asks the endpoint whether it is a platform of this binary, and what holds there.
func (d *doctor) platform(ctx context.Context, endpoint string) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/_teal/health", nil)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.say("platform", checkWarn, "%s did not say whether it is a platform of teal: %v", endpoint, err)
		return
	}
	defer resp.Body.Close()
	var h struct {
		Platform  string `json:"platform"`
		Isolation []struct {
			Name  string `json:"name"`
			Holds bool   `json:"holds"`
			Why   string `json:"why"`
		} `json:"isolation"`
		Runtimes []struct {
			Name  string `json:"name"`
			Error string `json:"error"`
		} `json:"runtimes"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&h) != nil || h.Platform != "teal" {
		d.say("platform", checkOK, "%s is not a platform of teal: it is met as AWS is", endpoint)
		return
	}
	for _, r := range h.Runtimes {
		if r.Error != "" {
			d.say("runtime "+r.Name, checkWarn, "%s", r.Error)
		} else {
			d.say("runtime "+r.Name, checkOK, "found on the platform's machine")
		}
	}
	for _, i := range h.Isolation {
		if i.Holds {
			d.say("isolation: "+i.Name, checkOK, "holds")
		} else {
			d.say("isolation: "+i.Name, checkWarn, "does not hold%s", label(": ", i.Why))
		}
	}
}

func (d *doctor) traffic(ctx context.Context, s *session) {
	for _, tool := range builders(s) {
		if path, err := exec.LookPath(tool); err != nil {
			d.say("build", checkFail, "%s is needed by the manifest's builds and is not on the PATH", tool)
		} else {
			d.say("build", checkOK, "%s is at %s", tool, path)
		}
	}
	quiet := true
	tell := func(check string, all []target.Finding, err error) {
		if err != nil {
			d.fail(check, d.connection(s.cfg, err))
			return
		}
		for _, f := range all {
			quiet = false
			state := checkWarn
			if f.Unread {
				state = checkNone
			}
			d.found = append(d.found, checked{check, state, f.About + ": " + f.Text, f.Next})
		}
	}
	entrances, err := s.target.Entrances(ctx, s.manifest.Spec)
	tell("traffic", entrances, err)
	access, err := s.target.Access(ctx, s.manifest.Spec)
	tell("roles", access, err)
	r, err := settings(s.manifest)
	if err != nil {
		d.fail("manifest", err)
		return
	}
	callers, err := s.target.Callers(ctx, s.manifest.Spec, r.Hooks())
	tell("hooks", callers, err)
	if quiet {
		d.say("traffic", checkOK, "nothing bypasses the aliases, and executions in flight keep their access")
	}
}

// builders are the programs with which the manifest's build commands begin.
func builders(s *session) []string {
	var out []string
	for _, b := range s.manifest.Builds() {
		words := strings.Fields(b.Command)
		for len(words) > 0 && strings.Contains(words[0], "=") {
			words = words[1:] // variables before the program
		}
		if len(words) > 0 && !strings.ContainsAny(words[0], "/$(){};&|") && !slices.Contains(out, words[0]) {
			out = append(out, words[0])
		}
	}
	return out
}
