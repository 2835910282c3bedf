package states

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// objects is an ObjectStore of one bucket.
type objects struct {
	mu    sync.Mutex
	byKey map[string]string
}

func (o *objects) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, ok := o.byKey[*in.Key]
	if !ok {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(text))}, nil
}

func (o *objects) PutObject(_ context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(in.Body); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byKey[*in.Key] = b.String()
	return &s3.PutObjectOutput{}, nil
}

func (o *objects) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := &s3.ListObjectsV2Output{}
	for _, key := range slices.Sorted(maps.Keys(o.byKey)) {
		if key <= aws.ToString(in.ContinuationToken) || !strings.HasPrefix(key, aws.ToString(in.Prefix)) {
			continue
		}
		if len(out.Contents) == 2 {
			out.NextContinuationToken = out.Contents[1].Key
			break
		}
		out.Contents = append(out.Contents, s3types.Object{Key: &key, Size: aws.Int64(int64(len(o.byKey[key]))), ETag: aws.String("e"), LastModified: aws.Time(time.Unix(1, 0))})
	}
	return out, nil
}

func distributed(kind, processor, more string) string {
	return machineOf(`"A":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"` + kind + `"},"StartAt":"P","States":{` + processor + `}},"End":true` + more + `}`)
}

func reader(action, kind string) string {
	return `,"ItemReader":{"Resource":"arn:aws:states:::s3:` + action + `","ReaderConfig":{` + kind + `},"Parameters":{"Bucket":"b","Key":"in","Prefix":"list/"}}`
}

func TestItemReaders(t *testing.T) {
	var many []string
	for n := range 2500 { // several pages
		many = append(many, fmt.Sprintf(`{"n":%d}`, n))
	}
	for name, c := range map[string]struct {
		action, config, object, first, last string
		items                               int
	}{
		"JSON":        {"getObject", `"InputType":"JSON"`, `[1, "two", {"three":3}]`, `1`, `{"three":3}`, 3},
		"JSON pages":  {"getObject", `"InputType":"JSON"`, "[" + strings.Join(many, ",") + "]", `{"n":0}`, `{"n":2499}`, 2500},
		"JSONL":       {"getObject", `"InputType":"JSONL"`, strings.Join(many, "\n"), `{"n":0}`, `{"n":2499}`, 2500},
		"max items":   {"getObject", `"InputType":"JSONL","MaxItems":7`, strings.Join(many, "\n") + "\n", `{"n":0}`, `{"n":6}`, 7},
		"CSV":         {"getObject", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"`, "a,b\n1,\"x,y\"\n2\n", `{"a":"1","b":"x,y"}`, `{"a":"2","b":""}`, 2},
		"CSV headers": {"getObject", `"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["c"],"CSVDelimiter":"PIPE"`, "1|2\n", `{"c":"1"}`, `{"c":"1"}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, Config{Objects: &objects{byKey: map[string]string{"in": c.object}}})
				x := start1(t, s, create(t, s, "m", distributed("EXPRESS", `"P":{"Type":"Pass","End":true}`, reader(c.action, c.config)), false), "", "")
				synctest.Wait()
				var got []json.RawMessage
				if err := json.Unmarshal([]byte(strings.TrimPrefix(ended(t, s, x), "SUCCEEDED ")), &got); err != nil || len(got) != c.items {
					t.Fatalf("%d items of %d: %s", len(got), c.items, ended(t, s, x))
				}
				is(t, "first", string(got[0]), c.first)
				is(t, "last", string(got[len(got)-1]), c.last)
			})
		})
	}
}

func TestListObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{Objects: &objects{byKey: map[string]string{"in": "", "list/a": "1", "list/b": "22", "list/c": "333"}}})
		m := create(t, s, "m", distributed("STANDARD", `"P":{"Type":"Pass","InputPath":"$.Size","End":true}`,
			`,"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b","Prefix":"list/"}}`), false)
		x := start1(t, s, m, "", "")
		synctest.Wait()
		is(t, "sizes", ended(t, s, x), "SUCCEEDED [1,2,3]")
	})
}

func TestMapRun(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { mapRun(t, kind) })
		})
	}
}

func mapRun(t *testing.T, kind string) {
	o := &objects{byKey: map[string]string{}}
	fixed := false
	s := open(t, Config{Objects: o, Invoker: invokerFunc(func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		time.Sleep(time.Minute)
		if string(in.Payload) == "3" && !fixed {
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Three"}`)}, nil
		}
		return echo(ctx, in)
	})})
	m := create(t, s, "m", distributed(kind, `"P":{"Type":"Task","Resource":"`+fn+`f","End":true}`,
		`,"MaxConcurrency":2,"Label":"L","ToleratedFailureCount":0,"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b","Prefix":"out"}}`), false)
	x := start1(t, s, m, "", "[1,2,3,4,5]")
	time.Sleep(30 * time.Second)
	runs := must[*sfn.ListMapRunsOutput](t)(s.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &x})).MapRuns
	if len(runs) != 1 || !strings.HasPrefix(*runs[0].MapRunArn, "arn:aws:states:us-east-1:000000000000:mapRun:m/L:") {
		t.Fatalf("%+v", runs)
	}
	arn := runs[0].MapRunArn
	run := func() *sfn.DescribeMapRunOutput {
		return must[*sfn.DescribeMapRunOutput](t)(s.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: arn}))
	}
	if d := run(); d.Status != types.MapRunStatusRunning || d.ExecutionCounts.Running != 2 || d.MaxConcurrency != 2 {
		t.Fatalf("%+v %+v", d, d.ExecutionCounts)
	}
	time.Sleep(2 * time.Minute)
	if got := ended(t, s, x); !strings.HasPrefix(got, "FAILED States.ExceedToleratedFailureThreshold") {
		t.Fatal(got)
	}
	if d := run(); d.Status != types.MapRunStatusFailed || d.ExecutionCounts.Failed != 1 || d.ExecutionCounts.Succeeded < 2 || d.StopDate == nil {
		t.Fatalf("%+v %+v", d, d.ExecutionCounts)
	}
	refusedUpdate := func() error {
		_, err := s.UpdateMapRun(t.Context(), &sfn.UpdateMapRunInput{MapRunArn: arn, MaxConcurrency: aws.Int32(3)})
		return err
	}
	refused(t, refusedUpdate(), "ValidationException", "The Map run …")

	fixed = true
	must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &x}))
	if err := refusedUpdate(); err != nil {
		t.Fatal(err)
	}
	if d := run(); d.MaxConcurrency != 3 || *d.RedriveCount != 1 || d.Status != types.MapRunStatusRunning {
		t.Fatalf("%+v", d)
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	var out struct {
		MapRunArn           string
		ResultWriterDetails struct{ Bucket, Key string }
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(ended(t, s, x), "SUCCEEDED ")), &out); err != nil || out.MapRunArn != *arn {
		t.Fatal(ended(t, s, x))
	}
	if d := run(); d.Status != types.MapRunStatusSucceeded || d.ItemCounts.Succeeded != 5 || d.ItemCounts.Total != 5 || d.ItemCounts.Failed != 0 {
		t.Fatalf("%+v %+v", d, d.ItemCounts)
	}
	var manifest struct {
		ResultFiles map[string][]struct{ Key string }
	}
	if err := json.Unmarshal([]byte(o.byKey[out.ResultWriterDetails.Key]), &manifest); err != nil || len(manifest.ResultFiles["SUCCEEDED"]) != 1 {
		t.Fatalf("%v %q", err, o.byKey)
	}
	var results []struct{ ExecutionArn, Output, StateMachineArn string }
	if err := json.Unmarshal([]byte(o.byKey[manifest.ResultFiles["SUCCEEDED"][0].Key]), &results); err != nil || len(results) != 5 || results[2].Output != "3" {
		t.Fatalf("%v %+v", err, results)
	}
	is(t, "machine of the children", results[0].StateMachineArn, m+"/L")
	if kind == "STANDARD" {
		listed := must[*sfn.ListExecutionsOutput](t)(s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{MapRunArn: arn, RedriveFilter: types.ExecutionRedriveFilterRedriven}))
		if len(listed.Executions) == 0 || *listed.Executions[0].MapRunArn != *arn {
			t.Fatalf("%+v", listed.Executions)
		}
	}
}

// TestMapRunsSurviveCrashes kills the platform at random commits while Map runs are under way: each child counts once.
func TestMapRunsSurviveCrashes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 3))
				disk := memory.New()
				setup := open(t, Config{Store: disk})
				var machines []string
				for _, kind := range []string{"STANDARD", "EXPRESS"} {
					machines = append(machines, create(t, setup, kind, distributed(kind, `"P":{"Type":"Wait","Seconds":1,"End":true}`, `,"MaxConcurrency":5`), false))
				}
				if err := setup.Close(); err != nil {
					t.Fatal(err)
				}
				var acked []string
				for range 6 {
					db := &mortal{Store: disk, left: 1 + rng.IntN(60), written: rng.IntN(2) == 0}
					s, err := New(Config{Store: db, Invoker: echo})
					if err != nil {
						continue
					}
					for !db.isDead() {
						if out, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machines[rng.IntN(2)], Input: aws.String("[0,1,2,3,4,5,6,7]")}); err == nil {
							acked = append(acked, *out.ExecutionArn)
						}
						time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
				s := open(t, Config{Store: disk})
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, x := range acked {
					is(t, x, ended(t, s, x), "SUCCEEDED [0,1,2,3,4,5,6,7]")
					runs := must[*sfn.ListMapRunsOutput](t)(s.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &x})).MapRuns
					d := must[*sfn.DescribeMapRunOutput](t)(s.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs[0].MapRunArn}))
					if d.Status != types.MapRunStatusSucceeded || d.ExecutionCounts.Succeeded != 8 || d.ExecutionCounts.Total != 8 {
						t.Fatalf("%+v %+v", d, d.ExecutionCounts)
					}
				}
				for _, err := range disk.Scan(t.Context(), bucketOpen, store.Range{}) {
					t.Fatalf("an execution is still open: %v", err)
				}
			})
		})
	}
}
