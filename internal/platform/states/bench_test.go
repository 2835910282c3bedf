package states

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkExecutions runs executions to their ends, every step durable on SQLite, with one caller or 64 at once. Of
// tasks, each is a commit of its own, and the function answers at once.
func BenchmarkExecutions(b *testing.B) {
	task := `{"Type":"Task","Resource":"` + fn + `f",`
	wait := `{"Type":"Wait","Seconds":1,`
	for _, c := range []struct {
		name, definition string
		transitions      int
		linger           time.Duration
	}{
		{"three Pass", machineOf(`"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","End":true}`), 3, linger},
		{"three Task", machineOf(`"A":` + task + `"Next":"B"},"B":` + task + `"Next":"C"},"C":` + task + `"End":true}`), 3, linger},
		{"Map of 10 Pass", machineOf(`"A":{"Type":"Map","ItemsPath":"$.items","End":true,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}}`), 11, linger},
		{"Map of 10 Task", machineOf(`"A":{"Type":"Map","ItemsPath":"$.items","End":true,"ItemProcessor":{"StartAt":"I","States":{"I":` + task + `"End":true}}}}`), 11, linger},
		{"three Wait", machineOf(`"A":` + wait + `"Next":"B"},"B":` + wait + `"Next":"C"},"C":` + wait + `"End":true}`), 3, linger},
		{"three Wait out of memory", machineOf(`"A":` + wait + `"Next":"B"},"B":` + wait + `"Next":"C"},"C":` + wait + `"End":true}`), 3, 0},
	} {
		for _, callers := range []int{1, 64} {
			if callers == 1 && strings.Contains(c.name, "Wait") {
				continue // it takes what it waits for
			}
			b.Run(fmt.Sprintf("%s/callers=%d", c.name, callers), func(b *testing.B) {
				benchmark(b, c.definition, callers, c.linger)
				b.ReportMetric(float64(c.transitions)*float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
			})
		}
	}
}

func benchmark(b *testing.B, definition string, callers int, linger time.Duration) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	invoke := invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: in.Payload}, nil
	})
	done := make(chan struct{}, b.N+1)
	s, err := New(Config{Store: db, Invoker: invoke, Meter: endings(done)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	s.engine.linger.Store(int64(linger))
	m := create(b, s, "m", definition, false)
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				if _, err := s.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String(`{"order":12345,"items":[1,2,3,4,5,6,7,8,9,10]}`)}); err != nil {
					b.Error(err)
				}
				if callers == 1 {
					<-done
				}
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	if callers > 1 {
		for range b.N {
			<-done
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "executions/s")
}

// endings is a Meter that tells of every execution that has succeeded.
type endings chan struct{}

func (e endings) Series(_, metric, _ string, _ ...string) func(float64) {
	if metric != "ExecutionsSucceeded" {
		return func(float64) {}
	}
	return func(float64) { e <- struct{}{} }
}

// BenchmarkResolve is the path of StartExecution through an alias up to the engine, under constant switching of weights.
func BenchmarkResolve(b *testing.B) {
	s := open(b, Config{})
	m := create(b, s, "m", onePass, true)
	update(b, s, m, twoPass, true)
	alias := m + ":live"
	must[*sfn.CreateStateMachineAliasOutput](b)(s.CreateStateMachineAlias(b.Context(), &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 90, m+":2", 10)}))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			_, _ = s.UpdateStateMachineAlias(context.Background(), &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &alias, RoutingConfiguration: items(m+":1", i%101, m+":2", 100-i%101)})
		}
	})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		in := &sfn.StartExecutionInput{StateMachineArn: &alias, Name: aws.String("x")}
		for pb.Next() {
			if _, err := s.newExecutionRecord(in); err != nil {
				b.Error(err)
				return
			}
		}
	})
	close(stop)
	wg.Wait()
}
