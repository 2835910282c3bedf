package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

const (
	activityOne = "arn:aws:states:us-east-1:000000000000:activity:one"
	oneActivity = `"A":{"Type":"Task","Resource":"` + activityOne + `","TimeoutSeconds":600,"HeartbeatSeconds":60,"End":true}`
	oneCallback = `"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token"}},"End":true}`
)

func createActivity(t testing.TB, s *Service, name string) {
	t.Helper()
	must[*sfn.CreateActivityOutput](t)(s.CreateActivity(t.Context(), &sfn.CreateActivityInput{Name: &name}))
}

func fetch(t testing.TB, s *Service) *sfn.GetActivityTaskOutput {
	t.Helper()
	return must[*sfn.GetActivityTaskOutput](t)(s.GetActivityTask(t.Context(), &sfn.GetActivityTaskInput{ActivityArn: aws.String(activityOne), WorkerName: aws.String("w")}))
}

func succeed(t testing.TB, s *Service, token *string, output string) error {
	t.Helper()
	_, err := s.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: token, Output: &output})
	return err
}

func TestActivityTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		createActivity(t, s, "one")
		m := create(t, s, "m", machineOf(oneActivity), false)
		began := time.Now()
		if got := fetch(t, s); got.TaskToken != nil || time.Since(began) != longPoll {
			t.Fatalf("after %v: %+v", time.Since(began), got)
		}
		x := start1(t, s, m, "", `{"n": 1}`)
		task := fetch(t, s)
		is(t, "input", *task.Input, `{"n": 1}`)
		time.Sleep(50 * time.Second)
		must[*sfn.SendTaskHeartbeatOutput](t)(s.SendTaskHeartbeat(t.Context(), &sfn.SendTaskHeartbeatInput{TaskToken: task.TaskToken}))
		time.Sleep(50 * time.Second)
		is(t, "with a heartbeat", ended(t, s, x), "RUNNING")
		refused(t, succeed(t, s, task.TaskToken, "{"), "InvalidOutput", "Invalid Output: '{'")
		refused(t, succeed(t, s, aws.String("nonsense"), "{}"), "InvalidToken", "Invalid Token: 'Invalid token'")
		if err := succeed(t, s, task.TaskToken, `{"done": true}`); err != nil {
			t.Fatal(err)
		}
		is(t, "end", ended(t, s, x), `SUCCEEDED {"done": true}`)
		is(t, "history", events(t, s, x), "ExecutionStarted TaskStateEntered ActivityScheduled ActivityStarted ActivitySucceeded TaskStateExited ExecutionSucceeded")
		refused(t, succeed(t, s, task.TaskToken, "{}"), "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
	})
}

func TestActivityTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		createActivity(t, s, "one")
		m := create(t, s, "m", machineOf(oneActivity), false)
		silent := start1(t, s, m, "", "")
		task := fetch(t, s)
		failed := start1(t, s, m, "", "")
		must[*sfn.SendTaskFailureOutput](t)(s.SendTaskFailure(t.Context(), &sfn.SendTaskFailureInput{TaskToken: fetch(t, s).TaskToken, Error: aws.String("No"), Cause: aws.String("way")}))
		is(t, "failed", ended(t, s, failed), "FAILED No: way")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := ended(t, s, silent); !strings.HasPrefix(got, "FAILED States.HeartbeatTimeout") {
			t.Fatal(got)
		}
		refused(t, succeed(t, s, task.TaskToken, "{}"), "TaskTimedOut", "Task Timed Out: …")
		// A task that has timed out, or whose execution was stopped, is given to nobody.
		waiting := start1(t, s, m, "", "")
		must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &waiting}))
		if got := fetch(t, s); got.TaskToken != nil {
			t.Fatalf("%+v", got)
		}
	})
}

func TestActivityOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		createActivity(t, s, "one")
		m := create(t, s, "m", machineOf(oneActivity), false)
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 3 {
				got = append(got, *fetch(t, s).Input)
			}
		})
		for n := range 3 {
			synctest.Wait()
			start1(t, s, m, "", fmt.Sprint(n))
		}
		wg.Wait()
		is(t, "order", strings.Join(got, " "), "0 1 2")
	})
}

func TestCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := make(chan string, 10)
		early := false
		var s *Service
		s = open(t, Config{Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			var p struct{ Token string }
			if err := json.Unmarshal(in.Payload, &p); err != nil {
				return nil, err
			}
			if early { // the token comes back before the function has answered
				if err := succeed(t, s, &p.Token, `"early"`); err != nil {
					t.Error(err)
				}
			}
			tokens <- p.Token
			return echo(ctx, in)
		})})
		m := create(t, s, "m", machineOf(oneCallback), false)
		x := start1(t, s, m, "", "")
		token := <-tokens
		synctest.Wait()
		is(t, "before", ended(t, s, x), "RUNNING")
		time.Sleep(time.Hour)
		if err := succeed(t, s, &token, `"late"`); err != nil {
			t.Fatal(err)
		}
		is(t, "end", ended(t, s, x), `SUCCEEDED "late"`)
		is(t, "history", events(t, s, x), "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded")
		early = true
		x = start1(t, s, m, "", "")
		synctest.Wait()
		is(t, "early", ended(t, s, x), `SUCCEEDED "early"`)
	})
}

func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		child := create(t, s, "child", machineOf(`"A":{"Type":"Wait","Seconds":60,"Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.bad","IsPresent":true,"Next":"C"}],"Default":"D"},"C":{"Type":"Fail","Error":"Bad"},"D":{"Type":"Succeed"}`), false)
		call := func(pattern string) string {
			return machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution` + pattern + `","Parameters":{"StateMachineArn":"` + child + `","Input.$":"$"},"OutputPath":"$.Output","End":true}`)
		}
		two := create(t, s, "two", call(".sync:2"), false)
		one := create(t, s, "one", call(".sync"), false)
		good, text, bad, stopped := start1(t, s, two, "", `{"a":1}`), start1(t, s, one, "", `{"a":1}`), start1(t, s, two, "", `{"bad":1}`), start1(t, s, two, "", `{"a":2}`)
		synctest.Wait()
		must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &stopped}))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		is(t, "sync:2", ended(t, s, good), `SUCCEEDED {"a":1}`)
		is(t, "sync", ended(t, s, text), `SUCCEEDED "{\"a\":1}"`)
		is(t, "history", events(t, s, good), "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded")
		if got := ended(t, s, bad); !strings.HasPrefix(got, `FAILED States.TaskFailed: {"Error":"Bad","ExecutionArn":"`) {
			t.Fatal(got)
		}
		byStatus := map[types.ExecutionStatus]int{}
		for _, e := range must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &child})).Executions {
			byStatus[e.Status]++
		}
		is(t, "children", fmt.Sprint(byStatus), "map[ABORTED:1 FAILED:1 SUCCEEDED:2]")
	})
}

// TestCallbacksSurviveCrashes kills the platform at random commits, while workers fetch tasks and send tokens back. Every
// acknowledged execution ends with the output that was sent, once; a token that was acknowledged is not valid again.
func TestCallbacksSurviveCrashes(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashCallbacks(t, seed) })
		})
	}
}

func crashCallbacks(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := memory.New()
	var mu sync.Mutex
	held := map[string]bool{} // tokens without an acknowledged answer
	hold := func(token string) {
		mu.Lock()
		held[token] = true
		mu.Unlock()
	}
	invoker := invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		var p struct{ Token string }
		if err := json.Unmarshal(in.Payload, &p); err != nil {
			return nil, err
		}
		hold(p.Token)
		return echo(ctx, in)
	})
	setup := open(t, Config{Store: disk, Invoker: invoker})
	createActivity(t, setup, "one")
	child := create(t, setup, "child", machineOf(strings.Replace(oneActivity, `"TimeoutSeconds":600,"HeartbeatSeconds":60`,
		`"TimeoutSeconds":10,"Retry":[{"ErrorEquals":["States.Timeout"],"MaxAttempts":99,"MaxDelaySeconds":1}]`, 1)), false) // a worker may die with its task
	m := create(t, setup, "m", machineOf(strings.Replace(oneCallback, `"End":true`, `"Next":"B"`, 1)+
		`,"B":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"`+child+`"},"OutputPath":"$.Output","End":true}`), false)
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	work := func(s *Service, dead func() bool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if out, err := s.GetActivityTask(ctx, &sfn.GetActivityTaskInput{ActivityArn: aws.String(activityOne)}); err == nil && out.TaskToken != nil {
			hold(*out.TaskToken)
		}
		mu.Lock()
		defer mu.Unlock()
		for token := range held {
			err := succeed(t, s, &token, `"sent"`)
			var over *types.TaskTimedOut
			switch {
			case err == nil, errors.As(err, &over):
				delete(held, token)
			case !dead():
				t.Error(err)
			}
		}
	}
	for range 8 {
		db := &mortal{Store: disk, left: 1 + rng.IntN(30), written: rng.IntN(2) == 0}
		s, err := New(Config{Store: db, Invoker: invoker})
		if err != nil {
			continue
		}
		if rng.IntN(2) == 0 {
			s.engine.linger.Store(0)
			s.engine.snapshotAfter.Store(1)
		}
		for !db.isDead() {
			if out, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m}); err == nil {
				acked = append(acked, *out.ExecutionArn)
			}
			work(s, db.isDead)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Config{Store: disk, Invoker: invoker})
	for range 30 + 4*len(acked) {
		work(s, func() bool { return false })
		synctest.Wait()
	}
	if len(acked) < 5 {
		t.Fatalf("only %d executions were acknowledged: the test shows nothing", len(acked))
	}
	for _, arn := range acked {
		is(t, arn, ended(t, s, arn), `SUCCEEDED "sent"`)
		is(t, "history", events(t, s, arn), "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded")
	}
	for _, err := range disk.Scan(t.Context(), bucketOpen, store.Range{}) {
		t.Fatalf("an execution is still open: %v", err)
	}
}
