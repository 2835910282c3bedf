package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

const testRole = "arn:aws:iam::000000000000:role/app"

// fakeExecutor answers with the payload, or as do says, and remembers what it was asked.
type fakeExecutor struct {
	do func(ctx context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error)

	mu      sync.Mutex
	calls   []pool.Invocation
	retired []string
}

func (e *fakeExecutor) Invoke(ctx context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error) {
	e.mu.Lock()
	e.calls = append(e.calls, in)
	e.mu.Unlock()
	if e.do != nil {
		return e.do(ctx, f, in)
	}
	return pool.Result{Payload: in.Payload, LogTail: []byte("log of " + in.RequestID)}, nil
}

func (e *fakeExecutor) Retire(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = append(e.retired, id)
}

func (e *fakeExecutor) Check(runtime string) error {
	if strings.HasPrefix(runtime, "ruby") {
		return &pool.RuntimeMissingError{Runtime: runtime, Install: "ruby was not found; install ruby 3.4"}
	}
	return nil
}

func (e *fakeExecutor) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

// call gives the ith invocation.
func (e *fakeExecutor) call(i int) pool.Invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[i]
}

// fixture is a service over a store in memory.
type fixture struct {
	*Service
	t     testing.TB
	exec  *fakeExecutor
	store store.Store
	dir   string
}

func start(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	x := &fixture{t: t, exec: &fakeExecutor{}, store: memory.New(), dir: t.TempDir()}
	x.open(change...)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if err := removeTree(x.dir); err != nil { // read-only folders defeat TempDir's own cleaning
			t.Error(err)
		}
	})
	return x
}

func (x *fixture) open(change ...func(*Config)) {
	x.t.Helper()
	cfg := Config{Store: x.store, Executor: x.exec, DataDir: x.dir}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		x.t.Fatal(err)
	}
	x.Service = s
}

// create makes a function and waits until it is active.
func (x *fixture) create(name string) {
	x.t.Helper()
	_, err := x.CreateFunction(x.t.Context(), createInput(name))
	if err != nil {
		x.t.Fatal(err)
	}
	x.settled(name)
}

// found gives a function, or nil.
func (x *fixture) found(name string) *function {
	x.t.Helper()
	f, err := x.find(name)
	if err != nil {
		x.t.Fatal(err)
	}
	return f
}

// settled waits for the transition of a function.
func (x *fixture) settled(name string) *snapshot {
	x.t.Helper()
	n, err := x.await(x.t.Context(), x.found(name))
	if err != nil || n.settled != nil {
		x.t.Fatalf("%s did not settle: %v", name, err)
	}
	return n
}

// release gives $LATEST other code and publishes it as a new version.
func (x *fixture) release(name, content string) string {
	x.t.Helper()
	if _, err := x.UpdateFunctionCode(x.t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: zipOf(content)}); err != nil {
		x.t.Fatal(err)
	}
	out, err := x.PublishVersion(x.t.Context(), &sdk.PublishVersionInput{FunctionName: &name})
	if err != nil {
		x.t.Fatal(err)
	}
	return *out.Version
}

func (x *fixture) alias(function, name, version string, weights map[string]float64) {
	x.t.Helper()
	in := &sdk.CreateAliasInput{FunctionName: &function, Name: &name, FunctionVersion: &version}
	if weights != nil {
		in.RoutingConfig = &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights}
	}
	if _, err := x.CreateAlias(x.t.Context(), in); err != nil {
		x.t.Fatal(err)
	}
}

func createInput(name string) *sdk.CreateFunctionInput {
	return &sdk.CreateFunctionInput{
		FunctionName: aws.String(name), Role: aws.String(testRole), Handler: aws.String("index.handler"), Runtime: "python3.12",
		Code: &types.FunctionCode{ZipFile: zipOf("v0 " + name)},
	}
}

// zipOf makes a package with one file.
func zipOf(content string) []byte {
	return zipFiles(map[string]string{"index.py": content})
}

func zipFiles(files map[string]string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(content))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// wantError checks the code and the message of an AWS error.
func wantError(t testing.TB, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		var coded interface{ ErrorCode() string }
		if !errors.As(err, &coded) {
			t.Fatalf("got %v, want %s", err, code)
		}
	}
	c, m := codeAndMessage(err)
	if c != code || m != message {
		t.Errorf("got  %s: %s\nwant %s: %s", c, m, code, message)
	}
}

func codeAndMessage(err error) (code, message string) {
	var e interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if errors.As(err, &e) {
		return e.ErrorCode(), e.ErrorMessage()
	}
	if err != nil {
		return "", err.Error()
	}
	return "", ""
}
