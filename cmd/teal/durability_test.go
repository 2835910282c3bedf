package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/examples"
)

// Whatever the platform has acknowledged survives kill -9. The example's long order is in one of its waits, on blue, when
// the platform dies, green having been promoted meanwhile; another workflow's task is at work when it dies once more. Both
// end as if nothing had happened, and no function outlives its platform.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	app := filepath.Join(dir, "orders")
	must(t, examples.Copy("orders", app))
	allAtOnce(t, filepath.Join(app, "teal.yaml"))
	p := serve(t, "127.0.0.1:0", filepath.Join(dir, "data"))

	deploy := func(colour string) (out struct {
		Phase   string
		API     struct{ ID string }
		Release struct {
			Functions []struct{ Name, Version string }
			Workflows []struct{ ARN string }
		}
	},
	) {
		teal(t, 0, &out, []string{"RELEASE=" + colour, "TEAL_GOARCH=" + runtime.GOARCH}, "deploy", "--file", filepath.Join(app, "teal.yaml"), "--endpoint", p.URL, "--output", "json")
		return out
	}
	blue := deploy("blue")
	// Green is built once before the order is placed, so that the order is still in its first waits when green is promoted.
	var plan struct{ App string }
	teal(t, 0, &plan, []string{"RELEASE=green", "TEAL_GOARCH=" + runtime.GOARCH}, "plan", "--file", filepath.Join(app, "teal.yaml"), "--endpoint", p.URL, "--output", "json")
	order := startOrder(t, p.URL+"/_aws/execute-api/"+blue.API.ID+"/orders", 8)
	if green := deploy("green"); green.Phase != "promoted" || green.Release.Workflows[0].ARN == blue.Release.Workflows[0].ARN {
		t.Fatalf("green = %+v", green)
	}

	until(t, "the order waits", func() bool { return last(p.history(order)).Type == types.HistoryEventTypeWaitStateEntered })
	before := p.history(order)
	p.kill()
	p = p.restart()
	if after := p.history(order); len(after) < len(before) || fmt.Sprint(ids(after[:len(before)])) != fmt.Sprint(ids(before)) {
		t.Fatalf("the history had %v, and %v after a restart", ids(before), ids(after))
	}

	// A task at work: its function has called the test, which does not answer.
	calls := make(chan *call)
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{version: r.URL.RawQuery, gone: r.Context().Done(), answer: make(chan string)}
		calls <- c
		select {
		case text := <-c.answer:
			fmt.Fprint(w, text)
		case <-c.gone:
		}
	}))
	t.Cleanup(outside.Close)
	slow := p.startSlow(t, outside.URL)
	first := <-calls
	if runtime.GOOS == "linux" && len(functionsOf(t, p.URL)) == 0 {
		t.Fatal("no process of a function is found: the search for orphans would find none either")
	}
	p.kill()
	until(t, "the function that was at work is gone", func() bool {
		select {
		case <-first.gone:
			return true
		default:
			return false
		}
	})
	until(t, "every process of the platform's functions is gone", func() bool { return len(functionsOf(t, p.URL)) == 0 })
	p = p.restart()
	second := <-calls
	second.answer <- "done"
	if first.version != "1" || second.version != "1" {
		t.Errorf("the task ran on versions %s and %s", first.version, second.version)
	}
	end := p.ended(slow)
	if end.Status != types.ExecutionStatusSucceeded || !strings.Contains(aws.ToString(end.Output), `"fetched":"done"`) {
		t.Errorf("the slow execution ended %s: %s %s", end.Status, aws.ToString(end.Output), aws.ToString(end.Cause))
	}
	whole(t, p.history(slow), "Work")

	end = p.ended(order)
	if end.Status != types.ExecutionStatusSucceeded || aws.ToString(end.StateMachineVersionArn) != blue.Release.Workflows[0].ARN {
		t.Fatalf("the order ended %s on %s: %s", end.Status, aws.ToString(end.StateMachineVersionArn), aws.ToString(end.Cause))
	}
	onBlue(t, aws.ToString(end.Output))
	whole(t, p.history(order), "Before charging", "Charge", "Before fulfilment", "Fulfil", "Pack", "Before the invoice", "Invoice", "Summary")
	select {
	case c := <-calls:
		t.Errorf("the task ran once more, on version %s", c.version)
	default:
	}
}

// call is a request of a function that the test holds.
type call struct {
	version string
	gone    <-chan struct{}
	answer  chan string
}

// allAtOnce replaces the manifest's steps: this test is not about shifting.
func allAtOnce(t *testing.T, manifest string) {
	t.Helper()
	raw, err := os.ReadFile(manifest)
	must(t, err)
	head, _, found := strings.Cut(string(raw), "\n  steps:")
	if !found {
		t.Fatalf("%s has no steps", manifest)
	}
	must(t, os.WriteFile(manifest, []byte(head+"\n  strategy: AllAtOnce\n"), 0o644))
}

// startOrder places an order through the API and gives the execution's ARN.
func startOrder(t *testing.T, url string, wait int) string {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"waitSeconds":%d}`, wait)))
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	var answer struct{ ExecutionArn string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.ExecutionArn == "" {
		t.Fatalf("POST %s answered %d: %s", url, resp.StatusCode, body)
	}
	return answer.ExecutionArn
}

// startSlow makes a function and a workflow whose task calls url, and starts it.
func (s *served) startSlow(t *testing.T, url string) string {
	t.Helper()
	ctx := t.Context()
	fn, err := lambda.NewFromConfig(s.aws).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("slow"), Publish: true,
		Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: aws.String("arn:aws:iam::000000000000:role/teal"),
		Architectures: []lambdatypes.Architecture{architecture()}, Timeout: aws.Int32(60), Code: &lambdatypes.FunctionCode{ZipFile: testFunction(t)},
	})
	must(t, err)
	definition := fmt.Sprintf(`{"StartAt":"Work","States":{"Work":{"Type":"Task","Resource":"%s:%s","End":true}}}`,
		strings.TrimSuffix(aws.ToString(fn.FunctionArn), ":1"), aws.ToString(fn.Version))
	states := sfn.NewFromConfig(s.aws)
	machine, err := states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: aws.String("slow"), RoleArn: aws.String("arn:aws:iam::000000000000:role/teal"), Definition: &definition})
	must(t, err)
	started, err := states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Input: aws.String(`{"fetch":"` + url + `"}`)})
	must(t, err)
	return *started.ExecutionArn
}

// testFunction builds the command line's test function and zips it.
func testFunction(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", file, "../../internal/cli/testdata/function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(file)
	must(t, err)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	must(t, err)
	_, err = f.Write(code)
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

// history reads the whole history of an execution.
func (s *served) history(execution string) []types.HistoryEvent {
	s.t.Helper()
	var all []types.HistoryEvent
	pages := sfn.NewGetExecutionHistoryPaginator(sfn.NewFromConfig(s.aws), &sfn.GetExecutionHistoryInput{ExecutionArn: &execution, MaxResults: 20})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		must(s.t, err)
		all = append(all, page.Events...)
	}
	return all
}

func (s *served) ended(execution string) (end *sfn.DescribeExecutionOutput) {
	s.t.Helper()
	until(s.t, execution+" ends", func() bool {
		var err error
		end, err = sfn.NewFromConfig(s.aws).DescribeExecution(s.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &execution})
		must(s.t, err)
		return end.Status != types.ExecutionStatusRunning
	})
	return end
}

func last(events []types.HistoryEvent) types.HistoryEvent { return events[len(events)-1] }

func ids(events []types.HistoryEvent) (out []int64) {
	for _, e := range events {
		out = append(out, e.Id)
	}
	return out
}

// whole checks a history: no gap, one beginning, one end, every invocation scheduled has ended once, and each of the states
// was entered and left once.
func whole(t *testing.T, events []types.HistoryEvent, states ...string) {
	t.Helper()
	kinds := map[types.HistoryEventType]int{}
	entered, exited := map[string]int{}, map[string]int{}
	for i, e := range events {
		if e.Id != int64(i+1) || e.PreviousEventId >= e.Id {
			t.Errorf("event %d of the history has ID %d after %d", i+1, e.Id, e.PreviousEventId)
		}
		kinds[e.Type]++
		if d := e.StateEnteredEventDetails; d != nil {
			entered[*d.Name]++
		}
		if d := e.StateExitedEventDetails; d != nil {
			exited[*d.Name]++
		}
	}
	if events[0].Type != types.HistoryEventTypeExecutionStarted || last(events).Type != types.HistoryEventTypeExecutionSucceeded ||
		kinds[types.HistoryEventTypeExecutionStarted] != 1 || kinds[types.HistoryEventTypeExecutionSucceeded] != 1 {
		t.Errorf("the history begins with %s and ends with %s: %v", events[0].Type, last(events).Type, kinds)
	}
	scheduled := kinds[types.HistoryEventTypeLambdaFunctionScheduled] + kinds[types.HistoryEventTypeTaskScheduled]
	succeeded := kinds[types.HistoryEventTypeLambdaFunctionSucceeded] + kinds[types.HistoryEventTypeTaskSucceeded]
	if scheduled == 0 || scheduled != succeeded {
		t.Errorf("%d invocations were scheduled, %d succeeded", scheduled, succeeded)
	}
	for _, s := range states {
		if entered[s] != 1 || exited[s] != 1 {
			t.Errorf("state %q was entered %d times and left %d times", s, entered[s], exited[s])
		}
	}
}

// onBlue checks that every step of an order ran on version 1, which is blue.
func onBlue(t *testing.T, output string) {
	t.Helper()
	type place struct{ Function, Version, Release string }
	var doc struct {
		RanOn struct {
			Reserve               []place
			Charge, Pack, Invoice place
		}
	}
	must(t, json.Unmarshal([]byte(output), &doc))
	steps := slices.Concat(doc.RanOn.Reserve, []place{doc.RanOn.Charge, doc.RanOn.Pack, doc.RanOn.Invoice})
	if len(steps) != 5 {
		t.Fatalf("the order tells of %d steps, it has 5: %s", len(steps), output)
	}
	for _, s := range steps {
		if s.Version != "1" || s.Release != "blue" {
			t.Errorf("a step ran on %+v, want version 1 of blue", s)
		}
	}
}

// functionsOf lists the processes that have the endpoint in their environment, as functions have, on Linux.
func functionsOf(t *testing.T, endpoint string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	for _, f := range files {
		if env, err := os.ReadFile(f); err == nil && bytes.Contains(env, []byte("AWS_ENDPOINT_URL="+endpoint+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}
