package lambda

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// bodies reads the messages of an event.
func bodies(t *testing.T, payload []byte) (all []string) {
	t.Helper()
	var e struct{ Records []messageRecord }
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Fatal(err)
	}
	for _, r := range e.Records {
		if r.Source != "aws:sqs" || r.SourceARN != queueARN || r.MessageID == "" || r.Region != "us-east-1" {
			t.Errorf("%+v", r)
		}
		all = append(all, r.Body)
	}
	return all
}

func mapped(change func(*sdk.CreateEventSourceMappingInput)) *sdk.CreateEventSourceMappingInput {
	in := &sdk.CreateEventSourceMappingInput{FunctionName: aws.String("fn"), EventSourceArn: aws.String(queueARN)}
	if change != nil {
		change(in)
	}
	return in
}

func TestMessagesReachTheirFunction(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(*sdk.CreateEventSourceMappingInput)
		put    []string
		answer func(call int, got []string) pool.Result
		calls  [][]string
		within time.Duration
		left   []string
	}{
		"one batch": {put: []string{"a", "b"}, calls: [][]string{{"a", "b"}}},
		"batches of two": {
			set:   func(in *sdk.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(2) },
			put:   []string{"a", "b", "c"},
			calls: [][]string{{"a", "b"}, {"c"}},
		},
		"a failure comes again": {
			put: []string{"a"}, within: time.Minute, calls: [][]string{{"a"}, {"a"}},
			answer: func(call int, _ []string) pool.Result {
				if call == 0 {
					return pool.Result{FunctionError: "Unhandled"}
				}
				return pool.Result{}
			},
		},
		"a part of a batch": {
			set: func(in *sdk.CreateEventSourceMappingInput) {
				in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
			},
			put: []string{"a", "b", "c"}, within: time.Minute, calls: [][]string{{"a", "b", "c"}, {"b"}},
			answer: func(call int, _ []string) pool.Result {
				if call == 0 {
					return pool.Result{Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"m2"}]}`)}
				}
				return pool.Result{Payload: []byte(`{"batchItemFailures":[]}`)}
			},
		},
		"a report about nobody": {
			set: func(in *sdk.CreateEventSourceMappingInput) {
				in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
			},
			put: []string{"a"}, calls: [][]string{{"a"}}, left: []string{"a"},
			answer: func(int, []string) pool.Result {
				return pool.Result{Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"x"}]}`)}
			},
		},
		"filtered": {
			set: func(in *sdk.CreateEventSourceMappingInput) {
				in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":{"n":[{"numeric":[">",1]}]}}`)}}}
			},
			put: []string{`{"n":1}`, `{"n":2}`, `text`}, calls: [][]string{{`{"n":2}`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queue := newQueue()
				x := start(t, func(cfg *Config) { cfg.Queues = queue })
				x.create("fn")
				var mu sync.Mutex
				var calls [][]string
				x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
					mu.Lock()
					defer mu.Unlock()
					got := bodies(t, in.Payload)
					calls = append(calls, got)
					if c.answer == nil {
						return pool.Result{}, nil
					}
					return c.answer(len(calls)-1, got), nil
				}
				queue.put(c.put...)
				out, err := x.CreateEventSourceMapping(t.Context(), mapped(c.set))
				if err != nil || *out.State != "Creating" {
					t.Fatalf("%+v, %v", out, err)
				}
				time.Sleep(max(c.within, 2*time.Second))
				synctest.Wait()
				slices.SortFunc(calls, slices.Compare) // batches run side by side
				if !slices.EqualFunc(calls, c.calls, slices.Equal) || !slices.Equal(queue.left(), c.left) {
					t.Errorf("called with %q, want %q; left %q", calls, c.calls, queue.left())
				}
			})
		})
	}
}

func TestWindowGathersABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newQueue()
		x := start(t, func(c *Config) { c.Queues = queue })
		x.create("fn")
		var calls [][]string
		x.exec.do = func(_ context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
			calls = append(calls, bodies(t, in.Payload))
			return pool.Result{}, nil
		}
		if _, err := x.CreateEventSourceMapping(t.Context(), mapped(func(in *sdk.CreateEventSourceMappingInput) {
			in.BatchSize, in.MaximumBatchingWindowInSeconds = aws.Int32(100), aws.Int32(5)
		})); err != nil {
			t.Fatal(err)
		}
		for _, b := range []string{"a", "b", "c"} {
			queue.put(b)
			time.Sleep(1500 * time.Millisecond)
		}
		synctest.Wait()
		if n := x.exec.count(); n != 0 {
			t.Errorf("called %d times before the window was over", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(calls) != 1 || len(calls[0]) != 3 {
			t.Errorf("%q", calls)
		}
	})
}

func TestMappingsAreKeptAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newQueue()
		open := func(c *Config) { c.Queues = queue }
		x := start(t, open)
		x.create("fn")
		made, err := x.CreateEventSourceMapping(t.Context(), mapped(func(in *sdk.CreateEventSourceMappingInput) { in.Enabled = aws.Bool(false) }))
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.CreateEventSourceMapping(t.Context(), mapped(nil))
		wantError(t, err, "ResourceConflictException", `The event source arn (" `+queueARN+` ") and function (" fn ") provided mapping already exists. Please update or delete the existing mapping with UUID `+*made.UUID)
		queue.put("a")
		time.Sleep(time.Minute)
		if x.exec.count() != 0 {
			t.Error("a disabled mapping polls")
		}
		up, err := x.UpdateEventSourceMapping(t.Context(), &sdk.UpdateEventSourceMappingInput{UUID: made.UUID, Enabled: aws.Bool(true)})
		if err != nil || *up.State != "Enabling" {
			t.Fatalf("%+v, %v", up, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if x.exec.count() != 1 {
			t.Error("an enabled mapping does not poll")
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		queue.put("b")
		x.open(open)
		time.Sleep(time.Second)
		synctest.Wait()
		if got, err := x.GetEventSourceMapping(t.Context(), &sdk.GetEventSourceMappingInput{UUID: made.UUID}); err != nil || *got.State != "Enabled" || x.exec.count() != 2 {
			t.Errorf("after a restart: %+v, %v, %d calls", got, err, x.exec.count())
		}
		if del, err := x.DeleteEventSourceMapping(t.Context(), &sdk.DeleteEventSourceMappingInput{UUID: made.UUID}); err != nil || *del.State != "Deleting" {
			t.Errorf("%+v, %v", del, err)
		}
		queue.put("c")
		time.Sleep(time.Minute)
		if x.exec.count() != 2 {
			t.Error("a deleted mapping polls")
		}
		list, err := x.ListEventSourceMappings(t.Context(), &sdk.ListEventSourceMappingsInput{})
		if err != nil || len(list.EventSourceMappings) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestMappingsAreChecked(t *testing.T) {
	const code = "InvalidParameterValueException"
	x := start(t)
	x.create("fn")
	_, err := x.CreateEventSourceMapping(t.Context(), mapped(nil))
	wantError(t, err, code, "EventSourceArn is not supported by this platform: there is no SQS here")
	queue := newQueue()
	x.cfg.Queues = queue
	for name, c := range map[string]struct {
		change  func(*sdk.CreateEventSourceMappingInput)
		message string
	}{
		"no source":   {func(in *sdk.CreateEventSourceMappingInput) { in.EventSourceArn = nil }, "Unrecognized event source."},
		"no function": {func(in *sdk.CreateEventSourceMappingInput) { in.FunctionName = aws.String("no") }, "Function does not exist"},
		"no queue":    {func(in *sdk.CreateEventSourceMappingInput) { in.EventSourceArn = aws.String(queueARN + "x") }, "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."},
		"no window":   {func(in *sdk.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) }, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		"bad filter": {func(in *sdk.CreateEventSourceMappingInput) {
			in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"a":1}`)}}}
		}, "Invalid filter pattern definition."},
		"kinesis": {func(in *sdk.CreateEventSourceMappingInput) {
			in.EventSourceArn, in.StartingPosition = aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s"), "LATEST"
		}, "EventSourceArn is not supported by this platform: there is no Kinesis; give a queue"},
		"a stream's": {func(in *sdk.CreateEventSourceMappingInput) { in.ParallelizationFactor = aws.Int32(2) }, "Unsupported parameter for SQS event sources: give it for a stream, or leave it out."},
	} {
		_, err := x.CreateEventSourceMapping(t.Context(), mapped(c.change))
		t.Run(name, func(t *testing.T) { wantError(t, err, code, c.message) })
	}
	queue.visibility = 2 * time.Second
	_, err = x.CreateEventSourceMapping(t.Context(), mapped(nil))
	wantError(t, err, code, "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds")
	_, err = x.GetEventSourceMapping(t.Context(), &sdk.GetEventSourceMappingInput{UUID: aws.String("8d16fe4a-ffb6-44d9-bcf9-dbf2cd540f27")})
	wantError(t, err, "ResourceNotFoundException", "The resource you requested does not exist.")
}

func TestFilters(t *testing.T) {
	const event = `{"body":"plain","attributes":{"n":"1"},"list":["a","b"],"num":5,"flag":true,"none":null,"deep":{"x":{"y":"Z"}}}`
	for pattern, want := range map[string]bool{
		`{"body":["plain"]}`:                                true,
		`{"body":["other"]}`:                                false,
		`{"body":[{"prefix":"pl"}]}`:                        true,
		`{"body":[{"suffix":"in"}]}`:                        true,
		`{"body":[{"anything-but":["plain"]}]}`:             false,
		`{"body":[{"anything-but":"x"}]}`:                   true,
		`{"list":["b"]}`:                                    true,
		`{"num":[{"numeric":[">",1,"<=",5]}]}`:              true,
		`{"num":[{"numeric":["<",5]}]}`:                     false,
		`{"num":[5],"flag":[true]}`:                         true,
		`{"none":[null]}`:                                   true,
		`{"missing":[{"exists":false}]}`:                    true,
		`{"num":[{"exists":false}]}`:                        false,
		`{"deep":{"x":{"y":[{"equals-ignore-case":"z"}]}}}`: true,
		`{"gone":{"x":[{"exists":false}]}}`:                 true,
		`{"gone":{"x":["a"]}}`:                              false,
		`{"$or":[{"num":[4]},{"flag":[true]}]}`:             true,
		`{"$or":[{"num":[4]},{"flag":[false]}]}`:            false,
		`{"deep":[{"anything-but":["x"]}]}`:                 true,
	} {
		f, err := parseFilter(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(event), &e); err != nil {
			t.Fatal(err)
		}
		if got := f.matchesRecord(e); got != want {
			t.Errorf("%s: %v", pattern, got)
		}
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"a":"b"}`, `{"a":[]}`, `{"a":[{"like":"x"}]}`, `{"a":[{"numeric":["=","x"]}]}`, `{"a":[{"prefix":1}]}`, `{"a":[["b"]]}`, `{"$or":["a"]}`, `{"a":[{"anything-but":[{}]}]}`, `{"a":[1]} x`} {
		if _, err := parseFilter(bad); err == nil {
			t.Errorf("%s passes as a pattern", bad)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(`{"body":{"n":[{"numeric":[">",1]}]}}`, `{"body":"{\"n\":2}"}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := parseFilter(pattern)
		var e map[string]any
		if err == nil && json.Unmarshal([]byte(event), &e) == nil {
			p.matchesRecord(e) // does not panic
		}
	})
}
