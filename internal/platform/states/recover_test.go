package states

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
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

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// mortal is a store that dies, as a process does, at its n-th commit: that commit is written or not, and nobody is told.
type mortal struct {
	store.Store
	mu      sync.Mutex
	left    int
	written bool // whether the last commit is written
	dead    bool
}

func (m *mortal) Commit(ctx context.Context, b *store.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return store.ErrClosed
	}
	if m.left--; m.left < 0 {
		m.dead = true
		if m.written {
			_ = m.Store.Commit(ctx, b)
		}
		return store.ErrClosed
	}
	return m.Store.Commit(ctx, b)
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *mortal) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	if m.isDead() {
		return nil, store.ErrClosed
	}
	return m.Store.Get(ctx, bucket, key)
}

func (m *mortal) Scan(ctx context.Context, bucket string, r store.Range) iter.Seq2[store.Entry, error] {
	if m.isDead() {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, store.ErrClosed) }
	}
	return m.Store.Scan(ctx, bucket, r)
}

// everything is a workflow with all that waits: tasks that fail and are retried, timers, branches and items.
const everything = `{"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"` + fn + `f","ResultPath":null,"Next":"B","Retry":[{"ErrorEquals":["Busy"],"MaxAttempts":99,"MaxDelaySeconds":2}]},
	"B":{"Type":"Wait","Seconds":3,"Next":"C"},
	"C":{"Type":"Parallel","ResultPath":"$.c","Next":"D","Branches":[
		{"StartAt":"P","States":{"P":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$.n"},"OutputPath":"$.Payload","End":true,
			"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":99,"MaxDelaySeconds":2}]}}},
		{"StartAt":"Q","States":{"Q":{"Type":"Wait","Seconds":2,"Next":"R"},"R":{"Type":"Pass","Result":"r","End":true}}}]},
	"D":{"Type":"Map","ItemsPath":"$.items","ResultPath":"$.d","MaxConcurrency":2,"Next":"E","ItemProcessor":{"StartAt":"I","States":{
		"I":{"Type":"Task","Resource":"` + fn + `f","End":true,"TimeoutSeconds":3600,"Retry":[{"ErrorEquals":["Busy"],"MaxAttempts":99,"MaxDelaySeconds":2}]}}}},
	"E":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":1000,"Next":"F"}],"Default":"S"},
	"F":{"Type":"Fail","Error":"TooMany","Cause":"more than a thousand"},
	"S":{"Type":"Pass","Parameters":{"n.$":"$.n","c.$":"$.c","d.$":"$.d"},"End":true}}}`

// TestCrashes kills the platform at random commits, again and again, while executions are started and stopped. Every
// execution that was acknowledged ends exactly once, as it should, with a history without gaps.
func TestCrashes(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crash(t, seed) })
		})
	}
}

func crash(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex // of rng, in the goroutines below
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	invoker := invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		select {
		case <-time.After(time.Duration(draw(3000)) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if draw(4) == 0 {
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Busy"}`)}, nil
		}
		return echo(ctx, in)
	})
	disk := memory.New()
	acked := map[string]int{}   // execution ARN → its number
	stopped := map[string]int{} // those whose stop was acknowledged
	number := 0
	setup := open(t, Config{Store: disk, Invoker: invoker})
	m := create(t, setup, "m", everything, true)
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		db := &mortal{Store: disk, left: 1 + draw(60), written: draw(2) == 0}
		s, err := New(Config{Store: db, Invoker: invoker})
		if err != nil {
			if !errors.Is(err, store.ErrClosed) {
				t.Fatal(err)
			}
			continue
		}
		if draw(3) > 0 { // whatever waits leaves the memory at once
			s.engine.linger.Store(0)
		}
		s.engine.snapshotAfter.Store([]int64{1, 1 << 10, snapshotAfter}[draw(3)])
		for !db.isDead() {
			var wg sync.WaitGroup
			for range 1 + draw(6) {
				number++
				n := number
				if draw(8) == 0 {
					n += 1000
				}
				wg.Go(func() {
					in := &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String(fmt.Sprintf("x%d", n)), Input: aws.String(fmt.Sprintf(`{"n":%d,"items":[1,2,3]}`, n))}
					if draw(2) == 0 {
						in.StateMachineArn = aws.String(m + ":1")
					}
					out, err := s.StartExecution(t.Context(), in)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						acked[*out.ExecutionArn] = n
					} else if !db.isDead() {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for arn, n := range acked {
				if draw(40) == 0 {
					if out, err := s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn}); err == nil && out.StopDate != nil {
						if describe := mustDescribe(s, arn); describe != nil && describe.Status == types.ExecutionStatusAborted {
							stopped[arn] = n
						}
					}
				}
			}
			time.Sleep(time.Duration(draw(2000)) * time.Millisecond)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Config{Store: disk, Invoker: invoker})
	time.Sleep(time.Hour)
	synctest.Wait()

	if len(acked) < 10 {
		t.Fatalf("only %d executions were acknowledged: the test shows nothing", len(acked))
	}
	for arn, n := range acked {
		checkEnd(t, s, arn, n)
		if _, ok := stopped[arn]; ok && describe(t, s, arn).Status != types.ExecutionStatusAborted {
			t.Errorf("%s was stopped, and is %s", arn, describe(t, s, arn).Status)
		}
	}
	total := 0
	for token := (*string)(nil); ; {
		out := must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m, NextToken: token}))
		for _, e := range out.Executions { // an execution nobody was told of may exist, too: then it is whole
			var n int
			if _, err := fmt.Sscanf(*e.Name, "x%d", &n); err != nil {
				t.Fatal(err)
			}
			checkEnd(t, s, *e.ExecutionArn, n)
			total++
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if total < len(acked) {
		t.Errorf("%d executions are listed, %d were acknowledged", total, len(acked))
	}
	for _, err := range disk.Scan(t.Context(), bucketOpen, store.Range{}) {
		t.Fatalf("an execution is still open: %v", err)
	}
}

func mustDescribe(s *Service, arn string) *sfn.DescribeExecutionOutput {
	d, err := s.DescribeExecution(context.Background(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil { // the store has died
		return nil
	}
	return d
}

func checkEnd(t *testing.T, s *Service, arn string, n int) {
	t.Helper()
	last := "ExecutionSucceeded"
	switch got := ended(t, s, arn); {
	case strings.HasPrefix(got, "ABORTED"):
		last = "ExecutionAborted"
	case n > 1000:
		is(t, arn, got, "FAILED TooMany: more than a thousand")
		last = "ExecutionFailed"
	default:
		want := fmt.Sprintf(`{"n":%d,"c":[%d,"r"],"d":[1,2,3]}`, n, n)
		if out, ok := strings.CutPrefix(got, "SUCCEEDED "); !ok || !jsonEqual(out, want) {
			t.Fatalf("%s: got %s, want %s", arn, got, want)
		}
	}
	h := events(t, s, arn)
	if !strings.HasPrefix(h, "ExecutionStarted ") || !strings.HasSuffix(h, " "+last) || strings.Count(" "+h, " Execution") != 2 {
		t.Fatalf("history of %s: %s", arn, h)
	}
}

// TestTakeover opens a store under a service that is still running: the execution belongs to the newcomer, and nothing
// that the former owner still does reaches the store.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		inv := func(who string) Invoker {
			return invokerFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				time.Sleep(10 * time.Second)
				return &lambda.InvokeOutput{Payload: []byte(`"` + who + `"`)}, nil
			})
		}
		old := open(t, Config{Store: disk, Invoker: inv("old")})
		m := create(t, old, "m", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f","End":true}`), false)
		x := start1(t, old, m, "", "")
		time.Sleep(5 * time.Second)
		next := open(t, Config{Store: disk, Invoker: inv("new")})
		time.Sleep(7 * time.Second) // the old one's answer has come
		synctest.Wait()
		is(t, "the old owner's answer", ended(t, old, x), "RUNNING")
		for _, name := range []string{"", "named"} {
			if _, err := old.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Name: given(name)}); err == nil {
				t.Fatal("the old owner has started an execution")
			}
		}
		time.Sleep(time.Minute)
		is(t, "the new owner's", ended(t, next, x), `SUCCEEDED "new"`)
		is(t, "history", events(t, next, x), "ExecutionStarted TaskStateEntered LambdaFunctionScheduled LambdaFunctionStarted LambdaFunctionSucceeded TaskStateExited ExecutionSucceeded")
	})
}

// failing is a store whose commits fail for a while, as on a full disk.
type failing struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) Commit(ctx context.Context, b *store.Batch) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Commit(ctx, b)
}

// TestStoreFails fills the disk under running executions: they go on when there is room again, and what could not be
// written was not acknowledged.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &failing{Store: memory.New()}
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":10,"Next":"B"},"B":{"Type":"Task","Resource":"`+fn+`f","End":true}`), false)
		x := start1(t, s, m, "", "1")
		time.Sleep(5 * time.Second)
		disk.fail(errors.New("no space left"))
		_, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Name: aws.String("y")})
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("a start on a full disk: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "on a full disk", ended(t, s, x), "RUNNING")
		disk.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "with room again", ended(t, s, x), "SUCCEEDED 1")
		events(t, s, x)
		y := start1(t, s, m, "y", "") // its name is still free
		time.Sleep(time.Minute)
		is(t, "started again", ended(t, s, y), "SUCCEEDED {}")
	})
}

// TestJournalThatCannotBeReplayed ends the execution in a way that its owner sees.
func TestJournalThatCannotBeReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		s := open(t, Config{Store: disk})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":10,"End":true}`), false)
		x := start1(t, s, m, "x", "")
		r := must[*executionRecord](t)(s.executionRecord(t.Context(), execID{"m", "x"}))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b := &store.Batch{}
		b.Put(bucketEvents, numbered(r.Serial, 1), encodeEvent(interp.Event{Kind: interp.EventTaskSucceeded, At: time.Now(), Command: 77}))
		if err := disk.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s = open(t, Config{Store: disk})
		time.Sleep(10 * time.Second) // it is loaded when its timer is due
		synctest.Wait()
		if got := ended(t, s, x); !strings.HasPrefix(got, "FAILED States.Runtime: The platform could not go on with this execution: ") {
			t.Fatal(got)
		}
		is(t, "history", events(t, s, x), "ExecutionStarted WaitStateEntered ExecutionFailed")
	})
}

// TestRestart closes and opens the service in the middle: what was answered is not asked again, what was not is, and
// what was due at one instant is remembered as what it was.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.New()
		var mu sync.Mutex
		calls := map[string]int{}
		invoker := invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			mu.Lock()
			calls[strings.TrimPrefix(*in.FunctionName, fn)]++
			mu.Unlock()
			if strings.HasSuffix(*in.FunctionName, "slow") {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return echo(ctx, in)
		})
		task := func(name, more string) string {
			return `{"Type":"Task","Resource":"` + fn + name + `",` + more + `"End":true}`
		}
		s := open(t, Config{Store: disk, Invoker: invoker})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Parallel","End":true,"Branches":[
			{"StartAt":"a","States":{"a":`+task("fast", "")+`}},
			{"StartAt":"b","States":{"b":`+task("slow", "")+`}},
			{"StartAt":"c","States":{"c":{"Type":"Task","Resource":"`+fn+`late-slow","TimeoutSeconds":2,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"d"}],"End":true},"d":{"Type":"Pass","Result":"late","End":true}}},
			{"StartAt":"e","States":{"e":{"Type":"Wait","Seconds":3,"Next":"f"},"f":{"Type":"Wait","Seconds":9,"End":true}}},
			{"StartAt":"g","States":{"g":{"Type":"Wait","Seconds":3,"Next":"h"},"h":{"Type":"Wait","Seconds":9,"End":true}}}]}`), false)
		began := time.Now()
		x := start1(t, s, m, "", "0")
		for range 3 { // at 4, 5 and 6 seconds
			time.Sleep(max(time.Until(began.Add(4*time.Second)), time.Second))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, Config{Store: disk, Invoker: invoker})
		}
		time.Sleep(time.Minute)
		is(t, "in the end", ended(t, s, x), `SUCCEEDED [0,0,"late",0,0]`)
		if d := describe(t, s, x); d.StopDate.Sub(began) != 16*time.Second { // slow ran again, at 6 seconds
			t.Fatalf("took %v", d.StopDate.Sub(began))
		}
		is(t, "invocations", fmt.Sprint(calls), "map[fast:1 late-slow:1 slow:4]")
		events(t, s, x)
		for e := range disk.Scan(t.Context(), bucketEvents, store.Range{}) {
			t.Fatalf("the journal of what has succeeded is still there: %s", e.Key)
		}
	})
}

// TestTimeNeverRunsBackwards sets the clock back under a running execution.
func TestTimeNeverRunsBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &skewed{}
		s := open(t, Config{Clock: c})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f","Next":"B"},"B":{"Type":"Wait","Seconds":5,"End":true}`), false)
		s.invoker = invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			c.back.Store(int64(time.Hour))
			return echo(ctx, in)
		})
		x := start1(t, s, m, "", "")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		is(t, "in the end", ended(t, s, x), "SUCCEEDED {}")
		var last time.Time
		for _, e := range must[*sfn.GetExecutionHistoryOutput](t)(s.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &x})).Events {
			if e.Timestamp.Before(last) {
				t.Fatalf("event %d is at %v, after one at %v", e.Id, e.Timestamp, last)
			}
			last = *e.Timestamp
		}
	})
}

// skewed is a clock that can be set back.
type skewed struct{ back atomic.Int64 }

func (c *skewed) Now() time.Time { return time.Now().Add(-time.Duration(c.back.Load())) }

func (c *skewed) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
