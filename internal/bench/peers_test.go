package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/platform/states"
	"github.com/tealdeploy/teal/internal/store/memory"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

var withPeers = flag.Bool("peers", false, "compare with other engines too; they are fetched with go and npm")

const items = `{"order":12345,"items":[0,1,2,3,4,5,6,7,8,9]}`

// BenchmarkPeers runs the same workflows on Teal, as durable and as Express workflows, and on other engines: aws-local-stepfunctions, which
// keeps neither history nor anything else, and go-workflows on SQLite, whose workflow has three activities that do nothing.
//
//	go test -run '^$' -bench Peers -benchtime 10x ./internal/bench -peers
func BenchmarkPeers(b *testing.B) {
	if !*withPeers {
		b.Skip("the peers are fetched from their registries: ask for it with -peers")
	}
	local, other := localStepFunctions(b), goWorkflows(b)
	pass := `{"Type":"Pass","End":true}`
	task := `{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f",`
	for _, c := range []struct {
		name, states string
		workers      []int
		local, other string // the peers' names of the case; "" where they have none
	}{
		{"three-Pass", `"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":` + pass, []int{1, 64}, "three", ""},
		{"Map-of-10", `"A":{"Type":"Map","ItemsPath":"$.items","ItemProcessor":{"StartAt":"B","States":{"B":` + pass + `}},"End":true}`, []int{1, 64}, "map", ""},
		{"three-Task", `"A":` + task + `"Next":"B"},"B":` + task + `"Next":"C"},"C":` + task + `"End":true}`, []int{1, 64}, "", "three"},
		{"Wait-1s", `"A":{"Type":"Wait","Seconds":1,"End":true}`, []int{4000}, "wait", ""},
	} {
		for _, workers := range c.workers {
			b.Run(fmt.Sprintf("%s/at-once=%d", c.name, workers), func(b *testing.B) {
				db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { db.Close() })
				durable := contender{"durable", workflows(b, &counting{Store: db}, c.states, items, workers)}
				express := contender{"express", expresses(b, c.states, workers)}
				if c.other != "" {
					compare(b, durable, express, contender{"go-workflows", other.run(c.other, workers)})
				} else {
					compare(b, express, durable, contender{"aws-local-stepfunctions", local.run(c.local, workers)})
				}
			})
		}
	}
}

// expresses gives a contender whose workers run Express executions, which are in memory only, and get their outputs.
func expresses(b *testing.B, body string, workers int) func(*testing.B) sample {
	s, err := states.New(states.Config{Store: memory.New(), Invoker: answering{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	m, err := s.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::000000000000:role/bench"), Type: types.StateMachineTypeExpress,
		Definition: aws.String(`{"StartAt":"A","States":{` + body + `}}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	return func(b *testing.B) sample {
		return load(b, workers, func() func() error {
			return func() error {
				out, err := s.StartSyncExecution(context.Background(), &sfn.StartSyncExecutionInput{StateMachineArn: m.StateMachineArn, Input: aws.String(items)})
				if err == nil && out.Status != types.SyncExecutionStatusSucceeded {
					err = fmt.Errorf("%s: %s", out.Status, aws.ToString(out.Cause))
				}
				return err
			}
		})
	}
}

// peer is another engine's process. It is told what to run, and says how that went, in lines.
type peer struct {
	in  io.Writer
	out *json.Decoder
}

// startPeer starts a peer's process, which ends when its input does.
func startPeer(b *testing.B, dir, name string, args ...string) *peer {
	b.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.Stderr = dir, os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			b.Errorf("%s: %v", name, err)
		}
	})
	return &peer{in, json.NewDecoder(bufio.NewReader(out))}
}

// run gives a contender whose rounds run in the peer's process.
func (p *peer) run(name string, workers int) func(*testing.B) sample {
	return func(b *testing.B) sample {
		if _, err := fmt.Fprintln(p.in, name, workers, roundLength.Milliseconds()); err != nil {
			b.Fatal(err)
		}
		var answer struct{ Rate, P50, CPU float64 }
		if err := p.out.Decode(&answer); err != nil {
			b.Fatal(err)
		}
		return sample{rate: answer.Rate, p50: answer.P50, cpu: answer.CPU}
	}
}

// localStepFunctions is aws-local-stepfunctions, of npm.
func localStepFunctions(b *testing.B) *peer {
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/peers/node")); err != nil {
		b.Fatal(err)
	}
	run(b, dir, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
	return startPeer(b, dir, "node", "run.mjs")
}

// goWorkflows is go-workflows, on SQLite in a file.
func goWorkflows(b *testing.B) *peer {
	dir := b.TempDir()
	run(b, "testdata/peers/goworkflows", "go", "build", "-o", filepath.Join(dir, "goworkflows"), ".")
	return startPeer(b, dir, filepath.Join(dir, "goworkflows"), filepath.Join(dir, "peer.db"))
}

func run(b *testing.B, dir, name string, args ...string) {
	b.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	if text, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, text)
	}
}

// interfaceEmulator is AWS's Runtime Interface Emulator with the Go function, when aws-lambda-rie is on the PATH: the module
// proxy has it not. It gives its address and the request that it takes; it serves one at a time, and dies of two.
func interfaceEmulator(b *testing.B, l *language) (addr string, request []byte) {
	b.Helper()
	path, err := exec.LookPath("aws-lambda-rie")
	if err != nil {
		b.Logf("without AWS's Runtime Interface Emulator: %v", err)
		return "", nil
	}
	var ports [2]string
	for i := range ports {
		ports[i] = freePort(b)
	}
	addr = "127.0.0.1:" + ports[0]
	c := exec.Command(path, "--log-level", "error", "--runtime-interface-emulator-address", addr, "--runtime-api-address", "127.0.0.1:"+ports[1],
		filepath.Join(l.code, "bootstrap"))
	c.Env = append(os.Environ(), "AWS_LAMBDA_FUNCTION_NAME=bench", "GOMAXPROCS=1")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it says that it was killed
	})
	request = fmt.Appendf(nil, "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", addr, len(event), event)
	awaitAnswer(b, addr, request)
	return addr, request
}

func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// awaitAnswer waits until a peer serves.
func awaitAnswer(b *testing.B, addr string, request []byte) {
	b.Helper()
	for range 300 {
		if one, err := dial(addr, request, event); err == nil {
			err = one.do()
			one.conn.Close()
			if err == nil {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("nobody answers at ", addr)
}

// serverlessOffline is serverless-offline, of npm, with a language's function. It gives the address of its Lambda endpoint.
func serverlessOffline(b *testing.B, l *language) (addr string) {
	b.Helper()
	dir := b.TempDir()
	for _, from := range []string{"testdata/peers/serverless", l.code} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			b.Fatal(err)
		}
	}
	run(b, dir, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
	var ports [4]string
	for i := range ports { // it takes no 0
		ports[i] = freePort(b)
	}
	c := exec.Command("node", "node_modules/serverless/bin/serverless.js", "offline", "start", "--host", "127.0.0.1",
		"--lambdaPort", ports[0], "--httpPort", ports[1], "--websocketPort", ports[2], "--albPort", ports[3])
	c.Dir, c.Env = dir, append(os.Environ(), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it says that it was killed
	})
	addr = "127.0.0.1:" + ports[0]
	awaitAnswer(b, addr, invokeRequest(addr))
	return addr
}
