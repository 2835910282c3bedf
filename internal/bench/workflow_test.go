package bench

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/platform/states"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkWorkflow runs executions of three states from StartExecution to their ends, durable on SQLite, against bare
// commits by as many writers to the same store: as many keys and bytes as an execution was seen to write, in one commit for
// Pass states, which one step takes to the end, and in four for Tasks, as each of their answers is a step.
func BenchmarkWorkflow(b *testing.B) {
	task := `{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f",`
	for _, c := range []struct {
		name, states string
		commits      int
	}{
		{"Pass", `"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","End":true}`, 1},
		{"Task", `"A":` + task + `"Next":"B"},"B":` + task + `"Next":"C"},"C":` + task + `"End":true}`, 4},
	} {
		for _, workers := range []int{1, 64} {
			b.Run(fmt.Sprintf("three-%s/at-once=%d", c.name, workers), func(b *testing.B) {
				db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { db.Close() })
				seen := &counting{Store: db}
				run := workflows(b, seen, c.states, event, workers)
				run(b)
				keys, bytes := seen.perExecution()
				compare(b, contender{"workflows", run}, contender{"commits", commits(db, c.commits, keys, bytes, workers)})
				b.ReportMetric(float64(keys), "keys")
				b.ReportMetric(float64(bytes), "bytes")
			})
		}
	}
}

// workflows gives a contender whose workers run one execution after the other.
func workflows(b *testing.B, db *counting, body, input string, workers int) func(*testing.B) sample {
	ended := make(meter, workers)
	s, err := states.New(states.Config{Store: db, Invoker: answering{}, Meter: ended})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	m, err := s.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::000000000000:role/bench"),
		Definition: aws.String(`{"StartAt":"A","States":{` + body + `}}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	return func(b *testing.B) sample {
		return load(b, workers, func() func() error {
			return func() error {
				_, err := s.StartExecution(context.Background(), &sfn.StartExecutionInput{StateMachineArn: m.StateMachineArn, Input: &input})
				if err == nil {
					<-ended // one of them has ended: as many are under way as there are workers
					db.executions.Add(1)
				}
				return err
			}
		})
	}
}

// commits gives a contender whose workers write what an execution writes, in so many commits.
func commits(db store.Store, each, keys, size, workers int) func(*testing.B) sample {
	value := bytes.Repeat([]byte("v"), size/keys)
	var n atomic.Uint64
	return func(b *testing.B) sample {
		return load(b, workers, func() func() error {
			return func() error {
				id, k := n.Add(1)*0x9E3779B97F4A7C15, 0 // spread, as the names of executions are
				for c := 1; c <= each; c++ {
					batch := &store.Batch{}
					for ; k < keys*c/each; k++ {
						batch.Put("bench", fmt.Sprintf("%016x/%d", id, k), value)
					}
					if err := db.Commit(context.Background(), batch); err != nil {
						return err
					}
				}
				return nil
			}
		})
	}
}

// counting is a store that counts what is put into it.
type counting struct {
	store.Store
	executions, keys, bytes atomic.Int64
}

func (c *counting) Commit(ctx context.Context, b *store.Batch) error {
	for _, op := range b.Ops {
		if !op.Delete {
			c.keys.Add(1)
			c.bytes.Add(int64(len(op.Value)))
		}
	}
	return c.Store.Commit(ctx, b)
}

func (c *counting) perExecution() (keys, bytes int) {
	n := c.executions.Load()
	return int((c.keys.Load() + n - 1) / n), int(c.bytes.Load() / n)
}

// meter tells of every execution that has succeeded.
type meter chan struct{}

func (m meter) Series(_, metric, _ string, _ ...string) func(float64) {
	if metric != "ExecutionsSucceeded" {
		return func(float64) {}
	}
	return func(float64) { m <- struct{}{} }
}

// answering is a Lambda whose functions answer at once with their events.
type answering struct{}

func (answering) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{StatusCode: 200, Payload: in.Payload}, nil
}
