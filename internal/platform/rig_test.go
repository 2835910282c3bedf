package platform

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tealdeploy/teal/internal/front"
	"github.com/tealdeploy/teal/internal/release"
)

const role = "arn:aws:iam::000000000000:role/teal"

// rig is a platform behind a listener, and AWS's own clients of it.
type rig struct {
	t        *testing.T
	config   Config
	platform *Platform
	url      string
	server   *front.Server // nil once it has been stopped
	aws      aws.Config

	lambda     *lambda.Client
	states     *sfn.Client
	gateway    *apigatewayv2.Client
	cloudwatch *cloudwatch.Client
	sts        *sts.Client
}

// reachableDir is a folder that functions can reach too when they run as users of their own.
func reachableDir(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

// diary keeps what the platform logs, and shows it when the test has failed.
func diary(t *testing.T) *slog.Logger {
	var mu sync.Mutex
	var b bytes.Buffer
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if t.Failed() && b.Len() > 0 {
			t.Logf("the platform's log:\n%s", &b)
		}
	})
	return slog.New(slog.NewTextHandler(writer(func(line []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(line)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// writer is a function as a Writer.
type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// start brings up a platform on a free port, or on the address of cfg when it names one.
func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = reachableDir(t)
	}
	if cfg.Logger == nil {
		cfg.Logger = diary(t)
	}
	l, err := net.Listen("tcp", orElse(cfg.Address, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Address = l.Addr().String()
	r := &rig{t: t, config: cfg}
	if r.platform, err = New(cfg); err != nil {
		t.Fatal(errors.Join(err, l.Close()))
	}
	r.url = "http://" + cfg.Address
	r.server = &front.Server{Handler: r.platform, Hot: r.platform.Hot}
	go r.server.Serve(l) //nolint:errcheck // it ends with stop
	t.Cleanup(r.stop)
	key := Credentials{"any", "any"}
	if cfg.Credentials != nil {
		key = *cfg.Credentials
	}
	r.connect(key)
	return r
}

// connect makes the clients sign with key.
func (r *rig) connect(key Credentials) {
	r.aws = aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(r.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
	}
	r.lambda, r.states, r.gateway = lambda.NewFromConfig(r.aws), sfn.NewFromConfig(r.aws), apigatewayv2.NewFromConfig(r.aws)
	r.cloudwatch, r.sts = cloudwatch.NewFromConfig(r.aws), sts.NewFromConfig(r.aws)
}

func (r *rig) stop() {
	if r.server == nil {
		return
	}
	err := errors.Join(r.server.Close(), r.platform.Close())
	r.server = nil
	if err != nil {
		r.t.Errorf("close: %v", err)
	}
}

// restart ends the platform and starts it again on the same data and address.
func (r *rig) restart() *rig {
	r.stop()
	return start(r.t, r.config)
}

// bootstrap is the zip of the test function, built once per run.
var bootstrap = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "teal-function-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", out, "../cli/testdata/function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+withoutRace(os.Getenv("GOFLAGS")))
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	binary, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Store} // deflating 10 MB under the race detector takes seconds
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = f.Write(binary)
	}
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
})

// withoutRace takes the race detector, which needs cgo, out of the flags for the function.
func withoutRace(flags string) string {
	return strings.TrimSpace(strings.ReplaceAll(" "+flags+" ", " -race ", " "))
}

func code(t *testing.T) []byte {
	t.Helper()
	b, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// function makes a release's function that answers with a JSON string.
func function(t *testing.T, answer string) release.Function {
	zipped := code(t)
	sum := sha256.Sum256(zipped)
	quoted, err := json.Marshal(answer)
	must(t, err)
	return release.Function{
		Key: "fn", Runtime: "provided.al2023", Handler: "bootstrap", Role: role, Architectures: []string{architecture()},
		MemorySize: 128, Timeout: 10, Environment: map[string]string{"ANSWER": string(quoted)},
		Code: zipped, CodeSize: int64(len(zipped)), CodeSHA256: base64.StdEncoding.EncodeToString(sum[:]),
	}
}

// create makes a function with an environment.
func (r *rig) create(name string, env map[string]string) *lambda.CreateFunctionOutput {
	r.t.Helper()
	out, err := r.lambda.CreateFunction(r.t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(role), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Architectures: []lambdatypes.Architecture{lambdatypes.Architecture(architecture())}, Timeout: aws.Int32(20),
		Code: &lambdatypes.FunctionCode{ZipFile: code(r.t)}, Environment: &lambdatypes.Environment{Variables: env},
	})
	must(r.t, err)
	return out
}

// publish gives a function a new environment and publishes a version of it.
func (r *rig) publish(name string, env map[string]string) string {
	r.t.Helper()
	ctx := r.t.Context()
	_, err := r.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Environment: &lambdatypes.Environment{Variables: env}})
	must(r.t, err)
	must(r.t, lambda.NewFunctionUpdatedV2Waiter(r.lambda, func(o *lambda.FunctionUpdatedV2WaiterOptions) { o.MinDelay = 10 * time.Millisecond }).
		Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, 10*time.Second))
	v, err := r.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &name})
	must(r.t, err)
	return *v.Version
}

// ended waits for the end of an execution.
func (r *rig) ended(ctx context.Context, execution string) *sfn.DescribeExecutionOutput {
	r.t.Helper()
	for {
		d, err := r.states.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &execution})
		must(r.t, err)
		if d.Status != "RUNNING" {
			return d
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("%s does not end: %v", execution, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get fetches a URL.
func (r *rig) get(url string) (int, http.Header, string) {
	r.t.Helper()
	resp, err := http.Get(url)
	must(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(r.t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
