package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// TestMain makes the test program be teal where a script calls teal.
func TestMain(m *testing.M) {
	testscript.Main(testRun{m}, map[string]func(){"teal": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}})
}

// testRun removes what the tests share at the end of their run.
type testRun struct{ m *testing.M }

func (r testRun) Run() int {
	code := r.m.Run()
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// TestScripts runs testdata/script/*.txt. Every script has a platform of its own, at $AWS_ENDPOINT_URL ($ADDRESS, with its
// data in $DATA), a folder $ROOM for the data of others, a free address $FREE, and $FUNCTION, a function's executable that does what its environment says
// (testdata/function). Beside testscript's commands there are:
//
//	exits CODE COMMAND...           run it; its exit status must be CODE
//	until CODE REGEXP COMMAND...    run it until its exit status is CODE and its output matches
//	json [PATH VALUE]...            stdout must be exactly one JSON document, with VALUE at PATH (functions.0.version)
//	routes FUNCTION:ALIAS ROUTING   the alias must route so (such as 1, or 1 90% · 2 10%), or not exist (none)
//	drift FUNCTION:ALIAS VERSION    someone else points the alias at VERSION
//	traffic FUNCTION:ALIAS          invoke it steadily until the script ends
//	nothing                         the platform must hold no function, no state machine and no API
//	zip FILE [ENTRY]                make a zip with one entry
//	newer FOLDER                    make a data folder that a newer teal has written
//	bucket NAME                     make a bucket
//	queue NAME                      make a queue
//	once FUNCTION:ALIAS             events that fail are not tried again
//	letter NAME REGEXP              wait until the queue has a message that matches
//	half FUNCTION:ALIAS VERSION PERCENT  someone else gives VERSION a share of the alias
//	point FUNCTION:ALIAS VERSION    the same as drift
//	forget FUNCTION VERSION         someone else deletes a version
//	permit FUNCTION SERVICE         someone else lets a service invoke the function without a qualifier
//	alarm NAME STATE                make an alarm on nothing, where there is none, and set its state
//	layer NAME                      publish a layer's version
//	provision FUNCTION VERSION N    someone else gives a version environments that are started ahead
//	provisioned FUNCTION STATE      that must be the versions with provisioned concurrency (such as 1 READY 2, 3 READY 2)
//	deployments STATUS...           wait until CodeDeploy's deployments have these statuses, the oldest first
//	zone NAME                       make a hosted zone, $ZONE, which the DNS at $DNS answers for
//	record NAME TTL SLOT=WEIGHT...  write a CNAME for every slot
//	entrance NAME SLOT FUNCTION:ALIAS  make a function URL for the alias, and let the slot's CNAME lead to it
//	weights NAME SLOT=WEIGHT...     those must be the CNAMEs, with these weights
//	answers NAME SLOT PERCENT       so many of the DNS's answers must lead to the slot
//	visit NAME                      ask the DNS and then what it leads to, steadily until the script ends
//	latest VARIABLE                 put the ID of the latest rollout into a variable
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "until": scriptUntil, "json": scriptJSON, "routes": scriptRoutes, "drift": scriptDrift,
			"traffic": scriptTraffic, "nothing": scriptNothing, "zip": scriptZip, "newer": scriptNewer,
			"bucket": scriptBucket, "queue": scriptQueue, "once": scriptOnce, "letter": scriptLetter,
			"half": scriptHalf, "point": scriptDrift, "forget": scriptForget, "permit": scriptPermit, "latest": scriptLatest,
			"alarm": scriptAlarm, "layer": scriptLayer, "provision": scriptProvision, "provisioned": scriptProvisioned,
			"deployments": scriptDeployments,
			"zone":        scriptZone, "record": scriptRecord, "entrance": scriptEntrance, "weights": scriptWeights, "answers": scriptAnswers, "visit": scriptVisit,
		},
	})
}

// configKey is where a script keeps the SDK's configuration for its platform.
type configKey struct{}

// built is the function that scripts release, built once per run.
var built struct {
	once sync.Once
	dir  string
	file string
	err  error
}

func testFunction() (string, error) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "teal-function-"); built.err != nil {
			return
		}
		built.file = filepath.Join(built.dir, "bootstrap")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", built.file, "./testdata/function")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	return built.file, built.err
}

func setUp(env *testscript.Env) error {
	function, err := testFunction()
	if err != nil {
		return err
	}
	room, err := os.MkdirTemp("", "teal-room-")
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := os.RemoveAll(room); err != nil {
			panic(err)
		}
	})
	// Functions run as users of their own where the tests run as root.
	if err := os.Chmod(room, 0o711); err != nil {
		return err
	}
	data := filepath.Join(room, "data")
	s, err := startServer(serverConfig{listen: "127.0.0.1:0", data: data, account: "000000000000", dns: "127.0.0.1:0", log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := s.Close(); err != nil {
			panic(err)
		}
	})
	architecture := "x86_64"
	if runtime.GOARCH == "arm64" {
		architecture = "arm64"
	}
	env.Setenv("AWS_ENDPOINT_URL", s.URL())
	env.Setenv("AWS_CONFIG_FILE", os.DevNull)
	env.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = free.Close()
	}
	if err != nil {
		return err
	}
	env.Setenv("FREE", free.Addr().String())
	env.Setenv("ADDRESS", strings.TrimPrefix(s.URL(), "http://"))
	env.Setenv("DNS", s.platform.DNS())
	env.Setenv("ROOM", room)
	env.Setenv("XDG_CACHE_HOME", filepath.Join(room, "cache"))
	env.Setenv("DATA", data)
	env.Setenv("FUNCTION", function)
	env.Setenv("ARCH", architecture)
	env.Values[configKey{}] = aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}
	return nil
}

func awsOf(ts *testscript.TestScript) aws.Config { return ts.Value(configKey{}).(aws.Config) }

// exitCode gives the exit status of a command that ran.
func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit != nil {
		return exit.ExitCode()
	}
	return 0
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	if got := exitCode(ts, ts.Exec(args[1], args[2:]...)); got != number(ts, args[0]) {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until CODE REGEXP COMMAND...")
	}
	match := regexp.MustCompile(args[1])
	for end := time.Now().Add(20 * time.Second); ; {
		code := exitCode(ts, ts.Exec(args[2], args[3:]...))
		if code == number(ts, args[0]) && match.MatchString(ts.ReadFile("stdout")+ts.ReadFile("stderr")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("exit status %d at the last of many tries", code)
		}
	}
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%2 != 0 {
		ts.Fatalf("usage: json [PATH VALUE]...")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		ts.Fatalf("stdout is no JSON document: %v", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		ts.Fatalf("stdout has more than one JSON document")
	}
	for i := 0; i < len(args); i += 2 {
		if got := fmt.Sprint(at(ts, doc, args[i])); got != args[i+1] {
			ts.Fatalf("%s is %s, want %s", args[i], got, args[i+1])
		}
	}
}

// at finds the value at a path of a document; nil when there is none.
func at(ts *testscript.TestScript, doc any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch d := doc.(type) {
		case map[string]any:
			doc = d[step]
		case []any:
			if step == "length" {
				return len(d)
			}
			n := number(ts, step)
			if n >= len(d) {
				return nil
			}
			doc = d[n]
		default:
			return nil
		}
	}
	return doc
}

func splitAlias(ts *testscript.TestScript, s string) (function, name string) {
	function, name, ok := strings.Cut(s, ":")
	if !ok {
		ts.Fatalf("%q is not FUNCTION:ALIAS", s)
	}
	return function, name
}

func scriptRoutes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: routes FUNCTION:ALIAS ROUTING")
	}
	function, name := splitAlias(ts, args[0])
	out, err := lambda.NewFromConfig(awsOf(ts)).GetAlias(context.Background(), &lambda.GetAliasInput{FunctionName: &function, Name: &name})
	got := "none"
	if err == nil {
		got = aws.ToString(out.FunctionVersion)
		if out.RoutingConfig != nil {
			for v, weight := range out.RoutingConfig.AdditionalVersionWeights {
				got = fmt.Sprintf("%s %.0f%% · %s %.0f%%", got, 100-weight*100, v, weight*100)
			}
		}
	} else if !strings.Contains(err.Error(), "ResourceNotFoundException") {
		ts.Fatalf("%v", err)
	}
	if got != args[1] {
		ts.Fatalf("%s routes %s, want %s", args[0], got, args[1])
	}
}

func scriptDrift(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: drift FUNCTION:ALIAS VERSION")
	}
	function, name := splitAlias(ts, args[0])
	_, err := lambda.NewFromConfig(awsOf(ts)).UpdateAlias(context.Background(), &lambda.UpdateAliasInput{
		FunctionName: &function, Name: &name, FunctionVersion: &args[1],
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}},
	})
	ts.Check(err)
}

func scriptTraffic(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: traffic FUNCTION:ALIAS")
	}
	client := lambda.NewFromConfig(awsOf(ts))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for every := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				every.Stop()
				return
			case <-every.C:
				_, _ = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &args[0]}) // what fails is the rollout's to see
			}
		}
	}()
	ts.Defer(func() { cancel(); <-done })
}

func scriptNothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nothing")
	}
	ctx := context.Background()
	functions, err := lambda.NewFromConfig(awsOf(ts)).ListFunctions(ctx, nil)
	ts.Check(err)
	machines, err := sfn.NewFromConfig(awsOf(ts)).ListStateMachines(ctx, nil)
	ts.Check(err)
	apis, err := apigatewayv2.NewFromConfig(awsOf(ts)).GetApis(ctx, nil)
	ts.Check(err)
	if n := len(functions.Functions) + len(machines.StateMachines) + len(apis.Items); n != 0 {
		ts.Fatalf("the platform holds %d functions, %d state machines and %d APIs", len(functions.Functions), len(machines.StateMachines), len(apis.Items))
	}
}

func scriptZip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: zip FILE [ENTRY]")
	}
	entry := "bootstrap"
	if len(args) == 2 {
		entry = args[1]
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(entry)
	ts.Check(err)
	_, err = f.Write([]byte("#!/bin/sh\n"))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o644))
}

func scriptNewer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer FOLDER")
	}
	dir := filepath.Join(ts.MkAbs(args[0]), "db")
	s, err := startServer(serverConfig{listen: "127.0.0.1:0", data: filepath.Dir(dir), account: "000000000000", log: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	ts.Check(s.Close())
	conn, err := sqlite.OpenConn(filepath.Join(dir, "teal.db"), sqlite.OpenReadWrite)
	ts.Check(err)
	ts.Check(errors.Join(sqlitex.ExecuteTransient(conn, "PRAGMA user_version = 99", nil), conn.Close()))
}
