package lambda

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// pathTracer writes the way that led to a span as its header, and remembers the spans.
type pathTracer struct {
	mu    sync.Mutex
	spans []string
}

type pathKey struct{}

func (p *pathTracer) Header(ctx context.Context) string {
	path, _ := ctx.Value(pathKey{}).(string)
	return path
}

func (p *pathTracer) Join(ctx context.Context, header string) context.Context {
	if p.Header(ctx) != "" {
		return ctx
	}
	return context.WithValue(ctx, pathKey{}, header)
}

func (p *pathTracer) Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any)) {
	path := p.Header(ctx) + ">" + kind
	return context.WithValue(ctx, pathKey{}, path), func(name, failure string, attributes ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		told := map[any]any{}
		for i := 0; i < len(attributes); i += 2 {
			told[attributes[i]] = attributes[i+1]
		}
		p.spans = append(p.spans, fmt.Sprintf("%s %s [%s] version %v of %q", path, name, failure, told["faas.version"], told["aws.lambda.alias"]))
	}
}

// The trace goes on to the function, also when the service has ended between the acknowledgement of an event and its run,
// and a retry is a span of its own.
func TestTraceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pathTracer{}
		with := func(c *Config) { c.Tracer = p }
		x := start(t, with)
		x.create("fn")
		x.release("fn", "one")
		x.alias("fn", "live", "1", nil)
		in := &sdk.InvokeInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")}
		if _, err := x.Invoke(p.Join(t.Context(), "gateway"), in); err != nil {
			t.Fatal(err)
		}
		fail := true
		x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) {
			if fail {
				return pool.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Boom"}`)}, nil
			}
			return pool.Result{}, nil
		}
		in.InvocationType = types.InvocationTypeEvent
		if _, err := x.Invoke(p.Join(t.Context(), "task"), in); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		fail = false
		x.open(with)
		time.Sleep(time.Hour)
		synctest.Wait()
		want := `gateway>server fn [] version 1 of "live"
task>server fn [Boom] version 1 of "live"
task>server fn [] version 1 of "live"`
		if got := strings.Join(p.spans, "\n"); got != want {
			t.Errorf("spans\n%s\nwant\n%s", got, want)
		}
		for i, want := range []string{"gateway>server", "task>server", "task>server"} {
			if got := x.exec.call(i).TraceID; !strings.HasPrefix(got, want+";Lineage=") || !strings.HasSuffix(got, ":1") {
				t.Errorf("invocation %d was told of %q, want %q", i, got, want)
			}
		}
	})
}
