package states

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// meter counts what is recorded by series.
type meter struct {
	mu   sync.Mutex
	sums map[string]float64
}

func (m *meter) Series(namespace, metric, unit string, dims ...string) func(float64) {
	name := namespace + " " + metric + " " + unit + " " + strings.Join(dims, "=")
	return func(v float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sums[name] += v
	}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &meter{sums: map[string]float64{}}
		s, ctx := open(t, Config{Meter: rec}), t.Context()
		m := create(t, s, "m", machineOf(`"A":{"Type":"Wait","Seconds":2,"Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.bad","IsPresent":true,"Next":"F"}],"Default":"P"},"F":{"Type":"Fail"},"P":{"Type":"Pass","End":true}`), true)
		must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 100)}))
		start1(t, s, m, "", "")
		start1(t, s, m+":live", "", `{"bad":1}`)
		x := start1(t, s, m+":1", "", "")
		must[*sfn.StopExecutionOutput](t)(s.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &x}))
		time.Sleep(time.Minute)
		synctest.Wait()
		dim := "StateMachineArn=" + m
		for name, want := range map[string]float64{
			"AWS/States ExecutionsStarted Count " + dim:                    3,
			"AWS/States ExecutionsSucceeded Count " + dim:                  1,
			"AWS/States ExecutionsFailed Count " + dim:                     1,
			"AWS/States ExecutionsAborted Count " + dim:                    1,
			"AWS/States ExecutionTime Milliseconds " + dim:                 4000,
			"AWS/States ExecutionsStarted Count " + dim + "=Version=1":     2,
			"AWS/States ExecutionsFailed Count " + dim + "=Alias=live":     1,
			"AWS/States ExecutionTime Milliseconds " + dim + "=Alias=live": 2000,
			"AWS/States ExecutionsTimedOut Count " + dim:                   0,
			"AWS/States ExecutionsSucceeded Count " + dim + "=Version=1":   0,
			"AWS/States ExecutionTime Milliseconds " + dim + "=Version=1":  2000,
			"AWS/States ExecutionsAborted Count " + dim + "=Version=1":     1,
			"AWS/States ExecutionsAborted Count " + dim + "=Alias=live":    0,
			"AWS/States ExecutionsStarted Count " + dim + "=Alias=live":    1,
		} {
			if rec.sums[name] != want {
				t.Errorf("%s is %v, want %v", name, rec.sums[name], want)
			}
		}
	})
}
