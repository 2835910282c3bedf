package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// inMemory counts the executions that the shards hold; nothing may be under way.
func inMemory(s *Service) (n int) {
	synctest.Wait()
	for _, sh := range s.engine.shards {
		n += len(sh.open)
	}
	settle(s) // what the shards do next comes after this look
	return n
}

// rows counts the rows of a bucket.
func rows(t testing.TB, db store.Store, bucket string) (n int) {
	t.Helper()
	for _, err := range db.Scan(t.Context(), bucket, store.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestWaitingLeavesTheMemory: an execution that waits is not in memory, before a restart and after it, and goes on when
// its time has come, or when it is stopped.
func TestWaitingLeavesTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":1000,"Next":"B"},"B":{"Type":"Task","Resource":"`+fn+`f","Next":"C"},"C":{"Type":"Wait","Seconds":1000,"End":true}`), false)
		var arns []string
		for i := range 20 {
			arns = append(arns, start1(t, s, m, "", fmt.Sprint(i)))
		}
		is(t, "in memory", fmt.Sprint(inMemory(s)), "0")
		_, err := s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arns[0]})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Second)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, Config{Store: disk})
		is(t, "in memory after a restart", fmt.Sprint(inMemory(s)), "0")
		time.Sleep(501 * time.Second)
		is(t, "in memory, in the second state", fmt.Sprint(inMemory(s)), "0")
		if _, err = s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arns[1]}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(999 * time.Second)
		synctest.Wait()
		for i, arn := range arns {
			want := fmt.Sprintf("SUCCEEDED %d", i)
			if i < 2 {
				want = "ABORTED : "
			}
			is(t, arn, ended(t, s, arn), want)
			events(t, s, arn)
		}
		if d := describe(t, s, arns[5]); d.StopDate.Sub(*d.StartDate) != 2000*time.Second {
			t.Fatalf("took %v", d.StopDate.Sub(*d.StartDate))
		}
	})
}

// TestSnapshots: the journal of an execution that goes on and on stays short, whatever is left of it brings back the
// execution, and its end leaves nothing.
func TestSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Pass","Parameters":{"n.$":"States.MathAdd($.n, 1)"},"Next":"W"},
			"W":{"Type":"Wait","Seconds":60,"Next":"T"},"T":{"Type":"Task","Resource":"`+fn+`f","Next":"D"},
			"D":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericLessThan":500,"Next":"A"}],"Default":"E"},"E":{"Type":"Pass","End":true}`), false)
		x := start1(t, s, m, "", `{"n":0}`)
		most := 0
		for i := range 500 {
			time.Sleep(time.Minute)
			synctest.Wait()
			most = max(most, rows(t, disk, bucketEvents))
			if i%50 == 7 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, Config{Store: disk})
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "in the end", ended(t, s, x), `SUCCEEDED {"n":500}`)
		events(t, s, x)
		if most > 40 || most < 2 {
			t.Errorf("the journal had up to %d rows", most)
		}
		if n := rows(t, disk, bucketEvents); n != 0 {
			t.Errorf("%d rows of the journal are left", n)
		}
	})
}

// TestSnapshotRatio: however large the state, what is written for snapshots is a fraction of what is written anyway.
func TestSnapshotRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &counting{Store: memory.New()}
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Map","MaxConcurrency":20,"End":true,"ItemProcessor":{"StartAt":"I","States":{
			"I":{"Type":"Task","Resource":"`+fn+`f","End":true}}}}`), false)
		list, err := json.Marshal(make([]string, 2000))
		if err != nil {
			t.Fatal(err)
		}
		x := start1(t, s, m, "", string(list))
		synctest.Wait()
		if got := ended(t, s, x); !strings.HasPrefix(got, "SUCCEEDED [") {
			t.Fatal(got)
		}
		if disk.snapshots == 0 || disk.snapshots > disk.history {
			t.Fatalf("%d bytes of snapshots, %d of history", disk.snapshots, disk.history)
		}
	})
}

// counting counts the bytes that are written.
type counting struct {
	store.Store
	snapshots, history int
}

func (c *counting) Commit(ctx context.Context, b *store.Batch) error {
	for _, op := range b.Ops {
		switch {
		case op.Bucket == bucketEvents && isSnapshot(op.Key):
			c.snapshots += len(op.Value)
		case op.Bucket == bucketHistory:
			c.history += len(op.Value)
		}
	}
	return c.Store.Commit(ctx, b)
}

// TestAnswersFromOutside: a task whose answer comes from outside leaves the memory with its execution, is not performed
// again after a restart, and is answered once.
func TestAnswersFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		calls := 0
		hands := invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			calls++
			return echo(ctx, in)
		})
		s := open(t, Config{Store: disk, Invoker: hands})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"f","Payload.$":"$$.Task.Token"},"End":true,"TimeoutSeconds":3600}`), false)
		x := start1(t, s, m, "x", "")
		id := execID{"m", "x"}
		synctest.Wait()
		is(t, "in memory", fmt.Sprint(inMemory(s)), "0")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, Config{Store: disk, Invoker: hands})
		is(t, "in memory after a restart", fmt.Sprint(inMemory(s)), "0")
		before := calls
		if err := s.engine.tell(id, interp.Event{Kind: interp.EventTaskSucceeded, Command: 77, Output: json.RawMessage(`1`)}); !errors.Is(err, errStaleAnswer) {
			t.Fatalf("an answer to nothing: %v", err)
		}
		is(t, "in memory after that", fmt.Sprint(inMemory(s)), "0")
		if err := s.engine.tell(id, interp.Event{Kind: interp.EventTaskSucceeded, Command: 1, Output: json.RawMessage(`"told"`)}); err != nil {
			t.Fatal(err)
		}
		is(t, "in the end", ended(t, s, x), `SUCCEEDED "told"`)
		if err := s.engine.tell(id, interp.Event{Kind: interp.EventTaskSucceeded, Command: 1, Output: json.RawMessage(`2`)}); !errors.Is(err, errNotOpen) {
			t.Fatalf("a second answer: %v", err)
		}
		if calls != before {
			t.Fatal("the task was performed again")
		}
		events(t, s, x)
	})
}

// TestRetention: 90 days after its end nothing is left of an execution, and its name is free.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","SecondsPath":"$","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Choice","Choices":[{"Variable":"$","NumericEquals":7,"Next":"F"}],"Default":"S"},"F":{"Type":"Fail"},"S":{"Type":"Succeed"}`), true)
		const day = 24 * 60 * 60
		for i := range 600 {
			start1(t, s, m+":1", fmt.Sprintf("short%d", i), fmt.Sprint(i%10))
		}
		long := start1(t, s, m, "long", fmt.Sprint(80*day))
		open := start1(t, s, m, "open", fmt.Sprint(300*day))
		time.Sleep(90*day*time.Second - time.Minute)
		is(t, "a moment before", fmt.Sprint(rows(t, disk, bucketExecutions)), "602")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		is(t, "after", fmt.Sprint(rows(t, disk, bucketExecutions), rows(t, disk, bucketResults), rows(t, disk, bucketLists)), "2 1 2")
		is(t, "what ended later", ended(t, s, long), fmt.Sprintf("SUCCEEDED %d", 80*day))
		is(t, "what is open", ended(t, s, open), "RUNNING")
		again := start1(t, s, m, "short7", "1")
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "the name again", ended(t, s, again), "SUCCEEDED 1")
		time.Sleep(400 * day * time.Second)
		synctest.Wait()
		is(t, "in the end", fmt.Sprint(rows(t, disk, bucketExecutions), rows(t, disk, bucketResults), rows(t, disk, bucketLists), rows(t, disk, bucketHistory), rows(t, disk, bucketEvents), rows(t, disk, bucketOpen)), "0 0 0 0 0 0")
		if _, err := s.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: aws.String(long)}); err == nil {
			t.Fatal("a pruned execution is described")
		}
	})
}
