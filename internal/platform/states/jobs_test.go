package states

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// aJob waits for an execution of the machine child; more are other members of its state.
func aJob(more string) string {
	return machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"` + arnStart + `child","Input.$":"$"},"OutputPath":"$.Output","End":true` + more + `}`)
}

const hourLong = `"A":{"Type":"Wait","Seconds":3600,"End":true}`

// An execution that waits for another one is not in memory, and goes on after a restart, whenever the other has ended.
func TestJobsWaitInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		create(t, s, "child", machineOf(hourLong), false)
		m := create(t, s, "m", aJob(""), false)
		var all []string
		for i := range 20 {
			all = append(all, start1(t, s, m, fmt.Sprint(i), fmt.Sprint(i)))
		}
		is(t, "in memory", fmt.Sprint(inMemory(s)), "0")
		is(t, "jobs", fmt.Sprint(rows(t, disk, bucketJobs)), "20")
		for _, pause := range []time.Duration{time.Minute, 2 * time.Hour} { // in the second the jobs end while nothing runs
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
			s = open(t, Config{Store: disk})
			time.Sleep(time.Second)
		}
		for i, x := range all {
			is(t, x, ended(t, s, x), fmt.Sprintf("SUCCEEDED %d", i))
		}
		is(t, "jobs", fmt.Sprint(rows(t, disk, bucketJobs)), "0")
		s.jobs.mu.Lock()
		watched := len(s.jobs.leave)
		s.jobs.mu.Unlock()
		is(t, "watched", fmt.Sprint(watched), "0")
	})
}

// Whatever withdraws a task, its job is stopped, though the platform is killed at any commit meanwhile; and nothing of it
// is left.
func TestWithdrawnJobsAreStopped(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { withdrawJobs(t, seed) })
		})
	}
}

func withdrawJobs(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	disk := memory.New()
	setup := open(t, Config{Store: disk})
	child := create(t, setup, "child", machineOf(hourLong), false)
	machines := []string{
		create(t, setup, "stopped", aJob(""), false),
		create(t, setup, "late", aJob(`,"TimeoutSeconds":5`), false),
		create(t, setup, "beside", machineOf(`"A":{"Type":"Parallel","End":true,"Branches":[
			{"StartAt":"J","States":{"J":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync","Parameters":{"StateMachineArn":"`+child+`"},"End":true}}},
			{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3,"Next":"F"},"F":{"Type":"Fail"}}}]}`), false),
		create(t, setup, "named", machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync","Parameters":{"StateMachineArn":"`+child+`","Name.$":"$$.Execution.Name"},"End":true}`), false),
		create(t, setup, "map", machineOf(`"A":{"Type":"Pass","Result":[1,2,3,4],"Next":"M"},"M":{"Type":"Map","MaxConcurrency":3,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}},"End":true}`), false),
	}
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	for range 6 {
		db := &mortal{Store: disk, left: 1 + rng.IntN(25), written: rng.IntN(2) == 0}
		s, err := New(Config{Store: db, Invoker: echo})
		if err != nil {
			continue
		}
		for range 6 {
			m := machines[rng.IntN(len(machines))]
			if out, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String("1")}); err == nil {
				acked = append(acked, *out.ExecutionArn)
			}
			if len(acked) > 0 && rng.IntN(2) == 0 {
				_, _ = s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &acked[rng.IntN(len(acked))]})
			}
			time.Sleep(time.Duration(rng.IntN(4)) * time.Second)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Config{Store: disk})
	time.Sleep(time.Minute)
	for _, m := range machines { // what waits for an hour, started with an acknowledgement or without
		for _, e := range must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1000})).Executions {
			must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: e.ExecutionArn}))
		}
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, x := range acked {
		if got := ended(t, s, x); got == "RUNNING" {
			t.Error(x, got)
		}
	}
	for row, err := range disk.Scan(t.Context(), bucketJobs, store.Range{}) {
		t.Errorf("a job is left: %s %v", row.Value, err)
	}
	n := map[types.ExecutionStatus]int{}
	for _, e := range must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &child, MaxResults: 1000})).Executions {
		n[e.Status]++
	}
	if n[types.ExecutionStatusRunning]+n[types.ExecutionStatusSucceeded] > 0 {
		t.Errorf("jobs that nobody waited for went on: %v", n)
	}
	for row, err := range disk.Scan(t.Context(), bucketOpen, store.Range{}) {
		t.Errorf("an execution that nobody waits for is open: %s %v", row.Value, err)
	}
}

// Of a name that a task chose, only the execution that this very task has started is stopped.
func TestNamedJobsOfOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		m := create(t, s, "child", machineOf(hourLong), false)
		others := start1(t, s, m, "others", "1")
		own := *must[*sfn.StartExecutionOutput](t)(s.startFor(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String("own")}, "task/00000001")).ExecutionArn
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b := &store.Batch{}
		for i, job := range []string{others, own, s.executionArn(execID{"child", "nobody's"})} {
			b.Put(bucketJobs, fmt.Sprintf("task/%08d", i), encode(jobRecord{Job: job, Stop: true, Named: true}))
		}
		if err := disk.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s = open(t, Config{Store: disk})
		synctest.Wait()
		is(t, "the others'", ended(t, s, others), "RUNNING")
		is(t, "its own", ended(t, s, own), "ABORTED : The execution that waited for it was stopped or went on.")
		is(t, "jobs", fmt.Sprint(rows(t, disk, bucketJobs)), "0")
	})
}

// A Map run that is redriven at once after a stop finds its children stopped, and redrives them.
func TestMapRunIsRedrivenAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		m := create(t, s, "m", distributed("STANDARD", `"P":{"Type":"Wait","Seconds":60,"End":true}`, ""), false)
		x := start1(t, s, m, "x", "[1,2,3,4,5,6]")
		for range 4 {
			time.Sleep(time.Second)
			must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &x}))
			must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x}))
		}
		time.Sleep(2 * time.Minute)
		is(t, "the execution", ended(t, s, x), "SUCCEEDED [1,2,3,4,5,6]")
	})
}
