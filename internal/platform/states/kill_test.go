package states

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// killFolder tells a re-executed test binary to be the process that is killed.
const killFolder = "TEAL_TEST_KILL_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(killFolder); path != "" {
		startForever(path)
	}
	os.Exit(m.Run())
}

// hurried is a clock that runs twenty times as fast, so that what waits for seconds is due at once, and after a kill
// long ago. Every process counts from the same day.
type hurried struct{}

const hurry = 20

var hurriedSince = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (hurried) Now() time.Time { return hurriedSince.Add(time.Since(hurriedSince) * hurry) }
func (hurried) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d/hurry, f).Stop
}

// busyOrEcho fails now and then, after a moment.
var busyOrEcho = invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	select {
	case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if rand.IntN(5) == 0 {
		return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Busy"}`)}, nil
	}
	return echo(ctx, in)
})

func openHurried(path string) (store.Store, *Service, error) {
	db, err := sqlite.Open(path)
	if err != nil {
		return nil, nil, err
	}
	s, err := New(Config{Store: db, Invoker: busyOrEcho, Clock: hurried{}})
	if err != nil {
		return nil, nil, err
	}
	s.engine.linger.Store([]int64{0, int64(linger)}[rand.IntN(2)])
	s.engine.snapshotAfter.Store([]int64{1, 1 << 10, snapshotAfter}[rand.IntN(3)])
	return db, s, nil
}

// startForever starts executions, eight at a time, and prints the ARN of each once it is acknowledged.
func startForever(path string) {
	_, s, err := openHurried(path)
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	m := s.machineArn("m")
	var n atomic.Int64
	acks := make(chan string)
	for range 8 {
		go func() {
			for {
				i := n.Add(1)
				input := fmt.Sprintf(`{"n":%d,"items":[1,2,3]}`, i)
				out, err := s.StartExecution(context.Background(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: &input})
				if err != nil {
					fmt.Println("start:", err)
					os.Exit(1)
				}
				acks <- fmt.Sprintf("%d %s .", i, *out.ExecutionArn)
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			}
		}()
	}
	for a := range acks {
		fmt.Println(a)
	}
}

// TestKill9 kills a process that runs executions, with SIGKILL, again and again at random moments. Every execution that
// it has acknowledged ends exactly once, as it should, with a history without gaps.
func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	const seed = 31
	rng := rand.New(rand.NewPCG(seed, 2))
	path := filepath.Join(t.TempDir(), "teal.db")
	db, s, err := openHurried(path)
	if err != nil {
		t.Fatal(err)
	}
	m := create(t, s, "m", everything, false)
	shut(t, s, db)
	acked := map[string]int{}
	const enough = 100
	for round := 0; round < 10 || len(acked) < enough && round < 50; round++ { // a busy machine starts few at a time
		for arn, n := range killed(t, path, time.Duration(20+rng.IntN(600))*time.Millisecond) {
			if _, twice := acked[arn]; twice {
				t.Fatalf("round %d: %s was acknowledged twice", round, arn)
			}
			acked[arn] = n
		}
	}
	if len(acked) < enough {
		t.Fatalf("only %d executions were acknowledged: the test shows nothing", len(acked))
	}
	t.Logf("%d executions were acknowledged", len(acked))
	if db, s, err = openHurried(path); err != nil {
		t.Fatal(err)
	}
	defer shut(t, s, db)
	allEnded(t, s, m)
	for arn, n := range acked {
		d := describe(t, s, arn)
		last := "ExecutionSucceeded"
		if n > 1000 {
			last = "ExecutionFailed"
		}
		if want := fmt.Sprintf(`{"n":%d,"c":[%d,"r"],"d":[1,2,3]}`, n, n); n <= 1000 && (d.Status != types.ExecutionStatusSucceeded || !jsonEqual(*d.Output, want)) {
			t.Fatalf("%s is %s: %s", arn, d.Status, text(d.Output))
		}
		h := events(t, s, arn)
		if !strings.HasPrefix(h, "ExecutionStarted ") || !strings.HasSuffix(h, " "+last) || strings.Count(" "+h, " Execution") != 2 {
			t.Fatalf("history of %s: %s", arn, h)
		}
	}
}

func shut(t *testing.T, s *Service, db store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// killed runs the child for a while after its first word, kills it, and returns what it has acknowledged.
func killed(t *testing.T, path string, after time.Duration) map[string]int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killFolder+"="+path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill sync.Once
	acked := map[string]int{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		kill.Do(func() { time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) })
		var n int
		var arn string
		if _, err := fmt.Sscanf(lines.Text(), "%d %s", &n, &arn); err != nil || !strings.HasSuffix(lines.Text(), " .") {
			if strings.HasPrefix(lines.Text(), "open:") || strings.HasPrefix(lines.Text(), "start:") {
				t.Fatal(lines.Text())
			}
			continue // a line that was cut
		}
		acked[arn] = n
	}
	_ = cmd.Wait() // it was killed
	if strings.Contains(stderr.String(), "panic") {
		t.Fatal(stderr.String())
	}
	return acked
}

// allEnded returns when no execution of the machine runs any more. The end of each is heard of through the store alone,
// so it looks, for a minute at most.
func allEnded(t *testing.T, s *Service, machine string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		out := must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1}))
		if len(out.Executions) == 0 {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s still runs", *out.Executions[0].ExecutionArn)
		}
	}
}
