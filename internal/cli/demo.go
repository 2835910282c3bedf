package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/examples"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

func (a *app) demoCommand() *cobra.Command {
	var keep bool
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch an application go from blue to green, and a broken green go back, on this machine",
		Long: `Watch an application go from blue to green, and a broken green go back, on this machine.

It starts the embedded platform, releases the example application as blue, sends it steady traffic, releases green step by step,
then releases a broken green. It needs Go to build the example's functions, and nothing else; it takes less than a minute.
Exit status 0 says that all of what it promises happened.`,
		Example: "  teal demo\n  teal demo --keep",
		RunE: func(c *cobra.Command, _ []string) error {
			d := &demo{app: a, paint: painter{colour: terminal(a.Err)}, keep: keep, listen: listen}
			return d.run(c.Context())
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the platform running at the end, until Ctrl-C")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address of the platform; port 0 takes a free one")
	return c
}

// requestsPerSecond is the demo's traffic: enough that 10 % of it is judged within seconds.
const requestsPerSecond = 60

// demo is one run. Its promises are the lines of its summary.
type demo struct {
	app    *app
	paint  painter
	keep   bool
	listen string

	dir      string // the working copy of the application
	server   *server
	cfg      aws.Config
	api      string // base URL of the application's API
	began    time.Time
	promises []promise
}

// promise is one thing that the demo shows, and whether it happened.
type promise struct {
	What   string `json:"what"`
	Kept   bool   `json:"kept"`
	Detail string `json:"detail"`
}

func (d *demo) keepPromise(kept bool, what, format string, args ...any) {
	p := promise{What: what, Kept: kept, Detail: fmt.Sprintf(format, args...)}
	d.promises = append(d.promises, p)
	d.app.progress("%s %s: %s", d.mark(kept), p.What, p.Detail)
}

func (d *demo) mark(ok bool) string {
	if ok {
		return d.paint.paint(green, "✔")
	}
	return d.paint.paint(red, "✖")
}

func (d *demo) say(format string, args ...any) {
	d.app.progress("\n%s", d.paint.paint(bold, fmt.Sprintf(format, args...)))
}

func (d *demo) run(ctx context.Context) (err error) {
	d.began = time.Now()
	if _, err := exec.LookPath("go"); err != nil {
		return hint(errors.New("the demo builds its functions with Go, and there is no go on PATH"), "install Go from https://go.dev/dl")
	}
	work, err := os.MkdirTemp("", "teal-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	// Functions run as another user where the platform runs as root, and must reach their code.
	if err := os.Chmod(work, 0o711); err != nil {
		return err
	}
	if err := d.start(work); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()

	if err := d.story(ctx); err != nil {
		return err
	}
	if d.keep {
		d.app.progress("\nthe platform goes on at %s; the application is in %s; Ctrl-C ends both", d.server.URL(), d.dir)
		<-ctx.Done()
	}
	for _, p := range d.promises {
		if !p.Kept {
			return &Error{Code: ExitFailed, Err: fmt.Errorf("the demo did not go as promised: %s: %s", p.What, p.Detail)}
		}
	}
	return nil
}

// start brings up the platform and a working copy of the example application that is released to it.
func (d *demo) start(work string) error {
	var err error
	d.server, err = startServer(serverConfig{
		listen: d.listen, data: filepath.Join(work, "data"), account: "000000000000",
		region: d.app.region, log: slog.New(slog.NewTextHandler(d.app.Err, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	d.dir = filepath.Join(work, "orders")
	if err := examples.Copy("orders", d.dir); err != nil {
		return errors.Join(err, d.server.Close())
	}
	d.app.manifest = filepath.Join(d.dir, "teal.yaml")
	d.app.endpoint = d.server.URL()
	d.app.ledger = ""
	d.cfg, err = d.app.awsConfig(context.Background(), "", "us-east-1")
	if err != nil {
		return errors.Join(err, d.server.Close())
	}
	d.app.progress("%s the platform answers at %s", d.mark(true), d.server.URL())
	return nil
}

// release builds the application in a colour and brings it in.
func (d *demo) release(ctx context.Context, colour string) (deployment, error) {
	// What the demo releases does not depend on what the person's shell says of AWS.
	d.app.env = []string{"RELEASE=" + colour, "TEAL_GOARCH=" + runtime.GOARCH, "GOWORK=off", "AWS_REGION=us-east-1"}
	return d.app.deploy(ctx)
}

// story is the demo, from blue to the counts.
func (d *demo) story(ctx context.Context) error {
	d.say("1  blue is released")
	began := time.Now()
	initial, err := d.release(ctx, "blue")
	if err != nil {
		return err
	}
	took := time.Since(began)
	d.keepPromise(initial.ExitCode == ExitDone, "blue is released", "%s, %s", initial.State.Plan.Release, versionsOf(initial.State.Release))
	if initial.ExitCode != ExitDone {
		return &Error{Code: ExitFailed, Err: fmt.Errorf("blue was not promoted: %s", initial.State.Cause)}
	}
	d.api = byPath(d.cfg, initial.API)
	blueVersions, machine := byName(initial.State.Release), initial.State.Release.Workflows[0]

	d.say("2  steady traffic flows to %s/hello, and a long workflow is started", d.api)
	t := startTraffic(ctx, d.api+"/hello", requestsPerSecond)
	defer t.Stop()
	// Its three waits are longer together than green's release takes, here and on a machine that is slower.
	long, err := d.startOrder(ctx, min(max(8, int(took.Seconds())), 60))
	if err != nil {
		return err
	}
	d.app.progress("  execution %s", long[strings.LastIndex(long, ":")+1:])

	d.say("3  green is released")
	second, err := d.release(ctx, "green")
	if err != nil {
		return err
	}
	greenVersions, greenMachine := byName(second.State.Release), second.State.Release.Workflows[0]
	inFlight, err := sfn.NewFromConfig(d.cfg).DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &long})
	if err != nil {
		return err
	}
	d.keepPromise(inFlight.Status == types.ExecutionStatusRunning, "the workflow was in flight all the while", "it is %s as green is promoted", inFlight.Status)
	d.keepPromise(second.ExitCode == ExitDone, "green is promoted after 10 %, 50 % and 100 %", "%s", verdictsOf(second.State))
	d.keepPromise(pinnedTo(greenMachine, greenVersions), "green's workflow is pinned to green's versions", "%s", pinsOf(greenMachine))
	after, err := d.startOrder(ctx, 0)
	if err != nil {
		return err
	}
	if err := d.checkOrder(ctx, "the workflow in flight ends on blue's versions", long, machine.ARN, "blue", blueVersions); err != nil {
		return err
	}
	if err := d.checkOrder(ctx, "a workflow started after the shift ends on green's", after, greenMachine.ARN, "green", greenVersions); err != nil {
		return err
	}

	d.say("4  a broken green is released")
	third, err := d.release(ctx, "broken")
	if err != nil {
		return err
	}
	d.keepPromise(third.ExitCode == ExitRolledBack, "the check at 10 % sees the broken version's errors", "%s", third.State.Cause)
	back, err := d.routingsRestored(ctx, third.State)
	if err != nil {
		return err
	}
	d.keepPromise(back == "", "every alias is where it was before", "%s", first(back, fmt.Sprintf("%d aliases compared with the record", len(third.State.Aliases))))

	t.Stop()
	d.say("5  what became of every request")
	return d.summary(t, third.State)
}

// summary counts the traffic: nothing is lost, and nothing failed but what the broken version itself failed.
func (d *demo) summary(t *traffic, broken rollout.State) error {
	hello := byName(broken.Release)["orders-hello"]
	counts := t.Counts()
	rows := [][]string{{"orders-hello version", "answered", "failed"}}
	total, failedElsewhere, failedBroken := 0, 0, 0
	for _, c := range counts {
		name := c.Version
		if c.Version == hello {
			name += " (broken)"
			failedBroken += c.Failed
		} else {
			failedElsewhere += c.Failed
		}
		total += c.OK + c.Failed
		rows = append(rows, []string{name, fmt.Sprint(c.OK), fmt.Sprint(c.Failed)})
	}
	for _, line := range table(rows, d.paint) {
		d.app.progress("  %s", line)
	}
	lost, why := t.Lost()
	d.keepPromise(lost == 0 && total == t.Sent(), "no request was lost", "%d sent, %d answered%s", t.Sent(), total, label("; ", why))
	d.keepPromise(failedElsewhere == 0 && failedBroken > 0, "none failed but those that the broken version failed", "%d failed on version %s, %d elsewhere", failedBroken, hello, failedElsewhere)
	took := time.Since(d.began).Round(100 * time.Millisecond)
	kept := 0
	for _, p := range d.promises {
		if p.Kept {
			kept++
		}
	}
	if d.app.json() {
		return d.app.printJSON(map[string]any{"promises": d.promises, "requests": counts, "sent": t.Sent(), "lost": lost, "seconds": took.Seconds(), "endpoint": d.server.URL()})
	}
	fmt.Fprintf(d.app.Out, "\n%s %d of %d promises kept in %s\n", d.mark(kept == len(d.promises)), kept, len(d.promises), took)
	return nil
}

// startOrder starts the workflow through the application's API; its three waits take wait seconds each.
func (d *demo) startOrder(ctx context.Context, wait int) (string, error) {
	body := fmt.Sprintf(`{"waitSeconds":%d}`, wait)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api+"/orders", bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("POST /orders: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("POST /orders: %w", err)
	}
	var answer struct{ ExecutionArn string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.ExecutionArn == "" {
		return "", fmt.Errorf("POST /orders answered %d without an execution: %.200s", resp.StatusCode, text)
	}
	return answer.ExecutionArn, nil
}

// checkOrder waits for an execution's end and compares where each step ran with the versions of a release.
func (d *demo) checkOrder(ctx context.Context, what, execution, machine, colour string, versions map[string]string) error {
	end, err := waitExecution(ctx, sfn.NewFromConfig(d.cfg), execution)
	if err != nil {
		return err
	}
	if end.Status != types.ExecutionStatusSucceeded {
		d.keepPromise(false, what, "it ended %s: %s %s", end.Status, aws.ToString(end.Error), aws.ToString(end.Cause))
		return nil
	}
	ran, err := ranOn(aws.ToString(end.Output))
	if err != nil {
		return fmt.Errorf("output of %s: %w", execution, err)
	}
	wrong := ""
	var where []string
	for _, r := range ran {
		where = append(where, r.Function+":"+r.Version)
		if versions[r.Function] != r.Version || r.Release != colour {
			wrong = fmt.Sprintf("%s ran on version %s (%s)", r.Function, r.Version, r.Release)
		}
	}
	if aws.ToString(end.StateMachineVersionArn) != machine {
		wrong = "it ran on " + aws.ToString(end.StateMachineVersionArn)
	}
	d.keepPromise(wrong == "" && len(ran) >= 4, what, "%s", first(wrong, strings.Join(where, ", ")))
	return nil
}

// place is where one step of an order ran.
type place struct{ Function, Version, Release string }

// ranOn collects the places from an order's output, in the order in which they stand there.
func ranOn(output string) ([]place, error) {
	var doc struct {
		RanOn struct{ Reserve, Charge, Pack, Invoice json.RawMessage }
	}
	if err := json.Unmarshal([]byte(output), &doc); err != nil {
		return nil, err
	}
	var all []place
	for _, raw := range []json.RawMessage{doc.RanOn.Reserve, doc.RanOn.Charge, doc.RanOn.Pack, doc.RanOn.Invoice} {
		var many []place
		if err := json.Unmarshal(raw, &many); err != nil {
			var one place
			if err := json.Unmarshal(raw, &one); err != nil {
				return nil, err
			}
			many = []place{one}
		}
		all = append(all, many...)
	}
	return all, nil
}

// routingsRestored compares every alias of a rollout with the routing recorded before it, as the endpoint answers now.
func (d *demo) routingsRestored(ctx context.Context, s rollout.State) (difference string, err error) {
	open, err := d.app.open(ctx)
	if err != nil {
		return "", err
	}
	for _, al := range s.Aliases {
		now, err := open.target.GetRouting(ctx, al.Ref)
		if err != nil {
			return "", err
		}
		if now.Routing != al.Recorded.Routing {
			return fmt.Sprintf("%s routes %s, was %s", al.Ref, now.Routing, al.Recorded.Routing), nil
		}
	}
	return "", nil
}

func byName(r release.Release) map[string]string {
	out := map[string]string{}
	for _, f := range r.Functions {
		out[f.Name] = f.Version
	}
	return out
}

func pinnedTo(w release.StateMachineVersion, versions map[string]string) bool {
	for _, pin := range w.Pins {
		if versions[pin.Function] != pin.Version {
			return false
		}
	}
	return len(w.Pins) > 0
}

func pinsOf(w release.StateMachineVersion) string {
	var out []string
	for _, pin := range w.Pins {
		out = append(out, pin.State+" → "+pin.Function+":"+pin.Version)
	}
	return strings.Join(out, ", ")
}

func versionsOf(r release.Release) string {
	var out []string
	for _, f := range r.Functions {
		out = append(out, f.Name+":"+f.Version)
	}
	return strings.Join(out, ", ")
}

func verdictsOf(s rollout.State) string {
	var out []string
	for _, v := range s.Verdicts {
		out = append(out, fmt.Sprintf("step %d %s", v.Step, v.Judgement))
	}
	if s.Cause != "" {
		out = append(out, s.Cause)
	}
	return strings.Join(out, ", ")
}
