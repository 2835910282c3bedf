package lambda

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/pool"
)

// TestShortWayAgreesWithTheRules compares the quick reading of names with AWS's expressions.
func TestShortWayAgreesWithTheRules(t *testing.T) {
	x := start(t)
	part := rapid.SampledFrom([]string{"arn", "aws", "lambda", "us-east-1", "eu-west-1", "000000000000", "123456789012", "function", "fn", "live", "7", "$LATEST", "$latest", "", "a.b", strings.Repeat("n", 65), "arn:aws:lambda:us-east-1:000000000000:function"})
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "name"), ":")
		qualifier := rapid.SampledFrom([]string{"", "live", "7", "$LATEST", "in!valid"}).Draw(t, "qualifier")
		var q *string
		if qualifier != "" {
			q = &qualifier
		}
		for _, rule := range []*nameRule{shortName, longName} {
			// An empty collection of violations takes the long way.
			want, wantErr := x.parse(rule, &name, q, &constraints{})
			got, err := x.parse(rule, &name, q, nil)
			if got != want || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("%s with %q: short %v, %v; long %v, %v", name, qualifier, got, err, want, wantErr)
			}
		}
	})
}

// memoryMeter adds up what was recorded, by metric and dimensions.
type memoryMeter struct {
	mu   sync.Mutex
	sums map[string]float64
}

func (m *memoryMeter) Series(namespace, metric, unit string, dims ...string) func(float64) {
	key := strings.Join(append([]string{namespace, metric, unit}, dims...), " ")
	return func(v float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sums[key] += v
	}
}

func TestMetricsHaveTheDimensionsOfAWS(t *testing.T) {
	m := &memoryMeter{sums: map[string]float64{}}
	x := start(t, func(c *Config) { c.Meter = m })
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 1})
	x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
		cold := x.exec.count() == 1
		r := pool.Result{Payload: in.Payload, Cold: cold}
		if cold {
			r.Init = 120 * time.Millisecond
		}
		return r, nil
	}
	for _, q := range []string{"live", "live", "1", ""} {
		in := &sdk.InvokeInput{FunctionName: aws.String("fn")}
		if q != "" {
			in.Qualifier = &q
		}
		if _, err := x.Invoke(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]float64{
		"FunctionName fn":                                        4,
		"FunctionName fn Resource fn":                            1,
		"FunctionName fn Resource fn:1":                          1,
		"FunctionName fn Resource fn:live":                       2,
		"FunctionName fn Resource fn:live ExecutedVersion 2":     2,
		"FunctionName fn Resource fn:live ExecutedVersion 1":     0,
		"FunctionName fn Resource fn:1 ExecutedVersion 1":        0,
		"FunctionName fn Resource fn ExecutedVersion $LATEST":    0,
		"FunctionName fn Resource fn:$LATEST":                    0,
		"FunctionName fn Resource fn:live ExecutedVersion never": 0,
	}
	for dims, n := range want {
		if got := m.sums["AWS/Lambda Invocations Count "+dims]; got != n {
			t.Errorf("%s: %v invocations, want %v", dims, got, n)
		}
	}
	var metrics []string
	for key := range m.sums {
		metrics = append(metrics, strings.Fields(key)[1])
	}
	slices.Sort(metrics)
	if got := slices.Compact(metrics); !slices.Equal(got, []string{"ColdStarts", "ConcurrentExecutions", "Duration", "Errors", "InitDuration", "Invocations", "UnreservedConcurrentExecutions"}) {
		t.Errorf("metrics %v", got)
	}
	for key, n := range map[string]float64{ // calls came one by one
		"AWS/Lambda ConcurrentExecutions Count":                                           4,
		"AWS/Lambda ConcurrentExecutions Count FunctionName fn":                           4,
		"AWS/Lambda UnreservedConcurrentExecutions Count":                                 4,
		"Teal/Lambda ColdStarts Count FunctionName fn Resource fn:live ExecutedVersion 2": 1,
		"Teal/Lambda InitDuration Milliseconds FunctionName fn":                           120,
	} {
		if got := m.sums[key]; got != n {
			t.Errorf("%s: %v, want %v", key, got, n)
		}
	}
}
