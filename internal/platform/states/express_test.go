package states

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

func createExpress(t testing.TB, s *Service, name, definition string) string {
	t.Helper()
	return *must[*sfn.CreateStateMachineOutput](t)(s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: &name, Definition: &definition, RoleArn: aws.String(role), Type: types.StateMachineTypeExpress,
	})).StateMachineArn
}

func TestStartSyncExecution(t *testing.T) {
	for name, c := range map[string]struct {
		states, input, status, output, error string
		took, billed                         int64 // milliseconds
	}{
		"pass":     {`"A":{"Type":"Pass","Result":{"a":1},"End":true}`, `{}`, "SUCCEEDED", `{"a":1}`, "", 0, 100},
		"wait":     {`"A":{"Type":"Wait","Seconds":3,"End":true}`, `{"b": 2}`, "SUCCEEDED", `{"b": 2}`, "", 3000, 3000},
		"task":     {`"A":{"Type":"Task","Resource":"` + fn + `f","End":true}`, `{"b":2}`, "SUCCEEDED", `{"b":2}`, "", 0, 100},
		"fail":     {`"A":{"Type":"Fail","Error":"E","Cause":"C"}`, `{}`, "FAILED", "", "E", 0, 100},
		"too long": {`"A":{"Type":"Wait","Seconds":301,"End":true}`, `{}`, "TIMED_OUT", "", "States.Timeout", 300_000, 300_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, Config{})
				m := createExpress(t, s, "m", machineOf(c.states))
				began := time.Now()
				out := must[*sfn.StartSyncExecutionOutput](t)(s.StartSyncExecution(t.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &m, Input: &c.input, Name: aws.String("x")}))
				is(t, "status", string(out.Status), c.status)
				is(t, "output", text(out.Output), c.output)
				is(t, "error", text(out.Error), c.error)
				if took := time.Since(began).Milliseconds(); took != c.took || out.BillingDetails.BilledDurationInMilliseconds != c.billed {
					t.Fatalf("took %d ms, billed %d ms", took, out.BillingDetails.BilledDurationInMilliseconds)
				}
			})
		})
	}
}

func TestExpressHasNoHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		m := createExpress(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":1,"End":true}`))
		a, b := start1(t, s, m, "same", ""), start1(t, s, m, "same", "")
		if a == b {
			t.Fatal("two Express executions of one name have one ARN")
		}
		_, err := s.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &a})
		refused(t, err, "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'")
		_, err = s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m})
		refused(t, err, "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
		standard := create(t, s, "standard", twoPass, false)
		_, err = s.StartSyncExecution(t.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &standard})
		refused(t, err, "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
	})
}
