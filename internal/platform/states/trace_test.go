package states

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// pathTracer writes the way that led to a span as its header, and remembers the spans.
type pathTracer struct {
	mu    sync.Mutex
	spans []string
}

type pathKey struct{}

func (p *pathTracer) add(span string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans = append(p.spans, span)
}

func (p *pathTracer) Header(ctx context.Context) string {
	path, _ := ctx.Value(pathKey{}).(string)
	return path
}

func (p *pathTracer) Inject(ctx context.Context, h http.Header) {
	h.Set("X-Amzn-Trace-Id", p.Header(ctx))
	h.Set("Traceparent", p.Header(ctx))
}

func (p *pathTracer) Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any)) {
	path := p.Header(ctx)
	return context.WithValue(ctx, pathKey{}, path+">"+kind), func(name, failure string, _ ...any) {
		p.add(path + " " + kind + " " + name + " [" + failure + "]")
	}
}

func (p *pathTracer) Within(ctx context.Context, header, _ string) context.Context {
	return context.WithValue(ctx, pathKey{}, header+">execution")
}

func (p *pathTracer) Record(header, _, kind, name string, begin, end time.Time, failure string, _ ...any) {
	p.add(header + " " + kind + " " + strings.SplitN(name, "/", 2)[0] + " [" + failure + "] " + end.Sub(begin).String())
}

// Executions, their children of both types and every attempt of a task are spans below what they come from; functions are
// invoked within the task's.
func TestTraceOfAMap(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pathTracer{}
				var n atomic.Int64
				s := open(t, Config{Tracer: p, Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
					p.add(p.Header(ctx) + " invoked")
					if n.Add(1) == 1 {
						return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Boom"}`)}, nil
					}
					return echo(ctx, in)
				})})
				m := create(t, s, "m", distributed(kind, `"P":{"Type":"Task","Resource":"`+fn+`f","End":true,"Retry":[{"ErrorEquals":["Boom"],"IntervalSeconds":2}]}`, ""), false)
				from := context.WithValue(t.Context(), pathKey{}, "caller")
				x := must[*sfn.StartExecutionOutput](t)(s.StartExecution(from, &sfn.StartExecutionInput{StateMachineArn: &m, Input: aws.String("[1]")}))
				time.Sleep(time.Minute)
				synctest.Wait()
				is(t, "end", ended(t, s, *x.ExecutionArn), "SUCCEEDED [1]")
				is(t, "traceHeader", text(describe(t, s, *x.ExecutionArn).TraceHeader), "caller")
				want := []string{
					"caller internal m [] 2s",
					"caller>execution internal m [] 2s",
					"caller>execution>execution client P []", "caller>execution>execution client P [Boom]",
					"caller>execution>execution>client invoked", "caller>execution>execution>client invoked",
				}
				slices.Sort(p.spans)
				if slices.Sort(want); !slices.Equal(p.spans, want) {
					t.Errorf("spans\n%s\nwant\n%s", strings.Join(p.spans, "\n"), strings.Join(want, "\n"))
				}
			})
		})
	}
}

// A header of the caller's own goes before that of its request, and a redrive is a further span in the same trace.
func TestTraceOfARedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pathTracer{}
		fail := true
		s := open(t, Config{Tracer: p, Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			if fail {
				return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Boom"}`)}, nil
			}
			return echo(ctx, in)
		})})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f","End":true}`), false)
		from := context.WithValue(t.Context(), pathKey{}, "caller")
		x := must[*sfn.StartExecutionOutput](t)(s.StartExecution(from, &sfn.StartExecutionInput{StateMachineArn: &m, TraceHeader: aws.String("own")}))
		synctest.Wait()
		fail = false
		time.Sleep(time.Hour)
		must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: x.ExecutionArn}))
		synctest.Wait()
		want := "own>execution client A [Boom]\nown internal m [Boom] 0s\nown>execution client A []\nown internal m [] 0s"
		is(t, "spans", strings.Join(p.spans, "\n"), want)
	})
}

// An HTTP task's request is below the attempt's span, unless the state says otherwise.
func TestTraceOfAnHTTPTask(t *testing.T) {
	seen := make(chan http.Header, 1)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	defer endpoint.Close()
	s := open(t, Config{Tracer: &pathTracer{}})
	for i, headers := range []string{``, `,"Headers":{"traceparent":"own"}`} {
		want := []string{"root>execution>client", "own"}[i]
		machine := create(t, s, "m"+strconv.Itoa(i), machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::http:invoke","Parameters":{"Method":"GET","ApiEndpoint":"`+endpoint.URL+`"`+headers+`},"End":true}`), false)
		if _, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, TraceHeader: aws.String("root")}); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got.Get("Traceparent") != want || got.Get("X-Amzn-Trace-Id") != "root>execution>client" {
			t.Errorf("%s: %v", headers, got)
		}
	}
}
