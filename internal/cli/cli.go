// Package cli is the command line: one file per verb. A verb reads its flags, calls ports (the AWS SDK, the controller, the
// ledger, the embedded platform) and writes what a person or a machine reads.
//
// Rules of the output:
//   - what was asked for goes to standard output; progress and hints go to standard error;
//   - --output json prints exactly one JSON document on standard output, and nothing else there;
//   - colour and moving lines only when the stream is a terminal and NO_COLOR is not set;
//   - whatever takes over a second says what it is doing.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/controller"
)

// Exit codes, the same for every verb; those of a rollout are the controller's.
const (
	ExitDone       = controller.ExitDone       // done
	ExitFailed     = controller.ExitFailed     // failed or refused
	ExitUsage      = 2                         // the command line is wrong
	ExitRolledBack = controller.ExitRolledBack // everything was put back
	ExitPaused     = controller.ExitPaused     // paused or inconclusive: a person decides
)

// Streams are where a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Error is an error with the exit code that it means and, where there is one, the next thing to do.
type Error struct {
	Code int
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// hint wraps err with what to do next.
func hint(err error, format string, args ...any) error {
	return &Error{Code: ExitFailed, Err: err, Hint: fmt.Sprintf(format, args...)}
}

// usage makes an error about the command line itself.
func usage(format string, args ...any) error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// app is what every verb shares: the streams and the global flags.
type app struct {
	Streams
	output       string // text or json
	manifest     string
	endpoint     string
	region       string
	ledger       string
	summary      string      // file for a Markdown summary
	args         []string    // of the command line
	clock        clock.Clock // of the endpoint that is spoken to; nil before one is
	ignoreAlarms bool        // of deploy
	env          []string    // KEY=value, added to the environment of builds and of the manifest
}

// Run executes the command line args (without the program's name) and returns the exit code. It ends when ctx does.
func Run(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s, args: args}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	code, next := ExitFailed, ""
	var e *Error
	if errors.As(err, &e) {
		code, next = e.Code, e.Hint
	} else if strings.HasPrefix(err.Error(), "unknown command") || strings.HasPrefix(err.Error(), "unknown flag") ||
		strings.HasPrefix(err.Error(), "unknown shorthand") {
		code, next = ExitUsage, "teal --help lists the commands"
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(s.Err, "teal: "+text)
	}
	if next != "" {
		fmt.Fprintln(s.Err, "→ "+next)
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "teal",
		Short: "Release serverless applications blue/green",
		Long: `Teal releases Lambda functions and the Step Functions workflows that call them as one release, blue/green.
It speaks to AWS, to the AWS-compatible platform in this same binary (teal serve), or to any endpoint with AWS's API.

Exit status: 0 done, 1 failed or refused, 2 usage, 3 rolled back, 4 paused or inconclusive.`,
		Example: `  teal demo                       watch a whole release on this machine, no account needed
  teal serve                      start the embedded platform on 127.0.0.1:4566
  teal init && teal deploy        release the application in this folder`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Version:           version(),
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "text" && a.output != "json" {
				return usage("--output is %q; it takes text or json", a.output)
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &Error{Code: ExitUsage, Err: err, Hint: c.CommandPath() + " --help shows its flags"}
	})
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	f := root.PersistentFlags()
	f.StringVarP(&a.output, "output", "o", "text", "how to print results: text or json")
	f.StringVarP(&a.manifest, "file", "f", "teal.yaml", "the application's manifest")
	f.StringVar(&a.endpoint, "endpoint", "", "AWS endpoint to speak to (default: the manifest's, AWS_ENDPOINT_URL, then AWS itself)")
	f.StringVar(&a.region, "region", "", "AWS region (default: the manifest's, then AWS's usual settings, then us-east-1)")
	f.StringVar(&a.ledger, "ledger", "", "the release ledger: a folder, or s3://bucket/prefix (default: the manifest's, then .teal beside it)")
	root.AddCommand(a.serveCommand(), a.initCommand(), a.planCommand(), a.deployCommand(), a.statusCommand(),
		a.rollbackCommand(), a.historyCommand(), a.versionsCommand(), a.pruneCommand(), a.repairCommand(), a.verifyCommand(),
		a.renderCommand(), a.doctorCommand(), a.invokeCommand(), a.executeCommand(), a.logsCommand(), a.demoCommand())
	root.AddCommand(a.wishCommands()...)
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	return root
}

// wrapArgs makes a wrong number of arguments a usage error.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &Error{Code: ExitUsage, Err: err, Hint: c.CommandPath() + " --help shows how it is used"}
		}
		return nil
	}
}

// json prints v as the one document of a command under --output json.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// json reports whether the machine-readable form was asked for.
func (a *app) json() bool { return a.output == "json" }

// progress says on standard error what is going on.
func (a *app) progress(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }

// terminal reports whether w is a terminal that may be drawn on.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// version names the build as Go recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && (v == "" || v == "(devel)") {
			v = "devel-" + s.Value[:12]
		}
	}
	return v + " " + info.GoVersion
}
