package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/pool"
	"github.com/tealdeploy/teal/internal/store"
)

func (x *fixture) tag(name string, tags map[string]string) error {
	arn := x.arn(name, "")
	_, err := x.TagResource(x.t.Context(), &sdk.TagResourceInput{Resource: &arn, Tags: tags})
	return err
}

// on invokes fn:live and tells the version that served it.
func (x *fixture) on(payload string) string {
	x.t.Helper()
	out, err := x.Invoke(x.t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn:live"), Payload: []byte(payload)})
	if err != nil {
		x.t.Fatal(err)
	}
	return *out.ExecutedVersion
}

func TestStratifiedAliasMeetsItsWeightExactly(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 0.1})
	if err := x.tag("fn", map[string]string{"teal:routing:live": "stratified"}); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		n := 0
		for range 40 {
			if x.on("{}") == "2" {
				n++
			}
			// What runs nothing does not count.
			if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn:live"), InvocationType: "DryRun"}); err != nil {
				t.Fatal(err)
			}
		}
		if n != 4 {
			t.Errorf("round %d: 10 %% of 40 were %d", round, n)
		}
	}
	wantError(t, x.tag("fn", map[string]string{"teal:routing:live": "fair"}), "InvalidParameterValueException",
		`The tag teal:routing:live must be "stratified", or "sticky:" and the place of a value in the event, such as sticky:headers.x-user-id.`)
}

func TestStickyAliasKeepsItsCallers(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 0.5})
	if err := x.tag("fn", map[string]string{"teal:routing:live": "sticky:headers.x-user"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i := range 200 {
		user := fmt.Sprintf(`{"headers":{"X-User":"u%d"}}`, i)
		v := x.on(user)
		for range 5 {
			if again := x.on(user); again != v {
				t.Fatalf("%s went from %s to %s", user, v, again)
			}
		}
		seen[v]++
	}
	if seen["1"] < 60 || seen["2"] < 60 {
		t.Errorf("of 200 callers: %v", seen)
	}
	none := map[string]int{}
	for range 100 {
		none[x.on(`{"headers":{}}`)]++
	}
	if len(none) != 2 {
		t.Errorf("requests without a key all went one way: %v", none)
	}
}

func TestValueAt(t *testing.T) {
	for doc, want := range map[string]string{
		`{"a":{"b":"x"}}`: "x", `{"a":{"b":7}}`: "7", `{"a":{"b":true}}`: "true", `{"A":{"B":"x"}}`: "x",
		`{"a":{"b":null}}`: "", `{"a":{"b":{}}}`: "", `{"a":[]}`: "", `{}`: "", `7`: "", ``: "",
	} {
		got, ok := valueAt([]byte(doc), []string{"a", "b"})
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", doc, got, ok)
		}
	}
}

// A function with 10,000 versions is invoked as fast as one with 10; 1,000 functions with 10 versions start and list as
// their number says and no worse.
func BenchmarkThousandFunctions(b *testing.B) {
	for _, size := range []struct{ functions, versions int }{{100, 10}, {1000, 10}, {1, 10_000}} {
		b.Run(fmt.Sprintf("%dx%d", size.functions, size.versions), func(b *testing.B) {
			x := start(b)
			x.exec.do = func(context.Context, *pool.Function, pool.Invocation) (pool.Result, error) { return pool.Result{}, nil }
			x.fill(size.functions, size.versions)
			if err := x.Close(); err != nil {
				b.Fatal(err)
			}
			b.Run("start", func(b *testing.B) {
				for b.Loop() {
					x.open()
					if err := x.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
			x.open()
			b.Run("page", func(b *testing.B) {
				for b.Loop() {
					if out, err := x.ListFunctions(context.Background(), &sdk.ListFunctionsInput{}); err != nil || len(out.Functions) != min(size.functions, pageSize) {
						b.Fatal(err)
					}
				}
			})
			b.Run("resolve", func(b *testing.B) {
				r := ref{"fn-0", "live"}
				for b.Loop() {
					if _, err := x.resolve(r, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// fill puts functions into the store as creating and publishing them would, all with the same code.
func (x *fixture) fill(functions, versions int) {
	x.t.Helper()
	x.create("fn-0")
	x.release("fn-0", "one")
	x.release("fn-0", "two")
	x.alias("fn-0", "live", "1", map[string]float64{"2": 0.1})
	n := x.found("fn-0").state.Load()
	record := func(bucket, key string, v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			x.t.Fatal(err)
		}
		batch := &store.Batch{}
		batch.Put(bucket, key, raw)
		if err := x.store.Commit(context.Background(), batch); err != nil {
			x.t.Fatal(err)
		}
	}
	for i := range functions {
		name := fmt.Sprintf("fn-%d", i)
		f := n.record
		f.Name, f.NextVersion = name, int64(versions)+1
		record(functionBucket, name, f)
		for v := range versions + 1 {
			r := *n.versions["1"].versionRecord
			if r.Function, r.Version = name, fmt.Sprint(v); v == 0 {
				r = *n.versions[latest].versionRecord
				r.Function = name
			}
			record(versionBucket, name+"/"+r.Version, r)
		}
		a := *n.aliases["live"]
		a.Function = name
		record(aliasBucket, name+"/live", a)
	}
}
