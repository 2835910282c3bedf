package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// binary is the program under test, built once per run.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "teal-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "teal")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// command is an invocation of the binary, away from what the person's shell says of AWS.
func command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "TEAL_") && !strings.HasPrefix(kv, "RELEASE=") {
			c.Env = append(c.Env, kv)
		}
	}
	c.Env = append(c.Env, "GOWORK=off", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	return c
}

// teal runs the binary to its end with environment env added, reads its JSON document into out unless that is nil, and
// fails the test unless it exits with code.
func teal(t *testing.T, code int, out any, env []string, args ...string) (stderr string) {
	t.Helper()
	c := command(t.Context(), args...)
	c.Env = append(c.Env, env...)
	var stdout, errs bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if c.ProcessState.ExitCode() != code {
		t.Fatalf("teal %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), c.ProcessState.ExitCode(), code, stdout.Bytes(), errs.Bytes())
	}
	if out != nil {
		if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
			t.Fatalf("teal %s printed no single JSON document: %v\n%s", strings.Join(args, " "), err, stdout.Bytes())
		}
	}
	return errs.String()
}

// served is a platform in a process of its own.
type served struct {
	t       *testing.T
	process *exec.Cmd
	stderr  *bytes.Buffer
	URL     string
	data    string
	args    []string // further ones of its command line
	aws     aws.Config
}

// serve starts the platform on listen and returns once it says that it is ready.
func serve(t *testing.T, listen, data string, args ...string) *served {
	t.Helper()
	all := append([]string{"serve", "--listen", listen, "--data", data, "--output", "json"}, args...)
	s := &served{t: t, data: data, args: args, stderr: &bytes.Buffer{}, process: command(context.Background(), all...)}
	s.process.Stderr = s.stderr
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	var ready struct{ Status, Endpoint string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil || ready.Status != "ready" {
		s.kill()
		t.Fatalf("teal serve: %v, %+v\n%s", err, ready, s.stderr)
	}
	s.URL = ready.Endpoint
	s.aws = aws.Config{Region: "us-east-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	return s
}

// kill ends the platform as kill -9 does, and waits until its process is gone.
func (s *served) kill() {
	if s.process.ProcessState != nil {
		return
	}
	if err := s.process.Process.Kill(); err != nil {
		s.t.Error(err)
	}
	_ = s.process.Wait() // it was killed: that is its error
}

// restart starts a killed platform again on its data and address, in the same way.
func (s *served) restart() *served {
	return serve(s.t, strings.TrimPrefix(s.URL, "http://"), s.data, s.args...)
}

// reachableDir is a folder that functions can reach too where they run as users of their own.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// until asks done every 25 ms until it holds.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within 30 s: %s", what)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
