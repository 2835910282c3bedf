package states

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store/memory"
)

const fn = "arn:aws:lambda:us-east-1:000000000000:function:"

// machineOf writes a definition of states, of which the first is A.
func machineOf(states string) string { return `{"StartAt":"A","States":{` + states + `}}` }

func start1(t testing.TB, s *Service, arn, name, input string) string {
	t.Helper()
	in := &sfn.StartExecutionInput{StateMachineArn: &arn}
	if name != "" {
		in.Name = &name
	}
	if input != "" {
		in.Input = &input
	}
	return *must[*sfn.StartExecutionOutput](t)(s.StartExecution(t.Context(), in)).ExecutionArn
}

func describe(t testing.TB, s *Service, arn string) *sfn.DescribeExecutionOutput {
	t.Helper()
	return must[*sfn.DescribeExecutionOutput](t)(s.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn}))
}

// ended is how an execution stands: "SUCCEEDED output" or "FAILED error: cause".
func ended(t testing.TB, s *Service, arn string) string {
	t.Helper()
	d := describe(t, s, arn)
	switch d.Status {
	case types.ExecutionStatusSucceeded:
		return string(d.Status) + " " + *d.Output
	case types.ExecutionStatusRunning:
		return string(d.Status)
	}
	return string(d.Status) + " " + text(d.Error) + ": " + text(d.Cause)
}

// events is the history as the types of its events; it fails the test when the numbers have a gap.
func events(t testing.TB, s *Service, arn string) string {
	t.Helper()
	var types []string
	for token := (*string)(nil); ; {
		out := must[*sfn.GetExecutionHistoryOutput](t)(s.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 7, NextToken: token}))
		for _, e := range out.Events {
			types = append(types, string(e.Type))
			if e.Id != int64(len(types)) || e.PreviousEventId >= e.Id || e.Timestamp == nil {
				t.Fatalf("event %d of %s: id %d after %d at %v", len(types), arn, e.Id, e.PreviousEventId, e.Timestamp)
			}
		}
		if token = out.NextToken; token == nil {
			return strings.Join(types, " ")
		}
	}
}

func is(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func TestPass(t *testing.T) {
	s := open(t, Config{})
	m := create(t, s, "m", twoPass, false)
	x := start1(t, s, m, "", `{"a": "<1>"}`)
	is(t, "at once", ended(t, s, x), `SUCCEEDED {"a": "<1>"}`)
	is(t, "history", events(t, s, x), "ExecutionStarted PassStateEntered PassStateExited PassStateEntered PassStateExited ExecutionSucceeded")
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":3600,"End":true}`), false)
		began := time.Now()
		x := start1(t, s, m, "", "")
		time.Sleep(time.Hour - time.Millisecond)
		synctest.Wait()
		is(t, "a millisecond before", ended(t, s, x), "RUNNING")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		is(t, "at its time", ended(t, s, x), "SUCCEEDED {}")
		if d := describe(t, s, x); !d.StopDate.Equal(began.Add(time.Hour).UTC()) {
			t.Fatalf("stopped at %v, started at %v", d.StopDate, began)
		}
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Duration
		began := time.Now()
		s := open(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			calls = append(calls, time.Since(began))
			if len(calls) < 4 {
				return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage": "no", "errorType": "Busy"}`)}, nil
			}
			return echo(t.Context(), in)
		})})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f","End":true,
			"Retry":[{"ErrorEquals":["Busy"],"IntervalSeconds":2,"BackoffRate":2,"MaxAttempts":3}]}`), false)
		x := start1(t, s, m, "", `{"n":1}`)
		time.Sleep(time.Minute)
		is(t, "after three retries", ended(t, s, x), `SUCCEEDED {"n":1}`)
		is(t, "calls", fmt.Sprint(calls), "[0s 2s 6s 14s]")
		calls = calls[:0]
		began = time.Now()
		s.invoker = invokerFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			calls = append(calls, time.Since(began))
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage": "no", "errorType": "Busy"}`)}, nil
		})
		x = start1(t, s, m, "", `{"n":1}`)
		time.Sleep(time.Minute)
		is(t, "when they are used up", ended(t, s, x), `FAILED Busy: {"errorMessage": "no", "errorType": "Busy"}`)
		is(t, "calls", fmt.Sprint(calls), "[0s 2s 6s 14s]")
	})
}

func TestParallelAndMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most, now atomic.Int32
		s := open(t, Config{Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return echo(ctx, in)
		})})
		m := create(t, s, "m", machineOf(`
			"A":{"Type":"Parallel","Next":"B","Branches":[
				{"StartAt":"P","States":{"P":{"Type":"Task","Resource":"`+fn+`p","End":true}}},
				{"StartAt":"Q","States":{"Q":{"Type":"Wait","Seconds":5,"End":true}}}]},
			"B":{"Type":"Map","MaxConcurrency":2,"End":true,"ItemProcessor":{"StartAt":"R","States":{"R":{"Type":"Task","Resource":"`+fn+`r","End":true}}}}`), false)
		began := time.Now()
		x := start1(t, s, m, "", `7`)
		time.Sleep(time.Minute)
		is(t, "both", ended(t, s, x), `SUCCEEDED [7,7]`)
		if d := describe(t, s, x); d.StopDate.Sub(began) != 6*time.Second {
			t.Fatalf("took %v", d.StopDate.Sub(began))
		}
		most.Store(0)
		m = create(t, s, "map", machineOf(`"A":{"Type":"Map","MaxConcurrency":3,"End":true,"ItemProcessor":{"StartAt":"R","States":{"R":{"Type":"Task","Resource":"`+fn+`r","End":true}}}}`), false)
		began = time.Now()
		x = start1(t, s, m, "", `[0,1,2,3,4,5,6,7,8,9]`)
		time.Sleep(time.Minute)
		is(t, "map", ended(t, s, x), `SUCCEEDED [0,1,2,3,4,5,6,7,8,9]`)
		if d := describe(t, s, x); d.StopDate.Sub(began) != 4*time.Second || most.Load() != 3 {
			t.Fatalf("took %v with %d at once", d.StopDate.Sub(began), most.Load())
		}
		events(t, s, x)
	})
}

// blocked is an Invoker whose calls end only with their context.
type blocked struct{ began, cancelled atomic.Int32 }

func (b *blocked) Invoke(ctx context.Context, _ *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	b.began.Add(1)
	<-ctx.Done()
	b.cancelled.Add(1)
	return nil, ctx.Err()
}

func TestStopCancelsInvocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inv := &blocked{}
		s := open(t, Config{Invoker: inv})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f","End":true}`), false)
		x := start1(t, s, m, "", "")
		time.Sleep(time.Second)
		stop := func() time.Time {
			return *must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &x, Error: aws.String("E"), Cause: aws.String("because")})).StopDate
		}
		first := stop()
		synctest.Wait()
		if inv.began.Load() != 1 || inv.cancelled.Load() != 1 {
			t.Fatalf("%d invocations, %d cancelled", inv.began.Load(), inv.cancelled.Load())
		}
		is(t, "stopped", ended(t, s, x), "ABORTED E: because")
		time.Sleep(time.Second)
		if again := stop(); !again.Equal(first) {
			t.Fatalf("stopped at %v, and again at %v", first, again)
		}
		is(t, "history", events(t, s, x), "ExecutionStarted TaskStateEntered LambdaFunctionScheduled LambdaFunctionStarted ExecutionAborted")
	})
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inv := &blocked{}
		s := open(t, Config{Invoker: inv})
		task := create(t, s, "task", machineOf(`"A":{"Type":"Task","TimeoutSeconds":5,"Resource":"`+fn+`f","End":true}`), false)
		whole := create(t, s, "whole", `{"TimeoutSeconds":7,`+machineOf(`"A":{"Type":"Task","Resource":"` + fn + `f","End":true}`)[1:], false)
		x, y := start1(t, s, task, "", ""), start1(t, s, whole, "", "")
		time.Sleep(6 * time.Second)
		synctest.Wait()
		is(t, "the task's", ended(t, s, x), "FAILED States.Timeout: ")
		is(t, "the machine's, before its time", ended(t, s, y), "RUNNING")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := describe(t, s, y).Status; got != types.ExecutionStatusTimedOut {
			t.Fatal(got)
		}
		if inv.cancelled.Load() != 2 {
			t.Fatalf("%d invocations cancelled", inv.cancelled.Load())
		}
	})
}

func TestStartIsIdempotentByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := open(t, Config{}), t.Context()
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":60,"End":true}`), false)
		in := &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String("x"), Input: aws.String(`{"a":1}`)}
		var wg sync.WaitGroup
		dates := make([]time.Time, 32)
		for i := range dates {
			wg.Go(func() { dates[i] = *must[*sfn.StartExecutionOutput](t)(s.StartExecution(ctx, in)).StartDate })
		}
		wg.Wait()
		for _, d := range dates {
			if !d.Equal(dates[0]) {
				t.Fatalf("started at %v and at %v", dates[0], d)
			}
		}
		arn := "arn:aws:states:us-east-1:000000000000:execution:m:x"
		_, err := s.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String("x"), Input: aws.String(`{"a":2}`)})
		refused(t, err, "ExecutionAlreadyExists", "Execution Already Exists: '"+arn+"'")
		time.Sleep(time.Hour)
		is(t, "one execution", ended(t, s, arn), `SUCCEEDED {"a":1}`)
		_, err = s.StartExecution(ctx, in)
		refused(t, err, "ExecutionAlreadyExists", "Execution Already Exists: '"+arn+"'")
		_, err = s.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String(`{"a"`)})
		refused(t, err, "InvalidExecutionInput", "Invalid State Machine Execution Input: '…")
	})
}

// TestAliasRoutesByWeight switches weights under traffic: the share is right, nothing fails, and what starts after the
// switch has returned goes by the new weights.
func TestAliasRoutesByWeight(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	m := create(t, s, "m", onePass, true)
	update(t, s, m, twoPass, true)
	alias := m + ":live"
	must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 90, m+":2", 10)}))
	pick := func() int {
		r := must[*executionRecord](t)(s.newExecutionRecord(&sfn.StartExecutionInput{StateMachineArn: &alias}))
		if r.Alias != "live" || r.Revision.Digest != s.machines.find("m").versions[r.Version].Revision.Digest {
			t.Fatalf("%+v", r)
		}
		return r.Version
	}
	const n = 50_000
	green := 0
	for range n {
		green += pick() - 1
	}
	if share := float64(green) / n; math.Abs(share-0.10) > 0.01 { // 7 standard deviations
		t.Fatalf("version 2 got %.4f of the traffic", share)
	}
	switchTo := func(list []types.RoutingConfigurationListItem) {
		must[*sfn.UpdateStateMachineAliasOutput](t)(s.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &alias, RoutingConfiguration: list}))
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					pick()
				}
			}
		})
	}
	for i := range 100 {
		v := 1 + i%2
		switchTo(items(fmt.Sprintf("%s:%d", m, v), 100))
		for range 20 {
			if got := pick(); got != v {
				t.Fatalf("after the switch to version %d version %d was picked", v, got)
			}
		}
	}
	close(done)
	wg.Wait()

	switchTo(items(m+":2", 100))
	d := describe(t, s, start1(t, s, alias, "", ""))
	if *d.StateMachineAliasArn != alias || *d.StateMachineVersionArn != m+":2" || *d.StateMachineArn != m {
		t.Fatalf("%v %v", *d.StateMachineAliasArn, *d.StateMachineVersionArn)
	}
	d = describe(t, s, start1(t, s, m+":1", "", ""))
	if d.StateMachineAliasArn != nil || *d.StateMachineVersionArn != m+":1" {
		t.Fatalf("%+v", d)
	}
	d = describe(t, s, start1(t, s, m, "", ""))
	if d.StateMachineAliasArn != nil || d.StateMachineVersionArn != nil {
		t.Fatalf("%+v", d)
	}
}

// TestExecutionsArePinned changes everything around a running execution: it ends on what it was started with.
func TestExecutionsArePinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := open(t, Config{}), t.Context()
		of := func(result string) string {
			return machineOf(`"A":{"Type":"Wait","Seconds":60,"Next":"B"},"B":{"Type":"Pass","Result":"` + result + `","End":true}`)
		}
		m := create(t, s, "m", of("blue"), true)
		must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 100)}))
		blue := start1(t, s, m+":live", "", "")
		update(t, s, m, of("green"), true)
		must[*sfn.UpdateStateMachineAliasOutput](t)(s.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":live"), RoutingConfiguration: items(m+":2", 100)}))
		must[*sfn.DeleteStateMachineVersionOutput](t)(s.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(m + ":1")}))
		green := start1(t, s, m+":live", "", "")
		time.Sleep(time.Hour)
		is(t, "started before", ended(t, s, blue), `SUCCEEDED "blue"`)
		is(t, "started after", ended(t, s, green), `SUCCEEDED "green"`)
		d := must[*sfn.DescribeStateMachineForExecutionOutput](t)(s.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &blue}))
		is(t, "definition", *d.Definition, of("blue"))
		if d.RevisionId != nil || *describe(t, s, blue).StateMachineVersionArn != m+":1" {
			t.Fatal("the execution does not tell what it ran on")
		}
	})
}

func TestListExecutions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := open(t, Config{}), t.Context()
		m := create(t, s, "m", machineOf(`"A":{"Type":"Choice","Choices":[
			{"Variable":"$.do","StringEquals":"fail","Next":"F"},{"Variable":"$.do","StringEquals":"wait","Next":"W"}],"Default":"P"},
			"F":{"Type":"Fail","Error":"E"},"W":{"Type":"Wait","Seconds":600,"End":true},"P":{"Type":"Pass","End":true}`), true)
		must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 100)}))
		on := []string{m, m + ":1", m + ":live"}
		do := []string{"pass", "fail", "wait"}
		for i := range 27 {
			start1(t, s, on[i%3], fmt.Sprintf("x%02d", i), fmt.Sprintf(`{"do":%q}`, do[i/3%3]))
			time.Sleep(time.Second)
		}
		list := func(arn string, status types.ExecutionStatus, page int32) string {
			var names []string
			for token := (*string)(nil); ; {
				out := must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &arn, StatusFilter: status, MaxResults: page, NextToken: token}))
				for _, e := range out.Executions {
					names = append(names, strings.TrimPrefix(*e.Name, "x"))
					if (e.StopDate == nil) != (e.Status == types.ExecutionStatusRunning) || status != "" && e.Status != status {
						t.Fatalf("%+v", e)
					}
				}
				if token = out.NextToken; token == nil {
					return strings.Join(names, " ")
				}
			}
		}
		all := "26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 09 08 07 06 05 04 03 02 01 00"
		for _, page := range []int32{0, 1, 4, 27} {
			is(t, "all", list(m, "", page), all)
			is(t, "running", list(m, types.ExecutionStatusRunning, page), "26 25 24 17 16 15 08 07 06")
			is(t, "failed", list(m, types.ExecutionStatusFailed, page), "23 22 21 14 13 12 05 04 03")
			is(t, "aborted", list(m, types.ExecutionStatusAborted, page), "")
			is(t, "version", list(m+":1", "", page), "26 25 23 22 20 19 17 16 14 13 11 10 08 07 05 04 02 01")
			is(t, "alias", list(m+":live", types.ExecutionStatusSucceeded, page), "20 11 02")
		}
		time.Sleep(time.Hour)
		is(t, "none runs", list(m, types.ExecutionStatusRunning, 0), "")
		is(t, "all, later", list(m, "", 5), all)
		_, err := s.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &m, StatusFilter: "succeeded"})
		refused(t, err, "ValidationException", "1 validation error detected: Value 'succeeded' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]")
		_, err = s.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: aws.String(m + ":7")})
		refused(t, err, "ResourceNotFound", "Resource not found: '"+m+":7'")
	})
}

func TestHistoryPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := open(t, Config{}), t.Context()
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":1,"Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Wait","Seconds":1,"Next":"D"},"D":{"Type":"Pass","End":true}`), false)
		x := start1(t, s, m, "", "")
		time.Sleep(time.Minute)
		for _, page := range []int32{1, 2, 3, 5, 100} {
			for _, reverse := range []bool{false, true} {
				var ids []int64
				for token := (*string)(nil); ; {
					out := must[*sfn.GetExecutionHistoryOutput](t)(s.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &x, MaxResults: page, ReverseOrder: reverse, NextToken: token}))
					for _, e := range out.Events {
						ids = append(ids, e.Id)
					}
					if token = out.NextToken; token == nil {
						break
					}
				}
				want := "[1 2 3 4 5 6 7 8 9 10]"
				if reverse {
					want = "[10 9 8 7 6 5 4 3 2 1]"
				}
				is(t, fmt.Sprintf("pages of %d, reverse %v", page, reverse), fmt.Sprint(ids), want)
			}
		}
		out := must[*sfn.GetExecutionHistoryOutput](t)(s.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &x, IncludeExecutionData: aws.Bool(false)}))
		if d := out.Events[1].StateEnteredEventDetails; *d.Name != "A" || d.Input != nil {
			t.Fatalf("%+v", d)
		}
	})
}

func TestDeleteStopsExecutions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New()
		s, ctx := open(t, Config{Store: db}), t.Context()
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":60,"End":true}`), true)
		must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 100)}))
		x, y := start1(t, s, m, "x", ""), start1(t, s, m+":live", "y", "")
		must[*sfn.DeleteStateMachineOutput](t)(s.DeleteStateMachine(ctx, &sfn.DeleteStateMachineInput{StateMachineArn: &m}))
		synctest.Wait()
		for _, arn := range []string{x, y} {
			is(t, "its execution", ended(t, s, arn), "ABORTED : The state machine was deleted.")
		}
		_, err := s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &m})
		refused(t, err, "StateMachineDoesNotExist", "State Machine Does Not Exist: '"+m+"'")
		m = create(t, s, "m", onePass, false) // the name is free again, its versions and aliases are gone
		if out := must[*sfn.ListStateMachineAliasesOutput](t)(s.ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: &m})); len(out.StateMachineAliases) != 0 {
			t.Fatal(out.StateMachineAliases)
		}
		_, err = s.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String("x")}) // names of executions are not
		refused(t, err, "ExecutionAlreadyExists", "Execution Already Exists: '"+x+"'")
	})
}
