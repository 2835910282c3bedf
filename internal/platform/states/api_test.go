package states

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// endpoint serves the API over HTTP on loopback.
func endpoint(t testing.TB, s *Service) string {
	t.Helper()
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestSDK goes through AWS's own client: what it sends is understood, and it understands what it gets.
func TestSDK(t *testing.T) {
	url := endpoint(t, open(t, Config{}))
	c := sfn.New(sfn.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")})
	ctx := t.Context()
	m := must[*sfn.CreateStateMachineOutput](t)(c.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String(role), Publish: true, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		Definition: aws.String(machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"OutputPath":"$.Payload","End":true}`)),
	}))
	a := must[*sfn.CreateStateMachineAliasOutput](t)(c.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{
		Name: aws.String("live"), RoutingConfiguration: items(*m.StateMachineVersionArn, 100),
	}))
	x := must[*sfn.StartExecutionOutput](t)(c.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: a.StateMachineAliasArn, Input: aws.String(`{"a":"ä<&>"}`)}))
	var d *sfn.DescribeExecutionOutput
	for d == nil || d.Status == types.ExecutionStatusRunning {
		d = must[*sfn.DescribeExecutionOutput](t)(c.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: x.ExecutionArn}))
	}
	if d.Status != types.ExecutionStatusSucceeded || !jsonEqual(*d.Output, `{"a":"ä<&>"}`) || *d.StateMachineAliasArn != *a.StateMachineAliasArn || !d.StartDate.Equal(*x.StartDate) {
		t.Fatalf("%+v %v", d, *d.Output)
	}
	var history []string
	for p := sfn.NewGetExecutionHistoryPaginator(c, &sfn.GetExecutionHistoryInput{ExecutionArn: x.ExecutionArn, MaxResults: 3}); p.HasMorePages(); {
		for _, e := range must[*sfn.GetExecutionHistoryOutput](t)(p.NextPage(ctx)).Events {
			history = append(history, fmt.Sprintf("%d %d %s", e.Id, e.PreviousEventId, e.Type))
			if e.Id == 1 && *e.ExecutionStartedEventDetails.StateMachineVersionArn != *m.StateMachineVersionArn || time.Since(*e.Timestamp) > time.Hour {
				t.Fatalf("%+v", e)
			}
		}
	}
	is(t, "history", strings.Join(history, ", "), "1 0 ExecutionStarted, 2 0 TaskStateEntered, 3 2 TaskScheduled, 4 3 TaskStarted, 5 4 TaskSucceeded, 6 5 TaskStateExited, 7 6 ExecutionSucceeded")
	l := must[*sfn.ListExecutionsOutput](t)(c.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: a.StateMachineAliasArn, StatusFilter: types.ExecutionStatusSucceeded}))
	if len(l.Executions) != 1 || *l.Executions[0].ExecutionArn != *x.ExecutionArn || *l.Executions[0].RedriveCount != 0 {
		t.Fatalf("%+v", l.Executions)
	}
	_, err := c.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: m.StateMachineVersionArn})
	if busy := (*types.ConflictException)(nil); !errors.As(err, &busy) {
		t.Fatalf("deleting a version in use: %v", err)
	}
	_, err = c.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(arnStart + "gone")})
	if missing := (*types.StateMachineDoesNotExist)(nil); !errors.As(err, &missing) {
		t.Fatalf("a machine that is not there: %v", err)
	}
	must[*sfn.DeleteStateMachineOutput](t)(c.DeleteStateMachine(ctx, &sfn.DeleteStateMachineInput{StateMachineArn: m.StateMachineArn}))
}

// trace is a recorded sequence of calls; see the README beside the recordings.
type trace struct {
	Steps []struct {
		Step, Service, Op string
		Args              map[string]any
		ExpectError       bool `json:"expect_error"`
	}
	Expect []struct {
		Step     string
		Response any
	}
}

// unlike names recordings that cannot be repeated, and why.
var unlike = map[string]string{
	"TestSnfApi_test_create_update_state_machine_base_role_arn":                                                                      "its three roles were recorded as one, so nothing changes",
	"TestSnfApi_test_create_exact_duplicate_sm":                                                                                      "its second call refers to the answer of the third",
	"TestSfnApiVariableReferences_test_base_variable_references_in_jsonata_template_CHOICE_CONDITION_CONSTANT_JSONATA":               "AWS shows the encryption here, and in no other recording",
	"TestSfnApiVariableReferences_test_base_variable_references_in_jsonata_template_CHOICE_STATE_UNSORTED_CHOICE_PARAMETERS_JSONATA": "AWS shows the encryption here, and in no other recording",
}

// TestRecordings repeats AWS's recorded answers over raw HTTP: codes and messages of errors, up to what names resources,
// and the members of answers. Recordings that need operations which are not served are left out.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("../../../../shared/conformance/states-api/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the recordings of AWS's answers are not beside this checkout (../shared/conformance)")
	}
	s := open(t, Config{})
	url := endpoint(t, s)
	served := map[string]bool{}
	for _, o := range s.API().Operations {
		served[o.Name()] = true
	}
	ran := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tr trace
		if err := json.Unmarshal(b, &tr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		skip := unlike[name] != ""
		for _, st := range tr.Steps {
			skip = skip || st.Service != "stepfunctions" || !served[camel(st.Op)]
		}
		if skip {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) { replayTrace(t, url, tr) })
	}
	if ran < 230 {
		t.Errorf("only %d recordings ran", ran)
	}
}

func replayTrace(t *testing.T, url string, tr trace) {
	answers := map[string]any{}
	failed := map[string]bool{}
	wantsError := map[string]bool{}
	for _, st := range tr.Steps {
		wantsError[st.Step] = st.ExpectError
		args, err := json.Marshal(fill(st.Args, answers))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(args))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", "AWSStepFunctions."+camel(st.Op))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var answer any
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%s %s: %s", st.Step, st.Op, body)
		}
		answers[st.Step], failed[st.Step] = answer, resp.StatusCode >= 400
	}
	for _, want := range tr.Expect {
		got, _ := answers[want.Step].(map[string]any)
		if !wantsError[want.Step] {
			if failed[want.Step] {
				t.Errorf("%s: expected success, got %v", want.Step, got)
			} else if w, ok := want.Response.(map[string]any); ok {
				delete(w, "ResponseMetadata")
				if g, w := members(got), members(w); g != w {
					t.Errorf("%s: members %s, AWS has %s", want.Step, g, w)
				}
			}
			continue
		}
		code, message, ok := recordedError(want.Response)
		if !ok {
			continue // the recording does not tell
		}
		is, _ := got["__type"].(string)
		says, _ := got["message"].(string)
		if is = is[strings.LastIndexByte(is, '#')+1:]; !failed[want.Step] || is != code || plain(says) != plain(message) {
			t.Errorf("%s: got %s %q\nAWS says %s %q", want.Step, is, says, code, message)
		}
	}
}

func members(m map[string]any) string { return strings.Join(slices.Sorted(maps.Keys(m)), " ") }

var (
	errorText = regexp.MustCompile(`(?s)An error occurred \((\w+)\) when calling the \w+ operation: (.*)$`)
	reference = regexp.MustCompile(`\{\{(s\d+)((?:\.[^}.]+)*)\}\}`)
	naming    = regexp.MustCompile(`<[^>]+>|arn:[^ '"\],]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|'[^']*'|\[[A-Za-z_-]+[0-9a-f]*\]`)
	letters   = regexp.MustCompile(`[^A-Za-z]+`)
)

func recordedError(response any) (code, message string, ok bool) {
	if m, isMap := response.(map[string]any); isMap {
		if e, ok := m["Error"].(map[string]any); ok {
			return fmt.Sprint(e["Code"]), fmt.Sprint(e["Message"]), true
		}
		response = m["exception_value"]
	}
	if p := errorText.FindStringSubmatch(fmt.Sprint(response)); p != nil {
		return p[1], p[2], true
	}
	return "", "", false
}

// plain is a message without what names resources.
func plain(message string) string {
	return letters.ReplaceAllString(naming.ReplaceAllString(message, ""), "")
}

// camel is the operation's name as the wire has it.
func camel(op string) string {
	var b strings.Builder
	for _, part := range strings.Split(op, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// fill puts earlier answers into the arguments of a call.
func fill(v any, answers map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if k != "__paginator__" {
				out[k] = fill(e, answers)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = fill(e, answers)
		}
		return out
	case string:
		return strings.ReplaceAll(reference.ReplaceAllStringFunc(v, func(r string) string {
			p := reference.FindStringSubmatch(r)
			at := answers[p[1]]
			for _, key := range strings.Split(p[2], ".")[1:] {
				switch a := at.(type) {
				case map[string]any:
					at = a[key]
				case []any:
					i, _ := strconv.Atoi(key)
					at = a[i]
				}
			}
			return fmt.Sprint(at)
		}), "111111111111", "000000000000")
	}
	return v
}
