package states

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkMapItems runs Map states through the engine, durable on SQLite where executions are: the nanoseconds of an item
// stay as they are while the items grow tenfold. Inline ones are Express, for 10,000 items have more events than a
// Standard workflow may.
func BenchmarkMapItems(b *testing.B) {
	task := `"P":{"Type":"Task","Resource":"` + fn + `f","End":true}`
	pass := `"P":{"Type":"Pass","End":true}`
	inline := func(state string) string {
		return machineOf(`"A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{` + state + `}},"End":true}`)
	}
	for _, c := range []struct{ name, definition string }{
		{"inline Pass", inline(pass)},
		{"inline Task", inline(task)},
		{"distributed Express", distributed("EXPRESS", task, `,"MaxConcurrency":100`)},
		{"distributed Standard", distributed("STANDARD", task, `,"MaxConcurrency":100`)},
	} {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = db.Close() })
				s, err := New(Config{Store: db, Invoker: echo})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = s.Close() })
				kind := types.StateMachineTypeStandard
				if strings.HasPrefix(c.name, "inline") {
					kind = types.StateMachineTypeExpress
				}
				m := *must[*sfn.CreateStateMachineOutput](b)(s.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{
					Name: aws.String("m"), RoleArn: aws.String(role), Definition: &c.definition, Type: kind,
				})).StateMachineArn
				input := "[" + strings.TrimSuffix(strings.Repeat(`1,`, n), ",") + "]"
				b.ResetTimer()
				for b.Loop() {
					if kind == types.StateMachineTypeExpress {
						out := must[*sfn.StartSyncExecutionOutput](b)(s.StartSyncExecution(b.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &m, Input: &input}))
						if out.Status != types.SyncExecutionStatusSucceeded {
							b.Fatal(out.Status, aws.ToString(out.Cause))
						}
						continue
					}
					end := make(chan *executionResult, 1)
					x := fmt.Sprint("x", time.Now().UnixNano())
					leave := s.ends.watch(execID{"m", x}, func(r *executionResult) { end <- r })
					start1(b, s, m, x, input)
					if r := <-end; r.Status != types.ExecutionStatusSucceeded {
						b.Fatal(r.Status, r.Cause)
					}
					leave()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
			})
		}
	}
}

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
