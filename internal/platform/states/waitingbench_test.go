package states

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/store/sqlite"
)

const waitingExecutions = 100_000

// BenchmarkWaiting starts 100,000 executions that wait for a day, closes everything, and opens it again. An operation is
// all of that; what counts are the metrics:
//
//	RSS-B/execution        resident memory of the process that has started them, database and all, above that before
//	RSS-after-B/execution  the same once the platform has been opened again
//	recover-s              from New to the moment when every execution is ready to go on, its timer armed
//	first-ms               from then to the end of one of them that is stopped
//	starts/s               while they are started by 64 callers
func BenchmarkWaiting(b *testing.B) {
	for b.Loop() {
		benchmarkWaiting(b)
	}
}

func benchmarkWaiting(b *testing.B) {
	path := filepath.Join(b.TempDir(), "teal.db")
	empty := residentBytes(b)
	db, err := sqlite.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Store: db, Invoker: echo})
	if err != nil {
		b.Fatal(err)
	}
	m := create(b, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":86400,"End":true}`), false)
	began := time.Now()
	var wg sync.WaitGroup
	work := make(chan struct{})
	var last string
	for i := range 64 {
		wg.Go(func() {
			for range work {
				out, err := s.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String(`{"order":12345}`)})
				if err != nil {
					b.Error(err)
					continue
				}
				if i == 0 {
					last = *out.ExecutionArn
				}
			}
		})
	}
	for range waitingExecutions {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(waitingExecutions/time.Since(began).Seconds(), "starts/s")
	b.ReportMetric((residentBytes(b)-empty)/waitingExecutions, "RSS-B/execution")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}

	began = time.Now()
	if db, err = sqlite.Open(path); err != nil {
		b.Fatal(err)
	}
	if s, err = New(Config{Store: db, Invoker: echo}); err != nil {
		b.Fatal(err)
	}
	<-s.engine.posted
	settle(s)
	b.ReportMetric(time.Since(began).Seconds(), "recover-s")
	began = time.Now()
	if _, err := s.StopExecution(b.Context(), &sfn.StopExecutionInput{ExecutionArn: &last}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "first-ms")
	settle(s)
	b.ReportMetric((residentBytes(b)-empty)/waitingExecutions, "RSS-after-B/execution")
	n, loaded := 0, 0
	for _, sh := range s.engine.shards {
		n += len(sh.parked.at)
		loaded += len(sh.open)
	}
	if n != waitingExecutions-1 || loaded != 0 {
		b.Fatalf("%d of %d executions wait, and %d are in memory", n, waitingExecutions, loaded)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// settle returns when every shard has done what it was handed.
func settle(s *Service) {
	for _, sh := range s.engine.shards {
		m := message{kind: stop, id: execID{"m", "none"}, reply: make(chan reply, 1)}
		sh.inbox.put(m)
		<-m.reply
	}
}

// residentBytes is the resident memory of this process, as the system counts it, once the heap has given back what it
// does not use.
func residentBytes(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skipf("the system does not tell the resident memory: %v", err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kb, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb * 1024
}
