package states

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store/memory"
)

func TestRedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		invoker := invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			if broken {
				return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Broken"}`)}, nil
			}
			return echo(ctx, in)
		})
		disk := memory.New()
		s := open(t, Config{Store: disk, Invoker: invoker})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Pass","Result":{"kept":1},"Next":"B"},"B":{"Type":"Task","Resource":"`+fn+`f","End":true}`), false)
		x := start1(t, s, m, "x", "")
		redriveIt := func(token string) (*sfn.RedriveExecutionOutput, error) {
			return s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x, ClientToken: given(token)})
		}
		synctest.Wait()
		d := describe(t, s, x)
		is(t, "failed", string(d.RedriveStatus)+text(d.RedriveStatusReason), "REDRIVABLE")
		update(t, s, m, machineOf(`"A":{"Type":"Fail"}`), false) // it stays on its own definition
		must[*sfn.RedriveExecutionOutput](t)(redriveIt(""))
		synctest.Wait()
		broken = false
		if err := s.Close(); err != nil { // the second failure is on disk, too
			t.Fatal(err)
		}
		s = open(t, Config{Store: disk, Invoker: invoker})
		first := must[*sfn.RedriveExecutionOutput](t)(redriveIt("t"))
		synctest.Wait()
		is(t, "end", ended(t, s, x), `SUCCEEDED {"kept":1}`)
		is(t, "history", events(t, s, x), "ExecutionStarted PassStateEntered PassStateExited TaskStateEntered LambdaFunctionScheduled LambdaFunctionStarted LambdaFunctionFailed ExecutionFailed "+
			"ExecutionRedriven LambdaFunctionScheduled LambdaFunctionStarted LambdaFunctionFailed ExecutionFailed "+
			"ExecutionRedriven LambdaFunctionScheduled LambdaFunctionStarted LambdaFunctionSucceeded TaskStateExited ExecutionSucceeded")
		if again := must[*sfn.RedriveExecutionOutput](t)(redriveIt("t")); !again.RedriveDate.Equal(*first.RedriveDate) {
			t.Fatal("a repeated request has redriven again")
		}
		_, err := redriveIt("")
		refused(t, err, "ExecutionNotRedrivable", "Execution is SUCCEEDED and cannot be redriven")
		d = describe(t, s, x)
		if *d.RedriveCount != 2 || d.RedriveDate == nil || !d.RedriveDate.Equal(*first.RedriveDate) {
			t.Fatalf("%+v", d)
		}
		for filter, n := range map[types.ExecutionRedriveFilter]int{"": 1, types.ExecutionRedriveFilterRedriven: 1, types.ExecutionRedriveFilterNotRedriven: 0} {
			out := must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m, RedriveFilter: filter}))
			if len(out.Executions) != n {
				t.Fatalf("%q lists %d", filter, len(out.Executions))
			}
		}
	})
}

func TestRedriveHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":100,"Next":"B"},"B":{"Type":"Fail","Error":"E"}`), false)
		x := start1(t, s, m, "", "")
		is(t, "running", text(describe(t, s, x).RedriveStatusReason), "Execution is RUNNING and cannot be redriven")
		must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &x}))
		must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x}))
		is(t, "redriven", ended(t, s, x), "RUNNING")
		time.Sleep(200 * time.Second)
		synctest.Wait()
		is(t, "end", ended(t, s, x), "FAILED E: ")
		time.Sleep(redrivable + time.Second)
		_, err := s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x})
		refused(t, err, "ExecutionNotRedrivable", "Execution redrivable period exceeded")
	})
}
