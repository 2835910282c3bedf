package states

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkExecutions runs executions of three states to their ends with 64 callers at once, every step durable on
// SQLite. Of tasks, each is a commit of its own, and the function answers at once.
func BenchmarkExecutions(b *testing.B) {
	task := `{"Type":"Task","Resource":"` + fn + `f",`
	for _, c := range []struct{ name, definition string }{
		{"three Pass", machineOf(`"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","End":true}`)},
		{"three Task", machineOf(`"A":` + task + `"Next":"B"},"B":` + task + `"Next":"C"},"C":` + task + `"End":true}`)},
	} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", c.name, callers), func(b *testing.B) { benchmark(b, c.definition, callers) })
		}
	}
}

func benchmark(b *testing.B, definition string, callers int) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	invoke := invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: in.Payload}, nil
	})
	done := make(chan struct{}, b.N+1)
	s, err := New(Config{Store: db, Invoker: invoke, Meter: ends(done)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	m := create(b, s, "m", definition, false)
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				if _, err := s.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String(`{"order":12345}`)}); err != nil {
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

// ends is a Meter that tells of every execution that has succeeded.
type ends chan struct{}

func (e ends) Series(_, metric, _ string, _ ...string) func(float64) {
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

// BenchmarkWaiting starts executions that wait, tells the memory that each holds, and how long taking all of them over
// takes at the next start. The number of operations is the number of executions.
func BenchmarkWaiting(b *testing.B) {
	path := filepath.Join(b.TempDir(), "teal.db")
	db, err := sqlite.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Store: db, Invoker: echo})
	if err != nil {
		b.Fatal(err)
	}
	m := create(b, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":86400,"End":true}`), false)
	before := heapBytes()
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			for range work {
				if _, err := s.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String(`{"order":12345}`)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	each := (heapBytes() - before) / float64(b.N)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}

	b.ResetTimer()
	if s, err = New(Config{Store: db, Invoker: echo}); err != nil {
		b.Fatal(err)
	}
	<-s.engine.posted
	for _, sh := range s.engine.shards { // each answers this after all that it has been handed
		m := message{kind: stop, id: execID{"m", "none"}, reply: make(chan reply, 1)}
		sh.inbox.put(m)
		<-m.reply
	}
	b.StopTimer()
	b.ReportMetric(each, "heap-B/execution")
	n := 0
	for _, sh := range s.engine.shards {
		n += len(sh.open)
	}
	if n != b.N {
		b.Fatalf("%d of %d executions were taken over", n, b.N)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func heapBytes() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
