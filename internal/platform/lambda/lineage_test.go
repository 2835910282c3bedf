package lambda

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/pool"
)

func TestLineage(t *testing.T) {
	const me = "0000aaaa"
	for _, c := range []struct {
		header, rest, lineage string
		n                     int
	}{
		{"", "", "0000aaaa:1", 1},
		{"Root=1-a-b;Sampled=1", "Root=1-a-b;Sampled=1", "0000aaaa:1", 1},
		{"Root=1-a-b;Lineage=0000aaaa:3|0000bbbb:2;Sampled=1", "Root=1-a-b;Sampled=1", "0000bbbb:2|0000aaaa:4", 4},
		{"Lineage=0000bbbb:2", "", "0000bbbb:2|0000aaaa:1", 1},
		{"Root=1;Lineage=|x:1|0000aaaa:x|0000bbbb:-1|0000cccc:70000|25:0000aaaa:0", "Root=1", "0000aaaa:1", 1},
		{"Root=1;Lineage=" + strings.Repeat("0000bbbb:1|", 40) + "0000cccc:1", "Root=1", strings.Repeat("0000bbbb:1|", 14) + "0000cccc:1|0000aaaa:1", 1},
	} {
		rest, lineage := cutLineage(c.header)
		lineage, n := descend(lineage, me)
		if rest != c.rest || lineage != c.lineage || n != c.n {
			t.Errorf("%s: %q, %q, %d", c.header, rest, lineage, n)
		}
	}
}

// Whatever a caller sends, a lineage stays short, and a loop is found in as many steps as it has.
func TestLineageIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, lineage := cutLineage(rapid.String().Draw(t, "header"))
		n := 0
		for range maxLoop + 1 {
			lineage, n = descend(lineage, "0000aaaa")
		}
		if n <= maxLoop || len(lineage) > maxLineage*len("0000aaaa:65535|") {
			t.Errorf("%d in %q", n, lineage)
		}
	})
}

// chain invokes a function again and again, each time with the trace that the invocation before was told of, until it is
// refused or was invoked most times.
func (x *fixture) chain(function string, most int) (invocations int, trace string) {
	x.t.Helper()
	for invocations < most {
		before := x.exec.count()
		_, err := x.invoke(x.t.Context(), &invocation{ref: ref{function, ""}, requestID: awsproto.NewRequestID(), traceID: trace})
		if err != nil {
			wantError(x.t, err, "RecursiveInvocationException", recursive)
			if x.exec.count() != before {
				x.t.Error("the function was refused and invoked")
			}
			return invocations, trace
		}
		invocations++
		trace = x.exec.call(before).TraceID
	}
	return invocations, trace
}

func TestLoopsAreStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newQueue()
		x := start(t, func(c *Config) { c.Queues = queue })
		for _, name := range []string{"fn", "other", "told"} {
			x.create(name)
		}
		n, trace := x.chain("fn", 100)
		if n != maxLoop || !strings.HasPrefix(trace, "Root=1-") || !strings.HasSuffix(trace, ":"+strconv.Itoa(maxLoop)) {
			t.Errorf("stopped after %d invocations with %q", n, trace)
		}
		if _, err := x.invoke(t.Context(), &invocation{ref: ref{"other", ""}, requestID: awsproto.NewRequestID(), traceID: trace}); err != nil {
			t.Errorf("another function of the chain: %v", err)
		}

		if err := x.destinations("", x.arn("told", "")); err != nil {
			t.Fatal(err)
		}
		before := x.exec.count()
		if _, err := x.invoke(t.Context(), &invocation{ref: ref{"fn", ""}, kind: types.InvocationTypeEvent, requestID: awsproto.NewRequestID(), traceID: trace, payload: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := x.exec.count(); n != before+1 || !strings.Contains(string(x.exec.call(before).Payload), `"RetriesExhausted"`) {
			t.Errorf("%d invocations for a stopped event, the last with %s", n-before, x.exec.call(n-1).Payload)
		}

		queue.put("loops", "goes on")
		queue.messages[0].Attributes = map[string]string{traceHeader: trace}
		queue.messages[1].Attributes = map[string]string{traceHeader: "Root=1-1-1"}
		var got []string
		x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
			got = append(got, append(bodies(t, in.Payload), in.TraceID)...)
			return pool.Result{}, nil
		}
		if _, err := x.CreateEventSourceMapping(t.Context(), mapped(nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != 2 || got[0] != "goes on" || !strings.HasPrefix(got[1], "Root=1-1-1;Lineage=") || len(queue.left()) != 1 {
			t.Errorf("of the queue's messages came %q, and %q stay", got, queue.left())
		}

		x.exec.do = nil
		if _, err := x.PutFunctionRecursionConfig(t.Context(), &sdk.PutFunctionRecursionConfigInput{FunctionName: aws.String("fn"), RecursiveLoop: types.RecursiveLoopAllow}); err != nil {
			t.Fatal(err)
		}
		if n, _ := x.chain("fn", 3*maxLoop); n != 3*maxLoop {
			t.Errorf("a loop that is allowed was stopped after %d", n)
		}
	})
}
