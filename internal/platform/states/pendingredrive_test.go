package states

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// While a Map run is redriven, the children whose turn has not come are PENDING_REDRIVE, wherever they are seen.
func TestPendingRedrive(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fixed := false
				s := open(t, Config{Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
					time.Sleep(time.Minute)
					if !fixed {
						return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"E"}`)}, nil
					}
					return echo(ctx, in)
				})})
				m := create(t, s, "m", distributed(kind, `"P":{"Type":"Task","Resource":"`+fn+`f","End":true}`, `,"MaxConcurrency":4,"ToleratedFailureCount":3`), false)
				x := start1(t, s, m, "", "[1,2,3,4]")
				time.Sleep(2 * time.Minute)
				is(t, "at first", ended(t, s, x)[:6], "FAILED")
				arn := must[*sfn.ListMapRunsOutput](t)(s.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &x})).MapRuns[0].MapRunArn
				fixed = true
				must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x}))
				must[*sfn.UpdateMapRunOutput](t)(s.UpdateMapRun(t.Context(), &sfn.UpdateMapRunInput{MapRunArn: arn, MaxConcurrency: aws.Int32(1)}))
				time.Sleep(30 * time.Second) // the first four began together
				d := must[*sfn.DescribeMapRunOutput](t)(s.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: arn}))
				is(t, "counts", fmt.Sprint(d.ExecutionCounts.Running, aws.ToInt64(d.ExecutionCounts.PendingRedrive), d.ExecutionCounts.Failed, d.ExecutionCounts.Total), "4 0 0 4")
				time.Sleep(time.Hour)
				is(t, "in the end", ended(t, s, x), "SUCCEEDED [1,2,3,4]")
			})
		})
	}
}

// The same with one child at a time: the others are seen waiting.
func TestPendingRedriveOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fixed := false
		s := open(t, Config{Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			time.Sleep(time.Minute)
			if !fixed {
				return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"E"}`)}, nil
			}
			return echo(ctx, in)
		})})
		m := create(t, s, "m", distributed("STANDARD", `"P":{"Type":"Task","Resource":"`+fn+`f","End":true}`, `,"MaxConcurrency":1,"ToleratedFailureCount":2`), false)
		x := start1(t, s, m, "", "[1,2,3,4]")
		time.Sleep(10 * time.Minute)
		is(t, "at first", ended(t, s, x)[:6], "FAILED")
		arn := must[*sfn.ListMapRunsOutput](t)(s.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &x})).MapRuns[0].MapRunArn
		fixed = true
		must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x}))
		time.Sleep(30 * time.Second)
		list := func(filter types.ExecutionStatus) []types.ExecutionListItem {
			return must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{MapRunArn: arn, StatusFilter: filter})).Executions
		}
		waiting := list(types.ExecutionStatusPendingRedrive)
		is(t, "listed", fmt.Sprint(len(waiting), len(list(types.ExecutionStatusFailed)), len(list(types.ExecutionStatusRunning)), len(list(""))), "2 0 1 3")
		d := must[*sfn.DescribeExecutionOutput](t)(s.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: waiting[0].ExecutionArn}))
		is(t, "described", fmt.Sprint(d.StopDate, " ", d.Status, " ", d.RedriveStatus), "<nil> PENDING_REDRIVE NOT_REDRIVABLE")
		run := must[*sfn.DescribeMapRunOutput](t)(s.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: arn}))
		is(t, "counted", fmt.Sprint(run.ExecutionCounts.Running, *run.ExecutionCounts.PendingRedrive, run.ExecutionCounts.Failed), "1 2 0")
		_, err := s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m, StatusFilter: types.ExecutionStatusPendingRedrive})
		refused(t, err, "ValidationException", "…")
		time.Sleep(10 * time.Minute)
		is(t, "in the end", ended(t, s, x), "SUCCEEDED [1,2,3,4]")
	})
}
