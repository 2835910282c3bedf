package states

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store/memory"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkInlineMap runs inline Map states: the time of an item stays as it is while the items grow tenfold. They are
// Express, for 10,000 items have more events than a Standard workflow may.
func BenchmarkInlineMap(b *testing.B) {
	for _, state := range []string{`"P":{"Type":"Pass","End":true}`, aTask} {
		definition := machineOf(`"A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{` + state + `}},"End":true}`)
		kind := "Pass"
		if state == aTask {
			kind = "Task"
		}
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				s, err := New(Config{Store: memory.New(), Invoker: echo})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = s.Close() })
				m, input := machineFor(b, s, types.StateMachineTypeExpress, definition), ones(n)
				for b.Loop() {
					out := must[*sfn.StartSyncExecutionOutput](b)(s.StartSyncExecution(b.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &m, Input: &input}))
					if out.Status != types.SyncExecutionStatusSucceeded {
						b.Fatal(out.Status, aws.ToString(out.Cause))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/item")
			})
		}
	}
}

// BenchmarkDistributedMap runs Map states in distributed mode, of one Task an item, with as many children at once as AWS
// lets run. The processor time of an item is what tells whether a run is linear in its items: the time on the clock is also
// that of the disk and of whatever else runs.
func BenchmarkDistributedMap(b *testing.B) {
	for _, kind := range []string{"express", "standard"} {
		for _, n := range []int{1000, 10_000} {
			for _, where := range []string{"sqlite", "memory"} {
				b.Run(fmt.Sprintf("%s/%d/%s", kind, n, where), func(b *testing.B) {
					db := memory.New()
					if where == "sqlite" {
						var err error
						if db, err = sqlite.Open(filepath.Join(b.TempDir(), "teal.db")); err != nil {
							b.Fatal(err)
						}
					}
					b.Cleanup(func() { _ = db.Close() })
					s, err := New(Config{Store: db, Invoker: echo})
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = s.Close() })
					m, input := machineFor(b, s, types.StateMachineTypeStandard, distributed(strings.ToUpper(kind), aTask, "")), ones(n)
					runtime.GC()
					began := processorTime()
					for b.Loop() {
						end := make(chan *executionResult, 1)
						x := fmt.Sprint("x", time.Now().UnixNano())
						leave := s.ends.watch(execID{"m", x}, func(r *executionResult) { end <- r })
						start1(b, s, m, x, input)
						if r := <-end; r.Status != types.ExecutionStatusSucceeded {
							b.Fatal(r.Status, r.Cause)
						}
						leave()
					}
					items := float64(b.N) * float64(n)
					b.ReportMetric(float64(b.Elapsed().Microseconds())/items, "µs/item")
					if took := processorTime() - began; took > 0 {
						b.ReportMetric(float64(took.Microseconds())/items, "cpu-µs/item")
					}
				})
			}
		}
	}
}

const aTask = `"P":{"Type":"Task","Resource":"` + fn + `f","End":true}`

func machineFor(b *testing.B, s *Service, kind types.StateMachineType, definition string) string {
	return *must[*sfn.CreateStateMachineOutput](b)(s.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String(role), Definition: &definition, Type: kind,
	})).StateMachineArn
}

func ones(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }

// BenchmarkStartSync is the time from StartSyncExecution of three Pass states to its answer, called directly and through
// the HTTP endpoint.
func BenchmarkStartSync(b *testing.B) {
	s := open(b, Config{})
	m := *must[*sfn.CreateStateMachineOutput](b)(s.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String(role), Type: types.StateMachineTypeExpress,
		Definition: aws.String(machineOf(`"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","End":true}`)),
	})).StateMachineArn
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	body := encode(struct {
		StateMachineArn string `json:"stateMachineArn"`
		Input           string `json:"input"`
	}{m, `{"order":17}`})
	for name, call := range map[string]func() error{
		"in process": func() error {
			_, err := s.StartSyncExecution(b.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &m, Input: aws.String(`{"order":17}`)})
			return err
		},
		"HTTP": func() error {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/x-amz-json-1.0")
			req.Header.Set("X-Amz-Target", "AWSStepFunctions.StartSyncExecution")
			resp, err := server.Client().Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				if err := call(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}
